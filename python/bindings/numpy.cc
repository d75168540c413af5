// NumPy arrays, nested lists and the buffer protocol, to and from tensors.
#include <pybind11/numpy.h>

#include <complex>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/visit.h"
#include "interpreter.h"
#include "ops/inplace.h"
#include "python.h"
#include "taper/error.h"
#include "taper/ops.h"

namespace taper::python {

namespace {

// NumPy's dtype for ours; bfloat16 has none and goes by float32.
py::dtype numpy_dtype(DType dtype) {
  return py::dtype(std::string(name(dtype == bfloat16 ? float32 : dtype)));
}

DType dtype_of_numpy(const py::dtype& dtype) {
  check<DTypeError>(
      dtype.byteorder() != '>',
      "from_numpy: big-endian arrays are not supported; convert with .astype(a.dtype.newbyteorder('='))");
  const std::string text = py::str(dtype.attr("name"));
  try {
    return dtype_from_name(text);
  } catch (const DTypeError&) {
    fail<DTypeError>("from_numpy: can't convert np.ndarray of type ", text,
                     "; supported are bool, int8 ... int64, uint8 ... uint64, float16, float32, float64, "
                     "complex64, complex128");
  }
}

// The array, and a weak reference to the array that owns the memory: NumPy's resize() heeds references of no
// other kind where refcheck is False, and would free what the tensor holds.
struct SharedArray {
  PyObject *array, *owner;
};

void release_array(void* context) {
  const std::unique_ptr<SharedArray> shared(static_cast<SharedArray*>(context));
  if (!Py_IsInitialized()) return;
  const WithGil gil;
  Py_XDECREF(shared->owner);
  Py_DECREF(shared->array);
}

SharedArray* share(const py::array& array) {
  py::array owner = array;
  for (py::object base = owner.base(); base && py::isinstance<py::array>(base); base = owner.base())
    owner = py::reinterpret_borrow<py::array>(base);
  PyObject* weak = PyWeakref_NewRef(owner.ptr(), nullptr);
  if (!weak) throw py::error_already_set();
  Py_INCREF(array.ptr());
  return new SharedArray{array.ptr(), weak};
}

// Shares the array's memory.
Tensor from_array(const py::array& array, const char* op) {
  const DType dtype = dtype_of_numpy(array.dtype());
  Shape sizes, strides;
  for (py::ssize_t i = 0; i < array.ndim(); ++i) {
    sizes.push_back(array.shape(i));
    const std::int64_t stride = array.strides(i);
    check<ValueError>(stride >= 0, op,
                      ": negative strides are not supported; copy the array first (a.copy())");
    check<ValueError>(stride % item_size(dtype) == 0, op,
                      ": strides must be whole elements; copy the array first");
    strides.push_back(stride / item_size(dtype));
  }
  return from_blob(const_cast<void*>(array.data()), sizes, strides, dtype, release_array, share(array));
}

}  // namespace

bool is_array(PyObject* object) { return std::string_view(Py_TYPE(object)->tp_name) == "numpy.ndarray"; }

Tensor copy_of_array(PyObject* array) {
  return from_array(py::array(py::handle(array).attr("copy")()), "from_numpy");
}

namespace {

Tensor from_numpy(const py::object& object) {
  if (!py::isinstance<py::array>(object))
    throw py::type_error(concat("from_numpy: expected np.ndarray, got ", Py_TYPE(object.ptr())->tp_name));
  const auto array = py::reinterpret_borrow<py::array>(object);
  check<ValueError>(
      array.writeable(),
      "from_numpy: the array is read-only and a tensor could write to it; copy it first (a.copy())");
  return from_array(array, "from_numpy");
}

// An array over the tensor's memory, which the tensor's storage keeps alive.
py::object to_numpy(const Tensor& tensor, bool force) {
  check<AutogradError>(force || !tensor.requires_grad(),
                       "numpy: can't call numpy() on Tensor that requires grad; use tensor.detach().numpy()");
  if (!force && !tensor.device().is_cpu())
    throw py::type_error(
        concat("numpy: can't convert a tensor on ", tensor.device(), " to an array; use tensor.cpu() first"));
  const Tensor here = to(tensor.detach(), Device());
  const Tensor source = here.dtype() == bfloat16 ? to(here, float32) : here;
  std::vector<py::ssize_t> sizes(source.sizes().begin(), source.sizes().end()), strides;
  for (const std::int64_t stride : source.strides()) strides.push_back(stride * source.item_size());
  const py::object owner = py::reinterpret_steal<py::object>(wrap(source));
  return py::array(numpy_dtype(source.dtype()), sizes, strides, source.data(), owner);
}

template <class T>
py::object item_object(T value) {
  if constexpr (std::is_same_v<T, bool>) return py::bool_(value);
  else if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) return py::float_(float(value));
  else if constexpr (std::is_integral_v<T>) return py::int_(value);
  else if constexpr (std::is_floating_point_v<T>) return py::float_(value);
  else return py::reinterpret_steal<py::object>(PyComplex_FromDoubles(value.real(), value.imag()));
}

py::object list_of(const Tensor& tensor, int dim, const std::byte* data) {
  if (dim == tensor.ndim())
    return visit(tensor.dtype(), [&]<class T>() { return item_object(*reinterpret_cast<const T*>(data)); });
  const auto list = py::reinterpret_steal<py::list>(PyList_New(tensor.sizes()[dim]));
  if (!list) throw py::error_already_set();
  for (std::int64_t i = 0; i < tensor.sizes()[dim]; ++i)
    list[std::size_t(i)] = list_of(tensor, dim + 1, data + i * tensor.strides()[dim] * tensor.item_size());
  return list;
}

/// Reads nested sequences of numbers: first the shape and the kind, then the values.
class NestedData {
 public:
  explicit NestedData(const py::handle& data) { measure(data, 0); }

  Tensor build(const py::handle& data, std::optional<DType> dtype) const {
    const DType inferred = !any_                     ? default_dtype()
                           : kind_ == Kind::boolean  ? boolean
                           : kind_ == Kind::integral ? int64
                           : kind_ == Kind::floating ? default_dtype()
                                                     : complex_dtype(default_dtype());
    const DType target = dtype.value_or(tensor_dtype_.value_or(inferred));
    // Values pass through the widest type of their kind.
    const DType wide = kind_ == Kind::complex ? complex128 : kind_ == Kind::floating ? float64 : int64;
    Tensor values = empty(sizes_, wide);
    std::byte* place = values.data<std::byte>();
    fill(data, 0, place, wide);
    check<ValueError>(
        !beyond_int64_ || wide != int64 || target == uint64,
        "tensor: an integer is beyond what int64 can hold; pass dtype=taper.uint64 or a floating one");
    if (wide == int64) check_fits<std::int64_t>(values, target);
    if (wide == float64) check_fits<double>(values, target);
    return to(values, target);
  }

 private:
  static bool is_sequence(const py::handle& data) {
    return PyList_Check(data.ptr()) || PyTuple_Check(data.ptr()) ||
           (PySequence_Check(data.ptr()) && !PyUnicode_Check(data.ptr()) && !is_tensor(data.ptr()) &&
            !PyBytes_Check(data.ptr()));
  }

  template <class T>
  static void check_fits(const Tensor& values, DType target) {
    if (!is_integral(target)) return;
    for (const T value : std::span(values.data<T>(), std::size_t(values.numel())))
      check_holds(target, value, "tensor");
  }

  void measure(const py::handle& data, int depth) {
    if (is_tensor(data.ptr())) return measure_tensor(tensor_of(data.ptr()), depth);
    if (!is_sequence(data)) return measure_number(data, depth);
    check<ValueError>(depth < 64, "tensor: lists are nested deeper than 64");
    const auto length = std::int64_t(py::len(data));
    place(depth, length);
    for (std::int64_t i = 0; i < length; ++i)
      measure(py::reinterpret_steal<py::object>(PySequence_GetItem(data.ptr(), i)), depth + 1);
  }
  void place(int depth, std::int64_t length) {
    check<ValueError>(leaf_depth_ < 0 || depth < leaf_depth_,
                      "tensor: lists and numbers are mixed at dimension ", depth);
    if (depth == sizes_.size()) sizes_.push_back(length);
    check<ValueError>(sizes_[depth] == length, "tensor: expected sequence of length ", sizes_[depth],
                      " at dim ", depth, " (got ", length, ")");
  }
  // In a list a tensor of one element counts as a number, as in PyTorch.
  void measure_tensor(const Tensor& tensor, int depth) {
    const int dims = depth && tensor.numel() == 1 ? 0 : tensor.ndim();
    for (int i = 0; i < dims; ++i) place(depth + i, tensor.sizes()[i]);
    leaf(depth + dims);
    kind_ = std::max(kind_, kind(tensor.dtype()));
    tensor_dtype_ = tensor_dtype_ ? promote_types(*tensor_dtype_, tensor.dtype()) : tensor.dtype();
  }
  void measure_number(const py::handle& data, int depth) {
    Scalar value;
    if (!scalar_of(data.ptr(), value))
      throw py::type_error(concat("tensor: could not make a tensor of ", Py_TYPE(data.ptr())->tp_name,
                                  "; expected numbers or nested lists of them"));
    leaf(depth);
    kind_ = std::max(kind_, value.kind());
    int overflow = 0;
    if (PyLong_Check(data.ptr())) PyLong_AsLongLongAndOverflow(data.ptr(), &overflow);
    beyond_int64_ = beyond_int64_ || overflow != 0;
  }
  void leaf(int depth) {
    check<ValueError>((leaf_depth_ < 0 || leaf_depth_ == depth) && depth == sizes_.size(),
                      "tensor: lists and numbers are mixed at dimension ", depth);
    leaf_depth_ = depth;
    any_ = true;
  }
  void fill(const py::handle& data, int depth, std::byte*& place, DType wide) const {
    if (is_tensor(data.ptr())) {
      const Tensor& part = tensor_of(data.ptr());
      check<ValueError>((depth == sizes_.size() && part.numel() == 1) ||
                            part.sizes() == Shape(sizes_.data() + depth, sizes_.size() - depth),
                        "tensor: the data changed while they were read");
      const Tensor values = contiguous(to(to(part.detach(), Device()), wide));
      std::memcpy(place, values.data(), std::size_t(values.numel() * values.item_size()));
      place += values.numel() * values.item_size();
      return;
    }
    if (!is_sequence(data)) {
      Scalar value;
      check<ValueError>(depth == sizes_.size() && scalar_of(data.ptr(), value),
                        "tensor: the data changed while they were read");
      if (wide == int64) *reinterpret_cast<std::int64_t*>(place) = value.to<std::int64_t>();
      else if (wide == float64)
        *reinterpret_cast<double*>(place) =
            PyLong_Check(data.ptr()) ? PyLong_AsDouble(data.ptr()) : value.to<double>();
      else *reinterpret_cast<std::complex<double>*>(place) = value.to<std::complex<double>>();
      place += item_size(wide);
      return;
    }
    // A sequence of a user's own may tell another length, or hold other items, than when it was measured.
    const auto length = depth < sizes_.size() ? sizes_[depth] : 0;
    check<ValueError>(depth < sizes_.size() && std::int64_t(py::len(data)) == length,
                      "tensor: the data changed while they were read");
    for (std::int64_t i = 0; i < length; ++i)
      fill(py::reinterpret_steal<py::object>(PySequence_GetItem(data.ptr(), i)), depth + 1, place, wide);
  }

  Shape sizes_;
  int leaf_depth_ = -1;
  bool any_ = false, beyond_int64_ = false;
  Kind kind_ = Kind::boolean;
  std::optional<DType> tensor_dtype_;
};

std::optional<DType> optional_dtype(const py::object& dtype) {
  if (dtype.is_none()) return std::nullopt;
  return dtype_of(dtype.ptr());
}

// Anything to a new tensor; copies arrays and tensors only if copy.
Tensor from_data(const py::object& data, const py::object& dtype, bool copy) {
  const std::optional<DType> wanted = optional_dtype(dtype);
  if (is_tensor(data.ptr())) {
    const Tensor& tensor = tensor_of(data.ptr());
    const Tensor result = copy ? clone(tensor.detach()) : tensor;
    return to(result, wanted.value_or(tensor.dtype()));
  }
  py::object array = data;
  if (!py::isinstance<py::array>(data) &&
      (py::hasattr(data, "__array_interface__") || py::hasattr(data, "__array__")) &&
      !PyFloat_Check(data.ptr()))
    array = py::module_::import("numpy").attr("asarray")(data);
  if (py::isinstance<py::array>(array)) {
    const auto values = py::reinterpret_borrow<py::array>(array);
    const bool shareable = !copy && values.writeable();
    const Tensor shared = from_array(shareable ? values : py::array(values.attr("copy")()), "tensor");
    return to(shared, wanted.value_or(shared.dtype()));
  }
  return NestedData(data).build(data, wanted);
}

}  // namespace

void bind_numpy(py::module_& module) {
  module.def("from_numpy", from_numpy, "A tensor that shares the memory of a NumPy array.");
  module.def("_from_data", from_data);
  module.def("_to_numpy", to_numpy, py::arg("tensor"), py::arg("force") = false);
  module.def("_tolist", [](const Tensor& tensor) {
    const Tensor here = to(tensor.detach(), Device());
    return list_of(here, 0, here.data<std::byte>());
  });
}

}  // namespace taper::python
