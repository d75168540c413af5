// Singular value decompositions of real matrices.
#include "cpu/linalg_svd-inl.h"

#include <Eigen/SVD>

namespace taper::cpu::linalg {

Decomposition<double> decompose(const Columns<double>& x, Wanted wanted) {
  return decompose_by<Eigen::BDCSVD<Columns<double>>>(x, wanted);
}

}  // namespace taper::cpu::linalg
