// Fourier transforms on a device: as in cpu/linalg.h.
#pragma once

#include "cpu/linalg.h"

namespace taper::cuda {

void fft(DType dtype, std::int64_t batch, std::int64_t n, const void* x, void* y, bool inverse);

}  // namespace taper::cuda
