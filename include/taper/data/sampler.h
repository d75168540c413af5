// Samplers: the order in which a loader takes samples.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "taper/generator.h"
#include "taper/tensor.h"

namespace taper::data {

using Indices = std::vector<std::int64_t>;

/// Gives the indices of an epoch.
class Sampler {
 public:
  virtual ~Sampler() = default;
  /// The indices of the next epoch, in order.
  virtual Indices draw() = 0;
  /// How many there are.
  virtual std::int64_t size() const = 0;
};

/// 0, 1, 2, ... in order.
class SequentialSampler : public Sampler {
 public:
  explicit SequentialSampler(std::int64_t size) : size_(size) {}
  Indices draw() override;
  std::int64_t size() const override { return size_; }

 private:
  std::int64_t size_;
};

struct RandomSamplerOptions {
  /// Independent draws.
  bool replacement = false;
  /// How many; as many as there are samples if not given.
  std::optional<std::int64_t> num_samples = std::nullopt;
  std::optional<Generator> generator = std::nullopt;
};

/// A new random order in each epoch: that of Python's RandomSampler of the same seed.
class RandomSampler : public Sampler {
 public:
  /// Throws ValueError for an empty data set or num_samples below 1.
  explicit RandomSampler(std::int64_t size, RandomSamplerOptions options = {});
  Indices draw() override;
  std::int64_t size() const override { return options_.num_samples.value_or(size_); }

 private:
  std::int64_t size_;
  RandomSamplerOptions options_;
};

/// The given indices in random order.
class SubsetRandomSampler : public Sampler {
 public:
  explicit SubsetRandomSampler(Indices indices, std::optional<Generator> generator = std::nullopt)
      : indices_(std::move(indices)), generator_(std::move(generator)) {}
  Indices draw() override;
  std::int64_t size() const override { return std::int64_t(indices_.size()); }

 private:
  Indices indices_;
  std::optional<Generator> generator_;
};

/// num_samples draws of 0 to n - 1 by the weights [n], floating.
class WeightedRandomSampler : public Sampler {
 public:
  /// Throws ShapeError for other shapes, ValueError for num_samples below 1.
  WeightedRandomSampler(const Tensor& weights, std::int64_t num_samples, bool replacement = true,
                        std::optional<Generator> generator = std::nullopt);
  Indices draw() override;
  std::int64_t size() const override { return num_samples_; }

 private:
  Tensor weights_;
  std::int64_t num_samples_;
  bool replacement_;
  std::optional<Generator> generator_;
};

struct DistributedSamplerOptions {
  bool shuffle = true;
  std::uint64_t seed = 0;
  /// Leaves out the last samples where the number does not divide, in place of repeating the first.
  bool drop_last = false;
};

/// Every replicas-th index, beginning at rank, of an order that all processes share: shuffled with
/// seed + epoch.
class DistributedSampler : public Sampler {
 public:
  /// Throws ValueError unless 0 <= rank < replicas.
  DistributedSampler(std::int64_t size, std::int64_t replicas, std::int64_t rank,
                     DistributedSamplerOptions options = {});
  Indices draw() override;
  std::int64_t size() const override;
  /// To be called before each epoch.
  void set_epoch(std::uint64_t epoch) { epoch_ = epoch; }

 private:
  std::int64_t size_, replicas_, rank_;
  DistributedSamplerOptions options_;
  std::uint64_t epoch_ = 0;
};

/// Batches of batch_size indices of another sampler; the last may be shorter, or is left out (drop_last).
class BatchSampler {
 public:
  /// Throws ValueError for a batch_size below 1.
  BatchSampler(std::shared_ptr<Sampler> sampler, std::int64_t batch_size, bool drop_last = false);
  virtual ~BatchSampler() = default;
  /// The batches of the next epoch.
  virtual std::vector<Indices> draw();
  /// How many there are.
  virtual std::int64_t size() const;

 private:
  std::shared_ptr<Sampler> sampler_;
  std::int64_t batch_size_;
  bool drop_last_;
};

}  // namespace taper::data
