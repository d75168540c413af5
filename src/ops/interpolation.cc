// Resizing of images: linear in them, so that each gradient is the transposed operation.
#include "taper/ops/interpolation.h"

#include <cmath>

#include "autograd/record.h"
#include "cpu/interpolate.h"
#include "ops/memory_order.h"
#include "ops/registry.h"
#include "taper/ops.h"
#include "tensor/kernel_for.h"

namespace taper {

namespace {

template <bool transposed>
struct Resize {
  static constexpr auto name = transposed ? "interpolate_backward" : "interpolate";
  cpu::Interpolate plan;
  Shape input_sizes, output_sizes;

  Tensor forward(const Tensor& x) const {
    cpu::Interpolate whole = plan;
    whole.channels_last = is_channels_last(x);
    const Tensor source = whole.channels_last ? x : contiguous(x);
    Tensor y =
        empty_laid_out(transposed ? input_sizes : output_sizes, x.dtype(), whole.channels_last, x.device());
    if (transposed) kernel_for<cpu::interpolate_backward>(name, source)(whole, source.data(), y.data());
    else kernel_for<cpu::interpolate>(name, source)(whole, source.data(), y.data());
    return y;
  }
  Tensor backward(const Saved&, const Tensor& dy) const {
    return record(Resize<!transposed>{plan, input_sizes, output_sizes}, dy);
  }
};

void check_mode(std::string_view mode, int dims) {
  const int wanted = mode == "linear"                          ? 1
                     : mode == "bilinear" || mode == "bicubic" ? 2
                     : mode == "trilinear"                     ? 3
                                                               : dims;
  check<ValueError>(mode == "nearest" || mode == "nearest-exact" || mode == "area" || mode == "linear" ||
                        mode == "bilinear" || mode == "bicubic" || mode == "trilinear",
                    "interpolate: unknown mode '", mode,
                    "'; it must be nearest, nearest-exact, linear, bilinear, bicubic, trilinear or area");
  check<NotImplementedError>(wanted == dims, "interpolate: mode ", mode, " needs an input of ", wanted + 2,
                             " dimensions, got ", dims + 2);
}

// Sizes of the result, and the factors that positions follow from (0: the sizes).
void set_sizes(const Tensor& x, const Interpolation& options, cpu::Interpolate& plan) {
  const int dims = plan.spatial_dims;
  check<ValueError>(options.size.has_value() != options.scale_factor.has_value(),
                    "interpolate: exactly one of size and scale_factor must be given");
  const int count = options.size ? options.size->size() : int(options.scale_factor->size());
  check<ValueError>(count == dims || count == 1, "interpolate: got ", count, " sizes or factors for ", dims,
                    " spatial dimensions of shape ", x.sizes());
  check<ValueError>(!options.recompute_scale_factor || options.scale_factor,
                    "interpolate: recompute_scale_factor is not meaningful with an explicit size");
  for (int i = 0; i < dims; ++i) {
    const int entry = count == 1 ? 0 : i;
    plan.input[i] = x.sizes()[i + 2];
    if (options.size) {
      plan.output[i] = (*options.size)[entry];
    } else {
      const double factor = (*options.scale_factor)[std::size_t(entry)],
                   size = std::floor(double(plan.input[i]) * factor);
      check<ValueError>(factor > 0 && size < 0x1p40,
                        "interpolate: scale_factor must be positive and not too large, got ", factor);
      plan.output[i] = std::int64_t(size);
      if (!options.recompute_scale_factor) plan.scale_factor[i] = factor;
    }
    check<ShapeError>(plan.input[i] > 0 && plan.output[i] > 0,
                      "interpolate: input and output sizes must be positive, got ", x.sizes(), " and ",
                      plan.output[i], " in spatial dimension ", i);
  }
}

// So many that the largest weight of dimension i still fits into 16 bits.
int weight_bits(cpu::Interpolate plan, int i) {
  double largest = 0;
  plan.weight_bits = 48;  // so fine that it only adds up the weights of one input
  for (const double weight : cpu::interpolation_taps(plan, i).weight) largest = std::max(largest, weight);
  int bits = 0;
  while (bits < 22 && std::int64_t(0.5 + largest * double(std::int64_t(2) << bits)) < 1 << 15) ++bits;
  return bits;
}

// Images of bytes are resized by the last dimension, then by the other, rounded after each, with weights of
// 16 bits, as PyTorch and Pillow do. In float64 these sums are exact.
Tensor resized_bytes(const Tensor& x, const cpu::Interpolate& plan) {
  Tensor y = to(x, float64);
  for (int i = plan.spatial_dims - 1; i >= 0; --i) {
    if (plan.input[i] == plan.output[i]) continue;
    cpu::Interpolate one = plan;
    one.dtype = float64;
    Shape sizes = y.sizes();
    sizes[i + 2] = plan.output[i];
    for (int k = 0; k < plan.spatial_dims; ++k) {
      one.input[k] = y.sizes()[k + 2], one.output[k] = sizes[k + 2];
      if (k != i) one.scale_factor[k] = 0;
    }
    one.weight_bits = weight_bits(one, i);
    y = clamp(floor(add(record(Resize<false>{one, y.sizes(), sizes}, y), 0.5)), Scalar(0), Scalar(255));
  }
  return to(y, uint8);
}

Tensor interpolate_call(const Tensor& x, std::optional<Shape> size,
                        std::optional<std::vector<double>> scale_factor, const std::string& mode,
                        std::optional<bool> align_corners, std::optional<bool> recompute_scale_factor,
                        bool antialias) {
  return interpolate(
      x, {size, scale_factor, mode, align_corners, recompute_scale_factor.value_or(false), antialias});
}
Tensor upsample(const Tensor& x, std::optional<Shape> size, std::optional<std::vector<double>> scale_factor,
                const std::string& mode, std::optional<bool> align_corners) {
  return interpolate(x, {size, scale_factor, mode, align_corners});
}
Tensor upsample_nearest(const Tensor& x, std::optional<Shape> size,
                        std::optional<std::vector<double>> scale_factor) {
  return interpolate(x, {.size = size, .scale_factor = scale_factor});
}
Tensor upsample_bilinear(const Tensor& x, std::optional<Shape> size,
                         std::optional<std::vector<double>> scale_factor) {
  return interpolate(x,
                     {.size = size, .scale_factor = scale_factor, .mode = "bilinear", .align_corners = true});
}

}  // namespace

Tensor interpolate(const Tensor& x, const Interpolation& options) {
  const int dims = x.ndim() - 2;
  check<ShapeError>(dims >= 1 && dims <= 3,
                    "interpolate: expected 3 to 5 dimensions [N, C, spatial...], got shape ", x.sizes());
  check_mode(options.mode, dims);
  const bool smooth = options.mode.ends_with("linear") || options.mode == "bicubic";
  check<ValueError>(smooth || !options.align_corners,
                    "interpolate: align_corners can only be set with mode linear, "
                    "bilinear, bicubic or trilinear, got mode ",
                    options.mode);
  check<ValueError>(!options.antialias || options.mode == "bilinear" || options.mode == "bicubic",
                    "interpolate: antialias needs mode bilinear or bicubic, got ", options.mode);
  const bool image_of_bytes = x.dtype() == uint8 && smooth && dims == 2 && x.device().is_cpu();
  if (x.dtype() == uint8 && !image_of_bytes)
    return to(clamp(floor(add(interpolate(to(x, float32), options), 0.5)), Scalar(0), Scalar(255)), uint8);
  check<DTypeError>(x.is_floating_point() || x.dtype() == uint8,
                    "interpolate: needs a floating dtype or uint8, got ", x.dtype());
  cpu::Interpolate plan;
  plan.spatial_dims = dims;
  plan.batch = x.sizes()[0];
  plan.channels = x.sizes()[1];
  plan.dtype = x.dtype();
  plan.align_corners = options.align_corners.value_or(false);
  plan.antialias = options.antialias;
  set_sizes(x, options, plan);
  Shape output = {plan.batch, plan.channels};
  for (int i = 0; i < dims; ++i) output.push_back(plan.output[i]);
  if (options.mode == "area") return adaptive_average_pool(x, dims, Shape(output.data() + 2, dims));
  plan.mode = options.mode == "nearest"         ? cpu::Interpolation::nearest
              : options.mode == "nearest-exact" ? cpu::Interpolation::nearest_exact
              : options.mode == "bicubic"       ? cpu::Interpolation::cubic
                                                : cpu::Interpolation::linear;
  if (image_of_bytes) return resized_bytes(x, plan);
  return record(Resize<false>{plan, x.sizes(), output}, x);
}

namespace {

const Register interpolate_op{
    {.signature =
         "interpolate(Tensor input, int[]? size=None, float[]? scale_factor=None, str mode='nearest', bool? "
         "align_corners=None, bool? recompute_scale_factor=None, bool antialias=False) -> Tensor",
     .doc = "Images resized to size or by scale_factor.",
     .call = box<interpolate_call>,
     .homes = "nn.functional",
     .samples =
         "x(1, 2, 5), 8; x(1, 2, 5), scale_factor=1.5, mode='linear'; x(1, 2, 3, 4), (6, 3), "
         "mode='bilinear'; "
         "x(1, 2, 3, 4), (5, 7), mode='bilinear', align_corners=True; x(1, 1, 4, 4), scale_factor=(2, 1.5), "
         "mode='bicubic'; x(1, 1, 4, 5), (7, 3), mode='bicubic', align_corners=True; x(1, 1, 4, 5), (3, 8), "
         "mode='nearest-exact'; x(1, 1, 2, 3, 2), (3, 2, 4), mode='trilinear'; x(1, 2, 4, 6), (2, 3), "
         "mode='area'; x(0, 2, 4), 3; x(2, 3, 4, 1).transpose(1, 3), 5",
     .reference = "ref.interpolate(input, size, scale_factor, mode, bool(align_corners))",
     .errors = "x(1, 2), 3; x(1, 2, 3); x(1, 2, 3), 2, 1.5; x(1, 2, 3), 2, mode='bilinear'; x(1, 2, 3), 0; "
               "x(1, 2, 3), 2, "
               "align_corners=True; x(1, 2, 3), 2, mode='cube'; i(1, 2, 3), 2"}};
const Register upsample_op{
    {.signature =
         "upsample(Tensor input, int[]? size=None, float[]? scale_factor=None, str mode='nearest', bool? "
         "align_corners=None) -> Tensor",
     .doc = "As interpolate.",
     .call = box<upsample>,
     .homes = "nn.functional",
     .samples = "x(1, 2, 5), 8",
     .reference = "ref.interpolate(input, size, scale_factor, mode, bool(align_corners))"}};
const Register upsample_nearest_op{
    {.signature = "upsample_nearest(Tensor input, int[]? size=None, float[]? scale_factor=None) -> Tensor",
     .doc = "As interpolate with mode nearest.",
     .call = box<upsample_nearest>,
     .homes = "nn.functional",
     .samples = "x(1, 2, 3, 4), 6",
     .reference = "ref.interpolate(input, size, scale_factor, 'nearest', False)"}};
const Register upsample_bilinear_op{
    {.signature = "upsample_bilinear(Tensor input, int[]? size=None, float[]? scale_factor=None) -> Tensor",
     .doc = "As interpolate with mode bilinear and aligned corners.",
     .call = box<upsample_bilinear>,
     .homes = "nn.functional",
     .samples = "x(1, 2, 3, 4), 6",
     .reference = "ref.interpolate(input, size, scale_factor, 'bilinear', True)"}};

}  // namespace

}  // namespace taper
