// Rprop.
#include "taper/optim/rprop.h"

#include "optim/rule.h"

namespace taper::optim {

void RpropOptions::check() const {
  check_not_negative("Rprop", {{"lr", lr}});
  taper::check<ValueError>(eta_minus > 0 && eta_minus < 1 && eta_plus > 1, "Rprop: the etas are ", eta_minus,
                           " and ", eta_plus, "; they must be in (0, 1) and above 1");
}

void RpropOptions::visit(Fields& fields) {
  fields("lr", lr);
  fields.tuple("etas", {&eta_minus, &eta_plus});
  fields.tuple("step_sizes", {&step_size_min, &step_size_max});
  fields("maximize", maximize);
  fields.unused({"foreach", "differentiable", "capturable"});
}

void Rprop::update(std::size_t group) {
  const RpropOptions& o = options(group);
  update_each(group, o.maximize, 2, [&](const Tensor& parameter, const Tensor& gradient, Memory& memory) {
    const Tensor before = as_real(memory.tensors[0]), size = as_real(memory.tensors[1]);
    if (memory.step == 1) fill_(size, o.lr);
    const Tensor agreement = gradient * before;
    const Tensor grown = masked_fill(ones_like(size), gt(agreement, 0), o.eta_plus);
    mul_(size, masked_fill(grown, lt(agreement, 0), o.eta_minus));
    copy_(size, clamp(size, Scalar(o.step_size_min), Scalar(o.step_size_max)));
    // Where the sign changed this step does not move, and the next one has no sign to compare with.
    copy_(before, masked_fill(gradient, lt(agreement, 0), 0));
    copy_(parameter, addcmul(parameter, sign(before), size, -1));
  });
}

}  // namespace taper::optim
