// DataLoader: batches of a data set, made here or by threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "taper/data/collate.h"
#include "taper/data/dataset.h"
#include "taper/data/sampler.h"

namespace taper::data {

struct LoaderOptions {
  std::int64_t batch_size = 1;
  /// A new random order in each epoch.
  bool shuffle = false;
  /// Threads that make batches; 0: the caller makes them.
  int workers = 0;
  /// Leaves out a last batch that is too short.
  bool drop_last = false;
  /// Batches that are made ahead, for each worker.
  std::int64_t prefetch = 2;
  /// Gives the order, in place of shuffle.
  std::shared_ptr<Sampler> sampler = nullptr;
  /// Gives the batches, in place of batch_size, shuffle, drop_last and sampler.
  std::shared_ptr<BatchSampler> batch_sampler = nullptr;
  /// Draws the order; the default generator if not given.
  std::optional<Generator> generator = std::nullopt;
};

namespace detail {

/// By the data set itself where it makes batches and no other way to join samples is asked for.
template <class D, class Join>
auto make_batch(const D& dataset, const Join& collate, const Indices& indices) {
  if constexpr (BatchedDataset<D> && std::same_as<Join, Collate>) {
    return dataset.get_batch(indices);
  } else {
    std::vector<std::remove_cvref_t<SampleOf<D>>> samples;
    samples.reserve(indices.size());
    for (const std::int64_t index : indices) samples.push_back(dataset.get(index));
    return collate(samples);
  }
}

/// Throws ValueError for options that exclude each other or are out of range.
std::shared_ptr<BatchSampler> batches_of(const LoaderOptions& options, std::int64_t size);

/// The jobs of one epoch, done in order by the caller or ahead of it by threads; type erased, so that
/// threads stay out of this header.
class Epoch {
 public:
  using Job = std::function<std::shared_ptr<void>(const Indices& indices)>;
  /// Draws the batches.
  Epoch(BatchSampler& batches, const LoaderOptions& options, Job job);
  /// Stops the threads; waits for the batches under way, and for no others.
  ~Epoch();
  Epoch(const Epoch&) = delete;
  Epoch& operator=(const Epoch&) = delete;
  /// The next batch; null after the last. Throws what job threw, with the batch added to its message.
  std::shared_ptr<void> next();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace detail

/// Iterates over batches of a data set:
///
///     data::DataLoader loader{data::TensorDataset{images, labels}, {.batch_size = 64, .shuffle = true}};
///     for (auto& [x, y] : loader) ...
///
/// Batches come in the sampler's order for any number of workers. While a batch is made, the default
/// generator of its thread is one of the batch's own, so that random changes of samples do not depend on the
/// number of workers either; the orders are those of Python's DataLoader of the same seed. What get() or
/// collate throw reaches the caller of ++ (or begin()) as the same of Taper's exceptions, or as taper::Error
/// with the original nested, and names the batch. Leaving the loop early is fine.
template <Dataset D, class Join = Collate>
class DataLoader {
 public:
  /// collate: makes a batch from a vector of samples. Throws ValueError for impossible options.
  DataLoader(std::shared_ptr<const D> dataset, LoaderOptions options = {}, Join collate = {})
      : dataset_(std::move(dataset)),
        options_(std::move(options)),
        collate_(std::move(collate)),
        batches_(detail::batches_of(options_, dataset_->size())) {}
  DataLoader(D dataset, LoaderOptions options = {}, Join collate = {})
      : DataLoader(std::make_shared<const D>(std::move(dataset)), std::move(options), std::move(collate)) {}

  using Batch =
      decltype(detail::make_batch(std::declval<const D&>(), std::declval<const Join&>(), Indices()));

  class Iterator {
   public:
    using value_type = Batch;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::input_iterator_tag;
    explicit Iterator(std::unique_ptr<detail::Epoch> epoch) : epoch_(std::move(epoch)) { ++*this; }
    Batch& operator*() const { return *batch_; }
    Batch* operator->() const { return batch_.get(); }
    Iterator& operator++() {
      batch_ = std::static_pointer_cast<Batch>(epoch_->next());
      return *this;
    }
    bool operator==(std::default_sentinel_t) const { return !batch_; }

   private:
    std::unique_ptr<detail::Epoch> epoch_;
    std::shared_ptr<Batch> batch_;
  };

  /// Begins an epoch.
  Iterator begin() const {
    return Iterator(std::make_unique<detail::Epoch>(
        *batches_, options_, [dataset = dataset_, collate = collate_](const Indices& indices) {
          return std::static_pointer_cast<void>(
              std::make_shared<Batch>(detail::make_batch(*dataset, collate, indices)));
        }));
  }
  std::default_sentinel_t end() const { return {}; }
  /// Batches of an epoch.
  std::int64_t size() const { return batches_->size(); }
  const D& dataset() const { return *dataset_; }

 private:
  std::shared_ptr<const D> dataset_;
  LoaderOptions options_;
  Join collate_;
  std::shared_ptr<BatchSampler> batches_;
};

}  // namespace taper::data
