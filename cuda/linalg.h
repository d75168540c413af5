// Factorizations and solves of batches of matrices on a device: as in cpu/linalg.h.
#pragma once

#include "cpu/linalg.h"

namespace taper::cuda {

void lu_factor(DType dtype, std::int64_t batch, std::int64_t m, std::int64_t n, void* a, std::int32_t* pivots,
               std::int32_t* info);
void lu_solve(DType dtype, std::int64_t batch, std::int64_t n, std::int64_t columns, const void* lu,
              const std::int32_t* pivots, void* b);
void cholesky(DType dtype, std::int64_t batch, std::int64_t n, void* a, std::int32_t* info);
void solve_triangular(DType dtype, std::int64_t batch, std::int64_t n, std::int64_t columns, const void* a,
                      void* b, bool upper, bool unit);
void qr(DType dtype, std::int64_t batch, std::int64_t m, std::int64_t n, std::int64_t columns, const void* a,
        void* q, void* r);
void geqrf(DType dtype, std::int64_t batch, std::int64_t m, std::int64_t n, void* a, void* tau);
void eigh(DType dtype, std::int64_t batch, std::int64_t n, const void* a, bool upper, void* values,
          void* vectors, std::int32_t* info);
/// Through main memory: cuSOLVER has it from CUDA 12.8 on only.
void eig(DType dtype, std::int64_t batch, std::int64_t n, const void* a, void* values, void* vectors,
         std::int32_t* info);
void svd(DType dtype, std::int64_t batch, std::int64_t m, std::int64_t n, const void* a, bool full, void* u,
         void* s, void* vh, std::int32_t* info);
/// Through main memory.
void matrix_exp(DType dtype, std::int64_t batch, std::int64_t n, const void* a, void* y);

}  // namespace taper::cuda
