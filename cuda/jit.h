// Kernels compiled from text when they are needed: NVRTC makes machine code for the device, the driver loads
// it.
#pragma once

#include <cuda.h>

#include <string>

#include "cuda/pointwise_source.h"

namespace taper::cuda {

/// What NVRTC makes of a text for a compute capability (80 for 8.0).
struct CompiledText {
  std::string cubin;  ///< machine code; empty where NVRTC does not know the device
  std::string ptx;    ///< which a driver compiles for any device that is not older
};

/// Throws DeviceError naming op where NVRTC is missing, Error with its words where the text is not right.
CompiledText compile(const std::string& text, int capability, const char* op);

/// The kernel of a text on the device in use, compiled and loaded when it is first asked for and kept to the
/// end of the process. Throws as compile(), and Error where the driver does not take it.
CUfunction kernel_of(const std::string& text, const char* name, const char* op);

/// Puts a kernel of pointwise_source into the current stream.
void launch_pointwise(CUfunction kernel, const PointwiseArguments& arguments, const char* op);

}  // namespace taper::cuda
