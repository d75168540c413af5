// Conversions and settings of the process that Python sets.
#include <pybind11/stl.h>

#include "cpu/parallel.h"
#include "cpu/targets.h"
#include "python.h"
#include "taper/backends.h"
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

// A setting of backends() as an attribute of the object that stands for them in Python.
template <class T, class Find>
void add_setting(py::class_<Backends, std::unique_ptr<Backends, py::nodelete>>& all, const char* name,
                 Find find) {
  all.def_property(
      name, [find](Backends& self) { return find(self).load(); },
      [find](Backends& self, T value) { find(self) = value; });
}

void bind_backends(py::module_& module) {
  py::enum_<Float32Precision>(module, "_Float32Precision")
      .value("highest", Float32Precision::highest)
      .value("high", Float32Precision::high)
      .value("medium", Float32Precision::medium);
  py::class_<Backends, std::unique_ptr<Backends, py::nodelete>> all(module, "_Backends");
  const auto flag = [&](const char* name, auto find) { add_setting<bool>(all, name, find); };
  add_setting<Float32Precision>(
      all, "float32_matmul_precision", [](Backends & b) -> auto& { return b.float32_matmul_precision; });
  flag(
      "allow_fp16_reduced_precision_reduction",
      [](Backends & b) -> auto& { return b.allow_fp16_reduced_precision_reduction; });
  flag(
      "allow_bf16_reduced_precision_reduction",
      [](Backends & b) -> auto& { return b.allow_bf16_reduced_precision_reduction; });
  flag(
      "cudnn_enabled", [](Backends & b) -> auto& { return b.cudnn.enabled; });
  flag(
      "cudnn_allow_tf32", [](Backends & b) -> auto& { return b.cudnn.allow_tf32; });
  flag(
      "cudnn_benchmark", [](Backends & b) -> auto& { return b.cudnn.benchmark; });
  flag(
      "cudnn_deterministic", [](Backends & b) -> auto& { return b.cudnn.deterministic; });
  flag(
      "cudnn_attention", [](Backends & b) -> auto& { return b.cudnn.attention; });
  flag(
      "deterministic_algorithms", [](Backends & b) -> auto& { return b.deterministic_algorithms; });
  add_setting<int>(
      all, "cudnn_benchmark_limit", [](Backends & b) -> auto& { return b.cudnn.benchmark_limit; });
  module.attr("_backends") = py::cast(&backends(), py::return_value_policy::reference);
  module.def("_cudnn_version", cuda::cudnn_version);
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
  bind_backends(module);
  module.def("_set_print_options", [](int precision, std::int64_t threshold, std::int64_t edge_items,
                                      int line_width, std::optional<bool> scientific) {
    set_print_options({precision, threshold, edge_items, line_width, scientific});
  });
}

}  // namespace taper::python
