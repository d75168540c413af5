// The runtime of CUDA devices: see DeviceRuntime.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cuda/cudart.h"
#include "tensor/device_runtime.h"

namespace taper::cuda {

/// Where kernels report an index out of range; checked where the host waits for a device.
enum class Fault : int { none = 0, gather, scatter, index, embedding, cross_entropy, searchsorted, ctc_loss };

class Runtime final : public DeviceRuntime {
 public:
  explicit Runtime(int device_count);

  int device_count() override { return int(devices_.size()); }
  void use(int device) override;
  Storage* allocate(int device, std::int64_t bytes) override;
  Storage* allocate_pinned(std::int64_t bytes) override;
  bool is_pinned(const Storage& storage) override;
  void record_stream(Storage& storage, const Stream& stream) override;
  void copy(const Tensor& source, const Tensor& target, bool non_blocking) override;
  void set_zero(int device, void* memory, std::int64_t bytes) override;
  void synchronize(int device) override;
  DeviceProperties properties(int device) override;
  bool can_access_peer(int device, int peer) override;
  MemoryStatistics memory_statistics(int device) override;
  void reset_peak_memory(int device) override;
  void empty_cache() override;
  MemoryInfo memory_info(int device) override;
  std::shared_ptr<void> make_stream(int device, int priority) override;
  Stream current_stream(int device) override;
  void set_stream(const Stream& stream) override;
  bool is_done(const Stream& stream) override;
  void wait_for(const Stream& stream) override;
  std::shared_ptr<void> make_event(int device, bool timed) override;
  void record_event(void* event, const Stream& stream) override;
  void stream_waits(const Stream& stream, void* event) override;
  bool is_done(void* event) override;
  void wait_for(void* event) override;
  double milliseconds(void* start, void* end) override;
  std::string communicator_name() override;
  std::unique_ptr<DeviceCommunicator> connect(int device, const std::string& name, int rank, int size,
                                              const std::function<void()>& go_on) override;
  void distrust(int device, const std::string& reason) override;

  /// The device that use() chose for the calling thread, and its current stream.
  int device_in_use() const;
  cudaStream_t stream_in_use();
  /// The word of the device in use that kernels write a Fault to.
  int* fault_word();
  int multi_processors(int device) const { return devices_[std::size_t(device)]->multi_processors; }

  /// Called when a storage of a device is freed.
  void free(int device, void* memory, std::int64_t bytes, const Stream& home,
            const std::vector<Stream>& others) noexcept;

 private:
  struct DeviceState {
    cudaMemPool_t pool = nullptr;
    int multi_processors = 1;
    int* fault = nullptr;
    std::atomic<std::int64_t> allocated{0}, peak{0}, allocations{0}, frees{0};
    std::mutex lock;
    std::string distrusted;  // why, or empty
  };
  void* take(int device, std::int64_t bytes, cudaStream_t stream);
  void check_fault(int device, cudaStream_t stream);
  void check_trust(int device);
  void prepare(int device);
  DeviceState& state(int device);

  std::vector<std::unique_ptr<DeviceState>> devices_;
  std::vector<std::once_flag> prepared_;
};

/// The one there is, once the library was opened.
Runtime& runtime();

/// Memory of the device in use for the time of an operation, freed in stream order.
class Scratch {
 public:
  explicit Scratch(std::int64_t bytes);
  ~Scratch() { storage_->drop(); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  template <class T = void>
  T* data() const {
    return reinterpret_cast<T*>(storage_->data);
  }

 private:
  Storage* storage_;
};

}  // namespace taper::cuda
