// CRC-32C (Castagnoli), the checksum of tensors in files.
#pragma once

#include <cstddef>
#include <cstdint>

namespace taper::io {

/// CRC-32C of size bytes, continuing crc (0 to begin): crc32c(b, m, crc32c(a, n)) is that of a followed by b.
/// RFC 3720, B.4: 32 zero bytes give 8a9136aa. Uses the processor's instruction where there is one.
std::uint32_t crc32c(const void* data, std::size_t size, std::uint32_t crc = 0);

/// The same from tables alone; what crc32c falls back to.
std::uint32_t crc32c_portable(const void* data, std::size_t size, std::uint32_t crc = 0);

}  // namespace taper::io
