// Matrix products, all through one batched kernel.
#include "taper/ops/matrix.h"

#include <algorithm>
#include <cstring>

#include "autograd/record.h"
#include "cpu/gemm.h"
#include "ops/elementwise.h"
#include "ops/registry.h"
#include "taper/ops.h"
#include "tensor/kernel_for.h"

namespace taper {

namespace {

/// A matrix operand as the kernel reads it: row-major or transposed, with its leading dimension.
struct Matrix {
  Tensor memory;
  bool transposed;
  std::int64_t leading, batch_stride;
};

// The last two dimensions of x as the kernel can read them; copied only when neither of the two is dense.
Matrix readable(const Tensor& x) {
  const int n = x.ndim();
  const std::int64_t rows = x.sizes()[n - 2], columns = x.sizes()[n - 1];
  const std::int64_t row_stride = x.strides()[n - 2], column_stride = x.strides()[n - 1];
  const std::int64_t batch_stride = n == 3 ? x.strides()[0] : 0;
  if (x.numel() == 0) return {x, false, std::max<std::int64_t>(columns, 1), batch_stride};
  if ((column_stride == 1 || columns == 1) && (row_stride >= std::max<std::int64_t>(columns, 1) || rows == 1))
    return {x, false, rows == 1 ? std::max<std::int64_t>(columns, 1) : row_stride, batch_stride};
  if ((row_stride == 1 || rows == 1) && (column_stride >= std::max<std::int64_t>(rows, 1) || columns == 1))
    return {x, true, columns == 1 ? std::max<std::int64_t>(rows, 1) : column_stride, batch_stride};
  return readable(contiguous(x));
}

void check_operands(const Tensor& a, const Tensor& b, const char* op) {
  check<DTypeError>(a.dtype() == b.dtype(), op, ": operands have different dtypes: ", a.dtype(), " and ",
                    b.dtype(), "; convert one with .to()");
  check<DeviceError>(a.device() == b.device(), op, ": operands are on different devices: ", a.device(),
                     " and ", b.device());
}

void check_inner(const Tensor& a, const Tensor& b, const char* op) {
  const std::int64_t k = a.sizes().back(), rows = b.sizes()[std::max(0, b.ndim() - 2)];
  const bool transposing_helps = b.ndim() >= 2 && b.sizes().back() == k;
  check<ShapeError>(k == rows, op, ": inner dimensions differ: ", a.sizes(), " @ ", b.sizes(), "; expected ",
                    k, " rows on the right", transposing_helps ? ". Did you mean x @ w.T?" : "");
}

// a [batch, m, k] or [m, k], b likewise; a batch of 1 is used for all.
Tensor product(const Tensor& a, const Tensor& b, const Tensor& bias = {}) {
  const int n = std::max(a.ndim(), b.ndim());
  const std::int64_t m = a.sizes()[a.ndim() - 2], k = a.sizes().back(), columns = b.sizes().back();
  const std::int64_t batch_a = a.ndim() == 3 ? a.sizes()[0] : 1, batch_b = b.ndim() == 3 ? b.sizes()[0] : 1;
  const std::int64_t batch = batch_a == 1 ? batch_b : batch_a;
  Tensor y =
      n == 3 ? empty({batch, m, columns}, a.dtype(), a.device()) : empty({m, columns}, a.dtype(), a.device());
  if (y.numel() == 0) return y;
  const Matrix left = readable(a), right = readable(b);
  const void* row = bias.defined() ? bias.data() : nullptr;
  kernel_for<cpu::gemm_batched>("matmul", a, b, bias)(
      a.dtype(), left.transposed, right.transposed, m, columns, k, 1, left.memory.data(), left.leading,
      batch_a == 1 ? 0 : left.batch_stride, right.memory.data(), right.leading,
      batch_b == 1 ? 0 : right.batch_stride, 0, y.data(), columns, m * columns, batch, row);
  return y;
}

// dy @ b^T and a^T @ dy, summed over a batch dimension that an operand did not have.
Tensor adjoint(const Tensor& x) { return conj(transpose(x, -2, -1)); }

struct Matmul {
  static constexpr auto name = "mm";
  static constexpr Saves saves{.inputs = 3};

  Tensor forward(const Tensor& a, const Tensor& b) const { return product(a, b); }
  std::array<Tensor, 2> backward(const Saved& saved, const Tensor& dy) const {
    return {saved.needs(0) ? record(Matmul{}, dy, adjoint(saved.input(1))) : Tensor(),
            saved.needs(1) ? record(Matmul{}, adjoint(saved.input(0)), dy) : Tensor()};
  }
};

// dy [rows, out]^T @ x [rows, in] and the sums of dy's columns, for what takes both of one product.
struct LinearBackwardWeight {
  static constexpr auto name = "linear_backward_weight";
  static constexpr Saves saves{.inputs = 3};

  std::array<Tensor, 2> forward(const Tensor& dy, const Tensor& x) const {
    const std::int64_t rows = x.sizes()[0], in = x.sizes()[1], out = dy.sizes()[1];
    Tensor dw = empty({out, in}, x.dtype(), x.device()), sums = empty({out}, x.dtype(), x.device());
    const Matrix left = readable(transpose(dy, 0, 1)), right = readable(x);
    kernel_for<cpu::gemm_with_sums>(name, dy, x)(x.dtype(), left.transposed, right.transposed, out, in, rows,
                                                 left.memory.data(), left.leading, right.memory.data(),
                                                 right.leading, dw.data(), sums.data());
    return {dw, sums};
  }
  std::array<Tensor, 2> backward(const Saved& saved, std::span<const Tensor> d) const {
    const Tensor dy = saved.input(0), x = saved.input(1), &ddw = d[0], &dsums = d[1];
    if (!ddw.defined()) return {expand(dsums, dy.sizes()), Tensor()};
    const Tensor ddy = saved.needs(0) ? mm(conj(x), transpose(ddw, 0, 1)) : Tensor();
    return {ddy.defined() && dsums.defined() ? add(ddy, dsums) : ddy,
            saved.needs(1) ? mm(conj(dy), ddw) : Tensor()};
  }
};

// x [rows, in] @ weight [out, in]^T + bias [out].
struct Linear {
  static constexpr auto name = "linear";
  static constexpr Saves saves{.inputs = 3};

  Tensor forward(const Tensor& x, const Tensor& weight, const Tensor& bias) const {
    return product(x, transpose(weight, 0, 1), bias);
  }
  std::array<Tensor, 3> backward(const Saved& saved, const Tensor& dy) const {
    const Tensor dx = saved.needs(0) ? mm(dy, conj(saved.input(1))) : Tensor();
    if (saved.needs(1) && saved.needs(2)) {
      const auto [dw, dbias] = record(LinearBackwardWeight{}, dy, conj(saved.input(0)));
      return {dx, dw, dbias};
    }
    return {dx, saved.needs(1) ? mm(transpose(dy, 0, 1), conj(saved.input(0))) : Tensor(),
            saved.needs(2) ? sum(dy, Shape{0}) : Tensor()};
  }
};

// Operands of more than two dimensions become [batch, ., .]; a matrix on the right needs no batch.
Tensor matmul_batched(const Tensor& a, const Tensor& b) {
  if (b.ndim() == 2) {
    Shape sizes = a.sizes();
    sizes[a.ndim() - 1] = b.sizes()[1];
    return reshape(mm(reshape(a, {numel(Shape(a.sizes().data(), a.ndim() - 1)), a.sizes().back()}), b),
                   sizes);
  }
  const Shape batch = broadcast_shapes(Shape(a.sizes().data(), a.ndim() - 2),
                                       Shape(b.sizes().data(), b.ndim() - 2), "matmul");
  const auto batched = [&](const Tensor& x) {
    Shape sizes = batch;
    sizes.push_back(x.sizes()[x.ndim() - 2]);
    sizes.push_back(x.sizes().back());
    const Tensor whole = x.sizes() == sizes ? x : expand(x, sizes);
    return reshape(whole, {numel(batch), sizes[sizes.size() - 2], sizes.back()});
  };
  Shape sizes = batch;
  sizes.push_back(a.sizes()[a.ndim() - 2]);
  sizes.push_back(b.sizes().back());
  return reshape(record(Matmul{}, batched(a), batched(b)), sizes);
}

Tensor scaled(const Tensor& x, const Scalar& factor) { return factor.equals(1) ? x : mul(x, factor); }

// beta = 0 drops x altogether, also its NaN.
Tensor combined(const Tensor& x, const Tensor& y, const Scalar& beta, const Scalar& alpha) {
  check_operands(x, y, "addmm");
  if (is_integral(y.dtype(), true) && !(beta.is_integral() && alpha.is_integral()))
    return combined(x, y, beta.to<std::int64_t>(), alpha.to<std::int64_t>());
  if (beta.equals(0)) return scaled(y, alpha);
  return add(scaled(y, alpha), scaled(x, beta));
}

// Whether addmm adds one row to each of the product's, which is done on the way out of it.
bool adds_row(const Tensor& x, const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha) {
  return alpha.equals(1) && beta.equals(1) && a.ndim() == 2 && b.ndim() == 2 &&
         a.sizes()[1] == b.sizes()[0] && x.sizes() == Shape{b.sizes()[1]};
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b) {
  check<ShapeError>(a.ndim() > 0 && b.ndim() > 0, "matmul: both operands need at least one dimension, got ",
                    a.sizes(), " @ ", b.sizes());
  check_operands(a, b, "matmul");
  check_inner(a, b, "matmul");
  if (a.ndim() == 2 && b.ndim() == 2) return record(Matmul{}, a, b);
  if (a.ndim() == 1) {
    const Tensor y = matmul(unsqueeze(a, 0), b.ndim() == 1 ? unsqueeze(b, 1) : b);
    return b.ndim() == 1 ? reshape(y, {}) : squeeze(y, Shape{-2});
  }
  if (b.ndim() == 1) return squeeze(matmul(a, unsqueeze(b, 1)), Shape{-1});
  if (a.ndim() == 2) return matmul_batched(unsqueeze(a, 0), b);
  return matmul_batched(a, b);
}

Tensor mm(const Tensor& a, const Tensor& b) {
  check<ShapeError>(a.ndim() == 2 && b.ndim() == 2, "mm: needs two matrices, got ", a.sizes(), " @ ",
                    b.sizes());
  check_operands(a, b, "mm");
  check_inner(a, b, "mm");
  return record(Matmul{}, a, b);
}

Tensor bmm(const Tensor& a, const Tensor& b) {
  check<ShapeError>(a.ndim() == 3 && b.ndim() == 3 && a.sizes()[0] == b.sizes()[0],
                    "bmm: needs two 3-d tensors of the same batch size, got ", a.sizes(), " @ ", b.sizes());
  check_operands(a, b, "bmm");
  check_inner(a, b, "bmm");
  return record(Matmul{}, a, b);
}

Tensor mv(const Tensor& a, const Tensor& b) {
  check<ShapeError>(a.ndim() == 2 && b.ndim() == 1, "mv: needs a matrix and a vector, got ", a.sizes(), " @ ",
                    b.sizes());
  return matmul(a, b);
}

Tensor dot(const Tensor& a, const Tensor& b) {
  check<ShapeError>(a.ndim() == 1 && b.ndim() == 1, "dot: needs two vectors, got ", a.sizes(), " and ",
                    b.sizes());
  check<ShapeError>(a.sizes() == b.sizes(), "dot: vectors differ in length: ", a.sizes(), " and ", b.sizes());
  return matmul(a, b);
}

Tensor outer(const Tensor& a, const Tensor& b) {
  check<ShapeError>(a.ndim() == 1 && b.ndim() == 1, "outer: needs two vectors, got ", a.sizes(), " and ",
                    b.sizes());
  return mul(unsqueeze(a, 1), b);
}

Tensor addmm(const Tensor& x, const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha) {
  if (adds_row(x, a, b, beta, alpha)) return linear(a, transpose(b, 0, 1), x);
  return combined(x, mm(a, b), beta, alpha);
}
Tensor baddbmm(const Tensor& x, const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha) {
  return combined(x, bmm(a, b), beta, alpha);
}
Tensor addmv(const Tensor& x, const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha) {
  return combined(x, mv(a, b), beta, alpha);
}

namespace {

// In one kernel where no gradient is wanted, as the gradient needs what the activation was taken of.
Tensor addmm_activation(const Tensor& x, const Tensor& a, const Tensor& b, const Scalar& beta,
                        const Scalar& alpha, bool use_gelu) {
  const bool recorded = is_grad_enabled() && (wants_grad(x) || wants_grad(a) || wants_grad(b));
  if (recorded || !a.is_floating_point() || !adds_row(x, a, b, beta, alpha)) {
    const Tensor y = addmm(x, a, b, beta, alpha);
    return use_gelu ? gelu(y, y.device().is_cpu() ? "none" : "tanh") : relu(y);
  }
  const char* op = "_addmm_activation";
  check_operands(a, b, op);
  check_operands(a, x, op);
  Tensor y = empty({a.sizes()[0], b.sizes()[1]}, a.dtype(), a.device());
  const Matrix left = readable(a), right = readable(b);
  const Tensor row = contiguous(x);
  kernel_for<cpu::gemm_activated>(op, a, b, row)(
      a.dtype(), use_gelu ? cpu::Activation::gelu : cpu::Activation::relu, left.transposed, right.transposed,
      y.sizes()[0], y.sizes()[1], a.sizes()[1], left.memory.data(), left.leading, right.memory.data(),
      right.leading, row.data(), y.data());
  return y;
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  check<ShapeError>(x.ndim() > 0 && (weight.ndim() == 2 || weight.ndim() == 1),
                    "linear: needs x [..., in] and weight [out, in], got ", x.sizes(), " and ",
                    weight.sizes());
  check_operands(x, weight, "linear");
  const std::int64_t in = weight.sizes().back();
  check<ShapeError>(x.sizes().back() == in, "linear: x of shape ", x.sizes(), " has ", x.sizes().back(),
                    " features but weight ", weight.sizes(), " takes ", in);
  if (weight.ndim() == 1) return bias.defined() ? add(matmul(x, weight), bias) : matmul(x, weight);
  const std::int64_t out = weight.sizes()[0];
  if (bias.defined()) {
    check_operands(x, bias, "linear");
    check<ShapeError>(bias.sizes() == Shape{out} || bias.ndim() == 0, "linear: bias has shape ", bias.sizes(),
                      ", expected (", out, ",)");
  }
  const Tensor row = bias.defined() ? contiguous(bias.ndim() == 0 ? expand(bias, {out}) : bias) : bias;
  if (x.ndim() == 2) return record(Linear{}, x, weight, row);
  Shape sizes = x.sizes();
  sizes[x.ndim() - 1] = out;
  const std::int64_t rows = numel(Shape(x.sizes().data(), x.ndim() - 1));
  return reshape(record(Linear{}, reshape(x, {rows, in}), weight, row), sizes);
}

namespace {

const Register matmul_op{{.signature = "matmul(Tensor input, Tensor other) -> Tensor",
                          .doc = "Matrix product over the last two dimensions, the others broadcast; 1-d "
                                 "operands are row and column vectors.",
                          .call = box<matmul>,
                          .homes = "taper Tensor linalg",
                          .samples = "x(2, 3), x(3, 4); x(3), x(3); x(2, 3), x(3); x(3), x(3, 2); x(2, 2, "
                                     "3), x(3, 4); x(2, 3), x(2, 3, 2); x(2, 1, 2, 3), x(3, 3, 2); x(2, 0), "
                                     "x(0, 3); x(3, 2).T, x(4, 3).T; c(2, 3), c(3, 2); x(0, 2), x(2, 3)",
                          .reference = "np.matmul(input, other)",
                          .errors = "x(2, 3), x(4, 5); x(), x(3); x(2, 3), i(3, 2)"}};
const Register mm_op{{.signature = "mm(Tensor input, Tensor mat2) -> Tensor",
                      .doc = "Product of two matrices.",
                      .call = box<mm>,
                      .samples = "x(2, 3), x(3, 4); x(3, 2).T, x(3, 2)",
                      .reference = "input @ mat2",
                      .errors = "x(2, 3), x(4, 5); x(3), x(3, 2)"}};
const Register bmm_op{{.signature = "bmm(Tensor input, Tensor mat2) -> Tensor",
                       .doc = "Products of matrices, batch by batch.",
                       .call = box<bmm>,
                       .samples = "x(2, 2, 3), x(2, 3, 2)",
                       .reference = "input @ mat2",
                       .errors = "x(2, 2, 3), x(3, 3, 2); x(2, 3), x(3, 2)"}};
const Register mv_op{{.signature = "mv(Tensor input, Tensor vec) -> Tensor",
                      .doc = "Product of a matrix and a vector.",
                      .call = box<mv>,
                      .samples = "x(2, 3), x(3)",
                      .reference = "input @ vec",
                      .errors = "x(2, 3), x(2)"}};
const Register dot_op[]{{{.signature = "dot(Tensor input, Tensor tensor) -> Tensor",
                          .doc = "Sum of products of two vectors.",
                          .call = box<dot>,
                          .samples = "x(3), x(3); x(0), x(0)",
                          .reference = "np.dot(input, tensor)",
                          .errors = "x(3), x(4)"}}};
const Register outer_op{{.signature = "outer(Tensor input, Tensor vec2) -> Tensor",
                         .doc = "Products of all pairs of two vectors.",
                         .call = box<outer>,
                         .samples = "x(2), x(3)",
                         .reference = "np.outer(input, vec2)",
                         .errors = "x(2, 2), x(3)"}};
const Register addmm_op{
    {.signature = "addmm(Tensor input, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
     .doc = "beta * input + alpha * (mat1 @ mat2).",
     .call = box<addmm>,
     .samples = "x(2, 4), x(2, 3), x(3, 4); x(4), x(2, 3), x(3, 4), beta=0.5, alpha=2",
     .reference = "beta * input + alpha * (mat1 @ mat2)",
     .errors = "x(2, 5), x(2, 3), x(3, 4)",
     .inplace = true}};
const Register addmm_activation_op{
    {.signature = "_addmm_activation(Tensor input, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar "
                  "alpha=1, bool use_gelu=False) -> Tensor",
     .doc = "relu(addmm), or gelu(addmm), where possible in one kernel. On CUDA devices gelu is its "
            "approximation with tanh.",
     .call = box<addmm_activation>,
     .samples = "x(2, 4), x(2, 3), x(3, 4); x(4), x(2, 3), x(3, 4); x(4), x(2, 3), x(3, 4), beta=0.5, "
                "alpha=2",
     .reference = "np.maximum(beta * input + alpha * (mat1 @ mat2), 0)",
     .errors = "x(2, 5), x(2, 3), x(3, 4); x(5), x(2, 3), x(3, 4)"}};
const Register baddbmm_op{
    {.signature =
         "baddbmm(Tensor input, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
     .doc = "beta * input + alpha * (batch1 @ batch2).",
     .call = box<baddbmm>,
     .samples = "x(2, 2, 4), x(2, 2, 3), x(2, 3, 4); x(4), x(2, 2, 3), x(2, 3, 4), beta=0.5, alpha=2",
     .reference = "beta * input + alpha * (batch1 @ batch2)",
     .inplace = true}};
const Register addmv_op{
    {.signature = "addmv(Tensor input, Tensor mat, Tensor vec, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
     .doc = "beta * input + alpha * (mat @ vec).",
     .call = box<addmv>,
     .samples = "x(2), x(2, 3), x(3), beta=2",
     .reference = "beta * input + alpha * (mat @ vec)",
     .inplace = true}};
const Register linear_op{{.signature = "linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor",
                          .doc = "input [..., in] @ weight [out, in]^T + bias [out].",
                          .call = box<linear>,
                          .homes = "nn.functional",
                          .samples = "x(2, 3), x(4, 3), x(4); x(2, 3), x(4, 3); x(2, 2, 3), x(4, 3), x(4); "
                                     "x(3), x(2, 3), x(2); x(0, 3), x(2, 3), x(2)",
                          .reference = "input @ weight.T + (0 if bias is None else bias)",
                          .errors = "x(2, 3), x(4, 2); x(2, 3), x(4, 3), x(3)"}};

}  // namespace

}  // namespace taper
