// Selection by what is true on a device: as in cpu/index.h. Pointers are to device memory.
#pragma once

#include "cpu/index.h"

namespace taper::cuda {

/// All is one chunk: {0, total}. Waits for the device.
cpu::TrueCounts count_true(const cpu::Source& x, DType dtype);
void nonzero(const cpu::Source& x, DType dtype, const cpu::TrueCounts& counts, std::int64_t* y);

}  // namespace taper::cuda
