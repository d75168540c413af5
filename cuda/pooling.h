// Max and average pooling on a device: as in cpu/pooling.h.
#pragma once

#include "cpu/pooling.h"

namespace taper::cuda {

void max_pool(const cpu::Pooling& pooling, const void* x, void* y, std::int64_t* indices);
/// Indices that are not in the window of their output count as none.
void max_pool_backward(const cpu::Pooling& pooling, const void* dy, const std::int64_t* indices, void* dx);
void average_pool(const cpu::Pooling& pooling, const void* x, void* y);
void average_pool_backward(const cpu::Pooling& pooling, const void* dy, void* dx);

}  // namespace taper::cuda
