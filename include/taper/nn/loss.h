// Losses: options and a call. nn::CrossEntropyLoss loss{.label_smoothing = 0.1}; loss(logits, classes).
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "taper/tensor.h"

namespace taper::nn {

/// Everywhere: reduction is "mean", "sum" or "none" (one loss per element or sample), another throws
/// ValueError; shapes of input and target must be equal unless said otherwise, else ShapeError.

/// From logits [N, C, ...] and classes [N, ...] or probabilities [N, C, ...]: see taper::cross_entropy.
struct CrossEntropyLoss {
  Tensor weight = {};
  std::int64_t ignore_index = -100;
  std::string reduction = "mean";
  double label_smoothing = 0;
  Tensor operator()(const Tensor& input, const Tensor& target) const;
};

/// From log-probabilities [N, C, ...] and classes [N, ...].
struct NLLLoss {
  Tensor weight = {};
  std::int64_t ignore_index = -100;
  std::string reduction = "mean";
  Tensor operator()(const Tensor& input, const Tensor& target) const;
};

struct MSELoss {
  std::string reduction = "mean";
  Tensor operator()(const Tensor& input, const Tensor& target) const;
};

struct L1Loss {
  std::string reduction = "mean";
  Tensor operator()(const Tensor& input, const Tensor& target) const;
};

/// Half the square up to delta, then a line of slope delta: Huber 1964.
struct HuberLoss {
  std::string reduction = "mean";
  double delta = 1;
  Tensor operator()(const Tensor& input, const Tensor& target) const;
};

/// HuberLoss over beta; L1Loss for beta = 0.
struct SmoothL1Loss {
  std::string reduction = "mean";
  double beta = 1;
  Tensor operator()(const Tensor& input, const Tensor& target) const;
};

/// -(target log(input) + (1 - target) log(1 - input)), with logarithms bounded from below by -100.
struct BCELoss {
  Tensor weight = {};
  std::string reduction = "mean";
  Tensor operator()(const Tensor& input, const Tensor& target) const;
};

/// BCELoss of sigmoid(input), exact for large logits. pos_weight: factor of the positive part.
struct BCEWithLogitsLoss {
  Tensor weight = {};
  std::string reduction = "mean";
  Tensor pos_weight = {};
  Tensor operator()(const Tensor& input, const Tensor& target) const;
};

/// target (log(target) - input) of log-probabilities input. reduction "batchmean": the sum over the batch
/// size.
struct KLDivLoss {
  std::string reduction = "mean";
  bool log_target = false;
  Tensor operator()(const Tensor& input, const Tensor& target) const;
};

/// input where target is 1, max(0, margin - input) where it is -1.
struct HingeEmbeddingLoss {
  double margin = 1;
  std::string reduction = "mean";
  Tensor operator()(const Tensor& input, const Tensor& target) const;
};

/// log(1 + exp(-target input)).
struct SoftMarginLoss {
  std::string reduction = "mean";
  Tensor operator()(const Tensor& input, const Tensor& target) const;
};

/// Mean over the classes of BCEWithLogitsLoss: [N, C].
struct MultiLabelSoftMarginLoss {
  Tensor weight = {};
  std::string reduction = "mean";
  Tensor operator()(const Tensor& input, const Tensor& target) const;
};

/// See taper::multi_margin_loss: input [N, C] or [C], target [N] or [].
struct MultiMarginLoss {
  std::int64_t p = 1;
  double margin = 1;
  Tensor weight = {};
  std::string reduction = "mean";
  Tensor operator()(const Tensor& input, const Tensor& target) const;
};

/// See taper::multilabel_margin_loss: input and target [N, C] or [C].
struct MultiLabelMarginLoss {
  std::string reduction = "mean";
  Tensor operator()(const Tensor& input, const Tensor& target) const;
};

/// exp(input) - target input, or input - target log(input + eps); full adds Stirling's approximation.
struct PoissonNLLLoss {
  bool log_input = true, full = false;
  double eps = 1e-8;
  std::string reduction = "mean";
  Tensor operator()(const Tensor& input, const Tensor& target) const;
};

/// Of target under normal distributions with mean input; variances are bounded from below by eps.
struct GaussianNLLLoss {
  bool full = false;
  double eps = 1e-6;
  std::string reduction = "mean";
  Tensor operator()(const Tensor& input, const Tensor& target, const Tensor& variance) const;
};

/// max(0, -target (a - b) + margin).
struct MarginRankingLoss {
  double margin = 0;
  std::string reduction = "mean";
  Tensor operator()(const Tensor& a, const Tensor& b, const Tensor& target) const;
};

/// 1 - cos(a, b) where target is 1, max(0, cos(a, b) - margin) where it is -1: a, b [N, D].
struct CosineEmbeddingLoss {
  double margin = 0;
  std::string reduction = "mean";
  Tensor operator()(const Tensor& a, const Tensor& b, const Tensor& target) const;
};

/// max(0, |anchor - positive| - |anchor - negative| + margin) with p-norms over the last dimension.
struct TripletMarginLoss {
  double margin = 1, p = 2, eps = 1e-6;
  bool swap = false;
  std::string reduction = "mean";
  Tensor operator()(const Tensor& anchor, const Tensor& positive, const Tensor& negative) const;
};

/// TripletMarginLoss with a distance of the user's; pairwise_distance if there is none.
struct TripletMarginWithDistanceLoss {
  std::function<Tensor(const Tensor&, const Tensor&)> distance = {};
  double margin = 1;
  bool swap = false;
  std::string reduction = "mean";
  Tensor operator()(const Tensor& anchor, const Tensor& positive, const Tensor& negative) const;
};

/// See taper::ctc_loss.
struct CTCLoss {
  std::int64_t blank = 0;
  std::string reduction = "mean";
  bool zero_infinity = false;
  Tensor operator()(const Tensor& log_probs, const Tensor& targets, const Tensor& input_lengths,
                    const Tensor& target_lengths) const;
};

/// a . b / (|a| |b|) along dim.
struct CosineSimilarity {
  std::int64_t dim = 1;
  double eps = 1e-8;
  Tensor operator()(const Tensor& a, const Tensor& b) const;
};

/// |a - b + eps| with the p-norm over the last dimension.
struct PairwiseDistance {
  double p = 2, eps = 1e-6;
  bool keepdim = false;
  Tensor operator()(const Tensor& a, const Tensor& b) const;
};

}  // namespace taper::nn
