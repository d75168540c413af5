// What every binding file needs: Python's API, owned references, and the conversions between Taper and
// Python.
#pragma once

#include <pybind11/pybind11.h>

#include <string>
#include <utility>

#include "ops/registry.h"
#include "taper/tensor.h"

namespace taper::python {

namespace py = pybind11;

/// The Python object that stands for a tensor. Base of taper.Tensor and of its subclasses.
struct TensorObject {
  PyObject_HEAD Tensor tensor;
  PyObject* weak_references;
  PyObject* attributes;
};

extern PyTypeObject* tensor_type;
/// taper.nn.Parameter; null until the Python package set it.
extern PyTypeObject* parameter_type;

inline bool is_tensor(PyObject* object) {
  return Py_TYPE(object) == tensor_type || PyType_IsSubtype(Py_TYPE(object), tensor_type);
}
inline const Tensor& tensor_of(PyObject* object) { return reinterpret_cast<TensorObject*>(object)->tensor; }

/// New reference to the object of a tensor, the same object as long as one lives; None for the undefined
/// tensor.
PyObject* wrap(const Tensor& tensor);
PyObject* wrap(const Value& value, const Signature& signature);
/// A new object of the given type (tensor_type or a subclass) for a tensor that has none.
PyObject* wrap_as(PyTypeObject* type, Tensor tensor);

/// New reference to the dtype's object, which is a constant.
PyObject* wrap_dtype(DType dtype);
PyObject* wrap_size(const Shape& shape);
bool is_size(PyObject* object);
PyObject* wrap_scalar(const Scalar& value);
bool is_dtype(PyObject* object);
/// dtype objects, and Python's bool, int, float, complex. Throws py::type_error.
DType dtype_of(PyObject* object);
Device device_of(PyObject* object);
/// Python's and NumPy's numbers. False when the object is none.
bool scalar_of(PyObject* object, Scalar& value);
/// Anything that is an integer by __index__, also one-element integer tensors. False when the object is none.
bool integer_of(PyObject* object, std::int64_t& value);

/// Whether the object is a NumPy array.
bool is_array(PyObject* object);
/// A tensor of the array's numbers, with memory of its own, so the array may be read-only or run backwards.
Tensor copy_of_array(PyObject* array);

/// Whether type is a class of taper.Error.
bool is_taper_error(PyObject* type);
/// Converts the C++ exception in flight to a Python error.
void set_python_error() noexcept;
/// Runs body; a C++ exception becomes a Python error and the result null.
template <class F>
auto guarded(F&& body) noexcept -> decltype(body()) {
  try {
    return body();
  } catch (...) {
    set_python_error();
    if constexpr (std::is_pointer_v<decltype(body())>) return nullptr;
    else return static_cast<decltype(body())>(-1);
  }
}

/// Kernels on fewer elements than this run with the GIL held: giving it up costs more.
inline constexpr std::int64_t release_gil_from = 32768;

/// A Python callable for overloads of one name. As a method its first argument is self; inplace: the result
/// of the out-of-place functions is written into self.
PyObject* make_function(const std::string& name, std::vector<const Function*> overloads, bool method,
                        bool inplace);

void bind_errors(py::module_& module);
void bind_dtypes(py::module_& module);
void bind_tensor_type(py::module_& module);
void bind_functions(py::module_& module);
void bind_autograd(py::module_& module);
void bind_numpy(py::module_& module);
void bind_exchange(py::module_& module);
int get_buffer(PyObject* self, Py_buffer* view, int flags);
void release_buffer(PyObject* self, Py_buffer* view);
void bind_settings(py::module_& module);
void bind_optim(py::module_& module);
void bind_io(py::module_& module);
void bind_distributed(py::module_& module);
void bind_cuda(py::module_& module);

/// Slots of the tensor type, filled by the files of their kind.
void add_number_slots(std::vector<PyType_Slot>& slots);
void add_indexing_slots(std::vector<PyType_Slot>& slots);
extern PyGetSetDef tensor_properties[];
extern PyMethodDef tensor_methods[];

}  // namespace taper::python

namespace pybind11::detail {

template <>
struct type_caster<taper::Tensor> {
  PYBIND11_TYPE_CASTER(taper::Tensor, const_name("taper.Tensor"));

  bool load(handle source, bool) {
    if (source.is_none()) return true;
    if (!taper::python::is_tensor(source.ptr())) return false;
    value = taper::python::tensor_of(source.ptr());
    return true;
  }
  static handle cast(const taper::Tensor& tensor, return_value_policy, handle) {
    return taper::python::wrap(tensor);
  }
};

template <>
struct type_caster<taper::DType> {
  PYBIND11_TYPE_CASTER(taper::DType, const_name("taper.dtype"));
  bool load(handle source, bool) {
    if (!taper::python::is_dtype(source.ptr())) return false;
    value = taper::python::dtype_of(source.ptr());
    return true;
  }
  static handle cast(taper::DType dtype, return_value_policy, handle) {
    return taper::python::wrap_dtype(dtype);
  }
};

template <>
struct type_caster<taper::Shape> {
  PYBIND11_TYPE_CASTER(taper::Shape, const_name("Sequence[int]"));
  bool load(handle source, bool) {
    if (!PyTuple_Check(source.ptr()) && !PyList_Check(source.ptr())) return false;
    for (handle item : source) {
      std::int64_t entry = 0;
      if (!taper::python::integer_of(item.ptr(), entry)) return false;
      value.push_back(entry);
    }
    return true;
  }
  static handle cast(const taper::Shape& shape, return_value_policy, handle) {
    return taper::python::wrap_size(shape);
  }
};

template <>
struct type_caster<taper::Scalar> {
  PYBIND11_TYPE_CASTER(taper::Scalar, const_name("float"));
  bool load(handle source, bool) { return taper::python::scalar_of(source.ptr(), value); }
  static handle cast(const taper::Scalar& scalar, return_value_policy, handle) {
    return taper::python::wrap_scalar(scalar);
  }
};

}  // namespace pybind11::detail
