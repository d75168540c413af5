// Tensors as elements in a row: what a transport moves.
#pragma once

#include "taper/tensor.h"

namespace taper::distributed {

/// The tensor itself where it is contiguous, or a copy that is.
Tensor row_major(const Tensor& tensor);

/// New memory for the elements of all tensors, of one dtype and device: one dimension.
Tensor flat_like(const Tensors& tensors);
/// Windows on flat, one after another, with the shapes of the tensors.
Tensors parts_like(const Tensor& flat, const Tensors& tensors);
/// The tensors' elements one after another.
Tensor pack(const Tensors& tensors);
/// What pack() took goes back.
void unpack(const Tensor& flat, const Tensors& tensors);

}  // namespace taper::distributed
