// Random tensors and dropout.
#include "taper/ops/random.h"

#include <cmath>
#include <cstring>
#include <numbers>

#include "autograd/history.h"
#include "autograd/record.h"
#include "cpu/random.h"
#include "ops/elementwise.h"
#include "ops/inplace.h"
#include "ops/registry.h"
#include "taper/ops.h"
#include "tensor/default_device.h"
#include "tensor/kernel_for.h"
#include "tensor/meta.h"

namespace taper {

namespace {

// The two kernels of this name: with one probability for all elements, and with one for each.
constexpr void (*bernoulli_of_one)(cpu::PhiloxState, void*, DType, std::int64_t, double) = cpu::bernoulli;
constexpr void (*bernoulli_of_each)(cpu::PhiloxState, void*, DType, std::int64_t, const void*,
                                    DType) = cpu::bernoulli;

cpu::PhiloxState take(const std::optional<Generator>& generator, std::int64_t count, Device device = {}) {
  const Generator& source = generator ? *generator : default_generator(device);
  const std::uint64_t seed = source.initial_seed();
  return {seed, source.reserve(cpu::philox_blocks(count))};
}

// fill(state, memory) writes dense elements, which are then brought into target's layout.
template <class Fill>
const Tensor& fill_random(const Tensor& target, const std::optional<Generator>& generator, const char* op,
                          Fill&& fill) {
  check_inplace(target, op);
  const cpu::PhiloxState state = take(generator, target.numel(), target.device());
  if (target.is_contiguous()) {
    fill(state, target.data());
  } else {
    const Tensor dense = empty(target.sizes(), target.dtype(), target.device());
    fill(state, dense.data());
    copy_elements(dense, target);
  }
  target.storage().wrote(op);
  adopt_history(target, Tensor());
  return target;
}

struct Dropout {
  static constexpr auto name = "dropout";
  static constexpr Saves saves{.outputs = 2};
  double p;
  Shape mask_sizes;

  std::array<Tensor, 2> forward(const Tensor& x) const {
    Tensor mask = empty(mask_sizes, boolean, x.device());
    const std::int64_t count = mask.numel();
    kernel_for<bernoulli_of_one>(name, mask)(take(std::nullopt, count, x.device()), mask.data(), boolean,
                                             count, 1 - p);
    return {mul(mul(x, mask), scale()), mask};
  }
  Tensor backward(const Saved& saved, std::span<const Tensor> dy) const {
    return dy[0].defined() ? mul(mul(dy[0], saved.output(1)), scale()) : Tensor();
  }
  double scale() const { return p == 1 ? 0 : 1 / (1 - p); }
};

Tensor dropped(const Tensor& x, double p, bool training, const Shape& mask_sizes) {
  check<ValueError>(p >= 0 && p <= 1, "dropout: probability has to be between 0 and 1, but got ", p);
  if (!training || p == 0) return x;
  check<DTypeError>(is_differentiable(x.dtype()), "dropout: needs a floating dtype, got ", x.dtype());
  return record(Dropout{p, mask_sizes}, x)[0];
}

}  // namespace

Tensor get_rng_state(const Generator& generator) {
  const std::uint64_t words[] = {generator.initial_seed(), generator.offset()};
  const Tensor state = empty({sizeof(words)}, uint8);
  std::memcpy(state.data(), words, sizeof(words));
  return state;
}

void set_rng_state(const Tensor& state, const Generator& generator) {
  std::uint64_t words[2];
  check<ValueError>(state.defined() && state.dtype() == uint8 && state.sizes() == Shape{sizeof(words)},
                    "set_rng_state: expected what get_rng_state gave, a uint8 tensor of shape (16,)");
  std::memcpy(words, contiguous(state).data(), sizeof(words));
  generator.set_state(words[0], words[1]);
}

Tensor rand(const Shape& sizes, DType dtype, std::optional<Generator> generator, Device device) {
  return uniform_(empty(sizes, dtype, device), 0, 1, generator);
}
Tensor randn(const Shape& sizes, DType dtype, std::optional<Generator> generator, Device device) {
  return normal_(empty(sizes, dtype, device), 0, 1, generator);
}
Tensor randint(std::int64_t low, std::int64_t high, const Shape& sizes, DType dtype,
               std::optional<Generator> generator, Device device) {
  return random_(empty(sizes, dtype, device), low, high, generator);
}

Tensor randperm(std::int64_t n, std::optional<Generator> generator, DType dtype, Device device) {
  check<ValueError>(n >= 0, "randperm: n must not be negative, got ", n);
  Tensor result = empty({n}, int64);
  cpu::randperm(take(generator, n, device), result.data<std::int64_t>(), n);
  return to(to(result, dtype), device);
}

Tensor bernoulli(const Tensor& p, std::optional<Generator> generator) {
  check<DTypeError>(p.is_floating_point(), "bernoulli: probabilities must be floating, got ", p.dtype());
  const Tensor dense = contiguous(p.detach());
  Tensor result = empty(p.sizes(), p.dtype(), p.device());
  kernel_for<bernoulli_of_each>("bernoulli", result, dense)(
      take(generator, p.numel(), p.device()), result.data(), p.dtype(), p.numel(), dense.data(), p.dtype());
  return result;
}

namespace {

// Rows of weights from which `needed` categories can be drawn.
void check_weights(const Tensor& rows, std::int64_t needed) {
  if (rows.sizes()[0] == 0) return;
  const Tensor wrong = logical_not(logical_and(isfinite(rows), ge(rows, 0)));
  if (any(wrong).item<bool>()) {
    const std::int64_t place = argmax(to(reshape(wrong, {-1}), uint8)).item<std::int64_t>();
    const std::int64_t width = rows.sizes()[1], row = place / width, category = place % width;
    fail<ValueError>("multinomial: weight ", select(select(rows, 0, row), 0, category).item<double>(),
                     " at row ", row, ", category ", category, " is negative, infinite or NaN");
  }
  const Tensor positive = sum(gt(rows, 0), Shape{1});
  const std::int64_t row = argmin(positive).item<std::int64_t>(),
                     fewest = select(positive, 0, row).item<std::int64_t>();
  check<ValueError>(fewest >= needed, "multinomial: row ", row, " has ", fewest,
                    " categories of positive weight, too few to draw ", needed);
}

}  // namespace

Tensor multinomial(const Tensor& weights, std::int64_t count, bool replacement,
                   std::optional<Generator> generator) {
  check<ShapeError>(weights.ndim() == 1 || weights.ndim() == 2,
                    "multinomial: weights must have 1 or 2 dimensions, got shape ", weights.sizes());
  check<DTypeError>(weights.is_floating_point(), "multinomial: weights must be floating, got ",
                    weights.dtype());
  check<ValueError>(count > 0, "multinomial: cannot sample ", count, " times");
  const Tensor rows = to(weights.ndim() == 1 ? unsqueeze(weights.detach(), 0) : weights.detach(), float64);
  const std::int64_t height = rows.sizes()[0], width = rows.sizes()[1];
  check<ValueError>(replacement || count <= width, "multinomial: cannot draw ", count, " of ", width,
                    " categories without replacement");
  check_weights(rows, replacement ? 1 : count);
  const Tensor noise =
      rand({height, replacement ? count : width}, float64, std::move(generator), weights.device());
  Tensor result;
  if (height == 0) result = empty({0, count}, int64, weights.device());
  else if (replacement) {
    const Tensor sums = cumsum(rows, 1);
    result = clamp(searchsorted(sums, mul(noise, narrow(sums, 1, width - 1, 1)), true), std::nullopt,
                   Scalar(width - 1));
  } else {
    // The largest log(u) / w are a draw without replacement: Efraimidis & Spirakis 2006.
    const Tensor keys = masked_fill(div(log1p(neg(noise)), rows), eq(rows, 0), -INFINITY);
    result = std::get<1>(topk(keys, count, 1));
  }
  return weights.ndim() == 1 ? squeeze(result, Shape{0}) : result;
}

const Tensor& uniform_(const Tensor& x, double low, double high, std::optional<Generator> generator) {
  return fill_random(x, generator, "uniform_", [&](cpu::PhiloxState state, void* y) {
    kernel_for<cpu::uniform>("uniform_", x)(state, y, x.dtype(), x.numel(), low, high);
  });
}
const Tensor& normal_(const Tensor& x, double mean, double std, std::optional<Generator> generator) {
  if (x.is_complex() && mean != 0)
    return copy_(x, add(normal_(empty_like(x.detach()), 0, std, generator), mean));
  return fill_random(x, generator, "normal_", [&](cpu::PhiloxState state, void* y) {
    kernel_for<cpu::normal>("normal_", x)(state, y, x.dtype(), x.numel(), mean, std);
  });
}
const Tensor& bernoulli_(const Tensor& x, double p, std::optional<Generator> generator) {
  return fill_random(x, generator, "bernoulli_", [&](cpu::PhiloxState state, void* y) {
    kernel_for<bernoulli_of_one>("bernoulli_", x)(state, y, x.dtype(), x.numel(), p);
  });
}
const Tensor& exponential_(const Tensor& x, double rate, std::optional<Generator> generator) {
  return fill_random(x, generator, "exponential_", [&](cpu::PhiloxState state, void* y) {
    kernel_for<cpu::exponential>("exponential_", x)(state, y, x.dtype(), x.numel(), rate);
  });
}
const Tensor& random_(const Tensor& x, std::int64_t low, std::int64_t high,
                      std::optional<Generator> generator) {
  check<ValueError>(low < high, "randint: low must be less than high, got ", low, " and ", high);
  return fill_random(x, generator, "random_", [&](cpu::PhiloxState state, void* y) {
    kernel_for<cpu::randint>("random_", x)(state, y, x.dtype(), x.numel(), low,
                                           std::uint64_t(high) - std::uint64_t(low));
  });
}

const Tensor& cauchy_(const Tensor& x, double median, double sigma, std::optional<Generator> generator) {
  check<DTypeError>(x.is_floating_point(), "cauchy_: needs a floating dtype, got ", x.dtype());
  check<ValueError>(sigma > 0, "cauchy_: sigma must be positive, got ", sigma);
  const Tensor angle =
      uniform_(empty(x.sizes(), float64, x.device()), -std::numbers::pi / 2, std::numbers::pi / 2, generator);
  return copy_(x, add(mul(tan(angle), sigma), median));
}
const Tensor& log_normal_(const Tensor& x, double mean, double std, std::optional<Generator> generator) {
  check<DTypeError>(x.is_floating_point(), "log_normal_: needs a floating dtype, got ", x.dtype());
  check<ValueError>(std > 0, "log_normal_: std must be positive, got ", std);
  return copy_(x, exp(normal_(empty(x.sizes(), float64, x.device()), mean, std, generator)));
}
const Tensor& geometric_(const Tensor& x, double p, std::optional<Generator> generator) {
  check<DTypeError>(x.dtype() != boolean && !x.is_complex(), "geometric_: not defined for dtype ", x.dtype());
  check<ValueError>(p > 0 && p < 1, "geometric_: p must lie between 0 and 1, got ", p);
  return copy_(x, ceil(exponential_(empty(x.sizes(), float64, x.device()), -std::log1p(-p), generator)));
}

Tensor dropout(const Tensor& x, double p, bool training) { return dropped(x, p, training, x.sizes()); }

Tensor feature_dropout(const Tensor& x, double p, bool training) {
  check<ShapeError>(x.ndim() >= 2, "feature_dropout: needs at least 2 dimensions, got shape ", x.sizes());
  Shape sizes = Shape::filled(x.ndim(), 1);
  sizes[0] = x.sizes()[0];
  sizes[1] = x.sizes()[1];
  return dropped(x, p, training, sizes);
}

namespace {

DType chosen(std::optional<DType> dtype) { return dtype.value_or(default_dtype()); }
Device on(const std::optional<Device>& device) { return device.value_or(default_device()); }
Tensor leaf(const Tensor& x, bool requires_grad) { return requires_grad ? x.requires_grad_() : x; }
Tensor like(const Tensor& x, std::optional<DType> dtype, std::optional<Device> device) {
  const Tensor y = empty_like(x.detach(), dtype);
  return device ? empty_strided(y.sizes(), y.strides(), y.dtype(), *device) : y;
}
Tensor rand_call(const Shape& sizes, std::optional<Generator> g, std::optional<DType> dtype,
                 std::optional<Device> device, bool requires_grad) {
  return leaf(rand(sizes, chosen(dtype), g, on(device)), requires_grad);
}
Tensor randn_call(const Shape& sizes, std::optional<Generator> g, std::optional<DType> dtype,
                  std::optional<Device> device, bool requires_grad) {
  return leaf(randn(sizes, chosen(dtype), g, on(device)), requires_grad);
}
Tensor randint_call(std::int64_t low, std::int64_t high, const Shape& sizes, std::optional<Generator> g,
                    std::optional<DType> dtype, std::optional<Device> device, bool) {
  return randint(low, high, sizes, dtype.value_or(int64), g, on(device));
}
Tensor randint_from_zero(std::int64_t high, const Shape& sizes, std::optional<Generator> g,
                         std::optional<DType> dtype, std::optional<Device> device, bool) {
  return randint(0, high, sizes, dtype.value_or(int64), g, on(device));
}
Tensor randperm_call(std::int64_t n, std::optional<Generator> g, std::optional<DType> dtype,
                     std::optional<Device> device, bool) {
  return randperm(n, g, dtype.value_or(int64), on(device));
}
Tensor rand_like(const Tensor& x, std::optional<Generator> g, std::optional<DType> dtype,
                 std::optional<Device> device, bool requires_grad) {
  return leaf(uniform_(like(x, dtype, device), 0, 1, g), requires_grad);
}
Tensor randn_like(const Tensor& x, std::optional<Generator> g, std::optional<DType> dtype,
                  std::optional<Device> device, bool requires_grad) {
  return leaf(normal_(like(x, dtype, device), 0, 1, g), requires_grad);
}
Tensor randint_like(const Tensor& x, std::int64_t low, std::int64_t high, std::optional<Generator> g,
                    std::optional<DType> dtype, std::optional<Device> device, bool requires_grad) {
  return leaf(random_(like(x, dtype, device), low, high, g), requires_grad);
}
Tensor randint_like_from_zero(const Tensor& x, std::int64_t high, std::optional<Generator> g,
                              std::optional<DType> dtype, std::optional<Device> device, bool requires_grad) {
  return randint_like(x, 0, high, g, dtype, device, requires_grad);
}
Tensor bernoulli_p(const Tensor& x, double p, std::optional<Generator> g) {
  return bernoulli_(empty_like(x.detach()), p, g);
}
const Tensor& bernoulli_tensor_(const Tensor& x, const Tensor& p, std::optional<Generator> g) {
  return copy_(x, bernoulli(expand(p, x.sizes()), g));
}
Tensor normal_like_mean(const Tensor& mean, const Tensor& std, std::optional<Generator> g) {
  const Tensors both = broadcast_tensors({mean, std});
  const DType dtype = mean.ndim() == 0 && mean.record()->wrapped_number ? std.dtype() : mean.dtype();
  check<DTypeError>(is_differentiable(dtype), "normal: mean and std must be floating point or complex, got ",
                    dtype);
  check<DTypeError>(!is_complex(std.dtype()), "normal: standard deviations must be real, got ", std.dtype());
  check<ValueError>(is_meta(std.device()) || std.numel() == 0 || !any(lt(std, 0)).item<bool>(),
                    "normal: all elements of std must be at least 0, got smaller ones");
  // A number may stand in main memory beside a tensor on a device.
  const Device device = mean.ndim() == 0 && mean.device().is_cpu() ? std.device() : mean.device();
  const auto beside = [&](const Tensor& own, const Tensor& expanded) {
    return own.ndim() == 0 ? to(to(expanded, device), dtype) : to(expanded, dtype);
  };
  return add(mul(randn(both[0].sizes(), dtype, g, device), beside(std, both[1])), beside(mean, both[0]));
}
Tensor normal_sizes(double mean, double std, const Shape& sizes, std::optional<Generator> g,
                    std::optional<DType> dtype, std::optional<Device> device) {
  return normal_(empty(sizes, chosen(dtype), on(device)), mean, std, g);
}
// The range of random_ without bounds: what the dtype holds exactly.
std::int64_t exact_limit(DType dtype) {
  switch (dtype) {
    case float16: return (1 << 11) + 1;
    case bfloat16: return (1 << 8) + 1;
    case float32: return (1 << 24) + 1;
    case float64: return (std::int64_t(1) << 53) + 1;
    case boolean: return 2;
    case int64:
    case uint64: return INT64_MAX;
    default: return (std::int64_t(1) << (8 * item_size(dtype) - (is_signed(dtype) ? 1 : 0)));
  }
}
const Tensor& random_default_(const Tensor& x, std::optional<Generator> g) {
  return random_(x, 0, exact_limit(x.dtype()), g);
}
const Tensor& random_to_(const Tensor& x, std::int64_t to, std::optional<Generator> g) {
  return random_(x, 0, to, g);
}
Tensor dropout_call(const Tensor& x, double p, bool training, bool inplace) {
  if (!inplace) return dropout(x, p, training);
  return taper::inplace("dropout_", x, [&](const Tensor& before) { return dropout(before, p, training); });
}
Tensor feature_dropout_call(const Tensor& x, double p, bool training, bool inplace) {
  if (!inplace) return feature_dropout(x, p, training);
  return taper::inplace("dropout_", x,
                        [&](const Tensor& before) { return feature_dropout(before, p, training); });
}

const Register rand_op{{.signature = "rand(int... size, *, Generator? generator=None, dtype? dtype=None, "
                                     "device? device=None, bool requires_grad=False) -> Tensor",
                        .doc = "Uniform on [0, 1).",
                        .call = box<rand_call>,
                        .homes = "taper",
                        .differentiable = false}};
const Register randn_op{{.signature = "randn(int... size, *, Generator? generator=None, dtype? dtype=None, "
                                      "device? device=None, bool requires_grad=False) -> Tensor",
                         .doc = "Normal with mean 0 and variance 1.",
                         .call = box<randn_call>,
                         .homes = "taper",
                         .differentiable = false}};
const Register randint_op[]{
    {{.signature = "randint(int low, int high, int[] size, *, Generator? generator=None, dtype? dtype=None, "
                   "device? device=None, bool requires_grad=False) -> Tensor",
      .doc = "Integers in [low, high).",
      .call = box<randint_call>,
      .homes = "taper",
      .errors = "5, 5, (2,)",
      .differentiable = false}},
    {{.signature = "randint(int high, int[] size, *, Generator? generator=None, dtype? dtype=None, device? "
                   "device=None, bool requires_grad=False) -> Tensor",
      .doc = "Integers in [0, high).",
      .call = box<randint_from_zero>,
      .homes = "taper",
      .differentiable = false}}};
const Register randperm_op{{.signature = "randperm(int n, *, Generator? generator=None, dtype? dtype=None, "
                                         "device? device=None, bool requires_grad=False) -> Tensor",
                            .doc = "0 to n - 1 in random order.",
                            .call = box<randperm_call>,
                            .homes = "taper",
                            .errors = "-1",
                            .differentiable = false}};
const Register rand_like_op{{.signature =
                                 "rand_like(Tensor input, *, Generator? generator=None, dtype? dtype=None, "
                                 "device? device=None, bool requires_grad=False) -> Tensor",
                             .doc = "Uniform on [0, 1), of input's shape.",
                             .call = box<rand_like>,
                             .homes = "taper",
                             .differentiable = false}};
const Register randn_like_op{{.signature =
                                  "randn_like(Tensor input, *, Generator? generator=None, dtype? dtype=None, "
                                  "device? device=None, bool requires_grad=False) -> Tensor",
                              .doc = "Normal, of input's shape.",
                              .call = box<randn_like>,
                              .homes = "taper",
                              .differentiable = false}};
const Register randint_like_op[]{
    {{.signature =
          "randint_like(Tensor input, int low, int high, *, Generator? generator=None, dtype? dtype=None, "
          "device? device=None, bool requires_grad=False) -> Tensor",
      .doc = "Integers in [low, high), of input's shape.",
      .call = box<randint_like>,
      .homes = "taper",
      .differentiable = false}},
    {{.signature = "randint_like(Tensor input, int high, *, Generator? generator=None, dtype? dtype=None, "
                   "device? device=None, bool requires_grad=False) -> Tensor",
      .doc = "Integers in [0, high), of input's shape.",
      .call = box<randint_like_from_zero>,
      .homes = "taper",
      .differentiable = false}}};
const Register bernoulli_op[]{
    {{.signature = "bernoulli(Tensor input, *, Generator? generator=None) -> Tensor",
      .doc = "1 with the probabilities of input, else 0.",
      .call = box<bernoulli>,
      .errors = "x(3, lo=2, hi=3)",
      .differentiable = false}},
    {{.signature = "bernoulli(Tensor input, float p, *, Generator? generator=None) -> Tensor",
      .doc = "1 with probability p, of input's shape.",
      .call = box<bernoulli_p>,
      .differentiable = false}},
    {{.signature = "bernoulli_(Tensor input, float p=0.5, *, Generator? generator=None) -> Tensor",
      .doc = "Fills with 1 (probability p) and 0.",
      .call = box<bernoulli_>,
      .homes = "Tensor",
      .differentiable = false}},
    {{.signature = "bernoulli_(Tensor input, Tensor p, *, Generator? generator=None) -> Tensor",
      .doc = "Fills with 1 (probabilities p) and 0.",
      .call = box<bernoulli_tensor_>,
      .homes = "Tensor",
      .differentiable = false}}};
const Register multinomial_op{{.signature = "multinomial(Tensor input, int num_samples, bool "
                                            "replacement=False, *, Generator? generator=None) -> Tensor",
                               .doc = "Indices drawn by the weights of rows.",
                               .call = box<multinomial>,
                               .errors = "x(3, lo=-2, hi=-1), 1; x(3, lo=.1), 4; x(3, lo=.1), 0",
                               .differentiable = false}};
const Register uniform_op{
    {.signature = "uniform_(Tensor input, float from=0, float to=1, *, Generator? generator=None) -> Tensor",
     .doc = "Fills with uniform numbers in [from, to).",
     .call = box<uniform_>,
     .homes = "Tensor",
     .errors = "x(3), 2, 1",
     .differentiable = false}};
const Register normal_op[]{
    {{.signature = "normal_(Tensor input, float mean=0, float std=1, *, Generator? generator=None) -> Tensor",
      .doc = "Fills with normal numbers.",
      .call = box<normal_>,
      .homes = "Tensor",
      .errors = "x(3), 0, -1",
      .differentiable = false}},
    {{.signature =
          "normal(Tensor|Scalar mean, Tensor|Scalar std=1.0, *, Generator? generator=None) -> Tensor",
      .doc = "Normal numbers with these means and deviations.",
      .call = box<normal_like_mean>,
      .homes = "taper",
      .differentiable = false}},
    {{.signature = "normal(float mean, float std, int[] size, *, Generator? generator=None, dtype? "
                   "dtype=None, device? device=None) -> Tensor",
      .doc = "Normal numbers.",
      .call = box<normal_sizes>,
      .homes = "taper",
      .differentiable = false}}};
const Register exponential_op{
    {.signature = "exponential_(Tensor input, float lambd=1, *, Generator? generator=None) -> Tensor",
     .doc = "Fills with exponential numbers of rate lambd.",
     .call = box<exponential_>,
     .homes = "Tensor",
     .errors = "x(3), 0",
     .differentiable = false}};
const Register cauchy_op{
    {.signature =
         "cauchy_(Tensor input, float median=0, float sigma=1, *, Generator? generator=None) -> Tensor",
     .doc = "Fills with Cauchy distributed numbers.",
     .call = box<cauchy_>,
     .homes = "Tensor",
     .errors = "x(3).detach(), 0, -1; i(3)",
     .differentiable = false}};
const Register log_normal_op{
    {.signature =
         "log_normal_(Tensor input, float mean=1, float std=2, *, Generator? generator=None) -> Tensor",
     .doc = "Fills with numbers whose logarithms are normal.",
     .call = box<log_normal_>,
     .homes = "Tensor",
     .errors = "x(3).detach(), 0, -1; i(3)",
     .differentiable = false}};
const Register geometric_op{
    {.signature = "geometric_(Tensor input, float p, *, Generator? generator=None) -> Tensor",
     .doc = "Fills with the numbers of trials until the first success of probability p.",
     .call = box<geometric_>,
     .homes = "Tensor",
     .errors = "x(3).detach(), 0; x(3).detach(), 1",
     .differentiable = false}};
const Register random_op[]{
    {{.signature = "random_(Tensor input, int from, int to, *, Generator? generator=None) -> Tensor",
      .doc = "Fills with integers in [from, to).",
      .call = box<random_>,
      .homes = "Tensor",
      .differentiable = false}},
    {{.signature = "random_(Tensor input, int to, *, Generator? generator=None) -> Tensor",
      .doc = "Fills with integers in [0, to).",
      .call = box<random_to_>,
      .homes = "Tensor",
      .differentiable = false}},
    {{.signature = "random_(Tensor input, *, Generator? generator=None) -> Tensor",
      .doc = "Fills with the integers that the dtype holds exactly.",
      .call = box<random_default_>,
      .homes = "Tensor",
      .differentiable = false}}};
const Register dropout_op[]{
    {{.signature = "dropout(Tensor input, float p=0.5, bool training=True, bool inplace=False) -> Tensor",
      .doc = "Zeroes elements with probability p while training, scales the others by 1 / (1 - p).",
      .call = box<dropout_call>,
      .homes = "nn.functional",
      .samples = "x(2, 3), 0.5, False; x(2, 3), 0.0; x(2, 3), 1.0",
      .reference = "input * (p < 1)",
      .errors = "x(3), 1.5"}},
    {{.signature = "dropout(Tensor input, float p, bool train) -> Tensor",
      .doc = "Zeroes elements with probability p while training.",
      .call = box<dropout>,
      .homes = "taper",
      .samples = "x(2, 3), 0.5, False",
      .reference = "input"}}};
const Register dropout1d_op{
    {.signature = "dropout1d(Tensor input, float p=0.5, bool training=True, bool inplace=False) -> Tensor",
     .doc = "Zeroes whole channels.",
     .call = box<feature_dropout_call>,
     .homes = "nn.functional",
     .samples = "x(2, 3, 4), 0.5, False",
     .reference = "input"}};
const Register dropout2d_op{
    {.signature = "dropout2d(Tensor input, float p=0.5, bool training=True, bool inplace=False) -> Tensor",
     .doc = "Zeroes whole channels.",
     .call = box<feature_dropout_call>,
     .homes = "nn.functional",
     .samples = "x(2, 3, 4, 4), 0.5, False",
     .reference = "input"}};
const Register dropout3d_op{
    {.signature = "dropout3d(Tensor input, float p=0.5, bool training=True, bool inplace=False) -> Tensor",
     .doc = "Zeroes whole channels.",
     .call = box<feature_dropout_call>,
     .homes = "nn.functional",
     .samples = "x(1, 2, 2, 2, 2), 0.5, False",
     .reference = "input"}};

}  // namespace

}  // namespace taper
