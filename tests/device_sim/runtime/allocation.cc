// Device memory, memory pools and pinned host memory.
#include <cstdlib>
#include <cstring>
#include <limits>

#include "../ptx/access_checker.h"
#include "../ptx/report.h"
#include "runtime.h"

struct CUmemPoolHandle_st {
  uint64_t used = 0, most_used = 0, most_reserved = 0, threshold = 0;
};

using namespace device_sim;

namespace {

Runtime& runtime() { return Runtime::instance(); }
DeviceMemory& memory() { return DeviceMemory::instance(); }

CUmemPoolHandle_st default_pool;

struct Pinned {
  size_t bytes;
  bool registered;
};
std::map<char*, Pinned>& pinned() {
  static auto& value = *new std::map<char*, Pinned>;
  return value;
}

char* allocate(size_t bytes) {
  if (char* address = memory().allocate(bytes)) return address;
  // What waits in the streams to be freed is freed before the device is out of memory.
  runtime().synchronize_device();
  return memory().allocate(bytes);
}

void free_now(void* address, const char* what) {
  if (!memory().size_at(address))
    return report("invalid-free", std::string(what) + " of memory that is not allocated");
  AccessChecker::instance().claim_range(address, memory().size_at(address), what);
  memory().free(address);
}

}  // namespace

namespace device_sim {

bool is_device_memory(const void* address, size_t bytes) { return memory().owns(address, bytes); }

bool is_pinned(const void* address, size_t bytes) {
  auto found = pinned().upper_bound(static_cast<char*>(const_cast<void*>(address)));
  if (found == pinned().begin()) return false;
  --found;
  return static_cast<const char*>(address) + bytes <= found->first + found->second.bytes;
}

}  // namespace device_sim

extern "C" {

cudaError_t cudaMalloc(void** address, size_t bytes) {
  const Lock lock(runtime().mutex);
  *address = nullptr;
  if (bytes == 0) return cudaSuccess;
  *address = allocate(bytes);
  return remember(*address ? cudaSuccess : cudaErrorMemoryAllocation);
}
cudaError_t cudaFree(void* address) {
  const Lock lock(runtime().mutex);
  if (!address) return cudaSuccess;
  const cudaError_t error = runtime().synchronize_device();
  AccessChecker::instance().begin_operation(0);
  const bool known = memory().size_at(address) != 0;
  free_now(address, "cudaFree");
  return remember(known ? error : cudaErrorInvalidValue);
}

cudaError_t cudaMallocAsync(void** address, size_t bytes, cudaStream_t stream) {
  const Lock lock(runtime().mutex);
  *address = nullptr;
  if (bytes == 0) return cudaSuccess;
  char* const start = allocate(bytes);
  if (!start) return remember(cudaErrorMemoryAllocation);
  *address = start;
  default_pool.used += bytes;
  default_pool.most_used = std::max(default_pool.most_used, default_pool.used);
  return remember(runtime().enqueue(
      stream, [=] { AccessChecker::instance().claim_range(start, bytes, "cudaMallocAsync"); }));
}
cudaError_t cudaMallocFromPoolAsync(void** address, size_t bytes, cudaMemPool_t, cudaStream_t stream) {
  return cudaMallocAsync(address, bytes, stream);
}
cudaError_t cudaFreeAsync(void* address, cudaStream_t stream) {
  const Lock lock(runtime().mutex);
  if (!address) return cudaSuccess;
  const size_t bytes = memory().size_at(address);
  if (!bytes) {
    report("invalid-free", "cudaFreeAsync of memory that is not allocated");
    return remember(cudaErrorInvalidValue);
  }
  default_pool.used -= std::min<uint64_t>(default_pool.used, bytes);
  return remember(runtime().enqueue(stream, [address] { free_now(address, "cudaFreeAsync"); }));
}

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int) {
  *pool = &default_pool;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetMemPool(cudaMemPool_t* pool, int device) {
  return cudaDeviceGetDefaultMemPool(pool, device);
}
cudaError_t cudaDeviceSetMemPool(int, cudaMemPool_t) { return cudaSuccess; }
cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool, const cudaMemPoolProps*) {
  *pool = new CUmemPoolHandle_st;
  return cudaSuccess;
}
cudaError_t cudaMemPoolDestroy(cudaMemPool_t pool) {
  if (pool != &default_pool) delete pool;
  return cudaSuccess;
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value) {
  const Lock lock(runtime().mutex);
  if (attribute == cudaMemPoolAttrReleaseThreshold) pool->threshold = *static_cast<uint64_t*>(value);
  if (attribute == cudaMemPoolAttrUsedMemHigh) pool->most_used = pool->used;
  return cudaSuccess;
}
cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value) {
  const Lock lock(runtime().mutex);
  auto* number = static_cast<uint64_t*>(value);
  switch (attribute) {
    case cudaMemPoolAttrReleaseThreshold: *number = pool->threshold; break;
    case cudaMemPoolAttrUsedMemCurrent:
    case cudaMemPoolAttrReservedMemCurrent: *number = pool->used; break;
    case cudaMemPoolAttrUsedMemHigh:
    case cudaMemPoolAttrReservedMemHigh: *number = pool->most_used; break;
    default: *static_cast<int*>(value) = 1;
  }
  return cudaSuccess;
}
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, size_t) { return cudaSuccess; }
cudaError_t cudaMemPoolSetAccess(cudaMemPool_t, const cudaMemAccessDesc*, size_t) { return cudaSuccess; }

cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total) {
  const Lock lock(runtime().mutex);
  *total = memory().capacity();
  *free_bytes = *total - memory().live_bytes();
  return cudaSuccess;
}

cudaError_t cudaHostAlloc(void** address, size_t bytes, unsigned int) {
  const Lock lock(runtime().mutex);
  constexpr size_t kPage = 4096;
  *address = std::aligned_alloc(kPage, (std::max<size_t>(bytes, 1) + kPage - 1) / kPage * kPage);
  if (!*address) return remember(cudaErrorMemoryAllocation);
  pinned()[static_cast<char*>(*address)] = {bytes, false};
  return cudaSuccess;
}
cudaError_t cudaMallocHost(void** address, size_t bytes) { return cudaHostAlloc(address, bytes, 0); }
cudaError_t cudaFreeHost(void* address) {
  const Lock lock(runtime().mutex);
  if (!address) return cudaSuccess;
  const auto found = pinned().find(static_cast<char*>(address));
  if (found == pinned().end() || found->second.registered) {
    report("invalid-free", "cudaFreeHost of memory that cudaHostAlloc did not give");
    return remember(cudaErrorInvalidValue);
  }
  const cudaError_t error = runtime().synchronize_device();
  pinned().erase(found);
  std::free(address);
  return remember(error);
}
cudaError_t cudaHostRegister(void* address, size_t bytes, unsigned int) {
  const Lock lock(runtime().mutex);
  if (pinned().count(static_cast<char*>(address))) return remember(cudaErrorHostMemoryAlreadyRegistered);
  pinned()[static_cast<char*>(address)] = {bytes, true};
  return cudaSuccess;
}
cudaError_t cudaHostUnregister(void* address) {
  const Lock lock(runtime().mutex);
  const cudaError_t error = runtime().synchronize_device();
  if (!pinned().erase(static_cast<char*>(address))) return remember(cudaErrorHostMemoryNotRegistered);
  return remember(error);
}
cudaError_t cudaHostGetDevicePointer(void** device, void* host, unsigned int) {
  const Lock lock(runtime().mutex);
  *device = host;
  return remember(is_pinned(host, 1) ? cudaSuccess : cudaErrorInvalidValue);
}
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* address) {
  const Lock lock(runtime().mutex);
  std::memset(attributes, 0, sizeof *attributes);
  const bool device = is_device_memory(address, 1), host = is_pinned(address, 1);
  attributes->type = device ? cudaMemoryTypeDevice : host ? cudaMemoryTypeHost : cudaMemoryTypeUnregistered;
  attributes->devicePointer = device || host ? const_cast<void*>(address) : nullptr;
  attributes->hostPointer = device ? nullptr : const_cast<void*>(address);
  return cudaSuccess;
}

}  // extern "C"
