// Convolutions and their gradients.
#include "step.h"

namespace device_sim {

namespace {

enum class Pass { forward, data, filter };

struct Convolution {
  Pass pass;
  Tensor x, w, y;
  std::vector<int64_t> before, after, dilation, stride;
  double alpha, beta;

  Convolution(const Descriptor& d, Pass which, int x_name, int w_name, int y_name, int geometry,
              int alpha_name, int beta_name)
      : pass(which), x(d.part(x_name)), w(d.part(w_name)), y(d.part(y_name)) {
    const Descriptor& g = d.part(geometry);
    const auto dims = g.value<int64_t>(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS);
    before = g.list<int64_t>(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS);
    after = g.list<int64_t>(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS);
    dilation = g.list<int64_t>(CUDNN_ATTR_CONVOLUTION_DILATIONS);
    stride = g.list<int64_t>(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES);
    if (g.value<cudnnConvolutionMode_t>(CUDNN_ATTR_CONVOLUTION_CONV_MODE) != CUDNN_CROSS_CORRELATION)
      throw Refused("only cross correlation is here");
    const bool wide = x.type == CUDNN_DATA_DOUBLE;
    if (g.value<cudnnDataType_t>(CUDNN_ATTR_CONVOLUTION_COMP_TYPE) !=
        (wide ? CUDNN_DATA_DOUBLE : CUDNN_DATA_FLOAT))
      throw Refused("sums must be float32, or float64 of float64");
    alpha = wide ? d.value<double>(alpha_name) : double(d.value<float>(alpha_name));
    beta = wide ? d.value<double>(beta_name) : double(d.value<float>(beta_name));
    check(dims);
  }

  void check(int64_t dims) const {
    for (const auto* list : {&before, &after, &dilation, &stride})
      if (int64_t(list->size()) != dims) throw Refused("a list of the geometry has another length");
    if (int64_t(x.sizes.size()) != dims + 2 || x.sizes.size() != w.sizes.size() ||
        x.sizes.size() != y.sizes.size() || x.type != w.type || x.type != y.type)
      throw Refused("operands differ in dimensions or type");
    if (x.sizes[0] != y.sizes[0] || w.sizes[0] != y.sizes[1] || x.sizes[1] % w.sizes[1] != 0 ||
        y.sizes[1] % (x.sizes[1] / w.sizes[1]) != 0)
      throw Refused("batches or channels do not fit");
    for (size_t i = 0; i < before.size(); ++i) {
      const int64_t room = x.sizes[i + 2] + before[i] + after[i] - dilation[i] * (w.sizes[i + 2] - 1) - 1;
      if (room < 0 || y.sizes[i + 2] != room / stride[i] + 1) throw Refused("sizes do not fit");
    }
  }
};

Convolution convolution_of(const Descriptor& d) {
  switch (d.type) {
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
      return {d,
              Pass::forward,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
      return {d,
              Pass::data,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR:
      return {d,
              Pass::filter,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
    default: throw Refused("no such operation");
  }
}

// Calls meet(x, w, y) with the row-major numbers of elements that meet in a product.
void each_product(const Convolution& c, const std::function<void(int64_t, int64_t, int64_t)>& meet) {
  const size_t dims = c.before.size();
  int64_t plane_x = 1, plane_y = 1, window = 1;
  for (size_t i = 0; i < dims; ++i)
    plane_x *= c.x.sizes[i + 2], plane_y *= c.y.sizes[i + 2], window *= c.w.sizes[i + 2];
  const int64_t inputs = c.w.sizes[1], outputs = c.y.sizes[1], group_out = outputs / (c.x.sizes[1] / inputs);
  for (int64_t place_y = 0; place_y < plane_y; ++place_y)
    for (int64_t k = 0; k < window; ++k) {
      int64_t place_x = 0, step = 1, rest_y = place_y, rest_k = k;
      bool inside = true;
      for (size_t i = dims; i-- > 0;) {
        const int64_t at =
            rest_y % c.y.sizes[i + 2] * c.stride[i] - c.before[i] + rest_k % c.w.sizes[i + 2] * c.dilation[i];
        rest_y /= c.y.sizes[i + 2], rest_k /= c.w.sizes[i + 2];
        inside = inside && at >= 0 && at < c.x.sizes[i + 2];
        place_x += at * step, step *= c.x.sizes[i + 2];
      }
      for (int64_t n = 0; inside && n < c.x.sizes[0]; ++n)
        for (int64_t o = 0; o < outputs; ++o)
          for (int64_t i = 0; i < inputs; ++i)
            meet((n * c.x.sizes[1] + o / group_out * inputs + i) * plane_x + place_x,
                 (o * inputs + i) * window + k, (n * outputs + o) * plane_y + place_y);
    }
}

std::vector<Elements> compute(const Convolution& c, const std::vector<Elements>& in) {
  const Tensor& result = c.pass == Pass::data ? c.x : c.pass == Pass::filter ? c.w : c.y;
  Elements sums(size_t(result.count()));
  each_product(c, [&](int64_t i, int64_t k, int64_t o) {
    switch (c.pass) {
      case Pass::data: sums[size_t(i)] += in[0][size_t(k)] * in[1][size_t(o)]; break;
      case Pass::filter: sums[size_t(k)] += in[0][size_t(i)] * in[1][size_t(o)]; break;
      default: sums[size_t(o)] += in[0][size_t(i)] * in[1][size_t(k)];
    }
  });
  for (double& sum : sums) sum *= c.alpha;
  return {sums};
}

}  // namespace

Step convolution_step(const Descriptor& operation) {
  const Convolution c = convolution_of(operation);
  if (c.beta != 0) throw Refused("beta of a convolution must be 0 here");
  const auto run = [c](const std::vector<Elements>& inputs) { return compute(c, inputs); };
  switch (c.pass) {
    case Pass::data: return {"data", {c.w, c.y}, {c.x}, run, true};
    case Pass::filter: return {"filter", {c.x, c.y}, {c.w}, run, true};
    default: return {"forward", {c.x, c.w}, {c.y}, run, true};
  }
}

}  // namespace device_sim
