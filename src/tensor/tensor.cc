// Making, freeing and describing tensor records.
#include "taper/tensor.h"

#include <algorithm>
#include <new>

#include "base/visit.h"
#include "cpu/allocator.h"
#include "taper/error.h"
#include "tensor/autograd_fwd.h"
#include "tensor/device_runtime.h"
#include "tensor/layout.h"
#include "tensor/meta.h"

namespace taper {

TensorRecord* new_record() {
  auto* record = new (cpu::allocate(sizeof(TensorRecord))) TensorRecord;
  record->inference = thread_modes.inference;
  return record;
}

void destroy(TensorRecord* record) noexcept {
  if (record->grad_fn) release_node(record->grad_fn);
  if (record->slots) release_slots(record->slots);
  if (record->base) record->base->drop();
  if (record->storage) record->storage->drop();
  record->~TensorRecord();
  cpu::deallocate(record, sizeof(TensorRecord));
}

Tensor empty_strided(const Shape& sizes, const Shape& strides, DType dtype, Device device) {
  if (device != Device()) [[unlikely]]
    device = resolved(device);
  const std::int64_t count = numel(sizes);
  std::int64_t bytes = 0;
  check<OutOfMemory>(!__builtin_mul_overflow(count, item_size(dtype), &bytes), "empty: ", sizes, " of ",
                     dtype, " takes more bytes than an int64 can count");
  Tensor tensor = Tensor::adopt(new_record());
  TensorRecord& record = *tensor.record();
  record.storage = device.is_cpu()   ? Storage::allocate(bytes)
                   : is_meta(device) ? Storage::adopt(nullptr, bytes, nullptr, nullptr)
                                     : device_runtime().allocate(device.index, bytes);
  record.data = record.storage->data;
  record.dtype = dtype;
  record.device = device;
  record.numel = count;
  record.sizes = sizes;
  record.strides = strides;
  record.contiguous = is_row_major(sizes, strides);
  return tensor;
}

Tensor empty(const Shape& sizes, DType dtype, Device device) {
  numel(sizes);
  return empty_strided(sizes, contiguous_strides(sizes), dtype, device);
}

Tensor window(const Tensor& source, const Shape& sizes, const Shape& strides, std::int64_t offset) {
  const std::int64_t count = numel(sizes);
  const auto [first, last] = extent(sizes, strides);
  const std::int64_t available = source.storage().bytes / source.item_size();
  std::int64_t end = 0;
  // An empty window touches no element, so it may start anywhere; its address stays inside of the storage.
  const std::int64_t start = count == 0 ? std::min(offset, available) : offset;
  const bool fits =
      offset >= 0 &&
      (count == 0 || (!__builtin_add_overflow(offset, last, &end) && end < available && offset + first >= 0));
  check<ShapeError>(fits, "as_strided: sizes ", sizes, ", strides ", strides, " and offset ", offset,
                    " reach outside of a storage of ", available, " elements");
  Tensor tensor = Tensor::adopt(new_record());
  TensorRecord& record = *tensor.record();
  record.storage = source.record()->storage;
  record.storage->retain();
  record.data = record.storage->data + start * source.item_size();
  record.dtype = source.dtype();
  record.device = source.device();
  record.inference = source.record()->inference;
  record.numel = count;
  record.sizes = sizes;
  record.strides = strides;
  record.contiguous = is_row_major(sizes, strides);
  return tensor;
}

Tensor from_blob(void* data, const Shape& sizes, const Shape& strides, DType dtype, void (*release)(void*),
                 void* context) {
  const auto [first, last] = extent(sizes, strides);
  check<ShapeError>(first == 0, "from_blob: strides must not be negative, got ", strides,
                    "; copy the array first");
  Tensor tensor = Tensor::adopt(new_record());
  TensorRecord& record = *tensor.record();
  record.numel = numel(sizes);
  std::int64_t bytes = 0;
  check<ShapeError>(record.numel == 0 || !__builtin_mul_overflow(last + 1, item_size(dtype), &bytes),
                    "from_blob: sizes ", sizes, " and strides ", strides,
                    " reach beyond what an int64 can count");
  record.storage = Storage::adopt(data, bytes, release, context);
  record.data = record.storage->data;
  record.dtype = dtype;
  record.sizes = sizes;
  record.strides = strides;
  record.contiguous = is_row_major(sizes, strides);
  return tensor;
}

void Tensor::not_in_main_memory() const {
  check<DeviceError>(!is_meta(device()), "cannot read a tensor on meta (shape ", sizes(), ", ", dtype(),
                     "): it has no elements");
  fail<DeviceError>("cannot read a tensor on ", device(), " (shape ", sizes(), ", ", dtype(),
                    ") from main memory; copy it with .cpu() first");
}

Scalar Tensor::item() const {
  check<ValueError>(numel() == 1, "item: a Tensor with ", numel(), " elements (shape ", sizes(),
                    ") cannot be converted to Scalar");
  if (is_meta(device())) not_in_main_memory();
  if (!device().is_cpu()) {
    const Tensor here = empty({}, dtype());
    device_runtime().copy(*this, here, false);
    return here.item();
  }
  return visit(dtype(), [this]<class T>() -> Scalar {
    const T value = *data<T>();
    if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) return Scalar(float(value));
    else return Scalar(value);
  });
}

}  // namespace taper
