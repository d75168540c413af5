// Copies and fills of strided memory: converted runs, memory moves, and transposes in tiles.
#include <algorithm>
#include <cstring>

#include "base/visit.h"
#include "cpu/convert.h"
#include "cpu/loop.h"
#include "cpu/parallel.h"
#include "cpu/transpose.h"

namespace taper::cpu {

namespace {

constexpr std::int64_t grain = 32768;
constexpr std::int64_t tile = transpose_tile;

template <class F>
void by_item_size(std::int64_t size, F&& f) {
  struct Wide {
    std::uint64_t words[2];
  };
  switch (size) {
    case 1: return f.template operator()<std::uint8_t>();
    case 2: return f.template operator()<std::uint16_t>();
    case 4: return f.template operator()<std::uint32_t>();
    case 8: return f.template operator()<std::uint64_t>();
    default: return f.template operator()<Wide>();
  }
}

template <class T>
void transpose_block(const char* source, std::int64_t column_in, T (*block)[tile], std::int64_t rows,
                     std::int64_t columns) {
  for (std::int64_t c = 0; c < columns; ++c) {
    const T* in = reinterpret_cast<const T*>(source + c * column_in);
    if (rows == tile)
      for (std::int64_t r = 0; r < tile; ++r) block[r][c] = in[r];
    else
      for (std::int64_t r = 0; r < rows; ++r) block[r][c] = in[r];
  }
}

// The source is dense along rows, the target along columns, at most `tile` of them; the other strides are in
// bytes. A tile goes through a buffer, so that memory is touched by whole lines on both sides: a row of lines
// may all fall into the same set of the cache. The source is read along its rows, which the processor fetches
// ahead.
template <class T>
void transpose(const char* source, std::int64_t column_in, char* target, std::int64_t row_out,
               std::int64_t rows, std::int64_t columns) {
  if constexpr (sizeof(T) == 4) return transpose_words(source, column_in, target, row_out, rows, columns);
  alignas(64) T block[tile][tile];
  for (std::int64_t r0 = 0; r0 < rows; r0 += tile) {
    const std::int64_t height = std::min(tile, rows - r0);
    transpose_block<T>(source + r0 * std::int64_t(sizeof(T)), column_in, block, height, columns);
    for (std::int64_t r = 0; r < height; ++r)
      std::memcpy(target + (r0 + r) * row_out, block[r], std::size_t(columns) * sizeof(T));
  }
}

// The dimension along which the source is dense while the target is dense along dimension 0; 0 if there is
// none.
int transposed_dimension(const Loop& loop, std::int64_t size) {
  if (loop.strides[0][0] != size || loop.strides[1][0] == size || loop.strides[1][0] == 0) return 0;
  for (int i = 1; i < loop.dims; ++i)
    if (loop.strides[1][i] == size && std::max(loop.sizes[0], loop.sizes[i]) >= tile) return i;
  return 0;
}

// Dimension 0 and the dimension `other` are walked in tiles; what is left is one outer loop.
void copy_transposed(const Loop& loop, std::int64_t size, int other) {
  Loop outer = loop;
  outer.dims = 0;
  outer.total = loop.total / (loop.sizes[0] * loop.sizes[other]);
  for (int i = 1; i < loop.dims; ++i) {
    if (i == other) continue;
    outer.sizes[outer.dims] = loop.sizes[i];
    for (int k = 0; k < 2; ++k) outer.strides[k][outer.dims] = loop.strides[k][i];
    ++outer.dims;
  }
  if (outer.dims == 0) {
    outer.dims = 1;
    outer.sizes[0] = 1;
    outer.strides[0][0] = outer.strides[1][0] = 0;
  }
  // Work is cut into bands of tile columns of the target, over all outer positions.
  const std::int64_t bands = (loop.sizes[0] + tile - 1) / tile;
  const std::int64_t bands_per_task = std::max<std::int64_t>(1, grain / (tile * loop.sizes[other]));
  by_item_size(size, [&]<class T>() {
    parallel_for(outer.total * bands, bands_per_task, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t task = begin; task < end; ++task) {
        const Walk at(outer, task / bands);
        const std::int64_t column = task % bands * tile;
        transpose<T>(at.at[1] + column * loop.strides[1][0], loop.strides[1][0],
                     at.at[0] + column * std::int64_t(sizeof(T)), loop.strides[0][other], loop.sizes[other],
                     std::min(tile, loop.sizes[0] - column));
      }
    });
  });
}

void copy_runs(const Loop& loop, DType from, DType to) {
  parallel_for(loop.total, grain, [&](std::int64_t begin, std::int64_t end) {
    Walk walk(loop, begin);
    for (std::int64_t left = end - begin; left > 0;) {
      const std::int64_t n = std::min(left, walk.run_left());
      convert_run(from, walk.at[1], loop.strides[1][0], to, walk.at[0], loop.strides[0][0], n);
      walk.advance(n);
      left -= n;
    }
  });
}

}  // namespace

void copy(const Shape& sizes, const Operand& source, const Operand& target) {
  const Operand* operands[] = {&target, &source};
  const Loop loop(sizes, operands, 2);
  if (loop.total == 0) return;
  const std::int64_t size = item_size(target.dtype);
  const int other = source.dtype == target.dtype ? transposed_dimension(loop, size) : 0;
  if (other) copy_transposed(loop, size, other);
  else copy_runs(loop, source.dtype, target.dtype);
}

void fill(const Shape& sizes, const Operand& target, const Scalar& value) {
  alignas(16) char element[16];
  visit(target.dtype, [&]<class T>() {
    T converted;
    if constexpr (std::is_same_v<T, bool>) converted = value.to<bool>();
    else if (value.is_complex()) converted = convert<T>(value.to<std::complex<double>>());
    else if (value.is_floating()) converted = convert<T>(value.to<double>());
    else converted = convert<T>(value.to<std::int64_t>());
    std::memcpy(element, &converted, sizeof(T));
  });
  const Shape broadcast = Shape::filled(sizes.size(), 0);
  copy(sizes, {element, target.dtype, broadcast.data()}, target);
}

}  // namespace taper::cpu
