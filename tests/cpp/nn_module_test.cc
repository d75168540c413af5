// What modules have in common: names, state, hooks, containers, initial values, functions, packed sequences.
#include <gtest/gtest.h>

#include <cmath>

#include "io_temporary.h"
#include "taper/taper.h"

namespace taper::nn {
namespace {

using taper::testing::message_of;
namespace F = functional;

Tensor numbers(const std::vector<double>& values, const Shape& sizes) { return tensor(values, sizes); }

void expect_close(const Tensor& x, const Tensor& y, double tolerance = 1e-6) {
  ASSERT_EQ(x.sizes(), y.sizes());
  EXPECT_TRUE(allclose(x.detach(), y.detach(), 0, tolerance)) << to_string(x);
}

std::vector<std::string> names(const NamedTensors& tensors) {
  std::vector<std::string> all;
  for (const auto& [name, tensor] : tensors) all.push_back(name);
  return all;
}

TEST(Module, HooksRunAroundForwardAndMayReplaceWhatPasses) {
  Linear layer(1, 1);
  init::constant_(layer.parameters()[0], 2);
  init::constant_(layer.parameters()[1], 1);
  const Tensor x = ones({1, 1});
  EXPECT_EQ(layer(x).item<float>(), 3);
  const auto before = layer.register_forward_pre_hook([](Module&, Tensor& input) { input = input * 10; });
  EXPECT_EQ(layer(x).item<float>(), 21);
  Tensor seen;
  const auto after = layer.register_forward_hook([&](Module&, const Tensor& input, Tensor& output) {
    seen = input;
    output = output + 100;
  });
  EXPECT_EQ(layer(x).item<float>(), 121);
  EXPECT_EQ(seen.item<float>(), 10);
  layer.remove_hook(before);
  layer.remove_hook(after);
  EXPECT_EQ(layer(x).item<float>(), 3);
}

TEST(Module, BackwardHooksSeeTheGradientsOfBothEnds) {
  Linear layer(1, 1);
  init::constant_(layer.parameters()[0], 2);
  Tensor at_input, at_output;
  layer.register_full_backward_hook([&](Module&, const Tensor& grad_input, const Tensor& grad_output) {
    at_input = grad_input, at_output = grad_output;
  });
  const Tensor x = ones({1, 1}).requires_grad_();
  (layer(x) * 5).sum().backward();
  EXPECT_EQ(at_output.item<float>(), 5);
  EXPECT_EQ(at_input.item<float>(), 10);
}

TEST(Containers, NameTheirParts) {
  Sequential net;
  net.add<Linear>(2, 3).add<ReLU>().add<Linear>(3, 1);
  EXPECT_EQ(names(net.state_dict()), (std::vector<std::string>{"0.weight", "0.bias", "2.weight", "2.bias"}));
  EXPECT_EQ(net.size(), 3u);
  EXPECT_THROW(net[3], IndexError);
  ModuleDict parts;
  parts.add<Linear>("head", 2, 2);
  EXPECT_TRUE(parts.contains("head"));
  EXPECT_NE(message_of<IndexError>([&] { parts["tail"]; }).find("head"), std::string::npos);
  EXPECT_THROW(parts.add<Linear>("head", 2, 2), ValueError);
  ParameterDict values;
  values.add("scale", ones({2}));
  EXPECT_EQ(names(values.named_parameters()), (std::vector<std::string>{"scale"}));
}

TEST(Module, LoadingNamesAllThatDoesNotFitAndChangesNothing) {
  Linear layer(2, 1);
  const Tensor weight = layer.parameters()[0].detach().clone();
  NamedTensors state{{"weight", zeros({3})}, {"other", zeros({1})}};
  const std::string message = message_of<ValueError>([&] { layer.load_state_dict(state); });
  for (const char* part : {"missing: bias", "unexpected: other", "weight has shape (3,)"})
    EXPECT_NE(message.find(part), std::string::npos) << message;
  EXPECT_TRUE(equal(layer.parameters()[0].detach(), weight));
}

TEST(Init, FollowsTheFormulas) {
  manual_seed(0);
  const Tensor x = empty({300, 200});
  init::xavier_uniform_(x);
  const double bound = std::sqrt(6.0 / 500);
  EXPECT_LE(x.abs().max().item<double>(), bound);
  // The standard deviation of a uniform distribution, within 2 percent for 60,000 numbers.
  EXPECT_NEAR(x.std().item<double>(), bound / std::sqrt(3.0), 0.02 * bound);
  init::kaiming_normal_(x, 0, "fan_out", "relu");
  EXPECT_NEAR(x.std().item<double>(), std::sqrt(2.0 / 300), 0.02 * std::sqrt(2.0 / 300));
  const Tensor q = empty({4, 9}, float64);
  init::orthogonal_(q);
  expect_close(q.matmul(q.transpose(0, 1)), eye(4, 4, float64), 1e-12);
}

TEST(Functional, PoolsByNorms) {
  const Tensor x = numbers({3, 4, 0, 0, 1, 2, 2, 4}, {1, 1, 2, 4});
  // Roots of sums of squares of the 2x2 windows.
  expect_close(F::lp_pool2d(x, 2, 2), numbers({std::sqrt(30.0), std::sqrt(20.0)}, {1, 1, 1, 2}), 1e-12);
  expect_close(F::max_pool2d(x, 2), numbers({4, 4}, {1, 1, 1, 2}));
  expect_close(F::avg_pool2d(x, {2, 4}), numbers({2}, {1, 1, 1, 1}));
}

TEST(Functional, ComputesDistancesAndClasses) {
  const Tensor a = numbers({3, 4, 0, 1}, {2, 2}), b = numbers({4, 3, 1, 0}, {2, 2});
  expect_close(F::normalize(a), numbers({0.6, 0.8, 0, 1}, {2, 2}), 1e-12);
  expect_close(F::cosine_similarity(a, b), numbers({24.0 / 25, 0}, {2}), 1e-12);
  expect_close(F::pairwise_distance(a, b, 2, 0), numbers({std::sqrt(2.0), std::sqrt(2.0)}, {2}), 1e-12);
  const Tensor classes = tensor(std::vector<std::int64_t>{2, 0}, {2});
  EXPECT_TRUE(equal(F::one_hot(classes), tensor(std::vector<std::int64_t>{0, 0, 1, 1, 0, 0}, {2, 3})));
  EXPECT_THROW(F::one_hot(classes, 2), IndexError);
  EXPECT_THROW(F::one_hot(a), DTypeError);
}

TEST(Functional, ComputesLosses) {
  const Tensor x = numbers({0.5, -1}, {2}), y = numbers({1, 1}, {2});
  EXPECT_NEAR(F::mse_loss(x, y).item<double>(), (0.25 + 4) / 2, 1e-12);
  EXPECT_NEAR(F::l1_loss(x, y, "sum").item<double>(), 2.5, 1e-12);
  EXPECT_NEAR(F::smooth_l1_loss(x, y).item<double>(), (0.125 + 1.5) / 2, 1e-12);
  EXPECT_NEAR(F::huber_loss(x, y, "mean", 0.5).item<double>(), (0.125 + 0.5 * 1.75) / 2, 1e-12);
  EXPECT_NEAR(F::binary_cross_entropy_with_logits(x, y).item<double>(),
              (std::log1p(std::exp(-0.5)) + std::log1p(std::exp(1.0))) / 2, 1e-12);
  EXPECT_NEAR(F::soft_margin_loss(x, y, "sum").item<double>(),
              std::log1p(std::exp(-0.5)) + std::log1p(std::exp(1.0)), 1e-12);
  EXPECT_NEAR(F::margin_ranking_loss(x, y, y, 0.25).item<double>(), (0.75 + 2.25) / 2, 1e-12);
  EXPECT_THROW(F::mse_loss(x, y, "average"), ValueError);
}

TEST(PackedSequence, HoldsTheStepsWithoutPadding) {
  namespace rnn = utils::rnn;
  const Tensors sequences{arange(0, 2), arange(10, 13), arange(20, 21)};
  const auto packed = rnn::pack_sequence(sequences, false);
  // As torch.nn.utils.rnn.pack_sequence gives it.
  EXPECT_TRUE(equal(packed.data, tensor(std::vector<std::int64_t>{10, 0, 20, 11, 1, 12}, {6})));
  EXPECT_EQ(packed.batch_sizes, (std::vector<std::int64_t>{3, 2, 1}));
  EXPECT_TRUE(equal(packed.sorted_indices, tensor(std::vector<std::int64_t>{1, 0, 2}, {3})));
  const Tensors back = rnn::unpack_sequence(packed);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(equal(back[i], sequences[i]));
  const auto [padded, lengths] = rnn::pad_packed_sequence(packed, true, -1, 4);
  EXPECT_EQ(lengths, (std::vector<std::int64_t>{2, 3, 1}));
  EXPECT_TRUE(equal(padded[2], tensor(std::vector<std::int64_t>{20, -1, -1, -1}, {4})));
  EXPECT_THROW(rnn::pack_sequence(sequences), ValueError);
  EXPECT_THROW(rnn::pack_padded_sequence(padded, {5, 1, 1}, true), ShapeError);
}

// A packed batch gives what each of its sequences gives alone.
template <class Layer, class States>
void expect_packed_as_alone(RecurrentOptions options, States&& states) {
  manual_seed(2);
  Layer layer(3, 4, options);
  const Tensors sequences{rand({2, 3}), rand({5, 3}), rand({4, 3})};
  const auto packed = utils::rnn::pack_sequence(sequences, false);
  const auto [outputs, final] = layer(packed);
  const Tensors parts = utils::rnn::unpack_sequence(outputs);
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    const auto [alone, last] = layer(sequences[i]);
    expect_close(parts[i], alone);
    const Tensors batch = states(final), single = states(last);
    for (std::size_t s = 0; s < batch.size(); ++s)
      expect_close(batch[s].select(1, std::int64_t(i)), single[s]);
  }
}

TEST(PackedSequence, RunsThroughRecurrentLayers) {
  const auto one = [](const Tensor& h) { return Tensors{h}; };
  const auto two = [](const std::tuple<Tensor, Tensor>& state) {
    return Tensors{std::get<0>(state), std::get<1>(state)};
  };
  expect_packed_as_alone<RNN>({.num_layers = 2, .bidirectional = true}, one);
  expect_packed_as_alone<GRU>({.bidirectional = true}, one);
  expect_packed_as_alone<LSTM>({.num_layers = 2, .bidirectional = true, .proj_size = 2}, two);
}

TEST(Functional, FoldedWindowsCountHowOftenTheyOverlap) {
  const Tensor columns = F::unfold(ones({1, 1, 3, 3}), 2);
  EXPECT_EQ(columns.sizes(), (Shape{1, 4, 4}));
  expect_close(F::fold(columns, 3, 2), numbers({1, 2, 1, 2, 4, 2, 1, 2, 1}, {1, 1, 3, 3}).to(float32));
}

TEST(Functional, TransposedConvolutionIsTheLayers) {
  ConvTranspose2d layer(3, 4, 3, {.stride = 2, .padding = 1, .output_padding = 1});
  const Tensor x = randn({2, 3, 4, 5});
  expect_close(F::conv_transpose2d(x, layer.weight, layer.bias(), 2, 1, 1), layer(x));
}

TEST(Functional, CtcOfOneLabelSumsOverItsThreeAlignments) {
  // Two even steps over {blank, label}: "label blank", "blank label", "label label".
  const Tensor log_probs = full({2, 1, 2}, std::log(0.5), float64);
  const Tensor one = tensor(std::vector<std::int64_t>{1}, {1}),
               two = tensor(std::vector<std::int64_t>{2}, {1});
  const Tensor loss = CTCLoss{.reduction = "sum"}(log_probs, reshape(one, {1, 1}), two, one);
  EXPECT_NEAR(loss.item<double>(), -std::log(0.75), 1e-12);
}

TEST(Functional, TheIdentityGridReadsTheImage) {
  const Tensor x = randn({1, 2, 3, 4});
  const Tensor grid = F::affine_grid(unsqueeze(eye(2, 3), 0), x.sizes());
  expect_close(F::grid_sample(x, grid), x, 1e-5);
}

// PyTorch's example in the documentation of MultiMarginLoss; and 3 - 9 + 10 of the sums of differences.
TEST(MarginLosses, OverClassesAndOfADistanceOfTheUsers) {
  const Tensor scores = numbers({0.1, 0.2, 0.4, 0.8}, {1, 4});
  EXPECT_NEAR(MultiMarginLoss{}(scores, tensor(std::vector<std::int64_t>{3}, {1})).item<double>(), 0.325,
              1e-12);
  const auto apart = [](const Tensor& a, const Tensor& b) { return (a - b).abs().sum(1); };
  const TripletMarginWithDistanceLoss loss{.distance = apart, .margin = 10};
  EXPECT_EQ(loss(zeros({2, 3}), ones({2, 3}), full({2, 3}, 3.0)).item<double>(), 4);
}

TEST(MaxUnpool, PutsTheMaximaBack) {
  const Tensor x = numbers({1, 2, 5, 3}, {1, 1, 4});
  const auto [y, places] = max_pool(x, 1, {2});
  expect_close(MaxUnpool1d(2)(y, places), numbers({0, 2, 5, 0}, {1, 1, 4}));
}

}  // namespace
}  // namespace taper::nn
