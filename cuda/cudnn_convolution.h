// Convolution by cuDNN, where it is installed and has a plan that suits: each returns false, with nothing
// written, where not. Operands as in cpu/convolution.h; the gradient of a bias is left to the caller.
#pragma once

#include "cpu/convolution.h"

namespace taper::cuda {

bool cudnn_convolution_forward(const cpu::Convolution& convolution, const void* x, const void* w,
                               const void* bias, void* y);
bool cudnn_convolution_relu(const cpu::Convolution& convolution, const void* x, const void* w,
                            const void* bias, const void* z, void* y);
bool cudnn_convolution_backward_input(const cpu::Convolution& convolution, const void* dy, const void* w,
                                      void* dx);
bool cudnn_convolution_backward_weight(const cpu::Convolution& convolution, const void* x, const void* dy,
                                       void* dw);

}  // namespace taper::cuda
