// In-place writes and the history of tensors that share memory.
#include "ops/inplace.h"

#include <cmath>
#include <utility>

#include "autograd/slots.h"
#include "ops/view.h"
#include "tensor/layout.h"

namespace taper {

namespace {

// Geometry of a view within its base.
struct Region {
  Shape base_sizes, base_strides, sizes, strides;
  std::int64_t offset;

  Region(const Tensor& base, const Tensor& view)
      : base_sizes(base.sizes()),
        base_strides(base.strides()),
        sizes(view.sizes()),
        strides(view.strides()),
        offset(view.storage_offset() - base.storage_offset()) {}

  /// Zeros with the layout of the base.
  Tensor blank(DType dtype, Device device) const {
    const auto [first, last] = extent(base_sizes, base_strides);
    return window(zeros({last + 1}, dtype, device), base_sizes, base_strides, 0);
  }
  Tensor of(const Tensor& laid_out) const { return window(laid_out, sizes, strides, offset); }
};

struct TakeRegion;

// base with the region replaced by value.
struct ReplaceRegion {
  static constexpr auto name = "copy_slices";
  Region region;

  Tensor forward(const Tensor& base, const Tensor& value) const {
    Tensor result = region.blank(base.dtype(), base.device());
    copy_elements(base, result);
    copy_elements(value, region.of(result));
    return result;
  }
  std::array<Tensor, 2> backward(const Saved& saved, const Tensor& dy) const;
};

struct TakeRegion {
  static constexpr auto name = "take_region";
  Region region;

  Tensor forward(const Tensor& base) const {
    Tensor laid_out = region.blank(base.dtype(), base.device());
    copy_elements(base, laid_out);
    return clone(region.of(laid_out));
  }
  Tensor backward(const Saved&, const Tensor& dy) const {
    return record(ReplaceRegion{region}, zeros(region.base_sizes, dy.dtype(), dy.device()), dy);
  }
};

std::array<Tensor, 2> ReplaceRegion::backward(const Saved& saved, const Tensor& dy) const {
  return {saved.needs(0) ? record(ReplaceRegion{region}, dy, zeros(region.sizes, dy.dtype(), dy.device()))
                         : Tensor(),
          saved.needs(1) ? record(TakeRegion{region}, dy) : Tensor()};
}

struct ViewOfBase {
  static constexpr auto name = "as_strided";
  Region region;

  Tensor forward(const Tensor& base) const { return region.of(base); }
  Tensor backward(const Saved&, const Tensor& dy) const {
    return record(ReplaceRegion{region}, zeros(region.base_sizes, dy.dtype(), dy.device()), dy);
  }
};

// What remains of a tensor's history when it is overwritten by something without history.
struct Fill {
  static constexpr auto name = "fill";

  Tensor forward(const Tensor& x) const { return x; }
  Tensor backward(const Saved&, const Tensor& dy) const { return zeros(dy.sizes(), dy.dtype(), dy.device()); }
};

// The history of a tensor into which a leaf was copied.
struct Copy {
  static constexpr auto name = "copy";

  Tensor forward(const Tensor& x) const { return x; }
  Tensor backward(const Saved&, const Tensor& dy) const { return dy; }
};

// The record takes over the history; the old one is released.
void take_history(TensorRecord& record, Node* node, std::uint32_t output_index, bool requires_grad) {
  if (node) node->retain();
  Node* const old = record.grad_fn;
  record.grad_fn = node;
  record.output_index = output_index;
  record.requires_grad = requires_grad;
  if (node && record.slots && std::exchange(record.slots->retained, nullptr))
    Tensor::share(&record).retain_grad();  // the gradient of the new value, not of the overwritten one
  if (old) release_node(old);
}

}  // namespace

void set_base(const Tensor& view, const Tensor& source) {
  if (view.is(source) || thread_modes.inference) return;
  TensorRecord* base = source.record()->base ? source.record()->base : source.record();
  if (source.dtype() != view.dtype()) return;
  base->retain();
  view.record()->base = base;
  view.record()->base_history = base->history;
}

void refresh_view_history(const Tensor& view) {
  TensorRecord& record_of_view = *view.record();
  const Tensor base = Tensor::share(record_of_view.base);
  record_of_view.base_history = base.record()->history;
  if (!base.requires_grad()) return take_history(record_of_view, nullptr, 0, false);
  const EnableGrad as_when_the_view_was_made;
  const Tensor again = record(ViewOfBase{Region(base, view)}, base);
  take_history(record_of_view, again.record()->grad_fn, 0, true);
}

void check_inplace(const Tensor& target, const char* op, SharedElements shared) {
  if (shared == SharedElements::refused) check_writable(target, op);
  check<AutogradError>(
      !target.record()->inference || thread_modes.inference, op,
      ": a tensor made under inference_mode cannot be changed outside of it; clone() it first");
  if (!thread_modes.grad_enabled) return;
  const bool leaf = target.requires_grad() && !target.grad_fn();
  check<AutogradError>(
      !leaf, op,
      ": a leaf Variable that requires grad is being used in an in-place operation; wrap it in "
      "no_grad(), or use the operation that returns a new tensor");
  TensorRecord* base = target.record()->base;
  check<AutogradError>(!base || !base->requires_grad || base->grad_fn, op,
                       ": a view of a leaf Variable that requires grad is being used in an in-place "
                       "operation; wrap it in no_grad()");
}

Tensor before_inplace(const Tensor& target) {
  if (!thread_modes.grad_enabled || !target.requires_grad()) return target.detach();
  Tensor before = window(target, target.sizes(), target.strides(), target.storage_offset());
  if (Node* node = target.grad_fn())
    take_history(*before.record(), node, target.record()->output_index, true);
  return before;
}

void own_memory(const Tensor& tensor, std::string_view memory_format) {
  const NoGrad only_memory;
  const Tensor copy = clone(tensor.detach(), memory_format);
  copy.storage().version = tensor.version();
  Storage* const memory = &copy.storage();
  memory->retain();
  TensorRecord& record = *tensor.record();
  record.storage->drop();
  record.storage = memory;
  record.data = copy.record()->data;
  record.strides = copy.strides();
  record.contiguous = copy.is_contiguous();
}

void check_result_fits(DType from, DType to, const char* op) {
  check<DTypeError>(kind(from) <= kind(to), op, ": result type ", from,
                    " can't be cast to the desired output type ", to);
}

void check_holds(DType dtype, const Scalar& value, const char* op) {
  if (dtype == DType::boolean || is_complex(dtype)) return;
  const bool is_unsigned = dtype == DType::uint8 || dtype == DType::uint16 || dtype == DType::uint32;
  bool holds = !value.is_complex() || value.to<std::complex<double>>().imag() == 0;
  if (is_integral(dtype) && item_size(dtype) < 8) {
    const auto high = double((std::uint64_t(1) << (8 * item_size(dtype) - !is_unsigned)) - 1);
    const double number = std::trunc(value.to<double>());
    holds = holds && number >= (is_unsigned ? -high : -high - 1) && number <= high;
  }
  check<ValueError>(holds, op, ": ", value, " cannot be converted to ", dtype, " without overflow");
}

void adopt_history(const Tensor& target, const Tensor& value) {
  TensorRecord& written = *target.record();
  if (!thread_modes.grad_enabled) return;
  const bool value_recorded = value.defined() && value.requires_grad();
  if (!written.base) {
    if (!value_recorded && !target.requires_grad()) return;
    Tensor source = value;
    if (!value_recorded) {
      source = target.detach();
      detail::record_node(Fill{}, source, before_inplace(target));
    } else if (!value.grad_fn()) {
      source = value.detach();
      detail::record_node(Copy{}, source, value);
    }
    take_history(written, source.grad_fn(), source.record()->output_index, true);
    ++written.history;
    return;
  }
  const Tensor base = Tensor::share(written.base);
  if (!value_recorded && !base.requires_grad()) return;
  const Tensor old_base = before_inplace(base);
  Tensor marker = base.detach();
  detail::record_node(ReplaceRegion{Region(base, target)}, marker, old_base,
                      value_recorded ? value : target.detach());
  take_history(*base.record(), marker.record()->grad_fn, 0, true);
  ++base.record()->history;
}

const Tensor& assign_inplace(const Tensor& target, const Tensor& value, const char* op) {
  check_result_fits(value.dtype(), target.dtype(), op);
  check<ShapeError>(value.sizes() == target.sizes() ||
                        broadcast_shapes(value.sizes(), target.sizes(), op) == target.sizes(),
                    op, ": output of shape ", target.sizes(), " doesn't match the broadcast shape ",
                    value.sizes());
  Tensor fitting = value.dtype() == target.dtype() ? value : to(value, target.dtype());
  if (fitting.sizes() != target.sizes()) fitting = expand(fitting, target.sizes());
  if (fitting.record()->storage == target.record()->storage) {
    if (fitting.data() == target.data() && fitting.strides() == target.strides()) {
      adopt_history(target, fitting);
      return target;
    }
    if (memory_overlaps(target, fitting)) fitting = clone(fitting);
  }
  copy_elements(fitting, target);
  target.storage().wrote(op);
  adopt_history(target, fitting);
  return target;
}

}  // namespace taper
