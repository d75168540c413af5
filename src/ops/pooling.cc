// Pooling: the largest element or the average of windows.
#include "cpu/pooling.h"

#include <algorithm>

#include "autograd/record.h"
#include "ops/memory_order.h"
#include "ops/per_dimension.h"
#include "ops/registry.h"
#include "taper/ops.h"
#include "tensor/kernel_for.h"

namespace taper {

namespace {

/// The windows over inputs of the given sizes [N, C, spatial...].
struct Windows {
  cpu::Pooling pooling;
  Shape input_sizes, output_sizes;
  bool channels_last;
};

struct MaxPool {
  static constexpr auto name = "max_pool";
  static constexpr Saves saves{.outputs = 2};
  Windows windows;

  std::array<Tensor, 2> forward(const Tensor& x) const {
    const Tensor input = laid_out(x, windows.channels_last);
    Tensor y = empty_laid_out(windows.output_sizes, x.dtype(), windows.channels_last, x.device()),
           places = empty_laid_out(windows.output_sizes, int64, windows.channels_last, x.device());
    kernel_for<cpu::max_pool>(name, input)(windows.pooling, input.data(), y.data(),
                                           places.device_data<std::int64_t>());
    return {y, places};
  }
  Tensor backward(const Saved& saved, std::span<const Tensor> dy) const;
};

// Each dy added where its maximum was; linear in dy.
struct MaxUnpool {
  static constexpr auto name = "max_pool_backward";
  static constexpr Saves saves{.inputs = 2};
  Windows windows;

  Tensor forward(const Tensor& dy, const Tensor& places) const {
    const Tensor gradient = laid_out(dy, windows.channels_last);
    Tensor dx = empty_laid_out(windows.input_sizes, dy.dtype(), windows.channels_last, dy.device());
    kernel_for<cpu::max_pool_backward>(name, gradient, places)(windows.pooling, gradient.data(),
                                                               places.device_data<std::int64_t>(), dx.data());
    return dx;
  }
  std::array<Tensor, 2> backward(const Saved& saved, const Tensor& ddx) const {
    const Tensor places = saved.input(1);
    const Shape& sizes = windows.output_sizes;
    const Tensor planes = reshape(ddx, {sizes[0], sizes[1], -1});
    return {reshape(gather(planes, 2, reshape(places, {sizes[0], sizes[1], -1})), sizes), Tensor()};
  }
};

Tensor MaxPool::backward(const Saved& saved, std::span<const Tensor> dy) const {
  if (!dy[0].defined()) return {};
  return record(MaxUnpool{windows}, dy[0], saved.output(1));
}

struct AveragePool;
// Each dy spread over its window.
struct AverageUnpool {
  static constexpr auto name = "average_pool_backward";
  Windows windows;

  Tensor forward(const Tensor& dy) const {
    const Tensor gradient = laid_out(dy, windows.channels_last);
    Tensor dx = empty_laid_out(windows.input_sizes, dy.dtype(), windows.channels_last, dy.device());
    kernel_for<cpu::average_pool_backward>(name, gradient)(windows.pooling, gradient.data(), dx.data());
    return dx;
  }
  Tensor backward(const Saved&, const Tensor& ddx) const;
};

struct AveragePool {
  static constexpr auto name = "average_pool";
  Windows windows;

  Tensor forward(const Tensor& x) const {
    const Tensor input = laid_out(x, windows.channels_last);
    Tensor y = empty_laid_out(windows.output_sizes, x.dtype(), windows.channels_last, x.device());
    kernel_for<cpu::average_pool>(name, input)(windows.pooling, input.data(), y.data());
    return y;
  }
  Tensor backward(const Saved&, const Tensor& dy) const { return record(AverageUnpool{windows}, dy); }
};

Tensor AverageUnpool::backward(const Saved&, const Tensor& ddx) const {
  return record(AveragePool{windows}, ddx);
}

Windows windows_of(const Tensor& x, int dims, const char* op, bool integers = false) {
  check<ShapeError>(x.ndim() == dims + 2, op, ": expected ", dims + 1, " or ", dims + 2,
                    " dimensions, got shape ", x.sizes());
  check<DTypeError>(x.is_floating_point() || (integers && is_integral(x.dtype())), op,
                    ": needs a floating dtype, got ", x.dtype());
  Windows windows;
  windows.input_sizes = x.sizes();
  windows.output_sizes = Shape(x.sizes().data(), 2);
  windows.channels_last = is_channels_last(x);
  windows.pooling.spatial_dims = dims;
  windows.pooling.batch = x.sizes()[0];
  windows.pooling.channels = x.sizes()[1];
  windows.pooling.dtype = x.dtype();
  windows.pooling.channels_last = windows.channels_last;
  for (int i = 0; i < dims; ++i) windows.pooling.input[i] = x.sizes()[i + 2];
  return windows;
}

Windows sliding(const Tensor& x, int dims, const Shape& kernel, const Shape& stride, const Shape& padding,
                const Shape& dilation, bool ceil_mode, const char* op) {
  Windows windows = windows_of(x, dims, op, true);
  cpu::Pooling& p = windows.pooling;
  constexpr std::int64_t most = std::int64_t(1) << 60;
  const Shape kernels = per_dimension(kernel, dims, op, "kernel_size"),
              strides = stride.empty() ? kernels : per_dimension(stride, dims, op, "stride"),
              paddings = per_dimension(padding, dims, op, "padding"),
              dilations = per_dimension(dilation, dims, op, "dilation");
  for (int i = 0; i < dims; ++i) {
    p.kernel[i] = kernels[i];
    p.stride[i] = strides[i];
    p.padding[i] = paddings[i];
    p.dilation[i] = dilations[i];
    check<ValueError>(p.kernel[i] > 0 && p.stride[i] > 0 && p.dilation[i] > 0, op,
                      ": kernel_size, stride and dilation must be greater than zero");
    check<ValueError>(p.padding[i] >= 0 && p.padding[i] <= p.kernel[i] / 2, op, ": padding ", p.padding[i],
                      " should be at most half of kernel size ", p.kernel[i]);
    std::int64_t reach = 0, ahead = 0;
    check<ValueError>(!__builtin_mul_overflow(p.dilation[i], p.kernel[i] - 1, &reach) &&
                          !__builtin_add_overflow(reach, p.stride[i], &ahead) && reach < most && ahead < most,
                      op, ": kernel_size ", p.kernel[i], ", stride ", p.stride[i], " and dilation ",
                      p.dilation[i], " are too large");
    const std::int64_t room = p.input[i] + 2 * p.padding[i] - reach - 1;
    check<ShapeError>(room >= 0 || ceil_mode, op, ": kernel ", kernel,
                      " is larger than the padded input of shape ", x.sizes());
    p.output[i] = (room + (ceil_mode ? p.stride[i] - 1 : 0)) / p.stride[i] + 1;
    // The last window must start inside of the input or its padding before.
    if (ceil_mode && (p.output[i] - 1) * p.stride[i] >= p.input[i] + p.padding[i]) --p.output[i];
    check<ShapeError>(p.output[i] > 0, op, ": input of shape ", x.sizes(), " gives an empty output");
    windows.output_sizes.push_back(p.output[i]);
  }
  return windows;
}

Windows adapted(const Tensor& x, int dims, const Shape& output, const char* op) {
  Windows windows = windows_of(x, dims, op);
  windows.pooling.adaptive = true;
  const Shape wanted = per_dimension(output, dims, op, "output_size");
  for (int i = 0; i < dims; ++i) {
    windows.pooling.output[i] = wanted[i] == -1 ? x.sizes()[i + 2] : wanted[i];
    check<ValueError>(windows.pooling.output[i] >= 0, op, ": output_size must not be negative, got ", output);
    check<ShapeError>(x.sizes()[i + 2] > 0 || windows.pooling.output[i] == 0, op,
                      ": spatial dimensions must not be empty, got shape ", x.sizes());
    windows.output_sizes.push_back(windows.pooling.output[i]);
  }
  return windows;
}

// The elements that each output sees, in a last dimension; `outside` stands where the padding is.
Tensor seen_by(const Windows& windows, const Tensor& x, const Scalar& outside) {
  const cpu::Pooling& p = windows.pooling;
  const int dims = p.spatial_dims;
  Shape sizes = x.sizes(), middle = sizes;
  for (int i = 0; i < dims; ++i) {
    const std::int64_t reach = p.dilation[i] * (p.kernel[i] - 1) + 1;
    sizes[i + 2] = std::max((p.output[i] - 1) * p.stride[i] + reach, p.input[i] + p.padding[i]);
  }
  Tensor seen = full(sizes, outside, x.dtype(), x.device()), inner = seen;
  for (int i = 0; i < dims; ++i) inner = narrow(inner, i + 2, p.padding[i], p.input[i]);
  copy_elements(x, inner);
  for (int i = 0; i < dims; ++i) {
    const std::int64_t reach = p.dilation[i] * (p.kernel[i] - 1) + 1;
    seen = slice(unfold(seen, i + 2, reach, p.stride[i]), -1, 0, std::nullopt, p.dilation[i]);
    seen = narrow(seen, i + 2, 0, p.output[i]);
  }
  return flatten(seen, -dims, -1);
}

// Of integers, which have no kernels.
std::tuple<Tensor, Tensor> integer_max_pool(const Windows& windows, const Tensor& x) {
  const NoGrad integers_have_no_gradient;
  const Tensor lowest = x.numel() ? min(x) : zeros({}, x.dtype(), x.device());
  const Tensor seen = seen_by(windows, x, lowest.item()), values = amax(seen, Shape{-1});
  Shape plane = windows.input_sizes;
  plane[0] = plane[1] = 1;
  const Tensor numbers = seen_by(windows, reshape(arange(0, numel(plane), 1, int64, x.device()), plane), -1);
  const Tensor chosen = logical_and(eq(seen, unsqueeze(values, -1)), ge(numbers, 0));
  const Tensor at = argmax(to(chosen, uint8), -1, true);
  return {values, squeeze(gather(expand(numbers, seen.sizes()), -1, at), Shape{-1})};
}

Tensor integer_average_pool(const Windows& windows, const Tensor& x) {
  const NoGrad integers_have_no_gradient;
  const cpu::Pooling& p = windows.pooling;
  const Tensor total = sum(seen_by(windows, x, 0), Shape{-1}, false, x.dtype());
  if (p.divisor_override) return div(total, wrapped(p.divisor_override), "trunc");
  Windows plane = windows;
  plane.input_sizes[0] = plane.input_sizes[1] = 1;
  for (int i = 0; i < p.spatial_dims && p.count_include_pad; ++i) {
    plane.pooling.input[i] = plane.input_sizes[i + 2] += 2 * p.padding[i];
    plane.pooling.padding[i] = 0;
  }
  const Tensor counts =
      sum(seen_by(plane, ones(plane.input_sizes, x.dtype(), x.device()), 0), Shape{-1}, false, x.dtype());
  return div(total, counts, "trunc");
}

bool unbatched(const Tensor& x, int dims) { return x.ndim() == dims + 1; }

}  // namespace

std::tuple<Tensor, Tensor> max_pool(const Tensor& x, int dims, const Shape& kernel, const Shape& stride,
                                    const Shape& padding, const Shape& dilation, bool ceil_mode) {
  if (unbatched(x, dims)) {
    const auto [y, places] = max_pool(unsqueeze(x, 0), dims, kernel, stride, padding, dilation, ceil_mode);
    return {squeeze(y, Shape{0}), squeeze(places, Shape{0})};
  }
  const Windows windows = sliding(x, dims, kernel, stride, padding, dilation, ceil_mode, "max_pool");
  if (!x.is_floating_point()) return integer_max_pool(windows, x);
  const auto results = record(MaxPool{windows}, x);
  return {results[0], results[1]};
}

Tensor average_pool(const Tensor& x, int dims, const Shape& kernel, const Shape& stride, const Shape& padding,
                    bool ceil_mode, bool count_include_pad, std::int64_t divisor_override) {
  if (unbatched(x, dims))
    return squeeze(average_pool(unsqueeze(x, 0), dims, kernel, stride, padding, ceil_mode, count_include_pad,
                                divisor_override),
                   Shape{0});
  Windows windows = sliding(x, dims, kernel, stride, padding, {1}, ceil_mode, "avg_pool");
  windows.pooling.count_include_pad = count_include_pad;
  windows.pooling.divisor_override = divisor_override;
  if (!x.is_floating_point()) return integer_average_pool(windows, x);
  return record(AveragePool{windows}, x);
}

std::tuple<Tensor, Tensor> adaptive_max_pool(const Tensor& x, int dims, const Shape& output) {
  if (unbatched(x, dims)) {
    const auto [y, places] = adaptive_max_pool(unsqueeze(x, 0), dims, output);
    return {squeeze(y, Shape{0}), squeeze(places, Shape{0})};
  }
  const auto results = record(MaxPool{adapted(x, dims, output, "adaptive_max_pool")}, x);
  return {results[0], results[1]};
}

Tensor adaptive_average_pool(const Tensor& x, int dims, const Shape& output) {
  if (unbatched(x, dims)) return squeeze(adaptive_average_pool(unsqueeze(x, 0), dims, output), Shape{0});
  const Windows windows = adapted(x, dims, output, "adaptive_avg_pool");
  if (numel(windows.output_sizes) == numel({x.sizes()[0], x.sizes()[1]}) && x.numel()) {
    Shape spatial;
    for (int i = 2; i < x.ndim(); ++i) spatial.push_back(i);
    return mean(x, spatial, true);
  }
  return record(AveragePool{windows}, x);
}

namespace {

template <int dims>
Value max_pool_call(Value* v) {
  const auto stride = detail::argument<std::optional<Shape>>(v[2]);
  auto [y, places] = max_pool(std::get<Tensor>(v[0]), dims, std::get<Shape>(v[1]), stride.value_or(Shape()),
                              std::get<Shape>(v[3]), std::get<Shape>(v[4]), std::get<bool>(v[5]));
  if (std::get<bool>(v[6])) return Value(Tensors{y, places});
  return Value(y);
}
template <int dims>
Tensor average_pool_call(const Tensor& x, const Shape& kernel, std::optional<Shape> stride,
                         const Shape& padding, bool ceil_mode, bool count_include_pad,
                         std::optional<std::int64_t> divisor) {
  check<ValueError>(!divisor || *divisor != 0, "avg_pool: divisor_override must not be zero");
  return average_pool(x, dims, kernel, stride.value_or(Shape()), padding, ceil_mode, count_include_pad,
                      divisor.value_or(0));
}
template <int dims>
Tensor average_pool_1d(const Tensor& x, const Shape& kernel, std::optional<Shape> stride,
                       const Shape& padding, bool ceil_mode, bool count_include_pad) {
  return average_pool_call<dims>(x, kernel, stride, padding, ceil_mode, count_include_pad, std::nullopt);
}
template <int dims>
Tensor adaptive_average_call(const Tensor& x, const Shape& output) {
  return adaptive_average_pool(x, dims, output);
}
template <int dims>
Value adaptive_max_call(Value* v) {
  auto [y, places] = adaptive_max_pool(std::get<Tensor>(v[0]), dims, std::get<Shape>(v[1]));
  if (std::get<bool>(v[2])) return Value(Tensors{y, places});
  return Value(y);
}

const Register max_pool1d_op{
    {.signature = "max_pool1d(Tensor input, int[1] kernel_size, int[1]? stride=None, int[1] padding=0, "
                  "int[1] dilation=1, bool ceil_mode=False, bool return_indices=False) -> Tensor",
     .doc = "Largest element of each window.",
     .call = max_pool_call<1>,
     .homes = "taper nn.functional",
     .samples = "x(2, 3, 7), 3; x(2, 3, 7), 2, 2, 1, 1, True; x(3, 6), 2",
     .reference = "ref.max_pool(input, kernel_size, stride, padding, dilation, ceil_mode)",
     .errors = "x(2, 3, 2), 3; x(2, 3, 7), 2, 1, 2; x(1, 2, 3), 8608480567731124087, 1, 1250999896764, "
               "1250999896764, True"}};
const Register max_pool2d_op{
    {.signature = "max_pool2d(Tensor input, int[2] kernel_size, int[2]? stride=None, int[2] padding=0, "
                  "int[2] dilation=1, bool ceil_mode=False, bool return_indices=False) -> Tensor",
     .doc = "Largest element of each window.",
     .call = max_pool_call<2>,
     .homes = "taper nn.functional",
     .samples = "x(2, 3, 4, 6), 2; x(2, 3, 5, 6), (3, 2), (2, 1), (1, 0); x(2, 3, 5, 5), 2, 2, 0, 2; x(2, 3, "
                "5, 5), 2, None, 0, 1, True",
     .reference = "ref.max_pool(input, kernel_size, stride, padding, dilation, ceil_mode)",
     .errors = "x(2, 3, 2, 2), 3; x(4), 2"}};
const Register max_pool3d_op{
    {.signature = "max_pool3d(Tensor input, int[3] kernel_size, int[3]? stride=None, int[3] padding=0, "
                  "int[3] dilation=1, bool ceil_mode=False, bool return_indices=False) -> Tensor",
     .doc = "Largest element of each window.",
     .call = max_pool_call<3>,
     .homes = "taper nn.functional",
     .samples = "x(1, 2, 4, 4, 4), 2; x(1, 2, 4, 5, 4), (2, 3, 2), 2, 1; i(2, 2, 5, 4, 4, lo=-9), (3, 2, 2), "
                "(2, 1, 2), "
                "(1, 0, 1), (1, 2, 1), True",
     .reference = "ref.max_pool(input, kernel_size, stride, padding, dilation, ceil_mode)"}};
const Register avg_pool1d_op{
    {.signature = "avg_pool1d(Tensor input, int[1] kernel_size, int[1]? stride=None, int[1] padding=0, bool "
                  "ceil_mode=False, bool count_include_pad=True) -> Tensor",
     .doc = "Average of each window.",
     .call = box<average_pool_1d<1>>,
     .homes = "taper nn.functional",
     .samples = "x(2, 3, 7), 3; x(2, 3, 7), 2, 2, 1, True, False; i(2, 3, 7, lo=-9, hi=9), 3, 2, 1, True; "
                "i(2, 3, 8), 3, "
                "2, 1, True, False",
     .reference = "ref.avg_pool(input, kernel_size, stride, padding, ceil_mode, count_include_pad)"}};
const Register avg_pool2d_op{
    {.signature = "avg_pool2d(Tensor input, int[2] kernel_size, int[2]? stride=None, int[2] padding=0, bool "
                  "ceil_mode=False, bool count_include_pad=True, int? divisor_override=None) -> Tensor",
     .doc = "Average of each window.",
     .call = box<average_pool_call<2>>,
     .homes = "nn.functional",
     .samples =
         "x(2, 3, 4, 6), 2; x(2, 3, 5, 6), (3, 2), (2, 1), (1, 0), False, False; x(2, 3, 5, 5), 2, 2, "
         "0, True; x(2, 3, 4, 4), 2, divisor_override=3; i(2, 3, 4, 4, lo=-9, hi=9), 2, divisor_override=-3",
     .reference = "ref.avg_pool(input, kernel_size, stride, padding, ceil_mode, count_include_pad, "
                  "divisor_override)"}};
const Register avg_pool3d_op{
    {.signature = "avg_pool3d(Tensor input, int[3] kernel_size, int[3]? stride=None, int[3] padding=0, bool "
                  "ceil_mode=False, bool count_include_pad=True, int? divisor_override=None) -> Tensor",
     .doc = "Average of each window.",
     .call = box<average_pool_call<3>>,
     .homes = "nn.functional",
     .samples = "x(1, 2, 4, 4, 4), 2",
     .reference = "ref.avg_pool(input, kernel_size, stride, padding, ceil_mode, count_include_pad, "
                  "divisor_override)"}};
const Register adaptive_avg_pool1d_op{
    {.signature = "adaptive_avg_pool1d(Tensor input, int?[1] output_size) -> Tensor",
     .doc = "Averages of windows chosen to give output_size.",
     .call = box<adaptive_average_call<1>>,
     .homes = "taper nn.functional",
     .samples = "x(2, 3, 7), 3",
     .reference = "ref.adaptive_pool(input, output_size, np.mean)",
     .errors = "x(1, 1, 1), -1"}};
const Register adaptive_avg_pool2d_op{
    {.signature = "adaptive_avg_pool2d(Tensor input, int?[2] output_size) -> Tensor",
     .doc = "Averages of windows chosen to give output_size.",
     .call = box<adaptive_average_call<2>>,
     .homes = "nn.functional",
     .samples = "x(2, 3, 5, 4), 1; x(2, 3, 5, 4), (3, 2); x(3, 4, 4), (2, 7)",
     .reference = "ref.adaptive_pool(input, output_size, np.mean)",
     .errors = "x(1, 1, 2, 2), (-1, 2)"}};
const Register adaptive_avg_pool3d_op{
    {.signature = "adaptive_avg_pool3d(Tensor input, int?[3] output_size) -> Tensor",
     .doc = "Averages of windows chosen to give output_size.",
     .call = box<adaptive_average_call<3>>,
     .homes = "nn.functional",
     .samples = "x(1, 2, 3, 4, 5), 2",
     .reference = "ref.adaptive_pool(input, output_size, np.mean)",
     .errors = "x(1, 1, 2, 2, 2), (2, -1, None)"}};
const Register adaptive_max_pool1d_op{
    {.signature =
         "adaptive_max_pool1d(Tensor input, int?[1] output_size, bool return_indices=False) -> Tensor",
     .doc = "Largest elements of windows chosen to give output_size.",
     .call = adaptive_max_call<1>,
     .homes = "taper nn.functional",
     .samples = "x(2, 3, 7), 3",
     .reference = "ref.adaptive_pool(input, output_size, np.max)",
     .errors = "x(1, 1, 1), -1"}};
const Register adaptive_max_pool2d_op{
    {.signature =
         "adaptive_max_pool2d(Tensor input, int?[2] output_size, bool return_indices=False) -> Tensor",
     .doc = "Largest elements of windows chosen to give output_size.",
     .call = adaptive_max_call<2>,
     .homes = "nn.functional",
     .samples = "x(2, 3, 5, 4), (3, 2)",
     .reference = "ref.adaptive_pool(input, output_size, np.max)",
     .errors = "x(1, 1, 2, 2), (-1, 2)"}};
const Register adaptive_max_pool3d_op{
    {.signature =
         "adaptive_max_pool3d(Tensor input, int?[3] output_size, bool return_indices=False) -> Tensor",
     .doc = "Largest elements of windows chosen to give output_size.",
     .call = adaptive_max_call<3>,
     .homes = "nn.functional",
     .samples = "x(1, 2, 3, 4, 5), 2",
     .reference = "ref.adaptive_pool(input, output_size, np.max)",
     .errors = "x(1, 1, 2, 2, 2), (2, -1, None)"}};

}  // namespace

}  // namespace taper
