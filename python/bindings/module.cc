// The extension module taper._C: everything the Python package is built on.
#include "autocast.h"
#include "python.h"
#include "taper/dtype.h"
#include "taper/error.h"

namespace taper::python {

namespace {

newfunc make_object = nullptr;

// pybind11 3.0 throws through Python where a program makes an object of the base of all its classes, as
// copyreg does for pickles of protocols 0 and 1.
void guard_base_class() {
  auto* const base = reinterpret_cast<PyTypeObject*>(py::detail::get_internals().instance_base);
  make_object = base->tp_new;
  base->tp_new = [](PyTypeObject* type, PyObject* arguments, PyObject* keywords) {
    return guarded([&] { return make_object(type, arguments, keywords); });
  };
}

PYBIND11_MODULE(_C, module) {
  guard_base_class();
  module.doc() = "Taper's C++ library.";
  module.attr("__version__") = TAPER_VERSION;
  set_error_lines(false);  // Python's tracebacks name lines
  bind_errors(module);
  bind_dtypes(module);
  bind_autograd(module);
  bind_tensor_type(module);
  bind_functions(module);
  bind_autocast(module);
  bind_numpy(module);
  bind_exchange(module);
  bind_settings(module);
  bind_optim(module);
  bind_io(module);
  bind_distributed(module);
  bind_cuda(module);
  module.def("get_default_dtype", &default_dtype, "The dtype of new floating tensors.");
  module.def("set_default_dtype", &set_default_dtype, "Changes the dtype of new floating tensors.");
  module.def("promote_types", &promote_types, "The smallest dtype that holds both.");
}

}  // namespace

}  // namespace taper::python
