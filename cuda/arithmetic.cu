// Arithmetic, rounding and selection, elementwise. Formulas are those of src/cpu/unary_basic.cc,
// binary_arithmetic.cc, binary_division.cc and ternary.cc.
#include <cmath>
#include <limits>

#include "cpu/attributes.h"
#include "cpu/binary.h"
#include "cpu/ternary.h"
#include "cpu/unary.h"
#include "cuda/elementwise.cuh"

namespace taper::cuda {

namespace formulas {

template <class T>
inline constexpr bool is_float_v = std::is_floating_point_v<T>;

template <class T>
struct Add {
  __device__ T operator()(T a, T b) const { return a + b; }
};
template <class T>
struct Sub {
  __device__ T operator()(T a, T b) const { return a - b; }
};
template <class T>
struct Mul {
  __device__ T operator()(T a, T b) const {
    // As NumPy and PyTorch multiply, without C99's recovery of infinities from NaN.
    if constexpr (is_complex_v<T>)
      return T(a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real());
    else return a * b;
  }
};
template <class T>
struct Div {
  __device__ T operator()(T a, T b) const { return a / b; }
};
template <class T>
struct AddScaled {
  T alpha;
  explicit AddScaled(const void* attributes)
      : alpha(number<T>(static_cast<const cpu::Factor*>(attributes)->value)) {}
  __device__ T operator()(T a, T b) const { return a + alpha * b; }
};
template <class T>
struct SubScaled {
  T alpha;
  explicit SubScaled(const void* attributes)
      : alpha(number<T>(static_cast<const cpu::Factor*>(attributes)->value)) {}
  __device__ T operator()(T a, T b) const { return a - alpha * b; }
};
// Integer division by zero gives 0: a kernel cannot throw.
template <class T>
struct FloorDivide {
  __device__ T operator()(T a, T b) const {
    if constexpr (is_float_v<T>) {
      if (b == 0) return a / b;
      // As Python: the remainder, which is exact, decides.
      T rest = fmod(a, b), quotient = (a - rest) / b;
      if (rest != 0 && (b < 0) != (rest < 0)) quotient -= 1;
      if (quotient == 0) return copysign(T(0), a / b);
      const T below = floor(quotient);
      return quotient - below > T(0.5) ? below + 1 : below;
    } else {
      if (b == 0) return 0;
      if constexpr (std::is_signed_v<T>) {
        if (b == -1) return T(0) - a;
        const T quotient = a / b;
        return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
      } else {
        return a / b;
      }
    }
  }
};
template <class T>
struct TruncDivide {
  __device__ T operator()(T a, T b) const {
    if constexpr (is_float_v<T>) return trunc(a / b);
    else if constexpr (std::is_signed_v<T>) return b == 0 ? 0 : b == -1 ? T(0) - a : a / b;
    else return b == 0 ? 0 : a / b;
  }
};
template <class T>
struct Remainder {
  __device__ T operator()(T a, T b) const {
    if constexpr (is_float_v<T>) {
      const T rest = fmod(a, b);
      return rest != 0 && (b < 0) != (rest < 0) ? rest + b : rest;
    } else if constexpr (std::is_signed_v<T>) {
      if (b == 0 || b == -1) return 0;
      const T rest = a % b;
      return rest != 0 && (b < 0) != (rest < 0) ? rest + b : rest;
    } else {
      return b == 0 ? 0 : a % b;
    }
  }
};
template <class T>
struct Fmod {
  __device__ T operator()(T a, T b) const {
    if constexpr (is_float_v<T>) return fmod(a, b);
    else if constexpr (std::is_signed_v<T>) return b == 0 || b == -1 ? 0 : a % b;
    else return b == 0 ? 0 : a % b;
  }
};
template <class T>
struct Maximum {
  __device__ T operator()(T a, T b) const { return a >= b || a != a ? a : b; }
};
template <class T>
struct Minimum {
  __device__ T operator()(T a, T b) const { return a <= b || a != a ? a : b; }
};
template <class T>
struct Fmax {
  __device__ T operator()(T a, T b) const { return b != b || a >= b ? a : b; }
};
template <class T>
struct Fmin {
  __device__ T operator()(T a, T b) const { return b != b || a <= b ? a : b; }
};
/// From the nearer end, so that a weight of 1 gives b exactly.
template <class T>
__device__ T interpolated(T a, T b, T weight) {
  bool near_a;
  if constexpr (is_complex_v<T>) near_a = hypot(weight.real(), weight.imag()) < 0.5;
  else near_a = fabs(weight) < T(0.5);
  return near_a ? a + weight * (b - a) : b - (b - a) * (T(1) - weight);
}
template <class T>
struct LerpScalar {
  T weight;
  explicit LerpScalar(const void* attributes)
      : weight(number<T>(static_cast<const cpu::Factor*>(attributes)->value)) {}
  __device__ T operator()(T a, T b) const { return interpolated(a, b, weight); }
};

template <class T>
struct Neg {
  __device__ T operator()(T x) const {
    if constexpr (std::is_integral_v<T>) return T(0) - x;
    else return -x;
  }
};
template <class T>
struct Square {
  __device__ T operator()(T x) const { return x * x; }
};
template <class T>
struct Abs {
  __device__ std::conditional_t<is_complex_v<T>, double, T> operator()(T x) const {
    if constexpr (is_complex_v<T>) return hypot(x.real(), x.imag());
    else if constexpr (is_float_v<T>) return fabs(x);
    else return std::is_signed_v<T> && x < T(0) ? T(T(0) - x) : x;
  }
};
template <class T>
struct Sign {
  __device__ T operator()(T x) const {
    if constexpr (is_complex_v<T>) return x == T(0) ? x : x / hypot(x.real(), x.imag());
    else if constexpr (std::is_unsigned_v<T>) return x != 0;
    else return x > T(0) ? T(1) : x < T(0) ? T(-1) : x;
  }
};
template <class T>
struct Sqrt {
  __device__ T operator()(T x) const { return sqrt(x); }
};
template <class T>
struct Rsqrt {
  __device__ T operator()(T x) const { return T(1) / sqrt(x); }
};
template <class T>
struct Reciprocal {
  __device__ T operator()(T x) const { return T(1) / x; }
};
template <class T>
struct Affine {
  T scale, offset;
  explicit Affine(const void* attributes)
      : scale(number<T>(static_cast<const cpu::Affine*>(attributes)->scale)),
        offset(number<T>(static_cast<const cpu::Affine*>(attributes)->offset)) {}
  __device__ T operator()(T x) const { return x * scale + offset; }
};
/// A bound as T; of unsigned integers a negative one is 0.
template <class T>
T bound(const Scalar& value) {
  if constexpr (std::is_unsigned_v<T>) return T(std::max<int64_t>(value.to<int64_t>(), 0));
  else return value.to<T>();
}
// A bound that is NaN makes everything NaN.
template <class T>
struct ClampScalar {
  T low = std::numeric_limits<T>::lowest(), high = std::numeric_limits<T>::max();
  explicit ClampScalar(const void* attributes) {
    const auto& bounds = *static_cast<const cpu::Bounds*>(attributes);
    if constexpr (is_float_v<T>) low = -INFINITY, high = INFINITY;
    if (bounds.has_low) low = bound<T>(bounds.low);
    if (bounds.has_high) high = bound<T>(bounds.high);
  }
  __device__ T operator()(T x) const {
    const T raised = x < low || low != low ? low : x;
    return raised > high || high != high ? high : raised;
  }
};
template <class T>
struct Floor {
  __device__ T operator()(T x) const {
    if constexpr (is_float_v<T>) return floor(x);
    else return x;
  }
};
template <class T>
struct Ceil {
  __device__ T operator()(T x) const {
    if constexpr (is_float_v<T>) return ceil(x);
    else return x;
  }
};
template <class T>
struct Trunc {
  __device__ T operator()(T x) const {
    if constexpr (is_float_v<T>) return trunc(x);
    else return x;
  }
};
template <class T>
struct Frac {
  __device__ T operator()(T x) const {
    if constexpr (is_float_v<T>) return x - trunc(x);
    else return 0;
  }
};
template <class T>
struct Round {
  double up = 1, down = 1;  // one of them is 1: a power of ten is exact, its inverse is not
  explicit Round(const void* attributes) {
    if (!attributes) return;
    const int decimals = static_cast<const cpu::Decimals*>(attributes)->decimals;
    (decimals > 0 ? up : down) = std::pow(10.0, std::abs(decimals));
  }
  __device__ T operator()(T x) const {
    if (up != 1) return rint(x * T(up)) / T(up);
    return down != 1 ? rint(x / T(down)) * T(down) : rint(x);
  }
};
// Integers are rounded only before the decimal point; halves to even.
template <class T>
struct RoundInteger {
  uint64_t unit = 1;
  explicit RoundInteger(const void* attributes) {
    const int decimals = attributes ? static_cast<const cpu::Decimals*>(attributes)->decimals : 0;
    for (int i = 0; i > std::max(decimals, -19); --i) unit *= 10;
  }
  __device__ T operator()(T x) const {
    if (unit == 1) return x;
    const bool negative = std::is_signed_v<T> && int64_t(x) < 0;
    const uint64_t magnitude = negative ? 0 - uint64_t(x) : uint64_t(x);
    const uint64_t below = magnitude / unit, rest = magnitude % unit;
    const bool up = rest > unit - rest || (rest == unit - rest && below % 2 == 1);
    const uint64_t rounded = (below + up) * unit;
    return T(negative ? 0 - rounded : rounded);
  }
};
template <class T>
struct NanToNum {
  T nan, positive, negative;
  explicit NanToNum(const void* attributes) {
    const auto& with = *static_cast<const cpu::Replacements*>(attributes);
    nan = T(with.nan), positive = T(with.positive), negative = T(with.negative);
  }
  __device__ T operator()(T x) const {
    if (x != x) return nan;
    return isinf(x) ? (x > 0 ? positive : negative) : x;
  }
};
template <class T>
struct Positive {
  __device__ T operator()(T x) const { return x; }
};

template <class T>
struct Where {
  static constexpr bool condition = true;
  __device__ T operator()(T chosen, T a, T b) const { return chosen != T(0) ? a : b; }
};
template <class T>
struct AddCMul {
  T value;
  explicit AddCMul(const void* attributes)
      : value(number<T>(static_cast<const cpu::Factor*>(attributes)->value)) {}
  __device__ T operator()(T a, T b, T c) const { return a + value * b * c; }
};
template <class T>
struct AddCDiv {
  T value;
  explicit AddCDiv(const void* attributes)
      : value(number<T>(static_cast<const cpu::Factor*>(attributes)->value)) {}
  __device__ T operator()(T a, T b, T c) const { return a + value * b / c; }
};
template <class T>
struct Lerp {
  __device__ T operator()(T a, T b, T weight) const { return interpolated(a, b, weight); }
};
template <class T>
struct Clamp {
  __device__ T operator()(T x, T low, T high) const { return Minimum<T>()(Maximum<T>()(x, low), high); }
};

}  // namespace formulas

void install_arithmetic() {
  namespace kernels = cpu::kernels;
  using namespace formulas;
  install_all<Add, 2>(kernels::add);
  install_all<Sub, 2>(kernels::sub);
  install_all<Mul, 2>(kernels::mul);
  install_float_complex<Div, 2>(kernels::div);
  install_all<AddScaled, 2>(kernels::add_scaled);
  install_all<SubScaled, 2>(kernels::sub_scaled);
  install_real<FloorDivide, 2>(kernels::floor_divide);
  install_real<TruncDivide, 2>(kernels::trunc_divide);
  install_real<Remainder, 2>(kernels::remainder);
  install_real<Fmod, 2>(kernels::fmod);
  install_real<Maximum, 2>(kernels::maximum);
  install_real<Minimum, 2>(kernels::minimum);
  install_real<Fmax, 2>(kernels::fmax);
  install_real<Fmin, 2>(kernels::fmin);
  install_float_complex<LerpScalar, 2>(kernels::lerp_scalar);
  install_all<Neg, 1>(kernels::neg);
  install_all<Square, 1>(kernels::square);
  install_all<Abs, 1>(kernels::abs);
  install_all<Sign, 1>(kernels::sign);
  install_float<Sqrt, 1>(kernels::sqrt);
  install_float<Rsqrt, 1>(kernels::rsqrt);
  install_float_complex<Reciprocal, 1>(kernels::reciprocal);
  install_all<Affine, 1>(kernels::affine);
  install_real<ClampScalar, 1>(kernels::clamp_scalar);
  install_real<Floor, 1>(kernels::floor);
  install_real<Ceil, 1>(kernels::ceil);
  install_real<Trunc, 1>(kernels::trunc);
  install_real<Frac, 1>(kernels::frac);
  install_float<Round, 1>(kernels::round);
  install_integer<RoundInteger, 1>(kernels::round);
  install_float<NanToNum, 1>(kernels::nan_to_num);
  install_integer<Positive, 1>(kernels::nan_to_num);
  install_all<Positive, 1>(kernels::positive);
  install_all<Where, 3>(kernels::where);
  install_all<AddCMul, 3>(kernels::addcmul);
  install_float_complex<AddCDiv, 3>(kernels::addcdiv);
  install_float_complex<Lerp, 3>(kernels::lerp);
  install_real<Clamp, 3>(kernels::clamp);
}

}  // namespace taper::cuda
