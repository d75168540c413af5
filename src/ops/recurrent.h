// What recurrent operations share.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>

#include "autograd/saved.h"
#include "taper/autograd.h"
#include "taper/error.h"
#include "tensor/device_recurrent.h"

namespace taper {

/// A whole network of kind "rnn_tanh", "rnn_relu", "lstm" or "gru": on CUDA by cuDNN where it has it.
///   input        [T, N, inputs], T > 0; or packed sequences [rows, inputs] with batch_sizes: of each step
///                how many sequences, sorted from the longest on, reach it
///   states       h [layers * directions, N, width], and of an LSTM c [layers * directions, N, hidden]
///   weights      for each layer and direction weight_ih [gates * hidden, in] and weight_hh [gates * hidden,
///                width], bias_ih and bias_hh [gates * hidden] unless there are none, and weight_hr [width,
///                hidden] of an LSTM whose states are projected; gates as above
///   dropout      of the outputs of all layers but the last
/// Returns the outputs of the last layer, [T, N, directions * width] or packed, and the last states.
/// Throws ShapeError, DTypeError or ValueError for operands that do not fit together.
Tensors recurrent(const std::string& kind, const Tensor& input, const Tensors& states, const Tensors& weights,
                  std::int64_t layers, bool bidirectional, double dropout = 0,
                  const std::optional<Shape>& batch_sizes = {});

/// The states after a step, from its gates of the inputs, [N, gates * hidden], and the states before: h, of
/// an LSTM h and c. Gates are in the order input, forget, cell, output (LSTM) and reset, update, new (GRU).
Tensors recurrent_step(RecurrentCell cell, const Tensor& gates, const Tensors& states, const Tensor& weight,
                       const Tensor& bias, const Tensor& projection = {});

/// Gradients that have gradients themselves, where a kernel's have none: inputs and outputs are the n
/// operands and the results that other operations computed from them. Undefined for operands that want none.
template <std::size_t n>
std::array<Tensor, n> gradients_again(const Saved& saved, const Tensors& inputs, const Tensors& outputs,
                                      std::span<const Tensor> dy, const char* op) {
  check<NotImplementedError>(dy.size() <= outputs.size() || !dy[outputs.size()].defined(), op,
                             ": the activated gates have no gradient of their own");
  Tensors wanted, from, with;
  for (std::size_t i = 0; i < n; ++i)
    if (saved.needs(int(i))) wanted.push_back(inputs[i]);
  for (std::size_t i = 0; i < outputs.size(); ++i)
    if (dy[i].defined()) from.push_back(outputs[i]), with.push_back(dy[i]);
  const Tensors found = grad(from, wanted, with, true, true, true);
  std::array<Tensor, n> all;
  std::size_t next = 0;
  for (std::size_t i = 0; i < n; ++i)
    if (saved.needs(int(i))) all[i] = found[next++];
  return all;
}

}  // namespace taper
