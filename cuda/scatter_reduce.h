// Combining values at positions given by numbers, on a device: as in cpu/index.h.
#pragma once

#include "cpu/index.h"

namespace taper::cuda {

/// scatter for every way to combine. A thread takes all that meets in one line along dim, one after another:
/// the same bits in each run.
void scatter_combining(const cpu::Target& y, DType dtype, int dim, const cpu::Indices& index,
                       const cpu::Source& x, cpu::Combine combine, bool include_self, const char* op);

}  // namespace taper::cuda
