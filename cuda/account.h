// Limits and counts of a process's allocations on devices.
#pragma once

#include <cstdint>

namespace taper::cuda {

/// Throws OutOfMemory where bytes beside those held are beyond the limit of the device.
void check_limit(int device, std::int64_t bytes, std::int64_t held);
void count_allocation(int device, std::int64_t bytes);
void count_retry(int device);
void count_failure(int device);

}  // namespace taper::cuda
