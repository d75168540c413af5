// What leaves and watched tensors carry beside their record: .grad and hooks.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "taper/tensor.h"

namespace taper {

struct GradientSlots {
  Tensor grad;
  std::vector<std::pair<std::int64_t, GradientHook>> hooks;
  std::vector<std::pair<std::int64_t, std::function<void(const Tensor&)>>> accumulated_hooks;
  /// For results that keep their gradient, too; the hook that fills it shares it.
  std::shared_ptr<Tensor> retained;
  std::int64_t retaining_hook = 0;
};

GradientSlots& slots_of(const Tensor& tensor);
/// Whether a leaf of this process ever got a hook that runs after accumulation.
bool accumulated_hooks_exist();
/// Numbers for remove_hook, unique in the process.
std::int64_t next_hook_number();
/// What hook makes of gradient. Throws where it changes shape, dtype or device.
Tensor hooked(const GradientHook& hook, Tensor gradient);
/// Adds gradient to the leaf's .grad, running its hooks. Safe from several threads.
void accumulate_grad(const Tensor& leaf, Tensor gradient, bool create_graph);

}  // namespace taper
