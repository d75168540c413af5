// Allocation of storages: header and elements in one block, so that a small tensor costs one allocation.
#include "taper/storage.h"

#include <new>
#include <utility>

#include "base/free_in_turn.h"
#include "cpu/allocator.h"
#include "taper/error.h"

namespace taper {

namespace {

// Elements start one cache line behind the header, which keeps them 64-byte aligned.
constexpr std::int64_t header_bytes = 64;
static_assert(sizeof(Storage) <= header_bytes);

}  // namespace

Storage* Storage::allocate(std::int64_t bytes) {
  check<OutOfMemory>(bytes <= INT64_MAX - header_bytes, "cannot allocate ", bytes, " bytes");
  void* block = cpu::allocate(std::size_t(bytes + header_bytes));
  Storage* storage = new (block) Storage;
  storage->data = static_cast<std::byte*>(block) + header_bytes;
  storage->bytes = bytes;
  return storage;
}

Storage* Storage::adopt(void* data, std::int64_t bytes, void (*release)(void*), void* context) {
  Storage* storage = new (cpu::allocate(header_bytes)) Storage;
  storage->data = static_cast<std::byte*>(data);
  storage->bytes = bytes;
  storage->release = release;
  storage->context = context;
  return storage;
}

void Storage::destroy() {
  const bool own = data == reinterpret_cast<std::byte*>(this) + header_bytes;
  // What is released may hold the last reference to another storage of this kind: an array over a tensor over
  // an array.
  if (release) free_in_turn(std::pair(release, context), [](auto item) { item.first(item.second); });
  const std::int64_t block_bytes = own ? bytes + header_bytes : header_bytes;
  this->~Storage();
  cpu::deallocate(this, std::size_t(block_bytes));
}

}  // namespace taper
