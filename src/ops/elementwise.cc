// Dtype, shape and layout of elementwise results.
#include "ops/elementwise.h"

#include <array>
#include <complex>
#include <new>
#include <optional>

#include "autograd/gradient_math.h"
#include "taper/error.h"
#include "taper/ops.h"
#include "tensor/device_runtime.h"
#include "tensor/kernel_for.h"
#include "tensor/layout.h"
#include "tensor/meta.h"

namespace taper {

namespace {

// The three ranks of PyTorch's promotion; an empty rank is bool of no consequence.
struct Ranks {
  std::optional<DType> dimensioned, zero_dim, number;

  static void join(std::optional<DType>& rank, DType dtype) {
    rank = rank ? promote_types(*rank, dtype) : dtype;
  }
  void add(const Tensor& tensor) {
    join(tensor.record()->wrapped_number ? number : tensor.ndim() ? dimensioned : zero_dim, tensor.dtype());
  }
  void add(const Scalar& value) { join(number, value.dtype()); }

  static std::optional<DType> combine(std::optional<DType> higher, std::optional<DType> lower) {
    if (!higher) return lower;
    if (!lower || kind(*lower) <= kind(*higher)) return higher;
    if (kind(*lower) == Kind::complex && kind(*higher) == Kind::floating) return complex_dtype(*higher);
    return lower;
  }
  DType result() const {
    std::optional<DType> low = number;
    // A plain float beside integers means the default floating type, whatever width it was written in.
    if (low && *low == float64) low = default_dtype();
    if (low && *low == complex128) low = complex_dtype(default_dtype());
    return combine(combine(dimensioned, zero_dim), low).value_or(default_dtype());
  }
};

DType output_dtype(DType& common, Promotion promotion) {
  if (promotion == Promotion::to_float && is_integral(common, true)) common = default_dtype();
  return promotion == Promotion::to_bool ? boolean : common;
}

/// Where operands are computed: on their device. 0-d tensors of the CPU go along with any, as numbers.
struct Place {
  const Tensor* tensor;  // one that lives there
  unsigned numbers = 0;  // bit i: operand i is in main memory, and the place is not

  Place(std::initializer_list<const Tensor*> operands, const char* op) : tensor(*operands.begin()) {
    bool same = true;
    for (const Tensor* operand : operands) same = same && operand->device() == tensor->device();
    if (!same) [[unlikely]]
      mix(operands, op);
  }

 private:
  void mix(std::initializer_list<const Tensor*> operands, const char* op) {
    for (const Tensor* operand : operands)
      if (!is_number(*operand)) tensor = operand;
    unsigned bit = 1;
    for (const Tensor* operand : operands) {
      const bool number = is_number(*operand) && operand->device() != tensor->device();
      check<DeviceError>(number || operand->device() == tensor->device(), op,
                         ": operands are on different devices: ", tensor->device(), " and ",
                         operand->device(), "; move one with .to()");
      if (number) numbers |= bit;
      bit <<= 1;
    }
  }
  static bool is_number(const Tensor& x) { return x.ndim() == 0 && x.device().is_cpu(); }
};

/// cpu::map or what stands for it on target's device.
void map_on(const Tensor& target, const cpu::Kernel& kernel, const cpu::Operand* inputs, int count,
            DType common, const void* attributes, unsigned numbers) {
  const cpu::Operand output{target.data(), target.dtype(), target.strides().data()};
  if (target.device().is_cpu()) [[likely]]
    return cpu::map(kernel, target.sizes(), inputs, count, common, output, attributes);
  if (is_meta(target.device())) return;
  use_device_of(target, device_map != nullptr, kernel.name);
  device_map(kernel, target.sizes(), inputs, count, common, output, attributes, numbers);
}

// Strides of an operand over the loop's dimensions: 0 where it is broadcast.
Shape broadcast_strides(const Tensor& tensor, const Shape& sizes, const char* op) {
  Shape strides = Shape::filled(sizes.size(), 0);
  const int shift = sizes.size() - tensor.ndim();
  check<ShapeError>(shift >= 0, op, ": shape ", tensor.sizes(), " does not broadcast to ", sizes);
  for (int i = 0; i < tensor.ndim(); ++i) {
    const std::int64_t size = tensor.sizes()[i];
    check<ShapeError>(size == sizes[i + shift] || size == 1, op, ": shape ", tensor.sizes(),
                      " does not broadcast to ", sizes);
    strides[i + shift] = size == 1 ? 0 : tensor.strides()[i];
  }
  return strides;
}

constexpr int most_operands = 4;

void run(const cpu::Kernel& kernel, const Tensor& target, const Tensor* const* operands, int count,
         DType common, const void* attributes, unsigned numbers) {
  if (target.numel() == 0) return;
  std::array<cpu::Operand, most_operands> inputs;
  std::array<Shape, most_operands> strides;
  for (int i = 0; i < count; ++i) {
    const Tensor& operand = *operands[i];
    inputs[std::size_t(i)] = {operand.data(), operand.dtype(), operand.strides().data()};
    if (operand.sizes() == target.sizes()) continue;
    strides[std::size_t(i)] = broadcast_strides(operand, target.sizes(), kernel.name);
    inputs[std::size_t(i)].strides = strides[std::size_t(i)].data();
  }
  map_on(target, kernel, inputs.data(), count, common, attributes, numbers);
}

// A number as one element of memory in the type the kernel computes in.
struct Number {
  alignas(16) std::byte bytes[16];
  DType dtype;
  Shape strides;

  Number(const Scalar& value, DType common, int ndim)
      : dtype(cpu::compute_dtype(common)), strides(Shape::filled(ndim, 0)) {
    switch (dtype) {
      case float32: new (bytes) float(value.to<float>()); break;
      case float64: new (bytes) double(value.to<double>()); break;
      case int64: new (bytes) std::int64_t(value.to<std::int64_t>()); break;
      case uint64: new (bytes) std::uint64_t(value.to<std::uint64_t>()); break;
      default: new (bytes) std::complex<double>(value.to<std::complex<double>>());
    }
    // Computing in a wider type than the operands' must not see digits their type could not hold.
    if (common == complex64) new (bytes) std::complex<double>(value.to<std::complex<float>>());
  }
  cpu::Operand operand() { return {bytes, dtype, strides.data()}; }
};

Tensor map_number(const cpu::Kernel& kernel, const Tensor& x, const Scalar& value, bool number_first,
                  Promotion promotion, const void* attributes) {
  DType common = result_type(x, value);
  const DType output = output_dtype(common, promotion);
  Tensor result = empty_for(x.sizes(), output, {&x});
  if (result.numel() == 0) return result;
  Number number(value, common, x.ndim());
  const cpu::Operand tensor{x.data(), x.dtype(), x.strides().data()};
  const cpu::Operand inputs[2] = {number_first ? number.operand() : tensor,
                                  number_first ? tensor : number.operand()};
  map_on(result, kernel, inputs, 2, common, attributes, number_first ? 1 : 2);
  return result;
}

}  // namespace

DType result_type(std::initializer_list<const Tensor*> operands) {
  Ranks ranks;
  for (const Tensor* operand : operands) ranks.add(*operand);
  return ranks.result();
}

DType result_type(const Tensor& a, const Tensor& b) {
  if (a.dtype() == b.dtype() && !a.record()->wrapped_number) return a.dtype();
  return result_type({&a, &b});
}

DType result_type(const Tensor& a, const Scalar& b) {
  if (kind(a.dtype()) >= b.kind() && !a.record()->wrapped_number) return a.dtype();
  Ranks ranks;
  ranks.add(a);
  ranks.add(b);
  return ranks.result();
}

DType sum_dtype(const Tensor& x, std::optional<DType> dtype) {
  return dtype.value_or(is_integral(x.dtype(), true) ? int64 : x.dtype());
}

Tensor summands(const Tensor& x, std::optional<DType> dtype) {
  return dtype && kind(*dtype) < kind(x.dtype()) ? to(x, *dtype) : x;
}

Tensor wrapped(const Scalar& value) {
  const DType dtype = value.is_floating() ? float64 : value.is_complex() ? complex128 : value.dtype();
  Tensor tensor = empty({}, dtype);
  tensor.record()->wrapped_number = true;
  fill_elements(tensor, value);
  return tensor;
}

Tensor empty_for(const Shape& sizes, DType dtype, std::initializer_list<const Tensor*> operands) {
  for (const Tensor* operand : operands) {
    if (operand->ndim() == 0 || operand->sizes() != sizes) continue;
    if (operand->is_contiguous()) break;
    if (is_dense(operand->sizes(), operand->strides()))
      return empty_strided(sizes, operand->strides(), dtype, operand->device());
  }
  Device device = (*operands.begin())->device();
  for (const Tensor* operand : operands)
    if (!operand->device().is_cpu()) device = operand->device();
  return empty(sizes, dtype, device);
}

Tensor map_unary(const cpu::Kernel& kernel, const Tensor& x, Promotion promotion, const void* attributes) {
  DType common = x.dtype();
  const DType output = output_dtype(common, promotion);
  return map_operands(kernel, {&x}, common, output, attributes);
}

Tensor map_binary(const cpu::Kernel& kernel, const Tensor& a, const Tensor& b, Promotion promotion,
                  const void* attributes) {
  DType common = result_type(a, b);
  const DType output = output_dtype(common, promotion);
  return map_operands(kernel, {&a, &b}, common, output, attributes);
}

Tensor map_scalar(const cpu::Kernel& kernel, const Tensor& a, const Scalar& b, Promotion promotion,
                  const void* attributes) {
  return map_number(kernel, a, b, false, promotion, attributes);
}

Tensor map_scalar_first(const cpu::Kernel& kernel, const Scalar& a, const Tensor& b, Promotion promotion,
                        const void* attributes) {
  return map_number(kernel, b, a, true, promotion, attributes);
}

Tensor map_operands(const cpu::Kernel& kernel, std::initializer_list<const Tensor*> operands, DType common,
                    DType output, const void* attributes) {
  const Place place(operands, kernel.name);
  const Tensor* const* list = operands.begin();
  Tensor result;
  bool same = true;
  for (std::size_t i = 1; i < operands.size(); ++i) same = same && list[i]->sizes() == list[0]->sizes();
  if (same) {
    result = empty_for(list[0]->sizes(), output, operands);
  } else {
    Shape sizes = list[0]->sizes();
    for (std::size_t i = 1; i < operands.size(); ++i)
      sizes = broadcast_shapes(sizes, list[i]->sizes(), kernel.name);
    result = empty_for(sizes, output, operands);
  }
  run(kernel, result, list, int(operands.size()), common, attributes, place.numbers);
  return result;
}

void map_into(const cpu::Kernel& kernel, const Tensor& target, std::initializer_list<const Tensor*> operands,
              DType common, const void* attributes) {
  const Place place(operands, kernel.name);
  unsigned numbers = place.numbers;
  if (place.tensor->device() != target.device()) [[unlikely]] {
    check<DeviceError>(place.tensor->ndim() == 0 && place.tensor->device().is_cpu(), kernel.name,
                       ": operands are on ", place.tensor->device(), " but the result is on ",
                       target.device(), "; move one with .to()");
    numbers = ~0u;
  }
  check_writable(target, kernel.name);
  for (const Tensor* operand : operands) check_no_partial_overlap(target, *operand, kernel.name);
  run(kernel, target, operands.begin(), int(operands.size()), common, attributes, numbers);
}

void map_scalar_into(const cpu::Kernel& kernel, const Tensor& target, const Scalar& value,
                     Promotion promotion, const void* attributes) {
  check_writable(target, kernel.name);
  DType common = result_type(target, value);
  output_dtype(common, promotion);
  if (target.numel() == 0) return;
  Number number(value, common, target.ndim());
  const cpu::Operand operand{target.data(), target.dtype(), target.strides().data()};
  const cpu::Operand inputs[2] = {operand, number.operand()};
  map_on(target, kernel, inputs, 2, common, attributes, 2);
}

namespace {

// Between devices go dense runs of one dtype; each side puts its own elements in order.
void copy_between_devices(const Tensor& source, const Tensor& target, bool non_blocking) {
  if (is_meta(target.device())) return;
  check<NotImplementedError>(!is_meta(source.device()), "copy_: cannot copy out of a tensor on meta (shape ",
                             source.sizes(),
                             "), which has no elements; make the target with to_empty() or "
                             "empty_like(device=)");
  const bool direct = target.is_contiguous() && source.sizes() == target.sizes();
  const Tensor dense = contiguous(direct ? to(source.detach(), target.dtype()) : source.detach());
  const Tensor landing = direct ? target : empty(dense.sizes(), dense.dtype(), target.device());
  device_runtime().copy(dense, landing, non_blocking && direct && dense.data() == source.data());
  if (!direct) copy_elements(landing, target);
}

}  // namespace

void copy_elements(const Tensor& source, const Tensor& target, bool non_blocking) {
  if (target.numel() == 0) return;
  const Shape strides = broadcast_strides(source, target.sizes(), "copy_");
  if (source.device() != target.device()) [[unlikely]]
    return copy_between_devices(source, target, non_blocking);
  kernel_for<cpu::copy>("copy_", target)(target.sizes(), {source.data(), source.dtype(), strides.data()},
                                         {target.data(), target.dtype(), target.strides().data()});
}

void fill_elements(const Tensor& target, const Scalar& value) {
  if (target.numel() == 0) return;
  kernel_for<cpu::fill>("fill_", target)(target.sizes(),
                                         {target.data(), target.dtype(), target.strides().data()}, value);
}

Tensor reduce_to(const Tensor& gradient, const Like& operand) {
  Tensor result = gradient;
  if (gradient.sizes() != operand.sizes) result = sum_to_size(result, operand.sizes);
  if (result.device() != operand.device) result = to(result, operand.device);
  if (result.dtype() == operand.dtype) return result;
  if (is_complex(result.dtype()) && !is_complex(operand.dtype)) result = real(result);
  return to(result, operand.dtype);
}

Tensor fitted_gradient(const Tensor& gradient, const Shape& sizes, DType dtype) {
  const int extra = gradient.ndim() - sizes.size();
  if (extra < 0) return {};
  for (int i = 0; i < sizes.size(); ++i)
    if (sizes[i] != 1 && sizes[i] != gradient.sizes()[i + extra]) return {};
  Like operand = gradient;
  operand.sizes = sizes;
  operand.dtype = dtype;
  return reduce_to(gradient, operand);
}

}  // namespace taper
