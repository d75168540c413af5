// Bits and shifts of integers, and common divisors.
#include <numeric>
#include <type_traits>

#include "cpu/binary.h"
#include "cpu/scalar_run.h"

namespace taper::cpu {
namespace {

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
