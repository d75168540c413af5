// Which inputs an interpolated output is made of, and by which weights, in one dimension. The functions are
// constexpr so that devices can call them, too.
#pragma once

#include <algorithm>
#include <cmath>

#include "cpu/interpolate.h"

namespace taper::cpu {

/// Inputs from one output to the next.
constexpr double tap_spacing(const Interpolate& p, int i) {
  if (p.mode >= Interpolation::linear && p.align_corners)
    return p.output[i] > 1 ? double(p.input[i] - 1) / double(p.output[i] - 1) : 0;
  return p.scale_factor[i] > 0 ? 1 / p.scale_factor[i] : double(p.input[i]) / double(p.output[i]);
}

/// In float32 as PyTorch, whose choice between two inputs depends on rounding.
constexpr std::int64_t nearest_input(const Interpolate& p, int i, std::int64_t o) {
  if (p.mode == Interpolation::nearest && p.output[i] == p.input[i]) return o;
  if (p.mode == Interpolation::nearest && p.output[i] == 2 * p.input[i]) return o / 2;
  const float scale =
      p.scale_factor[i] > 0 ? float(1 / p.scale_factor[i]) : float(p.input[i]) / float(p.output[i]);
  const float position =
      p.mode == Interpolation::nearest ? float(o) * scale : float((double(o) + 0.5) * double(scale));
  return std::min(std::int64_t(std::floor(position)), p.input[i] - 1);
}

template <class Add>
constexpr void add_linear_taps(const Interpolate& p, int i, std::int64_t o, double scale, Add&& add) {
  if (p.output[i] == p.input[i]) return add(o, 1.);
  const double position =
      p.align_corners ? scale * double(o) : std::max(0.0, scale * (double(o) + 0.5) - 0.5);
  const std::int64_t first = std::min(std::int64_t(position), p.input[i] - 1);
  const double part = std::clamp(position - double(first), 0.0, 1.0);
  add(first, 1 - part);
  if (part > 0) add(std::min(first + 1, p.input[i] - 1), part);
}

/// Keys 1981, equation 4, with parameter a.
constexpr double cubic_weight(double distance, double a) {
  const double x = distance < 0 ? -distance : distance;
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

template <class Add>
constexpr void add_cubic_taps(const Interpolate& p, int i, std::int64_t o, double scale, Add&& add) {
  const double position = p.align_corners ? scale * double(o) : scale * (double(o) + 0.5) - 0.5;
  const std::int64_t middle = std::int64_t(std::floor(position));
  for (std::int64_t k = middle - 1; k <= middle + 2; ++k)
    add(std::clamp(k, std::int64_t(0), p.input[i] - 1), cubic_weight(position - double(k), -0.75));
}

/// As PyTorch and Pillow: the filter is as wide as the outputs are apart.
template <class Add>
constexpr void add_filtered_taps(const Interpolate& p, std::int64_t size, std::int64_t o, double scale,
                                 Add&& add) {
  const bool linear = p.mode == Interpolation::linear;
  const double width = std::max(scale, 1.0), support = (linear ? 1 : 2) * width,
               centre = scale * (double(o) + 0.5);
  const std::int64_t first = std::max(std::int64_t(0), std::int64_t(centre - support + 0.5));
  const std::int64_t last = std::min(size, std::int64_t(centre + support + 0.5));
  const auto weight = [&](std::int64_t k) {
    const double distance = (double(k) - centre + 0.5) / width;
    return linear ? std::max(0.0, 1 - (distance < 0 ? -distance : distance)) : cubic_weight(distance, -0.5);
  };
  double sum = 0;
  for (std::int64_t k = first; k < last; ++k) sum += weight(k);
  for (std::int64_t k = first; k < last; ++k) add(k, sum != 0 ? weight(k) / sum : weight(k));
}

/// add(input, weight) for the taps of output o of spatial dimension i, inputs not descending.
template <class Add>
constexpr void each_tap(const Interpolate& p, int i, std::int64_t o, Add&& add) {
  const double scale = tap_spacing(p, i);
  if (p.mode < Interpolation::linear) add(nearest_input(p, i, o), 1.);
  else if (p.antialias) add_filtered_taps(p, p.input[i], o, scale, add);
  else if (p.mode == Interpolation::linear) add_linear_taps(p, i, o, scale, add);
  else add_cubic_taps(p, i, o, scale, add);
}

}  // namespace taper::cpu
