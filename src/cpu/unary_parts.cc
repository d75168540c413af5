// Parts of complex numbers, and predicates of one operand.
#include <cmath>
#include <complex>
#include <limits>
#include <type_traits>

#include "cpu/convert.h"
#include "cpu/scalar_run.h"
#include "cpu/unary.h"

namespace taper::cpu {
namespace {

using Complex = std::complex<double>;

struct RealPart {
  template <class T>
  T operator()(T x) const {
    return x;
  }
  template <class T>
  T operator()(std::complex<T> x) const {
    return x.real();
  }
};
struct ImaginaryPart {
  template <class T>
  T operator()(T) const {
    return T(0);
  }
  template <class T>
  T operator()(std::complex<T> x) const {
    return x.imag();
  }
};
struct Conjugate {
  template <class T>
  T operator()(T x) const {
    return x;
  }
  template <class T>
  std::complex<T> operator()(std::complex<T> x) const {
    return std::conj(x);
  }
};
// 0 or pi for real numbers; NaN stays NaN.
struct Angle {
  template <class T>
  T operator()(T x) const {
    return x != x ? x : x < 0 ? T(3.141592653589793) : T(0);
  }
  double operator()(Complex x) const { return std::arg(x); }
};

struct IsNan {
  template <class T>
  bool operator()(T x) const {
    return x != x;
  }
};
struct IsInf {
  template <class T>
  bool operator()(T x) const {
    if constexpr (std::is_integral_v<T>) return false;
    else return std::abs(x) == std::numeric_limits<T>::infinity();
  }
  bool operator()(Complex x) const { return (*this)(x.real()) || (*this)(x.imag()); }
};
struct IsFinite {
  template <class T>
  bool operator()(T x) const {
    if constexpr (std::is_integral_v<T>) return true;
    else return std::abs(x) < std::numeric_limits<T>::infinity();
  }
  bool operator()(Complex x) const { return (*this)(x.real()) && (*this)(x.imag()); }
};
struct IsPositiveInf {
  template <class T>
  bool operator()(T x) const {
    if constexpr (std::is_integral_v<T>) return false;
    else return x == std::numeric_limits<T>::infinity();
  }
};
struct IsNegativeInf {
  template <class T>
  bool operator()(T x) const {
    if constexpr (std::is_integral_v<T>) return false;
    else return x == -std::numeric_limits<T>::infinity();
  }
};
struct SignBit {
  template <class T>
  bool operator()(T x) const {
    if constexpr (std::is_unsigned_v<T>) return false;
    else if constexpr (std::is_integral_v<T>) return x < 0;
    else return std::signbit(x);
  }
};
struct LogicalNot {
  template <class T>
  bool operator()(T x) const {
    return x == T(0);
  }
};
struct BitwiseNot {
  template <class T>
  T operator()(T x) const {
    if constexpr (std::is_same_v<T, bool>) return !x;
    else return T(~x);
  }
};

template <class F, class In>
constexpr Run to_bool = run_unary<F, In, bool>;

}  // namespace

namespace kernels {

#define TAPER_PART(op, function, writes_real)                           \
  const Kernel op = {.name = #op,                                       \
                     .f32 = run_unary<function, float>,                 \
                     .f64 = run_unary<function, double>,                \
                     .i64 = run_unary<function, std::int64_t>,          \
                     .u64 = run_unary<function, std::uint64_t>,         \
                     .c128 = run_unary<function, Complex, writes_real>, \
                     .real_output = std::is_same_v<writes_real, double>}

TAPER_PART(real, RealPart, double);
TAPER_PART(imag, ImaginaryPart, double);
TAPER_PART(conj, Conjugate, Complex);

#undef TAPER_PART

const Kernel angle = {.name = "angle",
                      .f32 = run_unary<Angle, float>,
                      .f64 = run_unary<Angle, double>,
                      .c128 = run_unary<Angle, Complex, double>,
                      .real_output = true};

#define TAPER_PREDICATE(op, function, complex_run)            \
  const Kernel op = {.name = #op,                             \
                     .f32 = to_bool<function, float>,         \
                     .f64 = to_bool<function, double>,        \
                     .i64 = to_bool<function, std::int64_t>,  \
                     .u64 = to_bool<function, std::uint64_t>, \
                     .c128 = complex_run,                     \
                     .boolean = to_bool<function, bool>,      \
                     .predicate = true}

TAPER_PREDICATE(isnan, IsNan, (to_bool<IsNan, Complex>));
TAPER_PREDICATE(isinf, IsInf, (to_bool<IsInf, Complex>));
TAPER_PREDICATE(isfinite, IsFinite, (to_bool<IsFinite, Complex>));
TAPER_PREDICATE(isposinf, IsPositiveInf, nullptr);
TAPER_PREDICATE(isneginf, IsNegativeInf, nullptr);
TAPER_PREDICATE(signbit, SignBit, nullptr);
TAPER_PREDICATE(logical_not, LogicalNot, (to_bool<LogicalNot, Complex>));

#undef TAPER_PREDICATE

const Kernel bitwise_not = {.name = "bitwise_not",
                            .i64 = run_unary<BitwiseNot, std::int64_t>,
                            .u64 = run_unary<BitwiseNot, std::uint64_t>,
                            .boolean = run_unary<BitwiseNot, bool>};

}  // namespace kernels
}  // namespace taper::cpu
