// Which function does a kernel's work for a tensor: the CPU's, or its device's.
#pragma once

#include "taper/error.h"
#include "taper/tensor.h"
#include "tensor/device_kernel.h"
#include "tensor/meta.h"

namespace taper {

// Defined here and not where a device's library sees it, so that there is one of each, in this library, and a
// kernel that no operation calls cannot be installed.
template <auto cpu_kernel>
decltype(cpu_kernel) DeviceKernel<cpu_kernel>::function = nullptr;

/// Sends what the thread launches next to x's device. Throws DeviceError naming op unless exists.
void use_device_of(const Tensor& x, bool exists, const char* op);
[[noreturn]] void on_different_devices(const char* op, const Tensor& a, const Tensor& b);

/// kernel_for<cpu::softmax>("softmax", operands...)(...): on the CPU some branches and a direct call.
/// Operands may be undefined, but the first. Throws DeviceError where they are on different devices, or on
/// one without this kernel. On meta nothing is computed; a kernel that answers a question cannot do its work.
template <auto cpu_kernel, class... Tensors>
inline decltype(cpu_kernel) kernel_for(const char* op, const Tensor& x, const Tensors&... more) {
  [[maybe_unused]] const auto check_same = [&](const Tensor& other) {
    if (other.defined() && other.device() != x.device()) [[unlikely]]
      on_different_devices(op, x, other);
  };
  (check_same(more), ...);
  if (x.device().is_cpu()) [[likely]]
    return cpu_kernel;
  if (is_meta(x.device())) {
    if constexpr (requires { doing_nothing(cpu_kernel); }) return doing_nothing(cpu_kernel);
    else fail<NotImplementedError>(op, ": needs the elements, which a tensor on meta does not have");
  }
  use_device_of(x, DeviceKernel<cpu_kernel>::function != nullptr, op);
  return DeviceKernel<cpu_kernel>::function;
}

}  // namespace taper
