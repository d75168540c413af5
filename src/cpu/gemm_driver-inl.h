// Cuts a matrix product into blocks for the threads, and has its own loops for vectors and for long sums.
#if defined(TAPER_CPU_GEMM_DRIVER_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TAPER_CPU_GEMM_DRIVER_INL_H_
#undef TAPER_CPU_GEMM_DRIVER_INL_H_
#else
#define TAPER_CPU_GEMM_DRIVER_INL_H_
#endif

#include <numeric>

#include "cpu/gemm_kernel-inl.h"

HWY_BEFORE_NAMESPACE();
namespace taper::cpu {
namespace HWY_NAMESPACE {
namespace product {

// ---- A few rows times a matrix, which is read once and where it lies: its size in memory is what costs.

/// sums[i] = the sum of the lanes of vectors[i].
template <int count, class D, class T = hn::TFromD<D>>
HWY_INLINE void add_lanes(D d, const hn::Vec<D>* vectors, T* sums) {
#if HWY_TARGET != HWY_SCALAR
  if constexpr (count == 4 &&
                sizeof(T) == 4) {  // together: their sums end up beside each other in each 128 bits
    const hn::RepartitionToWide<D> wide;
    const auto pair = [&](auto x, auto y)
                          HWY_ATTR { return hn::InterleaveLower(d, x, y) + hn::InterleaveUpper(d, x, y); };
    const auto first = hn::BitCast(wide, pair(vectors[0], vectors[1]));
    const auto second = hn::BitCast(wide, pair(vectors[2], vectors[3]));
    const auto four = hn::BitCast(d, hn::InterleaveLower(wide, first, second)) +
                      hn::BitCast(d, hn::InterleaveUpper(wide, first, second));
    HWY_ALIGN T lanes_of_four[hn::MaxLanes(d)];
    hn::Store(four, d, lanes_of_four);
    const hn::CappedTag<T, 4> quarter;
    auto sum = hn::Load(quarter, lanes_of_four);
    for (std::size_t lane = 4; lane < hn::MaxLanes(d); lane += 4)
      sum = sum + hn::Load(quarter, lanes_of_four + lane);
    return hn::StoreU(sum, quarter, sums);
  }
#endif
  for (int i = 0; i < count; ++i) {
    if constexpr (std::is_floating_point_v<T>) {
      sums[i] = hn::GetLane(hn::SumOfLanes(d, vectors[i]));
    } else {  // gcc's own AVX-512 sum of lanes adds them as signed numbers, which must not overflow
      HWY_ALIGN T numbers[hn::MaxLanes(d)];
      hn::Store(vectors[i], d, numbers);
      sums[i] = std::accumulate(numbers, numbers + hn::MaxLanes(d), T(0));
    }
  }
}

/// sums[i * columns + j] = the dot product of row i of x and row j of b.
template <int x_rows, int b_rows, class S, class T>
HWY_INLINE void multiply_dots(const T* HWY_RESTRICT x, std::int64_t ldx, const S* HWY_RESTRICT b,
                              std::int64_t ldb, std::int64_t count, T* sums, std::int64_t columns) {
  // So many sums hide the latency of an addition, and few are long.
  constexpr int ways = lanes<T> == 1 ? 8 : std::max(1, 8 / (x_rows * b_rows));
  const Tag<T> d;
  hn::Vec<Tag<T>> parts[x_rows][b_rows][ways];
  HWY_UNROLL(8)
  for (int i = 0; i < x_rows; ++i) {
    HWY_UNROLL(8)
    for (int j = 0; j < b_rows; ++j) {
      HWY_UNROLL(8)
      for (int w = 0; w < ways; ++w) parts[i][j][w] = hn::Zero(d);
    }
  }
  const auto add = [&](std::int64_t p, int w) HWY_ATTR {
    hn::Vec<Tag<T>> values[b_rows];
    HWY_UNROLL(8)
    for (int j = 0; j < b_rows; ++j) values[j] = load_as(d, b + j * ldb + p);
    HWY_UNROLL(8)
    for (int i = 0; i < x_rows; ++i) {
      const auto factor = hn::LoadU(d, x + i * ldx + p);
      HWY_UNROLL(8)
      for (int j = 0; j < b_rows; ++j) parts[i][j][w] = multiply_add(factor, values[j], parts[i][j][w]);
    }
  };
  std::int64_t p = 0;
  for (; p + ways * lanes<T> <= count; p += ways * lanes<T>) {
    HWY_UNROLL(8)
    for (int w = 0; w < ways; ++w) add(p + w * lanes<T>, w);
  }
  for (; p + lanes<T> <= count; p += lanes<T>) add(p, 0);
  for (int i = 0; i < x_rows; ++i) {
    hn::Vec<Tag<T>> totals[b_rows];
    for (int j = 0; j < b_rows; ++j) {
      for (int half = ways / 2; half > 0; half /= 2)
        for (int w = 0; w < half; ++w) parts[i][j][w] = parts[i][j][w] + parts[i][j][w + half];
      totals[j] = parts[i][j][0];
    }
    T* const target = sums + i * columns;
    add_lanes<b_rows>(d, totals, target);
    for (int j = 0; j < b_rows; ++j)
      for (std::int64_t q = p; q < count; ++q) target[j] += x[i * ldx + q] * widen<T>(b[j * ldb + q]);
  }
}

/// multiply_dots for `columns` rows of b.
template <int x_rows, class S, class T>
HWY_NOINLINE void multiply_rows_by_columns(const T* x, std::int64_t ldx, const S* b, std::int64_t ldb,
                                           std::int64_t count, std::int64_t columns, T* sums) {
  std::int64_t j = 0;
  for (; j + 4 <= columns; j += 4)
    multiply_dots<x_rows, 4>(x, ldx, b + j * ldb, ldb, count, sums + j, columns);
  for (; j < columns; ++j) multiply_dots<x_rows, 1>(x, ldx, b + j * ldb, ldb, count, sums + j, columns);
}

/// sums = x op(B) where op(B)'s columns are stored as rows. More rows of x than there are registers for their
/// sums take pieces of four columns at a time, which stay in the first-level cache.
template <class S, class T>
void multiply_stored_columns(std::int64_t rows, const T* x, std::int64_t ldx, const S* b, std::int64_t ldb,
                             std::int64_t count, std::int64_t columns, T* sums) {
  constexpr std::int64_t most = tile_rows / 2, group = 4;
  const std::int64_t strip = rows <= most ? columns : group;
  const std::int64_t piece = rows <= most ? count : 4096 / std::int64_t(sizeof(T));
  Scratch<T> part(most * strip);
  for (std::int64_t j = 0; j < columns; j += strip)
    for (std::int64_t p = 0; p < count; p += piece) {
      const std::int64_t width = std::min(strip, columns - j), depth = std::min(piece, count - p);
      std::int64_t i = 0;
      const auto run = [&](auto function, std::int64_t height) {
        function(x + i * ldx + p, ldx, b + j * ldb + p, ldb, depth, width, part.data());
        for (std::int64_t r = 0; r < height; ++r)
          for (std::int64_t k = 0; k < width; ++k) {
            T& sum = sums[(i + r) * columns + j + k];
            const T more = part.data()[r * width + k];
            sum = p ? sum + more : more;
          }
        i += height;
      };
      while (i + most <= rows) run(multiply_rows_by_columns<most, S, T>, most);
      while (i < rows) run(multiply_rows_by_columns<1, S, T>, 1);
    }
}

/// sums += x[0..rows) times as many rows of b.
template <int rows, class S, class T>
HWY_INLINE void add_rows(const T* x, const S* HWY_RESTRICT b, std::int64_t ldb, std::int64_t columns,
                         T* HWY_RESTRICT sums) {
  const Tag<T> d;
  hn::Vec<Tag<T>> factors[rows];
  HWY_UNROLL(8)
  for (int r = 0; r < rows; ++r) factors[r] = hn::Set(d, x[r]);
  std::int64_t j = 0;
  for (; j + lanes<T> <= columns; j += lanes<T>) {
    auto sum = hn::LoadU(d, sums + j);
    HWY_UNROLL(8)
    for (int r = 0; r < rows; ++r) sum = multiply_add(factors[r], load_as(d, b + r * ldb + j), sum);
    hn::StoreU(sum, d, sums + j);
  }
  for (; j < columns; ++j)
    for (int r = 0; r < rows; ++r) sums[j] += x[r] * widen<T>(b[r * ldb + j]);
}

constexpr std::int64_t few_rows = 8, few_rows_of_columns = 32;

/// sums = x B where B's rows are stored as rows, block_depth of them summed at once.
template <class S, class T>
void multiply_stored_rows(std::int64_t rows, const T* x, std::int64_t ldx, const S* b, std::int64_t ldb,
                          std::int64_t count, std::int64_t columns, T* sums) {
  constexpr std::int64_t room = 16384 / sizeof(T);  // half of the first-level cache
  const std::int64_t strip = std::min(room / few_rows * (few_rows / rows), columns);
  HWY_ALIGN T parts[room];
  std::fill_n(sums, rows * columns, T(0));
  for (std::int64_t j = 0; j < columns; j += strip) {
    const std::int64_t width = std::min(strip, columns - j);
    for (std::int64_t begin = 0; begin < count; begin += block_depth<T>) {
      const std::int64_t end = std::min(begin + block_depth<T>, count);
      std::fill_n(parts, rows * strip, T(0));
      std::int64_t p = begin;
      for (; p + 4 <= end; p += 4)
        for (std::int64_t i = 0; i < rows; ++i)
          add_rows<4>(x + i * ldx + p, b + p * ldb + j, ldb, width, parts + i * strip);
      for (; p < end; ++p)
        for (std::int64_t i = 0; i < rows; ++i)
          add_rows<1>(x + i * ldx + p, b + p * ldb + j, ldb, width, parts + i * strip);
      for (std::int64_t i = 0; i < rows; ++i)
        for (std::int64_t e = 0; e < width; ++e) sums[i * columns + j + e] += parts[i * strip + e];
    }
  }
}

/// Whether the product has so few rows that copying B would cost more than multiplying by it.
template <class S, class T>
bool has_few_rows(const Product<S, T>& x) {
  if (x.trans_b) return x.m == 1 || (x.m <= few_rows_of_columns && x.k >= 128);
  if (x.m > few_rows) return false;
  return x.k * x.n >= 1 << (x.m == 1 ? 14 : 18);
}

/// compute_block for few rows; the block has all of them.
template <class S, class T>
void compute_few_rows(const Product<S, T>& x, const Block& block, const Output<T>& out) {
  const std::int64_t count = block.depth(), columns = block.columns(), p = block.p_begin;
  const bool in_place = std::is_same_v<S, T> && !x.trans_a;
  Scratch<T> buffer(x.m * (columns + (in_place ? 0 : count)));
  T *const sums = buffer.data(), *const copy = buffer.data() + x.m * columns;
  const T* rows = copy;
  std::int64_t ldx = count;
  if constexpr (std::is_same_v<S, T>)
    if (in_place) rows = x.a + p, ldx = x.lda;
  for (std::int64_t i = 0; i < (in_place ? 0 : x.m); ++i)
    for (std::int64_t q = 0; q < count; ++q)
      copy[i * count + q] = widen<T>(x.trans_a ? x.a[(p + q) * x.lda + i] : x.a[i * x.lda + p + q]);
  if (x.trans_b)
    multiply_stored_columns(x.m, rows, ldx, x.b + block.j_begin * x.ldb + p, x.ldb, count, columns, sums);
  else multiply_stored_rows(x.m, rows, ldx, x.b + p * x.ldb + block.j_begin, x.ldb, count, columns, sums);
  for (std::int64_t i = 0; i < x.m; ++i)
    for (std::int64_t j = 0; j < columns; ++j) {
      T& c = out.c[i * out.ldc + j];
      const T value = out.alpha * sums[i * columns + j] + (out.bias ? out.bias[j] : T(0));
      c = out.beta == T(0) ? value : value + out.beta * c;
    }
}

template <class S, class T>
void compute(const Product<S, T>& x, const Block& block, const Output<T>& out) {
  if (has_few_rows(x)) compute_few_rows(x, block, out);
  else compute_block(x, block, out);
}

// ---- Blocks for the threads.

/// How C is cut: blocks of rows x columns.
struct Grid {
  std::int64_t m, n, rows, columns;
  std::int64_t down() const { return (m + rows - 1) / rows; }
  std::int64_t across() const { return (n + columns - 1) / columns; }
  std::int64_t count() const { return down() * across(); }
  Block block(std::int64_t index, std::int64_t k) const {
    const std::int64_t i = index % down() * rows, j = index / down() * columns;
    return {i, std::min(i + rows, m), j, std::min(j + columns, n), 0, k};
  }
};

/// About `tasks` blocks. Columns are cut first: cutting rows means that B is packed once for each cut.
template <class T>
Grid cut(std::int64_t m, std::int64_t n, std::int64_t tasks) {
  const std::int64_t most_down = m <= few_rows ? 1 : divide_up(m, 16 * tile_rows);
  const std::int64_t wanted = std::max(divide_up(tasks, most_down), divide_up(n, block_columns<T>));
  // Whole tiles, and whole groups of the four columns that multiply_rows_by_columns takes at once.
  constexpr std::int64_t grain = tile_columns<T> % 4 == 0 ? tile_columns<T> : 4 * tile_columns<T>;
  Grid grid{m, n, m, round_up(divide_up(n, wanted), grain)};
  const std::int64_t down = std::clamp<std::int64_t>(divide_up(tasks, grid.across()), 1, most_down);
  grid.rows = m <= few_rows ? m : round_up(divide_up(m, down), tile_rows);
  return grid;
}

/// Tasks should last 5 microseconds or more: 2^18 multiplications, or 2^15 numbers of B from memory.
template <class S, class T>
std::int64_t task_count(const Product<S, T>& x) {
  const double multiplications = x.multiplications();
  if (multiplications < 1 << 17) return 1;
  const double least = has_few_rows(x) ? double(std::min<std::int64_t>(x.m, 8) << 15) : 1 << 18;
  return std::int64_t(std::min(multiplications / least, 4.0 * num_threads()));
}

template <class S, class T>
Output<T> output_of(const Product<S, T>& x, const Block& block) {
  return Output<T>{x.c, x.ldc, x.alpha, x.beta, x.bias, 0}.at(block.i_begin, block.j_begin);
}

// ---- float32 sums longer than long_sum: sums of long_sum in float32, their sums in float64.

constexpr std::int64_t long_sum = 4096;

/// total += the block's product over its range of k, in pieces.
template <class S>
void add_pieces(const Product<S, float>& x, const Block& block, double* total) {
  const std::int64_t count = block.rows() * block.columns();
  Scratch<float> piece(count);
  for (std::int64_t p = block.p_begin; p < block.p_end; p += long_sum) {
    Block part = block;
    part.p_begin = p;
    part.p_end = std::min(p + long_sum, block.p_end);
    compute(x, part, Output<float>{piece.data(), block.columns(), 1, 0, nullptr, 0});
    for (std::int64_t e = 0; e < count; ++e) total[e] += double(piece.data()[e]);
  }
}

/// c = alpha total + beta c + bias.
inline void finish(const double* total, std::int64_t rows, std::int64_t columns, const Output<float>& out) {
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j) {
      float& c = out.c[i * out.ldc + j];
      const double value =
          double(out.alpha) * total[i * columns + j] + (out.bias ? double(out.bias[j]) : 0.0);
      c = float(out.beta == 0 ? value : value + double(out.beta) * double(c));
    }
}

/// A small C: the threads take ranges of k, always the same ones, whose totals are added in order.
template <class S>
void multiply_long_and_small(const Product<S, float>& x) {
  const std::int64_t count = x.m * x.n, pieces = divide_up(x.k, long_sum);
  const std::int64_t ranges = std::clamp<std::int64_t>(pieces / 4, 1, 32);
  const std::int64_t range = divide_up(pieces, ranges) * long_sum;
  Scratch<double> totals(count * ranges);
  std::fill_n(totals.data(), count * ranges, 0.0);
  parallel_for(divide_up(x.k, range), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r)
      add_pieces(x, Block{0, x.m, 0, x.n, r * range, std::min((r + 1) * range, x.k)},
                 totals.data() + r * count);
  });
  for (std::int64_t r = 1; r < ranges; ++r)
    for (std::int64_t e = 0; e < count; ++e) totals.data()[e] += totals.data()[r * count + e];
  finish(totals.data(), x.m, x.n, Output<float>{x.c, x.ldc, x.alpha, x.beta, x.bias, 0});
}

template <class S>
void multiply_long(const Product<S, float>& x) {
  if (x.m * x.n <= 1 << 13 && x.k > 8 * long_sum) return multiply_long_and_small(x);
  Grid grid = cut<float>(x.m, x.n, 4 * num_threads());
  grid.rows = std::min<std::int64_t>(grid.rows, 128);
  grid.columns = std::min(grid.columns, block_columns<float>);
  parallel_for(grid.count(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t index = begin; index < end; ++index) {
      const Block block = grid.block(index, x.k);
      Scratch<double> total(block.rows() * block.columns());
      std::fill_n(total.data(), block.rows() * block.columns(), 0.0);
      add_pieces(x, block, total.data());
      finish(total.data(), block.rows(), block.columns(), output_of(x, block));
    }
  });
}

/// The product, m >= 1 rows and n >= 1 columns, where one column has become one row.
template <class S, class T>
void multiply_rows(const Product<S, T>& x) {
  if constexpr (std::is_same_v<T, float>)
    if (x.k > long_sum) return multiply_long(x);
  const std::int64_t tasks = task_count(x);
  if (tasks < 2 || num_threads() == 1) {
    const Block whole{0, x.m, 0, x.n, 0, x.k};
    return compute(x, whole, output_of(x, whole));
  }
  const Grid grid = cut<T>(x.m, x.n, tasks);
  parallel_for(grid.count(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t index = begin; index < end; ++index) {
      const Block block = grid.block(index, x.k);
      compute(x, block, output_of(x, block));
    }
  });
}

/// One column: op(B)^T op(A)^T is one row.
template <class S, class T>
void multiply_column(const Product<S, T>& x) {
  Scratch<T> sums(x.m);
  Product<S, T> row{!x.trans_b, !x.trans_a, 1,    x.m,  x.k,     x.b,         x.ldb,
                    x.a,        x.lda,      T(1), T(0), nullptr, sums.data(), x.m};
  if (!row.trans_b && row.ldb == 1 && row.n == 1) row.trans_b = true, row.ldb = row.k;
  multiply_rows(row);
  for (std::int64_t i = 0; i < x.m; ++i) {
    T& c = x.c[i * x.ldc];
    const T value = x.alpha * sums.data()[i] + (x.bias ? x.bias[0] : T(0));
    c = x.beta == T(0) ? value : value + x.beta * c;
  }
}

template <class S, class T>
void multiply_any(const Product<S, T>& x) {
  if (x.n == 1) multiply_column(x);
  else multiply_rows(x);
}

}  // namespace product
}  // namespace HWY_NAMESPACE
}  // namespace taper::cpu
HWY_AFTER_NAMESPACE();

#endif
