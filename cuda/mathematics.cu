// Exponentials, logarithms, powers, trigonometric and error functions, elementwise, by CUDA's own
// functions.
#include "cpu/attributes.h"
#include "cpu/binary.h"
#include "cpu/unary.h"
#include "cuda/elementwise.cuh"

namespace taper::cuda {

namespace formulas {

#define TAPER_FUNCTION(Name, function)                         \
  template <class T>                                           \
  struct Name {                                                \
    __device__ T operator()(T x) const { return function(x); } \
  };
TAPER_FUNCTION(Exp, exp)
TAPER_FUNCTION(Exp2, exp2)
TAPER_FUNCTION(Expm1, expm1)
TAPER_FUNCTION(Log, log)
TAPER_FUNCTION(Log2, log2)
TAPER_FUNCTION(Log10, log10)
TAPER_FUNCTION(Log1p, log1p)
TAPER_FUNCTION(Sin, sin)
TAPER_FUNCTION(Cos, cos)
TAPER_FUNCTION(Tan, tan)
TAPER_FUNCTION(Asin, asin)
TAPER_FUNCTION(Acos, acos)
TAPER_FUNCTION(Atan, atan)
TAPER_FUNCTION(Sinh, sinh)
TAPER_FUNCTION(Cosh, cosh)
TAPER_FUNCTION(Tanh, tanh)
TAPER_FUNCTION(Asinh, asinh)
TAPER_FUNCTION(Acosh, acosh)
TAPER_FUNCTION(Atanh, atanh)
TAPER_FUNCTION(Erf, erf)
TAPER_FUNCTION(Erfc, erfc)
TAPER_FUNCTION(Erfinv, erfinv)
TAPER_FUNCTION(Lgamma, lgamma)
#undef TAPER_FUNCTION

// Of integers by squaring; they wrap. A negative exponent gives 0, but for bases of 1 and -1: a kernel cannot
// throw.
template <class T>
__device__ T power(T base, T exponent) {
  if constexpr (std::is_floating_point_v<T>) {
    return pow(base, exponent);
  } else {
    if constexpr (std::is_signed_v<T>)
      if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
    std::uint64_t result = 1, factor = std::uint64_t(base);
    for (std::uint64_t left = std::uint64_t(exponent); left; left >>= 1, factor *= factor)
      if (left & 1) result *= factor;
    return T(result);
  }
}
template <class T>
struct Pow {
  __device__ T operator()(T a, T b) const { return power(a, b); }
};
template <class T>
struct PowScalar {
  T exponent;
  explicit PowScalar(const void* attributes)
      : exponent(number<T>(static_cast<const cpu::Factor*>(attributes)->value)) {}
  __device__ T operator()(T x) const {
    if (exponent == T(2)) return x * x;
    if (exponent == T(3)) return x * x * x;
    return power(x, exponent);
  }
};
template <class T>
struct Atan2 {
  __device__ T operator()(T a, T b) const { return atan2(a, b); }
};
template <class T>
struct Hypot {
  __device__ T operator()(T a, T b) const { return hypot(a, b); }
};
// 0 where a is 0, even beside log 0.
template <class T>
struct Xlogy {
  __device__ T operator()(T a, T b) const { return b != b ? b : a == T(0) ? T(0) : a * log(b); }
};
template <class T>
struct LogAddExp {
  __device__ T operator()(T a, T b) const {
    if (a == b) return a + T(0.69314718055994531);
    const T most = a > b ? a : b, least = a > b ? b : a;
    return a != a || b != b ? a + b : most + log1p(exp(least - most));
  }
};

template <class T>
struct LogAddExp2 {
  __device__ T operator()(T a, T b) const {
    if (a == b) return a + T(1);
    const T most = a > b ? a : b, least = a > b ? b : a;
    return a != a || b != b ? a + b : most + log1p(exp2(least - most)) * T(1.4426950408889634);
  }
};
template <class T>
struct CopySign {
  __device__ T operator()(T a, T b) const { return copysign(a, b); }
};
template <class T>
struct NextAfter {
  __device__ T operator()(T a, T b) const { return nextafter(a, b); }
};
template <class T>
struct Heaviside {
  __device__ T operator()(T x, T at_zero) const {
    return x != x ? x : x > T(0) ? T(1) : x == T(0) ? at_zero : T(0);
  }
};
template <class T>
struct Deg2Rad {
  __device__ T operator()(T x) const { return x * T(0.017453292519943295); }
};
template <class T>
struct Rad2Deg {
  __device__ T operator()(T x) const { return x * T(57.295779513082323); }
};
template <class T>
struct Sinc {
  __device__ T operator()(T x) const { return x == T(0) ? T(1) : sinpi(x) / (x * T(3.1415926535897931)); }
};
// log(x / (1 - x)) as log1p((2x - 1) / (1 - x)), or for x < 1/2 by its antisymmetry: 2x - 1 is exact near
// 1/2.
template <class T>
struct Logit {
  T low = -1, high = -1;
  explicit Logit(const void* attributes) {
    if (!attributes) return;
    const double eps = static_cast<const cpu::Epsilon*>(attributes)->eps;
    if (eps >= 0) low = T(eps), high = T(1 - eps);
  }
  __device__ T operator()(T x) const {
    if (low >= T(0)) x = x < low ? low : x > high ? high : x;
    const bool upper = x >= T(0.5);
    const T least = upper ? T(1) - x : x + T(0);  // -0 becomes 0
    const T y = log1p(fabs(x + x - T(1)) / least);
    return upper ? y : -y;
  }
};

}  // namespace formulas

void install_mathematics() {
  namespace kernels = cpu::kernels;
  using namespace formulas;
  install_float<Exp, 1>(kernels::exp);
  install_float<Exp2, 1>(kernels::exp2);
  install_float<Expm1, 1>(kernels::expm1);
  install_float<Log, 1>(kernels::log);
  install_float<Log2, 1>(kernels::log2);
  install_float<Log10, 1>(kernels::log10);
  install_float<Log1p, 1>(kernels::log1p);
  install_float<Sin, 1>(kernels::sin);
  install_float<Cos, 1>(kernels::cos);
  install_float<Tan, 1>(kernels::tan);
  install_float<Asin, 1>(kernels::asin);
  install_float<Acos, 1>(kernels::acos);
  install_float<Atan, 1>(kernels::atan);
  install_float<Sinh, 1>(kernels::sinh);
  install_float<Cosh, 1>(kernels::cosh);
  install_float<Tanh, 1>(kernels::tanh);
  install_float<Asinh, 1>(kernels::asinh);
  install_float<Acosh, 1>(kernels::acosh);
  install_float<Atanh, 1>(kernels::atanh);
  install_float<Erf, 1>(kernels::erf);
  install_float<Erfc, 1>(kernels::erfc);
  install_float<Erfinv, 1>(kernels::erfinv);
  install_float<Lgamma, 1>(kernels::lgamma);
  install_float<Sinc, 1>(kernels::sinc);
  install_float<Logit, 1>(kernels::logit);
  install_float<Deg2Rad, 1>(kernels::deg2rad);
  install_float<Rad2Deg, 1>(kernels::rad2deg);
  install_real<Pow, 2>(kernels::pow);
  install_real<PowScalar, 1>(kernels::pow_scalar);
  install_float<Atan2, 2>(kernels::atan2);
  install_float<Hypot, 2>(kernels::hypot);
  install_float<Xlogy, 2>(kernels::xlogy);
  install_float<LogAddExp, 2>(kernels::logaddexp);
  install_float<LogAddExp2, 2>(kernels::logaddexp2);
  install_float<CopySign, 2>(kernels::copysign);
  install_float<NextAfter, 2>(kernels::nextafter);
  install_real<Heaviside, 2>(kernels::heaviside);
}

}  // namespace taper::cuda
