// Device memory with the contents of a host vector.
#pragma once

#include <cuda_runtime_api.h>

#include <algorithm>
#include <vector>

namespace programs {

template <class T>
class DeviceVector {
 public:
  /// `count` uninitialised elements.
  explicit DeviceVector(size_t count) : count_(count) {
    cudaMalloc(reinterpret_cast<void**>(&data_), std::max<size_t>(count, 1) * sizeof(T));
  }
  explicit DeviceVector(const std::vector<T>& values) : DeviceVector(values.size()) {
    cudaMemcpy(data_, values.data(), count_ * sizeof(T), cudaMemcpyHostToDevice);
  }
  DeviceVector(const DeviceVector&) = delete;
  ~DeviceVector() { cudaFree(data_); }

  T* data() const { return data_; }
  size_t size() const { return count_; }
  /// The first `count` elements, after all work before.
  std::vector<T> host(size_t count) const {
    std::vector<T> values(count);
    cudaMemcpy(values.data(), data_, count * sizeof(T), cudaMemcpyDeviceToHost);
    return values;
  }
  std::vector<T> host() const { return host(count_); }

 private:
  T* data_ = nullptr;
  size_t count_;
};

}  // namespace programs
