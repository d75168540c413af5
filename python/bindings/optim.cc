// One fused step of an optimizer over a list of parameters.
#include <pybind11/stl.h>

#include "interpreter.h"
#include "optim/fused.h"
#include "python.h"

namespace taper::python {

namespace {

Tensor tensor_in(const py::list& list, std::size_t i, const char* op) {
  const py::object item = list[i];
  if (!is_tensor(item.ptr()))
    throw py::type_error(concat(op, ": expected a Tensor among parameters, gradients and states, got ",
                                Py_TYPE(item.ptr())->tp_name));
  return tensor_of(item.ptr());
}

template <class Rule>
void run(const Rule& rule, const py::list& params, const py::list& gradients,
         const std::vector<py::list>& states, const std::vector<std::int64_t>& steps, const char* op) {
  std::vector<optim::FusedParameter> list;
  for (std::size_t i = 0; i < params.size(); ++i) {
    optim::FusedParameter entry{tensor_in(params, i, op), tensor_in(gradients, i, op), {}, steps.at(i)};
    for (std::size_t k = 0; k < states.size(); ++k)
      if (!states[k][i].is_none()) entry.state[k] = tensor_in(states[k], i, op);
    list.push_back(std::move(entry));
  }
  const WithoutGil without_gil;
  optim::fused_step(rule, list, op);
}

}  // namespace

void bind_optim(py::module_& module) {
  using List = py::list;
  using States = std::vector<py::list>;
  using Steps = std::vector<std::int64_t>;
  module.def("_sgd_step", [](const List& params, const List& gradients, const States& states,
                             const Steps& steps, double lr, double momentum, double dampening,
                             double weight_decay, bool nesterov, bool maximize) {
    run(cpu::Sgd{lr, momentum, dampening, weight_decay, nesterov, maximize}, params, gradients, states, steps,
        "SGD");
  });
  module.def("_adam_step", [](const List& params, const List& gradients, const States& states,
                              const Steps& steps, double lr, double beta1, double beta2, double eps,
                              double weight_decay, bool amsgrad, bool maximize, bool decoupled) {
    run(cpu::Adam{lr, beta1, beta2, eps, weight_decay, amsgrad, maximize, decoupled}, params, gradients,
        states, steps, "Adam");
  });
  module.def("_rmsprop_step", [](const List& params, const List& gradients, const States& states,
                                 const Steps& steps, double lr, double alpha, double eps, double weight_decay,
                                 double momentum, bool centered, bool maximize) {
    run(cpu::RmsProp{lr, alpha, eps, weight_decay, momentum, centered, maximize}, params, gradients, states,
        steps, "RMSprop");
  });
  module.def("_adagrad_step", [](const List& params, const List& gradients, const States& states,
                                 const Steps& steps, double lr, double lr_decay, double weight_decay,
                                 double eps, bool maximize) {
    run(cpu::Adagrad{lr, lr_decay, weight_decay, eps, maximize}, params, gradients, states, steps, "Adagrad");
  });
}

}  // namespace taper::python
