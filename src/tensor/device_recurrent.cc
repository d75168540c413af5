// Where a device's library leaves its recurrent networks.
#include "tensor/device_recurrent.h"

namespace taper {

DeviceRecurrent device_recurrent;

}  // namespace taper
