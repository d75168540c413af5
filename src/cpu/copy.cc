// Copies and fills of strided memory: converted runs, memory moves, and transposes in tiles.
#include <algorithm>
#include <cstring>

#include "base/visit.h"
#include "cpu/convert.h"
#include "cpu/loop.h"
#include "cpu/parallel.h"

namespace taper::cpu {

namespace {

constexpr std::int64_t grain = 32768;
// A tile of 16 x 16 doubles and its transpose stay in the first-level cache.
constexpr std::int64_t tile = 16;

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

// The source is dense along rows, the target along columns; the other strides are in bytes. A tile goes
// through a buffer, so that memory is touched by whole lines on both sides: a row of lines may all fall into
// the same set of the cache.
template <class T>
void transpose(const char* source, std::int64_t column_in, char* target, std::int64_t row_out,
               std::int64_t rows, std::int64_t columns) {
  T buffer[tile][tile];
  for (std::int64_t c0 = 0; c0 < columns; c0 += tile) {
    const std::int64_t width = std::min(tile, columns - c0);
    for (std::int64_t c = 0; c < width; ++c) {
      const T* in = reinterpret_cast<const T*>(source + (c0 + c) * column_in);
      if (rows == tile)
        for (std::int64_t r = 0; r < tile; ++r) buffer[r][c] = in[r];
      else
        for (std::int64_t r = 0; r < rows; ++r) buffer[r][c] = in[r];
    }
    for (std::int64_t r = 0; r < rows; ++r)
      std::memcpy(target + r * row_out + c0 * std::int64_t(sizeof(T)), buffer[r],
                  std::size_t(width) * sizeof(T));
  }
}

// The dimension along which the source is dense while the target is dense along dimension 0; 0 if there is
// none.
int transposed_dimension(const Loop& loop, std::int64_t size) {
  if (loop.strides[0][0] != size || loop.strides[1][0] == size || loop.strides[1][0] == 0 ||
      loop.sizes[0] < tile)
    return 0;
  for (int i = 1; i < loop.dims; ++i)
    if (loop.strides[1][i] == size && loop.sizes[i] >= tile) return i;
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
  // Work is cut into bands of tile rows, over all outer positions.
  const std::int64_t bands = (loop.sizes[other] + tile - 1) / tile;
  const std::int64_t bands_per_task = std::max<std::int64_t>(1, grain / (tile * loop.sizes[0]));
  by_item_size(size, [&]<class T>() {
    parallel_for(outer.total * bands, bands_per_task, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t task = begin; task < end; ++task) {
        const Walk at(outer, task / bands);
        const std::int64_t row = task % bands * tile;
        transpose<T>(at.at[1] + row * std::int64_t(sizeof(T)), loop.strides[1][0],
                     at.at[0] + row * loop.strides[0][other], loop.strides[0][other],
                     std::min(tile, loop.sizes[other] - row), loop.sizes[0]);
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
