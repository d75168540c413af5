// out=: where results are written instead of into new tensors.
#include "out_argument.h"

#include <algorithm>

#include "taper/autograd.h"
#include "taper/error.h"
#include "taper/ops.h"
#include "tensor/layout.h"

namespace taper::python {

namespace {

// Operations whose out= must have the result's dtype; the others convert.
constexpr std::string_view of_one_dtype[] = {
    "addbmm",  "addmm",  "addmv",    "amax", "amin",        "aminmax", "baddbmm", "bmm",
    "complex", "cummax", "cummin",   "diag", "diff",        "dot",     "frac",    "frexp",
    "gather",  "isin",   "kthvalue", "mm",   "multinomial", "mv",      "vdot"};

void check_dtype(DType result, DType target, const std::string& name) {
  check<DTypeError>(kind(result) <= kind(target), name, ": result type ", result,
                    " can't be cast to the desired output type ", target);
  check<DTypeError>(result == target || !std::ranges::binary_search(of_one_dtype, name), name,
                    ": expected out tensor to have dtype ", result, ", but got ", target, " instead");
}

void write(PyObject* out, const Tensor& result, const Tensors& operands, const std::string& name) {
  if (!is_tensor(out))
    throw py::type_error(concat(name, "(): argument 'out' must be Tensor, not ", Py_TYPE(out)->tp_name));
  const Tensor& target = tensor_of(out);
  check<AutogradError>(!is_grad_enabled() || (!target.requires_grad() && !result.requires_grad()), name,
                       ": functions with out=... arguments don't support automatic differentiation, but one "
                       "of the arguments requires grad");
  check_dtype(result.dtype(), target.dtype(), name);
  check_writable(target, name.c_str());
  const bool fits = target.sizes() == result.sizes();
  for (const Tensor& operand : operands) {
    check_no_partial_overlap(target, operand, name.c_str());
    check<ValueError>(fits || !memory_overlaps(target, operand), name, ": out of shape ", target.sizes(),
                      " shares memory with an operand and would be resized to ", result.sizes(),
                      "; clone() the operand first");
  }
  if (!fits) resize_(target, result.sizes());
  copy_(target, result);
}

void check_apart(PyObject* const* outs, Py_ssize_t count, const std::string& name) {
  for (Py_ssize_t i = 0; i < count; ++i)
    for (Py_ssize_t k = 0; k < i; ++k)
      check<ValueError>(!is_tensor(outs[i]) || !is_tensor(outs[k]) ||
                            !memory_overlaps(tensor_of(outs[i]), tensor_of(outs[k])),
                        name, ": the tensors of out= must not share memory");
}

}  // namespace

Tensors operands_among(const Value* values, std::size_t count) {
  Tensors operands;
  for (std::size_t i = 0; i < count; ++i) {
    if (const Tensor* tensor = std::get_if<Tensor>(&values[i]); tensor && tensor->defined())
      operands.push_back(*tensor);
    if (const Tensors* list = std::get_if<Tensors>(&values[i]))
      operands.insert(operands.end(), list->begin(), list->end());
  }
  return operands;
}

void take_dtype(PyObject* out, const Signature& signature, Value* values) {
  if (!is_tensor(out)) return;
  Value* dtype = nullptr;
  for (std::size_t i = 0; i < signature.parameters.size(); ++i) {
    const Type type = signature.parameters[i].type;
    if (type == Type::dtype) dtype = &values[i];
    else if (type == Type::tensor || type == Type::operand || type == Type::tensors) return;
  }
  if (!dtype) return;
  const DType wanted = tensor_of(out).dtype();
  const DType* given = std::get_if<DType>(dtype);
  check<DTypeError>(!given || *given == wanted, signature.name, ": dtype ", given ? *given : wanted,
                    " does not match that of out, ", wanted);
  *dtype = wanted;
}

void write_out(PyObject* out, const Value& result, const Tensors& operands, const std::string& name) {
  if (const Tensor* tensor = std::get_if<Tensor>(&result)) return write(out, *tensor, operands, name);
  const Tensors* results = std::get_if<Tensors>(&result);
  if (!results) return;
  const bool sequence = PyTuple_Check(out) || PyList_Check(out);
  if (!sequence || PySequence_Fast_GET_SIZE(out) != Py_ssize_t(results->size()))
    throw py::type_error(concat(name, "(): argument 'out' must be a tuple of ", results->size(), " Tensors"));
  check_apart(PySequence_Fast_ITEMS(out), PySequence_Fast_GET_SIZE(out), name);
  for (std::size_t i = 0; i < results->size(); ++i)
    write(PySequence_Fast_GET_ITEM(out, Py_ssize_t(i)), (*results)[i], operands, name);
}

}  // namespace taper::python
