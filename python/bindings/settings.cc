// Conversions and settings of the process that Python sets.
#include <pybind11/stl.h>

#include "cpu/parallel.h"
#include "python.h"
#include "taper/error.h"
#include "taper/ops.h"
#include "taper/printing.h"

namespace taper::python {

namespace {

// The same bytes as another dtype of the same size.
Tensor view_dtype(const Tensor& x, DType dtype) {
  check<DTypeError>(item_size(dtype) == x.item_size(), "view: elements of ", x.dtype(), " and ", dtype,
                    " differ in size");
  Tensor result = x.detach();
  result.record()->dtype = dtype;
  return result;
}

}  // namespace

void bind_settings(py::module_& module) {
  module.def("_to_dtype", [](const Tensor& x, const py::object& dtype, bool copy) {
    return to(x, dtype_of(dtype.ptr()), copy);
  });
  module.def("_view_dtype", view_dtype);
  module.def("set_num_threads", &cpu::set_num_threads);
  module.def("get_num_threads", &cpu::num_threads);
  module.def("_set_print_options", [](int precision, std::int64_t threshold, std::int64_t edge_items,
                                      int line_width, std::optional<bool> scientific) {
    set_print_options({precision, threshold, edge_items, line_width, scientific});
  });
}

}  // namespace taper::python
