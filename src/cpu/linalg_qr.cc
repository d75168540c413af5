// QR factorizations by Householder reflections.
#include "cpu/linalg-inl.h"

#include <Eigen/QR>

namespace taper::cpu {

using namespace linalg;

void qr(DType dtype, std::int64_t batch, std::int64_t m, std::int64_t n, std::int64_t columns, const void* a,
        void* q, void* r) {
  visit_element(dtype, [&]<class T>() {
    for_each(batch, m, n, [&](std::int64_t k) {
      if (m == 0 || n == 0) {
        if (q) matrix<T>(q, k, m, columns).setIdentity();
        return;
      }
      const Eigen::HouseholderQR<Columns<T>> factors(matrix<T>(a, k, m, n));
      auto upper = matrix<T>(r, k, columns, n);
      upper = factors.matrixQR().topRows(columns).template triangularView<Eigen::Upper>();
      if (!q) return;
      Columns<T> orthogonal = Columns<T>::Identity(m, columns);
      orthogonal.applyOnTheLeft(factors.householderQ());
      matrix<T>(q, k, m, columns) = orthogonal;
    });
  });
}

void geqrf(DType dtype, std::int64_t batch, std::int64_t m, std::int64_t n, void* a, void* tau) {
  const std::int64_t size = std::min(m, n);
  if (size == 0) return;
  visit_element(dtype, [&]<class T>() {
    for_each(batch, m, n, [&](std::int64_t k) {
      auto x = matrix<T>(a, k, m, n);
      const Eigen::HouseholderQR<Columns<T>> factors(x);
      x = factors.matrixQR();
      vector<T>(tau, k, size) = factors.hCoeffs().conjugate();
    });
  });
}

}  // namespace taper::cpu
