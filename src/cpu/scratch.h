// Scratch: working memory of a kernel, given back when it goes out of scope.
#pragma once

#include <cstddef>
#include <limits>

#include "cpu/allocator.h"
#include "taper/error.h"

namespace taper::cpu {

/// count elements of T, uninitialized, aligned to 64 bytes. Throws OutOfMemory.
template <class T>
class Scratch {
 public:
  explicit Scratch(std::size_t count) : bytes_(bytes_of(count)), data_(static_cast<T*>(allocate(bytes_))) {}
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { deallocate(data_, bytes_); }

  T* data() { return data_; }
  T& operator[](std::size_t i) { return data_[i]; }

 private:
  static std::size_t bytes_of(std::size_t count) {
    check<OutOfMemory>(count <= std::numeric_limits<std::ptrdiff_t>::max() / sizeof(T), "working memory of ",
                       std::uint64_t(count), " elements of ", sizeof(T), " bytes is more than there can be");
    return count * sizeof(T);
  }

  std::size_t bytes_;
  T* data_;
};

}  // namespace taper::cpu
