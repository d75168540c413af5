// The Python type of tensors: creation, identity, freeing.
#include "device_generator.h"
#include "python.h"

#include <structmember.h>

#include "taper/error.h"
#include "taper/ops.h"

namespace taper::python {

PyTypeObject* tensor_type = nullptr;
PyTypeObject* parameter_type = nullptr;

PyObject* wrap_as(PyTypeObject* type, Tensor tensor) {
  PyObject* self = type->tp_alloc(type, 0);
  if (!self) return nullptr;
  auto* object = reinterpret_cast<TensorObject*>(self);
  new (&object->tensor) Tensor(std::move(tensor));
  object->tensor.record()->python = self;
  return self;
}

PyObject* wrap(const Tensor& tensor) {
  if (!tensor.defined()) Py_RETURN_NONE;
  if (auto* existing = static_cast<PyObject*>(tensor.record()->python)) {
    Py_INCREF(existing);
    return existing;
  }
  return wrap_as(tensor.record()->parameter && parameter_type ? parameter_type : tensor_type, tensor);
}

PyObject* wrap(const Value& value, const Signature&) {
  struct Visitor {
    PyObject* operator()(std::monostate) const { Py_RETURN_NONE; }
    PyObject* operator()(const Tensor& tensor) const { return wrap(tensor); }
    PyObject* operator()(const Scalar& scalar) const { return wrap_scalar(scalar); }
    PyObject* operator()(bool flag) const { return PyBool_FromLong(flag); }
    PyObject* operator()(std::int64_t integer) const { return PyLong_FromLongLong(integer); }
    PyObject* operator()(double real) const { return PyFloat_FromDouble(real); }
    PyObject* operator()(const std::string& text) const {
      return PyUnicode_FromStringAndSize(text.data(), Py_ssize_t(text.size()));
    }
    PyObject* operator()(const Shape& shape) const { return wrap_size(shape); }
    PyObject* operator()(DType dtype) const { return wrap_dtype(dtype); }
    PyObject* operator()(const Device& device) const { return py::cast(device).release().ptr(); }
    PyObject* operator()(const Generator& generator) const {
      return py::cast(DeviceGenerator(generator)).release().ptr();
    }
    PyObject* operator()(const Tensors& list) const {
      PyObject* tuple = PyTuple_New(Py_ssize_t(list.size()));
      for (std::size_t i = 0; i < list.size(); ++i) PyTuple_SET_ITEM(tuple, Py_ssize_t(i), wrap(list[i]));
      return tuple;
    }
    PyObject* operator()(const std::vector<double>& list) const {
      PyObject* tuple = PyTuple_New(Py_ssize_t(list.size()));
      for (std::size_t i = 0; i < list.size(); ++i)
        PyTuple_SET_ITEM(tuple, Py_ssize_t(i), PyFloat_FromDouble(list[i]));
      return tuple;
    }
    PyObject* operator()(const OptionalTensors& list) const {
      PyObject* tuple = PyTuple_New(Py_ssize_t(list.size()));
      for (std::size_t i = 0; i < list.size(); ++i)
        PyTuple_SET_ITEM(tuple, Py_ssize_t(i), wrap(list[i].value_or(Tensor())));
      return tuple;
    }
  };
  return std::visit(Visitor(), value);
}

namespace {

void free_tensor(PyObject* self) {
  auto* object = reinterpret_cast<TensorObject*>(self);
  // What weak references call may come upon the tensor by another way; it gets an object of its own then.
  if (object->tensor.defined() && object->tensor.record()->python == self)
    object->tensor.record()->python = nullptr;
  if (object->weak_references) PyObject_ClearWeakRefs(self);
  object->tensor = Tensor();
  Py_CLEAR(object->attributes);
  PyTypeObject* type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

// Tensor.__new__(cls, data): data is a tensor, whose elements the new object shares; subclasses are made so.
PyObject* new_tensor(PyTypeObject* type, PyObject* arguments, PyObject*) {
  return guarded([&]() -> PyObject* {
    PyObject* data = PyTuple_GET_SIZE(arguments) == 1 ? PyTuple_GET_ITEM(arguments, 0) : nullptr;
    if (data && is_tensor(data)) return wrap_as(type, tensor_of(data).detach());
    if (PyTuple_GET_SIZE(arguments) == 0) return wrap_as(type, empty({0}));
    Shape sizes;
    bool all_integers = true;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(arguments) && all_integers; ++i) {
      std::int64_t size = 0;
      all_integers =
          PyLong_Check(PyTuple_GET_ITEM(arguments, i)) && integer_of(PyTuple_GET_ITEM(arguments, i), size);
      sizes.push_back(size);
    }
    if (all_integers) return wrap_as(type, empty(sizes));
    if (data && is_size(data)) return wrap_as(type, empty(py::cast<Shape>(py::handle(data))));
    if (!data) throw py::type_error("Tensor: expected sizes, or one tensor or list of numbers");
    const py::object made = py::module_::import("taper").attr("tensor")(py::handle(data));
    return wrap_as(type, to(tensor_of(made.ptr()), default_dtype()));
  });
}

PyMemberDef tensor_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(TensorObject, weak_references), READONLY, nullptr},
    {"__dictoffset__", T_PYSSIZET, offsetof(TensorObject, attributes), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};

// An own tensor has no .grad_fn cycle through Python, so the type needs no garbage collection of its own.
// As id(), which PyTorch programs use interchangeably.
Py_hash_t hash_of(PyObject* self) { return Py_hash_t(reinterpret_cast<std::intptr_t>(self)); }

PyObject* tensor_repr(PyObject* self) {
  return guarded([&] {
    const std::string text = to_string(tensor_of(self));
    return PyUnicode_FromStringAndSize(text.data(), Py_ssize_t(text.size()));
  });
}

}  // namespace

void bind_tensor_type(py::module_& module) {
  std::vector<PyType_Slot> slots = {
      {Py_tp_dealloc, reinterpret_cast<void*>(free_tensor)},
      {Py_tp_new, reinterpret_cast<void*>(new_tensor)},
      {Py_tp_hash, reinterpret_cast<void*>(hash_of)},
      {Py_tp_repr, reinterpret_cast<void*>(tensor_repr)},
      {Py_bf_getbuffer, reinterpret_cast<void*>(get_buffer)},
      {Py_bf_releasebuffer, reinterpret_cast<void*>(release_buffer)},
      {Py_tp_members, tensor_members},
      {Py_tp_getset, tensor_properties},
      {Py_tp_methods, tensor_methods},
      {Py_tp_doc, const_cast<char*>("A typed, strided array that remembers how it was computed.")}};
  add_number_slots(slots);
  add_indexing_slots(slots);
  slots.push_back({0, nullptr});
  PyType_Spec spec{"taper.Tensor", sizeof(TensorObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
                   slots.data()};
  tensor_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  if (!tensor_type) throw py::error_already_set();
  module.add_object("Tensor", py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(tensor_type)));
  module.def(
      "_set_parameter_type",
      [](const py::type& type) { parameter_type = reinterpret_cast<PyTypeObject*>(type.inc_ref().ptr()); },
      "Tells which class parameters are shown as.");
  module.def(
      "_as_subclass",
      [](const Tensor& tensor, const py::type& type) {
        Shape dims;
        for (int i = 0; i < tensor.ndim(); ++i) dims.push_back(i);
        return py::reinterpret_steal<py::object>(
            wrap_as(reinterpret_cast<PyTypeObject*>(type.ptr()), permute(tensor, dims)));
      },
      "A view of all of the tensor, as an object of a subclass.");
  module.def(
      "_mark_parameter", [](const Tensor& tensor) { tensor.record()->parameter = true; },
      "Makes a tensor a parameter.");
}

}  // namespace taper::python
