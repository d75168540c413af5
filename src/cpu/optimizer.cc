// Optimizer steps: a rule for one vector of a parameter, and the loop over all parameters that applies it.
#include "cpu/optimizer.h"

#include <algorithm>
#include <cmath>

#include "cpu/parallel.h"
#include "taper/error.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/optimizer.cc"
#include <hwy/foreach_target.h>  // before highway.h
#include <hwy/highway.h>

#include "cpu/rows-inl.h"

#ifndef TAPER_CPU_OPTIMIZER_BLOCKS
#define TAPER_CPU_OPTIMIZER_BLOCKS
namespace taper::cpu {

constexpr std::int64_t block_elements = 1 << 14;

/// Elements [begin, end) of a parameter, block_elements at most.
struct ParameterBlock {
  const Parameter* parameter;
  std::int64_t begin, end;
};
using ParameterBlocks = std::vector<ParameterBlock>;

}  // namespace taper::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace taper::cpu {
namespace HWY_NAMESPACE {

/// A scalar in all lanes.
template <class D>
HWY_INLINE hn::VFromD<D> all(D d, double value) {
  return hn::Set(d, hn::TFromD<D>(value));
}

/// The gradient as the rules take it: negated to maximize, with weight decay added.
template <class D, class V>
HWY_INLINE V decayed(D d, V value, V gradient, bool maximize, double weight_decay) {
  if (maximize) gradient = hn::Neg(gradient);
  return weight_decay != 0 ? hn::MulAdd(all(d, weight_decay), value, gradient) : gradient;
}

struct SgdRule {
  const Sgd& o;
  bool first;
  SgdRule(const Sgd& options, const Parameter& parameter) : o(options), first(parameter.step == 1) {}

  template <class D, class V>
  HWY_INLINE void apply(D d, V& value, V gradient, V (&state)[3]) const {
    V g = decayed(d, value, gradient, o.maximize, o.weight_decay);
    if (o.momentum != 0) {
      V& buffer = state[0];
      buffer = first ? g : hn::MulAdd(all(d, o.momentum), buffer, hn::Mul(all(d, 1 - o.dampening), g));
      g = o.nesterov ? hn::MulAdd(all(d, o.momentum), buffer, g) : buffer;
    }
    value = hn::NegMulAdd(all(d, o.lr), g, value);
  }
};

struct AdamRule {
  const Adam& o;
  double step_size, root_correction;
  AdamRule(const Adam& options, const Parameter& parameter)
      : o(options),
        step_size(o.lr / (1 - std::pow(o.beta1, double(parameter.step)))),
        root_correction(std::sqrt(1 - std::pow(o.beta2, double(parameter.step)))) {}

  template <class D, class V>
  HWY_INLINE void apply(D d, V& value, V gradient, V (&state)[3]) const {
    const V g = decayed(d, value, gradient, o.maximize, o.decoupled ? 0 : o.weight_decay);
    if (o.decoupled) value = hn::Mul(value, all(d, 1 - o.lr * o.weight_decay));
    V &mean = state[0], &square = state[1];
    mean = hn::MulAdd(hn::Sub(g, mean), all(d, 1 - o.beta1), mean);
    square = hn::MulAdd(hn::Mul(g, g), all(d, 1 - o.beta2), hn::Mul(square, all(d, o.beta2)));
    V bound = square;
    if (o.amsgrad)
      bound = state[2] = hn::IfThenElse(hn::Lt(square, state[2]), state[2], square);  // NaN goes on
    const V denominator = hn::Add(hn::Div(hn::Sqrt(bound), all(d, root_correction)), all(d, o.eps));
    value = hn::NegMulAdd(all(d, step_size), hn::Div(mean, denominator), value);
  }
};

struct RmsPropRule {
  const RmsProp& o;
  RmsPropRule(const RmsProp& options, const Parameter&) : o(options) {}

  template <class D, class V>
  HWY_INLINE void apply(D d, V& value, V gradient, V (&state)[3]) const {
    const V g = decayed(d, value, gradient, o.maximize, o.weight_decay);
    V &square = state[0], &buffer = state[1], &mean = state[2];
    square = hn::MulAdd(hn::Mul(g, g), all(d, 1 - o.alpha), hn::Mul(square, all(d, o.alpha)));
    V variance = square;
    if (o.centered) {
      mean = hn::MulAdd(hn::Sub(g, mean), all(d, 1 - o.alpha), mean);
      variance = hn::NegMulAdd(mean, mean, square);
    }
    V update = hn::Div(g, hn::Add(hn::Sqrt(variance), all(d, o.eps)));
    if (o.momentum != 0) update = buffer = hn::MulAdd(all(d, o.momentum), buffer, update);
    value = hn::NegMulAdd(all(d, o.lr), update, value);
  }
};

struct AdagradRule {
  const Adagrad& o;
  double rate;
  AdagradRule(const Adagrad& options, const Parameter& parameter)
      : o(options), rate(o.lr / (1 + double(parameter.step - 1) * o.lr_decay)) {}

  template <class D, class V>
  HWY_INLINE void apply(D d, V& value, V gradient, V (&state)[3]) const {
    const V g = decayed(d, value, gradient, o.maximize, o.weight_decay);
    state[0] = hn::MulAdd(g, g, state[0]);
    value = hn::NegMulAdd(all(d, rate), hn::Div(g, hn::Add(hn::Sqrt(state[0]), all(d, o.eps))), value);
  }
};

template <class T, class Rule>
void step_block(const Rule& rule, const ParameterBlock& block) {
  const hn::ScalableTag<Compute<T>> d;
  using V = hn::VFromD<decltype(d)>;
  const Parameter& parameter = *block.parameter;
  T* values = static_cast<T*>(parameter.value) + block.begin;
  const T* gradients = static_cast<const T*>(parameter.gradient) + block.begin;
  T* states[3];
  for (int k = 0; k < 3; ++k)
    states[k] = parameter.state[k] ? static_cast<T*>(parameter.state[k]) + block.begin : nullptr;
  for_vectors(d, block.end - block.begin, [&](int64 i, int64 count) {
    V value = load_as(d, values + i, count);
    V state[3] = {hn::Zero(d), hn::Zero(d), hn::Zero(d)};
    for (int k = 0; k < 3; ++k)
      if (states[k]) state[k] = load_as(d, states[k] + i, count);
    rule.apply(d, value, load_as(d, gradients + i, count), state);
    store_as(d, value, values + i, count);
    for (int k = 0; k < 3; ++k)
      if (states[k]) store_as(d, state[k], states[k] + i, count);
  });
}

template <class Rule, class Options>
void run(const Options& options, const ParameterBlocks& blocks) {
  int64 elements = 1;
  for (const ParameterBlock& block : blocks) elements += block.end - block.begin;
  parallel_for(int64(blocks.size()), int64(blocks.size()) * block_elements / elements,
               [&](int64 begin, int64 end) {
                 for (int64 i = begin; i < end; ++i) {
                   const ParameterBlock& block = blocks[std::size_t(i)];
                   const Rule rule(options, *block.parameter);
                   visit_floating(block.parameter->dtype, [&]<class T>(T) { step_block<T>(rule, block); });
                 }
               });
}

void run_sgd(const Sgd& options, const ParameterBlocks& blocks) { run<SgdRule>(options, blocks); }
void run_adam(const Adam& options, const ParameterBlocks& blocks) { run<AdamRule>(options, blocks); }
void run_rms_prop(const RmsProp& options, const ParameterBlocks& blocks) {
  run<RmsPropRule>(options, blocks);
}
void run_adagrad(const Adagrad& options, const ParameterBlocks& blocks) { run<AdagradRule>(options, blocks); }

}  // namespace HWY_NAMESPACE
}  // namespace taper::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace taper::cpu {

HWY_EXPORT(run_sgd);
HWY_EXPORT(run_adam);
HWY_EXPORT(run_rms_prop);
HWY_EXPORT(run_adagrad);

namespace {

/// states: bit k is set if state[k] is needed.
ParameterBlocks blocks_of(const std::vector<Parameter>& parameters, int states, const char* op) {
  ParameterBlocks blocks;
  for (const Parameter& parameter : parameters) {
    check<DTypeError>(is_floating_point(parameter.dtype), op, ": got a parameter of ", parameter.dtype,
                      ", expected a floating type");
    check<ValueError>(parameter.step >= 1, op, ": got step ", parameter.step, ", expected at least 1");
    for (int k = 0; k < 3; ++k)
      check<ValueError>(parameter.state[k] || !(states >> k & 1) || parameter.size == 0, op, ": state ", k,
                        " of a parameter is missing");
    for (std::int64_t begin = 0; begin < parameter.size; begin += block_elements)
      blocks.push_back({&parameter, begin, std::min(begin + block_elements, parameter.size)});
  }
  return blocks;
}

}  // namespace

void step(const Sgd& options, const std::vector<Parameter>& parameters) {
  HWY_DYNAMIC_DISPATCH(run_sgd)(options, blocks_of(parameters, options.momentum != 0, "SGD"));
}

void step(const Adam& options, const std::vector<Parameter>& parameters) {
  HWY_DYNAMIC_DISPATCH(run_adam)
  (options, blocks_of(parameters, options.amsgrad ? 7 : 3, options.decoupled ? "AdamW" : "Adam"));
}

void step(const RmsProp& options, const std::vector<Parameter>& parameters) {
  const int states = 1 | (options.momentum != 0) << 1 | options.centered << 2;
  HWY_DYNAMIC_DISPATCH(run_rms_prop)(options, blocks_of(parameters, states, "RMSprop"));
}

void step(const Adagrad& options, const std::vector<Parameter>& parameters) {
  HWY_DYNAMIC_DISPATCH(run_adagrad)(options, blocks_of(parameters, 1, "Adagrad"));
}

}  // namespace taper::cpu
#endif
