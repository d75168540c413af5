// Convolution and its transpose; each one's gradients are the other two.
#include "cpu/convolution.h"

#include <algorithm>

#include "autograd/record.h"
#include "ops/memory_order.h"
#include "ops/per_dimension.h"
#include "ops/registry.h"
#include "taper/ops.h"
#include "tensor/kernel_for.h"

namespace taper {

namespace {

// x itself if its memory is dense in channels-last order; sizes of 1 leave the order open.
bool lies_channels_last(const Tensor& x) {
  const Shape expected = channels_last_strides(x.sizes());
  for (int i = 0; i < x.ndim(); ++i)
    if (x.sizes()[i] != 1 && x.strides()[i] != expected[i]) return false;
  return true;
}
Tensor in_channels_last(const Tensor& x) { return lies_channels_last(x) ? x : laid_out(x, true); }

/// What a convolution and its gradients share.
struct Geometry {
  Shape stride, padding, dilation;
  std::int64_t groups;

  cpu::Convolution of(const Shape& x, const Shape& w, const Shape& y, DType dtype,
                      bool channels_last = true) const {
    cpu::Convolution c;
    c.spatial_dims = x.size() - 2;
    c.batch = x[0];
    c.in_channels = x[1];
    c.out_channels = y[1];
    c.groups = groups;
    for (int i = 0; i < c.spatial_dims; ++i) {
      c.input[i] = x[i + 2];
      c.kernel[i] = w[i + 2];
      c.output[i] = y[i + 2];
      c.stride[i] = stride[i];
      c.padding_before[i] = c.padding_after[i] = padding[i];
      c.dilation[i] = dilation[i];
    }
    c.dtype = dtype;
    c.channels_last = channels_last;
    return c;
  }
  /// Whether activations may stay channels-first, as these are.
  bool stays_first(const Tensor& activation, const Shape& x, const Shape& w, const Shape& y) const {
    return activation.is_contiguous() && !lies_channels_last(activation) &&
           cpu::is_pointwise(of(x, w, y, activation.dtype(), false));
  }
};

// A copy that the gradient to the weights finds again, where it would otherwise have to make its own.
struct InChannelsLast {
  static constexpr auto name = "channels_last";

  Tensor forward(const Tensor& x) const { return laid_out(x, true); }
  Tensor backward(const Saved&, const Tensor& dy) const { return dy; }
};

struct ConvolutionBackwardInput;
struct ConvolutionBackwardWeight;

// Sum over all but the channel dimension.
Tensor sum_per_channel(const Tensor& dy) {
  Shape dims;
  for (int i = 0; i < dy.ndim(); ++i)
    if (i != 1) dims.push_back(i);
  return sum(dy, dims);
}

struct ConvolutionOp {
  static constexpr auto name = "convolution";
  static constexpr Saves saves{.inputs = 3};
  Geometry geometry;
  Shape output_sizes;

  Tensor forward(const Tensor& x, const Tensor& w, const Tensor& bias) const {
    const bool first = geometry.stays_first(x, x.sizes(), w.sizes(), output_sizes);
    Tensor y = empty_laid_out(output_sizes, x.dtype(), !first, x.device());
    const Tensor input = first ? x : in_channels_last(x), weight = contiguous(w),
                 row = bias.defined() ? contiguous(bias) : bias;
    kernel_for<cpu::convolution_forward>(name, input, weight, bias)(
        geometry.of(x.sizes(), w.sizes(), output_sizes, x.dtype(), !first), input.data(), weight.data(),
        bias.defined() ? row.data() : nullptr, y.data());
    return y;
  }
  std::array<Tensor, 3> backward(const Saved& saved, const Tensor& dy) const;
};

// dx of dy and w.
struct ConvolutionBackwardInput {
  static constexpr auto name = "convolution_backward_input";
  static constexpr Saves saves{.inputs = 3};
  Geometry geometry;
  Shape input_sizes;

  Tensor forward(const Tensor& dy, const Tensor& w) const {
    const bool first = geometry.stays_first(dy, input_sizes, w.sizes(), dy.sizes());
    Tensor dx = empty_laid_out(input_sizes, dy.dtype(), !first, dy.device());
    const Tensor gradient = first ? dy : in_channels_last(dy), weight = contiguous(w);
    kernel_for<cpu::convolution_backward_input>(name, gradient, weight)(
        geometry.of(input_sizes, w.sizes(), dy.sizes(), dy.dtype(), !first), gradient.data(), weight.data(),
        dx.data());
    return dx;
  }
  std::array<Tensor, 2> backward(const Saved& saved, const Tensor& ddx) const;
};

// dw of x and dy.
struct ConvolutionBackwardWeight {
  static constexpr auto name = "convolution_backward_weight";
  static constexpr Saves saves{.inputs = 3};
  Geometry geometry;
  Shape weight_sizes;

  Tensor forward(const Tensor& x, const Tensor& dy) const {
    Tensor dw = empty(weight_sizes, x.dtype(), x.device());
    const bool first = geometry.stays_first(x, x.sizes(), weight_sizes, dy.sizes()) &&
                       geometry.stays_first(dy, x.sizes(), weight_sizes, dy.sizes());
    const Tensor input = first ? x : in_channels_last(x), gradient = first ? dy : in_channels_last(dy);
    kernel_for<cpu::convolution_backward_weight>(name, input, gradient)(
        geometry.of(x.sizes(), weight_sizes, dy.sizes(), x.dtype(), !first), input.data(), gradient.data(),
        dw.data(), nullptr);
    return dw;
  }
  std::array<Tensor, 2> backward(const Saved& saved, const Tensor& ddw) const {
    const Tensor x = saved.input(0), dy = saved.input(1);
    return {saved.needs(0) ? record(ConvolutionBackwardInput{geometry, x.sizes()}, dy, ddw) : Tensor(),
            saved.needs(1) ? record(ConvolutionOp{geometry, dy.sizes()}, x, ddw, Tensor()) : Tensor()};
  }
};

std::array<Tensor, 2> ConvolutionBackwardInput::backward(const Saved& saved, const Tensor& ddx) const {
  const Tensor dy = saved.input(0), w = saved.input(1);
  return {saved.needs(0) ? record(ConvolutionOp{geometry, dy.sizes()}, ddx, w, Tensor()) : Tensor(),
          saved.needs(1) ? record(ConvolutionBackwardWeight{geometry, w.sizes()}, ddx, dy) : Tensor()};
}

std::array<Tensor, 3> ConvolutionOp::backward(const Saved& saved, const Tensor& dy) const {
  const Tensor x = saved.input(0), w = saved.input(1);
  return {saved.needs(0) ? record(ConvolutionBackwardInput{geometry, x.sizes()}, dy, w) : Tensor(),
          saved.needs(1) ? record(ConvolutionBackwardWeight{geometry, w.sizes()}, x, dy) : Tensor(),
          saved.needs(2) ? sum_per_channel(dy) : Tensor()};
}

// max(x * w + bias + z, 0); z may be undefined.
struct ConvolutionRelu {
  static constexpr auto name = "convolution_relu";
  static constexpr Saves saves{.inputs = 3, .outputs = 1};
  Geometry geometry;
  Shape output_sizes;

  Tensor forward(const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& z) const {
    const bool first = geometry.stays_first(x, x.sizes(), w.sizes(), output_sizes);
    Tensor y = empty_laid_out(output_sizes, x.dtype(), !first, x.device());
    const Tensor input = first ? x : in_channels_last(x), weight = contiguous(w),
                 row = bias.defined() ? contiguous(bias) : bias,
                 addend = z.defined() ? laid_out(z, !first) : z;
    kernel_for<cpu::convolution_relu>(name, input, weight, bias, z)(
        geometry.of(x.sizes(), w.sizes(), output_sizes, x.dtype(), !first), input.data(), weight.data(),
        row.defined() ? row.data() : nullptr, addend.defined() ? addend.data() : nullptr, y.data());
    return y;
  }
  std::array<Tensor, 4> backward(const Saved& saved, const Tensor& dy) const {
    const Tensor x = saved.input(0), w = saved.input(1), y = saved.output(0);
    const Tensor dz = where(gt(y, 0), dy, zeros_like(dy));
    return {saved.needs(0) ? record(ConvolutionBackwardInput{geometry, x.sizes()}, dz, w) : Tensor(),
            saved.needs(1) ? record(ConvolutionBackwardWeight{geometry, w.sizes()}, x, dz) : Tensor(),
            saved.needs(2) ? sum_per_channel(dz) : Tensor(), saved.needs(3) ? dz : Tensor()};
  }
};

void check_operands(const Tensor& x, const Tensor& w, const Tensor& bias, const char* op) {
  check<ShapeError>(w.ndim() >= 3 && w.ndim() <= 5 && x.ndim() == w.ndim(), op, ": input of shape ",
                    x.sizes(), " and weight of shape ", w.sizes(),
                    " must have the same number of dimensions, 3 to 5");
  check<DTypeError>(x.dtype() == w.dtype() && (!bias.defined() || bias.dtype() == w.dtype()), op,
                    ": input of dtype ", x.dtype(), " and weight of dtype ", w.dtype(),
                    " must be the same; convert the input with .to(weight.dtype)");
  check<DTypeError>(x.dtype() != boolean, op, ": needs numbers, got bool; convert with .float()");
}

Geometry geometry_of(int dims, const Shape& stride, const Shape& padding, const Shape& dilation,
                     std::int64_t groups, const char* op) {
  Geometry geometry{per_dimension(stride, dims, op, "stride"), per_dimension(padding, dims, op, "padding"),
                    per_dimension(dilation, dims, op, "dilation"), groups};
  for (int i = 0; i < dims; ++i) {
    check<ValueError>(geometry.stride[i] > 0 && geometry.dilation[i] > 0, op, ": stride ", geometry.stride,
                      " and dilation ", geometry.dilation, " must be positive");
    check<ValueError>(geometry.padding[i] >= 0, op, ": padding must not be negative, got ", geometry.padding);
  }
  check<ValueError>(groups > 0, op, ": groups must be positive, got ", groups);
  return geometry;
}

// By a matrix product for each element of the window: for integers and complex numbers, which have no
// kernels.
Tensor convolution_by_products(const Tensor& x, const Tensor& w, const Geometry& geometry,
                               const Shape& sizes) {
  const int dims = w.ndim() - 2;
  const std::int64_t groups = geometry.groups, outputs = w.sizes()[0] / groups, inputs = w.sizes()[1];
  const Shape window(w.sizes().data() + 2, dims);
  const std::int64_t plane = numel(Shape(sizes.data() + 2, dims));
  Shape margins;
  for (int i = dims - 1; i >= 0; --i)
    margins.push_back(geometry.padding[i]), margins.push_back(geometry.padding[i]);
  const Tensor padded = pad(x, margins), weight = reshape(w, {groups, outputs, inputs, numel(window)});
  Tensor y = zeros({sizes[0], groups, outputs, plane}, x.dtype(), x.device());
  for (std::int64_t k = 0; k < numel(window); ++k) {
    Tensor seen = padded;
    std::int64_t rest = k;
    for (int i = dims - 1; i >= 0; rest /= window[i--]) {
      const std::int64_t start = rest % window[i] * geometry.dilation[i];
      seen =
          slice(seen, i + 2, start, start + (sizes[i + 2] - 1) * geometry.stride[i] + 1, geometry.stride[i]);
    }
    y = add(y, matmul(select(weight, -1, k), reshape(seen, {sizes[0], groups, inputs, plane})));
  }
  return reshape(y, sizes);
}

// The transpose is the convolution of the input, its elements stride apart, with the reversed window.
Tensor transpose_by_products(const Tensor& x, const Tensor& w, const Geometry& geometry, const Shape& more,
                             const Shape& sizes) {
  const int dims = w.ndim() - 2;
  Tensor spread = x;
  Shape margins, spatial, grouped = w.sizes(), exchanged = w.sizes();
  for (int i = 0; i < dims; ++i) {
    Shape wide = spread.sizes();
    wide[i + 2] = std::max<std::int64_t>(0, (wide[i + 2] - 1) * geometry.stride[i] + 1);
    spread = slice_scatter(zeros(wide, x.dtype(), x.device()), spread, i + 2, std::nullopt, std::nullopt,
                           geometry.stride[i]);
    const std::int64_t margin = geometry.dilation[i] * (w.sizes()[i + 2] - 1) - geometry.padding[i];
    margins.insert(0, margin + more[i]);
    margins.insert(0, margin);
    spatial.push_back(i + 2);
  }
  grouped[0] /= geometry.groups;
  exchanged[0] = sizes[1];
  exchanged[1] = grouped[0];
  grouped.insert(0, geometry.groups);
  const Tensor weight = flip(reshape(transpose(reshape(w, grouped), 1, 2), exchanged), spatial);
  const Geometry plain{Shape::filled(dims, 1), Shape::filled(dims, 0), geometry.dilation, geometry.groups};
  return convolution_by_products(pad(spread, margins), weight, plain, sizes);
}

Tensor with_bias(const Tensor& y, const Tensor& bias) {
  if (!bias.defined()) return y;
  Shape row = Shape::filled(y.ndim(), 1);
  row[1] = y.sizes()[1];
  return add(y, reshape(bias, row));
}

/// What a convolution is and the sizes of its result. Throws where the operands do not fit.
std::pair<Geometry, Shape> checked_geometry(const Tensor& x, const Tensor& w, const Tensor& bias,
                                            const Shape& stride, const Shape& padding, const Shape& dilation,
                                            std::int64_t groups, const char* op) {
  check_operands(x, w, bias, op);
  const int dims = w.ndim() - 2;
  const Geometry geometry = geometry_of(dims, stride, padding, dilation, groups, op);
  check<ShapeError>(w.sizes()[0] % groups == 0 && groups <= std::max<std::int64_t>(1, w.sizes()[0]), op, ": ",
                    w.sizes()[0], " output channels are not divisible by groups=", groups);
  check<ShapeError>(x.sizes()[1] == w.sizes()[1] * groups, op, ": weight of shape ", w.sizes(),
                    " with groups=", groups, " takes ", w.sizes()[1] * groups,
                    " channels, but the input of shape ", x.sizes(), " has ", x.sizes()[1]);
  check<ShapeError>(!bias.defined() || bias.sizes() == Shape{w.sizes()[0]}, op, ": bias has shape ",
                    bias.defined() ? bias.sizes() : Shape(), ", expected (", w.sizes()[0], ",)");
  Shape sizes{x.sizes()[0], w.sizes()[0]};
  for (int i = 0; i < dims; ++i) {
    const std::int64_t reach = geometry.dilation[i] * (w.sizes()[i + 2] - 1) + 1,
                       padded = x.sizes()[i + 2] + 2 * geometry.padding[i];
    check<ShapeError>(padded >= reach && w.sizes()[i + 2] > 0, op, ": kernel of shape ", w.sizes(),
                      " is larger than the padded input of shape ", x.sizes(), " in spatial dimension ", i);
    sizes.push_back((padded - reach) / geometry.stride[i] + 1);
  }
  return {geometry, sizes};
}

/// x in an order in which the convolution takes it.
Tensor in_taken_order(const Tensor& x, const Tensor& w, const Geometry& geometry, const Shape& sizes) {
  const bool as_it_is = lies_channels_last(x) || geometry.stays_first(x, x.sizes(), w.sizes(), sizes);
  return as_it_is ? x : record(InChannelsLast{}, x);
}

}  // namespace

Tensor convolution(const Tensor& x, const Tensor& w, const Tensor& bias, const Shape& stride,
                   const Shape& padding, const Shape& dilation, std::int64_t groups) {
  if (x.ndim() + 1 == w.ndim())
    return squeeze(convolution(unsqueeze(x, 0), w, bias, stride, padding, dilation, groups), Shape{0});
  const auto [geometry, sizes] = checked_geometry(x, w, bias, stride, padding, dilation, groups, "conv");
  if (!x.is_floating_point()) return with_bias(convolution_by_products(x, w, geometry, sizes), bias);
  return record(ConvolutionOp{geometry, sizes}, in_taken_order(x, w, geometry, sizes), w, bias);
}

Tensor convolution_transpose(const Tensor& x, const Tensor& w, const Tensor& bias, const Shape& stride,
                             const Shape& padding, const Shape& output_padding, std::int64_t groups,
                             const Shape& dilation) {
  const char* op = "conv_transpose";
  if (x.ndim() + 1 == w.ndim())
    return squeeze(
        convolution_transpose(unsqueeze(x, 0), w, bias, stride, padding, output_padding, groups, dilation),
        Shape{0});
  check_operands(x, w, bias, op);
  const int dims = w.ndim() - 2;
  const Geometry geometry = geometry_of(dims, stride, padding, dilation, groups, op);
  const Shape more = per_dimension(output_padding, dims, op, "output_padding");
  check<ShapeError>(x.sizes()[1] == w.sizes()[0] && w.sizes()[0] % groups == 0, op, ": weight of shape ",
                    w.sizes(), " takes ", w.sizes()[0], " channels in ", groups,
                    " groups, but the input of shape ", x.sizes(), " has ", x.sizes()[1]);
  Shape sizes{x.sizes()[0], w.sizes()[1] * groups};
  check<ShapeError>(!bias.defined() || bias.sizes() == Shape{sizes[1]}, op, ": bias has shape ",
                    bias.defined() ? bias.sizes() : Shape(), ", expected (", sizes[1], ",)");
  for (int i = 0; i < dims; ++i) {
    check<ValueError>(more[i] >= 0 && (more[i] < geometry.stride[i] || more[i] < geometry.dilation[i]), op,
                      ": output_padding ", more, " must be smaller than stride or dilation");
    const std::int64_t size = (x.sizes()[i + 2] - 1) * geometry.stride[i] - 2 * geometry.padding[i] +
                              geometry.dilation[i] * (w.sizes()[i + 2] - 1) + more[i] + 1;
    check<ShapeError>(size > 0, op, ": input of shape ", x.sizes(), " gives an output of size ", size,
                      " in spatial dimension ", i);
    sizes.push_back(size);
  }
  if (!x.is_floating_point()) return with_bias(transpose_by_products(x, w, geometry, more, sizes), bias);
  return with_bias(record(ConvolutionBackwardInput{geometry, sizes}, x, w), bias);
}

namespace {

// padding: numbers, or "same" and "valid".
template <int dims>
Tensor conv_named(const Tensor& x, const Tensor& w, const Tensor& bias, const Shape& stride,
                  std::string_view padding, const Shape& dilation, std::int64_t groups) {
  if (padding == "valid") return convolution(x, w, bias, stride, {0}, dilation, groups);
  check<ValueError>(padding == "same", "conv: padding must be 'valid', 'same' or numbers, got '", padding,
                    "'");
  for (const std::int64_t step : stride)
    check<ValueError>(step == 1, "conv: padding='same' needs stride 1, got ", stride);
  Shape symmetric, pairs;
  bool even = true;
  for (int i = 0; i < dims; ++i) {
    const std::int64_t total = dilation[dilation.size() == 1 ? 0 : i] * (w.sizes()[i + 2] - 1);
    symmetric.push_back(total / 2);
    even = even && total % 2 == 0;
    pairs.insert(0, total - total / 2);
    pairs.insert(0, total / 2);
  }
  if (even) return convolution(x, w, bias, stride, symmetric, dilation, groups);
  return convolution(pad(x, pairs), w, bias, stride, {0}, dilation, groups);
}
template <int dims>
Tensor conv(const Tensor& x, const Tensor& w, const Tensor& bias, const Shape& stride, const Shape& padding,
            const Shape& dilation, std::int64_t groups) {
  check<ShapeError>(w.ndim() == dims + 2, "conv", dims, "d: expected weight with ", dims + 2,
                    " dimensions, got shape ", w.sizes());
  return convolution(x, w, bias, stride, padding, dilation, groups);
}
template <int dims>
Tensor conv_transpose(const Tensor& x, const Tensor& w, const Tensor& bias, const Shape& stride,
                      const Shape& padding, const Shape& output_padding, std::int64_t groups,
                      const Shape& dilation) {
  check<ShapeError>(w.ndim() == dims + 2, "conv_transpose", dims, "d: expected weight with ", dims + 2,
                    " dimensions, got shape ", w.sizes());
  return convolution_transpose(x, w, bias, stride, padding, output_padding, groups, dilation);
}

Tensor convolution_add_relu(const Tensor& x, const Tensor& w, const Tensor& z, std::optional<Scalar> alpha,
                            const Tensor& bias, const Shape& stride, const Shape& padding,
                            const Shape& dilation, std::int64_t groups) {
  const char* op = "cudnn_convolution_relu";
  const auto [geometry, sizes] = checked_geometry(x, w, bias, stride, padding, dilation, groups, op);
  check<DTypeError>(x.is_floating_point(), op, ": needs a floating dtype, got ", x.dtype());
  check<ShapeError>(!z.defined() || z.sizes() == sizes, op, ": z must have the result's shape ", sizes,
                    ", got ", z.defined() ? z.sizes() : Shape());
  check<DTypeError>(!z.defined() || z.dtype() == x.dtype(), op, ": z must be ", x.dtype(), ", as the input");
  return record(ConvolutionRelu{geometry, sizes}, in_taken_order(x, w, geometry, sizes), w, bias,
                z.defined() && alpha ? mul(z, *alpha) : z);
}
Tensor convolution_relu(const Tensor& x, const Tensor& w, const Tensor& bias, const Shape& stride,
                        const Shape& padding, const Shape& dilation, std::int64_t groups) {
  return convolution_add_relu(x, w, Tensor(), std::nullopt, bias, stride, padding, dilation, groups);
}

const Register cudnn_convolution_relu_op{
    {.signature = "cudnn_convolution_relu(Tensor input, Tensor weight, Tensor? bias, int[] stride, int[] "
                  "padding, int[] dilation, int groups) -> Tensor",
     .doc = "max(convolution + bias, 0) in one kernel on CUDA devices; on any device, and with gradients.",
     .call = box<convolution_relu>,
     .samples =
         "x(2, 3, 5, 4), x(4, 3, 3, 2), x(4), (1, 1), (0, 0), (1, 1), 1; x(1, 4, 6), x(4, 2, 2), None, "
         "(2,), (1,), (2,), 2",
     .reference = "np.maximum(ref.conv(input, weight, bias, stride, padding, dilation, groups), 0)",
     .errors = "x(2, 3, 5, 4), x(4, 2, 3, 2), x(4), (1, 1), (0, 0), (1, 1), 1; i(2, 3, 5, 4), i(4, 3, 3, 2), "
               "None, (1, 1), (0, 0), (1, 1), 1"}};
const Register cudnn_convolution_add_relu_op{
    {.signature = "cudnn_convolution_add_relu(Tensor input, Tensor weight, Tensor z, Scalar? alpha, Tensor? "
                  "bias, int[] stride, int[] padding, int[] dilation, int groups) -> Tensor",
     .doc = "max(convolution + alpha * z + bias, 0), as cudnn_convolution_relu.",
     .call = box<convolution_add_relu>,
     .samples =
         "x(2, 3, 5, 4), x(4, 3, 3, 2), x(2, 4, 3, 3), 2, x(4), (1, 1), (0, 0), (1, 1), 1; x(1, 4, 6), "
         "x(2, 4, 2), x(1, 2, 5), None, None, (1,), (0,), (1,), 1",
     .reference = "np.maximum(ref.conv(input, weight, bias, stride, padding, dilation, groups) + (1 if alpha "
                  "is None else alpha) * z, 0)",
     .errors = "x(2, 3, 5, 4), x(4, 3, 3, 2), x(2, 4, 3, 2), 2, x(4), (1, 1), (0, 0), (1, 1), 1"}};
const Register conv1d_op[]{
    {{.signature = "conv1d(Tensor input, Tensor weight, Tensor? bias=None, int[1] stride=1, int[1] "
                   "padding=0, int[1] dilation=1, int groups=1) -> Tensor",
      .doc = "Convolution of input [N, C, L] with weight [O, C / groups, K].",
      .call = box<conv<1>>,
      .homes = "taper nn.functional",
      .samples = "x(2, 3, 5), x(4, 3, 3), x(4); x(1, 4, 6), x(4, 2, 2), x(4), 2, 1, 2, 2; x(3, 5), x(2, 3, "
                 "1); x(0, 3, 5), x(4, 3, 3); c(1, 2, 4), c(2, 1, 2), c(2), 2, 1, 2, 2",
      .reference = "ref.conv(input, weight, bias, stride, padding, dilation, groups)",
      .errors = "x(2, 3, 5), x(4, 2, 3); x(2, 3, 2), x(4, 3, 3); x(2, 3, 5), x(4, 3, 3), x(3)"}},
    {{.signature = "conv1d(Tensor input, Tensor weight, Tensor? bias=None, int[1] stride=1, str "
                   "padding='valid', int[1] dilation=1, int groups=1) -> Tensor",
      .doc = "padding: 'same' or 'valid'.",
      .call = box<conv_named<1>>,
      .homes = "taper nn.functional",
      .samples = "x(2, 3, 5), x(4, 3, 4), padding='same'",
      .reference = "ref.conv_same(input, weight)"}}};
const Register conv2d_op[]{
    {{.signature = "conv2d(Tensor input, Tensor weight, Tensor? bias=None, int[2] stride=1, int[2] "
                   "padding=0, int[2] dilation=1, int groups=1) -> Tensor",
      .doc = "Convolution of input [N, C, H, W] with weight [O, C / groups, KH, KW].",
      .call = box<conv<2>>,
      .homes = "taper nn.functional",
      .samples = "x(2, 3, 5, 4), x(4, 3, 3, 2), x(4); x(1, 4, 6, 5), x(4, 2, 2, 3), x(4), (2, 1), (1, 0), "
                 "(1, 2), 2; x(2, 3, 4, 4), x(3, 1, 3, 3), None, 1, 1, 1, 3; x(3, 4, 4), x(2, 3, 1, 1); i(2, "
                 "4, 5, 6), "
                 "i(2, 2, 3, 2, lo=-3), i(2), (2, 1), (1, 0), (1, 2), 2",
      .reference = "ref.conv(input, weight, bias, stride, padding, dilation, groups)",
      .errors = "x(2, 1, 5, 5), x(4, 3, 3, 3); i(2, 3, 5, 5), x(4, 3, 3, 3); b(1, 1, 2, 2), b(1, 1, 2, 2); "
                "x(2, 3, 5, 5), x(4, 3, 3, 3), "
                "None, 0"}},
    {{.signature = "conv2d(Tensor input, Tensor weight, Tensor? bias=None, int[2] stride=1, str "
                   "padding='valid', int[2] dilation=1, int groups=1) -> Tensor",
      .doc = "padding: 'same' or 'valid'.",
      .call = box<conv_named<2>>,
      .homes = "taper nn.functional",
      .samples = "x(2, 3, 5, 4), x(4, 3, 3, 2), padding='same'",
      .reference = "ref.conv_same(input, weight)"}}};
const Register conv3d_op[]{
    {{.signature = "conv3d(Tensor input, Tensor weight, Tensor? bias=None, int[3] stride=1, int[3] "
                   "padding=0, int[3] dilation=1, int groups=1) -> Tensor",
      .doc = "Convolution of input [N, C, D, H, W] with weight [O, C / groups, KD, KH, KW].",
      .call = box<conv<3>>,
      .homes = "taper nn.functional",
      .samples = "x(1, 2, 3, 4, 3), x(2, 2, 2, 2, 2), x(2); x(1, 2, 3, 4, 3), x(2, 1, 2, 3, 2), None, (1, 2, "
                 "1), (0, 1, 1), 1, 2",
      .reference = "ref.conv(input, weight, bias, stride, padding, dilation, groups)"}},
    {{.signature = "conv3d(Tensor input, Tensor weight, Tensor? bias=None, int[3] stride=1, str "
                   "padding='valid', int[3] dilation=1, int groups=1) -> Tensor",
      .doc = "padding: 'same' or 'valid'.",
      .call = box<conv_named<3>>,
      .homes = "taper nn.functional",
      .samples = "x(1, 2, 3, 3, 3), x(2, 2, 3, 2, 1), padding='same'",
      .reference = "ref.conv_same(input, weight)"}}};
const Register conv_transpose1d_op{
    {.signature = "conv_transpose1d(Tensor input, Tensor weight, Tensor? bias=None, int[1] stride=1, int[1] "
                  "padding=0, int[1] output_padding=0, int groups=1, int[1] dilation=1) -> Tensor",
     .doc = "The transpose of conv1d; weight [C, O / groups, K].",
     .call = box<conv_transpose<1>>,
     .homes = "taper nn.functional",
     .samples = "x(2, 3, 4), x(3, 2, 3), x(2); x(1, 4, 3), x(4, 1, 2), None, 2, 1, 1, 2; "
                "c(1, 4, 3), c(4, 1, 2), None, 2, 1, 1, 2",
     .reference =
         "ref.conv_transpose(input, weight, bias, stride, padding, output_padding, groups, dilation)",
     .errors = "x(2, 3, 4), x(2, 2, 3)"}};
const Register conv_transpose2d_op{
    {.signature = "conv_transpose2d(Tensor input, Tensor weight, Tensor? bias=None, int[2] stride=1, int[2] "
                  "padding=0, int[2] output_padding=0, int groups=1, int[2] dilation=1) -> Tensor",
     .doc = "The transpose of conv2d; weight [C, O / groups, KH, KW].",
     .call = box<conv_transpose<2>>,
     .homes = "taper nn.functional",
     .samples = "x(2, 3, 3, 4), x(3, 2, 3, 2), x(2); x(1, 2, 3, 3), x(2, 2, 2, 3), None, (2, 1), (1, 0), (1, "
                "0), 1, (1, 2); i(1, 4, 3, 3), i(4, 3, 2, 3, lo=-3), i(6), (2, 1), (1, 0), (1, 0), 2, (1, 2)",
     .reference =
         "ref.conv_transpose(input, weight, bias, stride, padding, output_padding, groups, dilation)",
     .errors = "x(1, 2, 3, 3), x(2, 2, 2, 2), None, 1, 0, 1"}};
const Register conv_transpose3d_op{
    {.signature = "conv_transpose3d(Tensor input, Tensor weight, Tensor? bias=None, int[3] stride=1, int[3] "
                  "padding=0, int[3] output_padding=0, int groups=1, int[3] dilation=1) -> Tensor",
     .doc = "The transpose of conv3d; weight [C, O / groups, KD, KH, KW].",
     .call = box<conv_transpose<3>>,
     .homes = "taper nn.functional",
     .samples = "x(1, 2, 2, 3, 2), x(2, 2, 2, 2, 2), x(2), 2",
     .reference =
         "ref.conv_transpose(input, weight, bias, stride, padding, output_padding, groups, dilation)"}};

}  // namespace

}  // namespace taper
