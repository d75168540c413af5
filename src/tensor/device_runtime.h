// What a device's library does beside kernels: memory, copies, streams, events. libtaper_cuda implements it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "taper/cuda.h"
#include "taper/tensor.h"
#include "tensor/device_communicator.h"

namespace taper {

/// Device numbers are checked by the callers below; -1 does not arrive here.
class DeviceRuntime {
 public:
  virtual ~DeviceRuntime() = default;

  virtual int device_count() = 0;
  /// Kernels that the calling thread launches next go to device's current stream.
  virtual void use(int device) = 0;

  /// Uninitialized, on the current stream. Throws OutOfMemory with the sizes.
  virtual Storage* allocate(int device, std::int64_t bytes) = 0;
  virtual Storage* allocate_pinned(std::int64_t bytes) = 0;
  virtual bool is_pinned(const Storage& storage) = 0;
  virtual void record_stream(Storage& storage, const cuda::Stream& stream) = 0;
  /// Dense tensors of the same bytes, at least one on a device. Main memory is ready for use on return,
  /// unless non_blocking and pinned.
  virtual void copy(const Tensor& source, const Tensor& target, bool non_blocking) = 0;
  virtual void set_zero(int device, void* memory, std::int64_t bytes) = 0;

  virtual void synchronize(int device) = 0;
  virtual cuda::DeviceProperties properties(int device) = 0;
  virtual bool can_access_peer(int device, int peer) = 0;
  virtual cuda::MemoryStatistics memory_statistics(int device) = 0;
  virtual void reset_peak_memory(int device) = 0;
  virtual void empty_cache() = 0;
  virtual cuda::MemoryInfo memory_info(int device) = 0;

  virtual std::shared_ptr<void> make_stream(int device, int priority) = 0;
  virtual cuda::Stream current_stream(int device) = 0;
  virtual void set_stream(const cuda::Stream& stream) = 0;
  virtual bool is_done(const cuda::Stream& stream) = 0;
  virtual void wait_for(const cuda::Stream& stream) = 0;
  virtual std::shared_ptr<void> make_event(int device, bool timed) = 0;
  virtual void record_event(void* event, const cuda::Stream& stream) = 0;
  virtual void stream_waits(const cuda::Stream& stream, void* event) = 0;
  virtual bool is_done(void* event) = 0;
  virtual void wait_for(void* event) = 0;
  virtual double milliseconds(void* start, void* end) = 0;

  /// A name that one rank makes and all ranks of a communicator give. Throws DeviceError where the library
  /// that connects devices is missing.
  virtual std::string communicator_name() = 0;
  /// Waits for the other ranks, until go_on() throws.
  virtual std::unique_ptr<DeviceCommunicator> connect(int device, const std::string& name, int rank, int size,
                                                      const std::function<void()>& go_on) = 0;
  /// The contents of the device's memory cannot be trusted any more: waits for it throw DistributedError with
  /// this reason from now on.
  virtual void distrust(int device, const std::string& reason) = 0;
};

/// The function taper_cuda_runtime of libtaper_cuda.so: fills the kernel slots and gives the runtime, which
/// lives to the end of the process; or null and why not.
using OpenDeviceRuntime = DeviceRuntime* (*)(std::string& why_not);

/// Loads libtaper_cuda on first use. Throws DeviceError where it or a device is missing.
DeviceRuntime& device_runtime();
/// The device with its number: that of the current device if it has none. Throws DeviceError where there is
/// no such device.
Device resolved(Device device);

}  // namespace taper
