// Running totals along one dimension on a device: as in cpu/scan.h. Pointers are to device memory. The same
// sizes give the same bits on every device: lines are cut by the sizes alone.
#pragma once

#include "cpu/scan.h"

namespace taper::cuda {

void cumsum(const void* x, DType dtype, std::int64_t outer, std::int64_t n, std::int64_t inner, void* y,
            DType output);
void cumprod(const void* x, DType dtype, std::int64_t outer, std::int64_t n, std::int64_t inner, void* y,
             DType output);
/// float32 and less are computed in float32.
void logcumsumexp(const void* x, DType dtype, std::int64_t outer, std::int64_t n, std::int64_t inner, void* y,
                  DType output);
/// Products of factors are made that follow one another; they must not overflow float64.
void linear_recurrence(const void* x, const void* factor, DType dtype, std::int64_t outer, std::int64_t n,
                       std::int64_t inner, bool reverse, void* y);
void cummax(const void* x, DType dtype, std::int64_t outer, std::int64_t n, std::int64_t inner, void* y,
            std::int64_t* indices);
void cummin(const void* x, DType dtype, std::int64_t outer, std::int64_t n, std::int64_t inner, void* y,
            std::int64_t* indices);

}  // namespace taper::cuda
