// Questions about sizes and strides.
#include "tensor/layout.h"
#include "tensor/meta.h"

#include <algorithm>

#include "taper/error.h"

namespace taper {

bool is_row_major(const Shape& sizes, const Shape& strides) {
  std::int64_t expected = 1;
  bool row_major = true;
  for (int i = sizes.size() - 1; i >= 0; --i) {
    if (sizes[i] == 0) return true;
    if (sizes[i] != 1 && strides[i] != expected) row_major = false;
    expected *= sizes[i];
  }
  return row_major;
}

std::pair<std::int64_t, std::int64_t> extent(const Shape& sizes, const Shape& strides) {
  std::int64_t low = 0, high = 0;
  for (int i = 0; i < sizes.size(); ++i)
    if (sizes[i] == 0) return {0, 0};
  for (int i = 0; i < sizes.size(); ++i) {
    std::int64_t reach = 0;
    std::int64_t& end = strides[i] < 0 ? low : high;
    const bool overflow =
        __builtin_mul_overflow(sizes[i] - 1, strides[i], &reach) || __builtin_add_overflow(end, reach, &end);
    check<ShapeError>(!overflow, "sizes ", sizes, " and strides ", strides,
                      " reach beyond what an int64 can count");
  }
  return {low, high};
}

namespace {

// Dimensions larger than one, by falling stride.
Shape dims_by_stride(const Shape& sizes, const Shape& strides) {
  Shape order;
  for (int i = 0; i < sizes.size(); ++i)
    if (sizes[i] != 1) order.push_back(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::int64_t a, std::int64_t b) { return strides[a] > strides[b]; });
  return order;
}

}  // namespace

bool is_dense(const Shape& sizes, const Shape& strides) {
  const Shape order = dims_by_stride(sizes, strides);
  std::int64_t expected = 1;
  for (int i = order.size() - 1; i >= 0; --i) {
    if (sizes[order[i]] == 0) return true;
    if (strides[order[i]] != expected) return false;
    expected *= sizes[order[i]];
  }
  return true;
}

bool overlaps_itself(const Shape& sizes, const Shape& strides) {
  const Shape order = dims_by_stride(sizes, strides);
  std::int64_t reach = 0;  // highest offset met by the dimensions of smaller stride
  for (int i = order.size() - 1; i >= 0; --i) {
    const std::int64_t size = sizes[order[i]];
    if (size == 0) return false;
    if (strides[order[i]] <= reach) return true;
    reach += (size - 1) * strides[order[i]];
  }
  return false;
}

Shape channels_last_strides(const Shape& sizes) {
  Shape strides = Shape::filled(sizes.size(), 1);
  std::int64_t step = std::max<std::int64_t>(sizes[1], 1);
  for (int i = sizes.size() - 1; i >= 2; --i) {
    strides[i] = step;
    step *= std::max<std::int64_t>(sizes[i], 1);
  }
  strides[0] = step;
  return strides;
}

bool is_channels_last(const Tensor& tensor) {
  const int ndim = tensor.ndim();
  if (ndim < 3 || ndim > 5 || tensor.is_contiguous()) return false;
  const Shape expected = channels_last_strides(tensor.sizes());
  for (int i = 0; i < ndim; ++i)
    if (tensor.sizes()[i] != 1 && tensor.strides()[i] != expected[i]) return false;
  return true;
}

bool memory_overlaps(const Tensor& a, const Tensor& b) {
  if (a.numel() == 0 || b.numel() == 0 || a.device() != b.device()) return false;
  if (is_meta(a.device())) return false;
  const auto [a_first, a_last] = extent(a.sizes(), a.strides());
  const auto [b_first, b_last] = extent(b.sizes(), b.strides());
  const std::byte* a_data = a.device_data<std::byte>();
  const std::byte* b_data = b.device_data<std::byte>();
  return a_data + a_first * a.item_size() < b_data + (b_last + 1) * b.item_size() &&
         b_data + b_first * b.item_size() < a_data + (a_last + 1) * a.item_size();
}

void check_writable(const Tensor& target, const char* op) {
  if (target.is_contiguous()) return;
  check<ValueError>(!overlaps_itself(target.sizes(), target.strides()), op,
                    ": cannot write to a tensor of sizes ", target.sizes(), " and strides ", target.strides(),
                    ", some of whose elements share memory; clone() it first");
}

namespace {

// Whether shift is a sum of steps_d * strides_d with steps_d between the bounds that sizes of a and b allow;
// dimensions from position on in order of falling stride. Exact where lower dimensions reach less than one
// stride.
bool reachable(std::int64_t shift, const Tensor& a, const Tensor& b, const Shape& order, int position) {
  if (position == order.size()) return shift == 0;
  const std::int64_t dim = order[position];
  const std::int64_t stride = a.strides()[dim];
  if (stride == 0) return reachable(shift, a, b, order, position + 1);
  const std::int64_t quotient = shift >= 0 ? shift / stride : -((-shift + stride - 1) / stride);
  for (const std::int64_t steps : {quotient, quotient + 1}) {
    const bool allowed = steps < b.sizes()[dim] && steps > -a.sizes()[dim];
    if (allowed && reachable(shift - steps * stride, a, b, order, position + 1)) return true;
  }
  return false;
}

// Whether two windows that step alike over one memory never meet: two columns, or two halves of each row.
bool interleaved_apart(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || a.strides() != b.strides()) return false;
  const std::int64_t shift = a.device_data<std::byte>() - b.device_data<std::byte>();
  if (shift % a.item_size() != 0) return false;
  Shape order;
  for (int i = 0; i < a.ndim(); ++i) order.push_back(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::int64_t i, std::int64_t j) { return a.strides()[i] > a.strides()[j]; });
  return !reachable(shift / a.item_size(), a, b, order, 0);
}

}  // namespace

void check_no_partial_overlap(const Tensor& target, const Tensor& source, const char* op) {
  if (target.record()->storage != source.record()->storage || !memory_overlaps(target, source)) return;
  const bool same = target.data() == source.data() && target.sizes() == source.sizes() &&
                    target.strides() == source.strides() && target.dtype() == source.dtype();
  check<ValueError>(same || interleaved_apart(target, source), op, ": the tensor that is written, sizes ",
                    target.sizes(), " strides ", target.strides(), ", overlaps an operand of sizes ",
                    source.sizes(), " strides ", source.strides(), "; clone() the operand first");
}

}  // namespace taper
