// What a program does with the tensors that operations save for backward.
#pragma once

#include <functional>
#include <memory>

#include "taper/tensor.h"

namespace taper {

/// pack stands in for each tensor saved while the hooks are set; unpack gives it back in backward.
struct SavedHooks {
  std::function<std::shared_ptr<void>(const Tensor&)> pack;
  std::function<Tensor(const std::shared_ptr<void>&)> unpack;
};

/// Sets the hooks of the calling thread, none with null, and returns those before.
std::shared_ptr<const SavedHooks> set_saved_hooks(std::shared_ptr<const SavedHooks> hooks);

}  // namespace taper
