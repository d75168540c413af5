// Softmax and log-softmax.
#include "taper/ops/softmax.h"

#include "autograd/record.h"
#include "cpu/softmax.h"
#include "ops/elementwise.h"
#include "ops/registry.h"
#include "taper/ops.h"
#include "tensor/kernel_for.h"

namespace taper {

namespace {

cpu::Slices slices_of(const Tensor& x, int dim) {
  cpu::Slices slices{x.dtype(), 1, x.ndim() ? x.sizes()[dim] : 1, 1};
  for (int i = 0; i < dim; ++i) slices.outer *= x.sizes()[i];
  for (int i = dim + 1; i < x.ndim(); ++i) slices.inner *= x.sizes()[i];
  return slices;
}

struct SoftmaxBackward {
  static constexpr auto name = "softmax_backward";
  static constexpr Saves saves{.inputs = 3};
  int dim;

  Tensor forward(const Tensor& dy, const Tensor& y) const {
    const Tensor dense_dy = contiguous(dy), dense_y = contiguous(y);
    Tensor dx = empty(y.sizes(), y.dtype(), y.device());
    if (dx.numel())
      kernel_for<cpu::softmax_backward>(name, dense_y, dense_dy)(slices_of(y, dim), dense_y.data(),
                                                                 dense_dy.data(), dx.data());
    return dx;
  }
  // dx = y (dy - <y, dy>).
  std::array<Tensor, 2> backward(const Saved& saved, const Tensor& g) const {
    const Tensor dy = saved.input(0), y = saved.input(1);
    const auto along = [this](const Tensor& x) { return x.ndim() ? sum(x, Shape{dim}, true) : x; };
    const Tensor gy = mul(g, y);
    return {saved.needs(0) ? sub(gy, mul(y, along(gy))) : Tensor(),
            saved.needs(1) ? sub(mul(g, sub(dy, along(mul(y, dy)))), mul(dy, along(gy))) : Tensor()};
  }
};

struct Softmax {
  static constexpr auto name = "softmax";
  static constexpr Saves saves{.outputs = 1};
  int dim;

  Tensor forward(const Tensor& x) const {
    const Tensor dense = contiguous(x);
    Tensor y = empty(x.sizes(), x.dtype(), x.device());
    if (y.numel()) kernel_for<cpu::softmax>(name, dense)(slices_of(x, dim), dense.data(), y.data());
    return y;
  }
  Tensor backward(const Saved& saved, const Tensor& dy) const {
    return record(SoftmaxBackward{dim}, dy, saved.output());
  }
};

struct LogSoftmaxBackward {
  static constexpr auto name = "log_softmax_backward";
  static constexpr Saves saves{.inputs = 3};
  int dim;

  Tensor forward(const Tensor& dy, const Tensor& y) const {
    const Tensor dense_dy = contiguous(dy), dense_y = contiguous(y);
    Tensor dx = empty(y.sizes(), y.dtype(), y.device());
    if (dx.numel())
      kernel_for<cpu::log_softmax_backward>(name, dense_y, dense_dy)(slices_of(y, dim), dense_y.data(),
                                                                     dense_dy.data(), dx.data());
    return dx;
  }
  // dx = dy - exp(y) sum(dy).
  std::array<Tensor, 2> backward(const Saved& saved, const Tensor& g) const {
    const Tensor dy = saved.input(0), probability = exp(saved.input(1));
    const auto along = [this](const Tensor& x) { return x.ndim() ? sum(x, Shape{dim}, true) : x; };
    return {saved.needs(0) ? sub(g, along(mul(g, probability))) : Tensor(),
            saved.needs(1) ? neg(mul(mul(g, probability), along(dy))) : Tensor()};
  }
};

struct LogSoftmax {
  static constexpr auto name = "log_softmax";
  static constexpr Saves saves{.outputs = 1};
  int dim;

  Tensor forward(const Tensor& x) const {
    const Tensor dense = contiguous(x);
    Tensor y = empty(x.sizes(), x.dtype(), x.device());
    if (y.numel()) kernel_for<cpu::log_softmax>(name, dense)(slices_of(x, dim), dense.data(), y.data());
    return y;
  }
  Tensor backward(const Saved& saved, const Tensor& dy) const {
    return record(LogSoftmaxBackward{dim}, dy, saved.output());
  }
};

Tensor normalizable(const Tensor& x, std::optional<DType> dtype, const char* op) {
  const Tensor converted = dtype ? to(x, *dtype) : x;
  check<DTypeError>(converted.is_floating_point(), op, ": needs a floating dtype, got ", converted.dtype(),
                    "; pass dtype= or convert with .float()");
  return converted;
}

}  // namespace

Tensor softmax(const Tensor& x, std::int64_t dim, std::optional<DType> dtype) {
  return record(Softmax{wrap_dim(dim, x.ndim(), "softmax")}, normalizable(x, dtype, "softmax"));
}

Tensor log_softmax(const Tensor& x, std::int64_t dim, std::optional<DType> dtype) {
  return record(LogSoftmax{wrap_dim(dim, x.ndim(), "log_softmax")}, normalizable(x, dtype, "log_softmax"));
}

namespace {

Tensor softmax_any(const Tensor& x, std::optional<std::int64_t> dim, std::int64_t,
                   std::optional<DType> dtype) {
  return softmax(x, dim.value_or(x.ndim() == 0 || x.ndim() == 1 || x.ndim() == 3 ? 0 : 1), dtype);
}
Tensor log_softmax_any(const Tensor& x, std::optional<std::int64_t> dim, std::int64_t,
                       std::optional<DType> dtype) {
  return log_softmax(x, dim.value_or(x.ndim() == 0 || x.ndim() == 1 || x.ndim() == 3 ? 0 : 1), dtype);
}
Tensor softmin(const Tensor& x, std::optional<std::int64_t> dim, std::int64_t stacklevel,
               std::optional<DType> dtype) {
  return softmax_any(neg(x), dim, stacklevel, dtype);
}

const Register softmax_op{
    {.signature = "softmax(Tensor input, int dim, dtype? dtype=None) -> Tensor",
     .doc = "exp(input) / sum(exp(input)) along dim.",
     .call = box<softmax>,
     .homes = "taper Tensor special",
     .samples = "x(2, 3), 1; x(2, 3, 4), 1; x(), 0; x(0, 3), 1; x(3, 2).T, 0; x(2, 3) * 500, -1",
     .reference = "sp.special.softmax(input, axis=dim) if input.ndim else np.ones(())",
     .errors = "x(2, 3), 2; i(3), 0"}};
const Register log_softmax_op{{.signature = "log_softmax(Tensor input, int dim, dtype? dtype=None) -> Tensor",
                               .doc = "log(softmax(input)) along dim.",
                               .call = box<log_softmax>,
                               .homes = "taper Tensor special",
                               .samples = "x(2, 3), 1; x(2, 3, 4), 1; x(3, 2).T, 0; x(2, 3) * 500, -1",
                               .reference = "sp.special.log_softmax(input, axis=dim)",
                               .errors = "x(2, 3), 2"}};
const Register softmax_functional{
    {.signature = "softmax(Tensor input, int? dim=None, int _stacklevel=3, dtype? dtype=None) -> Tensor",
     .doc = "As taper.softmax.",
     .call = box<softmax_any>,
     .homes = "nn.functional",
     .samples = "x(2, 3), 1; x(2, 3)",
     .reference = "sp.special.softmax(input, axis=1)"}};
const Register log_softmax_functional{
    {.signature = "log_softmax(Tensor input, int? dim=None, int _stacklevel=3, dtype? dtype=None) -> Tensor",
     .doc = "As taper.log_softmax.",
     .call = box<log_softmax_any>,
     .homes = "nn.functional",
     .samples = "x(2, 3), 1; x(2, 3)",
     .reference = "sp.special.log_softmax(input, axis=1)"}};
const Register softmin_op{
    {.signature = "softmin(Tensor input, int? dim=None, int _stacklevel=3, dtype? dtype=None) -> Tensor",
     .doc = "softmax(-input).",
     .call = box<softmin>,
     .homes = "nn.functional",
     .samples = "x(2, 3), 1",
     .reference = "sp.special.softmax(-input, axis=1)"}};
}  // namespace

}  // namespace taper
