// Quantiles, modes, histograms and other summaries.
#pragma once

#include <optional>
#include <string_view>
#include <tuple>
#include <vector>

#include "taper/ops/reduction.h"
#include "taper/tensor.h"

namespace taper {

/// The q-quantiles along dim (of all elements without one); a vector q gives a new first dimension.
/// interpolation: "linear", "lower", "higher", "midpoint" or "nearest". float32 and float64.
Tensor quantile(const Tensor& x, const Tensor& q, std::optional<std::int64_t> dim = std::nullopt,
                bool keepdim = false, std::string_view interpolation = "linear");
/// The same of the elements that are not NaN.
Tensor nanquantile(const Tensor& x, const Tensor& q, std::optional<std::int64_t> dim = std::nullopt,
                   bool keepdim = false, std::string_view interpolation = "linear");
/// The mean of the elements that are not NaN.
Tensor nanmean(const Tensor& x, const Dims& dims = std::nullopt, bool keepdim = false,
               std::optional<DType> dtype = std::nullopt);
/// The most frequent value (of several the least) along dim, and the last place where it stands.
std::tuple<Tensor, Tensor> mode(const Tensor& x, std::int64_t dim = -1, bool keepdim = false);
std::tuple<Tensor, Tensor> std_mean(const Tensor& x, const Dims& dims = std::nullopt, double correction = 1,
                                    bool keepdim = false);
/// Counts, or sums of weight, between ascending edges (the last bin holds its upper edge), and the edges.
std::tuple<Tensor, Tensor> histogram(const Tensor& x, const Tensor& edges, const Tensor& weight = {},
                                     bool density = false);
/// The same with bins of equal width over range, or from the least to the largest element.
std::tuple<Tensor, Tensor> histogram(const Tensor& x, std::int64_t bins,
                                     const std::optional<std::vector<double>>& range = std::nullopt,
                                     const Tensor& weight = {}, bool density = false);
/// The histogram of points x [..., n] over n dimensions.
Tensor histogramdd(const Tensor& x, const Tensors& edges, const Tensor& weight = {}, bool density = false);
/// Slices along dim with a p-norm above maxnorm scaled down to it.
Tensor renorm(const Tensor& x, double p, std::int64_t dim, double maxnorm);

}  // namespace taper
