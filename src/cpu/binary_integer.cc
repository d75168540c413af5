// Division of integers and floats towards a direction, bits, shifts, and common divisors.
#include <cmath>
#include <limits>
#include <numeric>
#include <type_traits>

#include "cpu/binary.h"
#include "cpu/scalar_run.h"
#include "taper/error.h"

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

struct BitwiseAnd {
  template <class T>
  T operator()(T a, T b) const {
    return T(a & b);
  }
};
struct BitwiseOr {
  template <class T>
  T operator()(T a, T b) const {
    return T(a | b);
  }
};
struct BitwiseXor {
  template <class T>
  T operator()(T a, T b) const {
    return T(a ^ b);
  }
};

// A shift by the width or more, or by a negative number, moves everything out.
struct LeftShift {
  template <class T>
  T operator()(T a, T b) const {
    using Bits = std::make_unsigned_t<T>;
    return b < 0 || b >= T(8 * sizeof(T)) ? T(0) : T(Bits(a) << b);
  }
};
struct RightShift {
  template <class T>
  T operator()(T a, T b) const {
    constexpr T last = 8 * sizeof(T) - 1;
    if (b < 0 || b > last) return a < 0 ? T(-1) : T(0);
    return T(a >> b);
  }
};

template <class T>
std::make_unsigned_t<T> magnitude(T x) {
  using Bits = std::make_unsigned_t<T>;
  return x < 0 ? Bits(0 - Bits(x)) : Bits(x);
}

struct Gcd {
  template <class T>
  T operator()(T a, T b) const {
    return T(std::gcd(magnitude(a), magnitude(b)));
  }
};
struct Lcm {
  template <class T>
  T operator()(T a, T b) const {
    const auto x = magnitude(a), y = magnitude(b);
    return x == 0 || y == 0 ? T(0) : T(x / std::gcd(x, y) * y);
  }
};

template <class F, class T>
constexpr Run run = run_binary<F, T>;

}  // namespace

namespace kernels {

#define TAPER_REAL(op, function)                         \
  const Kernel op = {.name = #op,                        \
                     .f32 = run<function, float>,        \
                     .f64 = run<function, double>,       \
                     .i64 = run<function, std::int64_t>, \
                     .u64 = run<function, std::uint64_t>}

TAPER_REAL(floor_divide, FloorDivide);
TAPER_REAL(trunc_divide, TruncDivide);
TAPER_REAL(remainder, Remainder);
TAPER_REAL(fmod, Fmod);

#undef TAPER_REAL

#define TAPER_BITS(op, function)                          \
  const Kernel op = {.name = #op,                         \
                     .i64 = run<function, std::int64_t>,  \
                     .u64 = run<function, std::uint64_t>, \
                     .boolean = run<function, bool>,      \
                     .u8 = run<function, std::uint8_t>,   \
                     .i32 = run<function, std::int32_t>}

TAPER_BITS(bitwise_and, BitwiseAnd);
TAPER_BITS(bitwise_or, BitwiseOr);
TAPER_BITS(bitwise_xor, BitwiseXor);

#undef TAPER_BITS

#define TAPER_INTEGER(op, function) \
  const Kernel op = {.name = #op, .i64 = run<function, std::int64_t>, .u64 = run<function, std::uint64_t>}

TAPER_INTEGER(left_shift, LeftShift);
TAPER_INTEGER(right_shift, RightShift);
TAPER_INTEGER(gcd, Gcd);
TAPER_INTEGER(lcm, Lcm);

#undef TAPER_INTEGER

}  // namespace kernels
}  // namespace taper::cpu
