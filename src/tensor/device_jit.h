// Elementwise functions of C++ text, compiled for a device when they are first called: what libtaper_cuda
// does for cuda::JitFunction.
#pragma once

#include <string>
#include <vector>

#include "cpu/map.h"
#include "taper/scalar.h"
#include "taper/shape.h"

namespace taper {

/// One call of a function template over its type T.
struct JitCall {
  std::string code;  ///< with the definition of template <class T> ... name(T ..., )
  std::string name;
  bool by_reference;  ///< results are the last arguments, of type T&; else one is returned
  DType common;       ///< T: the type itself; float for float16 and bfloat16; std::complex
  Shape sizes;        ///< of the results; inputs' strides are over it
  std::vector<cpu::Operand> inputs, outputs;
  std::vector<Scalar> values;  ///< arguments after the inputs
};

/// Puts the work into the current stream of the device in use.
using RunJit = void (*)(const JitCall& call);

/// Throws DeviceError where there is no device.
RunJit device_jit();

}  // namespace taper
