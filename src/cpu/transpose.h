// Transposes of elements of 4 bytes, the usual ones, with vectors.
#pragma once

#include <cstdint>

namespace taper::cpu {

/// A tile of 16 x 16 doubles and its transpose stay in the first-level cache.
inline constexpr std::int64_t transpose_tile = 16;

/// target[r][c] = source[c][r] for rows x columns elements, columns <= transpose_tile. The source is dense
/// along rows, the target along columns; column_in and row_out are in bytes.
void transpose_words(const char* source, std::int64_t column_in, char* target, std::int64_t row_out,
                     std::int64_t rows, std::int64_t columns);

}  // namespace taper::cpu
