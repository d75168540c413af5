// Which inputs an interpolated output is made of, and by which weights, in one dimension.
#include <algorithm>
#include <cmath>

#include "cpu/interpolate.h"

namespace taper::cpu {
namespace {

using int64 = std::int64_t;

/// Inputs from one output to the next.
double spacing(const Interpolate& p, int i) {
  if (p.mode >= Interpolation::linear && p.align_corners)
    return p.output[i] > 1 ? double(p.input[i] - 1) / double(p.output[i] - 1) : 0;
  return p.scale_factor[i] > 0 ? 1 / p.scale_factor[i] : double(p.input[i]) / double(p.output[i]);
}

void add(Taps& taps, int64 index, double weight) {
  taps.index.push_back(index), taps.weight.push_back(weight);
}

/// In float32 as PyTorch, whose choice between two inputs depends on rounding.
int64 nearest(const Interpolate& p, int i, int64 o) {
  if (p.mode == Interpolation::nearest && p.output[i] == p.input[i]) return o;
  if (p.mode == Interpolation::nearest && p.output[i] == 2 * p.input[i]) return o / 2;
  const float scale =
      p.scale_factor[i] > 0 ? float(1 / p.scale_factor[i]) : float(p.input[i]) / float(p.output[i]);
  const float position =
      p.mode == Interpolation::nearest ? float(o) * scale : float((double(o) + 0.5) * double(scale));
  return std::min(int64(std::floor(position)), p.input[i] - 1);
}

void add_linear(const Interpolate& p, int i, int64 o, double scale, Taps& taps) {
  if (p.output[i] == p.input[i]) return add(taps, o, 1);
  const double position =
      p.align_corners ? scale * double(o) : std::max(0.0, scale * (double(o) + 0.5) - 0.5);
  const int64 first = std::min(int64(position), p.input[i] - 1);
  const double part = std::clamp(position - double(first), 0.0, 1.0);
  add(taps, first, 1 - part);
  if (part > 0) add(taps, std::min(first + 1, p.input[i] - 1), part);
}

/// Keys 1981, equation 4, with parameter a.
double cubic_weight(double distance, double a) {
  const double x = std::abs(distance);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

void add_cubic(const Interpolate& p, int i, int64 o, double scale, Taps& taps) {
  const double position = p.align_corners ? scale * double(o) : scale * (double(o) + 0.5) - 0.5;
  const int64 middle = int64(std::floor(position));
  for (int64 k = middle - 1; k <= middle + 2; ++k)
    add(taps, std::clamp(k, int64(0), p.input[i] - 1), cubic_weight(position - double(k), -0.75));
}

/// As PyTorch and Pillow: the filter is as wide as the outputs are apart.
void add_filtered(const Interpolate& p, int i, int64 o, double scale, Taps& taps) {
  const bool linear = p.mode == Interpolation::linear;
  const double width = std::max(scale, 1.0), support = (linear ? 1 : 2) * width,
               centre = scale * (double(o) + 0.5);
  const int64 first = std::max(int64(0), int64(centre - support + 0.5));
  const int64 last = std::min(p.input[i], int64(centre + support + 0.5));
  const std::size_t begin = taps.weight.size();
  double sum = 0;
  for (int64 k = first; k < last; ++k) {
    const double distance = (double(k) - centre + 0.5) / width;
    const double weight = linear ? std::max(0.0, 1 - std::abs(distance)) : cubic_weight(distance, -0.5);
    add(taps, k, weight), sum += weight;
  }
  for (std::size_t k = begin; k < taps.weight.size() && sum != 0; ++k) taps.weight[k] /= sum;
}

}  // namespace

Taps interpolation_taps(const Interpolate& p, int i) {
  Taps taps;
  const double scale = spacing(p, i);
  for (int64 o = 0; o < p.output[i]; ++o) {
    if (p.mode < Interpolation::linear) add(taps, nearest(p, i, o), 1);
    else if (p.antialias) add_filtered(p, i, o, scale, taps);
    else if (p.mode == Interpolation::linear) add_linear(p, i, o, scale, taps);
    else add_cubic(p, i, o, scale, taps);
    taps.begin.push_back(int64(taps.index.size()));
  }
  return taps;
}

}  // namespace taper::cpu
