// How recurrent networks and their operands are described to cuDNN.
#pragma once

#include "cuda/cudnn.h"
#include "tensor/device_recurrent.h"

namespace taper::cuda {

using TensorDescriptor =
    PlainDescriptor<cudnnTensorDescriptor_t, &Cudnn::create_tensor, &Cudnn::destroy_tensor>;
using DropoutDescriptor =
    PlainDescriptor<cudnnDropoutDescriptor_t, &Cudnn::create_dropout, &Cudnn::destroy_dropout>;
using RnnDescriptor = PlainDescriptor<cudnnRNNDescriptor_t, &Cudnn::create_rnn, &Cudnn::destroy_rnn>;
using RnnDataDescriptor =
    PlainDescriptor<cudnnRNNDataDescriptor_t, &Cudnn::create_rnn_data, &Cudnn::destroy_rnn_data>;

/// False where cuDNN has no such thing. Throws Error with what was done where it fails otherwise.
bool has(cudnnStatus_t status, const char* what);

/// False where cuDNN has no such network.
bool describe(const RnnDescriptor& network, const RecurrentLayers& layers, cudnnDropoutDescriptor_t dropout);

/// The operands for sequences of some lengths. Rows of x and y lie step after step.
struct Sequences {
  explicit Sequences(const RecurrentLayers& layers);
  RnnDataDescriptor x, y;
  TensorDescriptor h, c;
};

}  // namespace taper::cuda
