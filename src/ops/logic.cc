// Logic, bits and tests of single values. None of them has a gradient.
#include "taper/ops/logic.h"

#include "ops/pointwise.h"

namespace taper {

Tensor logical_not(const Tensor& x) { return map_unary(kernels::logical_not, x, Promotion::to_bool); }
Tensor logical_and(const Tensor& a, const Tensor& b) {
  return map_binary(kernels::logical_and, a, b, Promotion::to_bool);
}
Tensor logical_or(const Tensor& a, const Tensor& b) {
  return map_binary(kernels::logical_or, a, b, Promotion::to_bool);
}
Tensor logical_xor(const Tensor& a, const Tensor& b) {
  return map_binary(kernels::logical_xor, a, b, Promotion::to_bool);
}
Tensor bitwise_not(const Tensor& x) {
  return x.dtype() == boolean ? logical_not(x) : map_unary(kernels::bitwise_not, x, Promotion::same);
}
Tensor bitwise_and(const Tensor& a, const Tensor& b) {
  return map_binary(kernels::bitwise_and, a, b, Promotion::same);
}
Tensor bitwise_or(const Tensor& a, const Tensor& b) {
  return map_binary(kernels::bitwise_or, a, b, Promotion::same);
}
Tensor bitwise_xor(const Tensor& a, const Tensor& b) {
  return map_binary(kernels::bitwise_xor, a, b, Promotion::same);
}
Tensor bitwise_left_shift(const Tensor& a, const Tensor& b) {
  return map_binary(kernels::left_shift, a, b, Promotion::same);
}
Tensor bitwise_right_shift(const Tensor& a, const Tensor& b) {
  return map_binary(kernels::right_shift, a, b, Promotion::same);
}
Tensor isnan(const Tensor& x) { return map_unary(kernels::isnan, x, Promotion::to_bool); }
Tensor isinf(const Tensor& x) { return map_unary(kernels::isinf, x, Promotion::to_bool); }
Tensor isfinite(const Tensor& x) { return map_unary(kernels::isfinite, x, Promotion::to_bool); }
Tensor isposinf(const Tensor& x) { return map_unary(kernels::isposinf, x, Promotion::to_bool); }
Tensor isneginf(const Tensor& x) { return map_unary(kernels::isneginf, x, Promotion::to_bool); }
Tensor signbit(const Tensor& x) { return map_unary(kernels::signbit, x, Promotion::to_bool); }

Tensor isclose(const Tensor& a, const Tensor& b, double rtol, double atol, bool equal_nan) {
  check<ValueError>(rtol >= 0 && atol >= 0, "isclose: tolerances must not be negative, got rtol ", rtol,
                    " and atol ", atol);
  check<DTypeError>(a.dtype() == b.dtype(), "isclose: operands have different dtypes: ", a.dtype(), " and ",
                    b.dtype());
  const cpu::Tolerance tolerance{rtol, atol, equal_nan};
  return map_binary(kernels::isclose, a, b, Promotion::to_bool, &tolerance);
}

bool allclose(const Tensor& a, const Tensor& b, double rtol, double atol, bool equal_nan) {
  return all(isclose(a, b, rtol, atol, equal_nan)).item<bool>();
}

bool equal(const Tensor& a, const Tensor& b) { return a.sizes() == b.sizes() && all(eq(a, b)).item<bool>(); }

namespace {

const Register logical_not_op{{.signature = "logical_not(Tensor input) -> Tensor",
                               .doc = "Whether elements are zero.",
                               .call = box<logical_not>,
                               .samples = "b(2, 3); z(3)",
                               .reference = "np.logical_not(input)",
                               .differentiable = false,
                               .inplace = true}};
const Register logical_and_op{{.signature = "logical_and(Tensor input, Tensor other) -> Tensor",
                               .doc = "Whether both are nonzero.",
                               .call = box<logical_and>,
                               .samples = "b(2, 3), b(3); z(3), x(3)",
                               .reference = "np.logical_and(input, other)",
                               .differentiable = false,
                               .inplace = true}};
const Register logical_or_op{{.signature = "logical_or(Tensor input, Tensor other) -> Tensor",
                              .doc = "Whether either is nonzero.",
                              .call = box<logical_or>,
                              .samples = "b(2, 3), b(3); z(3), z(3)",
                              .reference = "np.logical_or(input, other)",
                              .differentiable = false,
                              .inplace = true}};
const Register logical_xor_op{{.signature = "logical_xor(Tensor input, Tensor other) -> Tensor",
                               .doc = "Whether just one is nonzero.",
                               .call = box<logical_xor>,
                               .samples = "b(2, 3), b(3)",
                               .reference = "np.logical_xor(input, other)",
                               .differentiable = false,
                               .inplace = true}};
const Register bitwise_not_op{{.signature = "bitwise_not(Tensor input) -> Tensor",
                               .doc = "Bits inverted; logical for bool.",
                               .call = box<bitwise_not>,
                               .samples = "b(2, 3); i(3)",
                               .reference = "~input",
                               .errors = "x(3)",
                               .differentiable = false,
                               .inplace = true}};
const Register bitwise_and_op{{.signature = "bitwise_and(Tensor|Scalar input, Tensor|Scalar other) -> Tensor",
                               .doc = "Bits set in both.",
                               .call = box<bitwise_and>,
                               .samples = "b(2, 3), b(3); i(3), i(3); i(3), 1; 6, i(3)",
                               .reference = "input & other",
                               .errors = "x(3), x(3)",
                               .differentiable = false,
                               .inplace = true}};
const Register bitwise_or_op{{.signature = "bitwise_or(Tensor|Scalar input, Tensor|Scalar other) -> Tensor",
                              .doc = "Bits set in either.",
                              .call = box<bitwise_or>,
                              .samples = "b(2, 3), b(3); i(3), i(3)",
                              .reference = "input | other",
                              .errors = "x(3), x(3)",
                              .differentiable = false,
                              .inplace = true}};
const Register bitwise_xor_op{{.signature = "bitwise_xor(Tensor|Scalar input, Tensor|Scalar other) -> Tensor",
                               .doc = "Bits set in just one.",
                               .call = box<bitwise_xor>,
                               .samples = "b(2, 3), b(3); i(3), i(3)",
                               .reference = "input ^ other",
                               .errors = "x(3), x(3)",
                               .differentiable = false,
                               .inplace = true}};
const Register left_shift_op{
    {.signature = "bitwise_left_shift(Tensor|Scalar input, Tensor|Scalar other) -> Tensor",
     .doc = "input * 2^other.",
     .call = box<bitwise_left_shift>,
     .samples = "i(3), i(3); i(3), 2; 3, i(3)",
     .reference = "input << other",
     .errors = "x(3), x(3)",
     .differentiable = false,
     .inplace = true}};
const Register right_shift_op{
    {.signature = "bitwise_right_shift(Tensor|Scalar input, Tensor|Scalar other) -> Tensor",
     .doc = "input / 2^other, towards -inf.",
     .call = box<bitwise_right_shift>,
     .samples = "i(3), i(3); i(3), 1",
     .reference = "input >> other",
     .errors = "x(3), x(3)",
     .differentiable = false,
     .inplace = true}};
const Register isnan_op{{.signature = "isnan(Tensor input) -> Tensor",
                         .doc = "Whether elements are NaN.",
                         .call = box<isnan>,
                         .samples = "x(2, 3); special(); i(3)",
                         .reference = "np.isnan(input)",
                         .differentiable = false}};
const Register isinf_op{{.signature = "isinf(Tensor input) -> Tensor",
                         .doc = "Whether elements are infinite.",
                         .call = box<isinf>,
                         .samples = "x(2, 3); special()",
                         .reference = "np.isinf(input)",
                         .differentiable = false}};
const Register isfinite_op{{.signature = "isfinite(Tensor input) -> Tensor",
                            .doc = "Whether elements are neither NaN nor infinite.",
                            .call = box<isfinite>,
                            .samples = "x(2, 3); special()",
                            .reference = "np.isfinite(input)",
                            .differentiable = false}};
const Register isposinf_op{{.signature = "isposinf(Tensor input) -> Tensor",
                            .doc = "Whether elements are +infinity.",
                            .call = box<isposinf>,
                            .samples = "x(2, 3); special()",
                            .reference = "np.isposinf(input)",
                            .differentiable = false}};
const Register isneginf_op{{.signature = "isneginf(Tensor input) -> Tensor",
                            .doc = "Whether elements are -infinity.",
                            .call = box<isneginf>,
                            .samples = "x(2, 3); special()",
                            .reference = "np.isneginf(input)",
                            .differentiable = false}};
const Register signbit_op{{.signature = "signbit(Tensor input) -> Tensor",
                           .doc = "Whether the sign bit is set, also of -0.",
                           .call = box<signbit>,
                           .samples = "x(2, 3); special()",
                           .reference = "np.signbit(input)",
                           .differentiable = false}};
const Register isclose_op{
    {.signature = "isclose(Tensor input, Tensor other, float rtol=1e-05, float atol=1e-08, bool "
                  "equal_nan=False) -> Tensor",
     .doc = "Whether |input - other| <= atol + rtol * |other|.",
     .call = box<isclose>,
     .samples = "x(2, 3), x(2, 3); special(), special(), equal_nan=True; x(3), x(3), 0.5, 0.5",
     .reference = "np.isclose(input, other, rtol, atol, equal_nan)",
     .differentiable = false}};
const Register allclose_op{{.signature = "allclose(Tensor input, Tensor other, float rtol=1e-05, float "
                                         "atol=1e-08, bool equal_nan=False) -> bool",
                            .doc = "Whether all elements are close.",
                            .call = box<allclose>,
                            .samples = "x(2, 3), x(2, 3)",
                            .reference = "np.allclose(input, other, rtol, atol, equal_nan)",
                            .differentiable = false}};
const Register equal_op{{.signature = "equal(Tensor input, Tensor other) -> bool",
                         .doc = "Whether shapes and all elements are the same.",
                         .call = box<equal>,
                         .samples = "x(2, 3), x(2, 3); i(3), i(4)",
                         .reference = "np.array_equal(input, other)",
                         .differentiable = false}};

}  // namespace

}  // namespace taper
