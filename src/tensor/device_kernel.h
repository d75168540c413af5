// Where a device's library leaves the functions that stand for the CPU's kernels.
#pragma once

#include "cpu/map.h"

namespace taper {

/// The device's function in the place of a kernel of the CPU, of the same signature: pointers are to memory
/// of the device, work goes to the current stream of the device in use. Null where there is none (yet).
template <auto cpu_kernel>
struct DeviceKernel {
  static decltype(cpu_kernel) function;
};

/// cpu::map for a device. Bit i of numbers: input i is one element in main memory, to be read before the call
/// returns.
using DeviceMap = void (*)(const cpu::Kernel& kernel, const Shape& sizes, const cpu::Operand* inputs,
                           int count, DType common, const cpu::Operand& output, const void* attributes,
                           unsigned numbers);
extern DeviceMap device_map;

}  // namespace taper
