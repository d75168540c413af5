// Error functions, the gamma function's logarithm and its derivative, and logit.
#include <cmath>
#include <limits>

#include "cpu/digamma.h"
#include "cpu/scalar_run.h"
#include "cpu/unary.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/unary_special.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "cpu/vector_activation-inl.h"
#include "cpu/vector_run-inl.h"

// kernel, function, type
#define TAPER_VECTOR_KERNELS(X)    \
  X(erf_f32, Wide<Erf>, float)     \
  X(erfc_f32, Wide<Erfc>, float)   \
  X(logit_f32, Wide<Logit>, float) \
  X(logit_f64, Logit, double)
#define TAPER_RUNS(name, function, type) vector_run<function, type, 1>,
#define TAPER_INDICES(name, function, type) name,

HWY_BEFORE_NAMESPACE();
namespace taper::cpu {
namespace HWY_NAMESPACE {
namespace {

struct Erf {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    const V large = hn::CopySign(hn::Sub(set(d, 1), upper_erfc_single(d, x)), x);
    return hn::IfThenElse(hn::Lt(hn::Abs(x), set(d, 1)), small_erf_single(d, x), large);
  }
};

struct Erfc {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    const V upper = upper_erfc_single(d, x);
    return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Sub(set(d, 2), upper), upper);
  }
};

// log(x / (1 - x)) as log1p((2x - 1) / (1 - x)), or for x < 1/2 by its antisymmetry: 2x - 1 is exact near
// 1/2.
struct Logit {
  double eps = -1;
  explicit Logit(const void* attributes) {
    if (attributes) eps = static_cast<const Epsilon*>(attributes)->eps;
  }
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    if (eps >= 0) x = hn::IfThenElse(hn::Lt(x, set(d, eps)), set(d, eps), at_most(d, x, 1 - eps));
    const V one = set(d, 1);
    const auto upper = hn::Ge(x, set(d, 0.5));
    const V rest = hn::Sub(one, x);
    const V least = hn::IfThenElse(upper, rest, hn::Add(x, hn::Zero(d)));  // -0 becomes 0
    const V excess = hn::Abs(hn::Sub(hn::Add(x, x), one));
    const V y = log1p_of(d, hn::Div(excess, least));
    return hn::IfThenElse(upper, y, hn::Neg(y));
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

struct ErfOf {
  double operator()(double x) const { return std::erf(x); }
};
struct ErfcOf {
  double operator()(double x) const { return std::erfc(x); }
};

// Giles, "Approximating the erfinv function" (GPU Computing Gems, 2011): good to 3e-7.
double erfinv_start(double x, double complement) {
  constexpr double central[] = {1.50140941,     0.246640727,    -0.00417768164,
                                -0.00125372503, 0.000218580870, -4.39150654e-06,
                                -3.5233877e-06, 3.43273939e-07, 2.81022636e-08};
  constexpr double tail[] = {2.83297682,     1.00167406,    0.00943887047,  -0.0076224613,  0.00573950773,
                             -0.00367342844, 0.00134934322, 0.000100950558, -0.000200214257};
  double w = -std::log(complement * (2 - complement));
  const bool near = w < 5;
  w = near ? w - 2.5 : std::sqrt(w) - 3;
  const double* c = near ? central : tail;
  double sum = 0;
  for (int i = 8; i >= 0; --i) sum = sum * w + c[i];
  return sum * x;
}

// Newton's method on erf; where that is close to 1, on log(erfc), which is almost a parabola.
struct Erfinv {
  double operator()(double x) const {
    const double size = std::abs(x);
    if (!(size < 1))
      return size == 1 ? std::copysign(std::numeric_limits<double>::infinity(), x) : std::nan("");
    if (size < 1e-9) return x * 0.88622692545275801;  // sqrt(pi) / 2
    const double complement = 1 - size;
    double y = erfinv_start(size, complement);
    for (int i = 0; i < 3; ++i) {
      const double inverse_slope = 0.88622692545275801 * std::exp(y * y);
      const double upper = std::erfc(y);
      if (size < 0.5) y -= (std::erf(y) - size) * inverse_slope;
      else y += std::log1p((upper - complement) / complement) * upper * inverse_slope;
    }
    return std::copysign(y, x);
  }
  float operator()(float x) const { return float((*this)(double(x))); }
};

// lgamma itself writes a global variable, the sign.
struct Lgamma {
  double operator()(double x) const {
    int sign;
    return ::lgamma_r(x, &sign);
  }
  float operator()(float x) const { return float((*this)(double(x))); }
};

struct Digamma {
  double operator()(double x) const { return formulas::digamma(x); }
  float operator()(float x) const { return float(formulas::digamma(double(x))); }
};

}  // namespace

namespace kernels {

const Kernel erf = {.name = "erf", .f32 = dispatch<erf_f32>, .f64 = run_unary<ErfOf, double>};
const Kernel erfc = {.name = "erfc", .f32 = dispatch<erfc_f32>, .f64 = run_unary<ErfcOf, double>};
const Kernel erfinv = {.name = "erfinv", .f32 = run_unary<Erfinv, float>, .f64 = run_unary<Erfinv, double>};
const Kernel lgamma = {.name = "lgamma", .f32 = run_unary<Lgamma, float>, .f64 = run_unary<Lgamma, double>};
const Kernel digamma = {
    .name = "digamma", .f32 = run_unary<Digamma, float>, .f64 = run_unary<Digamma, double>};
const Kernel logit = {.name = "logit", .f32 = dispatch<logit_f32>, .f64 = dispatch<logit_f64>};

}  // namespace kernels
}  // namespace taper::cpu
#endif
