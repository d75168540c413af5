// Masks and log-sum-exps of attention in the forms that cuDNN takes and gives.
#pragma once

#include "cpu/attention.h"

namespace taper::cuda {

/// What cuDNN adds to the score of a key that may not be seen, and the least that it adds elsewhere: finite,
/// so that a query that sees no key gives a log-sum-exp by which widen_rows knows it.
inline constexpr float hidden_bias = -2e30f, least_bias = -1e30f;

/// The mask's batches and heads, 1 where it is the same in all.
struct MaskSizes {
  std::int64_t batch, heads;
};
MaskSizes mask_sizes(const cpu::Attention& attention);

/// The mask as float32 [batch, heads, queries, keys] of mask_sizes, dense, to be added to the scores.
void mask_as_bias(const cpu::Attention& attention, float* bias);

/// From the float32 log-sum-exp of a softmax with that bias to log_sum_exp: -inf, and 0 in y, where a query
/// sees no key.
void widen_rows(const cpu::Attention& attention, const float* from, double* log_sum_exp, void* y);

/// The way back: +inf where a query sees no key, of which exp(score - log_sum_exp) is 0.
void narrow_rows(const cpu::Attention& attention, const double* log_sum_exp, float* to);

}  // namespace taper::cuda
