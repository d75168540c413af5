// Eigenvalues and eigenvectors, of Hermitian and of general matrices.
#include "cpu/linalg-inl.h"

#include <Eigen/Eigenvalues>

namespace taper::cpu {

using namespace linalg;

void eigh(DType dtype, std::int64_t batch, std::int64_t n, const void* a, bool upper, void* values,
          void* vectors, std::int32_t* info) {
  visit_element(dtype, [&]<class T>() {
    for_each(batch, n, n, [&](std::int64_t k) {
      info[k] = 0;
      if (n == 0) return;
      Columns<T> x = matrix<T>(a, k, n, n);
      if (upper) x = x.adjoint().eval();
      x.diagonal() = x.diagonal().real().template cast<T>();
      // The iteration does not end well on NaN.
      if (!x.template triangularView<Eigen::Lower>().toDenseMatrix().allFinite()) {
        info[k] = std::int32_t(n + 1);
        return;
      }
      const Eigen::SelfAdjointEigenSolver<Columns<T>> solver(
          x, vectors ? Eigen::ComputeEigenvectors : Eigen::EigenvaluesOnly);
      if (solver.info() != Eigen::Success) info[k] = std::int32_t(n);
      vector<Real<T>>(values, k, n) = solver.eigenvalues();
      if (vectors) matrix<T>(vectors, k, n, n) = solver.eigenvectors();
    });
  });
}

namespace {

template <class T>
struct GeneralSolver {
  using type = Eigen::EigenSolver<Columns<T>>;
};
template <class T>
struct GeneralSolver<std::complex<T>> {
  using type = Eigen::ComplexEigenSolver<Columns<std::complex<T>>>;
};

}  // namespace

void eig(DType dtype, std::int64_t batch, std::int64_t n, const void* a, void* values, void* vectors,
         std::int32_t* info) {
  visit_element(dtype, [&]<class T>() {
    using Complex = std::complex<Real<T>>;
    for_each(batch, n, n, [&](std::int64_t k) {
      info[k] = 0;
      if (n == 0) return;
      const Columns<T> x = matrix<T>(a, k, n, n);
      if (!x.allFinite()) {
        info[k] = std::int32_t(n + 1);
        return;
      }
      const typename GeneralSolver<T>::type solver(x, vectors != nullptr);
      if (solver.info() != Eigen::Success) {
        info[k] = std::int32_t(n);
        return;
      }
      vector<Complex>(values, k, n) = solver.eigenvalues();
      if (vectors) matrix<Complex>(vectors, k, n, n) = solver.eigenvectors();
    });
  });
}

}  // namespace taper::cpu
