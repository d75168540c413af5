// Recurrent networks by cuDNN, where it is installed and has them: as DeviceRecurrent says.
#pragma once

#include "tensor/device_recurrent.h"

namespace taper::cuda {

/// Negative, too, where a graph is recorded that meets a network or its sizes for the first time.
std::int64_t cudnn_recurrent_reserve(const RecurrentLayers& layers, bool has_backward);
bool cudnn_recurrent(const RecurrentLayers& layers, const RecurrentOperands& operands, void* reserve);
bool cudnn_recurrent_backward(const RecurrentLayers& layers, const RecurrentOperands& operands,
                              const RecurrentGradients& gradients, void* reserve);

}  // namespace taper::cuda
