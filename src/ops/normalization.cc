// Normalization. Each fused gradient differentiates again through the plain formula.
#include "taper/ops/normalization.h"

#include <functional>

#include "autograd/record.h"
#include "cpu/normalization.h"
#include "ops/memory_order.h"
#include "ops/registry.h"
#include "taper/ops.h"
#include "tensor/kernel_for.h"

namespace taper {

namespace {

const void* data_or_null(const Tensor& x) { return x.defined() ? x.data() : nullptr; }
Tensor dense(const Tensor& x) { return x.defined() ? contiguous(x) : x; }
// Kernels read weight and bias as one dtype.
Tensor dense_beside(const Tensor& weight, const Tensor& bias) {
  return dense(weight.defined() && bias.defined() ? to(bias, weight.dtype()) : bias);
}
Tensor vector_for(bool wanted, const Tensor& like) {
  return wanted ? empty(like.sizes(), like.dtype(), like.device()) : Tensor();
}

/// Gradients of a fused gradient (dy, x, weight) -> (dx, dw, db), by differentiating plain(x, weight, bias)
/// twice.
Tensors second_gradients(const std::function<Tensor(const Tensor&, const Tensor&, const Tensor&)>& plain,
                         const Tensor& dy, const Tensor& x, const Tensor& weight, const Tensor& bias,
                         std::span<const Tensor> ddx) {
  const EnableGrad plain_formula;
  const auto leaf = [](const Tensor& t) { return t.defined() ? t.detach().requires_grad_() : t; };
  const Tensor start = leaf(dy), input = leaf(x), factor = leaf(weight), shift = leaf(bias);
  const Tensor y = plain(input, factor, shift);
  Tensors inputs{input}, sources{start, input};
  if (factor.defined()) inputs.push_back(factor), sources.push_back(factor);
  if (shift.defined()) inputs.push_back(shift);
  const Tensors first = grad({y}, inputs, {start}, false, true);
  Tensors outputs, seeds;
  std::size_t slot = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    const bool present = i == 0 || (i == 1 && factor.defined()) || (i == 2 && shift.defined());
    if (!present) continue;
    if (ddx[i].defined() && first[slot].requires_grad())
      outputs.push_back(first[slot]), seeds.push_back(ddx[i]);
    ++slot;
  }
  const Tensors second = outputs.empty() ? Tensors(sources.size())
                                         : grad(outputs, sources, seeds, false, is_grad_enabled(), true);
  return {second[0], second[1], factor.defined() ? second[2] : Tensor(), Tensor()};
}

struct RowNormShape {
  Shape normalized;
  double eps;
  bool centered;

  cpu::RowNorm of(const Tensor& x, const Tensor& weight) const {
    const std::int64_t size = numel(normalized);
    return {x.dtype(), weight.defined() ? weight.dtype() : x.dtype(), size ? x.numel() / size : 0, size, eps,
            centered};
  }
  Tensor plain(const Tensor& x, const Tensor& weight, const Tensor& bias) const {
    Shape dims;
    for (int i = 0; i < normalized.size(); ++i) dims.push_back(i - normalized.size());
    Tensor y = centered ? sub(x, mean(x, dims, true)) : x;
    y = mul(y, rsqrt(add(mean(mul(y, y), dims, true), eps)));
    if (weight.defined()) y = mul(y, weight);
    return bias.defined() ? add(y, bias) : y;
  }
};

// Inputs dy, x, weight, bias, mean, rstd.
struct RowNormBackward {
  static constexpr auto name = "layer_norm_backward";
  static constexpr Saves saves{.inputs = 15};
  RowNormShape shape;

  std::array<Tensor, 3> forward(const Tensor& dy, const Tensor& x, const Tensor& weight, const Tensor& bias,
                                const Tensor& mean, const Tensor& rstd) const {
    Tensor dx = empty(x.sizes(), x.dtype(), x.device()), dw = vector_for(weight.defined(), weight),
           db = vector_for(bias.defined(), bias);
    const Tensor gradient = contiguous(dy);
    kernel_for<cpu::row_norm_backward>(name, x, weight, gradient)(
        shape.of(x, weight), x.data(), gradient.data(), data_or_null(weight),
        static_cast<const double*>(data_or_null(mean)), rstd.device_data<double>(), dx.data(),
        const_cast<void*>(data_or_null(dw)), const_cast<void*>(data_or_null(db)));
    return {dx, dw, db};
  }
  Tensors backward(const Saved& saved, std::span<const Tensor> ddx) const {
    Tensors second = second_gradients(
        [this](const Tensor& x, const Tensor& w, const Tensor& b) { return shape.plain(x, w, b); },
        saved.input(0), saved.input(1), saved.input(2), saved.input(3), ddx);
    second.resize(6);
    return second;
  }
};

struct RowNormOp {
  static constexpr auto name = "layer_norm";
  static constexpr Saves saves{.inputs = 7, .outputs = 6};
  RowNormShape shape;

  std::array<Tensor, 3> forward(const Tensor& x, const Tensor& weight, const Tensor& bias) const {
    const cpu::RowNorm norm = shape.of(x, weight);
    Tensor y = empty(x.sizes(), x.dtype(), x.device()),
           mean = shape.centered ? empty({norm.rows}, float64, x.device()) : Tensor(),
           rstd = empty({norm.rows}, float64, x.device());
    const auto kernel = kernel_for<cpu::row_norm>(name, x, weight, bias);
    if (y.numel())
      kernel(norm, x.data(), data_or_null(weight), data_or_null(bias), y.data(),
             shape.centered ? mean.device_data<double>() : nullptr, rstd.device_data<double>());
    return {y, mean, rstd};
  }
  std::array<Tensor, 3> backward(const Saved& saved, std::span<const Tensor> dy) const {
    if (!dy[0].defined()) return {};
    return record(RowNormBackward{shape}, dy[0], saved.input(0), saved.input(1), saved.input(2),
                  shape.centered ? saved.output(1) : Tensor(), saved.output(2));
  }
};

Tensor row_norm(const Tensor& x, const Shape& normalized, const Tensor& weight, const Tensor& bias,
                double eps, bool centered, const char* op) {
  check<DTypeError>(x.is_floating_point() || (x.is_complex() && !centered), op,
                    ": needs a floating dtype, got ", x.dtype());
  bool fits = !normalized.empty() && normalized.size() <= x.ndim();
  for (int i = 0; fits && i < normalized.size(); ++i)
    fits = normalized[i] == x.sizes()[x.ndim() - normalized.size() + i];
  check<ShapeError>(fits, op, ": normalized_shape ", normalized, " is not the end of the input's shape ",
                    x.sizes());
  for (const Tensor* parameter : {&weight, &bias})
    check<ShapeError>(!parameter->defined() || parameter->sizes() == normalized, op,
                      ": weight and bias must have shape ", normalized, ", got ",
                      parameter->defined() ? parameter->sizes() : Shape());
  if (x.is_complex()) return RowNormShape{normalized, eps, centered}.plain(x, weight, bias);
  return record(RowNormOp{{normalized, eps, centered}}, contiguous(x), dense(weight),
                dense_beside(weight, bias))[0];
}

/// x in row-major or channels-last order, whichever is nearer.
Tensor in_either_order(const Tensor& x) { return laid_out(x, is_channels_last(x)); }

/// x [N, C, plane...] seen as [N, C, plane], in either order.
struct ChannelShape {
  double eps;
  std::int64_t groups = 0;  // 0: batch norm

  cpu::ChannelNorm of(const Tensor& x, const Tensor& weight) const {
    cpu::ChannelNorm norm{
        x.dtype(),          weight.defined() ? weight.dtype() : x.dtype(), x.sizes()[0], x.sizes()[1], 1,
        is_channels_last(x)};
    for (int i = 2; i < x.ndim(); ++i) norm.plane *= x.sizes()[i];
    return norm;
  }
  static Tensor per_channel(const Tensor& v, const Tensor& x) {
    Shape sizes = Shape::filled(x.ndim(), 1);
    sizes[1] = v.numel();
    return reshape(v, sizes);
  }
  Tensor plain(const Tensor& x, const Tensor& weight, const Tensor& bias) const {
    Tensor y;
    if (groups) {
      const std::int64_t size = x.sizes()[1] / groups * numel(Shape(x.sizes().data() + 2, x.ndim() - 2));
      const Tensor grouped = reshape(x, {x.sizes()[0], groups, size});
      const Tensor centered = sub(grouped, mean(grouped, Shape{2}, true));
      y = reshape(mul(centered, rsqrt(add(mean(mul(centered, centered), Shape{2}, true), eps))), x.sizes());
    } else {
      Shape dims;
      for (int i = 0; i < x.ndim(); ++i)
        if (i != 1) dims.push_back(i);
      const Tensor centered = sub(x, mean(x, dims, true));
      y = mul(centered, rsqrt(add(mean(mul(centered, centered), dims, true), eps)));
    }
    if (weight.defined()) y = mul(y, per_channel(weight, x));
    return bias.defined() ? add(y, per_channel(bias, x)) : y;
  }
};

struct ChannelNormBackward {
  static constexpr auto name = "batch_norm_backward";
  static constexpr Saves saves{.inputs = 15};
  ChannelShape shape;

  std::array<Tensor, 3> forward(const Tensor& dy, const Tensor& x, const Tensor& weight, const Tensor& bias,
                                const Tensor& mean, const Tensor& rstd) const {
    const bool channels_last = is_channels_last(x);
    Tensor dx = empty_laid_out(x.sizes(), x.dtype(), channels_last, x.device()),
           dw = vector_for(weight.defined(), weight), db = vector_for(bias.defined(), bias);
    const Tensor gradient = laid_out(dy, channels_last);
    void *dw_data = const_cast<void*>(data_or_null(dw)), *db_data = const_cast<void*>(data_or_null(db));
    const double *means = mean.device_data<double>(), *rstds = rstd.device_data<double>();
    if (shape.groups)
      kernel_for<cpu::group_norm_backward>(name, x, weight, gradient)(
          shape.of(x, weight), shape.groups, x.data(), gradient.data(), data_or_null(weight), means, rstds,
          dx.data(), dw_data, db_data);
    else
      kernel_for<cpu::batch_norm_backward>(name, x, weight, gradient)(
          shape.of(x, weight), true, x.data(), gradient.data(), data_or_null(weight), means, rstds, dx.data(),
          dw_data, db_data);
    return {dx, dw, db};
  }
  Tensors backward(const Saved& saved, std::span<const Tensor> ddx) const {
    Tensors second = second_gradients(
        [this](const Tensor& x, const Tensor& w, const Tensor& b) { return shape.plain(x, w, b); },
        saved.input(0), saved.input(1), saved.input(2), saved.input(3), ddx);
    second.resize(6);
    return second;
  }
};

// By statistics of x itself. Results: y, mean, rstd and (batch norm) the biased variance.
struct ChannelNormOp {
  static constexpr auto name = "batch_norm";
  static constexpr Saves saves{.inputs = 7, .outputs = 6};
  ChannelShape shape;

  std::array<Tensor, 4> forward(const Tensor& x, const Tensor& weight, const Tensor& bias) const {
    const cpu::ChannelNorm norm = shape.of(x, weight);
    Tensor y = empty_laid_out(x.sizes(), x.dtype(), norm.channels_last, x.device());
    if (shape.groups) {
      Tensor mean = empty({norm.batch, shape.groups}, float64, x.device()),
             rstd = empty({norm.batch, shape.groups}, float64, x.device());
      const auto kernel = kernel_for<cpu::group_norm>(name, x, weight, bias);
      if (y.numel())
        kernel(norm, shape.groups, shape.eps, x.data(), data_or_null(weight), data_or_null(bias), y.data(),
               mean.device_data<double>(), rstd.device_data<double>());
      return {y, mean, rstd, Tensor()};
    }
    Tensor mean = empty({norm.channels}, float64, x.device()),
           rstd = empty({norm.channels}, float64, x.device()),
           variance = empty({norm.channels}, float64, x.device());
    kernel_for<cpu::batch_norm>(name, x, weight, bias)(
        norm, shape.eps, x.data(), data_or_null(weight), data_or_null(bias), y.data(),
        mean.device_data<double>(), variance.device_data<double>(), rstd.device_data<double>());
    return {y, mean, rstd, variance};
  }
  std::array<Tensor, 3> backward(const Saved& saved, std::span<const Tensor> dy) const {
    if (!dy[0].defined()) return {};
    return record(ChannelNormBackward{shape}, dy[0], saved.input(0), saved.input(1), saved.input(2),
                  saved.output(1), saved.output(2));
  }
};

// Batch norm by given statistics: inputs x, mean, variance, weight, bias.
struct FixedChannelNorm {
  static constexpr auto name = "batch_norm";
  static constexpr Saves saves{.inputs = 31};
  ChannelShape shape;

  Tensor forward(const Tensor& x, const Tensor& mean, const Tensor& variance, const Tensor& weight,
                 const Tensor& bias) const {
    const cpu::ChannelNorm norm = shape.of(x, weight.defined() ? weight : bias);
    Tensor y = empty_laid_out(x.sizes(), x.dtype(), norm.channels_last, x.device());
    const Tensor means = contiguous(to(mean, float64)),
                 rstds = contiguous(rsqrt(add(to(variance, float64), shape.eps)));
    kernel_for<cpu::batch_norm_inference>(name, x, mean, variance, weight, bias)(
        norm, x.data(), data_or_null(weight), data_or_null(bias), means.device_data<double>(),
        rstds.device_data<double>(), y.data());
    return y;
  }
  std::array<Tensor, 5> backward(const Saved& saved, const Tensor& dy) const {
    const Tensor x = saved.input(0), mean = saved.input(1), variance = saved.input(2),
                 weight = saved.input(3);
    const Tensor rstd = rsqrt(add(variance, shape.eps)), factor = weight.defined() ? mul(weight, rstd) : rstd;
    const auto per_channel = [&](const Tensor& v) { return ChannelShape::per_channel(v, x); };
    Shape dims;
    for (int i = 0; i < x.ndim(); ++i)
      if (i != 1) dims.push_back(i);
    const Tensor total = saved.needs(1) || saved.needs(4) ? sum(dy, dims) : Tensor();
    const Tensor along =
        saved.needs(2) || saved.needs(3) ? sum(mul(dy, sub(x, per_channel(mean))), dims) : Tensor();
    const auto gradient = [&](int i, auto&& formula) {
      return saved.needs(i) ? to(formula(), saved.input(i).dtype()) : Tensor();
    };
    return {gradient(0, [&] { return mul(dy, per_channel(factor)); }),
            gradient(1, [&] { return neg(mul(total, factor)); }),
            gradient(2, [&] { return mul(mul(along, factor), div(mul(rstd, rstd), -2)); }),
            gradient(3, [&] { return mul(along, rstd); }), gradient(4, [&] { return total; })};
  }
};

void check_channels(const Tensor& x, const Tensor& weight, const Tensor& bias, const char* op) {
  check<ShapeError>(x.ndim() >= 2, op, ": expected at least 2 dimensions [N, C, ...], got shape ", x.sizes());
  check<DTypeError>(x.is_floating_point(), op, ": needs a floating dtype, got ", x.dtype());
  for (const Tensor* parameter : {&weight, &bias})
    check<ShapeError>(!parameter->defined() || parameter->sizes() == Shape{x.sizes()[1]}, op,
                      ": weight and bias must have shape (", x.sizes()[1], ",) for an input of shape ",
                      x.sizes(), ", got ", parameter->defined() ? parameter->sizes() : Shape());
}

}  // namespace

Tensor layer_norm(const Tensor& x, const Shape& normalized, const Tensor& weight, const Tensor& bias,
                  double eps) {
  return row_norm(x, normalized, weight, bias, eps, true, "layer_norm");
}

Tensor rms_norm(const Tensor& x, const Shape& normalized, const Tensor& weight, std::optional<double> eps) {
  const DType real = real_dtype(x.dtype());
  const double default_eps = real == float64        ? 0x1p-52
                             : real == float32      ? 0x1p-23
                             : x.dtype() == float16 ? 0x1p-10
                                                    : 0x1p-7;
  return row_norm(x, normalized, weight, Tensor(), eps.value_or(default_eps), false, "rms_norm");
}

Tensor group_norm(const Tensor& x, std::int64_t groups, const Tensor& weight, const Tensor& bias,
                  double eps) {
  check_channels(x, weight, bias, "group_norm");
  check<ShapeError>(x.sizes()[1] > 0 && (x.numel() > 0 || x.sizes()[0] == 0),
                    "group_norm: only the batch may be empty, got shape ", x.sizes());
  check<ShapeError>(groups > 0 && x.sizes()[1] % groups == 0, "group_norm: ", x.sizes()[1],
                    " channels of shape ", x.sizes(), " are not divisible into ", groups, " groups");
  return record(ChannelNormOp{{eps, groups}}, in_either_order(x), dense(weight),
                dense_beside(weight, bias))[0];
}

Tensor batch_norm(const Tensor& x, const Tensor& running_mean, const Tensor& running_var,
                  const Tensor& weight, const Tensor& bias, bool training, double momentum, double eps) {
  check_channels(x, weight, bias, "batch_norm");
  const std::int64_t channels = x.sizes()[1], count = channels ? x.numel() / channels : 0;
  for (const Tensor* statistic : {&running_mean, &running_var})
    check<ShapeError>(!statistic->defined() || statistic->numel() == channels,
                      "batch_norm: the input of shape ", x.sizes(), " has ", channels,
                      " channels, but running statistics have ",
                      statistic->defined() ? statistic->numel() : 0);
  if (!training) {
    check<ValueError>(running_mean.defined() && running_var.defined(),
                      "batch_norm: running_mean and running_var are needed in evaluation mode");
    return record(FixedChannelNorm{{eps, 0}}, in_either_order(x), running_mean, running_var, dense(weight),
                  dense_beside(weight, bias));
  }
  check<ValueError>(count != 1,
                    "batch_norm: expected more than 1 value per channel when training, got input size ",
                    x.sizes());
  check<ValueError>(eps > 0, "batch_norm: eps must be positive during training, got ", eps);
  const auto results =
      record(ChannelNormOp{{eps, 0}}, in_either_order(x), dense(weight), dense_beside(weight, bias));
  const NoGrad statistics_only;
  if (count == 0) return results[0];
  if (running_mean.defined())
    copy_(running_mean, lerp(running_mean, to(results[1].detach(), running_mean.dtype()), momentum));
  if (running_var.defined()) {
    const Tensor unbiased = mul(results[3].detach(), double(count) / double(count - 1));
    copy_(running_var, lerp(running_var, to(unbiased, running_var.dtype()), momentum));
  }
  return results[0];
}

Tensor local_response_norm(const Tensor& x, std::int64_t size, double alpha, double beta, double k) {
  check<ShapeError>(x.ndim() >= 3, "local_response_norm: expected at least 3 dimensions, got shape ",
                    x.sizes());
  check<ValueError>(size > 0, "local_response_norm: size must be positive, got ", size);
  if (x.numel() == 0) return x;
  const Tensor padded = pad(flatten(unsqueeze(square(x), 1), 3), {0, 0, size / 2, (size - 1) / 2});
  const Tensor energy = reshape(average_pool(padded, 2, {size, 1}, {1}), x.sizes());
  return x / pow(energy * alpha + k, Scalar(beta));
}

namespace {

Tensor batch_norm_call(const Tensor& x, const Tensor& mean, const Tensor& var, const Tensor& weight,
                       const Tensor& bias, bool training, double momentum, double eps) {
  return batch_norm(x, mean, var, weight, bias, training, momentum, eps);
}
// Each sample's channels are a batch of their own.
Tensor instance_norm(const Tensor& x, const Tensor& running_mean, const Tensor& running_var,
                     const Tensor& weight, const Tensor& bias, bool use_input_stats, double momentum,
                     double eps) {
  check_channels(x, weight, bias, "instance_norm");
  if (!use_input_stats) return batch_norm(x, running_mean, running_var, weight, bias, false, momentum, eps);
  const std::int64_t channels = x.sizes()[1];
  check<ValueError>(x.numel() == 0 || x.numel() / (x.sizes()[0] * channels) > 1,
                    "instance_norm: expected more than 1 spatial element when training, got input size ",
                    x.sizes());
  if (running_mean.defined() || running_var.defined()) {
    const NoGrad statistics_only;
    const Tensor flat = reshape(x.detach(), {x.sizes()[0], channels, -1});
    const auto [variance, average] = var_mean(flat, Shape{2});
    if (running_mean.defined()) copy_(running_mean, lerp(running_mean, mean(average, Shape{0}), momentum));
    if (running_var.defined()) copy_(running_var, lerp(running_var, mean(variance, Shape{0}), momentum));
  }
  return group_norm(x, channels, weight, bias, eps);
}

const Register layer_norm_op{
    {.signature = "layer_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, Tensor? bias=None, "
                  "float eps=1e-05) -> Tensor",
     .doc = "(input - mean) / sqrt(var + eps) * weight + bias over the last dimensions. Ba, Kiros & Hinton "
            "2016, arXiv:1607.06450.",
     .call = box<layer_norm>,
     .homes = "taper nn.functional",
     .samples = "x(3, 5), (5,), x(5), x(5); x(2, 3, 4), (3, 4); x(3, 5), 5, x(5); x(3, 5) + 1000, (5,)",
     .reference = "ref.layer_norm(input, normalized_shape, weight, bias, eps)",
     .errors = "x(3, 5), (4,); x(3, 5), (5,), x(4); i(3, 5), (5,)"}};
const Register rms_norm_op{
    {.signature =
         "rms_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, float? eps=None) -> Tensor",
     .doc = "input / sqrt(mean(input^2) + eps) * weight over the last dimensions.",
     .call = box<rms_norm>,
     .homes = "taper nn.functional",
     .samples = "x(3, 5), (5,), x(5); x(2, 3, 4), (3, 4), None, 1e-5; c(2, 3), (3,), c(3)",
     .reference = "ref.rms_norm(input, normalized_shape, weight, eps)",
     .errors = "x(3, 5), (4,)"}};
const Register group_norm_op{{.signature = "group_norm(Tensor input, int num_groups, Tensor? weight=None, "
                                           "Tensor? bias=None, float eps=1e-05) -> Tensor",
                              .doc = "Normalization over groups of channels.",
                              .call = box<group_norm>,
                              .homes = "taper nn.functional",
                              .samples = "x(2, 4, 3), 2, x(4), x(4); x(2, 4, 2, 3), 4; x(2, 4), 1",
                              .reference = "ref.group_norm(input, num_groups, weight, bias, eps)",
                              .errors = "x(2, 4, 3), 3; x(2, 4, 3), 2, x(3); x(1, 2, 0), 1"}};
const Register instance_norm_op{
    {.signature = "instance_norm(Tensor input, Tensor? running_mean=None, Tensor? running_var=None, Tensor? "
                  "weight=None, Tensor? bias=None, bool use_input_stats=True, float momentum=0.1, float "
                  "eps=1e-05) -> Tensor",
     .doc = "Normalization of each channel of each sample.",
     .call = box<instance_norm>,
     .homes = "nn.functional",
     .samples = "x(2, 3, 4), weight=x(3), bias=x(3)",
     .reference = "ref.group_norm(input, input.shape[1], weight, bias, eps)"}};
const Register batch_norm_op{
    {.signature = "batch_norm(Tensor input, Tensor? running_mean, Tensor? running_var, Tensor? weight=None, "
                  "Tensor? bias=None, bool training=False, float momentum=0.1, float eps=1e-05) -> Tensor",
     .doc = "Normalization of each channel over the batch.",
     .call = box<batch_norm_call>,
     .homes = "nn.functional",
     .samples = "x(4, 3), None, None, x(3), x(3), True; x(3, 2, 4), None, None, None, None, True; x(4, 3), "
                "taper.zeros(3, dtype=taper.float64), taper.ones(3, dtype=taper.float64), x(3), x(3)",
     .reference = "ref.batch_norm(input, running_mean, running_var, weight, bias, training, eps)",
     .errors = "x(1, 3), None, None, None, None, True; x(4, 3), None, None; x(4, 3), None, None, x(2), None, "
               "True"}};

const Register local_response_norm_op{
    {.signature =
         "local_response_norm(Tensor input, int size, float alpha=1e-4, float beta=0.75, float k=1.0) -> "
         "Tensor",
     .doc = "Division by the energy of neighbouring channels: Krizhevsky et al. 2012.",
     .call = box<local_response_norm>,
     .homes = "nn.functional",
     .samples = "x(2, 5, 3), 3, 0.5; x(2, 4, 2, 2), 2, 1.0, 0.5, 2.0; x(1, 3, 2), 5",
     .reference = "ref.local_response_norm(input, size, alpha, beta, k)",
     .errors = "x(2, 3), 2; x(2, 3, 4), 0"}};

}  // namespace

}  // namespace taper
