// Products, reductions and elementwise operations of graphs.
#include "step.h"

#include <algorithm>
#include <cmath>

namespace device_sim {

int64_t shared_number(const std::vector<int64_t>& sizes, const std::vector<int64_t>& larger,
                      const std::vector<int64_t>& index) {
  int64_t number = 0;
  for (size_t d = 0; d < sizes.size(); ++d) number = number * sizes[d] + index[d] / (larger[d] / sizes[d]);
  return number;
}

std::vector<int64_t> index_of(int64_t number, const std::vector<int64_t>& sizes) {
  std::vector<int64_t> index(sizes.size());
  for (size_t d = sizes.size(); d-- > 0;) index[d] = number % sizes[d], number /= sizes[d];
  return index;
}

namespace {

void check_sizes(const std::vector<int64_t>& sizes, const std::vector<int64_t>& larger, bool only_one) {
  if (sizes.size() != larger.size()) throw Refused("operands differ in dimensions");
  for (size_t d = 0; d < sizes.size(); ++d)
    if (only_one ? sizes[d] != 1 && sizes[d] != larger[d] : larger[d] % sizes[d] != 0)
      throw Refused("sizes of the operands do not fit together");
}

double apply(cudnnPointwiseMode_t mode, bool keeps_nan, double x, double b, double t) {
  switch (mode) {
    case CUDNN_POINTWISE_ADD: return x + b;
    case CUDNN_POINTWISE_SUB: return x - b;
    case CUDNN_POINTWISE_MUL: return x * b;
    case CUDNN_POINTWISE_DIV: return x / b;
    case CUDNN_POINTWISE_EXP: return std::exp(x);
    case CUDNN_POINTWISE_LOG: return std::log(x);
    case CUDNN_POINTWISE_IDENTITY: return x;
    case CUDNN_POINTWISE_RELU_FWD: return x > 0 || (keeps_nan && std::isnan(x)) ? x : 0;
    case CUDNN_POINTWISE_CMP_GE: return x >= b;
    case CUDNN_POINTWISE_BINARY_SELECT: return t != 0 ? x : b;
    default: throw Refused("no such elementwise function here");
  }
}

Step pointwise_step(const Descriptor& d) {
  const Descriptor& function = d.part(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR);
  const auto mode = function.value<cudnnPointwiseMode_t>(CUDNN_ATTR_POINTWISE_MODE);
  const Tensor y(d.part(CUDNN_ATTR_OPERATION_POINTWISE_YDESC));
  std::vector<Tensor> inputs;
  for (const int name : {CUDNN_ATTR_OPERATION_POINTWISE_XDESC, CUDNN_ATTR_OPERATION_POINTWISE_BDESC,
                         CUDNN_ATTR_OPERATION_POINTWISE_TDESC})
    if (d.has_part(name)) check_sizes(inputs.emplace_back(d.part(name)).sizes, y.sizes, true);
  if (mode == CUDNN_POINTWISE_GEN_INDEX) {
    const auto axis = size_t(function.value<int64_t>(CUDNN_ATTR_POINTWISE_AXIS));
    return {"pointwise", inputs, {y}, [y, axis](const std::vector<Elements>&) {
              Elements indices;
              for (int64_t i = 0; i < y.count(); ++i) indices.push_back(double(index_of(i, y.sizes)[axis]));
              return std::vector<Elements>{indices};
            }};
  }
  const bool keeps_nan =
      function.values.count(CUDNN_ATTR_POINTWISE_NAN_PROPAGATION) &&
      function.value<cudnnNanPropagation_t>(CUDNN_ATTR_POINTWISE_NAN_PROPAGATION) == CUDNN_PROPAGATE_NAN;
  apply(mode, keeps_nan, 0, 0, 0);
  return {"pointwise", inputs, {y}, [=](const std::vector<Elements>& in) {
            Elements results;
            for (int64_t i = 0; i < y.count(); ++i) {
              const auto index = index_of(i, y.sizes);
              double operand[3] = {};
              for (size_t k = 0; k < in.size(); ++k)
                operand[k] = in[k][size_t(shared_number(inputs[k].sizes, y.sizes, index))];
              results.push_back(apply(mode, keeps_nan, operand[0], operand[1], operand[2]));
            }
            return std::vector<Elements>{results};
          }};
}

Step reduction_step(const Descriptor& d) {
  const auto op =
      d.part(CUDNN_ATTR_OPERATION_REDUCTION_DESC).value<cudnnReduceTensorOp_t>(CUDNN_ATTR_REDUCTION_OPERATOR);
  const Tensor x(d.part(CUDNN_ATTR_OPERATION_REDUCTION_XDESC)),
      y(d.part(CUDNN_ATTR_OPERATION_REDUCTION_YDESC));
  check_sizes(y.sizes, x.sizes, false);
  if (op != CUDNN_REDUCE_TENSOR_ADD && op != CUDNN_REDUCE_TENSOR_MAX) throw Refused("no such reduction here");
  return {"reduction", {x}, {y}, [=](const std::vector<Elements>& in) {
            const bool adds = op == CUDNN_REDUCE_TENSOR_ADD;
            Elements results(size_t(y.count()), adds ? 0 : -INFINITY);
            for (int64_t i = 0; i < x.count(); ++i) {
              double& result = results[size_t(shared_number(y.sizes, x.sizes, index_of(i, x.sizes)))];
              result = adds ? result + in[0][size_t(i)] : std::max(result, in[0][size_t(i)]);
            }
            return std::vector<Elements>{results};
          }};
}

Step matmul_step(const Descriptor& d) {
  d.part(CUDNN_ATTR_OPERATION_MATMUL_DESC);
  const Tensor a(d.part(CUDNN_ATTR_OPERATION_MATMUL_ADESC)), b(d.part(CUDNN_ATTR_OPERATION_MATMUL_BDESC)),
      c(d.part(CUDNN_ATTR_OPERATION_MATMUL_CDESC));
  const size_t row = c.sizes.size() - 2, column = row + 1;
  if (a.sizes.size() != c.sizes.size() || b.sizes.size() != c.sizes.size() ||
      a.sizes[column] != b.sizes[row] || c.sizes[row] != a.sizes[row] || c.sizes[column] != b.sizes[column])
    throw Refused("the factors of a product do not fit together");
  for (size_t i = 0; i < row; ++i)
    if (c.sizes[i] % a.sizes[i] || c.sizes[i] % b.sizes[i]) throw Refused("batches of products do not fit");
  return {"matmul", {a, b}, {c}, [=](const std::vector<Elements>& in) {
            Elements sums(size_t(c.count()));
            auto larger_a = c.sizes, larger_b = c.sizes;
            larger_a[column] = larger_b[row] = a.sizes[column];
            for (int64_t i = 0; i < c.count(); ++i) {
              auto at_a = index_of(i, c.sizes), at_b = at_a;
              for (int64_t k = 0; k < a.sizes[column]; ++k) {
                at_a[column] = at_b[row] = k;
                sums[size_t(i)] += in[0][size_t(shared_number(a.sizes, larger_a, at_a))] *
                                   in[1][size_t(shared_number(b.sizes, larger_b, at_b))];
              }
            }
            return std::vector<Elements>{sums};
          }};
}

/// The same memory, read by other sizes and strides.
Step reshape_step(const Descriptor& d) {
  const Tensor x(d.part(CUDNN_ATTR_OPERATION_RESHAPE_XDESC)), y(d.part(CUDNN_ATTR_OPERATION_RESHAPE_YDESC));
  auto from = x.places(), to = y.places();
  std::map<int64_t, size_t> number_at;
  for (size_t i = 0; i < from.size(); ++i) number_at[from[i]] = i;
  for (const int64_t place : to)
    if (!number_at.count(place)) throw Refused("a reshaped tensor reads what is not there");
  return {"reshape", {x}, {y}, [=](const std::vector<Elements>& in) {
            Elements results;
            for (const int64_t place : to) results.push_back(in[0][number_at.at(place)]);
            return std::vector<Elements>{results};
          }};
}

}  // namespace

Step step_of(const Descriptor& operation) {
  switch (operation.type) {
    case CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR: return pointwise_step(operation);
    case CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR: return reduction_step(operation);
    case CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR: return matmul_step(operation);
    case CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR: return reshape_step(operation);
    case CUDNN_BACKEND_OPERATION_NORM_FORWARD_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_NORM_BACKWARD_DESCRIPTOR: return norm_step(operation);
    default: return convolution_step(operation);
  }
}

}  // namespace device_sim
