// Host memory that kernels may use directly: what the runtime pinned.
#pragma once

#include <cstddef>

namespace device_sim {

/// Set by the runtime: whether [address, address + bytes) is pinned host memory. Null: there is none.
inline bool (*pinned_memory_test)(const void* address, size_t bytes) = nullptr;

inline bool kernel_may_use(const void* address, size_t bytes) {
  return pinned_memory_test && pinned_memory_test(address, bytes);
}

}  // namespace device_sim
