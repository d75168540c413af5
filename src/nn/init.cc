// Initial values of parameters.
#include "taper/nn/init.h"

#include <algorithm>
#include <cmath>

#include "taper/autograd.h"
#include "taper/error.h"
#include "taper/ops.h"

namespace taper::nn::init {
namespace {

double glorot(const Tensor& x, double gain) {
  const auto [in, out] = fans(x);
  return gain * std::sqrt(2.0 / double(in + out));
}

double he(const Tensor& x, double a, std::string_view mode, std::string_view nonlinearity) {
  check<ValueError>(mode == "fan_in" || mode == "fan_out",
                    "kaiming: mode must be 'fan_in' or 'fan_out', got '", mode, "'");
  const auto [in, out] = fans(x);
  return calculate_gain(nonlinearity, a) / std::sqrt(double(mode == "fan_in" ? in : out));
}

}  // namespace

double calculate_gain(std::string_view nonlinearity, double slope) {
  if (nonlinearity == "tanh") return 5.0 / 3;
  if (nonlinearity == "relu") return std::sqrt(2.0);
  if (nonlinearity == "leaky_relu") return std::sqrt(2 / (1 + slope * slope));
  if (nonlinearity == "selu") return 0.75;
  for (std::string_view plain : {"linear", "sigmoid", "conv1d", "conv2d", "conv3d", "conv_transpose1d",
                                 "conv_transpose2d", "conv_transpose3d"})
    if (nonlinearity == plain) return 1;
  fail<ValueError>("calculate_gain: unknown nonlinearity '", nonlinearity, "'");
}

std::pair<std::int64_t, std::int64_t> fans(const Tensor& weight) {
  check<ShapeError>(weight.ndim() >= 2, "init: got ", weight.sizes(), ", expected at least 2 dimensions");
  std::int64_t field = 1;
  for (int i = 2; i < weight.ndim(); ++i) field *= weight.size(i);
  return {weight.size(1) * field, weight.size(0) * field};
}

const Tensor& uniform_(const Tensor& x, double low, double high) {
  const NoGrad initialization;
  return taper::uniform_(x, low, high);
}

const Tensor& normal_(const Tensor& x, double mean, double std) {
  const NoGrad initialization;
  return taper::normal_(x, mean, std);
}

const Tensor& constant_(const Tensor& x, double value) {
  const NoGrad initialization;
  return fill_(x, value);
}

const Tensor& ones_(const Tensor& x) { return constant_(x, 1); }
const Tensor& zeros_(const Tensor& x) { return constant_(x, 0); }

const Tensor& eye_(const Tensor& x) {
  check<ShapeError>(x.ndim() == 2, "init::eye_: got ", x.sizes(), ", expected 2 dimensions");
  const NoGrad initialization;
  return copy_(x, eye(x.size(0), x.size(1)));
}

const Tensor& xavier_uniform_(const Tensor& x, double gain) {
  const double bound = std::sqrt(3.0) * glorot(x, gain);
  return init::uniform_(x, -bound, bound);
}

const Tensor& xavier_normal_(const Tensor& x, double gain) { return init::normal_(x, 0, glorot(x, gain)); }

const Tensor& kaiming_uniform_(const Tensor& x, double a, std::string_view mode,
                               std::string_view nonlinearity) {
  const double bound = std::sqrt(3.0) * he(x, a, mode, nonlinearity);
  return init::uniform_(x, -bound, bound);
}

const Tensor& kaiming_normal_(const Tensor& x, double a, std::string_view mode,
                              std::string_view nonlinearity) {
  return init::normal_(x, 0, he(x, a, mode, nonlinearity));
}

const Tensor& trunc_normal_(const Tensor& x, double mean, double std, double low, double high) {
  const NoGrad initialization;
  const auto below = [](double z) { return std::erfc(-z / std::sqrt(2.0)) / 2; };
  const double first = below((low - mean) / std), last = below((high - mean) / std);
  const Tensor place = taper::uniform_(empty(x.sizes(), float64), 2 * first - 1, 2 * last - 1);
  return copy_(x, clamp(add(mul(erfinv(place), std * std::sqrt(2.0)), mean), Scalar(low), Scalar(high)));
}

const Tensor& dirac_(const Tensor& x, std::int64_t groups) {
  check<ShapeError>(x.ndim() >= 3 && x.ndim() <= 5, "init::dirac_: needs 3 to 5 dimensions, got shape ",
                    x.sizes());
  check<ValueError>(groups > 0 && x.size(0) % groups == 0, "init::dirac_: ", x.size(0),
                    " channels are not divisible by ", groups, " groups");
  const NoGrad initialization;
  fill_(x, 0);
  const std::int64_t rows = x.size(0) / groups;
  for (std::int64_t i = 0; i < x.size(0); ++i) {
    if (i % rows >= x.size(1)) continue;
    Tensor window = select(select(x, 0, i), 0, i % rows);
    while (window.ndim()) window = select(window, 0, window.size(0) / 2);
    fill_(window, 1);
  }
  return x;
}

// Gram and Schmidt, twice: the second pass removes what rounding left.
const Tensor& orthogonal_(const Tensor& x, double gain) {
  check<ShapeError>(x.ndim() >= 2, "init::orthogonal_: needs at least 2 dimensions, got shape ", x.sizes());
  const NoGrad initialization;
  const std::int64_t rows = x.size(0), columns = rows ? x.numel() / rows : 0, count = std::min(rows, columns),
                     length = std::max(rows, columns);
  const Tensor basis = randn({count, length}, float64);
  for (std::int64_t i = 0; i < count; ++i) {
    Tensor vector = select(basis, 0, i);
    const Tensor before = narrow(basis, 0, 0, i);
    for (int pass = 0; pass < 2 && i > 0; ++pass)
      copy_(vector, vector - mv(transpose(before, 0, 1), mv(before, vector)));
    copy_(vector, vector / norm(vector));
  }
  return copy_(x, reshape((rows <= columns ? basis : transpose(basis, 0, 1)) * gain, x.sizes()));
}

const Tensor& sparse_(const Tensor& x, double sparsity, double std) {
  check<ShapeError>(x.ndim() == 2, "init::sparse_: needs 2 dimensions, got shape ", x.sizes());
  const NoGrad initialization;
  taper::normal_(x, 0, std);
  const auto zeros = std::int64_t(std::ceil(sparsity * double(x.size(0))));
  for (std::int64_t column = 0; column < x.size(1); ++column) {
    const Tensor places = narrow(randperm(x.size(0)), 0, 0, zeros);
    index_put_(select(x, 1, column), {places}, tensor(0.0, x.dtype()));
  }
  return x;
}

}  // namespace taper::nn::init
