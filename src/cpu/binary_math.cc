// Powers, logarithms of sums, distances and angles of two operands; complex numbers from their parts.
#include <cmath>
#include <complex>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "cpu/binary.h"
#include "cpu/complex_math.h"
#include "cpu/scalar_run.h"
#include "cpu/unary.h"
#include "taper/error.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/binary_math.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "cpu/vector_activation-inl.h"
#include "cpu/vector_run-inl.h"
#include "cpu/vector_trigonometry-inl.h"

// kernel, function, operands; float32 is computed in float64 lanes, unless the function is exact enough
#define TAPER_VECTOR_KERNELS(X)                  \
  X(pow_f32, Wide<Pow>, float, 2)                \
  X(logaddexp_f32, Wide<LogAddExp>, float, 2)    \
  X(logaddexp_f64, LogAddExp, double, 2)         \
  X(logaddexp2_f32, Wide<LogAddExp2>, float, 2)  \
  X(logaddexp2_f64, LogAddExp2, double, 2)       \
  X(xlogy_f32, Wide<XLogY>, float, 2)            \
  X(xlogy_f64, XLogY, double, 2)                 \
  X(hypot_f32, Wide<Hypot>, float, 2)            \
  X(atan2_f32, Wide<Atan2>, float, 2)            \
  X(cube_f32, Cube, float, 1)                    \
  X(cube_f64, Cube, double, 1)                   \
  X(inverse_square_f32, InverseSquare, float, 1) \
  X(inverse_square_f64, InverseSquare, double, 1)
#define TAPER_RUNS(name, function, type, count) vector_run<function, type, count>,
#define TAPER_INDICES(name, function, type, count) name,

HWY_BEFORE_NAMESPACE();
namespace taper::cpu {
namespace HWY_NAMESPACE {
namespace {

// exp(y log|x|), in float64 for float32 results. Special cases as C99 annex F has them: 1 for x = 1, for y =
// 0, and for |x| = 1 with infinite y; NaN for negative x unless y is whole; the sign of x if y is odd.
struct Pow {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x, V y) const {
    const V one = set(d, 1), zero = hn::Zero(d), infinity = set(d, std::numeric_limits<double>::infinity());
    const V size = hn::Abs(x);
    V result = exp_of<Precision::single>(d, hn::Mul(y, log_of(d, size)));
    const auto whole = hn::Eq(hn::Round(y), y);
    const V half = hn::Mul(y, set(d, 0.5));
    const auto odd = hn::And(whole, hn::Ne(hn::Round(half), half));
    const auto undefined = hn::AndNot(whole, hn::And(hn::Lt(x, zero), hn::Gt(x, hn::Neg(infinity))));
    result = hn::IfThenElse(odd, hn::CopySign(result, x), result);
    result = hn::IfThenElse(undefined, set(d, std::numeric_limits<double>::quiet_NaN()), result);
    const auto unit = hn::And(hn::Eq(size, one), hn::Eq(hn::Abs(y), infinity));
    return hn::IfThenElse(hn::Or(hn::Or(hn::Eq(x, one), hn::Eq(y, zero)), unit), one, result);
  }
};

// max + log(1 + exp(-|a - b|)); equal infinities are their own sum.
template <class D, class V>
HWY_INLINE V log_add(D d, V a, V b, double unit) {
  const V larger = hn::IfThenElse(hn::Or(hn::Ge(a, b), hn::IsNaN(a)), a, b);
  const V distance = hn::Mul(hn::Abs(hn::Sub(a, b)), set(d, -unit));
  const V sum = hn::Add(larger, hn::Mul(log1p_of_fraction(d, exp_of(d, distance)), set(d, 1 / unit)));
  return hn::IfThenElse(hn::Eq(hn::Abs(larger), set(d, std::numeric_limits<double>::infinity())), larger,
                        sum);
}

struct LogAddExp {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V a, V b) const {
    return log_add(d, a, b, 1);
  }
};

struct LogAddExp2 {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V a, V b) const {
    return log_add(d, a, b, 0.69314718055994531);
  }
};

// 0 for x = 0, whatever y, unless y is NaN.
struct XLogY {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x, V y) const {
    const V product = hn::Mul(x, log_of(d, y));
    const auto vanishes = hn::And(hn::Eq(x, hn::Zero(d)), hn::Eq(y, y));
    return hn::IfThenZeroElse(vanishes, product);
  }
};

// Squares of float32 neither overflow nor vanish in float64. Infinite if either is, even beside NaN.
struct Hypot {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V a, V b) const {
    const V infinity = set(d, std::numeric_limits<double>::infinity());
    const V length = hn::Sqrt(hn::MulAdd(a, a, hn::Mul(b, b)));
    return hn::IfThenElse(hn::Or(hn::Eq(hn::Abs(a), infinity), hn::Eq(hn::Abs(b), infinity)), infinity,
                          length);
  }
};

struct Atan2 {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V y, V x) const {
    return atan2_of(d, y, x);
  }
};

struct Cube {
  template <class D, class V>
  HWY_INLINE V operator()(D, V x) const {
    return hn::Mul(hn::Mul(x, x), x);
  }
};

struct InverseSquare {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return hn::Div(set(d, 1), hn::Mul(x, x));
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

// By squaring; what overflows wraps. Negative powers are 0, but for those of 1 and -1.
template <class T>
T whole_power(T base, T exponent) {
  if constexpr (std::is_signed_v<T>)
    if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
  std::uint64_t result = 1, square = std::uint64_t(base);
  for (std::uint64_t left = std::uint64_t(exponent); left; left >>= 1, square *= square)
    if (left & 1) result *= square;
  return T(result);
}

struct PowOf {
  double operator()(double x, double y) const { return std::pow(x, y); }
  std::int64_t operator()(std::int64_t x, std::int64_t y) const { return whole_power(x, y); }
  std::uint64_t operator()(std::uint64_t x, std::uint64_t y) const { return whole_power(x, y); }
  Complex operator()(Complex x, Complex y) const {
    if (y == 0.0) return 1.0;
    if (x == 0.0 && y.imag() == 0 && y.real() > 0) return 0.0;
    return std::pow(x, y);
  }
};

struct ComplexLogAddExp {
  Complex operator()(Complex x, Complex y) const { return log_add_exp(x, y); }
};
struct Logarithmic {
  Complex operator()(Complex x, Complex y) const { return x == 0.0 && y == y ? 0.0 : x * std::log(y); }
};
struct HypotOf {
  double operator()(double a, double b) const { return std::hypot(a, b); }
};
struct Atan2Of {
  double operator()(double y, double x) const { return std::atan2(y, x); }
};
struct NextAfter {
  template <class T>
  T operator()(T a, T b) const {
    return std::nextafter(a, b);
  }
};

struct FromParts {
  template <class T>
  std::complex<T> operator()(T real, T imaginary) const {
    return {real, imaginary};
  }
};
struct FromPolar {
  template <class T>
  std::complex<T> operator()(T size, T angle) const {
    return {T(size * std::cos(double(angle))), T(size * std::sin(double(angle)))};
  }
};

struct One {
  template <class T>
  T operator()(T) const {
    return T(1);
  }
};
struct Same {
  template <class T>
  T operator()(T x) const {
    return x;
  }
};

// The run for exponents that need no logarithm; null for the others.
template <class T, int cube, int inverse_square>
Run easy_power(double exponent) {
  constexpr bool single = std::is_same_v<T, float>;
  if (exponent == 2) return single ? kernels::square.f32 : kernels::square.f64;
  if (exponent == 0.5) return single ? kernels::sqrt.f32 : kernels::sqrt.f64;
  if (exponent == 3) return dispatch<cube>;
  if (exponent == -1) return single ? kernels::reciprocal.f32 : kernels::reciprocal.f64;
  if (exponent == -0.5) return single ? kernels::rsqrt.f32 : kernels::rsqrt.f64;
  if (exponent == -2) return dispatch<inverse_square>;
  if (exponent == 1) return run_unary<Same, T>;
  return exponent == 0 ? run_unary<One, T> : Run(nullptr);
}

template <class T, int cube, int inverse_square>
void pow_scalar_run(const void* const* inputs, const int* steps, void* output, std::int64_t n,
                    const void* attributes) {
  const double value = static_cast<const Factor*>(attributes)->value.to<double>();
  if (const Run easy = easy_power<T, cube, inverse_square>(value))
    return easy(inputs, steps, output, n, nullptr);
  const T exponent = T(value);
  const void* both[] = {inputs[0], &exponent};
  const int both_steps[] = {steps[0], 0};
  (std::is_same_v<T, float> ? kernels::pow.f32 : kernels::pow.f64)(both, both_steps, output, n, nullptr);
}

template <class T>
struct PowScalar {
  T exponent;
  explicit PowScalar(const void* attributes) {
    const Scalar& value = static_cast<const Factor*>(attributes)->value;
    if constexpr (std::is_integral_v<T>) {
      check<ValueError>(value.to<std::int64_t>() >= 0,
                        "pow: Integers to negative integer powers are not allowed.");
      exponent = T(value.to<std::int64_t>());
    } else {
      exponent = value.to<T>();
    }
  }
  T operator()(T x) const {
    if constexpr (!std::is_integral_v<T>)
      if (exponent == 2.0) return x * x;
    return PowOf{}(x, exponent);
  }
};

}  // namespace

namespace kernels {

const Kernel pow = {.name = "pow",
                    .f32 = dispatch<pow_f32>,
                    .f64 = run_binary<PowOf, double>,
                    .i64 = run_binary<PowOf, std::int64_t>,
                    .u64 = run_binary<PowOf, std::uint64_t>,
                    .c128 = run_binary<PowOf, Complex>};
const Kernel pow_scalar = {.name = "pow",
                           .f32 = pow_scalar_run<float, cube_f32, inverse_square_f32>,
                           .f64 = pow_scalar_run<double, cube_f64, inverse_square_f64>,
                           .i64 = run_unary<PowScalar<std::int64_t>, std::int64_t>,
                           .u64 = run_unary<PowScalar<std::uint64_t>, std::uint64_t>,
                           .c128 = run_unary<PowScalar<Complex>, Complex>};
const Kernel logaddexp = {.name = "logaddexp",
                          .f32 = dispatch<logaddexp_f32>,
                          .f64 = dispatch<logaddexp_f64>,
                          .c128 = run_binary<ComplexLogAddExp, Complex>};
const Kernel logaddexp2 = {
    .name = "logaddexp2", .f32 = dispatch<logaddexp2_f32>, .f64 = dispatch<logaddexp2_f64>};
const Kernel xlogy = {.name = "xlogy",
                      .f32 = dispatch<xlogy_f32>,
                      .f64 = dispatch<xlogy_f64>,
                      .c128 = run_binary<Logarithmic, Complex>};
const Kernel hypot = {.name = "hypot", .f32 = dispatch<hypot_f32>, .f64 = run_binary<HypotOf, double>};
const Kernel atan2 = {.name = "atan2", .f32 = dispatch<atan2_f32>, .f64 = run_binary<Atan2Of, double>};
const Kernel nextafter = {
    .name = "nextafter", .f32 = run_binary<NextAfter, float>, .f64 = run_binary<NextAfter, double>};
const Kernel complex = {.name = "complex",
                        .f32 = run_binary<FromParts, float, std::complex<float>>,
                        .f64 = run_binary<FromParts, double, Complex>,
                        .complex_output = true};
const Kernel polar = {.name = "polar",
                      .f32 = run_binary<FromPolar, float, std::complex<float>>,
                      .f64 = run_binary<FromPolar, double, Complex>,
                      .complex_output = true};

}  // namespace kernels
}  // namespace taper::cpu
#endif
