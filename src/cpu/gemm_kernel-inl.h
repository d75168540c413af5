// The matrix product kernel, compiled once for each instruction set by the files that include it.
#if defined(TAPER_CPU_GEMM_KERNEL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TAPER_CPU_GEMM_KERNEL_INL_H_
#undef TAPER_CPU_GEMM_KERNEL_INL_H_
#else
#define TAPER_CPU_GEMM_KERNEL_INL_H_
#endif

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "cpu/gemm_product.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"

HWY_BEFORE_NAMESPACE();
namespace taper::cpu {
namespace HWY_NAMESPACE {
namespace product {
namespace hn = hwy::HWY_NAMESPACE;

template <class T>
using Tag = hn::ScalableTag<T>;

template <class T>
constexpr std::int64_t lanes = std::int64_t(hn::MaxLanes(Tag<T>()));

// The register tile: rows x vectors sums, beside the vectors of one row of B and one element of A. AVX-512
// has 32 registers, the others 16.
constexpr int tile_rows = HWY_TARGET <= HWY_AVX3 ? 8 : 4;
constexpr int tile_vectors = 3;
template <class T>
constexpr std::int64_t tile_columns = tile_vectors* lanes<T>;

// A panel of B, depth x tile_columns, stays in the first-level cache while a block of A, block_rows x depth,
// comes from the second: Goto, van de Geijn 2008.
template <class T>
constexpr std::int64_t block_depth = std::min<std::int64_t>(512, (28 << 10) / (tile_columns<T> *
                                                                               std::int64_t(sizeof(T))));
template <class T>
constexpr std::int64_t block_columns = 6144 / std::int64_t(sizeof(T));
constexpr std::int64_t block_rows = 128;

/// Where sums go: c = alpha sum + beta c + bias, for so many columns.
template <class T>
struct Output {
  T* c;
  std::int64_t ldc;
  T alpha, beta;
  const T* bias;  // or null
  std::int64_t columns;

  /// Where the sums of row i, column j and those after them go.
  Output at(std::int64_t i, std::int64_t j) const {
    Output rest = *this;
    rest.c += i * ldc + j;
    if (bias) rest.bias += j;
    return rest;
  }
};

template <class V>
HWY_INLINE V multiply_add(V x, V y, V sum) {
  using T = hn::TFromV<V>;
  if constexpr (std::is_floating_point_v<T>) return hn::MulAdd(x, y, sum);
  else return x * y + sum;
}

#if HWY_MEM_OPS_MIGHT_FAULT
/// The tile's columns where C has fewer than the tile, without reading beyond them.
template <class T>
HWY_NOINLINE void store_edge(const T* sums, std::int64_t rows, std::int64_t width, const Output<T>& out) {
  const hn::CappedTag<T, 1> d;
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < out.columns; ++j) {
      T& c = out.c[i * out.ldc + j];
      auto value = hn::Set(d, sums[i * width + j] * out.alpha);
      if (out.beta != T(0)) value = multiply_add(hn::Set(d, out.beta), hn::Set(d, c), value);
      c = hn::GetLane(value) + (out.bias ? out.bias[j] : T(0));
    }
}

template <class D, int rows, int vectors, class T = hn::TFromD<D>>
HWY_NOINLINE void store_edge(D d, const hn::Vec<D> (&sums)[rows][vectors], const Output<T>& out) {
  HWY_ALIGN T edge[rows * vectors * hn::MaxLanes(d)];
  for (int i = 0; i < rows; ++i)
    for (int v = 0; v < vectors; ++v) hn::Store(sums[i][v], d, edge + (i * vectors + v) * hn::MaxLanes(d));
  store_edge(edge, rows, vectors * hn::MaxLanes(d), out);
}
#else
/// The tile's columns where C has fewer than the tile.
template <class D, int rows, int vectors, class T = hn::TFromD<D>>
HWY_INLINE void store_edge(D d, const hn::Vec<D> (&sums)[rows][vectors], const Output<T>& out) {
  const auto alpha = hn::Set(d, out.alpha), beta = hn::Set(d, out.beta);
  HWY_UNROLL(8)
  for (int v = 0; v < vectors; ++v) {
    const std::int64_t begin = v * std::int64_t(hn::MaxLanes(d));
    const auto mask = hn::FirstN(d, std::size_t(std::max<std::int64_t>(0, out.columns - begin)));
    const auto bias = out.bias ? hn::MaskedLoad(mask, d, out.bias + begin) : hn::Zero(d);
    HWY_UNROLL(8)
    for (int i = 0; i < rows; ++i) {
      T* const c = out.c + i * out.ldc + begin;
      auto value = sums[i][v] * alpha;
      if (out.beta != T(0)) value = multiply_add(beta, hn::MaskedLoad(mask, d, c), value);
      if (out.bias) value = value + bias;
      hn::BlendedStore(value, mask, d, c);
    }
  }
}
#endif

template <class D, int rows, int vectors, class T = hn::TFromD<D>>
HWY_INLINE void store_tile(D d, const hn::Vec<D> (&sums)[rows][vectors], const Output<T>& out) {
  const std::int64_t width = hn::MaxLanes(d);
  if (out.columns < vectors * width) return store_edge<D, rows, vectors>(d, sums, out);
  const auto alpha = hn::Set(d, out.alpha), beta = hn::Set(d, out.beta);
  HWY_UNROLL(8)
  for (int i = 0; i < rows; ++i) {
    HWY_UNROLL(8)
    for (int v = 0; v < vectors; ++v) {
      T* const c = out.c + i * out.ldc + v * width;
      auto value = sums[i][v] * alpha;
      if (out.beta != T(0)) value = multiply_add(beta, hn::LoadU(d, c), value);
      if (out.bias) value = value + hn::LoadU(d, out.bias + v * width);
      hn::StoreU(value, d, c);
    }
  }
}

/// Asks for the lines of C that a tile will write: tiles go down C, which no processor foresees.
template <class T>
HWY_INLINE void prefetch_output(const Output<T>& out, std::int64_t rows) {
  constexpr std::int64_t line = 64 / sizeof(T);
  for (std::int64_t i = 0; i < rows; ++i) {
    const T* const c = out.c + i * out.ldc;
    for (std::int64_t j = 0; j < out.columns; j += line) hwy::Prefetch(c + j);
    hwy::Prefetch(c + out.columns - 1);
  }
}

/// One register tile: element (i, p) of A is a[i * row + p * step], row p of B starts at b + p * ldb.
template <class T, int rows, int vectors>
HWY_NOINLINE void compute_tile(std::int64_t depth, const T* HWY_RESTRICT a, std::int64_t row,
                               std::int64_t step, const T* HWY_RESTRICT b, std::int64_t ldb,
                               const Output<T>& out) {
  const Tag<T> d;
  prefetch_output(out, rows);
  hn::Vec<Tag<T>> sums[rows][vectors];
  HWY_UNROLL(8)
  for (int i = 0; i < rows; ++i) {
    HWY_UNROLL(8)
    for (int v = 0; v < vectors; ++v) sums[i][v] = hn::Zero(d);
  }
  for (std::int64_t p = 0; p < depth; ++p, a += step, b += ldb) {
    hn::Vec<Tag<T>> values[vectors];
    HWY_UNROLL(8)
    for (int v = 0; v < vectors; ++v) values[v] = hn::LoadU(d, b + v * lanes<T>);
    HWY_UNROLL(8)
    for (int i = 0; i < rows; ++i) {
      const auto x = hn::Set(d, a[i * row]);
      HWY_UNROLL(8)
      for (int v = 0; v < vectors; ++v) sums[i][v] = multiply_add(x, values[v], sums[i][v]);
    }
  }
  store_tile<Tag<T>, rows, vectors>(d, sums, out);
}

template <class T>
using TileFunction = void (*)(std::int64_t, const T*, std::int64_t, std::int64_t, const T*, std::int64_t,
                              const Output<T>&);

/// compute_tile for 1 to tile_rows rows and 1 to tile_vectors vectors.
template <class T>
TileFunction<T> tile_function(std::int64_t rows, std::int64_t vectors) {
#define TAPER_TILES(rows) \
  { compute_tile<T, rows, 1>, compute_tile<T, rows, 2>, compute_tile<T, rows, 3> }
  static constexpr TileFunction<T> table[tile_rows][tile_vectors] = {
    TAPER_TILES(1),
    TAPER_TILES(2),
    TAPER_TILES(3),
    TAPER_TILES(4),
#if HWY_TARGET <= HWY_AVX3
    TAPER_TILES(5),
    TAPER_TILES(6),
    TAPER_TILES(7),
    TAPER_TILES(8),
#endif
  };
#undef TAPER_TILES
  return table[rows - 1][vectors - 1];
}

// Elsewhere Highway's conversions of float16 leave out special values.
constexpr bool native_half = HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2;

// ---- Reading operands: widened from S to T, and laid out as the tiles want them.

/// lanes of D's T, read from S.
template <class D, class S>
HWY_INLINE hn::Vec<D> load_as(D d, const S* source) {
  using T = hn::TFromD<D>;
  if constexpr (std::is_same_v<S, T>) {
    return hn::LoadU(d, source);
  } else if constexpr ((std::is_same_v<S, Half> && native_half) || std::is_same_v<S, BFloat16>) {
    using Narrow = std::conditional_t<std::is_same_v<S, Half>, hwy::float16_t, hwy::bfloat16_t>;
    const hn::Rebind<Narrow, D> narrow;
    return hn::PromoteTo(d, hn::LoadU(narrow, reinterpret_cast<const Narrow*>(source)));
  } else {
    HWY_ALIGN T widened[HWY_MAX_BYTES / sizeof(T)];
    for (std::size_t i = 0; i < hn::MaxLanes(d); ++i) widened[i] = T(source[i]);
    return hn::Load(d, widened);
  }
}

template <class T, class S>
HWY_INLINE T widen(S value) {
  if constexpr (std::is_same_v<T, float>) return float(value);
  else return T(value);
}

template <class S, class T>
void copy_row(const S* source, std::int64_t count, T* target) {
  const Tag<T> d;
  std::int64_t j = 0;
  for (; j + lanes<T> <= count; j += lanes<T>) hn::StoreU(load_as(d, source + j), d, target + j);
  for (; j < count; ++j) target[j] = widen<T>(source[j]);
}

/// Four rows (two of 64-bit numbers), `count` of whole blocks of as many, become columns: target[p * ld + i].
template <class T>
HWY_INLINE void transpose_rows(const T* const* rows, std::int64_t count, T* target, std::int64_t ld) {
#if HWY_TARGET == HWY_SCALAR
  for (std::int64_t p = 0; p < count; ++p)
    for (std::size_t i = 0; i < 16 / sizeof(T); ++i) target[p * ld + std::int64_t(i)] = rows[i][p];
#else
  if constexpr (sizeof(T) == 4) {
    const hn::CappedTag<T, 4> d;
    const hn::RepartitionToWide<decltype(d)> wide;
    for (std::int64_t p = 0; p < count; p += 4) {
      const auto x0 = hn::LoadU(d, rows[0] + p), x1 = hn::LoadU(d, rows[1] + p);
      const auto x2 = hn::LoadU(d, rows[2] + p), x3 = hn::LoadU(d, rows[3] + p);
      const auto low01 = hn::BitCast(wide, hn::InterleaveLower(d, x0, x1));
      const auto low23 = hn::BitCast(wide, hn::InterleaveLower(d, x2, x3));
      const auto high01 = hn::BitCast(wide, hn::InterleaveUpper(d, x0, x1));
      const auto high23 = hn::BitCast(wide, hn::InterleaveUpper(d, x2, x3));
      hn::StoreU(hn::BitCast(d, hn::InterleaveLower(wide, low01, low23)), d, target + p * ld);
      hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(wide, low01, low23)), d, target + (p + 1) * ld);
      hn::StoreU(hn::BitCast(d, hn::InterleaveLower(wide, high01, high23)), d, target + (p + 2) * ld);
      hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(wide, high01, high23)), d, target + (p + 3) * ld);
    }
  } else {
    const hn::CappedTag<T, 2> d;
    for (std::int64_t p = 0; p < count; p += 2) {
      const auto x0 = hn::LoadU(d, rows[0] + p), x1 = hn::LoadU(d, rows[1] + p);
      hn::StoreU(hn::InterleaveLower(d, x0, x1), d, target + p * ld);
      hn::StoreU(hn::InterleaveUpper(d, x0, x1), d, target + (p + 1) * ld);
    }
  }
#endif
}

/// target[p * ld + j] = source[j * lds + p] for p < depth, j < columns.
template <class S, class T>
void pack_transposed(const S* source, std::int64_t lds, std::int64_t depth, std::int64_t columns, T* target,
                     std::int64_t ld) {
  constexpr std::int64_t group = 16 / sizeof(T), strip = 64;
  HWY_ALIGN T widened[group][strip];
  for (std::int64_t p = 0; p < depth; p += strip) {
    const std::int64_t count = std::min(strip, depth - p), whole = count / group * group;
    std::int64_t j = 0;
    for (; j + group <= columns; j += group) {
      const T* rows[group];
      for (std::int64_t i = 0; i < group; ++i) {
        const S* const row = source + (j + i) * lds + p;
        if constexpr (std::is_same_v<S, T>) rows[i] = row;
        else copy_row(row, count, widened[i]), rows[i] = widened[i];
      }
      transpose_rows(rows, whole, target + p * ld + j, ld);
      for (std::int64_t q = whole; q < count; ++q)
        for (std::int64_t i = 0; i < group; ++i) target[(p + q) * ld + j + i] = rows[i][q];
    }
    for (; j < columns; ++j)
      for (std::int64_t q = 0; q < count; ++q) target[(p + q) * ld + j] = widen<T>(source[j * lds + p + q]);
  }
}

/// A part of an operand: where it begins and how far apart its rows and its steps along k are.
template <class T>
struct Strip {
  const T* data;
  std::int64_t row, step;
};

// Rows of A that are copied get this much between them, so that they don't share the cache's sets.
template <class T>
constexpr std::int64_t row_gap = 64 / sizeof(T);

// ---- The loops around the tile.

/// A rectangle of C and a range of k.
struct Block {
  std::int64_t i_begin, i_end, j_begin, j_end, p_begin, p_end;
  std::int64_t rows() const { return i_end - i_begin; }
  std::int64_t columns() const { return j_end - j_begin; }
  std::int64_t depth() const { return p_end - p_begin; }
};

constexpr std::int64_t divide_up(std::int64_t x, std::int64_t y) { return (x + y - 1) / y; }
constexpr std::int64_t round_up(std::int64_t x, std::int64_t y) { return divide_up(x, y) * y; }

/// Copies the slab's rows of A for tiles of tile_rows: element (i, p) goes to target[i * ld + p], or, if A is
/// transposed, to target[i / tile_rows * tile_rows * ld + p * tile_rows + i % tile_rows].
template <class S, class T>
void pack_rows(const Product<S, T>& x, const Block& slab, T* target, std::int64_t ld) {
  const std::int64_t rows = slab.rows(), whole = rows / tile_rows * tile_rows;
  if (!x.trans_a) {
    for (std::int64_t i = 0; i < rows; ++i)
      copy_row(x.a + (slab.i_begin + i) * x.lda + slab.p_begin, slab.depth(), target + i * ld);
    return;
  }
  // Whole cache lines are read, of few enough tiles that those being written stay in the first-level cache.
  constexpr std::int64_t strip = 16 * tile_rows;
  const hn::CappedTag<T, tile_rows> d;
  constexpr int step = int(hn::MaxLanes(d));
  for (std::int64_t begin = 0; begin < rows; begin += strip)
    for (std::int64_t q = 0; q < slab.depth(); ++q) {
      const S* const source = x.a + (slab.p_begin + q) * x.lda + slab.i_begin;
      T* const column = target + q * tile_rows;
      for (std::int64_t i = begin; i < std::min(begin + strip, whole); i += tile_rows)
        for (int r = 0; r < tile_rows; r += step)
          hn::StoreU(load_as(d, source + i + r), d, column + i * ld + r);
      for (std::int64_t i = whole; i < std::min(begin + strip, rows); ++i)
        column[whole * ld + i - whole] = widen<T>(source[i]);
    }
}

/// Whether tiles read A where it lies; copying it pays if it is read often and its rows are scattered.
template <class S, class T>
bool reads_a_in_place(const Product<S, T>& x, const Block& block) {
  if (!std::is_same_v<S, T>) return false;
  const std::int64_t span = (x.trans_a ? block.depth() : block.rows()) * x.lda * std::int64_t(sizeof(T));
  return block.columns() <= tile_columns<T> || span <= (1 << 15) || (!x.trans_a && block.columns() < 1024);
}

/// Whether tiles read whole vectors of B where it lies; copying pays if many rows use it and it is scattered.
template <class S, class T>
bool reads_b_in_place(const Product<S, T>& x, const Block& block) {
  if (!std::is_same_v<S, T> || x.trans_b) return false;
  const std::int64_t span = block.depth() * x.ldb * std::int64_t(sizeof(T));
  return block.rows() <= 2 * tile_rows || span <= (block.rows() <= 8 * tile_rows ? 1 << 18 : 1 << 16);
}

/// Columns of the panel where `left` are left: rather two panels of two vectors than one of three and one of
/// one, whose few sums would wait for each other.
template <class T>
constexpr std::int64_t panel_columns(std::int64_t left) {
  const bool split = left > tile_columns<T> && left <= tile_columns<T> + lanes<T>;
  return split ? tile_columns<T> - lanes<T> : std::min(left, tile_columns<T>);
}

/// Copies columns of B as tiles read them: panels of depth x panel_columns, one after another, the last
/// padded with zeros to whole vectors. Rows are read from end to end, as memory likes it.
template <class S, class T>
void pack_panels(const Product<S, T>& x, const Block& slab, std::int64_t j_begin, T* target) {
  const Tag<T> d;
  const std::int64_t depth = slab.depth(), columns = slab.j_end - j_begin;
  const std::int64_t padded = round_up(columns, lanes<T>);
  if (columns < padded) {
    std::int64_t last = 0;
    while (last + panel_columns<T>(columns - last) < columns) last += panel_columns<T>(columns - last);
    for (std::int64_t q = 1; q <= depth; ++q)
      hn::StoreU(hn::Zero(d), d, target + last * depth + q * (padded - last) - lanes<T>);
  }
  const S* const source =
      x.trans_b ? x.b + j_begin * x.ldb + slab.p_begin : x.b + slab.p_begin * x.ldb + j_begin;
  for (std::int64_t q = 0; q < (x.trans_b ? 1 : depth); ++q)
    for (std::int64_t j = 0, width; j < columns; j += width) {
      width = panel_columns<T>(columns - j);
      const std::int64_t ld = round_up(width, lanes<T>);
      T* const row = target + j * depth + q * ld;
      if (x.trans_b) {
        pack_transposed(source + j * x.ldb, x.ldb, depth, width, row, ld);
      } else if (width < tile_columns<T>) {
        copy_row(source + q * x.ldb + j, width, row);
      } else {
        HWY_UNROLL(8)
        for (int v = 0; v < tile_vectors; ++v)
          hn::StoreU(load_as(d, source + q * x.ldb + j + v * lanes<T>), d, row + v * lanes<T>);
      }
    }
}

/// The panels of B in a slab of block_columns or fewer columns, copied where they must be: all, or where
/// tiles read B in place, the last if it has no whole vectors.
template <class S, class T>
void prepare_panels(const Product<S, T>& x, const Block& slab, bool in_place, T* buffer, Strip<T>* panels) {
  const std::int64_t columns = slab.columns(), depth = slab.depth();
  std::int64_t packed = columns;  // columns from here on are copied
  for (std::int64_t j = 0, width; j < columns; j += width, ++panels) {
    width = panel_columns<T>(columns - j);
    if (packed == columns && (!in_place || width % lanes<T> != 0)) {
      packed = j;
      pack_panels(x, slab, slab.j_begin + packed, buffer);
    }
    if constexpr (std::is_same_v<S, T>)
      if (j < packed) {
        *panels = {x.b + slab.p_begin * x.ldb + slab.j_begin + j, x.ldb, 1};
        continue;
      }
    *panels = {buffer + (j - packed) * depth, round_up(width, lanes<T>), 1};
  }
}

/// One slab: at most block_rows high, block_depth deep and block_columns wide.
template <class S, class T>
void compute_slab(const Product<S, T>& x, const Block& slab, const Output<T>& out, const Strip<T>* panels,
                  const T* packed_a, std::int64_t packed_row) {
  for (std::int64_t j = 0, columns; j < slab.columns(); j += columns, ++panels) {
    columns = panel_columns<T>(slab.columns() - j);
    const std::int64_t vectors = divide_up(columns, lanes<T>);
    for (std::int64_t i = slab.i_begin; i < slab.i_end; i += tile_rows) {
      const std::int64_t rows = std::min<std::int64_t>(tile_rows, slab.i_end - i);
      Strip<T> a{packed_a + (i - slab.i_begin) * packed_row, x.trans_a ? 1 : packed_row,
                 x.trans_a ? tile_rows : 1};
      if constexpr (std::is_same_v<S, T>)
        if (!packed_a)
          a = x.trans_a ? Strip<T>{x.a + slab.p_begin * x.lda + i, 1, x.lda}
                        : Strip<T>{x.a + i * x.lda + slab.p_begin, x.lda, 1};
      Output<T> target = out.at(i - slab.i_begin, j);
      target.columns = columns;
      tile_function<T>(rows, vectors)(slab.depth(), a.data, a.row, a.step, panels->data, panels->row, target);
    }
  }
}

/// A block of C over a range of k; `out` is the block's corner. k is cut into equal slabs, the first of which
/// applies beta and the bias.
template <class S, class T>
void compute_block(const Product<S, T>& x, const Block& block, const Output<T>& out) {
  const std::int64_t depth = divide_up(block.depth(), divide_up(block.depth(), block_depth<T>));
  const bool a_in_place = reads_a_in_place(x, block), b_in_place = reads_b_in_place(x, block);
  const std::int64_t widest = b_in_place ? block.columns() % lanes<T> == 0 ? 0 : tile_columns<T>
                                         : round_up(std::min(block_columns<T>, block.columns()), lanes<T>);
  const std::int64_t highest = a_in_place ? 0 : round_up(std::min(block_rows, block.rows()), tile_rows);
  const std::int64_t packed_row = depth + row_gap<T>;
  Scratch<T> memory(depth * widest + highest * packed_row);
  T* const packed_a = a_in_place ? nullptr : memory.data() + depth * widest;
  Strip<T> panels[block_columns<T> / tile_columns<T> + 1];
  for (std::int64_t j = block.j_begin; j < block.j_end; j += block_columns<T>)
    for (std::int64_t p = block.p_begin; p < block.p_end; p += depth) {
      const std::int64_t j_end = std::min(j + block_columns<T>, block.j_end);
      Block slab{block.i_begin, block.i_end, j, j_end, p, std::min(p + depth, block.p_end)};
      prepare_panels(x, slab, b_in_place, memory.data(), panels);
      for (std::int64_t i = block.i_begin; i < block.i_end; i += block_rows) {
        slab.i_begin = i;
        slab.i_end = std::min(i + block_rows, block.i_end);
        if (packed_a) pack_rows(x, slab, packed_a, packed_row);
        Output<T> target = out.at(i - block.i_begin, j - block.j_begin);
        if (p > block.p_begin) target.beta = T(1), target.bias = nullptr;
        compute_slab(x, slab, target, panels, packed_a, packed_row);
      }
    }
}

}  // namespace product
}  // namespace HWY_NAMESPACE
}  // namespace taper::cpu
HWY_AFTER_NAMESPACE();

#endif
