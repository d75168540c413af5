// The collectives of a group on one device: their stream, their communicator, and a watch over those under
// way.
#include "distributed/device_queue.h"

#include "taper/error.h"
#include "tensor/device_runtime.h"

namespace taper::distributed {

namespace {

// How often the watch looks.
constexpr Milliseconds period{50};

DeviceReduction on_device(const Reduction& reduction) {
  switch (reduction.op) {
    case ReduceOp::sum: return DeviceReduction::sum;
    case ReduceOp::avg: return DeviceReduction::average;
    case ReduceOp::product: return DeviceReduction::product;
    case ReduceOp::min: return DeviceReduction::min;
    case ReduceOp::max: return DeviceReduction::max;
    default: break;
  }
  if (reduction.dtype == boolean && reduction.op == ReduceOp::band) return DeviceReduction::min;
  if (reduction.dtype == boolean && reduction.op == ReduceOp::bor) return DeviceReduction::max;
  fail<DTypeError>("NCCL has no bitwise reduction of ", reduction.dtype, "; move the tensor to the CPU");
}

using Message = DeviceCommunicator::Message;

std::vector<Message> messages(const void* data, const std::vector<std::int64_t>& bytes) {
  std::vector<Message> list;
  auto* place = static_cast<std::byte*>(const_cast<void*>(data));
  for (std::size_t rank = 0; rank < bytes.size(); ++rank) {
    if (bytes[rank]) list.push_back({place, bytes[rank], int(rank)});
    place += bytes[rank];
  }
  return list;
}

}  // namespace

DeviceQueue::DeviceQueue(int device, int rank, int size, Connect connect, Fault fault)
    : device_(device),
      rank_(rank),
      size_(size),
      connect_(std::move(connect)),
      fault_(std::move(fault)),
      stream_(device) {}

DeviceQueue::~DeviceQueue() {
  std::unique_lock lock(lock_);
  stop_ = true;
  changed_.notify_all();
  lock.unlock();
  if (watch_.joinable()) watch_.join();
}

void DeviceQueue::run(const Label& label, const cuda::Event& ready, const Tensors& tensors,
                      const std::function<void()>& body, cuda::Event& done, Deadline deadline) {
  const cuda::StreamGuard current(stream_);
  stream_.wait(ready);
  if (!communicator_) {
    auto connected = connect_();
    const std::lock_guard guard(lock_);
    communicator_ = std::move(connected);
    watch_ = std::thread([this] { watch(); });
  }
  for (const Tensor& tensor : tensors) cuda::record_stream(tensor, stream_);
  body();
  done.record(stream_);
  const std::lock_guard guard(lock_);
  pending_.push_back({label, done, deadline});
  changed_.notify_all();
}

void DeviceQueue::watch() {
  std::unique_lock lock(lock_);
  bool done = true;
  while (!stop_) {
    if (pending_.empty() || given_up_) changed_.wait(lock);
    else if (!done) changed_.wait_for(lock, period);
    if (pending_.empty() || given_up_) continue;
    // Others may give up meanwhile; only this thread takes away.
    const Pending first = pending_.front();
    lock.unlock();
    done = false;
    const std::string cause = look_at(first, done);
    if (!cause.empty()) fault_(first.label, cause);
    lock.lock();
    if (!done || given_up_) continue;
    pending_.pop_front();
    changed_.notify_all();
  }
}

std::string DeviceQueue::look_at(const Pending& pending, bool& done) {
  try {
    const std::string cause = communicator_->failure();
    if (!cause.empty()) return cause;
    done = pending.done.query();
    return done || Clock::now() < pending.deadline ? "" : "Timed out";
  } catch (const Error& error) {  // the device is lost
    return error.what();
  }
}

void DeviceQueue::drain() {
  std::unique_lock lock(lock_);
  changed_.wait(lock, [this] { return pending_.empty() || given_up_ || !communicator_; });
}

void DeviceQueue::give_up(const std::string& reason) noexcept {
  std::unique_lock lock(lock_);
  if (given_up_) return;
  given_up_ = true;
  const bool interrupted = !pending_.empty();
  DeviceCommunicator* const communicator = communicator_.get();
  changed_.notify_all();
  lock.unlock();
  if (interrupted) device_runtime().distrust(device_, reason);
  if (communicator) communicator->abort();
}

void DeviceQueue::all_reduce(void* data, std::size_t count, const Reduction& reduction, std::uint32_t) {
  communicator_->all_reduce(data, std::int64_t(count), reduction.dtype, on_device(reduction));
}

void DeviceQueue::reduce(void* data, std::size_t count, const Reduction& reduction, int root, std::uint32_t) {
  communicator_->reduce(data, std::int64_t(count), reduction.dtype, on_device(reduction), root);
}

void DeviceQueue::reduce_scatter(void* output, const void* input, std::size_t count,
                                 const Reduction& reduction, std::uint32_t) {
  communicator_->reduce_scatter(output, input, std::int64_t(count), reduction.dtype, on_device(reduction));
}

void DeviceQueue::broadcast(void* data, std::size_t bytes, int root, std::uint32_t) {
  communicator_->broadcast(data, std::int64_t(bytes), root);
}

void DeviceQueue::all_gather(void* output, const void* input, std::size_t bytes, std::uint32_t) {
  communicator_->all_gather(output, input, std::int64_t(bytes));
}

void DeviceQueue::gather(void* output, const void* input, std::size_t bytes, int root, std::uint32_t) {
  const auto each = std::vector<std::int64_t>(std::size_t(size_), std::int64_t(bytes));
  communicator_->exchange({{const_cast<void*>(input), std::int64_t(bytes), root}},
                          root == rank_ ? messages(output, each) : std::vector<Message>());
}

void DeviceQueue::scatter(void* output, const void* input, std::size_t bytes, int root, std::uint32_t) {
  const auto each = std::vector<std::int64_t>(std::size_t(size_), std::int64_t(bytes));
  communicator_->exchange(root == rank_ ? messages(input, each) : std::vector<Message>(),
                          {{output, std::int64_t(bytes), root}});
}

void DeviceQueue::all_to_all(void* output, const std::vector<std::int64_t>& output_bytes, const void* input,
                             const std::vector<std::int64_t>& input_bytes, std::uint32_t) {
  communicator_->exchange(messages(input, input_bytes), messages(output, output_bytes));
}

}  // namespace taper::distributed
