// Signs, roots, rounding and scaling of one operand.
#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <type_traits>

#include "cpu/scalar_run.h"
#include "cpu/unary.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/unary_basic.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "cpu/vector_math-inl.h"
#include "cpu/vector_run-inl.h"

#define TAPER_VECTOR_KERNELS(X) \
  X(neg, Neg)                   \
  X(abs, Abs)                   \
  X(sign, Sign)                 \
  X(square, Square)             \
  X(sqrt, Sqrt)                 \
  X(rsqrt, Rsqrt)               \
  X(reciprocal, Reciprocal)     \
  X(floor, Floor)               \
  X(ceil, Ceil)                 \
  X(trunc, Trunc)               \
  X(frac, Frac)                 \
  X(round, RoundTo)             \
  X(deg2rad, Deg2Rad)           \
  X(rad2deg, Rad2Deg)           \
  X(affine, ScaleOffset)        \
  X(clamp_scalar, Clamp)        \
  X(nan_to_num, NanToNum)       \
  X(relu, Relu)
#define TAPER_RUNS(name, function) vector_run<function, float, 1>, vector_run<function, double, 1>,
#define TAPER_INDICES(name, function) name##_f32, name##_f64,

HWY_BEFORE_NAMESPACE();
namespace taper::cpu {
namespace HWY_NAMESPACE {
namespace {

struct Neg {
  template <class D, class V>
  HWY_INLINE V operator()(D, V x) const {
    return hn::Neg(x);
  }
};

struct Abs {
  template <class D, class V>
  HWY_INLINE V operator()(D, V x) const {
    return hn::Abs(x);
  }
};

struct Sign {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    const V one = set(d, 1), zero = hn::Zero(d);
    return hn::IfThenElse(hn::Gt(x, zero), one, hn::IfThenElse(hn::Lt(x, zero), hn::Neg(one), x));
  }
};

struct Square {
  template <class D, class V>
  HWY_INLINE V operator()(D, V x) const {
    return hn::Mul(x, x);
  }
};

struct Sqrt {
  template <class D, class V>
  HWY_INLINE V operator()(D, V x) const {
    return hn::Sqrt(x);
  }
};

struct Rsqrt {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return hn::Div(set(d, 1), hn::Sqrt(x));
  }
};

struct Reciprocal {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return hn::Div(set(d, 1), x);
  }
};

struct Floor {
  template <class D, class V>
  HWY_INLINE V operator()(D, V x) const {
    return hn::Floor(x);
  }
};

struct Ceil {
  template <class D, class V>
  HWY_INLINE V operator()(D, V x) const {
    return hn::Ceil(x);
  }
};

struct Trunc {
  template <class D, class V>
  HWY_INLINE V operator()(D, V x) const {
    return hn::Trunc(x);
  }
};

struct Frac {
  template <class D, class V>
  HWY_INLINE V operator()(D, V x) const {
    return hn::Sub(x, hn::Trunc(x));
  }
};

struct RoundTo {
  double up = 1, down = 1;  // one of them is 1: a power of ten is exact, its inverse is not
  explicit RoundTo(const void* attributes) {
    if (!attributes) return;
    const int decimals = static_cast<const Decimals*>(attributes)->decimals;
    (decimals > 0 ? up : down) = std::pow(10.0, std::abs(double(decimals)));
  }
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    if (up != 1) return hn::Div(hn::Round(hn::Mul(x, set(d, up))), set(d, up));
    if (down != 1) return hn::Mul(hn::Round(hn::Div(x, set(d, down))), set(d, down));
    return hn::Round(x);
  }
};

struct Deg2Rad {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return hn::Mul(x, set(d, 0.017453292519943295));
  }
};

struct Rad2Deg {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return hn::Mul(x, set(d, 57.295779513082323));
  }
};

struct ScaleOffset {
  double by, offset;
  explicit ScaleOffset(const void* attributes)
      : by(static_cast<const Affine*>(attributes)->scale.to<double>()),
        offset(static_cast<const Affine*>(attributes)->offset.to<double>()) {}
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return hn::Add(hn::Mul(x, set(d, by)), set(d, offset));
  }
};

// A bound that is NaN makes everything NaN.
struct Clamp {
  double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();
  explicit Clamp(const void* attributes) {
    const auto& bounds = *static_cast<const Bounds*>(attributes);
    if (bounds.has_low) low = bounds.low.to<double>();
    if (bounds.has_high) high = bounds.high.to<double>();
  }
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    const V lo = set(d, low), hi = set(d, high);
    const V raised = hn::IfThenElse(hn::Or(hn::Lt(x, lo), hn::IsNaN(lo)), lo, x);
    return hn::IfThenElse(hn::Or(hn::Gt(raised, hi), hn::IsNaN(hi)), hi, raised);
  }
};

struct NanToNum {
  const Replacements* to;
  explicit NanToNum(const void* attributes) : to(static_cast<const Replacements*>(attributes)) {}
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    const V infinity = set(d, std::numeric_limits<double>::infinity());
    V y = hn::IfThenElse(hn::Eq(x, infinity), set(d, to->positive), x);
    y = hn::IfThenElse(hn::Eq(x, hn::Neg(infinity)), set(d, to->negative), y);
    return hn::IfThenElse(hn::IsNaN(x), set(d, to->nan), y);
  }
};

struct Relu {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return hn::IfThenZeroElse(hn::Le(x, hn::Zero(d)), x);
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

struct Identity {
  template <class T>
  T operator()(T x) const {
    return x;
  }
};
struct Zero {
  template <class T>
  T operator()(T) const {
    return T(0);
  }
};
struct NegOf {
  template <class T>
  T operator()(T x) const {
    if constexpr (std::is_integral_v<T>) return T(0 - std::make_unsigned_t<T>(x));
    else return -x;
  }
};
struct AbsOf {
  template <class T>
  T operator()(T x) const {
    return x < 0 ? NegOf{}(x) : x;
  }
  double operator()(Complex x) const { return std::abs(x); }
};
struct SignOf {
  template <class T>
  T operator()(T x) const {
    return T(T(x > 0) - T(x < 0));
  }
  Complex operator()(Complex x) const { return x == 0.0 ? x : x / std::abs(x); }
};
struct SquareOf {
  template <class T>
  T operator()(T x) const {
    if constexpr (std::is_integral_v<T>) return T(std::uint64_t(x) * std::uint64_t(x));
    else return x * x;
  }
};
struct SqrtOf {
  Complex operator()(Complex x) const { return std::sqrt(x); }
};
struct RsqrtOf {
  Complex operator()(Complex x) const { return 1.0 / std::sqrt(x); }
};
struct ReciprocalOf {
  Complex operator()(Complex x) const { return 1.0 / x; }
};
struct ReluOf {
  template <class T>
  T operator()(T x) const {
    return x > 0 ? x : T(0);
  }
};

// Integers are rounded only before the decimal point; halves to even, as a multiple of 10^-decimals.
struct RoundInteger {
  std::uint64_t unit = 1;
  explicit RoundInteger(const void* attributes) {
    const int decimals = attributes ? static_cast<const Decimals*>(attributes)->decimals : 0;
    for (int i = 0; i > std::max(decimals, -19); --i) unit *= 10;
  }
  template <class T>
  T operator()(T x) const {
    if (unit == 1) return x;
    const bool negative = x < 0;
    const std::uint64_t magnitude = negative ? 0 - std::uint64_t(x) : std::uint64_t(x);
    const std::uint64_t below = magnitude / unit, rest = magnitude % unit;
    const bool up = rest > unit - rest || (rest == unit - rest && below % 2 == 1);
    const std::uint64_t rounded = (below + up) * unit;
    return T(negative ? 0 - rounded : rounded);
  }
};

struct AffineOf {
  const Affine* affine;
  explicit AffineOf(const void* attributes) : affine(static_cast<const Affine*>(attributes)) {}
  template <class T>
  T operator()(T x) const {
    if constexpr (std::is_integral_v<T>)
      return T(std::uint64_t(x) * std::uint64_t(affine->scale.to<std::int64_t>()) +
               std::uint64_t(affine->offset.to<std::int64_t>()));
    else return x * affine->scale.to<T>() + affine->offset.to<T>();
  }
};

template <class T>
struct ClampInteger {
  T low = std::numeric_limits<T>::min(), high = std::numeric_limits<T>::max();
  explicit ClampInteger(const void* attributes) {
    const auto& bounds = *static_cast<const Bounds*>(attributes);
    if (bounds.has_low) low = bound(bounds.low);
    if (bounds.has_high) high = bound(bounds.high);
  }
  static T bound(const Scalar& value) {
    const std::int64_t whole = value.to<std::int64_t>();
    return std::is_unsigned_v<T> && whole < 0 ? T(0) : T(whole);
  }
  T operator()(T x) const { return std::min(std::max(x, low), high); }
};

template <class F>
constexpr Run i64_run = run_unary<F, std::int64_t>;
template <class F>
constexpr Run u64_run = run_unary<F, std::uint64_t>;
template <class F>
constexpr Run c128_run = run_unary<F, Complex>;

}  // namespace

namespace kernels {

#define TAPER_FLOATS(name) #name, dispatch < name##_f32>, dispatch < name##_f64>

const Kernel neg = {TAPER_FLOATS(neg), i64_run<NegOf>, u64_run<NegOf>, c128_run<NegOf>};
const Kernel abs = {.name = "abs",
                    .f32 = dispatch<abs_f32>,
                    .f64 = dispatch<abs_f64>,
                    .i64 = i64_run<AbsOf>,
                    .u64 = u64_run<Identity>,
                    .c128 = run_unary<AbsOf, Complex, double>,
                    .real_output = true};
const Kernel sign = {TAPER_FLOATS(sign), i64_run<SignOf>, u64_run<SignOf>, c128_run<SignOf>};
const Kernel square = {TAPER_FLOATS(square), i64_run<SquareOf>, u64_run<SquareOf>, c128_run<SquareOf>};
const Kernel sqrt = {TAPER_FLOATS(sqrt), nullptr, nullptr, c128_run<SqrtOf>};
const Kernel rsqrt = {TAPER_FLOATS(rsqrt), nullptr, nullptr, c128_run<RsqrtOf>};
const Kernel reciprocal = {TAPER_FLOATS(reciprocal), nullptr, nullptr, c128_run<ReciprocalOf>};
const Kernel floor = {TAPER_FLOATS(floor), i64_run<Identity>, u64_run<Identity>};
const Kernel ceil = {TAPER_FLOATS(ceil), i64_run<Identity>, u64_run<Identity>};
const Kernel trunc = {TAPER_FLOATS(trunc), i64_run<Identity>, u64_run<Identity>};
const Kernel frac = {TAPER_FLOATS(frac), i64_run<Zero>, u64_run<Zero>};
const Kernel round = {TAPER_FLOATS(round), i64_run<RoundInteger>, u64_run<RoundInteger>};
const Kernel deg2rad = {TAPER_FLOATS(deg2rad)};
const Kernel rad2deg = {TAPER_FLOATS(rad2deg)};
const Kernel affine = {TAPER_FLOATS(affine), i64_run<AffineOf>, u64_run<AffineOf>, c128_run<AffineOf>};
const Kernel clamp_scalar = {TAPER_FLOATS(clamp_scalar), i64_run<ClampInteger<std::int64_t>>,
                             u64_run<ClampInteger<std::uint64_t>>};
const Kernel nan_to_num = {TAPER_FLOATS(nan_to_num), i64_run<Identity>, u64_run<Identity>};
const Kernel relu = {TAPER_FLOATS(relu), i64_run<ReluOf>, u64_run<ReluOf>};
const Kernel positive = {"positive",        run_unary<Identity, float>, run_unary<Identity, double>,
                         i64_run<Identity>, u64_run<Identity>,          c128_run<Identity>};

#undef TAPER_FLOATS

}  // namespace kernels
}  // namespace taper::cpu
#endif
