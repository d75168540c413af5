// Address ranges reserved once, filled from the bottom up.
#include "memory.h"

#include <sys/mman.h>

#include <cstring>
#include <map>
#include <stdexcept>

#include "report.h"

namespace device_sim {
namespace {

constexpr size_t kAlignment = 256, kRedZone = 256, kPage = 4096;

std::map<char*, size_t>& allocations() {
  static auto& value = *new std::map<char*, size_t>;
  return value;
}

char* reserve(size_t bytes, int protection) {
  void* address = mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED)
    throw std::runtime_error("device_sim: the address space for device memory is refused");
  madvise(address, bytes, MADV_DONTDUMP);
  return static_cast<char*>(address);
}

// Gives whole pages inside [begin, end) back to the system.
void drop_pages(char* begin, char* end) {
  char* first = reinterpret_cast<char*>((uintptr_t(begin) + kPage - 1) / kPage * kPage);
  char* last = reinterpret_cast<char*>(uintptr_t(end) / kPage * kPage);
  if (first < last) madvise(first, size_t(last - first), MADV_DONTNEED);
}

}  // namespace

DeviceMemory& DeviceMemory::instance() {
  static auto& memory = *new DeviceMemory;
  return memory;
}

DeviceMemory::DeviceMemory()
    : base_(reserve(kReserved, PROT_NONE)),
      data_(reserve(kReserved, PROT_READ | PROT_WRITE)),
      state_(reinterpret_cast<uint8_t*>(reserve(kReserved, PROT_READ | PROT_WRITE))),
      cells_(reinterpret_cast<Cell*>(reserve(kReserved * sizeof(Cell), PROT_READ | PROT_WRITE))) {}

char* DeviceMemory::allocate(size_t bytes) {
  const size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  if (live_bytes_ + bytes > capacity_ || top_ + rounded + 2 * kRedZone > kReserved) return nullptr;
  const size_t offset = top_ + kRedZone;
  top_ = offset + rounded;
  // 0xff bytes are NaN in every floating type and -1 in every integer, so what is read too early shows.
  std::memset(data_ + offset, 0xff, bytes);
  std::memset(state_ + offset, byte_uninitialised, bytes);
  allocations()[base_ + offset] = bytes;
  live_bytes_ += bytes;
  return base_ + offset;
}

bool DeviceMemory::free(void* address) {
  const auto found = allocations().find(static_cast<char*>(address));
  if (found == allocations().end()) return false;
  const size_t offset = size_t(found->first - base_), bytes = found->second;
  std::memset(state_ + offset, byte_freed, bytes);
  drop_pages(data_ + offset, data_ + offset + bytes);
  drop_pages(reinterpret_cast<char*>(cells_ + offset), reinterpret_cast<char*>(cells_ + offset + bytes));
  live_bytes_ -= bytes;
  allocations().erase(found);
  return true;
}

char* DeviceMemory::start_of(const void* address) const {
  auto found = allocations().upper_bound(static_cast<char*>(const_cast<void*>(address)));
  if (found == allocations().begin()) return nullptr;
  --found;
  const bool inside = static_cast<const char*>(address) < found->first + std::max<size_t>(found->second, 1);
  return inside ? found->first : nullptr;
}

size_t DeviceMemory::size_at(const void* address) const {
  const auto found = allocations().find(static_cast<char*>(const_cast<void*>(address)));
  return found == allocations().end() ? 0 : found->second;
}

bool DeviceMemory::owns(const void* address, size_t bytes) const {
  const char* start = start_of(address);
  return start && static_cast<const char*>(address) + bytes <= start + size_at(start);
}

size_t DeviceMemory::live_allocations() const { return allocations().size(); }

void DeviceMemory::clear_cells() { madvise(cells_, kReserved * sizeof(Cell), MADV_DONTNEED); }

}  // namespace device_sim
