// Resizing of images and its gradient on a device: as in cpu/interpolate.h.
#pragma once

#include "cpu/interpolate.h"

namespace taper::cuda {

void interpolate(const cpu::Interpolate& interpolate, const void* x, void* y);
void interpolate_backward(const cpu::Interpolate& interpolate, const void* dy, void* dx);

}  // namespace taper::cuda
