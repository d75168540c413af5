// CUDA devices: which there are, their memory, streams and events. Everything here is also taper.cuda in
// Python.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "taper/tensor.h"

namespace taper::cuda {

// A device number of -1 means the calling thread's current device. Functions that need a device throw
// DeviceError, saying why, where is_available() is false.

/// Whether this build has its CUDA library, a driver answers and there is a device. Throws nothing.
bool is_available();
/// Why is_available() is false; empty where it is true.
std::string why_unavailable();
/// 0 where is_available() is false.
int device_count();
int current_device();
/// Makes device that of "cuda" without a number, for the calling thread.
void set_device(int device);
/// Waits for all work on a device. Throws IndexError if a kernel met an index out of range since the last
/// wait.
void synchronize(int device = -1);

struct DeviceProperties {
  std::string name;
  int major = 0, minor = 0;  ///< compute capability
  std::int64_t total_memory = 0;
  int multi_processor_count = 0;
  int max_threads_per_multi_processor = 0, warp_size = 0;
  std::int64_t shared_memory_per_block = 0, l2_cache_size = 0;
};
DeviceProperties device_properties(int device = -1);
bool can_access_peer(int device, int peer);

/// Bytes of a device, of this process; allocations since it began.
struct MemoryStatistics {
  std::int64_t allocated = 0, peak_allocated = 0;  ///< in tensors
  std::int64_t reserved = 0, peak_reserved = 0;    ///< held by the pool, in tensors or not
  std::int64_t allocations = 0, frees = 0;
};
MemoryStatistics memory_statistics(int device = -1);
void reset_peak_memory(int device = -1);
/// Gives back to the driver what the pool holds and no tensor uses.
void empty_cache();
struct MemoryInfo {
  std::int64_t free = 0, total = 0;
};
/// As the driver tells it, of all processes.
MemoryInfo memory_info(int device = -1);

class Event;

/// A queue of work on a device. Copies refer to the same queue.
class Stream {
 public:
  /// A new queue. priority: lower numbers go first; 0 is the ordinary one.
  explicit Stream(int device = -1, int priority = 0);
  /// A queue made by the runtime, null for the default one; not for users.
  Stream(int device, std::shared_ptr<void> handle) : device_(device), handle_(std::move(handle)) {}

  int device() const { return device_; }
  /// The runtime's handle: a cudaStream_t.
  void* handle() const { return handle_.get(); }
  const std::shared_ptr<void>& shared_handle() const { return handle_; }
  /// Whether all work is done.
  bool query() const;
  void synchronize() const;
  /// Work put here from now on waits for what the event stands for.
  void wait(const Event& event) const;
  void wait(const Stream& other) const;
  friend bool operator==(const Stream& a, const Stream& b) {
    return a.device_ == b.device_ && a.handle_ == b.handle_;
  }

 private:
  int device_;
  std::shared_ptr<void> handle_;
};

/// The queue that the calling thread's operations on a device go to.
Stream current_stream(int device = -1);
Stream default_stream(int device = -1);
/// Makes stream the current one of its device, and its device current, for the calling thread.
void set_stream(const Stream& stream);

/// Makes a stream the calling thread's current one, and its device current, for as long as it lives.
class StreamGuard {
 public:
  explicit StreamGuard(const Stream& stream)
      : device_(current_device()), before_(current_stream(stream.device())) {
    set_stream(stream);
  }
  ~StreamGuard() {
    set_stream(before_);
    set_device(device_);
  }
  StreamGuard(const StreamGuard&) = delete;
  StreamGuard& operator=(const StreamGuard&) = delete;

 private:
  int device_;
  Stream before_;
};

/// A place in a queue.
class Event {
 public:
  explicit Event(bool timed = false) : timed_(timed) {}
  void record(const Stream& stream);
  /// True before the first record().
  bool query() const;
  void synchronize() const;
  /// From this event to a later one. Both must be timed and done.
  double milliseconds_to(const Event& later) const;
  void* handle() const { return handle_.get(); }

 private:
  bool timed_;
  std::shared_ptr<void> handle_;
};

/// A copy in page-locked main memory, from which and to which copies to a device need not wait.
Tensor pin_memory(const Tensor& x);
bool is_pinned(const Tensor& x);
/// Memory of x is not reused before the work that stream has now is done: for tensors used on another stream
/// than the one that was current when they were made.
void record_stream(const Tensor& x, const Stream& stream);

}  // namespace taper::cuda
