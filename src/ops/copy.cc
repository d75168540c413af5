// Copies, conversions, in-place assignment, and the sums that undo broadcasting.
#include "taper/ops/copy.h"

#include <algorithm>

#include "autograd/gradient_math.h"
#include "ops/elementwise.h"
#include "ops/inplace.h"
#include "ops/registry.h"
#include "taper/cuda.h"
#include "taper/ops.h"
#include "tensor/device_runtime.h"
#include "tensor/layout.h"

namespace taper {

namespace {

Shape strides_for(const Tensor& x, std::string_view memory_format) {
  if (memory_format == "preserve")
    return is_dense(x.sizes(), x.strides()) ? x.strides() : contiguous_strides(x.sizes());
  if (memory_format == "channels_last" || memory_format == "channels_last_3d") {
    const int expected = memory_format == "channels_last" ? 4 : 5;
    check<ShapeError>(x.ndim() == expected, "memory_format ", memory_format, " needs ", expected,
                      " dimensions, got shape ", x.sizes());
    return channels_last_strides(x.sizes());
  }
  check<ValueError>(memory_format == "contiguous", "memory_format: got '", memory_format,
                    "', expected preserve, contiguous or channels_last");
  return contiguous_strides(x.sizes());
}

struct Clone {
  static constexpr auto name = "clone";
  Shape strides;

  Tensor forward(const Tensor& x) const {
    Tensor y = empty_strided(x.sizes(), strides, x.dtype(), x.device());
    copy_elements(x, y);
    return y;
  }
  Tensor backward(const Saved&, const Tensor& dy) const { return dy; }
};

struct To {
  static constexpr auto name = "to";
  DType from, dtype;

  Tensor forward(const Tensor& x) const {
    Tensor y = empty_for(x.sizes(), dtype, {&x});
    copy_elements(x, y);
    return y;
  }
  Tensor backward(const Saved&, const Tensor& dy) const {
    return to(is_complex(dy.dtype()) && !is_complex(from) ? real(dy) : dy, from);
  }
};

struct ToDevice {
  static constexpr auto name = "to";
  Device from, device;
  bool non_blocking;

  Tensor forward(const Tensor& x) const {
    Tensor y = empty_strided(x.sizes(), strides_for(x, "preserve"), x.dtype(), device);
    copy_elements(x, y, non_blocking);
    return y;
  }
  Tensor backward(const Saved&, const Tensor& dy) const { return to(dy, from, non_blocking); }
};

}  // namespace

Tensor clone(const Tensor& x, std::string_view memory_format) {
  return record(Clone{strides_for(x, memory_format)}, x);
}

Tensor contiguous(const Tensor& x, std::string_view memory_format) {
  if (memory_format == "contiguous" ? x.is_contiguous() : x.strides() == strides_for(x, memory_format))
    return x;
  return clone(x, memory_format);
}

Tensor to(const Tensor& x, DType dtype, bool copy) {
  if (x.dtype() == dtype) return copy ? clone(x) : x;
  return record(To{x.dtype(), dtype}, x);
}

Tensor to(const Tensor& x, Device device, bool non_blocking, bool copy) {
  device = resolved(device);
  if (x.device() == device) return copy ? clone(x) : x;
  return record(ToDevice{x.device(), device, non_blocking}, x);
}

const Tensor& copy_(const Tensor& target, const Tensor& source, bool non_blocking) {
  check_inplace(target, "copy_");
  check<ShapeError>(source.ndim() <= target.ndim() &&
                        broadcast_shapes(source.sizes(), target.sizes(), "copy_") == target.sizes(),
                    "copy_: source of shape ", source.sizes(), " does not broadcast to ", target.sizes());
  check_no_partial_overlap(target, source, "copy_");
  if (unrecorded(source)) {
    copy_elements(source, target, non_blocking);
    target.storage().wrote("copy_");
    adopt_history(target, Tensor());
    return target;
  }
  return assign_inplace(target, to(to(source, target.device(), non_blocking), target.dtype()), "copy_");
}

const Tensor& fill_(const Tensor& target, const Scalar& value) {
  check_inplace(target, "fill_", SharedElements::allowed);
  check_holds(target.dtype(), value, "fill_");
  fill_elements(target, value);
  target.storage().wrote("fill_");
  adopt_history(target, Tensor());
  return target;
}

const Tensor& zero_(const Tensor& target) { return fill_(target, 0); }

const Tensor& resize_(const Tensor& target, const Shape& sizes) {
  check<AutogradError>(!target.requires_grad(), "resize_: cannot resize a tensor that requires grad");
  if (target.sizes() == sizes) return target;
  std::int64_t needed = 0;
  const bool countable = !__builtin_add_overflow(numel(sizes), target.storage_offset(), &needed) &&
                         !__builtin_mul_overflow(needed, target.item_size(), &needed);
  if (countable && needed <= target.storage().bytes) {
    set_memory(target, window(target, sizes, contiguous_strides(sizes), target.storage_offset()));
    return target;
  }
  const Tensor larger = empty(sizes, target.dtype(), target.device());
  const std::int64_t kept = std::min(larger.numel(), target.numel());
  if (target.is_contiguous())
    copy_elements(window(target, {kept}, {1}, target.storage_offset()), window(larger, {kept}, {1}, 0));
  set_memory(target, larger);
  return target;
}

void set_memory(const Tensor& target, const Tensor& source) {
  check<AutogradError>(!target.requires_grad() || is_differentiable(source.dtype()),
                       "data: a tensor that requires grad cannot become ", source.dtype());
  TensorRecord& record = *target.record();
  const TensorRecord& from = *source.record();
  check<AutogradError>(!record.grad_fn || (record.sizes == from.sizes && record.dtype == from.dtype),
                       "data: the result of an operation, of shape ", record.sizes, " and ", record.dtype,
                       ", cannot become ", from.sizes, " and ", from.dtype,
                       ": its gradient would not fit the operation; detach() it first");
  Storage* const before = record.storage;
  // Who saved the tensor for backward counts on its layout: the version tells that it is another.
  if (record.sizes != from.sizes || record.strides != from.strides || record.dtype != from.dtype) {
    from.storage->version.store(std::max(from.storage->version.load(), before->version.load()));
    from.storage->wrote("data");
  }
  from.storage->retain();
  record.storage = from.storage;
  record.data = from.data;
  record.numel = from.numel;
  record.sizes = from.sizes;
  record.strides = from.strides;
  record.dtype = from.dtype;
  record.device = from.device;
  record.contiguous = from.contiguous;
  before->drop();
}

Tensor cuda::pin_memory(const Tensor& x) {
  if (is_pinned(x)) return x;
  check<DeviceError>(x.device().is_cpu(),
                     "pin_memory: only tensors in main memory can be pinned, got one on ", x.device());
  Tensor pinned = empty_strided(x.sizes(), strides_for(x, "preserve"), x.dtype());
  TensorRecord& record = *pinned.record();
  record.storage->drop();
  record.storage = nullptr;
  record.storage = device_runtime().allocate_pinned(pinned.numel() * pinned.item_size());
  record.data = record.storage->data;
  copy_elements(x, pinned);
  return pinned;
}

Tensor add_gradients(const Tensor& a, const Tensor& b) { return add(a, b); }

void add_into_gradient(const Tensor& sum, const Tensor& gradient) {
  const NoGrad plain;
  add_(sum, gradient);
}

Tensor plain_copy(const Tensor& source, const Tensor& like) {
  Tensor copy = empty_for(like.sizes(), like.dtype(), {&like});
  copy_elements(source, copy);
  return copy;
}

Tensor ones_for(const Tensor& like) { return ones_like(like); }

namespace {

const Register clone_op{{.signature = "clone(Tensor input, *, str memory_format='preserve') -> Tensor",
                         .doc = "The elements in fresh memory.",
                         .call = box<clone>,
                         .samples = "x(2, 3); x(); x(0, 3); x(2, 3, 4).permute(2, 0, 1)",
                         .reference = "input"}};
const Register contiguous_op{
    {.signature = "contiguous(Tensor input, str memory_format='contiguous') -> Tensor",
     .doc = "The tensor itself where it is laid out so already, else a copy.",
     .call = box<contiguous>,
     .homes = "Tensor",
     .samples = "x(2, 3).T; x(2, 3)",
     .reference = "input"}};

const Tensor& copy_call(const Tensor& x, const Tensor& source, bool non_blocking) {
  return copy_(x, source, non_blocking);
}
const Tensor& fill_tensor(const Tensor& x, const Tensor& value) {
  check<ShapeError>(value.ndim() == 0, "fill_: value must have 0 dimensions, got shape ", value.sizes());
  return copy_(x, value);
}
const Register copy_op{
    {.signature = "copy_(Tensor input, Tensor|Scalar src, bool non_blocking=False) -> Tensor",
     .doc = "Writes src, broadcast and converted, into input.",
     .call = box<copy_call>,
     .homes = "Tensor"}};
const Register fill_op[]{{{.signature = "fill_(Tensor input, Scalar value) -> Tensor",
                           .doc = "Writes one value everywhere.",
                           .call = box<fill_>,
                           .homes = "Tensor"}},
                         {{.signature = "fill_(Tensor input, Tensor value) -> Tensor",
                           .doc = "Writes one value everywhere.",
                           .call = box<fill_tensor>,
                           .homes = "Tensor"}}};
const Register zero_op{{.signature = "zero_(Tensor input) -> Tensor",
                        .doc = "Writes zeros.",
                        .call = box<zero_>,
                        .homes = "Tensor"}};
const Register resize_op{{.signature = "resize_(Tensor input, int... size) -> Tensor",
                          .doc = "Other sizes, with more memory where needed.",
                          .call = box<resize_>,
                          .homes = "Tensor"}};
const Register broadcast_tensors_op{{.signature = "broadcast_tensors(Tensor[] tensors) -> Tensor[]",
                                     .doc = "Tensors expanded to their common shape.",
                                     .call = box<broadcast_tensors>,
                                     .homes = "taper"}};

}  // namespace

}  // namespace taper
