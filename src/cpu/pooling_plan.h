// What every pooling kernel knows about its windows.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "cpu/pooling.h"

namespace taper::cpu {

/// Inputs begin, begin + step, ... below end of one dimension; all inside.
struct Window {
  std::int64_t begin, end, step;
  std::int64_t counted;  ///< inputs and padding that an average divides by, in this dimension
};

/// A pooling with three spatial dimensions always and its windows listed.
struct PoolingPlan {
  std::int64_t input[3] = {1, 1, 1}, output[3] = {1, 1, 1};
  std::vector<Window> windows[3];
  std::int64_t batch, channels, plane_in, plane_out;
  double divisor_override;
  bool channels_last, adaptive;
  std::int64_t kernel = 1, stride = 1, padding = 0, dilation = 1;  ///< of the last dimension, unless adaptive

  /// Checks the sizes; op is named in errors.
  PoolingPlan(const Pooling& pooling, const char* op);

  /// Outputs [first, last) of the last dimension whose window has its input number k (of kernel) inside.
  struct Range {
    std::int64_t first, last;
  };
  Range reached(std::int64_t k) const {
    const std::int64_t shift = padding - k * dilation, room = input[2] - 1 + shift;
    const std::int64_t first = shift > 0 ? (shift + stride - 1) / stride : 0;
    return {first, room < 0 ? first : std::max(first, std::min(output[2], room / stride + 1))};
  }

  double divisor(const Window& a, const Window& b, const Window& c) const {
    return divisor_override != 0 ? divisor_override : double(a.counted * b.counted * c.counted);
  }
};

}  // namespace taper::cpu
