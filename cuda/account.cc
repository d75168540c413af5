// Limits and counts of a process's allocations, priorities of streams, and the profilers' switch.
#include "cuda/account.h"

#include <cuda_profiler_api.h>

#include <array>
#include <atomic>

#include "cuda/runtime.h"
#include "tensor/device_account.h"

namespace taper::cuda {

namespace {

struct Entry {
  std::atomic<std::int64_t> limit{INT64_MAX}, bytes{0}, retries{0}, failures{0};
};

Entry& entry(int device) {
  // More devices than a machine has.
  static std::array<Entry, 256> entries;
  return entries[std::size_t(device) % entries.size()];
}

class Account final : public DeviceAccount {
 public:
  void set_memory_limit(int device, std::int64_t bytes) override { entry(device).limit = bytes; }
  AllocationCounts allocation_counts(int device) override {
    const Entry& of = entry(device);
    return {of.bytes, of.retries, of.failures};
  }
  int priority(const Stream& stream) override {
    int priority = 0;
    runtime().use(stream.device());
    check_cuda(cudaStreamGetPriority(static_cast<cudaStream_t>(stream.handle()), &priority),
               "asking for a stream's priority");
    return priority;
  }
  void profile(bool watch) override {
    check_cuda(watch ? cudaProfilerStart() : cudaProfilerStop(), "switching the profiler");
  }
};

}  // namespace

void check_limit(int device, std::int64_t bytes, std::int64_t held) {
  Entry& of = entry(device);
  const std::int64_t limit = of.limit;
  if (bytes > 0 && bytes > limit - held) {
    ++of.failures;
    fail<OutOfMemory>("CUDA out of memory: cannot allocate ", bytes, " bytes on cuda:", device,
                      ", where this process is allowed ", limit, " bytes; its tensors hold ", held);
  }
}

void count_allocation(int device, std::int64_t bytes) { entry(device).bytes += bytes; }

void count_retry(int device) { ++entry(device).retries; }
void count_failure(int device) { ++entry(device).failures; }

}  // namespace taper::cuda

extern "C" __attribute__((visibility("default"))) taper::DeviceAccount* taper_cuda_account() {
  static taper::cuda::Account account;
  return &account;
}
