// The text of a kernel that applies a formula to each element of broadcast operands.
#pragma once

#include <string>
#include <vector>

#include "taper/dtype.h"

namespace taper::cuda {

/// A formula over T, and what it is applied to.
struct PointwiseFormula {
  std::string code;        ///< definitions that the call below needs; may be empty
  std::string statements;  ///< from inputs `T x0, x1, ...` and values `T v0, ...` to results `T y0, ...`
  DType common;            ///< T: the type itself; float for float16 and bfloat16; std::complex
  std::vector<DType> inputs, outputs;
  int values = 0;  ///< T v0, ... that are given with each launch: doubles, two for a complex T, or long long
};

/// Most dimensions, which are left after merging, and most inputs and outputs together, and values.
inline constexpr int pointwise_dims = 12, pointwise_operands = 16, pointwise_values = 16;

/// The only argument of the kernel; operands are outputs, then inputs; dimensions innermost first; strides in
/// elements. The text declares the same.
struct PointwiseArguments {
  void* data[pointwise_operands];
  long long total;
  int dims;
  long long sizes[pointwise_dims];
  long long strides[pointwise_operands][pointwise_dims];
  union {
    double real[2];  // and imaginary part
    long long integer;
  } values[pointwise_values];
};

/// The kernel's name in the text.
inline constexpr const char* pointwise_kernel = "pointwise";
/// Threads of its blocks.
inline constexpr int pointwise_threads = 256;

/// C++17 without headers, for NVRTC with functions on the device by default. One element a thread at a time.
std::string pointwise_source(const PointwiseFormula& formula);

}  // namespace taper::cuda
