// Images read at computed positions, composed of gathers.
#include "taper/ops/grid_sample.h"

#include <algorithm>
#include <array>
#include <vector>

#include "ops/registry.h"
#include "taper/ops.h"

namespace taper {

namespace {

enum class Outside : std::uint8_t { zeros, border, reflection };

// Images [N, C, spatial...] and how they are read; dimensions in the order of the image.
struct Image {
  Tensor flat;  // [N, C, pixels]
  Shape sizes;
  Outside outside;
  bool align_corners;

  // x mirrored at low and high until it lies between them.
  static Tensor reflected(const Tensor& x, double low, double high) {
    const double span = high - low;
    if (span <= 0) return zeros_like(x);
    const Tensor away = abs(x - low), rest = fmod(away, full_like(away, span)), turns = floor(away / span);
    return where(eq(fmod(turns, full_like(turns, 2)), 0), rest + low, span - rest + low);
  }
  Tensor inside(const Tensor& x, int dim, Outside rule) const {
    if (rule == Outside::zeros) return x;
    const double last = double(sizes[dim] - 1);
    const Tensor bounded = rule == Outside::border ? x
                           : align_corners         ? reflected(x, 0, last)
                                                   : reflected(x, -0.5, last + 0.5);
    return clamp(bounded, Scalar(0), Scalar(last));
  }
  // Positions in [-1, 1] as positions in pixels.
  Tensor pixel(const Tensor& x, int dim) const {
    const double size = double(sizes[dim]);
    return align_corners ? (x + 1) / 2 * (size - 1) : ((x + 1) * size - 1) / 2;
  }
  // The elements at whole places, a tensor [N, out...] for each dimension; zero outside.
  Tensor read(const Tensors& places) const {
    Tensor index, seen;
    for (int i = 0; i < sizes.size(); ++i) {
      const Tensor& place = places[std::size_t(i)];
      const Tensor within = logical_and(ge(place, 0), lt(place, double(sizes[i])));
      seen = seen.defined() ? logical_and(seen, within) : within;
      const Tensor bounded = to(masked_fill(place, logical_not(within), 0), int64);
      index = index.defined() ? index * sizes[i] + bounded : bounded;
    }
    const std::int64_t batch = flat.size(0), channels = flat.size(1);
    Shape out = index.sizes();
    out.insert(1, channels);
    const Tensor rows =
        expand(reshape(index, {batch, 1, -1}), {batch, channels, numel(index.sizes()) / batch});
    return reshape(gather(flat, 2, rows), out) * unsqueeze(seen, 1);
  }
};

// Neighbours of each position with their weights: the weights of dimension i, and the places of dimension i,
// by neighbour. All combinations are summed.
Tensor weighted_sum(const Image& image, const std::vector<Tensors>& weights,
                    const std::vector<Tensors>& places) {
  const std::size_t dims = weights.size(), each = weights[0].size();
  std::size_t combinations = 1;
  for (std::size_t i = 0; i < dims; ++i) combinations *= each;
  Tensor total;
  for (std::size_t number = 0; number < combinations; ++number) {
    Tensor weight;
    Tensors at;
    std::size_t rest = number;
    for (std::size_t i = 0; i < dims; ++i, rest /= each) {
      const Tensor& factor = weights[i][rest % each];
      weight = weight.defined() ? weight * factor : factor;
      at.push_back(places[i][rest % each]);
    }
    const Tensor term = image.read(at) * unsqueeze(weight, 1);
    total = total.defined() ? total + term : term;
  }
  return total;
}

Tensor linear_sample(const Image& image, const Tensors& pixels) {
  std::vector<Tensors> weights, places;
  for (const Tensor& pixel : pixels) {
    const Tensor low = floor(pixel).detach(), past = pixel - low;
    weights.push_back({1 - past, past});
    places.push_back({low, low + 1});
  }
  return weighted_sum(image, weights, places);
}

Tensor cubic_sample(const Image& image, const Tensors& pixels) {
  constexpr double a = -0.75;
  const auto near = [](const Tensor& u) { return ((a + 2) * u - (a + 3)) * u * u + 1; };
  const auto far = [](const Tensor& u) { return ((a * u - 5 * a) * u + 8 * a) * u - 4 * a; };
  std::vector<Tensors> weights, places;
  for (int i = 0; i < int(pixels.size()); ++i) {
    const Tensor low = floor(pixels[std::size_t(i)]).detach(), past = pixels[std::size_t(i)] - low;
    weights.push_back({far(past + 1), near(past), near(1 - past), far(2 - past)});
    Tensors at;
    for (const int step : {-1, 0, 1, 2}) at.push_back(image.inside(low + step, i, image.outside));
    places.push_back(at);
  }
  return weighted_sum(image, weights, places);
}

Outside outside_of(std::string_view padding_mode) {
  if (padding_mode == "zeros") return Outside::zeros;
  if (padding_mode == "border") return Outside::border;
  check<ValueError>(padding_mode == "reflection",
                    "grid_sample: padding_mode must be zeros, border or reflection, got ", padding_mode);
  return Outside::reflection;
}

}  // namespace

Tensor affine_grid(const Tensor& theta, const Shape& sizes, bool align_corners) {
  const int dims = sizes.size() - 2;
  check<ShapeError>(
      (dims == 2 || dims == 3) && theta.ndim() == 3 && theta.size(1) == dims && theta.size(2) == dims + 1,
      "affine_grid: theta must be [N, 2, 3] for 4-d and [N, 3, 4] for 5-d sizes, got ", theta.sizes(),
      " for size ", sizes);
  check<DTypeError>(theta.is_floating_point(), "affine_grid: theta must be floating, got ", theta.dtype());
  Tensors axes;
  Shape out{theta.size(0)};
  for (int i = 0; i < dims; ++i) {
    const std::int64_t count = sizes[i + 2];
    check<ShapeError>(count > 0, "affine_grid: expected positive sizes, got ", sizes);
    const Tensor axis = count > 1 ? linspace(-1, 1, count, theta.dtype(), theta.device())
                                  : zeros({count}, theta.dtype(), theta.device());
    axes.push_back(align_corners ? axis : axis * (double(count - 1) / double(count)));
    out.push_back(count);
  }
  Tensors columns = meshgrid(axes, "ij");
  std::reverse(columns.begin(), columns.end());
  columns.push_back(ones_like(columns[0]));
  const Tensor points = reshape(stack(columns, -1), {-1, dims + 1});
  out.push_back(dims);
  return reshape(matmul(points, transpose(theta, 1, 2)), out);
}

Tensor grid_sample(const Tensor& x, const Tensor& grid, std::string_view mode, std::string_view padding_mode,
                   bool align_corners) {
  constexpr auto op = "grid_sample";
  const int dims = x.ndim() - 2;
  check<ShapeError>(
      (dims == 2 || dims == 3) && grid.ndim() == x.ndim() && grid.size(-1) == dims &&
          grid.size(0) == x.size(0),
      op, ": input ", x.sizes(), " and grid ", grid.sizes(),
      " do not fit; expected [N, C, H, W] and [N, H', W', 2], or [N, C, D, H, W] and [N, D', H', W', 3]");
  check<ValueError>(mode == "bilinear" || mode == "nearest" || mode == "bicubic", op,
                    ": mode must be bilinear, nearest or bicubic, got ", mode);
  check<ValueError>(mode != "bicubic" || dims == 2, op, ": bicubic mode needs input [N, C, H, W], got ",
                    x.sizes());
  const Outside outside = outside_of(padding_mode);
  const Shape sizes(x.sizes().data() + 2, dims);
  check<ShapeError>(numel(sizes) > 0, op, ": expected an input with non-empty spatial dimensions, got ",
                    x.sizes());
  if (grid.numel() == 0) {
    Shape out(grid.sizes().data(), grid.ndim() - 1);
    out.insert(1, x.size(1));
    return zeros(out, x.dtype(), x.device());
  }
  const Image image{flatten(x, 2), sizes, outside, align_corners};
  Tensors pixels;
  for (int i = 0; i < dims; ++i) {
    const Tensor pixel = image.pixel(select(grid, -1, dims - 1 - i), i);
    pixels.push_back(mode == "bicubic" ? pixel : image.inside(pixel, i, outside));
  }
  if (mode == "bicubic") return cubic_sample(image, pixels);
  if (mode == "bilinear") return linear_sample(image, pixels);
  for (Tensor& pixel : pixels) pixel = round(pixel.detach());
  return image.read(pixels);
}

namespace {

Tensor affine_grid_call(const Tensor& theta, const Shape& sizes, std::optional<bool> align_corners) {
  return affine_grid(theta, sizes, align_corners.value_or(false));
}
Tensor grid_sample_call(const Tensor& x, const Tensor& grid, std::string_view mode,
                        std::string_view padding_mode, std::optional<bool> align_corners) {
  return grid_sample(x, grid, mode, padding_mode, align_corners.value_or(false));
}

// With the modes as numbers, in PyTorch's order.
Tensor grid_sampler(const Tensor& x, const Tensor& grid, std::int64_t mode, std::int64_t padding_mode,
                    bool align_corners) {
  constexpr std::array modes{"bilinear", "nearest", "bicubic"}, paddings{"zeros", "border", "reflection"};
  check<ValueError>(mode >= 0 && mode < 3 && padding_mode >= 0 && padding_mode < 3,
                    "grid_sampler: modes are numbers from 0 to 2, got ", mode, " and ", padding_mode);
  return grid_sample(x, grid, modes[std::size_t(mode)], paddings[std::size_t(padding_mode)], align_corners);
}

const Register affine_grid_op{
    {.signature = "affine_grid(Tensor theta, int[] size, bool? align_corners=None) -> Tensor",
     .doc = "Positions of grid_sample for affine maps theta [N, 2, 3] (or [N, 3, 4]) of images of this size.",
     .call = box<affine_grid_call>,
     .homes = "nn.functional",
     .samples = "x(2, 2, 3), (2, 1, 3, 4); x(1, 2, 3), (1, 1, 1, 4), True; x(2, 3, 4), (2, 1, 2, 3, 4)",
     .reference = "ref.affine_grid(theta, size, align_corners)",
     .errors = "x(2, 2, 2), (2, 1, 3, 4); x(2, 2, 3), (2, 1, 3, 4, 5); x(2, 2, 3), (2, 1, 0, 4)"}};
const Register grid_sample_op{
    {.signature =
         "grid_sample(Tensor input, Tensor grid, str mode='bilinear', str padding_mode='zeros', bool? "
         "align_corners=None) -> Tensor",
     .doc = "Images [N, C, H, W] (or [N, C, D, H, W]) read at grid [N, H', W', 2] (or [N, D', H', W', 3]), "
            "whose last "
            "dimension holds x, y (, z) in [-1, 1]: Jaderberg et al. 2015, arXiv:1506.02025.",
     .call = box<grid_sample_call>,
     .homes = "nn.functional",
     .samples = "x(2, 3, 4, 5), x(2, 3, 2, 2, lo=-1.3, hi=1.3); x(1, 2, 4, 5), x(1, 3, 2, 2), "
                "padding_mode='border'; x(1, 2, "
                "4, 5), x(1, 3, 2, 2), 'bilinear', 'reflection', True; x(1, 2, 3, 4, 5), x(1, 2, 2, 1, 3, "
                "lo=-1.2, hi=1.2); "
                "x(1, 2, 4, 5), x(1, 3, 2, 2), 'bicubic'; x(1, 2, 4, 5), x(1, 3, 2, 2), 'bicubic', "
                "'reflection'; x(2, 3, 4, 5), constant(2, 3, 2, 2), 'nearest'",
     .reference = "ref.grid_sample(input, grid, mode, padding_mode, align_corners)",
     .errors =
         "x(1, 2, 4, 5), x(2, 3, 2, 2); x(1, 2, 4, 5), x(1, 3, 2, 3); x(1, 2, 4, 5), x(1, 3, 2, 2), 'cubic'; "
         "x(1, 2, 0, 5), x(1, 3, 2, 2); x(1, 2, 3, 4, 5), x(1, 2, 2, 1, 3), 'bicubic'"}};
const Register grid_sampler_op{
    {.signature = "grid_sampler(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool "
                  "align_corners) -> Tensor",
     .doc =
         "grid_sample with its modes as numbers: 0 to 2 of bilinear, nearest, bicubic and of zeros, border, "
         "reflection.",
     .call = box<grid_sampler>,
     .homes = "taper",
     .samples = "x(1, 2, 4, 5), x(1, 3, 2, 2), 0, 1, True",
     .reference = "ref.grid_sample(input, grid, 'bilinear', 'border', align_corners)",
     .errors = "x(1, 2, 4, 5), x(1, 3, 2, 2), 3, 1, True"}};

}  // namespace

}  // namespace taper
