// What a process takes of a CUDA device: the limit of its memory and the count of its allocations; and
// letting profilers watch. In Python these are functions of taper.cuda.
#pragma once

#include <cstdint>

#include "taper/cuda.h"

namespace taper::cuda {

/// Tensors of this process may hold so many bytes of a device; what goes beyond is OutOfMemory. Device -1 is
/// the current one.
void set_memory_limit(int device, std::int64_t bytes);

/// Since the process began.
struct AllocationCounts {
  std::int64_t bytes = 0;     ///< of all allocations, freed or not
  std::int64_t retries = 0;   ///< allocations that first had to wait for memory
  std::int64_t failures = 0;  ///< allocations that were OutOfMemory
};
AllocationCounts allocation_counts(int device = -1);

/// Lower numbers go first.
int priority(const Stream& stream);

/// Profilers that were told to wait for it begin to watch, or end.
void profile(bool watch);

}  // namespace taper::cuda
