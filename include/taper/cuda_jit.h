// Elementwise functions written as C++ text and compiled for a CUDA device when they are called.
// taper.cuda.jiterator in Python.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "taper/scalar.h"
#include "taper/tensor.h"

namespace taper::cuda {

/// A function template over one type T, as in torch.cuda.jiterator:
///
///     template <typename T> T weighted(T x, T y, T alpha) { return -x + alpha * y; }
///
/// Its text may define other templates and functions before it, and call what CUDA offers without headers
/// (::sin, ::exp, ::fmax). T is the type that the inputs promote to; float16 and bfloat16 are computed as
/// float, complex numbers as std::complex, whose operators and most usual functions are there. Compiled by
/// NVRTC for each combination of dtypes and each device, and kept.
class JitFunction {
 public:
  /// name: of the template to call. Where by_reference, it returns nothing and its last `outputs` arguments
  /// are T& for the results. Throws ValueError unless outputs is 1 to 8, or 1 if not by_reference.
  JitFunction(std::string code, std::string name, bool by_reference = false, int outputs = 1);

  /// inputs: 1 to 8 tensors on one CUDA device, which broadcast; values: the arguments after them, as T.
  /// Results are dense, of the common dtype, without gradient. Throws DeviceError where an input is not on a
  /// CUDA device, or NVRTC is missing; ValueError for a complex value beside real inputs; Error with the
  /// compiler's words where the text cannot be compiled.
  std::vector<Tensor> operator()(std::span<const Tensor> inputs, std::span<const Scalar> values = {}) const;

 private:
  std::string code_, name_;
  bool by_reference_;
  int outputs_;
};

}  // namespace taper::cuda
