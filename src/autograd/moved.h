// Tensors that lie elsewhere in backward than they did in forward.
#pragma once

#include "taper/tensor.h"

namespace taper {

/// Frees the memory of before, on a device or meta, though others refer to it: what was saved in it for
/// backward is read at the same place in now's memory. Nothing else may use it any more: other views keep the
/// old address, and nothing checks them. Throws DeviceError for main memory.
void leave_memory(const Tensor& before, const Tensor& now);
/// Whether x lies in memory that was left.
bool was_moved(const Tensor& x);
/// x, which is no leaf that wants a gradient, with its grad_fn, in the memory that took the old one's place.
/// Throws AutogradError where that is on meta.
Tensor moved(const Tensor& x);

}  // namespace taper
