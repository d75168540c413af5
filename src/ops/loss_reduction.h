// How the losses of a batch become one.
#pragma once

#include <optional>
#include <string_view>

#include "taper/tensor.h"

namespace taper {

enum class LossReduction : std::uint8_t { none, mean, sum };

/// Throws ValueError for other texts than "none", "mean" and "sum".
LossReduction loss_reduction(std::string_view text, const char* op);
Tensor reduce_loss(const Tensor& loss, LossReduction reduction);

/// size_average and reduce are PyTorch's older way to say reduction.
inline std::string_view reduction_of(std::optional<bool> size_average, std::optional<bool> reduce,
                                     std::string_view reduction) {
  if (!size_average && !reduce) return reduction;
  if (!reduce.value_or(true)) return "none";
  return size_average.value_or(true) ? "mean" : "sum";
}

}  // namespace taper
