// CPU memory: a caching allocator, its statistics and its limits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace taper::cpu {

/// Memory of at least `bytes` bytes, aligned to 64; null for 0 bytes. Blocks that were freed are reused: by
/// the same thread up to 32 KiB, by any thread above. Blocks of 2 MiB and more are aligned to 2 MiB and ask
/// for huge pages. Throws OutOfMemory, naming the bytes, if the system has no more or if tensors would hold
/// more than this process may use.
void* allocate(std::size_t bytes);

/// Gives back what allocate(bytes) returned, with the same `bytes`; any thread may do so. Null is ignored.
void deallocate(void* pointer, std::size_t bytes) noexcept;

/// Of the whole process since it began. Bytes are those asked for, except cached_bytes, which are those held.
struct MemoryStatistics {
  std::uint64_t allocated_bytes = 0;       ///< in use now
  std::uint64_t peak_allocated_bytes = 0;  ///< most in use at once, exact to 64 KiB for each thread
  std::uint64_t cached_bytes = 0;          ///< free, kept for reuse
  std::uint64_t allocations = 0;           ///< calls to allocate
  std::uint64_t system_allocations = 0;    ///< calls that the cache could not serve
};
MemoryStatistics memory_statistics();

/// Makes the bytes in use now the peak.
void reset_peak_memory();

/// Most bytes kept for reuse in blocks above 32 KiB; at first a quarter of the memory this process may use.
std::uint64_t cache_limit();
/// Sets cache_limit() and returns to the system what exceeds it.
void set_cache_limit(std::uint64_t bytes);

/// Returns cached memory to the system; other threads keep their own blocks of 32 KiB and less.
void trim() noexcept;

}  // namespace taper::cpu
