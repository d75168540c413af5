// Functions of complex numbers, elementwise, in complex128 (trigonometry is in complex_trigonometry.cu), and
// complex numbers and their parts.
#include "cpu/attributes.h"
#include "cpu/binary.h"
#include "cpu/unary.h"
#include "cuda/elementwise.cuh"

namespace taper::cuda {

namespace formulas {

#define TAPER_COMPLEX(Name, expression)                       \
  template <class T>                                          \
  struct Name {                                               \
    __device__ T operator()(T z) const { return expression; } \
  };
#define TAPER_COMPLEX_GRADIENT(Name, expression)                    \
  template <class T>                                                \
  struct Name {                                                     \
    __device__ T operator()(T dy, T y) const { return expression; } \
  };

TAPER_COMPLEX(ComplexSqrt, sqrt(z))
TAPER_COMPLEX(ComplexRsqrt, 1.0 / sqrt(z))
TAPER_COMPLEX(ComplexExp, exp(z))
TAPER_COMPLEX(ComplexExp2, exp(z * 0.6931471805599453))
TAPER_COMPLEX(ComplexLog, log(z))
TAPER_COMPLEX(ComplexLog2, log(z) * 1.4426950408889634)
TAPER_COMPLEX(ComplexLog10, log(z) * 0.43429448190325182)
TAPER_COMPLEX(ComplexSigmoid, 1.0 / (1.0 + exp(-z)))

// Holomorphic functions: the gradient is dy times the conjugate of the derivative.
TAPER_COMPLEX_GRADIENT(ComplexTanhBackward, dy* conj(1.0 - y * y))
TAPER_COMPLEX_GRADIENT(ComplexSigmoidBackward, dy* conj((1.0 - y) * y))
TAPER_COMPLEX_GRADIENT(ComplexReciprocalBackward, -dy* conj(y* y))
TAPER_COMPLEX_GRADIENT(ComplexSqrtBackward, dy / conj(2.0 * y))
TAPER_COMPLEX_GRADIENT(ComplexRsqrtBackward, -0.5 * dy * conj(y * y * y))
#undef TAPER_COMPLEX
#undef TAPER_COMPLEX_GRADIENT

// (e^a - 1) cos b - 2 sin(b/2)^2 + i e^a sin b: no cancellation near 0.
template <class T>
struct ComplexExpm1 {
  __device__ T operator()(T z) const {
    const double half = sin(z.imag() / 2);
    return T(expm1(z.real()) * cos(z.imag()) - 2 * half * half, exp(z.real()) * sin(z.imag()));
  }
};
// |1 + z|^2 - 1 = a (2 + a) + b^2 for z = a + bi.
__device__ inline Complex near_log1p(Complex z) {
  const double a = z.real(), b = z.imag();
  return Complex(0.5 * log1p(a * (2 + a) + b * b), atan2(b, 1 + a));
}
template <class T>
struct ComplexLog1p {
  __device__ T operator()(T z) const {
    return fabs(z.real()) < 0.5 && fabs(z.imag()) < 0.5 ? near_log1p(z) : log(T(1 + z.real(), z.imag()));
  }
};

__device__ inline Complex complex_power(Complex x, Complex y) {
  if (y == 0.0) return 1.0;
  if (x == 0.0 && y.imag() == 0 && y.real() > 0) return 0.0;
  return exp(y * log(x));
}
template <class T>
struct ComplexPow {
  __device__ T operator()(T x, T y) const { return complex_power(x, y); }
};
template <class T>
struct ComplexPowScalar {
  T exponent;
  explicit ComplexPowScalar(const void* attributes)
      : exponent(number<T>(static_cast<const cpu::Factor*>(attributes)->value)) {}
  __device__ T operator()(T x) const { return exponent == 2.0 ? x * x : complex_power(x, exponent); }
};
// log(e^a + e^b) without overflow, as src/cpu/complex_math.h. Where both are 0 the angle is that of one of
// them.
template <class T>
struct ComplexLogAddExp {
  __device__ T operator()(T a, T b) const {
    if (a != a || b != b) return T(NAN, NAN);
    const bool first = a.real() >= b.real();
    const T larger = first ? a : b, smaller = first ? b : a;
    if (isinf(larger.real()) && smaller.real() == larger.real())
      return larger.real() < 0 ? smaller : log(exp(a) + exp(b));
    return larger + near_log1p(exp(smaller - larger));
  }
};
template <class T>
struct ComplexXlogy {
  __device__ T operator()(T x, T y) const { return x == 0.0 && y == y ? T(0) : x * log(y); }
};

template <class T>
struct Real {
  __device__ auto operator()(T x) const {
    if constexpr (is_complex_v<T>) return x.real();
    else return x;
  }
};
template <class T>
struct Imag {
  __device__ auto operator()(T x) const {
    if constexpr (is_complex_v<T>) return x.imag();
    else return T(0);
  }
};
template <class T>
struct Conj {
  __device__ T operator()(T x) const {
    if constexpr (is_complex_v<T>) return T(x.real(), -x.imag());
    else return x;
  }
};
// 0 or pi for real numbers; NaN stays NaN.
template <class T>
struct Angle {
  __device__ auto operator()(T x) const {
    if constexpr (is_complex_v<T>) return atan2(x.imag(), x.real());
    else return x != x ? x : x < 0 ? T(3.141592653589793) : T(0);
  }
};

template <class T>
struct FromParts {
  __device__ auto operator()(T real, T imaginary) const { return ::cuda::std::complex<T>(real, imaginary); }
};
template <class T>
struct FromPolar {
  __device__ auto operator()(T size, T angle) const {
    return ::cuda::std::complex<T>(size * cos(angle), size * sin(angle));
  }
};

}  // namespace formulas

void install_complex_functions() {
  namespace kernels = cpu::kernels;
  using namespace formulas;
  install_complex<ComplexSqrt, 1>(kernels::sqrt);
  install_complex<ComplexRsqrt, 1>(kernels::rsqrt);
  install_complex<ComplexExp, 1>(kernels::exp);
  install_complex<ComplexExp2, 1>(kernels::exp2);
  install_complex<ComplexExpm1, 1>(kernels::expm1);
  install_complex<ComplexLog, 1>(kernels::log);
  install_complex<ComplexLog2, 1>(kernels::log2);
  install_complex<ComplexLog10, 1>(kernels::log10);
  install_complex<ComplexLog1p, 1>(kernels::log1p);
  install_complex<ComplexSigmoid, 1>(kernels::sigmoid);
  install_complex<ComplexPow, 2>(kernels::pow);
  install_complex<ComplexPowScalar, 1>(kernels::pow_scalar);
  install_complex<ComplexLogAddExp, 2>(kernels::logaddexp);
  install_complex<ComplexXlogy, 2>(kernels::xlogy);
  install_complex<ComplexTanhBackward, 2>(kernels::tanh_backward);
  install_complex<ComplexSigmoidBackward, 2>(kernels::sigmoid_backward);
  install_complex<ComplexReciprocalBackward, 2>(kernels::reciprocal_backward);
  install_complex<ComplexSqrtBackward, 2>(kernels::sqrt_backward);
  install_complex<ComplexRsqrtBackward, 2>(kernels::rsqrt_backward);
  install_all<Real, 1>(kernels::real);
  install_all<Imag, 1>(kernels::imag);
  install_all<Conj, 1>(kernels::conj);
  install_float_complex<Angle, 1>(kernels::angle);
  install_float<FromParts, 2>(kernels::complex);
  install_float<FromPolar, 2>(kernels::polar);
}

}  // namespace taper::cuda
