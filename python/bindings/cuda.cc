// taper.cuda: devices, memory, streams and events; and tensors' ways between devices.
#include "taper/cuda.h"

#include <pybind11/stl.h>

#include "device_generator.h"
#include "interpreter.h"
#include "python.h"
#include "taper/cuda_account.h"
#include "taper/cuda_graph.h"
#include "taper/cuda_jit.h"
#include "taper/generator.h"
#include "taper/ops/copy.h"
#include "tensor/device_graphs.h"
#include "tensor/device_runtime.h"

namespace taper::python {

namespace {

void bind_queues(py::module_& module) {
  py::class_<cuda::Stream>(module, "_CudaStream")
      .def(py::init<int, int>(), py::arg("device") = -1, py::arg("priority") = 0)
      .def(py::init<const cuda::Stream&>())
      .def_property_readonly("priority", [](const cuda::Stream& self) { return cuda::priority(self); })
      .def_property_readonly("device_index", &cuda::Stream::device)
      .def_property_readonly("cuda_stream",
                             [](const cuda::Stream& self) { return std::uintptr_t(self.handle()); })
      .def("query", &cuda::Stream::query)
      .def("synchronize", &cuda::Stream::synchronize, py::call_guard<WithoutGil>())
      .def("wait_event", [](const cuda::Stream& self, const cuda::Event& event) { self.wait(event); })
      .def("wait_stream", [](const cuda::Stream& self, const cuda::Stream& other) { self.wait(other); })
      .def("__eq__", [](const cuda::Stream& a, const cuda::Stream& b) { return a == b; })
      .def("__hash__", [](const cuda::Stream& self) {
        return py::hash(py::make_tuple(self.device(), std::uintptr_t(self.handle())));
      });
  py::class_<cuda::Event>(module, "_CudaEvent")
      .def(py::init<bool>(), py::arg("timed") = false)
      .def("_record", &cuda::Event::record)
      .def_property_readonly("cuda_event",
                             [](const cuda::Event& self) { return std::uintptr_t(self.handle()); })
      .def("query", &cuda::Event::query)
      .def("synchronize", &cuda::Event::synchronize, py::call_guard<WithoutGil>())
      .def("_elapsed", &cuda::Event::milliseconds_to);
  module.def("_cuda_stream_of_handle", [](std::uintptr_t handle, int device) {
    // Someone else's queue, who destroys it.
    return cuda::Stream(device < 0 ? cuda::current_device() : device,
                        std::shared_ptr<void>(reinterpret_cast<void*>(handle), [](void*) {}));
  });
  module.def("_cuda_current_stream", cuda::current_stream);
  module.def("_cuda_default_stream", cuda::default_stream);
  module.def("_cuda_set_stream", cuda::set_stream);
}

void bind_memory(py::module_& module) {
  module.def("_cuda_memory_statistics", [](int device) {
    const cuda::MemoryStatistics s = cuda::memory_statistics(device);
    return py::dict(py::arg("allocated") = s.allocated, py::arg("peak_allocated") = s.peak_allocated,
                    py::arg("reserved") = s.reserved, py::arg("peak_reserved") = s.peak_reserved,
                    py::arg("allocations") = s.allocations, py::arg("frees") = s.frees);
  });
  module.def("_cuda_reset_peak_memory", cuda::reset_peak_memory);
  module.def("_cuda_set_memory_limit", cuda::set_memory_limit);
  module.def("_cuda_allocation_counts", [](int device) {
    const cuda::AllocationCounts counts = cuda::allocation_counts(device);
    return py::make_tuple(counts.bytes, counts.retries, counts.failures);
  });
  module.def("_cuda_profile", cuda::profile);
  module.def("_cuda_empty_cache", cuda::empty_cache);
  module.def("_cuda_memory_info", [](int device) {
    const cuda::MemoryInfo info = cuda::memory_info(device);
    return py::make_tuple(info.free, info.total);
  });
  module.def("_to_device", [](const Tensor& x, const Device& device, bool non_blocking, bool copy) {
    return to(x, device, non_blocking, copy);
  });
  module.def("_pin_memory", cuda::pin_memory);
  module.def("_is_pinned", cuda::is_pinned);
  module.def("_record_stream", cuda::record_stream);
}

// The memory of recorded work, which other graphs may share.
struct GraphPool {
  std::shared_ptr<void> memory;
};

void bind_graphs(py::module_& module) {
  py::class_<GraphPool>(module, "_CudaGraphPool");
  py::class_<cuda::Graph>(module, "_CudaGraph")
      .def(py::init<>())
      .def("_begin",
           [](cuda::Graph& self, const GraphPool* pool) { self.begin(pool ? pool->memory : nullptr); })
      .def("capture_end", &cuda::Graph::end)
      .def("replay", &cuda::Graph::replay)
      .def("reset", &cuda::Graph::reset)
      .def("pool", [](const cuda::Graph& self) { return GraphPool{self.pool()}; });
  module.def("_cuda_make_graph_pool",
             [] { return GraphPool{device_graphs().make_pool(cuda::current_device())}; });
  module.def("_cuda_is_recording", cuda::is_recording);
}

void bind_jit(py::module_& module) {
  py::class_<cuda::JitFunction>(module, "_CudaJitFunction")
      .def(py::init<std::string, std::string, bool, int>())
      .def("__call__", [](const cuda::JitFunction& self, const std::vector<Tensor>& inputs,
                          const std::vector<Scalar>& values) { return self(inputs, values); });
}

}  // namespace

void bind_cuda(py::module_& module) {
  module.def("_cuda_available", cuda::is_available);
  module.def("_cuda_why_unavailable", cuda::why_unavailable);
  module.def("_cuda_device_count", cuda::device_count);
  module.def("_cuda_current_device", cuda::current_device);
  module.def("_cuda_set_device", cuda::set_device);
  module.def("_cuda_synchronize", cuda::synchronize, py::call_guard<WithoutGil>());
  module.def("_cuda_can_access_peer", cuda::can_access_peer);
  module.def("_cuda_properties", [](int device) {
    const cuda::DeviceProperties p = cuda::device_properties(device);
    return py::dict(
        py::arg("name") = p.name, py::arg("major") = p.major, py::arg("minor") = p.minor,
        py::arg("total_memory") = p.total_memory, py::arg("multi_processor_count") = p.multi_processor_count,
        py::arg("max_threads_per_multi_processor") = p.max_threads_per_multi_processor,
        py::arg("warp_size") = p.warp_size, py::arg("shared_memory_per_block") = p.shared_memory_per_block,
        py::arg("L2_cache_size") = p.l2_cache_size);
  });
  module.def("_manual_seed", [](std::uint64_t seed) { manual_seed(seed); });
  module.def("_cuda_generator", [](const Device& device) {
    return DeviceGenerator(default_generator(device), resolved(device));
  });
  bind_queues(module);
  bind_memory(module);
  bind_graphs(module);
  bind_jit(module);
}

}  // namespace taper::python
