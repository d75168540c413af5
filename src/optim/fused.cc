// Tensors as the kernels of the optimizers take them.
#include "optim/fused.h"

#include <utility>

#include "ops/elementwise.h"
#include "taper/error.h"
#include "taper/ops/copy.h"
#include "tensor/kernel_for.h"

namespace taper::optim {

namespace {

// Contiguous tensors, and complex numbers as pairs of real ones.
class Operands {
 public:
  Operands(const std::vector<FusedParameter>& parameters, const char* op) {
    for (std::size_t i = 0; i < parameters.size(); ++i) add(parameters[i], op, i);
  }

  const std::vector<cpu::Parameter>& entries() const { return entries_; }

  /// Takes the results back into tensors that aren't contiguous.
  void write_back() const {
    for (const auto& [to, from] : copies_) copy_elements(from, to);
  }

 private:
  void add(const FusedParameter& parameter, const char* op, std::size_t i) {
    const auto& [value, gradient, state, step] = parameter;
    check<ShapeError>(gradient.sizes() == value.sizes(), op, ": the gradient of parameter ", i, " has shape ",
                      gradient.sizes(), ", expected ", value.sizes());
    check<DTypeError>(gradient.dtype() == value.dtype() && is_differentiable(value.dtype()), op,
                      ": parameter ", i, " of dtype ", value.dtype(), " has a gradient of dtype ",
                      gradient.dtype());
    check<DeviceError>(gradient.device() == value.device(), op, ": parameter ", i, " is on ", value.device(),
                       " but its gradient is on ", gradient.device());
    const bool complex = is_complex(value.dtype());
    cpu::Parameter entry{complex ? real_dtype(value.dtype()) : value.dtype(),
                         value.numel() * (complex ? 2 : 1),
                         written(value),
                         read(gradient),
                         {},
                         step};
    for (std::size_t k = 0; k < 3; ++k) {
      if (!state[k].defined()) continue;
      check<ValueError>(state[k].sizes() == value.sizes() && state[k].dtype() == value.dtype(), op,
                        ": state ", k, " of parameter ", i, " does not fit: shape ", state[k].sizes(),
                        " dtype ", state[k].dtype());
      check<DeviceError>(state[k].device() == value.device(), op, ": parameter ", i, " is on ",
                         value.device(), " but its state ", k, " is on ", state[k].device());
      entry.state[k] = written(state[k]);
    }
    entries_.push_back(entry);
  }

  const void* read(const Tensor& tensor) {
    if (tensor.is_contiguous()) return tensor.data();
    kept_.push_back(contiguous(tensor.detach()));
    return kept_.back().data();
  }

  void* written(const Tensor& tensor) {
    if (tensor.is_contiguous()) return tensor.data();
    copies_.emplace_back(tensor, contiguous(tensor.detach()));
    return copies_.back().second.data();
  }

  std::vector<cpu::Parameter> entries_;
  Tensors kept_;
  std::vector<std::pair<Tensor, Tensor>> copies_;
};

}  // namespace

template <class Rule>
void fused_step(const Rule& rule, const std::vector<FusedParameter>& parameters, const char* op) {
  // One launch for the parameters of each device.
  constexpr void (*kernel)(const Rule&, const std::vector<cpu::Parameter>&) = cpu::step;
  const Operands operands(parameters, op);
  std::vector<bool> done(parameters.size());
  for (std::size_t first = 0; first < parameters.size(); ++first) {
    if (done[first]) continue;
    const Tensor& owner = parameters[first].value;
    std::vector<cpu::Parameter> here;
    for (std::size_t i = first; i < parameters.size(); ++i) {
      if (parameters[i].value.device() != owner.device()) continue;
      here.push_back(operands.entries()[i]);
      done[i] = true;
    }
    kernel_for<kernel>(op, owner)(rule, here);
  }
  operands.write_back();
  for (const FusedParameter& parameter : parameters) parameter.value.storage().wrote(op);
}

template void fused_step(const cpu::Sgd&, const std::vector<FusedParameter>&, const char*);
template void fused_step(const cpu::Adam&, const std::vector<FusedParameter>&, const char*);
template void fused_step(const cpu::RmsProp&, const std::vector<FusedParameter>&, const char*);
template void fused_step(const cpu::Adagrad&, const std::vector<FusedParameter>&, const char*);

}  // namespace taper::optim
