// An allocator for tests, in the place of src/cpu/allocator.cc: every block ends at a page that no one may
// touch, and is not used again for a while after it was freed. So a read or a write past the end of a tensor,
// or after its end, ends the process; a write into the bytes that alignment leaves free is found when the
// block is freed.
#include "cpu/allocator.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <utility>

#include "cpu/limits.h"
#include "taper/error.h"

namespace taper::cpu {

namespace {

constexpr std::size_t page = 4096;
constexpr std::size_t kept_blocks = 4096, largest_kept = std::size_t(8) << 20;
constexpr char filling = '\xa5';  // what no one wrote: no number that would pass for zero

std::atomic<std::int64_t> held = 0, most_held = 0;
std::atomic<std::uint64_t> calls = 0, limit = 0;

std::size_t up(std::size_t bytes, std::size_t unit) { return (bytes + unit - 1) / unit * unit; }

/// Of the elements: 64 as the allocator promises, or less (TAPER_GUARD_ALIGNMENT) to leave fewer bytes
/// unseen.
std::size_t alignment() {
  static const std::size_t bytes = [] {
    const char* text = std::getenv("TAPER_GUARD_ALIGNMENT");
    return text ? std::size_t(std::atoi(text)) : 64;
  }();
  return bytes;
}

/// The pages of a block: filling, the elements, filling up to the alignment, and the page that guards them.
struct Pages {
  std::size_t rounded, length;
  explicit Pages(std::size_t bytes) : rounded(up(bytes, alignment())), length(up(rounded, page) + page) {}
  std::size_t before() const { return length - page - rounded; }
};

[[noreturn]] void report(const char* where, std::size_t bytes) {
  std::fprintf(stderr, "guarded allocator: a write %s a block of %zu bytes\n", where, bytes);
  std::abort();
}

// Freed blocks, unreadable; the oldest makes room for the newest.
void keep(char* begin, std::size_t length) {
  mprotect(begin, length, PROT_NONE);
  static std::mutex mutex;
  static std::array<std::pair<char*, std::size_t>, kept_blocks> blocks;
  static std::size_t next = 0;
  std::pair<char*, std::size_t> oldest(begin, length);
  if (length <= largest_kept) {
    const std::lock_guard lock(mutex);
    std::swap(oldest, blocks[next++ % kept_blocks]);
  }
  if (oldest.first) munmap(oldest.first, oldest.second);
}

}  // namespace

void* allocate(std::size_t bytes) {
  if (bytes == 0) return nullptr;
  const std::uint64_t memory = available_memory();
  check<OutOfMemory>(bytes <= memory && std::uint64_t(held) + bytes <= memory, "CPU memory: cannot allocate ",
                     bytes, " bytes; this process may use ", memory, " in all and tensors hold ",
                     held.load());
  const Pages pages(bytes);
  constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* const map = mmap(nullptr, pages.length, PROT_READ | PROT_WRITE, flags, -1, 0);
  check<OutOfMemory>(map != MAP_FAILED, "CPU memory: cannot allocate ", bytes,
                     " bytes; the system has no more");
  char* const begin = static_cast<char*>(map);
  char* const data = begin + pages.before();
  mprotect(begin + pages.length - page, page, PROT_NONE);
  const std::size_t unwritten = std::min<std::size_t>(bytes, 1 << 20);
  std::fill(begin, data + unwritten, filling);
  std::fill(data + bytes, data + pages.rounded, filling);
  ++calls;
  const std::int64_t now = held += std::int64_t(bytes);
  std::int64_t before = most_held;
  while (now > before && !most_held.compare_exchange_weak(before, now)) {
  }
  return data;
}

void deallocate(void* pointer, std::size_t bytes) noexcept {
  if (!pointer) return;
  const Pages pages(bytes);
  char* const data = static_cast<char*>(pointer);
  char* const begin = data - pages.before();
  const auto untouched = [](char c) { return c == filling; };
  if (!std::all_of(begin, data, untouched)) report("before", bytes);
  if (!std::all_of(data + bytes, data + pages.rounded, untouched)) report("past the end of", bytes);
  held -= std::int64_t(bytes);
  keep(begin, pages.length);
}

MemoryStatistics memory_statistics() {
  return {std::uint64_t(held), std::uint64_t(most_held), 0, calls, calls};
}
void reset_peak_memory() { most_held = held.load(); }
std::uint64_t cache_limit() { return limit; }
void set_cache_limit(std::uint64_t bytes) { limit = bytes; }
void trim() noexcept {}

}  // namespace taper::cpu
