// Activation functions.
#include <cmath>
#include <complex>

#include "cpu/scalar_run.h"
#include "cpu/unary.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/unary_activation.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "cpu/vector_activation-inl.h"
#include "cpu/vector_run-inl.h"

// kernel, function of float32, function of float64
#define TAPER_VECTOR_KERNELS(X)                \
  X(sigmoid, Sigmoid, Sigmoid)                 \
  X(tanh, Tanh, Tanh)                          \
  X(gelu, Gelu32, Gelu)                        \
  X(gelu_tanh, Wide<GeluTanhSingle>, GeluTanh) \
  X(silu, Silu, Silu)                          \
  X(mish, Wide<Mish>, Mish)                    \
  X(softsign, Softsign, Softsign)              \
  X(tanhshrink, Wide<Tanhshrink>, Tanhshrink)  \
  X(log_sigmoid, LogSigmoid, LogSigmoid)       \
  X(relu6, Relu6, Relu6)                       \
  X(hardsigmoid, Hardsigmoid, Hardsigmoid)     \
  X(hardswish, Hardswish, Hardswish)           \
  X(selu, Wide<Selu>, Selu)                    \
  X(softplus, Softplus, Softplus)              \
  X(leaky_relu, LeakyRelu, LeakyRelu)          \
  X(elu, Wide<Elu>, Elu)                       \
  X(hardtanh, Hardtanh, Hardtanh)              \
  X(hardshrink, Hardshrink, Hardshrink)        \
  X(softshrink, Softshrink, Softshrink)        \
  X(threshold, ThresholdOf, ThresholdOf)
#define TAPER_RUNS(name, single, full) vector_run<single, float, 1>, vector_run<full, double, 1>,
#define TAPER_INDICES(name, single, full) name##_f32, name##_f64,

HWY_BEFORE_NAMESPACE();
namespace taper::cpu {
namespace HWY_NAMESPACE {
namespace {

struct Sigmoid {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return sigmoid_of(d, x);
  }
};

struct Tanh {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return tanh_of(d, x);
  }
};

#if HWY_NATIVE_FMA
struct Gelu32 {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return gelu_of(d, x);
  }
};
#else
// x (1 - Q(x)) for positive x, x Q(|x|) for negative: nothing cancels.
struct GeluWide {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    V density;
    const V tail = normal_tail_single(d, x, density);
    const auto negative = hn::Lt(x, hn::Zero(d));
    const V bounded = hn::IfThenElse(hn::Lt(x, set(d, -15)), set(d, -15), x);
    return hn::Mul(bounded, hn::IfThenElse(negative, tail, hn::Sub(set(d, 1), tail)));
  }
};
using Gelu32 = Wide<GeluWide>;
#endif

// The float64 error function is the C library's.
struct Gelu {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    HWY_ALIGN double lanes[HWY_MAX_BYTES / sizeof(double)];
    hn::Store(x, d, lanes);
    for (std::size_t i = 0; i < hn::Lanes(d); ++i)
      lanes[i] = 0.5 * std::max(lanes[i], -50.0) * std::erfc(lanes[i] * -0.70710678118654752);
    return hn::IfThenElse(hn::IsNaN(x), x, hn::Load(d, lanes));
  }
};

// x sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3)): the same function as with tanh.
template <Precision precision, class D, class V>
HWY_INLINE V gelu_tanh_of(D d, V x) {
  const V low = set(d, precision == Precision::single ? -30 : -60);
  const V bounded = hn::IfThenElse(hn::Lt(x, low), low, x);
  const V cubic = hn::MulAdd(hn::Mul(bounded, bounded), set(d, 0.044715), set(d, 1));
  return hn::Mul(bounded,
                 sigmoid_of<precision>(d, hn::Mul(hn::Mul(bounded, cubic), set(d, 1.5957691216057308))));
}

struct GeluTanhSingle {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return gelu_tanh_of<Precision::single>(d, x);
  }
};

struct GeluTanh {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return gelu_tanh_of<Precision::full>(d, x);
  }
};

struct Silu {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return silu_of(d, x);
  }
};

// x tanh(log(1 + e)) = x n / (n + 2) with e = exp(x), n = e (e + 2).
struct Mish {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    const V e = exp_of(d, hn::IfThenElse(hn::Gt(x, set(d, 40)), set(d, 40), x));
    const V n = hn::Mul(e, hn::Add(e, set(d, 2)));
    const V bounded = hn::IfThenElse(hn::Lt(x, set(d, -800)), set(d, -800), x);
    return hn::Mul(bounded, hn::Div(n, hn::Add(n, set(d, 2))));
  }
};

struct Softsign {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return hn::Div(x, hn::Add(hn::Abs(x), set(d, 1)));
  }
};

// Near 0, where x and tanh(x) agree in their leading digits, by the series x^3/3 - 2x^5/15 + 17x^7/315 - ...
struct Tanhshrink {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    constexpr double c[] = {1. / 3, -2. / 15, 17. / 315, -62. / 2835, 1382. / 155925};
    const V square = hn::Mul(x, x);
    const V series = hn::Mul(hn::Mul(square, x), horner(d, square, c));
    return hn::IfThenElse(hn::Lt(hn::Abs(x), set(d, 0.05)), series, hn::Sub(x, tanh_of(d, x)));
  }
};

struct LogSigmoid {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return hn::Neg(softplus_of(d, hn::Neg(x)));
  }
};

struct Relu6 {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return limit(d, x, 0, 6);
  }
};

struct Hardsigmoid {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return hn::Div(limit(d, hn::Add(x, set(d, 3)), 0, 6), set(d, 6));
  }
};

struct Hardswish {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return hn::Div(hn::Mul(x, limit(d, hn::Add(x, set(d, 3)), 0, 6)), set(d, 6));
  }
};

template <class D, class V>
HWY_INLINE V elu_of(D d, V x, double alpha, double scale, double input_scale) {
  const V negative = hn::Mul(set(d, alpha * scale), expm1_of(d, hn::Mul(x, set(d, input_scale))));
  return hn::IfThenElse(hn::Gt(x, hn::Zero(d)), hn::Mul(x, set(d, scale)), negative);
}

struct Elu {
  EluShape shape;
  explicit Elu(const void* attributes) : shape(*static_cast<const EluShape*>(attributes)) {}
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return elu_of(d, x, shape.alpha, shape.scale, shape.input_scale);
  }
};

// Klambauer et al. (2017), arXiv:1706.02515: the constants for which mean 0 and variance 1 are a fixed point.
struct Selu {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return elu_of(d, x, 1.6732632423543772848170429916717, 1.0507009873554804934193349852946, 1);
  }
};

struct Softplus {
  SoftplusShape shape;
  explicit Softplus(const void* attributes) : shape(*static_cast<const SoftplusShape*>(attributes)) {}
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    const V scaled = hn::Mul(x, set(d, shape.beta));
    const V y = hn::Div(softplus_of(d, scaled), set(d, shape.beta));
    return hn::IfThenElse(hn::Gt(scaled, set(d, shape.threshold)), x, y);
  }
};

struct LeakyRelu {
  double slope;
  explicit LeakyRelu(const void* attributes) : slope(static_cast<const Slope*>(attributes)->slope) {}
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return hn::IfThenElse(hn::Gt(x, hn::Zero(d)), x, hn::Mul(x, set(d, slope)));
  }
};

struct Hardtanh {
  double low, high;
  explicit Hardtanh(const void* attributes)
      : low(static_cast<const Interval*>(attributes)->low),
        high(static_cast<const Interval*>(attributes)->high) {}
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return limit(d, x, low, high);
  }
};

struct Hardshrink {
  double lambda;
  explicit Hardshrink(const void* attributes) : lambda(static_cast<const Shrink*>(attributes)->lambda) {}
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return hn::IfThenZeroElse(hn::Le(hn::Abs(x), set(d, lambda)), x);
  }
};

struct Softshrink {
  double lambda;
  explicit Softshrink(const void* attributes) : lambda(static_cast<const Shrink*>(attributes)->lambda) {}
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    const V shrunk = hn::Sub(x, hn::CopySign(set(d, lambda), x));
    return hn::IfThenZeroElse(hn::Le(hn::Abs(x), set(d, lambda)), shrunk);
  }
};

struct ThresholdOf {
  double threshold, value;
  explicit ThresholdOf(const void* attributes)
      : threshold(static_cast<const Threshold*>(attributes)->threshold),
        value(static_cast<const Threshold*>(attributes)->value) {}
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return hn::IfThenElse(hn::Le(x, set(d, threshold)), set(d, value), x);
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

struct ComplexSigmoid {
  Complex operator()(Complex x) const { return 1.0 / (1.0 + std::exp(-x)); }
};
struct ComplexTanh {
  Complex operator()(Complex x) const { return std::tanh(x); }
};

struct IntegerThreshold {
  const Threshold* to;
  explicit IntegerThreshold(const void* attributes) : to(static_cast<const Threshold*>(attributes)) {}
  template <class T>
  T operator()(T x) const {
    return double(x) <= to->threshold ? T(std::int64_t(to->value)) : x;
  }
};

}  // namespace

namespace kernels {

#define TAPER_DEFINE(op) const Kernel op = {.name = #op, .f32 = dispatch<op##_f32>, .f64 = dispatch<op##_f64>}

TAPER_DEFINE(gelu);
TAPER_DEFINE(gelu_tanh);
TAPER_DEFINE(silu);
TAPER_DEFINE(mish);
TAPER_DEFINE(softsign);
TAPER_DEFINE(tanhshrink);
TAPER_DEFINE(log_sigmoid);
TAPER_DEFINE(relu6);
TAPER_DEFINE(hardsigmoid);
TAPER_DEFINE(hardswish);
TAPER_DEFINE(selu);
TAPER_DEFINE(softplus);
TAPER_DEFINE(leaky_relu);
TAPER_DEFINE(elu);
TAPER_DEFINE(hardtanh);
TAPER_DEFINE(hardshrink);
TAPER_DEFINE(softshrink);

#undef TAPER_DEFINE

const Kernel sigmoid = {.name = "sigmoid",
                        .f32 = dispatch<sigmoid_f32>,
                        .f64 = dispatch<sigmoid_f64>,
                        .c128 = run_unary<ComplexSigmoid, Complex>};
const Kernel tanh = {.name = "tanh",
                     .f32 = dispatch<tanh_f32>,
                     .f64 = dispatch<tanh_f64>,
                     .c128 = run_unary<ComplexTanh, Complex>};
const Kernel threshold = {.name = "threshold",
                          .f32 = dispatch<threshold_f32>,
                          .f64 = dispatch<threshold_f64>,
                          .i64 = run_unary<IntegerThreshold, std::int64_t>,
                          .u64 = run_unary<IntegerThreshold, std::uint64_t>};

}  // namespace kernels
}  // namespace taper::cpu
#endif
