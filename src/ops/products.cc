// Products of vectors and matrices beside matmul, and powers.
#include "taper/ops/products.h"

#include "autograd/record.h"
#include "cpu/special.h"
#include "ops/elementwise.h"
#include "ops/inplace.h"
#include "ops/registry.h"
#include "taper/ops.h"

namespace taper {

namespace {

struct Mantissa {
  static constexpr auto name = "frexp";
  static constexpr Saves saves{.outputs = 2};

  std::array<Tensor, 2> forward(const Tensor& x) const {
    return {map_unary(cpu::kernels::frexp_mantissa, x, Promotion::same),
            map_operands(cpu::kernels::frexp_exponent, {&x}, x.dtype(), int32)};
  }
  Tensor backward(const Saved& saved, std::span<const Tensor> dy) const {
    return dy[0].defined() ? div(dy[0], exp2(to(saved.output(1), dy[0].dtype()))) : Tensor();
  }
};

Tensor scaled(const Tensor& x, const Scalar& factor) { return factor.equals(1) ? x : mul(x, factor); }

}  // namespace

Tensor inner(const Tensor& a, const Tensor& b) {
  check<DTypeError>(a.dtype() == b.dtype(), "inner: operands must have the same dtype, got ", a.dtype(),
                    " and ", b.dtype());
  if (a.ndim() == 0 || b.ndim() == 0) return mul(a, b);
  check<ShapeError>(a.sizes().back() == b.sizes().back(), "inner: the last dimensions of ", a.sizes(),
                    " and ", b.sizes(), " must have the same size");
  const std::int64_t k = a.sizes().back();
  const auto rows = [k](const Tensor& t) {
    return reshape(t, {k ? t.numel() / k : numel(Shape(t.sizes().data(), t.ndim() - 1)), k});
  };
  Shape sizes(a.sizes().data(), a.ndim() - 1);
  for (int i = 0; i + 1 < b.ndim(); ++i) sizes.push_back(b.sizes()[i]);
  return reshape(mm(rows(a), transpose(rows(b), 0, 1)), sizes);
}

Tensor vdot(const Tensor& a, const Tensor& b) { return dot(a.is_complex() ? conj(a) : a, b); }

Tensor addr(const Tensor& x, const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha) {
  check<ShapeError>(a.ndim() == 1 && b.ndim() == 1, "addr: needs two vectors, got shapes ", a.sizes(),
                    " and ", b.sizes());
  const Shape sizes{a.numel(), b.numel()};
  check<ShapeError>(broadcast_shapes(x.sizes(), sizes, "addr") == sizes, "addr: input of shape ", x.sizes(),
                    " cannot be broadcast to ", sizes);
  const Tensor product = scaled(outer(a, b), alpha);
  const Tensor y = beta.equals(0) ? product : add(scaled(x, beta), product);
  return x.dtype() == boolean && a.dtype() == boolean && b.dtype() == boolean ? to(y, boolean) : y;
}

Tensor addbmm(const Tensor& x, const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha) {
  check<ShapeError>(
      a.ndim() == 3 && b.ndim() == 3 && a.sizes()[0] == b.sizes()[0] && a.sizes()[2] == b.sizes()[1],
      "addbmm: batches of shapes ", a.sizes(), " and ", b.sizes(), " cannot be multiplied");
  const std::int64_t n = a.sizes()[1], m = b.sizes()[2], k = a.sizes()[0] * a.sizes()[2];
  // One product over batch and inner dimension together.
  return addmm(expand(x, {n, m}), reshape(transpose(a, 0, 1), {n, k}), reshape(b, {k, m}), beta, alpha);
}

Tensor float_power(const Tensor& a, const Tensor& b) {
  check<DTypeError>(!a.record()->wrapped_number || !b.record()->wrapped_number,
                    "float_power: needs a tensor, got two numbers");
  const DType dtype = a.is_complex() || b.is_complex() ? complex128 : float64;
  return pow(to(a, dtype), to(b, dtype));
}

namespace {

Tensor float_power_(const Tensor& x, const Tensor& exponent) {
  const DType dtype = x.is_complex() || exponent.is_complex() ? complex128 : float64;
  check<DTypeError>(x.dtype() == dtype, "float_power_: input must be ", dtype, ", got ", x.dtype());
  return inplace("float_power_", x, [&](const Tensor& before) { return float_power(before, exponent); });
}

}  // namespace

Tensor ldexp(const Tensor& x, const Tensor& exponent) {
  return mul(x, pow(Scalar(2.0), x.is_floating_point() ? to(exponent, x.dtype()) : exponent));
}

std::tuple<Tensor, Tensor> frexp(const Tensor& x) {
  check<DTypeError>(x.is_floating_point(), "frexp: needs a floating dtype, got ", x.dtype());
  const auto parts = record(Mantissa{}, x);
  return {parts[0], parts[1]};
}

Tensor isreal(const Tensor& x) {
  return x.is_complex() ? eq(imag(x.detach()), 0) : full(x.sizes(), true, boolean, x.device());
}

namespace {

Tensor positive(const Tensor& x) {
  check<DTypeError>(x.dtype() != boolean, "positive: not defined for bool");
  return x;
}
// Conjugates and negatives are never lazy here.
Tensor same(const Tensor& x) { return x; }
Tensor resize_as_(const Tensor& x, const Tensor& other) { return resize_(x, other.sizes()); }

const Register inner_op{
    {.signature = "inner(Tensor input, Tensor other) -> Tensor",
     .doc = "Sums of products over the last dimension of both.",
     .call = box<inner>,
     .samples = "x(3), x(3); x(2, 3), x(4, 2, 3); x(2), x(); x(2, 0), x(3, 0); c(2), c(2)",
     .reference = "np.inner(input, other)",
     .errors = "x(3), x(2)"}};
const Register vdot_op{{.signature = "vdot(Tensor input, Tensor other) -> Tensor",
                        .doc = "The dot product of conj(input) and other.",
                        .call = box<vdot>,
                        .samples = "x(3), x(3); c(3), c(3)",
                        .reference = "np.vdot(input, other)",
                        .errors = "x(3), x(2); x(2, 2), x(2, 2)"}};
const Register addr_op{
    {.signature = "addr(Tensor input, Tensor vec1, Tensor vec2, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
     .doc = "beta * input + alpha * the outer product of vec1 and vec2.",
     .call = box<addr>,
     .samples = "x(2, 3), x(2), x(3); x(3), x(2), x(3), beta=.5, alpha=2; x(2, 3), x(2), x(3), beta=0",
     .reference = "beta * input + alpha * np.outer(vec1, vec2)",
     .errors = "x(4), x(2), x(3); x(2, 2), x(2, 2), x(2)",
     .inplace = true}};
const Register addbmm_op{
    {.signature =
         "addbmm(Tensor input, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
     .doc = "beta * input + alpha * the sum of the products of the matrices.",
     .call = box<addbmm>,
     .samples = "x(2, 4), x(3, 2, 5), x(3, 5, 4); x(4), x(3, 2, 5), x(3, 5, 4), beta=.5, alpha=2",
     .reference = "beta * input + alpha * (batch1 @ batch2).sum(0)",
     .errors = "x(2, 4), x(3, 2, 5), x(2, 5, 4)",
     .inplace = true}};
const Register float_power_op{
    {.signature = "float_power(Tensor|Scalar input, Tensor|Scalar exponent) -> Tensor",
     .doc = "input to the power of exponent, in float64 or complex128.",
     .call = box<float_power>,
     .samples = "i(3, lo=1), i(3, lo=-2, hi=3); i(3), 2; 2, i(3)",
     .reference = "np.float_power(input, exponent)"}};
const Register float_power_inplace_op{
    {.signature = "float_power_(Tensor input, Tensor|Scalar exponent) -> Tensor",
     .doc = "float_power of float64 or complex128, written into input.",
     .call = box<float_power_>,
     .homes = "Tensor"}};
const Register ldexp_op{{.signature = "ldexp(Tensor input, Tensor other) -> Tensor",
                         .doc = "input times 2 to the power of other.",
                         .call = box<ldexp>,
                         .samples = "x(3, 4), i(4); i(3), i(3)",
                         .reference = "input * 2.0 ** other",
                         .inplace = true}};
const Register frexp_op{{.signature = "frexp(Tensor input) -> (Tensor mantissa, Tensor exponent)",
                         .doc = "input as mantissa * 2 ** exponent with mantissas in [0.5, 1).",
                         .call = box<frexp>,
                         .samples = "x(3, 4); taper.tensor([0., 1., 1e30, 1e-30])",
                         .reference = "np.frexp(input)",
                         .errors = "i(3)"}};
const Register isreal_op{{.signature = "isreal(Tensor input) -> Tensor",
                          .doc = "Whether the imaginary part is 0.",
                          .call = box<isreal>,
                          .samples = "x(3); taper.tensor([1 + 0j, 1j])",
                          .reference = "np.isreal(input)",
                          .differentiable = false}};
const Register same_ops[]{{{.signature = "positive(Tensor input) -> Tensor",
                            .doc = "input itself.",
                            .call = box<positive>,
                            .samples = "x(3)",
                            .reference = "input",
                            .errors = "b(3)"}},
                          {{.signature = "resolve_conj(Tensor input) -> Tensor",
                            .doc = "input itself: conjugates are never lazy.",
                            .call = box<same>,
                            .samples = "c(3)",
                            .reference = "input"}},
                          {{.signature = "resolve_neg(Tensor input) -> Tensor",
                            .doc = "input itself: negatives are never lazy.",
                            .call = box<same>,
                            .samples = "x(3)",
                            .reference = "input"}},
                          {{.signature = "conj_physical(Tensor input) -> Tensor",
                            .doc = "The complex conjugate.",
                            .call = box<conj>,
                            .samples = "c(3)",
                            .reference = "np.conj(input)",
                            .inplace = true}}};
const Register resize_as_op{{.signature = "resize_as_(Tensor input, Tensor the_template) -> Tensor",
                             .doc = "Resized to the shape of the_template.",
                             .call = box<resize_as_>,
                             .homes = "Tensor",
                             .differentiable = false}};

}  // namespace

}  // namespace taper
