// Recurrent networks: layers and directions on all steps, by a device's library where it has them (cuDNN),
// else by operations on each layer.
#include <algorithm>
#include <span>

#include "autograd/record.h"
#include "ops/packed_steps.h"
#include "ops/recurrent.h"
#include "ops/registry.h"
#include "taper/backends.h"
#include "taper/ops.h"
#include "tensor/kernel_for.h"

namespace taper {

namespace {

// What a layer has in one direction; parts that it lacks are undefined.
struct Direction {
  Tensor weight_ih, weight_hh, bias_ih, bias_hh, weight_hr;
};

Direction direction_of(const RecurrentLayers& layers, const Tensor* weights) {
  Direction direction{weights[0], weights[1], {}, {}, {}};
  weights += 2;
  if (layers.biases) direction.bias_ih = *weights++, direction.bias_hh = *weights++;
  if (layers.projects()) direction.weight_hr = *weights;
  return direction;
}

// The shapes of a direction's weights, in their order.
std::vector<Shape> weight_shapes(const RecurrentLayers& layers, std::int64_t layer) {
  const std::int64_t rows = layers.gates() * layers.hidden;
  std::vector<Shape> shapes{{rows, layers.inputs_of(layer)}, {rows, layers.outputs}};
  if (layers.biases) shapes.insert(shapes.end(), {Shape{rows}, Shape{rows}});
  if (layers.projects()) shapes.push_back({layers.outputs, layers.hidden});
  return shapes;
}

// Outputs [T, N, width] of all steps, and the last states. masks: for each step whether a sequence reaches
// it, [N, 1], or none where all do.
std::pair<Tensor, Tensors> run_direction(RecurrentCell cell, const Tensor& x, Tensors states,
                                         const Direction& w, bool reverse, const Tensors& masks) {
  const bool lstm = cell == RecurrentCell::lstm && !w.weight_hr.defined();
  if (masks.empty() && (lstm || cell == RecurrentCell::gru)) {
    Tensor input = linear(x, w.weight_ih, lstm && w.bias_ih.defined() ? w.bias_ih + w.bias_hh : w.bias_ih), y;
    if (reverse) input = flip(input, {0});
    if (lstm) {
      std::tie(y, states[1]) = lstm_layer(input, states[0], states[1], w.weight_hh);
      states[1] = select(states[1], 0, -1);
    } else {
      y = gru_layer(input, states[0], w.weight_hh, w.bias_hh);
    }
    states[0] = select(y, 0, -1);
    return {reverse ? flip(y, {0}) : y, std::move(states)};
  }
  // The products with the inputs of all steps are one.
  const Tensors gates = unbind(linear(x, w.weight_ih, w.bias_ih));
  Tensors outputs(gates.size());
  for (std::size_t i = 0; i < gates.size(); ++i) {
    const std::size_t t = reverse ? gates.size() - 1 - i : i;
    Tensors next = recurrent_step(cell, gates[t], states, w.weight_hh, w.bias_hh, w.weight_hr);
    // The states of sequences that have ended, or not yet begun, stay.
    if (!masks.empty())
      for (std::size_t s = 0; s < next.size(); ++s) next[s] = where(masks[t], next[s], states[s]);
    states = std::move(next);
    outputs[t] = masks.empty() ? states[0] : states[0] * masks[t];
  }
  return {stack(outputs), std::move(states)};
}

Tensors masks_of(const RecurrentLayers& layers, const Device& device) {
  const Tensor ends = to(tensor(layers.lengths(), {layers.sequences(), 1}), device);
  Tensors masks;
  for (std::size_t t = 0; t < layers.batch_sizes.size(); ++t) masks.push_back(gt(ends, std::int64_t(t)));
  return masks;
}

// The output and the last states. x is packed if it has two dimensions.
Tensors by_layers(const RecurrentLayers& layers, const Tensor& x, const Tensors& states,
                  std::span<const Tensor> weights) {
  const bool packed = x.ndim() == 2;
  const Tensors masks = packed ? masks_of(layers, x.device()) : Tensors();
  const std::size_t parts = weights.size() / std::size_t(layers.layers * layers.directions);
  Tensor y = packed ? padded_steps(x, layers.batch_sizes, 0) : x;
  std::vector<Tensors> last(states.size());
  for (std::int64_t place = 0; place < layers.layers * layers.directions; place += layers.directions) {
    Tensors outputs;
    for (std::int64_t way = 0; way < layers.directions; ++way) {
      Tensors state;
      for (const Tensor& all : states) state.push_back(select(all, 0, place + way));
      auto [output, final] =
          run_direction(layers.cell, y, std::move(state),
                        direction_of(layers, &weights[parts * std::size_t(place + way)]), way == 1, masks);
      outputs.push_back(std::move(output));
      for (std::size_t s = 0; s < last.size(); ++s) last[s].push_back(final[s]);
    }
    y = layers.directions == 1 ? outputs[0] : cat(outputs, -1);
  }
  Tensors results{packed ? packed_steps(y, layers.batch_sizes) : y};
  for (const Tensors& each : last) results.push_back(stack(each));
  return results;
}

RecurrentOperands operands_of(const Tensor& x, const Tensor& h, const Tensor& c, const Tensor& weights,
                              const Tensor& y, const Tensor& last_h, const Tensor& last_c) {
  const auto address = [](const Tensor& t) { return t.defined() ? t.data() : nullptr; };
  return {x.data(), h.data(), address(c), weights.data(), y.data(), address(last_h), address(last_c)};
}

// On weights in one dense tensor, one after another.
struct LibraryLayers {
  static constexpr auto name = "recurrent";
  static constexpr Saves saves{.inputs = 15, .outputs = 9};
  RecurrentLayers layers;
  // y, the last states (c: of an LSTM) and what the library keeps for the gradient. They are computed before
  // the operation is recorded, because the library may refuse.
  std::array<Tensor, 4> results;

  std::array<Tensor, 4> forward(const Tensor&, const Tensor&, const Tensor&, const Tensor&) {
    return std::move(results);
  }

  std::array<Tensor, 4> backward(const Saved& saved, std::span<const Tensor> dy) const {
    const Tensor x = saved.input(0), h = saved.input(1), c = saved.input(2), weights = saved.input(3),
                 y = saved.output(0);
    const Tensors inputs{x, h, c, weights};
    if (thread_modes.grad_enabled) return again(saved, inputs, dy);
    // The library overwrites it, and the graph may be kept for another backward.
    const Tensor reserve = clone(saved.output(3));
    std::array<Tensor, 4> gradients;
    for (std::size_t i = 0; i < 4; ++i)
      if (inputs[i].defined() && (i < 3 || saved.needs(3)))
        gradients[i] = empty(inputs[i].sizes(), x.dtype(), x.device());
    const Tensor dense_dy = dy[0].defined() ? contiguous(dy[0]) : zeros(y.sizes(), y.dtype(), y.device());
    Tensors dlast;
    for (std::size_t i = 1; i < 3; ++i) dlast.push_back(dy[i].defined() ? contiguous(dy[i]) : Tensor());
    const auto address = [](const Tensor& t) { return t.defined() ? t.data() : nullptr; };
    use_device_of(x, true, name);
    const bool done =
        device_recurrent.backward(layers, operands_of(x, h, c, weights, y, {}, {}),
                                  {dense_dy.data(), address(dlast[0]), address(dlast[1]), gradients[0].data(),
                                   gradients[1].data(), address(gradients[2]), address(gradients[3])},
                                  reserve.data());
    return done ? gradients : again(saved, inputs, dy);
  }

  // By operations that have gradients themselves.
  std::array<Tensor, 4> again(const Saved& saved, const Tensors& inputs, std::span<const Tensor> dy) const {
    const GradMode recorded(true);
    Tensors weights, states{inputs[1]};
    if (inputs[2].defined()) states.push_back(inputs[2]);
    std::int64_t start = 0;
    for (std::int64_t place = 0; place < layers.layers * layers.directions; ++place)
      for (const Shape& shape : weight_shapes(layers, place / layers.directions)) {
        const std::int64_t count = shape.size() == 1 ? shape[0] : shape[0] * shape[1];
        weights.push_back(reshape(narrow(inputs[3], 0, start, count), shape));
        start += count;
      }
    const Tensors outputs = by_layers(layers, inputs[0], states, weights);
    return gradients_again<4>(saved, inputs, outputs, dy.first(outputs.size()), name);
  }
};

// By the library of x's device; empty where there is none that has these layers.
std::optional<Tensors> by_library(const RecurrentLayers& layers, const Tensor& x, const Tensors& states,
                                  std::span<const Tensor> weights) {
  if (x.device().type != Device::Type::cuda || !device_recurrent.forward || x.numel() == 0) return {};
  use_device_of(x, true, "recurrent");
  bool wants = wants_grad(x) || wants_grad(states);
  for (const Tensor& weight : weights) wants |= wants_grad(weight);
  wants &= thread_modes.grad_enabled;
  const std::int64_t bytes = device_recurrent.reserve_bytes(layers, wants);
  if (bytes < 0) return {};
  Tensors flat;
  for (const Tensor& weight : weights) flat.push_back(reshape(weight, {-1}));
  const Tensor input = contiguous(x), h = contiguous(states[0]),
               c = states.size() > 1 ? contiguous(states[1]) : Tensor(), all = cat(flat);
  Shape sizes = x.sizes();
  sizes[sizes.size() - 1] = layers.directions * layers.outputs;
  std::array<Tensor, 4> results{empty(sizes, x.dtype(), x.device()), empty(h.sizes(), x.dtype(), x.device())};
  if (c.defined()) results[2] = empty(c.sizes(), x.dtype(), x.device());
  if (wants) results[3] = empty({bytes}, uint8, x.device());
  const RecurrentOperands operands = operands_of(input, h, c, all, results[0], results[1], results[2]);
  if (!device_recurrent.forward(layers, operands, wants ? results[3].data() : nullptr)) return {};
  const auto recorded = record(LibraryLayers{layers, std::move(results)}, input, h, c, all);
  return Tensors(recorded.begin(), recorded.begin() + 1 + std::ptrdiff_t(states.size()));
}

RecurrentCell cell_of(const std::string& kind) {
  if (kind == "rnn_tanh") return RecurrentCell::rnn_tanh;
  if (kind == "rnn_relu") return RecurrentCell::rnn_relu;
  if (kind == "lstm") return RecurrentCell::lstm;
  check<ValueError>(kind == "gru", "recurrent: kind must be rnn_tanh, rnn_relu, lstm or gru, got '", kind,
                    "'");
  return RecurrentCell::gru;
}

void check_operand(const Tensor& x, const Shape& expected, const Tensor& input, const char* what) {
  check<ShapeError>(x.sizes() == expected, "recurrent: ", what, " must be of shape ", expected, ", got ",
                    x.sizes());
  check<DTypeError>(x.dtype() == input.dtype(), "recurrent: ", what, " must be ", input.dtype(),
                    " like the input, got ", x.dtype());
  check<DeviceError>(x.device() == input.device(), "recurrent: ", what, " is on ", x.device(),
                     ", expected it on ", input.device(), " like the input");
}

std::vector<std::int64_t> checked_batch_sizes(const Tensor& x, const std::optional<Shape>& given) {
  check<ShapeError>(x.ndim() == (given ? 2 : 3) && x.size(0) > 0,
                    "recurrent: expected a sequence length larger than 0: an input [T, N, inputs], or with "
                    "batch_sizes [rows, inputs], got shape ",
                    x.sizes());
  if (!given) return std::vector<std::int64_t>(std::size_t(x.size(0)), x.size(1));
  const std::vector<std::int64_t> sizes = given->to_vector();
  check<ValueError>(!sizes.empty() && sizes.back() > 0 && std::is_sorted(sizes.rbegin(), sizes.rend()) &&
                        std::accumulate(sizes.begin(), sizes.end(), std::int64_t()) == x.size(0),
                    "recurrent: batch_sizes must fall, be positive and add up to ", x.size(0), " rows");
  return sizes;
}

RecurrentLayers checked_layers(const std::string& kind, const Tensor& x, const Tensors& states,
                               const Tensors& weights, std::int64_t layers, bool bidirectional,
                               const std::optional<Shape>& batch_sizes) {
  const RecurrentCell cell = cell_of(kind);
  const std::int64_t directions = bidirectional ? 2 : 1, places = layers * directions;
  const std::size_t parts = layers > 0 ? weights.size() / std::size_t(places) : 0;
  check<ValueError>(layers > 0 && parts >= 2 && parts <= 5 && parts * std::size_t(places) == weights.size() &&
                        states.size() == (cell == RecurrentCell::lstm ? 2 : 1),
                    "recurrent: ", kind, " needs h (an LSTM h and c) and for each of ", places,
                    " layers and directions 2 to 5 weights, got ", std::int64_t(states.size()),
                    " states and ", std::int64_t(weights.size()), " weights");
  check<ShapeError>(weights[0].ndim() == 2 && weights[1].ndim() == 2,
                    "recurrent: weights must be matrices, got shapes ", weights[0].sizes(), " and ",
                    weights[1].sizes());
  RecurrentLayers net{.cell = cell,
                      .dtype = x.dtype(),
                      .layers = layers,
                      .directions = directions,
                      .inputs = x.ndim() ? x.size(-1) : 0,
                      .hidden = 0,
                      .outputs = weights[1].size(1),
                      .biases = parts >= 4,
                      .allow_tf32 = backends().cudnn.allow_tf32,
                      .batch_sizes = checked_batch_sizes(x, batch_sizes)};
  net.hidden = weights[1].size(0) / net.gates();
  check<DTypeError>(x.is_floating_point(), "recurrent: needs a floating dtype, got ", x.dtype());
  check<ShapeError>(net.hidden > 0 && net.outputs > 0 && net.projects() == (parts % 2 == 1) &&
                        (!net.projects() || cell == RecurrentCell::lstm),
                    "recurrent: weight_hh of shape ", weights[1].sizes(), " does not fit ",
                    std::int64_t(parts), " weights of a layer of ", kind);
  for (std::size_t s = 0; s < states.size(); ++s)
    check_operand(states[s], {places, net.sequences(), s == 0 ? net.outputs : net.hidden}, x,
                  "an initial state");
  for (std::size_t i = 0; i < weights.size(); ++i)
    check_operand(weights[i], weight_shapes(net, std::int64_t(i / parts) / directions)[i % parts], x,
                  "a weight");
  return net;
}

}  // namespace

Tensors recurrent_step(RecurrentCell cell, const Tensor& gates, const Tensors& states, const Tensor& weight,
                       const Tensor& bias, const Tensor& projection) {
  const Tensor products = linear(states[0], weight, bias);
  switch (cell) {
    case RecurrentCell::rnn_tanh: return {tanh(gates + products)};
    case RecurrentCell::rnn_relu: return {relu(gates + products)};
    case RecurrentCell::gru: {
      const Tensors x = chunk(gates, 3, -1), y = chunk(products, 3, -1);
      const Tensor update = sigmoid(x[1] + y[1]), candidate = tanh(x[2] + sigmoid(x[0] + y[0]) * y[2]);
      return {candidate + update * (states[0] - candidate)};
    }
    case RecurrentCell::lstm: break;
  }
  const Tensors parts = chunk(gates + products, 4, -1);
  const Tensor c = sigmoid(parts[1]) * states[1] + sigmoid(parts[0]) * tanh(parts[2]),
               h = sigmoid(parts[3]) * tanh(c);
  return {projection.defined() ? linear(h, projection) : h, c};
}

Tensors recurrent(const std::string& kind, const Tensor& input, const Tensors& states, const Tensors& weights,
                  std::int64_t layers, bool bidirectional, double dropout,
                  const std::optional<Shape>& batch_sizes) {
  RecurrentLayers net = checked_layers(kind, input, states, weights, layers, bidirectional, batch_sizes);
  const auto run = [&](const Tensor& x, const Tensors& before, std::span<const Tensor> own) {
    std::optional<Tensors> results = by_library(net, x, before, own);
    return results ? std::move(*results) : by_layers(net, x, before, own);
  };
  if (dropout == 0 || layers == 1) return run(input, states, weights);
  const std::size_t parts = weights.size() / std::size_t(layers);
  net.layers = 1;
  Tensor y = input;
  std::vector<Tensors> last(states.size());
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    if (layer > 0) y = taper::dropout(y, dropout, true);
    net.inputs = y.size(-1);
    Tensors before;
    for (const Tensor& all : states) before.push_back(narrow(all, 0, layer * net.directions, net.directions));
    Tensors results = run(y, before, std::span(weights).subspan(std::size_t(layer) * parts, parts));
    y = std::move(results[0]);
    for (std::size_t s = 0; s < last.size(); ++s) last[s].push_back(std::move(results[s + 1]));
  }
  Tensors results{y};
  for (const Tensors& each : last) results.push_back(cat(each));
  return results;
}

namespace {

const Register recurrent_op{
    {.signature = "recurrent(str kind, Tensor input, Tensor[] states, Tensor[] weights, int layers, bool "
                  "bidirectional, float dropout=0, int[]? batch_sizes=None) -> Tensor[]",
     .doc = "Output and last states of an RNN ('rnn_tanh', 'rnn_relu'), 'lstm' or 'gru' on all steps.",
     .call = box<recurrent>,
     .homes = "nn.layers",
     .samples = "'lstm', x(3, 2, 3), [x(1, 2, 2), x(1, 2, 2)], [x(8, 3), x(8, 2), x(8), x(8)], 1, False; "
                "'gru', x(5, 3), [x(2, 2, 2)], [x(6, 3), x(6, 2), x(6), x(6), x(6, 3), x(6, 2), x(6), x(6)], "
                "1, True, 0, [2, 2, 1]; "
                "'rnn_tanh', x(2, 2, 2), [x(2, 2, 2)], [x(2, 2), x(2, 2), x(2, 2), x(2, 2)], 2, False; "
                "'rnn_relu', x(3, 1, 2), [x(1, 1, 3)], [x(3, 2), x(3, 3)], 1, False; "
                "'lstm', x(2, 1, 2), [x(1, 1, 1), x(1, 1, 2)], [x(8, 2), x(8, 1), x(1, 2)], 1, False",
     .reference = "ref.recurrent(kind, input, states, weights, layers, bidirectional, batch_sizes)",
     .errors = "'elman', x(3, 2, 3), [x(1, 2, 2)], [x(2, 3), x(2, 2)], 1, False; "
               "'gru', x(3, 2, 3), [x(1, 2, 2)], [x(6, 3), x(6, 2), x(6)], 1, False; "
               "'gru', x(3, 2, 3), [x(1, 2, 2)], [x(6, 4), x(6, 2)], 1, False; "
               "'gru', x(3, 2, 3), [x(1, 3, 2)], [x(6, 3), x(6, 2)], 1, False; "
               "'gru', x(5, 3), [x(1, 2, 2)], [x(6, 3), x(6, 2)], 1, False, 0, [1, 2, 2]"}};

}  // namespace

}  // namespace taper
