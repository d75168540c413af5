// Memory shared with other libraries: the DLPack protocol (dmlc.github.io/dlpack, version 1.0) and Python's
// buffers.
#include <array>
#include <cstring>
#include <memory>

#include "interpreter.h"
#include "python.h"
#include "taper/error.h"
#include "taper/ops.h"
#include "tensor/device_runtime.h"
#include "tensor/layout.h"

namespace taper::python {

namespace {

// The layout of dlpack.h.
struct DLDevice {
  std::int32_t type, id;
};
struct DLDataType {
  std::uint8_t code, bits;
  std::uint16_t lanes;
};
struct DLTensor {
  void* data;
  DLDevice device;
  std::int32_t ndim;
  DLDataType dtype;
  std::int64_t* shape;
  std::int64_t* strides;
  std::uint64_t byte_offset;
};
struct DLManagedTensor {
  DLTensor tensor;
  void* context;
  void (*deleter)(DLManagedTensor*);
};
struct DLManagedTensorVersioned {
  std::uint32_t major, minor;
  void* context;
  void (*deleter)(DLManagedTensorVersioned*);
  std::uint64_t flags;
  DLTensor tensor;
};
constexpr std::int32_t cpu_device = 1, cuda_device = 2;
constexpr std::uint64_t read_only = 1, is_copied = 2;
constexpr char plain_name[] = "dltensor", versioned_name[] = "dltensor_versioned";

// Codes: signed, unsigned, float, bfloat, complex, bool.
DLDataType dlpack_type(DType dtype) {
  const std::uint8_t code = dtype == boolean                                                          ? 6
                            : is_complex(dtype)                                                       ? 5
                            : dtype == bfloat16                                                       ? 4
                            : is_floating_point(dtype)                                                ? 2
                            : dtype == uint8 || dtype == uint16 || dtype == uint32 || dtype == uint64 ? 1
                                                                                                      : 0;
  return {code, std::uint8_t(8 * item_size(dtype)), 1};
}

DType dtype_of(const DLDataType& type) {
  for (int i = 0; i < dtype_count; ++i) {
    const DLDataType known = dlpack_type(DType(i));
    if (known.code == type.code && known.bits == type.bits && type.lanes == 1) return DType(i);
  }
  fail<DTypeError>("from_dlpack: dtype with code ", int(type.code), ", ", int(type.bits), " bits and ",
                   type.lanes, " lanes is not supported");
}

// What a capsule of ours keeps alive.
template <class Managed>
struct Export {
  Managed managed;
  Tensor tensor;
  Shape shape, strides;
};

template <class Managed>
py::object exported(const Tensor& tensor, bool copied) {
  auto owned = std::make_unique<Export<Managed>>();
  owned->tensor = tensor.detach();
  owned->shape = tensor.sizes();
  owned->strides = tensor.strides();
  Managed& managed = owned->managed;
  managed = {};
  managed.context = owned.get();
  managed.deleter = [](Managed* self) { delete static_cast<Export<Managed>*>(self->context); };
  managed.tensor = {
      tensor.data(),
      tensor.device().is_cpu() ? DLDevice{cpu_device, 0} : DLDevice{cuda_device, tensor.device().index},
      tensor.ndim(),
      dlpack_type(tensor.dtype()),
      owned->shape.data(),
      owned->strides.data(),
      0};
  constexpr bool versioned = std::is_same_v<Managed, DLManagedTensorVersioned>;
  if constexpr (versioned) managed.major = 1, managed.flags = copied ? is_copied : 0;
  static constexpr const char* name = versioned ? versioned_name : plain_name;
  // A consumer renames the capsule; what nobody took is freed with it.
  PyObject* capsule = PyCapsule_New(&managed, name, [](PyObject* self) {
    if (!PyCapsule_IsValid(self, name)) return;
    auto* left = static_cast<Managed*>(PyCapsule_GetPointer(self, name));
    left->deleter(left);
  });
  if (!capsule) throw py::error_already_set();
  owned.release();
  return py::reinterpret_steal<py::object>(capsule);
}

py::object to_dlpack(const Tensor& tensor, bool versioned, bool copy) {
  check<AutogradError>(!tensor.requires_grad(),
                       "__dlpack__: can't export a Tensor that requires grad; use tensor.detach()");
  const Tensor source = copy ? clone(tensor.detach()) : tensor;
  return versioned ? exported<DLManagedTensorVersioned>(source, copy)
                   : exported<DLManagedTensor>(source, copy);
}

template <class Managed>
void give_back(void* context) {
  auto* managed = static_cast<Managed*>(context);
  if (!managed->deleter || !Py_IsInitialized()) return;
  const WithGil gil;
  managed->deleter(managed);
}

template <class Managed>
Tensor imported(PyObject* capsule, const char* name, const char* used_name) {
  auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule, name));
  if (!managed) throw py::error_already_set();
  const DLTensor& source = managed->tensor;
  check<DeviceError>(source.device.type == cpu_device || source.device.type == cuda_device,
                     "from_dlpack: device type ", source.device.type,
                     " is not supported; move the array to the CPU first");
  const Device device =
      source.device.type == cpu_device ? Device() : Device{Device::Type::cuda, source.device.id};
  resolved(device);  // throws where there is no such device
  const DType dtype = dtype_of(source.dtype);
  check<ValueError>(source.ndim >= 0 && (source.ndim == 0 || source.shape), "from_dlpack: ", source.ndim,
                    " dimensions, but no sizes");
  Shape sizes, strides;
  for (std::int32_t i = 0; i < source.ndim; ++i) {
    check<ValueError>(source.shape[i] >= 0, "from_dlpack: negative size ", source.shape[i]);
    sizes.push_back(source.shape[i]);
    if (source.strides) strides.push_back(source.strides[i]);
    check<ValueError>(!source.strides || source.strides[i] >= 0,
                      "from_dlpack: negative strides are not supported; copy the array first");
  }
  if (!source.strides) strides = contiguous_strides(sizes);
  check<ValueError>(source.data || numel(sizes) == 0, "from_dlpack: no memory for an array of shape ", sizes);
  const Tensor tensor = from_blob(static_cast<char*>(source.data) + source.byte_offset, sizes, strides, dtype,
                                  give_back<Managed>, managed);
  tensor.storage().device = tensor.record()->device = device;
  PyCapsule_SetName(capsule, used_name);
  return tensor;
}

Tensor from_dlpack(const py::object& capsule, bool copy) {
  if (PyCapsule_IsValid(capsule.ptr(), versioned_name)) {
    const auto* managed =
        static_cast<DLManagedTensorVersioned*>(PyCapsule_GetPointer(capsule.ptr(), versioned_name));
    check<ValueError>(managed->major == 1, "from_dlpack: version ", managed->major,
                      " of DLPack is not supported");
    const bool writable = !(managed->flags & read_only);
    const Tensor shared =
        imported<DLManagedTensorVersioned>(capsule.ptr(), versioned_name, "used_dltensor_versioned");
    return copy || !writable ? clone(shared) : shared;
  }
  check<ValueError>(PyCapsule_IsValid(capsule.ptr(), plain_name),
                    "from_dlpack: expected an unused DLPack capsule; a capsule can be consumed only once");
  const Tensor shared = imported<DLManagedTensor>(capsule.ptr(), plain_name, "used_dltensor");
  return copy ? clone(shared) : shared;
}

// struct's letters; null where it has none.
const char* buffer_format(DType dtype) {
  switch (dtype) {
    case boolean: return "?";
    case uint8: return "B";
    case int8: return "b";
    case int16: return "h";
    case uint16: return "H";
    case int32: return "i";
    case uint32: return "I";
    case int64: return "q";
    case uint64: return "Q";
    case float16: return "e";
    case float32: return "f";
    case float64: return "d";
    case complex64: return "Zf";
    case complex128: return "Zd";
    default: return nullptr;
  }
}

// What a buffer refers to: the sizes, and the memory, which the tensor itself may exchange for other memory.
struct BufferShape {
  Tensor memory;
  std::array<Py_ssize_t, 64> shape, strides;
};

}  // namespace

namespace {

int fill_buffer(PyObject* self, Py_buffer* view, int flags) {
  const Tensor& tensor = tensor_of(self);
  const char* format = buffer_format(tensor.dtype());
  if (!tensor.device().is_cpu()) {
    PyErr_SetString(PyExc_BufferError, "the tensor is not in main memory; use tensor.cpu()");
    return -1;
  }
  if (!format || tensor.requires_grad() || tensor.ndim() > 64) {
    PyErr_SetString(PyExc_BufferError, format
                                           ? "a Tensor that requires grad has no buffer; use tensor.detach()"
                                           : "bfloat16 tensors have no buffer; use tensor.float()");
    return -1;
  }
  if ((flags & PyBUF_STRIDES) != PyBUF_STRIDES && !tensor.is_contiguous()) {
    PyErr_SetString(PyExc_BufferError, "the tensor is not contiguous; use tensor.contiguous()");
    return -1;
  }
  Py_ssize_t length = 0;
  if (__builtin_mul_overflow(tensor.numel(), tensor.item_size(), &length)) {
    PyErr_SetString(PyExc_BufferError, "the tensor has more bytes than a buffer can count");
    return -1;
  }
  auto sizes = std::make_unique<BufferShape>();
  sizes->memory = tensor.detach();
  for (int i = 0; i < tensor.ndim(); ++i) {
    sizes->shape[std::size_t(i)] = tensor.sizes()[i];
    sizes->strides[std::size_t(i)] = tensor.strides()[i] * tensor.item_size();
  }
  Py_INCREF(self);
  view->obj = self;
  view->buf = tensor.data();
  view->itemsize = tensor.item_size();
  view->len = length;
  view->readonly = 0;
  view->ndim = tensor.ndim();
  view->format = flags & PyBUF_FORMAT ? const_cast<char*>(format) : nullptr;
  view->shape = flags & PyBUF_ND ? sizes->shape.data() : nullptr;
  view->strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? sizes->strides.data() : nullptr;
  view->suboffsets = nullptr;
  view->internal = sizes.release();
  return 0;
}

}  // namespace

int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  view->obj = nullptr;
  return guarded([&] { return fill_buffer(self, view, flags); });
}

void release_buffer(PyObject*, Py_buffer* view) { delete static_cast<BufferShape*>(view->internal); }

void bind_exchange(py::module_& module) {
  module.def("_to_dlpack", to_dlpack);
  module.def("_from_dlpack", from_dlpack);
}

}  // namespace taper::python
