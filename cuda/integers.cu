// Bitwise operations, shifts, divisors and multiples of integers, elementwise. Formulas are those of
// src/cpu/binary_integer.cc.
#include "cpu/binary.h"
#include "cpu/unary.h"
#include "cuda/elementwise.cuh"

namespace taper::cuda {

namespace formulas {

template <class T>
struct BitwiseAnd {
  __device__ T operator()(T a, T b) const { return a & b; }
};
template <class T>
struct BitwiseOr {
  __device__ T operator()(T a, T b) const { return a | b; }
};
template <class T>
struct BitwiseXor {
  __device__ T operator()(T a, T b) const { return a ^ b; }
};
template <class T>
struct BitwiseNot {
  __device__ T operator()(T x) const { return ~x; }
};
template <class T>
struct IsZero {
  __device__ T operator()(T x) const { return x == 0; }
};

// A shift by the width or more, or by a negative number (which is a large unsigned one), moves everything
// out.
template <class T>
struct LeftShift {
  __device__ T operator()(T a, T b) const { return uint64_t(b) >= 64 ? T(0) : T(uint64_t(a) << uint64_t(b)); }
};
template <class T>
struct RightShift {
  __device__ T operator()(T a, T b) const {
    if (uint64_t(b) < 64) return a >> b;
    if constexpr (std::is_signed_v<T>) return a < 0 ? T(-1) : T(0);
    else return 0;
  }
};

template <class T>
__device__ uint64_t magnitude(T x) {
  if constexpr (std::is_signed_v<T>) return x < 0 ? 0 - uint64_t(x) : uint64_t(x);
  else return x;
}

// Euclid's algorithm.
__device__ inline uint64_t greatest_common_divisor(uint64_t a, uint64_t b) {
  while (b != 0) {
    const uint64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

template <class T>
struct Gcd {
  __device__ T operator()(T a, T b) const { return T(greatest_common_divisor(magnitude(a), magnitude(b))); }
};
template <class T>
struct Lcm {
  __device__ T operator()(T a, T b) const {
    const uint64_t x = magnitude(a), y = magnitude(b);
    return x == 0 || y == 0 ? T(0) : T(x / greatest_common_divisor(x, y) * y);
  }
};

}  // namespace formulas

namespace {

// Of bool ~x would be true for both: there it is a logical negation.
void run_bitwise_not(const ElementwisePlan& plan, const void* attributes, const char* op) {
  if (plan.dtypes[0] == boolean) run_elementwise<formulas::IsZero, uint64_t, 1>(plan, attributes, op);
  else run_elementwise<formulas::BitwiseNot, uint64_t, 1>(plan, attributes, op);
}

}  // namespace

void install_integer_functions() {
  namespace kernels = cpu::kernels;
  using namespace formulas;
  install_integer<BitwiseAnd, 2>(kernels::bitwise_and);
  install_integer<BitwiseOr, 2>(kernels::bitwise_or);
  install_integer<BitwiseXor, 2>(kernels::bitwise_xor);
  install_elementwise(kernels::bitwise_not,
                      {.i64 = run_elementwise<BitwiseNot, int64_t, 1>, .u64 = run_bitwise_not});
  install_integer<LeftShift, 2>(kernels::left_shift);
  install_integer<RightShift, 2>(kernels::right_shift);
  install_integer<Gcd, 2>(kernels::gcd);
  install_integer<Lcm, 2>(kernels::lcm);
}

}  // namespace taper::cuda
