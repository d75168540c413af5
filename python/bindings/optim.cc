// One fused step of an optimizer over a list of parameters.
#include <pybind11/stl.h>

#include "cpu/optimizer.h"
#include "ops/elementwise.h"
#include "python.h"
#include "taper/error.h"
#include "taper/ops/copy.h"

namespace taper::python {

namespace {

// The tensors of one step as the kernels take them: contiguous, and complex numbers as pairs of real ones.
class Operands {
 public:
  // Everything is checked before anything is written.
  Operands(const py::list& params, const py::list& gradients, const std::vector<py::list>& states,
           const std::vector<std::int64_t>& steps, const char* op) {
    for (std::size_t i = 0; i < params.size(); ++i) {
      const Tensor& parameter = tensor_of(params[i].ptr());
      const Tensor& gradient = tensor_of(gradients[i].ptr());
      check<ShapeError>(gradient.sizes() == parameter.sizes(), op, ": the gradient of parameter ", i,
                        " has shape ", gradient.sizes(), ", expected ", parameter.sizes());
      check<DTypeError>(gradient.dtype() == parameter.dtype() && is_differentiable(parameter.dtype()), op,
                        ": parameter ", i, " of dtype ", parameter.dtype(), " has a gradient of dtype ",
                        gradient.dtype());
      const bool complex = is_complex(parameter.dtype());
      cpu::Parameter entry{complex ? real_dtype(parameter.dtype()) : parameter.dtype(),
                           parameter.numel() * (complex ? 2 : 1),
                           written(parameter),
                           read(gradient),
                           {},
                           steps[i]};
      for (std::size_t k = 0; k < states.size(); ++k)
        if (!states[k][i].is_none()) entry.state[k] = state(states[k][i], parameter, op, k, i);
      parameters_.push_back(entry);
    }
  }

  const std::vector<cpu::Parameter>& parameters() const { return parameters_; }

  /// Takes the results back into tensors that aren't contiguous.
  void write_back() const {
    for (const auto& [to, from] : copies_) copy_elements(from, to);
  }

 private:
  void* state(const py::handle& object, const Tensor& parameter, const char* op, std::size_t k,
              std::size_t i) {
    const Tensor& tensor = tensor_of(object.ptr());
    check<ValueError>(tensor.sizes() == parameter.sizes() && tensor.dtype() == parameter.dtype(), op,
                      ": state ", k, " of parameter ", i, " does not fit: shape ", tensor.sizes(), " dtype ",
                      tensor.dtype());
    return written(tensor);
  }

  const void* read(const Tensor& tensor) {
    kept_.push_back(tensor.is_contiguous() ? tensor : contiguous(tensor));
    return kept_.back().data();
  }

  void* written(const Tensor& tensor) {
    if (tensor.is_contiguous()) return tensor.data();
    copies_.emplace_back(tensor, contiguous(tensor));
    return copies_.back().second.data();
  }

  std::vector<cpu::Parameter> parameters_;
  Tensors kept_;
  std::vector<std::pair<Tensor, Tensor>> copies_;
};

template <class Options>
void run(const Options& options, const py::list& params, const py::list& gradients,
         const std::vector<py::list>& states, const std::vector<std::int64_t>& steps, const char* op) {
  const Operands operands(params, gradients, states, steps, op);
  {
    const py::gil_scoped_release without_gil;
    cpu::step(options, operands.parameters());
    operands.write_back();
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
