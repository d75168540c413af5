// The matrix exponential.
#include "cpu/linalg-inl.h"

#include <unsupported/Eigen/MatrixFunctions>

#include <limits>

namespace taper::cpu {

using namespace linalg;

void matrix_exp(DType dtype, std::int64_t batch, std::int64_t n, const void* a, void* y) {
  if (n == 0) return;
  visit_element(dtype, [&]<class T>() {
    for_each(batch, n, n, [&](std::int64_t k) {
      const Columns<T> x = matrix<T>(a, k, n, n);
      auto result = matrix<T>(y, k, n, n);
      if (!x.allFinite()) {
        result.setConstant(T(std::numeric_limits<Real<T>>::quiet_NaN()));
        return;
      }
      const Columns<T> power = x.exp();
      result = power;
    });
  });
}

}  // namespace taper::cpu
