// Recurrent layers over whole sequences.
#pragma once

#include <tuple>

#include "taper/tensor.h"

namespace taper {

/// One direction of an LSTM layer. gates [T, N, 4 H] = W_i x + b of all steps, in the order input, forget,
/// cell, output; h, c [N, H]; weight [4 H, H]. Returns the hidden and the cell states of all steps, each [T,
/// N, H]. Hochreiter & Schmidhuber 1997. Throws ShapeError or DTypeError for operands that do not fit
/// together.
std::tuple<Tensor, Tensor> lstm_layer(const Tensor& gates, const Tensor& h, const Tensor& c,
                                      const Tensor& weight);
/// One direction of a GRU layer. gates [T, N, 3 H] = W_i x + b_i, in the order reset, update, new; h [N, H];
/// weight [3 H, H]; bias [3 H] or undefined. Returns the hidden states of all steps, [T, N, H]. Cho et al.,
/// arXiv:1406.1078, with the reset gate after the product.
Tensor gru_layer(const Tensor& gates, const Tensor& h, const Tensor& weight, const Tensor& bias = {});

}  // namespace taper
