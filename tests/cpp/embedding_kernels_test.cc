// Embedding against plain loops in double.
#include "cpu/embedding.h"

#include "kernel_testing.h"
#include "taper/error.h"

namespace taper::cpu {
namespace {

using namespace testing;
using Doubles = std::vector<double>;

std::vector<int64> some_indices(int64 count, int64 rows) {
  std::vector<int64> indices;
  for (int64 i = 0; i < count; ++i) indices.push_back(i % 3 ? (i * i + 1) % rows : 2);
  return indices;
}

TEST(EmbeddingKernels, LookUpAndAddUp) {
  for (const DType dtype : floating_types)
    for (const bool scaled : {false, true})
      for (const int64 padding : {-1, 4}) {
        Embedding e{dtype, 11, 33, 2000, padding, scaled};
        const Array weight = Array::uniform(dtype, e.rows * e.size),
                    dy = Array::uniform(dtype, e.count * e.size, -1, 1, 2);
        const auto indices = some_indices(e.count, e.rows);
        Array y(dtype, dy.size()), dw(dtype, weight.size(), 7);
        embedding(e, weight.data(), indices.data(), y.data());
        embedding_backward(e, dy.data(), indices.data(), dw.data());
        Doubles want_dw(std::size_t(weight.size())), frequency(std::size_t(e.rows));
        for (const int64 index : indices) ++frequency[std::size_t(index)];
        for (int64 i = 0; i < dy.size(); ++i) {
          const int64 row = indices[std::size_t(i / e.size)];
          EXPECT_EQ(y[i], weight[row * e.size + i % e.size]);
          if (row == padding) continue;
          want_dw[std::size_t(row * e.size + i % e.size)] +=
              dy[i] / (scaled ? frequency[std::size_t(row)] : 1);
        }
        expect_close(dw, want_dw, 8, scaled ? 1 : 100, "dw");
      }
}

void compare(const Bags& b, const Array& weight, const Array& samples) {
  const Embedding& e = b.embedding;
  const Array dy = Array::uniform(e.dtype, b.bags * e.size, -1, 1, 5);
  Array y(e.dtype, b.bags * e.size, 7), dw(e.dtype, weight.size(), 7), dsamples(e.dtype, e.count, 7);
  std::vector<int64> maxima(std::size_t(y.size()));
  embedding_bag(b, weight.data(), y.data(), maxima.data());
  embedding_bag_backward(b, dy.data(), maxima.data(), dw.data());
  embedding_bag_backward_samples(b, weight.data(), dy.data(), dsamples.data());
  Doubles want_y(std::size_t(y.size())), want_dw(std::size_t(dw.size())), want_dsamples(std::size_t(e.count));
  for (int64 bag = 0; bag < b.bags; ++bag) {
    std::vector<int64> kept;
    for (int64 i = b.offsets[bag]; i < b.offsets[bag + 1]; ++i)
      if (b.indices[i] != e.padding_index) kept.push_back(i);
    for (int64 k = 0; k < e.size; ++k) {
      const double gradient = dy[bag * e.size + k];
      int64 best = -1;
      for (const int64 i : kept) {
        const double value = weight[b.indices[i] * e.size + k];
        const double factor = b.mode == BagMode::mean ? 1 / double(kept.size())
                              : b.sample_weights      ? samples[i]
                                                      : 1;
        want_dsamples[std::size_t(i)] += value * gradient;
        if (best < 0 || value > weight[best * e.size + k]) best = b.indices[i];
        if (b.mode == BagMode::max) continue;
        want_y[std::size_t(bag * e.size + k)] += factor * value;
        want_dw[std::size_t(b.indices[i] * e.size + k)] += factor * gradient;
      }
      if (b.mode != BagMode::max || best < 0) continue;
      want_y[std::size_t(bag * e.size + k)] = weight[best * e.size + k];
      want_dw[std::size_t(best * e.size + k)] += gradient;
    }
  }
  expect_close(y, want_y, 8, 2, "y");
  expect_close(dw, want_dw, 8, 4, "dw");
  expect_close(dsamples, want_dsamples, 8, 4, "dsample_weights");
}

TEST(EmbeddingBagKernels, EqualTheirDefinition) {
  for (const DType dtype : floating_types)
    for (const BagMode mode : {BagMode::sum, BagMode::mean, BagMode::max})
      for (const bool weighted : {false, true}) {
        if (weighted && mode != BagMode::sum) continue;
        const Array weight = Array::uniform(dtype, 11 * 20), samples = Array::uniform(dtype, 15, -1, 1, 3);
        const auto indices = some_indices(15, 11);
        const std::vector<int64> offsets{0, 4, 4, 9, 15};
        compare({{dtype, 11, 20, 15, 4},
                 mode,
                 4,
                 indices.data(),
                 offsets.data(),
                 weighted ? samples.data() : nullptr},
                weight, samples);
      }
}

TEST(EmbeddingKernels, AreTheSameForAnyNumberOfThreads) {
  expect_same_for_threads([] {
    Embedding e{float32, 500, 64, 30000};
    const Array dy = Array::uniform(float32, e.count * e.size);
    Array dw(float32, e.rows * e.size);
    embedding_backward(e, dy.data(), some_indices(e.count, e.rows).data(), dw.data());
    return std::vector<Array>{dw};
  });
}

TEST(EmbeddingKernels, NameABadIndex) {
  const std::vector<int64> indices{0, 1, 2, 9};
  Array weight(float32, 16), y(float32, 8);
  try {
    embedding({float32, 8, 2, 4}, weight.data(), indices.data(), y.data());
    FAIL();
  } catch (const IndexError& error) {
    EXPECT_STREQ(error.what(),
                 "embedding: index 9 at position 3 is out of range for 8 rows, expected 0 to 7");
  }
  const std::vector<int64> offsets{0, 3, 2};
  EXPECT_THROW(embedding_bag({{float32, 16, 1, 2}, BagMode::sum, 2, indices.data(), offsets.data()},
                             weight.data(), y.data(), nullptr),
               ValueError);
}

}  // namespace
}  // namespace taper::cpu
