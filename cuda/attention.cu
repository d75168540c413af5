// Attention: a block for each tile of queries and of values' columns takes all keys, tile by tile, with a
// running softmax. Milakov & Gimelshein 2018, arXiv:1805.02867; Dao et al. 2022, arXiv:2205.14135.
#include "cuda/attention.cuh"
#include "cuda/attention.h"
#include "cuda/cudnn_attention.h"
#include "cuda/elementwise.h"

namespace taper::cuda {

namespace kernels {

/// What the threads of a row know of its softmax after some keys.
template <class T>
struct Running {
  T largest = T(-INFINITY), sum = 0;

  /// Takes in scores of the row, which become exp(score - largest); returns by how much earlier sums shrink.
  __device__ __forceinline__ T add(T (&scores)[held<T>]) {
    T most = largest;
#pragma unroll
    for (int j = 0; j < held<T>; ++j) most = fmax(most, scores[j]);
#pragma unroll
    for (int step = side / 2; step > 0; step /= 2) most = fmax(most, __shfl_xor_sync(~0u, most, step));
    const T shift = most == T(-INFINITY) ? T(0) : most;
    T part = 0;
#pragma unroll
    for (int j = 0; j < held<T>; ++j) scores[j] = exp(scores[j] - shift), part += scores[j];
#pragma unroll
    for (int step = side / 2; step > 0; step /= 2) part += __shfl_xor_sync(~0u, part, step);
    const T factor = largest == T(-INFINITY) ? T(0) : exp(largest - shift);
    sum = sum * factor + part;
    largest = most;
    return factor;
  }
};

template <class T, int wide>
__global__ void __launch_bounds__(block_threads, 1)
    attention(const __grid_constant__ cpu::Attention a, const void* q, const void* k, const void* v, void* y,
              double* log_sum_exp) {
  __shared__ Tiles<T> shared;
  const int chunks = int((a.value_size + wide * tile<T> - 1) / (wide * tile<T>)),
            blocks = int((a.queries + tile<T> - 1) / tile<T>);
  const int block = int(blockIdx.x), row = block / chunks / blocks;
  const int64_t column = block % chunks * int64_t(wide * tile<T>),
                first = block / chunks % blocks * int64_t(tile<T>);
  const int head = row % int(a.heads), batch = row / int(a.heads),
            key_head = head / (int(a.heads) / int(a.key_heads));
  const Rows queries = rows_of(q, a.dtype, a.q, batch, head, a.queries).from(first);
  const Rows keys = rows_of(k, a.dtype, a.k, batch, key_head, a.keys);
  const Rows values = rows_of(v, a.dtype, a.v, batch, key_head, a.keys);
  const int x = threadIdx.x % side, y0 = threadIdx.x / side;
  T sums[wide][held<T>][held<T>] = {};
  Running<T> running[held<T>];
  const int64_t seen = a.causal && first + tile<T> < a.keys ? first + tile<T> : a.keys;
  for (int64_t key = 0; key < seen; key += tile<T>) {
    Held<T> scores;
    multiply_rows(queries, keys.from(key), a.size, shared, scores);
#pragma unroll
    for (int i = 0; i < held<T>; ++i) {
      const int at = y0 + side * i;
#pragma unroll
      for (int j = 0; j < held<T>; ++j)
        scores[i][j] = score(a, batch, head, first + at, key + x + side * j, scores[i][j]);
      const T factor = running[i].add(scores[i]);
#pragma unroll
      for (int j = 0; j < held<T>; ++j) {
        shared.weights[at][x + side * j] = scores[i][j];
#pragma unroll
        for (int w = 0; w < wide; ++w) sums[w][i][j] *= factor;
      }
    }
    sum_rows<T, wide>(values.from(key), column, a.value_size, shared, sums);
  }
#pragma unroll
  for (int i = 0; i < held<T>; ++i) {
    const int64_t query = first + y0 + side * i;
    if (query >= a.queries) continue;
    const T sum = running[i].sum, inverse = sum == 0 ? T(0) : 1 / sum;
    if (x == 0 && column == 0)
      log_sum_exp[int64_t(row) * a.queries + query] =
          sum == 0 ? -INFINITY : double(running[i].largest) + log(double(sum));
    const int64_t start = batch * a.y.batch + head * a.y.head + query * a.y.row;
#pragma unroll
    for (int w = 0; w < wide; ++w)
#pragma unroll
      for (int j = 0; j < held<T>; ++j) {
        const int64_t at = column + w * tile<T> + x + side * j;
        if (at < a.value_size) put(y, a.dtype, start + at, sums[w][i][j] * inverse);
      }
  }
}

}  // namespace kernels

namespace {

void check_attention(const cpu::Attention& a, const char* op) {
  check<DTypeError>(is_floating_point(a.dtype), op, ": got ", a.dtype, ", expected a floating type");
  check<DTypeError>(!a.mask || a.mask_dtype == boolean || is_floating_point(a.mask_dtype), op,
                    ": got a mask of ", a.mask_dtype, ", expected bool or a floating type");
  check<ShapeError>(a.key_heads > 0 ? a.heads % a.key_heads == 0 : a.heads == 0, op, ": ", a.heads,
                    " query heads cannot share ", a.key_heads, " key heads evenly");
}

template <class T, int wide>
void launch_attention(const cpu::Attention& a, const void* q, const void* k, const void* v, void* y,
                      double* log_sum_exp) {
  const int64_t tile = kernels::tile<T>, chunks = (a.value_size + wide * tile - 1) / (wide * tile);
  const int64_t blocks = a.batch * a.heads * ((a.queries + tile - 1) / tile) * chunks;
  check<ShapeError>(blocks <= INT32_MAX, "scaled_dot_product_attention: too large for one launch on CUDA");
  kernels::attention<T, wide>
      <<<unsigned(blocks), block_threads, 0, runtime().stream_in_use()>>>(a, q, k, v, y, log_sum_exp);
  check_launch("scaled_dot_product_attention");
}

}  // namespace

void attention(const cpu::Attention& a, const void* q, const void* k, const void* v, void* y,
               double* log_sum_exp) {
  const char* op = "scaled_dot_product_attention";
  check_attention(a, op);
  const int64_t rows = a.batch * a.heads * a.queries;
  if (rows == 0) return;
  if (a.keys == 0 || a.size == 0 || a.value_size == 0) {
    check<ShapeError>(a.keys == 0 || a.value_size == 0, op, ": queries and keys have no elements");
    const Shape one{rows}, step{1};
    if (a.keys == 0) fill(one, {log_sum_exp, float64, step.data()}, -INFINITY);
    const Shape sizes{a.batch, a.heads, a.queries, a.value_size}, strides{a.y.batch, a.y.head, a.y.row, 1};
    return fill(sizes, {y, a.dtype, strides.data()}, 0);
  }
  if (cudnn_attention(a, q, k, v, y, log_sum_exp)) return;
  visit_row_type(a.dtype, [&]<class T>() {
    if (a.value_size <= kernels::tile<T>) launch_attention<T, 1>(a, q, k, v, y, log_sum_exp);
    else launch_attention<T, 2>(a, q, k, v, y, log_sum_exp);
  });
}

}  // namespace taper::cuda
