// Data sets: what has samples, and ways to join and cut it.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "taper/error.h"
#include "taper/generator.h"
#include "taper/tensor.h"

namespace taper::data {

using Indices = std::vector<std::int64_t>;

/// A data set is anything with get(index) -> sample, for 0 <= index < size(). Loaders call get() from several
/// threads at once.
///
///     struct Squares {
///       std::int64_t size() const { return 100; }
///       std::pair<Tensor, std::int64_t> get(std::int64_t i) const { return {full({1}, i), i * i}; }
///     };
///
/// One that also has get_batch(span of indices) makes whole batches by it.
template <class D>
concept Dataset = requires(const D& data, std::int64_t index) {
  { data.size() } -> std::convertible_to<std::int64_t>;
  data.get(index);
};

template <class D>
concept BatchedDataset = Dataset<D> && requires(const D& data, std::span<const std::int64_t> indices) {
  data.get_batch(indices);
};

template <Dataset D>
using SampleOf = decltype(std::declval<const D&>().get(std::int64_t(0)));

namespace detail {
Tensor row(const Tensor& tensor, std::int64_t index);
Tensor rows(const Tensor& tensor, std::span<const std::int64_t> indices);
std::int64_t common_length(std::span<const Tensor> tensors);
std::vector<Indices> random_parts(std::int64_t size, const std::vector<std::int64_t>& lengths,
                                  const std::optional<Generator>& generator);
std::vector<std::int64_t> lengths_of(std::int64_t size, const std::vector<double>& fractions);
}  // namespace detail

/// Sample i is the array of the i-th rows of the tensors: TensorDataset digits{images, labels}.
template <std::size_t count>
class TensorDataset {
 public:
  using Sample = std::array<Tensor, count>;

  /// Throws ShapeError unless all have the same first size.
  template <std::same_as<Tensor>... T>
  explicit TensorDataset(const T&... tensors)
      : tensors_{tensors...}, size_(detail::common_length(tensors_)) {}

  std::int64_t size() const { return size_; }
  /// Throws IndexError.
  Sample get(std::int64_t index) const {
    Sample sample;
    for (std::size_t k = 0; k < count; ++k) sample[k] = detail::row(tensors_[k], index);
    return sample;
  }
  Sample get_batch(std::span<const std::int64_t> indices) const {
    Sample batch;
    for (std::size_t k = 0; k < count; ++k) batch[k] = detail::rows(tensors_[k], indices);
    return batch;
  }

 private:
  std::array<Tensor, count> tensors_;
  std::int64_t size_;
};
template <class... T>
TensorDataset(const T&...) -> TensorDataset<sizeof...(T)>;

/// The samples of a data set at the given indices.
template <Dataset D>
class Subset {
 public:
  /// Throws IndexError for indices outside of the data set.
  Subset(std::shared_ptr<const D> dataset, Indices indices)
      : dataset_(std::move(dataset)), indices_(std::move(indices)) {
    for (const std::int64_t index : indices_)
      check<IndexError>(index >= 0 && index < dataset_->size(), "Subset: index ", index,
                        " of a data set of size ", dataset_->size());
  }
  Subset(D dataset, Indices indices)
      : Subset(std::make_shared<const D>(std::move(dataset)), std::move(indices)) {}

  std::int64_t size() const { return std::int64_t(indices_.size()); }
  const Indices& indices() const { return indices_; }
  SampleOf<D> get(std::int64_t index) const { return dataset_->get(at(index)); }
  auto get_batch(std::span<const std::int64_t> indices) const requires BatchedDataset<D> {
    Indices mapped;
    for (const std::int64_t index : indices) mapped.push_back(at(index));
    return dataset_->get_batch(mapped);
  }

 private:
  std::int64_t at(std::int64_t index) const {
    check<IndexError>(index >= 0 && index < size(), "Subset: index ", index, " of a subset of size ", size());
    return indices_[std::size_t(index)];
  }
  std::shared_ptr<const D> dataset_;
  Indices indices_;
};

/// The samples of several data sets of one type, one after another.
template <Dataset D>
class ConcatDataset {
 public:
  explicit ConcatDataset(std::vector<D> datasets) : datasets_(std::move(datasets)) {
    for (const D& dataset : datasets_) size_ += dataset.size();
  }
  std::int64_t size() const { return size_; }
  /// Throws IndexError.
  SampleOf<D> get(std::int64_t index) const {
    check<IndexError>(index >= 0 && index < size_, "ConcatDataset: index ", index, " of size ", size_);
    std::size_t part = 0;
    for (; index >= datasets_[part].size(); ++part) index -= datasets_[part].size();
    return datasets_[part].get(index);
  }

 private:
  std::vector<D> datasets_;
  std::int64_t size_ = 0;
};

/// Splits a data set at random into parts of the given lengths, which sum to its size. Throws ValueError.
template <Dataset D>
std::vector<Subset<D>> random_split(D dataset, const std::vector<std::int64_t>& lengths,
                                    const std::optional<Generator>& generator = std::nullopt) {
  const auto shared = std::make_shared<const D>(std::move(dataset));
  std::vector<Subset<D>> parts;
  for (Indices& indices : detail::random_parts(shared->size(), lengths, generator))
    parts.emplace_back(shared, std::move(indices));
  return parts;
}

/// The same by fractions, which sum to 1.
template <Dataset D>
std::vector<Subset<D>> random_split(D dataset, const std::vector<double>& fractions,
                                    const std::optional<Generator>& generator = std::nullopt) {
  const auto lengths = detail::lengths_of(dataset.size(), fractions);
  return random_split(std::move(dataset), lengths, generator);
}

}  // namespace taper::data
