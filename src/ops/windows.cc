// Windows of images as columns and back, unpooling, and the shuffles of pixels and channels.
#include "taper/ops/windows.h"

#include <cmath>

#include "autograd/record.h"
#include "ops/per_dimension.h"
#include "ops/registry.h"
#include "taper/ops.h"

namespace taper {

namespace {

// Windows of images of a size; height and width each.
struct Windows {
  Shape sizes, kernel, dilation, padding, stride;

  std::int64_t padded(int i) const { return sizes[i] + 2 * padding[i]; }
  std::int64_t reach(int i) const { return dilation[i] * (kernel[i] - 1) + 1; }
  std::int64_t count(int i) const { return (padded(i) - reach(i)) / stride[i] + 1; }
  std::int64_t channels(std::int64_t rows) const { return rows / (kernel[0] * kernel[1]); }
  void check_valid(const char* op) const {
    for (int i = 0; i < 2; ++i) {
      check<ValueError>(kernel[i] > 0 && dilation[i] > 0 && stride[i] > 0 && padding[i] >= 0, op,
                        ": kernel_size, dilation and stride must be positive and padding not negative, got ",
                        kernel, ", ", dilation, ", ", stride, " and ", padding);
      constexpr std::int64_t most = std::int64_t(1) << 31;
      check<ValueError>(kernel[i] < most && dilation[i] < most && padding[i] < most && stride[i] < most, op,
                        ": sizes must be below 2^31");
      check<ShapeError>(sizes[i] > 0 && padded(i) >= reach(i), op, ": windows of ", kernel, " with dilation ",
                        dilation, " do not fit into ", sizes, " with padding ", padding);
    }
  }
  // The rows and columns of padded images [N, C, H, W] that lie at one place of their windows.
  Tensor at(const Tensor& image, std::int64_t row, std::int64_t column) const {
    const auto part = [&](const Tensor& x, int i, std::int64_t place) {
      const std::int64_t first = place * dilation[i];
      return slice(x, 2 + i, first, first + (count(i) - 1) * stride[i] + 1, stride[i]);
    };
    return part(part(image, 0, row), 1, column);
  }
};

struct Im2col {
  static constexpr auto name = "im2col";
  Windows windows;

  Tensor forward(const Tensor& x) const {
    const Windows& w = windows;
    const Tensor image = pad(x, {w.padding[1], w.padding[1], w.padding[0], w.padding[0]});
    Tensor columns = empty({x.size(0), x.size(1), w.kernel[0], w.kernel[1], w.count(0), w.count(1)},
                           x.dtype(), x.device());
    for (std::int64_t i = 0; i < w.kernel[0]; ++i)
      for (std::int64_t j = 0; j < w.kernel[1]; ++j)
        copy_(select(select(columns, 2, i), 2, j), w.at(image, i, j));
    return reshape(columns, {x.size(0), x.size(1) * w.kernel[0] * w.kernel[1], w.count(0) * w.count(1)});
  }
  Tensor backward(const Saved&, const Tensor& dy) const;
};

struct Col2im {
  static constexpr auto name = "col2im";
  Windows windows;

  Tensor forward(const Tensor& columns) const {
    const Windows& w = windows;
    const std::int64_t channels = w.channels(columns.size(1));
    const Tensor parts =
        reshape(columns, {columns.size(0), channels, w.kernel[0], w.kernel[1], w.count(0), w.count(1)});
    const Tensor image =
        zeros({columns.size(0), channels, w.padded(0), w.padded(1)}, columns.dtype(), columns.device());
    for (std::int64_t i = 0; i < w.kernel[0]; ++i)
      for (std::int64_t j = 0; j < w.kernel[1]; ++j)
        add_(w.at(image, i, j), select(select(parts, 2, i), 2, j));
    return contiguous(narrow(narrow(image, 2, w.padding[0], w.sizes[0]), 3, w.padding[1], w.sizes[1]));
  }
  Tensor backward(const Saved&, const Tensor& dy) const { return record(Im2col{windows}, dy); }
};

Tensor Im2col::backward(const Saved&, const Tensor& dy) const { return record(Col2im{windows}, dy); }

Shape with_planes(const Tensor& x, int spatial_dims, const Shape& sizes) {
  Shape result(x.sizes().data(), x.ndim() - spatial_dims);
  for (const std::int64_t size : sizes) result.push_back(size);
  return result;
}

// On a device the kernel that writes reports a place outside.
void check_places(const Tensor& indices, const Shape& sizes) {
  if (!indices.device().is_cpu()) return;
  const Tensor dense = contiguous(to(indices, int64));
  const std::int64_t count = numel(sizes);
  for (std::int64_t i = 0; i < dense.numel(); ++i) {
    const std::int64_t place = dense.data<std::int64_t>()[i];
    check<IndexError>(place >= 0 && place < count, "max_unpool", sizes.size(), "d: index ", place,
                      " is out of range for an output of size ", sizes, ", expected 0 to ", count - 1);
  }
}

// Sizes of the planes that max_unpool writes.
Shape unpooled_sizes(const Tensor& x, int dims, const Shape& kernel, const Shape& stride,
                     const Shape& padding, const std::optional<Shape>& wanted) {
  Shape natural;
  for (int i = 0; i < dims; ++i)
    natural.push_back((x.size(i - dims) - 1) * stride[i] - 2 * padding[i] + kernel[i]);
  if (!wanted) return natural;
  check<ValueError>(wanted->size() >= dims, "max_unpool: output_size needs ", dims, " numbers, got ",
                    *wanted);
  const Shape sizes(wanted->data() + wanted->size() - dims, dims);
  for (int i = 0; i < dims; ++i)
    check<ValueError>(sizes[i] > natural[i] - stride[i] && sizes[i] < natural[i] + stride[i],
                      "max_unpool: invalid output_size ", sizes, "; each must be within a stride of ",
                      natural);
  return sizes;
}

}  // namespace

Tensor im2col(const Tensor& x, const Shape& kernel, const Shape& dilation, const Shape& padding,
              const Shape& stride) {
  constexpr auto op = "unfold";
  check<ShapeError>(x.ndim() == 3 || x.ndim() == 4, op, ": expected [N, C, H, W] or [C, H, W], got ",
                    x.sizes());
  if (x.ndim() == 3) return squeeze(im2col(unsqueeze(x, 0), kernel, dilation, padding, stride), Shape{0});
  const Windows windows{{x.size(2), x.size(3)},
                        per_dimension(kernel, 2, op, "kernel_size"),
                        per_dimension(dilation, 2, op, "dilation"),
                        per_dimension(padding, 2, op, "padding"),
                        per_dimension(stride, 2, op, "stride")};
  windows.check_valid(op);
  return record(Im2col{windows}, x);
}

Tensor col2im(const Tensor& columns, const Shape& output_size, const Shape& kernel, const Shape& dilation,
              const Shape& padding, const Shape& stride) {
  constexpr auto op = "fold";
  check<ShapeError>(columns.ndim() == 2 || columns.ndim() == 3, op,
                    ": expected [N, C KH KW, L] or [C KH KW, L], got ", columns.sizes());
  if (columns.ndim() == 2)
    return squeeze(col2im(unsqueeze(columns, 0), output_size, kernel, dilation, padding, stride), Shape{0});
  const Windows windows{per_dimension(output_size, 2, op, "output_size"),
                        per_dimension(kernel, 2, op, "kernel_size"),
                        per_dimension(dilation, 2, op, "dilation"), per_dimension(padding, 2, op, "padding"),
                        per_dimension(stride, 2, op, "stride")};
  windows.check_valid(op);
  check<ShapeError>(columns.size(1) % (windows.kernel[0] * windows.kernel[1]) == 0, op, ": rows of ",
                    columns.sizes(), " are not divisible by the kernel's ",
                    windows.kernel[0] * windows.kernel[1], " elements");
  check<ShapeError>(columns.size(2) == windows.count(0) * windows.count(1), op, ": got ", columns.size(2),
                    " columns, but output_size ", output_size, " has ", windows.count(0), " x ",
                    windows.count(1), " windows");
  return record(Col2im{windows}, columns);
}

Tensor max_unpool(const Tensor& x, const Tensor& indices, int dims, const Shape& kernel_size,
                  const Shape& strides, const Shape& paddings, const std::optional<Shape>& output_size) {
  constexpr auto op = "max_unpool";
  check<ShapeError>(x.sizes() == indices.sizes() && (x.ndim() == dims + 1 || x.ndim() == dims + 2), op,
                    ": input ", x.sizes(), " and indices ", indices.sizes(), " must have one shape of ",
                    dims + 1, " or ", dims + 2, " dimensions");
  const Shape kernel = per_dimension(kernel_size, dims, op, "kernel_size"),
              stride = strides.size() ? per_dimension(strides, dims, op, "stride") : kernel,
              padding = per_dimension(paddings, dims, op, "padding");
  const Shape sizes = unpooled_sizes(x, dims, kernel, stride, padding, output_size);
  check_places(indices, sizes);
  const Shape plane = with_planes(x, dims, {numel(sizes)});
  const Tensor planes = zeros(plane, x.dtype(), x.device());
  return reshape(scatter(planes, -1, flatten(indices, -dims), flatten(x, -dims)),
                 with_planes(x, dims, sizes));
}

Tensor lp_pool(const Tensor& x, int dims, double p, const Shape& kernel, const Shape& stride,
               bool ceil_mode) {
  const Tensor mean = average_pool(pow(x, Scalar(p)), dims, kernel, stride, {0}, ceil_mode);
  double count = 1;
  for (const std::int64_t size : per_dimension(kernel, dims, "lp_pool", "kernel_size")) count *= double(size);
  return pow(sign(mean) * relu(abs(mean)) * count, Scalar(1 / p));
}

Tensor pixel_shuffle(const Tensor& x, std::int64_t r) {
  check<ShapeError>(x.ndim() >= 3 && r > 0 && r < (1 << 15) && x.size(-3) % (r * r) == 0,
                    "pixel_shuffle: the channels of shape ", x.sizes(), " are not divisible by ", r,
                    " squared");
  const std::int64_t channels = x.size(-3) / (r * r), height = x.size(-2), width = x.size(-1);
  Shape order;
  const int n = x.ndim() - 3;
  for (int i = 0; i < n; ++i) order.push_back(i);
  for (const int i : {0, 3, 1, 4, 2}) order.push_back(n + i);
  const Tensor blocks = reshape(x, with_planes(x, 3, {channels, r, r, height, width}));
  return reshape(permute(blocks, order), with_planes(x, 3, {channels, height * r, width * r}));
}

Tensor pixel_unshuffle(const Tensor& x, std::int64_t r) {
  check<ShapeError>(x.ndim() >= 3 && r > 0 && x.size(-1) % r == 0 && x.size(-2) % r == 0,
                    "pixel_unshuffle: height and width of shape ", x.sizes(), " are not divisible by ", r);
  const std::int64_t channels = x.size(-3), height = x.size(-2) / r, width = x.size(-1) / r;
  Shape order;
  const int n = x.ndim() - 3;
  for (int i = 0; i < n; ++i) order.push_back(i);
  for (const int i : {0, 2, 4, 1, 3}) order.push_back(n + i);
  const Tensor blocks = reshape(x, with_planes(x, 3, {channels, height, r, width, r}));
  return reshape(permute(blocks, order), with_planes(x, 3, {channels * r * r, height, width}));
}

Tensor channel_shuffle(const Tensor& x, std::int64_t groups) {
  check<ShapeError>(x.ndim() >= 3 && groups > 0 && x.size(1) % groups == 0,
                    "channel_shuffle: the channels of ", x.sizes(), " are not divisible into ", groups,
                    " groups");
  return reshape(transpose(unflatten(x, 1, {groups, x.size(1) / groups}), 1, 2), x.sizes());
}

namespace {

template <int dims>
Tensor unpool_call(const Tensor& x, const Tensor& indices, const Shape& kernel, std::optional<Shape> stride,
                   const Shape& padding, std::optional<Shape> output_size) {
  return max_unpool(x, indices, dims, kernel, stride.value_or(Shape()), padding, output_size);
}
template <int dims>
Tensor lp_call(const Tensor& x, double p, const Shape& kernel, std::optional<Shape> stride, bool ceil_mode) {
  return lp_pool(x, dims, p, kernel, stride.value_or(Shape()), ceil_mode);
}

const Register unfold_op{
    {.signature =
         "unfold(Tensor input, int[2] kernel_size, int[2] dilation=1, int[2] padding=0, int[2] stride=1) -> "
         "Tensor",
     .doc = "Windows of [N, C, H, W] as columns [N, C KH KW, L].",
     .call = box<im2col>,
     .homes = "nn.functional",
     .samples = "x(2, 3, 5, 6), 2; x(2, 2, 7, 6), (3, 2), (1, 2), (1, 0), (2, 1); x(3, 4, 4), 3, padding=1",
     .reference = "ref.im2col(input, kernel_size, dilation, padding, stride)",
     .errors = "x(2, 3, 4, 4), 5; x(2, 3), 2; x(2, 3, 4, 4), 2, 0; x(2, 3, 4, 4), 2, 1, -1"}};
const Register fold_op{
    {.signature =
         "fold(Tensor input, int[2] output_size, int[2] kernel_size, int[2] dilation=1, int[2] padding=0, "
         "int[2] stride=1) -> Tensor",
     .doc = "Sums of columns [N, C KH KW, L] at the places unfold took them from.",
     .call = box<col2im>,
     .homes = "nn.functional",
     .samples =
         "x(2, 12, 20), (5, 6), 2; x(2, 12, 16), (7, 6), (3, 2), (1, 2), (1, 0), (2, 1); x(27, 16), 4, 3, "
         "padding=1",
     .reference = "ref.col2im(input, output_size, kernel_size, dilation, padding, stride)",
     .errors = "x(2, 13, 20), (5, 6), 2; x(2, 12, 19), (5, 6), 2; x(12), (5, 6), 2"}};
const Register max_unpool1d_op{
    {.signature =
         "max_unpool1d(Tensor input, Tensor indices, int[1] kernel_size, int[1]? stride=None, int[1] "
         "padding=0, int[]? output_size=None) -> Tensor",
     .doc = "The maxima of max_pool1d at the places they came from, zeros elsewhere.",
     .call = box<unpool_call<1>>,
     .homes = "nn.functional",
     .samples = "x(2, 3), taper.tensor([[1, 2, 5], [0, 3, 4]]), 2; x(2, 2), taper.tensor([[1, 4], [0, 3]]), "
                "2, 3, 0, "
                "(6,)",
     .reference = "ref.max_unpool(input, indices, 1, kernel_size, stride, padding, output_size)",
     .errors =
         "x(2, 3), i(2, 2), 2; x(2, 3), i(2, 3, lo=6, hi=9), 2; x(2, 3), i(2, 3), 2, output_size=(9,)"}};
const Register max_unpool2d_op{
    {.signature =
         "max_unpool2d(Tensor input, Tensor indices, int[2] kernel_size, int[2]? stride=None, int[2] "
         "padding=0, int[]? output_size=None) -> Tensor",
     .doc = "The maxima of max_pool2d at the places they came from, zeros elsewhere.",
     .call = box<unpool_call<2>>,
     .homes = "nn.functional",
     .samples = "x(1, 2, 2), taper.tensor([[[5, 2], [8, 15]]]), 2; x(1, 1, 1, 2), taper.tensor([[[[3, "
                "9]]]]), (2, 3), "
                "output_size=(1, 1, 3, 6)",
     .reference = "ref.max_unpool(input, indices, 2, kernel_size, stride, padding, output_size)",
     .errors = "x(1, 2, 2), i(1, 2, 2, lo=16, hi=20), 2"}};
const Register max_unpool3d_op{
    {.signature =
         "max_unpool3d(Tensor input, Tensor indices, int[3] kernel_size, int[3]? stride=None, int[3] "
         "padding=0, int[]? output_size=None) -> Tensor",
     .doc = "The maxima of max_pool3d at the places they came from, zeros elsewhere.",
     .call = box<unpool_call<3>>,
     .homes = "nn.functional",
     .samples = "x(1, 1, 1, 2), taper.tensor([[[[3, 9]]]]), 2",
     .reference = "ref.max_unpool(input, indices, 3, kernel_size, stride, padding, output_size)",
     .errors = "x(1, 1, 1, 2), i(1, 1, 1, 1), 2"}};
const Register lp_pool1d_op{
    {.signature = "lp_pool1d(Tensor input, float norm_type, int[1] kernel_size, int[1]? stride=None, bool "
                  "ceil_mode=False) -> Tensor",
     .doc = "(sum of x^p over each window)^(1/p).",
     .call = box<lp_call<1>>,
     .homes = "nn.functional",
     .samples = "x(2, 3, 7, lo=0.5), 2, 3; x(3, 6, lo=0.5), 3, 2, 1",
     .reference = "ref.lp_pool(input, norm_type, 1, kernel_size, stride)",
     .errors = "x(2, 3, 2), 2, 3"}};
const Register lp_pool2d_op{
    {.signature = "lp_pool2d(Tensor input, float norm_type, int[2] kernel_size, int[2]? stride=None, bool "
                  "ceil_mode=False) -> Tensor",
     .doc = "(sum of x^p over each window)^(1/p).",
     .call = box<lp_call<2>>,
     .homes = "nn.functional",
     .samples = "x(2, 3, 4, 6, lo=0.5), 2, 2; x(2, 3, 5, 6, lo=0.5), 3, (3, 2), (2, 1)",
     .reference = "ref.lp_pool(input, norm_type, 2, kernel_size, stride)",
     .errors = "x(2, 3, 2, 2), 2, 3"}};
const Register lp_pool3d_op{
    {.signature = "lp_pool3d(Tensor input, float norm_type, int[3] kernel_size, int[3]? stride=None, bool "
                  "ceil_mode=False) -> Tensor",
     .doc = "(sum of x^p over each window)^(1/p).",
     .call = box<lp_call<3>>,
     .homes = "nn.functional",
     .samples = "x(1, 2, 4, 4, 4, lo=0.5), 2, 2",
     .reference = "ref.lp_pool(input, norm_type, 3, kernel_size, stride)",
     .errors = "x(1, 2, 2, 2, 2), 2, 3"}};
const Register pixel_shuffle_op{
    {.signature = "pixel_shuffle(Tensor input, int upscale_factor) -> Tensor",
     .doc = "[..., C r^2, H, W] -> [..., C, H r, W r]: Shi et al. 2016, arXiv:1609.05158.",
     .call = box<pixel_shuffle>,
     .homes = "taper nn.functional",
     .samples = "x(2, 8, 2, 3), 2; x(9, 1, 2), 3; x(2, 1, 4, 2, 2), 2",
     .reference = "ref.pixel_shuffle(input, upscale_factor)",
     .errors = "x(2, 6, 2, 2), 2; x(4, 4), 2; x(2, 8, 2, 3), 0; x(2, 8, 2, 3), 3037000500"}};
const Register pixel_unshuffle_op{
    {.signature = "pixel_unshuffle(Tensor input, int downscale_factor) -> Tensor",
     .doc = "The inverse of pixel_shuffle.",
     .call = box<pixel_unshuffle>,
     .homes = "taper nn.functional",
     .samples = "x(2, 2, 4, 6), 2; x(1, 3, 6), 3",
     .reference = "ref.pixel_unshuffle(input, downscale_factor)",
     .errors = "x(2, 2, 5, 6), 2; x(4, 4), 2; x(2, 2, 4, 6), -2"}};
const Register channel_shuffle_op{
    {.signature = "channel_shuffle(Tensor input, int groups) -> Tensor",
     .doc = "Channels of each group take turns: Zhang et al. 2018, arXiv:1707.01083.",
     .call = box<channel_shuffle>,
     .homes = "taper nn.functional",
     .samples = "x(2, 6, 2), 3; x(1, 4, 2, 2), 2",
     .reference =
         "input.reshape(len(input), groups, -1, *input.shape[2:]).swapaxes(1, 2).reshape(input.shape)",
     .errors = "x(2, 6, 2), 4; x(2, 6), 2"}};

}  // namespace

}  // namespace taper
