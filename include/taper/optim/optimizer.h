// Optimizer: what the rules that change parameters by their gradients have in common.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "taper/state.h"
#include "taper/tensor.h"

namespace taper::optim {

/// Names values on their way into a State or out of one.
class Fields;

/// Parameters in groups, and what is remembered of each between steps.
class Optimizer {
 public:
  /// Computes the loss and the gradients anew.
  using Closure = std::function<Tensor()>;

  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// Changes every parameter that has a gradient. closure, if given, is called first; its loss is returned.
  /// Throws ValueError for a learning rate that is not finite, ShapeError and DTypeError for gradients that
  /// do not fit.
  virtual Tensor step(const Closure& closure = {});
  /// Drops the gradients, or else fills them with zeros.
  void zero_grad(bool set_to_none = true);

  /// Number of groups.
  std::size_t size() const { return groups_.size(); }
  /// Throws IndexError.
  const Tensors& parameters(std::size_t group = 0) const { return at(group).parameters; }
  /// The learning rate of a group, which may be changed between steps.
  virtual double& lr(std::size_t group = 0) = 0;
  /// The momentum of a group, or its first beta; null where the optimizer has neither.
  virtual double* momentum(std::size_t group = 0) = 0;
  /// Further values of a group that are saved with it: what schedules keep there.
  State& extra(std::size_t group = 0) { return at(group).extra; }

  /// Options and what is remembered, parameters numbered in order: the form of Python's state_dict(), so that
  /// a file of save() serves both languages.
  State state_dict() const;
  /// Takes copies. Throws ValueError where groups or shapes do not fit; then nothing was changed.
  void load_state_dict(const State& state);

 protected:
  /// What is remembered of one parameter.
  struct Memory {
    std::int64_t step = 0;
    /// In the order of memory_names(); undefined where there is none.
    Tensors tensors;
    /// What an optimizer with a memory of another kind keeps, as a dictionary.
    State more;
  };
  struct Group {
    Tensors parameters;
    std::vector<Memory> memories;
    State extra = State::dict();
  };

  Optimizer() = default;
  /// Throws ValueError unless all are leaves that no group has yet.
  void add_parameters(Tensors parameters);
  Group& at(std::size_t group);
  const Group& at(std::size_t group) const { return const_cast<Optimizer*>(this)->at(group); }

  virtual const char* name() const = 0;
  virtual void visit_options(std::size_t group, Fields& fields) = 0;
  /// Names of the tensors of a memory in a state_dict().
  virtual std::vector<const char*> memory_names() const = 0;
  /// Whether memories hold the number of steps.
  virtual bool counts_steps() const { return true; }
  /// The memory of a parameter as a dictionary, empty where nothing is remembered yet; and the reverse.
  virtual State write_memory(std::size_t group, std::size_t parameter) const;
  virtual Memory read_memory(const State& state, const Tensor& parameter) const;
  /// One step of the group's parameters that have a gradient; called without tape.
  virtual void update(std::size_t group) = 0;

  /// A rule for one parameter. Complex tensors arrive as pairs of real numbers, and the gradient negated
  /// where the group maximizes.
  using Rule = std::function<void(const Tensor& parameter, const Tensor& gradient, Memory& memory)>;
  /// Counts the step of each parameter that has a gradient, makes tensors of zeros (`zeros` of them) in its
  /// first one, and calls rule.
  void update_each(std::size_t group, bool maximize, std::size_t zeros, const Rule& rule);

 private:
  std::vector<Group> groups_;
};

/// Parameters with options of their own; without, the optimizer's.
template <class Options>
struct ParameterGroup {
  Tensors parameters;
  std::optional<Options> options = std::nullopt;
};

/// An optimizer whose groups have Options:
///
///     optim::SGD sgd{{{backbone}, {head, optim::SGDOptions{.lr = 1e-2}}}, {.lr = 1e-3}};
///     sgd.options(1).lr *= 0.1;
template <class Chosen>
class OptimizerWith : public Optimizer {
 public:
  using Options = Chosen;
  using ParameterGroup = optim::ParameterGroup<Options>;

  Options& options(std::size_t group = 0) { return at(group), options_[group]; }
  const Options& options(std::size_t group = 0) const { return at(group), options_[group]; }
  /// Throws ValueError for parameters that are no leaves or in another group, and for impossible options.
  void add_param_group(ParameterGroup group) {
    Options chosen = group.options.value_or(defaults_);
    chosen.check();
    add_parameters(std::move(group.parameters));
    options_.push_back(std::move(chosen));
  }
  double& lr(std::size_t group = 0) override { return options(group).lr; }
  double* momentum(std::size_t group = 0) override {
    if constexpr (requires(Options chosen) { chosen.momentum; }) return &options(group).momentum;
    else if constexpr (requires(Options chosen) { chosen.beta1; }) return &options(group).beta1;
    else return nullptr;
  }

 protected:
  OptimizerWith(Tensors parameters, Options defaults) : defaults_(std::move(defaults)) {
    add_param_group({std::move(parameters)});
  }
  OptimizerWith(std::vector<ParameterGroup> groups, Options defaults) : defaults_(std::move(defaults)) {
    for (ParameterGroup& group : groups) add_param_group(std::move(group));
  }
  void visit_options(std::size_t group, Fields& fields) override { options(group).visit(fields); }

 private:
  Options defaults_;
  std::vector<Options> options_;
};

}  // namespace taper::optim
