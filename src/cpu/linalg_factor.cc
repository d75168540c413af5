// LU and Cholesky factorizations, and triangular solves.
#include "cpu/linalg-inl.h"

#include <Eigen/Cholesky>
#include <Eigen/LU>

namespace taper::cpu {

using namespace linalg;

void lu_factor(DType dtype, std::int64_t batch, std::int64_t m, std::int64_t n, void* a, std::int32_t* pivots,
               std::int32_t* info) {
  const std::int64_t size = std::min(m, n);
  visit_element(dtype, [&]<class T>() {
    for_each(batch, m, n, [&](std::int64_t k) {
      info[k] = 0;
      if (size == 0) return;
      int exchanges = 0, *const rows = pivots + k * size;
      const auto zero_pivot = Eigen::internal::partial_lu_impl<T, Eigen::RowMajor, int>::blocked_lu(
          m, n, static_cast<T*>(a) + k * m * n, n, rows, exchanges);
      for (std::int64_t i = 0; i < size; ++i) ++rows[i];
      info[k] = std::int32_t(zero_pivot + 1);
    });
  });
}

void lu_solve(DType dtype, std::int64_t batch, std::int64_t n, std::int64_t columns, const void* lu,
              const std::int32_t* pivots, void* b) {
  if (n == 0 || columns == 0) return;
  visit_element(dtype, [&]<class T>() {
    for_each(batch, n, n + columns, [&](std::int64_t k) {
      const auto factors = matrix<T>(lu, k, n, n);
      auto x = matrix<T>(b, k, n, columns);
      for (std::int64_t i = 0; i < n; ++i)
        if (const std::int64_t other = pivots[k * n + i] - 1; other != i) x.row(i).swap(x.row(other));
      factors.template triangularView<Eigen::UnitLower>().solveInPlace(x);
      factors.template triangularView<Eigen::Upper>().solveInPlace(x);
    });
  });
}

void cholesky(DType dtype, std::int64_t batch, std::int64_t n, void* a, std::int32_t* info) {
  visit_element(dtype, [&]<class T>() {
    for_each(batch, n, n, [&](std::int64_t k) {
      info[k] = 0;
      if (n == 0) return;
      auto l = matrix<T>(a, k, n, n);
      info[k] = std::int32_t(Eigen::internal::llt_inplace<Real<T>, Eigen::Lower>::blocked(l) + 1);
      l.template triangularView<Eigen::StrictlyUpper>().setZero();
      // A NaN passes the factorization's own test.
      for (std::int64_t i = 0; i < n && info[k] == 0; ++i)
        if (!(Eigen::numext::real(l(i, i)) > 0)) info[k] = std::int32_t(i + 1);
    });
  });
}

namespace {

template <unsigned mode, class T, class A, class B>
void solve_one(const A& a, B& b, bool unit) {
  if (unit) a.template triangularView<mode | Eigen::UnitDiag>().solveInPlace(b);
  else a.template triangularView<mode>().solveInPlace(b);
}

}  // namespace

void solve_triangular(DType dtype, std::int64_t batch, std::int64_t n, std::int64_t columns, const void* a,
                      void* b, bool upper, bool unit) {
  if (n == 0 || columns == 0) return;
  visit_element(dtype, [&]<class T>() {
    for_each(batch, n, n + columns, [&](std::int64_t k) {
      const auto factor = matrix<T>(a, k, n, n);
      auto x = matrix<T>(b, k, n, columns);
      if (upper) solve_one<Eigen::Upper, T>(factor, x, unit);
      else solve_one<Eigen::Lower, T>(factor, x, unit);
    });
  });
}

}  // namespace taper::cpu
