// Autocast: which operations run in a lower precision, or in float32, while the mode is on.
#pragma once

#include <string_view>
#include <unordered_map>

#include "ops/registry.h"
#include "python.h"
#include "taper/tensor.h"

namespace taper::python {

/// What autocast does with an operation's floating operands (float64 stays as it is).
enum class Cast : std::uint8_t {
  none,
  lower,    ///< to the mode's dtype
  float32,  ///< to float32
  widest,   ///< to the widest among them
};

/// PyTorch's rule for the operation of this name.
Cast cast_of(std::string_view name);

/// The mode of the calling thread for one type of device.
struct AutocastMode {
  bool enabled = false;
  DType dtype = DType::bfloat16;
};

/// Autocast of the calling thread.
struct Autocast {
  bool cache = true;
  int nesting = 0;
  AutocastMode modes[3] = {{}, {false, DType::float16}, {}};  ///< by Device::Type
  /// Parameters cast already, by record; they are held, so that no other tensor takes their place.
  std::unordered_map<const void*, std::pair<Tensor, Tensor>> cached;
};
extern thread_local Autocast autocast;
/// Whether a mode of the calling thread is enabled: all that an operation asks while none is.
extern constinit thread_local bool autocast_on __attribute__((tls_model("initial-exec")));

/// Casts the tensors among an operation's arguments.
void cast_arguments(Cast cast, const Signature& signature, Value* values);

void bind_autocast(py::module_& module);

}  // namespace taper::python
