// A "CUDA" device made of main memory that only kernels may touch: its kernels are the CPU's. Everything
// around kernels is tested with it - which device a result is on, copies, host code that reads elements - on
// machines without a GPU. The memory cannot be read while no kernel or copy runs, so host code that does ends
// the process.
#include <sys/mman.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <mutex>
#include <stdexcept>

#include "cpu/attention.h"
#include "cpu/convolution.h"
#include "cpu/ctc.h"
#include "cpu/embedding.h"
#include "cpu/gemm.h"
#include "cpu/index.h"
#include "cpu/interpolate.h"
#include "cpu/linalg.h"
#include "cpu/normalization.h"
#include "cpu/optimizer.h"
#include "cpu/pooling.h"
#include "cpu/random.h"
#include "cpu/recurrent.h"
#include "cpu/reduce.h"
#include "cpu/scan.h"
#include "cpu/softmax.h"
#include "cpu/sort.h"
#include "tensor/device_account.h"
#include "tensor/device_kernel.h"
#include "tensor/device_runtime.h"

namespace taper::host_device {

namespace {

constexpr std::size_t arena_bytes = std::size_t(1) << 36, line = 64;

/// Never used twice; what is freed stays unreadable.
class Arena {
 public:
  Arena()
      : start_(static_cast<std::byte*>(
            mmap(nullptr, arena_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))) {
    if (start_ == MAP_FAILED) throw std::runtime_error("host device: no address space");
  }
  void* take(std::int64_t bytes) {
    const std::lock_guard guard(lock_);
    std::byte* memory = start_ + used_;
    used_ += (std::size_t(bytes) + line - 1) / line * line + line;
    return memory;
  }
  void open() {
    const std::lock_guard guard(lock_);
    ++users_;
    protect(PROT_READ | PROT_WRITE);
  }
  void close() {
    const std::lock_guard guard(lock_);
    if (--users_ == 0) protect(PROT_NONE);
  }

 private:
  void protect(int access) {
    const std::size_t pages = (used_ + 4095) / 4096 * 4096;
    if (pages) mprotect(start_, pages, access);
  }

  std::mutex lock_;
  std::byte* start_;
  std::size_t used_ = 0;
  int users_ = 0;
};

Arena& arena() {
  static Arena one;
  return one;
}

/// The memory can be read and written while one lives.
struct Access {
  Access() { arena().open(); }
  ~Access() { arena().close(); }
};

std::atomic<std::int64_t> allocated[2];

struct Block {
  int device;
  std::int64_t bytes;
};

void release(void* context) {
  const std::unique_ptr<Block> block(static_cast<Block*>(context));
  allocated[block->device] -= block->bytes;
}

class Runtime final : public DeviceRuntime {
 public:
  int device_count() override { return 2; }
  void use(int) override {}
  Storage* allocate(int device, std::int64_t bytes) override {
    allocated[device] += bytes;
    Storage* storage = Storage::adopt(arena().take(bytes), bytes, release, new Block{device, bytes});
    storage->device = {Device::Type::cuda, device};
    return storage;
  }
  Storage* allocate_pinned(std::int64_t bytes) override { return Storage::allocate(bytes); }
  bool is_pinned(const Storage&) override { return false; }
  void record_stream(Storage&, const cuda::Stream&) override {}
  void copy(const Tensor& source, const Tensor& target, bool) override {
    const Access access;
    std::memcpy(target.data(), source.data(), std::size_t(source.numel() * source.item_size()));
  }
  void set_zero(int, void* memory, std::int64_t bytes) override {
    const Access access;
    std::memset(memory, 0, std::size_t(bytes));
  }
  void synchronize(int) override {}
  cuda::DeviceProperties properties(int) override {
    cuda::DeviceProperties properties;
    properties.name = "main memory";
    properties.major = 8;
    return properties;
  }
  bool can_access_peer(int, int) override { return true; }
  cuda::MemoryStatistics memory_statistics(int device) override {
    cuda::MemoryStatistics statistics;
    statistics.allocated = allocated[device];
    return statistics;
  }
  void reset_peak_memory(int) override {}
  void empty_cache() override {}
  cuda::MemoryInfo memory_info(int) override { return {1 << 30, 1 << 30}; }
  std::shared_ptr<void> make_stream(int, int) override { return std::make_shared<int>(0); }
  cuda::Stream current_stream(int device) override { return {device, nullptr}; }
  void set_stream(const cuda::Stream&) override {}
  bool is_done(const cuda::Stream&) override { return true; }
  void wait_for(const cuda::Stream&) override {}
  std::shared_ptr<void> make_event(int, bool) override { return std::make_shared<int>(0); }
  void record_event(void*, const cuda::Stream&) override {}
  void stream_waits(const cuda::Stream&, void*) override {}
  bool is_done(void*) override { return true; }
  void wait_for(void*) override {}
  double milliseconds(void*, void*) override { return 0; }
  std::string communicator_name() override { throw std::runtime_error("host device: no communicators"); }
  std::unique_ptr<DeviceCommunicator> connect(int, const std::string&, int, int,
                                              const std::function<void()>&) override {
    return communicator_name(), nullptr;
  }
  void distrust(int, const std::string&) override {}
};

/// Main memory has neither a limit nor queues.
class Account final : public DeviceAccount {
 public:
  void set_memory_limit(int, std::int64_t) override {}
  cuda::AllocationCounts allocation_counts(int) override { return {}; }
  int priority(const cuda::Stream&) override { return 0; }
  void profile(bool) override {}
};

/// The CPU's kernel with the memory open.
template <auto kernel, class Function = decltype(kernel)>
struct Opened;
template <auto kernel, class Result, class... Arguments>
struct Opened<kernel, Result (*)(Arguments...)> {
  static Result call(Arguments... arguments) {
    const Access access;
    return kernel(arguments...);
  }
};

template <auto... kernels>
void install() {
  ((DeviceKernel<kernels>::function = Opened<kernels>::call), ...);
}

void map(const cpu::Kernel& kernel, const Shape& sizes, const cpu::Operand* inputs, int count, DType common,
         const cpu::Operand& output, const void* attributes, unsigned) {
  const Access access;
  cpu::map(kernel, sizes, inputs, count, common, output, attributes);
}

using Probability = void (*)(cpu::PhiloxState, void*, DType, std::int64_t, double);
using Probabilities = void (*)(cpu::PhiloxState, void*, DType, std::int64_t, const void*, DType);
template <class Options>
using Step = void (*)(const Options&, const std::vector<cpu::Parameter>&);

// All but histc, to see an operation without a kernel.
void install_all() {
  using namespace cpu;
  device_map = map;
  install<copy, fill, sum, nansum, prod, mean, var, norm, max, min, argmax, argmin, max_with_indices,
          min_with_indices, any, all, count_nonzero>();
  install<static_cast<void (*)(const Reduction&)>(logsumexp)>();
  install<softmax, log_softmax, softmax_backward, log_softmax_backward, cross_entropy, cross_entropy_backward,
          ctc_loss, ctc_loss_backward>();
  install<gather, scatter, index_select, index_add, cpu::index, index_put, count_true, nonzero>();
  install<embedding, embedding_backward, embedding_bag, embedding_bag_backward,
          embedding_bag_backward_samples>();
  install<row_norm, row_norm_backward, batch_norm, batch_norm_backward, batch_norm_inference, group_norm,
          group_norm_backward>();
  install<max_pool, max_pool_backward, average_pool, average_pool_backward, interpolate,
          interpolate_backward>();
  install<convolution_forward, convolution_backward_input, convolution_backward_weight, convolution_relu>();
  install<attention, attention_backward, lstm_cell, lstm_cell_backward, gru_cell, gru_cell_backward>();
  install<gemm, gemm_batched, gemm_activated, gemm_with_sums>();
  install<sort, topk, kthvalue, median, searchsorted, unique, unique_consecutive>();
  install<bincount_size, bincount, weighted_bincount>();
  install<cumsum, cumprod, logcumsumexp, cummax, cummin, linear_recurrence>();
  install<uniform, normal, exponential, randint, Probability(bernoulli), Probabilities(bernoulli)>();
  install<Step<Sgd>(step), Step<Adam>(step), Step<RmsProp>(step), Step<Adagrad>(step)>();
  install<cholesky, lu_factor, lu_solve, solve_triangular, qr, geqrf, eig, eigh, svd, matrix_exp, fft>();
}

}  // namespace

}  // namespace taper::host_device

extern "C" __attribute__((visibility("default"))) taper::DeviceRuntime* taper_cuda_runtime(std::string&) {
  taper::host_device::install_all();
  return new taper::host_device::Runtime;
}

extern "C" __attribute__((visibility("default"))) taper::DeviceAccount* taper_cuda_account() {
  return new taper::host_device::Account;
}
