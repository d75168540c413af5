// Process groups, their store and the gradient reducer as Python sees them.
#include <pybind11/chrono.h>
#include <pybind11/functional.h>
#include <pybind11/stl.h>

#include <algorithm>

#include "distributed/environment.h"
#include "distributed/secret.h"
#include "distributed/watcher.h"
#include "functions.h"
#include "interpreter.h"
#include "profiled_collective.h"
#include "python.h"
#include "taper/distributed.h"
#include "taper/error.h"

namespace taper::python {

namespace {

using namespace distributed;
using Milliseconds = std::chrono::milliseconds;
using Release = py::call_guard<WithoutGil>;

Tensors tensors_of(const py::handle& list) {
  Tensors tensors;
  for (const py::handle item : list) {
    if (!is_tensor(item.ptr())) throw py::type_error("distributed: expected a list of tensors");
    tensors.push_back(tensor_of(item.ptr()));
  }
  return tensors;
}

// A list of tensors as an argument.
struct TensorList {
  Tensors tensors;
  operator const Tensors&() const { return tensors; }
};

}  // namespace

}  // namespace taper::python

namespace pybind11::detail {

template <>
struct type_caster<taper::python::TensorList> {
  PYBIND11_TYPE_CASTER(taper::python::TensorList, const_name("Sequence[taper.Tensor]"));
  bool load(handle source, bool) {
    value.tensors = taper::python::tensors_of(source);
    return true;
  }
};

}  // namespace pybind11::detail

namespace taper::python {

namespace {

py::list list_of(const Tensors& tensors) {
  py::list list;
  for (const Tensor& tensor : tensors) list.append(py::cast(tensor));
  return list;
}

void bind_work(py::module_& module) {
  py::class_<Work>(module, "Work", "A collective under way.")
      .def("_wait", &Work::wait, Release())
      .def("_wait_for", &Work::wait_for, Release())
      .def("is_completed", &Work::is_completed, "Whether it is done, well or not.")
      .def("is_success", [](const Work& work) { return work.is_completed() && !work.exception(); })
      .def_property_readonly("_what", &Work::what)
      .def("source_rank", &Work::source_rank)
      .def("_source_rank", &Work::source_rank)
      .def("_failure",
           [](const Work& work) {
             std::string text;
             if (const auto failure = work.exception()) {
               try {
                 std::rethrow_exception(failure);
               } catch (const std::exception& error) {
                 text = error.what();
               }
             }
             return text;
           })
      .def("result", [](const Work& work) { return list_of(work.result()); });
}

void bind_store(py::module_& module) {
  const auto bytes = [](const std::string& value) { return py::bytes(value); };
  py::class_<Store, std::shared_ptr<Store>>(module, "Store", "Texts by name that all ranks share.")
      .def("set", &Store::set, Release(), py::arg("key"), py::arg("value"))
      .def(
          "get",
          [bytes](Store& store, const std::string& key) {
            std::string value;
            {
              const WithoutGil without_gil;
              value = store.get(key);
            }
            return bytes(value);
          },
          py::arg("key"))
      .def("add", &Store::add, Release(), py::arg("key"), py::arg("amount"))
      .def(
          "compare_set",
          [bytes](Store& store, const std::string& key, const std::string& expected,
                  const std::string& desired) {
            std::string value;
            {
              const WithoutGil without_gil;
              value = store.compare_set(key, expected, desired);
            }
            return bytes(value);
          },
          py::arg("key"), py::arg("expected_value"), py::arg("desired_value"))
      .def("delete_key", &Store::delete_key, Release(), py::arg("key"))
      .def("check", &Store::check, Release(), py::arg("keys"))
      .def("_wait", &Store::wait, Release())
      .def("num_keys", &Store::num_keys, Release())
      .def_property_readonly("timeout", &Store::timeout)
      .def("set_timeout", &Store::set_timeout);
}

// Starts a collective; waits for it unless async, without the GIL.
template <class F>
Work started(bool async, F&& start) {
  if (async) return start();
  const RunsInWait at_once;
  const WithoutGil without_gil;
  Work work = start();
  work.wait();
  return work;
}

bool on_device(const Tensor& tensor) { return !tensor.device().is_cpu(); }
bool on_device(const TensorList& list) {
  return std::any_of(list.tensors.begin(), list.tensors.end(), [](const Tensor& x) { return on_device(x); });
}
template <class Other>
bool on_device(const Other&) {
  return false;
}

// What a collective sends comes last among its tensors.
void find_sent(Tensors& sent, const Tensor& tensor) { sent = {tensor}; }
void find_sent(Tensors& sent, const TensorList& list) { sent = list.tensors; }
template <class Other>
void find_sent(Tensors&, const Other&) {}
template <class... Arguments>
Tensors sent_of(const Arguments&... arguments) {
  Tensors sent;
  if (profiling) (find_sent(sent, arguments), ...);
  return sent;
}

// What a profile calls a collective: as PyTorch does, by the library that moves the tensors.
template <class... Arguments>
std::string label_of(const char* name, const Arguments&... arguments) {
  if (!profiling) return {};
  return std::string((on_device(arguments) || ...) ? "range:nccl:" : "range:gloo:") + name;
}

// The collective `method` as a method of Python whose last argument is async_op. name: in profiles.
template <class... Arguments>
auto method(const char* name, Work (ProcessGroup::*method)(Arguments...)) {
  return [name, method](ProcessGroup& group,
                        std::conditional_t<std::is_same_v<Arguments, const Tensors&>, TensorList,
                                           std::decay_t<Arguments>>... arguments,
                        bool async) {
    const ProfiledCollective profiled(label_of(name, arguments...), sent_of(arguments...));
    return started(async, [&] { return (group.*method)(arguments...); });
  };
}

// Several tensors, in one entry of profiles.
std::vector<Work> all_reduce_coalesced(ProcessGroup& group, const TensorList& list, ReduceOp op) {
  const ProfiledCollective profiled(label_of("all_reduce", list), list);
  std::vector<Work> works;
  for (const Tensor& tensor : list.tensors) works.push_back(group.all_reduce(tensor, op));
  return works;
}

std::vector<Work> all_gather_coalesced(ProcessGroup& group, const std::vector<TensorList>& outputs,
                                       const TensorList& inputs) {
  const ProfiledCollective profiled(label_of("all_gather", inputs), inputs);
  std::vector<Work> works;
  for (std::size_t i = 0; i < inputs.tensors.size(); ++i) {
    Tensors parts;
    for (const TensorList& output : outputs) parts.push_back(output.tensors.at(i));
    works.push_back(group.all_gather(parts, inputs.tensors[i]));
  }
  return works;
}

void bind_group(py::module_& module) {
  py::class_<ProcessGroup, Group>(module, "ProcessGroup", "Ranks that call collectives together.")
      .def("rank", &ProcessGroup::rank)
      .def("size", &ProcessGroup::size)
      .def_property_readonly("group_name", &ProcessGroup::name)
      .def_property_readonly("_global_ranks", &ProcessGroup::global_ranks)
      .def_property("_timeout", &ProcessGroup::timeout, &ProcessGroup::set_timeout)
      .def("_all_reduce", method("all_reduce", &ProcessGroup::all_reduce))
      .def("_reduce", method("reduce", &ProcessGroup::reduce))
      .def("_broadcast", method("broadcast", &ProcessGroup::broadcast))
      .def("_all_gather", method("all_gather", &ProcessGroup::all_gather))
      .def("_all_reduce_coalesced", &all_reduce_coalesced)
      .def("_all_gather_coalesced", &all_gather_coalesced)
      .def("_all_gather_into_tensor", method("all_gather_into_tensor", &ProcessGroup::all_gather_into_tensor))
      .def("_gather", method("gather", &ProcessGroup::gather))
      .def("_scatter", method("scatter", &ProcessGroup::scatter))
      .def("_reduce_scatter", method("reduce_scatter", &ProcessGroup::reduce_scatter))
      .def("_reduce_scatter_tensor", method("reduce_scatter_tensor", &ProcessGroup::reduce_scatter_tensor))
      .def("_all_to_all", method("all_to_all", &ProcessGroup::all_to_all))
      .def("_all_to_all_single", method("all_to_all_single", &ProcessGroup::all_to_all_single))
      .def("_barrier", method("barrier", &ProcessGroup::barrier))
      .def("_send", method("send", &ProcessGroup::send))
      .def("_recv",
           [](ProcessGroup& group, const Tensor& tensor, std::optional<int> source, std::uint32_t tag,
              bool async) {
             const char* name = source ? "recv" : "recvAnySource";
             const ProfiledCollective profiled(label_of(name, tensor), sent_of(tensor));
             return started(async, [&] { return group.recv(tensor, source, tag); });
           })
      .def("_monitored_barrier", &ProcessGroup::monitored_barrier, Release());
}

// A Python communication hook as the reducer calls it: given a bucket, it returns a future.
GradientReducer::Hook hook_of(py::object hook) {
  const auto shared = std::shared_ptr<py::object>(new py::object(std::move(hook)), [](py::object* object) {
    const WithGil gil;
    delete object;
  });
  return [shared](const GradientReducer::Bucket& bucket) -> std::function<Tensor()> {
    const WithGil gil;
    const py::object made = (*shared)(bucket.index, bucket.is_last, bucket.flat, list_of(bucket.parameters),
                                      list_of(bucket.gradients));
    const auto future = std::shared_ptr<py::object>(new py::object(made), [](py::object* object) {
      const WithGil gil;
      delete object;
    });
    return [future] {
      const WithGil gil;
      return py::cast<Tensor>((*future)());
    };
  };
}

py::dict report_of(const GradientReducer& reducer) {
  ReductionReport report;
  {
    const WithoutGil without_gil;
    report = reducer.report();
  }
  py::dict entries;
  entries["passes"] = report.passes;
  entries["first_bucket_bytes"] = report.first_bucket_bytes;
  entries["buckets"] = report.buckets;
  entries["rebuilt"] = report.rebuilt;
  entries["ready_order"] = report.ready_order;
  entries["users"] = report.users;
  entries["unused_bytes"] = report.unused_bytes;
  entries["buckets_reduced"] = report.buckets_reduced;
  entries["same_graph"] = report.same_graph;
  entries["backward_begin"] = report.backward_begin;
  entries["backward_end"] = report.backward_end;
  entries["reduction_begin"] = report.reduction_begin;
  entries["reduction_end"] = report.reduction_end;
  entries["error"] = report.error;
  return entries;
}

void record_collective(const char* name, const Tensor& tensor) {
  if (!profiling) return;
  const WithGil gil;
  const ProfiledCollective profiled(label_of(name, tensor), {tensor});
}

void bind_reducer(py::module_& module) {
  collective_watcher() = &record_collective;
  py::class_<GradientReducer>(module, "GradientReducer")
      .def(py::init([](const py::object& parameters, const Group& group, std::vector<double> bucket_caps_mb,
                       bool find_unused, bool as_view, bool static_graph, bool skip_unused) {
        return std::make_unique<GradientReducer>(
            tensors_of(parameters), group,
            DataParallelOptions{0, find_unused, as_view, static_graph, true, std::move(bucket_caps_mb),
                                skip_unused});
      }))
      .def("prepare_for_backward",
           [](GradientReducer& reducer, const py::object& outputs) {
             const Tensors tensors = tensors_of(outputs);
             const WithoutGil without_gil;
             reducer.prepare(tensors);
           })
      .def("_rebuild_buckets", &GradientReducer::rebuild_buckets, Release())
      .def("skip", &GradientReducer::skip, Release())
      .def("shadow", &GradientReducer::shadow, Release())
      .def("set_names", &GradientReducer::set_names)
      .def("report", &report_of)
      .def("check_finished", &GradientReducer::check_finished)
      .def("_ddp_graph_static",
           [](const GradientReducer& reducer) {
             const WithoutGil without_gil;
             return reducer.report().same_graph;
           })
      .def("set_hook",
           [](GradientReducer& reducer, const py::object& hook) { reducer.set_hook(hook_of(hook)); })
      .def("buckets", [](const GradientReducer& reducer) {
        py::list result;
        for (const Tensors& bucket : reducer.buckets()) result.append(list_of(bucket));
        return result;
      });
  module.def("_broadcast_tensors", [](ProcessGroup& group, const py::object& list, int root) {
    const Tensors tensors = tensors_of(list);
    const WithoutGil without_gil;
    broadcast_tensors(group, tensors, root);
  });
}

void bind_job(py::module_& module) {
  module.def("is_available", &is_available);
  module.def("is_initialized", &is_initialized);
  module.def(
      "_init",
      [](const std::string& method, int rank, int world_size, Milliseconds timeout) {
        init_process_group({method, rank, world_size, timeout});
      },
      Release());
  module.def(
      "_separate_group",
      [](const std::string& method, int rank, int world_size, Milliseconds timeout) {
        return separate_group({method, rank, world_size, timeout});
      },
      Release());
  module.def("_living_groups", &living_groups);
  module.def("_destroy", static_cast<void (*)()>(&destroy_process_group), Release());
  module.def("_destroy_group", static_cast<void (*)(const Group&)>(&destroy_process_group), Release());
  module.def("_abort", &abort_process_group, Release());
  module.def("_default_group", &default_group);
  module.def("_new_group", &new_group, Release());
  module.def("_store", &default_store);
  module.def("_job_secret", [] { return py::bytes(job_secret()); });
  module.def("_environment", [] {
    const Launch launch = read_environment();
    py::dict entries;
    entries["launcher"] = launch.launcher;
    entries["rank"] = launch.rank;
    entries["world_size"] = launch.world_size;
    entries["local_rank"] = launch.local_rank;
    entries["local_world_size"] = launch.local_world_size;
    entries["address"] = launch.address;
    entries["port"] = launch.port;
    return entries;
  });
}

}  // namespace

void bind_distributed(py::module_& parent) {
  py::module_ module = parent.def_submodule("_distributed", "Process groups.");
  py::enum_<ReduceOp> reduce_op(module, "ReduceOp", "How tensors of several ranks become one.");
  reduce_op.attr("RedOpType") = reduce_op;
  reduce_op.value("SUM", ReduceOp::sum)
      .value("AVG", ReduceOp::avg)
      .value("PRODUCT", ReduceOp::product)
      .value("MIN", ReduceOp::min)
      .value("MAX", ReduceOp::max)
      .value("BAND", ReduceOp::band)
      .value("BOR", ReduceOp::bor)
      .value("BXOR", ReduceOp::bxor);
  bind_work(module);
  bind_store(module);
  bind_group(module);
  bind_reducer(module);
  bind_job(module);
}

}  // namespace taper::python
