// Division towards a direction, and what it leaves.
#include <cmath>
#include <type_traits>

#include "cpu/binary.h"
#include "cpu/scalar_run.h"
#include "taper/error.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/binary_division.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "cpu/vector_math-inl.h"
#include "cpu/vector_run-inl.h"

#define TAPER_VECTOR_KERNELS(X) \
  X(floor_divide, floored)      \
  X(remainder, modulus)         \
  X(fmod, rest)
#define TAPER_RUNS(name, wanted) vector_run<Wide<Divide<Division::wanted>>, float, 2>,
#define TAPER_INDICES(name, wanted) name##_f32,

HWY_BEFORE_NAMESPACE();
namespace taper::cpu {
namespace HWY_NAMESPACE {
namespace {

enum class Division { floored, modulus, rest };

// Of a float32 pair whose quotient needs more digits than float64 has, or is none: rare, and left to the C
// library.
template <Division wanted>
double divide_one(double a, double b) {
  const double rest = std::fmod(a, b);
  const bool opposite = rest != 0 && (b < 0) != (rest < 0);
  if (wanted == Division::rest) return rest;
  if (wanted == Division::modulus) return opposite ? rest + b : rest;
  if (b == 0) return a / b;
  const double whole = std::rint((a - rest) / b) - opposite;
  return whole == 0 ? std::copysign(0.0, a / b) : whole;
}

template <Division wanted, class D, class V>
HWY_NOINLINE V divide_lanes(D d, V a, V b) {
  HWY_ALIGN double left[HWY_MAX_BYTES / sizeof(double)];
  HWY_ALIGN double right[HWY_MAX_BYTES / sizeof(double)];
  hn::Store(a, d, left);
  hn::Store(b, d, right);
  for (std::size_t i = 0; i < hn::Lanes(d); ++i) left[i] = divide_one<wanted>(left[i], right[i]);
  return hn::Load(d, left);
}

// Float32 values in float64 lanes: the whole quotient has at most 29 bits and b has 24, so that their product
// is exact.
template <Division wanted>
struct Divide {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V a, V b) const {
    const V zero = hn::Zero(d), one = set(d, 1);
    const V quotient = hn::Div(a, b);
    V whole = hn::Trunc(quotient);
    const auto usual = hn::And(hn::Lt(hn::Abs(whole), set(d, 0x1p29)), hn::Lt(hn::Abs(b), set(d, 0x1p1000)));
    if (HWY_UNLIKELY(!hn::AllTrue(d, usual))) return divide_lanes<wanted>(d, a, b);
    V rest = hn::NegMulAdd(whole, b, a);
    // The quotient may have been rounded up to a whole number.
    const auto beyond = hn::Lt(hn::Mul(rest, hn::CopySign(one, a)), zero);
    rest = hn::IfThenElse(beyond, hn::Add(rest, hn::CopySign(b, a)), rest);
    whole = hn::IfThenElse(beyond, hn::Sub(whole, hn::CopySign(one, quotient)), whole);
    rest = hn::CopySign(rest, a);
    if constexpr (wanted == Division::rest) return rest;
    const auto opposite = hn::Lt(hn::Mul(hn::CopySign(one, b), rest), zero);
    if constexpr (wanted == Division::modulus) return hn::IfThenElse(opposite, hn::Add(rest, b), rest);
    const V floored = hn::IfThenElse(opposite, hn::Sub(whole, one), whole);
    return hn::IfThenElse(hn::Eq(floored, zero), hn::CopySign(zero, quotient), floored);
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

void check_divisor(bool ok, const char* op) { check<ValueError>(ok, op, ": integer division by zero"); }

// The least signed number divided by -1 does not fit and would trap: dividing by -1 is negation, which wraps.
template <class T>
T quotient(T a, T b) {
  if constexpr (std::is_signed_v<T>)
    if (b == -1) return T(0 - std::make_unsigned_t<T>(a));
  return a / b;
}

template <class T>
T rest(T a, T b) {
  if constexpr (std::is_signed_v<T>)
    if (b == -1) return 0;
  return a % b;
}

// CPython's float_floor_div: from the exact remainder, so that the quotient is right where a / b rounds up to
// a whole.
template <class T>
T floor_quotient(T a, T b) {
  if (b == 0) return a / b;
  const T modulus = std::fmod(a, b);
  T whole = (a - modulus) / b;
  if (modulus != 0 && (b < 0) != (modulus < 0)) whole -= 1;
  if (whole == 0) return std::copysign(T(0), a / b);
  const T floored = std::floor(whole);
  return whole - floored > T(0.5) ? floored + 1 : floored;
}

struct FloorDivide {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (std::is_floating_point_v<T>) {
      return floor_quotient(a, b);
    } else {
      check_divisor(b != 0, "floor_divide");
      const T whole = quotient(a, b);
      return T(whole - (rest(a, b) != 0 && (a < 0) != (b < 0)));
    }
  }
};
struct TruncDivide {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (std::is_floating_point_v<T>) {
      return std::trunc(a / b);
    } else {
      check_divisor(b != 0, "trunc_divide");
      return quotient(a, b);
    }
  }
};
struct Remainder {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (std::is_floating_point_v<T>) {
      const T modulus = std::fmod(a, b);
      return modulus != 0 && (b < 0) != (modulus < 0) ? modulus + b : modulus;
    } else {
      check_divisor(b != 0, "remainder");
      const T modulus = rest(a, b);
      return modulus != 0 && (b < 0) != (modulus < 0) ? T(modulus + b) : modulus;
    }
  }
};
struct Fmod {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (std::is_floating_point_v<T>) {
      return std::fmod(a, b);
    } else {
      check_divisor(b != 0, "fmod");
      return rest(a, b);
    }
  }
};

template <class F, class T>
constexpr Run run = run_binary<F, T>;

}  // namespace

namespace kernels {

#define TAPER_REAL(op, function, f32_run)                \
  const Kernel op = {.name = #op,                        \
                     .f32 = f32_run,                     \
                     .f64 = run<function, double>,       \
                     .i64 = run<function, std::int64_t>, \
                     .u64 = run<function, std::uint64_t>}

TAPER_REAL(floor_divide, FloorDivide, dispatch<floor_divide_f32>);
TAPER_REAL(trunc_divide, TruncDivide, (run<TruncDivide, float>));
TAPER_REAL(remainder, Remainder, dispatch<remainder_f32>);
TAPER_REAL(fmod, Fmod, dispatch<fmod_f32>);

#undef TAPER_REAL

}  // namespace kernels
}  // namespace taper::cpu
#endif
