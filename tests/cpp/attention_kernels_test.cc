// Attention against its formula in double.
#include "cpu/attention.h"

#include <limits>

#include "kernel_testing.h"
#include "taper/error.h"

namespace taper::cpu {
namespace {

using namespace testing;
using Doubles = std::vector<double>;

HeadStrides dense(int64 heads, int64 rows, int64 columns) {
  return {heads * rows * columns, rows * columns, columns};
}
/// As a projection leaves it: [batch, rows, heads, columns] in memory.
HeadStrides interleaved(int64 heads, int64 rows, int64 columns) {
  return {heads * rows * columns, columns, heads * columns};
}

struct Problem {
  Attention a;
  Array q, k, v, dy, mask;
  std::vector<unsigned char> bool_mask;

  Problem(DType dtype, int64 batch, int64 heads, int64 key_heads, int64 queries, int64 keys, int64 size,
          int64 value_size, bool causal, bool packed) {
    a = {dtype, batch, heads, key_heads, queries, keys, size, value_size, 1 / std::sqrt(double(size)),
         causal};
    const auto layout = packed ? dense : interleaved;
    a.q = layout(heads, queries, size), a.k = layout(key_heads, keys, size);
    a.v = layout(key_heads, keys, value_size), a.y = layout(heads, queries, value_size);
    q = Array::uniform(dtype, batch * heads * queries * size, -2, 2, 1);
    k = Array::uniform(dtype, batch * key_heads * keys * size, -2, 2, 2);
    v = Array::uniform(dtype, batch * key_heads * keys * value_size, -1, 1, 3);
    dy = Array::uniform(dtype, batch * heads * queries * value_size, -1, 1, 4);
  }
  /// Different for each query and key, the same for all images and heads. Query 1 sees nothing.
  void add_bool_mask() {
    bool_mask.resize(std::size_t(a.queries * a.keys));
    for (int64 i = 0; i < a.queries; ++i)
      for (int64 j = 0; j < a.keys; ++j)
        bool_mask[std::size_t(i * a.keys + j)] = i != 1 && (i * 7 + j * 3) % 5 != 0;
    a.mask = bool_mask.data(), a.mask_dtype = DType::boolean, a.mask_strides[2] = a.keys,
    a.mask_strides[3] = 1;
  }
  /// One number a key and head.
  void add_float_mask(DType dtype) {
    mask = Array::uniform(dtype, a.heads * a.keys, -2, 2, 5);
    mask.set(3 % mask.size(), -std::numeric_limits<double>::infinity());
    a.mask = mask.data(), a.mask_dtype = dtype, a.mask_strides[1] = a.keys, a.mask_strides[3] = 1;
  }
  double masked(int64 head, int64 i, int64 j) const {
    if (a.causal && j > i) return -std::numeric_limits<double>::infinity();
    if (!a.mask) return 0;
    if (a.mask_dtype != DType::boolean) return mask[head * a.keys + j];
    return bool_mask[std::size_t(i * a.keys + j)] ? 0 : -std::numeric_limits<double>::infinity();
  }
};

struct Results {
  Array y, sums, dq, dk, dv;
};

Results run(const Problem& p) {
  Results r{Array(p.a.dtype, p.dy.size(), 7), Array(float64, p.a.batch * p.a.heads * p.a.queries, 7),
            Array(p.a.dtype, p.q.size(), 7), Array(p.a.dtype, p.k.size(), 7),
            Array(p.a.dtype, p.v.size(), 7)};
  attention(p.a, p.q.data(), p.k.data(), p.v.data(), r.y.data(), r.sums.as<double>());
  attention_backward(p.a, p.q.data(), p.k.data(), p.v.data(), r.y.data(), r.sums.as<double>(), p.dy.data(),
                     r.dq.data(), r.dk.data(), r.dv.data());
  return r;
}

void compare(const Problem& p) {
  const Attention& a = p.a;
  Doubles y(std::size_t(p.dy.size())), dq(std::size_t(p.q.size())), dk(std::size_t(p.k.size()));
  Doubles dv(std::size_t(p.v.size()));
  const Doubles q = p.q.values(), k = p.k.values(), v = p.v.values(), dy = p.dy.values();
  const auto at = [](const HeadStrides& s, int64 b, int64 h, int64 row) {
    return std::size_t(b * s.batch + h * s.head + row * s.row);
  };
  for (int64 b = 0; b < a.batch; ++b)
    for (int64 h = 0; h < a.heads; ++h)
      for (int64 i = 0; i < a.queries; ++i) {
        const int64 g = h / (a.heads / a.key_heads);
        const std::size_t qi = at(a.q, b, h, i), yi = at(a.y, b, h, i);
        Doubles weight, dweight;
        double sum = 0, mean = 0;
        for (int64 j = 0; j < a.keys; ++j) {
          double score = 0;
          for (int64 e = 0; e < a.size; ++e)
            score += q[qi + std::size_t(e)] * k[at(a.k, b, g, j) + std::size_t(e)];
          weight.push_back(std::exp(score * a.scale + p.masked(h, i, j))), sum += weight.back();
        }
        for (int64 j = 0; j < a.keys; ++j) {
          double& w = weight[std::size_t(j)];
          w = sum > 0 ? w / sum : 0;
          dweight.push_back(0);
          for (int64 e = 0; e < a.value_size; ++e) {
            const std::size_t vj = at(a.v, b, g, j) + std::size_t(e);
            y[yi + std::size_t(e)] += w * v[vj], dv[vj] += w * dy[yi + std::size_t(e)];
            dweight.back() += v[vj] * dy[yi + std::size_t(e)];
          }
          mean += w * dweight.back();
        }
        for (int64 j = 0; j < a.keys; ++j) {
          const double ds = weight[std::size_t(j)] * (dweight[std::size_t(j)] - mean) * a.scale;
          for (int64 e = 0; e < a.size; ++e) {
            const std::size_t kj = at(a.k, b, g, j) + std::size_t(e);
            dq[qi + std::size_t(e)] += ds * k[kj], dk[kj] += ds * q[qi + std::size_t(e)];
          }
        }
      }
  const Results r = run(p);
  const double length = double(std::max(a.queries * a.heads / a.key_heads, a.keys));
  expect_close(r.y, y, 16, 1, "y");
  expect_close(r.dq, dq, 16, 4, "dq");
  expect_close(r.dk, dk, 16, std::sqrt(length), "dk");
  expect_close(r.dv, dv, 16, std::sqrt(length), "dv");
}

TEST(AttentionKernels, EqualTheirFormula) {
  for (const DType dtype : floating_types)
    for (const bool causal : {false, true})
      for (const bool packed : {false, true})
        for (const int mask : {0, 1, 2}) {
          Problem small(dtype, 2, 4, 2, 9, 13, 8, 5, causal, packed),
              long_one(dtype, 1, 1, 1, 150, 530, 4, 3, causal, packed);
          for (Problem* p : {&small, &long_one}) {
            if (mask == 1) p->add_bool_mask();
            if (mask == 2) p->add_float_mask(dtype);
            SCOPED_TRACE(concat(dtype, causal ? " causal" : "", packed ? " packed" : "", " mask ", mask,
                                " keys ", p->a.keys));
            compare(*p);
            if (::testing::Test::HasFatalFailure()) return;
          }
        }
}

TEST(AttentionKernels, KeepTheirAccuracyForLargeScores) {
  Problem p(float32, 1, 1, 1, 20, 30, 4, 4, false, true);
  p.add_float_mask(float32);
  for (int64 i = 0; i < p.mask.size(); ++i) p.mask.set(i, 4096);
  const Results shifted = run(p);
  p.a.mask = nullptr;
  const Results plain = run(p);
  for (int64 i = 0; i < plain.y.size(); ++i)
    EXPECT_NEAR(shifted.y[i], plain.y[i], 1e-3);  // scores round to 2^-11
}

TEST(AttentionKernels, TakeEmptySizes) {
  Problem p(float32, 1, 2, 2, 3, 0, 4, 4, false, true);
  const Results r = run(p);
  for (int64 i = 0; i < r.y.size(); ++i) EXPECT_EQ(r.y[i], 0);
  for (int64 i = 0; i < r.dq.size(); ++i) EXPECT_EQ(r.dq[i], 0);
  run(Problem(float32, 0, 2, 2, 3, 5, 4, 4, false, true));
  run(Problem(float32, 1, 2, 2, 0, 5, 4, 4, true, true));
  EXPECT_THROW(run(Problem(float32, 1, 3, 2, 3, 5, 4, 4, false, true)), ShapeError);
}

TEST(AttentionKernels, AreTheSameForAnyNumberOfThreads) {
  for (const DType dtype : {float32, bfloat16})
    expect_same_for_threads([&] {
      const Results r = run(Problem(dtype, 2, 3, 1, 140, 600, 16, 16, true, false));
      return std::vector<Array>{r.y, r.sums, r.dq, r.dk, r.dv};
    });
}

}  // namespace
}  // namespace taper::cpu
