// Batches made ahead by threads, and handed out in order.
#include "taper/data/loader.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <thread>

#include "data/seed.h"
#include "taper/error.h"
#include "tensor/thread_generator.h"

namespace taper::data::detail {

std::shared_ptr<BatchSampler> batches_of(const LoaderOptions& options, std::int64_t size) {
  check<ValueError>(options.workers >= 0, "DataLoader: ", options.workers, " workers");
  check<ValueError>(options.prefetch >= 1, "DataLoader: prefetch is ", options.prefetch,
                    "; it must be at least 1");
  check<ValueError>(!options.sampler || !options.shuffle, "DataLoader: a sampler excludes shuffle");
  if (options.batch_sampler) {
    check<ValueError>(options.batch_size == 1 && !options.shuffle && !options.drop_last && !options.sampler,
                      "DataLoader: a batch_sampler excludes batch_size, shuffle, drop_last and sampler");
    return options.batch_sampler;
  }
  std::shared_ptr<Sampler> sampler = options.sampler;
  if (!sampler && options.shuffle)
    sampler = std::make_shared<RandomSampler>(size, RandomSamplerOptions{.generator = options.generator});
  if (!sampler) sampler = std::make_shared<SequentialSampler>(size);
  return std::make_shared<BatchSampler>(std::move(sampler), options.batch_size, options.drop_last);
}

namespace {

// Throws the present exception again with context before its message, as E where it is one, else as one of
// the others, else as Error; the original is nested in it.
template <class E, class... Others>
[[noreturn]] void rethrow_with(const std::string& context) {
  try {
    throw;
  } catch (const E& error) {
    std::throw_with_nested(E(context + error.what()));
  } catch (const std::exception& error) {
    if constexpr (sizeof...(Others) > 0) rethrow_with<Others...>(context);
    else std::throw_with_nested(Error(context + error.what()));
  }
}

}  // namespace

struct Epoch::State {
  std::vector<Indices> batches;
  std::uint64_t seed;
  Job job;
  std::size_t delivered = 0;

  // What the threads share.
  std::mutex lock;
  std::condition_variable room, ready;
  std::size_t taken = 0, ahead = 0;
  bool stopping = false;
  struct Result {
    std::shared_ptr<void> batch;
    std::exception_ptr error;
  };
  std::map<std::size_t, Result> results;
  std::vector<std::thread> threads;

  std::shared_ptr<void> make(std::size_t number) const {
    // Batches draw from streams of their own, 2^32 blocks apart.
    const Generator generator;
    generator.set_state(seed, std::uint64_t(number) << 32);
    const ThreadGenerator scope(generator);
    return job(batches[number]);
  }

  void work(int worker) {
    for (;;) {
      std::size_t number;
      {
        std::unique_lock guard(lock);
        room.wait(guard, [&] { return stopping || taken == batches.size() || taken < delivered + ahead; });
        if (stopping || taken == batches.size()) return;
        number = taken++;
      }
      Result result;
      try {
        result.batch = make(number);
      } catch (...) {
        result.error = with_context(worker, number);
      }
      {
        const std::lock_guard guard(lock);
        results[number] = std::move(result);
      }
      ready.notify_one();
    }
  }

  std::exception_ptr with_context(int worker, std::size_t number) const {
    std::string context =
        concat("DataLoader worker ", worker, ", batch ", std::uint64_t(number), ", samples");
    constexpr std::size_t shown = 8;
    for (std::size_t i = 0; i < std::min(shown, batches[number].size()); ++i)
      context += concat(i == 0 ? " " : ", ", batches[number][i]);
    context += batches[number].size() > shown ? ", ...: " : ": ";
    try {
      rethrow_with<ShapeError, DTypeError, DeviceError, IndexError, ValueError, AutogradError, IOError,
                   DistributedError, OutOfMemory, NotImplementedError>(context);
    } catch (...) {
      return std::current_exception();
    }
  }
};

Epoch::Epoch(BatchSampler& batches, const LoaderOptions& options, Job job)
    : state_(std::make_unique<State>()) {
  state_->seed = draw_seed(options.generator);
  state_->batches = batches.draw();
  state_->job = std::move(job);
  state_->ahead = std::size_t(options.workers) * std::size_t(options.prefetch);
  const auto count = std::min(std::size_t(options.workers), state_->batches.size());
  try {
    for (std::size_t worker = 0; worker < count; ++worker)
      state_->threads.emplace_back([state = state_.get(), worker] { state->work(int(worker)); });
  } catch (const std::exception& error) {
    if (state_->threads.empty()) fail<Error>("DataLoader: no thread could be started: ", error.what());
  }
}

Epoch::~Epoch() {
  {
    const std::lock_guard guard(state_->lock);
    state_->stopping = true;
  }
  state_->room.notify_all();
  for (std::thread& thread : state_->threads) thread.join();
}

std::shared_ptr<void> Epoch::next() {
  State& state = *state_;
  if (state.delivered == state.batches.size()) return nullptr;
  if (state.threads.empty()) return state.make(state.delivered++);
  State::Result result;
  {
    std::unique_lock guard(state.lock);
    state.ready.wait(guard, [&] { return state.results.contains(state.delivered); });
    result = std::move(state.results.extract(state.delivered).mapped());
    ++state.delivered;
  }
  state.room.notify_all();
  if (result.error) std::rethrow_exception(result.error);
  return result.batch;
}

}  // namespace taper::data::detail
