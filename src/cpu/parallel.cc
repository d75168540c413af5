// The thread pool: spins briefly, then sleeps; nobody waits for a thread that has not begun.
#include "cpu/parallel.h"

#include <omp.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <system_error>
#include <thread>
#include <utility>

#include "cpu/limits.h"
#include "taper/error.h"

namespace taper::cpu {
namespace {

using Body = FunctionRef<void(std::int64_t, std::int64_t)>;
using Clock = std::chrono::steady_clock;

// Longer than the gap between two kernels of a training step, far shorter than a scheduler's time slice: a
// thread whose partner lost its processor must not spin against it (that is how OpenMP's barriers collapse
// beside a busy neighbour).
constexpr auto spin_time = std::chrono::microseconds(60);

thread_local bool inside_region = false;
// Set in the one thread a forked child begins with: OpenMP's pool for it names threads that do not exist.
thread_local bool openmp_lost = false;

void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Waits for word to differ from old: spins for spin_time, then sleeps.
std::uint32_t wait_for_change(const std::atomic<std::uint32_t>& word, std::uint32_t old, bool may_spin) {
  const auto start = Clock::now();
  while (may_spin) {
    for (int i = 0; i < 32; ++i) {
      if (const auto now = word.load(std::memory_order_acquire); now != old) return now;
      relax();
    }
    if (Clock::now() - start > spin_time) break;
  }
  word.wait(old, std::memory_order_acquire);
  return word.load(std::memory_order_acquire);
}

int positive_environment(const char* variable, int otherwise) {
  const char* text = std::getenv(variable);
  const long value = text ? std::strtol(text, nullptr, 10) : 0;
  return value > 0 ? int(std::min(value, 1024L)) : otherwise;
}

int default_threads() {
  const int processors = available_processors();
  return std::min({processors, positive_environment("OMP_NUM_THREADS", processors),
                   positive_environment("TAPER_NUM_THREADS", processors)});
}

std::atomic<int>& thread_count() {
  static std::atomic<int> count = default_threads();
  return count;
}

/// Marks the thread as inside a loop, where OpenMP libraries and inner loops run serially.
class Region {
 public:
  Region() : openmp_(1), before_(std::exchange(inside_region, true)) {}
  ~Region() { inside_region = before_; }

 private:
  OpenMpThreads openmp_;
  bool before_;
};

void run_serially(std::int64_t count, std::int64_t grain, Body body) {
  Region region;
  for (std::int64_t begin = 0; begin < count; begin += grain) body(begin, std::min(begin + grain, count));
}

/// Workers and the one job they may be working on.
class Pool {
 public:
  /// Runs the job with the workers' help; false, having done nothing, if the pool is busy.
  bool run(std::int64_t count, std::int64_t grain, Body body, int threads) {
    if (busy_.test_and_set(std::memory_order_acquire)) return false;
    grow(threads - 1);
    body_ = &body;
    count_ = count;
    grain_ = grain;
    next_.store(0, std::memory_order_relaxed);
    limit_ = std::uint32_t(std::min<std::int64_t>(threads - 1, (count - 1) / grain));
    const std::uint32_t job = (state_.load(std::memory_order_relaxed) & ~low_bits) + one_job;
    finished_.store(~job, std::memory_order_relaxed);
    state_.store(job | open_bit, std::memory_order_release);
    if (limit_ == 1) state_.notify_one();
    else state_.notify_all();
    {
      Region region;
      take_chunks();
    }
    if ((state_.fetch_and(~open_bit, std::memory_order_acq_rel) & active_bits) != 0) await(job);
    const std::exception_ptr error = std::exchange(error_, nullptr);
    failed_.store(false, std::memory_order_relaxed);
    busy_.clear(std::memory_order_release);
    if (error) std::rethrow_exception(error);
    return true;
  }

 private:
  // state_: number of the job | whether workers may still join it | how many have joined and not left.
  static constexpr std::uint32_t active_bits = 0x7ff, open_bit = 0x800, low_bits = 0xfff, one_job = 0x1000;

  /// Workers inside the closed job leave it; the last says so through finished_.
  void await(std::uint32_t job) {
    for (std::uint32_t seen; (seen = finished_.load(std::memory_order_acquire)) != job;)
      wait_for_change(finished_, seen, may_spin_);
  }

  void grow(int workers) {
    may_spin_ = workers < processors_;
    for (; workers_ < std::min(workers, 1024); ++workers_) {
      try {
        std::thread([this] { work(); }).detach();
      } catch (const std::system_error&) {
        return;  // no more threads to be had: the caller does the work with those there are
      }
    }
  }

  void work() {
    omp_set_num_threads(1);
    inside_region = true;
    for (std::uint32_t seen = 0;;) {
      seen = wait_for_change(state_, seen, may_spin_.load(std::memory_order_relaxed));
      if (!join(seen)) continue;
      take_chunks();
      seen = leave();
    }
  }

  bool join(std::uint32_t& seen) {
    while ((seen & open_bit) && (seen & active_bits) < limit_.load(std::memory_order_relaxed))
      if (state_.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel)) return true;
    return false;
  }

  std::uint32_t leave() {
    const std::uint32_t left = state_.fetch_sub(1, std::memory_order_acq_rel) - 1;
    if ((left & low_bits) == 0) {  // closed, and nobody else inside
      finished_.store(left, std::memory_order_release);
      finished_.notify_one();
    }
    return left;
  }

  void take_chunks() {
    const Body body = *body_;
    const std::int64_t count = count_, grain = grain_;
    while (!failed_.load(std::memory_order_relaxed)) {
      const std::int64_t begin = next_.fetch_add(1, std::memory_order_relaxed) * grain;
      if (begin >= count) return;
      try {
        body(begin, std::min(begin + grain, count));
      } catch (...) {
        if (!failed_.exchange(true)) error_ = std::current_exception();
      }
    }
  }

  std::atomic_flag busy_;
  const Body* body_ = nullptr;
  std::int64_t count_ = 0, grain_ = 1;
  std::atomic<std::uint32_t> limit_ = 0;
  std::atomic<bool> failed_ = false;
  std::exception_ptr error_;
  int workers_ = 0;
  const int processors_ = available_processors();
  std::atomic<bool> may_spin_ = true;
  alignas(64) std::atomic<std::uint32_t> state_ = 0;
  alignas(64) std::atomic<std::uint32_t> finished_ = 0;
  alignas(64) std::atomic<std::int64_t> next_ = 0;
};

// Never destroyed: its threads may sleep on it while the process ends.
std::atomic<Pool*> current_pool = nullptr;

void begin_child() {
  current_pool.store(nullptr);  // the parent's is left behind, with the threads that exist only there
  openmp_lost = true;
  omp_set_num_threads(1);
}

// At load, not with the first pool: OpenMP libraries need it even if no loop of ours ever ran.
[[maybe_unused]] const int fork_handler = pthread_atfork(nullptr, nullptr, begin_child);

Pool& pool() {
  if (Pool* existing = current_pool.load(std::memory_order_acquire)) return *existing;
  Pool* expected = nullptr;
  auto* fresh = new Pool;
  if (current_pool.compare_exchange_strong(expected, fresh, std::memory_order_acq_rel)) return *fresh;
  delete fresh;
  return *expected;
}

}  // namespace

int num_threads() { return thread_count().load(std::memory_order_relaxed); }

void set_num_threads(int count) {
  check<ValueError>(count >= 1, "set_num_threads: got ", count, ", expected at least 1");
  check<ValueError>(count <= 1024, "set_num_threads: got ", count, ", expected at most 1024");
  thread_count().store(count, std::memory_order_relaxed);
  if (!openmp_lost) omp_set_num_threads(count);
}

bool in_parallel_region() { return inside_region; }

OpenMpThreads::OpenMpThreads(int count) : before_(omp_get_max_threads()) {
  if (count != before_ && !openmp_lost) omp_set_num_threads(count);
}

OpenMpThreads::~OpenMpThreads() {
  if (omp_get_max_threads() != before_) omp_set_num_threads(openmp_lost ? 1 : before_);
}

void detail::parallel_chunks(std::int64_t count, std::int64_t grain, Body body) {
  grain = std::max<std::int64_t>(grain, 1);
  const int threads = num_threads();
  if (threads == 1 || inside_region || count <= grain || !pool().run(count, grain, body, threads))
    run_serially(count, grain, body);
}

}  // namespace taper::cpu
