// What differs: unique rows or numbers, of all or among neighbours.
#include <algorithm>
#include <numeric>
#include <vector>

#include "cpu/scratch.h"
#include "cpu/sort.h"
#include "cpu/sort_rows.h"

namespace taper::cpu {
namespace {

using int64 = std::int64_t;

/// Places of the rows in lexicographic order, equal rows in their own.
template <class T>
std::vector<int64> order_of_rows(const T* x, int64 rows, int64 n) {
  std::vector<int64> order(static_cast<std::size_t>(rows));
  std::iota(order.begin(), order.end(), int64(0));
  std::sort(order.begin(), order.end(), [&](int64 a, int64 b) {
    for (int64 k = 0; k < n; ++k) {
      const auto key_a = order_key(x[a * n + k]), key_b = order_key(x[b * n + k]);
      if (key_a != key_b) return key_a < key_b;
    }
    return a < b;
  });
  return order;
}

/// Groups equal neighbours; row(i) is the row that comes i-th and place(i) its number.
template <class Row, class Place>
int64 group(int64 rows, int64 n, const Row& row, const Place& place, int64* first, int64* inverse,
            int64* counts) {
  int64 groups = 0;
  for (int64 i = 0; i < rows; ++i) {
    const bool same = i && std::equal(row(i - 1), row(i - 1) + n, row(i));
    if (!same) {
      first[groups] = place(i);
      if (counts) counts[groups] = 0;
      ++groups;
    }
    if (counts) ++counts[groups - 1];
    if (inverse) inverse[place(i)] = groups - 1;
  }
  return groups;
}

}  // namespace

int64 unique(const void* x, DType dtype, int64 rows, int64 n, int64* first, int64* inverse, int64* counts) {
  int64 groups = 0;
  visit_ordered("unique", dtype, [&]<class T>() {
    check_length("unique", rows, sizeof(T));
    const T* elements = static_cast<const T*>(x);
    if (n == 1) {
      Scratch<int64> order(static_cast<std::size_t>(rows));
      Scratch<T> sorted(static_cast<std::size_t>(rows));
      sort(x, dtype, 1, rows, false, sorted.data(), order.data());
      groups = group(
          rows, 1, [&](int64 i) { return sorted.data() + i; }, [&](int64 i) { return order[std::size_t(i)]; },
          first, inverse, counts);
      return;
    }
    const std::vector<int64> order = order_of_rows(elements, rows, n);
    const auto place = [&](int64 i) { return order[std::size_t(i)]; };
    groups = group(
        rows, n, [&](int64 i) { return elements + place(i) * n; }, place, first, inverse, counts);
  });
  return groups;
}

int64 unique_consecutive(const void* x, DType dtype, int64 rows, int64 n, int64* first, int64* inverse,
                         int64* counts) {
  return visit(dtype, [&]<class T>() {
    using Stored = std::conditional_t<std::is_same_v<T, bool>, std::uint8_t, T>;
    return group(
        rows, n, [&](int64 i) { return static_cast<const Stored*>(x) + i * n; }, [](int64 i) { return i; },
        first, inverse, counts);
  });
}

}  // namespace taper::cpu
