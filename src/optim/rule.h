// What the rules for one parameter share.
#pragma once

#include "optim/fields.h"
#include "taper/error.h"
#include "taper/ops.h"

namespace taper::optim {

/// Complex tensors as pairs of real numbers along a last dimension, the others as they are.
inline Tensor as_real(const Tensor& x) { return x.is_complex() ? view_as_real(x) : x; }

/// The gradient with that of weight_decay / 2 * |parameter|^2 added.
inline Tensor decayed(const Tensor& gradient, const Tensor& parameter, double weight_decay) {
  return weight_decay != 0 ? add(gradient, parameter, weight_decay) : gradient;
}

/// mean = mean + part (x - mean).
inline void average(const Tensor& mean, const Tensor& x, double part) { copy_(mean, lerp(mean, x, part)); }

/// mean = decay mean + (1 - decay) x^2.
inline void average_square(const Tensor& mean, const Tensor& x, double decay) {
  mul_(mean, decay);
  copy_(mean, addcmul(mean, x, x, 1 - decay));
}

}  // namespace taper::optim
