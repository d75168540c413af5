// The taps of all outputs of a dimension.
#include "cpu/interpolation_tap.h"

namespace taper::cpu {

Taps interpolation_taps(const Interpolate& p, int i) {
  Taps taps;
  for (std::int64_t o = 0; o < p.output[i]; ++o) {
    each_tap(p, i, o, [&](std::int64_t index, double weight) {
      taps.index.push_back(index), taps.weight.push_back(weight);
    });
    taps.begin.push_back(std::int64_t(taps.index.size()));
  }
  return taps;
}

}  // namespace taper::cpu
