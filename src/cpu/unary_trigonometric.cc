// Trigonometric and hyperbolic functions and their inverses; tanh is among the activations.
#include <cmath>
#include <complex>
#include <limits>
#include <numbers>

#include "cpu/scalar_run.h"
#include "cpu/unary.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/unary_trigonometric.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "cpu/vector_run-inl.h"
#include "cpu/vector_trigonometry-inl.h"

// kernel, function of float64 lanes with the digits of float32, function of float64
#define TAPER_VECTOR_KERNELS(X)                                                                              \
  X(sin, (Trigonometric<Angle::sine, Precision::single>), (Trigonometric<Angle::sine, Precision::full>))     \
  X(cos, (Trigonometric<Angle::cosine, Precision::single>), (Trigonometric<Angle::cosine, Precision::full>)) \
  X(tan, (Trigonometric<Angle::tangent, Precision::single>),                                                 \
    (Trigonometric<Angle::tangent, Precision::full>))                                                        \
  X(asin, Asin, Asin)                                                                                        \
  X(acos, Acos, Acos)                                                                                        \
  X(atan, Atan, Atan)                                                                                        \
  X(sinh, Sinh<Precision::single>, Sinh<Precision::full>)                                                    \
  X(cosh, Cosh<Precision::single>, Cosh<Precision::full>)                                                    \
  X(asinh, Asinh, Asinh)                                                                                     \
  X(acosh, Acosh, Acosh)                                                                                     \
  X(atanh, Atanh, Atanh)                                                                                     \
  X(sinc, Sinc<Precision::single>, Sinc<Precision::full>)
#define TAPER_RUNS(name, single, full)                                \
  vector_run<Wide<typename Unwrapped<void(single)>::type>, float, 1>, \
      vector_run<typename Unwrapped<void(full)>::type, double, 1>,
#define TAPER_INDICES(name, single, full) name##_f32, name##_f64,

HWY_BEFORE_NAMESPACE();
namespace taper::cpu {
namespace HWY_NAMESPACE {
namespace {

template <Angle angle, Precision precision>
struct Trigonometric {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return trigonometric<angle, precision>(d, x);
  }
};

struct Asin {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return hn::IfThenElse(hn::IsNaN(x), x, hn::Asin(d, x));
  }
};

struct Acos {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return hn::IfThenElse(hn::IsNaN(x), x, hn::Acos(d, x));
  }
};

struct Atan {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return hn::IfThenElse(hn::IsNaN(x), x, hn::Atan(d, x));
  }
};

// (e + e / (e + 1)) / 2 with e = exp(|x|) - 1; where exp(|x|) overflows, the square of its root.
template <Precision precision>
struct Sinh {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    const V size = at_most(d, hn::Abs(x), precision == Precision::single ? 100 : 1000);
    const V e = expm1_of<precision>(d, size);
    V y = hn::Mul(set(d, 0.5), hn::Add(e, hn::Div(e, hn::Add(e, set(d, 1)))));
    if constexpr (precision == Precision::full) {
      const V root = exp_of(d, hn::Mul(size, set(d, 0.5)));
      y = hn::IfThenElse(hn::Gt(size, set(d, 700)), hn::Mul(hn::Mul(root, set(d, 0.5)), root), y);
    }
    return hn::CopySign(y, x);
  }
};

template <Precision precision>
struct Cosh {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    const V size = at_most(d, hn::Abs(x), precision == Precision::single ? 100 : 1500);
    const V e = exp_of<precision>(d, size);
    const V y = hn::Mul(set(d, 0.5), hn::Add(e, hn::Div(set(d, 1), e)));
    if constexpr (precision == Precision::single) return y;
    const V root = exp_of(d, hn::Mul(size, set(d, 0.5)));
    return hn::IfThenElse(hn::Gt(size, set(d, 700)), hn::Mul(hn::Mul(root, set(d, 0.5)), root), y);
  }
};

// log(|x| + sqrt(x^2 + 1)) as log1p(|x| + x^2 / (1 + sqrt(x^2 + 1))); far out log(2|x|).
struct Asinh {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    const V size = hn::Abs(x), one = set(d, 1);
    const auto large = hn::Gt(size, set(d, 0x1p60));
    const V square = hn::Mul(size, size);
    const V near = hn::Add(size, hn::Div(square, hn::Add(one, hn::Sqrt(hn::Add(square, one)))));
    const V y = log1p_of(d, hn::IfThenElse(large, size, near));
    return hn::CopySign(hn::Add(y, hn::IfThenElseZero(large, set(d, 0.69314718055994531))), x);
  }
};

// With t = x - 1: log1p(t + sqrt(2t + t^2)); far out log(2x).
struct Acosh {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    const V t = hn::Sub(x, set(d, 1));
    const auto large = hn::Gt(x, set(d, 0x1p60));
    const V near = hn::Add(t, hn::Sqrt(hn::MulAdd(t, t, hn::Add(t, t))));
    const V y = log1p_of(d, hn::IfThenElse(large, x, near));
    const V sum = hn::Add(y, hn::IfThenElseZero(large, set(d, 0.69314718055994531)));
    return hn::IfThenElse(hn::Lt(x, set(d, 1)), set(d, std::numeric_limits<double>::quiet_NaN()), sum);
  }
};

// log1p(2|x| / (1 - |x|)) / 2.
struct Atanh {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    const V size = hn::Abs(x);
    const V ratio = hn::Div(hn::Add(size, size), hn::Sub(set(d, 1), size));
    return hn::CopySign(hn::Mul(set(d, 0.5), log1p_of(d, ratio)), x);
  }
};

// x = n + r: sin(pi x) = (-1)^n sin(pi r), which is exactly 0 for whole x.
template <Precision precision>
struct Sinc {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    const V pi = set(d, 3.1415926535897931), n = hn::Round(x);
    const V half = hn::Mul(n, set(d, 0.5));
    const V sine = trigonometric<Angle::sine, precision>(d, hn::Mul(hn::Sub(x, n), pi));
    const V signed_sine = hn::IfThenElse(hn::Ne(hn::Round(half), half), hn::Neg(sine), sine);
    return hn::IfThenElse(hn::Eq(x, hn::Zero(d)), set(d, 1), hn::Div(signed_sine, hn::Mul(x, pi)));
  }
};

// A template argument with commas travels through the macro in parentheses.
template <class>
struct Unwrapped;
template <class T>
struct Unwrapped<void(T)> {
  using type = T;
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

template <Complex (*function)(const Complex&)>
struct ComplexFunction {
  Complex operator()(Complex x) const { return function(x); }
};
template <Complex (*function)(const Complex&)>
constexpr Run complex_run = run_unary<ComplexFunction<function>, Complex>;

struct ComplexSinc {
  Complex operator()(Complex x) const {
    const Complex angle = std::numbers::pi * x;
    return x == 0.0 ? 1.0 : std::sin(angle) / angle;
  }
};

}  // namespace

namespace kernels {

#define TAPER_DEFINE(op)                        \
  const Kernel op = {.name = #op,               \
                     .f32 = dispatch<op##_f32>, \
                     .f64 = dispatch<op##_f64>, \
                     .c128 = complex_run<std::op<double>>}

TAPER_DEFINE(sin);
TAPER_DEFINE(cos);
TAPER_DEFINE(tan);
TAPER_DEFINE(asin);
TAPER_DEFINE(acos);
TAPER_DEFINE(atan);
TAPER_DEFINE(sinh);
TAPER_DEFINE(cosh);
TAPER_DEFINE(asinh);
TAPER_DEFINE(acosh);
TAPER_DEFINE(atanh);

#undef TAPER_DEFINE

const Kernel sinc = {.name = "sinc",
                     .f32 = dispatch<sinc_f32>,
                     .f64 = dispatch<sinc_f64>,
                     .c128 = run_unary<ComplexSinc, Complex>};

}  // namespace kernels
}  // namespace taper::cpu
#endif
