// Orders in which samples are taken.
#include "taper/data/sampler.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "data/seed.h"
#include "taper/error.h"
#include "taper/ops.h"

namespace taper::data {

std::uint64_t draw_seed(const std::optional<Generator>& generator) {
  const Tensor drawn = random_(empty({}, int64), 0, std::numeric_limits<std::int64_t>::max(), generator);
  return std::uint64_t(drawn.item<std::int64_t>());
}

namespace {

void append(Indices& indices, const Tensor& drawn, std::int64_t most) {
  const std::int64_t* first = drawn.data<std::int64_t>();
  indices.insert(indices.end(), first, first + std::min(most, drawn.numel()));
}

Indices counted(std::int64_t size) {
  Indices indices(static_cast<std::size_t>(size));
  std::iota(indices.begin(), indices.end(), std::int64_t(0));
  return indices;
}

}  // namespace

Indices SequentialSampler::draw() { return counted(size_); }

RandomSampler::RandomSampler(std::int64_t size, RandomSamplerOptions options)
    : size_(size), options_(std::move(options)) {
  check<ValueError>(size_ > 0, "RandomSampler: the data set is empty");
  check<ValueError>(this->RandomSampler::size() > 0, "RandomSampler: num_samples is ",
                    this->RandomSampler::size(), "; it must be positive");
}

Indices RandomSampler::draw() {
  const std::int64_t count = size();
  const Generator generator = options_.generator ? *options_.generator : Generator(draw_seed(std::nullopt));
  Indices indices;
  if (options_.replacement) {
    // As many at a time as Python draws, which decides the numbers.
    for (std::int64_t start = 0; start < count; start += 32)
      append(indices, randint(0, size_, {std::min<std::int64_t>(32, count - start)}, int64, generator), 32);
    return indices;
  }
  for (std::int64_t start = 0; start < count; start += size_)
    append(indices, randperm(size_, generator), count - start);
  return indices;
}

Indices SubsetRandomSampler::draw() {
  Indices order;
  append(order, randperm(size(), generator_), size());
  for (std::int64_t& entry : order) entry = indices_[std::size_t(entry)];
  return order;
}

WeightedRandomSampler::WeightedRandomSampler(const Tensor& weights, std::int64_t num_samples,
                                             bool replacement, std::optional<Generator> generator)
    : weights_(to(weights.detach(), float64)),
      num_samples_(num_samples),
      replacement_(replacement),
      generator_(std::move(generator)) {
  check<ShapeError>(weights.ndim() == 1, "WeightedRandomSampler: weights of shape ", weights.sizes(),
                    ", expected one dimension");
  check<ValueError>(num_samples > 0, "WeightedRandomSampler: num_samples is ", num_samples,
                    "; it must be positive");
}

Indices WeightedRandomSampler::draw() {
  Indices indices;
  append(indices, multinomial(weights_, num_samples_, replacement_, generator_), num_samples_);
  return indices;
}

DistributedSampler::DistributedSampler(std::int64_t size, std::int64_t replicas, std::int64_t rank,
                                       DistributedSamplerOptions options)
    : size_(size), replicas_(replicas), rank_(rank), options_(options) {
  check<ValueError>(replicas > 0 && rank >= 0 && rank < replicas, "DistributedSampler: rank ", rank, " of ",
                    replicas, "; ranks count from 0");
}

std::int64_t DistributedSampler::size() const {
  return options_.drop_last ? size_ / replicas_ : (size_ + replicas_ - 1) / replicas_;
}

Indices DistributedSampler::draw() {
  Indices order;
  if (options_.shuffle) append(order, randperm(size_, Generator(options_.seed + epoch_)), size_);
  else order = counted(size_);
  Indices own;
  for (std::int64_t i = rank_; std::int64_t(own.size()) < size(); i += replicas_)
    own.push_back(order[std::size_t(i % size_)]);
  return own;
}

BatchSampler::BatchSampler(std::shared_ptr<Sampler> sampler, std::int64_t batch_size, bool drop_last)
    : sampler_(std::move(sampler)), batch_size_(batch_size), drop_last_(drop_last) {
  check<ValueError>(batch_size > 0, "BatchSampler: batch_size is ", batch_size, "; it must be positive");
}

std::vector<Indices> BatchSampler::draw() {
  const Indices indices = sampler_->draw();
  std::vector<Indices> batches;
  const std::int64_t count = std::int64_t(indices.size());
  for (std::int64_t start = 0; start < count; start += batch_size_) {
    const std::int64_t end = std::min(start + batch_size_, count);
    if (end - start == batch_size_ || !drop_last_)
      batches.emplace_back(indices.begin() + start, indices.begin() + end);
  }
  return batches;
}

std::int64_t BatchSampler::size() const {
  const std::int64_t count = sampler_->size();
  return drop_last_ ? count / batch_size_ : (count + batch_size_ - 1) / batch_size_;
}

}  // namespace taper::data
