// What the files of matrix kernels share: views of raw memory for Eigen, and the loop over a batch.
#pragma once

#include <Eigen/Core>

#include <algorithm>
#include <complex>

#include "cpu/linalg.h"
#include "cpu/parallel.h"
#include "taper/error.h"

/// Pivots of complex columns are chosen by |re| + |im|, as LAPACK does.
template <class T>
struct Eigen::internal::scalar_score_coeff_op<std::complex<T>> {
  using result_type = T;
  T operator()(const std::complex<T>& x) const { return std::abs(x.real()) + std::abs(x.imag()); }
};

namespace taper::cpu::linalg {

template <class T>
using Real = typename Eigen::NumTraits<T>::Real;
template <class T>
using Rows = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class T>
using Columns = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;
template <class T>
using Vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;

/// The k-th m x n matrix of memory.
template <class T>
Eigen::Map<const Rows<T>> matrix(const void* memory, std::int64_t k, std::int64_t m, std::int64_t n) {
  return {static_cast<const T*>(memory) + k * m * n, m, n};
}
template <class T>
Eigen::Map<Rows<T>> matrix(void* memory, std::int64_t k, std::int64_t m, std::int64_t n) {
  return {static_cast<T*>(memory) + k * m * n, m, n};
}
template <class T>
Eigen::Map<Vector<T>> vector(void* memory, std::int64_t k, std::int64_t n) {
  return {static_cast<T*>(memory) + k * n, n};
}

/// Calls f with the element type.
template <class F>
void visit_element(DType dtype, F&& f) {
  switch (dtype) {
    case DType::float32: return f.template operator()<float>();
    case DType::float64: return f.template operator()<double>();
    case DType::complex64: return f.template operator()<std::complex<float>>();
    case DType::complex128: return f.template operator()<std::complex<double>>();
    default: fail<DTypeError>("linear algebra: no kernel for ", dtype);
  }
}

/// Calls f(k) for each matrix; small matrices share a piece of work.
template <class F>
void for_each(std::int64_t batch, std::int64_t m, std::int64_t n, F&& f) {
  const std::int64_t work = std::max<std::int64_t>(m, 1) * std::max<std::int64_t>(n, 1) * std::min(m, n);
  parallel_for(batch, std::max<std::int64_t>(1, 16384 / std::max<std::int64_t>(work, 1)),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t k = begin; k < end; ++k) f(k);
               });
}

}  // namespace taper::cpu::linalg
