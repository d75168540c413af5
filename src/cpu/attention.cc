// Attention in blocks of queries and keys: matrix products with a running softmax between them.
#include "cpu/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/visit.h"
#include "cpu/gemm_product.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"
#include "taper/error.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/attention.cc"
#include <hwy/foreach_target.h>  // before highway.h
#include <hwy/highway.h>

#include "cpu/rows-inl.h"
#include "cpu/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace taper::cpu {
namespace HWY_NAMESPACE {

/// A block of scores, 256 KiB in float32, stays in the second-level cache with the operands of its products.
constexpr int64 query_block = 128, key_block = 512;

/// One matrix of rows of adjacent columns.
template <class C>
struct Matrix {
  C* data;
  int64 stride;
  Matrix from_row(int64 row) const { return {data + row * stride, stride}; }
};

/// c [m, n] = alpha op(a) op(b) + beta c.
template <class A, class B, class C>
void product(bool transpose_a, bool transpose_b, int64 m, int64 n, int64 k, double alpha, Matrix<A> a,
             Matrix<B> b, double beta, Matrix<C> c) {
  multiply(Product<C, C>{transpose_a, transpose_b, m, n, k, a.data, a.stride, b.data, b.stride, C(alpha),
                         C(beta), nullptr, c.data, c.stride});
}

/// What a block covers: head h of image b, queries [query, query + rows), keys [key, key + columns).
struct Block {
  int64 batch, head, query, rows, key, columns;
};

/// Queries that are looked at together: where each sees no further than itself, half as many leave out more.
inline int64 block_queries(const Attention& a) { return a.causal ? query_block / 2 : query_block; }

/// How many keys of a block a query of it can see; those behind have no score.
inline int64 visible(const Attention& a, const Block& at, int64 row) {
  return a.causal ? std::clamp<int64>(at.query + row + 1 - at.key, 0, at.columns) : at.columns;
}

template <class C>
void mask_row(const Attention& a, const Block& at, int64 row, C* scores) {
  constexpr C hidden = -std::numeric_limits<C>::infinity();
  const int64 step = a.mask_strides[3];
  const int64 offset = at.batch * a.mask_strides[0] + at.head * a.mask_strides[1] +
                       (at.query + row) * a.mask_strides[2] + at.key * step;
  if (a.mask_dtype == DType::boolean) {
    const auto* mask = static_cast<const bool*>(a.mask) + offset;
    for (int64 j = 0; j < at.columns; ++j) scores[j] = mask[j * step] ? scores[j] : hidden;
  } else {
    visit_floating(a.mask_dtype, [&]<class T>(T) {
      const T* mask = static_cast<const T*>(a.mask) + offset;
      for (int64 j = 0; j < at.columns; ++j) scores[j] += C(Compute<T>(mask[j * step]));
    });
  }
}

/// scale q k^T, masked but for what `visible` leaves out.
template <class C>
void score(const Attention& a, const Block& at, Matrix<const C> q, Matrix<const C> k, Matrix<C> scores) {
  product(false, true, at.rows, at.columns, a.size, a.scale, q, k, 0, scores);
  if (!a.mask) return;
  for (int64 row = 0; row < at.rows; ++row) mask_row(a, at, row, scores.data + row * scores.stride);
}

/// What is known of a query's softmax after some keys.
template <class C>
struct Running {
  C largest = -std::numeric_limits<C>::infinity();
  double sum = 0;
};

/// scores become exp(scores - largest); returns the factor by which what was summed before has to shrink.
template <class C>
C exponentials(C* scores, int64 n, Running<C>& state) {
  const hn::ScalableTag<C> d;
  constexpr C lowest = -std::numeric_limits<C>::infinity();
  auto m = hn::Set(d, state.largest);
  for_vectors(d, n, [&](int64 i, int64 count) { m = hn::Max(m, load(d, scores + i, count, lowest)); });
  const C largest = reduce_lanes(d, m, [](C a, C b) { return a < b ? b : a; });
  const C shift = largest == lowest ? C(0) : largest;
  const auto shifts = hn::Set(d, shift);
  const double sum = sum_vectors(d, n, [&](int64 i, int64 count) {
    const auto e = exp_of_negative(d, hn::Sub(load(d, scores + i, count, lowest), shifts));
    store(d, e, scores + i, count);
    return count == int64(hn::Lanes(d)) ? e : load(d, scores + i, count);
  });
  const C factor = state.largest == lowest ? C(0) : std::exp(state.largest - shift);
  state.sum = state.sum * double(factor) + sum;
  state.largest = largest;
  return factor;
}

template <class C>
void multiply_row(C* row, C factor, int64 n) {
  const hn::ScalableTag<C> d;
  const auto f = hn::Set(d, factor);
  for_vectors(d, n,
              [&](int64 i, int64 count) { store(d, hn::Mul(load(d, row + i, count), f), row + i, count); });
}

/// Keys that queries [query, query + rows) can see, if causal.
inline int64 keys_seen(const Attention& a, int64 query, int64 rows) {
  return a.causal ? std::min(a.keys, query + rows) : a.keys;
}

template <class C>
Matrix<C> head_of(C* data, const HeadStrides& s, int64 batch, int64 head) {
  return {data + batch * s.batch + head * s.head, s.row};
}

/// One block of queries with all keys.
template <class C>
void attend(const Attention& a, Block at, Matrix<const C> q, Matrix<const C> k, Matrix<const C> v,
            Matrix<C> y, double* log_sums, C* room) {
  Running<C> running[query_block];
  const int64 seen = keys_seen(a, at.query, at.rows);
  for (at.key = 0; at.key < seen; at.key += key_block) {
    at.columns = std::min(key_block, seen - at.key);
    const Matrix<C> scores{room, at.columns};
    score(a, at, q, k.from_row(at.key), scores);
    for (int64 row = 0; row < at.rows; ++row) {
      C* const line = room + row * at.columns;
      const int64 n = visible(a, at, row);
      const C factor = exponentials(line, n, running[row]);
      std::fill(line + n, line + at.columns, C(0));
      if (at.key && factor != 1) multiply_row(y.data + row * y.stride, factor, a.value_size);
    }
    product(false, false, at.rows, a.value_size, at.columns, 1, scores, v.from_row(at.key), at.key ? 1 : 0,
            y);
  }
  for (int64 row = 0; row < at.rows; ++row) {
    const Running<C>& state = running[row];
    C* out = y.data + row * y.stride;
    if (state.sum == 0) std::fill(out, out + a.value_size, C(0));
    else multiply_row(out, C(1 / state.sum), a.value_size);
    log_sums[row] = state.sum == 0 ? -std::numeric_limits<double>::infinity()
                                   : double(state.largest) + std::log(state.sum);
  }
}

template <class C>
void forward(const Attention& a, const C* q, const C* k, const C* v, C* y, double* log_sums) {
  const int64 height = block_queries(a), blocks = (a.queries + height - 1) / height;
  const int64 group = a.heads / a.key_heads;
  parallel_for(a.batch * a.heads * blocks, 1, [&](int64 begin, int64 end) {
    Scratch<C> room(std::size_t(std::min(query_block, a.queries) * std::min(key_block, a.keys)));
    for (int64 task = begin; task < end; ++task) {
      const int64 head = task / blocks % a.heads, batch = task / blocks / a.heads,
                  query = task % blocks * height;
      const Block at{batch, head, query, std::min(height, a.queries - query), 0, 0};
      attend(a, at, head_of(q, a.q, batch, head).from_row(query), head_of(k, a.k, batch, head / group),
             head_of(v, a.v, batch, head / group), head_of(y, a.y, batch, head).from_row(query),
             log_sums + (batch * a.heads + head) * a.queries + query, room.data());
    }
  });
}

/// The row's probabilities in place of its scores.
template <class C>
void probabilities(C* scores, int64 n, double log_sum) {
  const hn::ScalableTag<C> d;
  if (log_sum == -std::numeric_limits<double>::infinity()) return std::fill(scores, scores + n, C(0));
  // In two parts, so that a large log_sum loses no accuracy.
  const auto high = hn::Set(d, C(log_sum)), low = hn::Set(d, C(log_sum - double(C(log_sum))));
  for_vectors(d, n, [&](int64 i, int64 count) {
    const auto log_p = hn::Sub(hn::Sub(load(d, scores + i, count), high), low);
    store(d, exp_of_negative(d, log_p), scores + i, count);
  });
}

/// dp becomes p (dp - mean).
template <class C>
void softmax_gradient(const C* p, C* dp, int64 n, C mean) {
  const hn::ScalableTag<C> d;
  const auto m = hn::Set(d, mean);
  for_vectors(d, n, [&](int64 i, int64 count) {
    store(d, hn::Mul(load(d, p + i, count), hn::Sub(load(d, dp + i, count), m)), dp + i, count);
  });
}

template <class C>
double dot(const C* a, const C* b, int64 n) {
  const hn::ScalableTag<C> d;
  return sum_vectors(
      d, n, [&](int64 i, int64 count) { return hn::Mul(load(d, a + i, count), load(d, b + i, count)); });
}

/// The matrices of one query head and its key head.
template <class C>
struct Heads {
  Matrix<const C> q, k, v, y, dy;
  Matrix<C> dq, dk, dv;
  const double* log_sums;
};

/// Adds one block of queries to dk and dv, and writes its dq. first: dk and dv are not yet begun.
template <class C>
void attend_backward(const Attention& a, Block at, const Heads<C>& h, bool first, C* room) {
  const Matrix<const C> q = h.q.from_row(at.query), dy = h.dy.from_row(at.query), y = h.y.from_row(at.query);
  const Matrix<C> dq = h.dq.from_row(at.query);
  C means[query_block];
  for (int64 row = 0; row < at.rows; ++row)
    means[row] = C(dot(dy.data + row * dy.stride, y.data + row * y.stride, a.value_size));
  const int64 seen = keys_seen(a, at.query, at.rows);
  for (at.key = 0; at.key < seen; at.key += key_block) {
    at.columns = std::min(key_block, seen - at.key);
    const Matrix<C> p{room, at.columns}, ds{room + at.rows * at.columns, at.columns};
    score(a, at, q, h.k.from_row(at.key), p);
    for (int64 row = 0; row < at.rows; ++row) {
      C* const line = room + row * at.columns;
      const int64 n = visible(a, at, row);
      probabilities(line, n, h.log_sums[at.query + row]);
      std::fill(line + n, line + at.columns, C(0));
    }
    product(true, false, at.columns, a.value_size, at.rows, 1, p, dy, first ? 0 : 1, h.dv.from_row(at.key));
    product(false, true, at.rows, at.columns, a.value_size, 1, dy, h.v.from_row(at.key), 0, ds);
    for (int64 row = 0; row < at.rows; ++row) {
      C* const line = ds.data + row * at.columns;
      const int64 n = visible(a, at, row);
      softmax_gradient(p.data + row * at.columns, line, n, means[row]);
      std::fill(line + n, line + at.columns, C(0));
    }
    product(false, false, at.rows, a.size, at.columns, a.scale, ds, h.k.from_row(at.key), at.key ? 1 : 0, dq);
    product(true, false, at.columns, a.size, at.rows, a.scale, ds, q, first ? 0 : 1, h.dk.from_row(at.key));
  }
  if (!first) return;
  for (int64 key = seen; key < a.keys; ++key) {  // not seen by the first queries, but maybe by later ones
    std::fill_n(h.dk.data + key * h.dk.stride, a.size, C(0));
    std::fill_n(h.dv.data + key * h.dv.stride, a.value_size, C(0));
  }
}

/// A key head is one task, with all query heads that look at it: so no sum is shared by two threads.
template <class C>
void backward(const Attention& a, const C* q, const C* k, const C* v, const C* y, const double* log_sums,
              const C* dy, C* dq, C* dk, C* dv) {
  const int64 group = a.heads / a.key_heads;
  parallel_for(a.batch * a.key_heads, 1, [&](int64 begin, int64 end) {
    Scratch<C> room(std::size_t(2 * std::min(query_block, a.queries) * std::min(key_block, a.keys)));
    for (int64 task = begin; task < end; ++task) {
      const int64 batch = task / a.key_heads, key_head = task % a.key_heads;
      for (int64 head = key_head * group; head < (key_head + 1) * group; ++head) {
        const Heads<C> h{head_of(q, a.q, batch, head),
                         head_of(k, a.k, batch, key_head),
                         head_of(v, a.v, batch, key_head),
                         head_of(y, a.y, batch, head),
                         head_of(dy, a.y, batch, head),
                         head_of(dq, a.q, batch, head),
                         head_of(dk, a.k, batch, key_head),
                         head_of(dv, a.v, batch, key_head),
                         log_sums + (batch * a.heads + head) * a.queries};
        const int64 height = block_queries(a);
        for (int64 query = 0; query < a.queries; query += height) {
          const Block at{batch, head, query, std::min(height, a.queries - query), 0, 0};
          attend_backward(a, at, h, head == key_head * group && query == 0, room.data());
        }
      }
    }
  });
}

/// A 16-bit operand as dense float32, and back.
template <class T>
struct WideOperand {
  int64 batch, heads, rows, columns;
  HeadStrides strides;

  HeadStrides dense() const { return {heads * rows * columns, rows * columns, columns}; }
  std::size_t count() const { return std::size_t(batch * heads * rows * columns); }
  template <class F>
  void for_each_row(F&& f) const {
    parallel_for(batch * heads * rows, std::max<int64>(1, (1 << 14) / std::max<int64>(columns, 1)),
                 [&](int64 begin, int64 end) {
                   for (int64 i = begin; i < end; ++i) {
                     const int64 row = i % rows, head = i / rows % heads, image = i / rows / heads;
                     f(image * strides.batch + head * strides.head + row * strides.row, i * columns);
                   }
                 });
  }
  void load(const T* from, float* to) const {
    for_each_row([&](int64 there, int64 here) { widen_row(from + there, columns, to + here); });
  }
  void store(const float* from, T* to) const {
    for_each_row([&](int64 there, int64 here) { narrow_row(from + here, columns, to + there); });
  }
};

/// The operands of a 16-bit attention, and the attention of their float32 copies.
template <class T>
struct WideAttention {
  WideOperand<T> q, k, v, y;
  Attention wide;
  explicit WideAttention(const Attention& a)
      : q{a.batch, a.heads, a.queries, a.size, a.q},
        k{a.batch, a.key_heads, a.keys, a.size, a.k},
        v{a.batch, a.key_heads, a.keys, a.value_size, a.v},
        y{a.batch, a.heads, a.queries, a.value_size, a.y},
        wide(a) {
    wide.dtype = DType::float32;
    wide.q = q.dense(), wide.k = k.dense(), wide.v = v.dense(), wide.y = y.dense();
  }
};

template <class T>
void forward_wide(const Attention& a, const T* q, const T* k, const T* v, T* y, double* log_sums) {
  const WideAttention<T> w(a);
  Scratch<float> q32(w.q.count()), k32(w.k.count()), v32(w.v.count()), y32(w.y.count());
  w.q.load(q, q32.data()), w.k.load(k, k32.data()), w.v.load(v, v32.data());
  forward<float>(w.wide, q32.data(), k32.data(), v32.data(), y32.data(), log_sums);
  w.y.store(y32.data(), y);
}

template <class T>
void backward_wide(const Attention& a, const T* q, const T* k, const T* v, const T* y, const double* log_sums,
                   const T* dy, T* dq, T* dk, T* dv) {
  const WideAttention<T> w(a);
  Scratch<float> q32(w.q.count()), k32(w.k.count()), v32(w.v.count()), y32(w.y.count()), dy32(w.y.count());
  Scratch<float> dq32(w.q.count()), dk32(w.k.count()), dv32(w.v.count());
  w.q.load(q, q32.data()), w.k.load(k, k32.data()), w.v.load(v, v32.data());
  w.y.load(y, y32.data()), w.y.load(dy, dy32.data());
  backward<float>(w.wide, q32.data(), k32.data(), v32.data(), y32.data(), log_sums, dy32.data(), dq32.data(),
                  dk32.data(), dv32.data());
  w.q.store(dq32.data(), dq), w.k.store(dk32.data(), dk), w.v.store(dv32.data(), dv);
}

void run_attention(const Attention& a, const void* q, const void* k, const void* v, void* y,
                   double* log_sums) {
  visit_floating(a.dtype, [&]<class T>(T) {
    const auto *tq = static_cast<const T*>(q), *tk = static_cast<const T*>(k), *tv = static_cast<const T*>(v);
    if constexpr (is_16_bit<T>) forward_wide(a, tq, tk, tv, static_cast<T*>(y), log_sums);
    else forward(a, tq, tk, tv, static_cast<T*>(y), log_sums);
  });
}

void run_attention_backward(const Attention& a, const void* q, const void* k, const void* v, const void* y,
                            const double* log_sums, const void* dy, void* dq, void* dk, void* dv) {
  visit_floating(a.dtype, [&]<class T>(T) {
    const auto *tq = static_cast<const T*>(q), *tk = static_cast<const T*>(k), *tv = static_cast<const T*>(v);
    const auto *ty = static_cast<const T*>(y), *tdy = static_cast<const T*>(dy);
    auto *tdq = static_cast<T*>(dq), *tdk = static_cast<T*>(dk), *tdv = static_cast<T*>(dv);
    if constexpr (is_16_bit<T>) backward_wide(a, tq, tk, tv, ty, log_sums, tdy, tdq, tdk, tdv);
    else backward(a, tq, tk, tv, ty, log_sums, tdy, tdq, tdk, tdv);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace taper::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace taper::cpu {

HWY_EXPORT(run_attention);
HWY_EXPORT(run_attention_backward);

namespace {

void check_attention(const Attention& a, const char* op) {
  check<DTypeError>(is_floating_point(a.dtype), op, ": got ", a.dtype, ", expected a floating type");
  check<DTypeError>(!a.mask || a.mask_dtype == DType::boolean || is_floating_point(a.mask_dtype), op,
                    ": got a mask of ", a.mask_dtype, ", expected bool or a floating type");
  check<ShapeError>(a.key_heads > 0 ? a.heads % a.key_heads == 0 : a.heads == 0, op, ": ", a.heads,
                    " query heads cannot share ", a.key_heads, " key heads evenly");
}

/// Sets an operand [batch, heads, rows, columns] to zero.
void clear(const Attention& a, std::int64_t heads, std::int64_t rows, std::int64_t columns,
           const HeadStrides& s, void* data) {
  const std::int64_t item = item_size(a.dtype);
  for (std::int64_t i = 0; i < a.batch * heads * rows; ++i) {
    const std::int64_t at = i / rows / heads * s.batch + i / rows % heads * s.head + i % rows * s.row;
    std::fill_n(static_cast<char*>(data) + at * item, columns * item, char(0));
  }
}

}  // namespace

void attention(const Attention& a, const void* q, const void* k, const void* v, void* y,
               double* log_sum_exp) {
  check_attention(a, "scaled_dot_product_attention");
  const std::int64_t rows = a.batch * a.heads * a.queries;
  if (a.keys == 0 || a.size == 0 || a.value_size == 0) {
    if (a.keys == 0) std::fill_n(log_sum_exp, rows, -std::numeric_limits<double>::infinity());
    check<ShapeError>(a.keys == 0 || rows == 0 || a.value_size == 0,
                      "scaled_dot_product_attention: queries and keys have no elements");
    return clear(a, a.heads, a.queries, a.value_size, a.y, y);
  }
  if (rows) HWY_DYNAMIC_DISPATCH(run_attention)(a, q, k, v, y, log_sum_exp);
}

void attention_backward(const Attention& a, const void* q, const void* k, const void* v, const void* y,
                        const double* log_sum_exp, const void* dy, void* dq, void* dk, void* dv) {
  check_attention(a, "scaled_dot_product_attention_backward");
  const std::int64_t rows = a.batch * a.heads * a.queries;
  if (rows && a.keys && a.size && a.value_size)
    return HWY_DYNAMIC_DISPATCH(run_attention_backward)(a, q, k, v, y, log_sum_exp, dy, dq, dk, dv);
  clear(a, a.heads, a.queries, a.size, a.q, dq);
  clear(a, a.key_heads, a.keys, a.size, a.k, dk);
  clear(a, a.key_heads, a.keys, a.value_size, a.v, dv);
}

}  // namespace taper::cpu
#endif
