// The transport of a group of one rank: copies.
#pragma once

#include <cstring>

#include "distributed/transport.h"
#include "taper/error.h"

namespace taper::distributed {

class LonelyTransport : public Transport {
 public:
  void set_timeout(std::chrono::milliseconds) override {}
  void all_reduce(void*, std::size_t, const Reduction&, std::uint32_t) override {}
  void reduce(void*, std::size_t, const Reduction&, int, std::uint32_t) override {}
  void reduce_scatter(void* output, const void* input, std::size_t count, const Reduction& reduction,
                      std::uint32_t) override {
    std::memmove(output, input, count * reduction.item_size());
  }
  void broadcast(void*, std::size_t, int, std::uint32_t) override {}
  void all_gather(void* output, const void* input, std::size_t bytes, std::uint32_t) override {
    std::memmove(output, input, bytes);
  }
  void gather(void* output, const void* input, std::size_t bytes, int, std::uint32_t) override {
    std::memmove(output, input, bytes);
  }
  void scatter(void* output, const void* input, std::size_t bytes, int, std::uint32_t) override {
    std::memmove(output, input, bytes);
  }
  void all_to_all(void* output, const std::vector<std::int64_t>& output_bytes, const void* input,
                  const std::vector<std::int64_t>&, std::uint32_t) override {
    std::memmove(output, input, std::size_t(output_bytes[0]));
  }
  std::unique_ptr<Transfer> begin_exchange(int, const void*, std::size_t, int, void*, std::size_t,
                                           std::uint64_t, std::uint8_t) override {
    fail<DistributedError>("exchange: the group has no other rank");
  }
  std::unique_ptr<Transfer> begin_send(const void*, std::size_t, int, std::uint64_t, std::uint8_t) override {
    fail<DistributedError>("send: the group has no other rank");
  }
  std::unique_ptr<Transfer> begin_receive(void*, std::size_t, std::optional<int>, std::uint64_t,
                                          std::uint8_t) override {
    fail<DistributedError>("recv: the group has no other rank");
  }
  void abort() noexcept override {}
};

}  // namespace taper::distributed
