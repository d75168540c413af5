// LU factorizations of the stand-ins of cuBLAS and cuSOLVER.
#pragma once

#include <vector>

#include "gemm.h"

namespace device_sim {

/// Gauss with row exchanges, as LAPACK's getf2, in place in a column-major matrix on the device; pivots are
/// counted from 1. Returns the number of the first pivot that is zero, or 0.
int factor_lu(const MatrixOperand& a, std::vector<int64_t>& pivots);

}  // namespace device_sim
