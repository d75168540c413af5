// LU and Cholesky factorizations, solves, inverses and determinants.
#include "ops/linalg.h"
#include "tensor/kernel_for.h"

namespace taper::linalg {

Shape with(Shape batch, std::initializer_list<std::int64_t> sizes) {
  for (const std::int64_t size : sizes) batch.push_back(size);
  return batch;
}

void check_matrix(const Tensor& a, const char* op) {
  check<ShapeError>(a.ndim() >= 2, op, ": The input tensor A must have at least 2 dimensions, got shape ",
                    a.sizes());
  check<DTypeError>(is_differentiable(a.dtype()), op,
                    ": Expected a floating point or complex tensor as input. ", "Got ", a.dtype());
  check<DTypeError>(a.dtype() != float16 && a.dtype() != bfloat16, op,
                    ": Low precision dtypes not supported. ", "Got ", a.dtype(), "; convert with .float()");
}

void check_square(const Tensor& a, const char* op) {
  check_matrix(a, op);
  check<ShapeError>(rows_of(a) == columns_of(a), op, ": A must be batches of square matrices, but they are ",
                    rows_of(a), " by ", columns_of(a), " matrices");
}

void check_same_dtype(const Tensor& a, const Tensor& b, const char* op) {
  check<DTypeError>(a.dtype() == b.dtype(), op,
                    ": Expected A and B to have the same dtype, but found A of type ", a.dtype(),
                    " and B of type ", b.dtype(), " instead");
}

void check_info(const Tensor& info, const char* op, const char* before, const char* after) {
  const Tensor here = to(info, Device());
  const auto* entries = here.data<std::int32_t>();
  for (std::int64_t k = 0; k < info.numel(); ++k) {
    if (entries[k] == 0) continue;
    const std::string element = info.ndim() > 0 ? concat("(Batch element ", k, "): ") : std::string();
    fail<LinAlgError>(op, ": ", element, before, entries[k], after);
  }
}

namespace {

constexpr auto singular = " is zero, the solve could not be completed because the input matrix is singular.";

void check_solved(const Tensor& info, const char* op) {
  check_info(info, op, "The diagonal element ", singular);
}

struct Factors {
  Tensor lu, pivots, info;
};

Factors factorized(const Tensor& a) {
  const std::int64_t m = rows_of(a), n = columns_of(a);
  const Shape batch = batch_of(a);
  Factors f{fresh(a), empty(with(batch, {std::min(m, n)}), int32, a.device()),
            empty(batch, int32, a.device())};
  kernel_for<cpu::lu_factor>("lu_factor", a)(a.dtype(), numel(batch), m, n, f.lu.data(),
                                             f.pivots.device_data<std::int32_t>(),
                                             f.info.device_data<std::int32_t>());
  return f;
}

Tensor substituted(const Factors& f, const Tensor& b) {
  Tensor x = fresh(b);
  kernel_for<cpu::lu_solve>("lu_solve", x, f.lu, f.pivots)(x.dtype(), numel(batch_of(x)), rows_of(x),
                                                           columns_of(x), f.lu.data(),
                                                           f.pivots.device_data<std::int32_t>(), x.data());
  return x;
}

// a and b of one batch.
struct Solve {
  static constexpr auto name = "linalg_solve";
  static constexpr Saves saves{.inputs = 1, .outputs = 1};

  std::array<Tensor, 2> forward(const Tensor& a, const Tensor& b) const {
    const Factors f = factorized(a);
    return {substituted(f, b), f.info};
  }
  std::array<Tensor, 2> backward(const Saved& saved, std::span<const Tensor> dy) const {
    if (!dy[0].defined()) return {};
    const Tensor db = record(Solve{}, adjoint(saved.input(0)), dy[0])[0];
    return {saved.needs(0) ? neg(matmul(db, adjoint(saved.output()))) : Tensor(), db};
  }
};

struct Inverse {
  static constexpr auto name = "linalg_inv";
  static constexpr Saves saves{.outputs = 1};

  std::array<Tensor, 2> forward(const Tensor& a) const {
    const Factors f = factorized(a);
    return {substituted(f, expand(identity(a), a.sizes())), f.info};
  }
  Tensor backward(const Saved& saved, std::span<const Tensor> dy) const {
    if (!dy[0].defined()) return {};
    const Tensor y = adjoint(saved.output());
    return neg(matmul(y, matmul(dy[0], y)));
  }
};

struct TriangularSolve {
  static constexpr auto name = "linalg_solve_triangular";
  static constexpr Saves saves{.inputs = 1, .outputs = 1};
  bool upper, unit;

  Tensor forward(const Tensor& a, const Tensor& b) const {
    Tensor x = fresh(b);
    const Tensor dense = contiguous(a);
    kernel_for<cpu::solve_triangular>("solve_triangular", x, dense)(
        x.dtype(), numel(batch_of(x)), rows_of(x), columns_of(x), dense.data(), x.data(), upper, unit);
    return x;
  }
  std::array<Tensor, 2> backward(const Saved& saved, const Tensor& dy) const {
    const Tensor db = record(TriangularSolve{!upper, unit}, adjoint(saved.input(0)), dy);
    if (!saved.needs(0)) return {Tensor(), db};
    const Tensor da = neg(matmul(db, adjoint(saved.output())));
    return {upper ? triu(da, unit) : tril(da, -std::int64_t(unit)), db};
  }
};

// The lower triangle with its diagonal halved.
Tensor half_lower(const Tensor& x) { return add(tril(x, -1), embedded(mul(diagonal(x, 0, -2, -1), 0.5))); }

// Murray (2016), arXiv:1602.07527: dA = L^-H sym(half_lower(L^H dL)) L^-1.
struct Cholesky {
  static constexpr auto name = "linalg_cholesky";
  static constexpr Saves saves{.outputs = 1};

  std::array<Tensor, 2> forward(const Tensor& a) const {
    std::array<Tensor, 2> result{fresh(a), empty(batch_of(a), int32, a.device())};
    kernel_for<cpu::cholesky>("cholesky", a)(a.dtype(), numel(batch_of(a)), columns_of(a), result[0].data(),
                                             result[1].device_data<std::int32_t>());
    return result;
  }
  Tensor backward(const Saved& saved, std::span<const Tensor> dy) const {
    if (!dy[0].defined()) return {};
    const Tensor lh = adjoint(saved.output());
    const Tensor inner = half_lower(matmul(lh, dy[0]));
    const Tensor both = mul(add(inner, adjoint(inner)), 0.5);
    const Tensor left = solve_triangular(lh, both, true);
    return adjoint(solve_triangular(lh, adjoint(left), true));
  }
};

// The rows that the exchanges bring to each place: [..., m] int64.
Tensor row_order(const Tensor& pivots, std::int64_t m) {
  const std::int64_t size = pivots.sizes().back();
  Tensor order = empty(with(batch_of(pivots, 1), {m}), int64);
  const Tensor dense = contiguous(to(pivots, Device()));
  for (std::int64_t k = 0; k < numel(batch_of(pivots, 1)); ++k) {
    auto* rows = order.data<std::int64_t>() + k * m;
    const auto* exchange = dense.data<std::int32_t>() + k * size;
    for (std::int64_t i = 0; i < m; ++i) rows[i] = i;
    for (std::int64_t i = 0; i < size; ++i) {
      check<ValueError>(exchange[i] >= 1 && exchange[i] <= m, "lu_unpack: pivots must lie between 1 and ", m,
                        ", got ", std::int64_t(exchange[i]));
      std::swap(rows[i], rows[exchange[i] - 1]);
    }
  }
  return to(order, pivots.device());
}

Tensor permutation_matrix(const Tensor& pivots, std::int64_t m, DType dtype) {
  const Tensor order = row_order(pivots, m);
  const Tensor rows = arange(0, m, 1, int64, pivots.device());
  // P[order[i], i] = 1.
  return to(eq(unsqueeze(order, -2), unsqueeze(rows, -1)), dtype);
}

// The gradient of a = P L U for square L and U, from those of the factors.
Tensor square_lu_gradient(const Tensor& l, const Tensor& u, const Tensor& dl, const Tensor& du) {
  const Tensor inner = add(tril(matmul(adjoint(l), dl), -1), triu(matmul(du, adjoint(u))));
  const Tensor left = solve_triangular(adjoint(l), inner, true, true, true);
  return solve_triangular(adjoint(u), left, false, false);
}

Tensor part(const Tensor& x, int dim, std::int64_t start, std::int64_t stop) {
  return narrow(x, dim, start, stop - start);
}

struct LuFactor {
  static constexpr auto name = "linalg_lu_factor";
  static constexpr Saves saves{.outputs = 3};

  std::array<Tensor, 3> forward(const Tensor& a) const {
    Factors f = factorized(a);
    return {f.lu, f.pivots, f.info};
  }
  Tensor backward(const Saved& saved, std::span<const Tensor> dy) const {
    if (!dy[0].defined()) return {};
    const Tensor lu = saved.output(0),
                 permutation = permutation_matrix(saved.output(1), rows_of(lu), lu.dtype());
    const std::int64_t m = rows_of(lu), n = columns_of(lu), size = std::min(m, n);
    const Tensor l = part(part(lu, -1, 0, size), -2, 0, size), u = l;
    Tensor dl = tril(part(part(dy[0], -1, 0, size), -2, 0, size), -1);
    Tensor du = triu(part(part(dy[0], -1, 0, size), -2, 0, size));
    const Tensor unit = add(tril(l, -1), identity(l)), upper = triu(u);
    Tensor rest;
    if (m > n) {  // A2 = L2 U
      rest = solve_triangular(adjoint(upper), part(dy[0], -2, n, m), false, false);
      du = sub(du, triu(matmul(adjoint(part(lu, -2, n, m)), rest)));
    } else if (m < n) {  // A2 = L U2
      rest = solve_triangular(adjoint(unit), part(dy[0], -1, m, n), true, true, true);
      dl = sub(dl, tril(matmul(rest, adjoint(part(lu, -1, m, n))), -1));
    }
    Tensor da = square_lu_gradient(unit, upper, dl, du);
    if (rest.defined()) da = cat({da, rest}, m > n ? -2 : -1);
    return matmul(permutation, da);
  }
};

// 1 or -1 by the parity of the exchanges.
Tensor parity(const Tensor& pivots, DType dtype) {
  const Tensor places = arange(1, pivots.sizes().back() + 1, 1, int32, pivots.device());
  const Tensor odd = remainder(sum(to(ne(pivots, places), int64), Shape{-1}), wrapped(2));
  return sub(wrapped(1), mul(to(odd, dtype), 2));
}

// Other singular values multiplied: the singular values of the adjugate matrix.
Tensor adjugate(const Tensor& a) {
  const auto [u, s, vh] = svd(a);
  const Tensor sign = mul(det(u), det(vh)).detach();
  const Tensor others = where(eye(columns_of(a), columns_of(a), boolean, a.device()),
                              ones_like(unsqueeze(s, -2)), unsqueeze(s, -2));
  const Tensor products = mul(unsqueeze(conj(sign), -1), prod(others, -1));
  return matmul(mul(u, unsqueeze(products, -2)), vh);
}

// d det = tr(adj(A) dA).
struct Det {
  static constexpr auto name = "linalg_det";
  static constexpr Saves saves{.inputs = 1, .outputs = 1};

  Tensor forward(const Tensor& a) const {
    const Factors f = factorized(a);
    return mul(prod(diagonal(f.lu, 0, -2, -1), -1), parity(f.pivots, a.dtype()));
  }
  Tensor backward(const Saved& saved, const Tensor& dy) const {
    const Tensor a = saved.input(0), y = saved.output();
    const auto matrix = [](const Tensor& x) { return unsqueeze(unsqueeze(x, -1), -1); };
    if (any(eq(y.detach(), 0)).item<bool>()) return mul(matrix(dy), adjugate(a));
    return std::get<0>(solve_ex(adjoint(a), mul(matrix(mul(dy, conj(y))), identity(a))));
  }
};

struct LogDet {
  static constexpr auto name = "linalg_slogdet";
  static constexpr Saves saves{.inputs = 1, .outputs = 1};

  std::array<Tensor, 2> forward(const Tensor& a) const {
    const Factors f = factorized(a);
    const Tensor diag = diagonal(f.lu, 0, -2, -1);
    return {mul(prod(sgn(diag), -1), parity(f.pivots, a.dtype())), sum(log(abs(diag)), Shape{-1})};
  }
  Tensor backward(const Saved& saved, std::span<const Tensor> dy) const {
    const Tensor a = saved.input(0);
    Tensor d = dy[1];
    if (dy[0].defined() && a.is_complex()) {  // the sign turns by Im tr(A^-1 dA)
      const Tensor turn = imag(mul(dy[0], conj(saved.output())));
      d = complex(d.defined() ? d : zeros_like(turn), turn);
    }
    if (!d.defined()) return zeros_like(a);
    return std::get<0>(solve_ex(adjoint(a), mul(unsqueeze(unsqueeze(d, -1), -1), identity(a))));
  }
};

Tensor broadcast_matrix(const Tensor& x, const Shape& batch) {
  const Shape sizes = with(batch, {rows_of(x), columns_of(x)});
  return x.sizes() == sizes ? x : expand(x, sizes);
}

// b is a batch of vectors rather than of matrices.
bool is_vector(const Tensor& a, const Tensor& b) {
  return b.ndim() == 1 || (a.ndim() - 1 == b.ndim() && b.sizes() == batch_of(a, 1));
}

void check_right_side(const Tensor& a, const Tensor& b, bool left, const char* op) {
  check<ShapeError>(b.ndim() >= 2, op, ": The input tensor B must have at least 2 dimensions, got shape ",
                    b.sizes());
  const std::int64_t size = left ? rows_of(b) : columns_of(b);
  check<ShapeError>(columns_of(a) == size, op, ": Incompatible shapes of A and B for the equation ",
                    left ? "AX = B" : "XA = B", " (", rows_of(a), "x", columns_of(a), " and ", rows_of(b),
                    "x", columns_of(b), ")");
}

std::tuple<Tensor, Tensor> solved(const Tensor& a, const Tensor& b, bool left, const char* op) {
  check_square(a, op);
  check_same_dtype(a, b, op);
  const bool vector = is_vector(a, b);
  check<ShapeError>(
      left || !vector, op,
      ": Vector broadcasting of the left hand side is not supported for left=False. In this case "
      "linalg.solve is equivalent to B / A.squeeze(-1)");
  const Tensor right = vector ? unsqueeze(b, -1) : b;
  check_right_side(a, right, left, op);
  const Shape batch = broadcast_shapes(batch_of(a), batch_of(right), op);
  const Tensor wide_a = broadcast_matrix(a, batch), wide_b = broadcast_matrix(right, batch);
  auto [x, info] =
      left ? record(Solve{}, wide_a, wide_b) : record(Solve{}, transposed(wide_a), transposed(wide_b));
  if (!left) x = transposed(x);
  if (vector) x = squeeze(x, Shape{-1});
  return {x, info};
}

}  // namespace

Tensor det(const Tensor& a) {
  check_square(a, "linalg.det");
  return record(Det{}, a);
}
std::tuple<Tensor, Tensor> slogdet(const Tensor& a) {
  check_square(a, "linalg.slogdet");
  auto [sign, logarithm] = record(LogDet{}, a);
  return {sign, logarithm};
}

std::tuple<Tensor, Tensor> inv_ex(const Tensor& a, bool check_errors) {
  check_square(a, "linalg.inv");
  auto [y, info] = record(Inverse{}, a);
  if (check_errors)
    check_info(info, "linalg.inv", "The diagonal element ",
               " is zero, the inversion could not be completed because the input matrix is singular.");
  return {y, info};
}
Tensor inv(const Tensor& a) { return std::get<0>(inv_ex(a, true)); }

std::tuple<Tensor, Tensor> solve_ex(const Tensor& a, const Tensor& b, bool left, bool check_errors) {
  auto [x, info] = solved(a, b, left, "linalg.solve");
  if (check_errors) check_solved(info, "linalg.solve");
  return {x, info};
}
Tensor solve(const Tensor& a, const Tensor& b, bool left) { return std::get<0>(solve_ex(a, b, left, true)); }

Tensor solve_triangular(const Tensor& a, const Tensor& b, bool upper, bool left, bool unitriangular) {
  constexpr auto op = "linalg.solve_triangular";
  check_square(a, op);
  check_same_dtype(a, b, op);
  check_right_side(a, b, left, op);
  const Shape batch = broadcast_shapes(batch_of(a), batch_of(b), op);
  const Tensor wide_a = broadcast_matrix(a, batch), wide_b = broadcast_matrix(b, batch);
  if (left) return record(TriangularSolve{upper, unitriangular}, wide_a, wide_b);
  return transposed(record(TriangularSolve{!upper, unitriangular}, transposed(wide_a), transposed(wide_b)));
}

std::tuple<Tensor, Tensor> cholesky_ex(const Tensor& a, bool upper, bool check_errors) {
  check_square(a, "linalg.cholesky");
  auto [l, info] = record(Cholesky{}, upper ? adjoint(a) : a);
  if (check_errors)
    check_info(
        info, "linalg.cholesky",
        "The factorization could not be completed because the input is not positive-definite (the leading "
        "minor of order ",
        " is not positive-definite).");
  return {upper ? adjoint(l) : l, info};
}
Tensor cholesky(const Tensor& a, bool upper) { return std::get<0>(cholesky_ex(a, upper, true)); }

std::tuple<Tensor, Tensor, Tensor> lu_factor_ex(const Tensor& a, bool pivot, bool check_errors) {
  check_matrix(a, "linalg.lu_factor");
  check<NotImplementedError>(pivot, "linalg.lu_factor: LU without pivoting is not implemented on the CPU");
  auto [lu, pivots, info] = record(LuFactor{}, a);
  if (check_errors)
    check_info(info, "linalg.lu_factor", "U[",
               "] (counted from 1) is zero and using it would divide by zero.");
  return {lu, pivots, info};
}
std::tuple<Tensor, Tensor> lu_factor(const Tensor& a, bool pivot) {
  auto [lu, pivots, info] = lu_factor_ex(a, pivot);
  return {lu, pivots};
}
std::tuple<Tensor, Tensor, Tensor> lu(const Tensor& a, bool pivot) {
  check<NotImplementedError>(pivot, "linalg.lu: LU without pivoting is not implemented on the CPU");
  check_matrix(a, "linalg.lu");
  auto [packed, pivots, info] = record(LuFactor{}, a);
  return lu_unpack(packed, pivots);
}

}  // namespace taper::linalg

namespace taper {

std::tuple<Tensor, Tensor, Tensor> lu_unpack(const Tensor& data, const Tensor& pivots, bool unpack_data,
                                             bool unpack_pivots) {
  linalg::check_matrix(data, "lu_unpack");
  const std::int64_t m = linalg::rows_of(data), n = linalg::columns_of(data), size = std::min(m, n);
  check<DTypeError>(!unpack_pivots || pivots.dtype() == int32,
                    "lu_unpack: LU_pivots is expected to be a "
                    "contiguous tensor of torch.int32 dtype, got ",
                    pivots.dtype());
  Tensor p = empty({0}, data.dtype(), data.device()), l = p, u = p;
  if (unpack_pivots) {
    check<ShapeError>(pivots.ndim() >= 1 && pivots.sizes() == linalg::with(linalg::batch_of(data), {size}),
                      "lu_unpack: got pivots of shape ", pivots.sizes(), " for factors of shape ",
                      data.sizes());
    p = linalg::permutation_matrix(pivots, m, data.dtype());
  }
  if (unpack_data) {
    l = add(tril(narrow(data, -1, 0, size), -1), eye(m, size, data.dtype(), data.device()));
    u = triu(narrow(data, -2, 0, size));
  }
  return {p, l, u};
}

namespace {

using namespace linalg;
using TwoTensors = std::tuple<Tensor, Tensor>;

const Register det_op{{.signature = "det(Tensor A) -> Tensor",
                       .doc = "Determinants of square matrices.",
                       .call = box<linalg::det>,
                       .homes = "linalg",
                       .samples = "x(3, 3); x(2, 3, 3); x(0, 0); c(2, 2); x(3, 3).T",
                       .reference = "np.linalg.det(A)",
                       .errors = "x(2, 3); x(3); i(2, 2)"}};
const Register slogdet_op{{.signature = "slogdet(Tensor A) -> (Tensor sign, Tensor logabsdet)",
                           .doc = "Sign and logarithm of the absolute value of determinants.",
                           .call = box<linalg::slogdet>,
                           .homes = "linalg",
                           .samples = "x(3, 3); x(2, 3, 3); x(0, 0)",
                           .reference = "np.linalg.slogdet(A)",
                           .errors = "x(2, 3)"}};
const Register inv_op{{.signature = "inv(Tensor A) -> Tensor",
                       .doc = "Inverses of square matrices.",
                       .call = box<linalg::inv>,
                       .homes = "linalg",
                       .samples = "x(3, 3); x(2, 3, 3); x(0, 0); c(2, 2)",
                       .reference = "np.linalg.inv(A)",
                       .errors = "x(2, 3); taper.zeros(2, 2)"}};
const Register inv_ex_op{
    {.signature = "inv_ex(Tensor A, *, bool check_errors=False) -> (Tensor inverse, Tensor info)",
     .doc = "Inverses, and numbers that are 0 where all went well.",
     .call = box<linalg::inv_ex>,
     .homes = "linalg",
     .samples = "x(3, 3)",
     .reference = "(np.linalg.inv(A), 0)"}};
const Register solve_op{{.signature = "solve(Tensor A, Tensor B, *, bool left=True) -> Tensor",
                         .doc = "X with A X = B, or X A = B where not left.",
                         .call = box<linalg::solve>,
                         .homes = "linalg",
                         .samples = "x(3, 3), x(3, 2); x(3, 3), x(3); x(2, 3, 3), x(3, 2); c(2, 2), c(2, 2)",
                         .reference = "np.linalg.solve(A, B)",
                         .errors = "x(2, 3), x(2); x(2, 2), x(3, 1); taper.zeros(2, 2), taper.ones(2)"}};
const Register solve_ex_op{{.signature = "solve_ex(Tensor A, Tensor B, *, bool left=True, bool "
                                         "check_errors=False) -> (Tensor result, Tensor info)",
                            .doc = "As solve, and numbers that are 0 where all went well.",
                            .call = box<linalg::solve_ex>,
                            .homes = "linalg",
                            .samples = "x(3, 3), x(2, 3), left=False",
                            .reference = "(np.linalg.solve(A.T, B.T).T, 0)"}};
const Register solve_triangular_op{
    {.signature = "solve_triangular(Tensor A, Tensor B, *, bool upper, bool left=True, bool "
                  "unitriangular=False) -> Tensor",
     .doc = "X with A X = B, or X A = B where not left, for one triangle of A.",
     .call = box<linalg::solve_triangular>,
     .homes = "linalg",
     .samples =
         "x(3, 3, lo=1, hi=2), x(3, 2), upper=True; x(3, 3, lo=1, hi=2), x(3, 2), upper=False; x(3, 3), "
         "x(3, 2), upper=False, unitriangular=True; x(2, 3, 3, lo=1), x(2, 3), upper=True, left=False",
     .reference = "ref.solve_triangular(A, B, upper, left, unitriangular)",
     .errors = "x(2, 3), x(2, 2), upper=True; x(2, 2), x(3, 3), upper=True"}};
const Register cholesky_op{{.signature = "cholesky(Tensor A, *, bool upper=False) -> Tensor",
                            .doc = "Lower L with A = L L^H, or upper L^H, for positive definite A.",
                            .call = box<linalg::cholesky>,
                            .homes = "linalg",
                            .samples = "3 * taper.eye(3, dtype=taper.float64); 3 * taper.eye(2, "
                                       "dtype=taper.complex128), upper=True",
                            .reference = "np.linalg.cholesky(A)",
                            .errors = "x(2, 3); -taper.eye(2)"}};
const Register cholesky_ex_op{{.signature = "cholesky_ex(Tensor A, *, bool upper=False, bool "
                                            "check_errors=False) -> (Tensor L, Tensor info)",
                               .doc = "As cholesky, and numbers that are 0 where all went well.",
                               .call = box<linalg::cholesky_ex>,
                               .homes = "linalg",
                               .samples = "3 * taper.eye(3, dtype=taper.float64)",
                               .reference = "(np.linalg.cholesky(A), 0)"}};
const Register lu_op{{.signature = "lu(Tensor A, *, bool pivot=True) -> (Tensor P, Tensor L, Tensor U)",
                      .doc = "P, L, U with A = P L U.",
                      .call = box<linalg::lu>,
                      .homes = "linalg",
                      .samples = "x(3, 3); x(4, 2); x(2, 4); c(3, 3); x(2, 3, 3)",
                      .reference = "sp.linalg.lu(A)",
                      .errors = "x(3)"}};
const Register lu_factor_op{
    {.signature = "lu_factor(Tensor A, *, bool pivot=True) -> (Tensor LU, Tensor pivots)",
     .doc = "L and U in one matrix, and the exchanges of rows, counted from 1.",
     .call = box<linalg::lu_factor>,
     .homes = "linalg",
     .samples = "x(3, 3); x(4, 2)",
     .reference = "ref.lu_factor(A)",
     .errors = "x(3)"}};
const Register lu_factor_ex_op{{.signature = "lu_factor_ex(Tensor A, *, bool pivot=True, bool "
                                             "check_errors=False) -> (Tensor LU, Tensor pivots, Tensor info)",
                                .doc = "As lu_factor, and numbers that are 0 where all went well.",
                                .call = box<linalg::lu_factor_ex>,
                                .homes = "linalg",
                                .samples = "x(3, 3)",
                                .reference = "(*ref.lu_factor(A), 0)"}};
const Register lu_unpack_op{
    {.signature = "lu_unpack(Tensor LU_data, Tensor LU_pivots, bool unpack_data=True, bool "
                  "unpack_pivots=True) -> (Tensor P, Tensor L, Tensor U)",
     .doc = "P, L, U from what lu_factor gave.",
     .call = box<lu_unpack>,
     .homes = "taper",
     .samples = "x(2, 2), taper.tensor([2, 2], dtype=taper.int32)",
     .reference = "([[0, 1], [1, 0]], [[1, 0], [LU_data[1, 0], 1]], np.triu(LU_data))",
     .errors = "x(2, 2), taper.tensor([7, 2], dtype=taper.int32)"}};

}  // namespace

}  // namespace taper
