// The exception classes as Python sees them.
#include <cxxabi.h>

#include <new>
#include <stdexcept>

#include "interpreter.h"
#include "python.h"
#include "taper/error.h"
#include "taper/ops/linalg.h"

namespace taper::python {

namespace {

PyObject *error, *shape_error, *dtype_error, *device_error, *index_error, *value_error, *autograd_error,
    *io_error, *distributed_error, *out_of_memory, *not_implemented_error, *linalg_error;

// A class under taper.Error (a RuntimeError) and, for callers that catch Python's own, under a second base.
PyObject* make_class(py::module_& module, const char* name, PyObject* base, PyObject* second) {
  const py::tuple bases = second ? py::tuple(py::make_tuple(py::handle(base), py::handle(second)))
                                 : py::tuple(py::make_tuple(py::handle(base)));
  PyObject* created = PyErr_NewException((std::string("taper.") + name).c_str(), bases.ptr(), nullptr);
  if (!created) throw py::error_already_set();
  module.add_object(name, py::reinterpret_borrow<py::object>(created));
  return created;
}

template <class E>
bool raise_if(const std::exception& exception, PyObject* type) {
  if (!dynamic_cast<const E*>(&exception)) return false;
  PyErr_SetString(type, exception.what());
  return true;
}

void raise(const std::exception& exception) {
  (void)(raise_if<ShapeError>(exception, shape_error) || raise_if<DTypeError>(exception, dtype_error) ||
         raise_if<DeviceError>(exception, device_error) || raise_if<IndexError>(exception, index_error) ||
         raise_if<ValueError>(exception, value_error) || raise_if<AutogradError>(exception, autograd_error) ||
         raise_if<IOError>(exception, io_error) || raise_if<DistributedError>(exception, distributed_error) ||
         raise_if<OutOfMemory>(exception, out_of_memory) || raise_if<LinAlgError>(exception, linalg_error) ||
         raise_if<NotImplementedError>(exception, not_implemented_error) ||
         raise_if<Error>(exception, error));
}

}  // namespace

void set_python_error() noexcept {
  try {
    throw;
  } catch (py::error_already_set& already) {
    already.restore();
  } catch (const py::builtin_exception& builtin) {
    builtin.set_error();
  } catch (const Error& exception) {
    raise(exception);
  } catch (const abi::__forced_unwind&) {
    wait_for_the_end();
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::length_error&) {  // a list longer than memory can hold
    PyErr_NoMemory();
  } catch (const std::exception& exception) {
    PyErr_SetString(PyExc_RuntimeError, exception.what());
  } catch (...) {
    PyErr_SetString(PyExc_RuntimeError, "unknown C++ exception");
  }
}

bool is_taper_error(PyObject* type) { return PyObject_IsSubclass(type, error) == 1; }

void bind_errors(py::module_& module) {
  error = make_class(module, "Error", PyExc_RuntimeError, nullptr);
  shape_error = make_class(module, "ShapeError", error, PyExc_ValueError);
  dtype_error = make_class(module, "DTypeError", error, PyExc_TypeError);
  device_error = make_class(module, "DeviceError", error, nullptr);
  index_error = make_class(module, "IndexError", error, PyExc_IndexError);
  value_error = make_class(module, "ValueError", error, PyExc_ValueError);
  autograd_error = make_class(module, "AutogradError", error, nullptr);
  io_error = make_class(module, "IOError", error, PyExc_OSError);
  distributed_error = make_class(module, "DistributedError", error, nullptr);
  out_of_memory = make_class(module, "OutOfMemoryError", error, PyExc_MemoryError);
  not_implemented_error = make_class(module, "NotImplementedError", error, PyExc_NotImplementedError);
  linalg_error = make_class(module, "LinAlgError", error, nullptr);
  py::register_exception_translator([](std::exception_ptr pointer) {
    try {
      if (pointer) std::rethrow_exception(pointer);
    } catch (const Error& exception) {
      raise(exception);
    }
  });
}

}  // namespace taper::python
