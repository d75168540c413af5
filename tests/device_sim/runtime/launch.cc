// Kernels: what nvcc's objects register, libraries loaded at run time, launches and what is asked about
// functions. Objects must hold PTX, plain (nvcc --no-compress) or by zstd (--compress-mode=size).
#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "../ptx/executor.h"
#include "../ptx/report.h"
#include "runtime.h"

using namespace device_sim;

namespace {

Runtime& runtime() { return Runtime::instance(); }

// The layout of nvcc's fat binaries (fatbinary_section.h and the header that `fatbinary` writes).
struct FatWrapper {
  int magic, version;
  const char* data;
  void* unused;
};
struct FatHeader {
  uint32_t magic;
  uint16_t version, header_size;
  uint64_t size;
};
struct FatEntry {
  uint16_t kind, attributes;
  uint32_t header_size;
  uint64_t size;
  uint32_t compressed_size, unused[5];
  uint64_t flags, unused_too, plain_size;
};
constexpr uint16_t kPtx = 1;
constexpr uint64_t kZstd = 0x8000, kCompressed = 0xa000;

struct LoadedModule {
  std::string text;
  std::unique_ptr<Module> module;
  std::map<const void*, std::string> variables;

  // Parsed when first used: static initializers run in any order.
  Module* get() {
    if (module || text.empty()) return module.get();
    try {
      module = parse_module(text);
      load_module(*module);
    } catch (const std::runtime_error& error) {
      report("unreadable-ptx", error.what());
      module = nullptr;
    }
    text.clear();
    return module.get();
  }
};

struct Kernel {
  LoadedModule* module;
  std::string name;
  int dynamic_shared = 48 << 10;  // the most it may ask for
};

std::map<const void*, Kernel>& kernels() {
  static auto& value = *new std::map<const void*, Kernel>;
  return value;
}
std::vector<LoadedModule*>& modules() {
  static auto& value = *new std::vector<LoadedModule*>;
  return value;
}

// Where there is PTX for several architectures, the oldest: newer ones may use what the interpreter has not.
int architecture(const std::string& ptx) {
  const size_t target = ptx.find("sm_");
  return target == std::string::npos ? 0 : std::atoi(ptx.c_str() + target + 3);
}

// The library of a package that every Debian and Ubuntu has; its headers are not needed for one function.
std::string unpacked(const char* data, size_t bytes, size_t plain_bytes) {
  using Decompress = size_t (*)(void*, size_t, const void*, size_t);
  static void* const library = dlopen("libzstd.so.1", RTLD_NOW);
  static const auto decompress = library ? Decompress(dlsym(library, "ZSTD_decompress")) : nullptr;
  std::string text(plain_bytes, '\0');
  if (!decompress || decompress(text.data(), text.size(), data, bytes) != plain_bytes) {
    report("unreadable-ptx", decompress ? "its compression is damaged" : "there is no libzstd.so.1");
    return {};
  }
  return text;
}

std::string text_of(const FatEntry* entry) {
  const char* data = reinterpret_cast<const char*>(entry) + entry->header_size;
  std::string text;
  if (!(entry->flags & kCompressed)) text.assign(data, entry->size);
  else if (entry->flags & kZstd) text = unpacked(data, entry->compressed_size, entry->plain_size);
  else report("unreadable-ptx", "build with nvcc's --no-compress or --compress-mode=size");
  text.resize(strnlen(text.data(), text.size()));
  return text;
}

std::string ptx_of(const FatWrapper* wrapper) {
  std::string oldest;
  const auto* header = reinterpret_cast<const FatHeader*>(wrapper->data);
  const char* at = wrapper->data + header->header_size;
  const char* end = at + header->size;
  while (at < end) {
    const auto* entry = reinterpret_cast<const FatEntry*>(at);
    if (entry->kind == kPtx) {
      std::string text = text_of(entry);
      if (oldest.empty() || architecture(text) < architecture(oldest)) oldest = std::move(text);
    }
    at += entry->header_size + entry->size;
  }
  return oldest;
}

const Function* function_of(const void* handle, Kernel** kernel) {
  const auto found = kernels().find(handle);
  if (found == kernels().end()) return nullptr;
  *kernel = &found->second;
  Module* module = found->second.module->get();
  return module ? module->entry(found->second.name) : nullptr;
}

constexpr size_t kMostShared = 163 << 10, kDefaultShared = 48 << 10;
constexpr uint32_t kMostThreads = 1024;

cudaError_t check_launch(const Kernel& kernel, const Function& entry, dim3 grid, dim3 block, size_t shared) {
  const uint64_t threads = uint64_t(block.x) * block.y * block.z;
  if (!threads || threads > kMostThreads || block.z > 64 || !grid.x || !grid.y || !grid.z ||
      grid.x > 2147483647u || grid.y > 65535 || grid.z > 65535)
    return cudaErrorInvalidConfiguration;
  if (entry.max_threads && threads > uint64_t(entry.max_threads)) return cudaErrorLaunchOutOfResources;
  const size_t most = size_t(kernel.dynamic_shared);
  const size_t fixed = static_shared_bytes(*kernel.module->get(), entry);
  if (fixed > kDefaultShared || shared > most || fixed + shared > std::max(kDefaultShared, most))
    return cudaErrorInvalidValue;
  return cudaSuccess;
}

// Where the blocks of a cooperative launch count who has come to their barrier.
uint64_t new_workspace() {
  constexpr size_t kBytes = 64;
  char* address = DeviceMemory::instance().allocate(kBytes);
  if (!address) return 0;
  const Place place = DeviceMemory::instance().place(uint64_t(address));
  std::memset(place.data, 0, kBytes);
  std::memset(place.state, byte_initialised, kBytes);
  return uint64_t(address);
}

cudaError_t launch(const void* handle, dim3 grid, dim3 block, void** arguments, size_t shared,
                   cudaStream_t stream, bool cooperative = false) {
  Kernel* kernel = nullptr;
  const Function* entry = function_of(handle, &kernel);
  if (!entry) return cudaErrorInvalidDeviceFunction;
  if (const cudaError_t error = check_launch(*kernel, *entry, grid, block, shared)) return error;
  Grid launch;
  launch.module = kernel->module->get();
  launch.entry = entry;
  launch.grid = {grid.x, grid.y, grid.z};
  launch.block = {block.x, block.y, block.z};
  launch.dynamic_shared = shared;
  launch.schedule = runtime().schedule;
  launch.parameters.resize(entry->parameter_bytes);
  for (size_t k = 0; k < entry->parameters.size(); ++k)
    std::memcpy(launch.parameters.data() + entry->parameters[k].offset, arguments[k],
                entry->parameters[k].size);
  return runtime().enqueue(stream, [launch, cooperative]() mutable {
    if (cooperative) launch.workspace = new_workspace();
    if (!run_grid(launch)) runtime().sticky = cudaErrorLaunchFailure;
    if (cooperative) DeviceMemory::instance().free(reinterpret_cast<void*>(launch.workspace));
  });
}

struct Configuration {
  dim3 grid, block;
  size_t shared;
  cudaStream_t stream;
};
thread_local std::vector<Configuration> configurations;

// The device address and size of a __device__ or __constant__ variable.
bool find_symbol(const void* symbol, char** address, size_t* bytes) {
  for (LoadedModule* loaded : modules()) {
    const auto name = loaded->variables.find(symbol);
    if (name == loaded->variables.end() || !loaded->get()) continue;
    const auto number = loaded->module->variable_numbers.find(name->second);
    if (number == loaded->module->variable_numbers.end()) continue;
    *address = reinterpret_cast<char*>(loaded->module->symbol_values[size_t(number->second)]);
    *bytes = loaded->module->variables[size_t(number->second)].size;
    return true;
  }
  return false;
}

}  // namespace

extern "C" {

void** __cudaRegisterFatBinary(void* wrapper) {
  const Lock lock(runtime().mutex);
  auto* module = new LoadedModule;
  module->text = ptx_of(static_cast<FatWrapper*>(wrapper));
  modules().push_back(module);
  return reinterpret_cast<void**>(module);
}
void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}
char __cudaInitModule(void**) { return 1; }
void __cudaRegisterFunction(void** module, const char* host, char*, const char* name, int, uint3*, uint3*,
                            dim3*, dim3*, int*) {
  const Lock lock(runtime().mutex);
  kernels()[host] = {reinterpret_cast<LoadedModule*>(module), name};
}
void __cudaRegisterVar(void** module, char* host, char*, const char* name, int, size_t, int, int) {
  const Lock lock(runtime().mutex);
  reinterpret_cast<LoadedModule*>(module)->variables[host] = name;
}
unsigned int __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared, void* stream) {
  configurations.push_back({grid, block, shared, static_cast<cudaStream_t>(stream)});
  return 0;
}
cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* shared, void* stream) {
  if (configurations.empty()) return remember(cudaErrorMissingConfiguration);
  const Configuration last = configurations.back();
  configurations.pop_back();
  *grid = last.grid, *block = last.block, *shared = last.shared;
  *static_cast<cudaStream_t*>(stream) = last.stream;
  return cudaSuccess;
}
cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* function) {
  *kernel = static_cast<cudaKernel_t>(const_cast<void*>(function));
  return cudaSuccess;
}

cudaError_t cudaLaunchKernel(const void* function, dim3 grid, dim3 block, void** arguments, size_t shared,
                             cudaStream_t stream) {
  const Lock lock(runtime().mutex);
  return remember(launch(function, grid, block, arguments, shared, stream));
}
cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void** arguments, size_t shared,
                               cudaStream_t stream) {
  return cudaLaunchKernel(kernel, grid, block, arguments, shared, stream);
}
cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* config, const void* function, void** arguments) {
  bool cooperative = false;
  for (unsigned int k = 0; k < config->numAttrs; ++k)
    cooperative |= config->attrs[k].id == cudaLaunchAttributeCooperative && config->attrs[k].val.cooperative;
  const Lock lock(runtime().mutex);
  return remember(launch(function, config->gridDim, config->blockDim, arguments, config->dynamicSmemBytes,
                         config->stream, cooperative));
}
cudaError_t cudaLaunchCooperativeKernel(const void* function, dim3 grid, dim3 block, void** arguments,
                                        size_t shared, cudaStream_t stream) {
  const Lock lock(runtime().mutex);
  return remember(launch(function, grid, block, arguments, shared, stream, true));
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* function) {
  const Lock lock(runtime().mutex);
  Kernel* kernel = nullptr;
  const Function* entry = function_of(function, &kernel);
  if (!entry) return remember(cudaErrorInvalidDeviceFunction);
  std::memset(attributes, 0, sizeof *attributes);
  attributes->sharedSizeBytes = static_shared_bytes(*kernel->module->get(), *entry);
  attributes->localSizeBytes = entry->local_bytes;
  attributes->maxThreadsPerBlock = entry->max_threads ? entry->max_threads : int(kMostThreads);
  attributes->numRegs = 32;
  attributes->ptxVersion = attributes->binaryVersion = 80;
  attributes->maxDynamicSharedSizeBytes = kernel->dynamic_shared;
  return cudaSuccess;
}
cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute attribute, int value) {
  const Lock lock(runtime().mutex);
  Kernel* kernel = nullptr;
  if (!function_of(function, &kernel)) return remember(cudaErrorInvalidDeviceFunction);
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
  if (value < 0 || size_t(value) > kMostShared) return remember(cudaErrorInvalidValue);
  kernel->dynamic_shared = value;
  return cudaSuccess;
}
cudaError_t cudaFuncSetCacheConfig(const void*, cudaFuncCache) { return cudaSuccess; }
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, const void*, int threads,
                                                                   size_t shared, unsigned int) {
  const size_t warps = (size_t(threads) + 31) / 32;
  if (threads <= 0 || uint32_t(threads) > kMostThreads || shared > kMostShared) {
    *blocks = 0;
    return remember(cudaErrorInvalidValue);
  }
  *blocks = int(std::min({size_t(32), 64 / warps, kMostShared / std::max<size_t>(shared + 1024, 1)}));
  return cudaSuccess;
}
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void* function, int threads,
                                                          size_t shared) {
  return cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(blocks, function, threads, shared, 0);
}

cudaError_t cudaGetSymbolAddress(void** address, const void* symbol) {
  const Lock lock(runtime().mutex);
  char* start = nullptr;
  size_t bytes = 0;
  if (!find_symbol(symbol, &start, &bytes)) return remember(cudaErrorInvalidSymbol);
  *address = start;
  return cudaSuccess;
}
cudaError_t cudaGetSymbolSize(size_t* bytes, const void* symbol) {
  const Lock lock(runtime().mutex);
  char* start = nullptr;
  return remember(find_symbol(symbol, &start, bytes) ? cudaSuccess : cudaErrorInvalidSymbol);
}
cudaError_t cudaMemcpyToSymbolAsync(const void* symbol, const void* from, size_t bytes, size_t offset,
                                    cudaMemcpyKind kind, cudaStream_t stream) {
  void* address = nullptr;
  if (const cudaError_t error = cudaGetSymbolAddress(&address, symbol)) return error;
  return cudaMemcpyAsync(static_cast<char*>(address) + offset, from, bytes, kind, stream);
}
cudaError_t cudaMemcpyToSymbol(const void* symbol, const void* from, size_t bytes, size_t offset,
                               cudaMemcpyKind kind) {
  void* address = nullptr;
  if (const cudaError_t error = cudaGetSymbolAddress(&address, symbol)) return error;
  return cudaMemcpy(static_cast<char*>(address) + offset, from, bytes, kind);
}
cudaError_t cudaMemcpyFromSymbol(void* to, const void* symbol, size_t bytes, size_t offset,
                                 cudaMemcpyKind kind) {
  void* address = nullptr;
  if (const cudaError_t error = cudaGetSymbolAddress(&address, symbol)) return error;
  return cudaMemcpy(to, static_cast<char*>(address) + offset, bytes, kind);
}

#if CUDART_VERSION >= 12080  // the types of libraries are newer than the oldest toolkit
// Code compiled at run time: PTX text only.
cudaError_t cudaLibraryLoadData(cudaLibrary_t* library, const void* code, cudaJitOption*, void**,
                                unsigned int, cudaLibraryOption*, void**, unsigned int) {
  const Lock lock(runtime().mutex);
  const auto* text = static_cast<const char*>(code);
  if (std::strstr(text, ".version") == nullptr) return remember(cudaErrorInvalidPtx);
  auto* module = new LoadedModule;
  module->text = text;
  if (!module->get()) return remember(cudaErrorInvalidPtx);
  *library = reinterpret_cast<cudaLibrary_t>(module);
  return cudaSuccess;
}
cudaError_t cudaLibraryUnload(cudaLibrary_t) { return cudaSuccess; }
cudaError_t cudaLibraryGetKernel(cudaKernel_t* kernel, cudaLibrary_t library, const char* name) {
  const Lock lock(runtime().mutex);
  auto* module = reinterpret_cast<LoadedModule*>(library);
  const Function* entry = module->get() ? module->get()->entry(name) : nullptr;
  if (!entry) return remember(cudaErrorSymbolNotFound);
  kernels().emplace(entry, Kernel{module, name});
  *kernel = reinterpret_cast<cudaKernel_t>(const_cast<Function*>(entry));
  return cudaSuccess;
}
#endif

}  // extern "C"
