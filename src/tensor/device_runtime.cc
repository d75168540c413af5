// Finding and loading libtaper_cuda, and what is asked of it.
#include "tensor/device_runtime.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <optional>

#include "taper/backends.h"
#include "taper/error.h"
#include "tensor/default_device.h"
#include "tensor/device_account.h"
#include "tensor/device_graphs.h"
#include "tensor/device_jit.h"
#include "tensor/kernel_for.h"
#include "tensor/meta.h"

namespace taper {

DeviceMap device_map = nullptr;

namespace {

struct Loaded {
  DeviceRuntime* runtime = nullptr;
  DeviceGraphs* graphs = nullptr;
  RunJit jit = nullptr;
  DeviceAccount* account = nullptr;
  long (*cudnn_version)() = nullptr;
  std::string why_not;
};

// Beside this library, or the file that TAPER_CUDA_LIBRARY names.
std::string library_path() {
  if (const char* chosen = std::getenv("TAPER_CUDA_LIBRARY")) return chosen;
  Dl_info here{};
  dladdr(reinterpret_cast<const void*>(&device_map), &here);
  return (std::filesystem::path(here.dli_fname ? here.dli_fname : "").parent_path() / "libtaper_cuda.so")
      .string();
}

Loaded load() {
  Loaded loaded;
  const std::string path = library_path();
  std::error_code missing;
  if (!std::filesystem::exists(path, missing)) {
    loaded.why_not = "this build has no CUDA support (no " + path + ")";
    return loaded;
  }
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  auto open = library ? reinterpret_cast<OpenDeviceRuntime>(dlsym(library, "taper_cuda_runtime")) : nullptr;
  if (!open) {
    loaded.why_not = concat("the CUDA library cannot be loaded: ", std::string(dlerror()));
    return loaded;
  }
  loaded.runtime = open(loaded.why_not);
  const auto graphs = reinterpret_cast<OpenDeviceGraphs>(dlsym(library, "taper_cuda_graphs"));
  if (loaded.runtime && graphs) loaded.graphs = graphs();
  const auto account = reinterpret_cast<OpenDeviceAccount>(dlsym(library, "taper_cuda_account"));
  if (loaded.runtime && account) loaded.account = account();
  loaded.jit = reinterpret_cast<RunJit>(dlsym(library, "taper_cuda_run_jit"));
  loaded.cudnn_version = reinterpret_cast<long (*)()>(dlsym(library, "taper_cuda_cudnn_version"));
  return loaded;
}

const Loaded& loaded() {
  static const Loaded result = load();
  return result;
}

thread_local int chosen_device = 0;

int checked(int device) {
  DeviceRuntime& runtime = device_runtime();
  if (device < 0) device = chosen_device;
  check<DeviceError>(device < runtime.device_count(), "device cuda:", device,
                     " does not exist; this machine has ", runtime.device_count(),
                     runtime.device_count() == 1 ? " CUDA device" : " CUDA devices");
  return device;
}

}  // namespace

DeviceRuntime& device_runtime() {
  check<DeviceError>(loaded().runtime != nullptr, "device cuda is not available: ", loaded().why_not,
                     "; use 'cpu'");
  return *loaded().runtime;
}

DeviceGraphs& device_graphs() {
  check<DeviceError>(device_runtime().device_count() > 0 && loaded().graphs != nullptr,
                     "device cuda cannot record graphs");
  return *loaded().graphs;
}

RunJit device_jit() {
  check<DeviceError>(device_runtime().device_count() > 0 && loaded().jit != nullptr,
                     "device cuda cannot compile functions");
  return loaded().jit;
}

namespace {
thread_local Device device_of_new_tensors;
}  // namespace

Device default_device() { return device_of_new_tensors; }
void set_default_device(Device device) { device_of_new_tensors = resolved(device); }

Device resolved(Device device) {
  if (device.is_cpu()) return {};  // there is one main memory, with a number or without
  if (is_meta(device)) return {Device::Type::meta};
  return {Device::Type::cuda, checked(device.index)};
}

void use_device_of(const Tensor& x, bool exists, const char* op) {
  check<DeviceError>(exists && x.device().type == Device::Type::cuda, op, ": has no kernel for ", x.device(),
                     " (input of shape ", x.sizes(), ", ", x.dtype(),
                     "); move its operands to the CPU with .cpu()");
  device_runtime().use(x.device().index);
}

void on_different_devices(const char* op, const Tensor& a, const Tensor& b) {
  fail<DeviceError>(op, ": operands are on different devices: ", a.device(), " and ", b.device(),
                    "; move one with .to()");
}

namespace cuda {

bool is_available() { return loaded().runtime != nullptr; }
std::string why_unavailable() { return loaded().why_not; }
int device_count() { return is_available() ? device_runtime().device_count() : 0; }
int current_device() { return checked(-1); }
void set_device(int device) { chosen_device = checked(device); }
void synchronize(int device) { device_runtime().synchronize(checked(device)); }
DeviceProperties device_properties(int device) { return device_runtime().properties(checked(device)); }
bool can_access_peer(int device, int peer) {
  return device_runtime().can_access_peer(checked(device), checked(peer));
}
MemoryStatistics memory_statistics(int device) { return device_runtime().memory_statistics(checked(device)); }
void reset_peak_memory(int device) { device_runtime().reset_peak_memory(checked(device)); }
void empty_cache() {
  if (is_available()) device_runtime().empty_cache();
}
long cudnn_version() { return is_available() && loaded().cudnn_version ? loaded().cudnn_version() : 0; }
MemoryInfo memory_info(int device) { return device_runtime().memory_info(checked(device)); }

namespace {
DeviceAccount& account() {
  check<DeviceError>(device_runtime().device_count() > 0 && loaded().account != nullptr,
                     "device cuda does not count its allocations");
  return *loaded().account;
}
}  // namespace

void set_memory_limit(int device, std::int64_t bytes) { account().set_memory_limit(checked(device), bytes); }
AllocationCounts allocation_counts(int device) { return account().allocation_counts(checked(device)); }
int priority(const Stream& stream) { return account().priority(stream); }
void profile(bool watch) { account().profile(watch); }

Stream::Stream(int device, int priority)
    : device_(checked(device)), handle_(device_runtime().make_stream(device_, priority)) {}
bool Stream::query() const { return device_runtime().is_done(*this); }
void Stream::synchronize() const { device_runtime().wait_for(*this); }
void Stream::wait(const Event& event) const {
  if (event.handle()) device_runtime().stream_waits(*this, event.handle());
}
void Stream::wait(const Stream& other) const {
  Event event;
  event.record(other);
  wait(event);
}

Stream current_stream(int device) { return device_runtime().current_stream(checked(device)); }
Stream default_stream(int device) { return {checked(device), nullptr}; }
void set_stream(const Stream& stream) {
  set_device(stream.device());
  device_runtime().set_stream(stream);
}

void Event::record(const Stream& stream) {
  if (!handle_) handle_ = device_runtime().make_event(stream.device(), timed_);
  device_runtime().record_event(handle_.get(), stream);
}
bool Event::query() const { return !handle_ || device_runtime().is_done(handle_.get()); }
void Event::synchronize() const {
  if (handle_) device_runtime().wait_for(handle_.get());
}
double Event::milliseconds_to(const Event& later) const {
  check<ValueError>(timed_ && later.timed_ && handle_ && later.handle_,
                    "elapsed_time: both events need enable_timing=True and must have been recorded");
  return device_runtime().milliseconds(handle_.get(), later.handle_.get());
}

bool is_pinned(const Tensor& x) {
  return is_available() && x.device().is_cpu() && device_runtime().is_pinned(x.storage());
}
void record_stream(const Tensor& x, const Stream& stream) {
  if (!x.device().is_cpu()) device_runtime().record_stream(x.storage(), stream);
}

}  // namespace cuda

}  // namespace taper
