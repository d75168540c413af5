// cuda::Graph over the device's library.
#include "taper/cuda_graph.h"

#include <utility>

#include "taper/cuda.h"
#include "taper/error.h"
#include "taper/generator.h"
#include "tensor/device_graphs.h"

namespace taper::cuda {

void Graph::begin(std::shared_ptr<void> pool) {
  check<ValueError>(!graph_, "Graph: is recorded already; call reset() first");
  device_ = current_device();
  pool_ = pool ? std::move(pool) : device_graphs().make_pool(device_);
  device_graphs().begin(device_, pool_);
  const Generator& generator = default_generator({Device::Type::cuda, device_});
  seed_ = generator.initial_seed();
  offset_ = generator.offset();
  runs_ = 0;
}

// Nothing was drawn yet: the first run draws what was reserved while recording.
void Graph::end() {
  graph_ = device_graphs().end(device_);
  const Generator& generator = default_generator({Device::Type::cuda, device_});
  drawn_ = generator.offset() - offset_;
  generator.set_state(seed_, offset_);
  check<Error>(graph_ != nullptr,
               "Graph: nothing was recorded, because something was called that cannot be: a wait "
               "for the device (item(), .cpu(), synchronize()) or work on another stream that was "
               "not joined");
}

void Graph::replay() {
  check<ValueError>(graph_ != nullptr, "Graph: nothing is recorded yet");
  const Generator& generator = default_generator({Device::Type::cuda, device_});
  DeviceGraphs::Shift shift;
  shift.seed = generator.initial_seed() - seed_;
  shift.offset = generator.reserve(drawn_) - offset_;
  shift.runs = runs_++;
  device_graphs().launch(graph_.get(), device_, shift);
}

void Graph::reset() {
  graph_.reset();
  pool_.reset();
}

bool is_recording() { return is_available() && device_graphs().is_recording(current_device()); }

}  // namespace taper::cuda
