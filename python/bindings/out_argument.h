// out=: where results are written instead of into new tensors.
#pragma once

#include <string>

#include "python.h"

namespace taper::python {

/// The tensors among a call's arguments.
Tensors operands_among(const Value* values, std::size_t count);

/// A function that makes its tensor from no other, as zeros does, makes it of out's dtype. Throws DTypeError
/// where its dtype argument names another.
void take_dtype(PyObject* out, const Signature& signature, Value* values);

/// Writes result, a tensor or several, into out, a tensor or a tuple of as many. A tensor of another size is
/// resized. Throws TypeError where out is neither; DTypeError where a result does not fit into its dtype;
/// ValueError where a tensor of out overlaps itself, another of out, or one of operands without being the
/// very same window; AutogradError where a gradient would be lost.
void write_out(PyObject* out, const Value& result, const Tensors& operands, const std::string& name);

}  // namespace taper::python
