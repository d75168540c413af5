// The collectives of a group on one device: their stream, their communicator, and a watch over those under
// way.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "distributed/socket.h"
#include "distributed/transport.h"
#include "taper/cuda.h"
#include "tensor/device_communicator.h"

namespace taper::distributed {

/// A collective is done with its calling thread when it is queued; the device works on it then. Its methods
/// as Collectives are for bodies that run() calls.
class DeviceQueue final : public Collectives {
 public:
  /// A collective of the group.
  struct Label {
    std::string what;
    std::uint64_t number;
  };
  using Connect = std::function<std::unique_ptr<DeviceCommunicator>()>;
  /// Is told from another thread of a collective that failed or came too late, and why.
  using Fault = std::function<void(const Label&, const std::string& cause)>;

  DeviceQueue(int device, int rank, int size, Connect connect, Fault fault);
  ~DeviceQueue() override;

  /// Runs body with this queue's stream as the current one, after what ready stands for, and records done.
  /// tensors: all that body uses. The watch begins: done must come before the deadline.
  void run(const Label& label, const cuda::Event& ready, const Tensors& tensors,
           const std::function<void()>& body, cuda::Event& done, Deadline deadline);
  /// Waits until all is done, or given up.
  void drain();
  /// Ends what is under way, if there is any; then the device's memory is not to be trusted.
  void give_up(const std::string& reason) noexcept;

  void all_reduce(void* data, std::size_t count, const Reduction& reduction, std::uint32_t tag) override;
  void reduce(void* data, std::size_t count, const Reduction& reduction, int root,
              std::uint32_t tag) override;
  void reduce_scatter(void* output, const void* input, std::size_t count, const Reduction& reduction,
                      std::uint32_t tag) override;
  void broadcast(void* data, std::size_t bytes, int root, std::uint32_t tag) override;
  void all_gather(void* output, const void* input, std::size_t bytes, std::uint32_t tag) override;
  void gather(void* output, const void* input, std::size_t bytes, int root, std::uint32_t tag) override;
  void scatter(void* output, const void* input, std::size_t bytes, int root, std::uint32_t tag) override;
  void all_to_all(void* output, const std::vector<std::int64_t>& output_bytes, const void* input,
                  const std::vector<std::int64_t>& input_bytes, std::uint32_t tag) override;

 private:
  struct Pending {
    Label label;
    cuda::Event done;
    Deadline deadline;
  };
  void watch();
  /// What is wrong with it, or empty.
  std::string look_at(const Pending& pending, bool& done);

  const int device_, rank_, size_;
  const Connect connect_;
  const Fault fault_;
  const cuda::Stream stream_;
  std::unique_ptr<DeviceCommunicator> communicator_;
  std::mutex lock_;
  std::condition_variable changed_;
  std::deque<Pending> pending_;
  bool stop_ = false, given_up_ = false;
  std::thread watch_;
};

}  // namespace taper::distributed
