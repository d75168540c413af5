// What moves tensors between the devices of several processes; libtaper_cuda implements it by NCCL.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "taper/dtype.h"

namespace taper {

enum class DeviceReduction : std::uint8_t { sum, average, product, min, max };

/// The ranks of a group, each with one device. Work is queued on the current stream of the device in use,
/// without waiting for it. All ranks must call the same methods in the same order. All methods throw Error
/// for what the library refuses.
class DeviceCommunicator {
 public:
  /// bytes from or to one rank.
  struct Message {
    void* data;
    std::int64_t bytes;
    int rank;
  };

  virtual ~DeviceCommunicator() = default;
  /// Throws DTypeError where the library cannot reduce this dtype.
  virtual void all_reduce(void* data, std::int64_t count, DType dtype, DeviceReduction reduction) = 0;
  virtual void reduce(void* data, std::int64_t count, DType dtype, DeviceReduction reduction, int root) = 0;
  /// output: count elements; input: as many for each rank, in order.
  virtual void reduce_scatter(void* output, const void* input, std::int64_t count, DType dtype,
                              DeviceReduction reduction) = 0;
  virtual void broadcast(void* data, std::int64_t bytes, int root) = 0;
  /// output: bytes of each rank, in order.
  virtual void all_gather(void* output, const void* input, std::int64_t bytes) = 0;
  /// All at the same time; what one rank sends to another, the other must expect.
  virtual void exchange(const std::vector<Message>& sent, const std::vector<Message>& expected) = 0;

  /// What went wrong on any rank, or empty. From any thread.
  virtual std::string failure() = 0;
  /// Ends what is under way; later calls throw. From any thread.
  virtual void abort() noexcept = 0;
};

}  // namespace taper
