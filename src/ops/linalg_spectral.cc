// QR, eigenvalues, singular values, and what is made of them.
#include <limits>

#include "ops/linalg.h"
#include "tensor/kernel_for.h"

namespace taper::linalg {

namespace {

constexpr auto no_convergence =
    "The algorithm failed to converge because the input matrix is ill-conditioned or has non-finite values "
    "(error code: ";

Tensor row(const Tensor& x) { return unsqueeze(x, -2); }
Tensor column(const Tensor& x) { return unsqueeze(x, -1); }
Tensor diagonal_of(const Tensor& x) { return diagonal(x, 0, -2, -1); }

// The gradient through A = Q R for m >= n: Walter & Lehmann (2018), arXiv:1001.1654, section 4.
Tensor tall_qr_gradient(const Tensor& q, const Tensor& r, const Tensor& dq, const Tensor& dr) {
  Tensor inner = dr.defined() ? matmul(dr, adjoint(r)) : Tensor();
  if (dq.defined()) {
    const Tensor turn = matmul(adjoint(q), dq);
    inner = inner.defined() ? sub(inner, turn) : neg(turn);
  }
  inner = triu(inner);
  const Tensor both = add(triu(inner, 1), adjoint(triu(inner, 1)));
  const Tensor middle = add(both, embedded(to(real(diagonal_of(inner)), q.dtype())));
  Tensor left = matmul(q, middle);
  if (dq.defined()) left = add(left, dq);
  return solve_triangular(adjoint(r), left, false, false);
}

struct Qr {
  static constexpr auto name = "linalg_qr";
  static constexpr Saves saves{.inputs = 1, .outputs = 3};
  bool complete, with_q;

  std::array<Tensor, 2> forward(const Tensor& a) const {
    const std::int64_t m = rows_of(a), n = columns_of(a), size = complete ? m : std::min(m, n);
    const Shape batch = batch_of(a);
    std::array<Tensor, 2> result{
        with_q ? empty(with(batch, {m, size}), a.dtype(), a.device()) : empty({0}, a.dtype(), a.device()),
        empty(with(batch, {size, n}), a.dtype(), a.device())};
    kernel_for<cpu::qr>("qr", a)(a.dtype(), numel(batch), m, n, size, contiguous(a).data(),
                                 with_q ? result[0].data() : nullptr, result[1].data());
    return result;
  }
  Tensor backward(const Saved& saved, std::span<const Tensor> dy) const {
    check<AutogradError>(with_q, "linalg.qr: mode 'r' gives no Q, which the gradient needs; use 'reduced'");
    const Tensor a = saved.input(0), q = saved.output(0), r = saved.output(1);
    const std::int64_t m = rows_of(a), n = columns_of(a);
    check<AutogradError>(!complete || m <= n,
                         "linalg.qr: no gradient for mode 'complete' where there are more "
                         "rows than columns; use 'reduced'");
    if (!dy[0].defined() && !dy[1].defined()) return {};
    if (m >= n) return tall_qr_gradient(q, r, dy[0], dy[1]);
    // A = [X Y], R = [U V]: X = Q U and V = Q^H Y.
    const Tensor u = narrow(r, -1, 0, m), y = narrow(a, -1, m, n - m);
    if (!dy[1].defined()) return cat({tall_qr_gradient(q, u, dy[0], Tensor()), zeros_like(y)}, -1);
    const Tensor dv = narrow(dy[1], -1, m, n - m), through = matmul(y, adjoint(dv));
    const Tensor dq = dy[0].defined() ? add(dy[0], through) : through;
    return cat({tall_qr_gradient(q, u, dq, narrow(dy[1], -1, 0, m)), matmul(q, dv)}, -1);
  }
};

// x_j - x_i off the diagonal, 1 on it.
Tensor gaps(const Tensor& x) {
  return add(sub(row(x), column(x)), eye(x.sizes().back(), x.sizes().back(), x.dtype(), x.device()));
}
Tensor without_diagonal(const Tensor& x) {
  return masked_fill(x, eye(columns_of(x), columns_of(x), boolean, x.device()), 0);
}

struct Eigh {
  static constexpr auto name = "linalg_eigh";
  static constexpr Saves saves{.outputs = 3};
  bool upper, vectors;

  std::array<Tensor, 2> forward(const Tensor& a) const {
    const Shape batch = batch_of(a);
    const std::int64_t n = columns_of(a);
    const Tensor info = empty(batch, int32, a.device());
    std::array<Tensor, 2> result{
        empty(with(batch, {n}), real_dtype(a.dtype()), a.device()),
        vectors ? empty(a.sizes(), a.dtype(), a.device()) : empty({0}, a.dtype(), a.device())};
    kernel_for<cpu::eigh>("eigh", a)(a.dtype(), numel(batch), n, contiguous(a).data(), upper,
                                     result[0].data(), vectors ? result[1].data() : nullptr,
                                     info.device_data<std::int32_t>());
    check_info(info, "linalg.eigh", no_convergence, ").");
    return result;
  }
  Tensor backward(const Saved& saved, std::span<const Tensor> dy) const {
    const Tensor values = saved.output(0), v = saved.output(1), vh = adjoint(v);
    if (!dy[0].defined() && !dy[1].defined()) return {};
    if (!dy[1].defined()) return matmul(mul(v, row(dy[0])), vh);
    Tensor inner = without_diagonal(div(matmul(vh, dy[1]), gaps(values)));
    if (dy[0].defined()) inner = add(inner, embedded(to(dy[0], v.dtype())));
    return matmul(v, matmul(inner, vh));
  }
};

// Boeddeker et al. (2019), arXiv:1701.00392, with vectors of length 1.
struct Eig {
  static constexpr auto name = "linalg_eig";
  static constexpr Saves saves{.inputs = 1, .outputs = 3};
  bool vectors;

  std::array<Tensor, 2> forward(const Tensor& a) const {
    const Shape batch = batch_of(a);
    const std::int64_t n = columns_of(a);
    const DType dtype = complex_dtype(a.dtype());
    const Tensor info = empty(batch, int32, a.device());
    std::array<Tensor, 2> result{
        empty(with(batch, {n}), dtype, a.device()),
        vectors ? empty(a.sizes(), dtype, a.device()) : empty({0}, dtype, a.device())};
    kernel_for<cpu::eig>("eig", a)(a.dtype(), numel(batch), n, contiguous(a).data(), result[0].data(),
                                   vectors ? result[1].data() : nullptr, info.device_data<std::int32_t>());
    check_info(info, "linalg.eig", no_convergence, ").");
    return result;
  }
  Tensor backward(const Saved& saved, std::span<const Tensor> dy) const {
    const Tensor values = saved.output(0), v = saved.output(1), vh = adjoint(v);
    if (!dy[0].defined() && !dy[1].defined()) return {};
    Tensor inner;
    if (dy[1].defined()) {
      const Tensor turn = matmul(vh, dy[1]);
      inner = sub(turn, mul(matmul(vh, v), row(real(diagonal_of(turn)))));
      inner = without_diagonal(div(inner, conj(gaps(values))));
    }
    if (dy[0].defined()) inner = inner.defined() ? add(inner, embedded(dy[0])) : embedded(dy[0]);
    const Tensor da = solve(vh, matmul(inner, vh));
    return saved.input(0).is_complex() ? da : real(da);
  }
};

Tensor skew(const Tensor& x) { return sub(x, adjoint(x)); }

struct Svd {
  static constexpr auto name = "linalg_svd";
  static constexpr Saves saves{.outputs = 7};
  bool full, vectors;

  std::array<Tensor, 3> forward(const Tensor& a) const {
    const Shape batch = batch_of(a);
    const std::int64_t m = rows_of(a), n = columns_of(a), size = std::min(m, n);
    const Tensor info = empty(batch, int32, a.device()), none = empty({0}, a.dtype(), a.device());
    std::array<Tensor, 3> result{
        vectors ? empty(with(batch, {m, full ? m : size}), a.dtype(), a.device()) : none,
        empty(with(batch, {size}), real_dtype(a.dtype()), a.device()),
        vectors ? empty(with(batch, {full ? n : size, n}), a.dtype(), a.device()) : none};
    kernel_for<cpu::svd>("svd", a)(a.dtype(), numel(batch), m, n, contiguous(a).data(), full,
                                   vectors ? result[0].data() : nullptr, result[1].data(),
                                   vectors ? result[2].data() : nullptr, info.device_data<std::int32_t>());
    check_info(info, "linalg.svd", no_convergence, ").");
    return result;
  }

  // Townsend (2016), "Differentiating the singular value decomposition", and for complex matrices
  // Wan & Zhang (2019), arXiv:1909.02659.
  Tensor backward(const Saved& saved, std::span<const Tensor> dy) const {
    if (!dy[0].defined() && !dy[1].defined() && !dy[2].defined()) return {};
    const Tensor s = saved.output(1);
    const std::int64_t size = s.sizes().back();
    const Tensor u = narrow(saved.output(0), -1, 0, size), vh = narrow(saved.output(2), -2, 0, size);
    if (!dy[0].defined() && !dy[2].defined()) return matmul(mul(u, row(dy[1])), vh);
    const Tensor du = dy[0].defined() ? narrow(dy[0], -1, 0, size) : zeros_like(u);
    const Tensor dvh = dy[2].defined() ? narrow(dy[2], -2, 0, size) : zeros_like(vh);
    const Tensor turn_u = skew(matmul(adjoint(u), du)), turn_v = skew(matmul(vh, adjoint(dvh)));
    const Tensor between = gaps(square(s));
    Tensor inner = add(mul(without_diagonal(div(turn_u, between)), row(s)),
                       mul(column(s), without_diagonal(div(turn_v, between))));
    if (u.is_complex()) inner = add(inner, embedded(div(diagonal_of(turn_u), mul(s, 2))));
    if (dy[1].defined()) inner = add(inner, embedded(to(dy[1], u.dtype())));
    Tensor da = matmul(u, matmul(inner, vh));
    if (rows_of(u) > size) {
      const Tensor outside = sub(du, matmul(u, matmul(adjoint(u), du)));
      da = add(da, matmul(div(outside, row(s)), vh));
    }
    if (columns_of(vh) > size) {
      const Tensor outside = sub(dvh, matmul(matmul(dvh, adjoint(vh)), vh));
      da = add(da, matmul(u, div(outside, column(s))));
    }
    return da;
  }
};

bool upper_of(std::string_view uplo, const char* op) {
  check<ValueError>(uplo == "L" || uplo == "U" || uplo == "l" || uplo == "u", op,
                    ": Expected UPLO argument to be 'L' or 'U', but got ", uplo);
  return uplo == "U" || uplo == "u";
}

bool wants_gradient(const Tensor& a) { return thread_modes.grad_enabled && wants_grad(a); }

// max(atol, rtol * largest), with a dimension of 1 for the singular values.
Tensor cutoff(const Tensor& a, const Tensor& values, const Tensor& atol, const Tensor& rtol) {
  const double epsilon = values.dtype() == float32 ? std::numeric_limits<float>::epsilon()
                                                   : std::numeric_limits<double>::epsilon();
  const bool absolute_only = atol.defined() && !rtol.defined();
  const Tensor usual = absolute_only ? where(gt(atol, 0), wrapped(0.0),
                                             wrapped(double(std::max(rows_of(a), columns_of(a))) * epsilon))
                                     : wrapped(double(std::max(rows_of(a), columns_of(a))) * epsilon);
  const Tensor relative = rtol.defined() ? rtol : usual;
  const Tensor largest = amax(values, Shape{-1});
  Tensor bound = mul(relative, largest);
  if (atol.defined())
    bound = maximum(to(bound, float64),
                    to(expand(atol, broadcast_shapes(atol.sizes(), bound.sizes(), "linalg")), float64));
  return column(bound);
}

// Golub & Pereyra (1973): the derivative of a pseudoinverse of constant rank.
struct Pinv {
  static constexpr auto name = "linalg_pinv";
  static constexpr Saves saves{.inputs = 1, .outputs = 1};
  bool hermitian;

  Tensor forward(const Tensor& a, const Tensor& atol, const Tensor& rtol) const {
    if (a.numel() == 0) return empty(with(batch_of(a), {columns_of(a), rows_of(a)}), a.dtype(), a.device());
    if (hermitian) {
      const auto [values, v] = eigh(a);
      const Tensor size = abs(values), kept = gt(size, cutoff(a, size, atol, rtol));
      const Tensor inverse = where(kept, reciprocal(values), zeros_like(values));
      return matmul(mul(v, row(inverse)), adjoint(v));
    }
    const auto [u, s, vh] = svd(a, false);
    const Tensor inverse = where(gt(s, cutoff(a, s, atol, rtol)), reciprocal(s), zeros_like(s));
    return matmul(mul(adjoint(vh), row(inverse)), adjoint(u));
  }
  std::array<Tensor, 3> backward(const Saved& saved, const Tensor& dy) const {
    const Tensor a = saved.input(0), y = saved.output(), yh = adjoint(y), dyh = adjoint(dy);
    if (rows_of(a) <= columns_of(a)) {
      const Tensor k = matmul(dyh, y), kyh = matmul(k, yh);
      Tensor da = sub(kyh, adjoint(matmul(y, k)));
      da = sub(da, matmul(matmul(a, y), kyh));
      return {add(da, matmul(matmul(yh, y), sub(dyh, matmul(k, a))))};
    }
    const Tensor k = matmul(y, dyh), yhk = matmul(yh, k);
    Tensor da = sub(matmul(matmul(sub(dyh, matmul(a, k)), y), yh), adjoint(matmul(k, y)));
    da = add(da, yhk);
    return {sub(da, matmul(matmul(yhk, y), a))};
  }
};

// The derivative along E is the upper right block of exp([[A, E], [0, A]]): Al-Mohy & Higham (2009),
// theorem 2.1.
struct MatrixExp {
  static constexpr auto name = "linalg_matrix_exp";
  static constexpr Saves saves{.inputs = 1};

  Tensor forward(const Tensor& a) const {
    Tensor y = empty(a.sizes(), a.dtype(), a.device());
    kernel_for<cpu::matrix_exp>("matrix_exp", a)(a.dtype(), numel(batch_of(a)), columns_of(a),
                                                 contiguous(a).data(), y.data());
    return y;
  }
  Tensor backward(const Saved& saved, const Tensor& dy) const {
    const Tensor a = adjoint(saved.input(0));
    const std::int64_t n = columns_of(a);
    const Tensor block = cat({cat({a, dy}, -1), cat({zeros_like(a), a}, -1)}, -2);
    return narrow(narrow(record(MatrixExp{}, block), -2, 0, n), -1, n, n);
  }
};

// R above the reflections, and their factors; without gradient, as in PyTorch.
std::tuple<Tensor, Tensor> geqrf(const Tensor& a) {
  check_matrix(a, "geqrf");
  const NoGrad no_gradient;
  const Tensor packed = fresh(a);
  const Tensor tau = empty(with(batch_of(a), {std::min(rows_of(a), columns_of(a))}), a.dtype(), a.device());
  kernel_for<cpu::geqrf>("geqrf", a)(a.dtype(), numel(batch_of(a)), rows_of(a), columns_of(a), packed.data(),
                                     tau.data());
  return {packed, tau};
}

Tensor matrix_rank_by_tol(const Tensor& a, const Tensor& tol, bool hermitian) {
  return matrix_rank(a, tol, zeros({}, float64, a.device()), hermitian);
}
Tensor pinv_by_rcond(const Tensor& a, const Tensor& rcond, bool hermitian) {
  return pinv(a, zeros({}, float64, a.device()), rcond, hermitian);
}

}  // namespace

std::tuple<Tensor, Tensor> qr(const Tensor& a, std::string_view mode) {
  check_matrix(a, "linalg.qr");
  check<ValueError>(mode == "reduced" || mode == "complete" || mode == "r",
                    "linalg.qr: received unrecognized mode '", mode,
                    "' but expected one of 'reduced' (default), 'r', or 'complete'");
  auto [q, r] = record(Qr{mode == "complete", mode != "r"}, a);
  return {q, r};
}

std::tuple<Tensor, Tensor> eigh(const Tensor& a, std::string_view uplo) {
  check_square(a, "linalg.eigh");
  auto [values, vectors] = record(Eigh{upper_of(uplo, "linalg.eigh"), true}, a);
  return {values, vectors};
}
Tensor eigvalsh(const Tensor& a, std::string_view uplo) {
  check_square(a, "linalg.eigvalsh");
  return record(Eigh{upper_of(uplo, "linalg.eigvalsh"), wants_gradient(a)}, a)[0];
}

std::tuple<Tensor, Tensor> eig(const Tensor& a) {
  check_square(a, "linalg.eig");
  auto [values, vectors] = record(Eig{true}, a);
  return {values, vectors};
}
Tensor eigvals(const Tensor& a) {
  check_square(a, "linalg.eigvals");
  return record(Eig{wants_gradient(a)}, a)[0];
}

std::tuple<Tensor, Tensor, Tensor> svd(const Tensor& a, bool full_matrices,
                                       std::optional<std::string> driver) {
  check_matrix(a, "linalg.svd");
  check<ValueError>(!driver, "linalg.svd: keyword argument `driver=` is only supported on CUDA inputs");
  auto [u, s, vh] = record(Svd{full_matrices, true}, a);
  return {u, s, vh};
}
Tensor svdvals(const Tensor& a, std::optional<std::string> driver) {
  check_matrix(a, "linalg.svdvals");
  check<ValueError>(!driver, "linalg.svdvals: keyword argument `driver=` is only supported on CUDA inputs");
  return record(Svd{false, wants_gradient(a)}, a)[1];
}

Tensor pinv(const Tensor& a, const Tensor& atol, const Tensor& rtol, bool hermitian) {
  if (hermitian) check_square(a, "linalg.pinv");
  check_matrix(a, "linalg.pinv");
  return record(Pinv{hermitian}, a, atol, rtol);
}

Tensor matrix_rank(const Tensor& a, const Tensor& atol, const Tensor& rtol, bool hermitian) {
  const NoGrad integer_result;
  if (hermitian) check_square(a, "linalg.matrix_rank");
  check_matrix(a, "linalg.matrix_rank");
  if (a.numel() == 0) return zeros(batch_of(a), int64, a.device());
  const Tensor values = hermitian ? abs(eigvalsh(a)) : svdvals(a);
  return sum(to(gt(values, cutoff(a, values, atol, rtol)), int64), Shape{-1});
}

Tensor matrix_exp(const Tensor& a) {
  if (a.dtype() == float16 || a.dtype() == bfloat16) return to(matrix_exp(to(a, float32)), a.dtype());
  check_square(a, "linalg.matrix_exp");
  return record(MatrixExp{}, a);
}

namespace {

const Register qr_op{{.signature = "qr(Tensor A, str mode='reduced') -> (Tensor Q, Tensor R)",
                      .doc = "Q with orthonormal columns and upper triangular R, A = Q R.",
                      .call = box<qr>,
                      .homes = "linalg",
                      .samples = "x(3, 3); x(4, 2); x(2, 4); x(2, 3, 2); c(3, 2); x(2, 4), 'complete'",
                      .reference = "ref.qr(A, mode)",
                      .errors = "x(3); x(2, 2), 'other'"}};
const Register geqrf_op{{.signature = "geqrf(Tensor input) -> (Tensor a, Tensor tau)",
                         .doc = "R, below it the Householder vectors of Q, and their factors.",
                         .call = box<geqrf>,
                         .homes = "taper Tensor",
                         .samples = "x(3, 3); x(4, 2); x(2, 4); c(3, 2)",
                         .reference = "ref.geqrf(input)",
                         .errors = "x(3)",
                         .differentiable = false}};
const Register eigh_op{
    {.signature = "eigh(Tensor A, str UPLO='L') -> (Tensor eigenvalues, Tensor eigenvectors)",
     .doc = "Ascending eigenvalues and eigenvectors of Hermitian matrices.",
     .call = box<eigh>,
     .homes = "linalg",
     .errors = "x(2, 3); x(2, 2), 'A'; taper.full((2, 2), np.nan)"}};
const Register eigvalsh_op{{.signature = "eigvalsh(Tensor A, str UPLO='L') -> Tensor",
                            .doc = "Ascending eigenvalues of Hermitian matrices.",
                            .call = box<eigvalsh>,
                            .homes = "linalg",
                            .samples = "x(3, 3); x(3, 3), 'U'; x(2, 3, 3); c(3, 3)",
                            .reference = "np.linalg.eigvalsh(A, UPLO)",
                            .errors = "x(2, 3)",
                            .differentiable = false}};
const Register eig_op{{.signature = "eig(Tensor A) -> (Tensor eigenvalues, Tensor eigenvectors)",
                       .doc = "Eigenvalues and eigenvectors of square matrices, complex.",
                       .call = box<eig>,
                       .homes = "linalg",
                       .errors = "x(2, 3); taper.full((2, 2), np.nan)"}};
const Register eigvals_op{{.signature = "eigvals(Tensor A) -> Tensor",
                           .doc = "Eigenvalues of square matrices, complex.",
                           .call = box<eigvals>,
                           .homes = "linalg",
                           .errors = "x(2, 3)"}};
const Register svd_op{{.signature =
                           "svd(Tensor A, bool full_matrices=True, *, str? driver=None) -> (Tensor U, "
                           "Tensor S, Tensor Vh)",
                       .doc = "Singular value decomposition, A = U diag(S) Vh.",
                       .call = box<svd>,
                       .homes = "linalg",
                       .errors = "x(3); taper.full((2, 2), np.nan)"}};
const Register svdvals_op{{.signature = "svdvals(Tensor A, *, str? driver=None) -> Tensor",
                           .doc = "Descending singular values.",
                           .call = box<svdvals>,
                           .homes = "linalg",
                           .samples = "x(3, 3); x(4, 2); x(2, 2, 4); c(3, 2)",
                           .reference = "np.linalg.svd(A, compute_uv=False)",
                           .errors = "x(3)"}};
const Register pinv_op[]{
    {{.signature = "pinv(Tensor A, *, Tensor|Scalar? atol=None, Tensor|Scalar? rtol=None, bool "
                   "hermitian=False) -> Tensor",
      .doc = "Pseudoinverses; singular values up to max(atol, rtol * largest) count as zero.",
      .call = box<pinv>,
      .homes = "linalg",
      .samples = "x(3, 3); x(4, 2); x(2, 2, 4); c(3, 2); c(2, 3)",
      .reference = "np.linalg.pinv(A)",
      .errors = "x(3); x(2, 3), hermitian=True"}},
    {{.signature = "pinv(Tensor A, Tensor|Scalar rcond, bool hermitian=False) -> Tensor",
      .doc = "Pseudoinverses; singular values up to rcond * largest count as zero.",
      .call = box<pinv_by_rcond>,
      .homes = "linalg",
      .samples = "x(3, 2), 1e-9",
      .reference = "np.linalg.pinv(A, rcond)"}}};
const Register matrix_rank_op[]{
    {{.signature = "matrix_rank(Tensor A, *, Tensor|Scalar? atol=None, Tensor|Scalar? rtol=None, bool "
                   "hermitian=False) -> Tensor",
      .doc = "How many singular values are above max(atol, rtol * largest).",
      .call = box<matrix_rank>,
      .homes = "linalg",
      .samples = "x(3, 3); x(2, 4, 2); taper.ones(3, 3); taper.zeros(3, 2)",
      .reference = "np.linalg.matrix_rank(A)",
      .errors = "x(3)"}},
    {{.signature = "matrix_rank(Tensor A, Tensor|Scalar tol, bool hermitian=False) -> Tensor",
      .doc = "How many singular values are above tol.",
      .call = box<matrix_rank_by_tol>,
      .homes = "linalg",
      .samples = "taper.eye(3), 0.5",
      .reference = "np.linalg.matrix_rank(A, tol)"}}};
const Register matrix_exp_op{{.signature = "matrix_exp(Tensor A) -> Tensor",
                              .doc = "e to the power of square matrices.",
                              .call = box<matrix_exp>,
                              .homes = "taper Tensor linalg",
                              .samples = "x(3, 3); x(2, 2, 2); c(2, 2); x(0, 0)",
                              .reference = "sp.linalg.expm(A)",
                              .errors = "x(2, 3)"}};

}  // namespace

}  // namespace taper::linalg
