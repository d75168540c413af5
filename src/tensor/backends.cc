// The settings of backends.h.
#include "taper/backends.h"

namespace taper {

Backends& backends() {
  static Backends settings;
  return settings;
}

}  // namespace taper
