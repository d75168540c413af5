// Reductions: many elements to one, over all or some dimensions.
#pragma once

#include <optional>
#include <tuple>

#include "taper/tensor.h"

namespace taper {

/// Dimensions to reduce: none (or an empty list) means all of them.
using Dims = std::optional<Shape>;

/// Sum over dims. Integers and bool sum to int64 unless dtype is given; f16, bf16 and f32 accumulate in
/// float64.
Tensor sum(const Tensor& x, const Dims& dims = std::nullopt, bool keepdim = false,
           std::optional<DType> dtype = std::nullopt);
/// Sum taking NaN as 0.
Tensor nansum(const Tensor& x, const Dims& dims = std::nullopt, bool keepdim = false,
              std::optional<DType> dtype = std::nullopt);
/// Mean over dims; floating or complex. Empty: NaN.
Tensor mean(const Tensor& x, const Dims& dims = std::nullopt, bool keepdim = false,
            std::optional<DType> dtype = std::nullopt);
/// Product over one dimension, or of all elements.
Tensor prod(const Tensor& x, std::optional<std::int64_t> dim = std::nullopt, bool keepdim = false,
            std::optional<DType> dtype = std::nullopt);
/// Sum of squared distances from the mean over n - correction.
Tensor var(const Tensor& x, const Dims& dims = std::nullopt, double correction = 1, bool keepdim = false);
Tensor std(const Tensor& x, const Dims& dims = std::nullopt, double correction = 1, bool keepdim = false);
std::tuple<Tensor, Tensor> var_mean(const Tensor& x, const Dims& dims = std::nullopt, double correction = 1,
                                    bool keepdim = false);
/// log(sum(exp(x))) without overflow.
Tensor logsumexp(const Tensor& x, const Shape& dims, bool keepdim = false);
/// (sum |x|^p)^(1/p); p may be 0 and +-infinity.
Tensor norm(const Tensor& x, double p = 2, const Dims& dims = std::nullopt, bool keepdim = false);

/// Largest element; NaN if there is one. The gradient is shared equally among equal largest elements.
Tensor amax(const Tensor& x, const Dims& dims = std::nullopt, bool keepdim = false);
Tensor amin(const Tensor& x, const Dims& dims = std::nullopt, bool keepdim = false);
/// Largest element along dim and its place. The gradient goes to that place.
std::tuple<Tensor, Tensor> max(const Tensor& x, std::int64_t dim, bool keepdim = false);
std::tuple<Tensor, Tensor> min(const Tensor& x, std::int64_t dim, bool keepdim = false);
Tensor max(const Tensor& x);
Tensor min(const Tensor& x);
/// Place of the first largest element along dim, or in the flattened tensor.
Tensor argmax(const Tensor& x, std::optional<std::int64_t> dim = std::nullopt, bool keepdim = false);
Tensor argmin(const Tensor& x, std::optional<std::int64_t> dim = std::nullopt, bool keepdim = false);

Tensor any(const Tensor& x, const Dims& dims = std::nullopt, bool keepdim = false);
Tensor all(const Tensor& x, const Dims& dims = std::nullopt, bool keepdim = false);
Tensor count_nonzero(const Tensor& x, const Dims& dims = std::nullopt);

}  // namespace taper
