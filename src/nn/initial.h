// How layers fill their parameters, and how they print sizes.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>

#include "taper/error.h"
#include "taper/ops.h"

namespace taper::nn {

inline Tensor uniform(const Shape& sizes, double bound) { return uniform_(empty(sizes), -bound, bound); }
/// Uniform in +-1 / sqrt(fan-in).
inline Tensor by_fan_in(const Shape& sizes, std::int64_t fan_in) {
  return uniform(sizes, 1 / std::sqrt(double(std::max<std::int64_t>(fan_in, 1))));
}

/// As Python prints a tuple.
inline std::string tuple_text(const Shape& sizes) {
  std::string text = "(";
  for (int i = 0; i < sizes.size(); ++i) text += concat(i ? ", " : "", sizes[i]);
  return text + (sizes.size() == 1 ? ",)" : ")");
}

}  // namespace taper::nn
