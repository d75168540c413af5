// What a call costs when there is nearly nothing to compute.
#include "framework.h"

namespace {

void add_4(benchmark::State& state) {
  const Tensor a = framework::randn({4}), b = framework::randn({4});
  for (auto _ : state) benchmark::DoNotOptimize(a + b);
}
BENCHMARK(add_4);

void add_4_recorded(benchmark::State& state) {
  const Tensor a = with_gradient(framework::randn({4})), b = framework::randn({4});
  for (auto _ : state) benchmark::DoNotOptimize(a + b);
}
BENCHMARK(add_4_recorded);

void add_number(benchmark::State& state) {
  const Tensor a = framework::randn({4});
  for (auto _ : state) benchmark::DoNotOptimize(a + 1.5);
}
BENCHMARK(add_number);

void view(benchmark::State& state) {
  const Tensor x = framework::randn({4, 6});
  for (auto _ : state) benchmark::DoNotOptimize(x.view({6, 4}));
}
BENCHMARK(view);

void transpose(benchmark::State& state) {
  const Tensor x = framework::randn({4, 6});
  for (auto _ : state) benchmark::DoNotOptimize(x.transpose(0, 1));
}
BENCHMARK(transpose);

void select(benchmark::State& state) {
  const Tensor x = framework::randn({4, 6});
  for (auto _ : state) benchmark::DoNotOptimize(x.select(0, 1));
}
BENCHMARK(select);

void item(benchmark::State& state) {
  const Tensor x = framework::randn({1});
  for (auto _ : state) benchmark::DoNotOptimize(x.item<float>());
}
BENCHMARK(item);

void sum_of_rows(benchmark::State& state) {
  const Tensor x = framework::randn({4, 6});
  for (auto _ : state) benchmark::DoNotOptimize(x.sum(1));
}
BENCHMARK(sum_of_rows);

void fifty_products_and_their_gradient(benchmark::State& state) {
  const Tensor x = with_gradient(framework::randn({4})), factor = framework::randn({4});
  for (auto _ : state) {
    Tensor y = x;
    for (int i = 0; i < 50; ++i) y = y * factor;
    y.sum().backward();
  }
}
BENCHMARK(fifty_products_and_their_gradient);

}  // namespace
