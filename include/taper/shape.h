// Shape: the sizes (or strides, or dimension numbers) of a tensor; up to six are held without allocation.
#pragma once

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace taper {

/// A short list of int64. Used for sizes, strides, paddings and lists of dimensions.
class Shape {
 public:
  static constexpr int inline_capacity = 6;

  Shape() = default;
  /// A list of one: the dims of sum(x, 1), the sizes of zeros(3).
  template <class T>
  requires(std::is_integral_v<T> && !std::is_same_v<T, bool>) Shape(T value) : Shape{std::int64_t(value)} {}
  Shape(std::initializer_list<std::int64_t> values) : Shape(values.begin(), int(values.size())) {}
  Shape(const std::vector<std::int64_t>& values) : Shape(values.data(), int(values.size())) {}
  Shape(const std::int64_t* values, int count) {
    resize_uninitialized(count);
    if (count) std::memcpy(data(), values, sizeof(std::int64_t) * std::size_t(count));
  }
  /// count copies of value.
  static Shape filled(int count, std::int64_t value) {
    Shape shape;
    shape.resize_uninitialized(count);
    for (auto& entry : shape) entry = value;
    return shape;
  }
  Shape(const Shape& other) : Shape(other.data(), other.size_) {}
  Shape(Shape&& other) noexcept { take(other); }
  Shape& operator=(const Shape& other) {
    if (this != &other) {
      resize_uninitialized(other.size_);
      if (size_) std::memcpy(data(), other.data(), sizeof(std::int64_t) * std::size_t(size_));
    }
    return *this;
  }
  Shape& operator=(Shape&& other) noexcept {
    if (this != &other) {
      release();
      take(other);
    }
    return *this;
  }
  ~Shape() { release(); }

  int size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::int64_t* data() { return size_ <= inline_capacity ? inline_ : heap_; }
  const std::int64_t* data() const { return size_ <= inline_capacity ? inline_ : heap_; }
  std::int64_t& operator[](std::int64_t i) { return data()[i]; }
  std::int64_t operator[](std::int64_t i) const { return data()[i]; }
  std::int64_t back() const { return data()[size_ - 1]; }
  std::int64_t* begin() { return data(); }
  std::int64_t* end() { return data() + size_; }
  const std::int64_t* begin() const { return data(); }
  const std::int64_t* end() const { return data() + size_; }

  void push_back(std::int64_t value) { insert(size_, value); }
  void insert(int position, std::int64_t value);
  void erase(int position);
  void resize(int count, std::int64_t value = 0);

  friend bool operator==(const Shape& a, const Shape& b) {
    return a.size_ == b.size_ &&
           std::memcmp(a.data(), b.data(), sizeof(std::int64_t) * std::size_t(a.size_)) == 0;
  }
  std::vector<std::int64_t> to_vector() const { return {begin(), end()}; }

 private:
  void resize_uninitialized(int count) {
    if (count > inline_capacity || size_ > inline_capacity) {
      reallocate(count);
    } else {
      size_ = count;
    }
  }
  void reallocate(int count);
  void release() {
    if (size_ > inline_capacity) delete[] heap_;
    size_ = 0;
  }
  void take(Shape& other) {
    size_ = other.size_;
    if (size_ > inline_capacity) {
      heap_ = other.heap_;
    } else {
      for (int i = 0; i < size_; ++i) inline_[i] = other.inline_[i];
    }
    other.size_ = 0;
  }

  int size_ = 0;
  union {
    std::int64_t inline_[inline_capacity];
    std::int64_t* heap_;
  };
};

/// Elements of a tensor of these sizes. Throws ShapeError on a negative size or a product beyond int64.
std::int64_t numel(const Shape& sizes);
/// Row-major strides, in elements, of a dense tensor of these sizes.
Shape contiguous_strides(const Shape& sizes);
/// The common shape of two operands by the broadcasting rules; throws ShapeError naming op and both shapes.
Shape broadcast_shapes(const Shape& a, const Shape& b, const char* op = "broadcast");
/// dim in [-ndim, ndim) made non-negative (a 0-d tensor counts as one-dimensional); throws IndexError naming
/// op.
int wrap_dim(std::int64_t dim, int ndim, const char* op);
/// "(2, 3)", "(5,)", "()".
void append_text(std::string& text, const Shape& shape);

}  // namespace taper
