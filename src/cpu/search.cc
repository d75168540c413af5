// Places among boundaries and counts: searchsorted, bincount, histc.
#include <algorithm>
#include <cmath>

#include "cpu/load.h"
#include "cpu/sort.h"
#include "cpu/sort_rows.h"

namespace taper::cpu {
namespace {

using int64 = std::int64_t;
constexpr int64 together = 16;  // Searches that go on side by side, so that their waits for memory overlap.

/// How many of the boundaries are passed: `before(boundary, value)` holds for a leading part of them.
template <class T, class Before>
void search(const T* boundaries, const int64* order, int64 m, const T* values, int64 n, int64* places,
            const Before& before) {
  for (int64 i = 0; i < n; i += together) {
    const int64 count = std::min(together, n - i);
    int64 base[together] = {};
    for (int64 left = m; left > 0;) {
      const int64 half = (left + 1) / 2;
      for (int64 j = 0; j < count; ++j) {
        const int64 at = base[j] + half - 1;
        base[j] += before(boundaries[order ? order[at] : at], values[i + j]) ? half : 0;
      }
      left = left == 1 ? 0 : left - half;
    }
    std::copy(base, base + count, places + i);
  }
}

void check_order(const int64* order, int64 rows, int64 m) {
  for (int64 i = 0; i < rows * m; ++i) {
    check<IndexError>(order[i] >= 0 && order[i] < m, "searchsorted: sorter has ", order[i], " at position ",
                      i % m, " of row ", i / m, ", expected 0 to ", m - 1);
  }
}

}  // namespace

void searchsorted(const void* boundaries, bool shared, int64 m, const int64* order, const void* values,
                  DType dtype, int64 rows, int64 n, bool right, int64* places) {
  if (order) check_order(order, shared ? 1 : rows, m);
  if (shared) n *= rows, rows = 1;
  visit_ordered("searchsorted", dtype, [&]<class T>() {
    constexpr int64 piece = 4096;
    const int64 pieces = (n + piece - 1) / piece;
    parallel_for(rows * pieces, 4, [&](int64 begin, int64 end) {
      for (int64 task = begin; task < end; ++task) {
        const int64 row = task / pieces, first = row * n + task % pieces * piece;
        const int64 count = std::min(piece, (row + 1) * n - first);
        const T* edges = static_cast<const T*>(boundaries) + row * m;
        const int64* sorter = order ? order + row * m : nullptr;
        const T* x = static_cast<const T*>(values) + first;
        // Written so that NaN, and what follows it, comes after all boundaries.
        if (right)
          search(edges, sorter, m, x, count, places + first, [](T edge, T v) { return !(edge > v); });
        else search(edges, sorter, m, x, count, places + first, [](T edge, T v) { return !(edge >= v); });
      }
    });
  });
}

namespace {

/// Calls body(first, values, count) for pieces of x read as int64 or double.
template <class W, class F>
void for_each_piece(const void* x, DType dtype, int64 n, Wide wide, const F& body) {
  constexpr int64 piece = 1024;
  const Load load = find_load(dtype, wide);
  W values[piece];
  for (int64 i = 0; i < n; i += piece) {
    const int64 count = std::min(piece, n - i);
    load(static_cast<const char*>(x) + i * item_size(dtype), 1, count, values);
    body(i, static_cast<const W*>(values), count);
  }
}

void check_integers(DType dtype) {
  check<DTypeError>(is_integral(dtype, true), "bincount: needs integers, got ", dtype);
}

void check_bin(int64 value, int64 size, int64 position) {
  check<IndexError>(value >= 0 && value < size, "bincount: value ", value, " at position ", position,
                    " is out of range for ", size, " bins");
}

}  // namespace

int64 bincount_size(const void* x, DType dtype, int64 n) {
  check_integers(dtype);
  int64 largest = -1;
  for_each_piece<int64>(x, dtype, n, Wide::i64, [&](int64 first, const int64* values, int64 count) {
    for (int64 i = 0; i < count; ++i) {
      check<ValueError>(values[i] >= 0, "bincount: value ", values[i], " at position ", first + i,
                        " is negative; it counts integers from 0");
      largest = std::max(largest, values[i]);
    }
  });
  check<ValueError>(largest < std::numeric_limits<int64>::max(), "bincount: value ", largest,
                    " is too large");
  return largest + 1;
}

void bincount(const void* x, DType dtype, int64 n, int64 size, int64* counts) {
  check_integers(dtype);
  std::fill_n(counts, size, int64(0));
  for_each_piece<int64>(x, dtype, n, Wide::i64, [&](int64 first, const int64* values, int64 count) {
    for (int64 i = 0; i < count; ++i) {
      check_bin(values[i], size, first + i);
      ++counts[values[i]];
    }
  });
}

void weighted_bincount(const void* x, DType dtype, int64 n, int64 size, const void* weights,
                       DType weights_dtype, double* sums) {
  check_integers(dtype);
  std::fill_n(sums, size, 0.);
  const Load load = find_load(weights_dtype, Wide::f64);
  for_each_piece<int64>(x, dtype, n, Wide::i64, [&](int64 first, const int64* values, int64 count) {
    double weight[1024];
    load(static_cast<const char*>(weights) + first * item_size(weights_dtype), 1, count, weight);
    for (int64 i = 0; i < count; ++i) {
      check_bin(values[i], size, first + i);
      sums[values[i]] += weight[i];
    }
  });
}

void histc(const void* x, DType dtype, int64 n, int64 bins, double low, double high, int64* counts) {
  check<ValueError>(bins > 0, "histc: got ", bins, " bins, expected at least 1");
  check<ValueError>(low < high && std::isfinite(high - low), "histc: got the range ", low, " to ", high,
                    ", expected finite low < high");
  std::fill_n(counts, bins, int64(0));
  const double width = high - low;
  for_each_piece<double>(x, dtype, n, Wide::f64, [&](int64, const double* values, int64 count) {
    for (int64 i = 0; i < count; ++i) {
      if (!(values[i] >= low && values[i] <= high)) continue;
      ++counts[std::min(bins - 1, int64((values[i] - low) / width * double(bins)))];
    }
  });
}

}  // namespace taper::cpu
