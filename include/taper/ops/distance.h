// Distances and similarities of vectors, and what normalizes them.
#pragma once

#include "taper/tensor.h"

namespace taper {

/// x / max(|x|_p, eps) along dim.
Tensor normalize(const Tensor& x, double p = 2, std::int64_t dim = 1, double eps = 1e-12);
/// a . b / (max(|a|, eps) max(|b|, eps)) along dim, of broadcast a and b.
Tensor cosine_similarity(const Tensor& a, const Tensor& b, std::int64_t dim = 1, double eps = 1e-8);
/// |a - b + eps|_p over the last dimension.
Tensor pairwise_distance(const Tensor& a, const Tensor& b, double p = 2, double eps = 1e-6,
                         bool keepdim = false);
/// a W b + bias: a [..., in1], b [..., in2], weight [out, in1, in2].
Tensor bilinear(const Tensor& a, const Tensor& b, const Tensor& weight, const Tensor& bias = {});

}  // namespace taper
