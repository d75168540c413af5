// Recording work on a device to run it again as a whole: what libtaper_cuda does for cuda::Graph.
#pragma once

#include <cstdint>
#include <memory>

namespace taper {

/// Device numbers are checked by the callers.
class DeviceGraphs {
 public:
  virtual ~DeviceGraphs() = default;

  /// Memory that recorded work uses; kept as long as a graph or a tensor in it lives.
  virtual std::shared_ptr<void> make_pool(int device) = 0;
  /// What the calling thread puts into the device's current stream is from now on recorded and not run;
  /// memory comes from pool. Throws ValueError on the default stream, and where the device records already.
  virtual void begin(int device, std::shared_ptr<void> pool) = 0;
  /// The recorded work; null where recording failed before. Always ends the recording.
  virtual std::shared_ptr<void> end(int device) = 0;
  /// Whether the calling thread's current stream records.
  virtual bool is_recording(int device) = 0;

  /// How far a run is from the recording: seeds and offsets of random numbers, and runs before it.
  struct Shift {
    std::uint64_t seed = 0, offset = 0, runs = 0;
  };
  /// Puts the recorded work into the device's current stream.
  virtual void launch(void* graph, int device, const Shift& shift) = 0;
};

/// The function taper_cuda_graphs of libtaper_cuda.so.
using OpenDeviceGraphs = DeviceGraphs* (*)();

/// Throws DeviceError where there is no device that can record.
DeviceGraphs& device_graphs();

}  // namespace taper
