// Tensors as elements in a row: what a transport moves.
#include "distributed/flat.h"

#include "ops/elementwise.h"
#include "taper/ops.h"

namespace taper::distributed {

Tensor row_major(const Tensor& tensor) {
  return tensor.is_contiguous() ? tensor : contiguous(tensor.detach());
}

Tensor flat_like(const Tensors& tensors) {
  std::int64_t count = 0;
  for (const Tensor& tensor : tensors) count += tensor.numel();
  return empty({count}, tensors.front().dtype(), tensors.front().device());
}

Tensors parts_like(const Tensor& flat, const Tensors& tensors) {
  Tensors parts;
  std::int64_t start = 0;
  for (const Tensor& tensor : tensors) {
    parts.push_back(window(flat, tensor.sizes(), contiguous_strides(tensor.sizes()), start));
    start += tensor.numel();
  }
  return parts;
}

Tensor pack(const Tensors& tensors) {
  const Tensor flat = flat_like(tensors);
  const Tensors parts = parts_like(flat, tensors);
  for (std::size_t i = 0; i < tensors.size(); ++i) copy_elements(tensors[i], parts[i]);
  return flat;
}

void unpack(const Tensor& flat, const Tensors& tensors) {
  const Tensors parts = parts_like(flat, tensors);
  for (std::size_t i = 0; i < tensors.size(); ++i) copy_elements(parts[i], tensors[i]);
}

}  // namespace taper::distributed
