// Sorting of rows: keys are packed with their positions and sorted as whole numbers by Highway's vectorized
// quicksort.
#include "cpu/sort.h"

#include <hwy/contrib/sort/vqsort.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "cpu/order_key.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"
#include "cpu/sort_rows.h"

namespace taper::cpu {

namespace {

using int64 = std::int64_t;

// The vectorized sort has a start-up cost of about a microsecond.
constexpr int64 shortest_vectorized = 64;
// Of elements that a thread is given; shorter rows are not divided.
constexpr int64 shortest_piece = 1 << 15;

/// In how many pieces the threads should take a row: one if they are at work on other rows.
int64 pieces_of_row(int64 n) {
  return in_parallel_region() ? 1 : std::clamp<int64>(n / shortest_piece, 1, num_threads());
}

int64 divide_up(int64 a, int64 b) { return (a + b - 1) / b; }

void sort_whole(std::uint64_t* packed, int64 n) {
  if (n < shortest_vectorized) return std::sort(packed, packed + n);
  hwy::Sorter()(packed, std::size_t(n), hwy::SortAscending());
}

void sort_whole(WidePacked* packed, int64 n) {
  if (n < shortest_vectorized) return std::sort(packed, packed + n);
  static_assert(sizeof(WidePacked) == sizeof(hwy::uint128_t));
  hwy::Sorter()(reinterpret_cast<hwy::uint128_t*>(packed), std::size_t(n), hwy::SortAscending());
}

/// std::merge without a branch that nobody can foresee.
template <class P>
void merge(const P* a, const P* a_end, const P* b, const P* b_end, P* to) {
  while (a < a_end && b < b_end) {
    const bool second = *b < *a;
    *to++ = second ? *b : *a;
    a += !second, b += second;
  }
  std::copy(b, b_end, std::copy(a, a_end, to));
}

/// How many of the `count` smallest of two sorted runs are in the first; all differ.
template <class P>
int64 count_from_first(const P* a, int64 a_size, const P* b, int64 b_size, int64 count) {
  int64 low = std::max<int64>(0, count - b_size), high = std::min(count, a_size);
  while (low < high) {
    const int64 middle = (low + high) / 2;
    if (a[middle] < b[count - middle - 1]) low = middle + 1;
    else high = middle;
  }
  return low;
}

/// Elements [begin, end) of what follows when neighbouring sorted runs of `width` are merged.
template <class P>
void merge_part(const P* from, int64 n, int64 width, int64 begin, int64 end, P* to) {
  const int64 first = begin / (2 * width) * (2 * width);
  const int64 a_size = std::min(width, n - first), b_size = std::min(width, n - first - a_size);
  const P *const a = from + first, *const b = a + a_size;
  const int64 i = count_from_first(a, a_size, b, b_size, begin - first),
              i_end = count_from_first(a, a_size, b, b_size, end - first);
  merge(a + i, a + i_end, b + (begin - first - i), b + (end - first - i_end), to + begin);
}

/// The threads sort pieces, which are then merged. All keys differ, so the order does not depend on the
/// pieces.
template <class P>
void sort_in_pieces(P* packed, int64 n) {
  constexpr int64 parts = 4;  // of a merged piece, for threads that come late
  const int64 pieces = pieces_of_row(n);
  if (pieces == 1) return sort_whole(packed, n);
  const int64 part = divide_up(n, pieces * parts), piece = part * parts;
  parallel_for(n, piece, [&](int64 begin, int64 end) { sort_whole(packed + begin, end - begin); });
  Scratch<P> memory(static_cast<std::size_t>(n));
  P *from = packed, *to = memory.data();
  for (int64 width = piece; width < n; width *= 2) {
    parallel_for(n, part, [&](int64 begin, int64 end) { merge_part(from, n, width, begin, end, to); });
    std::swap(from, to);
  }
  if (from == packed) return;
  parallel_for(n, part, [&](int64 begin, int64 end) { std::copy(from + begin, from + end, packed + begin); });
}

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
  const int64 slots = int64(range >> unused) + 1, pieces = pieces_of_row(n), piece = divide_up(n, pieces);
  std::vector<int64> places(std::size_t(slots * pieces), 0);
  const auto each = [&](auto&& take) {
    parallel_for(n, piece, [&](int64 begin, int64 end) {
      int64* const of_piece = places.data() + begin / piece * slots;
      for (int64 i = begin; i < end; ++i) take(i, of_piece[(order_key(x[i], descending) - low) >> unused]);
    });
  };
  each([](int64, int64& count) { ++count; });
  int64 next = 0;
  for (int64 slot = 0; slot < slots; ++slot)
    for (int64 p = 0; p < pieces; ++p) {
      int64& place = places[std::size_t(p * slots + slot)];
      next += std::exchange(place, next);
    }
  each([&](int64 i, int64& place) { indices[place++] = i; });
}

/// Integers of 64 bits that differ in 32 only are packed as those.
template <class T>
void sort_as_narrow(const T* x, int64 n, bool descending, OrderKey<T> low, std::uint64_t* packed) {
  parallel_for(n, shortest_piece, [&](int64 begin, int64 end) {
    for (int64 i = begin; i < end; ++i)
      packed[i] = std::uint64_t(order_key(x[i], descending) - low) << 32 | std::uint64_t(i);
  });
  sort_packed(packed, n);
}

template <class T>
void write_row(const T* x, int64 n, const int64* indices, T* values) {
  if (!values) return;
  parallel_for(n, shortest_piece, [&](int64 begin, int64 end) {
    for (int64 i = begin; i < end; ++i) values[i] = x[indices[i]];
  });
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

void sort_packed(std::uint64_t* packed, int64 n) { sort_in_pieces(packed, n); }
void sort_packed(WidePacked* packed, int64 n) { sort_in_pieces(packed, n); }

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
      parallel_for(n, shortest_piece, [&](int64 begin, int64 end) {
        for (int64 i = begin; i < end; ++i) packed[i] = pack(x[i], descending, i);
      });
      sort_packed(packed, n);
      write_positions(packed, n, x, row_values, row_indices);
    });
  });
}

}  // namespace taper::cpu
