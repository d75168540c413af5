// Singular value decompositions of complex matrices.
#include "cpu/linalg_svd-inl.h"

#include <Eigen/SVD>

namespace taper::cpu::linalg {

Decomposition<std::complex<double>> decompose(const Columns<std::complex<double>>& x, Wanted wanted) {
  return decompose_by<Eigen::BDCSVD<Columns<std::complex<double>>>>(x, wanted);
}

}  // namespace taper::cpu::linalg
