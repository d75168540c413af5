// Descriptors of the stand-in cuDNN: attributes as they were set, and tensors.
#pragma once

#include <cudnn_backend.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "library.h"

namespace device_sim {

struct Descriptor {
  cudnnBackendDescriptorType_t type;
  bool final = false;
  int engine = 0;  ///< of configurations and what is made of them
  std::map<int, std::vector<std::byte>> values;
  std::map<int, int64_t> counts;
  std::map<int, std::vector<std::shared_ptr<const Descriptor>>> parts;

  bool has_part(int name) const { return parts.count(name) != 0; }
  const std::vector<std::shared_ptr<const Descriptor>>& list_of_parts(int name) const {
    const auto found = parts.find(name);
    if (found == parts.end()) throw Refused("a descriptor lacks part " + std::to_string(name));
    return found->second;
  }
  const Descriptor& part(int name) const {
    const auto& all = list_of_parts(name);
    if (all.size() != 1) throw Refused("expected one descriptor as part " + std::to_string(name));
    return *all[0];
  }
  template <class T>
  std::vector<T> list(int name) const {
    const auto found = values.find(name);
    if (found == values.end()) throw Refused("a descriptor lacks attribute " + std::to_string(name));
    if (found->second.size() != size_t(counts.at(name)) * sizeof(T)) throw Refused("wrong type of attribute");
    std::vector<T> result(size_t(counts.at(name)));
    std::memcpy(result.data(), found->second.data(), found->second.size());
    return result;
  }
  template <class T>
  T value(int name) const {
    const auto all = list<T>(name);
    if (all.size() != 1) throw Refused("expected one value of attribute " + std::to_string(name));
    return all[0];
  }
  bool is_set(int name) const { return values.count(name) && value<char>(name); }
};

struct Tensor {
  cudnnDataType_t type;
  std::vector<int64_t> sizes, strides;
  int64_t name, alignment;
  bool intermediate, number;

  explicit Tensor(const Descriptor& d)
      : type(d.value<cudnnDataType_t>(CUDNN_ATTR_TENSOR_DATA_TYPE)),
        sizes(d.list<int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS)),
        strides(d.list<int64_t>(CUDNN_ATTR_TENSOR_STRIDES)),
        name(d.value<int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID)),
        alignment(d.value<int64_t>(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT)),
        intermediate(d.is_set(CUDNN_ATTR_TENSOR_IS_VIRTUAL)),
        number(d.is_set(CUDNN_ATTR_TENSOR_IS_BY_VALUE)) {
    if (sizes.size() != strides.size() || sizes.size() < 4 || sizes.size() > 5)
      throw Refused("a tensor needs 4 or 5 sizes and strides");
    for (const int64_t size : sizes)
      if (size <= 0) throw Refused("sizes of a tensor must be positive");
    if (number && count() != 1) throw Refused("a number has one element");
  }
  int64_t count() const {
    int64_t product = 1;
    for (const int64_t size : sizes) product *= size;
    return product;
  }
  int64_t bytes() const { return bytes_of(type); }
  /// Places, in elements of the memory, of all indices in row-major order.
  std::vector<int64_t> places() const {
    std::vector<int64_t> all{0};
    for (size_t d = 0; d < sizes.size(); ++d) {
      std::vector<int64_t> more;
      for (const int64_t place : all)
        for (int64_t i = 0; i < sizes[d]; ++i) more.push_back(place + i * strides[d]);
      all = std::move(more);
    }
    return all;
  }
};

}  // namespace device_sim
