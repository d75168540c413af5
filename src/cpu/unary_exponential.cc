// exp, log and their kin.
#include <cmath>
#include <complex>

#include "cpu/scalar_run.h"
#include "cpu/unary.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/unary_exponential.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "cpu/vector_math-inl.h"
#include "cpu/vector_run-inl.h"

// kernel, function of float32, function of float64
#define TAPER_VECTOR_KERNELS(X) \
  X(exp, Exp, Exp)              \
  X(exp2, Exp2, Exp2)           \
  X(expm1, Wide<Expm1>, Expm1)  \
  X(log, Log, Log)              \
  X(log2, Wide<Log2>, Log2)     \
  X(log10, Wide<Log10>, Log10)  \
  X(log1p, Log1p, Log1p)
#define TAPER_RUNS(name, single, full) vector_run<single, float, 1>, vector_run<full, double, 1>,
#define TAPER_INDICES(name, single, full) name##_f32, name##_f64,

HWY_BEFORE_NAMESPACE();
namespace taper::cpu {
namespace HWY_NAMESPACE {
namespace {

struct Exp {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return exp_of(d, x);
  }
};

struct Exp2 {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    const V bounded = limit(d, x, is_f32<D> ? -151 : -1076, is_f32<D> ? 129 : 1025);
    const V k = hn::Round(bounded);
    const V r = hn::Mul(hn::Sub(bounded, k), set(d, 0.6931471805599453));
    const V y = hn::Add(hn::MulAdd(hn::Mul(r, r), exp_rest<Precision::full>(d, r), r), set(d, 1));
    return scale(d, y, k);
  }
};

struct Expm1 {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return expm1_of(d, x);
  }
};

struct Log {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return log_of(d, x);
  }
};

// The logarithm to another base: k is exact for powers of two.
template <class D, class V>
HWY_INLINE V log_to_base(D d, V x, double of_two, double of_e) {
  V k, shift;
  const V f = reduce_log(d, make_normal(d, x, shift), k);
  const V log_f = hn::Add(f, log_rest(d, f));
  return log_special(d, x, hn::MulAdd(hn::Add(k, shift), set(d, of_two), hn::Mul(log_f, set(d, of_e))));
}

struct Log2 {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return log_to_base(d, x, 1, 1.4426950408889634);
  }
};

struct Log10 {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return log_to_base(d, x, 0.30102999566398120, 0.43429448190325182);
  }
};

struct Log1p {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return log1p_of(d, x);
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

struct ComplexExp {
  Complex operator()(Complex x) const { return std::exp(x); }
};
struct ComplexExp2 {
  Complex operator()(Complex x) const { return std::exp(x * 0.6931471805599453); }
};
// (e^a - 1) cos b - 2 sin(b/2)^2 + i e^a sin b: no cancellation near 0.
struct ComplexExpm1 {
  Complex operator()(Complex x) const {
    const double half = std::sin(x.imag() / 2);
    return {std::expm1(x.real()) * std::cos(x.imag()) - 2 * half * half,
            std::exp(x.real()) * std::sin(x.imag())};
  }
};
struct ComplexLog {
  Complex operator()(Complex x) const { return std::log(x); }
};
struct ComplexLog2 {
  Complex operator()(Complex x) const { return std::log(x) * 1.4426950408889634; }
};
struct ComplexLog10 {
  Complex operator()(Complex x) const { return std::log10(x); }
};
// |1 + z|^2 - 1 = a (2 + a) + b^2 for z = a + bi.
struct ComplexLog1p {
  Complex operator()(Complex x) const {
    const double a = x.real(), b = x.imag();
    if (!(std::abs(a) < 0.5 && std::abs(b) < 0.5)) return std::log(Complex(1 + a, b));
    return {0.5 * std::log1p(a * (2 + a) + b * b), std::atan2(b, 1 + a)};
  }
};

}  // namespace

namespace kernels {

#define TAPER_DEFINE(name, complex)                                                        \
  const Kernel name = {#name,   dispatch<name##_f32>,       dispatch<name##_f64>, nullptr, \
                       nullptr, run_unary<complex, Complex>}

TAPER_DEFINE(exp, ComplexExp);
TAPER_DEFINE(exp2, ComplexExp2);
TAPER_DEFINE(expm1, ComplexExpm1);
TAPER_DEFINE(log, ComplexLog);
TAPER_DEFINE(log2, ComplexLog2);
TAPER_DEFINE(log10, ComplexLog10);
TAPER_DEFINE(log1p, ComplexLog1p);

#undef TAPER_DEFINE

}  // namespace kernels
}  // namespace taper::cpu
#endif
