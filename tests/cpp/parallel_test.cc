// The thread pool: chunks, nesting, exceptions, concurrent users, fork.
#include "cpu/parallel.h"

#include <gtest/gtest.h>
#include <omp.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "taper/error.h"

namespace taper::cpu {
namespace {

using Chunks = std::set<std::pair<std::int64_t, std::int64_t>>;

class Parallel : public ::testing::Test {
 protected:
  ~Parallel() override { set_num_threads(before_); }
  int before_ = num_threads();
};

Chunks chunks_of(std::int64_t count, std::int64_t grain) {
  std::mutex mutex;
  Chunks chunks;
  parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) {
    std::lock_guard lock(mutex);
    EXPECT_TRUE(chunks.emplace(begin, end).second);
  });
  return chunks;
}

double sum_in_parallel(std::int64_t count) {
  std::vector<double> parts(std::size_t(count / 1000 + 1));
  parallel_for(count, 1000, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) parts[std::size_t(begin / 1000)] += std::sqrt(double(i));
  });
  double sum = 0;
  for (double part : parts) sum += part;
  return sum;
}

TEST_F(Parallel, ChunksDoNotDependOnThreads) {
  set_num_threads(1);
  const Chunks serial = chunks_of(1003, 10);
  EXPECT_EQ(serial.size(), 101u);
  EXPECT_TRUE(serial.contains({1000, 1003}));
  for (int threads : {2, 3, 7}) {
    set_num_threads(threads);
    for (int repeat = 0; repeat < 200; ++repeat) ASSERT_EQ(chunks_of(1003, 10), serial);
  }
}

TEST_F(Parallel, EdgeCounts) {
  set_num_threads(2);
  EXPECT_TRUE(chunks_of(0, 10).empty());
  EXPECT_TRUE(chunks_of(-5, 10).empty());
  EXPECT_EQ(chunks_of(3, 10), (Chunks{{0, 3}}));
  EXPECT_EQ(chunks_of(3, 0), (Chunks{{0, 1}, {1, 2}, {2, 3}}));
}

TEST_F(Parallel, NestedLoopsRunSerially) {
  set_num_threads(3);
  std::atomic<int> inner = 0;
  EXPECT_FALSE(in_parallel_region());
  parallel_for(16, 1, [&](std::int64_t, std::int64_t) {
    EXPECT_TRUE(in_parallel_region());
    EXPECT_EQ(omp_get_max_threads(), 1);
    const auto self = std::this_thread::get_id();
    parallel_for(8, 1, [&](std::int64_t, std::int64_t) {
      EXPECT_EQ(std::this_thread::get_id(), self);
      ++inner;
    });
  });
  EXPECT_EQ(inner, 128);
  EXPECT_FALSE(in_parallel_region());
}

TEST_F(Parallel, ExceptionsReachTheCaller) {
  set_num_threads(2);
  for (int repeat = 0; repeat < 100; ++repeat) {
    EXPECT_THROW(
        parallel_for(100, 1, [](std::int64_t begin, std::int64_t) { check<ShapeError>(begin != 50, "50"); }),
        ShapeError);
    EXPECT_EQ(chunks_of(100, 1).size(), 100u);
  }
}

TEST_F(Parallel, SeveralThreadsAtOnce) {
  set_num_threads(2);
  const double expected = sum_in_parallel(100000);
  std::atomic<int> wrong = 0;
  std::vector<std::thread> users;
  for (int user = 0; user < 4; ++user)
    users.emplace_back([&] {
      for (int repeat = 0; repeat < 50; ++repeat) wrong += sum_in_parallel(100000) != expected;
    });
  for (auto& user : users) user.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(Parallel, ManySmallLoops) {
  set_num_threads(2);
  std::atomic<std::int64_t> total = 0;
  for (int repeat = 0; repeat < 20000; ++repeat)
    parallel_for(
        4, 1, [&](std::int64_t begin, std::int64_t) { total.fetch_add(begin, std::memory_order_relaxed); });
  EXPECT_EQ(total, 20000 * 6);
}

TEST_F(Parallel, ThreadCountIsChecked) {
  EXPECT_THROW(set_num_threads(0), ValueError);
  EXPECT_THROW(set_num_threads(-3), ValueError);
  set_num_threads(3);
  EXPECT_EQ(num_threads(), 3);
  EXPECT_EQ(omp_get_max_threads(), 3);
}

// The child has none of its parent's threads: neither our pool's nor OpenMP's.
TEST_F(Parallel, ForkedChildComputesTheSame) {
  set_num_threads(2);
  const double expected = sum_in_parallel(200000);
  int team = 0;
#pragma omp parallel reduction(+ : team)
  team += 1;
  const pid_t child = fork();
  if (child == 0) {
    alarm(5);
    int lonely = 0;
#pragma omp parallel reduction(+ : lonely)
    lonely += 1;
    set_num_threads(2);
    const bool same = sum_in_parallel(200000) == expected && sum_in_parallel(200000) == expected;
    _exit(same && lonely == 1 && omp_get_max_threads() == 1 ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(sum_in_parallel(200000), expected);
}

}  // namespace
}  // namespace taper::cpu
