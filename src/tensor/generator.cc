// The state of random number streams.
#include "taper/generator.h"

#include <array>
#include <mutex>
#include <random>
#include <utility>

#include "tensor/thread_generator.h"

#include "tensor/device_runtime.h"
#include "tensor/meta.h"

namespace taper {

struct Generator::State {
  std::mutex lock;
  std::uint64_t seed = 0;
  std::uint64_t offset = 0;
};

Generator::Generator(std::uint64_t seed) : state_(std::make_shared<State>()) { state_->seed = seed; }

void Generator::manual_seed(std::uint64_t seed) const { set_state(seed, 0); }

std::uint64_t Generator::seed() const {
  std::random_device device;
  const std::uint64_t fresh = (std::uint64_t(device()) << 32) | device();
  manual_seed(fresh);
  return fresh;
}

std::uint64_t Generator::initial_seed() const {
  const std::lock_guard guard(state_->lock);
  return state_->seed;
}

std::uint64_t Generator::offset() const {
  const std::lock_guard guard(state_->lock);
  return state_->offset;
}

void Generator::set_state(std::uint64_t seed, std::uint64_t offset) const {
  const std::lock_guard guard(state_->lock);
  state_->seed = seed;
  state_->offset = offset;
}

std::uint64_t Generator::reserve(std::uint64_t count) const {
  const std::lock_guard guard(state_->lock);
  const std::uint64_t first = state_->offset;
  state_->offset += count;
  return first;
}

namespace {

thread_local Generator* of_this_thread = nullptr;

// Of the CPU, then of each CUDA device there may be, then of meta.
std::array<Generator, 130>& generators() {
  static std::array<Generator, 130> all;
  return all;
}

}  // namespace

ThreadGenerator::ThreadGenerator(Generator generator)
    : generator_(std::move(generator)), before_(of_this_thread) {
  of_this_thread = &generator_;
}

ThreadGenerator::~ThreadGenerator() { of_this_thread = before_; }

Generator& default_generator(Device device) {
  if (device.is_cpu()) return of_this_thread ? *of_this_thread : generators()[0];
  if (is_meta(device)) return generators().back();
  return generators()[std::size_t(resolved(device).index + 1)];
}

void manual_seed(std::uint64_t seed) {
  for (const Generator& generator : generators()) generator.manual_seed(seed);
}

}  // namespace taper
