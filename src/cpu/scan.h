// Running totals along one dimension: cumsum, cumprod, cummax, cummin, logcumsumexp.
//
// x and y are dense [outer, n, inner]; the scan runs over n. The same bits for any number of threads.
#pragma once

#include <cstdint>

#include "taper/dtype.h"

namespace taper::cpu {

// Float32 and the 16-bit types are accumulated in float64 (a result is rounded once), integers wrap at 64
// bits, complex64 in complex128. `output` is the type of y; DTypeError for floating to integral and complex
// to real.

void cumsum(const void* x, DType dtype, std::int64_t outer, std::int64_t n, std::int64_t inner, void* y,
            DType output);
void cumprod(const void* x, DType dtype, std::int64_t outer, std::int64_t n, std::int64_t inner, void* y,
             DType output);
/// log of the running sum of exp(x). Floating and complex types.
void logcumsumexp(const void* x, DType dtype, std::int64_t outer, std::int64_t n, std::int64_t inner, void* y,
                  DType output);

/// y[i] = x[i] + factor[i] * y[i - 1], y[0] = x[0]; if reverse, y[i] = x[i] + factor[i] * y[i + 1] from the
/// last one back. All of dtype, floating or complex.
void linear_recurrence(const void* x, const void* factor, DType dtype, std::int64_t outer, std::int64_t n,
                       std::int64_t inner, bool reverse, void* y);

/// The largest so far, of equals the last; once NaN is met, NaN. y of x's type, indices int64 (places along
/// n) of its shape, may be null. Complex: DTypeError.
void cummax(const void* x, DType dtype, std::int64_t outer, std::int64_t n, std::int64_t inner, void* y,
            std::int64_t* indices);
void cummin(const void* x, DType dtype, std::int64_t outer, std::int64_t n, std::int64_t inner, void* y,
            std::int64_t* indices);

}  // namespace taper::cpu
