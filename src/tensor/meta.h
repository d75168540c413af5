// The meta device: tensors with sizes and a dtype and no elements, whose operations compute sizes only.
#pragma once

#include "taper/device.h"

namespace taper {

inline bool is_meta(const Device& device) { return device.type == Device::Type::meta; }

/// What stands for a kernel where there are no elements to compute.
template <class... Arguments>
auto doing_nothing(void (*)(Arguments...)) {
  return +[](Arguments...) noexcept {};
}

}  // namespace taper
