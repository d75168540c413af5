// The losses of nn: the options with the functions of ops/loss.h.
#include "taper/nn/loss.h"

#include "ops/loss_reduction.h"
#include "taper/error.h"
#include "taper/ops.h"

namespace taper::nn {

Tensor CrossEntropyLoss::operator()(const Tensor& input, const Tensor& target) const {
  return cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing);
}
Tensor NLLLoss::operator()(const Tensor& input, const Tensor& target) const {
  return nll_loss(input, target, weight, ignore_index, reduction);
}
Tensor MSELoss::operator()(const Tensor& input, const Tensor& target) const {
  return mse_loss(input, target, reduction);
}
Tensor L1Loss::operator()(const Tensor& input, const Tensor& target) const {
  return l1_loss(input, target, reduction);
}
Tensor HuberLoss::operator()(const Tensor& input, const Tensor& target) const {
  return huber_loss(input, target, reduction, delta);
}
Tensor SmoothL1Loss::operator()(const Tensor& input, const Tensor& target) const {
  return smooth_l1_loss(input, target, reduction, beta);
}
Tensor BCELoss::operator()(const Tensor& input, const Tensor& target) const {
  return binary_cross_entropy(input, target, weight, reduction);
}
Tensor BCEWithLogitsLoss::operator()(const Tensor& input, const Tensor& target) const {
  return binary_cross_entropy_with_logits(input, target, weight, reduction, pos_weight);
}
Tensor KLDivLoss::operator()(const Tensor& input, const Tensor& target) const {
  return kl_div(input, target, reduction, log_target);
}
Tensor HingeEmbeddingLoss::operator()(const Tensor& input, const Tensor& target) const {
  return hinge_embedding_loss(input, target, margin, reduction);
}
Tensor SoftMarginLoss::operator()(const Tensor& input, const Tensor& target) const {
  return soft_margin_loss(input, target, reduction);
}
Tensor MultiLabelSoftMarginLoss::operator()(const Tensor& input, const Tensor& target) const {
  return multilabel_soft_margin_loss(input, target, weight, reduction);
}
Tensor MultiMarginLoss::operator()(const Tensor& input, const Tensor& target) const {
  return multi_margin_loss(input, target, p, margin, weight, reduction);
}
Tensor MultiLabelMarginLoss::operator()(const Tensor& input, const Tensor& target) const {
  return multilabel_margin_loss(input, target, reduction);
}
Tensor PoissonNLLLoss::operator()(const Tensor& input, const Tensor& target) const {
  return poisson_nll_loss(input, target, log_input, full, eps, reduction);
}
Tensor GaussianNLLLoss::operator()(const Tensor& input, const Tensor& target, const Tensor& variance) const {
  return gaussian_nll_loss(input, target, variance, full, eps, reduction);
}
Tensor MarginRankingLoss::operator()(const Tensor& a, const Tensor& b, const Tensor& target) const {
  return margin_ranking_loss(a, b, target, margin, reduction);
}
Tensor CosineEmbeddingLoss::operator()(const Tensor& a, const Tensor& b, const Tensor& target) const {
  return cosine_embedding_loss(a, b, target, margin, reduction);
}
Tensor TripletMarginLoss::operator()(const Tensor& anchor, const Tensor& positive,
                                     const Tensor& negative) const {
  return triplet_margin_loss(anchor, positive, negative, margin, p, eps, swap, reduction);
}
Tensor TripletMarginWithDistanceLoss::operator()(const Tensor& anchor, const Tensor& positive,
                                                 const Tensor& negative) const {
  check<ValueError>(margin > 0, "TripletMarginWithDistanceLoss: margin must be greater than 0, got ", margin);
  const auto between = [&](const Tensor& a, const Tensor& b) {
    return distance ? distance(a, b) : pairwise_distance(a, b);
  };
  Tensor apart = between(anchor, negative);
  if (swap) apart = minimum(apart, between(positive, negative));
  const Tensor loss = clamp(between(anchor, positive) - apart + margin, Scalar(0));
  return reduce_loss(loss, loss_reduction(reduction, "TripletMarginWithDistanceLoss"));
}
Tensor CTCLoss::operator()(const Tensor& log_probs, const Tensor& targets, const Tensor& input_lengths,
                           const Tensor& target_lengths) const {
  return ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, reduction, zero_infinity);
}

Tensor CosineSimilarity::operator()(const Tensor& a, const Tensor& b) const {
  return cosine_similarity(a, b, dim, eps);
}
Tensor PairwiseDistance::operator()(const Tensor& a, const Tensor& b) const {
  return pairwise_distance(a, b, p, eps, keepdim);
}

}  // namespace taper::nn
