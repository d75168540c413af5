// Who is told of collectives that begin within the library, such as those of gradients: profiles.
#pragma once

#include <atomic>

#include "taper/tensor.h"

namespace taper::distributed {

using CollectiveWatcher = void (*)(const char* name, const Tensor& tensor);

/// In the library, so that all see one.
std::atomic<CollectiveWatcher>& collective_watcher();

inline void tell_watcher(const char* name, const Tensor& tensor) {
  if (const CollectiveWatcher watcher = collective_watcher().load(std::memory_order_relaxed))
    watcher(name, tensor);
}

}  // namespace taper::distributed
