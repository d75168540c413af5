// Descriptors of recurrent networks.
#if __has_include(<cudnn_backend.h>)

#include "cuda/cudnn_recurrent_descriptors.h"

namespace taper::cuda {

namespace {

cudnnDataType_t type_of(DType dtype) {
  return dtype == float64   ? CUDNN_DATA_DOUBLE
         : dtype == float32 ? CUDNN_DATA_FLOAT
         : dtype == float16 ? CUDNN_DATA_HALF
                            : CUDNN_DATA_BFLOAT16;
}

cudnnRNNMode_t mode_of(RecurrentCell cell) {
  switch (cell) {
    case RecurrentCell::rnn_tanh: return CUDNN_RNN_TANH;
    case RecurrentCell::rnn_relu: return CUDNN_RNN_RELU;
    case RecurrentCell::lstm: return CUDNN_LSTM;
    case RecurrentCell::gru: break;
  }
  return CUDNN_GRU;
}

void describe_rows(const RnnDataDescriptor& rows, const RecurrentLayers& layers, std::int64_t width,
                   const std::vector<int>& lengths) {
  check_cudnn(cudnn()->set_rnn_data(rows.get(), type_of(layers.dtype), CUDNN_RNN_DATA_LAYOUT_SEQ_MAJOR_PACKED,
                                    int(layers.batch_sizes.size()), int(layers.sequences()), int(width),
                                    lengths.data(), nullptr),
              "describing sequences");
}

void describe_states(const TensorDescriptor& states, const RecurrentLayers& layers, std::int64_t width) {
  const int sizes[] = {int(layers.layers * layers.directions), int(layers.sequences()), int(width)},
            strides[] = {sizes[1] * sizes[2], sizes[2], 1};
  check_cudnn(cudnn()->set_tensor(states.get(), type_of(layers.dtype), 3, sizes, strides),
              "describing states");
}

}  // namespace

bool has(cudnnStatus_t status, const char* what) {
  if (CUDNN_STATUS_CATEGORY(status) == CUDNN_STATUS_NOT_SUPPORTED) return false;
  check_cudnn(status, what);
  return true;
}

bool describe(const RnnDescriptor& network, const RecurrentLayers& layers, cudnnDropoutDescriptor_t dropout) {
  // Products of 16-bit types are summed in float32.
  const cudnnDataType_t sums = layers.dtype == float64 ? CUDNN_DATA_DOUBLE : CUDNN_DATA_FLOAT;
  const cudnnMathType_t math = item_size(layers.dtype) == 2 ? CUDNN_TENSOR_OP_MATH
                               : layers.allow_tf32          ? CUDNN_DEFAULT_MATH
                                                            : CUDNN_FMA_MATH;
  return has(cudnn()->set_rnn(network.get(), CUDNN_RNN_ALGO_STANDARD, mode_of(layers.cell),
                              layers.biases ? CUDNN_RNN_DOUBLE_BIAS : CUDNN_RNN_NO_BIAS,
                              layers.directions == 2 ? CUDNN_BIDIRECTIONAL : CUDNN_UNIDIRECTIONAL,
                              CUDNN_LINEAR_INPUT, type_of(layers.dtype), sums, math, int(layers.inputs),
                              int(layers.hidden), int(layers.outputs), int(layers.layers), dropout,
                              CUDNN_RNN_PADDED_IO_DISABLED),
             "describing a recurrent network");
}

Sequences::Sequences(const RecurrentLayers& layers) {
  const std::vector<std::int64_t> steps = layers.lengths();
  const std::vector<int> lengths(steps.begin(), steps.end());
  describe_rows(x, layers, layers.inputs, lengths);
  describe_rows(y, layers, layers.directions * layers.outputs, lengths);
  describe_states(h, layers, layers.outputs);
  describe_states(c, layers, layers.hidden);
}

}  // namespace taper::cuda

#endif
