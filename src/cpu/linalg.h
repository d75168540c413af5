// Factorizations and solves of batches of matrices, computed with Eigen.
#pragma once

#include <cstdint>

#include "taper/dtype.h"

namespace taper::cpu {

// Matrices are row-major and dense, `batch` of them one after another; dtype is float32, float64, complex64
// or complex128. `info`, one number a matrix, is 0 where all went well. Empty matrices are allowed.

/// In place: a [m, n] becomes L (unit diagonal, left out) and U; row i was exchanged with row pivots[i] - 1,
/// pivots [min(m, n)]. info is the number of the first pivot that is zero, counted from 1.
void lu_factor(DType dtype, std::int64_t batch, std::int64_t m, std::int64_t n, void* a, std::int32_t* pivots,
               std::int32_t* info);

/// Solves A X = B in place in b [n, columns], with A's factors from lu_factor.
void lu_solve(DType dtype, std::int64_t batch, std::int64_t n, std::int64_t columns, const void* lu,
              const std::int32_t* pivots, void* b);

/// In place: the lower triangle of a [n, n] becomes L with A = L L^H, the upper zero. info is the order of
/// the first leading minor that is not positive.
void cholesky(DType dtype, std::int64_t batch, std::int64_t n, void* a, std::int32_t* info);

/// Solves A X = B in place in b [n, columns], for the upper or lower triangle of a [n, n]; with unit, its
/// diagonal counts as ones.
void solve_triangular(DType dtype, std::int64_t batch, std::int64_t n, std::int64_t columns, const void* a,
                      void* b, bool upper, bool unit);

/// A = Q R: q [m, columns] (none where null), r [columns, n]; columns is min(m, n) or m.
void qr(DType dtype, std::int64_t batch, std::int64_t m, std::int64_t n, std::int64_t columns, const void* a,
        void* q, void* r);

/// In place: a [m, n] becomes R above the Householder vectors below, tau [min(m, n)] their factors, as
/// LAPACK's.
void geqrf(DType dtype, std::int64_t batch, std::int64_t m, std::int64_t n, void* a, void* tau);

/// Ascending eigenvalues [n] (real) of Hermitian a [n, n], of which one triangle is read, and vectors [n, n]
/// in columns (none where null).
void eigh(DType dtype, std::int64_t batch, std::int64_t n, const void* a, bool upper, void* values,
          void* vectors, std::int32_t* info);

/// Complex eigenvalues [n] of a [n, n], and vectors of length 1 in columns (none where null).
void eig(DType dtype, std::int64_t batch, std::int64_t n, const void* a, void* values, void* vectors,
         std::int32_t* info);

/// A = U diag(s) Vh: s [min(m, n)] real and descending; with u not null, u [m, rank] and vh [rank, n] where
/// rank is min(m, n), or u [m, m] and vh [n, n] with full.
void svd(DType dtype, std::int64_t batch, std::int64_t m, std::int64_t n, const void* a, bool full, void* u,
         void* s, void* vh, std::int32_t* info);

/// e to the power of a [n, n]; NaN where a is not finite.
void matrix_exp(DType dtype, std::int64_t batch, std::int64_t n, const void* a, void* y);

/// Discrete Fourier transforms, not scaled, of `batch` rows of n complex numbers (complex64 or complex128).
void fft(DType dtype, std::int64_t batch, std::int64_t n, const void* x, void* y, bool inverse);

}  // namespace taper::cpu
