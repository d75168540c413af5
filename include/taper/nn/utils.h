// Gradients clipped, parameters as one vector.
#pragma once

#include "taper/tensor.h"

namespace taper::nn::utils {

/// Scales all gradients so that their common p-norm is at most max_norm; returns the norm before. norm_type
/// may be infinity. Throws ValueError for a norm that is not finite if error_if_nonfinite.
double clip_grad_norm_(const Tensors& parameters, double max_norm, double norm_type = 2,
                       bool error_if_nonfinite = false);
/// Bounds every element of all gradients by +-limit.
void clip_grad_value_(const Tensors& parameters, double limit);
/// All parameters one after another, with history.
Tensor parameters_to_vector(const Tensors& parameters);
/// The reverse: copies slices of vector into the parameters. Throws ShapeError unless they fill it.
void vector_to_parameters(const Tensor& vector, const Tensors& parameters);

}  // namespace taper::nn::utils
