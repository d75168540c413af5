// Softmax and log-softmax.
#pragma once

#include <optional>

#include "taper/tensor.h"

namespace taper {

/// exp(x) / sum(exp(x)) along dim, without overflow. A slice that is all -inf gives NaN.
Tensor softmax(const Tensor& x, std::int64_t dim, std::optional<DType> dtype = std::nullopt);
Tensor log_softmax(const Tensor& x, std::int64_t dim, std::optional<DType> dtype = std::nullopt);

}  // namespace taper
