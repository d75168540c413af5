// Elementwise arithmetic and comparison.
#include "taper/ops/arithmetic.h"

#include "cpu/binary.h"
#include "cpu/unary.h"
#include "ops/elementwise.h"
#include "ops/inplace.h"
#include "ops/registry.h"
#include "taper/ops.h"
#include "tensor/layout.h"

namespace taper {

namespace {

namespace kernels = cpu::kernels;

struct Add {
  static constexpr auto name = "add";
  Like a, b;

  Tensor forward(const Tensor& x, const Tensor& y) const {
    return map_binary(kernels::add, x, y, Promotion::same);
  }
  std::array<Tensor, 2> backward(const Saved& saved, const Tensor& dy) const {
    return {saved.needs(0) ? reduce_to(dy, a) : Tensor(), saved.needs(1) ? reduce_to(dy, b) : Tensor()};
  }
};

struct AddScalar {
  static constexpr auto name = "add";
  Scalar number;
  DType dtype;

  Tensor forward(const Tensor& x) const { return map_scalar(kernels::add, x, number, Promotion::same); }
  Tensor backward(const Saved&, const Tensor& dy) const { return to(dy, dtype); }
};

struct Sub {
  static constexpr auto name = "sub";
  Like a, b;

  Tensor forward(const Tensor& x, const Tensor& y) const {
    return map_binary(kernels::sub, x, y, Promotion::same);
  }
  std::array<Tensor, 2> backward(const Saved& saved, const Tensor& dy) const {
    return {saved.needs(0) ? reduce_to(dy, a) : Tensor(), saved.needs(1) ? reduce_to(neg(dy), b) : Tensor()};
  }
};

struct Mul {
  static constexpr auto name = "mul";
  static constexpr Saves saves{.inputs = 3};
  Like a, b;

  Tensor forward(const Tensor& x, const Tensor& y) const {
    return map_binary(kernels::mul, x, y, Promotion::same);
  }
  std::array<Tensor, 2> backward(const Saved& saved, const Tensor& dy) const {
    return {saved.needs(0) ? reduce_to(mul(dy, conj(saved.input(1))), a) : Tensor(),
            saved.needs(1) ? reduce_to(mul(dy, conj(saved.input(0))), b) : Tensor()};
  }
};

struct MulScalar {
  static constexpr auto name = "mul";
  Scalar number;
  DType dtype;

  Tensor forward(const Tensor& x) const { return map_scalar(kernels::mul, x, number, Promotion::same); }
  Tensor backward(const Saved&, const Tensor& dy) const {
    const Tensor dx =
        mul(dy, number.is_complex() ? Scalar(std::conj(number.to<std::complex<double>>())) : number);
    return to(is_complex(dx.dtype()) && !is_complex(dtype) ? real(dx) : dx, dtype);
  }
};

struct Div {
  static constexpr auto name = "div";
  static constexpr Saves saves{.inputs = 2, .outputs = 1};
  Like a, b;

  Tensor forward(const Tensor& x, const Tensor& y) const {
    return map_binary(kernels::div, x, y, Promotion::to_float);
  }
  std::array<Tensor, 2> backward(const Saved& saved, const Tensor& dy) const {
    const Tensor quotient = div(dy, conj(saved.input(1)));
    return {saved.needs(0) ? reduce_to(quotient, a) : Tensor(),
            saved.needs(1) ? reduce_to(neg(mul(quotient, conj(saved.output()))), b) : Tensor()};
  }
};

struct DivScalar {
  static constexpr auto name = "div";
  Scalar number;
  DType dtype;

  Tensor forward(const Tensor& x) const { return map_scalar(kernels::div, x, number, Promotion::to_float); }
  Tensor backward(const Saved&, const Tensor& dy) const {
    const Tensor dx =
        div(dy, number.is_complex() ? Scalar(std::conj(number.to<std::complex<double>>())) : number);
    return to(is_complex(dx.dtype()) && !is_complex(dtype) ? real(dx) : dx, dtype);
  }
};

struct ScalarDiv {
  static constexpr auto name = "reciprocal";
  static constexpr Saves saves{.inputs = 1, .outputs = 1};
  Scalar number;
  Like x;

  Tensor forward(const Tensor& input) const {
    return map_scalar_first(kernels::div, number, input, Promotion::to_float);
  }
  Tensor backward(const Saved& saved, const Tensor& dy) const {
    return reduce_to(neg(div(mul(dy, conj(saved.output())), conj(saved.input(0)))), x);
  }
};

struct Neg {
  static constexpr auto name = "neg";
  Tensor forward(const Tensor& x) const { return map_unary(kernels::neg, x, Promotion::same); }
  Tensor backward(const Saved&, const Tensor& dy) const { return neg(dy); }
};

struct Conj {
  static constexpr auto name = "conj";
  Tensor forward(const Tensor& x) const { return map_unary(kernels::conj, x, Promotion::same); }
  Tensor backward(const Saved&, const Tensor& dy) const { return conj(dy); }
};

// alpha * b of add and sub: a kind above the operands' would change their type behind the caller's back.
void check_alpha(DType dtype, const Scalar& alpha, const char* op) {
  check<DTypeError>(alpha.kind() <= kind(dtype) || kind(dtype) == Kind::complex, op, ": alpha ", alpha,
                    " does not fit operands of dtype ", dtype,
                    "; for integer tensors alpha must be an integer");
}

// A direct in-place kernel where nothing is recorded and target's dtype can hold the result.
template <class Other>
bool direct(const Tensor& target, const Other& other, Promotion promotion, const char* op) {
  bool recorded = target.requires_grad();
  if constexpr (std::is_same_v<Other, Tensor>) recorded = recorded || other.requires_grad();
  if (recorded && thread_modes.grad_enabled) return false;
  DType common = result_type(target, other);
  if (promotion == Promotion::to_float && is_integral(common, true)) common = default_dtype();
  check_result_fits(common, target.dtype(), op);
  return true;
}

const Tensor& finished(const Tensor& target, const char* op) {
  target.storage().wrote(op);
  adopt_history(target, Tensor());
  return target;
}

void check_target_shape(const Tensor& target, const Tensor& other, const char* op) {
  check<ShapeError>(other.sizes() == target.sizes() ||
                        broadcast_shapes(target.sizes(), other.sizes(), op) == target.sizes(),
                    op, ": output with shape ", target.sizes(), " doesn't match the broadcast shape with ",
                    other.sizes());
}

template <class F>
const Tensor& binary_inplace(const cpu::Kernel& kernel, const char* op, const Tensor& a, const Tensor& b,
                             Promotion promotion, F&& function) {
  check_inplace(a, op);
  check_target_shape(a, b, op);
  check_no_partial_overlap(a, b, op);
  if (!direct(a, b, promotion, op)) return overwrite(op, a, [&](const Tensor& x) { return function(x, b); });
  DType common = result_type(a, b);
  if (promotion == Promotion::to_float && is_integral(common, true)) common = default_dtype();
  map_into(kernel, a, {&a, &b}, common);
  return finished(a, op);
}

template <class F>
const Tensor& scalar_inplace(const cpu::Kernel& kernel, const char* op, const Tensor& a, const Scalar& b,
                             Promotion promotion, F&& function) {
  check_inplace(a, op);
  if (!direct(a, b, promotion, op)) return overwrite(op, a, [&](const Tensor& x) { return function(x, b); });
  map_scalar_into(kernel, a, b, promotion);
  return finished(a, op);
}

}  // namespace

Tensor add(const Tensor& a, const Tensor& b, const Scalar& alpha) {
  if (alpha.equals(1)) return record(Add{a, b}, a, b);
  check_alpha(result_type(a, b), alpha, "add");
  return add(a, mul(b, alpha));
}
Tensor add(const Tensor& a, const Scalar& b, const Scalar& alpha) {
  if (alpha.equals(1)) return record(AddScalar{b, a.dtype()}, a);
  return add(a, mul(wrapped(b), alpha));
}
Tensor sub(const Tensor& a, const Tensor& b, const Scalar& alpha) {
  check<DTypeError>(a.dtype() != boolean || b.dtype() != boolean,
                    "sub: subtraction of two bool tensors is not supported; use logical_xor() or ^");
  if (alpha.equals(1)) return record(Sub{a, b}, a, b);
  check_alpha(result_type(a, b), alpha, "sub");
  return sub(a, mul(b, alpha));
}
Tensor sub(const Tensor& a, const Scalar& b, const Scalar& alpha) { return add(a, -b, alpha); }
Tensor rsub(const Tensor& a, const Scalar& b, const Scalar& alpha) {
  return add(neg(alpha.equals(1) ? a : mul(a, alpha)), b);
}
Tensor mul(const Tensor& a, const Tensor& b) { return record(Mul{a, b}, a, b); }
Tensor mul(const Tensor& a, const Scalar& b) { return record(MulScalar{b, a.dtype()}, a); }
Tensor div(const Tensor& a, const Tensor& b) { return record(Div{a, b}, a, b); }
Tensor div(const Tensor& a, const Scalar& b) { return record(DivScalar{b, a.dtype()}, a); }
Tensor reciprocal_scaled(const Tensor& x, const Scalar& number) { return record(ScalarDiv{number, x}, x); }
Tensor neg(const Tensor& x) {
  check<DTypeError>(x.dtype() != boolean,
                    "neg: negation of a bool tensor is not supported; use ~ or logical_not()");
  return record(Neg{}, x);
}
Tensor conj(const Tensor& x) { return x.is_complex() ? record(Conj{}, x) : x; }

const Tensor& add_(const Tensor& a, const Tensor& b, const Scalar& alpha) {
  if (!alpha.equals(1)) return add_(a, mul(b, alpha));
  return binary_inplace(kernels::add, "add_", a, b, Promotion::same,
                        [](const Tensor& x, const Tensor& y) { return add(x, y); });
}
const Tensor& add_(const Tensor& a, const Scalar& b, const Scalar& alpha) {
  if (!alpha.equals(1)) return add_(a, mul(wrapped(b), alpha));
  return scalar_inplace(kernels::add, "add_", a, b, Promotion::same,
                        [](const Tensor& x, const Scalar& y) { return add(x, y); });
}
const Tensor& sub_(const Tensor& a, const Tensor& b, const Scalar& alpha) {
  if (!alpha.equals(1)) return sub_(a, mul(b, alpha));
  return binary_inplace(kernels::sub, "sub_", a, b, Promotion::same,
                        [](const Tensor& x, const Tensor& y) { return sub(x, y); });
}
const Tensor& sub_(const Tensor& a, const Scalar& b, const Scalar& alpha) { return add_(a, -b, alpha); }
const Tensor& mul_(const Tensor& a, const Tensor& b) {
  return binary_inplace(kernels::mul, "mul_", a, b, Promotion::same,
                        [](const Tensor& x, const Tensor& y) { return mul(x, y); });
}
const Tensor& mul_(const Tensor& a, const Scalar& b) {
  return scalar_inplace(kernels::mul, "mul_", a, b, Promotion::same,
                        [](const Tensor& x, const Scalar& y) { return mul(x, y); });
}
const Tensor& div_(const Tensor& a, const Tensor& b) {
  return binary_inplace(kernels::div, "div_", a, b, Promotion::to_float,
                        [](const Tensor& x, const Tensor& y) { return div(x, y); });
}
const Tensor& div_(const Tensor& a, const Scalar& b) {
  return scalar_inplace(kernels::div, "div_", a, b, Promotion::to_float,
                        [](const Tensor& x, const Scalar& y) { return div(x, y); });
}

Tensor eq(const Tensor& a, const Tensor& b) { return map_binary(kernels::eq, a, b, Promotion::to_bool); }
Tensor ne(const Tensor& a, const Tensor& b) { return map_binary(kernels::ne, a, b, Promotion::to_bool); }
Tensor lt(const Tensor& a, const Tensor& b) { return map_binary(kernels::lt, a, b, Promotion::to_bool); }
Tensor le(const Tensor& a, const Tensor& b) { return map_binary(kernels::le, a, b, Promotion::to_bool); }
Tensor gt(const Tensor& a, const Tensor& b) { return map_binary(kernels::gt, a, b, Promotion::to_bool); }
Tensor ge(const Tensor& a, const Tensor& b) { return map_binary(kernels::ge, a, b, Promotion::to_bool); }
Tensor eq(const Tensor& a, const Scalar& b) { return map_scalar(kernels::eq, a, b, Promotion::to_bool); }
Tensor ne(const Tensor& a, const Scalar& b) { return map_scalar(kernels::ne, a, b, Promotion::to_bool); }
Tensor lt(const Tensor& a, const Scalar& b) { return map_scalar(kernels::lt, a, b, Promotion::to_bool); }
Tensor le(const Tensor& a, const Scalar& b) { return map_scalar(kernels::le, a, b, Promotion::to_bool); }
Tensor gt(const Tensor& a, const Scalar& b) { return map_scalar(kernels::gt, a, b, Promotion::to_bool); }
Tensor ge(const Tensor& a, const Scalar& b) { return map_scalar(kernels::ge, a, b, Promotion::to_bool); }

namespace {

using Binary = Tensor(const Tensor&, const Tensor&);
using WithScalar = Tensor(const Tensor&, const Scalar&);
using Scaled = Tensor(const Tensor&, const Tensor&, const Scalar&);
using ScaledScalar = Tensor(const Tensor&, const Scalar&, const Scalar&);
using ScaledInplace = const Tensor&(const Tensor&, const Tensor&, const Scalar&);
using ScaledScalarInplace = const Tensor&(const Tensor&, const Scalar&, const Scalar&);
using BinaryInplace = const Tensor&(const Tensor&, const Tensor&);
using ScalarInplace = const Tensor&(const Tensor&, const Scalar&);

// PyTorch's older order, of which many optimizers still make use.
Tensor add_factor_first(const Tensor& x, const Scalar& alpha, const Tensor& other) {
  return add(x, other, alpha);
}
Tensor sub_factor_first(const Tensor& x, const Scalar& alpha, const Tensor& other) {
  return sub(x, other, alpha);
}
const Tensor& add_factor_first_(const Tensor& x, const Scalar& alpha, const Tensor& other) {
  return add_(x, other, alpha);
}
const Tensor& sub_factor_first_(const Tensor& x, const Scalar& alpha, const Tensor& other) {
  return sub_(x, other, alpha);
}

const Register add_op[]{{{.signature = "add(Tensor input, Tensor other, *, Scalar alpha=1) -> Tensor",
                          .doc = "input + alpha * other, elementwise.",
                          .call = box<overload<Scaled>(add)>,
                          .samples = "x(2, 3), x(2, 3); x(2, 3), x(3), ; x(2, 1), x(1, 3); x(), x(2); x(0, "
                                     "3), x(3); x(3), x(3), alpha=-2.5",
                          .reference = "input + alpha * other",
                          .errors = "x(2, 3), x(4)"}},
                        {{.signature = "add(Tensor input, Scalar other, *, Scalar alpha=1) -> Tensor",
                          .doc = "input + alpha * other, elementwise.",
                          .call = box<overload<ScaledScalar>(add)>,
                          .samples = "x(2, 3), 2.5; x(), 1; x(3), 2, alpha=3",
                          .reference = "input + alpha * other"}},
                        {{.signature = "add_(Tensor input, Tensor other, *, Scalar alpha=1) -> Tensor",
                          .doc = "In-place add().",
                          .call = box<overload<ScaledInplace>(add_)>,
                          .homes = "Tensor"}},
                        {{.signature = "add_(Tensor input, Scalar other, *, Scalar alpha=1) -> Tensor",
                          .doc = "In-place add().",
                          .call = box<overload<ScaledScalarInplace>(add_)>,
                          .homes = "Tensor"}},
                        {{.signature = "add(Tensor input, Scalar alpha, Tensor other) -> Tensor",
                          .doc = "input + alpha * other: the older order of its arguments.",
                          .call = box<add_factor_first>,
                          .samples = "x(2, 3), 2.5, x(3)",
                          .reference = "input + alpha * other"}},
                        {{.signature = "add_(Tensor input, Scalar alpha, Tensor other) -> Tensor",
                          .doc = "In-place add(), in the older order of its arguments.",
                          .call = box<add_factor_first_>,
                          .homes = "Tensor"}}};

const Register sub_op[]{
    {{.signature = "sub(Tensor input, Tensor other, *, Scalar alpha=1) -> Tensor",
      .doc = "input - alpha * other, elementwise.",
      .call = box<overload<Scaled>(sub)>,
      .samples = "x(2, 3), x(2, 3); x(2, 3), x(3); x(), x(2); x(0, 3), x(3); x(3), x(3), alpha=2",
      .reference = "input - alpha * other",
      .errors = "x(2, 3), x(4); b(2), b(2)"}},
    {{.signature = "sub(Tensor input, Scalar other, *, Scalar alpha=1) -> Tensor",
      .doc = "input - alpha * other, elementwise.",
      .call = box<overload<ScaledScalar>(sub)>,
      .samples = "x(2, 3), 2.5; x(), 1",
      .reference = "input - alpha * other"}},
    {{.signature = "sub_(Tensor input, Tensor other, *, Scalar alpha=1) -> Tensor",
      .doc = "In-place sub().",
      .call = box<overload<ScaledInplace>(sub_)>,
      .homes = "Tensor"}},
    {{.signature = "sub_(Tensor input, Scalar other, *, Scalar alpha=1) -> Tensor",
      .doc = "In-place sub().",
      .call = box<overload<ScaledScalarInplace>(sub_)>,
      .homes = "Tensor"}},
    {{.signature = "sub(Tensor input, Scalar alpha, Tensor other) -> Tensor",
      .doc = "input - alpha * other: the older order of its arguments.",
      .call = box<sub_factor_first>,
      .samples = "x(2, 3), 2.5, x(3)",
      .reference = "input - alpha * other"}},
    {{.signature = "sub_(Tensor input, Scalar alpha, Tensor other) -> Tensor",
      .doc = "In-place sub(), in the older order of its arguments.",
      .call = box<sub_factor_first_>,
      .homes = "Tensor"}}};

const Register mul_op[]{{{.signature = "mul(Tensor input, Tensor other) -> Tensor",
                          .doc = "input * other, elementwise.",
                          .call = box<overload<Binary>(mul)>,
                          .samples = "x(2, 3), x(2, 3); x(2, 3), x(3); x(), x(2); x(0, 3), x(3); c(2), c(2)",
                          .reference = "input * other",
                          .errors = "x(2, 3), x(4)"}},
                        {{.signature = "mul(Tensor input, Scalar other) -> Tensor",
                          .doc = "input * other, elementwise.",
                          .call = box<overload<WithScalar>(mul)>,
                          .samples = "x(2, 3), 2.5; x(), 3",
                          .reference = "input * other"}},
                        {{.signature = "mul_(Tensor input, Tensor other) -> Tensor",
                          .doc = "In-place mul().",
                          .call = box<overload<BinaryInplace>(mul_)>,
                          .homes = "Tensor"}},
                        {{.signature = "mul_(Tensor input, Scalar other) -> Tensor",
                          .doc = "In-place mul().",
                          .call = box<overload<ScalarInplace>(mul_)>,
                          .homes = "Tensor"}}};

const Register neg_op{{.signature = "neg(Tensor input) -> Tensor",
                       .doc = "-input, elementwise.",
                       .call = box<neg>,
                       .samples = "x(2, 3); x(); x(0, 3); c(3)",
                       .reference = "-input",
                       .errors = "b(2)",
                       .inplace = true}};

const Register eq_op[]{{{.signature = "eq(Tensor input, Scalar other) -> Tensor",
                         .doc = "Whether input is equal, elementwise.",
                         .call = box<overload<WithScalar>(eq)>,
                         .samples = "i(2, 3), 2; x(3), 0.5",
                         .reference = "input == other",
                         .differentiable = false,
                         .inplace = true}},
                       {{.signature = "eq(Tensor input, Tensor other) -> Tensor",
                         .doc = "Whether input is equal, elementwise.",
                         .call = box<overload<Binary>(eq)>,
                         .samples = "i(2, 3), i(3); x(2, 1), x(3)",
                         .reference = "input == other",
                         .errors = "x(2), x(3)",
                         .differentiable = false,
                         .inplace = true}}};
const Register ne_op[]{{{.signature = "ne(Tensor input, Scalar other) -> Tensor",
                         .doc = "Whether input is different, elementwise.",
                         .call = box<overload<WithScalar>(ne)>,
                         .samples = "i(2, 3), 2; x(3), 0.5",
                         .reference = "input != other",
                         .differentiable = false,
                         .inplace = true}},
                       {{.signature = "ne(Tensor input, Tensor other) -> Tensor",
                         .doc = "Whether input is different, elementwise.",
                         .call = box<overload<Binary>(ne)>,
                         .samples = "i(2, 3), i(3); x(2, 1), x(3)",
                         .reference = "input != other",
                         .errors = "x(2), x(3)",
                         .differentiable = false,
                         .inplace = true}}};
const Register lt_op[]{{{.signature = "lt(Tensor input, Scalar other) -> Tensor",
                         .doc = "Whether input is less, elementwise.",
                         .call = box<overload<WithScalar>(lt)>,
                         .samples = "i(2, 3), 2; x(3), 0.5",
                         .reference = "input < other",
                         .differentiable = false,
                         .inplace = true}},
                       {{.signature = "lt(Tensor input, Tensor other) -> Tensor",
                         .doc = "Whether input is less, elementwise.",
                         .call = box<overload<Binary>(lt)>,
                         .samples = "i(2, 3), i(3); x(2, 1), x(3)",
                         .reference = "input < other",
                         .errors = "x(2), x(3)",
                         .differentiable = false,
                         .inplace = true}}};
const Register le_op[]{{{.signature = "le(Tensor input, Scalar other) -> Tensor",
                         .doc = "Whether input is at most, elementwise.",
                         .call = box<overload<WithScalar>(le)>,
                         .samples = "i(2, 3), 2; x(3), 0.5",
                         .reference = "input <= other",
                         .differentiable = false,
                         .inplace = true}},
                       {{.signature = "le(Tensor input, Tensor other) -> Tensor",
                         .doc = "Whether input is at most, elementwise.",
                         .call = box<overload<Binary>(le)>,
                         .samples = "i(2, 3), i(3); x(2, 1), x(3)",
                         .reference = "input <= other",
                         .errors = "x(2), x(3)",
                         .differentiable = false,
                         .inplace = true}}};
const Register gt_op[]{{{.signature = "gt(Tensor input, Scalar other) -> Tensor",
                         .doc = "Whether input is greater, elementwise.",
                         .call = box<overload<WithScalar>(gt)>,
                         .samples = "i(2, 3), 2; x(3), 0.5",
                         .reference = "input > other",
                         .differentiable = false,
                         .inplace = true}},
                       {{.signature = "gt(Tensor input, Tensor other) -> Tensor",
                         .doc = "Whether input is greater, elementwise.",
                         .call = box<overload<Binary>(gt)>,
                         .samples = "i(2, 3), i(3); x(2, 1), x(3)",
                         .reference = "input > other",
                         .errors = "x(2), x(3)",
                         .differentiable = false,
                         .inplace = true}}};
const Register ge_op[]{{{.signature = "ge(Tensor input, Scalar other) -> Tensor",
                         .doc = "Whether input is at least, elementwise.",
                         .call = box<overload<WithScalar>(ge)>,
                         .samples = "i(2, 3), 2; x(3), 0.5",
                         .reference = "input >= other",
                         .differentiable = false,
                         .inplace = true}},
                       {{.signature = "ge(Tensor input, Tensor other) -> Tensor",
                         .doc = "Whether input is at least, elementwise.",
                         .call = box<overload<Binary>(ge)>,
                         .samples = "i(2, 3), i(3); x(2, 1), x(3)",
                         .reference = "input >= other",
                         .errors = "x(2), x(3)",
                         .differentiable = false,
                         .inplace = true}}};
Tensor div_scalar(const Tensor& a, const Scalar& b, std::optional<std::string> rounding_mode) {
  return rounding_mode ? div(a, wrapped(b), rounding_mode) : div(a, b);
}
Tensor subtracted_from(const Tensor& a, const Tensor& b, const Scalar& alpha) { return sub(b, a, alpha); }
const Tensor& div_pair_(const Tensor& a, const Tensor& b, std::optional<std::string> rounding_mode) {
  return rounding_mode ? inplace("div_", a, [&](const Tensor& x) { return div(x, b, rounding_mode); })
                       : div_(a, b);
}
const Tensor& div_scalar_(const Tensor& a, const Scalar& b, std::optional<std::string> rounding_mode) {
  return rounding_mode ? inplace("div_", a, [&](const Tensor& x) { return div_scalar(x, b, rounding_mode); })
                       : div_(a, b);
}
using Rounded = Tensor(const Tensor&, const Tensor&, std::optional<std::string>);
const Register div_op[]{
    {{.signature = "div(Tensor input, Scalar other, *, str? rounding_mode=None) -> Tensor",
      .doc = "input / other; rounding_mode: None, 'trunc' or 'floor'.",
      .call = box<div_scalar>,
      .samples =
          "x(2, 3), 2.5; i(3), 2; x(3), 0.7, rounding_mode='floor'; i(3, lo=-9), 2, rounding_mode='trunc'",
      .reference = "ref.div(input, other, rounding_mode)"}},
    {{.signature = "div(Tensor input, Tensor other, *, str? rounding_mode=None) -> Tensor",
      .doc = "input / other; rounding_mode: None, 'trunc' or 'floor'.",
      .call = box<overload<Rounded>(div)>,
      .samples = "x(2, 3), x(3, lo=.5); x(2, 1), x(3, lo=.5); i(3), i(3, lo=1); c(2), c(2); x(3), x(3, "
                 "lo=.5), rounding_mode='floor'",
      .reference = "ref.div(input, other, rounding_mode)",
      .errors = "x(2), x(3); x(2), x(2), rounding_mode='up'"}},
    {{.signature = "div_(Tensor input, Scalar other, *, str? rounding_mode=None) -> Tensor",
      .doc = "In-place div().",
      .call = box<div_scalar_>,
      .homes = "Tensor"}},
    {{.signature = "div_(Tensor input, Tensor other, *, str? rounding_mode=None) -> Tensor",
      .doc = "In-place div().",
      .call = box<div_pair_>,
      .homes = "Tensor"}}};
const Register rsub_op[]{{{.signature = "rsub(Tensor input, Scalar other, *, Scalar alpha=1) -> Tensor",
                           .doc = "other - alpha * input.",
                           .call = box<rsub>,
                           .homes = "taper",
                           .samples = "x(2, 3), 2; x(3), 1, alpha=2",
                           .reference = "other - alpha * input"}},
                         {{.signature = "rsub(Tensor input, Tensor other, *, Scalar alpha=1) -> Tensor",
                           .doc = "other - alpha * input.",
                           .call = box<subtracted_from>,
                           .homes = "taper",
                           .samples = "x(2, 3), x(3); x(3), x(2, 1), alpha=2",
                           .reference = "other - alpha * input"}}};

const Register multiply_op[]{{{.signature = "multiply(Tensor input, Tensor other) -> Tensor",
                               .doc = "As mul.",
                               .call = box<overload<Binary>(mul)>,
                               .samples = "x(2, 3), x(3)",
                               .reference = "input * other",
                               .inplace = true}},
                             {{.signature = "multiply(Tensor input, Scalar other) -> Tensor",
                               .doc = "As mul.",
                               .call = box<overload<WithScalar>(mul)>,
                               .samples = "x(2, 3), 2",
                               .reference = "input * other",
                               .inplace = true}}};
const Register subtract_op[]{
    {{.signature = "subtract(Tensor input, Tensor other, *, Scalar alpha=1) -> Tensor",
      .doc = "As sub.",
      .call = box<overload<Scaled>(sub)>,
      .samples = "x(2, 3), x(3)",
      .reference = "input - other",
      .inplace = true}},
    {{.signature = "subtract(Tensor input, Scalar other, *, Scalar alpha=1) -> Tensor",
      .doc = "As sub.",
      .call = box<overload<ScaledScalar>(sub)>,
      .samples = "x(2, 3), 2",
      .reference = "input - other",
      .inplace = true}}};
const Register divide_op[]{
    {{.signature = "divide(Tensor input, Tensor other, *, str? rounding_mode=None) -> Tensor",
      .doc = "As div.",
      .call = box<overload<Rounded>(div)>,
      .samples = "x(2, 3), x(3, lo=.5); x(3), x(3, lo=.5), rounding_mode='floor'",
      .reference = "ref.div(input, other, rounding_mode)",
      .inplace = true}},
    {{.signature = "divide(Tensor input, Scalar other, *, str? rounding_mode=None) -> Tensor",
      .doc = "As div.",
      .call = box<div_scalar>,
      .samples = "x(2, 3), 2; x(3), 0.7, rounding_mode='trunc'",
      .reference = "ref.div(input, other, rounding_mode)",
      .inplace = true}}};
const Register true_divide_op[]{{{.signature = "true_divide(Tensor input, Tensor other) -> Tensor",
                                  .doc = "As div.",
                                  .call = box<overload<Binary>(div)>,
                                  .samples = "x(2, 3), x(3, lo=.5)",
                                  .reference = "input / other",
                                  .inplace = true}},
                                {{.signature = "true_divide(Tensor input, Scalar other) -> Tensor",
                                  .doc = "As div.",
                                  .call = box<overload<WithScalar>(div)>,
                                  .samples = "x(2, 3), 2",
                                  .reference = "input / other",
                                  .inplace = true}}};
const Register negative_op{{.signature = "negative(Tensor input) -> Tensor",
                            .doc = "As neg.",
                            .call = box<neg>,
                            .samples = "x(2, 3)",
                            .reference = "-input",
                            .inplace = true}};

// A number may come first, or two numbers.
Tensor number_plus(const Scalar& a, const Tensor& b, const Scalar& alpha) {
  return add(wrapped(a), b, alpha);
}
Tensor number_minus(const Scalar& a, const Tensor& b, const Scalar& alpha) {
  return sub(wrapped(a), b, alpha);
}
Tensor number_times(const Scalar& a, const Tensor& b) { return mul(wrapped(a), b); }
Tensor number_by(const Scalar& a, const Tensor& b, std::optional<std::string> rounding_mode) {
  return div(wrapped(a), b, rounding_mode);
}
Tensor number_truly_by(const Scalar& a, const Tensor& b) { return div(wrapped(a), b); }
const Register number_first_ops[]{
    {{.signature = "add(Scalar input, Tensor|Scalar other, *, Scalar alpha=1) -> Tensor",
      .doc = "As add of tensors.",
      .call = box<number_plus>,
      .homes = "taper",
      .samples = "2, x(3); 1.5, i(2, lo=1); 3, 2",
      .reference = "input + other"}},
    {{.signature = "sub(Scalar input, Tensor|Scalar other, *, Scalar alpha=1) -> Tensor",
      .doc = "As sub of tensors.",
      .call = box<number_minus>,
      .homes = "taper",
      .samples = "2, x(3); 1.5, i(2, lo=1); 3, 2",
      .reference = "input - other"}},
    {{.signature = "mul(Scalar input, Tensor|Scalar other) -> Tensor",
      .doc = "As mul of tensors.",
      .call = box<number_times>,
      .homes = "taper",
      .samples = "2, x(3); 1.5, i(2, lo=1); 3, 2",
      .reference = "input * other"}},
    {{.signature = "div(Scalar input, Tensor|Scalar other, *, str? rounding_mode=None) -> Tensor",
      .doc = "As div of tensors.",
      .call = box<number_by>,
      .homes = "taper",
      .samples = "2, x(3); 1.5, i(2, lo=1); 3, 2; 7, i(3, lo=2), rounding_mode='floor'",
      .reference = "ref.div(input, other, rounding_mode)"}},
    {{.signature = "subtract(Scalar input, Tensor|Scalar other, *, Scalar alpha=1) -> Tensor",
      .doc = "As sub.",
      .call = box<number_minus>,
      .homes = "taper",
      .samples = "2, x(3)",
      .reference = "input - other"}},
    {{.signature = "multiply(Scalar input, Tensor|Scalar other) -> Tensor",
      .doc = "As mul.",
      .call = box<number_times>,
      .homes = "taper",
      .samples = "2, x(3)",
      .reference = "input * other"}},
    {{.signature = "divide(Scalar input, Tensor|Scalar other, *, str? rounding_mode=None) -> Tensor",
      .doc = "As div.",
      .call = box<number_by>,
      .homes = "taper",
      .samples = "2, x(3)",
      .reference = "input / other"}},
    {{.signature = "true_divide(Scalar input, Tensor|Scalar other) -> Tensor",
      .doc = "As div.",
      .call = box<number_truly_by>,
      .homes = "taper",
      .samples = "2, x(3)",
      .reference = "input / other"}}};

}  // namespace

}  // namespace taper
