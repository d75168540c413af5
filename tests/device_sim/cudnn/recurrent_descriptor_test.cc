// Recurrent networks, which the real cuDNN runs on devices only, are at least described without one: does it
// take our descriptors, and refuse what the stand-in refuses? Runs with either.
#include <gtest/gtest.h>

#include "cuda/cudnn_recurrent_descriptors.h"
#include "taper/error.h"

namespace taper::cuda {
namespace {

class RecurrentCudnnPlans : public testing::Test {
 protected:
  void SetUp() override {
    if (!cudnn()) GTEST_SKIP() << "cuDNN is not installed: its recurrent networks are not checked";
  }
};

RecurrentLayers network(RecurrentCell cell, DType dtype) {
  return {.cell = cell,
          .dtype = dtype,
          .layers = 2,
          .directions = 2,
          .inputs = 5,
          .hidden = 8,
          .outputs = 8,
          .biases = true,
          .allow_tf32 = true,
          .batch_sizes = {3, 2, 2, 1}};
}

bool is_described(const RecurrentLayers& layers) {
  const RnnDescriptor descriptor;
  const Sequences sequences(layers);
  return describe(descriptor, layers, nullptr);
}

TEST_F(RecurrentCudnnPlans, NetworksAreDescribed) {
  for (const RecurrentCell cell :
       {RecurrentCell::rnn_tanh, RecurrentCell::rnn_relu, RecurrentCell::lstm, RecurrentCell::gru})
    for (const DType dtype : {float64, float32, float16, bfloat16})
      for (const bool flag : {false, true}) {
        RecurrentLayers layers = network(cell, dtype);
        layers.biases = layers.allow_tf32 = flag;
        layers.directions = 1 + flag;
        EXPECT_TRUE(is_described(layers)) << concat(int(cell), " ", dtype, " ", flag);
      }
}

TEST_F(RecurrentCudnnPlans, OnlyLstmsProject) {
  RecurrentLayers layers = network(RecurrentCell::lstm, float32);
  layers.outputs = 3;
  EXPECT_TRUE(is_described(layers));
  layers.outputs = 9;
  EXPECT_FALSE(is_described(layers));
  layers = network(RecurrentCell::gru, float32);
  layers.outputs = 3;
  EXPECT_FALSE(is_described(layers));
  layers.inputs = 0;
  EXPECT_THROW(is_described(layers), Error);
}

TEST_F(RecurrentCudnnPlans, PrecisionsAreTheTypesOwnOrFloat32) {
  const cudnnDataType_t types[] = {CUDNN_DATA_DOUBLE, CUDNN_DATA_FLOAT, CUDNN_DATA_HALF, CUDNN_DATA_BFLOAT16};
  const RnnDescriptor descriptor;
  for (const cudnnDataType_t type : types)
    for (const cudnnDataType_t sums : types) {
      // The stand-in leaves out sums in float16, which are not asked for.
      if (type == CUDNN_DATA_HALF && sums == CUDNN_DATA_HALF) continue;
      const bool taken =
          has(cudnn()->set_rnn(descriptor.get(), CUDNN_RNN_ALGO_STANDARD, CUDNN_LSTM, CUDNN_RNN_DOUBLE_BIAS,
                               CUDNN_UNIDIRECTIONAL, CUDNN_LINEAR_INPUT, type, sums, CUDNN_DEFAULT_MATH, 4, 4,
                               4, 1, nullptr, CUDNN_RNN_PADDED_IO_DISABLED),
              "");
      EXPECT_EQ(taken, type == CUDNN_DATA_DOUBLE ? sums == type : sums == CUDNN_DATA_FLOAT)
          << int(type) << " " << int(sums);
    }
}

TEST_F(RecurrentCudnnPlans, LengthsOfPackedSequencesFallFromTheNumberOfSteps) {
  const RnnDataDescriptor descriptor;
  const auto take = [&](int steps, std::vector<int> lengths) {
    return cudnn()->set_rnn_data(descriptor.get(), CUDNN_DATA_FLOAT, CUDNN_RNN_DATA_LAYOUT_SEQ_MAJOR_PACKED,
                                 steps, int(lengths.size()), 5, lengths.data(),
                                 nullptr) == CUDNN_STATUS_SUCCESS;
  };
  EXPECT_TRUE(take(3, {3, 3, 1}));
  EXPECT_FALSE(take(3, {1, 3, 3}));
  EXPECT_FALSE(take(3, {2, 2, 1}));
  EXPECT_FALSE(take(3, {4, 3, 1}));
  EXPECT_FALSE(take(3, {3, 2, 0}));
}

}  // namespace
}  // namespace taper::cuda
