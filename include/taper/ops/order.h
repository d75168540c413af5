// Sorting, the largest and smallest, unique elements, and counting.
#pragma once

#include <optional>
#include <tuple>

#include "taper/tensor.h"

namespace taper {

/// Elements along dim in order, and their places. NaN counts as larger than any number. Stable.
std::tuple<Tensor, Tensor> sort(const Tensor& x, std::int64_t dim = -1, bool descending = false);
Tensor argsort(const Tensor& x, std::int64_t dim = -1, bool descending = false);
/// The k largest (or smallest) along dim, best first, and their places.
std::tuple<Tensor, Tensor> topk(const Tensor& x, std::int64_t k, std::int64_t dim = -1, bool largest = true);
/// The k-th smallest along dim, k from 1.
std::tuple<Tensor, Tensor> kthvalue(const Tensor& x, std::int64_t k, std::int64_t dim = -1,
                                    bool keepdim = false);
/// The median along dim, of an even number the lower one; NaN if there is one.
std::tuple<Tensor, Tensor> median(const Tensor& x, std::int64_t dim, bool keepdim = false);
/// Different elements in order, the number of each element's like, and how many are alike.
std::tuple<Tensor, Tensor, Tensor> unique(const Tensor& x, std::optional<std::int64_t> dim = std::nullopt);
std::tuple<Tensor, Tensor, Tensor> unique_consecutive(const Tensor& x,
                                                      std::optional<std::int64_t> dim = std::nullopt);
/// For each value the number of sorted boundaries before it; with right, of those not above it.
Tensor searchsorted(const Tensor& boundaries, const Tensor& values, bool right = false,
                    const Tensor& sorter = Tensor());
/// How often each integer from 0 on occurs, or the sums of their weights.
Tensor bincount(const Tensor& x, const Tensor& weights = {}, std::int64_t minlength = 0);
/// How many elements lie in each of bins equal parts of [low, high]; both 0 stand for the range of x.
Tensor histc(const Tensor& x, std::int64_t bins = 100, double low = 0, double high = 0);

}  // namespace taper
