// Elementwise functions, reductions, products of matrices and convolutions.
#include "framework.h"

namespace {

constexpr std::int64_t in_cache = 1 << 14, in_memory = 1 << 22;

void add(benchmark::State& state) {
  const Tensor a = framework::randn({state.range(0)}), b = framework::randn({state.range(0)});
  for (auto _ : state) benchmark::DoNotOptimize(a + b);
}
BENCHMARK(add)->Arg(in_cache)->Arg(in_memory);

void exp(benchmark::State& state) {
  const Tensor x = framework::randn({state.range(0)});
  for (auto _ : state) benchmark::DoNotOptimize(x.exp());
}
BENCHMARK(exp)->Arg(in_cache)->Arg(in_memory);

void sum(benchmark::State& state) {
  const Tensor x = framework::randn({state.range(0)});
  for (auto _ : state) benchmark::DoNotOptimize(x.sum());
}
BENCHMARK(sum)->Arg(in_cache)->Arg(in_memory);

void softmax(benchmark::State& state) {
  const Tensor x = framework::randn({state.range(0), state.range(1)});
  for (auto _ : state) benchmark::DoNotOptimize(x.softmax(1));
}
BENCHMARK(softmax)->Args({64, 128})->Args({4096, 1024});

void matmul(benchmark::State& state) {
  const std::int64_t n = state.range(0);
  const Tensor a = framework::randn({n, n}), b = framework::randn({n, n});
  for (auto _ : state) benchmark::DoNotOptimize(framework::matmul(a, b));
  count_flops(state, 2.0 * double(n) * double(n) * double(n));
}
BENCHMARK(matmul)->Arg(16)->Arg(64)->Arg(256)->Arg(1024);

/// 3 x 3, padded: images [8, channels, size, size] -> the same.
void convolve(benchmark::State& state) {
  const std::int64_t channels = state.range(0), size = state.range(1);
  const Tensor x = framework::randn({8, channels, size, size});
  const Tensor weight = framework::randn({channels, channels, 3, 3}), bias = framework::randn({channels});
  for (auto _ : state) benchmark::DoNotOptimize(conv2d(x, weight, bias, 1, 1));
  count_flops(state, 2.0 * 8 * double(size * size) * 9 * double(channels * channels));
}
BENCHMARK(convolve)->Args({4, 8})->Args({64, 32});

}  // namespace
