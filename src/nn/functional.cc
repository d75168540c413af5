// The modules as functions.
#include "taper/nn/functional.h"

#include "nn/initial.h"
#include "taper/nn/pooling.h"

namespace taper::nn::functional {

namespace {

template <int dims>
Tensor conv(const Tensor& x, const Tensor& weight, const Tensor& bias, const Extent& stride,
            const Extent& padding, const Extent& dilation, std::int64_t groups) {
  check<ShapeError>((x.ndim() == dims + 2 || x.ndim() == dims + 1) && weight.ndim() == dims + 2, "conv", dims,
                    "d: expected x of ", dims + 1, " or ", dims + 2, " and weight of ", dims + 2,
                    " dimensions, got shapes ", x.sizes(), " and ", weight.sizes());
  return convolution(x, weight, bias, stride, padding, dilation, groups);
}

template <int dims>
Tensor conv_transpose(const Tensor& x, const Tensor& weight, const Tensor& bias, const Extent& stride,
                      const Extent& padding, const Extent& output_padding, std::int64_t groups,
                      const Extent& dilation) {
  check<ShapeError>((x.ndim() == dims + 2 || x.ndim() == dims + 1) && weight.ndim() == dims + 2,
                    "conv_transpose", dims, "d: expected x of ", dims + 1, " or ", dims + 2,
                    " and weight of ", dims + 2, " dimensions, got shapes ", x.sizes(), " and ",
                    weight.sizes());
  return convolution_transpose(x, weight, bias, stride, padding, output_padding, groups, dilation);
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

Tensor conv_transpose1d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Extent& stride,
                        const Extent& padding, const Extent& output_padding, std::int64_t groups,
                        const Extent& dilation) {
  return conv_transpose<1>(x, weight, bias, stride, padding, output_padding, groups, dilation);
}
Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Extent& stride,
                        const Extent& padding, const Extent& output_padding, std::int64_t groups,
                        const Extent& dilation) {
  return conv_transpose<2>(x, weight, bias, stride, padding, output_padding, groups, dilation);
}
Tensor conv_transpose3d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Extent& stride,
                        const Extent& padding, const Extent& output_padding, std::int64_t groups,
                        const Extent& dilation) {
  return conv_transpose<3>(x, weight, bias, stride, padding, output_padding, groups, dilation);
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
  return lp_pool(x, 1, p, kernel_size, stride.value_or(Extent(Shape())), ceil_mode);
}
Tensor lp_pool2d(const Tensor& x, double p, const Extent& kernel_size, std::optional<Extent> stride,
                 bool ceil_mode) {
  return lp_pool(x, 2, p, kernel_size, stride.value_or(Extent(Shape())), ceil_mode);
}
Tensor lp_pool3d(const Tensor& x, double p, const Extent& kernel_size, std::optional<Extent> stride,
                 bool ceil_mode) {
  return lp_pool(x, 3, p, kernel_size, stride.value_or(Extent(Shape())), ceil_mode);
}
Tensor max_unpool1d(const Tensor& x, const Tensor& indices, const Extent& kernel_size,
                    std::optional<Extent> stride, const Extent& padding,
                    const std::optional<Shape>& output_size) {
  return max_unpool(x, indices, 1, kernel_size, stride.value_or(Extent(Shape())), padding, output_size);
}
Tensor max_unpool2d(const Tensor& x, const Tensor& indices, const Extent& kernel_size,
                    std::optional<Extent> stride, const Extent& padding,
                    const std::optional<Shape>& output_size) {
  return max_unpool(x, indices, 2, kernel_size, stride.value_or(Extent(Shape())), padding, output_size);
}
Tensor max_unpool3d(const Tensor& x, const Tensor& indices, const Extent& kernel_size,
                    std::optional<Extent> stride, const Extent& padding,
                    const std::optional<Shape>& output_size) {
  return max_unpool(x, indices, 3, kernel_size, stride.value_or(Extent(Shape())), padding, output_size);
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

Tensor softmin(const Tensor& x, std::int64_t dim) { return softmax(neg(x), dim); }

Tensor unfold(const Tensor& x, const Extent& kernel_size, const Extent& dilation, const Extent& padding,
              const Extent& stride) {
  return im2col(x, kernel_size, dilation, padding, stride);
}
Tensor fold(const Tensor& columns, const Extent& output_size, const Extent& kernel_size,
            const Extent& dilation, const Extent& padding, const Extent& stride) {
  return col2im(columns, output_size, kernel_size, dilation, padding, stride);
}

Tensor instance_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  check<ShapeError>(x.ndim() >= 2, "instance_norm: expected [N, C, ...], got ", x.sizes());
  return group_norm(x, x.size(1), weight, bias, eps);
}

}  // namespace taper::nn::functional
