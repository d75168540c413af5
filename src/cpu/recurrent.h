// The elementwise parts of LSTM and GRU cells and their gradients, on raw pointers.
#pragma once

#include <cstdint>

#include "taper/dtype.h"

namespace taper::cpu {

/// rows of `hidden` units, contiguous, of a floating dtype; 16-bit types are computed in float32.
struct Cell {
  DType dtype;
  std::int64_t rows, hidden;
};

/// gates [rows, 4 hidden] hold i, f, g, o before their activations, and become sigmoid(i), sigmoid(f),
/// tanh(g), sigmoid(o), which the gradient needs; then c = f c_before + i g and h = o tanh(c). c may be
/// c_before. Hochreiter & Schmidhuber 1997; gates in PyTorch's order.
void lstm_cell(const Cell& cell, void* gates, const void* c_before, void* c, void* h);
/// From activated gates, c_before and c; dh and dc (each may be null: zero): dgates [rows, 4 hidden], before
/// the activations, and dc_before. dgates may be gates, dc_before may be dc.
void lstm_cell_backward(const Cell& cell, const void* gates, const void* c_before, const void* c,
                        const void* dh, const void* dc, void* dgates, void* dc_before);

/// From input_gates = W_i x + b_i and hidden_gates = W_h h_before + b_h, each [rows, 3 hidden] as r, z, n:
///   r = sigmoid(i_r + h_r), z = sigmoid(i_z + h_z), n = tanh(i_n + r h_n), h = (1 - z) n + z h_before.
/// input_gates become r, z, n. h may be h_before. Cho et al. 2014, arXiv:1406.1078, in PyTorch's form.
void gru_cell(const Cell& cell, void* input_gates, const void* hidden_gates, const void* h_before, void* h);
/// From r, z, n in gates and the hidden_gates: the gradients of both and dh_before through z (the part
/// through hidden_gates is the caller's product with W_h). dinput_gates may be gates, dh_before may be dh.
void gru_cell_backward(const Cell& cell, const void* gates, const void* hidden_gates, const void* h_before,
                       const void* dh, void* dinput_gates, void* dhidden_gates, void* dh_before);

}  // namespace taper::cpu
