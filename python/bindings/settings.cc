// Conversions and settings of the process that Python sets.
#include <pybind11/stl.h>

#include "cpu/parallel.h"
#include "cpu/targets.h"
#include "python.h"
#include "taper/error.h"
#include "taper/ops.h"
#include "taper/printing.h"

namespace taper::python {

namespace {

// A tensor of any dtype over the storage of another.
Tensor on_storage(const Tensor& owner, DType dtype, const Shape& sizes, const Shape& strides,
                  std::int64_t offset) {
  Tensor typed = window(owner, {0}, {1}, 0);
  typed.record()->dtype = dtype;
  return window(typed, sizes, strides, offset);
}

}  // namespace

void bind_settings(py::module_& module) {
  module.def("_to_dtype", [](const Tensor& x, const py::object& dtype, bool copy) {
    return to(x, dtype_of(dtype.ptr()), copy);
  });
  module.def("_on_storage", on_storage);
  module.def("_storage_key", [](const Tensor& x) { return std::uintptr_t(&x.storage()); });
  module.def("_storage_bytes",
             [](const Tensor& x) { return on_storage(x, DType::uint8, {x.storage().bytes}, {1}, 0); });
  module.def("_instruction_set", &cpu::instruction_set);
  module.def("set_num_threads", &cpu::set_num_threads);
  module.def("get_num_threads", &cpu::num_threads);
  module.def("_set_print_options", [](int precision, std::int64_t threshold, std::int64_t edge_items,
                                      int line_width, std::optional<bool> scientific) {
    set_print_options({precision, threshold, edge_items, line_width, scientific});
  });
}

}  // namespace taper::python
