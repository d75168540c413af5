// Data sets, samplers and loaders: which samples come, in which order, and what a failing one does.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <set>
#include <thread>

#include "io_temporary.h"
#include "taper/taper.h"

namespace taper::data {
namespace {

using taper::testing::message_of;

Tensor numbers(std::int64_t count) { return arange(0, count); }

std::vector<std::int64_t> values(const Tensor& x) {
  const Tensor flat = contiguous(x);
  return {flat.data<std::int64_t>(), flat.data<std::int64_t>() + flat.numel()};
}

/// Samples of different kinds: a tensor, an integer, a float and text.
struct Mixed {
  std::int64_t size() const { return 5; }
  std::tuple<Tensor, int, float, std::string> get(std::int64_t i) const {
    return {full({2}, i), int(i), float(i) / 2, std::to_string(i)};
  }
};

TEST(Data, TensorDatasetsGiveRowsAndBatches) {
  const TensorDataset digits{reshape(numbers(12), {4, 3}), numbers(4)};
  EXPECT_EQ(digits.size(), 4);
  EXPECT_EQ(values(digits.get(2)[0]), (Indices{6, 7, 8}));
  std::vector<Indices> rows, labels;
  for (auto& [x, y] : DataLoader{digits, {.batch_size = 3}}) {
    rows.push_back(values(x));
    labels.push_back(values(y));
  }
  EXPECT_EQ(rows, (std::vector<Indices>{{0, 1, 2, 3, 4, 5, 6, 7, 8}, {9, 10, 11}}));
  EXPECT_EQ(labels, (std::vector<Indices>{{0, 1, 2}, {3}}));
  EXPECT_THROW((TensorDataset{numbers(3), numbers(4)}), ShapeError);
  EXPECT_THROW(digits.get(4), IndexError);
}

TEST(Data, SamplesAreJoinedPartByPart) {
  DataLoader loader{Mixed(), {.batch_size = 2, .drop_last = true}};
  EXPECT_EQ(loader.size(), 2);
  int count = 0;
  for (auto& [tensors, integers, floats, texts] : loader) {
    EXPECT_EQ(tensors.sizes(), (Shape{2, 2}));
    EXPECT_EQ(integers.dtype(), int64);
    EXPECT_EQ(floats.dtype(), float32);
    EXPECT_EQ(select(floats, 0, 1).item<float>(), float(2 * count + 1) / 2);
    EXPECT_EQ(texts, (std::vector<std::string>{std::to_string(2 * count), std::to_string(2 * count + 1)}));
    ++count;
  }
  EXPECT_EQ(count, 2);
}

TEST(Data, AFunctionOfTheUserMayJoinSamples) {
  const auto longest = [](const std::vector<std::tuple<Tensor, int, float, std::string>>& samples) {
    return samples.size();
  };
  std::vector<std::size_t> sizes;
  for (const std::size_t size : DataLoader{Mixed(), {.batch_size = 4}, longest}) sizes.push_back(size);
  EXPECT_EQ(sizes, (std::vector<std::size_t>{4, 1}));
}

TEST(Data, SubsetsAndSplitsShareTheSamples) {
  const Subset part{TensorDataset{numbers(10)}, {7, 2, 7}};
  EXPECT_EQ(values(part.get_batch(Indices{0, 1, 2})[0]), (Indices{7, 2, 7}));
  EXPECT_THROW((Subset{TensorDataset{numbers(10)}, {10}}), IndexError);
  manual_seed(3);
  std::set<std::int64_t> seen;
  const auto parts = random_split(TensorDataset{numbers(10)}, std::vector<double>{0.5, 0.25, 0.25});
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_EQ(parts[0].size(), 6);  // what is left after rounding down goes to the first parts in turn
  EXPECT_EQ(parts[1].size(), 2);
  for (const auto& split : parts) seen.insert(split.indices().begin(), split.indices().end());
  EXPECT_EQ(seen.size(), 10u);
  EXPECT_THROW(random_split(TensorDataset{numbers(10)}, std::vector<std::int64_t>{5, 6}), ValueError);
  const ConcatDataset both{std::vector{TensorDataset{numbers(2)}, TensorDataset{numbers(3)}}};
  EXPECT_EQ(both.size(), 5);
  EXPECT_EQ(both.get(3)[0].item<std::int64_t>(), 1);
}

TEST(Data, RandomSamplersPermuteAnewEachEpoch) {
  manual_seed(0);
  RandomSampler sampler{50};
  const Indices first = sampler.draw(), second = sampler.draw();
  EXPECT_NE(first, second);
  EXPECT_EQ(std::set<std::int64_t>(first.begin(), first.end()).size(), 50u);
  manual_seed(0);
  EXPECT_EQ(RandomSampler{50}.draw(), first);
  RandomSampler drawn{5, {.replacement = true, .num_samples = 70}};
  const Indices indices = drawn.draw();
  EXPECT_EQ(indices.size(), 70u);
  EXPECT_TRUE(std::all_of(indices.begin(), indices.end(), [](std::int64_t i) { return i >= 0 && i < 5; }));
  EXPECT_THROW(RandomSampler{0}, ValueError);
}

TEST(Data, WeightedSamplersFollowTheWeights) {
  manual_seed(1);
  WeightedRandomSampler sampler{tensor(std::vector<double>{1, 0, 3}, {3}), 4000};
  const Indices drawn = sampler.draw();
  const auto count = [&](std::int64_t i) { return double(std::count(drawn.begin(), drawn.end(), i)); };
  EXPECT_EQ(count(1), 0);
  // Five standard deviations of a binomial distribution.
  EXPECT_NEAR(count(0), 1000, 5 * std::sqrt(4000 * 0.25 * 0.75));
  EXPECT_THROW(WeightedRandomSampler(ones({2, 2}), 1), ShapeError);
}

TEST(Data, DistributedSamplersShareOneOrder) {
  std::multiset<std::int64_t> all;
  for (int rank = 0; rank < 3; ++rank) {
    DistributedSampler sampler{10, 3, rank};
    sampler.set_epoch(2);
    const Indices own = sampler.draw();
    EXPECT_EQ(std::int64_t(own.size()), sampler.size());
    all.insert(own.begin(), own.end());
  }
  EXPECT_EQ(all.size(), 12u);
  for (std::int64_t i = 0; i < 10; ++i) EXPECT_GE(all.count(i), 1u);
  DistributedSampler plain{10, 3, 1, {.shuffle = false, .drop_last = true}};
  EXPECT_EQ(plain.draw(), (Indices{1, 4, 7}));
  EXPECT_THROW(DistributedSampler(10, 3, 3), ValueError);
}

/// Draws a random number for each sample.
struct Noisy {
  std::int64_t size() const { return 40; }
  Tensor get(std::int64_t) const { return rand({3}); }
};

TEST(Data, BatchesAreTheSameForAnyNumberOfWorkers) {
  const auto epochs = [](int workers) {
    manual_seed(5);
    Tensors all;
    DataLoader loader{Noisy(), {.batch_size = 3, .shuffle = true, .workers = workers}};
    for (int epoch = 0; epoch < 2; ++epoch)
      for (auto& batch : loader) all.push_back(batch);
    return all;
  };
  const Tensors alone = epochs(0);
  EXPECT_FALSE(equal(alone[0], alone[14]));
  for (const int workers : {1, 4}) {
    const Tensors together = epochs(workers);
    ASSERT_EQ(together.size(), alone.size());
    for (std::size_t i = 0; i < alone.size(); ++i) EXPECT_TRUE(equal(together[i], alone[i]));
  }
}

TEST(Data, WorkersKeepTheOrder) {
  const TensorDataset dataset{numbers(101)};
  Indices seen;
  for (auto& [x] : DataLoader{dataset, {.batch_size = 2, .workers = 3, .prefetch = 1}})
    for (const std::int64_t value : values(x)) seen.push_back(value);
  EXPECT_EQ(seen, values(numbers(101)));
}

/// Throws at one sample.
template <class E>
struct Broken {
  std::int64_t size() const { return 12; }
  Tensor get(std::int64_t i) const {
    if (i == 7) throw E("sample seven is torn");
    return full({1}, i);
  }
};

TEST(Data, AnExceptionOfAWorkerReachesTheCallerWithItsBatch) {
  int before = 0;
  const auto walk = [&](auto dataset) {
    for (auto& batch : DataLoader{dataset, {.batch_size = 3, .workers = 2}}) before += int(batch.numel());
  };
  EXPECT_EQ(message_of<IOError>([&] { walk(Broken<IOError>()); }).substr(19),
            ", batch 2, samples 6, 7, 8: sample seven is torn");
  EXPECT_EQ(before, 6);
  try {
    walk(Broken<std::invalid_argument>());
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_THROW(std::rethrow_if_nested(error), std::invalid_argument);
  }
}

TEST(Data, LeavingAnEpochEarlyStopsTheWorkers) {
  struct Counted {
    std::atomic<int>* calls;
    std::int64_t size() const { return 100000; }
    Tensor get(std::int64_t i) const { return ++*calls, full({1}, i); }
  };
  std::atomic<int> calls{0};
  for (auto& batch : DataLoader{Counted{&calls}, {.workers = 3, .prefetch = 4}}) {
    EXPECT_EQ(batch.item<float>(), 0);
    break;
  }
  // What may be made ahead, and one more as the first batch was taken.
  EXPECT_LE(calls.load(), 3 * 4 + 1);
}

TEST(Data, ImpossibleOptionsAreRefused) {
  const TensorDataset dataset{numbers(4)};
  const auto sampler = std::make_shared<SequentialSampler>(4);
  EXPECT_THROW((DataLoader{dataset, {.batch_size = 0}}), ValueError);
  EXPECT_THROW((DataLoader{dataset, {.workers = -1}}), ValueError);
  EXPECT_THROW((DataLoader{dataset, {.shuffle = true, .sampler = sampler}}), ValueError);
  const auto batches = std::make_shared<BatchSampler>(sampler, 3);
  EXPECT_THROW((DataLoader{dataset, {.batch_size = 2, .batch_sampler = batches}}), ValueError);
  EXPECT_EQ((DataLoader{dataset, {.batch_sampler = batches}}).size(), 2);
}

TEST(Data, AnEmptyDataSetHasNoBatches) {
  for (auto& [x] : DataLoader{TensorDataset{numbers(0)}, {.workers = 2}}) FAIL() << to_string(x);
}

}  // namespace
}  // namespace taper::data
