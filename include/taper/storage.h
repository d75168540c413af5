// Storage: the memory that a tensor and its views share.
#pragma once

#include <atomic>
#include <cstdint>

#include "taper/device.h"

namespace taper {

/// One block of memory, counted by reference. Every write through any view raises the version, by which the
/// tape notices that a tensor it saved was overwritten.
struct Storage {
  std::atomic<std::int32_t> references{1};
  std::atomic<std::uint32_t> version{0};
  std::byte* data = nullptr;
  std::int64_t bytes = 0;
  Device device;
  /// Name of the operation that wrote last; a literal.
  const char* last_writer = nullptr;
  /// Frees memory that came from elsewhere (a NumPy array, a mapped file); null for our own.
  void (*release)(void* context) = nullptr;
  void* context = nullptr;

  /// Our own memory, 64-byte aligned, uninitialized. Throws OutOfMemory naming the size.
  static Storage* allocate(std::int64_t bytes);
  /// Memory of somebody else, kept until release(context) is called.
  static Storage* adopt(void* data, std::int64_t bytes, void (*release)(void*), void* context);
  void retain() { references.fetch_add(1, std::memory_order_relaxed); }
  void drop() {
    if (references.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy();
  }
  void wrote(const char* op) {
    version.fetch_add(1, std::memory_order_relaxed);
    last_writer = op;
  }

 private:
  void destroy();
};

}  // namespace taper
