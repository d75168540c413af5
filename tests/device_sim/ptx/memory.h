// The memory of the simulated device. A device address is never readable by the host: the bytes lie at
// another place, a fixed distance away. Freed addresses are never given out again, so a use after free is
// always seen.
#pragma once

#include <cstddef>
#include <cstdint>

namespace device_sim {

/// What is known of one byte of device or shared memory.
enum ByteState : uint8_t { byte_outside, byte_uninitialised, byte_initialised, byte_freed };

/// Who touched a byte last (AccessChecker's event numbers; 0: nobody).
struct Cell {
  uint32_t write = 0, read = 0;
  bool operator==(const Cell&) const = default;
};

/// A place in memory with its shadow. `data` is null outside of any memory the device may touch.
struct Place {
  char* data = nullptr;
  uint8_t* state = nullptr;  // null: not shadowed (parameters, local memory, pinned host memory)
  Cell* cells = nullptr;
};

class DeviceMemory {
 public:
  static DeviceMemory& instance();

  /// Device address of `bytes` new uninitialised bytes, 256-byte aligned; null when `capacity` would be
  /// exceeded.
  char* allocate(size_t bytes);
  /// False where `address` is not the start of a live allocation.
  bool free(void* address);
  /// True where the whole range lies in one live allocation.
  bool owns(const void* address, size_t bytes) const;
  /// Bytes of the allocation that starts at `address`; 0 where there is none.
  size_t size_at(const void* address) const;
  /// Start of the live allocation that holds `address`, or null.
  char* start_of(const void* address) const;
  size_t live_bytes() const { return live_bytes_; }
  size_t live_allocations() const;
  void set_capacity(size_t bytes) { capacity_ = bytes; }
  size_t capacity() const { return capacity_; }

  /// True where `address` lies in the device's address range, allocated or not.
  bool in_range(uint64_t address) const { return address - uint64_t(base_) < kReserved; }
  /// The bytes and shadow of a device address that is in range.
  Place place(uint64_t address) const {
    const uint64_t offset = address - uint64_t(base_);
    return {data_ + offset, state_ + offset, cells_ + offset};
  }
  /// The host's view of a device address; any other address as it is.
  template <class T>
  T* host_view(T* address) const {
    return in_range(uint64_t(address)) ? (T*)(data_ + (uint64_t(address) - uint64_t(base_))) : address;
  }
  /// Forgets who touched what (event numbers start anew).
  void clear_cells();

 private:
  DeviceMemory();
  static constexpr size_t kReserved = size_t(1) << 37;
  char* base_;
  char* data_;
  uint8_t* state_;
  Cell* cells_;
  size_t top_ = 0, live_bytes_ = 0, capacity_ = size_t(1) << 32;
};

}  // namespace device_sim
