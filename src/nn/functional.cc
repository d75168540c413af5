// The modules and losses as functions.
#include "taper/nn/functional.h"

#include "nn/initial.h"
#include "taper/nn/loss.h"
#include "taper/nn/pooling.h"
#include "taper/nn/shape.h"

namespace taper::nn::functional {

namespace {

template <int dims>
Tensor conv(const Tensor& x, const Tensor& weight, const Tensor& bias, const Extent& stride,
            const Extent& padding, const Extent& dilation, std::int64_t groups) {
  check<ShapeError>(x.ndim() == dims + 2 && weight.ndim() == dims + 2, "conv", dims,
                    "d: expected x and weight of ", dims + 2, " dimensions, got shapes ", x.sizes(), " and ",
                    weight.sizes());
  return convolution(x, weight, bias, spread(stride, dims), spread(padding, dims), spread(dilation, dims),
                     groups);
}

}  // namespace

Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Extent& stride,
              const Extent& padding, const Extent& dilation, std::int64_t groups) {
  return conv<1>(x, weight, bias, stride, padding, dilation, groups);
}
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Extent& stride,
              const Extent& padding, const Extent& dilation, std::int64_t groups) {
  return conv<2>(x, weight, bias, stride, padding, dilation, groups);
}
Tensor conv3d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Extent& stride,
              const Extent& padding, const Extent& dilation, std::int64_t groups) {
  return conv<3>(x, weight, bias, stride, padding, dilation, groups);
}

Tensor max_pool1d(const Tensor& x, const Extent& kernel_size, std::optional<Extent> stride,
                  const Extent& padding, const Extent& dilation, bool ceil_mode) {
  return MaxPool<1>(kernel_size, {std::move(stride), padding, dilation, ceil_mode}).forward(x);
}
Tensor max_pool2d(const Tensor& x, const Extent& kernel_size, std::optional<Extent> stride,
                  const Extent& padding, const Extent& dilation, bool ceil_mode) {
  return MaxPool<2>(kernel_size, {std::move(stride), padding, dilation, ceil_mode}).forward(x);
}
Tensor max_pool3d(const Tensor& x, const Extent& kernel_size, std::optional<Extent> stride,
                  const Extent& padding, const Extent& dilation, bool ceil_mode) {
  return MaxPool<3>(kernel_size, {std::move(stride), padding, dilation, ceil_mode}).forward(x);
}
Tensor avg_pool1d(const Tensor& x, const Extent& kernel_size, std::optional<Extent> stride,
                  const Extent& padding, bool ceil_mode, bool count_include_pad) {
  return AvgPool<1>(kernel_size, {std::move(stride), padding, ceil_mode, count_include_pad}).forward(x);
}
Tensor avg_pool2d(const Tensor& x, const Extent& kernel_size, std::optional<Extent> stride,
                  const Extent& padding, bool ceil_mode, bool count_include_pad) {
  return AvgPool<2>(kernel_size, {std::move(stride), padding, ceil_mode, count_include_pad}).forward(x);
}
Tensor avg_pool3d(const Tensor& x, const Extent& kernel_size, std::optional<Extent> stride,
                  const Extent& padding, bool ceil_mode, bool count_include_pad) {
  return AvgPool<3>(kernel_size, {std::move(stride), padding, ceil_mode, count_include_pad}).forward(x);
}
Tensor lp_pool1d(const Tensor& x, double p, const Extent& kernel_size, std::optional<Extent> stride,
                 bool ceil_mode) {
  return LPPool<1>(p, kernel_size, std::move(stride), ceil_mode).forward(x);
}
Tensor lp_pool2d(const Tensor& x, double p, const Extent& kernel_size, std::optional<Extent> stride,
                 bool ceil_mode) {
  return LPPool<2>(p, kernel_size, std::move(stride), ceil_mode).forward(x);
}
Tensor lp_pool3d(const Tensor& x, double p, const Extent& kernel_size, std::optional<Extent> stride,
                 bool ceil_mode) {
  return LPPool<3>(p, kernel_size, std::move(stride), ceil_mode).forward(x);
}
Tensor adaptive_avg_pool1d(const Tensor& x, const Extent& size) { return adaptive_average_pool(x, 1, size); }
Tensor adaptive_avg_pool2d(const Tensor& x, const Extent& size) { return adaptive_average_pool(x, 2, size); }
Tensor adaptive_avg_pool3d(const Tensor& x, const Extent& size) { return adaptive_average_pool(x, 3, size); }
Tensor adaptive_max_pool1d(const Tensor& x, const Extent& size) {
  return std::get<0>(adaptive_max_pool(x, 1, size));
}
Tensor adaptive_max_pool2d(const Tensor& x, const Extent& size) {
  return std::get<0>(adaptive_max_pool(x, 2, size));
}
Tensor adaptive_max_pool3d(const Tensor& x, const Extent& size) {
  return std::get<0>(adaptive_max_pool(x, 3, size));
}

Tensor normalize(const Tensor& x, double p, std::int64_t dim, double eps) {
  return x / clamp(norm(x, p, Shape{dim}, true), Scalar(eps));
}
Tensor cosine_similarity(const Tensor& a, const Tensor& b, std::int64_t dim, double eps) {
  return CosineSimilarity{dim, eps}(a, b);
}
Tensor pairwise_distance(const Tensor& a, const Tensor& b, double p, double eps, bool keepdim) {
  return PairwiseDistance{p, eps, keepdim}(a, b);
}
Tensor softmin(const Tensor& x, std::int64_t dim) { return softmax(neg(x), dim); }

Tensor one_hot(const Tensor& x, std::int64_t num_classes) {
  check<DTypeError>(x.dtype() == int64, "one_hot: expected int64 classes, got ", x.dtype());
  check<ValueError>(x.numel() > 0 || num_classes > 0,
                    "one_hot: cannot infer the number of classes of an empty tensor");
  const std::int64_t low = x.numel() ? min(x).item<std::int64_t>() : 0;
  const std::int64_t high = x.numel() ? max(x).item<std::int64_t>() : -1;
  check<IndexError>(low >= 0, "one_hot: class values must be non-negative, got ", low);
  const std::int64_t count = num_classes == -1 ? high + 1 : num_classes;
  check<IndexError>(high < count, "one_hot: class value ", high, " must be smaller than num_classes ", count);
  return to(eq(unsqueeze(x, -1), arange(0, count, 1, int64, x.device())), int64);
}

Tensor bilinear(const Tensor& a, const Tensor& b, const Tensor& weight, const Tensor& bias) {
  const Tensor inner = squeeze(matmul(unsqueeze(unsqueeze(a, -2), -2), weight), Shape{-2});
  const Tensor result = squeeze(matmul(inner, unsqueeze(b, -1)), Shape{-1});
  return bias.defined() ? result + bias : result;
}

Tensor pixel_shuffle(const Tensor& x, std::int64_t factor) { return PixelShuffle(factor).forward(x); }
Tensor pixel_unshuffle(const Tensor& x, std::int64_t factor) { return PixelUnshuffle(factor).forward(x); }

Tensor gumbel_softmax(const Tensor& logits, double tau, bool hard, std::int64_t dim) {
  const Tensor noise = neg(log(exponential_(empty_like(logits.detach()))));
  const Tensor soft = softmax((logits + noise) / tau, dim);
  if (!hard) return soft;
  const Tensor place = argmax(soft.detach(), dim, true);
  return scatter(zeros_like(soft.detach()), dim, place, 1.0) - soft.detach() + soft;
}

Tensor mse_loss(const Tensor& input, const Tensor& target, const std::string& reduction) {
  return MSELoss{reduction}(input, target);
}
Tensor l1_loss(const Tensor& input, const Tensor& target, const std::string& reduction) {
  return L1Loss{reduction}(input, target);
}
Tensor huber_loss(const Tensor& input, const Tensor& target, const std::string& reduction, double delta) {
  return HuberLoss{reduction, delta}(input, target);
}
Tensor smooth_l1_loss(const Tensor& input, const Tensor& target, const std::string& reduction, double beta) {
  return SmoothL1Loss{reduction, beta}(input, target);
}
Tensor binary_cross_entropy(const Tensor& input, const Tensor& target, const Tensor& weight,
                            const std::string& reduction) {
  return BCELoss{weight, reduction}(input, target);
}
Tensor binary_cross_entropy_with_logits(const Tensor& input, const Tensor& target, const Tensor& weight,
                                        const std::string& reduction, const Tensor& pos_weight) {
  return BCEWithLogitsLoss{weight, reduction, pos_weight}(input, target);
}
Tensor kl_div(const Tensor& input, const Tensor& target, const std::string& reduction, bool log_target) {
  return KLDivLoss{reduction, log_target}(input, target);
}
Tensor hinge_embedding_loss(const Tensor& input, const Tensor& target, double margin,
                            const std::string& reduction) {
  return HingeEmbeddingLoss{margin, reduction}(input, target);
}
Tensor soft_margin_loss(const Tensor& input, const Tensor& target, const std::string& reduction) {
  return SoftMarginLoss{reduction}(input, target);
}
Tensor multilabel_soft_margin_loss(const Tensor& input, const Tensor& target, const Tensor& weight,
                                   const std::string& reduction) {
  return MultiLabelSoftMarginLoss{weight, reduction}(input, target);
}
Tensor poisson_nll_loss(const Tensor& input, const Tensor& target, bool log_input, bool full, double eps,
                        const std::string& reduction) {
  return PoissonNLLLoss{log_input, full, eps, reduction}(input, target);
}
Tensor gaussian_nll_loss(const Tensor& input, const Tensor& target, const Tensor& variance, bool full,
                         double eps, const std::string& reduction) {
  return GaussianNLLLoss{full, eps, reduction}(input, target, variance);
}
Tensor margin_ranking_loss(const Tensor& a, const Tensor& b, const Tensor& target, double margin,
                           const std::string& reduction) {
  return MarginRankingLoss{margin, reduction}(a, b, target);
}
Tensor cosine_embedding_loss(const Tensor& a, const Tensor& b, const Tensor& target, double margin,
                             const std::string& reduction) {
  return CosineEmbeddingLoss{margin, reduction}(a, b, target);
}
Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                           double margin, double p, double eps, bool swap, const std::string& reduction) {
  return TripletMarginLoss{margin, p, eps, swap, reduction}(anchor, positive, negative);
}

}  // namespace taper::nn::functional
