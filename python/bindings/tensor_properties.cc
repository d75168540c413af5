// Attributes of tensors and the methods that are not operations.
#include "interpreter.h"
#include "python.h"
#include "taper/autograd.h"
#include "taper/error.h"
#include "taper/ops.h"
#include "tensor/layout.h"

namespace taper::python {

PyObject* wrap_node(Node* node);
PyObject* tensor_backward(PyObject* self, PyObject* arguments, PyObject* keywords);
PyObject* tensor_register_hook(PyObject* self, PyObject* hook);
PyObject* tensor_register_post_accumulate_grad_hook(PyObject* self, PyObject* hook);

namespace {

using Getter = PyObject* (*)(PyObject*, void*);

template <auto body>
PyObject* get(PyObject* self, void*) {
  return guarded([&]() -> PyObject* { return body(tensor_of(self)); });
}

int set_grad(PyObject* self, PyObject* value, void*) {
  return guarded([&] {
    if (value && value != Py_None && !is_tensor(value)) throw py::type_error("grad: expected Tensor or None");
    tensor_of(self).set_grad(value && value != Py_None ? tensor_of(value) : Tensor());
    return 0;
  });
}

int set_requires_grad(PyObject* self, PyObject* value, void*) {
  return guarded([&] {
    if (!value) throw py::type_error("requires_grad cannot be deleted");
    tensor_of(self).requires_grad_(truth_of(value));
    return 0;
  });
}

// x.data = y: x shows y's memory, under its own identity.
int set_data(PyObject* self, PyObject* value, void*) {
  return guarded([&] {
    if (!value || !is_tensor(value)) throw py::type_error("data: expected Tensor");
    set_memory(tensor_of(self), tensor_of(value));
    return 0;
  });
}

PyObject* shape_of(const Tensor& x) { return wrap_size(x.sizes()); }
PyObject* transposed(const Tensor& x) {
  Shape dims;
  for (int i = x.ndim() - 1; i >= 0; --i) dims.push_back(i);
  return wrap(permute(x, dims));
}
PyObject* matrix_transposed(const Tensor& x) {
  check<ShapeError>(x.ndim() >= 2, "mT: needs at least 2 dimensions, got shape ", x.sizes());
  return wrap(transpose(x, -2, -1));
}

PyObject* storage_pointer(PyObject* self, PyObject*) { return PyLong_FromVoidPtr(tensor_of(self).data()); }
PyObject* item(PyObject* self, PyObject*) {
  return guarded([&] {
    const Scalar value = tensor_of(self).item();
    if (tensor_of(self).dtype() != uint64) return wrap_scalar(value);
    return PyLong_FromUnsignedLongLong(std::uint64_t(value.to<std::int64_t>()));
  });
}
PyObject* integer_or(const Shape& values, PyObject* arguments, const char* op) {
  std::int64_t dim = 0;
  if (PyTuple_GET_SIZE(arguments) == 0 || PyTuple_GET_ITEM(arguments, 0) == Py_None) return wrap_size(values);
  if (!integer_of(PyTuple_GET_ITEM(arguments, 0), dim))
    throw py::type_error(concat(op, "(): argument 'dim' must be int"));
  return PyLong_FromLongLong(values[wrap_dim(dim, values.size(), op)]);
}
PyObject* with_dim(PyObject* arguments, PyObject* keywords, const Shape& values, const char* op) {
  PyObject* dim = keywords ? PyDict_GetItemString(keywords, "dim") : nullptr;
  if (!dim) return integer_or(values, arguments, op);
  const py::tuple single = py::make_tuple(py::handle(dim));
  return integer_or(values, single.ptr(), op);
}
PyObject* size(PyObject* self, PyObject* arguments, PyObject* keywords) {
  return guarded([&] { return with_dim(arguments, keywords, tensor_of(self).sizes(), "size"); });
}
PyObject* stride(PyObject* self, PyObject* arguments, PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    PyObject* result = with_dim(arguments, keywords, tensor_of(self).strides(), "stride");
    if (!result || !PyTuple_Check(result)) return result;
    PyObject* plain = PySequence_Tuple(py::reinterpret_steal<py::object>(PySequence_List(result)).ptr());
    Py_DECREF(result);
    return plain;
  });
}
PyObject* dim(PyObject* self, PyObject*) { return PyLong_FromLong(tensor_of(self).ndim()); }
PyObject* element_count(PyObject* self, PyObject*) { return PyLong_FromLongLong(tensor_of(self).numel()); }
PyObject* element_size(PyObject* self, PyObject*) { return PyLong_FromLongLong(tensor_of(self).item_size()); }
PyObject* storage_offset(PyObject* self, PyObject*) {
  return PyLong_FromLongLong(tensor_of(self).storage_offset());
}
PyObject* is_contiguous(PyObject* self, PyObject* arguments, PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    const char* format = "contiguous";
    static const char* names[] = {"memory_format", nullptr};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|s", const_cast<char**>(names), &format))
      return nullptr;
    const bool channels_last = std::string_view(format).starts_with("channels_last");
    return PyBool_FromLong(channels_last ? is_channels_last(tensor_of(self))
                                         : tensor_of(self).is_contiguous());
  });
}
PyObject* is_floating(PyObject* self, PyObject*) {
  return PyBool_FromLong(tensor_of(self).is_floating_point());
}
PyObject* is_complex_method(PyObject* self, PyObject*) {
  return PyBool_FromLong(tensor_of(self).is_complex());
}
PyObject* is_signed_method(PyObject* self, PyObject*) {
  return PyBool_FromLong(is_signed(tensor_of(self).dtype()));
}
PyObject* requires_grad_(PyObject* self, PyObject* arguments, PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    int value = 1;
    static const char* names[] = {"requires_grad", nullptr};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|p", const_cast<char**>(names), &value))
      return nullptr;
    tensor_of(self).requires_grad_(value != 0);
    Py_INCREF(self);
    return self;
  });
}
PyObject* detach(PyObject* self, PyObject*) {
  return guarded([&] { return wrap(tensor_of(self).detach()); });
}
PyObject* detach_(PyObject* self, PyObject*) {
  return guarded([&] {
    tensor_of(self).detach_();
    Py_INCREF(self);
    return self;
  });
}
PyObject* retain_grad(PyObject* self, PyObject*) {
  return guarded([&]() -> PyObject* {
    tensor_of(self).retain_grad();
    Py_RETURN_NONE;
  });
}

PyCFunction with_keywords(PyObject* (*function)(PyObject*, PyObject*, PyObject*)) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

}  // namespace

PyGetSetDef tensor_properties[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, "Attributes that programs set.", nullptr},
    {"shape", get<shape_of>, nullptr, "Sizes of the dimensions.", nullptr},
    {"dtype", get<[](const Tensor& x) { return wrap_dtype(x.dtype()); }>, nullptr, "Type of the elements.",
     nullptr},
    {"device", get<[](const Tensor& x) { return py::cast(x.device()).release().ptr(); }>, nullptr,
     "Where the memory lies.", nullptr},
    {"ndim", get<[](const Tensor& x) { return PyLong_FromLong(x.ndim()); }>, nullptr, "Number of dimensions.",
     nullptr},
    {"itemsize", get<[](const Tensor& x) { return PyLong_FromLongLong(x.item_size()); }>, nullptr,
     "Bytes of one element.", nullptr},
    {"nbytes", get<[](const Tensor& x) { return PyLong_FromLongLong(x.numel() * x.item_size()); }>, nullptr,
     "Bytes of all elements.", nullptr},
    {"requires_grad", get<[](const Tensor& x) { return PyBool_FromLong(x.requires_grad()); }>,
     set_requires_grad, "Whether gradients are computed for it.", nullptr},
    {"is_leaf", get<[](const Tensor& x) { return PyBool_FromLong(x.is_leaf()); }>, nullptr,
     "Whether the user made it.", nullptr},
    {"grad", get<[](const Tensor& x) { return wrap(x.grad()); }>, set_grad,
     "The accumulated gradient, or None.", nullptr},
    {"grad_fn", get<[](const Tensor& x) { return wrap_node(x.grad_fn()); }>, nullptr,
     "The operation that made it, or None.", nullptr},
    {"output_nr", get<[](const Tensor& x) { return PyLong_FromLong(long(x.record()->output_index)); }>,
     nullptr, "Which result of grad_fn it is.", nullptr},
    {"data", get<[](const Tensor& x) { return wrap(x.detach()); }>, set_data,
     "The same memory, outside of the graph.", nullptr},
    {"_version", get<[](const Tensor& x) { return PyLong_FromLong(long(x.version())); }>, nullptr,
     "How often the memory was written in place.", nullptr},
    {"_base", get<[](const Tensor& x) { return wrap(Tensor::share(x.record()->base)); }>, nullptr,
     "The tensor this is a view of, or None.", nullptr},
    {"T", get<transposed>, nullptr, "Dimensions in reverse order.", nullptr},
    {"mT", get<matrix_transposed>, nullptr, "The last two dimensions exchanged.", nullptr},
    {"H", get<[](const Tensor& x) {
       check<ShapeError>(x.ndim() == 2 || x.ndim() == 0, "H: needs a matrix, got shape ", x.sizes(),
                         "; for batches of matrices use mH");
       return wrap(x.ndim() ? conj(transpose(x, 0, 1)) : conj(x));
     }>,
     nullptr, "Conjugate transpose of a matrix.", nullptr},
    {"mH", get<[](const Tensor& x) { return wrap(conj(transpose(x, -2, -1))); }>, nullptr,
     "Conjugate transpose of matrices.", nullptr},
    {"is_cuda", get<[](const Tensor& x) { return PyBool_FromLong(x.device().type == Device::Type::cuda); }>,
     nullptr, "Whether it lies on a GPU.", nullptr},
    {"is_cpu", get<[](const Tensor& x) { return PyBool_FromLong(x.device().is_cpu()); }>, nullptr,
     "Whether it lies in main memory.", nullptr},
    {"retains_grad", get<[](const Tensor& x) { return PyBool_FromLong(!x.is_leaf() && x.record()->slots); }>,
     nullptr, "Whether .grad is kept for this result.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyMethodDef tensor_methods[] = {
    {"data_ptr", storage_pointer, METH_NOARGS, "Address of the first element."},
    {"item", item, METH_NOARGS, "The value of a tensor of one element as a Python number."},
    {"size", with_keywords(size), METH_VARARGS | METH_KEYWORDS, "size(dim=None): all sizes, or one."},
    {"stride", with_keywords(stride), METH_VARARGS | METH_KEYWORDS,
     "stride(dim=None): all strides in elements, or one."},
    {"dim", dim, METH_NOARGS, "Number of dimensions."},
    {"ndimension", dim, METH_NOARGS, "Number of dimensions."},
    {"numel", element_count, METH_NOARGS, "Number of elements."},
    {"nelement", element_count, METH_NOARGS, "Number of elements."},
    {"element_size", element_size, METH_NOARGS, "Bytes of one element."},
    {"storage_offset", storage_offset, METH_NOARGS,
     "First element, in elements from the start of the storage."},
    {"is_contiguous", with_keywords(is_contiguous), METH_VARARGS | METH_KEYWORDS,
     "Whether it is dense and row-major (or channels-last)."},
    {"is_floating_point", is_floating, METH_NOARGS, "Whether the elements are real floats."},
    {"is_complex", is_complex_method, METH_NOARGS, "Whether the elements are complex."},
    {"is_signed", is_signed_method, METH_NOARGS, "Whether negative values exist."},
    {"requires_grad_", with_keywords(requires_grad_), METH_VARARGS | METH_KEYWORDS,
     "requires_grad_(requires_grad=True): marks a leaf; returns it."},
    {"detach", detach, METH_NOARGS, "The same memory, outside of the graph."},
    {"detach_", detach_, METH_NOARGS, "Takes the tensor out of the graph that made it."},
    {"retain_grad", retain_grad, METH_NOARGS, "Keeps .grad of a result, too."},
    {"backward", with_keywords(tensor_backward), METH_VARARGS | METH_KEYWORDS,
     "backward(gradient=None, retain_graph=None, create_graph=False, inputs=None): adds gradients to the "
     ".grad of leaves."},
    {"register_hook", tensor_register_hook, METH_O,
     "Calls hook(grad) whenever the gradient of this tensor is computed."},
    {"register_post_accumulate_grad_hook", tensor_register_post_accumulate_grad_hook, METH_O,
     "Calls hook(tensor) after .grad was accumulated."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace taper::python
