// Training steps as a user writes them.
#include "framework.h"

namespace {

namespace nn = framework::nn;

/// Linear, ReLU, Linear, ReLU, Linear.
class Mlp {
 public:
  Mlp(std::int64_t inputs, std::int64_t hidden, std::int64_t outputs)
#ifdef FRAMEWORK_IS_TAPER
  {
    layers_.add<nn::Linear>(inputs, hidden).add<nn::ReLU>().add<nn::Linear>(hidden, hidden).add<nn::ReLU>();
    layers_.add<nn::Linear>(hidden, outputs);
  }
  Tensor operator()(const Tensor& x) { return layers_(x); }
  auto parameters() { return layers_.parameters(); }
#else
      : layers_(nn::Linear(inputs, hidden), nn::ReLU(), nn::Linear(hidden, hidden), nn::ReLU(),
                nn::Linear(hidden, outputs)) {
  }
  Tensor operator()(const Tensor& x) { return layers_->forward(x); }
  auto parameters() { return layers_->parameters(); }
#endif

 private:
  nn::Sequential layers_;
};

/// Forward, cross entropy, backward and Adam: batch, inputs, width of two hidden layers; 10 classes.
void mlp_step(benchmark::State& state) {
  const std::int64_t batch = state.range(0), inputs = state.range(1), hidden = state.range(2), classes = 10;
  Mlp net(inputs, hidden, classes);
  framework::optim::Adam optimizer(net.parameters());
  const Tensor x = framework::randn({batch, inputs});
  const Tensor target = framework::randint(0, classes, {batch});
  for (auto _ : state) {
    optimizer.zero_grad();
    nn::functional::cross_entropy(net(x), target).backward();
    optimizer.step();
  }
  count_flops(state, 6.0 * double(batch) * double((inputs + hidden + classes) * hidden));
}
BENCHMARK(mlp_step)->Args({32, 16, 32})->Args({128, 784, 512});

void mlp_prediction(benchmark::State& state) {
  Mlp net(16, 32, 10);
  const Tensor x = framework::randn({1, 16});
  const NoGradient no_gradient;
  for (auto _ : state) benchmark::DoNotOptimize(net(x));
}
BENCHMARK(mlp_prediction);

}  // namespace
