// Gradients of activations: dx from dy and the activation's output or input, in one pass.
#include <cmath>
#include <complex>
#include <limits>

#include "cpu/binary.h"
#include "cpu/scalar_run.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/binary_gradients.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "cpu/vector_activation-inl.h"
#include "cpu/vector_run-inl.h"

// kernel, function of float32, function of float64
#define TAPER_VECTOR_KERNELS(X)                                                                       \
  X(tanh_backward, TanhBackward, TanhBackward)                                                        \
  X(sigmoid_backward, SigmoidBackward, SigmoidBackward)                                               \
  X(reciprocal_backward, ReciprocalBackward, ReciprocalBackward)                                      \
  X(sqrt_backward, SqrtBackward, SqrtBackward)                                                        \
  X(rsqrt_backward, RsqrtBackward, RsqrtBackward)                                                     \
  X(relu_backward, ReluBackward, ReluBackward)                                                        \
  X(gelu_backward, GeluBackward32, GeluBackward)                                                      \
  X(gelu_tanh_backward, Wide<GeluTanhBackward<Precision::single>>, GeluTanhBackward<Precision::full>) \
  X(silu_backward, SiluBackward, SiluBackward)                                                        \
  X(mish_backward, MishBackward, MishBackward)                                                        \
  X(hardswish_backward, HardswishBackward, HardswishBackward)                                         \
  X(hardsigmoid_backward, HardsigmoidBackward, HardsigmoidBackward)                                   \
  X(log_sigmoid_backward, LogSigmoidBackward, LogSigmoidBackward)                                     \
  X(softsign_backward, SoftsignBackward, SoftsignBackward)                                            \
  X(tanhshrink_backward, TanhshrinkBackward, TanhshrinkBackward)                                      \
  X(softplus_backward, SoftplusBackward, SoftplusBackward)                                            \
  X(leaky_relu_backward, LeakyReluBackward, LeakyReluBackward)                                        \
  X(elu_backward, EluBackward, EluBackward)                                                           \
  X(hardtanh_backward, HardtanhBackward, HardtanhBackward)                                            \
  X(clamp_backward, ClampBackward, ClampBackward)                                                     \
  X(hardshrink_backward, ShrinkBackward, ShrinkBackward)                                              \
  X(softshrink_backward, ShrinkBackward, ShrinkBackward)                                              \
  X(threshold_backward, ThresholdBackward, ThresholdBackward)
#define TAPER_RUNS(name, single, full) vector_run<single, float, 2>, vector_run<full, double, 2>,
#define TAPER_INDICES(name, single, full) name##_f32, name##_f64,

HWY_BEFORE_NAMESPACE();
namespace taper::cpu {
namespace HWY_NAMESPACE {
namespace {

// From the output y.

struct TanhBackward {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V dy, V y) const {
    return hn::Mul(dy, hn::NegMulAdd(y, y, set(d, 1)));
  }
};

struct SigmoidBackward {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V dy, V y) const {
    return hn::Mul(hn::Mul(dy, y), hn::Sub(set(d, 1), y));
  }
};

struct ReciprocalBackward {
  template <class D, class V>
  HWY_INLINE V operator()(D, V dy, V y) const {
    return hn::Neg(hn::Mul(dy, hn::Mul(y, y)));
  }
};

struct SqrtBackward {
  template <class D, class V>
  HWY_INLINE V operator()(D, V dy, V y) const {
    return hn::Div(dy, hn::Add(y, y));
  }
};

struct RsqrtBackward {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V dy, V y) const {
    return hn::Mul(hn::Mul(dy, set(d, -0.5)), hn::Mul(hn::Mul(y, y), y));
  }
};

struct ReluBackward {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V dy, V y) const {
    return hn::IfThenZeroElse(hn::Le(y, hn::Zero(d)), dy);
  }
};

// From the input x.

#if HWY_NATIVE_FMA
struct GeluBackward32 {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V dy, V x) const {
    return hn::Mul(dy, gelu_slope(d, x));
  }
};
#else
// Phi(x) + x phi(x).
struct GeluBackwardWide {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V dy, V x) const {
    V density;
    const V tail = normal_tail_single(d, x, density);
    const V phi = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), tail, hn::Sub(set(d, 1), tail));
    return hn::Mul(dy, hn::MulAdd(hn::Mul(limit(d, x, -15, 15), density), set(d, 0.39894228040143268), phi));
  }
};
using GeluBackward32 = Wide<GeluBackwardWide>;
#endif

// The float64 error function is the C library's.
struct GeluBackward {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V dy, V x) const {
    HWY_ALIGN double lanes[HWY_MAX_BYTES / sizeof(double)];
    hn::Store(x, d, lanes);
    for (std::size_t i = 0; i < hn::Lanes(d); ++i)
      lanes[i] = 0.5 * std::erfc(lanes[i] * -0.70710678118654752);
    const V bounded = limit(d, x, -40, 40);
    const V density = exp_of(d, hn::Mul(hn::Mul(bounded, bounded), set(d, -0.5)));
    const V phi = hn::IfThenElse(hn::IsNaN(x), x, hn::Load(d, lanes));
    return hn::Mul(dy, hn::MulAdd(hn::Mul(bounded, density), set(d, 0.39894228040143268), phi));
  }
};

// With v = 2 sqrt(2/pi) (x + 0.044715 x^3) and s = sigmoid(v): s + x s (1 - s) v'.
template <Precision precision>
struct GeluTanhBackward {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V dy, V x) const {
    const V one = set(d, 1), factor = set(d, 1.5957691216057308);
    const V bounded = limit(d, x, -60, 60);
    const V square = hn::Mul(bounded, bounded);
    const V cubic = hn::MulAdd(square, set(d, 0.044715), one);
    const V s = sigmoid_of<precision>(d, hn::Mul(hn::Mul(bounded, cubic), factor));
    const V slope = hn::Mul(hn::MulAdd(square, set(d, 3 * 0.044715), one), factor);
    const V bend = hn::Mul(hn::Mul(bounded, slope), hn::Sub(one, s));
    return hn::Mul(dy, hn::MulAdd(s, bend, s));
  }
};

// s (1 + x (1 - s)) with s = sigmoid(x).
struct SiluBackward {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V dy, V x) const {
    const V one = set(d, 1);
    const V bounded = limit(d, x, -1000, 1000);
    const V s = sigmoid_of(d, x);
    return hn::Mul(dy, hn::Mul(s, hn::MulAdd(bounded, hn::Sub(one, s), one)));
  }
};

// t + x s (1 - t^2) with t = tanh(softplus(x)), s = sigmoid(x).
struct MishBackward {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V dy, V x) const {
    const V bounded = limit(d, x, -1000, 1000);
    const V t = tanh_of(d, softplus_of(d, x));
    const V bend = hn::Mul(hn::Mul(bounded, sigmoid_of(d, x)), hn::NegMulAdd(t, t, set(d, 1)));
    return hn::Mul(dy, hn::Add(t, bend));
  }
};

struct HardswishBackward {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V dy, V x) const {
    const V middle = hn::MulAdd(x, set(d, 1.0 / 3), set(d, 0.5));
    const V slope =
        hn::IfThenElse(hn::Ge(x, set(d, 3)), set(d, 1), hn::IfThenZeroElse(hn::Le(x, set(d, -3)), middle));
    return hn::Mul(dy, slope);
  }
};

struct HardsigmoidBackward {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V dy, V x) const {
    return hn::IfThenZeroElse(hn::Ge(hn::Abs(x), set(d, 3)), hn::Div(dy, set(d, 6)));
  }
};

struct LogSigmoidBackward {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V dy, V x) const {
    return hn::Mul(dy, sigmoid_of(d, hn::Neg(x)));
  }
};

struct SoftsignBackward {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V dy, V x) const {
    const V size = hn::Add(hn::Abs(x), set(d, 1));
    return hn::Div(dy, hn::Mul(size, size));
  }
};

struct TanhshrinkBackward {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V dy, V x) const {
    const V t = tanh_of(d, x);
    return hn::Mul(dy, hn::Mul(t, t));
  }
};

struct SoftplusBackward {
  SoftplusShape shape;
  explicit SoftplusBackward(const void* attributes) : shape(*static_cast<const SoftplusShape*>(attributes)) {}
  template <class D, class V>
  HWY_INLINE V operator()(D d, V dy, V x) const {
    const V scaled = hn::Mul(x, set(d, shape.beta));
    return hn::IfThenElse(hn::Gt(scaled, set(d, shape.threshold)), dy, hn::Mul(dy, sigmoid_of(d, scaled)));
  }
};

struct LeakyReluBackward {
  double slope;
  explicit LeakyReluBackward(const void* attributes) : slope(static_cast<const Slope*>(attributes)->slope) {}
  template <class D, class V>
  HWY_INLINE V operator()(D d, V dy, V x) const {
    return hn::IfThenElse(hn::Gt(x, hn::Zero(d)), dy, hn::Mul(dy, set(d, slope)));
  }
};

struct EluBackward {
  EluShape shape;
  explicit EluBackward(const void* attributes) : shape(*static_cast<const EluShape*>(attributes)) {}
  template <class D, class V>
  HWY_INLINE V operator()(D d, V dy, V x) const {
    const V bounded = hn::IfThenElse(hn::Gt(x, hn::Zero(d)), hn::Zero(d), x);
    const V grown = exp_of(d, hn::Mul(bounded, set(d, shape.input_scale)));
    const V negative = hn::Mul(grown, set(d, shape.alpha * shape.scale * shape.input_scale));
    return hn::Mul(dy, hn::IfThenElse(hn::Gt(x, hn::Zero(d)), set(d, shape.scale), negative));
  }
};

struct HardtanhBackward {
  Interval range;
  explicit HardtanhBackward(const void* attributes) : range(*static_cast<const Interval*>(attributes)) {}
  template <class D, class V>
  HWY_INLINE V operator()(D d, V dy, V x) const {
    const auto outside = hn::Or(hn::Le(x, set(d, range.low)), hn::Ge(x, set(d, range.high)));
    return hn::IfThenZeroElse(outside, dy);
  }
};

struct ClampBackward {
  bool has_low, has_high;
  double low = 0, high = 0;
  explicit ClampBackward(const void* attributes) {
    const auto& bounds = *static_cast<const Bounds*>(attributes);
    has_low = bounds.has_low;
    has_high = bounds.has_high;
    if (has_low) low = bounds.low.to<double>();
    if (has_high) high = bounds.high.to<double>();
  }
  template <class D, class V>
  HWY_INLINE V operator()(D d, V dy, V x) const {
    if (has_low) dy = hn::IfThenElseZero(hn::Gt(x, set(d, low)), dy);
    return has_high ? hn::IfThenElseZero(hn::Lt(x, set(d, high)), dy) : dy;
  }
};

struct ShrinkBackward {
  double lambda;
  explicit ShrinkBackward(const void* attributes) : lambda(static_cast<const Shrink*>(attributes)->lambda) {}
  template <class D, class V>
  HWY_INLINE V operator()(D d, V dy, V x) const {
    return hn::IfThenZeroElse(hn::Le(hn::Abs(x), set(d, lambda)), dy);
  }
};

struct ThresholdBackward {
  double threshold;
  explicit ThresholdBackward(const void* attributes)
      : threshold(static_cast<const Threshold*>(attributes)->threshold) {}
  template <class D, class V>
  HWY_INLINE V operator()(D d, V dy, V x) const {
    return hn::IfThenZeroElse(hn::Le(x, set(d, threshold)), dy);
  }
};

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace taper::cpu
HWY_AFTER_NAMESPACE();

#include "cpu/vector_table-inl.h"

#if HWY_ONCE
namespace taper::cpu {
namespace {

using Complex = std::complex<double>;

// Holomorphic functions: the gradient is dy times the conjugate of the derivative.
struct ComplexTanhBackward {
  Complex operator()(Complex dy, Complex y) const { return dy * std::conj(1.0 - y * y); }
};
struct ComplexSigmoidBackward {
  Complex operator()(Complex dy, Complex y) const { return dy * std::conj((1.0 - y) * y); }
};
struct ComplexReciprocalBackward {
  Complex operator()(Complex dy, Complex y) const { return -dy * std::conj(y * y); }
};
struct ComplexSqrtBackward {
  Complex operator()(Complex dy, Complex y) const { return dy / std::conj(2.0 * y); }
};
struct ComplexRsqrtBackward {
  Complex operator()(Complex dy, Complex y) const { return -0.5 * dy * std::conj(y * y * y); }
};

template <class F>
constexpr Run complex_run = run_binary<F, Complex>;

}  // namespace

namespace kernels {

#define TAPER_FLOATS(op) .name = #op, .f32 = dispatch<op##_f32>, .f64 = dispatch<op##_f64>

const Kernel tanh_backward = {TAPER_FLOATS(tanh_backward), .c128 = complex_run<ComplexTanhBackward>};
const Kernel sigmoid_backward = {TAPER_FLOATS(sigmoid_backward), .c128 = complex_run<ComplexSigmoidBackward>};
const Kernel reciprocal_backward = {TAPER_FLOATS(reciprocal_backward),
                                    .c128 = complex_run<ComplexReciprocalBackward>};
const Kernel sqrt_backward = {TAPER_FLOATS(sqrt_backward), .c128 = complex_run<ComplexSqrtBackward>};
const Kernel rsqrt_backward = {TAPER_FLOATS(rsqrt_backward), .c128 = complex_run<ComplexRsqrtBackward>};
const Kernel relu_backward = {TAPER_FLOATS(relu_backward)};
const Kernel gelu_backward = {TAPER_FLOATS(gelu_backward)};
const Kernel gelu_tanh_backward = {TAPER_FLOATS(gelu_tanh_backward)};
const Kernel silu_backward = {TAPER_FLOATS(silu_backward)};
const Kernel mish_backward = {TAPER_FLOATS(mish_backward)};
const Kernel hardswish_backward = {TAPER_FLOATS(hardswish_backward)};
const Kernel hardsigmoid_backward = {TAPER_FLOATS(hardsigmoid_backward)};
const Kernel log_sigmoid_backward = {TAPER_FLOATS(log_sigmoid_backward)};
const Kernel softsign_backward = {TAPER_FLOATS(softsign_backward)};
const Kernel tanhshrink_backward = {TAPER_FLOATS(tanhshrink_backward)};
const Kernel softplus_backward = {TAPER_FLOATS(softplus_backward)};
const Kernel leaky_relu_backward = {TAPER_FLOATS(leaky_relu_backward)};
const Kernel elu_backward = {TAPER_FLOATS(elu_backward)};
const Kernel hardtanh_backward = {TAPER_FLOATS(hardtanh_backward)};
const Kernel clamp_backward = {TAPER_FLOATS(clamp_backward)};
const Kernel hardshrink_backward = {TAPER_FLOATS(hardshrink_backward)};
const Kernel softshrink_backward = {TAPER_FLOATS(softshrink_backward)};
const Kernel threshold_backward = {TAPER_FLOATS(threshold_backward)};

#undef TAPER_FLOATS

}  // namespace kernels
}  // namespace taper::cpu
#endif
