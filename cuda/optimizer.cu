// Optimizer steps: one launch for up to 24 parameters. The rules are those of src/cpu/optimizer.cc.
#include <cmath>

#include "cuda/device.cuh"
#include "cuda/graph.h"
#include "cuda/optimizer.h"

namespace taper::cuda {

namespace {

/// Elements of a parameter that a block steps.
constexpr int64_t chunk = 4096;
/// As many as fit, with the rules' numbers, into the 4 KB of a kernel's arguments.
constexpr int most_parameters = 24;

template <class Rule>
struct Batch {
  int count = 0;
  struct Entry {
    DType dtype;
    bool has_state[3];
    int64_t size, last_block;  // blocks [that of the entry before, last_block) step it
    void *value, *state[3];
    const void* gradient;
    Rule rule;
  } entries[most_parameters];
};

}  // namespace

/// What differs between the rules. move_on(steps): a run of a recorded graph, with that many before it.
namespace rules {

template <class T>
__device__ __forceinline__ T decayed(T value, T gradient, bool maximize, double weight_decay) {
  if (maximize) gradient = -gradient;
  return weight_decay != 0 ? T(weight_decay) * value + gradient : gradient;
}

struct Sgd {
  double lr, momentum, dampening, weight_decay;
  bool nesterov, maximize, first;
  Sgd() = default;
  Sgd(const cpu::Sgd& o, const cpu::Parameter& parameter)
      : lr(o.lr),
        momentum(o.momentum),
        dampening(o.dampening),
        weight_decay(o.weight_decay),
        nesterov(o.nesterov),
        maximize(o.maximize),
        first(parameter.step == 1) {}
  __device__ void move_on(uint64_t steps) { first = first && steps == 0; }
  __device__ bool reads_states() const { return !first; }
  template <class T>
  __device__ void apply(T& value, T gradient, T* state) const {
    T g = decayed(value, gradient, maximize, weight_decay);
    if (momentum != 0) {
      state[0] = first ? g : T(momentum) * state[0] + T(1 - dampening) * g;
      g = nesterov ? T(momentum) * state[0] + g : state[0];
    }
    value -= T(lr) * g;
  }
};

struct Adam {
  double lr, count, step_size, root_correction, beta1, beta2, eps, decay, shrink;
  bool amsgrad, maximize;
  Adam() = default;
  Adam(const cpu::Adam& o, const cpu::Parameter& parameter)
      : lr(o.lr),
        count(double(parameter.step)),
        step_size(o.lr / (1 - std::pow(o.beta1, count))),
        root_correction(std::sqrt(1 - std::pow(o.beta2, count))),
        beta1(o.beta1),
        beta2(o.beta2),
        eps(o.eps),
        decay(o.decoupled ? 0 : o.weight_decay),
        shrink(o.decoupled ? 1 - o.lr * o.weight_decay : 1),
        amsgrad(o.amsgrad),
        maximize(o.maximize) {}
  __device__ void move_on(uint64_t steps) {
    step_size = lr / (1 - pow(beta1, count + double(steps)));
    root_correction = sqrt(1 - pow(beta2, count + double(steps)));
  }
  __device__ bool reads_states() const { return true; }
  template <class T>
  __device__ void apply(T& value, T gradient, T* state) const {
    const T g = decayed(value, gradient, maximize, decay);
    value *= T(shrink);
    state[0] += (g - state[0]) * T(1 - beta1);
    state[1] = g * g * T(1 - beta2) + state[1] * T(beta2);
    T bound = state[1];
    if (amsgrad) bound = state[2] = state[1] < state[2] ? state[2] : state[1];
    value -= T(step_size) * (state[0] / (sqrt(bound) / T(root_correction) + T(eps)));
  }
};

struct RmsProp {
  double lr, alpha, eps, weight_decay, momentum;
  bool centered, maximize;
  RmsProp() = default;
  RmsProp(const cpu::RmsProp& o, const cpu::Parameter&)
      : lr(o.lr),
        alpha(o.alpha),
        eps(o.eps),
        weight_decay(o.weight_decay),
        momentum(o.momentum),
        centered(o.centered),
        maximize(o.maximize) {}
  __device__ void move_on(uint64_t) {}
  __device__ bool reads_states() const { return true; }
  template <class T>
  __device__ void apply(T& value, T gradient, T* state) const {
    const T g = decayed(value, gradient, maximize, weight_decay);
    state[0] = g * g * T(1 - alpha) + state[0] * T(alpha);
    T variance = state[0];
    if (centered) {
      state[2] += (g - state[2]) * T(1 - alpha);
      variance -= state[2] * state[2];
    }
    T update = g / (sqrt(variance) + T(eps));
    if (momentum != 0) update = state[1] = T(momentum) * state[1] + update;
    value -= T(lr) * update;
  }
};

struct Adagrad {
  double lr, lr_decay, count, rate, weight_decay, eps;
  bool maximize;
  Adagrad() = default;
  Adagrad(const cpu::Adagrad& o, const cpu::Parameter& parameter)
      : lr(o.lr),
        lr_decay(o.lr_decay),
        count(double(parameter.step - 1)),
        rate(o.lr / (1 + count * o.lr_decay)),
        weight_decay(o.weight_decay),
        eps(o.eps),
        maximize(o.maximize) {}
  __device__ void move_on(uint64_t steps) { rate = lr / (1 + (count + double(steps)) * lr_decay); }
  __device__ bool reads_states() const { return true; }
  template <class T>
  __device__ void apply(T& value, T gradient, T* state) const {
    const T g = decayed(value, gradient, maximize, weight_decay);
    state[0] += g * g;
    value -= T(rate) * (g / (sqrt(state[0]) + T(eps)));
  }
};

}  // namespace rules

namespace kernels {

template <class T, class Entry, class Rule>
__device__ __forceinline__ void step_chunk(const Entry& entry, const Rule& rule, int64_t begin) {
  const int64_t item = item_size(entry.dtype);
  const int64_t end = begin + chunk < entry.size ? begin + chunk : entry.size;
  for (int64_t i = begin + threadIdx.x; i < end; i += block_threads) {
    T value = load<T>(static_cast<char*>(entry.value) + i * item, entry.dtype);
    const T gradient = load<T>(static_cast<const char*>(entry.gradient) + i * item, entry.dtype);
    T state[3] = {};
#pragma unroll
    for (int k = 0; k < 3; ++k)
      if (entry.has_state[k] && rule.reads_states())
        state[k] = load<T>(static_cast<char*>(entry.state[k]) + i * item, entry.dtype);
    rule.apply(value, gradient, state);
    store(static_cast<char*>(entry.value) + i * item, entry.dtype, value);
#pragma unroll
    for (int k = 0; k < 3; ++k)
      if (entry.has_state[k]) store(static_cast<char*>(entry.state[k]) + i * item, entry.dtype, state[k]);
  }
}

template <class Rule>
__global__ void __launch_bounds__(block_threads)
    step(const __grid_constant__ Batch<Rule> batch, const uint64_t* shift) {
  int k = 0;
  while (batch.entries[k].last_block <= int64_t(blockIdx.x)) ++k;
  const auto& entry = batch.entries[k];
  const int64_t begin = (int64_t(blockIdx.x) - (k ? batch.entries[k - 1].last_block : 0)) * chunk;
  Rule rule = entry.rule;
  if (shift) rule.move_on(shift[2]);
  if (entry.dtype == float64) step_chunk<double>(entry, rule, begin);
  else step_chunk<float>(entry, rule, begin);
}

}  // namespace kernels

namespace {

template <class Rule>
void launch(const Batch<Rule>& batch, const char* op) {
  if (batch.count == 0) return;
  const auto blocks = unsigned(batch.entries[batch.count - 1].last_block);
  kernels::step<Rule><<<blocks, block_threads, 0, runtime().stream_in_use()>>>(batch, shift_of_run());
  check_launch(op);
}

template <class Rule, class Options>
void run(const Options& options, const std::vector<cpu::Parameter>& parameters, int states, const char* op) {
  Batch<Rule> batch{};
  for (const cpu::Parameter& parameter : parameters) {
    check<DTypeError>(is_floating_point(parameter.dtype), op, ": got a parameter of ", parameter.dtype,
                      ", expected a floating type");
    check<ValueError>(parameter.step >= 1, op, ": got step ", parameter.step, ", expected at least 1");
    if (parameter.size == 0) continue;
    if (batch.count == most_parameters) {
      launch(batch, op);
      batch.count = 0;
    }
    auto& entry = batch.entries[batch.count];
    const int64_t before = batch.count ? batch.entries[batch.count - 1].last_block : 0;
    entry.dtype = parameter.dtype;
    entry.size = parameter.size;
    entry.last_block = before + (parameter.size + chunk - 1) / chunk;
    entry.value = parameter.value;
    entry.gradient = parameter.gradient;
    entry.rule = Rule(options, parameter);
    for (int k = 0; k < 3; ++k) {
      check<ValueError>(parameter.state[k] || !(states >> k & 1), op, ": state ", k,
                        " of a parameter is missing");
      entry.state[k] = parameter.state[k];
      entry.has_state[k] = parameter.state[k] && (states >> k & 1);
    }
    ++batch.count;
  }
  launch(batch, op);
}

}  // namespace

void step(const cpu::Sgd& options, const std::vector<cpu::Parameter>& parameters) {
  run<rules::Sgd>(options, parameters, options.momentum != 0, "SGD");
}
void step(const cpu::Adam& options, const std::vector<cpu::Parameter>& parameters) {
  run<rules::Adam>(options, parameters, options.amsgrad ? 7 : 3, options.decoupled ? "AdamW" : "Adam");
}
void step(const cpu::RmsProp& options, const std::vector<cpu::Parameter>& parameters) {
  run<rules::RmsProp>(options, parameters, 1 | (options.momentum != 0) << 1 | options.centered << 2,
                      "RMSprop");
}
void step(const cpu::Adagrad& options, const std::vector<cpu::Parameter>& parameters) {
  run<rules::Adagrad>(options, parameters, 1, "Adagrad");
}

}  // namespace taper::cuda
