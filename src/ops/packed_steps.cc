// Padding and packing of sorted sequences.
#include "ops/packed_steps.h"

#include "taper/ops.h"

namespace taper {

Tensor with_rows(const Tensor& x, std::int64_t rows, double fill) {
  if (x.size(0) == rows) return x;
  Shape sizes = x.sizes();
  sizes[0] = rows - x.size(0);
  return cat({x, full(sizes, fill, x.dtype(), x.device())});
}

Tensor padded_steps(const Tensor& data, const std::vector<std::int64_t>& batch_sizes, double fill) {
  Tensors steps;
  std::int64_t start = 0;
  for (const std::int64_t count : batch_sizes) {
    steps.push_back(with_rows(narrow(data, 0, start, count), batch_sizes[0], fill));
    start += count;
  }
  return stack(steps);
}

Tensor packed_steps(const Tensor& padded, const std::vector<std::int64_t>& batch_sizes) {
  Tensors parts;
  for (std::size_t t = 0; t < batch_sizes.size(); ++t)
    parts.push_back(narrow(select(padded, 0, std::int64_t(t)), 0, 0, batch_sizes[t]));
  return cat(parts);
}

}  // namespace taper
