// Losses, as torch.nn.functional's.
#pragma once

#include <string_view>

#include "taper/tensor.h"

namespace taper {

/// Everywhere: reduction is "mean", "sum" or "none" (one loss per element or sample), another throws
/// ValueError; shapes of input and target must be equal unless said otherwise, else ShapeError.

/// -log softmax(x)[target]: x [N, C, ...] or [C], target int64 [N, ...] or [], or probabilities of x's shape.
/// weight [C]: a factor per class; rows whose target is ignore_index do not count. mean divides by the sum of
/// the weights of the targets. Throws IndexError for a target that is no class.
Tensor cross_entropy(const Tensor& x, const Tensor& target, const Tensor& weight = {},
                     std::int64_t ignore_index = -100, std::string_view reduction = "mean",
                     double label_smoothing = 0);
/// The same of log-probabilities.
Tensor nll_loss(const Tensor& x, const Tensor& target, const Tensor& weight = {},
                std::int64_t ignore_index = -100, std::string_view reduction = "mean");

/// (input - target)^2; weight: a factor for each element.
Tensor mse_loss(const Tensor& input, const Tensor& target, std::string_view reduction = "mean",
                const Tensor& weight = {});
/// |input - target|.
Tensor l1_loss(const Tensor& input, const Tensor& target, std::string_view reduction = "mean",
               const Tensor& weight = {});
/// Half the square of the difference up to delta > 0, then a line of slope delta: Huber 1964.
Tensor huber_loss(const Tensor& input, const Tensor& target, std::string_view reduction = "mean",
                  double delta = 1, const Tensor& weight = {});
/// huber_loss over beta >= 0; l1_loss for beta = 0.
Tensor smooth_l1_loss(const Tensor& input, const Tensor& target, std::string_view reduction = "mean",
                      double beta = 1);

/// -(target log(input) + (1 - target) log(1 - input)), with logarithms bounded from below by -100. Throws
/// ValueError for an input in main memory outside of [0, 1].
Tensor binary_cross_entropy(const Tensor& input, const Tensor& target, const Tensor& weight = {},
                            std::string_view reduction = "mean");
/// binary_cross_entropy of sigmoid(input), exact for large logits. pos_weight: factor of the positive part.
Tensor binary_cross_entropy_with_logits(const Tensor& input, const Tensor& target, const Tensor& weight = {},
                                        std::string_view reduction = "mean", const Tensor& pos_weight = {});
/// target (log(target) - input) of log-probabilities input; with log_target the target is one, too. reduction
/// "batchmean": the sum over the size of the first dimension.
Tensor kl_div(const Tensor& input, const Tensor& target, std::string_view reduction = "mean",
              bool log_target = false);
/// exp(input) - target input, or input - target log(input + eps); full adds Stirling's approximation.
Tensor poisson_nll_loss(const Tensor& input, const Tensor& target, bool log_input = true, bool full = false,
                        double eps = 1e-8, std::string_view reduction = "mean");
/// Of target under normal distributions with mean input; variances are bounded from below by eps. target and
/// variance may have size 1 where input has not, and variance may lack input's last dimension. Throws
/// ValueError for a negative variance.
Tensor gaussian_nll_loss(const Tensor& input, const Tensor& target, const Tensor& variance, bool full = false,
                         double eps = 1e-6, std::string_view reduction = "mean");

/// input where target is 1, max(0, margin - input) where it is -1.
Tensor hinge_embedding_loss(const Tensor& input, const Tensor& target, double margin = 1,
                            std::string_view reduction = "mean");
/// log(1 + exp(-target input)).
Tensor soft_margin_loss(const Tensor& input, const Tensor& target, std::string_view reduction = "mean");
/// Mean over the last dimension, the classes, of binary_cross_entropy_with_logits.
Tensor multilabel_soft_margin_loss(const Tensor& input, const Tensor& target, const Tensor& weight = {},
                                   std::string_view reduction = "mean");
/// Mean over the classes i other than the target of max(0, margin - input[target] + input[i])^p: input [N, C]
/// or [C], target [N] or []; p is 1 or 2; weight [C] is a factor of the target's class.
Tensor multi_margin_loss(const Tensor& input, const Tensor& target, std::int64_t p = 1, double margin = 1,
                         const Tensor& weight = {}, std::string_view reduction = "mean");
/// Sum over the targets j (those before the first -1) and the other classes i of max(0, 1 - input[j] +
/// input[i]), over C: input and target [N, C] or [C].
Tensor multilabel_margin_loss(const Tensor& input, const Tensor& target, std::string_view reduction = "mean");
/// max(0, -target (a - b) + margin).
Tensor margin_ranking_loss(const Tensor& a, const Tensor& b, const Tensor& target, double margin = 0,
                           std::string_view reduction = "mean");
/// 1 - cos(a, b) where target is 1, max(0, cos(a, b) - margin) where it is -1: a, b [N, D] or [D].
Tensor cosine_embedding_loss(const Tensor& a, const Tensor& b, const Tensor& target, double margin = 0,
                             std::string_view reduction = "mean");
/// max(0, |anchor - positive| - |anchor - negative| + margin) with pairwise_distance's norms; swap: the
/// nearer of anchor and positive to negative counts. margin must be positive.
Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                           double margin = 1, double p = 2, double eps = 1e-6, bool swap = false,
                           std::string_view reduction = "mean");

/// -log of the probability of the labels under all alignments with the input: log_probs [T, N, C] or [T, C];
/// targets [N, S] or the labels of all samples in a row; lengths of one integer per sample. mean divides each
/// loss by the length of its target first. The gradient is the one through log_softmax, as PyTorch's. Throws
/// ShapeError, ValueError or IndexError for lengths and labels that do not fit. Graves et al. 2006.
Tensor ctc_loss(const Tensor& log_probs, const Tensor& targets, const Tensor& input_lengths,
                const Tensor& target_lengths, std::int64_t blank = 0, std::string_view reduction = "mean",
                bool zero_infinity = false);

}  // namespace taper
