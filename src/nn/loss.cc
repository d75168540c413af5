// The losses, composed of operations.
#include "taper/nn/loss.h"

#include <cmath>
#include <numbers>

#include "ops/huber.h"
#include "taper/autograd.h"
#include "taper/error.h"
#include "taper/ops.h"

namespace taper::nn {

namespace {

void check_same_shape(const Tensor& input, const Tensor& target, const char* loss) {
  check<ShapeError>(input.sizes() == target.sizes(), loss, ": input has shape ", input.sizes(),
                    " but target has shape ", target.sizes(),
                    "; they must be equal, since broadcasting would compare every pair");
}

Tensor reduced(const Tensor& loss, const std::string& reduction, const char* name) {
  return reduce_loss(loss, loss_reduction(reduction, name));
}
Tensor weighted(const Tensor& loss, const Tensor& weight) { return weight.defined() ? loss * weight : loss; }

Tensor positive(const Tensor& x) { return clamp(x, Scalar(0)); }

}  // namespace

Tensor CrossEntropyLoss::operator()(const Tensor& input, const Tensor& target) const {
  return cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing);
}

Tensor NLLLoss::operator()(const Tensor& input, const Tensor& target) const {
  return nll_loss(input, target, weight, ignore_index, reduction);
}

Tensor MSELoss::operator()(const Tensor& input, const Tensor& target) const {
  check_same_shape(input, target, "MSELoss");
  return reduced(square(input - target), reduction, "MSELoss");
}

Tensor L1Loss::operator()(const Tensor& input, const Tensor& target) const {
  check_same_shape(input, target, "L1Loss");
  return reduced(abs(input - target), reduction, "L1Loss");
}

Tensor HuberLoss::operator()(const Tensor& input, const Tensor& target) const {
  check_same_shape(input, target, "HuberLoss");
  check<ValueError>(delta > 0, "HuberLoss: delta must be positive, got ", delta);
  return reduced(huber(input - target, delta), reduction, "HuberLoss");
}

Tensor SmoothL1Loss::operator()(const Tensor& input, const Tensor& target) const {
  check_same_shape(input, target, "SmoothL1Loss");
  check<ValueError>(beta >= 0, "SmoothL1Loss: beta must not be negative, got ", beta);
  const Tensor difference = input - target;
  return reduced(beta == 0 ? abs(difference) : huber(difference, beta) / beta, reduction, "SmoothL1Loss");
}

Tensor BCELoss::operator()(const Tensor& input, const Tensor& target) const {
  check_same_shape(input, target, "BCELoss");
  if (input.numel())
    check<ValueError>(min(input.detach()).item<double>() >= 0 && max(input.detach()).item<double>() <= 1,
                      "BCELoss: all elements of input should be between 0 and 1; apply sigmoid() or use "
                      "BCEWithLogitsLoss");
  const Tensor yes = clamp(log(input), Scalar(-100)), no = clamp(log(1 - input), Scalar(-100));
  return reduced(weighted(-(target * yes + (1 - target) * no), weight), reduction, "BCELoss");
}

Tensor BCEWithLogitsLoss::operator()(const Tensor& input, const Tensor& target) const {
  check_same_shape(input, target, "BCEWithLogitsLoss");
  Tensor yes = -logsigmoid(input);
  if (pos_weight.defined()) yes = yes * (1 + (pos_weight - 1) * target);
  return reduced(weighted((1 - target) * input + yes, weight), reduction, "BCEWithLogitsLoss");
}

Tensor KLDivLoss::operator()(const Tensor& input, const Tensor& target) const {
  const Tensor loss = log_target ? exp(target) * (target - input) : xlogy(target, target) - target * input;
  if (reduction == "batchmean")
    return sum(loss) / double(std::max<std::int64_t>(input.ndim() ? input.size(0) : 1, 1));
  return reduced(loss, reduction, "KLDivLoss");
}

Tensor HingeEmbeddingLoss::operator()(const Tensor& input, const Tensor& target) const {
  const Tensor zero = zeros_like(input);
  return reduced(where(ne(target, -1), input, zero) + where(ne(target, 1), positive(margin - input), zero),
                 reduction, "HingeEmbeddingLoss");
}

Tensor SoftMarginLoss::operator()(const Tensor& input, const Tensor& target) const {
  return reduced(softplus(-target * input), reduction, "SoftMarginLoss");
}

Tensor MultiLabelSoftMarginLoss::operator()(const Tensor& input, const Tensor& target) const {
  check_same_shape(input, target, "MultiLabelSoftMarginLoss");
  const Tensor loss = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input));
  return reduced(mean(weighted(loss, weight), Shape{-1}), reduction, "MultiLabelSoftMarginLoss");
}

Tensor PoissonNLLLoss::operator()(const Tensor& input, const Tensor& target) const {
  check_same_shape(input, target, "PoissonNLLLoss");
  Tensor loss = log_input ? exp(input) - target * input : input - target * log(input + eps);
  if (full) {
    const Tensor stirling = target * log(target) - target + 0.5 * log(2 * std::numbers::pi * target);
    loss = loss + masked_fill(stirling, le(target, 1), 0);
  }
  return reduced(loss, reduction, "PoissonNLLLoss");
}

Tensor GaussianNLLLoss::operator()(const Tensor& input, const Tensor& target, const Tensor& variance) const {
  check<ValueError>(!any(lt(variance.detach(), 0)).item<bool>(),
                    "GaussianNLLLoss: variance has negative entries");
  const Tensor bounded = maximum(variance, full_like(variance.detach(), eps));
  const Tensor loss = 0.5 * (log(bounded) + square(input - target) / bounded);
  return reduced(full ? loss + 0.5 * std::log(2 * std::numbers::pi) : loss, reduction, "GaussianNLLLoss");
}

Tensor MarginRankingLoss::operator()(const Tensor& a, const Tensor& b, const Tensor& target) const {
  return reduced(positive(margin - target * (a - b)), reduction, "MarginRankingLoss");
}

Tensor CosineEmbeddingLoss::operator()(const Tensor& a, const Tensor& b, const Tensor& target) const {
  const Tensor cosine = CosineSimilarity{.dim = -1}(a, b);
  return reduced(where(eq(target, 1), 1 - cosine, positive(cosine - margin)), reduction,
                 "CosineEmbeddingLoss");
}

Tensor TripletMarginLoss::operator()(const Tensor& anchor, const Tensor& positive_one,
                                     const Tensor& negative) const {
  const PairwiseDistance distance{p, eps};
  Tensor apart = distance(anchor, negative);
  if (swap) apart = minimum(apart, distance(positive_one, negative));
  return reduced(positive(distance(anchor, positive_one) - apart + margin), reduction, "TripletMarginLoss");
}

Tensor CosineSimilarity::operator()(const Tensor& a, const Tensor& b) const {
  const Tensors both = broadcast_tensors({a, b});
  const auto size = [&](const Tensor& x) { return clamp(norm(x, 2, Shape{dim}), Scalar(eps)); };
  return sum(both[0] * both[1], Shape{dim}) / (size(both[0]) * size(both[1]));
}

Tensor PairwiseDistance::operator()(const Tensor& a, const Tensor& b) const {
  return norm(a - b + eps, p, Shape{-1}, keepdim);
}

}  // namespace taper::nn
