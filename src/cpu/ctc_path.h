// The path through the labels of one sample, which the kernels of all devices walk.
#pragma once

#include <cmath>

#include "cpu/ctc.h"
#include "cpu/host_device.h"

namespace taper::cpu::formulas {

/// log(exp(a) + exp(b)).
TAPER_HOST_DEVICE inline double log_add(double a, double b) {
  const double most = a > b ? a : b;
  if (most == -infinity) return most;
  return most + log1p(exp((a > b ? b : a) - most));
}

struct CtcPath {
  const std::int64_t* labels;
  std::int64_t states, blank;

  TAPER_HOST_DEVICE CtcPath(const Ctc& ctc, std::int64_t sample)
      : labels(ctc.targets + sample * ctc.longest),
        states(2 * ctc.target_lengths[sample] + 1),
        blank(ctc.blank) {}
  TAPER_HOST_DEVICE std::int64_t at(std::int64_t state) const {
    return state % 2 ? labels[state / 2] : blank;
  }
  /// Whether a path may go from state - 2 to state: both are labels, and differ.
  TAPER_HOST_DEVICE bool skips_to(std::int64_t state) const {
    return state % 2 && state > 1 && labels[state / 2] != labels[state / 2 - 1];
  }
  /// What reaches state from its predecessors in before, the values of the step before; without the state's
  /// own probability.
  TAPER_HOST_DEVICE double arriving(const double* before, std::int64_t state) const {
    double sum = before[state];
    if (state > 0) sum = log_add(sum, before[state - 1]);
    return skips_to(state) ? log_add(sum, before[state - 2]) : sum;
  }
  /// What leaves state for its successors in after, the values of the step after.
  TAPER_HOST_DEVICE double leaving(const double* after, std::int64_t state) const {
    double sum = after[state];
    if (state + 1 < states) sum = log_add(sum, after[state + 1]);
    return state + 2 < states && skips_to(state + 2) ? log_add(sum, after[state + 2]) : sum;
  }
  /// -log of what has arrived in the two last states; values are those of the last step.
  TAPER_HOST_DEVICE double loss(const double* values) const {
    return -(states > 1 ? log_add(values[states - 1], values[states - 2]) : values[0]);
  }
};

}  // namespace taper::cpu::formulas
