// Where new tensors go that are given no device.
#pragma once

#include "taper/device.h"

namespace taper {

/// Main memory, unless set_default_device changed it. Of the calling thread.
Device default_device();
/// Throws DeviceError where there is no such device.
void set_default_device(Device device);

}  // namespace taper
