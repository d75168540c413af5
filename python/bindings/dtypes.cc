// taper.dtype, taper.Size, and the conversions of numbers, dtypes and sizes.
#include <pybind11/stl.h>

#include <complex>
#include <string>

#include "python.h"
#include "taper/error.h"
#include "taper/ops.h"
#include "tensor/default_device.h"

namespace taper::python {

namespace {

struct DTypeObject {
  PyObject_HEAD DType dtype;
  const struct AbsentDType* absent;
};

/// A type of PyTorch's that no tensor of Taper has. Programs name it to compare dtypes with it, and libraries
/// at import.
struct AbsentDType {
  const char* name;
  int item_size;
  bool is_floating_point, is_complex, is_signed;
};
constexpr AbsentDType absent_dtypes[] = {
    {"float8_e4m3fn", 1, true, false, true},   {"float8_e4m3fnuz", 1, true, false, true},
    {"float8_e5m2", 1, true, false, true},     {"float8_e5m2fnuz", 1, true, false, true},
    {"float8_e8m0fnu", 1, true, false, false}, {"float4_e2m1fn_x2", 1, true, false, true},
    {"complex32", 4, false, true, true},       {"qint8", 1, false, false, true},
    {"quint8", 1, false, false, false},        {"qint32", 4, false, false, true},
    {"quint4x2", 1, false, false, false},      {"quint2x4", 1, false, false, false}};

PyTypeObject* dtype_type = nullptr;
PyTypeObject* size_type = nullptr;
PyObject* dtype_objects[dtype_count];

const AbsentDType* absent_in(PyObject* self) { return reinterpret_cast<DTypeObject*>(self)->absent; }
DType dtype_in(PyObject* self) {
  if (const AbsentDType* absent = absent_in(self))
    throw DTypeError(concat(absent->name,
                            ": tensors of this dtype do not exist here; use float16 or bfloat16 for fewer "
                            "bytes, int8 for quantized values"));
  return reinterpret_cast<DTypeObject*>(self)->dtype;
}
std::string name_in(PyObject* self) {
  const AbsentDType* absent = absent_in(self);
  return absent ? absent->name : std::string(name(dtype_in(self)));
}

PyObject* dtype_repr(PyObject* self) { return PyUnicode_FromString(("taper." + name_in(self)).c_str()); }
PyObject* dtype_reduce(PyObject* self, PyObject*) { return PyUnicode_FromString(name_in(self).c_str()); }
PyObject* get_is_floating_point(PyObject* self, void*) {
  const AbsentDType* absent = absent_in(self);
  return PyBool_FromLong(absent ? absent->is_floating_point : is_floating_point(dtype_in(self)));
}
PyObject* get_is_complex(PyObject* self, void*) {
  const AbsentDType* absent = absent_in(self);
  return PyBool_FromLong(absent ? absent->is_complex : is_complex(dtype_in(self)));
}
PyObject* get_is_signed(PyObject* self, void*) {
  const AbsentDType* absent = absent_in(self);
  return PyBool_FromLong(absent ? absent->is_signed : is_signed(dtype_in(self)));
}
PyObject* get_itemsize(PyObject* self, void*) {
  const AbsentDType* absent = absent_in(self);
  return PyLong_FromLongLong(absent ? absent->item_size : item_size(dtype_in(self)));
}
PyObject* to_real(PyObject* self, PyObject*) {
  return guarded([&] { return wrap_dtype(real_dtype(dtype_in(self))); });
}
PyObject* to_complex(PyObject* self, PyObject*) {
  return guarded([&] { return wrap_dtype(complex_dtype(dtype_in(self))); });
}

PyGetSetDef dtype_properties[] = {
    {"is_floating_point", get_is_floating_point, nullptr, "Whether values are real floats.", nullptr},
    {"is_complex", get_is_complex, nullptr, "Whether values are complex.", nullptr},
    {"is_signed", get_is_signed, nullptr, "Whether negative values exist.", nullptr},
    {"itemsize", get_itemsize, nullptr, "Bytes of one element.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyMethodDef dtype_methods[] = {
    {"__reduce__", dtype_reduce, METH_NOARGS, nullptr},
    {"to_real", to_real, METH_NOARGS, "The type of a complex type's parts."},
    {"to_complex", to_complex, METH_NOARGS, "The complex type of a floating type."},
    {nullptr, nullptr, 0, nullptr}};

PyObject* size_repr(PyObject* self) {
  const py::str list = py::repr(py::list(py::reinterpret_borrow<py::object>(self)));
  return (py::str("taper.Size(") + list + py::str(")")).release().ptr();
}
PyObject* size_numel(PyObject* self, PyObject*) {
  std::int64_t product = 1;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self); ++i)
    product *= PyLong_AsLongLong(PyTuple_GET_ITEM(self, i));
  return PyLong_FromLongLong(product);
}
PyMethodDef size_methods[] = {{"numel", size_numel, METH_NOARGS, "Number of elements."},
                              {nullptr, nullptr, 0, nullptr}};
PyObject* size_subscript(PyObject* self, PyObject* key) {
  PyObject* result = PyTuple_Type.tp_as_mapping->mp_subscript(self, key);
  if (!result || !PyTuple_CheckExact(result)) return result;
  PyObject* arguments = PyTuple_Pack(1, result);
  Py_DECREF(result);
  PyObject* size = PyObject_CallObject(reinterpret_cast<PyObject*>(size_type), arguments);
  Py_DECREF(arguments);
  return size;
}

}  // namespace

PyObject* wrap_dtype(DType dtype) {
  Py_INCREF(dtype_objects[int(dtype)]);
  return dtype_objects[int(dtype)];
}

bool is_dtype(PyObject* object) { return Py_TYPE(object) == dtype_type; }

DType dtype_of(PyObject* object) {
  if (is_dtype(object)) return dtype_in(object);
  if (object == reinterpret_cast<PyObject*>(&PyFloat_Type)) return float64;
  if (object == reinterpret_cast<PyObject*>(&PyLong_Type)) return int64;
  if (object == reinterpret_cast<PyObject*>(&PyBool_Type)) return boolean;
  if (object == reinterpret_cast<PyObject*>(&PyComplex_Type)) return complex128;
  throw py::type_error(concat("expected a taper.dtype, got ", Py_TYPE(object)->tp_name));
}

bool is_size(PyObject* object) { return Py_TYPE(object) == size_type; }

PyObject* wrap_size(const Shape& shape) {
  PyObject* size = size_type->tp_alloc(size_type, shape.size());
  if (!size) return nullptr;
  for (int i = 0; i < shape.size(); ++i) PyTuple_SET_ITEM(size, i, PyLong_FromLongLong(shape[i]));
  return size;
}

PyObject* wrap_scalar(const Scalar& value) {
  switch (value.kind()) {
    case Kind::boolean: return PyBool_FromLong(value.to<bool>());
    case Kind::integral: return PyLong_FromLongLong(value.to<std::int64_t>());
    case Kind::floating: return PyFloat_FromDouble(value.to<double>());
    default: {
      const auto number = value.to<std::complex<double>>();
      return PyComplex_FromDoubles(number.real(), number.imag());
    }
  }
}

bool scalar_of(PyObject* object, Scalar& value) {
  if (PyFloat_Check(object)) {
    value = PyFloat_AS_DOUBLE(object);
    return true;
  }
  if (PyBool_Check(object)) {
    value = object == Py_True;
    return true;
  }
  if (PyLong_Check(object)) {
    int overflow = 0;
    const long long number = PyLong_AsLongLongAndOverflow(object, &overflow);
    if (overflow) {
      PyErr_Clear();
      const double wide = PyLong_AsDouble(object);
      if (PyErr_Occurred()) throw py::error_already_set();
      const unsigned long long bits = PyLong_AsUnsignedLongLong(object);
      if (PyErr_Occurred()) {
        PyErr_Clear();
        throw ValueError(concat("the integer ", wide, " does not fit into 64 bits"));
      }
      value = std::int64_t(bits);
      return true;
    }
    value = std::int64_t(number);
    return true;
  }
  if (PyComplex_Check(object)) {
    value = std::complex<double>(PyComplex_RealAsDouble(object), PyComplex_ImagAsDouble(object));
    return true;
  }
  if (is_tensor(object)) {
    const Tensor& tensor = tensor_of(object);
    if (tensor.ndim() != 0 || tensor.requires_grad()) return false;
    value = tensor.item();
    return true;
  }
  // NumPy's scalars of other widths.
  PyNumberMethods* number = Py_TYPE(object)->tp_as_number;
  if (!number || PySequence_Check(object)) return false;
  if (number->nb_index) {
    const py::object as_int = py::reinterpret_steal<py::object>(PyNumber_Index(object));
    if (!as_int) throw py::error_already_set();
    return scalar_of(as_int.ptr(), value);
  }
  if (!number->nb_float) return false;
  const bool numpy_bool = std::string_view(Py_TYPE(object)->tp_name).starts_with("numpy.bool");
  const double real = PyFloat_AsDouble(object);
  if (PyErr_Occurred()) {
    PyErr_Clear();
    return false;
  }
  if (numpy_bool) value = real != 0;
  else value = real;
  return true;
}

bool integer_of(PyObject* object, std::int64_t& value) {
  if (!PyLong_Check(object)) {
    if (is_tensor(object)) {
      const Tensor& tensor = tensor_of(object);
      if (tensor.numel() != 1 || !is_integral(tensor.dtype(), true)) return false;
      value = tensor.item<std::int64_t>();
      return true;
    }
    if (!PyIndex_Check(object)) return false;
    const py::object as_int = py::reinterpret_steal<py::object>(PyNumber_Index(object));
    if (!as_int) {
      PyErr_Clear();
      return false;
    }
    return integer_of(as_int.ptr(), value);
  }
  value = PyLong_AsLongLong(object);
  if (value == -1 && PyErr_Occurred()) {
    PyErr_Clear();
    throw ValueError("an integer argument does not fit into 64 bits");
  }
  return true;
}

namespace {

std::int8_t checked_device_index(std::int64_t index) {
  check<DeviceError>(index >= 0 && index <= 127, "device: index ", index,
                     " is out of range, expected 0 to 127");
  return std::int8_t(index);
}
Device cuda_device(std::int64_t index) { return {Device::Type::cuda, checked_device_index(index)}; }

}  // namespace

Device device_of(PyObject* object) {
  if (PyUnicode_Check(object)) return Device(std::string_view(py::cast<std::string>(py::handle(object))));
  if (py::isinstance<Device>(object)) return py::cast<Device>(py::handle(object));
  std::int64_t index = 0;
  if (PyLong_Check(object) && integer_of(object, index)) return cuda_device(index);
  throw py::type_error(concat("expected a device such as 'cpu', got ", Py_TYPE(object)->tp_name));
}

namespace {

// Those that `with device:` replaced, and will put back.
std::vector<Device>& defaults_before() {
  thread_local std::vector<Device> stack;
  return stack;
}

void bind_device(py::module_& module) {
  module.def("_default_device", default_device);
  module.def("_set_default_device", set_default_device);
  module.def("_on_default_device",
             [](const Tensor& x) { return x.device() == default_device() ? x : to(x, default_device()); });
  py::class_<Device>(module, "device")
      .def(py::init([](const std::string& text, std::optional<int> index) {
             Device device{std::string_view(text)};
             if (index) device.index = checked_device_index(*index);
             return device;
           }),
           py::arg("type"), py::arg("index") = py::none())
      .def(py::init([](const Device& device) { return device; }))
      .def(py::init(&cuda_device))
      .def_property_readonly("type",
                             [](const Device& device) {
                               return device.type == Device::Type::cpu    ? "cpu"
                                      : device.type == Device::Type::cuda ? "cuda"
                                                                          : "meta";
                             })
      .def_property_readonly("index",
                             [](const Device& device) {
                               return device.index < 0 ? py::object(py::none()) : py::int_(device.index);
                             })
      .def("__eq__",
           [](const Device& a, const py::object& b) {
             if (py::isinstance<Device>(b)) return a == py::cast<Device>(b);
             return py::isinstance<py::str>(b) && concat(a) == std::string(py::str(b));
           })
      .def("__enter__",
           [](const py::object& self) {
             defaults_before().push_back(default_device());
             set_default_device(py::cast<Device>(self));
             return self;
           })
      .def("__exit__",
           [](const py::object&, const py::args&) {
             std::vector<Device>& before = defaults_before();
             check<ValueError>(!before.empty(), "device: __exit__ without __enter__");
             set_default_device(before.back());
             before.pop_back();
           })
      .def("__hash__", [](const Device& device) { return py::hash(py::str(concat(device))); })
      .def("__str__", [](const Device& device) { return concat(device); })
      .def("__reduce__",
           [](const Device& device) {
             return py::make_tuple(py::type::of<Device>(), py::make_tuple(concat(device)));
           })
      .def("__repr__", [](const Device& device) {
        const std::string text = concat(device);
        const auto colon = text.find(':');
        if (colon == std::string::npos) return "device(type='" + text + "')";
        return "device(type='" + text.substr(0, colon) + "', index=" + text.substr(colon + 1) + ")";
      });
}

}  // namespace

void bind_dtypes(py::module_& module) {
  PyType_Slot dtype_slots[] = {{Py_tp_repr, reinterpret_cast<void*>(dtype_repr)},
                               {Py_tp_getset, dtype_properties},
                               {Py_tp_methods, dtype_methods},
                               {Py_tp_doc, const_cast<char*>("The type of a tensor's elements.")},
                               {0, nullptr}};
  PyType_Spec dtype_spec{"taper.dtype", sizeof(DTypeObject), 0, Py_TPFLAGS_DEFAULT, dtype_slots};
  dtype_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&dtype_spec));
  module.add_object("dtype", py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(dtype_type)));
  for (int i = 0; i < dtype_count; ++i) {
    auto* object = PyObject_New(DTypeObject, dtype_type);
    object->dtype = DType(i);
    object->absent = nullptr;
    dtype_objects[i] = reinterpret_cast<PyObject*>(object);
    module.add_object(std::string(name(DType(i))).c_str(),
                      py::reinterpret_borrow<py::object>(dtype_objects[i]));
  }
  for (const AbsentDType& absent : absent_dtypes) {
    auto* object = PyObject_New(DTypeObject, dtype_type);
    object->dtype = float32;
    object->absent = &absent;
    module.add_object(absent.name, py::reinterpret_steal<py::object>(reinterpret_cast<PyObject*>(object)));
  }
  PyType_Slot size_slots[] = {{Py_tp_repr, reinterpret_cast<void*>(size_repr)},
                              {Py_tp_methods, size_methods},
                              {Py_tp_base, &PyTuple_Type},
                              {Py_mp_subscript, reinterpret_cast<void*>(size_subscript)},
                              {Py_tp_doc, const_cast<char*>("The sizes of a tensor: a tuple of ints.")},
                              {0, nullptr}};
  PyType_Spec size_spec{"taper.Size", 0, 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, size_slots};
  size_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&size_spec));
  module.add_object("Size", py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(size_type)));
  bind_device(module);
}

}  // namespace taper::python
