// Choosing between values: comparisons of pairs, bounds, conditions, masks.
#pragma once

#include <optional>

#include "taper/tensor.h"

namespace taper {

/// The larger of two; NaN if either is. Equal values share the gradient.
Tensor maximum(const Tensor& a, const Tensor& b);
Tensor minimum(const Tensor& a, const Tensor& b);
/// The larger of two; NaN only if both are.
Tensor fmax(const Tensor& a, const Tensor& b);
Tensor fmin(const Tensor& a, const Tensor& b);
/// x bounded by numbers, each of which may be missing. Throws ValueError if both are.
Tensor clamp(const Tensor& x, std::optional<Scalar> low, std::optional<Scalar> high = std::nullopt);
/// x bounded by tensors, each of which may be undefined.
Tensor clamp(const Tensor& x, const Tensor& low, const Tensor& high);
/// a where condition (bool), b elsewhere.
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);
/// value where mask (bool, broadcast), x elsewhere.
Tensor masked_fill(const Tensor& x, const Tensor& mask, const Scalar& value);
Tensor masked_fill(const Tensor& x, const Tensor& mask, const Tensor& value);
/// a + weight * (b - a).
Tensor lerp(const Tensor& a, const Tensor& b, const Tensor& weight);
Tensor lerp(const Tensor& a, const Tensor& b, const Scalar& weight);
/// x + value * a * b.
Tensor addcmul(const Tensor& x, const Tensor& a, const Tensor& b, const Scalar& value = 1);
/// x + value * a / b.
Tensor addcdiv(const Tensor& x, const Tensor& a, const Tensor& b, const Scalar& value = 1);
/// NaN and infinities replaced; infinities by the largest finite values if not given.
Tensor nan_to_num(const Tensor& x, double nan = 0, std::optional<double> posinf = std::nullopt,
                  std::optional<double> neginf = std::nullopt);

}  // namespace taper
