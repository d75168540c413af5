// Addition, subtraction, multiplication, division, and the smaller or larger of two.
#include <cmath>
#include <complex>
#include <limits>
#include <type_traits>

#include "cpu/binary.h"
#include "cpu/scalar_run.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/binary_arithmetic.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "cpu/vector_math-inl.h"
#include "cpu/vector_run-inl.h"

#define TAPER_VECTOR_KERNELS(X) \
  X(add, Add)                   \
  X(sub, Sub)                   \
  X(mul, Mul)                   \
  X(div, Div)                   \
  X(add_scaled, AddScaled)      \
  X(sub_scaled, SubScaled)      \
  X(maximum, Maximum)           \
  X(minimum, Minimum)           \
  X(fmax, Fmax)                 \
  X(fmin, Fmin)                 \
  X(lerp_scalar, LerpScalar)    \
  X(copysign, CopySign)         \
  X(heaviside, Heaviside)
#define TAPER_RUNS(name, function) vector_run<function, float, 2>, vector_run<function, double, 2>,
#define TAPER_INDICES(name, function) name##_f32, name##_f64,

HWY_BEFORE_NAMESPACE();
namespace taper::cpu {
namespace HWY_NAMESPACE {
namespace {

struct Add {
  template <class D, class V>
  HWY_INLINE V operator()(D, V a, V b) const {
    return hn::Add(a, b);
  }
};

struct Sub {
  template <class D, class V>
  HWY_INLINE V operator()(D, V a, V b) const {
    return hn::Sub(a, b);
  }
};

struct Mul {
  template <class D, class V>
  HWY_INLINE V operator()(D, V a, V b) const {
    return hn::Mul(a, b);
  }
};

struct Div {
  template <class D, class V>
  HWY_INLINE V operator()(D, V a, V b) const {
    return hn::Div(a, b);
  }
};

struct AddScaled {
  double alpha;
  explicit AddScaled(const void* attributes)
      : alpha(static_cast<const Factor*>(attributes)->value.to<double>()) {}
  template <class D, class V>
  HWY_INLINE V operator()(D d, V a, V b) const {
    return hn::Add(a, hn::Mul(b, set(d, alpha)));
  }
};

struct SubScaled {
  double alpha;
  explicit SubScaled(const void* attributes)
      : alpha(static_cast<const Factor*>(attributes)->value.to<double>()) {}
  template <class D, class V>
  HWY_INLINE V operator()(D d, V a, V b) const {
    return hn::Sub(a, hn::Mul(b, set(d, alpha)));
  }
};

// A NaN on either side is the result.
struct Maximum {
  template <class D, class V>
  HWY_INLINE V operator()(D, V a, V b) const {
    return hn::IfThenElse(hn::Or(hn::Ge(a, b), hn::IsNaN(a)), a, b);
  }
};

struct Minimum {
  template <class D, class V>
  HWY_INLINE V operator()(D, V a, V b) const {
    return hn::IfThenElse(hn::Or(hn::Le(a, b), hn::IsNaN(a)), a, b);
  }
};

// A NaN loses against a number.
struct Fmax {
  template <class D, class V>
  HWY_INLINE V operator()(D, V a, V b) const {
    return hn::IfThenElse(hn::Or(hn::Ge(a, b), hn::IsNaN(b)), a, b);
  }
};

struct Fmin {
  template <class D, class V>
  HWY_INLINE V operator()(D, V a, V b) const {
    return hn::IfThenElse(hn::Or(hn::Le(a, b), hn::IsNaN(b)), a, b);
  }
};

// From the nearer end, so that a weight of 1 gives b exactly.
struct LerpScalar {
  double weight;
  explicit LerpScalar(const void* attributes)
      : weight(static_cast<const Factor*>(attributes)->value.to<double>()) {}
  template <class D, class V>
  HWY_INLINE V operator()(D d, V a, V b) const {
    const V way = hn::Sub(b, a);
    return weight < 0.5 ? hn::Add(a, hn::Mul(set(d, weight), way))
                        : hn::Sub(b, hn::Mul(way, set(d, 1 - weight)));
  }
};

struct CopySign {
  template <class D, class V>
  HWY_INLINE V operator()(D, V a, V b) const {
    return hn::CopySign(a, b);
  }
};

struct Heaviside {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x, V at_zero) const {
    const V zero = hn::Zero(d);
    const V y = hn::IfThenElse(hn::Gt(x, zero), set(d, 1), hn::IfThenElse(hn::Eq(x, zero), at_zero, zero));
    return hn::IfThenElse(hn::IsNaN(x), x, y);
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

// Integers wrap: they are added and multiplied as unsigned numbers.
template <class T>
using Wrapping = std::conditional_t<(sizeof(T) < 4), std::uint32_t, std::make_unsigned_t<T>>;

struct AddOf {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (std::is_integral_v<T>) return T(Wrapping<T>(a) + Wrapping<T>(b));
    else return a + b;
  }
};
struct SubOf {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (std::is_integral_v<T>) return T(Wrapping<T>(a) - Wrapping<T>(b));
    else return a - b;
  }
};
struct MulOf {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (std::is_integral_v<T>) return T(Wrapping<T>(a) * Wrapping<T>(b));
    else return a * b;
  }
  // As NumPy and PyTorch multiply, without C99's recovery of infinities from NaN.
  template <class T>
  std::complex<T> operator()(std::complex<T> a, std::complex<T> b) const {
    return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
  }
};
struct DivOf {
  Complex operator()(Complex a, Complex b) const { return a / b; }
};
struct Either {
  bool operator()(bool a, bool b) const { return a | b; }
};
struct Both {
  bool operator()(bool a, bool b) const { return a & b; }
};

template <class T>
struct AddScaledOf {
  T alpha;
  explicit AddScaledOf(const void* attributes) {
    const Scalar& value = static_cast<const Factor*>(attributes)->value;
    if constexpr (std::is_integral_v<T>) alpha = T(value.to<std::int64_t>());
    else alpha = value.to<T>();
  }
  T operator()(T a, T b) const { return AddOf{}(a, MulOf{}(alpha, b)); }
};
template <class T>
struct SubScaledOf : AddScaledOf<T> {
  using AddScaledOf<T>::AddScaledOf;
  T operator()(T a, T b) const { return SubOf{}(a, MulOf{}(this->alpha, b)); }
};
struct LerpOf {
  Complex weight;
  explicit LerpOf(const void* attributes)
      : weight(static_cast<const Factor*>(attributes)->value.to<Complex>()) {}
  Complex operator()(Complex a, Complex b) const {
    return std::abs(weight) < 0.5 ? a + weight * (b - a) : b - (b - a) * (1.0 - weight);
  }
};

struct MaximumOf {
  template <class T>
  T operator()(T a, T b) const {
    return a > b ? a : b;
  }
};
struct MinimumOf {
  template <class T>
  T operator()(T a, T b) const {
    return a < b ? a : b;
  }
};
struct HeavisideOf {
  template <class T>
  T operator()(T x, T at_zero) const {
    return x > 0 ? T(1) : x == 0 ? at_zero : T(0);
  }
};

// Sums of complex numbers are sums of their parts.
template <class F, int parts, class T>
void run_pairs(const void* const* inputs, const int* steps, void* output, std::int64_t n,
               const void* attributes) {
  if (steps[0] && steps[1]) dispatch<parts>(inputs, steps, output, 2 * n, attributes);
  else run_binary<F, std::complex<T>>(inputs, steps, output, n, attributes);
}

template <class F>
constexpr Run i64_run = run_binary<F, std::int64_t>;
template <class F>
constexpr Run u64_run = run_binary<F, std::uint64_t>;
template <class F>
constexpr Run i32_run = run_binary<F, std::int32_t>;
template <class F>
constexpr Run u8_run = run_binary<F, std::uint8_t>;
template <class F>
constexpr Run c128_run = run_binary<F, Complex>;

}  // namespace

namespace kernels {

#define TAPER_FLOATS(op) .name = #op, .f32 = dispatch<op##_f32>, .f64 = dispatch<op##_f64>
#define TAPER_INTEGERS(function) .i64 = i64_run<function>, .u64 = u64_run<function>

const Kernel add = {TAPER_FLOATS(add),
                    TAPER_INTEGERS(AddOf),
                    .c128 = run_pairs<AddOf, add_f64, double>,
                    .boolean = run_binary<Either, bool>,
                    .u8 = u8_run<AddOf>,
                    .i32 = i32_run<AddOf>,
                    .c64 = run_pairs<AddOf, add_f32, float>};
const Kernel sub = {TAPER_FLOATS(sub),   TAPER_INTEGERS(SubOf), .c128 = run_pairs<SubOf, sub_f64, double>,
                    .u8 = u8_run<SubOf>, .i32 = i32_run<SubOf>, .c64 = run_pairs<SubOf, sub_f32, float>};
const Kernel mul = {TAPER_FLOATS(mul),
                    TAPER_INTEGERS(MulOf),
                    .c128 = c128_run<MulOf>,
                    .boolean = run_binary<Both, bool>,
                    .u8 = u8_run<MulOf>,
                    .i32 = i32_run<MulOf>,
                    .c64 = run_binary<MulOf, std::complex<float>>};
const Kernel div = {TAPER_FLOATS(div), .c128 = c128_run<DivOf>};
const Kernel add_scaled = {TAPER_FLOATS(add_scaled), .i64 = i64_run<AddScaledOf<std::int64_t>>,
                           .u64 = u64_run<AddScaledOf<std::uint64_t>>,
                           .c128 = c128_run<AddScaledOf<Complex>>};
const Kernel sub_scaled = {TAPER_FLOATS(sub_scaled), .i64 = i64_run<SubScaledOf<std::int64_t>>,
                           .u64 = u64_run<SubScaledOf<std::uint64_t>>,
                           .c128 = c128_run<SubScaledOf<Complex>>};
const Kernel maximum = {TAPER_FLOATS(maximum), TAPER_INTEGERS(MaximumOf), .boolean = run_binary<Either, bool>,
                        .u8 = u8_run<MaximumOf>, .i32 = i32_run<MaximumOf>};
const Kernel minimum = {TAPER_FLOATS(minimum), TAPER_INTEGERS(MinimumOf), .boolean = run_binary<Both, bool>,
                        .u8 = u8_run<MinimumOf>, .i32 = i32_run<MinimumOf>};
const Kernel fmax = {TAPER_FLOATS(fmax), TAPER_INTEGERS(MaximumOf)};
const Kernel fmin = {TAPER_FLOATS(fmin), TAPER_INTEGERS(MinimumOf)};
const Kernel lerp_scalar = {TAPER_FLOATS(lerp_scalar), .c128 = c128_run<LerpOf>};
const Kernel copysign = {TAPER_FLOATS(copysign)};
const Kernel heaviside = {TAPER_FLOATS(heaviside), TAPER_INTEGERS(HeavisideOf)};

#undef TAPER_INTEGERS
#undef TAPER_FLOATS

}  // namespace kernels
}  // namespace taper::cpu
#endif
