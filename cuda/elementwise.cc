// Planning of elementwise launches, and which kernel runs.
#include "cuda/elementwise.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/visit.h"
#include "cpu/convert.h"
#include "cpu/loop.h"
#include "cuda/runtime.h"

namespace taper::cuda {

namespace {

std::unordered_map<const cpu::Kernel*, ElementwiseEntry>& entries() {
  static std::unordered_map<const cpu::Kernel*, ElementwiseEntry> all;
  return all;
}

}  // namespace

/// Null where nothing is there for the kernel. Tests compare it with the CPU's kernel, too.
const ElementwiseEntry* find_elementwise(const cpu::Kernel& kernel) {
  const auto found = entries().find(&kernel);
  return found == entries().end() ? nullptr : &found->second;
}

namespace {

RunElementwise chosen(const cpu::Kernel& kernel, DType common) {
  check<DTypeError>(cpu::supports(kernel, common), kernel.name, ": not implemented for ", common);
  RunElementwise run = nullptr;
  if (const ElementwiseEntry* entry = find_elementwise(kernel)) {
    switch (cpu::compute_dtype(common)) {
      case float32: run = entry->f32; break;
      case float64: run = entry->f64; break;
      case int64: run = entry->i64; break;
      case uint64: run = entry->u64; break;
      default: run = entry->c128;
    }
  }
  check<DeviceError>(run != nullptr, kernel.name, ": has no CUDA kernel for ", common,
                     "; move its operands to the CPU with .cpu()");
  return run;
}

// Kernels read and write the dtypes of one kind, to stay small.
bool reads(DType compute, DType dtype) {
  return compute == float32
             ? is_floating_point(dtype) && dtype != float64
             : cpu::compute_dtype(dtype) == compute || (compute == float64 && is_floating_point(dtype));
}

/// Dense memory for an operand in another dtype.
struct Converted {
  Scratch memory;
  Shape strides;
  cpu::Operand operand;

  Converted(const Shape& sizes, DType dtype)
      : memory(numel(sizes) * item_size(dtype)),
        strides(contiguous_strides(sizes)),
        operand{memory.data(), dtype, strides.data()} {}
};

// An integer wraps to the tensors' dtype first; a float keeps the digits that the kernel computes with.
void set_number(ElementwisePlan& plan, int k, const cpu::Operand& operand, DType common, DType compute) {
  alignas(16) unsigned char number[16];
  const DType narrow = is_integral(common) ? common : operand.dtype;
  cpu::convert_run(operand.dtype, operand.data, 0, narrow, number, 0, 1);
  const auto convert_to = [&]<class C>() {
    const C value =
        visit(narrow, [&]<class T>() { return cpu::convert<C>(*reinterpret_cast<const T*>(number)); });
    std::memcpy(plan.values[k], &value, sizeof value);
  };
  switch (compute) {
    case float32: return convert_to.operator()<float>();
    case float64: return convert_to.operator()<double>();
    case int64: return convert_to.operator()<std::int64_t>();
    case uint64: return convert_to.operator()<std::uint64_t>();
    default: convert_to.operator()<std::complex<double>>();
  }
}

void set_loop(ElementwisePlan& plan, const Shape& sizes, const cpu::Operand* const* operands, int count,
              const char* op) {
  const cpu::Loop loop(sizes, operands, count);
  check<ShapeError>(loop.dims <= ElementwisePlan::max_dims, op, ": on CUDA at most ",
                    ElementwisePlan::max_dims, " dimensions may be left after merging, got shape ", sizes);
  plan.dims = loop.dims;
  plan.total = loop.total;
  bool in_fours = loop.dims == 1;
  for (int d = 0; d < loop.dims; ++d) plan.sizes[d] = loop.sizes[d];
  for (int k = 0; k < count; ++k) {
    plan.data[k] = loop.data[k];
    plan.dtypes[k] = operands[k]->dtype;
    for (int d = 0; d < loop.dims; ++d) plan.strides[k][d] = loop.strides[k][d];
    const bool number = k > 0 && (plan.numbers >> (k - 1) & 1);
    const DType dtype = operands[k]->dtype;
    const std::int64_t bytes = item_size(dtype);
    in_fours = in_fours && (number || ((dtype == float32 || dtype == float16 || dtype == bfloat16) &&
                                       loop.strides[k][0] == bytes &&
                                       reinterpret_cast<std::uintptr_t>(loop.data[k]) % (4 * bytes) == 0));
  }
  plan.in_fours = in_fours;
}

// The dtype that a kernel writes for operands of `common`.
DType written(const cpu::Kernel& kernel, DType common, DType output) {
  if (kernel.predicate) return boolean;
  if (kernel.complex_output) return common == float64 ? complex128 : complex64;
  if (kernel.real_output && is_complex(common)) return real_dtype(output);
  return reads(cpu::compute_dtype(common), output) ? output : common;
}

}  // namespace

void install_elementwise(const cpu::Kernel& kernel, const ElementwiseEntry& entry) {
  ElementwiseEntry& present = entries()[&kernel];
  for (const auto type : {&ElementwiseEntry::f32, &ElementwiseEntry::f64, &ElementwiseEntry::i64,
                          &ElementwiseEntry::u64, &ElementwiseEntry::c128})
    if (entry.*type) present.*type = entry.*type;
}

void map(const cpu::Kernel& kernel, const Shape& sizes, const cpu::Operand* inputs, int count, DType common,
         const cpu::Operand& output, const void* attributes, unsigned numbers) {
  const RunElementwise run = chosen(kernel, common);
  const DType compute = cpu::compute_dtype(common);
  ElementwisePlan plan{};
  std::vector<std::unique_ptr<Converted>> converted;
  const Shape nowhere = Shape::filled(sizes.size(), 0);
  cpu::Operand operands[cpu::max_inputs + 1];
  const cpu::Operand* list[cpu::max_inputs + 1];
  operands[0] = output;
  const DType result = written(kernel, common, output.dtype);
  if (result != output.dtype) {
    converted.push_back(std::make_unique<Converted>(sizes, result));
    operands[0] = converted.back()->operand;
  }
  for (int k = 0; k < count; ++k) {
    operands[k + 1] = inputs[k];
    const bool condition = kernel.condition && k == 0;
    if (numbers >> k & 1) {
      plan.numbers |= 1u << k;
      set_number(plan, k, inputs[k], common, compute);
      operands[k + 1] = {nullptr, common, nowhere.data()};
    } else if (condition ? inputs[k].dtype != boolean : !reads(compute, inputs[k].dtype)) {
      converted.push_back(std::make_unique<Converted>(sizes, condition ? boolean : common));
      cuda::copy(sizes, inputs[k], converted.back()->operand);
      operands[k + 1] = converted.back()->operand;
    }
  }
  for (int k = 0; k <= count; ++k) list[k] = &operands[k];
  set_loop(plan, sizes, list, count + 1, kernel.name);
  run(plan, attributes, kernel.name);
  if (result != output.dtype) cuda::copy(sizes, operands[0], output);
}

}  // namespace taper::cuda
