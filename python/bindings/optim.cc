// One fused step of an optimizer over a list of parameters.
#include <pybind11/stl.h>

#include "cpu/optimizer.h"
#include "python.h"
#include "taper/error.h"
#include "tensor/layout.h"

namespace taper::python {

namespace {

// Parameters, gradients and state as the kernels take them; everything is checked before anything is written.
std::vector<cpu::Parameter> parameters_of(const py::list& params, const py::list& gradients,
                                          const std::vector<py::list>& states,
                                          const std::vector<std::int64_t>& steps, const char* op,
                                          Tensors& kept) {
  std::vector<cpu::Parameter> parameters;
  for (std::size_t i = 0; i < params.size(); ++i) {
    const Tensor& parameter = tensor_of(params[i].ptr());
    Tensor gradient = tensor_of(gradients[i].ptr());
    check<ShapeError>(gradient.sizes() == parameter.sizes(), op, ": the gradient of parameter ", i,
                      " has shape ", gradient.sizes(), ", expected ", parameter.sizes());
    check<DTypeError>(gradient.dtype() == parameter.dtype() && parameter.is_floating_point(), op,
                      ": parameter ", i, " of dtype ", parameter.dtype(), " has a gradient of dtype ",
                      gradient.dtype());
    check<ValueError>(parameter.is_contiguous(), op, ": parameter ", i, " of strides ", parameter.strides(),
                      " is not contiguous");
    if (!gradient.is_contiguous()) {
      gradient = py::cast<Tensor>(py::reinterpret_borrow<py::object>(gradients[i]).attr("contiguous")());
      kept.push_back(gradient);
    }
    cpu::Parameter entry{parameter.dtype(), parameter.numel(), parameter.data(), gradient.data(), {},
                         steps[i]};
    for (std::size_t k = 0; k < states.size(); ++k) {
      const Tensor& state = tensor_of(states[k][i].ptr());
      check<ValueError>(
          state.sizes() == parameter.sizes() && state.dtype() == parameter.dtype() && state.is_contiguous(),
          op, ": state ", k, " of parameter ", i, " does not fit: shape ", state.sizes(), " dtype ",
          state.dtype());
      entry.state[k] = state.data();
    }
    parameters.push_back(entry);
  }
  return parameters;
}

template <class Options>
void run(const Options& options, const py::list& params, const py::list& gradients,
         const std::vector<py::list>& states, const std::vector<std::int64_t>& steps, const char* op) {
  Tensors kept;
  const auto parameters = parameters_of(params, gradients, states, steps, op, kept);
  {
    const py::gil_scoped_release without_gil;
    cpu::step(options, parameters);
  }
  for (const py::handle parameter : params) tensor_of(parameter.ptr()).storage().wrote(op);
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
