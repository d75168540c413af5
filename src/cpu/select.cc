// Elements by their rank: topk, kthvalue, median.
#include <algorithm>
#include <array>
#include <limits>
#include <vector>

#include "cpu/sort.h"
#include "cpu/sort_rows.h"

namespace taper::cpu {
namespace {

using int64 = std::int64_t;

/// Elements [begin, end) of a row; descending if the smallest are to come last.
struct Stretch {
  int64 begin, end;
  bool descending;
};

/// The k smallest packed keys of a stretch, in any order, in packed[0, k): candidates are gathered until they
/// fill `room`, then all but the best k are dropped, whose worst is from then on the limit for new ones.
template <class T>
void gather_smallest(const T* x, const Stretch& stretch, int64 k, Packed<T>* packed, int64 room) {
  constexpr int64 together = 64;
  int64 filled = 0;
  OrderKey<T> limit = std::numeric_limits<OrderKey<T>>::max();
  const auto drop = [&] {
    std::nth_element(packed, packed + (k - 1), packed + filled);
    limit = OrderKey<T>(key_of(packed[k - 1]));
    filled = k;
  };
  const bool descending = stretch.descending;
  for (int64 i = stretch.begin; i < stretch.end; i += together) {
    const int64 end = std::min(i + together, stretch.end);
    OrderKey<T> keys[together];
    unsigned any = 0;
    for (int64 j = i; j < end; ++j) {
      keys[j - i] = order_key(x[j], descending);
      any |= unsigned(keys[j - i] <= limit);
    }
    if (!any) continue;
    if (filled + together > room) drop();
    for (int64 j = i; j < end; ++j) {
      packed[filled] = pack(x[j], descending, j);
      filled += keys[j - i] <= limit;
    }
  }
  if (filled > k) drop();
}

inline int64 room_for(int64 k) { return k + std::max<int64>(k, 192); }

/// The k smallest packed keys of a row, in order, in packed[0, k). The threads take pieces of a long row; all
/// keys differ, so the pieces do not matter.
template <class T>
void select_smallest(const T* x, int64 n, int64 k, bool descending, Packed<T>* packed) {
  constexpr int64 shortest_piece = 1 << 16, share = 64;
  const int64 piece = std::max(shortest_piece, n / (2 * num_threads()) + 1), pieces = (n + piece - 1) / piece;
  if (num_threads() == 1 || pieces == 1 || k > piece / share || in_parallel_region()) {
    gather_smallest(x, {0, n, descending}, k, packed, room_for(k));
    return sort_packed(packed, k);
  }
  std::vector<Packed<T>> best(std::size_t(pieces * room_for(k)));
  parallel_for(n, piece, [&](int64 begin, int64 end) {
    gather_smallest(x, {begin, end, descending}, std::min(k, end - begin),
                    best.data() + begin / piece * room_for(k), room_for(k));
  });
  int64 filled = 0;
  for (int64 i = 0; i < pieces; ++i) {
    const int64 count = std::min(k, std::min(piece, n - i * piece));
    std::copy_n(best.data() + i * room_for(k), count, best.data() + filled);
    filled += count;
  }
  std::nth_element(best.begin(), best.begin() + (k - 1), best.begin() + filled);
  std::copy_n(best.begin(), k, packed);
  sort_packed(packed, k);
}

/// The packed key of rank k (from 0): of long rows only those that share its leading bits are gathered.
template <class T>
Packed<T> select_rank(const T* x, int64 n, int64 k, Packed<T>* packed) {
  constexpr int leading = 12, shift = sizeof(OrderKey<T>) * 8 - leading;
  if (n < 4096) {
    for (int64 i = 0; i < n; ++i) packed[i] = pack(x[i], false, i);
    std::nth_element(packed, packed + k, packed + n);
    return packed[k];
  }
  std::array<int64, 1 << leading> counts{};
  for (int64 i = 0; i < n; ++i) ++counts[order_key(x[i]) >> shift];
  int64 before = 0;
  OrderKey<T> bucket = 0;
  while (before + counts[bucket] <= k) before += counts[bucket++];
  int64 filled = 0;
  const int64 wanted = counts[bucket];
  for (int64 i = 0; filled < wanted; ++i) {
    packed[filled] = pack(x[i], false, i);
    filled += order_key(x[i]) >> shift == bucket;
  }
  std::nth_element(packed, packed + (k - before), packed + filled);
  return packed[k - before];
}

/// The rank of the median among those that take part, and the place of the first NaN, or -1.
template <class T>
std::pair<int64, int64> rank_of_median(const T* x, int64 n, bool ignore_nan) {
  if constexpr (std::is_integral_v<T>) {
    return {(n - 1) / 2, -1};
  } else {
    int64 numbers = 0, first_nan = -1;
    for (int64 i = 0; i < n; ++i) numbers += x[i] == x[i];
    for (int64 i = 0; numbers < n && first_nan < 0; ++i) first_nan = x[i] != x[i] ? i : -1;
    const bool is_nan = first_nan >= 0 && (!ignore_nan || numbers == 0);
    return {std::max<int64>(0, numbers - 1) / 2, is_nan ? first_nan : -1};
  }
}

}  // namespace

void topk(const void* source, DType dtype, int64 rows, int64 n, int64 k, bool largest, void* values,
          int64* indices) {
  check<ValueError>(k >= 0 && k <= n, "topk: got k = ", k, " for rows of ", n,
                    " elements, expected 0 <= k <= ", n);
  visit_ordered("topk", dtype, [&]<class T>() {
    check_length("topk", n, sizeof(T));
    const T* x = static_cast<const T*>(source);
    for_each_row<T>(k ? rows : 0, n, room_for(k), [&](int64 row, Packed<T>* packed) {
      select_smallest(x + row * n, n, k, largest, packed);
      write_positions(packed, k, x + row * n, static_cast<T*>(values) + row * k, indices + row * k);
    });
  });
}

void kthvalue(const void* source, DType dtype, int64 rows, int64 n, int64 k, void* values, int64* indices) {
  check<ValueError>(k >= 1 && k <= n, "kthvalue: got k = ", k, " for rows of ", n,
                    " elements, expected 1 <= k <= ", n);
  visit_ordered("kthvalue", dtype, [&]<class T>() {
    check_length("kthvalue", n, sizeof(T));
    const T* x = static_cast<const T*>(source);
    for_each_row<T>(rows, n, n, [&](int64 row, Packed<T>* packed) {
      indices[row] = position_of(select_rank(x + row * n, n, k - 1, packed));
      static_cast<T*>(values)[row] = x[row * n + indices[row]];
    });
  });
}

void median(const void* source, DType dtype, int64 rows, int64 n, bool ignore_nan, void* values,
            int64* indices) {
  check<ValueError>(n > 0 || rows == 0, "median: rows have no elements; it needs at least one");
  visit_ordered("median", dtype, [&]<class T>() {
    check_length("median", n, sizeof(T));
    const T* x = static_cast<const T*>(source);
    for_each_row<T>(rows, n, n, [&](int64 row, Packed<T>* packed) {
      const auto [rank, nan] = rank_of_median(x + row * n, n, ignore_nan);
      indices[row] = nan >= 0 ? nan : position_of(select_rank(x + row * n, n, rank, packed));
      static_cast<T*>(values)[row] = x[row * n + indices[row]];
    });
  });
}

}  // namespace taper::cpu
