// Factorizations of symmetric and Hermitian matrices that need not be definite, and solves with them.
#include "cpu/linalg_ldl.h"

#include "ops/linalg.h"

namespace taper {

namespace {

using namespace linalg;

// Computed in main memory on every device: the pivots are chosen one by one.
std::tuple<Tensor, Tensor, Tensor> ldl_factor_ex(const Tensor& a, bool hermitian, bool check_errors) {
  check_square(a, "linalg.ldl_factor");
  const Shape batch = batch_of(a);
  const std::int64_t n = columns_of(a);
  const Tensor ld = fresh(to(a.detach(), Device())), pivots = empty(with(batch, {n}), int32),
               info = empty(batch, int32);
  cpu::ldl_factor(a.dtype(), numel(batch), n, ld.data(), hermitian && a.is_complex(),
                  pivots.data<std::int32_t>(), info.data<std::int32_t>());
  if (check_errors)
    check_info(info, "linalg.ldl_factor", "The diagonal block that begins in row ",
               " is zero, solving with the factors would divide by zero.");
  return {to(ld, a.device()), to(pivots, a.device()), to(info, a.device())};
}

std::tuple<Tensor, Tensor> ldl_factor(const Tensor& a, bool hermitian) {
  auto [ld, pivots, info] = ldl_factor_ex(a, hermitian, true);
  return {ld, pivots};
}

Tensor ldl_solve(const Tensor& ld, const Tensor& pivots, const Tensor& b, bool hermitian) {
  constexpr auto op = "linalg.ldl_solve";
  check_square(ld, op);
  check_same_dtype(ld, b, op);
  check<ShapeError>(b.ndim() >= 2 && rows_of(b) == rows_of(ld), op,
                    ": expected B of at least 2 dimensions and ", rows_of(ld), " rows, got shape ",
                    b.sizes());
  check<DTypeError>(pivots.dtype() == int32, op, ": expected pivots of int32, got ", pivots.dtype());
  check<ShapeError>(pivots.sizes() == with(batch_of(ld), {columns_of(ld)}), op, ": got pivots of shape ",
                    pivots.sizes(), " for factors of shape ", ld.sizes());
  const Shape batch = broadcast_shapes(batch_of(ld), batch_of(b), op);
  const std::int64_t n = columns_of(ld), columns = columns_of(b);
  const auto dense = [&](const Tensor& x, std::initializer_list<std::int64_t> sizes) {
    return contiguous(expand(to(x.detach(), Device()), with(batch, sizes)));
  };
  const Tensor factors = dense(ld, {n, n}), order = dense(pivots, {n}), x = fresh(dense(b, {n, columns}));
  cpu::ldl_solve(x.dtype(), numel(batch), n, columns, factors.data(), order.data<std::int32_t>(), x.data(),
                 hermitian && x.is_complex());
  return to(x, b.device());
}

const Register ldl_factor_op{
    {.signature = "ldl_factor(Tensor A, *, bool hermitian=False) -> (Tensor LD, Tensor pivots)",
     .doc =
         "L and D of symmetric (or Hermitian) matrices in one, with LAPACK's pivots; one triangle is read.",
     .call = box<ldl_factor>,
     .homes = "linalg",
     .samples = "x(3, 3); x(2, 5, 5); x(0, 0); c(4, 4); c(4, 4), hermitian=True; x(2, 3, 6, 6)",
     .reference = "ref.ldl_factor(A, hermitian)[:2]",
     .errors = "x(2, 3); x(3); taper.zeros(2, 2)",
     .differentiable = false}};
const Register ldl_factor_ex_op{
    {.signature = "ldl_factor_ex(Tensor A, *, bool hermitian=False, bool check_errors=False) -> (Tensor LD, "
                  "Tensor pivots, Tensor info)",
     .doc = "As ldl_factor; info tells where a block of D is zero.",
     .call = box<ldl_factor_ex>,
     .homes = "linalg",
     .samples = "x(3, 3); c(2, 4, 4), hermitian=True; taper.zeros(3, 3)",
     .reference = "ref.ldl_factor(A, hermitian)",
     .errors = "x(2, 3); taper.zeros(2, 2), check_errors=True",
     .differentiable = false}};
const Register ldl_solve_op{
    {.signature = "ldl_solve(Tensor LD, Tensor pivots, Tensor B, *, bool hermitian=False) -> Tensor",
     .doc = "X with A X = B, from what ldl_factor gave of A.",
     .call = box<ldl_solve>,
     .homes = "linalg",
     .samples = "x(2, 2), taper.tensor([1, 2], dtype=taper.int32), x(2, 3)",
     .reference = "np.linalg.solve((np.tril(LD, -1) + np.eye(2)) @ np.diag(np.diag(LD)) "
                  "@ (np.tril(LD, -1) + np.eye(2)).T, B)",
     .errors =
         "x(2, 2), taper.tensor([1, 2]), x(2, 3); x(2, 2), taper.tensor([3, 2], dtype=taper.int32), x(2, 3); "
         "x(2, 2), taper.tensor([1, -2], dtype=taper.int32), x(2, 3); "
         "x(2, 2), taper.tensor([1, 2], dtype=taper.int32), x(3, 3)",
     .differentiable = false}};

}  // namespace

}  // namespace taper
