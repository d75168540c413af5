// The Python class of generators: a Generator that knows which device it was made for.
#pragma once

#include "taper/generator.h"

namespace taper::python {

/// What the Python class Generator holds. Its numbers do not depend on the device.
struct DeviceGenerator : Generator {
  explicit DeviceGenerator(const Generator& generator, Device device = {})
      : Generator(generator), device(device) {}
  Device device;
};

}  // namespace taper::python
