// What normalizations share: pairs of sums, in float64 of short sums in the type that rows are computed in,
// and cut into slices where a block for each result would leave processors idle.
#pragma once

#include "cuda/block.cuh"
#include "cuda/element.cuh"

namespace taper::cuda {

namespace kernels {

struct Sums {
  double first, second;
};
struct PlusSums {
  __device__ Sums operator()(const Sums& a, const Sums& b) const {
    return {a.first + b.first, a.second + b.second};
  }
};

/// The two sums over terms [start, count), every step-th: term(i, first, second) adds one. In T for 64 terms.
template <class T, class I, class F>
__device__ __forceinline__ Sums sum_terms(I start, I count, int step, const F& term) {
  Sums sums{0, 0};
  for (I i = start; i < count;) {
    T first = 0, second = 0;
    for (int k = 0; k < 64 && i < count; ++k, i += step) term(i, first, second);
    sums.first += double(first), sums.second += double(second);
  }
  return sums;
}

/// A number in two parts, so that a large one loses no accuracy where it is subtracted.
template <class T>
struct InParts {
  T high, low;
  __device__ explicit InParts(double value) : high(T(value)), low(T(value - double(high))) {}
  __device__ T from(T x) const { return x - high - low; }
};

/// The sum of parts [slices, count] at i, in order.
__device__ inline Sums sum_parts(const Sums* parts, int slices, int64_t count, int64_t i) {
  Sums sums{0, 0};
  for (int slice = 0; slice < slices; ++slice) {
    sums.first += parts[slice * count + i].first;
    sums.second += parts[slice * count + i].second;
  }
  return sums;
}

}  // namespace kernels

/// Of parameters in float64 beside narrower values, and of float64 values, double.
template <class F>
void visit_norm_type(DType dtype, DType parameters, F&& f) {
  visit_row_type(parameters == float64 ? float64 : dtype, f);
}

/// Into how many slices, of some hundred terms at least, sums of so many terms are cut, each in so many
/// blocks.
inline int norm_slices(int64_t blocks, int64_t terms) {
  const int64_t wanted = 4 * int64_t(runtime().multi_processors(runtime().device_in_use()));
  return int(std::max<int64_t>(1, std::min(wanted / std::max<int64_t>(blocks, 1), terms / 256)));
}

}  // namespace taper::cuda
