// The inner loops of reductions, as a table of functions chosen by the operation and the working type.
#pragma once

#include <cstdint>

#include "cpu/load.h"

namespace taper::cpu {

enum class Reduce : std::uint8_t {
  sum,
  short_sum,  // of float32, for a result of no more digits
  prod,
  max,
  min,
  nan_sum,
  abs_sum,
  square_sum,
  abs_max,
  abs_min,
  power_sum,
  moments,
  log_sum_exp,
  arg_max,
  arg_min,
};

/// What a kernel needs to know besides the numbers.
struct ReduceArguments {
  std::int64_t first = 0;  ///< Place of the first element in the reduced order; the arg kernels report it.
  double power = 0;        ///< The exponent of power_sum.
};

/// A reduction is a state that pieces of the input are folded into. The state of `width` independent columns
/// lies in planes of `width` numbers each:
///   sum, prod, nan_sum             one of double, int64_t (wrapping; u8 too) or std::complex<double>
///   max, min                       one of double, int64_t (u8 too) or uint64_t, as the working type
///   abs_*, square_sum, power_sum   one of double
///   moments                        the mean (double or complex), the sum of squared distances from it
///   (double) log_sum_exp                    the maximum, the sum of exp(x - maximum), both double arg_* the
///   value (as max), its place (int64_t)
/// Max, min and arg_* give NaN if there is one; the first of equals.
struct ReduceKernel {
  int state_bytes;  ///< Of one column.
  /// state[row] = the reduction of x[row * row_stride + i], i < n, n >= 1, for row < rows <= max_columns.
  void (*rows)(const void* x, std::int64_t rows, std::int64_t row_stride, std::int64_t n,
               const ReduceArguments& arguments, void* state);
  /// state[c] = the reduction over rows of x[row * row_stride + c], c < width <= max_columns.
  void (*columns)(const void* x, std::int64_t rows, std::int64_t row_stride, std::int64_t width,
                  const ReduceArguments& arguments, void* state);
  /// Folds in the state of elements that come later; the counts are of elements in a column.
  void (*merge)(void* state, std::int64_t count, const void* later, std::int64_t later_count,
                std::int64_t width);
};

inline constexpr std::int64_t max_columns = 512;

/// The kernel, or null where the operation has no meaning for the working type.
const ReduceKernel* find_reduce_kernel(Reduce reduce, Wide wide);

}  // namespace taper::cpu
