// Numbers grouped by the element they go to, in their own order: for sums that have the same bits every time.
#pragma once

#include <functional>

#include "cuda/sort_rows.cuh"

namespace taper::cuda {

/// n numbers sorted by target, those of one target in their own order.
struct Groups {
  const int64_t* targets;      ///< by number; negative where it goes nowhere
  const std::uint32_t* order;  ///< of the numbers
  int64_t n;

  __device__ int64_t target(int64_t k) const { return targets[order[k]]; }
  /// Whether a group begins (ends) at the sorted place k.
  __device__ bool begins(int64_t k) const {
    const int64_t here = target(k);
    return here >= 0 && (k == 0 || target(k - 1) != here);
  }
  __device__ bool ends(int64_t k) const {
    const int64_t here = target(k);
    return here >= 0 && (k == n - 1 || target(k + 1) != here);
  }
  /// body(number) for each of the group that begins at k, in order.
  template <class F>
  __device__ __forceinline__ void each(int64_t k, const F& body) const {
    const int64_t here = target(k);
    for (; k < n && target(k) == here; ++k) body(int64_t(order[k]));
  }
};

/// Calls then(groups) for targets on the device. ValueError if there are 2^32 or more.
inline void group_by_target(const int64_t* targets, int64_t n, const char* op,
                            const std::function<void(const Groups&)>& then) {
  if (n == 0) return;
  sort_long_rows(OrderKeys(op, targets, int64, false), 1, n, op,
                 [&](int64_t, int64_t, const std::uint32_t* order) {
                   then({targets, order, n});
                 });
}

}  // namespace taper::cuda
