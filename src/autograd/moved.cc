// Tensors that lie elsewhere in backward than they did in forward.
#include "autograd/moved.h"

#include "autograd/record.h"
#include "taper/error.h"
#include "tensor/layout.h"

namespace taper {

namespace {

// The storage of freed memory keeps the address, by which the places of tensors in it are known.
void release_left(void* successor) { static_cast<Storage*>(successor)->drop(); }

}  // namespace

void leave_memory(const Tensor& before, const Tensor& now) {
  check<DeviceError>(!before.device().is_cpu() && !now.device().is_cpu(), "leave_memory: from ",
                     before.device(), " to ", now.device(), "; expected devices or meta");
  Storage& old = before.storage();
  // To those that saved it nothing was written.
  now.storage().version.store(old.version);
  if (was_moved(before)) return;
  Storage* memory = Storage::adopt(old.data, old.bytes, old.release, old.context);
  memory->device = old.device;
  now.storage().retain();
  old.release = release_left;
  old.context = &now.storage();
  memory->drop();
}

bool was_moved(const Tensor& x) { return x.storage().release == release_left; }

Tensor moved(const Tensor& x) {
  Storage* now = &x.storage();
  while (now->release == release_left) now = static_cast<Storage*>(now->context);
  check<AutogradError>(now->data != nullptr, "backward: a tensor of shape ", x.sizes(),
                       " that was saved lies in memory that was given back");
  Tensor tensor = window(x, x.sizes(), x.strides(), x.storage_offset());
  TensorRecord &record = *tensor.record(), &from = *x.record();
  now->retain();
  record.storage->drop();
  record.storage = now;
  record.data = now->data + (from.data - x.storage().data);
  if (from.grad_fn) detail::attach(tensor, from.grad_fn, from.output_index);
  return tensor;
}

}  // namespace taper
