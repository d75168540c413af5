// Softmax and the losses on it.
#pragma once

#include <optional>
#include <string_view>

#include "taper/tensor.h"

namespace taper {

/// exp(x) / sum(exp(x)) along dim, without overflow. A slice that is all -inf gives NaN.
Tensor softmax(const Tensor& x, std::int64_t dim, std::optional<DType> dtype = std::nullopt);
Tensor log_softmax(const Tensor& x, std::int64_t dim, std::optional<DType> dtype = std::nullopt);

/// How the losses of a batch become one: "none", "mean" or "sum".
enum class LossReduction : std::uint8_t { none, mean, sum };
/// Throws ValueError for other texts.
LossReduction loss_reduction(std::string_view text, const char* op);
Tensor reduce_loss(const Tensor& loss, LossReduction reduction);

/// -log softmax(x)[target]: x [N, C, ...] or [C], target int64 [N, ...] or [], or probabilities of x's shape.
/// weight [C]: a factor per class; rows whose target is ignore_index do not count. mean divides by the sum of
/// the weights of the targets. Throws IndexError for a target that is no class.
Tensor cross_entropy(const Tensor& x, const Tensor& target, const Tensor& weight = {},
                     std::int64_t ignore_index = -100, std::string_view reduction = "mean",
                     double label_smoothing = 0);
/// The same of log-probabilities.
Tensor nll_loss(const Tensor& x, const Tensor& target, const Tensor& weight = {},
                std::int64_t ignore_index = -100, std::string_view reduction = "mean");

}  // namespace taper
