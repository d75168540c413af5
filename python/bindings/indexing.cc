// x[...] and x[...] = y: basic indices become views, tensors and masks advanced indexing.
#include "functions.h"
#include "taper/error.h"
#include "taper/ops.h"

namespace taper::python {

namespace {

/// An index expression applied to a tensor: the view that its basic parts give, and what is left for advanced
/// indexing.
struct Indexed {
  Tensor view;
  OptionalTensors advanced = {};
  bool has_advanced = false;
  /// How many dimensions of the view the entries of advanced stand for.
  int covered = 0;
};

// How many dimensions an index tensor takes: a mask as many as it has.
int positions_taken(const Tensor& index) {
  return index.dtype() == boolean || index.dtype() == uint8 ? index.ndim() : 1;
}

// How many dimensions of the tensor an entry takes.
int dimensions_taken(PyObject* entry) {
  if (entry == Py_None || entry == Py_Ellipsis || PyBool_Check(entry)) return 0;
  return is_tensor(entry) ? positions_taken(tensor_of(entry)) : 1;
}

// The entry itself, or the tensor that a list or an array stands for.
py::object normalized(PyObject* entry) {
  std::int64_t position = 0;
  if (entry == Py_None || entry == Py_Ellipsis || PyBool_Check(entry) || PySlice_Check(entry) ||
      is_tensor(entry) || integer_of(entry, position))
    return py::reinterpret_borrow<py::object>(entry);
  py::object made = py::module_::import("taper").attr("as_tensor")(py::handle(entry));
  const Tensor& index = tensor_of(made.ptr());
  // An empty list is a list of no positions.
  return index.numel() == 0 && index.is_floating_point() ? py::cast(to(index, int64)) : made;
}

std::optional<std::int64_t> bound(PyObject* value) {
  if (value == Py_None) return std::nullopt;
  std::int64_t position = 0;
  if (!integer_of(value, position))
    throw py::type_error("slice indices must be integers or None or have an __index__ method");
  return position;
}

Tensor sliced(const Tensor& x, int dim, PyObject* entry) {
  auto* slice_object = reinterpret_cast<PySliceObject*>(entry);
  if (slice_object->start == Py_None && slice_object->stop == Py_None && slice_object->step == Py_None)
    return x;
  return slice(x, dim, bound(slice_object->start), bound(slice_object->stop),
               bound(slice_object->step).value_or(1));
}

/// Applies one entry at dimension `dim` of result.view; returns the next dimension.
int apply_entry(Indexed& result, int dim, PyObject* entry) {
  const auto set_advanced = [&](const Tensor& index) {
    // A mask is one entry for as many dimensions as it has.
    result.advanced.resize(result.advanced.size() + std::size_t(dim - result.covered));
    result.advanced.emplace_back(index);
    result.has_advanced = true;
    return result.covered = dim + positions_taken(index);
  };
  if (entry == Py_None) {
    result.view = unsqueeze(result.view, dim);
    return dim + 1;
  }
  if (PyBool_Check(entry)) {
    result.view = unsqueeze(result.view, dim);
    return set_advanced(full({1}, entry == Py_True, boolean));
  }
  if (PySlice_Check(entry)) {
    result.view = sliced(result.view, dim, entry);
    return dim + 1;
  }
  std::int64_t position = 0;
  if (!is_tensor(entry) && integer_of(entry, position)) {
    result.view = select(result.view, dim, position);
    return dim;
  }
  const Tensor index = tensor_of(entry);
  if (index.ndim() == 0 && index.dtype() == boolean) {
    result.view = unsqueeze(result.view, dim);
    return set_advanced(reshape(index, {1}));
  }
  if (index.ndim() == 0 && is_integral(index.dtype())) {
    result.view = select(result.view, dim, index.item<std::int64_t>());
    return dim;
  }
  return set_advanced(index);
}

Indexed indexed(const Tensor& x, PyObject* key) {
  Indexed result{x};
  if (key == Py_Ellipsis) return result;
  std::vector<py::object> entries;
  if (PyTuple_Check(key))
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(key); ++i)
      entries.push_back(normalized(PyTuple_GET_ITEM(key, i)));
  else entries.push_back(normalized(key));
  int taken = 0, ellipses = 0;
  for (const py::object& entry : entries) {
    taken += dimensions_taken(entry.ptr());
    ellipses += entry.ptr() == Py_Ellipsis;
  }
  check<IndexError>(x.ndim() > 0 || taken == 0 || PyTuple_Check(key),
                    "index: invalid index of a 0-dim tensor; use x.item()");
  check<IndexError>(ellipses <= 1, "index: an index can only have a single ellipsis ('...')");
  check<IndexError>(taken <= x.ndim(), "index: too many indices for tensor of dimension ", x.ndim(), ", got ",
                    taken);
  int dim = 0;
  for (const py::object& entry : entries)
    dim = entry.ptr() == Py_Ellipsis ? dim + x.ndim() - taken : apply_entry(result, dim, entry.ptr());
  return result;
}

// All of x as a view of it.
Tensor as_view(const Tensor& x) {
  Shape dims;
  for (int i = 0; i < x.ndim(); ++i) dims.push_back(i);
  return permute(x, dims);
}

PyObject* get_item(PyObject* self, PyObject* key) {
  return guarded([&] {
    const Profiled entry("getitem");
    const Tensor& x = tensor_of(self);
    const Indexed result = indexed(x, key);
    if (result.has_advanced) return wrap(index(result.view, result.advanced));
    // x[...] and x[:] are new views, not x itself.
    return wrap(result.view.is(x) ? as_view(x) : result.view);
  });
}

int set_item(PyObject* self, PyObject* key, PyObject* value) {
  return guarded([&] {
    if (!value) throw py::type_error("tensor elements cannot be deleted");
    const Profiled entry("setitem");
    const Tensor& x = tensor_of(self);
    Tensor source;
    Scalar number;
    if (is_tensor(value)) source = tensor_of(value);
    else if (scalar_of(value, number))
      source = full({}, number, kind(x.dtype()) >= number.kind() ? std::optional(x.dtype()) : std::nullopt);
    else source = tensor_of(py::module_::import("taper").attr("as_tensor")(py::handle(value)).ptr());
    const Indexed target = key == Py_Ellipsis ? Indexed{x} : indexed(x, key);
    if (target.has_advanced) {
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
