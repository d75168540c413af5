// Generator: a stream of random numbers, the same on every machine and at any number of threads.
#pragma once

#include <cstdint>
#include <memory>

#include "taper/device.h"

namespace taper {

/// A Philox 4x32-10 counter (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"). Copies share
/// the state; safe to use from several threads.
class Generator {
 public:
  explicit Generator(std::uint64_t seed = 67280421310721ull);

  void manual_seed(std::uint64_t seed) const;
  /// A seed from the operating system, which is also returned.
  std::uint64_t seed() const;
  std::uint64_t initial_seed() const;
  /// Blocks of four 32-bit words drawn so far.
  std::uint64_t offset() const;
  void set_state(std::uint64_t seed, std::uint64_t offset) const;
  /// Takes count blocks for the caller: returns the offset of the first.
  std::uint64_t reserve(std::uint64_t count) const;
  friend bool operator==(const Generator&, const Generator&) = default;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// The generator that operations on a device draw from when none is given. From the same seed, those of all
/// devices give the same numbers.
Generator& default_generator(Device device = {});
/// Seeds the default generators of all devices.
void manual_seed(std::uint64_t seed);

}  // namespace taper
