// The common form of in-place operations.
#pragma once

#include <utility>

#include "autograd/history.h"
#include "autograd/record.h"
#include "ops/elementwise.h"
#include "taper/error.h"

namespace taper {

/// target = function(target, arguments...), written into target's memory, with its history.
template <class F, class... Arguments>
const Tensor& inplace(const char* op, const Tensor& target, F&& function, const Arguments&... arguments) {
  check_inplace(target, op);
  return assign_inplace(target, function(before_inplace(target), arguments...), op);
}

/// Whether an in-place call may write directly, since nothing is recorded.
template <class... Operands>
bool unrecorded(const Operands&... operands) {
  return !thread_modes.grad_enabled || !(wants_grad(operands) || ...);
}

/// A result of dtype `from` may be stored in a tensor of dtype `to`: never to a lower kind.
void check_result_fits(DType from, DType to, const char* op);

}  // namespace taper
