// The kernels of orthogonal polynomials.
#include "cpu/polynomial.h"

#include "cpu/scalar_run.h"
#include "cpu/special.h"

namespace taper::cpu {

using namespace formulas;

namespace {

template <class F>
constexpr Kernel kernel_of(const char* name) {
  return {.name = name, .f32 = run_binary<OfDegree<F>, float>, .f64 = run_binary<OfDegree<F>, double>};
}

}  // namespace

namespace kernels {

const Kernel chebyshev_t = kernel_of<Chebyshev<'t'>>("chebyshev_polynomial_t");
const Kernel chebyshev_u = kernel_of<Chebyshev<'u'>>("chebyshev_polynomial_u");
const Kernel chebyshev_v = kernel_of<Chebyshev<'v'>>("chebyshev_polynomial_v");
const Kernel chebyshev_w = kernel_of<Chebyshev<'w'>>("chebyshev_polynomial_w");
const Kernel shifted_chebyshev_t = kernel_of<ShiftedChebyshev<'t'>>("shifted_chebyshev_polynomial_t");
const Kernel shifted_chebyshev_u = kernel_of<ShiftedChebyshev<'u'>>("shifted_chebyshev_polynomial_u");
const Kernel shifted_chebyshev_v = kernel_of<ShiftedChebyshev<'v'>>("shifted_chebyshev_polynomial_v");
const Kernel shifted_chebyshev_w = kernel_of<ShiftedChebyshev<'w'>>("shifted_chebyshev_polynomial_w");
const Kernel hermite_h = kernel_of<HermiteH>("hermite_polynomial_h");
const Kernel hermite_he = kernel_of<HermiteHe>("hermite_polynomial_he");
const Kernel laguerre_l = kernel_of<Laguerre>("laguerre_polynomial_l");
const Kernel legendre_p = kernel_of<Legendre>("legendre_polynomial_p");

}  // namespace kernels

}  // namespace taper::cpu
