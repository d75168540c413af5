// CUB at block level and device-wide, in three orders of threads and blocks: kernels the project did not
// write.
#include <algorithm>
#include <numeric>
#include <random>

#include "findings.h"
#include "programs/cub_programs.h"

namespace {

class Cub : public device_sim_tests::OnDevice, public ::testing::WithParamInterface<int> {
 protected:
  void SetUp() override {
    OnDevice::SetUp();
    device_sim_set_schedule(uint64_t(GetParam()));
  }
  std::mt19937 random{7};
};

std::vector<int> integers(std::mt19937& random, size_t count, int most) {
  std::vector<int> values(count);
  for (int& value : values) value = int(random() % uint32_t(2 * most)) - most;
  return values;
}

template <class T>
std::vector<T> numbers(std::mt19937& random, size_t count) {
  std::vector<T> values(count);
  for (T& value : values) value = T(int(random() % 2000) - 1000);
  return values;
}

TEST_P(Cub, ReduceSum) {
  for (const size_t count : {1, 100, 5000, 70000}) {
    const auto x = numbers<float>(random, count);  // sums of small whole numbers are exact
    EXPECT_EQ(programs::reduce_sum(x), std::accumulate(x.begin(), x.end(), 0.0f));
  }
  const auto y = numbers<double>(random, 3000);
  EXPECT_EQ(programs::reduce_sum(y), std::accumulate(y.begin(), y.end(), 0.0));
  const auto z = numbers<long long>(random, 3000);
  EXPECT_EQ(programs::reduce_sum(z), std::accumulate(z.begin(), z.end(), 0ll));
}

TEST_P(Cub, SegmentSums) {
  const auto x = numbers<float>(random, 3000);
  const std::vector<int> offsets{0, 0, 7, 1000, 2999, 3000};
  std::vector<float> expected;
  for (size_t k = 0; k + 1 < offsets.size(); ++k)
    expected.push_back(std::accumulate(x.begin() + offsets[k], x.begin() + offsets[k + 1], 0.0f));
  EXPECT_EQ(programs::segment_sums(x, offsets), expected);
}

// Long enough for several blocks, which wait for each other's sums.
TEST_P(Cub, InclusiveSum) {
  for (const size_t count : {1, 130, 20000}) {
    const auto x = integers(random, count, 1000);
    std::vector<int> expected(count);
    std::partial_sum(x.begin(), x.end(), expected.begin());
    EXPECT_EQ(programs::inclusive_sum(x), expected);
  }
  const auto y = numbers<double>(random, 9000);
  std::vector<double> expected(y.size());
  std::partial_sum(y.begin(), y.end(), expected.begin());
  EXPECT_EQ(programs::inclusive_sum(y), expected);
}

template <class T>
void expect_sorted_pairs(const std::vector<T>& keys, bool descending) {
  std::vector<int> order(keys.size());
  std::iota(order.begin(), order.end(), 0);
  std::vector<int> values = order;
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return descending ? keys[size_t(a)] > keys[size_t(b)] : keys[size_t(a)] < keys[size_t(b)];
  });
  std::vector<T> sorted = keys, expected;
  for (const int k : order) expected.push_back(keys[size_t(k)]);
  programs::sort_pairs(sorted, values, descending);
  EXPECT_EQ(sorted, expected);
  EXPECT_EQ(values, order);
}

TEST_P(Cub, RadixSort) {
  for (const size_t count : {1, 1000, 12000}) {
    expect_sorted_pairs(numbers<float>(random, count), false);
    expect_sorted_pairs(numbers<long long>(random, count), true);
  }
}

TEST_P(Cub, SegmentedSort) {
  const auto x = numbers<float>(random, 2000);
  const std::vector<int> offsets{0, 3, 3, 40, 700, 2000};
  std::vector<int> order(x.size());
  std::iota(order.begin(), order.end(), 0);
  std::vector<int> values = order;
  for (size_t k = 0; k + 1 < offsets.size(); ++k)
    std::stable_sort(order.begin() + offsets[k], order.begin() + offsets[k + 1],
                     [&](int a, int b) { return x[size_t(a)] < x[size_t(b)]; });
  auto keys = x;
  programs::segmented_sort(keys, values, offsets);
  EXPECT_EQ(values, order);
}

TEST_P(Cub, SelectFlagged) {
  const auto x = integers(random, 9000, 1000);
  std::vector<unsigned char> flags(x.size());
  std::vector<int> expected;
  for (size_t k = 0; k < x.size(); ++k)
    if ((flags[k] = random() % 3 == 0)) expected.push_back(x[k]);
  EXPECT_EQ(programs::flagged(x, flags), expected);
}

TEST_P(Cub, RunLengths) {
  auto x = integers(random, 6000, 40);
  std::sort(x.begin(), x.end());
  std::vector<int> expected = x, counts;
  expected.erase(std::unique(expected.begin(), expected.end()), expected.end());
  EXPECT_EQ(programs::unique(x, counts), expected);
  for (size_t k = 0; k < counts.size(); ++k)
    EXPECT_EQ(counts[k], std::count(x.begin(), x.end(), expected[k]));
}

TEST_P(Cub, BlockPrimitives) {
  const auto x = integers(random, 512, 100000);
  auto expected = x;
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(programs::sort_in_block(x), expected);
  const auto y = integers(random, 128, 100);
  std::vector<int> sums(128);
  std::exclusive_scan(y.begin(), y.end(), sums.begin(), 0);
  EXPECT_EQ(programs::scan_in_block(y), sums);
  const auto z = numbers<float>(random, 384);
  std::vector<float> totals;
  for (int k = 0; k < 3; ++k)
    totals.push_back(std::accumulate(z.begin() + k * 128, z.begin() + k * 128 + 128, 0.0f));
  EXPECT_EQ(programs::reduce_in_blocks(z), totals);
}

INSTANTIATE_TEST_SUITE_P(Orders, Cub, ::testing::Values(0, 1, 5));

}  // namespace
