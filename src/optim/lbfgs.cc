// L-BFGS.
#include "taper/optim/lbfgs.h"

#include <algorithm>
#include <cmath>

#include "optim/rule.h"
#include "optim/wolfe.h"
#include "taper/autograd.h"

namespace taper::optim {

void LBFGSOptions::check() const {
  check_not_negative("LBFGS", {{"lr", lr}});
  taper::check<ValueError>(line_search_fn.empty() || line_search_fn == "strong_wolfe",
                           "LBFGS: line_search_fn is '", line_search_fn, "', expected 'strong_wolfe' or ''");
}

void LBFGSOptions::visit(Fields& fields) {
  std::int64_t evaluations = max_eval.value_or(max_iter * 5 / 4);
  fields("lr", lr);
  fields("max_iter", max_iter);
  fields("max_eval", evaluations);
  max_eval = evaluations;
  fields("tolerance_grad", tolerance_grad);
  fields("tolerance_change", tolerance_change);
  fields("history_size", history_size);
  fields("line_search_fn", line_search_fn);
  fields("maximize", maximize);
}

namespace {

// Changes of the gradient and the steps that made them, the oldest first.
struct History {
  std::int64_t iterations = 0, evaluations = 0;
  Tensors changes, steps;
  std::vector<double> ro;
  double diagonal = 1, length = 0, loss = 0;
  Tensor direction, gradient;
};

State tensor_list(const Tensors& tensors) { return State::list(State::List(tensors.begin(), tensors.end())); }

Tensors tensors_in(const State& list) {
  Tensors tensors;
  for (const State& item : list.as_list()) tensors.push_back(item.as_tensor());
  return tensors;
}

State write(const History& history) {
  State state = State::dict();
  state["func_evals"] = history.evaluations;
  state["n_iter"] = history.iterations;
  if (!history.direction.defined()) return state;
  state["old_dirs"] = tensor_list(history.changes);
  state["old_stps"] = tensor_list(history.steps);
  std::vector<double> ro = history.ro;
  Fields::writing(state)("ro", ro);
  state["H_diag"] = history.diagonal;
  state["d"] = history.direction;
  state["t"] = history.length;
  state["prev_flat_grad"] = history.gradient;
  state["prev_loss"] = history.loss;
  return state;
}

History read(const State& state) {
  History history;
  if (!state.is_dict()) return history;
  auto fields = Fields::reading(state);
  fields("func_evals", history.evaluations);
  fields("n_iter", history.iterations);
  if (!state.contains("d")) return history;
  history.changes = tensors_in(state.at("old_dirs"));
  history.steps = tensors_in(state.at("old_stps"));
  fields("ro", history.ro);
  fields("H_diag", history.diagonal);
  history.direction = state.at("d").as_tensor();
  fields("t", history.length);
  history.gradient = state.at("prev_flat_grad").as_tensor();
  fields("prev_loss", history.loss);
  check<ValueError>(
      history.changes.size() == history.steps.size() && history.steps.size() == history.ro.size(),
      "LBFGS: the state has ", history.changes.size(), " changes, ", history.steps.size(), " steps and ",
      history.ro.size(), " factors");
  return history;
}

// Adds the last step and change of gradient, if the curvature along it is positive.
void remember(History& history, const Tensor& gradient, std::int64_t size) {
  const Tensor change = gradient - history.gradient, step = history.direction * history.length;
  const double curvature = dot(change, step).item<double>();
  if (!(curvature > 1e-10)) return;
  if (std::int64_t(history.changes.size()) == size) {
    history.changes.erase(history.changes.begin());
    history.steps.erase(history.steps.begin());
    history.ro.erase(history.ro.begin());
  }
  history.changes.push_back(change);
  history.steps.push_back(step);
  history.ro.push_back(1.0 / curvature);
  history.diagonal = curvature / dot(change, change).item<double>();
}

// Minus the inverse Hessian times the gradient: the two-loop recursion of Nocedal & Wright 2006, 7.4.
Tensor next_direction(History& history, const Tensor& gradient, std::int64_t size) {
  if (history.iterations == 1) {
    history.changes.clear(), history.steps.clear(), history.ro.clear();
    history.diagonal = 1;
    return neg(gradient);
  }
  remember(history, gradient, size);
  const std::size_t count = history.changes.size();
  Tensor direction = neg(gradient);
  std::vector<double> factors(count);
  for (std::size_t i = count; i-- > 0;) {
    factors[i] = dot(history.steps[i], direction).item<double>() * history.ro[i];
    add_(direction, history.changes[i], -factors[i]);
  }
  mul_(direction, history.diagonal);
  for (std::size_t i = 0; i < count; ++i)
    add_(direction, history.steps[i],
         factors[i] - dot(history.changes[i], direction).item<double>() * history.ro[i]);
  return direction;
}

double largest(const Tensor& x) { return max(abs(x)).item<double>(); }

// Parameters and closure of one step.
class Problem {
 public:
  Problem(const Tensors& parameters, const Optimizer::Closure& closure, const LBFGSOptions& options)
      : parameters_(parameters), closure_(closure), options_(options) {}

  double evaluate(Tensor* result = nullptr) const {
    Tensor loss;
    {
      const EnableGrad with_grad;
      loss = closure_();
    }
    if (result) *result = loss;
    const double value = loss.item<double>();
    return options_.maximize ? -value : value;
  }

  Tensor gradient() const {
    Tensors parts;
    for (const Tensor& parameter : parameters_) {
      const Tensor gradient = parameter.grad();
      const Tensor part = gradient.defined() ? gradient.detach() : zeros_like(parameter.detach());
      parts.push_back(reshape(as_real(part), {-1}));
    }
    const Tensor flat = cat(parts);
    return options_.maximize ? neg(flat) : flat;
  }

  void move(double length, const Tensor& direction) const {
    std::int64_t offset = 0;
    for (const Tensor& parameter : parameters_) {
      const Tensor part = as_real(parameter.detach());
      add_(part, view(narrow(direction, 0, offset, part.numel()), part.sizes()), length);
      offset += part.numel();
    }
  }

  /// The strong Wolfe point along direction; leaves the parameters there.
  std::pair<Point, std::int64_t> search(double length, const Tensor& direction, double loss,
                                        const Tensor& gradient, std::int64_t evaluations) const {
    Tensors start;
    for (const Tensor& parameter : parameters_) start.push_back(clone(parameter.detach()));
    const auto point_at = [&](double at, double loss_there, const Tensor& gradient_there) {
      return Point{at, loss_there, dot(gradient_there, direction).item<double>(), gradient_there};
    };
    const auto trial = [&](double at) {
      move(at, direction);
      const double loss_there = evaluate();
      Point point = point_at(at, loss_there, this->gradient());
      for (std::size_t i = 0; i < start.size(); ++i) copy_(parameters_[i].detach(), start[i]);
      return point;
    };
    auto found = strong_wolfe(trial, point_at(0, loss, gradient), length, direction, evaluations);
    move(found.first.length, direction);
    return found;
  }

  void iterate(History& history, double loss, Tensor gradient) const {
    const LBFGSOptions& o = options_;
    const std::int64_t most = o.max_eval.value_or(o.max_iter * 5 / 4);
    std::int64_t evaluations = 1;
    for (std::int64_t iteration = 1; iteration <= o.max_iter; ++iteration) {
      ++history.iterations;
      history.direction = next_direction(history, gradient, o.history_size);
      history.length = o.lr;
      if (history.iterations == 1) history.length *= std::min(1.0, 1.0 / sum(abs(gradient)).item<double>());
      history.gradient = clone(gradient);
      history.loss = loss;
      if (dot(gradient, history.direction).item<double>() > -o.tolerance_change) break;
      std::int64_t count = 0;
      if (!o.line_search_fn.empty()) {
        auto [point, used] = search(history.length, history.direction, loss, gradient, most - evaluations);
        loss = point.loss, gradient = point.gradient, history.length = point.length, count = used;
      } else {
        move(history.length, history.direction);
        if (iteration != o.max_iter) loss = evaluate(), count = 1, gradient = this->gradient();
      }
      evaluations += count;
      history.evaluations += count;
      const double change = o.tolerance_change;
      if (evaluations >= most || largest(gradient) <= o.tolerance_grad ||
          largest(history.direction * history.length) <= change || std::abs(loss - history.loss) < change)
        break;
    }
  }

 private:
  const Tensors& parameters_;
  const Optimizer::Closure& closure_;
  const LBFGSOptions& options_;
};

}  // namespace

Tensor LBFGS::step(const Closure& closure) {
  check<ValueError>(bool(closure), "LBFGS: step() needs a closure that computes loss and gradients");
  check<ValueError>(std::isfinite(lr()), "LBFGS: the learning rate is ", lr(), "; it must be finite");
  const NoGrad no_grad;
  const Problem problem(parameters(), closure, options());
  State& remembered = at(0).memories[0].more;
  History history = read(remembered);
  Tensor first;
  const double loss = problem.evaluate(&first);
  ++history.evaluations;
  const Tensor gradient = problem.gradient();
  if (largest(gradient) > options().tolerance_grad) problem.iterate(history, loss, gradient);
  remembered = write(history);
  return first;
}

State LBFGS::write_memory(std::size_t group, std::size_t parameter) const {
  const State& more = at(group).memories[parameter].more;
  return more.is_none() ? State::dict() : more;
}

Optimizer::Memory LBFGS::read_memory(const State& state, const Tensor& parameter) const {
  History history = read(state);
  const auto own = [&](Tensor& tensor) {
    if (tensor.defined()) tensor = to(tensor.detach(), real_dtype(parameter.dtype()), true);
  };
  for (Tensor& tensor : history.changes) own(tensor);
  for (Tensor& tensor : history.steps) own(tensor);
  own(history.direction);
  own(history.gradient);
  Memory memory;
  memory.more = write(history);
  return memory;
}

}  // namespace taper::optim
