// x[...] and x[...] = y: basic indices become views, tensors and masks advanced indexing.
#include "ops/indexing.h"
#include "functions.h"
#include "taper/error.h"
#include "taper/ops.h"

namespace taper::python {

namespace {

// Whether it takes no dimension of a 0-d tensor.
bool is_mask(const TensorIndex& index) {
  const Tensor* tensor = std::get_if<Tensor>(&index.entry());
  return tensor && tensor->ndim() == 0 && (tensor->dtype() == boolean || tensor->dtype() == uint8);
}

std::optional<std::int64_t> bound(PyObject* value) {
  if (value == Py_None) return std::nullopt;
  std::int64_t position = 0;
  if (!integer_of(value, position))
    throw py::type_error("slice indices must be integers or None or have an __index__ method");
  return position;
}

Slice slice_of(PyObject* entry) {
  auto* slice_object = reinterpret_cast<PySliceObject*>(entry);
  return {bound(slice_object->start), bound(slice_object->stop), bound(slice_object->step).value_or(1)};
}

TensorIndex index_of(PyObject* entry) {
  if (entry == Py_None) return NoneIndex();
  if (entry == Py_Ellipsis) return EllipsisIndex();
  if (PyBool_Check(entry)) return entry == Py_True;
  if (PySlice_Check(entry)) return slice_of(entry);
  if (is_tensor(entry)) return tensor_of(entry);
  std::int64_t position = 0;
  if (integer_of(entry, position)) return position;
  // A list or an array; an empty list is one of no positions.
  const py::object made = py::module_::import("taper").attr("as_tensor")(py::handle(entry));
  const Tensor& index = tensor_of(made.ptr());
  return index.numel() == 0 && index.is_floating_point() ? to(index, int64) : index;
}

// Whether a short list stands for a tuple, as in NumPy before 1.23 and in PyTorch: x[[[0, 1], [1, 0]]] is
// x[[0, 1], [1, 0]].
bool is_tuple_in_brackets(PyObject* key) {
  if (!PyList_Check(key) || PyList_GET_SIZE(key) >= 32) return false;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(key); ++i) {
    PyObject* const entry = PyList_GET_ITEM(key, i);
    if (entry == Py_None || entry == Py_Ellipsis || PySlice_Check(entry) || is_tensor(entry) ||
        PySequence_Check(entry))
      return true;
  }
  return false;
}

Indexed indexed_by(const Tensor& x, PyObject* key) {
  if (key == Py_Ellipsis) return {x};
  if (is_tuple_in_brackets(key))
    return indexed_by(x, py::reinterpret_steal<py::tuple>(PyList_AsTuple(key)).ptr());
  if (!PyTuple_Check(key)) {
    const TensorIndex index = index_of(key);
    check<IndexError>(x.ndim() > 0 || key == Py_None || PyBool_Check(key) || is_mask(index),
                      "index: invalid index of a 0-dim tensor; use x.item()");
    return indexed(x, {&index, 1});
  }
  std::vector<TensorIndex> indices;
  indices.reserve(std::size_t(PyTuple_GET_SIZE(key)));
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(key); ++i)
    indices.push_back(index_of(PyTuple_GET_ITEM(key, i)));
  return indexed(x, indices);
}

// All of x as a view of it.
Tensor as_view(const Tensor& x) {
  Shape dims;
  for (int i = 0; i < x.ndim(); ++i) dims.push_back(i);
  return permute(x, dims);
}

// The result of a class of the index, or of what is assigned, that takes the call over; null where there is
// none.
PyObject* taken_over(const char* method, std::initializer_list<PyObject*> arguments) {
  static PyObject* const type = reinterpret_cast<PyObject*>(tensor_type);
  if (!any_takes_over(arguments.begin(), Py_ssize_t(arguments.size()))) return nullptr;
  const py::object function = py::getattr(type, method);
  PyObject* result =
      call_taken_over(function.ptr(), arguments.begin(), Py_ssize_t(arguments.size()), nullptr);
  if (PyErr_Occurred()) throw py::error_already_set();
  return result;
}

PyObject* get_item(PyObject* self, PyObject* key) {
  return guarded([&] {
    if (PyObject* result = taken_over("__getitem__", {self, key})) return result;
    const Profiled entry("getitem");
    const Tensor& x = tensor_of(self);
    const Indexed result = indexed_by(x, key);
    if (!result.advanced.empty()) return wrap(index(result.view, result.advanced));
    // x[...] and x[:] are new views, not x itself.
    return wrap(result.view.is(x) ? as_view(x) : result.view);
  });
}

int set_item(PyObject* self, PyObject* key, PyObject* value) {
  return guarded([&] {
    if (!value) throw py::type_error("tensor elements cannot be deleted");
    if (PyObject* result = taken_over("__setitem__", {self, key, value})) {
      Py_DECREF(result);
      return 0;
    }
    const Profiled entry("setitem");
    const Tensor& x = tensor_of(self);
    const Indexed target = indexed_by(x, key);
    Tensor source;
    Scalar number;
    if (is_tensor(value)) {
      source = tensor_of(value);
    } else if (scalar_of(value, number)) {
      if (target.advanced.empty()) return fill_(target.view, number), 0;
      source = full({}, number, x.dtype());
    } else {
      source = tensor_of(py::module_::import("taper").attr("as_tensor")(py::handle(value)).ptr());
    }
    if (!target.advanced.empty()) {
      index_put_(target.view, target.advanced, source);
      return 0;
    }
    while (source.ndim() > target.view.ndim() && source.sizes()[0] == 1) source = squeeze(source, Shape{0});
    copy_(target.view, source);
    return 0;
  });
}

Py_ssize_t length(PyObject* self) {
  return guarded([&]() -> Py_ssize_t {
    const Tensor& x = tensor_of(self);
    if (x.ndim() == 0) throw py::type_error("len() of a 0-d tensor");
    return x.sizes()[0];
  });
}

}  // namespace

void add_indexing_slots(std::vector<PyType_Slot>& slots) {
  slots.push_back({Py_mp_subscript, reinterpret_cast<void*>(get_item)});
  slots.push_back({Py_mp_ass_subscript, reinterpret_cast<void*>(set_item)});
  slots.push_back({Py_mp_length, reinterpret_cast<void*>(length)});
}

}  // namespace taper::python
