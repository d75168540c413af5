// The gradients of attention, each a sum of rows with weights that are computed again tile by tile: a block
// for each tile of results takes all queries or keys in order, so that every sum has one order.
#include "cuda/attention.cuh"
#include "cuda/attention.h"
#include "cuda/cudnn_attention.h"
#include "cuda/elementwise.h"

namespace taper::cuda {

namespace kernels {

enum class Gradient { q, k, v };

/// Of a query: its log-sum-exp in two parts, so that a large one loses no accuracy, and dy . y.
template <class T>
struct QuerySums {
  T high, low, along;
};

/// A warp for each query.
template <class T>
__global__ void __launch_bounds__(block_threads)
    sum_queries(const __grid_constant__ cpu::Attention a, const void* y, const void* dy,
                const double* log_sum_exp, QuerySums<T>* sums) {
  const int lane = threadIdx.x % 32;
  const int64_t rows = a.batch * a.heads * a.queries;
  for (int64_t row = thread_number() / 32; row < rows; row += thread_count() / 32) {
    const int64_t query = row % a.queries, head = row / a.queries % a.heads,
                  batch = row / a.queries / a.heads;
    const Rows of_y = rows_of(y, a.dtype, a.y, batch, head, a.queries),
               of_dy = rows_of(dy, a.dtype, a.y, batch, head, a.queries);
    T along = 0;
    for (int64_t c = lane; c < a.value_size; c += 32) along += of_y.at<T>(query, c) * of_dy.at<T>(query, c);
    for (int step = 16; step > 0; step /= 2) along += __shfl_xor_sync(~0u, along, step);
    if (lane != 0) continue;
    const double log_sum = log_sum_exp[row];
    const bool blind = log_sum == -INFINITY;  // sees no key: all its weights become exp(-inf)
    const T high = blind ? T(INFINITY) : T(log_sum);
    sums[row] = {high, blind ? T(0) : T(log_sum - double(high)), along};
  }
}

/// The operands of a gradient of one query head: rows of results and of what is summed along.
struct GradientRows {
  Rows q, k, v, dy;
  int64_t batch, head;
};

/// The weights of the summed rows, of a tile of queries and keys that begin at first and other: p for dv,
/// else p (dp - dy . y) scale. In shared.weights, a row for each result.
template <class T, Gradient gradient>
__device__ __forceinline__ void find_weights(const cpu::Attention& a, const GradientRows& r, int64_t first,
                                             int64_t other, const QuerySums<T>* sums, Tiles<T>& shared) {
  constexpr bool by_query = gradient == Gradient::q;
  const int x = threadIdx.x % side, y = threadIdx.x / side;
  const int64_t first_query = by_query ? first : other, first_key = by_query ? other : first;
  const Rows q = r.q.from(first_query), k = r.k.from(first_key);
  const Rows dy = r.dy.from(first_query), v = r.v.from(first_key);
  Held<T> p, dp;
  multiply_rows(by_query ? q : k, by_query ? k : q, a.size, shared, p);
  if constexpr (gradient != Gradient::v)
    multiply_rows(by_query ? dy : v, by_query ? v : dy, a.value_size, shared, dp);
#pragma unroll
  for (int i = 0; i < held<T>; ++i)
#pragma unroll
    for (int j = 0; j < held<T>; ++j) {
      const int row = y + side * i, column = x + side * j;
      const int64_t query = first_query + (by_query ? row : column),
                    key = first_key + (by_query ? column : row);
      T weight = 0;
      if (query < a.queries) {
        const QuerySums<T> of = sums[(r.batch * a.heads + r.head) * a.queries + query];
        weight = exp(score(a, r.batch, r.head, query, key, p[i][j]) - of.high - of.low);
        if constexpr (gradient != Gradient::v) weight *= (dp[i][j] - of.along) * T(a.scale);
      }
      shared.weights[row][column] = weight;
    }
}

template <class T, int wide, Gradient gradient>
__global__ void __launch_bounds__(block_threads, 1)
    attention_gradient(const __grid_constant__ cpu::Attention a, const void* q, const void* k, const void* v,
                       const void* dy, const QuerySums<T>* query_sums, void* result) {
  constexpr bool by_query = gradient == Gradient::q;
  __shared__ Tiles<T> shared;
  const int64_t columns = gradient == Gradient::v ? a.value_size : a.size,
                rows = by_query ? a.queries : a.keys;
  const int chunks = int((columns + wide * tile<T> - 1) / (wide * tile<T>)),
            blocks = int((rows + tile<T> - 1) / tile<T>);
  const int block = int(blockIdx.x), number = block / chunks / blocks;
  const int64_t column = block % chunks * int64_t(wide * tile<T>),
                first = block / chunks % blocks * int64_t(tile<T>);
  const int heads = int(by_query ? a.heads : a.key_heads), group = int(a.heads) / int(a.key_heads);
  const int batch = number / heads, own = number % heads;
  const int first_head = by_query ? own : own * group, last_head = by_query ? own + 1 : (own + 1) * group;
  T sums[wide][held<T>][held<T>] = {};
  for (int head = first_head; head < last_head; ++head) {
    const int key_head = head / group;
    const GradientRows r{rows_of(q, a.dtype, a.q, batch, head, a.queries),
                         rows_of(k, a.dtype, a.k, batch, key_head, a.keys),
                         rows_of(v, a.dtype, a.v, batch, key_head, a.keys),
                         rows_of(dy, a.dtype, a.y, batch, head, a.queries),
                         batch,
                         head};
    // Queries before the first key of a tile do not see it if causal; tiles of both begin at the same
    // numbers.
    const int64_t begin = a.causal && !by_query ? first : 0;
    const int64_t all = by_query ? a.keys : a.queries,
                  end = a.causal && by_query && first + tile<T> < all ? first + tile<T> : all;
    for (int64_t other = begin; other < end; other += tile<T>) {
      find_weights<T, gradient>(a, r, first, other, query_sums, shared);
      const Rows& summed = gradient == Gradient::q ? r.k : gradient == Gradient::k ? r.q : r.dy;
      sum_rows<T, wide>(summed.from(other), column, columns, shared, sums);
    }
  }
  const cpu::HeadStrides& s = gradient == Gradient::q ? a.q : gradient == Gradient::k ? a.k : a.v;
  const int x = threadIdx.x % side, y = threadIdx.x / side;
#pragma unroll
  for (int w = 0; w < wide; ++w)
#pragma unroll
    for (int i = 0; i < held<T>; ++i)
#pragma unroll
      for (int j = 0; j < held<T>; ++j) {
        const int64_t row = first + y + side * i, at = column + w * tile<T> + x + side * j;
        if (row < rows && at < columns)
          put(result, a.dtype, batch * s.batch + own * s.head + row * s.row + at, sums[w][i][j]);
      }
}

}  // namespace kernels

namespace {

constexpr const char* op = "scaled_dot_product_attention_backward";

using kernels::Gradient;

struct Operands {
  const void *q, *k, *v, *dy;
};

template <class T, Gradient gradient>
void launch(const cpu::Attention& a, const Operands& o, const kernels::QuerySums<T>* sums, void* result) {
  const int64_t tile = kernels::tile<T>, columns = gradient == Gradient::v ? a.value_size : a.size;
  const int wide = columns <= tile ? 1 : 2;
  const int64_t rows = gradient == Gradient::q ? a.queries : a.keys,
                heads = gradient == Gradient::q ? a.heads : a.key_heads;
  const int64_t blocks =
      a.batch * heads * ((rows + tile - 1) / tile) * ((columns + wide * tile - 1) / (wide * tile));
  check<ShapeError>(blocks <= INT32_MAX, op, ": too large for one launch on CUDA");
  const cudaStream_t stream = runtime().stream_in_use();
  if (wide == 1)
    kernels::attention_gradient<T, 1, gradient>
        <<<unsigned(blocks), block_threads, 0, stream>>>(a, o.q, o.k, o.v, o.dy, sums, result);
  else
    kernels::attention_gradient<T, 2, gradient>
        <<<unsigned(blocks), block_threads, 0, stream>>>(a, o.q, o.k, o.v, o.dy, sums, result);
  check_launch(op);
}

void clear(const cpu::Attention& a, int64_t heads, int64_t rows, int64_t columns, const cpu::HeadStrides& s,
           void* data) {
  const Shape sizes{a.batch, heads, rows, columns}, strides{s.batch, s.head, s.row, 1};
  fill(sizes, {data, a.dtype, strides.data()}, 0);
}

}  // namespace

void attention_backward(const cpu::Attention& a, const void* q, const void* k, const void* v, const void* y,
                        const double* log_sum_exp, const void* dy, void* dq, void* dk, void* dv) {
  check<DTypeError>(is_floating_point(a.dtype), op, ": got ", a.dtype, ", expected a floating type");
  const int64_t rows = a.batch * a.heads * a.queries;
  if (rows == 0 || a.keys == 0 || a.size == 0 || a.value_size == 0) {
    clear(a, a.heads, a.queries, a.size, a.q, dq);
    clear(a, a.key_heads, a.keys, a.size, a.k, dk);
    return clear(a, a.key_heads, a.keys, a.value_size, a.v, dv);
  }
  if (cudnn_attention_backward(a, q, k, v, y, log_sum_exp, dy, dq, dk, dv)) return;
  visit_row_type(a.dtype, [&]<class T>() {
    const Scratch memory(rows * int64_t(sizeof(kernels::QuerySums<T>)));
    auto* sums = memory.data<kernels::QuerySums<T>>();
    kernels::
        sum_queries<<<blocks_for(rows, block_threads / 32), block_threads, 0, runtime().stream_in_use()>>>(
            a, y, dy, log_sum_exp, sums);
    check_launch(op);
    const Operands operands{q, k, v, dy};
    launch<T, Gradient::q>(a, operands, sums, dq);
    launch<T, Gradient::k>(a, operands, sums, dk);
    launch<T, Gradient::v>(a, operands, sums, dv);
  });
}

}  // namespace taper::cuda
