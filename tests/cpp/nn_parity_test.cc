// Modules compute what PyTorch's modules of the same state compute: outputs and gradients of inputs, from
// tests/cpp/data/modules.safetensors.
#include <gtest/gtest.h>

#include "taper/taper.h"

namespace taper {
namespace {

const NamedTensors& reference() {
  static const NamedTensors all = load_safetensors(TAPER_TEST_DATA "/modules.safetensors");
  return all;
}

/// One module of the file.
class Case {
 public:
  explicit Case(std::string name) : name_(std::move(name)) {}

  /// A leaf with the values of input i.
  Tensor input(int i = 0) {
    while (int(inputs_.size()) <= i)
      inputs_.push_back(clone(find(concat("input.", inputs_.size()))).requires_grad_());
    return inputs_[std::size_t(i)];
  }
  void load(nn::Module& module) {
    NamedTensors state;
    const std::string prefix = name_ + ".state.";
    for (const auto& [name, tensor] : reference())
      if (name.starts_with(prefix)) state.emplace_back(name.substr(prefix.size()), tensor);
    module.load_state_dict(state);
  }
  void expect(const Tensors& outputs) {
    Tensors gradients;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      expect_close(outputs[i], find(concat("output.", i)));
      gradients.push_back(find(concat("dy.", i)));
    }
    backward(outputs, gradients);
    for (std::size_t i = 0; i < inputs_.size(); ++i) expect_close(inputs_[i].grad(), find(concat("dx.", i)));
  }

 private:
  Tensor find(const std::string& key) const {
    for (const auto& [name, tensor] : reference())
      if (name == name_ + "." + key) return tensor;
    fail<ValueError>("no ", name_, ".", key, " in the file");
  }
  void expect_close(const Tensor& x, const Tensor& expected) const {
    ASSERT_TRUE(x.defined()) << name_;
    ASSERT_EQ(x.sizes(), expected.sizes()) << name_;
    const double worst = x.numel() ? max(abs(x.detach() - expected)).item<double>() : 0;
    EXPECT_LE(worst, 2e-5) << name_;
  }

  std::string name_;
  Tensors inputs_;
};

template <class M, class... Arguments>
void expect_unary(const char* name, Arguments&&... arguments) {
  Case reference(name);
  M module(std::forward<Arguments>(arguments)...);
  reference.load(module);
  reference.expect({module(reference.input())});
}

TEST(NnParity, LinearLayers) {
  expect_unary<nn::Linear>("linear", 4, 3);
  Case reference("bilinear");
  nn::Bilinear module(3, 4, 2);
  reference.load(module);
  const Tensor a = reference.input(0), b = reference.input(1);
  reference.expect({module(a, b)});
}

TEST(NnParity, Convolutions) {
  using Conv = nn::ConvOptions;
  using Transpose = nn::ConvTransposeOptions;
  expect_unary<nn::Conv1d>("conv1d", 4, 6, 3, Conv{.stride = 2, .padding = 1, .groups = 2});
  expect_unary<nn::Conv2d>("conv2d", 3, 4, nn::Extent{3, 2}, Conv{.padding = {1, 0}, .dilation = {1, 2}});
  expect_unary<nn::Conv2d>("conv2d_reflect", 2, 2, 3, Conv{.padding = 1, .padding_mode = "reflect"});
  expect_unary<nn::Conv3d>("conv3d", 2, 2, 2);
  expect_unary<nn::ConvTranspose1d>("conv_transpose1d", 3, 2, 3, Transpose{.stride = 2});
  expect_unary<nn::ConvTranspose2d>("conv_transpose2d", 4, 4, 3,
                                    Transpose{.stride = 2, .padding = 1, .output_padding = 1, .groups = 2});
  expect_unary<nn::ConvTranspose3d>("conv_transpose3d", 2, 1, 2);
}

TEST(NnParity, Pools) {
  expect_unary<nn::MaxPool2d>("max_pool2d", 3, nn::MaxPoolOptions{.stride = 2, .padding = 1});
  expect_unary<nn::AvgPool1d>("avg_pool1d", 2);
  expect_unary<nn::AvgPool3d>("avg_pool3d", 2, nn::AvgPoolOptions{.stride = 1});
  expect_unary<nn::AdaptiveAvgPool2d>("adaptive_avg_pool2d", nn::Extent{2, 3});
  expect_unary<nn::AdaptiveMaxPool1d>("adaptive_max_pool1d", 2);
  expect_unary<nn::LPPool2d>("lp_pool2d", 2, 2);
}

TEST(NnParity, Normalizations) {
  expect_unary<nn::BatchNorm1d>("batch_norm1d", 3);
  expect_unary<nn::LayerNorm>("layer_norm", nn::Extent{3, 4});
  expect_unary<nn::RMSNorm>("rms_norm", 4);
  expect_unary<nn::GroupNorm>("group_norm", 2, 4);
  expect_unary<nn::InstanceNorm2d>("instance_norm2d", 3, 1e-5, true);
  expect_unary<nn::LocalResponseNorm>("local_response_norm", 3);
  Case reference("batch_norm2d_eval");
  nn::BatchNorm2d module(3);
  reference.load(module);
  module.eval();
  reference.expect({module(reference.input())});
}

TEST(NnParity, ShapesAndActivations) {
  expect_unary<nn::PReLU>("prelu", 3);
  expect_unary<nn::PixelShuffle>("pixel_shuffle", 2);
  expect_unary<nn::PixelUnshuffle>("pixel_unshuffle", 2);
  expect_unary<nn::ChannelShuffle>("channel_shuffle", 2);
  expect_unary<nn::Upsample>(
      "upsample", nn::Upsample::Options{.scale_factor = std::vector<double>{2}, .mode = "bilinear"});
  expect_unary<nn::ReflectionPad2d>("reflection_pad2d", nn::Extent{1, 2, 0, 1});
  expect_unary<nn::CircularPad1d>("circular_pad1d", 1);
}

TEST(NnParity, RecurrentLayers) {
  {
    Case reference("rnn");
    nn::RNN module(3, 4, {.batch_first = true, .nonlinearity = "relu"});
    reference.load(module);
    const auto [y, h] = module(reference.input());
    reference.expect({y, h});
  }
  const auto expect_lstm = [](const char* name, const nn::RecurrentOptions& options) {
    Case reference(name);
    nn::LSTM module(3, 4, options);
    reference.load(module);
    const auto [y, states] = module(reference.input());
    reference.expect({y, std::get<0>(states), std::get<1>(states)});
  };
  expect_lstm("lstm", {.num_layers = 2, .bidirectional = true});
  expect_lstm("lstm_proj", {.proj_size = 2});
  Case reference("gru");
  nn::GRU module(3, 4);
  reference.load(module);
  const Tensor x = reference.input(0), start = reference.input(1);
  const auto [y, h] = module(x, start);
  reference.expect({y, h});
}

TEST(NnParity, RecurrentCells) {
  {
    Case reference("rnn_cell");
    nn::RNNCell module(3, 4);
    reference.load(module);
    const Tensor x = reference.input(0), h = reference.input(1);
    reference.expect({module(x, h)});
  }
  {
    Case reference("lstm_cell");
    nn::LSTMCell module(3, 4);
    reference.load(module);
    const auto [h, c] = module(reference.input());
    reference.expect({h, c});
  }
  Case reference("gru_cell");
  nn::GRUCell module(3, 4);
  reference.load(module);
  const Tensor x = reference.input(0), h = reference.input(1);
  reference.expect({module(x, h)});
}

TEST(NnParity, Attention) {
  const auto expect_attention = [](const char* name, const nn::MultiheadAttentionOptions& options) {
    Case reference(name);
    nn::MultiheadAttention module(4, 2, options);
    reference.load(module);
    const Tensor q = reference.input(0), k = reference.input(1), v = reference.input(2);
    const auto [y, weights] = module(q, k, v);
    const auto [fused, none] = module(q.detach(), k.detach(), v.detach(), {}, false);
    EXPECT_LE(max(abs(fused - y)).item<double>(), 1e-5);
    reference.expect({y, weights});
  };
  expect_attention("attention", {});
  expect_attention("attention_kdim", {.batch_first = true, .kdim = 3, .vdim = 5});
}

TEST(NnParity, Transformers) {
  using Options = nn::TransformerOptions;
  expect_unary<nn::TransformerEncoderLayer>("encoder_layer", 4, 2,
                                            Options{.dim_feedforward = 8, .dropout = 0, .batch_first = true});
  expect_unary<nn::TransformerEncoderLayer>(
      "encoder_layer_first", 4, 2,
      Options{.dim_feedforward = 8, .dropout = 0, .activation = "gelu", .norm_first = true});
  {
    Case reference("decoder_layer");
    nn::TransformerDecoderLayer module(4, 2, Options{.dim_feedforward = 8, .dropout = 0});
    reference.load(module);
    const Tensor x = reference.input(0), memory = reference.input(1);
    reference.expect({module(x, memory)});
  }
  Case reference("transformer");
  nn::Transformer module(4, 2, 1, 2, Options{.dim_feedforward = 8, .dropout = 0});
  reference.load(module);
  const Tensor source = reference.input(0), target = reference.input(1);
  reference.expect({module(source, target)});
}

TEST(NnParity, BoolMasksHideKeys) {
  manual_seed(0);
  nn::MultiheadAttention module(4, 2, {.batch_first = true});
  const Tensor x = randn({2, 3, 4});
  const Tensor padding = gt(expand(arange(0, 3), {2, 3}), 1);  // the last key is padding
  const Tensor shorter = narrow(x, 1, 0, 2);
  const Tensor whole = std::get<0>(module(x, x, x, {.key_padding = padding}));
  const Tensor cut = std::get<0>(module(x, shorter, shorter));
  EXPECT_LE(max(abs(whole - cut)).item<double>(), 1e-5);
  const Tensor causal = std::get<0>(module(x, x, x, {.causal = true}, false));
  const Tensor first = narrow(x, 1, 0, 1);
  EXPECT_LE(max(abs(narrow(causal, 1, 0, 1) - std::get<0>(module(first, first, first)))).item<double>(),
            1e-5);
}

}  // namespace
}  // namespace taper
