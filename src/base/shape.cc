// Shape's storage and the arithmetic of sizes.
#include "taper/shape.h"

#include <algorithm>
#include <bit>

#include "taper/error.h"

namespace taper {

// Room on the heap is always a power of two, so that appending copies seldom.
void Shape::reallocate(int count) {
  std::int64_t* fresh = count > inline_capacity ? new std::int64_t[std::bit_ceil(unsigned(count))] : nullptr;
  const int kept = std::min(count, size_);
  if (fresh) {
    std::copy_n(data(), kept, fresh);
    release();
    heap_ = fresh;
  } else {
    std::int64_t values[inline_capacity];
    std::copy_n(data(), kept, values);
    release();
    std::copy_n(values, kept, inline_);
  }
  size_ = count;
}

void Shape::insert(int position, std::int64_t value) {
  if (size_ > inline_capacity && !std::has_single_bit(unsigned(size_))) ++size_;
  else resize_uninitialized(size_ + 1);
  std::int64_t* values = data();
  for (int i = size_ - 1; i > position; --i) values[i] = values[i - 1];
  values[position] = value;
}

void Shape::erase(int position) {
  std::int64_t* values = data();
  for (int i = position; i + 1 < size_; ++i) values[i] = values[i + 1];
  resize_uninitialized(size_ - 1);
}

void Shape::resize(int count, std::int64_t value) {
  const int before = size_;
  resize_uninitialized(count);
  for (int i = before; i < count; ++i) data()[i] = value;
}

std::int64_t numel(const Shape& sizes) {
  constexpr int most_dimensions = 1024;  // some code recurses through them
  check<ShapeError>(sizes.size() <= most_dimensions, "a tensor cannot have ", sizes.size(),
                    " dimensions, expected at most ", most_dimensions);
  std::int64_t product = 1;
  bool empty = false;
  for (const std::int64_t size : sizes) {
    check<ShapeError>(size >= 0, "sizes ", sizes, " hold a negative size: ", size);
    empty = empty || size == 0;
  }
  if (empty) return 0;
  for (const std::int64_t size : sizes)
    check<ShapeError>(!__builtin_mul_overflow(product, size, &product), "sizes ", sizes,
                      " have more elements than an int64 can count");
  return product;
}

Shape contiguous_strides(const Shape& sizes) {
  Shape strides = Shape::filled(sizes.size(), 1);
  std::uint64_t step = 1;  // which may wrap only where there are no elements
  for (int i = sizes.size() - 1; i >= 0; --i) {
    strides[i] = std::int64_t(step);
    step *= std::uint64_t(std::max<std::int64_t>(sizes[i], 1));
  }
  return strides;
}

Shape broadcast_shapes(const Shape& a, const Shape& b, const char* op) {
  Shape result = a.size() >= b.size() ? a : b;
  const Shape& shorter = a.size() >= b.size() ? b : a;
  const int shift = result.size() - shorter.size();
  for (int i = 0; i < shorter.size(); ++i) {
    const std::int64_t other = shorter[i];
    std::int64_t& size = result[i + shift];
    if (size == 1) size = other;
    check<ShapeError>(size == other || other == 1, op, ": shapes ", a, " and ", b,
                      " do not broadcast: dimension ", i + shift, " is ", size, " in one and ", other,
                      " in the other");
  }
  return result;
}

int wrap_dim(std::int64_t dim, int ndim, const char* op) {
  const int range = ndim == 0 ? 1 : ndim;
  check<IndexError>(dim >= -range && dim < range, op, ": dimension ", dim, " is out of range; a tensor of ",
                    ndim, " dimensions takes ", -range, " to ", range - 1);
  return int(dim < 0 ? dim + range : dim);
}

void append_text(std::string& text, const Shape& shape) {
  text.push_back('(');
  for (int i = 0; i < shape.size(); ++i) {
    if (i) text.append(", ");
    append_text(text, shape[i]);
  }
  text.append(shape.size() == 1 ? ",)" : ")");
}

}  // namespace taper
