// Functions of neural networks, as torch.nn.functional: those that taper:: has, and the modules as functions.
#pragma once

#include <optional>
#include <string>
#include <tuple>

#include "taper/nn/module.h"
#include "taper/ops.h"

namespace taper::nn::functional {

using taper::batch_norm, taper::celu, taper::cross_entropy, taper::dropout, taper::elu, taper::embedding,
    taper::gelu, taper::glu, taper::group_norm, taper::hardshrink, taper::hardsigmoid, taper::hardswish,
    taper::hardtanh, taper::interpolate, taper::layer_norm, taper::leaky_relu, taper::linear,
    taper::log_softmax, taper::logsigmoid, taper::mish, taper::nll_loss, taper::pad, taper::prelu,
    taper::relu, taper::relu6, taper::rms_norm, taper::scaled_dot_product_attention, taper::selu,
    taper::sigmoid, taper::silu, taper::softmax, taper::softplus, taper::softshrink, taper::softsign,
    taper::tanh, taper::tanhshrink, taper::threshold;

/// x [N, C, spatial...]; see nn::Conv, nn::MaxPool and the like for shapes and errors.
Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const Extent& stride = 1,
              const Extent& padding = 0, const Extent& dilation = 1, std::int64_t groups = 1);
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const Extent& stride = 1,
              const Extent& padding = 0, const Extent& dilation = 1, std::int64_t groups = 1);
Tensor conv3d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const Extent& stride = 1,
              const Extent& padding = 0, const Extent& dilation = 1, std::int64_t groups = 1);

/// Largest, mean or p-norm of windows; stride: that of kernel_size if not given.
Tensor max_pool1d(const Tensor& x, const Extent& kernel_size, std::optional<Extent> stride = std::nullopt,
                  const Extent& padding = 0, const Extent& dilation = 1, bool ceil_mode = false);
Tensor max_pool2d(const Tensor& x, const Extent& kernel_size, std::optional<Extent> stride = std::nullopt,
                  const Extent& padding = 0, const Extent& dilation = 1, bool ceil_mode = false);
Tensor max_pool3d(const Tensor& x, const Extent& kernel_size, std::optional<Extent> stride = std::nullopt,
                  const Extent& padding = 0, const Extent& dilation = 1, bool ceil_mode = false);
Tensor avg_pool1d(const Tensor& x, const Extent& kernel_size, std::optional<Extent> stride = std::nullopt,
                  const Extent& padding = 0, bool ceil_mode = false, bool count_include_pad = true);
Tensor avg_pool2d(const Tensor& x, const Extent& kernel_size, std::optional<Extent> stride = std::nullopt,
                  const Extent& padding = 0, bool ceil_mode = false, bool count_include_pad = true);
Tensor avg_pool3d(const Tensor& x, const Extent& kernel_size, std::optional<Extent> stride = std::nullopt,
                  const Extent& padding = 0, bool ceil_mode = false, bool count_include_pad = true);
Tensor lp_pool1d(const Tensor& x, double p, const Extent& kernel_size,
                 std::optional<Extent> stride = std::nullopt, bool ceil_mode = false);
Tensor lp_pool2d(const Tensor& x, double p, const Extent& kernel_size,
                 std::optional<Extent> stride = std::nullopt, bool ceil_mode = false);
Tensor lp_pool3d(const Tensor& x, double p, const Extent& kernel_size,
                 std::optional<Extent> stride = std::nullopt, bool ceil_mode = false);
Tensor adaptive_avg_pool1d(const Tensor& x, const Extent& output_size);
Tensor adaptive_avg_pool2d(const Tensor& x, const Extent& output_size);
Tensor adaptive_avg_pool3d(const Tensor& x, const Extent& output_size);
Tensor adaptive_max_pool1d(const Tensor& x, const Extent& output_size);
Tensor adaptive_max_pool2d(const Tensor& x, const Extent& output_size);
Tensor adaptive_max_pool3d(const Tensor& x, const Extent& output_size);

/// x / max(|x|_p, eps) along dim.
Tensor normalize(const Tensor& x, double p = 2, std::int64_t dim = 1, double eps = 1e-12);
/// a . b / (|a| |b|) along dim.
Tensor cosine_similarity(const Tensor& a, const Tensor& b, std::int64_t dim = 1, double eps = 1e-8);
/// |a - b + eps|_p over the last dimension.
Tensor pairwise_distance(const Tensor& a, const Tensor& b, double p = 2, double eps = 1e-6,
                         bool keepdim = false);
/// softmax(-x).
Tensor softmin(const Tensor& x, std::int64_t dim);
/// 1 at the class of each element (int64) along a new last dimension, 0 elsewhere; num_classes -1: one more
/// than the largest. Throws DTypeError, and IndexError for classes out of range.
Tensor one_hot(const Tensor& x, std::int64_t num_classes = -1);
/// a W b + bias: a [..., in1], b [..., in2], weight [out, in1, in2].
Tensor bilinear(const Tensor& a, const Tensor& b, const Tensor& weight, const Tensor& bias = {});
Tensor pixel_shuffle(const Tensor& x, std::int64_t upscale_factor);
Tensor pixel_unshuffle(const Tensor& x, std::int64_t downscale_factor);
/// Samples of a relaxed categorical distribution, or with hard of the distribution itself with the gradient
/// of the relaxed one. Jang et al. 2016, arXiv:1611.01144.
Tensor gumbel_softmax(const Tensor& logits, double tau = 1, bool hard = false, std::int64_t dim = -1);

/// Losses; see nn/loss.h. reduction: "mean", "sum" or "none".
Tensor mse_loss(const Tensor& input, const Tensor& target, const std::string& reduction = "mean");
Tensor l1_loss(const Tensor& input, const Tensor& target, const std::string& reduction = "mean");
Tensor huber_loss(const Tensor& input, const Tensor& target, const std::string& reduction = "mean",
                  double delta = 1);
Tensor smooth_l1_loss(const Tensor& input, const Tensor& target, const std::string& reduction = "mean",
                      double beta = 1);
Tensor binary_cross_entropy(const Tensor& input, const Tensor& target, const Tensor& weight = {},
                            const std::string& reduction = "mean");
Tensor binary_cross_entropy_with_logits(const Tensor& input, const Tensor& target, const Tensor& weight = {},
                                        const std::string& reduction = "mean", const Tensor& pos_weight = {});
Tensor kl_div(const Tensor& input, const Tensor& target, const std::string& reduction = "mean",
              bool log_target = false);
Tensor hinge_embedding_loss(const Tensor& input, const Tensor& target, double margin = 1,
                            const std::string& reduction = "mean");
Tensor soft_margin_loss(const Tensor& input, const Tensor& target, const std::string& reduction = "mean");
Tensor multilabel_soft_margin_loss(const Tensor& input, const Tensor& target, const Tensor& weight = {},
                                   const std::string& reduction = "mean");
Tensor poisson_nll_loss(const Tensor& input, const Tensor& target, bool log_input = true, bool full = false,
                        double eps = 1e-8, const std::string& reduction = "mean");
Tensor gaussian_nll_loss(const Tensor& input, const Tensor& target, const Tensor& variance, bool full = false,
                         double eps = 1e-6, const std::string& reduction = "mean");
Tensor margin_ranking_loss(const Tensor& a, const Tensor& b, const Tensor& target, double margin = 0,
                           const std::string& reduction = "mean");
Tensor cosine_embedding_loss(const Tensor& a, const Tensor& b, const Tensor& target, double margin = 0,
                             const std::string& reduction = "mean");
Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                           double margin = 1, double p = 2, double eps = 1e-6, bool swap = false,
                           const std::string& reduction = "mean");

}  // namespace taper::nn::functional
