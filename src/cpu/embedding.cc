// Embedding kernels. Gradients are gathered row by row: positions are sorted by index first, so each row is
// summed by one thread in a fixed order.
#include "cpu/embedding.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include "cpu/parallel.h"
#include "cpu/scratch.h"
#include "cpu/widen.h"
#include "taper/error.h"

namespace taper::cpu {
namespace {

using int64 = std::int64_t;

void check_indices(const Embedding& e, const int64* indices, const char* op) {
  for (int64 i = 0; i < e.count; ++i)
    check<IndexError>(indices[i] >= 0 && indices[i] < e.rows, op, ": index ", indices[i], " at position ", i,
                      " is out of range for ", e.rows, " rows, expected 0 to ", e.rows - 1);
}

void check_floating(const Embedding& e, const char* op) {
  check<DTypeError>(is_floating_point(e.dtype), op, ": got ", e.dtype, ", expected a floating type");
}

void check_bags(const Bags& b, const char* op) {
  check_floating(b.embedding, op);
  check<ValueError>(b.offsets[0] == 0 && b.offsets[b.bags] == b.embedding.count, op, ": offsets go from ",
                    b.offsets[0], " to ", b.offsets[b.bags], ", expected 0 to ", b.embedding.count,
                    ", the number of indices");
  for (int64 i = 0; i < b.bags; ++i)
    check<ValueError>(b.offsets[i] <= b.offsets[i + 1], op, ": offset ", b.offsets[i + 1], " of bag ", i + 1,
                      " is less than that of the bag before, ", b.offsets[i]);
  check<ValueError>(!b.sample_weights || b.mode == BagMode::sum, op, ": per-sample weights need mode 'sum'");
  check_indices(b.embedding, b.indices, op);
}

/// Positions sorted by index: those of row r are order[begin[r]] .. order[begin[r + 1] - 1], ascending.
struct ByRow {
  std::vector<int64> begin, order;
  ByRow(const Embedding& e, const int64* indices)
      : begin(std::size_t(e.rows + 1)), order(std::size_t(e.count)) {
    for (int64 i = 0; i < e.count; ++i) ++begin[std::size_t(indices[i] + 1)];
    for (int64 r = 0; r < e.rows; ++r) begin[std::size_t(r + 1)] += begin[std::size_t(r)];
    std::vector<int64> next(begin.begin(), begin.end() - 1);
    for (int64 i = 0; i < e.count; ++i) order[std::size_t(next[std::size_t(indices[i])]++)] = i;
  }
};

int64 rows_per_task(int64 size) { return std::max<int64>(1, (1 << 14) / std::max<int64>(size, 1)); }

template <class T, class C>
void add_scaled(const T* x, C scale, int64 n, C* sum) {
  for (int64 i = 0; i < n; ++i) sum[i] += scale * C(x[i]);
}

/// dw[r] = the sum over r's positions p of scale(p) * source(p)[0 .. size), for all rows.
template <class T, class Source, class Scale>
void sum_by_row(const Embedding& e, const int64* indices, T* dw, Source&& source, Scale&& scale) {
  using C = Compute<T>;
  const ByRow by_row(e, indices);
  constexpr int64 block = 256;  // positions summed apart: a frequent row keeps its accuracy
  parallel_for(e.rows, rows_per_task(e.size), [&](int64 first, int64 last) {
    Scratch<C> part(std::size_t(e.size)), total(std::size_t(e.size));
    for (int64 row = first; row < last; ++row) {
      const int64 begin = by_row.begin[std::size_t(row)], end = by_row.begin[std::size_t(row + 1)];
      if (begin == end || row == e.padding_index) {
        std::fill(dw + row * e.size, dw + (row + 1) * e.size, T());
        continue;
      }
      std::fill(total.data(), total.data() + e.size, C(0));
      for (int64 from = begin; from < end; from += block) {
        C* sum = end - begin <= block ? total.data() : part.data();
        std::fill(sum, sum + e.size, C(0));
        for (int64 i = from; i < std::min(from + block, end); ++i) {
          const int64 position = by_row.order[std::size_t(i)];
          add_scaled(source(position), C(scale(position)), e.size, sum);
        }
        if (sum != total.data()) add_scaled(sum, C(1), e.size, total.data());
      }
      const C factor = e.scale_by_frequency ? C(1) / C(end - begin) : C(1);
      for (int64 i = 0; i < e.size; ++i) dw[row * e.size + i] = T(C(factor * total[std::size_t(i)]));
    }
  });
}

/// Indices of a bag that are not padding.
int64 bag_size(const Bags& b, int64 bag) {
  int64 size = 0;
  for (int64 i = b.offsets[bag]; i < b.offsets[bag + 1]; ++i)
    size += b.indices[i] != b.embedding.padding_index;
  return size;
}

template <class T>
void sum_bag(const Bags& b, const T* weight, int64 bag, Compute<T>* sum) {
  using C = Compute<T>;
  const auto* samples = static_cast<const T*>(b.sample_weights);
  const int64 size = b.embedding.size;
  std::fill(sum, sum + size, C(0));
  for (int64 i = b.offsets[bag]; i < b.offsets[bag + 1]; ++i)
    if (b.indices[i] != b.embedding.padding_index)
      add_scaled(weight + b.indices[i] * size, samples ? C(samples[i]) : C(1), size, sum);
  const int64 count = bag_size(b, bag);
  if (b.mode == BagMode::mean && count)
    for (int64 k = 0; k < size; ++k) sum[k] /= C(count);
}

template <class T>
void max_bag(const Bags& b, const T* weight, int64 bag, Compute<T>* largest, int64* maxima) {
  using C = Compute<T>;
  const int64 size = b.embedding.size;
  std::fill(largest, largest + size, -std::numeric_limits<C>::infinity());
  std::fill(maxima, maxima + size, int64(-1));
  for (int64 i = b.offsets[bag]; i < b.offsets[bag + 1]; ++i) {
    if (b.indices[i] == b.embedding.padding_index) continue;
    const T* row = weight + b.indices[i] * size;
    for (int64 k = 0; k < size; ++k) {
      const C value = C(row[k]);
      if (value > largest[k] || value != value || maxima[k] < 0) largest[k] = value, maxima[k] = b.indices[i];
    }
  }
  for (int64 k = 0; k < size; ++k)
    if (maxima[k] < 0) largest[k] = 0;
}

/// The bag of each position.
std::vector<int64> bags_of(const Bags& b) {
  std::vector<int64> bag_of(std::size_t(b.embedding.count));
  for (int64 bag = 0; bag < b.bags; ++bag)
    for (int64 i = b.offsets[bag]; i < b.offsets[bag + 1]; ++i) bag_of[std::size_t(i)] = bag;
  return bag_of;
}

template <class T>
void sum_bag_backward(const Bags& b, const T* dy, T* dw) {
  const std::vector<int64> bag_of = bags_of(b);
  std::vector<double> share(std::size_t(b.bags), 1.0);
  if (b.mode == BagMode::mean)
    for (int64 bag = 0; bag < b.bags; ++bag)
      share[std::size_t(bag)] = 1 / double(std::max<int64>(1, bag_size(b, bag)));
  const auto* samples = static_cast<const T*>(b.sample_weights);
  sum_by_row(
      b.embedding, b.indices, dw, [&](int64 i) { return dy + bag_of[std::size_t(i)] * b.embedding.size; },
      [&](int64 i) {
        return samples ? double(Compute<T>(samples[i])) : share[std::size_t(bag_of[std::size_t(i)])];
      });
}

template <class T>
void max_bag_backward(const Bags& b, const T* dy, const int64* maxima, T* dw) {
  using C = Compute<T>;
  const Embedding& e = b.embedding;
  Scratch<C> sums(std::size_t(e.rows * e.size));
  std::fill(sums.data(), sums.data() + e.rows * e.size, C(0));
  parallel_for(e.size, 16, [&](int64 begin, int64 end) {
    for (int64 bag = 0; bag < b.bags; ++bag)
      for (int64 k = begin; k < end; ++k) {
        const int64 row = maxima[bag * e.size + k];
        check<IndexError>(row < e.rows, "embedding_bag_backward: maximum in row ", row, " of ", e.rows);
        if (row >= 0) sums[std::size_t(row * e.size + k)] += C(dy[bag * e.size + k]);
      }
  });
  narrow(sums.data(), e.rows * e.size, dw);
}

}  // namespace

void embedding(const Embedding& e, const void* weight, const int64* indices, void* y) {
  check_indices(e, indices, "embedding");
  const auto bytes = std::size_t(e.size * item_size(e.dtype));
  const auto* from = static_cast<const char*>(weight);
  auto* to = static_cast<char*>(y);
  parallel_for(e.count, rows_per_task(e.size), [&](int64 begin, int64 end) {
    for (int64 i = begin; i < end; ++i)
      if (bytes) std::memcpy(to + std::size_t(i) * bytes, from + std::size_t(indices[i]) * bytes, bytes);
  });
}

void embedding_backward(const Embedding& e, const void* dy, const int64* indices, void* dw) {
  check_floating(e, "embedding_backward");
  check_indices(e, indices, "embedding_backward");
  visit_floating(e.dtype, [&]<class T>(T) {
    const T* gradient = static_cast<const T*>(dy);
    sum_by_row(
        e, indices, static_cast<T*>(dw), [&](int64 i) { return gradient + i * e.size; },
        [](int64) { return 1.0; });
  });
}

void embedding_bag(const Bags& b, const void* weight, void* y, int64* maxima) {
  check_bags(b, "embedding_bag");
  visit_floating(b.embedding.dtype, [&]<class T>(T) {
    const int64 size = b.embedding.size;
    parallel_for(b.bags, std::max<int64>(1, rows_per_task(size) / 16), [&](int64 begin, int64 end) {
      Scratch<Compute<T>> row(static_cast<std::size_t>(size));
      for (int64 bag = begin; bag < end; ++bag) {
        if (b.mode == BagMode::max)
          max_bag(b, static_cast<const T*>(weight), bag, row.data(), maxima + bag * size);
        else sum_bag(b, static_cast<const T*>(weight), bag, row.data());
        narrow(row.data(), size, static_cast<T*>(y) + bag * size);
      }
    });
  });
}

void embedding_bag_backward(const Bags& b, const void* dy, const int64* maxima, void* dw) {
  check_bags(b, "embedding_bag_backward");
  visit_floating(b.embedding.dtype, [&]<class T>(T) {
    if (b.mode == BagMode::max) max_bag_backward(b, static_cast<const T*>(dy), maxima, static_cast<T*>(dw));
    else sum_bag_backward(b, static_cast<const T*>(dy), static_cast<T*>(dw));
  });
}

void embedding_bag_backward_samples(const Bags& b, const void* weight, const void* dy,
                                    void* dsample_weights) {
  check_bags(b, "embedding_bag_backward");
  visit_floating(b.embedding.dtype, [&]<class T>(T) {
    const std::vector<int64> bag_of = bags_of(b);
    const int64 size = b.embedding.size;
    parallel_for(b.embedding.count, rows_per_task(size), [&](int64 begin, int64 end) {
      for (int64 i = begin; i < end; ++i) {
        const T* row = static_cast<const T*>(weight) + b.indices[i] * size;
        const T* gradient = static_cast<const T*>(dy) + bag_of[std::size_t(i)] * size;
        double sum = 0;
        for (int64 k = 0; k < size; ++k) sum += double(Compute<T>(row[k])) * double(Compute<T>(gradient[k]));
        const bool padding = b.indices[i] == b.embedding.padding_index;
        static_cast<T*>(dsample_weights)[i] = padding ? T() : T(Compute<T>(sum));
      }
    });
  });
}

}  // namespace taper::cpu
