// Grad modes, backward, hooks and custom functions as Python sees them.
#include "taper/autograd.h"

#include <cctype>
#include <functional>
#include <map>
#include <memory>

#include "autograd/callbacks.h"
#include "autograd/divided_backward.h"
#include "autograd/moved.h"
#include "autograd/saved_hooks.h"
#include "device_generator.h"
#include "interpreter.h"
#include "ops/inplace.h"
#include "python.h"
#include "taper/error.h"
#include "taper/generator.h"
#include "taper/ops.h"
#include "tensor/autograd_fwd.h"
#include "tensor/device_runtime.h"

namespace taper::python {

namespace {

/// A Python callable that C++ may hold, call and drop from any thread.
class Callable {
 public:
  explicit Callable(PyObject* function) : function_(function) { Py_INCREF(function_); }
  Callable(const Callable& other) : function_(other.function_) {
    const WithGil gil;
    Py_INCREF(function_);
  }
  Callable& operator=(const Callable&) = delete;
  ~Callable() {
    if (!Py_IsInitialized()) return;
    const WithGil gil;
    Py_DECREF(function_);
  }
  PyObject* get() const { return function_; }

 private:
  PyObject* function_;
};

py::object called(const Callable& callable, const py::tuple& arguments) {
  PyObject* result = PyObject_CallObject(callable.get(), arguments.ptr());
  if (!result) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(result);
}

GradientHook gradient_hook(PyObject* function) {
  return [callable = Callable(function)](const Tensor& gradient) {
    const WithGil gil;
    const py::object result = called(callable, py::make_tuple(gradient));
    if (result.is_none()) return Tensor();
    if (!is_tensor(result.ptr())) throw py::type_error("a tensor hook must return None or a Tensor");
    return tensor_of(result.ptr());
  };
}

struct RemovableHandle {
  std::function<void()> remove_hook;
  void remove() {
    if (remove_hook) remove_hook();
    remove_hook = nullptr;
  }
};

PyObject* handle_for(const Tensor& tensor, std::int64_t number) {
  return py::cast(RemovableHandle{[tensor, number] { tensor.remove_hook(number); }}).release().ptr();
}

Tensors tensors_in(const py::handle& object, const char* what) {
  Tensors list;
  if (object.is_none()) return list;
  if (is_tensor(object.ptr())) return {tensor_of(object.ptr())};
  for (py::handle item : object) {
    if (item.is_none()) list.emplace_back();
    else if (is_tensor(item.ptr())) list.push_back(tensor_of(item.ptr()));
    else throw py::type_error(concat(what, ": expected Tensors, got ", Py_TYPE(item.ptr())->tp_name));
  }
  return list;
}

py::tuple as_tuple(const Tensors& tensors) {
  py::tuple result(tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) result[i] = tensors[i];
  return result;
}

/// Counts a node for Python.
class NodeHandle {
 public:
  explicit NodeHandle(Node* node) : node_(node) { node_->retain(); }
  NodeHandle(const NodeHandle& other) : NodeHandle(other.node_) {}
  NodeHandle& operator=(const NodeHandle&) = delete;
  ~NodeHandle() { release_node(node_); }
  Node* operator->() const { return node_; }
  Node* get() const { return node_; }

 private:
  Node* node_;
};

/// Stands for the end of the graph at a leaf.
struct AccumulateGrad {
  Tensor leaf;
};

// "MulBackward0", as PyTorch writes it.
std::string node_name(const Node& node) {
  std::string text;
  bool upper = true;
  for (const char c : std::string_view(node.name())) {
    if (c != '_') text.push_back(upper ? char(std::toupper(c)) : c);
    upper = c == '_';
  }
  return text + "Backward0";
}

// A node as an object of its operation's own class (MulBackward0), so that programs can ask for the class's
// name.
py::object node_object(Node* node) {
  static auto* classes = new std::map<std::string, py::object>;  // lives as long as the interpreter
  const py::object handle = py::cast(NodeHandle(node));
  py::object& type = (*classes)[node_name(*node)];
  if (!type)
    type = py::handle(reinterpret_cast<PyObject*>(&PyType_Type))(
        node_name(*node), py::make_tuple(py::type::of<NodeHandle>()),
        py::dict(py::arg("__slots__") = py::tuple(), py::arg("__module__") = "taper.autograd.graph"));
  return type(handle);
}

/// taper.autograd.Function's node: forward and backward are Python methods, ctx is the Python object.
class PythonFunction final : public CustomFunction {
 public:
  /// non_differentiable: called after forward, returns the results that get no gradient.
  PythonFunction(std::string name, py::object context, py::object forward, py::object backward,
                 py::object non_differentiable)
      : name_(std::move(name)),
        context_(context.ptr()),
        forward_(forward.ptr()),
        backward_(backward.ptr()),
        non_differentiable_(non_differentiable.ptr()) {}

  const char* name() const override { return name_.c_str(); }

  Tensors forward(const Tensors&) override {
    const WithGil gil;
    const Tensors results = tensors_in(called(forward_, py::tuple()), name());
    for (const Tensor& result : tensors_in(called(non_differentiable_, py::tuple()), name()))
      mark_non_differentiable(result);
    return results;
  }

  Tensors backward(std::span<const Tensor> gradients) override {
    const WithGil gil;
    py::tuple arguments(gradients.size());
    for (std::size_t i = 0; i < gradients.size(); ++i) arguments[i] = gradients[i];
    return tensors_in(called(backward_, arguments), name());
  }

  bool release_saved() override {
    const WithGil gil;
    const py::handle context(context_.get());
    const py::object saved = context.attr("_saved");
    if (saved.is_none() || py::len(saved) == 0) return false;
    context.attr("_saved") = py::none();
    return true;
  }

 private:
  std::string name_;
  Callable context_, forward_, backward_, non_differentiable_;
};

std::string python_stack() {
  const WithGil gil;
  const py::object lines = py::module_::import("traceback").attr("format_stack")();
  return py::str(py::str("").attr("join")(lines));
}

}  // namespace

PyObject* wrap_node(Node* node) {
  if (!node) Py_RETURN_NONE;
  return node_object(node).release().ptr();
}

PyObject* tensor_backward(PyObject* self, PyObject* arguments, PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    PyObject *gradient = Py_None, *retain_graph = Py_None, *inputs = Py_None;
    int create_graph = 0;
    static const char* names[] = {"gradient", "retain_graph", "create_graph", "inputs", nullptr};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|OOpO", const_cast<char**>(names), &gradient,
                                     &retain_graph, &create_graph, &inputs))
      return nullptr;
    if (gradient != Py_None && !is_tensor(gradient))
      throw py::type_error("backward(): argument 'gradient' must be Tensor or None");
    const bool retain = retain_graph == Py_None ? create_graph != 0 : truth_of(retain_graph);
    const Tensors leaves = tensors_in(inputs, "backward(): inputs");
    check<AutogradError>(inputs == Py_None || !leaves.empty(),
                         "backward: inputs is empty; name the tensors whose gradients are wanted");
    const Tensor start = gradient == Py_None ? Tensor() : tensor_of(gradient);
    const Tensor root = tensor_of(self);
    {
      const WithoutGil without_gil;
      backward({root}, {start}, retain, create_graph != 0, leaves);
    }
    Py_RETURN_NONE;
  });
}

PyObject* tensor_register_hook(PyObject* self, PyObject* hook) {
  return guarded(
      [&] { return handle_for(tensor_of(self), tensor_of(self).register_hook(gradient_hook(hook))); });
}

PyObject* tensor_register_post_accumulate_grad_hook(PyObject* self, PyObject* hook) {
  return guarded([&] {
    const auto number =
        tensor_of(self).register_post_accumulate_grad_hook([callable = Callable(hook)](const Tensor& tensor) {
          const WithGil gil;
          called(callable, py::make_tuple(tensor));
        });
    return handle_for(tensor_of(self), number);
  });
}

namespace {

void bind_nodes(py::module_& module) {
  py::class_<RemovableHandle>(module, "RemovableHandle")
      .def("remove", &RemovableHandle::remove, "Takes the hook away.")
      .def("__enter__", [](py::object self) { return self; })
      .def("__exit__", [](RemovableHandle& self, py::args) { self.remove(); });
  py::class_<NodeHandle>(module, "Node")
      .def(py::init<const NodeHandle&>())
      .def("name", [](const NodeHandle& node) { return node_name(*node.get()); })
      .def("__repr__", [](const NodeHandle& node) { return "<" + node_name(*node.get()) + ">"; })
      .def("__eq__", [](const NodeHandle& a, const NodeHandle& b) { return a.get() == b.get(); })
      .def("__hash__", [](const NodeHandle& node) { return std::hash<Node*>()(node.get()); })
      .def_property_readonly("next_functions",
                             [](const NodeHandle& node) {
                               py::list result;
                               for (const Edge& edge : node->edges()) {
                                 py::object next = py::none();
                                 if (edge.node()) next = node_object(edge.node());
                                 if (edge.leaf()) next = py::cast(AccumulateGrad{Tensor::share(edge.leaf())});
                                 result.append(py::make_tuple(next, edge.output_index));
                               }
                               return py::tuple(result);
                             })
      .def_property_readonly("saved_tensors",
                             [](const NodeHandle& node) { return as_tuple(node->saved_tensors()); })
      .def("register_hook",
           [](const NodeHandle& node, py::object hook) {
             const auto number = node->register_hook(
                 [callable = Callable(hook.ptr())](Tensors& results, const Tensors& gradients) {
                   const WithGil gil;
                   const py::object replaced =
                       called(callable, py::make_tuple(as_tuple(results), as_tuple(gradients)));
                   if (!replaced.is_none()) results = tensors_in(replaced, "hook");
                 });
             return RemovableHandle{[node, number] { node->remove_hook(number); }};
           })
      .def("register_prehook", [](const NodeHandle& node, py::object hook) {
        const auto number = node->register_prehook([callable = Callable(hook.ptr())](Tensors& gradients) {
          const WithGil gil;
          const py::object replaced = called(callable, py::make_tuple(as_tuple(gradients)));
          if (!replaced.is_none()) gradients = tensors_in(replaced, "hook");
        });
        return RemovableHandle{[node, number] { node->remove_hook(number); }};
      });
  py::class_<AccumulateGrad>(module, "AccumulateGrad")
      .def("name", [](const AccumulateGrad&) { return "AccumulateGrad"; })
      .def("__repr__", [](const AccumulateGrad&) { return "<AccumulateGrad>"; })
      .def_property_readonly("variable", [](const AccumulateGrad& self) { return self.leaf; })
      .def_property_readonly("next_functions", [](const AccumulateGrad&) { return py::tuple(); });
}

void bind_generator(py::module_& module) {
  py::class_<Generator>(module, "_Generator");
  py::class_<DeviceGenerator, Generator>(module, "Generator")
      .def(py::init([](const py::object& device) {
             // Throws where there is no such device.
             return DeviceGenerator(Generator(), resolved(device_of(device.ptr())));
           }),
           py::arg("device") = "cpu")
      .def("manual_seed",
           [](py::object self, std::int64_t seed) {
             self.cast<Generator&>().manual_seed(std::uint64_t(seed));
             return self;
           })
      .def("seed", &Generator::seed)
      .def("initial_seed", &Generator::initial_seed)
      .def("_get_state",
           [](const Generator& self) { return py::make_tuple(self.initial_seed(), self.offset()); })
      .def("_set_state", [](const Generator& self, std::uint64_t seed,
                            std::uint64_t offset) { self.set_state(seed, offset); })
      .def(
          "get_state",
          [](const py::object& self) {
            return py::module_::import("taper._creation").attr("_state_of")(self);
          },
          "The state as a uint8 tensor of 16 bytes: seed and offset.")
      .def(
          "set_state",
          [](const py::object& self, const py::object& state) {
            py::module_::import("taper._creation").attr("_restore_state")(self, state);
            return self;
          },
          py::arg("new_state"), "Restores what get_state returned.")
      .def("get_offset", &Generator::offset, "How many blocks of four words were drawn since the seed.")
      .def("set_offset",
           [](const Generator& self, std::uint64_t offset) { self.set_state(self.initial_seed(), offset); })
      .def(
          "clone_state",
          [](const DeviceGenerator& self) {
            DeviceGenerator copy(Generator(), self.device);
            copy.set_state(self.initial_seed(), self.offset());
            return copy;
          },
          "Another generator that goes on from the same state.")
      .def_property_readonly("device", [](const DeviceGenerator& self) { return self.device; });
  module.def(
      "_set_saved_hooks",
      [](const py::object& pack, const py::object& unpack) {
        const auto shared = [](py::object object) {
          return std::shared_ptr<void>(object.release().ptr(), [](void* kept) {
            if (!Py_IsInitialized()) return;
            const WithGil gil;
            Py_DECREF(static_cast<PyObject*>(kept));
          });
        };
        std::shared_ptr<const SavedHooks> hooks;
        if (!pack.is_none()) {
          const auto packer = shared(pack), unpacker = shared(unpack);
          hooks = std::make_shared<SavedHooks>(
              SavedHooks{[packer, shared](const Tensor& tensor) {
                           const WithGil gil;
                           return shared(py::handle(static_cast<PyObject*>(packer.get()))(tensor));
                         },
                         [unpacker](const std::shared_ptr<void>& content) {
                           const WithGil gil;
                           const py::handle kept(static_cast<PyObject*>(content.get()));
                           return py::cast<Tensor>(py::handle(static_cast<PyObject*>(unpacker.get()))(kept));
                         }});
        }
        auto* before = new std::shared_ptr<const SavedHooks>(set_saved_hooks(std::move(hooks)));
        return py::capsule(before,
                           [](void* kept) { delete static_cast<std::shared_ptr<const SavedHooks>*>(kept); });
      },
      "Sets what stands for the tensors saved for backward; returns what _restore_saved_hooks takes.");
  module.def("_restore_saved_hooks", [](const py::capsule& before) {
    set_saved_hooks(*before.get_pointer<std::shared_ptr<const SavedHooks>>());
  });
  module.attr("default_generator") = DeviceGenerator(default_generator());
}

}  // namespace

void bind_autograd(py::module_& module) {
  bind_nodes(module);
  bind_generator(module);
  module.def("is_grad_enabled", &is_grad_enabled, "Whether operations are recorded.");
  module.def("_set_grad_enabled", &set_grad_enabled);
  module.def("is_inference_mode_enabled", &is_inference_mode, "Whether inference_mode is on.");
  module.def("_is_inference", [](const Tensor& x) { return x.record()->inference; });
  module.def("_set_inference_mode", [](bool enabled) { set_inference_mode(enabled); });
  module.def("_set_anomaly_detection", [](bool enabled) {
    set_origin_describer(python_stack);
    set_anomaly_detection(enabled);
  });
  // target.data = source where the old memory is freed at once, and what was saved of target follows.
  module.def("_move_memory", [](const Tensor& target, const Tensor& source) {
    const Tensor before = window(target, target.sizes(), target.strides(), target.storage_offset());
    leave_memory(before, source);
    set_memory(target, source);
  });
  module.def("is_anomaly_enabled", &is_anomaly_detection_enabled);
  module.def("_in_backward", &in_backward);
  module.def("_queue_callback", [](const py::object& callback) {
    queue_callback([callable = Callable(callback.ptr())] {
      const WithGil gil;
      py::reinterpret_borrow<py::object>(callable.get())();
    });
  });
  module.def("_backward", [](py::object outputs, py::object gradients, bool retain_graph, bool create_graph,
                             py::object inputs) {
    const Tensors roots = tensors_in(outputs, "backward"), starts = tensors_in(gradients, "backward"),
                  leaves = tensors_in(inputs, "backward");
    const WithoutGil without_gil;
    backward(roots, starts, retain_graph, create_graph, leaves);
  });
  module.def("_grad", [](py::object outputs, py::object inputs, py::object gradients, bool retain_graph,
                         bool create_graph, bool allow_unused) {
    const Tensors roots = tensors_in(outputs, "grad"), leaves = tensors_in(inputs, "grad"),
                  starts = tensors_in(gradients, "grad");
    Tensors results;
    {
      const WithoutGil without_gil;
      results = grad(roots, leaves, starts, retain_graph, create_graph, allow_unused);
    }
    return as_tuple(results);
  });
  py::class_<DividedBackward>(module, "_DividedBackward")
      .def(py::init<>())
      .def("of_inputs",
           [](DividedBackward& pass, py::object outputs, py::object inputs, py::object gradients) {
             const Tensors roots = tensors_in(outputs, "backward"), leaves = tensors_in(inputs, "backward"),
                           starts = tensors_in(gradients, "backward");
             Tensors results;
             {
               const WithoutGil without_gil;
               results = pass.of_inputs(roots, leaves, starts);
             }
             return as_tuple(results);
           })
      .def("of_rest", [](DividedBackward& pass) {
        const WithoutGil without_gil;
        pass.of_rest();
      });
  module.def(
      "_apply_function", [](const std::string& name, py::object context, py::object forward,
                            py::object backward_method, py::object operands, py::object non_differentiable) {
        const Tensors inputs = tensors_in(operands, name.c_str());
        auto function =
            std::make_shared<PythonFunction>(name, context, forward, backward_method, non_differentiable);
        return as_tuple(CustomFunction::apply(function, inputs));
      });
  // Node, output and stand-in of the edge behind a tensor. The stand-in has the tensor's shape, dtype and
  // history, but of its memory only one element's worth; a leaf stands for itself.
  module.def("_gradient_edge", [](const Tensor& x) -> py::tuple {
    check<AutogradError>(x.requires_grad(), "get_gradient_edge: the tensor does not require grad");
    Node* const node = x.grad_fn();
    if (!node) return py::make_tuple(AccumulateGrad{x}, 0, x);
    const Tensor stand_in = expand(empty({}, x.dtype(), x.device()), x.sizes());
    detail::attach(stand_in, node, x.record()->output_index);
    return py::make_tuple(node_object(node), x.record()->output_index, stand_in);
  });
  // target, which the function `name` wrote in place, with the history of value; throws as in-place
  // operations do where it may not be written.
  module.def("_take_history", [](const Tensor& target, const Tensor& value, const std::string& name) {
    check_inplace(target, name.c_str());
    adopt_history(target, value);
    return target;
  });
}

}  // namespace taper::python
