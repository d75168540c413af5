// Devices, memory, copies, streams and events through the CUDA runtime.
#include "cuda/runtime.h"

#include <algorithm>

#include "cuda/account.h"
#include "cuda/graph.h"
#include "cuda/install.h"

namespace taper::cuda {

namespace {

thread_local int device_used = 0;
// By device; devices without an entry have the default stream.
thread_local std::vector<std::shared_ptr<void>> current_streams;

cudaStream_t handle_of(const Stream& stream) { return static_cast<cudaStream_t>(stream.handle()); }

// Other libraries of the process move the thread's current device, too.
void set_device_of_thread(int device) {
  int now = -1;
  check_cuda(cudaGetDevice(&now), "asking for the device in use");
  if (now != device) check_cuda(cudaSetDevice(device), "choosing the device");
}

/// What a storage on a device keeps beside its memory.
struct DeviceBlock {
  int device;
  void* memory;
  std::int64_t bytes;
  Stream home;
  std::shared_ptr<GraphPool> pool;  // that it is from, if it was made while a graph was recorded
  std::mutex lock;
  std::vector<Stream> others;
};

void release_device(void* context) {
  auto* block = static_cast<DeviceBlock*>(context);
  if (!block->pool && release_after_recording(block->device, release_device, context)) return;
  const std::unique_ptr<DeviceBlock> owned(block);
  // Where other streams use it, recorded work cannot tell when they are done: then it stays as it is.
  if (block->pool && block->others.empty()) block->pool->give_back(block->memory);
  runtime().free(block->device, block->pool ? nullptr : block->memory, block->bytes, block->home,
                 block->others);
}

/// What a storage in page-locked memory keeps: the copies that still read or write it.
struct PinnedBlock {
  void* memory;
  std::mutex lock;
  std::vector<std::shared_ptr<void>> copies;
};

void release_pinned(void* context) {
  const std::unique_ptr<PinnedBlock> block(static_cast<PinnedBlock*>(context));
  for (const auto& event : block->copies) cudaEventSynchronize(static_cast<cudaEvent_t>(event.get()));
  cudaFreeHost(block->memory);
}

const char* name(Fault fault) {
  constexpr const char* names[] = {"",          "gather",        "scatter",      "index",
                                   "embedding", "cross_entropy", "searchsorted", "ctc_loss"};
  return names[int(fault)];
}

}  // namespace

Runtime::Runtime(int device_count) : prepared_(std::size_t(device_count)) {
  for (int i = 0; i < device_count; ++i) devices_.push_back(std::make_unique<DeviceState>());
}

// A pool keeps what is freed until empty_cache(), as allocating from the driver is slow.
void Runtime::prepare(int device) {
  DeviceState& state = *devices_[std::size_t(device)];
  set_device_of_thread(device);
  check_cuda(cudaDeviceGetDefaultMemPool(&state.pool, device), "finding the memory pool");
  std::uint64_t threshold = UINT64_MAX;
  check_cuda(cudaMemPoolSetAttribute(state.pool, cudaMemPoolAttrReleaseThreshold, &threshold),
             "setting up the memory pool");
  state.multi_processors = properties(device).multi_processor_count;
  state.fault = static_cast<int*>(take(device, sizeof(int), nullptr));
  check_cuda(cudaMemsetAsync(state.fault, 0, sizeof(int), nullptr), "clearing the fault word");
  check_cuda(cudaStreamSynchronize(nullptr), "setting up the device");
  for (int peer = 0; peer < device_count(); ++peer) {
    if (peer == device || !can_access_peer(peer, device)) continue;
    const cudaMemAccessDesc access{{cudaMemLocationTypeDevice, peer}, cudaMemAccessFlagsProtReadWrite};
    check_cuda(cudaMemPoolSetAccess(state.pool, &access, 1), "sharing the memory pool between devices");
  }
}

Runtime::DeviceState& Runtime::state(int device) {
  std::call_once(prepared_[std::size_t(device)], [&] { prepare(device); });
  return *devices_[std::size_t(device)];
}

void Runtime::use(int device) {
  state(device);
  set_device_of_thread(device);
  device_used = device;
}

int Runtime::device_in_use() const { return device_used; }
cudaStream_t Runtime::stream_in_use() { return handle_of(current_stream(device_used)); }
int* Runtime::fault_word() { return state(device_used).fault; }

void* Runtime::take(int device, std::int64_t bytes, cudaStream_t stream) {
  void* memory = nullptr;
  cudaError_t status = cudaMallocAsync(&memory, std::size_t(bytes), stream);
  if (status == cudaErrorMemoryAllocation) {
    // What was freed in other streams' order may be had after they are done.
    count_retry(device);
    cudaGetLastError();
    cudaDeviceSynchronize();
    empty_cache();
    status = cudaMallocAsync(&memory, std::size_t(bytes), stream);
  }
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    count_failure(device);
    const MemoryInfo info = memory_info(device);
    const MemoryStatistics statistics = memory_statistics(device);
    fail<OutOfMemory>("CUDA out of memory: cannot allocate ", bytes, " bytes on cuda:", device,
                      ", which has ", info.free, " of ", info.total,
                      " bytes free; tensors of this process hold ", statistics.allocated, " bytes, its pool ",
                      statistics.reserved);
  }
  check_cuda(status, "allocating memory");
  return memory;
}

Storage* Runtime::allocate(int device, std::int64_t bytes) {
  DeviceState& here = state(device);
  check_limit(device, bytes, here.allocated);
  set_device_of_thread(device);
  const Stream home = current_stream(device);
  std::shared_ptr<GraphPool> pool = pool_of_recording(device);
  // Whole words, which atomic operations on parts of them exchange.
  const std::int64_t words = (bytes + 3) / 4 * 4;
  void* memory = nullptr;
  if (bytes) memory = pool ? pool->take(words, handle_of(home)) : take(device, words, handle_of(home));
  ++here.allocations;
  count_allocation(device, bytes);
  const std::int64_t held = here.allocated += bytes;
  for (std::int64_t peak = here.peak; peak < held && !here.peak.compare_exchange_weak(peak, held);) {
  }
  auto* block = new DeviceBlock{device, memory, bytes, home, std::move(pool), {}, {}};
  Storage* storage = Storage::adopt(memory, bytes, release_device, block);
  storage->device = {Device::Type::cuda, device};
  return storage;
}

// Freed in the order of the stream it was allocated on, after what other streams have queued.
void Runtime::free(int device, void* memory, std::int64_t bytes, const Stream& home,
                   const std::vector<Stream>& others) noexcept {
  DeviceState& here = *devices_[std::size_t(device)];
  ++here.frees;
  here.allocated -= bytes;
  if (!memory) return;
  try {
    set_device_of_thread(device);
    for (const Stream& other : others) home.wait(other);
  } catch (const Error&) {
    return;  // the device is lost: so is its memory
  }
  cudaFreeAsync(memory, handle_of(home));
}

void Runtime::record_stream(Storage& storage, const Stream& stream) {
  if (storage.release != release_device) return;
  auto& block = *static_cast<DeviceBlock*>(storage.context);
  const std::lock_guard guard(block.lock);
  if (!(stream == block.home) &&
      std::find(block.others.begin(), block.others.end(), stream) == block.others.end())
    block.others.push_back(stream);
}

Storage* Runtime::allocate_pinned(std::int64_t bytes) {
  void* memory = nullptr;
  check<OutOfMemory>(cudaHostAlloc(&memory, std::size_t(std::max<std::int64_t>(bytes, 1)),
                                   cudaHostAllocPortable) == cudaSuccess,
                     "pin_memory: cannot page-lock ", bytes, " bytes");
  return Storage::adopt(memory, bytes, release_pinned, new PinnedBlock{memory, {}, {}});
}

bool Runtime::is_pinned(const Storage& storage) { return storage.release == release_pinned; }

void Runtime::copy(const Tensor& source, const Tensor& target, bool non_blocking) {
  const auto bytes = std::size_t(source.numel() * source.item_size());
  if (bytes == 0) return;
  const Device from = source.device(), to = target.device();
  const int device = to.is_cpu() ? from.index : to.index;
  use(device);
  const Stream stream = current_stream(device);
  if (!from.is_cpu() && !to.is_cpu() && from.index != to.index) {
    // The copy waits for what its source's device has queued, and the source's memory for the copy.
    stream.wait(current_stream(from.index));
    check_cuda(
        cudaMemcpyPeerAsync(target.data(), to.index, source.data(), from.index, bytes, handle_of(stream)),
        "copying between devices");
    current_stream(from.index).wait(stream);
    return;
  }
  const cudaMemcpyKind kind = from.is_cpu() ? cudaMemcpyHostToDevice
                              : to.is_cpu() ? cudaMemcpyDeviceToHost
                                            : cudaMemcpyDeviceToDevice;
  check_cuda(cudaMemcpyAsync(target.data(), source.data(), bytes, kind, handle_of(stream)), "copying");
  if (kind == cudaMemcpyDeviceToDevice) return;
  Storage& host = from.is_cpu() ? source.storage() : target.storage();
  if (non_blocking && is_pinned(host)) {
    auto& block = *static_cast<PinnedBlock*>(host.context);
    std::shared_ptr<void> event = make_event(device, false);
    record_event(event.get(), stream);
    const std::lock_guard guard(block.lock);
    std::erase_if(block.copies, [this](const auto& copy) { return is_done(copy.get()); });
    block.copies.push_back(std::move(event));
    return;
  }
  if (to.is_cpu()) check_fault(device, handle_of(stream));
  else wait_for(stream);
}

void Runtime::set_zero(int device, void* memory, std::int64_t bytes) {
  if (bytes == 0) return;
  use(device);
  check_cuda(cudaMemsetAsync(memory, 0, std::size_t(bytes), stream_in_use()), "clearing memory");
}

// Waits for the stream, too.
void Runtime::check_fault(int device, cudaStream_t stream) {
  int fault = 0;
  int* word = state(device).fault;
  check_cuda(cudaMemcpyAsync(&fault, word, sizeof(int), cudaMemcpyDeviceToHost, stream),
             "reading the fault word");
  check_cuda(cudaStreamSynchronize(stream), "waiting for the device");
  check_trust(device);
  if (fault == 0) return;
  check_cuda(cudaMemsetAsync(word, 0, sizeof(int), stream), "clearing the fault word");
  check_cuda(cudaStreamSynchronize(stream), "waiting for the device");
  fail<IndexError>(name(Fault(fault)), ": an index given to this operation earlier on cuda:", device,
                   " was out of range; its result is not valid");
}

void Runtime::distrust(int device, const std::string& reason) {
  DeviceState& here = state(device);
  const std::lock_guard guard(here.lock);
  if (here.distrusted.empty()) here.distrusted = reason;
}

void Runtime::check_trust(int device) {
  DeviceState& here = state(device);
  const std::lock_guard guard(here.lock);
  check<DistributedError>(here.distrusted.empty(), here.distrusted);
}

void Runtime::synchronize(int device) {
  use(device);
  check_cuda(cudaDeviceSynchronize(), "waiting for the device");
  check_fault(device, nullptr);
}

DeviceProperties Runtime::properties(int device) {
  cudaDeviceProp found;
  check_cuda(cudaGetDeviceProperties(&found, device), "asking for the device's properties");
  DeviceProperties properties;
  properties.name = found.name;
  properties.major = found.major;
  properties.minor = found.minor;
  properties.total_memory = std::int64_t(found.totalGlobalMem);
  properties.multi_processor_count = found.multiProcessorCount;
  properties.max_threads_per_multi_processor = found.maxThreadsPerMultiProcessor;
  properties.warp_size = found.warpSize;
  properties.shared_memory_per_block = std::int64_t(found.sharedMemPerBlock);
  properties.l2_cache_size = found.l2CacheSize;
  return properties;
}

bool Runtime::can_access_peer(int device, int peer) {
  int can = 0;
  check_cuda(cudaDeviceCanAccessPeer(&can, device, peer), "asking for peer access");
  return can != 0;
}

MemoryStatistics Runtime::memory_statistics(int device) {
  const DeviceState& here = state(device);
  MemoryStatistics statistics;
  statistics.allocated = here.allocated;
  statistics.peak_allocated = here.peak;
  statistics.allocations = here.allocations;
  statistics.frees = here.frees;
  std::uint64_t value = 0;
  check_cuda(cudaMemPoolGetAttribute(here.pool, cudaMemPoolAttrReservedMemCurrent, &value),
             "asking the memory pool");
  statistics.reserved = std::int64_t(value);
  check_cuda(cudaMemPoolGetAttribute(here.pool, cudaMemPoolAttrReservedMemHigh, &value),
             "asking the memory pool");
  statistics.peak_reserved = std::int64_t(value);
  return statistics;
}

void Runtime::reset_peak_memory(int device) {
  DeviceState& here = state(device);
  here.peak = here.allocated.load();
  std::uint64_t zero = 0;
  check_cuda(cudaMemPoolSetAttribute(here.pool, cudaMemPoolAttrReservedMemHigh, &zero),
             "resetting the memory pool");
}

void Runtime::empty_cache() {
  for (const auto& device : devices_)
    if (device->pool) check_cuda(cudaMemPoolTrimTo(device->pool, 0), "trimming the memory pool");
}

MemoryInfo Runtime::memory_info(int device) {
  set_device_of_thread(device);
  std::size_t free = 0, total = 0;
  check_cuda(cudaMemGetInfo(&free, &total), "asking for free memory");
  return {std::int64_t(free), std::int64_t(total)};
}

std::shared_ptr<void> Runtime::make_stream(int device, int priority) {
  use(device);
  cudaStream_t stream = nullptr;
  check_cuda(cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking, priority), "making a stream");
  return {stream, [](void* handle) { cudaStreamDestroy(static_cast<cudaStream_t>(handle)); }};
}

Stream Runtime::current_stream(int device) {
  return {device,
          std::size_t(device) < current_streams.size() ? current_streams[std::size_t(device)] : nullptr};
}

void Runtime::set_stream(const Stream& stream) {
  current_streams.resize(std::max(current_streams.size(), std::size_t(stream.device() + 1)));
  // The handle is the stream's own: keep it as it is shared.
  current_streams[std::size_t(stream.device())] = stream.shared_handle();
}

bool Runtime::is_done(const Stream& stream) {
  set_device_of_thread(stream.device());
  const cudaError_t status = cudaStreamQuery(handle_of(stream));
  if (status == cudaErrorNotReady) {
    cudaGetLastError();
    return false;
  }
  check_cuda(status, "asking a stream");
  return true;
}

void Runtime::wait_for(const Stream& stream) {
  set_device_of_thread(stream.device());
  check_cuda(cudaStreamSynchronize(handle_of(stream)), "waiting for a stream");
}

std::shared_ptr<void> Runtime::make_event(int device, bool timed) {
  set_device_of_thread(device);
  cudaEvent_t event = nullptr;
  check_cuda(cudaEventCreateWithFlags(&event, timed ? cudaEventDefault : cudaEventDisableTiming),
             "making an event");
  return {event, [](void* handle) { cudaEventDestroy(static_cast<cudaEvent_t>(handle)); }};
}

void Runtime::record_event(void* event, const Stream& stream) {
  set_device_of_thread(stream.device());
  check_cuda(cudaEventRecord(static_cast<cudaEvent_t>(event), handle_of(stream)), "recording an event");
}

void Runtime::stream_waits(const Stream& stream, void* event) {
  set_device_of_thread(stream.device());
  check_cuda(cudaStreamWaitEvent(handle_of(stream), static_cast<cudaEvent_t>(event), 0),
             "waiting for an event");
}

bool Runtime::is_done(void* event) {
  const cudaError_t status = cudaEventQuery(static_cast<cudaEvent_t>(event));
  if (status == cudaErrorNotReady) {
    cudaGetLastError();
    return false;
  }
  check_cuda(status, "asking an event");
  return true;
}

void Runtime::wait_for(void* event) {
  check_cuda(cudaEventSynchronize(static_cast<cudaEvent_t>(event)), "waiting for an event");
}

double Runtime::milliseconds(void* start, void* end) {
  float elapsed = 0;
  check_cuda(cudaEventElapsedTime(&elapsed, static_cast<cudaEvent_t>(start), static_cast<cudaEvent_t>(end)),
             "timing events");
  return elapsed;
}

namespace {

Runtime* opened = nullptr;

}  // namespace

Runtime& runtime() { return *opened; }

Scratch::Scratch(std::int64_t bytes) : storage_(runtime().allocate(runtime().device_in_use(), bytes)) {}

}  // namespace taper::cuda

extern "C" __attribute__((visibility("default"))) taper::DeviceRuntime* taper_cuda_runtime(
    std::string& why_not) {
  using namespace taper::cuda;
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess || count == 0) {
    cudaGetLastError();
    why_not = status == cudaSuccess ? "there is no CUDA device" : cudaGetErrorString(status);
    return nullptr;
  }
  install_kernels();
  return opened = new Runtime(count);
}
