// Recurrent networks as NVIDIA's documentation of cudnnRNNMode_t defines them, by plain loops in float64.
#pragma once

#include <cudnn_adv.h>

#include <cstdint>
#include <vector>

namespace device_sim {

using Numbers = std::vector<double>;

/// What cudnnSetRNNDescriptor_v8 was told. A pseudo layer is a layer in one direction.
struct Rnn {
  cudnnRNNMode_t cell = CUDNN_LSTM;
  cudnnDataType_t type = CUDNN_DATA_FLOAT;
  bool biases = false, tf32 = false;
  int directions = 1, inputs = 0, hidden = 0, outputs = 0, layers = 0;
  int math = 0;

  int gates() const { return cell == CUDNN_LSTM ? 4 : cell == CUDNN_GRU ? 3 : 1; }
  int pseudo_layers() const { return layers * directions; }
  int inputs_of(int pseudo) const { return pseudo < directions ? inputs : directions * outputs; }
  /// How many matrices a pseudo layer has: of the inputs, of the state, and a projection.
  int matrices() const { return 2 * gates() + (outputs != hidden); }
  int rows_of(int matrix) const { return matrix == 2 * gates() ? outputs : hidden; }
  int columns_of(int pseudo, int matrix) const {
    return matrix == 2 * gates() ? hidden : matrix < gates() ? inputs_of(pseudo) : outputs;
  }
  /// Where in the space of weights a matrix or a bias lies, in numbers: matrices of all pseudo layers, then
  /// biases, with gaps.
  int64_t place_of_matrix(int pseudo, int matrix) const;
  int64_t place_of_bias(int pseudo, int matrix) const;
  int64_t weight_count() const { return place_of_bias(pseudo_layers(), 0); }
};

/// Sequences that are packed step after step, from the longest on.
struct Sequences {
  std::vector<int> lengths;

  int64_t count() const { return int64_t(lengths.size()); }
  int64_t rows() const;
  /// Of a step of a sequence.
  int64_t row(int step, int64_t sequence) const;
};

/// What a pass leaves for the next one, for each pseudo layer by rows.
struct Kept {
  struct Layer {
    Numbers input, gates, product, cell, unprojected, output;  // of the forward pass
    Numbers dinput_gates, dstate_gates, doutput;               // of the pass back to the data
  };
  std::vector<Layer> layers;

  Kept(const Rnn& rnn, int64_t rows);
  std::vector<Numbers*> all();
};

/// States are empty where they are zero.
struct Data {
  Numbers rows, h, c;
};

/// y and the last states.
Data forward(const Rnn& rnn, const Sequences& sequences, const Numbers& weights, const Data& x, Kept& kept);
/// Gradients of x and the first states, from those of y and the last states.
Data backward_data(const Rnn& rnn, const Sequences& sequences, const Numbers& weights, const Data& x,
                   const Data& dy, Kept& kept);
/// Adds to the gradients of the weights.
void backward_weights(const Rnn& rnn, const Sequences& sequences, const Data& x, Kept& kept,
                      Numbers& dweights);

}  // namespace device_sim
