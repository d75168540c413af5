// Tensor::index and what it takes: basic entries become views, tensors and masks advanced indexing.
#include "ops/indexing.h"

#include <cstring>

#include "taper/error.h"
#include "taper/ops.h"

namespace taper {

TensorIndex::TensorIndex(const char* dots) : entry_(EllipsisIndex()) {
  check<ValueError>(std::strcmp(dots, "...") == 0, "index: got the text '", dots, "', expected '...'");
}

namespace {

// How many dimensions an index tensor takes: a mask as many as it has.
int positions_taken(const Tensor& index) {
  return index.dtype() == boolean || index.dtype() == uint8 ? index.ndim() : 1;
}

// Applies entries from the first dimension on.
class Walk {
 public:
  explicit Walk(const Tensor& x) : result{x} {}

  void operator()(std::int64_t position) { result.view = select(result.view, dim_, position); }
  void operator()(bool keep) { apply_mask(full({1}, keep, boolean, result.view.device())); }
  void operator()(const Slice& s) { result.view = slice(result.view, dim_++, s.start, s.stop, s.step); }
  void operator()(NoneIndex) { result.view = unsqueeze(result.view, dim_++); }
  void operator()(EllipsisIndex) { dim_ += left; }
  void operator()(const Tensor& index) {
    if (index.ndim() > 0) apply(index);
    else if (positions_taken(index) == 0) apply_mask(reshape(to(index, boolean), {1}));
    else if (is_integral(index.dtype())) (*this)(index.item<std::int64_t>());
    else apply(index);
  }

  Indexed result;
  // Dimensions that an ellipsis stands for.
  int left = 0;

 private:
  void apply_mask(const Tensor& mask) {
    result.view = unsqueeze(result.view, dim_);
    apply(mask);
  }
  void apply(const Tensor& index) {
    // A mask is one entry for as many dimensions as it has.
    result.advanced.resize(result.advanced.size() + std::size_t(dim_ - result.covered));
    result.advanced.emplace_back(index);
    result.covered = dim_ += positions_taken(index);
  }
  int dim_ = 0;
};

int dimensions_taken(const TensorIndex& index) {
  if (const Tensor* tensor = std::get_if<Tensor>(&index.entry())) {
    check<IndexError>(tensor->defined(), "index: an index tensor is undefined");
    return positions_taken(*tensor);
  }
  return std::holds_alternative<std::int64_t>(index.entry()) || std::holds_alternative<Slice>(index.entry());
}

}  // namespace

Indexed indexed(const Tensor& x, std::span<const TensorIndex> indices) {
  int taken = 0, ellipses = 0;
  for (const TensorIndex& index : indices) {
    taken += dimensions_taken(index);
    ellipses += std::holds_alternative<EllipsisIndex>(index.entry());
  }
  check<IndexError>(ellipses <= 1, "index: an index can only have a single ellipsis ('...')");
  check<IndexError>(taken <= x.ndim(), "index: too many indices for tensor of dimension ", x.ndim(), ", got ",
                    taken);
  Walk walk(x);
  walk.left = x.ndim() - taken;
  for (const TensorIndex& index : indices) std::visit(walk, index.entry());
  return walk.result;
}

Tensor Tensor::index(const std::vector<TensorIndex>& indices) const {
  const Indexed result = indexed(*this, indices);
  return result.advanced.empty() ? result.view : taper::index(result.view, result.advanced);
}

const Tensor& Tensor::index_put_(const std::vector<TensorIndex>& indices, const Tensor& values) const {
  const Indexed target = indexed(*this, indices);
  if (target.advanced.empty()) taper::copy_(target.view, values);
  else taper::index_put_(target.view, target.advanced, values);
  return *this;
}

const Tensor& Tensor::index_put_(const std::vector<TensorIndex>& indices, const Scalar& value) const {
  return index_put_(indices, taper::full({}, value, dtype(), device()));
}

Tensor Tensor::operator[](std::int64_t index) const { return taper::select(*this, 0, index); }

Tensor Tensor::to(DType dtype, bool copy) const { return taper::to(*this, dtype, copy); }
Tensor Tensor::to(Device device, bool non_blocking, bool copy) const {
  return taper::to(*this, device, non_blocking, copy);
}
Tensor Tensor::cpu() const { return taper::to(*this, Device()); }
Tensor Tensor::cuda(int device) const { return taper::to(*this, Device(Device::Type::cuda, device)); }

}  // namespace taper
