// What may watch calls of operations: classes that take them over (__torch_function__), and profiles.
#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

#include "autograd/node_watch.h"
#include "functions.h"
#include "profiled_collective.h"
#include "taper/error.h"

namespace taper::python {

bool profiling = false;

namespace {

// Python's part of taking over calls, taper.overrides; null until a class asked for it.
PyObject* take_over = nullptr;
PyObject* left_alone = nullptr;  // the value of __torch_function__ that takes nothing over
PyObject* attribute = nullptr;   // "__torch_function__"
int open_modes = 0;
thread_local bool taking_over = true;

struct Entry {
  std::string name;
  std::int64_t start, end;
  std::uint64_t thread;
  std::vector<Shape> shapes;
};

struct Profile {
  std::mutex mutex;
  bool shapes = false;
  std::vector<Entry> entries;
} profile;

thread_local std::vector<std::int64_t> open_entries;

std::int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::int64_t begin_entry(std::string name, std::vector<Shape> shapes = {}) {
  const std::lock_guard lock(profile.mutex);
  profile.entries.push_back({std::move(name), now(), 0,
                             std::hash<std::thread::id>()(std::this_thread::get_id()), std::move(shapes)});
  return std::int64_t(profile.entries.size()) - 1;
}

void end_entry(std::int64_t entry) {
  const std::int64_t end = now();
  const std::lock_guard lock(profile.mutex);
  if (std::size_t(entry) < profile.entries.size()) profile.entries[std::size_t(entry)].end = end;
}

void watch_node(const char* name, bool begin) {
  if (begin) {
    open_entries.push_back(begin_entry(std::string("backward:") + name));
  } else if (!open_entries.empty()) {
    end_entry(open_entries.back());
    open_entries.pop_back();
  }
}

bool takes_over(PyObject* object) {
  PyTypeObject* type = Py_TYPE(object);
  if (type == tensor_type || type == parameter_type || !(type->tp_flags & Py_TPFLAGS_HEAPTYPE)) return false;
  PyObject* found = PyObject_GetAttr(reinterpret_cast<PyObject*>(type), attribute);
  if (!found) PyErr_Clear();
  Py_XDECREF(found);
  return found && found != left_alone;
}

// take_over(function, (arguments...), {keywords...})
PyObject* hand_over(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    py::tuple positional{std::size_t(count)};
    for (Py_ssize_t i = 0; i < count; ++i)
      positional[std::size_t(i)] = py::reinterpret_borrow<py::object>(arguments[i]);
    py::dict named;
    for (Py_ssize_t i = 0; i < (keywords ? PyTuple_GET_SIZE(keywords) : 0); ++i)
      named[py::handle(PyTuple_GET_ITEM(keywords, i))] = py::handle(arguments[count + i]);
    return PyObject_CallFunctionObjArgs(take_over, self, positional.ptr(), named.ptr(), nullptr);
  });
}

std::vector<Shape> shapes_of(PyObject* const* arguments, Py_ssize_t count) {
  std::vector<Shape> shapes;
  for (Py_ssize_t i = 0; i < count; ++i)
    shapes.push_back(is_tensor(arguments[i]) ? tensor_of(arguments[i]).sizes() : Shape());
  return shapes;
}

PyObject* watched_call(PyObject* self, PyObject* const* arguments, std::size_t flagged_count,
                       PyObject* keywords) {
  const Py_ssize_t count = PyVectorcall_NARGS(flagged_count);
  const Py_ssize_t all = count + (keywords ? PyTuple_GET_SIZE(keywords) : 0);
  if (take_over && taking_over && (open_modes || any_takes_over(arguments, all)))
    return hand_over(self, arguments, count, keywords);
  if (!profiling) return call_function(self, arguments, flagged_count, keywords);
  const std::int64_t entry = begin_entry(*as_function(self)->name,
                                         profile.shapes ? shapes_of(arguments, count) : std::vector<Shape>());
  PyObject* result = call_function(self, arguments, flagged_count, keywords);
  end_entry(entry);
  return result;
}

// Within it, operations of this thread treat all tensors as plain ones.
struct TakingNothingOver {
  bool before = true;
};

void watch() { watch_functions(profiling || take_over ? watched_call : nullptr); }

py::list stop_profile() {
  profiling = false;
  set_node_watch(nullptr);
  watch();
  const std::lock_guard lock(profile.mutex);
  py::list list;
  for (const Entry& entry : profile.entries) {
    py::list shapes;
    for (const Shape& shape : entry.shapes)
      shapes.append(py::reinterpret_steal<py::object>(wrap_size(shape)));
    list.append(py::make_tuple(entry.name, entry.start, entry.end, entry.thread, shapes));
  }
  profile.entries.clear();
  return list;
}

}  // namespace

bool any_takes_over(PyObject* const* arguments, Py_ssize_t count) {
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* argument = arguments[i];
    if (takes_over(argument)) return true;
    if (PyList_CheckExact(argument) || PyTuple_CheckExact(argument))
      for (Py_ssize_t k = 0; k < PySequence_Fast_GET_SIZE(argument); ++k)
        if (takes_over(PySequence_Fast_GET_ITEM(argument, k))) return true;
  }
  return false;
}

ProfiledCollective::ProfiledCollective(const std::string& name, const Tensors& tensors) {
  if (name.empty()) return;
  std::vector<Shape> shapes;
  for (const Tensor& tensor : tensors) {
    if (!profile.shapes) break;
    shapes.push_back(tensor.sizes());
    if (tensor.is_complex()) shapes.back().push_back(2);  // complex numbers travel as pairs
  }
  entry_ = begin_entry(name, std::move(shapes));
}
ProfiledCollective::~ProfiledCollective() {
  if (entry_ >= 0) end_entry(entry_);
}

void Profiled::begin(const char* name) { entry_ = begin_entry(name); }
void Profiled::end() noexcept { end_entry(entry_); }

PyObject* call_taken_over(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* keywords) {
  if (!taking_over || !any_takes_over(arguments, count + (keywords ? PyTuple_GET_SIZE(keywords) : 0)))
    return nullptr;
  py::module_::import("taper.overrides");
  return hand_over(self, arguments, count, keywords);
}

void bind_watching(py::module_& module) {
  attribute = PyUnicode_InternFromString("__torch_function__");
  static PyMethodDef nothing{"_disabled_torch_function_impl",
                             [](PyObject*, PyObject*) -> PyObject* { Py_RETURN_NOTIMPLEMENTED; },
                             METH_VARARGS, "The __torch_function__ of classes that take over no calls."};
  left_alone = PyCFunction_New(&nothing, nullptr);
  module.attr("_disabled_torch_function_impl") = py::handle(left_alone);
  module.def("_take_over", [](const py::object& function) {
    take_over = py::object(function).release().ptr();
    watch();
  });
  module.def("_set_taking_over", [](bool on) { return std::exchange(taking_over, on); });
  py::class_<TakingNothingOver>(module, "DisableTorchFunctionSubclass",
                                "Within it, operations treat all tensors as plain ones.")
      .def(py::init<>())
      .def("__enter__",
           [](py::object self) {
             self.cast<TakingNothingOver&>().before = std::exchange(taking_over, false);
             return self;
           })
      .def("__exit__", [](const TakingNothingOver& self, py::args) { taking_over = self.before; });
  module.def("_count_modes", [](int change) { open_modes += change; });
  module.def("_start_profile", [](bool shapes) {
    profile.shapes = shapes;
    profiling = true;
    set_node_watch(watch_node);
    watch();
  });
  module.def("_stop_profile", stop_profile);
  module.def("_begin_entry", [](std::string name) {
    return profiling ? begin_entry("range:" + std::move(name)) : std::int64_t(-1);
  });
  module.def("_end_entry", [](std::int64_t entry) {
    if (entry >= 0) end_entry(entry);
  });
}

}  // namespace taper::python
