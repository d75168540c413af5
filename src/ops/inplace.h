// The common form of in-place operations.
#pragma once

#include <utility>

#include "autograd/history.h"
#include "autograd/record.h"
#include "ops/elementwise.h"
#include "taper/error.h"

namespace taper {

/// target = function(target), written into target's memory, with its history. What function saves of target
/// for backward stays as it was.
template <class F>
const Tensor& overwrite(const char* op, const Tensor& target, F&& function) {
  const Tensor before = before_inplace(target);
  const auto holders = target.storage().references.load(std::memory_order_relaxed);
  Tensor value = function(before);
  if (thread_modes.grad_enabled && value.requires_grad() && !value.is(before)) {
    if (before.record()->references.load(std::memory_order_relaxed) > 1) {
      own_memory(before);
    } else if (&value.storage() != &target.storage() &&
               target.storage().references.load(std::memory_order_relaxed) > holders) {
      // A view of target was saved.
      own_memory(before);
      value = function(before);
    }
  }
  return assign_inplace(target, value, op);
}

template <class F>
const Tensor& inplace(const char* op, const Tensor& target, F&& function) {
  check_inplace(target, op);
  return overwrite(op, target, std::forward<F>(function));
}

/// Whether an in-place call may write directly, since nothing is recorded.
template <class... Operands>
bool unrecorded(const Operands&... operands) {
  return !thread_modes.grad_enabled || !(wants_grad(operands) || ...);
}

/// A result of dtype `from` may be stored in a tensor of dtype `to`: never to a lower kind.
void check_result_fits(DType from, DType to, const char* op);
/// Throws ValueError for a number that tensors of dtype cannot hold: beyond a small integer type, where
/// unsigned ones also take negatives, which wrap around, or complex for a real one.
void check_holds(DType dtype, const Scalar& value, const char* op);

}  // namespace taper
