// Images in row-major or channels-last order, for operations whose kernels want the one or the other.
#pragma once

#include "ops/elementwise.h"
#include "taper/ops.h"
#include "tensor/layout.h"

namespace taper {

inline Tensor empty_laid_out(const Shape& sizes, DType dtype, bool channels_last, Device device) {
  return channels_last ? empty_strided(sizes, channels_last_strides(sizes), dtype, device)
                       : empty(sizes, dtype, device);
}

/// x itself where it lies so already.
inline Tensor laid_out(const Tensor& x, bool channels_last) {
  if (!channels_last) return contiguous(x);
  if (is_channels_last(x)) return x;
  Tensor y = empty_laid_out(x.sizes(), x.dtype(), true, x.device());
  copy_elements(x, y);
  return y;
}

}  // namespace taper
