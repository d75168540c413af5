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
using Tile = std::uint32_t[tile][tile];

#if HWY_TARGET != HWY_SCALAR
// block[r][c] = source[c][r] for 4 x 4.
HWY_INLINE void transpose_four(const std::uint32_t* source, std::int64_t stride, std::uint32_t* block) {
  const hn::FixedTag<std::uint32_t, 4> d;
  const hn::Repartition<std::uint64_t, decltype(d)> pairs;
  const auto a = hn::LoadU(d, source), b = hn::LoadU(d, source + stride),
             c = hn::LoadU(d, source + 2 * stride), e = hn::LoadU(d, source + 3 * stride);
  const auto ab_low = hn::BitCast(pairs, hn::InterleaveLower(d, a, b)),
             ab_high = hn::BitCast(pairs, hn::InterleaveUpper(d, a, b)),
             ce_low = hn::BitCast(pairs, hn::InterleaveLower(d, c, e)),
             ce_high = hn::BitCast(pairs, hn::InterleaveUpper(d, c, e));
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, ab_low, ce_low)), d, block);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, ab_low, ce_low)), d, block + tile);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, ab_high, ce_high)), d, block + 2 * tile);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, ab_high, ce_high)), d, block + 3 * tile);
}

void transpose_whole(const std::uint32_t* source, std::int64_t stride, Tile& block) {
  for (std::int64_t c = 0; c < tile; c += 4)
    for (std::int64_t r = 0; r < tile; r += 4) transpose_four(source + c * stride + r, stride, &block[r][c]);
}
#else
void transpose_whole(const std::uint32_t* source, std::int64_t stride, Tile& block) {
  for (std::int64_t c = 0; c < tile; ++c)
    for (std::int64_t r = 0; r < tile; ++r) block[r][c] = source[c * stride + r];
}
#endif

void words(const char* source, std::int64_t column_in, char* target, std::int64_t row_out, std::int64_t rows,
           std::int64_t columns) {
  alignas(64) Tile block;
  for (std::int64_t r0 = 0; r0 < rows; r0 += tile) {
    const std::int64_t height = std::min(tile, rows - r0);
    const char* first = source + r0 * 4;
    if (height == tile && columns == tile) {
      transpose_whole(reinterpret_cast<const std::uint32_t*>(first), column_in / 4, block);
    } else {
      for (std::int64_t c = 0; c < columns; ++c)
        for (std::int64_t r = 0; r < height; ++r) std::memcpy(&block[r][c], first + c * column_in + r * 4, 4);
    }
    for (std::int64_t r = 0; r < height; ++r)
      std::memcpy(target + (r0 + r) * row_out, block[r], std::size_t(columns) * 4);
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
