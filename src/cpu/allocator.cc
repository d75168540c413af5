// The caching allocator: lists of small blocks for each thread, bins behind a mutex for the others.
#include "cpu/allocator.h"

#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "cpu/limits.h"
#include "taper/error.h"

namespace taper::cpu {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool caching = false;  // so that AddressSanitizer sees every block begin and end
#else
constexpr bool caching = true;
#endif

constexpr std::size_t alignment = 64, huge_page = std::size_t(2) << 20;
constexpr int small_classes = 32;  // up to 32 KiB
constexpr int classes = 4 * (64 - 7);
constexpr std::uint32_t refill_count = 16;
constexpr std::int64_t settle_bytes = 64 << 10;

/// Classes of size: 64, 128, 192, 256, then four to each power of two.
int class_of(std::size_t bytes) {
  const std::size_t units = (bytes - 1) / alignment;
  if (units < 4) return int(units);
  const int exponent = std::bit_width(units) - 1;
  return (exponent - 1) * 4 + int((units >> (exponent - 2)) & 3);
}

constexpr std::size_t class_bytes(int index) {
  if (index < 4) return alignment * std::size_t(index + 1);
  return alignment * (std::size_t(5 + index % 4) << (index / 4 - 1));
}

/// Most blocks of each small class that a thread keeps: 256 KiB.
constexpr auto keep_counts = [] {
  std::array<std::uint32_t, small_classes> counts{};
  for (int index = 0; index < small_classes; ++index)
    counts[index] = std::uint32_t((256 << 10) / class_bytes(index));
  return counts;
}();

struct Block {
  Block* next;
  std::size_t bytes;  // set in blocks on their way to the system only
};

struct List {
  Block* head = nullptr;
  std::uint32_t count = 0;

  void push(Block* block, std::size_t bytes) {
    *block = {head, bytes};
    head = block;
    ++count;
  }
  Block* pop() {
    Block* block = head;
    head = block->next;
    --count;
    return block;
  }
};

/// A number that one thread changes and others read: atomic, without the cost of a locked instruction.
template <class T>
class Owned {
 public:
  T get() const { return value_.load(std::memory_order_relaxed); }
  void set(T value) { value_.store(value, std::memory_order_relaxed); }

 private:
  std::atomic<T> value_ = 0;
};

/// The small blocks that one thread keeps, and its part of the statistics.
struct Cache {
  std::array<Block*, small_classes> heads{};
  std::array<Owned<std::uint32_t>, small_classes> counts;
  Owned<std::int64_t> unsettled;  // bytes allocated less bytes freed, not yet in the process's total
  Owned<std::uint64_t> allocations;
};

// One pointer, so that the fast model of thread-local storage is safe in a library loaded late.
[[gnu::tls_model("initial-exec")]] constinit thread_local Cache* own_cache = nullptr;
constinit thread_local bool thread_ended = false;

std::string readable(double bytes) {
  const char* const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  int unit = 0;
  for (; bytes >= 1024 && unit < 6; ++unit) bytes /= 1024;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
  return text;
}

/// Memory from the system; null if it has none.
void* obtain(std::size_t bytes) {
  if (bytes < huge_page || !caching) return ::operator new(bytes, std::align_val_t(alignment), std::nothrow);
  const std::size_t length = bytes + huge_page;
  constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* const map = mmap(nullptr, length, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (map == MAP_FAILED) return nullptr;
  char* const begin = static_cast<char*>(map);
  const std::size_t before = (huge_page - reinterpret_cast<std::uintptr_t>(begin) % huge_page) % huge_page;
  if (before > 0) munmap(begin, before);
  if (before < huge_page) munmap(begin + before + bytes, huge_page - before);
#ifdef MADV_HUGEPAGE
  madvise(begin + before, bytes, MADV_HUGEPAGE);
#endif
  return begin + before;
}

void release(void* pointer, std::size_t bytes) {
  if (bytes < huge_page || !caching) ::operator delete(pointer, std::align_val_t(alignment));
  else munmap(pointer, bytes);
}

void release(List list) {
  while (list.head) {
    Block* const block = list.pop();
    release(block, block->bytes);
  }
}

/// What the threads share. Everything happens under its mutex.
class Shared {
 public:
  void* allocate(std::size_t bytes, int index, Cache* cache) {
    if (bytes > memory_) refuse(bytes);
    std::unique_lock lock(mutex_);
    if (allocated_ + std::int64_t(bytes) <= std::int64_t(memory_)) {
      count(cache, std::int64_t(bytes));
      ++allocations_;
      if (void* block = take(index, cache)) return block;
      ++system_allocations_;
      lock.unlock();
      if (void* block = obtain_or_trim(caching ? class_bytes(index) : bytes)) return block;
      lock.lock();
      allocated_ -= std::int64_t(bytes);
    }
    lock.unlock();
    refuse(bytes);
  }

  void deallocate(void* pointer, std::size_t bytes, int index, Cache* cache) noexcept {
    const std::size_t size = class_bytes(index);
    List evicted;
    {
      std::lock_guard lock(mutex_);
      count(cache, -std::int64_t(bytes));
      if (caching && size <= limit_) {
        if (cached_ + size > limit_) evict(limit_ - size, index, evicted);
        if (cached_ + size <= limit_) {
          put(index, static_cast<Block*>(pointer));
          pointer = nullptr;
        }
      }
    }
    if (pointer) release(pointer, size);
    release(evicted);
  }

  /// Takes half of a thread's list, which is longer than it may be.
  void take_half(Cache& cache, int index) {
    List surplus;
    const std::uint32_t half = cache.counts[index].get() / 2;
    std::lock_guard lock(mutex_);
    for (std::uint32_t i = 0; i < half; ++i) {
      Block* const block = cache.heads[index];
      cache.heads[index] = block->next;
      if (cached_ + class_bytes(index) <= limit_) put(index, block);
      else surplus.push(block, class_bytes(index));
    }
    cache.counts[index].set(cache.counts[index].get() - half);
    release(surplus);
  }

  void settle(Cache& cache) {
    std::lock_guard lock(mutex_);
    count(&cache, 0);
  }

  Cache* begin_thread() {
    auto* cache = new (std::nothrow) Cache;
    std::lock_guard lock(mutex_);
    if (cache) caches_.push_back(cache);
    return cache;
  }

  void end_thread(Cache* cache) {
    for (int index = 0; index < small_classes; ++index) empty(*cache, index);
    std::lock_guard lock(mutex_);
    count(cache, 0);
    allocations_ += cache->allocations.get();
    std::erase(caches_, cache);
    delete cache;
  }

  MemoryStatistics statistics() {
    std::lock_guard lock(mutex_);
    MemoryStatistics result;
    std::int64_t allocated = allocated_;
    result.cached_bytes = cached_;
    result.allocations = allocations_;
    result.system_allocations = system_allocations_;
    for (const Cache* cache : caches_) {
      allocated += cache->unsettled.get();
      result.allocations += cache->allocations.get();
      for (int index = 0; index < small_classes; ++index)
        result.cached_bytes += cache->counts[index].get() * class_bytes(index);
    }
    result.allocated_bytes = std::uint64_t(std::max<std::int64_t>(allocated, 0));
    result.peak_allocated_bytes = std::uint64_t(std::max(allocated, peak_));
    return result;
  }

  void reset_peak() {
    std::lock_guard lock(mutex_);
    peak_ = allocated_;
    for (const Cache* cache : caches_) peak_ += cache->unsettled.get();
  }

  std::uint64_t limit() {
    std::lock_guard lock(mutex_);
    return limit_;
  }

  void set_limit(std::uint64_t bytes) {
    {
      std::lock_guard lock(mutex_);
      limit_ = bytes;
    }
    shrink(bytes);
  }

  void trim(Cache* cache) {
    if (cache)
      for (int index = 0; index < small_classes; ++index) empty(*cache, index);
    shrink(0);
  }

  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }

 private:
  void count(Cache* cache, std::int64_t bytes) {
    allocated_ += bytes;
    if (cache) {
      allocated_ += cache->unsettled.get();
      cache->unsettled.set(0);
    }
    peak_ = std::max(peak_, allocated_);
  }

  void put(int index, Block* block) {
    bins_[index].push(block, class_bytes(index));
    cached_ += class_bytes(index);
  }

  /// A block from the bins, and with it some more for the thread's own list if they are small.
  void* take(int index, Cache* cache) {
    List& bin = bins_[index];
    if (!bin.head) return nullptr;
    Block* const block = bin.pop();
    std::uint32_t moved = 1;
    if (cache && index < small_classes) {
      for (; bin.head && moved < refill_count; ++moved) {
        Block* const extra = bin.pop();
        extra->next = cache->heads[index];
        cache->heads[index] = extra;
      }
      cache->counts[index].set(cache->counts[index].get() + moved - 1);
    }
    cached_ -= moved * class_bytes(index);
    return block;
  }

  /// Moves blocks, large ones first, to `evicted` until at most `target` bytes are cached.
  void evict(std::uint64_t target, int keep, List& evicted) {
    for (int index = classes - 1; index >= 0 && cached_ > target; --index) {
      while (index != keep && bins_[index].head && cached_ > target) {
        evicted.push(bins_[index].pop(), class_bytes(index));
        cached_ -= class_bytes(index);
      }
    }
  }

  void shrink(std::uint64_t target) {
    List evicted;
    {
      std::lock_guard lock(mutex_);
      evict(target, -1, evicted);
    }
    release(evicted);
  }

  void* obtain_or_trim(std::size_t bytes) {
    if (void* block = obtain(bytes)) return block;
    shrink(0);
    return obtain(bytes);
  }

  void empty(Cache& cache, int index) {
    Block* block = std::exchange(cache.heads[index], nullptr);
    cache.counts[index].set(0);
    while (block) release(std::exchange(block, block->next), class_bytes(index));
  }

  [[noreturn, gnu::noinline]] void refuse(std::size_t bytes) {
    const double used = double(statistics().allocated_bytes);
    fail<OutOfMemory>("CPU memory: cannot allocate ", bytes, " bytes (", readable(double(bytes)),
                      "); this process may use ", readable(double(memory_)), " in all and tensors hold ",
                      readable(used));
  }

  std::mutex mutex_;
  const std::uint64_t memory_ = available_memory();
  std::uint64_t limit_ = memory_ / 4, cached_ = 0, allocations_ = 0, system_allocations_ = 0;
  std::int64_t allocated_ = 0, peak_ = 0;
  std::array<List, classes> bins_;
  std::vector<Cache*> caches_;
};

/// Never destroyed: tensors of static duration are freed after it would be.
Shared& shared() {
  static Shared& instance = *new Shared;
  return instance;
}

// A child forked while another thread held the mutex would never get it.
[[maybe_unused]] const int fork_handler =
    pthread_atfork([] { shared().lock(); }, [] { shared().unlock(); }, [] { shared().unlock(); });

struct ThreadEnd {
  ~ThreadEnd() {
    thread_ended = true;
    if (Cache* cache = std::exchange(own_cache, nullptr)) shared().end_thread(cache);
  }
};

/// The thread's cache, made at its first use; null if the thread is ending.
Cache* make_cache() {
  if (own_cache || thread_ended || !caching) return own_cache;
  thread_local ThreadEnd at_end;
  return own_cache = shared().begin_thread();
}

[[gnu::noinline]] void* allocate_slowly(std::size_t bytes, int index) {
  return shared().allocate(bytes, index, make_cache());
}

[[gnu::noinline]] void deallocate_slowly(void* pointer, std::size_t bytes, int index) noexcept {
  shared().deallocate(pointer, bytes, index, own_cache);
}

void count_small(Cache& cache, std::int64_t bytes) {
  const std::int64_t unsettled = cache.unsettled.get() + bytes;
  cache.unsettled.set(unsettled);
  if (unsettled > settle_bytes || unsettled < -settle_bytes) [[unlikely]]
    shared().settle(cache);
}

}  // namespace

void* allocate(std::size_t bytes) {
  if (bytes == 0) return nullptr;
  const int index = class_of(bytes);
  Cache* const cache = own_cache;
  if (index >= small_classes || !cache || !cache->heads[index]) [[unlikely]]
    return allocate_slowly(bytes, index);
  Block* const block = cache->heads[index];
  cache->heads[index] = block->next;
  cache->counts[index].set(cache->counts[index].get() - 1);
  cache->allocations.set(cache->allocations.get() + 1);
  count_small(*cache, std::int64_t(bytes));
  return block;
}

void deallocate(void* pointer, std::size_t bytes) noexcept {
  if (!pointer) return;
  const int index = class_of(bytes);
  Cache* const cache = own_cache;
  if (index >= small_classes || !cache) [[unlikely]]
    return deallocate_slowly(pointer, bytes, index);
  auto* const block = static_cast<Block*>(pointer);
  block->next = cache->heads[index];
  cache->heads[index] = block;
  const std::uint32_t count = cache->counts[index].get() + 1;
  cache->counts[index].set(count);
  if (count > keep_counts[index]) [[unlikely]]
    shared().take_half(*cache, index);
  count_small(*cache, -std::int64_t(bytes));
}

MemoryStatistics memory_statistics() { return shared().statistics(); }
void reset_peak_memory() { shared().reset_peak(); }
std::uint64_t cache_limit() { return shared().limit(); }
void set_cache_limit(std::uint64_t bytes) { shared().set_limit(bytes); }
void trim() noexcept { shared().trim(own_cache); }

}  // namespace taper::cpu
