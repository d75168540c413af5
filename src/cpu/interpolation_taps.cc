// The taps of all outputs of a dimension.
#include <cmath>

#include "cpu/interpolation_tap.h"

namespace taper::cpu {

namespace {

// Halves away from zero. The weights of one input were added up before.
double rounded_weight(double weight, int bits) {
  return std::ldexp(std::round(std::ldexp(weight, bits)), -bits);
}

}  // namespace

Taps interpolation_taps(const Interpolate& p, int i) {
  Taps taps;
  for (std::int64_t o = 0; o < p.output[i]; ++o) {
    const auto first = std::size_t(taps.begin.back());
    each_tap(p, i, o, [&](std::int64_t index, double weight) {
      if (p.weight_bits > 0 && taps.index.size() > first && taps.index.back() == index)
        taps.weight.back() += weight;
      else taps.index.push_back(index), taps.weight.push_back(weight);
    });
    for (std::size_t k = first; p.weight_bits > 0 && k < taps.weight.size(); ++k)
      taps.weight[k] = rounded_weight(taps.weight[k], p.weight_bits);
    taps.begin.push_back(std::int64_t(taps.index.size()));
  }
  return taps;
}

}  // namespace taper::cpu
