// Recurrent networks on all steps at once by a device's library (cuDNN), where it has them.
#pragma once

#include <cstdint>
#include <numeric>
#include <vector>

#include "taper/dtype.h"

namespace taper {

enum class RecurrentCell : std::uint8_t { rnn_tanh, rnn_relu, lstm, gru };

/// Layers, each on the outputs of the one before, in one direction or both.
struct RecurrentLayers {
  RecurrentCell cell;
  DType dtype;
  std::int64_t layers, directions, inputs, hidden;
  std::int64_t outputs;  ///< of a direction: hidden, or to how many its states are projected
  bool biases;
  bool allow_tf32;
  std::vector<std::int64_t> batch_sizes;  ///< of each step how many sequences reach it, falling

  std::int64_t gates() const { return cell == RecurrentCell::lstm ? 4 : cell == RecurrentCell::gru ? 3 : 1; }
  bool projects() const { return outputs != hidden; }
  std::int64_t sequences() const { return batch_sizes[0]; }
  /// Of each sequence how many steps it has.
  std::vector<std::int64_t> lengths() const {
    std::vector<std::int64_t> steps(std::size_t(sequences()), 0);
    for (const std::int64_t count : batch_sizes)
      for (std::int64_t i = 0; i < count; ++i) ++steps[std::size_t(i)];
    return steps;
  }
  /// Of the inputs and outputs, which hold the rows of one step after those of the other.
  std::int64_t rows() const {
    return std::accumulate(batch_sizes.begin(), batch_sizes.end(), std::int64_t());
  }
  std::int64_t inputs_of(std::int64_t layer) const { return layer == 0 ? inputs : directions * outputs; }
};

/// Memory of the operands, each dense: x [rows, inputs], h [layers * directions, sequences, outputs] and for
/// an LSTM c [layers * directions, sequences, hidden]; y [rows, directions * outputs]. weights: for each
/// layer and direction W_i, W_h, b_i and b_h if there are biases, and W_r if states are projected.
struct RecurrentOperands {
  const void *x, *h, *c, *weights;
  void *y, *last_h, *last_c;
};

/// Of y and the last states; those of states may be null: zero.
struct RecurrentGradients {
  const void *dy, *dlast_h, *dlast_c;
  void *dx, *dh, *dc;
  void* dweights;  ///< may be null: not wanted
};

/// What a device's library installs; null where there is none.
struct DeviceRecurrent {
  /// Bytes that forward has to write for backward, or 0 where there is to be none; negative where operations
  /// on each layer are to do the work.
  std::int64_t (*reserve_bytes)(const RecurrentLayers& layers, bool has_backward) = nullptr;
  /// False where the library refuses after all; then results are anything. reserve is null without backward.
  bool (*forward)(const RecurrentLayers& layers, const RecurrentOperands& operands, void* reserve) = nullptr;
  /// Overwrites what forward left in reserve. False as forward's.
  bool (*backward)(const RecurrentLayers& layers, const RecurrentOperands& operands,
                   const RecurrentGradients& gradients, void* reserve) = nullptr;
};
extern DeviceRecurrent device_recurrent;

}  // namespace taper
