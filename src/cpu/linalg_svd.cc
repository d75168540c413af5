// Singular value decompositions.
#include "cpu/linalg_svd-inl.h"

namespace taper::cpu {

using namespace linalg;

void svd(DType dtype, std::int64_t batch, std::int64_t m, std::int64_t n, const void* a, bool full, void* u,
         void* s, void* vh, std::int32_t* info) {
  const std::int64_t size = std::min(m, n), rank_u = full ? m : size, rank_v = full ? n : size;
  const Wanted wanted = !u ? Wanted::values : full ? Wanted::full : Wanted::thin;
  visit_element(dtype, [&]<class T>() {
    for_each(batch, m, n, [&](std::int64_t k) {
      info[k] = 0;
      if (size == 0) {
        if (u) matrix<T>(u, k, m, rank_u).setIdentity();
        if (u) matrix<T>(vh, k, rank_v, n).setIdentity();
        return;
      }
      using Wide = std::conditional_t<Eigen::NumTraits<T>::IsComplex, std::complex<double>, double>;
      const Columns<Wide> x = matrix<T>(a, k, m, n).template cast<Wide>();
      if (!x.allFinite()) {
        info[k] = std::int32_t(size + 1);
        return;
      }
      const Decomposition<Wide> result = decompose(x, wanted);
      if (!result.converged) info[k] = std::int32_t(size);
      vector<Real<T>>(s, k, size) = result.s.template cast<Real<T>>();
      if (!u) return;
      matrix<T>(u, k, m, rank_u) = result.u.template cast<T>();
      matrix<T>(vh, k, rank_v, n) = result.v.adjoint().template cast<T>();
    });
  });
}

}  // namespace taper::cpu
