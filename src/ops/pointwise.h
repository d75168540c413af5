// Templates for operations of one tensor, element by element, from a kernel and a gradient formula.
#pragma once

#include <type_traits>

#include "autograd/record.h"
#include "cpu/attributes.h"
#include "cpu/binary.h"
#include "cpu/ternary.h"
#include "cpu/unary.h"
#include "ops/elementwise.h"
#include "ops/registry.h"
#include "taper/error.h"
#include "taper/ops.h"

namespace taper {

namespace kernels = cpu::kernels;

/// Rule has: name; kernel; optionally promotion (default to_float), attributes (a member the kernel reads),
/// and gradient(dy, input) or gradient(dy, output), as the template's name says, written with ops.
template <class Rule>
Tensor forward_of(const Rule& rule, const Tensor& x) {
  constexpr Promotion promotion = [] {
    if constexpr (requires { Rule::promotion; }) return Rule::promotion;
    else return Promotion::to_float;
  }();
  if constexpr (requires { rule.attributes; }) return map_unary(Rule::kernel, x, promotion, &rule.attributes);
  else return map_unary(Rule::kernel, x, promotion);
}

template <class Rule>
struct OfInput {
  static constexpr auto name = Rule::name;
  static constexpr Saves saves{.inputs = 1};
  [[no_unique_address]] Rule rule;

  Tensor forward(const Tensor& x) const { return forward_of(rule, x); }
  Tensor backward(const Saved& saved, const Tensor& dy) const { return rule.gradient(dy, saved.input(0)); }
};

template <class Rule>
struct OfOutput {
  static constexpr auto name = Rule::name;
  static constexpr Saves saves{.outputs = 1};
  [[no_unique_address]] Rule rule;

  Tensor forward(const Tensor& x) const { return forward_of(rule, x); }
  Tensor backward(const Saved& saved, const Tensor& dy) const { return rule.gradient(dy, saved.output()); }
};

/// Piecewise constant: the gradient is zero.
template <class Rule>
struct Stepwise {
  static constexpr auto name = Rule::name;
  [[no_unique_address]] Rule rule;

  Tensor forward(const Tensor& x) const { return forward_of(rule, x); }
  Tensor backward(const Saved&, const Tensor& dy) const { return zeros_like(dy); }
};

/// A fused gradient kernel over (dy, value) as an operation: dx = kernel(dy, value). Rule has second(ddx, dy,
/// value), the gradient with respect to value; the one with respect to dy is the kernel again.
template <class Rule>
struct Fused {
  static constexpr auto name = Rule::backward_name;
  static constexpr Saves saves{.inputs = 3};
  [[no_unique_address]] Rule rule;

  Tensor forward(const Tensor& dy, const Tensor& value) const {
    if constexpr (requires { rule.attributes; })
      return map_binary(Rule::backward_kernel, dy, value, Promotion::same, &rule.attributes);
    else return map_binary(Rule::backward_kernel, dy, value, Promotion::same);
  }
  std::array<Tensor, 2> backward(const Saved& saved, const Tensor& ddx) const {
    const Tensor value = saved.input(1);
    return {saved.needs(0) ? record(Fused{rule}, ddx, value) : Tensor(),
            saved.needs(1) ? rule.second(ddx, saved.input(0), value) : Tensor()};
  }
};
template <class Rule>
Tensor fused(const Rule& rule, const Tensor& dy, const Tensor& value) {
  return record(Fused<Rule>{rule}, dy, value);
}

}  // namespace taper
