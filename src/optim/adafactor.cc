// Adafactor.
#include "taper/optim/adafactor.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "optim/rule.h"

namespace taper::optim {

void AdafactorOptions::check() const {
  check_not_negative(
      "Adafactor", {{"lr", lr}, {"eps1", eps1.value_or(0)}, {"eps2", eps2}, {"weight_decay", weight_decay}});
  taper::check<ValueError>(beta2_decay <= 0, "Adafactor: beta2_decay is ", beta2_decay,
                           "; it must be at most 0");
  taper::check<ValueError>(d >= 1, "Adafactor: the clipping threshold d is ", d, "; it must be at least 1");
}

void AdafactorOptions::visit(Fields& fields) {
  fields("lr", lr);
  fields("beta2_decay", beta2_decay);
  if (const State* eps = fields.find("eps")) {
    eps1 = eps->at(0).is_none() ? std::nullopt : std::optional(number(eps->at(0)));
    eps2 = number(eps->at(1));
  } else if (!fields.is_reading()) {
    fields.write("eps", State::tuple({eps1 ? State(*eps1) : State(), eps2}));
  }
  fields("d", d);
  fields("weight_decay", weight_decay);
  fields("maximize", maximize);
  fields.unused({"foreach"});
}

namespace {

double precision(DType dtype) {
  if (dtype == float64) return std::numeric_limits<double>::epsilon();
  if (dtype == float16) return std::ldexp(1.0, -10);
  return dtype == bfloat16 ? std::ldexp(1.0, -7) : double(std::numeric_limits<float>::epsilon());
}

// The running mean of squares, for matrices as the product of those of rows and columns.
Tensor variance(const Tensor& gradient, Tensors& memory, double part, double eps) {
  const Tensor squares = gradient * gradient;
  if (gradient.ndim() <= 1) {
    if (!memory[2].defined()) memory[2] = zeros_like(gradient);
    average(memory[2], squares, part);
    return clone(memory[2]);
  }
  const Tensor rows = mean(squares, Shape{-1}, true), columns = mean(squares, Shape{-2}, true);
  if (!memory[0].defined()) memory[0] = zeros_like(rows), memory[1] = zeros_like(columns);
  average(memory[0], rows, part);
  average(memory[1], columns, part);
  return matmul(memory[0], memory[1]) / clamp(mean(memory[0], Shape{-2}, true), Scalar(eps));
}

}  // namespace

void Adafactor::update(std::size_t group) {
  const AdafactorOptions& o = options(group);
  for (const Tensor& parameter : parameters(group))
    check<DTypeError>(!parameter.is_complex(), "Adafactor: does not support complex parameters");
  update_each(group, o.maximize, 0, [&](const Tensor& parameter, const Tensor& gradient, Memory& memory) {
    const double step = double(memory.step), eps1 = o.eps1.value_or(precision(parameter.dtype()));
    const double root = std::sqrt(double(parameter.numel()));
    const double rate =
        std::max(o.eps2, norm(parameter).item<double>() / root) * std::min(o.lr, 1 / std::sqrt(step));
    if (o.weight_decay != 0) mul_(parameter, 1 - o.lr * o.weight_decay);
    const Tensor moments = variance(gradient, memory.tensors, std::pow(step, o.beta2_decay), eps1);
    const Tensor update = rsqrt(clamp(moments, Scalar(eps1 * eps1))) * gradient;
    add_(parameter, update, -rate / std::max(1.0, norm(update).item<double>() / (root * o.d)));
  });
}

}  // namespace taper::optim
