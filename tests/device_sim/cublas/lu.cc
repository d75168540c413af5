// Gauss' elimination.
#include "lu.h"

#include <algorithm>

#include "../ptx/memory.h"

namespace device_sim {

namespace {

double size_of(Number z) { return std::abs(z.real()) + std::abs(z.imag()); }

}  // namespace

int factor_lu(const MatrixOperand& a, std::vector<int64_t>& pivots) {
  touch_matrix(a, static_cast<const char*>(a.data), true, "the matrix of an LU factorization");
  void* const data = DeviceMemory::instance().host_view(a.data);
  const int64_t m = a.rows, n = a.columns;
  std::vector<Number> values(size_t(m * n));
  const auto at = [&](int64_t i, int64_t j) -> Number& { return values[size_t(i + j * m)]; };
  for (int64_t j = 0; j < n; ++j)
    for (int64_t i = 0; i < m; ++i) at(i, j) = load_number(data, a.type, i + j * a.leading);
  int info = 0;
  pivots.clear();
  for (int64_t j = 0; j < std::min(m, n); ++j) {
    int64_t pivot = j;
    for (int64_t i = j + 1; i < m; ++i)
      if (size_of(at(i, j)) > size_of(at(pivot, j))) pivot = i;
    pivots.push_back(pivot + 1);
    for (int64_t k = 0; k < n; ++k) std::swap(at(j, k), at(pivot, k));
    if (at(j, j) == 0.0) {
      if (info == 0) info = int(j + 1);
      continue;
    }
    for (int64_t i = j + 1; i < m; ++i) {
      at(i, j) /= at(j, j);
      for (int64_t k = j + 1; k < n; ++k) at(i, k) -= at(i, j) * at(j, k);
    }
  }
  for (int64_t j = 0; j < n; ++j)
    for (int64_t i = 0; i < m; ++i) store_number(data, a.type, i + j * a.leading, at(i, j));
  return info;
}

}  // namespace device_sim
