// Views taken in place: transpose_, squeeze_ and the like change the shape of the tensor itself.
#include "ops/inplace.h"
#include "ops/registry.h"
#include "taper/ops.h"
#include "taper/ops/view.h"

namespace taper {

namespace {

// target becomes view(target), of the same memory.
template <class F>
Tensor become(const char* op, const Tensor& target, F&& view) {
  check_inplace(target, op, SharedElements::allowed);
  const Tensor seen = view(before_inplace(target));
  check<AutogradError>(!target.record()->grad_fn || seen.requires_grad() || seen.sizes() == target.sizes(),
                       op, ": the tensor of shape ", target.sizes(),
                       " is the result of an operation, whose gradient would ", "not fit the shape ",
                       seen.sizes(), " under no_grad; use the operation that returns a new tensor");
  TensorRecord& record = *target.record();
  record.data = seen.record()->data;
  record.numel = seen.numel();
  record.sizes = seen.sizes();
  record.strides = seen.strides();
  record.contiguous = seen.is_contiguous();
  target.storage().wrote(op);
  adopt_history(target, seen);
  return target;
}

Tensor transpose_(const Tensor& x, std::int64_t dim0, std::int64_t dim1) {
  return become("transpose_", x, [&](const Tensor& before) { return transpose(before, dim0, dim1); });
}
Tensor t_(const Tensor& x) {
  check<ShapeError>(x.ndim() <= 2, "t_: needs at most 2 dimensions, got shape ", x.sizes());
  return x.ndim() < 2 ? x : transpose_(x, 0, 1);
}
Tensor unsqueeze_(const Tensor& x, std::int64_t dim) {
  return become("unsqueeze_", x, [&](const Tensor& before) { return unsqueeze(before, dim); });
}
Tensor squeeze_(const Tensor& x) {
  return become("squeeze_", x, [&](const Tensor& before) { return squeeze(before); });
}
Tensor squeeze_dims_(const Tensor& x, const Shape& dims) {
  return become("squeeze_", x, [&](const Tensor& before) { return squeeze(before, dims); });
}
Tensor as_strided_(const Tensor& x, const Shape& sizes, const Shape& strides,
                   std::optional<std::int64_t> offset) {
  return become("as_strided_", x,
                [&](const Tensor& before) { return as_strided(before, sizes, strides, offset); });
}

const Register ops[]{
    {{.signature = "transpose_(Tensor input, int dim0, int dim1) -> Tensor",
      .doc = "Exchanges two dimensions of the tensor itself.",
      .call = box<transpose_>,
      .homes = "Tensor"}},
    {{.signature = "swapaxes_(Tensor input, int axis0, int axis1) -> Tensor",
      .doc = "As transpose_.",
      .call = box<transpose_>,
      .homes = "Tensor"}},
    {{.signature = "swapdims_(Tensor input, int dim0, int dim1) -> Tensor",
      .doc = "As transpose_.",
      .call = box<transpose_>,
      .homes = "Tensor"}},
    {{.signature = "t_(Tensor input) -> Tensor",
      .doc = "Transposes the matrix itself.",
      .call = box<t_>,
      .homes = "Tensor"}},
    {{.signature = "unsqueeze_(Tensor input, int dim) -> Tensor",
      .doc = "Gives the tensor itself a dimension of size 1.",
      .call = box<unsqueeze_>,
      .homes = "Tensor"}},
    {{.signature = "squeeze_(Tensor input) -> Tensor",
      .doc = "Takes the dimensions of size 1 out of the tensor itself.",
      .call = box<squeeze_>,
      .homes = "Tensor"}},
    {{.signature = "squeeze_(Tensor input, int[] dim) -> Tensor",
      .doc = "Takes those of the given dimensions out of the tensor itself that have size 1.",
      .call = box<squeeze_dims_>,
      .homes = "Tensor"}},
    {{.signature = "as_strided_(Tensor input, int[] size, int[] stride, int? storage_offset=None) -> Tensor",
      .doc = "Gives the tensor itself sizes and strides.",
      .call = box<as_strided_>,
      .homes = "taper Tensor"}}};

}  // namespace

}  // namespace taper
