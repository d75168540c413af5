// Sequences of different lengths, sorted from the longest on: padded, or packed step after step.
#pragma once

#include "taper/tensor.h"

namespace taper {

/// x [n, ...] with rows of `fill` behind it: [rows, ...].
Tensor with_rows(const Tensor& x, std::int64_t rows, double fill);
/// Packed data [sum of batch_sizes, ...] as [T, N, ...], filled up behind each sequence. batch_sizes: of each
/// of the T steps how many of the N sequences reach it, falling.
Tensor padded_steps(const Tensor& data, const std::vector<std::int64_t>& batch_sizes, double fill);
/// The inverse.
Tensor packed_steps(const Tensor& padded, const std::vector<std::int64_t>& batch_sizes);

}  // namespace taper
