// Normalization over batches, layers, groups and instances; embeddings; attention.
#pragma once

#include <optional>

#include "taper/tensor.h"

namespace taper {

/// Over the last dimensions: (x - mean) / sqrt(var + eps) * weight + bias, with the biased variance.
///   weight, bias  of shape `normalized`, or undefined
/// Statistics are exact far from zero. Source: Ba, Kiros & Hinton 2016, arXiv:1607.06450.
Tensor layer_norm(const Tensor& x, const Shape& normalized, const Tensor& weight = {},
                  const Tensor& bias = {}, double eps = 1e-5);
/// x / sqrt(mean(x^2) + eps) * weight. eps: that of the dtype if not given. Zhang & Sennrich 2019,
/// arXiv:1910.07467.
Tensor rms_norm(const Tensor& x, const Shape& normalized, const Tensor& weight = {},
                std::optional<double> eps = std::nullopt);
/// Over the channels of a group and all positions of each sample; x [N, C, ...], weight and bias [C].
Tensor group_norm(const Tensor& x, std::int64_t groups, const Tensor& weight = {}, const Tensor& bias = {},
                  double eps = 1e-5);
/// Over the batch and all positions of each channel; x [N, C, ...]. training: by the batch's own statistics,
/// which are mixed into running_mean and running_var by momentum; else by those. Ioffe & Szegedy 2015,
/// arXiv:1502.03167.
Tensor batch_norm(const Tensor& x, const Tensor& running_mean, const Tensor& running_var,
                  const Tensor& weight = {}, const Tensor& bias = {}, bool training = false,
                  double momentum = 0.1, double eps = 1e-5);
/// softmax(scale q k^T + mask) v: q [..., L, E], k [..., S, E], v [..., S, V]; leading dimensions broadcast.
/// mask: bool (true: may be seen) or added to the scores. causal: key j is seen by query i if j <= i. A query
/// that sees no key gives 0.
Tensor scaled_dot_product_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                                    const Tensor& mask = {}, double dropout_p = 0, bool causal = false,
                                    std::optional<double> scale = std::nullopt);

/// Division by the energy of `size` neighbouring channels of [N, C, ...]: Krizhevsky et al. 2012.
Tensor local_response_norm(const Tensor& x, std::int64_t size, double alpha = 1e-4, double beta = 0.75,
                           double k = 1);

}  // namespace taper
