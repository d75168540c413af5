// Special functions of probability and number theory, elementwise, in float64 by the CPU's formulas
// (src/cpu/digamma.h, zeta.h, probability.h).
#include "cpu/digamma.h"
#include "cpu/probability.h"
#include "cpu/special.h"
#include "cpu/unary.h"
#include "cpu/zeta.h"
#include "cuda/elementwise.cuh"

namespace taper::cuda {

namespace formulas {

namespace shared = cpu::formulas;

#define TAPER_SPECIAL(Name, expression)                       \
  template <class T>                                          \
  struct Name {                                               \
    __device__ T operator()(T x) const { return expression; } \
  };
#define TAPER_SPECIAL_OF_TWO(Name, expression)                     \
  template <class T>                                               \
  struct Name {                                                    \
    __device__ T operator()(T a, T x) const { return expression; } \
  };
TAPER_SPECIAL(Digamma, shared::digamma(x))
TAPER_SPECIAL(Erfcx, shared::scaled_erfc(x))
TAPER_SPECIAL(Ndtri, shared::normal_quantile<2>(x))
TAPER_SPECIAL(Entr, shared::entropy(x))
TAPER_SPECIAL(FrexpMantissa, shared::mantissa(x))
TAPER_SPECIAL(FrexpExponent, shared::exponent(x))
TAPER_SPECIAL_OF_TWO(Xlog1py, shared::times_log1p(a, x))
TAPER_SPECIAL_OF_TWO(Igamma, shared::incomplete_gamma<false>(a, x))
TAPER_SPECIAL_OF_TWO(Igammac, shared::incomplete_gamma<true>(a, x))
TAPER_SPECIAL_OF_TWO(Zeta, shared::hurwitz_zeta(a, x))
#undef TAPER_SPECIAL
#undef TAPER_SPECIAL_OF_TWO

template <class T>
struct Polygamma {
  double order, factor;
  explicit Polygamma(const void* attributes) : order(double(static_cast<const cpu::Order*>(attributes)->n)) {
    factor = (std::fmod(order, 2) == 0 ? -1 : 1) * std::tgamma(order + 1);
  }
  __device__ T operator()(T x) const { return factor * shared::hurwitz_zeta(order + 1, x); }
};

}  // namespace formulas

void install_special_functions() {
  namespace kernels = cpu::kernels;
  using namespace formulas;
  install_in_double<Digamma, 1>(kernels::digamma);
  install_in_double<Erfcx, 1>(kernels::erfcx);
  install_in_double<Ndtri, 1>(kernels::ndtri);
  install_in_double<Entr, 1>(kernels::entr);
  install_in_double<FrexpMantissa, 1>(kernels::frexp_mantissa);
  install_in_double<FrexpExponent, 1>(kernels::frexp_exponent);
  install_in_double<Xlog1py, 2>(kernels::xlog1py);
  install_in_double<Igamma, 2>(kernels::igamma);
  install_in_double<Igammac, 2>(kernels::igammac);
  install_in_double<Zeta, 2>(kernels::zeta);
  install_in_double<Polygamma, 1>(kernels::polygamma);
}

}  // namespace taper::cuda
