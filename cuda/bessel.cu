// Bessel functions and the Airy function, elementwise, in float64 by the CPU's formulas (src/cpu/bessel.h).
#include "cpu/bessel.h"
#include "cpu/special.h"
#include "cuda/elementwise.cuh"

namespace taper::cuda {

namespace {

/// An unevaluated sum of two float64, of about 32 digits: what the CPU has long double for. Dekker (1971), "A
/// floating-point technique for extending the available precision".
struct TwoDoubles {
  double high, low;

  __device__ TwoDoubles(double h, double l = 0) : high(h), low(l) {}
  __device__ explicit operator double() const { return high; }

  /// a + b, of which b is the smaller one.
  __device__ static TwoDoubles ordered_sum(double a, double b) {
    const double sum = __dadd_rn(a, b);
    return {sum, __dsub_rn(b, __dsub_rn(sum, a))};
  }
  __device__ friend TwoDoubles operator+(TwoDoubles a, TwoDoubles b) {
    const double sum = __dadd_rn(a.high, b.high), part = __dsub_rn(sum, a.high);
    const double error = __dadd_rn(__dsub_rn(a.high, __dsub_rn(sum, part)), __dsub_rn(b.high, part));
    return ordered_sum(sum, __dadd_rn(error, __dadd_rn(a.low, b.low)));
  }
  __device__ friend TwoDoubles operator-(TwoDoubles a, TwoDoubles b) {
    return a + TwoDoubles(-b.high, -b.low);
  }
  __device__ friend TwoDoubles operator*(TwoDoubles a, TwoDoubles b) {
    const double product = __dmul_rn(a.high, b.high);
    const double error = __fma_rn(a.high, b.high, -product);
    return ordered_sum(product, error + (a.high * b.low + a.low * b.high));
  }
  __device__ friend TwoDoubles operator/(TwoDoubles a, double b) {
    const double quotient = __ddiv_rn(a.high, b);
    const double rest = __fma_rn(-quotient, b, a.high) + a.low;
    return ordered_sum(quotient, rest / b);
  }
};

}  // namespace

namespace formulas {

namespace shared = cpu::formulas;

#define TAPER_BESSEL(Name, expression)                        \
  template <class T>                                          \
  struct Name {                                               \
    __device__ T operator()(T x) const { return expression; } \
  };
TAPER_BESSEL(BesselJ0, shared::first_kind_0(x))
TAPER_BESSEL(BesselJ1, shared::first_kind_1(x))
TAPER_BESSEL(BesselY0, shared::second_kind_0(x))
TAPER_BESSEL(BesselY1, shared::second_kind_1(x))
TAPER_BESSEL(BesselI0, (shared::modified_i<0, false>(x)))
TAPER_BESSEL(BesselI1, (shared::modified_i<1, false>(x)))
TAPER_BESSEL(ScaledBesselI0, (shared::modified_i<0, true>(x)))
TAPER_BESSEL(ScaledBesselI1, (shared::modified_i<1, true>(x)))
TAPER_BESSEL(BesselK0, (shared::modified_k<0, false>(x)))
TAPER_BESSEL(BesselK1, (shared::modified_k<1, false>(x)))
TAPER_BESSEL(ScaledBesselK0, (shared::modified_k<0, true>(x)))
TAPER_BESSEL(ScaledBesselK1, (shared::modified_k<1, true>(x)))
TAPER_BESSEL(SphericalBesselJ0, shared::spherical_j0(x))
// Ai(0) and -Ai'(0), each as a sum.
TAPER_BESSEL(AiryAi, shared::airy(x, TwoDoubles(0.3550280538878172, 2.05233632436212e-17),
                                  TwoDoubles(0.2588194037928068, -2.522243111610832e-17)))
#undef TAPER_BESSEL

}  // namespace formulas

void install_bessel_functions() {
  namespace kernels = cpu::kernels;
  using namespace formulas;
  install_in_double<BesselJ0, 1>(kernels::bessel_j0);
  install_in_double<BesselJ1, 1>(kernels::bessel_j1);
  install_in_double<BesselY0, 1>(kernels::bessel_y0);
  install_in_double<BesselY1, 1>(kernels::bessel_y1);
  install_in_double<BesselI0, 1>(kernels::modified_bessel_i0);
  install_in_double<BesselI1, 1>(kernels::modified_bessel_i1);
  install_in_double<ScaledBesselI0, 1>(kernels::scaled_modified_bessel_i0);
  install_in_double<ScaledBesselI1, 1>(kernels::scaled_modified_bessel_i1);
  install_in_double<BesselK0, 1>(kernels::modified_bessel_k0);
  install_in_double<BesselK1, 1>(kernels::modified_bessel_k1);
  install_in_double<ScaledBesselK0, 1>(kernels::scaled_modified_bessel_k0);
  install_in_double<ScaledBesselK1, 1>(kernels::scaled_modified_bessel_k1);
  install_in_double<SphericalBesselJ0, 1>(kernels::spherical_bessel_j0);
  install_in_double<AiryAi, 1>(kernels::airy_ai);
}

}  // namespace taper::cuda
