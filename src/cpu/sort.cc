// Sorting of rows: keys are packed with their positions and sorted as whole numbers by Highway's vectorized
// quicksort.
#include "cpu/sort.h"

#include <hwy/contrib/sort/vqsort.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "cpu/order_key.h"
#include "cpu/parallel.h"
#include "cpu/sort_rows.h"

namespace taper::cpu {

// The vectorized sort has a start-up cost of about a microsecond.
constexpr std::int64_t shortest_vectorized = 64;

void sort_packed(std::uint64_t* packed, std::int64_t n) {
  if (n < shortest_vectorized) return std::sort(packed, packed + n);
  hwy::Sorter()(packed, std::size_t(n), hwy::SortAscending());
}

void sort_packed(WidePacked* packed, std::int64_t n) {
  if (n < shortest_vectorized) return std::sort(packed, packed + n);
  static_assert(sizeof(WidePacked) == sizeof(hwy::uint128_t));
  hwy::Sorter()(reinterpret_cast<hwy::uint128_t*>(packed), std::size_t(n), hwy::SortAscending());
}

namespace {

using int64 = std::int64_t;

/// Smallest key of a row of integers and how far the largest is above it.
template <class T>
std::pair<OrderKey<T>, OrderKey<T>> key_range(const T* x, int64 n, bool descending) {
  T low = x[0], high = x[0];
  for (int64 i = 1; i < n; ++i) low = std::min(low, x[i]), high = std::max(high, x[i]);
  if (descending) std::swap(low, high);
  return {order_key(low, descending), OrderKey<T>(order_key(high, descending) - order_key(low, descending))};
}

/// Places in order of keys of a small range: counted, then dealt out.
template <class T>
void sort_by_counting(const T* x, int64 n, bool descending, OrderKey<T> low, OrderKey<T> range,
                      int64* indices) {
  constexpr int unused =
      sizeof(T) < 4 ? int(4 - sizeof(T)) * 8 : 0;  // low bits of the keys of narrow integers
  std::vector<int64> next((range >> unused) + 2, 0);
  const auto slot = [&](T value) { return (order_key(value, descending) - low) >> unused; };
  for (int64 i = 0; i < n; ++i) ++next[slot(x[i]) + 1];
  for (std::size_t k = 1; k < next.size(); ++k) next[k] += next[k - 1];
  for (int64 i = 0; i < n; ++i) indices[next[slot(x[i])]++] = i;
}

/// Integers of 64 bits that differ in 32 only are packed as those.
template <class T>
void sort_as_narrow(const T* x, int64 n, bool descending, OrderKey<T> low, std::uint64_t* packed) {
  for (int64 i = 0; i < n; ++i)
    packed[i] = std::uint64_t(order_key(x[i], descending) - low) << 32 | std::uint64_t(i);
  sort_packed(packed, n);
}

template <class T>
void write_row(const T* x, int64 n, const int64* indices, T* values) {
  for (int64 i = 0; values && i < n; ++i) values[i] = x[indices[i]];
}

/// Sorts a row of integers in one of the quicker ways if its numbers lie close together; packed has room for
/// n.
template <class T>
bool sort_close_integers(const T* x, int64 n, bool descending, Packed<T>* packed, T* values, int64* indices) {
  const auto [low, range] = key_range(x, n, descending);
  constexpr int unused = sizeof(T) < 4 ? int(4 - sizeof(T)) * 8 : 0;
  if ((range >> unused) < 65536 && int64(range >> unused) <= 4 * n) {
    int64* to = indices ? indices : reinterpret_cast<int64*>(packed);
    sort_by_counting(x, n, descending, low, range, to);
    write_row(x, n, to, values);
    return true;
  }
  if (sizeof(T) < 8 || std::uint64_t(range) >> 32 || n >= longest_packed) return false;
  auto* narrow = reinterpret_cast<std::uint64_t*>(packed);
  sort_as_narrow(x, n, descending, low, narrow);
  write_positions(narrow, n, x, values, indices);
  return true;
}

}  // namespace

void sort(const void* source, DType dtype, int64 rows, int64 n, bool descending, void* values,
          int64* indices) {
  visit_ordered("sort", dtype, [&]<class T>() {
    check_length("sort", n, sizeof(T));
    for_each_row<T>(n ? rows : 0, n, n, [&](int64 row, Packed<T>* packed) {
      const T* x = static_cast<const T*>(source) + row * n;
      T* row_values = values ? static_cast<T*>(values) + row * n : nullptr;
      int64* row_indices = indices ? indices + row * n : nullptr;
      if constexpr (std::is_integral_v<T>) {
        if (n >= shortest_vectorized &&
            sort_close_integers(x, n, descending, packed, row_values, row_indices))
          return;
      }
      for (int64 i = 0; i < n; ++i) packed[i] = pack(x[i], descending, i);
      sort_packed(packed, n);
      write_positions(packed, n, x, row_values, row_indices);
    });
  });
}

}  // namespace taper::cpu
