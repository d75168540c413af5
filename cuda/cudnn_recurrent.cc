// Recurrent networks by cuDNN: its functions for whole sequences, which are not in its backend API.
#include "cuda/cudnn_recurrent.h"

#if __has_include(<cudnn_backend.h>)

#include <algorithm>
#include <array>
#include <climits>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <string_view>

#include "cuda/cudnn_execution.h"
#include "cuda/cudnn_recurrent_descriptors.h"
#include "cuda/runtime.h"
#include "taper/backends.h"

namespace taper::cuda {

namespace {

using std::int64_t;

/// Bytes of the weights, one after another, and where they lie in cuDNN's space of them.
struct Stretch {
  int64_t own, place, bytes;
};

/// What cuDNN knows of a network, whatever the sequences.
struct Network {
  DropoutDescriptor no_dropout;
  RnnDescriptor descriptor;
  int64_t weight_bytes = 0;
  std::vector<Stretch> stretches;
  /// Steps, sequences and whether for a gradient: what has run, and may be recorded as a graph.
  std::set<std::array<int64_t, 3>> met;

  /// False where cuDNN has no such network.
  bool prepare(cudnnHandle_t handle, const RecurrentLayers& layers) {
    check_cudnn(cudnn()->set_dropout(no_dropout.get(), handle, 0, nullptr, 0, 0), "describing no dropout");
    if (!describe(descriptor, layers, no_dropout.get())) return false;
    std::size_t bytes = 0;
    if (!has(cudnn()->rnn_weight_space_size(handle, descriptor.get(), &bytes),
             "asking for the size of weights"))
      return false;
    weight_bytes = int64_t(bytes);
    find_stretches(handle, layers);
    return true;
  }

 private:
  void find_stretches(cudnnHandle_t handle, const RecurrentLayers& layers) {
    // Its memory is not touched: places are told as addresses.
    const Scratch space(weight_bytes);
    const TensorDescriptor matrix, bias;
    const int64_t gates = layers.gates(), hidden = layers.hidden, item = item_size(layers.dtype);
    int64_t start = 0;
    for (int64_t place = 0; place < layers.layers * layers.directions; ++place) {
      const int64_t inputs = layers.inputs_of(place / layers.directions), outputs = layers.outputs,
                    biases = start + gates * hidden * (inputs + outputs),
                    projection = biases + (layers.biases ? 2 * gates * hidden : 0);
      const auto add = [&](void* address, int64_t own, int64_t count) {
        const int64_t offset = static_cast<char*>(address) - space.data<char>();
        check<Error>(address && offset >= 0 && offset + count * item <= weight_bytes,
                     "cuDNN: a weight of a recurrent network has no place");
        stretches.push_back({own * item, offset, count * item});
      };
      const int64_t parts = layers.projects() ? 2 * gates + 1 : 2 * gates;
      for (int64_t part = 0; part < parts; ++part) {
        void *at = nullptr, *bias_at = nullptr;
        check_cudnn(
            cudnn()->rnn_weight_params(handle, descriptor.get(), int(place), std::size_t(weight_bytes),
                                       space.data(), int(part), matrix.get(), &at, bias.get(), &bias_at),
            "asking for the place of a weight");
        if (part == 2 * gates) add(at, projection, outputs * hidden);
        else if (part < gates) add(at, start + part * hidden * inputs, hidden * inputs);
        else add(at, start + gates * hidden * inputs + (part - gates) * hidden * outputs, hidden * outputs);
        if (layers.biases && part < 2 * gates) add(bias_at, biases + part * hidden, hidden);
      }
      start = projection + (layers.projects() ? outputs * hidden : 0);
    }
    join_stretches();
  }

  void join_stretches() {
    std::sort(stretches.begin(), stretches.end(),
              [](const Stretch& a, const Stretch& b) { return a.own < b.own; });
    std::vector<Stretch> joined;
    for (const Stretch& next : stretches) {
      Stretch* last = joined.empty() ? nullptr : &joined.back();
      if (last && last->own + last->bytes == next.own && last->place + last->bytes == next.place)
        last->bytes += next.bytes;
      else joined.push_back(next);
    }
    stretches = std::move(joined);
  }
};

/// The calling thread's, for the device in use: like its handle. Null where cuDNN has none, or it would have
/// to be made while a graph is recorded.
Network* network_for(cudnnHandle_t handle, const RecurrentLayers& layers) {
  thread_local std::map<std::vector<int64_t>, std::unique_ptr<Network>> networks;
  const std::vector<int64_t> key{runtime().device_in_use(),
                                 int64_t(layers.cell),
                                 int64_t(layers.dtype),
                                 layers.layers,
                                 layers.directions,
                                 layers.inputs,
                                 layers.hidden,
                                 layers.outputs,
                                 layers.biases,
                                 layers.allow_tf32};
  const auto found = networks.find(key);
  if (found != networks.end()) return found->second.get();
  if (is_recording()) return nullptr;
  auto network = std::make_unique<Network>();
  if (!network->prepare(handle, layers)) network.reset();
  return (networks[key] = std::move(network)).get();
}

/// Release notes of cuDNN since 7.6.5: recurrent networks run in several streams, in which cuBLAS may take
/// one or another of its buffers, and with it another kernel, unless this variable leaves it buffers of one
/// size.
bool is_repeatable() {
  const char* buffers = std::getenv("CUBLAS_WORKSPACE_CONFIG");
  return buffers && (buffers == std::string_view(":16:8") || buffers == std::string_view(":4096:2"));
}

bool suits(const RecurrentLayers& layers) {
  if ((backends().cudnn.deterministic || backends().deterministic_algorithms) && !is_repeatable())
    return false;
  const int64_t largest =
      std::max({layers.gates() * layers.hidden, layers.inputs, layers.directions * layers.outputs,
                layers.rows(), layers.layers * layers.directions * layers.sequences() * layers.hidden});
  return largest <= INT_MAX && layers.rows() > 0;
}

/// What a pass needs, or nothing where cuDNN does not run it.
struct Call {
  Call(const RecurrentLayers& layers, bool has_backward) {
    if (!suits(layers) || !(handle = cudnn_in_use()) || !(network = network_for(handle, layers))) return;
    if (is_recording() && !network->met.count(sizes(layers, has_backward))) return;
    sequences = std::make_unique<Sequences>(layers);
    const cudnnForwardMode_t mode = has_backward ? CUDNN_FWD_MODE_TRAINING : CUDNN_FWD_MODE_INFERENCE;
    runs = has(cudnn()->rnn_temp_space_sizes(handle, network->descriptor.get(), mode, sequences->x.get(),
                                             &work_bytes, &reserve_bytes),
               "asking for the memory of a recurrent network");
  }
  static std::array<int64_t, 3> sizes(const RecurrentLayers& layers, bool has_backward) {
    return {int64_t(layers.batch_sizes.size()), layers.sequences(), has_backward};
  }

  cudnnHandle_t handle = nullptr;
  Network* network = nullptr;
  std::unique_ptr<Sequences> sequences;
  std::size_t work_bytes = 0, reserve_bytes = 0;
  bool runs = false;
};

/// Weights into cuDNN's space of them, or out of it.
void copy_weights(const Network& network, void* to, int64_t Stretch::*to_place, const void* from,
                  int64_t Stretch::*from_place) {
  for (const Stretch& s : network.stretches)
    check_cuda(
        cudaMemcpyAsync(static_cast<char*>(to) + s.*to_place, static_cast<const char*>(from) + s.*from_place,
                        std::size_t(s.bytes), cudaMemcpyDeviceToDevice, runtime().stream_in_use()),
        "recurrent");
}

}  // namespace

int64_t cudnn_recurrent_reserve(const RecurrentLayers& layers, bool has_backward) {
  const Call call(layers, has_backward);
  if (!call.runs) return -1;
  return has_backward ? std::max(int64_t(call.reserve_bytes), int64_t(1)) : 0;
}

bool cudnn_recurrent(const RecurrentLayers& layers, const RecurrentOperands& operands, void* reserve) {
  const bool has_backward = reserve != nullptr;
  const Call call(layers, has_backward);
  if (!call.runs) return false;
  Network& network = *call.network;
  const Sequences& s = *call.sequences;
  const Scratch weights(network.weight_bytes), work(int64_t(call.work_bytes));
  copy_weights(network, weights.data(), &Stretch::place, operands.weights, &Stretch::own);
  const bool lstm = layers.cell == RecurrentCell::lstm;
  const bool done =
      has(cudnn()->rnn_forward(call.handle, network.descriptor.get(),
                               has_backward ? CUDNN_FWD_MODE_TRAINING : CUDNN_FWD_MODE_INFERENCE, nullptr,
                               s.x.get(), operands.x, s.y.get(), operands.y, s.h.get(), operands.h,
                               operands.last_h, lstm ? s.c.get() : nullptr, operands.c, operands.last_c,
                               std::size_t(network.weight_bytes), weights.data(), call.work_bytes,
                               work.data(), has_backward ? call.reserve_bytes : 0, reserve),
          "recurrent");
  if (!done) return false;
  // Sequences of ever other lengths: a graph that records forgotten ones takes own kernels.
  if (network.met.size() >= 4096) network.met.clear();
  network.met.insert(Call::sizes(layers, has_backward));
  return done;
}

bool cudnn_recurrent_backward(const RecurrentLayers& layers, const RecurrentOperands& operands,
                              const RecurrentGradients& gradients, void* reserve) {
  const Call call(layers, true);
  if (!call.runs) return false;
  const Network& network = *call.network;
  const Sequences& s = *call.sequences;
  const auto weight_bytes = std::size_t(network.weight_bytes);
  const Scratch weights(network.weight_bytes), work(int64_t(call.work_bytes));
  copy_weights(network, weights.data(), &Stretch::place, operands.weights, &Stretch::own);
  const bool lstm = layers.cell == RecurrentCell::lstm;
  const bool done =
      has(cudnn()->rnn_backward_data(call.handle, network.descriptor.get(), nullptr, s.y.get(), operands.y,
                                     gradients.dy, s.x.get(), gradients.dx, s.h.get(), operands.h,
                                     gradients.dlast_h, gradients.dh, lstm ? s.c.get() : nullptr, operands.c,
                                     gradients.dlast_c, gradients.dc, weight_bytes, weights.data(),
                                     call.work_bytes, work.data(), call.reserve_bytes, reserve),
          "recurrent_backward");
  if (!done || !gradients.dweights) return done;
  // cuDNN adds, and knows no other mode.
  const Scratch dweights(network.weight_bytes);
  check_cuda(cudaMemsetAsync(dweights.data(), 0, weight_bytes, runtime().stream_in_use()),
             "recurrent_backward");
  if (!has(cudnn()->rnn_backward_weights(call.handle, network.descriptor.get(), CUDNN_WGRAD_MODE_ADD, nullptr,
                                         s.x.get(), operands.x, s.h.get(), operands.h, s.y.get(), operands.y,
                                         weight_bytes, dweights.data(), call.work_bytes, work.data(),
                                         call.reserve_bytes, reserve),
           "recurrent_backward"))
    return false;
  copy_weights(network, gradients.dweights, &Stretch::own, dweights.data(), &Stretch::place);
  return true;
}

}  // namespace taper::cuda

#else

namespace taper::cuda {

std::int64_t cudnn_recurrent_reserve(const RecurrentLayers&, bool) { return -1; }
bool cudnn_recurrent(const RecurrentLayers&, const RecurrentOperands&, void*) { return false; }
bool cudnn_recurrent_backward(const RecurrentLayers&, const RecurrentOperands&, const RecurrentGradients&,
                              void*) {
  return false;
}

}  // namespace taper::cuda

#endif
