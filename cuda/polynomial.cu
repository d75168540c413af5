// Orthogonal polynomials of (x, degree), elementwise, by the CPU's formulas (src/cpu/polynomial.h).
#include "cpu/polynomial.h"
#include "cpu/special.h"
#include "cuda/elementwise.cuh"

namespace taper::cuda {

namespace formulas {

template <class F>
struct Polynomial {
  template <class T>
  struct Of {
    __device__ T operator()(T x, T degree) const { return cpu::formulas::OfDegree<F>()(x, degree); }
  };
};

}  // namespace formulas

namespace {

template <class F>
void install_polynomial(const cpu::Kernel& kernel) {
  install_float<formulas::Polynomial<F>::template Of, 2>(kernel);
}

}  // namespace

void install_polynomials() {
  namespace kernels = cpu::kernels;
  namespace shared = cpu::formulas;
  install_polynomial<shared::Chebyshev<'t'>>(kernels::chebyshev_t);
  install_polynomial<shared::Chebyshev<'u'>>(kernels::chebyshev_u);
  install_polynomial<shared::Chebyshev<'v'>>(kernels::chebyshev_v);
  install_polynomial<shared::Chebyshev<'w'>>(kernels::chebyshev_w);
  install_polynomial<shared::ShiftedChebyshev<'t'>>(kernels::shifted_chebyshev_t);
  install_polynomial<shared::ShiftedChebyshev<'u'>>(kernels::shifted_chebyshev_u);
  install_polynomial<shared::ShiftedChebyshev<'v'>>(kernels::shifted_chebyshev_v);
  install_polynomial<shared::ShiftedChebyshev<'w'>>(kernels::shifted_chebyshev_w);
  install_polynomial<shared::HermiteH>(kernels::hermite_h);
  install_polynomial<shared::HermiteHe>(kernels::hermite_he);
  install_polynomial<shared::Laguerre>(kernels::laguerre_l);
  install_polynomial<shared::Legendre>(kernels::legendre_p);
}

}  // namespace taper::cuda
