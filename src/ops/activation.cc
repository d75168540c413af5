// Activation functions. Each gradient is one fused kernel, which is an operation with a gradient of its own.
#include "taper/ops/activation.h"

#include <cmath>

#include "cpu/losses.h"
#include "ops/huber.h"
#include "ops/inplace.h"
#include "ops/pointwise.h"

namespace taper {

namespace {

// The first derivatives' gradients: second(ddx, dy, v) = ddx * dy * f''.
struct Relu {
  static constexpr Promotion promotion = Promotion::same;
  static constexpr auto name = "relu", backward_name = "relu_backward";
  static constexpr const cpu::Kernel &kernel = kernels::relu, &backward_kernel = kernels::relu_backward;
  Tensor gradient(const Tensor& dy, const Tensor& y) const { return fused(*this, dy, y); }
  Tensor second(const Tensor&, const Tensor& dy, const Tensor&) const { return zeros_like(dy); }
};
struct Sigmoid {
  static constexpr auto name = "sigmoid", backward_name = "sigmoid_backward";
  static constexpr const cpu::Kernel &kernel = kernels::sigmoid, &backward_kernel = kernels::sigmoid_backward;
  // The fused kernel conjugates y, which Fused, for real numbers, does not follow.
  Tensor gradient(const Tensor& dy, const Tensor& y) const {
    return y.is_complex() ? mul(dy, conj(mul(y, rsub(y, 1)))) : fused(*this, dy, y);
  }
  Tensor second(const Tensor& ddx, const Tensor& dy, const Tensor& y) const {
    return mul(mul(ddx, dy), rsub(mul(y, 2), 1));
  }
};
struct Gelu {
  static constexpr auto name = "gelu", backward_name = "gelu_backward";
  static constexpr const cpu::Kernel &kernel = kernels::gelu, &backward_kernel = kernels::gelu_backward;
  Tensor gradient(const Tensor& dy, const Tensor& x) const { return fused(*this, dy, x); }
  Tensor second(const Tensor& ddx, const Tensor& dy, const Tensor& x) const {
    // Phi(x) + x phi(x) differentiates to (2 - x^2) phi(x).
    const Tensor square = mul(x, x), density = mul(exp(mul(square, -0.5)), M_2_SQRTPI * M_SQRT1_2 / 2);
    return mul(mul(ddx, dy), mul(density, rsub(square, 2)));
  }
};
struct GeluTanh {
  static constexpr auto name = "gelu", backward_name = "gelu_backward";
  static constexpr const cpu::Kernel &kernel = kernels::gelu_tanh,
                                     &backward_kernel = kernels::gelu_tanh_backward;
  Tensor gradient(const Tensor& dy, const Tensor& x) const { return fused(*this, dy, x); }
  Tensor second(const Tensor& ddx, const Tensor& dy, const Tensor& x) const {
    // y = x (1 + tanh u) / 2 with u = k (x + c x^3); y'' = (1 - t^2) (u' + x (u'' / 2 - t u'^2)).
    constexpr double k = M_2_SQRTPI * M_SQRT1_2, cubic = 0.044715;
    const Tensor square = mul(x, x), t = tanh(mul(add(x, mul(mul(square, x), cubic)), k));
    const Tensor slope = mul(add(mul(square, 3 * cubic), 1), k), bend = mul(x, 6 * cubic * k);
    const Tensor inner = add(slope, mul(x, sub(div(bend, 2), mul(t, mul(slope, slope)))));
    return mul(mul(ddx, dy), mul(rsub(mul(t, t), 1), inner));
  }
};
struct Silu {
  static constexpr auto name = "silu", backward_name = "silu_backward";
  static constexpr const cpu::Kernel &kernel = kernels::silu, &backward_kernel = kernels::silu_backward;
  Tensor gradient(const Tensor& dy, const Tensor& x) const { return fused(*this, dy, x); }
  Tensor second(const Tensor& ddx, const Tensor& dy, const Tensor& x) const {
    const Tensor s = sigmoid(x), slope = mul(s, rsub(s, 1));
    return mul(mul(ddx, dy), mul(slope, add(mul(x, rsub(mul(s, 2), 1)), 2)));
  }
};
struct Mish {
  static constexpr auto name = "mish", backward_name = "mish_backward";
  static constexpr const cpu::Kernel &kernel = kernels::mish, &backward_kernel = kernels::mish_backward;
  Tensor gradient(const Tensor& dy, const Tensor& x) const { return fused(*this, dy, x); }
  Tensor second(const Tensor& ddx, const Tensor& dy, const Tensor& x) const {
    // y = x t with t = tanh(softplus(x)): y'' = 2 t' + x t'', t' = (1 - t^2) s, t'' = -2 t t' s + (1 - t^2) s
    // (1 - s).
    const Tensor t = tanh(softplus(x)), s = sigmoid(x), rest = rsub(mul(t, t), 1), slope = mul(rest, s);
    const Tensor bend = sub(mul(slope, rsub(s, 1)), mul(mul(mul(t, slope), s), 2));
    return mul(mul(ddx, dy), add(mul(slope, 2), mul(x, bend)));
  }
};
struct Softplus {
  static constexpr auto name = "softplus", backward_name = "softplus_backward";
  static constexpr const cpu::Kernel &kernel = kernels::softplus,
                                     &backward_kernel = kernels::softplus_backward;
  cpu::SoftplusShape attributes;
  Tensor gradient(const Tensor& dy, const Tensor& x) const { return fused(*this, dy, x); }
  Tensor second(const Tensor& ddx, const Tensor& dy, const Tensor& x) const {
    const Tensor s = sigmoid(mul(x, attributes.beta));
    const Tensor bend = mul(mul(s, rsub(s, 1)), attributes.beta);
    return masked_fill(mul(mul(ddx, dy), bend), gt(mul(x, attributes.beta), attributes.threshold), 0);
  }
};
struct LeakyRelu {
  static constexpr auto name = "leaky_relu", backward_name = "leaky_relu_backward";
  static constexpr const cpu::Kernel &kernel = kernels::leaky_relu,
                                     &backward_kernel = kernels::leaky_relu_backward;
  cpu::Slope attributes;
  Tensor gradient(const Tensor& dy, const Tensor& x) const { return fused(*this, dy, x); }
  Tensor second(const Tensor&, const Tensor& dy, const Tensor&) const { return zeros_like(dy); }
};
struct Elu {
  static constexpr auto name = "elu", backward_name = "elu_backward";
  static constexpr const cpu::Kernel &kernel = kernels::elu, &backward_kernel = kernels::elu_backward;
  cpu::EluShape attributes;
  Tensor gradient(const Tensor& dy, const Tensor& x) const { return fused(*this, dy, x); }
  Tensor second(const Tensor& ddx, const Tensor& dy, const Tensor& x) const {
    const double scale =
        attributes.alpha * attributes.scale * attributes.input_scale * attributes.input_scale;
    const Tensor bend = mul(exp(mul(x, attributes.input_scale)), scale);
    return masked_fill(mul(mul(ddx, dy), bend), gt(x, 0), 0);
  }
};
struct Hardtanh {
  static constexpr auto name = "hardtanh", backward_name = "hardtanh_backward";
  static constexpr const cpu::Kernel &kernel = kernels::hardtanh,
                                     &backward_kernel = kernels::hardtanh_backward;
  cpu::Interval attributes;
  Tensor gradient(const Tensor& dy, const Tensor& x) const { return fused(*this, dy, x); }
  Tensor second(const Tensor&, const Tensor& dy, const Tensor&) const { return zeros_like(dy); }
};
struct Hardsigmoid {
  static constexpr auto name = "hardsigmoid", backward_name = "hardsigmoid_backward";
  static constexpr const cpu::Kernel &kernel = kernels::hardsigmoid,
                                     &backward_kernel = kernels::hardsigmoid_backward;
  Tensor gradient(const Tensor& dy, const Tensor& x) const { return fused(*this, dy, x); }
  Tensor second(const Tensor&, const Tensor& dy, const Tensor&) const { return zeros_like(dy); }
};
struct Hardswish {
  static constexpr auto name = "hardswish", backward_name = "hardswish_backward";
  static constexpr const cpu::Kernel &kernel = kernels::hardswish,
                                     &backward_kernel = kernels::hardswish_backward;
  Tensor gradient(const Tensor& dy, const Tensor& x) const { return fused(*this, dy, x); }
  Tensor second(const Tensor& ddx, const Tensor& dy, const Tensor& x) const {
    return masked_fill(div(mul(ddx, dy), 3), logical_or(le(x, -3), ge(x, 3)), 0);
  }
};
struct Softsign {
  static constexpr auto name = "softsign", backward_name = "softsign_backward";
  static constexpr const cpu::Kernel &kernel = kernels::softsign,
                                     &backward_kernel = kernels::softsign_backward;
  Tensor gradient(const Tensor& dy, const Tensor& x) const { return fused(*this, dy, x); }
  Tensor second(const Tensor& ddx, const Tensor& dy, const Tensor& x) const {
    const Tensor size = add(abs(x), 1);
    return div(mul(mul(mul(ddx, dy), sign(x)), -2), mul(mul(size, size), size));
  }
};
struct Tanhshrink {
  static constexpr auto name = "tanhshrink", backward_name = "tanhshrink_backward";
  static constexpr const cpu::Kernel &kernel = kernels::tanhshrink,
                                     &backward_kernel = kernels::tanhshrink_backward;
  Tensor gradient(const Tensor& dy, const Tensor& x) const { return fused(*this, dy, x); }
  Tensor second(const Tensor& ddx, const Tensor& dy, const Tensor& x) const {
    const Tensor t = tanh(x);
    return mul(mul(mul(ddx, dy), mul(t, 2)), rsub(mul(t, t), 1));
  }
};
struct Hardshrink {
  static constexpr auto name = "hardshrink", backward_name = "hardshrink_backward";
  static constexpr const cpu::Kernel &kernel = kernels::hardshrink,
                                     &backward_kernel = kernels::hardshrink_backward;
  cpu::Shrink attributes;
  Tensor gradient(const Tensor& dy, const Tensor& x) const { return fused(*this, dy, x); }
  Tensor second(const Tensor&, const Tensor& dy, const Tensor&) const { return zeros_like(dy); }
};
struct Softshrink {
  static constexpr auto name = "softshrink", backward_name = "softshrink_backward";
  static constexpr const cpu::Kernel &kernel = kernels::softshrink,
                                     &backward_kernel = kernels::softshrink_backward;
  cpu::Shrink attributes;
  Tensor gradient(const Tensor& dy, const Tensor& x) const { return fused(*this, dy, x); }
  Tensor second(const Tensor&, const Tensor& dy, const Tensor&) const { return zeros_like(dy); }
};
struct Huber {
  static constexpr auto name = "huber", backward_name = "huber_backward";
  static constexpr const cpu::Kernel &kernel = kernels::huber, &backward_kernel = kernels::huber_backward;
  cpu::Bend attributes;
  Tensor gradient(const Tensor& dy, const Tensor& x) const { return fused(*this, dy, x); }
  Tensor second(const Tensor& ddx, const Tensor& dy, const Tensor& x) const {
    return masked_fill(mul(ddx, dy), ge(abs(x), attributes.delta), 0);
  }
};
struct ThresholdRule {
  static constexpr Promotion promotion = Promotion::same;
  static constexpr auto name = "threshold", backward_name = "threshold_backward";
  static constexpr const cpu::Kernel &kernel = kernels::threshold,
                                     &backward_kernel = kernels::threshold_backward;
  cpu::Threshold attributes;
  Tensor gradient(const Tensor& dy, const Tensor& x) const { return fused(*this, dy, x); }
  Tensor second(const Tensor&, const Tensor& dy, const Tensor&) const { return zeros_like(dy); }
};
struct LogSigmoid {
  static constexpr auto name = "logsigmoid", backward_name = "logsigmoid_backward";
  static constexpr const cpu::Kernel &kernel = kernels::log_sigmoid,
                                     &backward_kernel = kernels::log_sigmoid_backward;
  Tensor gradient(const Tensor& dy, const Tensor& x) const { return fused(*this, dy, x); }
  Tensor second(const Tensor& ddx, const Tensor& dy, const Tensor& x) const {
    const Tensor s = sigmoid(x);
    return neg(mul(mul(ddx, dy), mul(s, rsub(s, 1))));
  }
};

struct Erf {
  static constexpr auto name = "erf";
  static constexpr const cpu::Kernel& kernel = kernels::erf;
  static Tensor gradient(const Tensor& dy, const Tensor& x) {
    return mul(mul(dy, exp(neg(mul(x, x)))), M_2_SQRTPI);
  }
};
struct Erfc {
  static constexpr auto name = "erfc";
  static constexpr const cpu::Kernel& kernel = kernels::erfc;
  static Tensor gradient(const Tensor& dy, const Tensor& x) {
    return mul(mul(dy, exp(neg(mul(x, x)))), -M_2_SQRTPI);
  }
};
struct Erfinv {
  static constexpr auto name = "erfinv";
  static constexpr const cpu::Kernel& kernel = kernels::erfinv;
  static Tensor gradient(const Tensor& dy, const Tensor& y) {
    return mul(mul(dy, exp(mul(y, y))), 1 / M_2_SQRTPI);
  }
};
struct Lgamma {
  static constexpr auto name = "lgamma";
  static constexpr const cpu::Kernel& kernel = kernels::lgamma;
  static Tensor gradient(const Tensor& dy, const Tensor& x) { return mul(dy, digamma(x)); }
};
struct Logit {
  static constexpr auto name = "logit";
  static constexpr const cpu::Kernel& kernel = kernels::logit;
  cpu::Epsilon attributes;
  Tensor gradient(const Tensor& dy, const Tensor& x) const {
    const Tensor dx = div(dy, mul(x, rsub(x, 1)));
    if (attributes.eps < 0) return dx;
    return masked_fill(dx, logical_or(lt(x, attributes.eps), gt(x, 1 - attributes.eps)), 0);
  }
};
struct Digamma {
  static constexpr auto name = "digamma";
  static constexpr const cpu::Kernel& kernel = kernels::digamma;
  static Tensor gradient(const Tensor& dy, const Tensor& x) { return mul(dy, polygamma(1, x)); }
};

}  // namespace

Tensor relu(const Tensor& x) {
  check<DTypeError>(x.dtype() != boolean && !x.is_complex(), "relu: not defined for dtype ", x.dtype());
  return record(OfOutput<Relu>{}, x);
}
Tensor sigmoid(const Tensor& x) { return record(OfOutput<Sigmoid>{}, x); }
Tensor gelu(const Tensor& x, std::string_view approximate) {
  check<ValueError>(approximate == "none" || approximate == "tanh",
                    "gelu: approximate must be 'none' or 'tanh', got '", approximate, "'");
  return approximate == "tanh" ? record(OfInput<GeluTanh>{}, x) : record(OfInput<Gelu>{}, x);
}
// Of complex numbers there are no fused kernels: they are rare.
Tensor silu(const Tensor& x) { return x.is_complex() ? mul(x, sigmoid(x)) : record(OfInput<Silu>{}, x); }
Tensor mish(const Tensor& x) { return record(OfInput<Mish>{}, x); }
Tensor softplus(const Tensor& x, double beta, double threshold) {
  return record(OfInput<Softplus>{{{beta, threshold}}}, x);
}
Tensor leaky_relu(const Tensor& x, double slope) { return record(OfInput<LeakyRelu>{{{slope}}}, x); }
Tensor elu(const Tensor& x, double alpha) { return record(OfInput<Elu>{{{alpha, 1, 1}}}, x); }
Tensor selu(const Tensor& x) {
  // The fixed point of Klambauer et al. 2017, section 2.
  return record(OfInput<Elu>{{{1.6732632423543772848170429916717, 1.0507009873554804934193349852946, 1}}}, x);
}
Tensor celu(const Tensor& x, double alpha) {
  check<ValueError>(alpha != 0, "celu: alpha must not be 0");
  return record(OfInput<Elu>{{{alpha, 1, 1 / alpha}}}, x);
}
Tensor hardtanh(const Tensor& x, double low, double high) {
  if (is_integral(x.dtype())) return clamp(x, Scalar(std::int64_t(low)), Scalar(std::int64_t(high)));
  check<ValueError>(low <= high, "hardtanh: min_val ", low, " must not be greater than max_val ", high);
  return record(OfInput<Hardtanh>{{{low, high}}}, x);
}
Tensor relu6(const Tensor& x) { return hardtanh(x, 0, 6); }
Tensor hardsigmoid(const Tensor& x) { return record(OfInput<Hardsigmoid>{}, x); }
Tensor hardswish(const Tensor& x) { return record(OfInput<Hardswish>{}, x); }
Tensor softsign(const Tensor& x) {
  return x.is_complex() ? div(x, add(abs(x), 1)) : record(OfInput<Softsign>{}, x);
}
Tensor tanhshrink(const Tensor& x) {
  return x.is_complex() ? sub(x, tanh(x)) : record(OfInput<Tanhshrink>{}, x);
}
Tensor huber(const Tensor& x, double delta) { return record(OfInput<Huber>{{{delta}}}, x); }
Tensor hardshrink(const Tensor& x, double lambda) { return record(OfInput<Hardshrink>{{{lambda}}}, x); }
Tensor softshrink(const Tensor& x, double lambda) {
  check<ValueError>(lambda >= 0, "softshrink: lambda must not be negative, got ", lambda);
  return record(OfInput<Softshrink>{{{lambda}}}, x);
}
Tensor threshold(const Tensor& x, double limit, double value) {
  return record(OfInput<ThresholdRule>{{{limit, value}}}, x);
}
Tensor logsigmoid(const Tensor& x) { return record(OfInput<LogSigmoid>{}, x); }

Tensor prelu(const Tensor& x, const Tensor& weight) {
  check<ShapeError>(weight.ndim() <= 1, "prelu: weight must be one number or one per channel, got shape ",
                    weight.sizes());
  Tensor slope = weight;
  if (weight.numel() != 1) {
    const std::int64_t channels = x.ndim() > 1 ? x.sizes()[1] : 1;
    check<ShapeError>(weight.numel() == channels, "prelu: ", weight.numel(), " weights for ", channels,
                      " channels of x ", x.sizes());
    Shape sizes = Shape::filled(x.ndim(), 1);
    sizes[1] = channels;
    slope = reshape(weight, sizes);
  } else if (weight.ndim() != x.ndim()) {
    slope = reshape(weight, Shape::filled(x.ndim(), 1));
  }
  return where(gt(x, 0), x, mul(slope, x));
}

Tensor glu(const Tensor& x, std::int64_t dim) {
  check<ShapeError>(x.ndim() > 0, "glu: does not take 0-d tensors");
  const std::int64_t size = x.size(dim);
  check<ShapeError>(size % 2 == 0, "glu: needs an even size in dimension ", dim, ", got shape ", x.sizes());
  return mul(narrow(x, dim, 0, size / 2), sigmoid(narrow(x, dim, size / 2, size / 2)));
}

Tensor erf(const Tensor& x) { return record(OfInput<Erf>{}, x); }
Tensor erfc(const Tensor& x) { return record(OfInput<Erfc>{}, x); }
Tensor erfinv(const Tensor& x) { return record(OfOutput<Erfinv>{}, x); }
Tensor lgamma(const Tensor& x) { return record(OfInput<Lgamma>{}, x); }
Tensor digamma(const Tensor& x) { return record(OfInput<Digamma>{}, x); }
Tensor logit(const Tensor& x, std::optional<double> eps) {
  return record(OfInput<Logit>{{{eps.value_or(-1)}}}, x);
}

namespace {

// nn.functional's activations take inplace=; the tape makes it worth nothing but memory.
template <auto function, class... More>
Tensor maybe_inplace(const Tensor& x, More... more, bool inplace) {
  if (!inplace) return function(x, more...);
  return taper::inplace("activation", x, [&](const Tensor& before) { return function(before, more...); });
}

const Register relu_op[]{{{.signature = "relu(Tensor input) -> Tensor",
                           .doc = "max(input, 0); NaN stays NaN.",
                           .call = box<relu>,
                           .samples = "x(2, 3); x(); x(0, 3)",
                           .reference = "np.maximum(input, 0)",
                           .inplace = true}},
                         {{.signature = "relu(Tensor input, bool inplace=False) -> Tensor",
                           .doc = "max(input, 0); NaN stays NaN.",
                           .call = box<maybe_inplace<relu>>,
                           .homes = "nn.functional",
                           .samples = "x(2, 3); x(3) * 4",
                           .reference = "np.maximum(input, 0)"}}};
const Register silu_op[]{{{.signature = "silu(Tensor input, bool inplace=False) -> Tensor",
                           .doc = "input * sigmoid(input).",
                           .call = box<maybe_inplace<silu>>,
                           .homes = "nn.functional",
                           .samples = "x(2, 3); x(3) * 4",
                           .reference = "input * sp.special.expit(input)"}}};
const Register mish_op[]{{{.signature = "mish(Tensor input, bool inplace=False) -> Tensor",
                           .doc = "input * tanh(softplus(input)).",
                           .call = box<maybe_inplace<mish>>,
                           .homes = "nn.functional",
                           .samples = "x(2, 3); x(3) * 4",
                           .reference = "input * np.tanh(np.logaddexp(0, input))"}}};
const Register selu_op[]{{{.signature = "selu(Tensor input) -> Tensor",
                           .doc = "A self-normalizing elu (Klambauer et al. 2017).",
                           .call = box<selu>,
                           .samples = "x(2, 3); x(); x(0, 3)",
                           .reference = "ref.selu(input)",
                           .inplace = true}},
                         {{.signature = "selu(Tensor input, bool inplace=False) -> Tensor",
                           .doc = "A self-normalizing elu (Klambauer et al. 2017).",
                           .call = box<maybe_inplace<selu>>,
                           .homes = "nn.functional",
                           .samples = "x(2, 3); x(3) * 4",
                           .reference = "ref.selu(input)"}}};
const Register hardsigmoid_op[]{{{.signature = "hardsigmoid(Tensor input, bool inplace=False) -> Tensor",
                                  .doc = "min(max(input + 3, 0), 6) / 6.",
                                  .call = box<maybe_inplace<hardsigmoid>>,
                                  .homes = "nn.functional",
                                  .samples = "x(2, 3); x(3) * 4",
                                  .reference = "np.clip(input + 3, 0, 6) / 6"}}};
const Register hardswish_op[]{{{.signature = "hardswish(Tensor input, bool inplace=False) -> Tensor",
                                .doc = "input * hardsigmoid(input).",
                                .call = box<maybe_inplace<hardswish>>,
                                .homes = "nn.functional",
                                .samples = "x(2, 3); x(3) * 4",
                                .reference = "input * np.clip(input + 3, 0, 6) / 6"}}};
const Register relu6_op[]{{{.signature = "relu6(Tensor input, bool inplace=False) -> Tensor",
                            .doc = "input bounded to [0, 6].",
                            .call = box<maybe_inplace<relu6>>,
                            .homes = "nn.functional",
                            .samples = "x(2, 3); x(3) * 4",
                            .reference = "np.clip(input, 0, 6)"}}};
const Register leaky_relu_op{
    {.signature = "leaky_relu(Tensor input, float negative_slope=0.01, bool inplace=False) -> Tensor",
     .doc = "input above 0, negative_slope * input below.",
     .call = box<maybe_inplace<leaky_relu, double>>,
     .homes = "nn.functional",
     .samples = "x(2, 3); x(3), 0.2",
     .reference = "np.where(input > 0, input, negative_slope * input)"}};
const Register elu_op{{.signature = "elu(Tensor input, float alpha=1.0, bool inplace=False) -> Tensor",
                       .doc = "input above 0, alpha * (exp(input) - 1) below.",
                       .call = box<maybe_inplace<elu, double>>,
                       .homes = "nn.functional",
                       .samples = "x(2, 3); x(3), 0.5",
                       .reference = "np.where(input > 0, input, alpha * np.expm1(input))"}};
const Register celu_op{{.signature = "celu(Tensor input, float alpha=1.0, bool inplace=False) -> Tensor",
                        .doc = "input above 0, alpha * (exp(input / alpha) - 1) below.",
                        .call = box<maybe_inplace<celu, double>>,
                        .homes = "nn.functional",
                        .samples = "x(2, 3); x(3), 0.5",
                        .reference = "np.where(input > 0, input, alpha * np.expm1(input / alpha))"}};
const Register hardtanh_op{
    {.signature =
         "hardtanh(Tensor input, float min_val=-1.0, float max_val=1.0, bool inplace=False) -> Tensor",
     .doc = "input bounded by min_val and max_val.",
     .call = box<maybe_inplace<hardtanh, double, double>>,
     .homes = "nn.functional",
     .samples = "x(2, 3); x(3), -0.5, 0.25",
     .reference = "np.clip(input, min_val, max_val)"}};
const Register threshold_op{
    {.signature = "threshold(Tensor input, float threshold, float value, bool inplace=False) -> Tensor",
     .doc = "input above threshold, value elsewhere.",
     .call = box<maybe_inplace<threshold, double, double>>,
     .homes = "nn.functional",
     .samples = "x(2, 3), 0.1, -3.0",
     .reference = "np.where(input > threshold, input, value)"}};
const Register sigmoid_op{{.signature = "sigmoid(Tensor input) -> Tensor",
                           .doc = "1 / (1 + exp(-input)).",
                           .call = box<sigmoid>,
                           .homes = "taper Tensor nn.functional",
                           .samples = "x(2, 3); x(); x(3) * 100",
                           .reference = "sp.special.expit(input)",
                           .inplace = true}};
const Register expit_op{{.signature = "expit(Tensor input) -> Tensor",
                         .doc = "As sigmoid.",
                         .call = box<sigmoid>,
                         .homes = "special",
                         .samples = "x(2, 3)",
                         .reference = "sp.special.expit(input)"}};
const Register tanh_functional_op{{.signature = "tanh(Tensor input) -> Tensor",
                                   .doc = "Hyperbolic tangent.",
                                   .call = box<tanh>,
                                   .homes = "nn.functional",
                                   .samples = "x(2, 3)",
                                   .reference = "np.tanh(input)"}};
const Register gelu_op{{.signature = "gelu(Tensor input, *, str approximate='none') -> Tensor",
                        .doc = "input * Phi(input); approximate: 'none' or 'tanh'.",
                        .call = box<gelu>,
                        .homes = "nn.functional",
                        .samples = "x(2, 3); x(); x(3), approximate='tanh'",
                        .reference = "ref.gelu(input, approximate)",
                        .errors = "x(3), approximate='fast'"}};
const Register huber_op{
    {.signature = "_huber(Tensor input, float delta=1.0) -> Tensor",
     .doc = "input^2 / 2 up to |input| = delta, then a line: Huber 1964.",
     .call = box<huber>,
     .homes = "taper",
     .samples = "x(2, 3); x(4) * 3, 0.5",
     .reference = "np.where(np.abs(input) < delta, input**2 / 2, delta * (np.abs(input) - delta / 2))"}};
const Register softplus_op{
    {.signature = "softplus(Tensor input, float beta=1.0, float threshold=20.0) -> Tensor",
     .doc = "log(1 + exp(beta * input)) / beta.",
     .call = box<softplus>,
     .homes = "nn.functional",
     .samples = "x(2, 3); x(3), 2.0; x(3) * 30",
     .reference = "np.logaddexp(0, beta * input) / beta"}};
const Register softsign_op{{.signature = "softsign(Tensor input) -> Tensor",
                            .doc = "input / (1 + |input|).",
                            .call = box<softsign>,
                            .homes = "nn.functional",
                            .samples = "x(2, 3); x()",
                            .reference = "input / (1 + np.abs(input))"}};
const Register tanhshrink_op{{.signature = "tanhshrink(Tensor input) -> Tensor",
                              .doc = "input - tanh(input).",
                              .call = box<tanhshrink>,
                              .homes = "nn.functional",
                              .samples = "x(2, 3); x()",
                              .reference = "input - np.tanh(input)"}};
const Register logsigmoid_op{{.signature = "logsigmoid(Tensor input) -> Tensor",
                              .doc = "log(sigmoid(input)).",
                              .call = box<logsigmoid>,
                              .homes = "nn.functional",
                              .samples = "x(2, 3); x()",
                              .reference = "-np.logaddexp(0, -input)"}};
const Register hardshrink_op{{.signature = "hardshrink(Tensor input, float lambd=0.5) -> Tensor",
                              .doc = "0 within lambd of 0.",
                              .call = box<hardshrink>,
                              .homes = "nn.functional",
                              .samples = "x(2, 3); x(3), 0.25",
                              .reference = "np.where(np.abs(input) > lambd, input, 0)"}};
const Register softshrink_op{{.signature = "softshrink(Tensor input, float lambd=0.5) -> Tensor",
                              .doc = "Moved towards 0 by lambd.",
                              .call = box<softshrink>,
                              .homes = "nn.functional",
                              .samples = "x(2, 3); x(3), 0.25",
                              .reference = "np.sign(input) * np.maximum(np.abs(input) - lambd, 0)"}};
const Register prelu_op{{.signature = "prelu(Tensor input, Tensor weight) -> Tensor",
                         .doc = "input above 0, weight * input below.",
                         .call = box<prelu>,
                         .homes = "taper nn.functional",
                         .samples = "x(2, 3), x(1); x(2, 3), x(3); x(2, 3, 2), x(3)",
                         .reference = "ref.prelu(input, weight)",
                         .errors = "x(2, 3), x(2)"}};
const Register glu_op{{.signature = "glu(Tensor input, int dim=-1) -> Tensor",
                       .doc = "First half of dim times the sigmoid of the second.",
                       .call = box<glu>,
                       .homes = "nn.functional",
                       .samples = "x(2, 4); x(4, 3), 0",
                       .reference = "ref.glu(input, dim)",
                       .errors = "x(2, 3)"}};
const Register erf_op{{.signature = "erf(Tensor input) -> Tensor",
                       .doc = "Error function.",
                       .call = box<erf>,
                       .homes = "taper Tensor special",
                       .samples = "x(2, 3); x()",
                       .reference = "sp.special.erf(input)",
                       .inplace = true}};
const Register erfc_op{{.signature = "erfc(Tensor input) -> Tensor",
                        .doc = "1 - erf(input).",
                        .call = box<erfc>,
                        .homes = "taper Tensor special",
                        .samples = "x(2, 3)",
                        .reference = "sp.special.erfc(input)",
                        .inplace = true}};
const Register erfinv_op{{.signature = "erfinv(Tensor input) -> Tensor",
                          .doc = "Inverse of erf.",
                          .call = box<erfinv>,
                          .homes = "taper Tensor special",
                          .samples = "x(2, 3, lo=-.9, hi=.9)",
                          .reference = "sp.special.erfinv(input)",
                          .inplace = true}};
const Register lgamma_op{{.signature = "lgamma(Tensor input) -> Tensor",
                          .doc = "log |Gamma(input)|.",
                          .call = box<lgamma>,
                          .samples = "x(2, 3, lo=.2, hi=5)",
                          .reference = "sp.special.gammaln(input)",
                          .inplace = true}};
const Register digamma_op{{.signature = "digamma(Tensor input) -> Tensor",
                           .doc = "The derivative of lgamma.",
                           .call = box<digamma>,
                           .homes = "taper Tensor special",
                           .samples = "x(2, 3, lo=.2, hi=5)",
                           .reference = "sp.special.digamma(input)",
                           .differentiable = false,
                           .inplace = true}};
const Register logit_op{{.signature = "logit(Tensor input, float? eps=None) -> Tensor",
                         .doc = "log(input / (1 - input)).",
                         .call = box<logit>,
                         .homes = "taper Tensor special",
                         .samples = "x(2, 3, lo=.1, hi=.9); x(3, lo=.01, hi=.99), 0.1",
                         .reference = "ref.logit(input, eps)",
                         .inplace = true}};

}  // namespace

}  // namespace taper
