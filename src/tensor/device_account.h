// What libtaper_cuda counts and limits for taper/cuda_account.h.
#pragma once

#include "taper/cuda_account.h"

namespace taper {

/// Device numbers are checked by the callers.
class DeviceAccount {
 public:
  virtual ~DeviceAccount() = default;

  virtual void set_memory_limit(int device, std::int64_t bytes) = 0;
  virtual cuda::AllocationCounts allocation_counts(int device) = 0;
  virtual int priority(const cuda::Stream& stream) = 0;
  virtual void profile(bool watch) = 0;
};

/// The function taper_cuda_account of libtaper_cuda.so.
using OpenDeviceAccount = DeviceAccount* (*)();

}  // namespace taper
