// Putting this library's kernels in the place of the CPU's.
#pragma once

namespace taper::cuda {

/// Fills the DeviceKernel of every kernel that exists here, and device_map.
void install_kernels();

}  // namespace taper::cuda
