// The line search of L-BFGS.
#include "optim/wolfe.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "taper/ops.h"

namespace taper::optim {

namespace {

// Constants of the conditions, and the least bracket that is divided further.
constexpr double c1 = 1e-4, c2 = 0.9, tolerance = 1e-9;

// The minimum between bounds of the cubic through two points: Nocedal & Wright 2006, eq. 3.59.
double cubic_minimum(const Point& a, const Point& b,
                     std::optional<std::pair<double, double>> bounds = std::nullopt) {
  const Point &left = a.length <= b.length ? a : b, &right = a.length <= b.length ? b : a;
  const auto [low, high] = bounds.value_or(std::pair(left.length, right.length));
  const double width = left.length - right.length;
  const double d1 = width != 0 ? left.slope + right.slope - 3 * (left.loss - right.loss) / width
                               : std::numeric_limits<double>::quiet_NaN();
  const double square = d1 * d1 - left.slope * right.slope;
  if (!(square >= 0)) return (low + high) / 2.0;
  const double d2 = std::sqrt(square), slope = right.slope - left.slope + 2 * d2;
  if (slope == 0) return (low + high) / 2.0;
  const double at = right.length - (right.length - left.length) * ((right.slope + d2 - d1) / slope);
  return std::min(std::max(at, low), high);
}

bool decreases_enough(const Point& point, const Point& start) {
  return point.loss <= start.loss + c1 * point.length * start.slope;
}

bool is_flat_enough(const Point& point, const Point& start) {
  return std::abs(point.slope) <= -c2 * start.slope;
}

// Shrinks the bracket around a point that fulfils the conditions.
std::pair<Point, std::int64_t> zoom(const std::function<Point(double)>& evaluate, const Point& start,
                                    Point low, Point high, const Tensor& direction, std::int64_t count,
                                    std::int64_t evaluations) {
  const double size = max(abs(direction)).item<double>();
  bool slow = false;
  if (high.loss < low.loss) std::swap(low, high);
  while (count < evaluations && std::abs(high.length - low.length) * size >= tolerance) {
    const double left = std::min(low.length, high.length), right = std::max(low.length, high.length);
    double length = cubic_minimum(low, high);
    // A trial close to an end is allowed once; then it moves a tenth of the bracket inwards.
    const double margin = 0.1 * (right - left);
    if (std::min(right - length, length - left) < margin) {
      const bool again = slow || length >= right || length <= left;
      if (again) length = std::abs(length - right) < std::abs(length - left) ? right - margin : left + margin;
      slow = !again;
    } else {
      slow = false;
    }
    Point point = evaluate(length);
    ++count;
    if (!decreases_enough(point, start) || point.loss >= low.loss) {
      high = std::move(point);
      if (low.loss > high.loss) std::swap(low, high);
      continue;
    }
    if (is_flat_enough(point, start)) return {std::move(point), count + 1};
    if (point.slope * (high.length - low.length) >= 0) high = low;
    low = std::move(point);
  }
  return {std::move(low), count + 1};
}

}  // namespace

std::pair<Point, std::int64_t> strong_wolfe(const std::function<Point(double length)>& evaluate,
                                            const Point& start, double first, const Tensor& direction,
                                            std::int64_t evaluations) {
  Point before = start, point = evaluate(first);
  std::int64_t count = 0;
  bool bracketed = false;
  while (count < evaluations) {
    bracketed = !decreases_enough(point, start) || (count > 1 && point.loss >= before.loss);
    if (bracketed) break;
    if (is_flat_enough(point, start)) return {std::move(point), count + 1};
    bracketed = point.slope >= 0;
    if (bracketed) break;
    const std::pair bounds(point.length + 0.01 * (point.length - before.length), point.length * 10);
    Point next = evaluate(cubic_minimum(before, point, bounds));
    before = std::exchange(point, std::move(next));
    ++count;
  }
  if (!bracketed) before = start;
  return zoom(evaluate, start, std::move(before), std::move(point), direction, count, evaluations);
}

}  // namespace taper::optim
