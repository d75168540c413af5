// Factorizations A = P L D L^T of symmetric and Hermitian matrices that need not be definite.
#pragma once

#include <cstdint>

#include "taper/dtype.h"

namespace taper::cpu {

/// In place: the lower triangle of a [n, n] becomes L (unit diagonal, left out) and D, whose blocks are of
/// one row or two; Bunch & Kaufman (1977), with LAPACK's sytf2 (hermitian: hetf2) in the choice and numbers
/// of pivots [n]. info is the number of the first block that is zero, counted from 1, or 0.
void ldl_factor(DType dtype, std::int64_t batch, std::int64_t n, void* a, bool hermitian,
                std::int32_t* pivots, std::int32_t* info);

/// Solves A X = B in place in b [n, columns], with A's factors from ldl_factor. Throws ValueError for pivots
/// that no factorization gives.
void ldl_solve(DType dtype, std::int64_t batch, std::int64_t n, std::int64_t columns, const void* ld,
               const std::int32_t* pivots, void* b, bool hermitian);

}  // namespace taper::cpu
