// Walks several strided operands of one shape together, in runs along their innermost common dimension.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "taper/shape.h"

namespace taper::cpu {

/// Row-major order over `sizes`; dimensions that all operands pass through evenly are merged.
template <int operands>
class Walk {
 public:
  using Offsets = std::array<std::int64_t, operands>;

  Walk(const Shape& sizes, const std::array<Shape, operands>& strides) : elements_(numel(sizes)) {
    for (int i = 0; i < sizes.size(); ++i) {
      if (sizes[i] == 1) continue;
      bool even = sizes_.size() > 0;
      for (int k = 0; k < operands && even; ++k) even = strides_[k].back() == strides[k][i] * sizes[i];
      if (even) {
        sizes_[sizes_.size() - 1] *= sizes[i];
        for (int k = 0; k < operands; ++k) strides_[k][strides_[k].size() - 1] = strides[k][i];
      } else {
        sizes_.push_back(sizes[i]);
        for (int k = 0; k < operands; ++k) strides_[k].push_back(strides[k][i]);
      }
    }
    if (sizes_.empty()) {
      sizes_.push_back(1);
      for (int k = 0; k < operands; ++k) strides_[k].push_back(1);
    }
  }

  std::int64_t elements() const { return elements_; }
  std::int64_t inner_size() const { return sizes_.back(); }
  std::int64_t inner_stride(int k) const { return strides_[k].back(); }
  /// Whether operand k is one run of stride 1 or a single element.
  bool is_dense(int k) const { return sizes_.size() == 1 && (strides_[k][0] == 1 || sizes_[0] == 1); }

  /// Calls body(offsets, n) for the runs of positions [begin, end): n elements from these offsets on.
  template <class F>
  void run(std::int64_t begin, std::int64_t end, const F& body) const {
    if (begin >= end) return;
    const int last = sizes_.size() - 1;
    const std::int64_t inner = sizes_[last];
    Shape index = Shape::filled(last + 1, 0);
    Offsets offsets{};
    std::int64_t rest = begin;
    for (int i = last; i >= 0; --i) {
      index[i] = rest % sizes_[i];
      rest /= sizes_[i];
      for (int k = 0; k < operands; ++k) offsets[k] += index[i] * strides_[k][i];
    }
    for (;;) {
      const std::int64_t n = std::min(inner - index[last], end - begin);
      body(static_cast<const Offsets&>(offsets), n);
      begin += n;
      if (begin == end) return;
      for (int k = 0; k < operands; ++k) offsets[k] -= index[last] * strides_[k][last];
      index[last] = 0;
      for (int i = last - 1; i >= 0; --i) {
        for (int k = 0; k < operands; ++k) offsets[k] += strides_[k][i];
        if (++index[i] < sizes_[i]) break;
        for (int k = 0; k < operands; ++k) offsets[k] -= sizes_[i] * strides_[k][i];
        index[i] = 0;
      }
    }
  }

 private:
  std::int64_t elements_;
  Shape sizes_;
  std::array<Shape, operands> strides_;
};

}  // namespace taper::cpu
