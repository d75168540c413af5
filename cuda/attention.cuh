// What attention and its gradients share: tiles of scores, in shared memory and in the registers of a block.
#pragma once

#include "cpu/attention.h"
#include "cuda/block.cuh"
#include "cuda/element.cuh"

namespace taper::cuda::kernels {

/// A tile has `tile` rows and columns, of which each thread holds those of number side * i + y and side * j +
/// x.
constexpr int side = 16, depth = 16;
template <class T>
constexpr int tile = sizeof(T) == 8 ? 32 : 64;
template <class T>
constexpr int held = tile<T> / side;
static_assert(side * side == block_threads);

template <class T>
using Held = T[held<T>][held<T>];

/// Operands of products on their way, and weights [tile, tile] of rows that are summed. Up to two tiles of
/// columns are summed at once.
template <class T>
struct Tiles {
  T weights[tile<T>][tile<T> + 1];
  T left[depth][tile<T> + 2];
  T right[depth][2 * tile<T> + 2];
};

/// Rows [first, count) of a matrix whose columns are adjacent; it begins at element `start` of data.
struct Rows {
  const void* data;
  DType dtype;
  int64_t start, stride, first, count;

  template <class T>
  __device__ __forceinline__ T at(int64_t row, int64_t column) const {
    return element<T>(data, dtype, start + (first + row) * stride + column);
  }
  __device__ bool has(int64_t row) const { return first + row < count; }
  __device__ Rows from(int64_t row) const { return {data, dtype, start, stride, row, count}; }
};

__device__ inline Rows rows_of(const void* data, DType dtype, const cpu::HeadStrides& s, int64_t batch,
                               int64_t head, int64_t count) {
  return {data, dtype, batch * s.batch + head * s.head, s.row, 0, count};
}

/// products = left right^T, of rows of so many columns.
template <class T>
__device__ __forceinline__ void multiply_rows(const Rows& left, const Rows& right, int64_t columns,
                                              Tiles<T>& shared, Held<T>& products) {
  const int x = threadIdx.x % side, y = threadIdx.x / side;
#pragma unroll
  for (int i = 0; i < held<T>; ++i)
#pragma unroll
    for (int j = 0; j < held<T>; ++j) products[i][j] = 0;
  for (int64_t c = 0; c < columns; c += depth) {
#pragma unroll
    for (int slot = 0; slot < held<T>; ++slot) {
      const int k = threadIdx.x % depth, row = slot * side + threadIdx.x / depth;
      const bool inside = c + k < columns;
      shared.left[k][row] = inside && left.has(row) ? left.at<T>(row, c + k) : T(0);
      shared.right[k][row] = inside && right.has(row) ? right.at<T>(row, c + k) : T(0);
    }
    __syncthreads();
#pragma unroll 4
    for (int k = 0; k < depth; ++k)
#pragma unroll
      for (int i = 0; i < held<T>; ++i)
#pragma unroll
        for (int j = 0; j < held<T>; ++j)
          products[i][j] += shared.left[k][y + side * i] * shared.right[k][x + side * j];
    __syncthreads();
  }
}

/// sums += weights rows, for `wide` tiles of columns from `column` on. The weights were written by all
/// threads and may be written again when this returns.
template <class T, int wide>
__device__ __forceinline__ void sum_rows(const Rows& rows, int64_t column, int64_t columns, Tiles<T>& shared,
                                         T (&sums)[wide][held<T>][held<T>]) {
  const int x = threadIdx.x % side, y = threadIdx.x / side;
  for (int k0 = 0; k0 < tile<T>; k0 += depth) {
#pragma unroll
    for (int slot = 0; slot < wide * held<T>; ++slot) {
      const int e = slot * block_threads + threadIdx.x, k = e / (wide * tile<T>), at = e % (wide * tile<T>);
      const bool inside = rows.has(k0 + k) && column + at < columns;
      shared.right[k][at] = inside ? rows.at<T>(k0 + k, column + at) : T(0);
    }
    __syncthreads();
#pragma unroll 4
    for (int k = 0; k < depth; ++k)
#pragma unroll
      for (int i = 0; i < held<T>; ++i) {
        const T weight = shared.weights[y + side * i][k0 + k];
#pragma unroll
        for (int w = 0; w < wide; ++w)
#pragma unroll
          for (int j = 0; j < held<T>; ++j)
            sums[w][i][j] += weight * shared.right[k][w * tile<T> + x + side * j];
      }
    __syncthreads();
  }
}

/// A score from a product, masked; -inf if the query may not see the key, or either does not exist.
template <class T>
__device__ __forceinline__ T score(const cpu::Attention& a, int64_t batch, int64_t head, int64_t query,
                                   int64_t key, T product) {
  const T hidden = T(-INFINITY);
  if (query >= a.queries || key >= a.keys || (a.causal && key > query)) return hidden;
  const T scaled = product * T(a.scale);
  if (!a.mask) return scaled;
  const int64_t at = batch * a.mask_strides[0] + head * a.mask_strides[1] + query * a.mask_strides[2] +
                     key * a.mask_strides[3];
  if (a.mask_dtype == boolean) return static_cast<const bool*>(a.mask)[at] ? scaled : hidden;
  return scaled + (a.mask_dtype == float64 ? T(static_cast<const double*>(a.mask)[at])
                                           : T(element<float>(a.mask, a.mask_dtype, at)));
}

}  // namespace taper::cuda::kernels
