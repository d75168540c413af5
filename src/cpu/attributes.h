// What some elementwise kernels take beside tensors; a kernel's declaration names the struct it reads.
#pragma once

#include "taper/scalar.h"

namespace taper::cpu {

/// exponent of pow_scalar; alpha of add_scaled and sub_scaled; weight of lerp_scalar; value of addcmul and
/// addcdiv.
struct Factor {
  Scalar value = 1;
};

/// x * scale + offset.
struct Affine {
  Scalar scale = 1, offset = 0;
};

/// Bounds that may be absent.
struct Bounds {
  Scalar low = 0, high = 0;
  bool has_low = false, has_high = false;
};

/// Both bounds are there: hardtanh.
struct Interval {
  double low = -1, high = 1;
};

struct Slope {
  double slope = 0.01;
};

/// scale * (x > 0 ? x : alpha * (exp(input_scale * x) - 1)): elu, selu and celu are cases.
struct EluShape {
  double alpha = 1, scale = 1, input_scale = 1;
};

/// log(1 + exp(beta x)) / beta; x itself where beta x > threshold.
struct SoftplusShape {
  double beta = 1, threshold = 20;
};

/// x where it is above the threshold, else value.
struct Threshold {
  double threshold = 0, value = 0;
};

/// Half-width of the dead zone of hardshrink and softshrink.
struct Shrink {
  double lambda = 0.5;
};

/// round: places after the decimal point, negative for before it.
struct Decimals {
  int decimals = 0;
};

/// logit: x is clamped to [eps, 1 - eps] first, unless eps is negative.
struct Epsilon {
  double eps = -1;
};

/// Replacements for NaN, +inf, -inf. PyTorch's defaults for the infinities are the largest and the least
/// finite number of the tensor's dtype: the caller puts them here.
struct Replacements {
  double nan = 0, positive = 0, negative = 0;
};

/// |a - b| <= atol + rtol |b|.
struct Tolerance {
  double rtol = 1e-5, atol = 1e-8;
  bool equal_nan = false;
};

}  // namespace taper::cpu
