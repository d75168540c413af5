// Copies and fills.
#include <cstring>

#include "../ptx/access_checker.h"
#include "../ptx/report.h"
#include "runtime.h"

using namespace device_sim;

namespace {

Runtime& runtime() { return Runtime::instance(); }

bool on_device(const void* address) { return DeviceMemory::instance().in_range(uint64_t(address)); }

// Rows of `width` bytes, `pitch` bytes apart; contiguous memory is one row.
struct Rows {
  char* start;
  size_t pitch, width, count;
  char* row(size_t k) const { return start + k * pitch; }
};

void copy_state(const void* to, const void* from, size_t bytes) {
  DeviceMemory& memory = DeviceMemory::instance();
  if (on_device(to) && on_device(from))
    std::memcpy(memory.place(uint64_t(to)).state, memory.place(uint64_t(from)).state, bytes);
}

// What was never written may be copied along (padding, spare capacity), but stays known as such.
void copy_now(const Rows& to, const Rows& from) {
  DeviceMemory& memory = DeviceMemory::instance();
  AccessChecker& checker = AccessChecker::instance();
  for (size_t k = 0; k < to.count; ++k) {
    const bool inner = on_device(to.row(k)) && on_device(from.row(k));
    checker.access_range(from.row(k), from.width, false, "the source of a copy", inner);
    checker.access_range(to.row(k), to.width, true, "the destination of a copy", false);
    if (inner) copy_state(to.row(k), from.row(k), to.width);
    std::memmove(memory.host_view(to.row(k)), memory.host_view(from.row(k)), to.width);
  }
}

std::vector<char> contents(const Rows& rows) {
  std::vector<char> bytes;
  for (size_t k = 0; k < rows.count; ++k) bytes.insert(bytes.end(), rows.row(k), rows.row(k) + rows.width);
  return bytes;
}

bool is_known(const Rows& rows, bool device) {
  const size_t bytes = rows.count ? (rows.count - 1) * rows.pitch + rows.width : 0;
  return on_device(rows.start) == device && (!device || is_device_memory(rows.start, bytes));
}

bool fits(cudaMemcpyKind kind, const Rows& to, const Rows& from) {
  switch (kind) {
    case cudaMemcpyHostToDevice: return is_known(to, true) && is_known(from, false);
    case cudaMemcpyDeviceToHost: return is_known(to, false) && is_known(from, true);
    case cudaMemcpyDeviceToDevice: return is_known(to, true) && is_known(from, true);
    case cudaMemcpyHostToHost: return is_known(to, false) && is_known(from, false);
    default: return is_known(to, on_device(to.start)) && is_known(from, on_device(from.start));
  }
}

// From pinned memory: read when the copy runs. A program that changes it before has a fault even where the
// old values would still have been right.
cudaError_t copy_from_pinned(const Rows& to, const Rows& from, cudaStream_t stream) {
  return runtime().enqueue(stream, [to, from, before = contents(from)] {
    if (contents(from) != before)
      report("staging-reuse", "pinned memory was changed while a copy from it was still to come");
    copy_now(to, from);
  });
}

// To pinned memory: filled with 0xff until the copy runs, so that a program that reads too early sees it.
cudaError_t copy_to_pinned(const Rows& to, const Rows& from, cudaStream_t stream) {
  for (size_t k = 0; k < to.count; ++k) std::memset(to.row(k), 0xff, to.width);
  return runtime().enqueue(stream, [to, from] {
    for (const char byte : contents(to))
      if (byte != char(0xff)) {
        report("staging-reuse", "pinned memory was changed while a copy to it was still to come");
        break;
      }
    copy_now(to, from);
  });
}

cudaError_t copy(const Rows& to, const Rows& from, cudaMemcpyKind kind, cudaStream_t stream,
                 bool synchronous) {
  if (to.width == 0 || to.count == 0) return cudaSuccess;
  if (!fits(kind, to, from)) return cudaErrorInvalidValue;
  const CUstream_st* queue = runtime().stream(stream);
  if (!queue) return cudaErrorInvalidResourceHandle;
  const bool capturing = queue->capture != nullptr;
  if (capturing && synchronous) return cudaErrorStreamCaptureUnsupported;
  const bool to_host = !on_device(to.start), from_host = !on_device(from.start);
  const bool to_pageable = to_host && !is_pinned(to.start, 1),
             from_pageable = from_host && !is_pinned(from.start, 1);
  cudaError_t error;
  if (capturing || (!to_host && !from_host)) {
    error = runtime().enqueue(stream, [=] { copy_now(to, from); });
  } else if (from_host && !from_pageable) {
    error = copy_from_pinned(to, from, stream);
  } else if (from_pageable) {  // staged before the call returns
    auto staged = std::make_shared<std::vector<char>>(contents(from));
    error = runtime().enqueue(stream, [=] {
      copy_now(to, {staged->data(), from.width, from.width, from.count});
    });
  } else if (to_pageable) {
    error = runtime().enqueue(stream, [=] { copy_now(to, from); });
  } else {
    error = copy_to_pinned(to, from, stream);
  }
  if (error || !(synchronous || (to_pageable && !capturing))) return error;
  return runtime().synchronize(runtime().clock_of(*runtime().stream(stream)));
}

Rows row(const void* address, size_t bytes) {
  return {static_cast<char*>(const_cast<void*>(address)), bytes, bytes, 1};
}
Rows rows(const void* address, size_t pitch, size_t width, size_t count) {
  return {static_cast<char*>(const_cast<void*>(address)), pitch, width, count};
}

cudaError_t fill(const Rows& to, int value, cudaStream_t stream) {
  if (to.width == 0 || to.count == 0) return cudaSuccess;
  if (!is_known(to, true)) return cudaErrorInvalidValue;
  return runtime().enqueue(stream, [=] {
    for (size_t k = 0; k < to.count; ++k) {
      AccessChecker::instance().access_range(to.row(k), to.width, true, "a memset", false);
      std::memset(DeviceMemory::instance().host_view(to.row(k)), value, to.width);
    }
  });
}

}  // namespace

extern "C" {

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  const Lock lock(runtime().mutex);
  return remember(copy(row(to, bytes), row(from, bytes), kind, stream, false));
}
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  const Lock lock(runtime().mutex);
  return remember(copy(row(to, bytes), row(from, bytes), kind, nullptr, true));
}
cudaError_t cudaMemcpyPeerAsync(void* to, int, const void* from, int, size_t bytes, cudaStream_t stream) {
  return cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream);
}
cudaError_t cudaMemcpyPeer(void* to, int, const void* from, int, size_t bytes) {
  return cudaMemcpy(to, from, bytes, cudaMemcpyDeviceToDevice);
}
cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width,
                              size_t height, cudaMemcpyKind kind, cudaStream_t stream) {
  const Lock lock(runtime().mutex);
  if (width > to_pitch || width > from_pitch) return remember(cudaErrorInvalidPitchValue);
  return remember(
      copy(rows(to, to_pitch, width, height), rows(from, from_pitch, width, height), kind, stream, false));
}
cudaError_t cudaMemcpy2D(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width,
                         size_t height, cudaMemcpyKind kind) {
  const Lock lock(runtime().mutex);
  if (width > to_pitch || width > from_pitch) return remember(cudaErrorInvalidPitchValue);
  return remember(
      copy(rows(to, to_pitch, width, height), rows(from, from_pitch, width, height), kind, nullptr, true));
}
cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  const Lock lock(runtime().mutex);
  return remember(fill(row(to, bytes), value, stream));
}
cudaError_t cudaMemset(void* to, int value, size_t bytes) {
  return cudaMemsetAsync(to, value, bytes, nullptr);
}
cudaError_t cudaMemset2DAsync(void* to, size_t pitch, int value, size_t width, size_t height,
                              cudaStream_t stream) {
  const Lock lock(runtime().mutex);
  return remember(fill(rows(to, pitch, width, height), value, stream));
}

}  // extern "C"
