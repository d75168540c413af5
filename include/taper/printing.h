// How tensors are written out.
#pragma once

#include <cstdint>
#include <optional>

namespace taper {

struct PrintOptions {
  /// Digits behind the point.
  int precision = 4;
  /// Tensors of more elements are summarized, with edge_items at the ends of each dimension.
  std::int64_t threshold = 1000, edge_items = 3;
  /// Columns of a line.
  int line_width = 80;
  /// Scientific notation: always, never, or where magnitudes ask for it.
  std::optional<bool> scientific;
};

/// Options of the whole process.
PrintOptions print_options();
void set_print_options(const PrintOptions& options);

}  // namespace taper
