// Running sums, products and extremes along a dimension.
#include "cpu/scan.h"

#include <limits>

#include "autograd/record.h"
#include "ops/elementwise.h"
#include "ops/registry.h"
#include "taper/ops.h"
#include "tensor/kernel_for.h"

namespace taper {

namespace {

struct Extent {
  std::int64_t outer = 1, n = 1, inner = 1;
  Extent(const Tensor& x, int dim) {
    for (int i = 0; i < x.ndim(); ++i) (i < dim ? outer : i == dim ? n : inner) *= x.sizes()[i];
  }
};

template <class Kernel>
Tensor scanned(Kernel kernel, const Tensor& x, int dim, DType output) {
  const Tensor dense = contiguous(x);
  Tensor y = empty(x.sizes(), output, x.device());
  const Extent extent(x, dim);
  if (y.numel()) kernel(dense.data(), x.dtype(), extent.outer, extent.n, extent.inner, y.data(), output);
  return y;
}

// The sum of all that comes after: the gradient of cumsum.
Tensor reversed_cumsum(const Tensor& x, int dim) {
  return x.ndim() ? flip(cumsum(flip(x, {dim}), dim), {dim}) : x;
}

struct Cumsum {
  static constexpr auto name = "cumsum";
  int dim;
  DType input, output;

  Tensor forward(const Tensor& x) const { return scanned(kernel_for<cpu::cumsum>(name, x), x, dim, output); }
  Tensor backward(const Saved&, const Tensor& dy) const { return to(reversed_cumsum(dy, dim), input); }
};

struct Cumprod {
  static constexpr auto name = "cumprod";
  static constexpr Saves saves{.inputs = 1};
  int dim;
  DType output;

  Tensor forward(const Tensor& x) const { return scanned(kernel_for<cpu::cumprod>(name, x), x, dim, output); }
  // dx_i = sum over j >= i of dy_j (product of x_k, k <= j, k != i): row by row without dividing, since x may
  // be 0.
  Tensor backward(const Saved& saved, const Tensor& dy) const {
    const Tensor x = saved.input(0);
    if (x.ndim() == 0 || x.numel() == 0) return to(dy, x.dtype());
    const std::int64_t n = x.size(dim);
    Tensors slices;
    for (std::int64_t i = 0; i < n; ++i) {
      Shape one = x.sizes();
      one[dim] = 1;
      const Tensor before = i == 0 ? ones(one, x.dtype(), x.device()) : prod(narrow(x, dim, 0, i), dim, true);
      const Tensor after =
          i + 1 < n
              ? cat({ones(one, x.dtype(), x.device()), cumprod(narrow(x, dim, i + 1, n - i - 1), dim)}, dim)
              : ones(one, x.dtype(), x.device());
      slices.push_back(mul(conj(before), sum(mul(narrow(dy, dim, i, n - i), conj(after)), Shape{dim}, true)));
    }
    return to(cat(slices, dim), x.dtype());
  }
};

// y_i = x_i + a_i y_(i-1) along dim, or from the end back with y_(i+1).
struct LinearRecurrence {
  static constexpr auto name = "linear_recurrence";
  static constexpr Saves saves{.inputs = 2, .outputs = 1};
  int dim;
  bool reverse;

  Tensor forward(const Tensor& x, const Tensor& a) const {
    const Tensor dense_x = contiguous(x), dense_a = contiguous(a);
    Tensor y = empty(x.sizes(), x.dtype(), x.device());
    const Extent extent(x, dim);
    if (y.numel())
      kernel_for<cpu::linear_recurrence>(name, x, a)(dense_x.data(), dense_a.data(), x.dtype(), extent.outer,
                                                     extent.n, extent.inner, reverse, y.data());
    return y;
  }
  std::array<Tensor, 2> backward(const Saved& saved, const Tensor& dy) const {
    const Tensor a = conj(saved.input(1)), y = conj(saved.output());
    const Tensor dx = record(LinearRecurrence{dim, !reverse}, dy, neighbour(a, reverse));
    return {dx, saved.needs(1) ? mul(dx, neighbour(y, !reverse)) : Tensor()};
  }
  // The elements before each along dim, or after it; 0 at the end.
  Tensor neighbour(const Tensor& x, bool before) const {
    const std::int64_t n = x.size(dim);
    if (n == 0) return x;
    const Tensor zero = zeros_like(narrow(x, dim, 0, 1)), rest = narrow(x, dim, before ? 0 : 1, n - 1);
    return before ? cat({zero, rest}, dim) : cat({rest, zero}, dim);
  }
};

struct LogCumsumExp {
  static constexpr auto name = "logcumsumexp";
  static constexpr Saves saves{.inputs = 1, .outputs = 1};
  int dim;

  Tensor forward(const Tensor& x) const {
    return scanned(kernel_for<cpu::logcumsumexp>(name, x), x, dim, x.dtype());
  }
  // dx_i = exp(x_i - y_i) r_i with r_i = sum over j >= i of dy_j exp(y_i - y_j) = dy_i + exp(y_i - y_(i+1))
  // r_(i+1): no exponent is above 0.
  Tensor backward(const Saved& saved, const Tensor& dy) const {
    const Tensor x = saved.input(0), y = saved.output();
    if (x.ndim() == 0 || x.numel() == 0) return dy;
    const Tensor nothing = eq(real(y), Scalar(-std::numeric_limits<double>::infinity()));
    const auto fraction = [&](const Tensor& part) {
      return conj(masked_fill(exp(masked_fill(part, nothing, 0)), nothing, 0));
    };
    const Tensor next = cat({narrow(y, dim, 1, x.size(dim) - 1), narrow(y, dim, x.size(dim) - 1, 1)}, dim);
    const Tensor sums = record(LinearRecurrence{dim, true}, dy, fraction(sub(y, next)));
    return mul(sums, fraction(sub(x, y)));
  }
};

template <bool largest>
struct RunningExtreme {
  static constexpr auto name = largest ? "cummax" : "cummin";
  static constexpr Saves saves{.outputs = 2};
  int dim;

  std::array<Tensor, 2> forward(const Tensor& x) const {
    const Tensor dense = contiguous(x);
    Tensor y = empty(x.sizes(), x.dtype(), x.device()), places = empty(x.sizes(), int64, x.device());
    const Extent extent(x, dim);
    if (y.numel())
      (largest ? kernel_for<cpu::cummax>(name, x) : kernel_for<cpu::cummin>(name, x))(
          dense.data(), x.dtype(), extent.outer, extent.n, extent.inner, y.data(),
          places.device_data<std::int64_t>());
    return {y, places};
  }
  Tensor backward(const Saved& saved, std::span<const Tensor> dy) const {
    if (!dy[0].defined()) return {};
    return scatter_add(zeros(dy[0].sizes(), dy[0].dtype(), dy[0].device()), dim, saved.output(1), dy[0]);
  }
};

}  // namespace

Tensor cumsum(const Tensor& x, std::int64_t dim, std::optional<DType> dtype) {
  const Tensor terms = summands(x, dtype);
  return record(Cumsum{wrap_dim(dim, x.ndim(), "cumsum"), terms.dtype(), sum_dtype(terms, dtype)}, terms);
}
Tensor cumprod(const Tensor& x, std::int64_t dim, std::optional<DType> dtype) {
  const Tensor factors = summands(x, dtype);
  return record(Cumprod{wrap_dim(dim, x.ndim(), "cumprod"), sum_dtype(factors, dtype)}, factors);
}
Tensor logcumsumexp(const Tensor& x, std::int64_t dim) {
  return record(LogCumsumExp{wrap_dim(dim, x.ndim(), "logcumsumexp")}, x);
}
std::tuple<Tensor, Tensor> cummax(const Tensor& x, std::int64_t dim) {
  const auto results = record(RunningExtreme<true>{wrap_dim(dim, x.ndim(), "cummax")}, x);
  return {results[0], results[1]};
}
std::tuple<Tensor, Tensor> cummin(const Tensor& x, std::int64_t dim) {
  const auto results = record(RunningExtreme<false>{wrap_dim(dim, x.ndim(), "cummin")}, x);
  return {results[0], results[1]};
}

namespace {

const Register cumsum_op{{.signature = "cumsum(Tensor input, int dim, *, dtype? dtype=None) -> Tensor",
                          .doc = "Running sum along dim.",
                          .call = box<cumsum>,
                          .samples = "x(2, 3), 1; x(3, 2).T, 0; x(0, 3), 0; c(3), 0",
                          .reference = "np.cumsum(input, axis=dim)",
                          .errors = "x(2, 3), 2",
                          .inplace = true}};
const Register cumprod_op{{.signature = "cumprod(Tensor input, int dim, *, dtype? dtype=None) -> Tensor",
                           .doc = "Running product along dim.",
                           .call = box<cumprod>,
                           .samples = "x(2, 3), 1; x(3, 2), 0; z(4), 0",
                           .reference = "np.cumprod(input, axis=dim)",
                           .errors = "x(2, 3), 2",
                           .inplace = true}};
const Register logcumsumexp_op{{.signature = "logcumsumexp(Tensor input, int dim) -> Tensor",
                                .doc = "log of the running sum of exp(input).",
                                .call = box<logcumsumexp>,
                                .samples = "x(2, 3), 1; x(3, 2), 0; x(5) * 40, 0; c(2, 3), 0; x(), 0",
                                .reference = "ref.logcumsumexp(input, dim)"}};
const Register cummax_op{{.signature = "cummax(Tensor input, int dim) -> (Tensor values, Tensor indices)",
                          .doc = "The largest so far and its place.",
                          .call = box<cummax>,
                          .samples = "x(2, 3), 1; x(4), 0",
                          .reference = "ref.running_extreme(input, dim, np.greater_equal)",
                          .errors = "c(3), 0"}};
const Register cummin_op{{.signature = "cummin(Tensor input, int dim) -> (Tensor values, Tensor indices)",
                          .doc = "The smallest so far and its place.",
                          .call = box<cummin>,
                          .samples = "x(2, 3), 1; x(4), 0",
                          .reference = "ref.running_extreme(input, dim, np.less_equal)"}};

}  // namespace

}  // namespace taper
