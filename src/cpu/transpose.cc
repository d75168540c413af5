// Transposes of elements of 4 bytes, with vectors.
#include "cpu/transpose.h"

#include <algorithm>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/transpose.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace taper::cpu {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

constexpr std::int64_t tile = transpose_tile;

#if HWY_TARGET != HWY_SCALAR
using Words = hn::CappedTag<std::uint32_t, 8>;
constexpr std::int64_t lanes = std::int64_t(hn::MaxLanes(Words()));

// Four words of row r of the source in the lower half of a vector, and of row r + 4 in the upper.
template <class D>
HWY_INLINE hn::Vec<D> load_pair(D d, const std::uint32_t* source, std::int64_t stride, std::int64_t r) {
  if constexpr (lanes == 4) {
    return hn::LoadU(d, source + r * stride);
  } else {
    const hn::Half<D> half;
    return hn::Combine(d, hn::LoadU(half, source + (r + 4) * stride), hn::LoadU(half, source + r * stride));
  }
}

// target[r][c] = source[c][r] for 4 x lanes; strides in words.
HWY_INLINE void transpose_four(const std::uint32_t* source, std::int64_t stride, std::uint32_t* target,
                               std::int64_t row) {
  const Words d;
  const hn::Repartition<std::uint64_t, Words> pairs;
  const auto v0 = load_pair(d, source, stride, 0), v1 = load_pair(d, source, stride, 1),
             v2 = load_pair(d, source, stride, 2), v3 = load_pair(d, source, stride, 3);
  const auto low01 = hn::BitCast(pairs, hn::InterleaveLower(d, v0, v1)),
             high01 = hn::BitCast(pairs, hn::InterleaveUpper(d, v0, v1)),
             low23 = hn::BitCast(pairs, hn::InterleaveLower(d, v2, v3)),
             high23 = hn::BitCast(pairs, hn::InterleaveUpper(d, v2, v3));
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, low01, low23)), d, target);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, low01, low23)), d, target + row);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, high01, high23)), d, target + 2 * row);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, high01, high23)), d, target + 3 * row);
}

void transpose_whole(const std::uint32_t* source, std::int64_t stride, std::uint32_t* target,
                     std::int64_t row) {
  for (std::int64_t r = 0; r < tile; r += 4)
    for (std::int64_t c = 0; c < tile; c += lanes)
      transpose_four(source + c * stride + r, stride, target + r * row + c, row);
}
#else
void transpose_whole(const std::uint32_t* source, std::int64_t stride, std::uint32_t* target,
                     std::int64_t row) {
  for (std::int64_t c = 0; c < tile; ++c)
    for (std::int64_t r = 0; r < tile; ++r) target[r * row + c] = source[c * stride + r];
}
#endif

void words(const char* source, std::int64_t column_in, char* target, std::int64_t row_out, std::int64_t rows,
           std::int64_t columns) {
  for (std::int64_t r0 = 0; r0 < rows; r0 += tile) {
    const char* const from = source + r0 * 4;
    char* const to = target + r0 * row_out;
    const std::int64_t height = std::min(tile, rows - r0);
    if (height == tile && columns == tile) {
      transpose_whole(reinterpret_cast<const std::uint32_t*>(from), column_in / 4,
                      reinterpret_cast<std::uint32_t*>(to), row_out / 4);
      continue;
    }
    for (std::int64_t r = 0; r < height; ++r)
      for (std::int64_t c = 0; c < columns; ++c)
        std::memcpy(to + r * row_out + c * 4, from + c * column_in + r * 4, 4);
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace taper::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace taper::cpu {

HWY_EXPORT(words);

void transpose_words(const char* source, std::int64_t column_in, char* target, std::int64_t row_out,
                     std::int64_t rows, std::int64_t columns) {
  HWY_DYNAMIC_DISPATCH(words)(source, column_in, target, row_out, rows, columns);
}

}  // namespace taper::cpu
#endif
