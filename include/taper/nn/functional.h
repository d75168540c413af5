// Functions of neural networks, as torch.nn.functional: those that taper:: has, and the modules as functions.
#pragma once

#include <optional>
#include <string>
#include <tuple>

#include "taper/nn/module.h"
#include "taper/ops.h"

namespace taper::nn::functional {

using taper::affine_grid, taper::alpha_dropout, taper::batch_norm, taper::bilinear,
    taper::binary_cross_entropy, taper::binary_cross_entropy_with_logits, taper::celu, taper::channel_shuffle,
    taper::cosine_embedding_loss, taper::cosine_similarity, taper::cross_entropy, taper::ctc_loss,
    taper::dropout, taper::elu, taper::embedding, taper::feature_alpha_dropout, taper::gaussian_nll_loss,
    taper::gelu, taper::glu, taper::grid_sample, taper::group_norm, taper::gumbel_softmax, taper::hardshrink,
    taper::hardsigmoid, taper::hardswish, taper::hardtanh, taper::hinge_embedding_loss, taper::huber_loss,
    taper::interpolate, taper::kl_div, taper::l1_loss, taper::layer_norm, taper::leaky_relu, taper::linear,
    taper::local_response_norm, taper::log_softmax, taper::logsigmoid, taper::margin_ranking_loss,
    taper::mish, taper::mse_loss, taper::multi_margin_loss, taper::multilabel_margin_loss,
    taper::multilabel_soft_margin_loss, taper::nll_loss, taper::normalize, taper::one_hot, taper::pad,
    taper::pairwise_distance, taper::pixel_shuffle, taper::pixel_unshuffle, taper::poisson_nll_loss,
    taper::prelu, taper::relu, taper::relu6, taper::rms_norm, taper::rrelu,
    taper::scaled_dot_product_attention, taper::selu, taper::sigmoid, taper::silu, taper::smooth_l1_loss,
    taper::soft_margin_loss, taper::softmax, taper::softplus, taper::softshrink, taper::softsign, taper::tanh,
    taper::tanhshrink, taper::threshold, taper::triplet_margin_loss;

/// x [N, C, spatial...]; see nn::Conv, nn::MaxPool and the like for shapes and errors.
Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const Extent& stride = 1,
              const Extent& padding = 0, const Extent& dilation = 1, std::int64_t groups = 1);
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const Extent& stride = 1,
              const Extent& padding = 0, const Extent& dilation = 1, std::int64_t groups = 1);
Tensor conv3d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const Extent& stride = 1,
              const Extent& padding = 0, const Extent& dilation = 1, std::int64_t groups = 1);

/// See taper::convolution_transpose.
Tensor conv_transpose1d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                        const Extent& stride = 1, const Extent& padding = 0, const Extent& output_padding = 0,
                        std::int64_t groups = 1, const Extent& dilation = 1);
Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                        const Extent& stride = 1, const Extent& padding = 0, const Extent& output_padding = 0,
                        std::int64_t groups = 1, const Extent& dilation = 1);
Tensor conv_transpose3d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                        const Extent& stride = 1, const Extent& padding = 0, const Extent& output_padding = 0,
                        std::int64_t groups = 1, const Extent& dilation = 1);

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
Tensor max_unpool1d(const Tensor& x, const Tensor& indices, const Extent& kernel_size,
                    std::optional<Extent> stride = std::nullopt, const Extent& padding = 0,
                    const std::optional<Shape>& output_size = std::nullopt);
Tensor max_unpool2d(const Tensor& x, const Tensor& indices, const Extent& kernel_size,
                    std::optional<Extent> stride = std::nullopt, const Extent& padding = 0,
                    const std::optional<Shape>& output_size = std::nullopt);
Tensor max_unpool3d(const Tensor& x, const Tensor& indices, const Extent& kernel_size,
                    std::optional<Extent> stride = std::nullopt, const Extent& padding = 0,
                    const std::optional<Shape>& output_size = std::nullopt);
Tensor adaptive_avg_pool1d(const Tensor& x, const Extent& output_size);
Tensor adaptive_avg_pool2d(const Tensor& x, const Extent& output_size);
Tensor adaptive_avg_pool3d(const Tensor& x, const Extent& output_size);
Tensor adaptive_max_pool1d(const Tensor& x, const Extent& output_size);
Tensor adaptive_max_pool2d(const Tensor& x, const Extent& output_size);
Tensor adaptive_max_pool3d(const Tensor& x, const Extent& output_size);

/// softmax(-x).
Tensor softmin(const Tensor& x, std::int64_t dim);
/// Windows as columns, and columns as sums of windows: see taper::im2col and taper::col2im.
Tensor unfold(const Tensor& x, const Extent& kernel_size, const Extent& dilation = 1,
              const Extent& padding = 0, const Extent& stride = 1);
Tensor fold(const Tensor& columns, const Extent& output_size, const Extent& kernel_size,
            const Extent& dilation = 1, const Extent& padding = 0, const Extent& stride = 1);
/// Normalization of each channel of each sample of [N, C, ...].
Tensor instance_norm(const Tensor& x, const Tensor& weight = {}, const Tensor& bias = {}, double eps = 1e-5);

}  // namespace taper::nn::functional
