// Elementwise kernels by the CPU kernel they stand for, and the plan of one launch.
#pragma once

#include <cstdint>

#include "cpu/map.h"

namespace taper::cuda {

/// One launch. Operand 0 is the output, operand k + 1 input k; dimensions innermost first, strides in bytes.
struct ElementwisePlan {
  static constexpr int max_dims = 12;

  char* data[cpu::max_inputs + 1];
  DType dtypes[cpu::max_inputs + 1];
  /// Bit k: input k is values[k], in the type the kernel computes in, and not memory.
  unsigned numbers;
  alignas(16) unsigned char values[cpu::max_inputs][16];
  std::int64_t total;
  int dims;
  /// One dimension of float32, float16 or bfloat16 without gaps, each aligned to four elements.
  bool in_fours;
  std::int64_t sizes[max_dims];
  std::int64_t strides[cpu::max_inputs + 1][max_dims];
};

using RunElementwise = void (*)(const ElementwisePlan& plan, const void* attributes, const char* op);

/// The same function for each type in which it is computed; null where it does not exist.
struct ElementwiseEntry {
  RunElementwise f32 = nullptr, f64 = nullptr, i64 = nullptr, u64 = nullptr, c128 = nullptr;
};

/// Adds what entry has to what is there for the kernel.
void install_elementwise(const cpu::Kernel& kernel, const ElementwiseEntry& entry);

/// What device_map becomes.
void map(const cpu::Kernel& kernel, const Shape& sizes, const cpu::Operand* inputs, int count, DType common,
         const cpu::Operand& output, const void* attributes, unsigned numbers);

void copy(const Shape& sizes, const cpu::Operand& source, const cpu::Operand& target);
void fill(const Shape& sizes, const cpu::Operand& target, const Scalar& value);

// Each file of kernels installs its own.
void install_arithmetic();
void install_comparisons();
void install_mathematics();
void install_activations();
void install_gradients();
void install_integer_functions();
void install_special_functions();
void install_bessel_functions();
void install_polynomials();
void install_complex_functions();
void install_complex_trigonometry();

}  // namespace taper::cuda
