// Activation functions and their gradients, elementwise. Formulas are those of src/cpu/unary_activation.cc
// and binary_gradients.cc, whose comments derive them.
#include "cpu/attributes.h"
#include "cpu/binary.h"
#include "cpu/losses.h"
#include "cpu/unary.h"
#include "cuda/elementwise.cuh"

namespace taper::cuda {

namespace formulas {

template <class T>
__device__ __forceinline__ T logistic(T x) {
  return T(1) / (T(1) + exp(-x));
}

/// A formula without attributes; of an activation in x, of a gradient in dy and the second operand.
#define TAPER_ACTIVATION(Name, expression)                    \
  template <class T>                                          \
  struct Name {                                               \
    __device__ T operator()(T x) const { return expression; } \
  };
#define TAPER_GRADIENT(Name, expression)                            \
  template <class T>                                                \
  struct Name {                                                     \
    __device__ T operator()(T dy, T x) const { return expression; } \
  };

TAPER_ACTIVATION(Sigmoid, logistic(x))
TAPER_ACTIVATION(Relu, std::is_signed_v<T>&& x < T(0) ? T(0) : x)
TAPER_ACTIVATION(Gelu, T(0.5) * x * erfc(x * T(-0.70710678118654752)))
TAPER_ACTIVATION(GeluTanh, x* logistic(T(1.5957691216057308) * x * (T(1) + T(0.044715) * x * x)))
TAPER_ACTIVATION(Silu, x* logistic(x))
TAPER_ACTIVATION(Mish, x* tanh(x > T(20) ? x : log1p(exp(x))))
TAPER_ACTIVATION(Softsign, x / (T(1) + fabs(x)))
TAPER_ACTIVATION(Tanhshrink, x - tanh(x))
TAPER_ACTIVATION(LogSigmoid, (x < T(0) ? x : T(0)) - log1p(exp(-fabs(x))))
TAPER_ACTIVATION(Relu6, x<T(0) ? T(0) : x> T(6) ? T(6) : x)
TAPER_ACTIVATION(Hardsigmoid, x<T(-3) ? T(0) : x> T(3) ? T(1) : x / T(6) + T(0.5))
TAPER_ACTIVATION(Hardswish, x<T(-3) ? T(0) : x> T(3) ? x : x*(x + T(3)) / T(6))

// From the output y, here named x.
TAPER_GRADIENT(TanhBackward, dy*(T(1) - x * x))
TAPER_GRADIENT(SigmoidBackward, dy* x*(T(1) - x))
TAPER_GRADIENT(ReciprocalBackward, -(dy*(x* x)))
TAPER_GRADIENT(SqrtBackward, dy / (x + x))
TAPER_GRADIENT(RsqrtBackward, dy* T(-0.5) * (x * x * x))
TAPER_GRADIENT(ReluBackward, x <= T(0) ? T(0) : dy)
// From the input x.
TAPER_GRADIENT(GeluBackward, dy*(T(0.5) * erfc(x * T(-0.70710678118654752)) +
                                 x * T(0.39894228040143268) * exp(T(-0.5) * x * x)))
TAPER_GRADIENT(SiluBackward, dy* logistic(x) * (T(1) + x * (T(1) - logistic(x))))
TAPER_GRADIENT(HardswishBackward, dy*(x >= T(3) ? T(1) : x <= T(-3) ? T(0) : x / T(3) + T(0.5)))
TAPER_GRADIENT(HardsigmoidBackward, fabs(x) >= T(3) ? T(0) : dy / T(6))
TAPER_GRADIENT(LogSigmoidBackward, dy* logistic(-x))
TAPER_GRADIENT(SoftsignBackward, dy / ((T(1) + fabs(x)) * (T(1) + fabs(x))))
TAPER_GRADIENT(TanhshrinkBackward, dy* tanh(x) * tanh(x))
#undef TAPER_ACTIVATION
#undef TAPER_GRADIENT

template <class T>
struct GeluTanhBackward {
  __device__ T operator()(T dy, T x) const {
    const T s = logistic(T(1.5957691216057308) * x * (T(1) + T(0.044715) * x * x));
    const T slope = T(1.5957691216057308) * (T(1) + T(3 * 0.044715) * x * x);
    const T bend = x * slope * (T(1) - s);
    return dy * (s + (s == T(0) ? T(0) : s * bend));
  }
};
template <class T>
struct MishBackward {
  __device__ T operator()(T dy, T x) const {
    const T t = tanh(x > T(20) ? x : log1p(exp(x)));
    return dy * (t + x * logistic(x) * (T(1) - t * t));
  }
};
template <class T>
struct Softplus {
  T beta, threshold;
  explicit Softplus(const void* attributes) {
    const auto& shape = *static_cast<const cpu::SoftplusShape*>(attributes);
    beta = T(shape.beta), threshold = T(shape.threshold);
  }
  __device__ T operator()(T x) const { return x * beta > threshold ? x : log1p(exp(x * beta)) / beta; }
  __device__ T operator()(T dy, T x) const { return x * beta > threshold ? dy : dy * logistic(x * beta); }
};
template <class T>
struct LeakyRelu {
  T slope;
  explicit LeakyRelu(const void* attributes) : slope(T(static_cast<const cpu::Slope*>(attributes)->slope)) {}
  __device__ T operator()(T x) const { return x > T(0) ? x : x * slope; }
  __device__ T operator()(T dy, T x) const { return x > T(0) ? dy : dy * slope; }
};
template <class T>
struct Elu {
  T alpha, scale, input_scale;
  explicit Elu(const void* attributes) {
    const auto& shape = *static_cast<const cpu::EluShape*>(attributes);
    alpha = T(shape.alpha), scale = T(shape.scale), input_scale = T(shape.input_scale);
  }
  __device__ T operator()(T x) const { return scale * (x > T(0) ? x : alpha * expm1(input_scale * x)); }
  __device__ T operator()(T dy, T x) const {
    return dy * (x > T(0) ? scale : alpha * scale * input_scale * exp(input_scale * x));
  }
};
template <class T>
struct Hardtanh {
  T low, high;
  explicit Hardtanh(const void* attributes) {
    const auto& range = *static_cast<const cpu::Interval*>(attributes);
    low = T(range.low), high = T(range.high);
  }
  __device__ T operator()(T x) const { return x < low ? low : x > high ? high : x; }
  __device__ T operator()(T dy, T x) const { return x <= low || x >= high ? T(0) : dy; }
};
template <class T>
struct ClampBackward {
  bool has_low, has_high;
  T low, high;
  explicit ClampBackward(const void* attributes) {
    const auto& bounds = *static_cast<const cpu::Bounds*>(attributes);
    has_low = bounds.has_low;
    has_high = bounds.has_high;
    low = has_low ? number<T>(bounds.low) : T(0);
    high = has_high ? number<T>(bounds.high) : T(0);
  }
  __device__ T operator()(T dy, T x) const {
    return (!has_low || x > low) && (!has_high || x < high) ? dy : T(0);
  }
};

template <class T>
struct Selu {
  // Klambauer et al. (2017), arXiv:1706.02515.
  __device__ T operator()(T x) const {
    constexpr double alpha = 1.6732632423543772848, scale = 1.0507009873554804934;
    return x > T(0) ? T(scale) * x : T(scale * alpha) * expm1(x);
  }
};
template <class T>
struct Hardshrink {
  T lambda;
  explicit Hardshrink(const void* attributes)
      : lambda(T(static_cast<const cpu::Shrink*>(attributes)->lambda)) {}
  __device__ T operator()(T x) const { return fabs(x) <= lambda ? T(0) : x; }
  __device__ T operator()(T dy, T x) const { return fabs(x) <= lambda ? T(0) : dy; }
};
template <class T>
struct Softshrink {
  T lambda;
  explicit Softshrink(const void* attributes)
      : lambda(T(static_cast<const cpu::Shrink*>(attributes)->lambda)) {}
  __device__ T operator()(T x) const { return fabs(x) <= lambda ? T(0) : x - copysign(lambda, x); }
};
template <class T>
struct Threshold {
  double threshold;
  T value;
  explicit Threshold(const void* attributes) {
    const auto& to = *static_cast<const cpu::Threshold*>(attributes);
    threshold = to.threshold;
    if constexpr (std::is_integral_v<T>) value = T(int64_t(to.value));
    else value = T(to.value);
  }
  __device__ T operator()(T x) const { return below(x) ? value : x; }
  __device__ T operator()(T dy, T x) const { return below(x) ? T(0) : dy; }

 private:
  __device__ bool below(T x) const {
    if constexpr (std::is_same_v<T, float>) return x <= float(threshold);
    else return double(x) <= threshold;
  }
};
template <class T>
struct Huber {
  T delta;
  explicit Huber(const void* attributes) : delta(T(static_cast<const cpu::Bend*>(attributes)->delta)) {}
  __device__ T operator()(T x) const {
    const T size = fabs(x), low = size > delta ? delta : size;
    return low * (size - low * T(0.5));
  }
  __device__ T operator()(T dy, T x) const { return dy * (x < -delta ? -delta : x > delta ? delta : x); }
};

}  // namespace formulas

void install_activations() {
  namespace kernels = cpu::kernels;
  using namespace formulas;
  install_float<Sigmoid, 1>(kernels::sigmoid);
  install_real<Relu, 1>(kernels::relu);
  install_float<Gelu, 1>(kernels::gelu);
  install_float<GeluTanh, 1>(kernels::gelu_tanh);
  install_float<Silu, 1>(kernels::silu);
  install_float<Mish, 1>(kernels::mish);
  install_float<Softsign, 1>(kernels::softsign);
  install_float<Tanhshrink, 1>(kernels::tanhshrink);
  install_float<LogSigmoid, 1>(kernels::log_sigmoid);
  install_float<Relu6, 1>(kernels::relu6);
  install_float<Hardsigmoid, 1>(kernels::hardsigmoid);
  install_float<Hardswish, 1>(kernels::hardswish);
  install_float<Softplus, 1>(kernels::softplus);
  install_float<LeakyRelu, 1>(kernels::leaky_relu);
  install_float<Elu, 1>(kernels::elu);
  install_float<Hardtanh, 1>(kernels::hardtanh);
  install_float<Selu, 1>(kernels::selu);
  install_float<Hardshrink, 1>(kernels::hardshrink);
  install_float<Softshrink, 1>(kernels::softshrink);
  install_real<Threshold, 1>(kernels::threshold);
  install_float<Huber, 1>(kernels::huber);
}

void install_gradients() {
  namespace kernels = cpu::kernels;
  using namespace formulas;
  install_float<TanhBackward, 2>(kernels::tanh_backward);
  install_float<SigmoidBackward, 2>(kernels::sigmoid_backward);
  install_float<ReciprocalBackward, 2>(kernels::reciprocal_backward);
  install_float<SqrtBackward, 2>(kernels::sqrt_backward);
  install_float<RsqrtBackward, 2>(kernels::rsqrt_backward);
  install_float<ReluBackward, 2>(kernels::relu_backward);
  install_float<GeluBackward, 2>(kernels::gelu_backward);
  install_float<GeluTanhBackward, 2>(kernels::gelu_tanh_backward);
  install_float<SiluBackward, 2>(kernels::silu_backward);
  install_float<MishBackward, 2>(kernels::mish_backward);
  install_float<HardswishBackward, 2>(kernels::hardswish_backward);
  install_float<HardsigmoidBackward, 2>(kernels::hardsigmoid_backward);
  install_float<LogSigmoidBackward, 2>(kernels::log_sigmoid_backward);
  install_float<SoftsignBackward, 2>(kernels::softsign_backward);
  install_float<TanhshrinkBackward, 2>(kernels::tanhshrink_backward);
  install_float<Softplus, 2>(kernels::softplus_backward);
  install_float<LeakyRelu, 2>(kernels::leaky_relu_backward);
  install_float<Elu, 2>(kernels::elu_backward);
  install_float<Hardtanh, 2>(kernels::hardtanh_backward);
  install_float<ClampBackward, 2>(kernels::clamp_backward);
  install_float<Hardshrink, 2>(kernels::hardshrink_backward);
  install_float<Hardshrink, 2>(kernels::softshrink_backward);
  install_float<Threshold, 2>(kernels::threshold_backward);
  install_float<Huber, 2>(kernels::huber_backward);
}

}  // namespace taper::cuda
