// Scaled dot product attention and its gradients without the whole matrix of scores, on raw pointers.
#pragma once

#include <cstdint>

#include "taper/dtype.h"

namespace taper::cpu {

/// Where an operand [batch, heads, rows, columns] lies: strides in elements; columns are adjacent.
struct HeadStrides {
  std::int64_t batch, head, row;
};

/// y = softmax(scale q k^T + mask) v by heads.
///
///   q, dq  [batch, heads, queries, size]
///   k, dk  [batch, key_heads, keys, size]         query head h looks at key head h / (heads / key_heads)
///   v, dv  [batch, key_heads, keys, value_size]
///   y, dy  [batch, heads, queries, value_size]
///   mask   [batch, heads, queries, keys], by strides of which any may be 0: bool (false: may not be seen) or
///   floating
///          (added to the scores)
///
/// Key j of query i is hidden if j > i, where causal. A query that sees no key gives 0. Scores are float32,
/// or float64 for float64. Computed in blocks of queries and keys: Milakov & Gimelshein 2018,
/// arXiv:1805.02867; Dao et al. 2022, arXiv:2205.14135.
struct Attention {
  DType dtype;
  std::int64_t batch, heads, key_heads, queries, keys, size, value_size;
  double scale;
  bool causal = false;
  HeadStrides q = {}, k = {}, v = {}, y = {};
  const void* mask = nullptr;
  DType mask_dtype = DType::boolean;
  std::int64_t mask_strides[4] = {};
};

/// Writes y and log_sum_exp [batch, heads, queries] of the scores, -inf where no key is seen.
void attention(const Attention& attention, const void* q, const void* k, const void* v, void* y,
               double* log_sum_exp);
/// dy lies as y, dq as q, dk as k, dv as v.
void attention_backward(const Attention& attention, const void* q, const void* k, const void* v,
                        const void* y, const double* log_sum_exp, const void* dy, void* dq, void* dk,
                        void* dv);

}  // namespace taper::cpu
