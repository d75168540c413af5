// Factorizations A = P L D L^T of symmetric and Hermitian matrices that need not be definite.
#include "cpu/linalg_ldl.h"

#include "cpu/linalg-inl.h"

namespace taper::cpu {

using namespace linalg;

namespace {

template <class T>
T conjugate(const T& x, bool hermitian) {
  return hermitian ? Eigen::numext::conj(x) : x;
}

// What LAPACK compares complex numbers by.
template <class T>
Real<T> size_of(const T& x) {
  return std::abs(Eigen::numext::real(x)) + std::abs(Eigen::numext::imag(x));
}

/// The elimination in one matrix, of which the lower triangle is used.
template <class T>
class Elimination {
 public:
  Elimination(Eigen::Map<Rows<T>> a, bool hermitian, std::int32_t* pivots)
      : a_(a), n_(a.rows()), hermitian_(hermitian), pivots_(pivots) {}

  /// The number of the first block that is zero, from 1, or 0.
  std::int32_t run() {
    std::int32_t info = 0;
    for (std::int64_t k = 0; k < n_;) {
      const Pivot pivot = choose(k);
      if (pivot.zero && info == 0) info = std::int32_t(k + 1);
      const std::int64_t last = k + pivot.rows - 1;
      if (pivot.row != last) exchange(k, last, pivot.row);
      for (std::int64_t i = k; i <= last && hermitian_; ++i) a_(i, i) = T(Eigen::numext::real(a_(i, i)));
      if (!pivot.zero && pivot.rows == 1) eliminate_one(k);
      if (pivot.rows == 2) eliminate_two(k);
      for (std::int64_t i = k; i <= last; ++i)
        pivots_[i] = std::int32_t(pivot.rows == 1 ? pivot.row + 1 : -(pivot.row + 1));
      k += pivot.rows;
    }
    return info;
  }

 private:
  struct Pivot {
    std::int64_t row, rows;
    bool zero = false;
  };

  Real<T> diagonal_size(std::int64_t i) const {
    return hermitian_ ? std::abs(Eigen::numext::real(a_(i, i))) : size_of(a_(i, i));
  }

  // Bunch & Kaufman's partial pivoting.
  Pivot choose(std::int64_t k) const {
    const Real<T> alpha = (1 + std::sqrt(Real<T>(17))) / 8, own = diagonal_size(k);
    std::int64_t largest = k;
    Real<T> in_column = 0;
    for (std::int64_t i = k + 1; i < n_; ++i)
      if (size_of(a_(i, k)) > in_column) in_column = size_of(a_(largest = i, k));
    if (std::max(own, in_column) == 0 || std::isnan(own)) return {k, 1, true};
    if (own >= alpha * in_column) return {k, 1};
    Real<T> in_row = 0;
    for (std::int64_t j = k; j < n_; ++j)
      if (j != largest) in_row = std::max(in_row, size_of(j < largest ? a_(largest, j) : a_(j, largest)));
    if (own >= alpha * in_column * (in_column / in_row)) return {k, 1};
    return {largest, diagonal_size(largest) >= alpha * in_row ? 1 : 2};
  }

  // Exchanges rows and columns `row` and `other` > row of what is left from k on.
  void exchange(std::int64_t k, std::int64_t row, std::int64_t other) {
    for (std::int64_t i = other + 1; i < n_; ++i) std::swap(a_(i, row), a_(i, other));
    for (std::int64_t i = row + 1; i < other; ++i) {
      const T kept = conjugate(a_(i, row), hermitian_);
      a_(i, row) = conjugate(a_(other, i), hermitian_);
      a_(other, i) = kept;
    }
    a_(other, row) = conjugate(a_(other, row), hermitian_);
    std::swap(a_(row, row), a_(other, other));
    if (row > k) std::swap(a_(row, k), a_(other, k));
    if (hermitian_) a_(other, other) = T(Eigen::numext::real(a_(other, other)));
  }

  // From the last row up, so that the column above is still the old one.
  void eliminate_one(std::int64_t k) {
    const T inverse = T(1) / a_(k, k);
    for (std::int64_t i = n_ - 1; i > k; --i) {
      const T factor = a_(i, k) * inverse;
      for (std::int64_t j = k + 1; j <= i; ++j) a_(i, j) -= factor * conjugate(a_(j, k), hermitian_);
      a_(i, k) = factor;
    }
  }

  void eliminate_two(std::int64_t k) {
    const T below = a_(k + 1, k), scale = hermitian_ ? T(std::abs(below)) : below;
    const T lower = a_(k + 1, k + 1) / scale, upper = a_(k, k) / scale, side = below / scale;
    const T determinant = T(1) / (lower * upper - T(1)) / scale;
    for (std::int64_t i = n_ - 1; i > k + 1; --i) {
      const T x = a_(i, k), y = a_(i, k + 1);
      const T first = determinant * (lower * x - side * y);
      const T second = determinant * (upper * y - conjugate(side, hermitian_) * x);
      for (std::int64_t j = k + 2; j <= i; ++j)
        a_(i, j) -= first * conjugate(a_(j, k), hermitian_) + second * conjugate(a_(j, k + 1), hermitian_);
      a_(i, k) = first;
      a_(i, k + 1) = second;
    }
  }

  Eigen::Map<Rows<T>> a_;
  std::int64_t n_;
  bool hermitian_;
  std::int32_t* pivots_;
};

/// X = A^-1 B in place, LAPACK's sytrs and hetrs.
template <class T>
class Substitution {
 public:
  Substitution(Eigen::Map<const Rows<T>> ld, Eigen::Map<Rows<T>> x, bool hermitian,
               const std::int32_t* pivots)
      : ld_(ld), x_(x), n_(ld.rows()), hermitian_(hermitian), pivots_(pivots) {}

  void run() {
    for (std::int64_t k = 0; k < n_;) k += pivots_[k] > 0 ? forward_one(k) : forward_two(k);
    for (std::int64_t k = n_ - 1; k >= 0;) {
      const std::int64_t rows = pivots_[k] > 0 ? 1 : 2, after = k + 1;
      for (std::int64_t j = k; j > k - rows; --j)
        for (std::int64_t i = after; i < n_; ++i) x_.row(j) -= conjugate(ld_(i, j), hermitian_) * x_.row(i);
      exchange(k, pivots_[k]);
      k -= rows;
    }
  }

 private:
  void exchange(std::int64_t row, std::int32_t pivot) {
    if (const std::int64_t other = std::abs(pivot) - 1; other != row) x_.row(row).swap(x_.row(other));
  }

  std::int64_t forward_one(std::int64_t k) {
    exchange(k, pivots_[k]);
    for (std::int64_t i = k + 1; i < n_; ++i) x_.row(i) -= ld_(i, k) * x_.row(k);
    x_.row(k) /= hermitian_ ? T(Eigen::numext::real(ld_(k, k))) : ld_(k, k);
    return 1;
  }

  std::int64_t forward_two(std::int64_t k) {
    exchange(k + 1, pivots_[k]);
    for (std::int64_t i = k + 2; i < n_; ++i)
      x_.row(i) -= ld_(i, k) * x_.row(k) + ld_(i, k + 1) * x_.row(k + 1);
    const T below = ld_(k + 1, k), above = conjugate(below, hermitian_);
    const T upper = ld_(k, k) / above, lower = ld_(k + 1, k + 1) / below;
    const T determinant = upper * lower - T(1);
    const Vector<T> first = x_.row(k).transpose() / above, second = x_.row(k + 1).transpose() / below;
    x_.row(k) = ((lower * first - second) / determinant).transpose();
    x_.row(k + 1) = ((upper * second - first) / determinant).transpose();
    return 2;
  }

  Eigen::Map<const Rows<T>> ld_;
  Eigen::Map<Rows<T>> x_;
  std::int64_t n_;
  bool hermitian_;
  const std::int32_t* pivots_;
};

// Blocks of two rows have two equal negative pivots.
void check_pivots(const std::int32_t* pivots, std::int64_t n) {
  for (std::int64_t k = 0; k < n; ++k) {
    const std::int64_t pivot = pivots[k];
    check<ValueError>(pivot != 0 && std::abs(pivot) <= n, "ldl_solve: pivots must lie between 1 and ", n,
                      " (or be negative), got ", pivot);
    if (pivot > 0) continue;
    check<ValueError>(k + 1 < n && pivots[k + 1] == pivot,
                      "ldl_solve: negative pivots must come in pairs, got ", pivot, " alone at ", k);
    ++k;
  }
}

}  // namespace

void ldl_factor(DType dtype, std::int64_t batch, std::int64_t n, void* a, bool hermitian,
                std::int32_t* pivots, std::int32_t* info) {
  visit_element(dtype, [&]<class T>() {
    for_each(batch, n, n, [&](std::int64_t k) {
      info[k] = Elimination<T>(matrix<T>(a, k, n, n), hermitian, pivots + k * n).run();
      matrix<T>(a, k, n, n).template triangularView<Eigen::StrictlyUpper>().setZero();
    });
  });
}

void ldl_solve(DType dtype, std::int64_t batch, std::int64_t n, std::int64_t columns, const void* ld,
               const std::int32_t* pivots, void* b, bool hermitian) {
  for (std::int64_t k = 0; k < batch; ++k) check_pivots(pivots + k * n, n);
  if (n == 0 || columns == 0) return;
  visit_element(dtype, [&]<class T>() {
    for_each(batch, n, n + columns, [&](std::int64_t k) {
      Substitution<T>(matrix<T>(ld, k, n, n), matrix<T>(b, k, n, columns), hermitian, pivots + k * n).run();
    });
  });
}

}  // namespace taper::cpu
