// The loop under every elementwise operation: one kernel over strided, broadcast operands of any dtypes.
#pragma once

#include <cstdint>

#include "taper/dtype.h"
#include "taper/scalar.h"
#include "taper/shape.h"

namespace taper::cpu {

/// One operand of an elementwise loop. strides: in elements, one per loop dimension, 0 where it is broadcast.
struct Operand {
  void* data;
  DType dtype;
  const std::int64_t* strides;
};

/// Processes n consecutive elements. inputs[i] advances by steps[i] (0 or 1) elements. The output may be one
/// of the inputs. attributes: what the kernel's declaration names, or null.
using Run = void (*)(const void* const* inputs, const int* steps, void* output, std::int64_t n,
                     const void* attributes);

/// The same function for each type in which it is computed; null where it does not exist.
struct Kernel {
  const char* name;
  Run f32 = nullptr, f64 = nullptr, i64 = nullptr, u64 = nullptr, c128 = nullptr;
  /// Direct runs for types that are otherwise converted: optional.
  Run boolean = nullptr, u8 = nullptr, i32 = nullptr, c64 = nullptr;
  /// Every run writes bool.
  bool predicate = false;
  /// Input 0 is read as bool whatever the other inputs are.
  bool condition = false;
  /// c128 writes float64 (c64 writes float32): abs, real, imag, angle.
  bool real_output = false;
  /// f32 writes complex64 and f64 writes complex128: complex, polar.
  bool complex_output = false;
};

/// Most inputs a kernel takes.
inline constexpr int max_inputs = 3;

/// Type in which values of this type are computed: f16, bf16 -> float32; signed integers -> int64;
/// bool and unsigned -> uint64; complex64 -> complex128; others are their own.
DType compute_dtype(DType dtype);

/// True if the kernel can be computed for operands that promote to this dtype.
bool supports(const Kernel& kernel, DType common);

/// output = kernel(inputs...) over sizes. Values are converted blockwise from each operand's dtype to
/// `common`, computed in compute_dtype(common), and converted to the output's dtype, so mixed dtypes cost no
/// copy. The output may be exactly one of the inputs (same memory, dtype and strides); any other overlap is
/// the caller's to exclude. Throws DTypeError if the kernel does not exist for `common`, ShapeError beyond 64
/// dimensions, and what the kernel throws (ValueError, on integer division by zero for instance; the output
/// is then partly written).
void map(const Kernel& kernel, const Shape& sizes, const Operand* inputs, int count, DType common,
         const Operand& output, const void* attributes = nullptr);

/// target = source, converted to the target's dtype, over sizes. The same memory may not be behind both.
void copy(const Shape& sizes, const Operand& source, const Operand& target);

/// target = value, converted to the target's dtype, over sizes.
void fill(const Shape& sizes, const Operand& target, const Scalar& value);

}  // namespace taper::cpu
