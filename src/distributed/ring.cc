// A ring all_reduce for tensors of middle size.
#include "distributed/ring.h"

#include <memory>

namespace taper::distributed {

namespace {

// Beside those of transfers and greetings.
constexpr std::uint8_t lane = 4;
// Gloo cuts a tensor into pieces that are under way together. That pays from here on; below, its event loop
// and the thread that sends wait for each other's locks (measured with 2 and 4 processes on 2 cores).
constexpr std::size_t largest = 4 << 20;
// A step's number has 8 bits.
constexpr int most_ranks = 128;

}  // namespace

bool prefers_ring(std::size_t bytes, int size) { return bytes <= largest && size > 1 && size <= most_ranks; }

void all_reduce_ring(Transport& transport, int rank, int size, void* data, std::size_t count,
                     std::size_t item_size, Combine combine, std::uint64_t number) {
  auto* bytes = static_cast<std::byte*>(data);
  const auto part = [&](int index) { return std::size_t(index + 2 * size) % std::size_t(size); };
  const auto first = [&](std::size_t index) { return count * index / std::size_t(size); };
  const auto length = [&](std::size_t index) { return first(index + 1) - first(index); };
  const int next = (rank + 1) % size, before = (rank - 1 + size) % size;
  const auto room = std::make_unique_for_overwrite<std::byte[]>((count / std::size_t(size) + 1) * item_size);
  std::uint64_t step = 0;
  const auto pass_on = [&](std::size_t out, std::size_t in, std::byte* target) {
    transport.exchange(next, bytes + first(out) * item_size, length(out) * item_size, before, target,
                       length(in) * item_size, number << 8 | step++, lane);
  };
  for (int round = 0; round < size - 1; ++round) {
    const std::size_t in = part(rank - round - 1);
    pass_on(part(rank - round), in, room.get());
    std::byte* sum = bytes + first(in) * item_size;
    combine(sum, sum, room.get(), length(in));
  }
  for (int round = 0; round < size - 1; ++round) {
    const std::size_t in = part(rank - round);
    pass_on(part(rank + 1 - round), in, bytes + first(in) * item_size);
  }
}

}  // namespace taper::distributed
