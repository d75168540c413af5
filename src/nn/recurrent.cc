// Recurrent layers and cells.
#include "taper/nn/recurrent.h"

#include "nn/initial.h"
#include "ops/recurrent.h"

namespace taper::nn {

namespace {

Tensor value_of(const Tensor* tensor) { return tensor ? *tensor : Tensor(); }

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

Recurrent::Recurrent(std::string kind, int gates, std::int64_t input_size, std::int64_t hidden_size,
                     RecurrentOptions options)
    : options_(std::move(options)),
      kind_(std::move(kind)),
      input_size_(input_size),
      hidden_size_(hidden_size) {
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
        weights_.push_back(&register_parameter(name + suffix, by_fan_in(sizes, hidden_size)));
      };
      parameter("weight_ih", {rows, layer == 0 ? input_size : out * ways});
      parameter("weight_hh", {rows, out});
      if (options_.bias) parameter("bias_ih", {rows}), parameter("bias_hh", {rows});
      if (options_.proj_size) parameter("weight_hr", {out, hidden_size});
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

Tensors Recurrent::run_layers(const Tensor& x, const Tensors& initial, int states, std::int64_t sequences,
                              const std::optional<Shape>& batch_sizes) {
  check<ShapeError>(x.size(0) > 0, name(), ": expected a sequence length larger than 0");
  const std::int64_t widths[] = {options_.proj_size ? options_.proj_size : hidden_size_, hidden_size_};
  const std::int64_t places = options_.num_layers * (options_.bidirectional ? 2 : 1);
  Tensors start;
  for (int s = 0; s < states; ++s) {
    const Shape sizes{places, sequences, widths[s]};
    const Tensor& given = initial[std::size_t(s)];
    start.push_back(given.defined() ? given : zeros(sizes, x.dtype(), x.device()));
    check<ShapeError>(start.back().sizes() == sizes, name(), ": expected an initial state of shape ", sizes,
                      ", got ", start.back().sizes());
  }
  Tensors weights;
  for (const Tensor* weight : weights_) weights.push_back(*weight);
  return recurrent(kind_, x, start, weights, options_.num_layers, options_.bidirectional,
                   is_training() ? options_.dropout : 0, batch_sizes);
}

std::pair<Tensor, Tensors> Recurrent::run(const Tensor& x, const Tensors& initial, int states) {
  check<ShapeError>((x.ndim() == 2 || x.ndim() == 3) && x.size(-1) == input_size_, name(),
                    ": expected [T, N, ", input_size_, "] or [T, ", input_size_, "], got shape ", x.sizes());
  const bool single = x.ndim() == 2;
  const Tensor input = single ? unsqueeze(x, 1) : options_.batch_first ? transpose(x, 0, 1) : x;
  Tensors given = initial;
  for (Tensor& state : given)
    if (single && state.defined()) state = unsqueeze(state, 1);
  Tensors results = run_layers(input, given, states, input.size(1), {});
  const Tensor y = results[0];
  results.erase(results.begin());
  if (!single) return {options_.batch_first ? transpose(y, 0, 1) : y, std::move(results)};
  for (Tensor& state : results) state = squeeze(state, Shape{1});
  return {squeeze(y, Shape{1}), std::move(results)};
}

std::pair<PackedSequence, Tensors> Recurrent::run(const PackedSequence& x, const Tensors& initial,
                                                  int states) {
  check<ShapeError>(x.data.ndim() == 2 && x.data.size(1) == input_size_ && !x.batch_sizes.empty(), name(),
                    ": expected packed sequences of width ", input_size_, ", got data of shape ",
                    x.data.sizes());
  // In the sorted order, which is also that of the result's data.
  Tensors given = initial;
  for (Tensor& state : given)
    if (state.defined() && x.sorted_indices.defined()) state = index_select(state, 1, x.sorted_indices);
  Tensors results = run_layers(x.data, given, states, x.batch_sizes[0], Shape(x.batch_sizes));
  PackedSequence packed = x;
  packed.data = results[0];
  results.erase(results.begin());
  if (x.unsorted_indices.defined())
    for (Tensor& state : results) state = index_select(state, 1, x.unsorted_indices);
  return {std::move(packed), std::move(results)};
}

RNN::RNN(std::int64_t input_size, std::int64_t hidden_size, RecurrentOptions options)
    : Recurrent("rnn_" + options.nonlinearity, 1, input_size, hidden_size, options) {
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

LSTM::LSTM(std::int64_t input_size, std::int64_t hidden_size, RecurrentOptions options)
    : Recurrent("lstm", 4, input_size, hidden_size, std::move(options)) {}
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

GRU::GRU(std::int64_t input_size, std::int64_t hidden_size, RecurrentOptions options)
    : Recurrent("gru", 3, input_size, hidden_size, std::move(options)) {}
std::tuple<Tensor, Tensor> GRU::forward(const Tensor& x, const Tensor& h) {
  auto [y, states] = run(x, {h}, 1);
  return {y, states[0]};
}
std::tuple<PackedSequence, Tensor> GRU::forward(const PackedSequence& x, const Tensor& h) {
  auto [y, states] = run(x, {h}, 1);
  return {std::move(y), states[0]};
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
  const RecurrentCell cell = nonlinearity_ == "relu" ? RecurrentCell::rnn_relu : RecurrentCell::rnn_tanh;
  return recurrent_step(cell, gates_of(x), {state_or_zero(x, h)}, weight_hh_, hidden_bias())[0];
}

LSTMCell::LSTMCell(std::int64_t input_size, std::int64_t hidden_size, bool bias)
    : Cell(4, input_size, hidden_size, bias) {}
std::tuple<Tensor, Tensor> LSTMCell::forward(const Tensor& x, const Tensor& h, const Tensor& c) {
  const Tensors states =
      recurrent_step(RecurrentCell::lstm, gates_of(x), {state_or_zero(x, h), state_or_zero(x, c)}, weight_hh_,
                     hidden_bias());
  return {states[0], states[1]};
}

GRUCell::GRUCell(std::int64_t input_size, std::int64_t hidden_size, bool bias)
    : Cell(3, input_size, hidden_size, bias) {}
Tensor GRUCell::forward(const Tensor& x, const Tensor& h) {
  return recurrent_step(RecurrentCell::gru, gates_of(x), {state_or_zero(x, h)}, weight_hh_, hidden_bias())[0];
}

}  // namespace taper::nn
