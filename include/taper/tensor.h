// Tensor: a typed, strided window on memory that remembers how it was computed.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "taper/device.h"
#include "taper/dtype.h"
#include "taper/generator.h"
#include "taper/scalar.h"
#include "taper/shape.h"
#include "taper/storage.h"

namespace taper {

class Node;
class Tensor;
class TensorIndex;
struct GradientSlots;
struct TensorRecord;
using Tensors = std::vector<Tensor>;

/// Receives a gradient and returns its replacement; an undefined tensor leaves it as it is.
using GradientHook = std::function<Tensor(const Tensor& gradient)>;

/// Frees what a record holds; tensors do this by themselves when the last reference goes.
void destroy(TensorRecord* record) noexcept;

/// What a tensor is made of. Users see it through Tensor.
struct TensorRecord {
  std::atomic<std::int32_t> references{1};
  DType dtype = DType::float32;
  Device device;
  bool contiguous = true;
  /// Made from a plain number: takes part in promotion by its kind only.
  bool wrapped_number = false;
  /// Set on leaves by the user, on results by the tape.
  bool requires_grad = false;
  /// Shown to Python as an nn.Parameter.
  bool parameter = false;
  /// Made under inference_mode: never enters a graph.
  bool inference = false;
  Storage* storage = nullptr;
  std::byte* data = nullptr;
  std::int64_t numel = 0;
  Shape sizes, strides;
  /// The operation that made it, and which of its results it is.
  Node* grad_fn = nullptr;
  std::uint32_t output_index = 0;
  /// How often the history of this tensor was replaced by writing through a view of it.
  std::uint32_t history = 0;
  /// For a view: the tensor it was taken from (never itself a view) and that tensor's history when grad_fn
  /// was set.
  TensorRecord* base = nullptr;
  std::uint32_t base_history = 0;
  /// .grad, hooks: what only few tensors have.
  GradientSlots* slots = nullptr;
  /// The Python object that stands for this tensor, not owned.
  void* python = nullptr;

  void retain() { references.fetch_add(1, std::memory_order_relaxed); }
  void drop() noexcept {
    if (references.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy(this);
  }
};

/// A reference to a tensor. Copying it copies the reference, not the elements.
class Tensor {
 public:
  /// Undefined: refers to nothing.
  Tensor() : record_(nullptr) {}
  Tensor(const Tensor& other) : record_(other.record_) {
    if (record_) record_->retain();
  }
  Tensor(Tensor&& other) noexcept : record_(other.record_) { other.record_ = nullptr; }
  Tensor& operator=(const Tensor& other) {
    Tensor(other).swap(*this);
    return *this;
  }
  Tensor& operator=(Tensor&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Tensor() {
    if (record_) record_->drop();
  }
  void swap(Tensor& other) noexcept { std::swap(record_, other.record_); }

  /// A tensor for an existing record; adopts the caller's reference.
  static Tensor adopt(TensorRecord* record) {
    Tensor tensor;
    tensor.record_ = record;
    return tensor;
  }
  /// A further reference to a record.
  static Tensor share(TensorRecord* record) {
    if (record) record->retain();
    return adopt(record);
  }
  TensorRecord* record() const { return record_; }
  bool defined() const { return record_ != nullptr; }
  explicit operator bool() const = delete;
  /// Whether both refer to the same tensor.
  bool is(const Tensor& other) const { return record_ == other.record_; }

  const Shape& sizes() const { return record_->sizes; }
  /// Strides in elements.
  const Shape& strides() const { return record_->strides; }
  /// Size of a dimension, which may be counted from the end. Throws IndexError.
  std::int64_t size(std::int64_t dim) const { return record_->sizes[wrap_dim(dim, ndim(), "size")]; }
  std::int64_t stride(std::int64_t dim) const { return record_->strides[wrap_dim(dim, ndim(), "stride")]; }
  int ndim() const { return record_->sizes.size(); }
  int dim() const { return ndim(); }
  std::int64_t numel() const { return record_->numel; }
  DType dtype() const { return record_->dtype; }
  Device device() const { return record_->device; }
  std::int64_t item_size() const { return taper::item_size(record_->dtype); }
  bool is_contiguous() const { return record_->contiguous; }
  bool is_floating_point() const { return taper::is_floating_point(record_->dtype); }
  bool is_complex() const { return taper::is_complex(record_->dtype); }
  /// First element, in elements from the start of the storage.
  std::int64_t storage_offset() const { return (record_->data - record_->storage->data) / item_size(); }
  Storage& storage() const { return *record_->storage; }
  /// How often the memory was written in place, through any view.
  std::uint32_t version() const { return record_->storage->version.load(std::memory_order_relaxed); }
  /// The address of the first element, on the tensor's device.
  void* data() const { return record_->data; }
  /// The first element as T, which must be the C++ type of dtype(); not checked. Throws DeviceError unless
  /// the tensor lives in main memory.
  template <class T>
  T* data() const {
    if (!record_->device.is_cpu()) [[unlikely]]
      not_in_main_memory();
    return reinterpret_cast<T*>(record_->data);
  }
  /// data() as T, for kernels of the tensor's device.
  template <class T>
  T* device_data() const {
    return reinterpret_cast<T*>(record_->data);
  }
  /// The value of a tensor of one element, converted to T. Throws ValueError for other sizes.
  template <class T>
  T item() const {
    return item().to<T>();
  }
  Scalar item() const;

  bool requires_grad() const {
    // A view whose base was written since takes over the base's history first.
    if (record_->base && record_->base->history != record_->base_history) grad_fn();
    return record_->requires_grad;
  }
  /// Marks a leaf as wanting a gradient. Throws AutogradError for results of operations, DTypeError for
  /// integers.
  const Tensor& requires_grad_(bool value = true) const;
  /// True for tensors the user made, false for results the tape recorded.
  bool is_leaf() const { return !requires_grad() || !grad_fn(); }
  /// The accumulated gradient; undefined before backward().
  Tensor grad() const;
  void set_grad(const Tensor& gradient) const;
  /// The operation that made this tensor; null for leaves. Owned by the tensor.
  Node* grad_fn() const;
  /// Keeps .grad of a result, too, in later backward passes.
  void retain_grad() const;
  /// Calls hook with the gradient of this tensor whenever one is computed. Returns a number for remove_hook.
  std::int64_t register_hook(GradientHook hook) const;
  void remove_hook(std::int64_t number) const;
  /// Calls hook with this leaf after its .grad was accumulated.
  std::int64_t register_post_accumulate_grad_hook(std::function<void(const Tensor&)> hook) const;
  /// Computes the gradients of this tensor with respect to the leaves it was computed from, and adds them to
  /// their .grad. gradient: of the same shape; may be left out for one element. Throws AutogradError.
  void backward(const Tensor& gradient = {}, bool retain_graph = false, bool create_graph = false) const;
  /// The same memory, outside of the graph.
  Tensor detach() const;
  /// Takes this tensor out of the graph that made it. Throws AutogradError for views.
  const Tensor& detach_() const;

  /// What x[indices] is in Python, by the entries of taper/ops/index.h: x.index({0, Slice(1, 3), None,
  /// mask}). Integers, slices, None and "..." give a view, tensors and masks a copy. Throws IndexError.
  Tensor index(const std::vector<TensorIndex>& indices) const;
  /// Writes values, broadcast and converted, there.
  const Tensor& index_put_(const std::vector<TensorIndex>& indices, const Tensor& values) const;
  const Tensor& index_put_(const std::vector<TensorIndex>& indices, const Scalar& value) const;
  /// The slice at index of the first dimension, a view.
  Tensor operator[](std::int64_t index) const;
  /// In another dtype; the tensor itself where it has it already, unless copy.
  Tensor to(DType dtype, bool copy = false) const;
  /// On another device; as taper::to.
  Tensor to(Device device, bool non_blocking = false, bool copy = false) const;
  Tensor cpu() const;
  /// On a CUDA device, the current one without a number. Throws DeviceError where there is none.
  Tensor cuda(int device = -1) const;
  /// Each as add_, sub_, mul_ and div_.
  const Tensor& operator+=(const Tensor& b) const { return add_(b); }
  const Tensor& operator+=(const Scalar& b) const { return add_(b); }
  const Tensor& operator-=(const Tensor& b) const { return sub_(b); }
  const Tensor& operator-=(const Scalar& b) const { return sub_(b); }
  const Tensor& operator*=(const Tensor& b) const { return mul_(b); }
  const Tensor& operator*=(const Scalar& b) const { return mul_(b); }
  const Tensor& operator/=(const Tensor& b) const { return div_(b); }
  const Tensor& operator/=(const Scalar& b) const { return div_(b); }

#include "taper/tensor_methods.inc"

 private:
  [[noreturn]] void not_in_main_memory() const;

  TensorRecord* record_;
};

/// A fresh record with uninitialized memory of its own. Throws ShapeError, OutOfMemory.
Tensor empty(const Shape& sizes, DType dtype = default_dtype(), Device device = {});
/// Uninitialized, with the given strides (non-overlapping and dense).
Tensor empty_strided(const Shape& sizes, const Shape& strides, DType dtype, Device device = {});
/// A window on the memory of source; no tape. offset in elements from the first element of source's storage.
/// Throws ShapeError unless all of it lies inside of the storage.
Tensor window(const Tensor& source, const Shape& sizes, const Shape& strides, std::int64_t offset);
/// Wraps memory; release(context) is called when the last view is gone.
Tensor from_blob(void* data, const Shape& sizes, const Shape& strides, DType dtype, void (*release)(void*),
                 void* context);

/// The tensor written out as PyTorch prints it.
std::string to_string(const Tensor& tensor);
void append_text(std::string& text, const Tensor& tensor);

}  // namespace taper
