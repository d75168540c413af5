// Keeping gradients right when memory is written in place, also through views.
#pragma once

#include <string_view>

#include "taper/tensor.h"

namespace taper {

/// Marks view as taken from source, so that writes through either reach the history of both.
void set_base(const Tensor& view, const Tensor& source);
/// Gives a view the history of its base after the base was written through another view.
void refresh_view_history(const Tensor& view);

/// Whether tensors some of whose elements share memory are written: where all elements become one value, or
/// where only the shape changes.
enum class SharedElements { refused, allowed };
/// Throws unless target may be written in place now: leaves that require a gradient (and views of them) may
/// not while the tape is on, nor tensors some of whose elements share memory.
void check_inplace(const Tensor& target, const char* op, SharedElements shared = SharedElements::refused);
/// What an in-place operation computes from: target with its present history, under a record of its own, so
/// that the new history of target does not refer to itself.
Tensor before_inplace(const Tensor& target);
/// Gives tensor a copy of its memory, under the same version: for an operand that was saved for backward and
/// whose memory is about to be overwritten.
void own_memory(const Tensor& tensor, std::string_view memory_format = "preserve");
/// Writes value into target's memory and makes value's history target's. value: of target's shape, or fewer
/// dimensions that broadcast to it. Throws DTypeError if its dtype cannot be cast to target's.
const Tensor& assign_inplace(const Tensor& target, const Tensor& value, const char* op);
/// target's memory was already written by op with a result whose history is value's (or none).
void adopt_history(const Tensor& target, const Tensor& value);

}  // namespace taper
