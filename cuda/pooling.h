// Max and average pooling on a device: as in cpu/pooling.h.
#pragma once

#include "cpu/pooling.h"

namespace taper::cuda {

void max_pool(const cpu::Pooling& pooling, const void* x, void* y, std::int64_t* indices);
/// Windows that overlap add with atomics, in no fixed order.
void max_pool_backward(const cpu::Pooling& pooling, const void* dy, const std::int64_t* indices, void* dx);
void average_pool(const cpu::Pooling& pooling, const void* x, void* y);
void average_pool_backward(const cpu::Pooling& pooling, const void* dy, void* dx);

}  // namespace taper::cuda
