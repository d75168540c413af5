// Saving and loading: Python objects to and from State, safetensors files, and tensors as raw buffers.
#include <pybind11/functional.h>
#include <pybind11/stl.h>

#include <map>
#include <memory>

#include "interpreter.h"
#include "io/crc32c.h"
#include "io/tensor_file.h"
#include "python.h"
#include "taper/error.h"
#include "taper/io.h"
#include "taper/ops.h"

namespace taper::python {

namespace {

// Turns Python's values into a State. What is not a plain value is described by a Python function, which
// returns a tag and a plain value, or raises TypeError.
class ToState {
 public:
  explicit ToState(py::function describe) : describe_(std::move(describe)) {}

  State convert(py::handle object) {
    PyObject* p = object.ptr();
    if (object.is_none()) return {};
    if (p == Py_True || p == Py_False) return p == Py_True;
    if (PyUnicode_CheckExact(p)) return text(p);
    if (PyFloat_CheckExact(p)) return PyFloat_AS_DOUBLE(p);
    if (is_tensor(p)) {
      if (py::hasattr(object, "_check_saved")) object.attr("_check_saved")();
      return tensor_of(p);
    }
    if (PyBytes_CheckExact(p))
      return State::Bytes{std::string(PyBytes_AS_STRING(p), std::size_t(PyBytes_GET_SIZE(p)))};
    if (PyLong_CheckExact(p)) {
      int overflow = 0;
      const long long value = PyLong_AsLongLongAndOverflow(p, &overflow);
      return overflow ? described(object) : State(value);
    }
    if (PyDict_CheckExact(p)) return dict(p);
    if (PyList_CheckExact(p)) return State::list(items(object));
    if (PyTuple_CheckExact(p)) return State::tuple(items(object));
    return described(object);
  }

 private:
  static State text(PyObject* p) {
    Py_ssize_t size = 0;
    const char* data = PyUnicode_AsUTF8AndSize(p, &size);
    if (data) return std::string(data, std::size_t(size));
    PyErr_Clear();
    fail<ValueError>("save: some text has lone surrogates, which have no UTF-8 form; save it as bytes");
  }

  struct Level {
    ToState& owner;
    explicit Level(ToState& owner) : owner(owner) {
      constexpr std::size_t limit = 1000;  // beyond that of State, whose error is the better one
      check<ValueError>(owner.path_.size() < limit,
                        "save: nested too deeply; does the object contain itself?");
      owner.path_.emplace_back();
    }
    ~Level() { owner.path_.pop_back(); }
  };

  State::List items(py::handle sequence) {
    const Level level(*this);
    State::List list;
    std::size_t index = 0;
    for (const py::handle item : sequence) {
      path_.back() = py::int_(index++);
      list.push_back(convert(item));
    }
    return list;
  }

  State dict(PyObject* p) {
    const Level level(*this);
    State::Dict entries;
    for (const auto& [key, value] : py::reinterpret_borrow<py::dict>(p)) {
      path_.back() = py::reinterpret_borrow<py::object>(key);
      State name = convert(key);
      entries.emplace_back(std::move(name), convert(value));
    }
    return State::dict(std::move(entries));
  }

  State described(py::handle object) {
    py::tuple path(path_.size());
    for (std::size_t i = 0; i < path_.size(); ++i) path[i] = path_[i];
    const py::tuple description = describe_(object, path);
    const Level level(*this);
    path_.back() = py::str("...");
    return convert(description[1]).tagged(description[0].cast<std::string>());
  }

  py::function describe_;
  std::vector<py::object> path_;
};

// The way back: restore(tag, plain value) undoes the description.
py::object from_state(const State& state, const py::function& restore) {
  const auto plain = [&]() -> py::object {
    if (state.is_none()) return py::none();
    if (state.is_bool()) return py::bool_(state.as_bool());
    if (state.is_int()) return py::int_(state.as_int());
    if (state.is_double()) return py::float_(state.as_double());
    if (state.is_text()) return py::str(state.as_text());
    if (state.is_bytes()) return py::bytes(state.as_bytes());
    if (state.is_tensor()) return py::reinterpret_steal<py::object>(wrap(state.as_tensor()));
    if (state.is_dict()) {
      py::dict dict;
      for (const auto& [key, value] : state.as_dict())
        dict[from_state(key, restore)] = from_state(value, restore);
      return dict;
    }
    const State::List& items = state.as_list();
    if (state.tag() == "tuple") {
      py::tuple tuple(items.size());
      for (std::size_t i = 0; i < items.size(); ++i) tuple[i] = from_state(items[i], restore);
      return tuple;
    }
    py::list list(items.size());
    for (std::size_t i = 0; i < items.size(); ++i) list[i] = from_state(items[i], restore);
    return list;
  };
  py::object value = plain();
  if (state.tag().empty() || state.tag() == "tuple") return value;
  return restore(state.tag(), value);
}

Placement placement_of(const py::object& function) {
  if (function.is_none()) return {};
  return [function](Device saved_on) {
    const WithGil lock;
    return device_of(py::object(function(saved_on)).ptr());
  };
}

void bind_checkpoints(py::module_& module) {
  module.def("_save", [](const py::object& value, const std::string& path, const py::function& describe) {
    const State state = ToState(describe).convert(value);
    const WithoutGil unlock;
    save(state, path);
  });
  module.def("_save_bytes", [](const py::object& value, const py::function& describe) {
    const State state = ToState(describe).convert(value);
    return py::bytes(save_to_memory(state));
  });
  module.def("_load", [](const std::string& path, const py::object& placement, bool verify,
                         const py::function& restore) {
    State state;
    const Placement place = placement_of(placement);
    {
      const WithoutGil unlock;
      state = load(path, place, verify);
    }
    return from_state(state, restore);
  });
  module.def("_load_bytes", [](const py::bytes& bytes, const py::object& placement, bool verify,
                               const py::function& restore) {
    return from_state(load_from_memory(std::string_view(bytes), placement_of(placement), verify), restore);
  });
}

// An open safetensors file, tensors of which are read one at a time.
class OpenFile {
 public:
  OpenFile(const std::string& path, bool verify) : reader_(io::open_file(path), verify) {
    for (std::size_t i = 0; i < reader_.tensors().size(); ++i) indices_.emplace(reader_.tensors()[i].name, i);
  }

  std::vector<std::string> keys() const {
    std::vector<std::string> names;
    for (const io::TensorInfo& tensor : reader_.tensors()) names.push_back(tensor.name);
    return names;
  }
  // In the order of the data.
  std::vector<std::string> offset_keys() const {
    std::map<std::pair<std::uint64_t, std::size_t>, std::string> names;
    for (std::size_t i = 0; i < reader_.tensors().size(); ++i)
      names.emplace(std::pair(reader_.tensors()[i].begin, i), reader_.tensors()[i].name);
    std::vector<std::string> ordered;
    for (const auto& [place, name] : names) ordered.push_back(name);
    return ordered;
  }
  NamedTexts metadata() const { return reader_.metadata(); }
  std::pair<DType, Shape> type(const std::string& name) const { return io::true_type(reader_, index(name)); }
  std::string stored_dtype(const std::string& name) const {
    return std::string(io::safetensors_dtype(reader_.tensors()[index(name)].dtype));
  }

  Tensor tensor(const std::string& name) const {
    const std::size_t i = index(name);
    const WithoutGil unlock;
    const Tensor result = io::read_tensor(reader_, i);
    reader_.check_unchanged();
    return result;
  }

  // Rows begin to end of the first dimension. Without a checksum, which covers whole tensors.
  Tensor rows(const std::string& name, std::int64_t begin, std::int64_t end) const {
    const std::size_t i = index(name);
    auto [dtype, shape] = io::true_type(reader_, i);
    check<IndexError>(!shape.empty() && 0 <= begin && begin <= end && end <= shape[0], "safe_open: rows ",
                      begin, " to ", end, " of a tensor of shape ", shape);
    const std::uint64_t total = reader_.tensors()[i].end - reader_.tensors()[i].begin;
    const std::uint64_t row = shape[0] ? total / std::uint64_t(shape[0]) : 0;
    shape[0] = end - begin;
    const WithoutGil unlock;
    const Tensor result = empty(shape, dtype);
    reader_.read_part(i, row * std::uint64_t(begin), result.data(), row * std::uint64_t(end - begin));
    reader_.check_unchanged();
    return result;
  }

 private:
  std::size_t index(const std::string& name) const {
    const auto found = indices_.find(name);
    check<ValueError>(found != indices_.end(), reader_.name(), " has no tensor ", io::Quote{name});
    return found->second;
  }

  io::SafetensorsReader reader_;
  std::map<std::string, std::size_t> indices_;
};

void bind_safetensors(py::module_& module) {
  module.def("_save_safetensors",
             [](const NamedTensors& tensors, const std::string& path, const NamedTexts& metadata) {
               const WithoutGil unlock;
               save_safetensors(tensors, path, metadata);
             });
  module.def("_save_safetensors_bytes", [](const NamedTensors& tensors, const NamedTexts& metadata) {
    return py::bytes(save_safetensors_to_memory(tensors, metadata));
  });
  module.def("_load_safetensors", [](const std::string& path, bool verify) {
    const WithoutGil unlock;
    return load_safetensors(path, nullptr, verify);
  });
  module.def("_load_safetensors_bytes", [](const py::bytes& bytes, bool verify) {
    return load_safetensors_from_memory(std::string_view(bytes), nullptr, verify);
  });
  py::class_<OpenFile>(module, "_SafetensorsFile")
      .def(py::init<const std::string&, bool>())
      .def("keys", &OpenFile::keys)
      .def("offset_keys", &OpenFile::offset_keys)
      .def("metadata", &OpenFile::metadata)
      .def("type", &OpenFile::type)
      .def("stored_dtype", &OpenFile::stored_dtype)
      .def("tensor", &OpenFile::tensor)
      .def("rows", &OpenFile::rows);
}

void bind_npy(py::module_& module) {
  module.def("_save_npy", [](const Tensor& tensor, const std::string& path) {
    const WithoutGil unlock;
    save_npy(tensor, path);
  });
  module.def("_load_npy", [](const std::string& path) {
    const WithoutGil unlock;
    return load_npy(path);
  });
  module.def("_save_npz", [](const NamedTensors& tensors, const std::string& path, bool compress) {
    const WithoutGil unlock;
    save_npz(tensors, path, compress);
  });
  module.def("_load_npz", [](const std::string& path) {
    const WithoutGil unlock;
    return load_npz(path);
  });
}

// The elements of a tensor as a buffer that keeps them alive.
struct TensorBuffer {
  Tensor tensor;
};

void release_buffer(void* context) {
  if (!Py_IsInitialized()) return;
  const WithGil lock;
  auto* view = static_cast<Py_buffer*>(context);
  PyBuffer_Release(view);
  delete view;
}

Tensor tensor_from_buffer(const py::buffer& buffer, DType dtype, const Shape& shape) {
  std::int64_t bytes = 0;
  const bool countable = !__builtin_mul_overflow(numel(shape), item_size(dtype), &bytes);
  auto view = std::make_unique<Py_buffer>();
  if (PyObject_GetBuffer(buffer.ptr(), view.get(), PyBUF_WRITABLE) != 0) throw py::error_already_set();
  if (!countable || bytes != view->len) {
    const Py_ssize_t length = view->len;
    PyBuffer_Release(view.get());
    fail<ValueError>("tensor from buffer: shape ", shape, " of ", dtype, " needs ", bytes,
                     " bytes, the buffer has ", length);
  }
  void* data = view->buf;
  return from_blob(data, shape, contiguous_strides(shape), dtype, release_buffer, view.release());
}

void bind_buffers(py::module_& module) {
  py::class_<TensorBuffer>(module, "_TensorBuffer", py::buffer_protocol()).def_buffer([](TensorBuffer& self) {
    return py::buffer_info(self.tensor.data<unsigned char>(), self.tensor.numel() * self.tensor.item_size());
  });
  module.def(
      "_tensor_to_buffer", [](const Tensor& tensor) { return TensorBuffer{io::plain(tensor)}; },
      "The elements, row-major, as a buffer; a copy only where they are not row-major.");
  module.def("_is_parameter", [](const Tensor& tensor) { return tensor.record()->parameter; });
  module.def("_tensor_from_buffer", &tensor_from_buffer,
             "A tensor on the memory of a writable buffer of exactly the bytes that shape and dtype need.");
}

}  // namespace

void bind_io(py::module_& module) {
  module.def("_crc32c", [](const std::string_view data) { return io::crc32c(data.data(), data.size()); });
  bind_checkpoints(module);
  bind_safetensors(module);
  bind_npy(module);
  bind_buffers(module);
}

}  // namespace taper::python
