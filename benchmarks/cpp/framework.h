// The framework that a benchmark program times: Taper or libtorch, whose C++ interfaces have the same names.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>

#ifdef FRAMEWORK_IS_TAPER
#include <taper/taper.h>
namespace framework = taper;
using NoGradient = taper::NoGrad;
using taper::nn::functional::conv2d;
#else
#include <torch/torch.h>
namespace framework = torch;
using NoGradient = torch::NoGradGuard;
using torch::conv2d;
#endif

using framework::Tensor;

/// x, whose gradient backward() will leave in it.
inline Tensor with_gradient(Tensor x) {
  x.requires_grad_(true);
  return x;
}

/// Says how much arithmetic one round of the benchmark is.
inline void count_flops(benchmark::State& state, double flops) {
  state.counters["FLOP/s"] = benchmark::Counter(flops, benchmark::Counter::kIsIterationInvariantRate);
}
