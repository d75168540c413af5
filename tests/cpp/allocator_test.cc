// The caching allocator: alignment, reuse, statistics, limits, threads.
#include "cpu/allocator.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "cpu/limits.h"
#include "taper/error.h"

namespace taper::cpu {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool caching = false;
#else
constexpr bool caching = true;
#endif

std::uint64_t allocated() { return memory_statistics().allocated_bytes; }

std::string message_of(std::size_t bytes) {
  try {
    deallocate(allocate(bytes), bytes);
  } catch (const OutOfMemory& error) {
    return error.what();
  }
  return {};
}

TEST(Allocator, AlignsAndHoldsEverySize) {
  for (std::size_t bytes = 1; bytes < (std::size_t(8) << 20); bytes = bytes * 5 / 4 + 1) {
    auto* const block = static_cast<unsigned char*>(allocate(bytes));
    ASSERT_EQ(reinterpret_cast<std::uintptr_t>(block) % 64, 0u) << bytes;
    std::memset(block, 0xab, bytes);
    ASSERT_EQ(block[bytes - 1], 0xab);
    deallocate(block, bytes);
  }
}

TEST(Allocator, NothingForZeroBytes) {
  EXPECT_EQ(allocate(0), nullptr);
  deallocate(nullptr, 0);
}

TEST(Allocator, BlocksDoNotOverlap) {
  std::mt19937 random(1);
  struct Held {
    unsigned char* block;
    std::size_t bytes;
    unsigned char mark;
  };
  std::vector<Held> held;
  const auto drop = [&](std::size_t i) {
    const Held h = held[i];
    for (std::size_t k = 0; k < h.bytes; k += 61) ASSERT_EQ(h.block[k], h.mark);
    deallocate(h.block, h.bytes);
    held[i] = held.back();
    held.pop_back();
  };
  for (int step = 0; step < 20000; ++step) {
    if (held.size() > 100 || (held.size() > 0 && random() % 2)) {
      drop(random() % held.size());
    } else {
      const std::size_t bytes = 1 + random() % (std::size_t(1) << (1 + random() % 18));
      Held h{static_cast<unsigned char*>(allocate(bytes)), bytes, static_cast<unsigned char>(step)};
      std::memset(h.block, h.mark, bytes);
      held.push_back(h);
    }
  }
  while (!held.empty()) drop(0);
}

TEST(Allocator, ReusesBlocks) {
  if (!caching) GTEST_SKIP() << "AddressSanitizer builds do not cache";
  for (std::size_t bytes : {100, 5000, 100000, 5000000}) {
    void* const first = allocate(bytes);
    deallocate(first, bytes);
    const auto before = memory_statistics();
    void* const second = allocate(bytes);
    EXPECT_EQ(first, second) << bytes;
    EXPECT_EQ(memory_statistics().system_allocations, before.system_allocations);
    EXPECT_EQ(memory_statistics().allocations, before.allocations + 1);
    deallocate(second, bytes);
  }
}

TEST(Allocator, LargeBlocksStartAtHugePages) {
  if (!caching) GTEST_SKIP() << "AddressSanitizer builds do not map blocks";
  void* const block = allocate(std::size_t(3) << 20);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % (std::size_t(2) << 20), 0u);
  deallocate(block, std::size_t(3) << 20);
}

TEST(Allocator, CountsBytes) {
  trim();
  const auto before = memory_statistics();
  reset_peak_memory();
  void* const small = allocate(1000);
  void* const large = allocate(10'000'000);
  EXPECT_EQ(allocated(), before.allocated_bytes + 10'001'000);
  deallocate(large, 10'000'000);
  EXPECT_EQ(allocated(), before.allocated_bytes + 1000);
  EXPECT_EQ(memory_statistics().peak_allocated_bytes, before.allocated_bytes + 10'001'000);
  EXPECT_TRUE(!caching || memory_statistics().cached_bytes >= 10'000'000u);
  deallocate(small, 1000);
  EXPECT_EQ(allocated(), before.allocated_bytes);
  EXPECT_EQ(memory_statistics().allocations, before.allocations + 2);
  trim();
  EXPECT_EQ(memory_statistics().cached_bytes, 0u);
  reset_peak_memory();
  EXPECT_EQ(memory_statistics().peak_allocated_bytes, before.allocated_bytes);
}

TEST(Allocator, KeepsToItsCacheLimit) {
  const auto before = cache_limit();
  trim();
  set_cache_limit(20 << 20);
  std::vector<void*> blocks;
  for (int i = 0; i < 10; ++i) blocks.push_back(allocate(4 << 20));
  for (void* block : blocks) deallocate(block, 4 << 20);
  EXPECT_LE(memory_statistics().cached_bytes, std::uint64_t(20 << 20));
  deallocate(allocate(16 << 20), 16 << 20);  // makes room for itself
  EXPECT_LE(memory_statistics().cached_bytes, std::uint64_t(20 << 20));
  EXPECT_TRUE(!caching || memory_statistics().cached_bytes >= std::uint64_t(16 << 20));
  set_cache_limit(0);
  EXPECT_LE(memory_statistics().cached_bytes, std::uint64_t(1 << 20));
  set_cache_limit(before);
}

TEST(Allocator, RefusesMoreThanThereIs) {
  const std::string message = message_of(std::size_t(1) << 52);
  const std::string expected =
      "CPU memory: cannot allocate 4503599627370496 bytes (4.0 PiB); this process may use ";
  EXPECT_EQ(message.substr(0, expected.size()), expected);
  EXPECT_NE(message_of(SIZE_MAX), "");
  EXPECT_NE(message_of(available_memory() + 1), "");
}

TEST(Allocator, RefusesWhenTensorsHoldTheRest) {
  if (!caching) GTEST_SKIP() << "AddressSanitizer builds refuse blocks of this size";
  const std::size_t half = available_memory() / 2 + 1;
  const auto before = memory_statistics().allocated_bytes;
  void* const first = allocate(half);  // never touched
  EXPECT_NE(message_of(half), "");
  deallocate(first, half);
  EXPECT_EQ(allocated(), before);
  trim();
}

TEST(Allocator, BlocksMayBeFreedByAnotherThread) {
  const auto before = memory_statistics();
  for (int repeat = 0; repeat < 20; ++repeat) {
    std::vector<void*> blocks;
    std::thread([&] {
      for (int i = 0; i < 5000; ++i) blocks.push_back(allocate(256));
    }).join();
    std::thread([&] {
      for (void* block : blocks) deallocate(block, 256);
    }).join();
  }
  EXPECT_EQ(allocated(), before.allocated_bytes);
  EXPECT_EQ(memory_statistics().allocations, before.allocations + 100000);
}

TEST(Allocator, ThreadsAtOnce) {
  const auto before = allocated();
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t)
    threads.emplace_back([t] {
      std::mt19937 random(t);
      std::vector<std::pair<void*, std::size_t>> held;
      for (int i = 0; i < 20000; ++i) {
        const std::size_t bytes = 1 + random() % (std::size_t(1) << (1 + random() % 20));
        held.emplace_back(allocate(bytes), bytes);
        if (held.size() > 20) {
          std::swap(held[random() % held.size()], held.back());
          deallocate(held.back().first, held.back().second);
          held.pop_back();
        }
      }
      for (auto [block, bytes] : held) deallocate(block, bytes);
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(allocated(), before);
}

}  // namespace
}  // namespace taper::cpu
