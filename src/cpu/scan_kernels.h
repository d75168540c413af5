// The inner loops of running totals, chosen by the operation, the working type and the instruction set.
#pragma once

#include <cstdint>

#include "cpu/load.h"

namespace taper::cpu {

enum class Scan : std::uint8_t { sum, product, log_sum_exp, max, min };

/// A scan carries a state of `state_bytes` a column from one call to the next. Sums, products and log_sum_exp
/// give double, uint64_t or std::complex<double>; max and min give the working type, and places counted from
/// `first`.
struct ScanKernel {
  int state_bytes;
  void (*start)(std::int64_t width, void* state);
  /// x [rows, width] dense, scanned down the columns; y and places alike.
  void (*panel)(const void* x, std::int64_t rows, std::int64_t width, std::int64_t first, void* state,
                void* y, std::int64_t* places);
  /// One column of n elements, n <= scan_piece.
  void (*line)(const void* x, std::int64_t n, std::int64_t first, void* state, void* y, std::int64_t* places);
};

/// Columns of a panel and elements of a line at most.
inline constexpr std::int64_t scan_piece = 512;

/// The kernel, or null where the operation has no meaning for the working type.
const ScanKernel* find_scan_kernel(Scan scan, Wide wide);

}  // namespace taper::cpu
