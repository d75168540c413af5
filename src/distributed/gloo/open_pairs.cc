// Connections between two ranks as Gloo makes them: for versions of it whose classes pairs.cc does not fit.
#include "distributed/gloo/pairs.h"

namespace taper::distributed {

std::shared_ptr<gloo::transport::tcp::Device> device_for(const gloo::transport::tcp::attr& attributes,
                                                         const Exchange&) {
  return std::dynamic_pointer_cast<gloo::transport::tcp::Device>(
      gloo::transport::tcp::CreateDevice(attributes));
}

}  // namespace taper::distributed
