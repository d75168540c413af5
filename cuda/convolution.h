// Convolution on a device: as in cpu/convolution.h.
#pragma once

#include "cpu/convolution.h"

namespace taper::cuda {

void convolution_forward(const cpu::Convolution& convolution, const void* x, const void* w, const void* bias,
                         void* y);
void convolution_relu(const cpu::Convolution& convolution, const void* x, const void* w, const void* bias,
                      const void* z, void* y);
void convolution_backward_input(const cpu::Convolution& convolution, const void* dy, const void* w, void* dx);
void convolution_backward_weight(const cpu::Convolution& convolution, const void* x, const void* dy, void* dw,
                                 void* dbias);
/// y [batch, out_channels, output...] += bias [out_channels].
void add_bias(const cpu::Convolution& convolution, const void* bias, void* y);
/// y = max(y + z, 0), where NaN stays NaN; z may be null.
void relu(const cpu::Convolution& convolution, const void* z, void* y);

}  // namespace taper::cuda
