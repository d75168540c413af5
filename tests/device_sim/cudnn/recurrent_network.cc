// The formulas of recurrent networks and their derivatives.
#include "recurrent_network.h"

#include <cmath>
#include <numeric>

#include "../ptx/values.h"
#include "library.h"

namespace device_sim {

namespace {

constexpr int64_t gap = 3;

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

double as_held(const Rnn& rnn, double value) {
  double place = 0;
  store(&place, rnn.type, 0, value);
  return load(&place, rnn.type, 0);
}

double factor(const Rnn& rnn, double value) {
  return rnn.tf32 && rnn.type == CUDNN_DATA_FLOAT ? to_tf32(value) : value;
}

// A matrix of the space of weights times a vector, and its bias.
Numbers product(const Rnn& rnn, const Numbers& weights, int pseudo, int matrix, const double* x) {
  const int rows = rnn.rows_of(matrix), columns = rnn.columns_of(pseudo, matrix);
  const double* w = &weights[size_t(rnn.place_of_matrix(pseudo, matrix))];
  Numbers result(size_t(rows), 0.0);
  for (int i = 0; i < rows; ++i) {
    for (int j = 0; j < columns; ++j)
      result[size_t(i)] += factor(rnn, w[i * columns + j]) * factor(rnn, x[j]);
    if (rnn.biases && matrix < 2 * rnn.gates())
      result[size_t(i)] += weights[size_t(rnn.place_of_bias(pseudo, matrix)) + size_t(i)];
  }
  return result;
}

// sum += a transposed matrix times dy.
void add_transposed(const Rnn& rnn, const Numbers& weights, int pseudo, int matrix, const double* dy,
                    double* sum) {
  const int rows = rnn.rows_of(matrix), columns = rnn.columns_of(pseudo, matrix);
  const double* w = &weights[size_t(rnn.place_of_matrix(pseudo, matrix))];
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; ++j) sum[j] += factor(rnn, w[i * columns + j]) * factor(rnn, dy[i]);
}

// The steps of a sequence in the order of a direction.
std::vector<int> order_of(int length, bool reverse) {
  std::vector<int> steps(size_t(length), 0);
  std::iota(steps.begin(), steps.end(), 0);
  return reverse ? std::vector<int>(steps.rbegin(), steps.rend()) : steps;
}

Numbers state_of(const Numbers& states, int64_t place, int width) {
  if (states.empty()) return Numbers(size_t(width), 0.0);
  return {states.begin() + place * width, states.begin() + (place + 1) * width};
}

// One step of a pseudo layer; h and c become the states after it.
void step(const Rnn& rnn, const Numbers& weights, int pseudo, int64_t row, Kept::Layer& layer, Numbers& h,
          Numbers& c) {
  const int n = rnn.hidden, gates = rnn.gates();
  double* gate = &layer.gates[size_t(row * gates * n)];
  double* raw = &layer.unprojected[size_t(row * n)];
  std::vector<Numbers> of_input, of_state;
  for (int g = 0; g < gates; ++g) {
    of_input.push_back(product(rnn, weights, pseudo, g, &layer.input[size_t(row * rnn.inputs_of(pseudo))]));
    of_state.push_back(product(rnn, weights, pseudo, gates + g, h.data()));
  }
  for (size_t i = 0; i < size_t(n); ++i) {
    const auto sum = [&](size_t g) { return of_input[g][i] + of_state[g][i]; };
    const auto keep = [&](size_t g, double value) { return gate[g * size_t(n) + i] = value; };
    if (rnn.cell == CUDNN_LSTM) {
      const double in = keep(0, sigmoid(sum(0))), forget = keep(1, sigmoid(sum(1))),
                   fresh = keep(2, std::tanh(sum(2))), out = keep(3, sigmoid(sum(3)));
      c[i] = layer.cell[size_t(row * n) + i] = as_held(rnn, forget * c[i] + in * fresh);
      raw[i] = out * std::tanh(c[i]);
    } else if (rnn.cell == CUDNN_GRU) {
      const double reset = keep(0, sigmoid(sum(0))), update = keep(1, sigmoid(sum(1))),
                   fresh = keep(2, std::tanh(of_input[2][i] + reset * of_state[2][i]));
      layer.product[size_t(row * n) + i] = of_state[2][i];
      raw[i] = (1 - update) * fresh + update * h[i];
    } else {
      raw[i] = keep(0, rnn.cell == CUDNN_RNN_TANH ? std::tanh(sum(0)) : std::max(sum(0), 0.0));
    }
    raw[i] = as_held(rnn, raw[i]);
  }
  h = rnn.outputs == n ? Numbers(raw, raw + n) : product(rnn, weights, pseudo, 2 * gates, raw);
  for (int i = 0; i < rnn.outputs; ++i)
    layer.output[size_t(row * rnn.outputs + i)] = h[size_t(i)] = as_held(rnn, h[size_t(i)]);
}

// Back through one step: from the gradient dh of its output and dc of its cell to those before it.
void step_back(const Rnn& rnn, const Numbers& weights, int pseudo, int64_t row, Kept::Layer& layer,
               const Numbers& h_before, const Numbers& c_before, Numbers& dh, Numbers& dc) {
  const int n = rnn.hidden, gates = rnn.gates();
  const double* gate = &layer.gates[size_t(row * gates * n)];
  double* dinput = &layer.dinput_gates[size_t(row * gates * n)];
  double* dstate = &layer.dstate_gates[size_t(row * gates * n)];
  for (int i = 0; i < rnn.outputs; ++i) layer.doutput[size_t(row * rnn.outputs + i)] = dh[size_t(i)];
  Numbers draw(size_t(n), 0.0), before(size_t(rnn.outputs), 0.0);
  if (rnn.outputs == n) draw = dh;
  else add_transposed(rnn, weights, pseudo, 2 * gates, dh.data(), draw.data());
  for (size_t i = 0; i < size_t(n); ++i) {
    const auto of = [&](size_t g) { return gate[g * size_t(n) + i]; };
    const auto put = [&](size_t g, double input, double state) {
      dinput[g * size_t(n) + i] = input, dstate[g * size_t(n) + i] = state;
    };
    if (rnn.cell == CUDNN_LSTM) {
      const double in = of(0), forget = of(1), fresh = of(2), out = of(3);
      const double t = std::tanh(layer.cell[size_t(row * n) + i]), d = draw[i] * out * (1 - t * t) + dc[i];
      const double gradients[] = {d * fresh * in * (1 - in), d * c_before[i] * forget * (1 - forget),
                                  d * in * (1 - fresh * fresh), draw[i] * t * out * (1 - out)};
      for (size_t g = 0; g < 4; ++g) put(g, gradients[g], gradients[g]);
      dc[i] = d * forget;
    } else if (rnn.cell == CUDNN_GRU) {
      const double reset = of(0), update = of(1), fresh = of(2);
      const double dfresh = draw[i] * (1 - update) * (1 - fresh * fresh),
                   dupdate = draw[i] * (h_before[i] - fresh) * update * (1 - update),
                   dreset = dfresh * layer.product[size_t(row * n) + i] * reset * (1 - reset);
      put(0, dreset, dreset), put(1, dupdate, dupdate), put(2, dfresh, dfresh * reset);
      before[i] = draw[i] * update;
    } else {
      const double d = rnn.cell == CUDNN_RNN_TANH ? draw[i] * (1 - of(0) * of(0)) : of(0) > 0 ? draw[i] : 0;
      put(0, d, d);
    }
  }
  for (int g = 0; g < gates; ++g)
    add_transposed(rnn, weights, pseudo, gates + g, dstate + g * n, before.data());
  dh = before;
}

// State before each step of a sequence in the order of a direction: what a layer put out a step before.
Numbers before(const Numbers& kept, const Sequences& s, const std::vector<int>& steps, size_t at, int64_t n,
               int width, const Numbers& first) {
  if (at == 0) return first;
  const int64_t row = s.row(steps[at - 1], n);
  return {kept.begin() + row * width, kept.begin() + (row + 1) * width};
}

}  // namespace

int64_t Rnn::place_of_matrix(int pseudo, int matrix) const {
  int64_t place = 0;
  for (int p = 0; p <= pseudo && p < pseudo_layers(); ++p)
    for (int m = 0; m < (p == pseudo ? matrix : matrices()); ++m)
      place += int64_t(rows_of(m)) * columns_of(p, m) + (m == gates() - 1 || m == 2 * gates() - 1 ? gap : 0);
  return place;
}

int64_t Rnn::place_of_bias(int pseudo, int matrix) const {
  const int64_t start = place_of_matrix(pseudo_layers(), 0);
  return start + (biases ? (int64_t(pseudo) * 2 * gates() + matrix) * hidden : 0);
}

int64_t Sequences::rows() const { return std::accumulate(lengths.begin(), lengths.end(), int64_t()); }

int64_t Sequences::row(int step, int64_t sequence) const {
  int64_t row = sequence;
  for (const int length : lengths) row += std::min(length, step);
  return row;
}

Kept::Kept(const Rnn& rnn, int64_t rows) {
  for (int p = 0; p < rnn.pseudo_layers(); ++p) {
    const auto numbers = [&](int width) { return Numbers(size_t(rows * width), 0.0); };
    const int n = rnn.hidden, gates = rnn.gates() * n;
    layers.push_back({numbers(rnn.inputs_of(p)), numbers(gates), numbers(n), numbers(n), numbers(n),
                      numbers(rnn.outputs), numbers(gates), numbers(gates), numbers(rnn.outputs)});
  }
}

std::vector<Numbers*> Kept::all() {
  std::vector<Numbers*> list;
  for (Layer& l : layers)
    list.insert(list.end(), {&l.input, &l.gates, &l.product, &l.cell, &l.unprojected, &l.output,
                             &l.dinput_gates, &l.dstate_gates, &l.doutput});
  return list;
}

Data forward(const Rnn& rnn, const Sequences& s, const Numbers& weights, const Data& x, Kept& kept) {
  Data y;
  Numbers input = x.rows;
  for (int pseudo = 0; pseudo < rnn.pseudo_layers(); ++pseudo) {
    const int way = pseudo % rnn.directions;
    if (way == 0) y.rows.assign(size_t(s.rows() * rnn.directions * rnn.outputs), 0);
    Kept::Layer& layer = kept.layers[size_t(pseudo)];
    layer.input = input;
    for (int64_t n = 0; n < s.count(); ++n) {
      const int64_t place = pseudo * s.count() + n;
      Numbers h = state_of(x.h, place, rnn.outputs), c = state_of(x.c, place, rnn.hidden);
      for (const int t : order_of(s.lengths[size_t(n)], way == 1)) {
        const int64_t row = s.row(t, n);
        step(rnn, weights, pseudo, row, layer, h, c);
        std::copy(h.begin(), h.end(), y.rows.begin() + (row * rnn.directions + way) * rnn.outputs);
      }
      y.h.insert(y.h.end(), h.begin(), h.end());
      y.c.insert(y.c.end(), c.begin(), c.end());
    }
    if (way == rnn.directions - 1) input = y.rows;
  }
  return y;
}

Data backward_data(const Rnn& rnn, const Sequences& s, const Numbers& weights, const Data& x, const Data& dy,
                   Kept& kept) {
  const int64_t places = rnn.pseudo_layers() * s.count();
  Data dx{{}, Numbers(size_t(places * rnn.outputs), 0.0), Numbers(size_t(places * rnn.hidden), 0.0)};
  Numbers above = dy.rows;
  for (int first = rnn.pseudo_layers() - rnn.directions; first >= 0; first -= rnn.directions) {
    const int width = rnn.inputs_of(first);
    dx.rows.assign(size_t(s.rows() * width), 0);
    for (int way = 0; way < rnn.directions; ++way)
      for (int64_t n = 0; n < s.count(); ++n) {
        const int pseudo = first + way;
        Kept::Layer& layer = kept.layers[size_t(pseudo)];
        const int64_t place = pseudo * s.count() + n;
        Numbers dh = state_of(dy.h, place, rnn.outputs), dc = state_of(dy.c, place, rnn.hidden);
        const std::vector<int> steps = order_of(s.lengths[size_t(n)], way == 1);
        for (size_t at = steps.size(); at-- > 0;) {
          const int64_t row = s.row(steps[at], n);
          for (int i = 0; i < rnn.outputs; ++i)
            dh[size_t(i)] += above[size_t((row * rnn.directions + way) * rnn.outputs + i)];
          step_back(rnn, weights, pseudo, row, layer,
                    before(layer.output, s, steps, at, n, rnn.outputs, state_of(x.h, place, rnn.outputs)),
                    before(layer.cell, s, steps, at, n, rnn.hidden, state_of(x.c, place, rnn.hidden)), dh,
                    dc);
          for (int g = 0; g < rnn.gates(); ++g)
            add_transposed(rnn, weights, pseudo, g,
                           &layer.dinput_gates[size_t((row * rnn.gates() + g) * rnn.hidden)],
                           &dx.rows[size_t(row * width)]);
        }
        std::copy(dh.begin(), dh.end(), dx.h.begin() + place * rnn.outputs);
        std::copy(dc.begin(), dc.end(), dx.c.begin() + place * rnn.hidden);
      }
    above = dx.rows;
  }
  return dx;
}

void backward_weights(const Rnn& rnn, const Sequences& s, const Data& x, Kept& kept, Numbers& dweights) {
  for (int pseudo = 0; pseudo < rnn.pseudo_layers(); ++pseudo) {
    Kept::Layer& layer = kept.layers[size_t(pseudo)];
    const int gates = rnn.gates();
    if (pseudo < rnn.directions) layer.input = x.rows;
    const auto add = [&](int matrix, const double* dy, const double* input) {
      const int columns = rnn.columns_of(pseudo, matrix);
      for (int i = 0; i < rnn.rows_of(matrix); ++i) {
        for (int j = 0; j < columns; ++j)
          dweights[size_t(rnn.place_of_matrix(pseudo, matrix) + i * columns + j)] +=
              factor(rnn, dy[i]) * factor(rnn, input[j]);
        if (rnn.biases && matrix < 2 * gates)
          dweights[size_t(rnn.place_of_bias(pseudo, matrix) + i)] += dy[i];
      }
    };
    for (int64_t n = 0; n < s.count(); ++n) {
      const std::vector<int> steps = order_of(s.lengths[size_t(n)], pseudo % rnn.directions == 1);
      for (size_t at = 0; at < steps.size(); ++at) {
        const int64_t row = s.row(steps[at], n);
        const Numbers h = before(layer.output, s, steps, at, n, rnn.outputs,
                                 state_of(x.h, pseudo * s.count() + n, rnn.outputs));
        for (int g = 0; g < gates; ++g) {
          const size_t gate = size_t((row * gates + g) * rnn.hidden);
          add(g, &layer.dinput_gates[gate], &layer.input[size_t(row * rnn.inputs_of(pseudo))]);
          add(gates + g, &layer.dstate_gates[gate], h.data());
        }
        if (rnn.outputs != rnn.hidden)
          add(2 * gates, &layer.doutput[size_t(row * rnn.outputs)],
              &layer.unprojected[size_t(row * rnn.hidden)]);
      }
    }
  }
}

}  // namespace device_sim
