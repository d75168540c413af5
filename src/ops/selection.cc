// Choosing between values.
#include "taper/ops/selection.h"

#include <limits>

#include "ops/pointwise.h"

namespace taper {

namespace {

// The larger or smaller of two. A NaN is either what is chosen, or (where ignored) what never is if the other
// isn't one too; of two NaN operands both of the former take the whole gradient, as PyTorch has it.
template <const cpu::Kernel& kernel, bool larger, bool ignores_nan>
struct Choice {
  static constexpr auto name = larger ? "maximum" : "minimum";
  static constexpr Saves saves{.inputs = 3};
  Like a, b;

  Tensor forward(const Tensor& x, const Tensor& y) const { return map_binary(kernel, x, y, Promotion::same); }
  std::array<Tensor, 2> backward(const Saved& saved, const Tensor& dy) const {
    const Tensor x = saved.input(0), y = saved.input(1);
    const Tensor same = eq(x, y), share = where(same, div(dy, 2), dy);
    Tensor not_x = larger ? lt(x, y) : gt(x, y), not_y = larger ? gt(x, y) : lt(x, y);
    if constexpr (ignores_nan) {
      not_y = logical_or(not_y, isnan(y));
      not_x = logical_not(logical_or(not_y, same));
    }
    return {saved.needs(0) ? reduce_to(masked_fill(share, not_x, 0), a) : Tensor(),
            saved.needs(1) ? reduce_to(masked_fill(share, not_y, 0), b) : Tensor()};
  }
};

struct ClampScalar {
  static constexpr auto name = "clamp";
  static constexpr auto backward_name = "clamp_backward";
  static constexpr const cpu::Kernel& kernel = kernels::clamp_scalar;
  static constexpr const cpu::Kernel& backward_kernel = kernels::clamp_backward;
  static constexpr Promotion promotion = Promotion::same;
  cpu::Bounds attributes;

  Tensor gradient(const Tensor& dy, const Tensor& x) const { return fused(*this, dy, x); }
  Tensor second(const Tensor&, const Tensor& dy, const Tensor&) const { return zeros_like(dy); }
};

struct Where {
  static constexpr auto name = "where";
  static constexpr Saves saves{.inputs = 1};
  Like a, b;

  Tensor forward(const Tensor& condition, const Tensor& x, const Tensor& y) const {
    const DType common = result_type(x, y);
    return map_operands(kernels::where, {&condition, &x, &y}, common, common);
  }
  std::array<Tensor, 3> backward(const Saved& saved, const Tensor& dy) const {
    const Tensor condition = saved.input(0), zero = zeros({}, dy.dtype(), dy.device());
    return {Tensor(), saved.needs(1) ? reduce_to(where(condition, dy, zero), a) : Tensor(),
            saved.needs(2) ? reduce_to(where(condition, zero, dy), b) : Tensor()};
  }
};

struct Lerp {
  static constexpr auto name = "lerp";
  static constexpr Saves saves{.inputs = 7};
  Like a, b, weight;

  Tensor forward(const Tensor& x, const Tensor& y, const Tensor& w) const {
    return map_operands(kernels::lerp, {&x, &y, &w}, x.dtype(), x.dtype());
  }
  std::array<Tensor, 3> backward(const Saved& saved, const Tensor& dy) const {
    const Tensor w = saved.input(2);
    return {
        saved.needs(0) ? reduce_to(mul(dy, conj(rsub(w, 1))), a) : Tensor(),
        saved.needs(1) ? reduce_to(mul(dy, conj(w)), b) : Tensor(),
        saved.needs(2) ? reduce_to(mul(dy, conj(sub(saved.input(1), saved.input(0)))), weight) : Tensor()};
  }
};

struct LerpScalar {
  static constexpr auto name = "lerp";
  Scalar weight;
  Like a, b;

  Tensor forward(const Tensor& x, const Tensor& y) const {
    const cpu::Factor factor{weight};
    return map_binary(kernels::lerp_scalar, x, y, Promotion::same, &factor);
  }
  std::array<Tensor, 2> backward(const Saved& saved, const Tensor& dy) const {
    const Tensor part =
        mul(dy, weight.is_complex() ? Scalar(std::conj(weight.to<std::complex<double>>())) : weight);
    return {saved.needs(0) ? reduce_to(sub(dy, part), a) : Tensor(),
            saved.needs(1) ? reduce_to(part, b) : Tensor()};
  }
};

struct NanToNum {
  static constexpr auto name = "nan_to_num";
  static constexpr const cpu::Kernel& kernel = kernels::nan_to_num;
  static constexpr Promotion promotion = Promotion::same;
  cpu::Replacements attributes;

  static Tensor gradient(const Tensor& dy, const Tensor& x) {
    return masked_fill(dy, logical_not(isfinite(x)), 0);
  }
};

double largest_finite(DType dtype) {
  switch (dtype) {
    case float16: return 65504;
    case bfloat16: return 0x1.fep127;
    case float32: return std::numeric_limits<float>::max();
    default: return std::numeric_limits<double>::max();
  }
}

}  // namespace

Tensor maximum(const Tensor& a, const Tensor& b) {
  return record(Choice<kernels::maximum, true, false>{a, b}, a, b);
}
Tensor minimum(const Tensor& a, const Tensor& b) {
  return record(Choice<kernels::minimum, false, false>{a, b}, a, b);
}
Tensor fmax(const Tensor& a, const Tensor& b) {
  return record(Choice<kernels::fmax, true, true>{a, b}, a, b);
}
Tensor fmin(const Tensor& a, const Tensor& b) {
  return record(Choice<kernels::fmin, false, true>{a, b}, a, b);
}

Tensor clamp(const Tensor& x, std::optional<Scalar> low, std::optional<Scalar> high) {
  check<ValueError>(low || high, "clamp: at least one of min and max must not be None");
  check<DTypeError>(!x.is_complex(), "clamp: complex numbers have no order");
  // A float bound of an integer tensor makes the result floating, as any other arithmetic does.
  DType common = x.dtype();
  if (low) common = promote_types(common, result_type(x, *low));
  if (high) common = promote_types(common, result_type(x, *high));
  return record(
      OfInput<ClampScalar>{{{low.value_or(0), high.value_or(0), low.has_value(), high.has_value()}}},
      to(x, common));
}

Tensor clamp(const Tensor& x, const Tensor& low, const Tensor& high) {
  check<ValueError>(low.defined() || high.defined(), "clamp: at least one of min and max must not be None");
  const Tensor raised = low.defined() ? maximum(x, low) : x;
  return high.defined() ? minimum(raised, high) : raised;
}

Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  check<DTypeError>(condition.dtype() == boolean || condition.dtype() == uint8,
                    "where: expected condition to be a boolean tensor, got ", condition.dtype());
  return record(Where{a, b}, condition, a, b);
}

Tensor masked_fill(const Tensor& x, const Tensor& mask, const Tensor& value) {
  check<DTypeError>(mask.dtype() == boolean, "masked_fill: mask must be bool, got ", mask.dtype());
  check<ShapeError>(value.ndim() == 0, "masked_fill: value must have 0 dimensions, got shape ",
                    value.sizes());
  check<DTypeError>(kind(value.dtype()) <= kind(x.dtype()) || value.record()->wrapped_number,
                    "masked_fill: value of dtype ", value.dtype(), " cannot be converted to ", x.dtype(),
                    " without loss");
  return where(mask, to(value, x.dtype()), x);
}

Tensor masked_fill(const Tensor& x, const Tensor& mask, const Scalar& value) {
  check<ValueError>(!value.is_complex() || x.is_complex(), "masked_fill: the complex number ", value,
                    " cannot be written into a tensor of dtype ", x.dtype());
  return masked_fill(x, mask, full({}, value, x.dtype(), x.device()));
}

Tensor lerp(const Tensor& a, const Tensor& b, const Tensor& weight) {
  const bool number = weight.ndim() == 0 && !(weight.is_complex() && !a.is_complex());
  check<DTypeError>(a.dtype() == b.dtype() && (a.dtype() == weight.dtype() || number),
                    "lerp: operands have different dtypes: ", a.dtype(), ", ", b.dtype(), ", ",
                    weight.dtype());
  return record(Lerp{a, b, weight}, a, b, to(weight, a.dtype()));
}
Tensor lerp(const Tensor& a, const Tensor& b, const Scalar& weight) {
  check<DTypeError>(a.dtype() == b.dtype(), "lerp: operands have different dtypes: ", a.dtype(), " and ",
                    b.dtype());
  return record(LerpScalar{weight, a, b}, a, b);
}

Tensor addcmul(const Tensor& x, const Tensor& a, const Tensor& b, const Scalar& value) {
  return add(x, mul(a, b), value);
}
Tensor addcdiv(const Tensor& x, const Tensor& a, const Tensor& b, const Scalar& value) {
  check<DTypeError>(!is_integral(a.dtype(), true) || !is_integral(b.dtype(), true),
                    "addcdiv: integer division is not supported; convert to a floating dtype first");
  return add(x, div(a, b), value);
}

Tensor nan_to_num(const Tensor& x, double nan, std::optional<double> posinf, std::optional<double> neginf) {
  if (x.is_complex())
    return complex(nan_to_num(real(x), nan, posinf, neginf), nan_to_num(imag(x), nan, posinf, neginf));
  if (!x.is_floating_point()) return clone(x);
  const double largest = largest_finite(x.dtype());
  return record(OfInput<NanToNum>{{{nan, posinf.value_or(largest), neginf.value_or(-largest)}}}, x);
}

namespace {

// PyTorch's older order, of which many optimizers still make use.
Tensor addcmul_factor_first(const Tensor& x, const Scalar& value, const Tensor& a, const Tensor& b) {
  return addcmul(x, a, b, value);
}
Tensor addcdiv_factor_first(const Tensor& x, const Scalar& value, const Tensor& a, const Tensor& b) {
  return addcdiv(x, a, b, value);
}

Tensor clamp_min(const Tensor& x, const Scalar& low) { return clamp(x, low); }
Tensor clamp_max(const Tensor& x, const Scalar& high) { return clamp(x, std::nullopt, high); }
Tensor clamp_min_tensor(const Tensor& x, const Tensor& low) { return clamp(x, low, Tensor()); }
Tensor clamp_max_tensor(const Tensor& x, const Tensor& high) { return clamp(x, Tensor(), high); }
using MaskedScalar = Tensor(const Tensor&, const Tensor&, const Scalar&);
using MaskedTensor = Tensor(const Tensor&, const Tensor&, const Tensor&);
using ClampNumbers = Tensor(const Tensor&, std::optional<Scalar>, std::optional<Scalar>);
using ClampTensors = Tensor(const Tensor&, const Tensor&, const Tensor&);

const Register maximum_op{{.signature = "maximum(Tensor input, Tensor other) -> Tensor",
                           .doc = "The larger of two; NaN if either is.",
                           .call = box<maximum>,
                           .samples = "x(2, 3), x(3); x(), x(2)",
                           .reference = "np.maximum(input, other)",
                           .errors = "x(2, 3), x(4)"}};
const Register minimum_op{{.signature = "minimum(Tensor input, Tensor other) -> Tensor",
                           .doc = "The smaller of two; NaN if either is.",
                           .call = box<minimum>,
                           .samples = "x(2, 3), x(3); x(), x(2)",
                           .reference = "np.minimum(input, other)"}};
const Register fmax_op{{.signature = "fmax(Tensor input, Tensor other) -> Tensor",
                        .doc = "The larger of two; NaN only if both are.",
                        .call = box<fmax>,
                        .samples = "x(2, 3), x(3)",
                        .reference = "np.fmax(input, other)"}};
const Register fmin_op{{.signature = "fmin(Tensor input, Tensor other) -> Tensor",
                        .doc = "The smaller of two; NaN only if both are.",
                        .call = box<fmin>,
                        .samples = "x(2, 3), x(3)",
                        .reference = "np.fmin(input, other)"}};
const Register clamp_op[]{{{.signature = "clamp(Tensor input, Scalar? min=None, Scalar? max=None) -> Tensor",
                            .doc = "input bounded by min and max.",
                            .call = box<overload<ClampNumbers>(clamp)>,
                            .samples = "x(2, 3), -0.5, 0.5; x(2, 3), min=0; x(2, 3), max=0.25; x(), -1, 1",
                            .reference = "np.clip(input, min, max)",
                            .errors = "x(3); c(3), 0, 1",
                            .inplace = true}},
                          {{.signature = "clamp(Tensor input, Tensor? min=None, Tensor? max=None) -> Tensor",
                            .doc = "input bounded by tensors.",
                            .call = box<overload<ClampTensors>(clamp)>,
                            .samples = "x(2, 3), x(3) - 1, x(3) + 1.5",
                            .reference = "np.clip(input, min, max)",
                            .inplace = true}}};
const Register clip_op[]{{{.signature = "clip(Tensor input, Scalar? min=None, Scalar? max=None) -> Tensor",
                           .doc = "As clamp.",
                           .call = box<overload<ClampNumbers>(clamp)>,
                           .samples = "x(2, 3), -0.5, 0.5",
                           .reference = "np.clip(input, min, max)",
                           .inplace = true}},
                         {{.signature = "clip(Tensor input, Tensor? min=None, Tensor? max=None) -> Tensor",
                           .doc = "As clamp.",
                           .call = box<overload<ClampTensors>(clamp)>,
                           .samples = "x(2, 3), x(3) - 1, x(3) + 1.5",
                           .reference = "np.clip(input, min, max)",
                           .inplace = true}}};
const Register clamp_min_op[]{{{.signature = "clamp_min(Tensor input, Scalar min) -> Tensor",
                                .doc = "input bounded from below.",
                                .call = box<clamp_min>,
                                .samples = "x(2, 3), 0.1",
                                .reference = "np.maximum(input, min)",
                                .inplace = true}},
                              {{.signature = "clamp_min(Tensor input, Tensor min) -> Tensor",
                                .doc = "input bounded from below by a tensor.",
                                .call = box<clamp_min_tensor>,
                                .samples = "x(2, 3), x(3)",
                                .reference = "np.maximum(input, min)",
                                .inplace = true}}};
const Register clamp_max_op[]{{{.signature = "clamp_max(Tensor input, Scalar max) -> Tensor",
                                .doc = "input bounded from above.",
                                .call = box<clamp_max>,
                                .samples = "x(2, 3), 0.1",
                                .reference = "np.minimum(input, max)",
                                .inplace = true}},
                              {{.signature = "clamp_max(Tensor input, Tensor max) -> Tensor",
                                .doc = "input bounded from above by a tensor.",
                                .call = box<clamp_max_tensor>,
                                .samples = "x(2, 3), x(3)",
                                .reference = "np.minimum(input, max)",
                                .inplace = true}}};
const Register where_op{
    {.signature = "where(Tensor condition, Tensor|Scalar input, Tensor|Scalar other) -> Tensor",
     .doc = "input where condition, other elsewhere.",
     .call = box<where>,
     .homes = "taper",
     .samples = "b(2, 3), x(2, 3), x(3); b(2, 1), x(1, 3), x(2, 1); b(3), x(3), 1.5; b(), x(2), x(2)",
     .reference = "np.where(condition, input, other)",
     .errors = "x(3), x(3), x(3); b(2), x(3), x(3)"}};
const Register where_method{
    {.signature = "where(Tensor input, Tensor condition, Tensor|Scalar other) -> Tensor",
     .doc = "input where condition, other elsewhere.",
     .call =
         [](Value* v) {
           return Value(where(std::get<Tensor>(v[1]), std::get<Tensor>(v[0]), std::get<Tensor>(v[2])));
         },
     .homes = "Tensor",
     .samples = "x(2, 3), b(2, 3), x(3)",
     .reference = "np.where(condition, input, other)"}};
const Register masked_fill_op[]{
    {{.signature = "masked_fill(Tensor input, Tensor mask, Scalar value) -> Tensor",
      .doc = "value where mask, input elsewhere.",
      .call = box<overload<MaskedScalar>(masked_fill)>,
      .samples = "x(2, 3), b(2, 3), 2.5; x(2, 3), b(3), 0; x(2, 3), b(2, 1), -np.inf",
      .reference = "np.where(mask, value, input)",
      .errors = "x(3), x(3), 1; x(3), b(4), 1",
      .inplace = true}},
    {{.signature = "masked_fill(Tensor input, Tensor mask, Tensor value) -> Tensor",
      .doc = "value where mask, input elsewhere.",
      .call = box<overload<MaskedTensor>(masked_fill)>,
      .samples = "x(2, 3), b(2, 3), x()",
      .reference = "np.where(mask, value, input)",
      .errors = "x(3), b(3), x(3)",
      .inplace = true}}};
const Register lerp_op[]{{{.signature = "lerp(Tensor input, Tensor end, Scalar weight) -> Tensor",
                           .doc = "input + weight * (end - input).",
                           .call = box<overload<MaskedScalar>(lerp)>,
                           .samples = "x(2, 3), x(3), 0.3",
                           .reference = "input + weight * (end - input)",
                           .inplace = true}},
                         {{.signature = "lerp(Tensor input, Tensor end, Tensor weight) -> Tensor",
                           .doc = "input + weight * (end - input).",
                           .call = box<overload<MaskedTensor>(lerp)>,
                           .samples = "x(2, 3), x(3), x(2, 3)",
                           .reference = "input + weight * (end - input)",
                           .inplace = true}}};
const Register addcmul_op[]{
    {{.signature = "addcmul(Tensor input, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor",
      .doc = "input + value * tensor1 * tensor2.",
      .call = box<addcmul>,
      .samples = "x(2, 3), x(3), x(2, 1); x(2, 3), x(2, 3), x(2, 3), value=0.5",
      .reference = "input + value * tensor1 * tensor2",
      .inplace = true}},
    {{.signature = "addcmul(Tensor input, Scalar value, Tensor tensor1, Tensor tensor2) -> Tensor",
      .doc = "input + value * tensor1 * tensor2: the older order of its arguments.",
      .call = box<addcmul_factor_first>,
      .samples = "x(2, 3), 0.5, x(3), x(2, 1, lo=.5)",
      .reference = "input + value * tensor1 * tensor2",
      .inplace = true}}};
const Register addcdiv_op[]{
    {{.signature = "addcdiv(Tensor input, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor",
      .doc = "input + value * tensor1 / tensor2.",
      .call = box<addcdiv>,
      .samples = "x(2, 3), x(3), x(2, 1, lo=.5)",
      .reference = "input + value * tensor1 / tensor2",
      .inplace = true}},
    {{.signature = "addcdiv(Tensor input, Scalar value, Tensor tensor1, Tensor tensor2) -> Tensor",
      .doc = "input + value * tensor1 / tensor2: the older order of its arguments.",
      .call = box<addcdiv_factor_first>,
      .samples = "x(2, 3), 0.5, x(3), x(2, 1, lo=.5)",
      .reference = "input + value * tensor1 / tensor2",
      .inplace = true}}};
const Register nan_to_num_op{
    {.signature = "nan_to_num(Tensor input, float nan=0.0, float? posinf=None, float? neginf=None) -> Tensor",
     .doc = "NaN and infinities replaced.",
     .call = box<nan_to_num>,
     .samples = "x(2, 3); x(3), 1.0",
     .reference = "np.nan_to_num(input, nan=nan)",
     .inplace = true}};

}  // namespace

}  // namespace taper
