// A line search under the strong Wolfe conditions.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "taper/tensor.h"

namespace taper::optim {

/// A step length with the loss, gradient and slope there.
struct Point {
  double length = 0, loss = 0, slope = 0;
  Tensor gradient;
};

/// A point along direction that fulfils the strong Wolfe conditions, and how often evaluate was called less
/// the first. first: the length to try first. Nocedal & Wright 2006, algorithms 3.5 and 3.6.
std::pair<Point, std::int64_t> strong_wolfe(const std::function<Point(double length)>& evaluate,
                                            const Point& start, double first, const Tensor& direction,
                                            std::int64_t evaluations);

}  // namespace taper::optim
