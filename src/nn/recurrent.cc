// Recurrent layers and cells.
#include "taper/nn/recurrent.h"

#include "nn/initial.h"

namespace taper::nn {

namespace {

Tensor value_of(const Tensor* tensor) { return tensor ? *tensor : Tensor(); }

Tensor rnn_step(const Tensor& gates, const Tensor& h, const Tensor& weight, const Tensor& bias,
                const std::string& nonlinearity) {
  const Tensor sum = gates + linear(h, weight, bias);
  return nonlinearity == "relu" ? relu(sum) : tanh(sum);
}

// Gates in the order input, forget, cell, output.
Tensors lstm_step(const Tensor& gates, const Tensors& states, const Tensor& weight, const Tensor& bias,
                  const Tensor& projection) {
  const Tensors parts = chunk(gates + linear(states[0], weight, bias), 4, -1);
  const Tensor c = sigmoid(parts[1]) * states[1] + sigmoid(parts[0]) * tanh(parts[2]);
  const Tensor h = sigmoid(parts[3]) * tanh(c);
  return {projection.defined() ? linear(h, projection) : h, c};
}

// Gates in the order reset, update, new.
Tensor gru_step(const Tensor& gates, const Tensor& h, const Tensor& weight, const Tensor& bias) {
  const Tensors x = chunk(gates, 3, -1), y = chunk(linear(h, weight, bias), 3, -1);
  const Tensor update = sigmoid(x[1] + y[1]), candidate = tanh(x[2] + sigmoid(x[0] + y[0]) * y[2]);
  return candidate + update * (h - candidate);
}

void check_nonlinearity(const std::string& nonlinearity, const char* layer) {
  check<ValueError>(nonlinearity == "tanh" || nonlinearity == "relu", layer,
                    ": nonlinearity must be tanh or relu, got '", nonlinearity, "'");
}

Tensor zero_state(const Tensor& x, std::int64_t hidden) {
  Shape sizes(x.sizes().data(), x.ndim() - 1);
  sizes.push_back(hidden);
  return zeros(sizes, x.dtype(), x.device());
}

}  // namespace

Recurrent::Recurrent(int gates, std::int64_t input_size, std::int64_t hidden_size, RecurrentOptions options)
    : options_(std::move(options)), gates_(gates), input_size_(input_size), hidden_size_(hidden_size) {
  check<ValueError>(input_size > 0 && hidden_size > 0 && options_.num_layers > 0,
                    "recurrent layer: sizes and num_layers must be positive, got ", input_size, ", ",
                    hidden_size, " and ", options_.num_layers);
  check<ValueError>(options_.dropout >= 0 && options_.dropout <= 1,
                    "recurrent layer: dropout must be in [0, 1], got ", options_.dropout);
  check<ValueError>(
      options_.proj_size >= 0 && options_.proj_size < hidden_size && (gates == 4 || options_.proj_size == 0),
      "recurrent layer: proj_size must be smaller than hidden_size and is for LSTM only, got ",
      options_.proj_size);
  const std::int64_t ways = options_.bidirectional ? 2 : 1, rows = gates * hidden_size,
                     out = options_.proj_size ? options_.proj_size : hidden_size;
  for (std::int64_t layer = 0; layer < options_.num_layers; ++layer) {
    for (std::int64_t way = 0; way < ways; ++way) {
      const std::string suffix = concat("_l", layer, way ? "_reverse" : "");
      const auto parameter = [&](const char* name, const Shape& sizes) {
        return &register_parameter(name + suffix, by_fan_in(sizes, hidden_size));
      };
      Direction direction;
      direction.weight_ih = parameter("weight_ih", {rows, layer == 0 ? input_size : out * ways});
      direction.weight_hh = parameter("weight_hh", {rows, out});
      if (options_.bias) {
        direction.bias_ih = parameter("bias_ih", {rows});
        direction.bias_hh = parameter("bias_hh", {rows});
      }
      if (options_.proj_size) direction.weight_hr = parameter("weight_hr", {out, hidden_size});
      directions_.push_back(direction);
    }
  }
}

std::string Recurrent::extra_repr() const {
  std::string text = concat(input_size_, ", ", hidden_size_);
  if (options_.num_layers != 1) text += concat(", num_layers=", options_.num_layers);
  if (!options_.bias) text += ", bias=False";
  if (options_.batch_first) text += ", batch_first=True";
  if (options_.dropout != 0) text += concat(", dropout=", options_.dropout);
  if (options_.bidirectional) text += ", bidirectional=True";
  if (options_.proj_size) text += concat(", proj_size=", options_.proj_size);
  return text;
}

std::pair<Tensor, Tensors> Recurrent::run_direction(const Tensor& x, Tensors states, const Direction& weights,
                                                    bool reverse, const Tensors& masks) const {
  const bool lstm = gates_ == 4 && !weights.weight_hr;
  if (masks.empty() && (lstm || gates_ == 3)) {
    const Tensor bias =
        lstm && weights.bias_ih ? *weights.bias_ih + *weights.bias_hh : value_of(weights.bias_ih);
    Tensor input = linear(x, *weights.weight_ih, bias), y;
    if (reverse) input = flip(input, {0});
    if (lstm) {
      std::tie(y, states[1]) = lstm_layer(input, states[0], states[1], *weights.weight_hh);
      states[1] = select(states[1], 0, -1);
    } else {
      y = gru_layer(input, states[0], *weights.weight_hh, value_of(weights.bias_hh));
    }
    states[0] = select(y, 0, -1);
    return {reverse ? flip(y, {0}) : y, std::move(states)};
  }
  // The products with the inputs of all steps are one.
  const Tensors gates = unbind(linear(x, *weights.weight_ih, value_of(weights.bias_ih)));
  Tensors outputs(gates.size());
  for (std::size_t i = 0; i < gates.size(); ++i) {
    const std::size_t t = reverse ? gates.size() - 1 - i : i;
    Tensors next =
        step(gates[t], states, *weights.weight_hh, value_of(weights.bias_hh), value_of(weights.weight_hr));
    // The states of sequences that have ended, or not yet begun, stay.
    if (!masks.empty())
      for (std::size_t s = 0; s < next.size(); ++s) next[s] = where(masks[t], next[s], states[s]);
    states = std::move(next);
    outputs[t] = masks.empty() ? states[0] : states[0] * masks[t];
  }
  return {stack(outputs), std::move(states)};
}

Tensors Recurrent::checked_states(const Tensor& x, const Tensors& initial, int states) const {
  const std::int64_t widths[] = {options_.proj_size ? options_.proj_size : hidden_size_, hidden_size_};
  Tensors start;
  for (int s = 0; s < states; ++s) {
    const Shape sizes{std::int64_t(directions_.size()), x.size(1), widths[s]};
    const Tensor& given = initial[std::size_t(s)];
    start.push_back(given.defined() ? given : zeros(sizes, x.dtype(), x.device()));
    check<ShapeError>(start.back().sizes() == sizes, name(), ": expected an initial state of shape ", sizes,
                      ", got ", start.back().sizes());
  }
  return start;
}

std::pair<Tensor, Tensors> Recurrent::run_layers(const Tensor& x, const Tensors& initial,
                                                 const Tensors& masks) {
  check<ShapeError>(x.size(0) > 0, name(), ": expected a sequence length larger than 0");
  Tensor y = x;
  const std::int64_t ways = options_.bidirectional ? 2 : 1;
  std::vector<Tensors> last(initial.size());
  for (std::int64_t layer = 0; layer < options_.num_layers; ++layer) {
    if (layer > 0) y = dropout(y, options_.dropout, is_training());
    Tensors outputs;
    for (std::int64_t way = 0; way < ways; ++way) {
      const std::int64_t place = layer * ways + way;
      Tensors state;
      for (const Tensor& all : initial) state.push_back(select(all, 0, place));
      auto [output, final] =
          run_direction(y, std::move(state), directions_[std::size_t(place)], way == 1, masks);
      outputs.push_back(std::move(output));
      for (std::size_t s = 0; s < last.size(); ++s) last[s].push_back(final[s]);
    }
    y = ways == 1 ? outputs[0] : cat(outputs, -1);
  }
  Tensors finals;
  for (const Tensors& each : last) finals.push_back(stack(each));
  return {y, finals};
}

std::pair<Tensor, Tensors> Recurrent::run(const Tensor& x, const Tensors& initial, int states) {
  check<ShapeError>((x.ndim() == 2 || x.ndim() == 3) && x.size(-1) == input_size_, name(),
                    ": expected [T, N, ", input_size_, "] or [T, ", input_size_, "], got shape ", x.sizes());
  const bool single = x.ndim() == 2;
  const Tensor input = single ? unsqueeze(x, 1) : options_.batch_first ? transpose(x, 0, 1) : x;
  Tensors given = initial;
  for (Tensor& state : given)
    if (single && state.defined()) state = unsqueeze(state, 1);
  auto [y, finals] = run_layers(input, checked_states(input, given, states), {});
  if (!single) return {options_.batch_first ? transpose(y, 0, 1) : y, std::move(finals)};
  for (Tensor& state : finals) state = squeeze(state, Shape{1});
  return {squeeze(y, Shape{1}), std::move(finals)};
}

std::pair<PackedSequence, Tensors> Recurrent::run(const PackedSequence& x, const Tensors& initial,
                                                  int states) {
  check<ShapeError>(x.data.ndim() == 2 && x.data.size(1) == input_size_, name(),
                    ": expected packed sequences of width ", input_size_, ", got data of shape ",
                    x.data.sizes());
  // In the sorted order, which is also that of the result's data.
  const auto [input, lengths] = utils::rnn::pad_packed_sequence(PackedSequence{x.data, x.batch_sizes});
  const Tensor ends = taper::to(tensor(lengths, {std::int64_t(lengths.size()), 1}), input.device());
  Tensors masks;
  for (std::int64_t t = 0; t < input.size(0); ++t) masks.push_back(gt(ends, t));
  Tensors given = initial;
  for (Tensor& state : given)
    if (state.defined() && x.sorted_indices.defined()) state = index_select(state, 1, x.sorted_indices);
  auto [y, finals] = run_layers(input, checked_states(input, given, states), masks);
  PackedSequence packed = utils::rnn::pack_padded_sequence(y, lengths);
  packed.sorted_indices = x.sorted_indices;
  packed.unsorted_indices = x.unsorted_indices;
  if (x.unsorted_indices.defined())
    for (Tensor& state : finals) state = index_select(state, 1, x.unsorted_indices);
  return {std::move(packed), std::move(finals)};
}

RNN::RNN(std::int64_t input_size, std::int64_t hidden_size, RecurrentOptions options)
    : Recurrent(1, input_size, hidden_size, std::move(options)) {
  check_nonlinearity(options_.nonlinearity, "RNN");
}
std::tuple<Tensor, Tensor> RNN::forward(const Tensor& x, const Tensor& h) {
  auto [y, states] = run(x, {h}, 1);
  return {y, states[0]};
}
std::tuple<PackedSequence, Tensor> RNN::forward(const PackedSequence& x, const Tensor& h) {
  auto [y, states] = run(x, {h}, 1);
  return {std::move(y), states[0]};
}
Tensors RNN::step(const Tensor& gates, const Tensors& states, const Tensor& weight, const Tensor& bias,
                  const Tensor&) const {
  return {rnn_step(gates, states[0], weight, bias, options_.nonlinearity)};
}

LSTM::LSTM(std::int64_t input_size, std::int64_t hidden_size, RecurrentOptions options)
    : Recurrent(4, input_size, hidden_size, std::move(options)) {}
std::tuple<Tensor, std::tuple<Tensor, Tensor>> LSTM::forward(const Tensor& x, const Tensor& h,
                                                             const Tensor& c) {
  auto [y, states] = run(x, {h, c}, 2);
  return {y, {states[0], states[1]}};
}
std::tuple<PackedSequence, std::tuple<Tensor, Tensor>> LSTM::forward(const PackedSequence& x, const Tensor& h,
                                                                     const Tensor& c) {
  auto [y, states] = run(x, {h, c}, 2);
  return {std::move(y), {states[0], states[1]}};
}
Tensors LSTM::step(const Tensor& gates, const Tensors& states, const Tensor& weight, const Tensor& bias,
                   const Tensor& projection) const {
  return lstm_step(gates, states, weight, bias, projection);
}

GRU::GRU(std::int64_t input_size, std::int64_t hidden_size, RecurrentOptions options)
    : Recurrent(3, input_size, hidden_size, std::move(options)) {}
std::tuple<Tensor, Tensor> GRU::forward(const Tensor& x, const Tensor& h) {
  auto [y, states] = run(x, {h}, 1);
  return {y, states[0]};
}
std::tuple<PackedSequence, Tensor> GRU::forward(const PackedSequence& x, const Tensor& h) {
  auto [y, states] = run(x, {h}, 1);
  return {std::move(y), states[0]};
}
Tensors GRU::step(const Tensor& gates, const Tensors& states, const Tensor& weight, const Tensor& bias,
                  const Tensor&) const {
  return {gru_step(gates, states[0], weight, bias)};
}

Cell::Cell(int gates, std::int64_t input_size, std::int64_t hidden_size, bool bias)
    : hidden_size_(hidden_size),
      weight_ih_(register_parameter("weight_ih", by_fan_in({gates * hidden_size, input_size}, hidden_size))),
      weight_hh_(
          register_parameter("weight_hh", by_fan_in({gates * hidden_size, hidden_size}, hidden_size))) {
  if (!bias) return;
  bias_ih_ = &register_parameter("bias_ih", by_fan_in({gates * hidden_size}, hidden_size));
  bias_hh_ = &register_parameter("bias_hh", by_fan_in({gates * hidden_size}, hidden_size));
}
Tensor Cell::gates_of(const Tensor& x) const { return linear(x, weight_ih_, value_of(bias_ih_)); }
Tensor Cell::state_or_zero(const Tensor& x, const Tensor& state) const {
  return state.defined() ? state : zero_state(x, hidden_size_);
}
Tensor Cell::hidden_bias() const { return value_of(bias_hh_); }
std::string Cell::extra_repr() const { return concat(weight_ih_.sizes()[1], ", ", hidden_size_); }

RNNCell::RNNCell(std::int64_t input_size, std::int64_t hidden_size, bool bias, std::string nonlinearity)
    : Cell(1, input_size, hidden_size, bias), nonlinearity_(std::move(nonlinearity)) {
  check_nonlinearity(nonlinearity_, "RNNCell");
}
Tensor RNNCell::forward(const Tensor& x, const Tensor& h) {
  return rnn_step(gates_of(x), state_or_zero(x, h), weight_hh_, hidden_bias(), nonlinearity_);
}

LSTMCell::LSTMCell(std::int64_t input_size, std::int64_t hidden_size, bool bias)
    : Cell(4, input_size, hidden_size, bias) {}
std::tuple<Tensor, Tensor> LSTMCell::forward(const Tensor& x, const Tensor& h, const Tensor& c) {
  const Tensors states =
      lstm_step(gates_of(x), {state_or_zero(x, h), state_or_zero(x, c)}, weight_hh_, hidden_bias(), Tensor());
  return {states[0], states[1]};
}

GRUCell::GRUCell(std::int64_t input_size, std::int64_t hidden_size, bool bias)
    : Cell(3, input_size, hidden_size, bias) {}
Tensor GRUCell::forward(const Tensor& x, const Tensor& h) {
  return gru_step(gates_of(x), state_or_zero(x, h), weight_hh_, hidden_bias());
}

}  // namespace taper::nn
