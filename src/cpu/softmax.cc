// Softmax and its kin: a kernel for one row in float32 or float64, and what brings rows to it.
#include "cpu/softmax.h"

#include <cmath>

#include "base/visit.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"
#include "taper/error.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/softmax.cc"
#include <hwy/foreach_target.h>  // before highway.h
#include <hwy/highway.h>

#include "cpu/rows-inl.h"
#include "cpu/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace taper::cpu {
namespace HWY_NAMESPACE {

/// The largest element; anything if one is NaN.
template <class T>
T max_of(const T* x, int64 n) {
  const hn::ScalableTag<T> d;
  const T lowest = -std::numeric_limits<T>::infinity();
  auto largest = hn::Set(d, lowest), other = largest;
  const auto lanes = int64(hn::Lanes(d));
  int64 i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    largest = hn::Max(largest, hn::LoadU(d, x + i));
    other = hn::Max(other, hn::LoadU(d, x + i + lanes));
  }
  for (; i < n; i += lanes) largest = hn::Max(largest, load(d, x + i, std::min(lanes, n - i), lowest));
  return reduce_lanes(d, hn::Max(largest, other), [](T a, T b) { return a < b ? b : a; });
}

/// log(sum(exp(x))) of a row.
template <class T>
double log_sum_exp(const T* x, int64 n) {
  const hn::ScalableTag<T> d;
  const T largest = max_of(x, n);
  if (!std::isfinite(largest)) {  // then exp(x - max) is NaN for elements equal to it
    for (int64 i = 0; i < n; ++i)
      if (std::isnan(x[i])) return x[i];
    return largest;
  }
  const auto shift = hn::Set(d, largest);
  const T lowest = -std::numeric_limits<T>::infinity();
  const double sum = sum_vectors(d, n, [&](int64 i, int64 count) {
    return exp_of_negative(d, hn::Sub(load(d, x + i, count, lowest), shift));
  });
  return double(largest) + std::log(sum);
}

/// Neighbouring slices of an array whose inner size is not 1: element i of slice j is at i * stride + j.
template <class T>
struct Columns {
  const T *a, *b;
  T* y;
  int64 size, stride, width;
};
constexpr int64 most_columns = 64;

template <class T>
void max_of_columns(const Columns<T>& c, T* largest) {
  const hn::ScalableTag<T> d;
  std::fill(largest, largest + most_columns, -std::numeric_limits<T>::infinity());
  for (int64 i = 0; i < c.size; ++i)
    for_vectors(d, c.width, [&](int64 j, int64 count) {
      hn::Store(hn::Max(hn::Load(d, largest + j), load(d, c.a + i * c.stride + j, count)), d, largest + j);
    });
}

/// sum[j] = the sum over i of term(offset of element i of slices j.., j, count). Blocks are added up
/// separately, so that long columns lose no accuracy.
template <class T, class F>
void sum_columns(const Columns<T>& c, T* sum, F&& term) {
  const hn::ScalableTag<T> d;
  constexpr int64 block = 256;
  HWY_ALIGN T part[most_columns];
  std::fill(sum, sum + most_columns, T(0));
  for (int64 begin = 0; begin < c.size; begin += block) {
    std::fill(part, part + most_columns, T(0));
    for (int64 i = begin; i < std::min(begin + block, c.size); ++i)
      for_vectors(d, c.width, [&](int64 j, int64 count) {
        hn::Store(hn::Add(hn::Load(d, part + j), term(i * c.stride + j, j, count)), d, part + j);
      });
    for (int64 j = 0; j < most_columns; ++j) sum[j] += part[j];
  }
}

/// y = f(offset, j, count) for all elements.
template <class T, class F>
void map_columns(const Columns<T>& c, F&& f) {
  const hn::ScalableTag<T> d;
  for (int64 i = 0; i < c.size; ++i)
    for_vectors(d, c.width, [&](int64 j, int64 count) {
      const int64 at = i * c.stride + j;
      store(d, f(at, j, count), c.y + at, count);
    });
}

struct Softmax {
  template <class T>
  static void columns(const Columns<T>& c) {
    const hn::ScalableTag<T> d;
    HWY_ALIGN T largest[most_columns], sum[most_columns];
    max_of_columns(c, largest);
    sum_columns(c, sum, [&](int64 at, int64 j, int64 count) {
      const auto e = exp_of_negative(d, hn::Sub(load(d, c.a + at, count), hn::Load(d, largest + j)));
      store(d, e, c.y + at, count);
      return e;
    });
    for (T& value : sum) value = 1 / value;
    map_columns(c, [&](int64 at, int64 j, int64 count) {
      return hn::Mul(load(d, c.y + at, count), hn::Load(d, sum + j));
    });
  }

  template <class T>
  static void row(const T* x, const T*, T* y, int64 n) {
    const hn::ScalableTag<T> d;
    const auto shift = hn::Set(d, max_of(x, n));
    const T lowest = -std::numeric_limits<T>::infinity();
    const double sum = sum_vectors(d, n, [&](int64 i, int64 count) {
      auto e = exp_of_negative(d, hn::Sub(load(d, x + i, count, lowest), shift));
      store(d, e, y + i, count);
      return count == int64(hn::Lanes(d)) ? e : load(d, y + i, count);
    });
    const auto factor = hn::Set(d, T(1 / sum));
    for_vectors(
        d, n, [&](int64 i, int64 count) { store(d, hn::Mul(load(d, y + i, count), factor), y + i, count); });
  }
};

struct LogSoftmax {
  template <class T>
  static void columns(const Columns<T>& c) {
    const hn::ScalableTag<T> d;
    HWY_ALIGN T largest[most_columns], sum[most_columns];
    max_of_columns(c, largest);
    sum_columns(c, sum, [&](int64 at, int64 j, int64 count) {
      return exp_of_negative(d, hn::Sub(load(d, c.a + at, count), hn::Load(d, largest + j)));
    });
    for (T& value : sum) value = std::log(value);
    map_columns(c, [&](int64 at, int64 j, int64 count) {
      return hn::Sub(hn::Sub(load(d, c.a + at, count), hn::Load(d, largest + j)), hn::Load(d, sum + j));
    });
  }

  template <class T>
  static void row(const T* x, const T*, T* y, int64 n) {
    const hn::ScalableTag<T> d;
    const T largest = max_of(x, n), lowest = -std::numeric_limits<T>::infinity();
    const auto shift = hn::Set(d, largest);
    const double sum = sum_vectors(d, n, [&](int64 i, int64 count) {
      const auto e = exp_of_negative(d, hn::Sub(load(d, x + i, count, lowest), shift));
      return count == int64(hn::Lanes(d)) ? e : hn::IfThenElseZero(hn::FirstN(d, std::size_t(count)), e);
    });
    const auto log_sum = hn::Set(d, T(std::log(sum)));
    for_vectors(d, n, [&](int64 i, int64 count) {
      store(d, hn::Sub(hn::Sub(load(d, x + i, count), shift), log_sum), y + i, count);
    });
  }
};

struct SoftmaxBackward {
  template <class T>
  static void columns(const Columns<T>& c) {
    const hn::ScalableTag<T> d;
    HWY_ALIGN T sum[most_columns];
    sum_columns(c, sum, [&](int64 at, int64, int64 count) {
      return hn::Mul(load(d, c.a + at, count), load(d, c.b + at, count));
    });
    map_columns(c, [&](int64 at, int64 j, int64 count) {
      return hn::Mul(load(d, c.a + at, count), hn::Sub(load(d, c.b + at, count), hn::Load(d, sum + j)));
    });
  }

  template <class T>
  static void row(const T* y, const T* dy, T* dx, int64 n) {
    const hn::ScalableTag<T> d;
    const double sum = sum_vectors(
        d, n, [&](int64 i, int64 count) { return hn::Mul(load(d, y + i, count), load(d, dy + i, count)); });
    const auto mean = hn::Set(d, T(sum));
    for_vectors(d, n, [&](int64 i, int64 count) {
      const auto centred = hn::Sub(load(d, dy + i, count), mean);
      store(d, hn::Mul(load(d, y + i, count), centred), dx + i, count);
    });
  }
};

struct LogSoftmaxBackward {
  template <class T>
  static void columns(const Columns<T>& c) {
    const hn::ScalableTag<T> d;
    HWY_ALIGN T sum[most_columns];
    sum_columns(c, sum, [&](int64 at, int64, int64 count) { return load(d, c.b + at, count); });
    map_columns(c, [&](int64 at, int64 j, int64 count) {
      const auto p = exp_of_negative(d, load(d, c.a + at, count));
      return hn::NegMulAdd(p, hn::Load(d, sum + j), load(d, c.b + at, count));
    });
  }

  template <class T>
  static void row(const T* y, const T* dy, T* dx, int64 n) {
    const hn::ScalableTag<T> d;
    const auto sum =
        hn::Set(d, T(sum_vectors(d, n, [&](int64 i, int64 count) { return load(d, dy + i, count); })));
    for_vectors(d, n, [&](int64 i, int64 count) {
      const auto p = exp_of_negative(d, load(d, y + i, count));
      store(d, hn::NegMulAdd(p, sum, load(d, dy + i, count)), dx + i, count);
    });
  }
};

/// One slice to or from a dense row of the type computed in.
template <class T>
void gather(const T* x, int64 n, int64 stride, Compute<T>* row) {
  if (stride == 1) return widen_row(x, n, row);
  for (int64 i = 0; i < n; ++i) row[i] = Compute<T>(x[i * stride]);
}
template <class T>
void scatter(const Compute<T>* row, int64 n, int64 stride, T* y) {
  if (stride == 1) return narrow_row(row, n, y);
  for (int64 i = 0; i < n; ++i) y[i * stride] = T(row[i]);
}

/// Rows that a task takes: so many that starting it costs little.
inline int64 rows_per_task(int64 size) { return std::max<int64>(1, (1 << 14) / std::max<int64>(size, 1)); }

/// Several neighbouring slices are moved together where inner > 1, so that each cache line is read once.
constexpr int64 slice_tile = 16;

template <class Kernel, class T>
void run_dense(const Slices& s, const T* a, const T* b, T* y) {
  parallel_for(s.outer, rows_per_task(s.size), [&](int64 begin, int64 end) {
    if constexpr (!is_16_bit<T>) {
      for (int64 i = begin * s.size; i < end * s.size; i += s.size)
        Kernel::row(a + i, b ? b + i : b, y + i, s.size);
    } else {
      Scratch<float> rows(std::size_t(2 * s.size));
      float *row_a = rows.data(), *row_b = row_a + s.size;
      for (int64 i = begin * s.size; i < end * s.size; i += s.size) {
        widen_row(a + i, s.size, row_a);
        if (b) widen_row(b + i, s.size, row_b);
        Kernel::row(row_a, row_b, b ? row_b : row_a, s.size);
        narrow_row(b ? row_b : row_a, s.size, y + i);
      }
    }
  });
}

template <class T>
void load_tile(const T* x, int64 size, int64 inner, int64 width, Compute<T>* rows) {
  for (int64 i = 0; i < size; ++i)
    for (int64 j = 0; j < width; ++j) rows[j * size + i] = Compute<T>(x[i * inner + j]);
}

template <class T>
void store_tile(const Compute<T>* rows, int64 size, int64 inner, int64 width, T* y) {
  for (int64 i = 0; i < size; ++i)
    for (int64 j = 0; j < width; ++j) y[i * inner + j] = T(rows[j * size + i]);
}

template <class Kernel, class T>
void run_strided(const Slices& s, const T* a, const T* b, T* y) {
  const int64 tiles = (s.inner + slice_tile - 1) / slice_tile;
  parallel_for(s.outer * tiles, rows_per_task(s.size * slice_tile), [&](int64 begin, int64 end) {
    Scratch<Compute<T>> rows(std::size_t(2 * slice_tile * s.size));
    Compute<T>*rows_a = rows.data(), *rows_b = rows_a + slice_tile * s.size;
    for (int64 task = begin; task < end; ++task) {
      const int64 first = task % tiles * slice_tile, width = std::min(slice_tile, s.inner - first);
      const int64 offset = task / tiles * s.size * s.inner + first;
      load_tile(a + offset, s.size, s.inner, width, rows_a);
      if (b) load_tile(b + offset, s.size, s.inner, width, rows_b);
      Compute<T>* out = b ? rows_b : rows_a;
      for (int64 j = 0; j < width * s.size; j += s.size) Kernel::row(rows_a + j, rows_b + j, out + j, s.size);
      store_tile(out, s.size, s.inner, width, y + offset);
    }
  });
}

template <class Kernel, class T>
void run_columns(const Slices& s, const T* a, const T* b, T* y) {
  const int64 tiles = (s.inner + most_columns - 1) / most_columns;
  parallel_for(s.outer * tiles, rows_per_task(s.size * most_columns), [&](int64 begin, int64 end) {
    for (int64 task = begin; task < end; ++task) {
      const int64 first = task % tiles * most_columns, at = task / tiles * s.size * s.inner + first;
      const int64 width = std::min(most_columns, s.inner - first);
      Kernel::columns(Columns<T>{a + at, b ? b + at : b, y + at, s.size, s.inner, width});
    }
  });
}

/// From this inner size on whole vectors are found across slices.
constexpr int64 least_columns = 12;

template <class Kernel>
void run(const Slices& s, const void* a, const void* b, void* y) {
  visit_floating(s.dtype, [&]<class T>(T) {
    const auto *first = static_cast<const T*>(a), *second = static_cast<const T*>(b);
    if (s.inner == 1) return run_dense<Kernel>(s, first, second, static_cast<T*>(y));
    if constexpr (!is_16_bit<T>)
      if (s.inner >= least_columns) return run_columns<Kernel>(s, first, second, static_cast<T*>(y));
    run_strided<Kernel>(s, first, second, static_cast<T*>(y));
  });
}

void run_softmax(const Slices& s, const void* x, void* y) { run<Softmax>(s, x, nullptr, y); }
void run_log_softmax(const Slices& s, const void* x, void* y) { run<LogSoftmax>(s, x, nullptr, y); }
void run_softmax_backward(const Slices& s, const void* y, const void* dy, void* dx) {
  run<SoftmaxBackward>(s, y, dy, dx);
}
void run_log_softmax_backward(const Slices& s, const void* y, const void* dy, void* dx) {
  run<LogSoftmaxBackward>(s, y, dy, dx);
}

/// A row in the type computed in: x itself, or widened into room.
template <class T>
const Compute<T>* as_computed(const T* x, int64 n, Compute<T>* room) {
  if constexpr (!is_16_bit<T>) return x;
  else return widen_row(x, n, room), room;
}

void run_logsumexp(const Slices& s, const void* x, void* y) {
  visit_floating(s.dtype, [&]<class T>(T) {
    const int64 rows = s.outer * s.inner;
    parallel_for(rows, rows_per_task(s.size), [&](int64 begin, int64 end) {
      Scratch<Compute<T>> room(std::size_t(s.size));
      for (int64 i = begin; i < end; ++i) {
        const T* slice = static_cast<const T*>(x) + i / s.inner * s.size * s.inner + i % s.inner;
        if (s.inner != 1) gather(slice, s.size, s.inner, room.data());
        const Compute<T>* row = s.inner == 1 ? as_computed(slice, s.size, room.data()) : room.data();
        static_cast<T*>(y)[i] = T(Compute<T>(log_sum_exp(row, s.size)));
      }
    });
  });
}

template <class T>
struct Weights {
  const T* weight;
  Compute<T> operator[](int64 c) const { return weight ? Compute<T>(weight[c]) : Compute<T>(1); }
};

/// sum_c(w[c] (lse - x[c]))
template <class T>
double smooth_loss(const Weights<T>& w, const Compute<T>* x, double log_sum, int64 classes) {
  double sum = 0;
  for (int64 c = 0; c < classes; ++c) sum += double(w[c]) * (log_sum - double(x[c]));
  return sum;
}

template <class T>
void cross_entropy_rows(const CrossEntropy& e, const T* x, const int64* target, T* loss, double* log_sums,
                        double* row_weight) {
  const Weights<T> w{static_cast<const T*>(e.weight)};
  parallel_for(e.rows, rows_per_task(e.classes), [&](int64 begin, int64 end) {
    Scratch<Compute<T>> room(is_16_bit<T> ? std::size_t(e.classes) : 0);
    for (int64 i = begin; i < end; ++i) {
      const Compute<T>* row = as_computed(x + i * e.classes, e.classes, room.data());
      log_sums[i] = log_sum_exp(row, e.classes);
      const bool ignored = target[i] == e.ignore_index;
      const double weight = ignored ? 0 : double(w[target[i]]);
      if (row_weight) row_weight[i] = weight;
      double value = ignored ? 0 : weight * (log_sums[i] - double(row[target[i]]));
      if (e.label_smoothing != 0 && !ignored) {
        const double smooth = smooth_loss(w, row, log_sums[i], e.classes) / double(e.classes);
        value = (1 - e.label_smoothing) * value + e.label_smoothing * smooth;
      }
      loss[i] = T(Compute<T>(value));
    }
  });
}

/// dx = scale exp(x - lse), in place where dx is x.
template <class T>
void scaled_softmax(const T* x, double log_sum, T scale, T* dx, int64 n) {
  const hn::ScalableTag<T> d;
  // In two parts: a rounding error of lse, large where logits are, would be a relative error of all
  // probabilities.
  const auto shift = hn::Set(d, T(log_sum)), factor = hn::Set(d, scale);
  const auto rest = hn::Set(d, std::isfinite(log_sum) ? T(log_sum - double(T(log_sum))) : T(0));
  for_vectors(d, n, [&](int64 i, int64 count) {
    const auto log_p = hn::Sub(hn::Sub(load(d, x + i, count), shift), rest);
    store(d, hn::Mul(factor, exp_of_negative(d, log_p)), dx + i, count);
  });
}

/// With p = softmax(x), s = label_smoothing, W = sum(w):
///   dx[c] = dloss ((1 - s) w[t] (p[c] - [c = t]) + s / classes (W p[c] - w[c]))
template <class T>
void cross_entropy_backward_rows(const CrossEntropy& e, const T* x, const int64* target,
                                 const double* log_sums, const T* dloss, T* dx) {
  using C = Compute<T>;
  const Weights<T> w{static_cast<const T*>(e.weight)};
  const C smooth = C(e.label_smoothing / double(std::max<int64>(e.classes, 1)));
  double total = 0;
  if (smooth != 0)
    for (int64 c = 0; c < e.classes; ++c) total += double(w[c]);
  parallel_for(e.rows, rows_per_task(e.classes), [&](int64 begin, int64 end) {
    Scratch<C> room(is_16_bit<T> ? std::size_t(e.classes) : 0);
    for (int64 i = begin; i < end; ++i) {
      T* dx_row = dx + i * e.classes;
      if (target[i] == e.ignore_index) {
        std::fill(dx_row, dx_row + e.classes, T());
        continue;
      }
      const C* row = as_computed(x + i * e.classes, e.classes, room.data());
      C* out;
      if constexpr (is_16_bit<T>) out = room.data();
      else out = dx_row;
      const C hard = C(1 - e.label_smoothing) * w[target[i]], gradient = C(dloss[i]);
      scaled_softmax(row, log_sums[i], gradient * (hard + smooth * C(total)), out, e.classes);
      out[target[i]] -= gradient * hard;
      if (smooth != 0)
        for (int64 c = 0; c < e.classes; ++c) out[c] -= gradient * smooth * w[c];
      if constexpr (is_16_bit<T>) narrow_row(out, e.classes, dx_row);
    }
  });
}

void run_cross_entropy(const CrossEntropy& e, const void* x, const int64* target, void* loss,
                       double* log_sums, double* row_weight) {
  visit_floating(e.dtype, [&]<class T>(T) {
    cross_entropy_rows(e, static_cast<const T*>(x), target, static_cast<T*>(loss), log_sums, row_weight);
  });
}

void run_cross_entropy_backward(const CrossEntropy& e, const void* x, const int64* target,
                                const double* log_sums, const void* dloss, void* dx) {
  visit_floating(e.dtype, [&]<class T>(T) {
    cross_entropy_backward_rows(e, static_cast<const T*>(x), target, log_sums, static_cast<const T*>(dloss),
                                static_cast<T*>(dx));
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace taper::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace taper::cpu {

HWY_EXPORT(run_softmax);
HWY_EXPORT(run_log_softmax);
HWY_EXPORT(run_softmax_backward);
HWY_EXPORT(run_log_softmax_backward);
HWY_EXPORT(run_logsumexp);
HWY_EXPORT(run_cross_entropy);
HWY_EXPORT(run_cross_entropy_backward);

namespace {

void check_floating(DType dtype, const char* op) {
  check<DTypeError>(is_floating_point(dtype), op, ": got ", dtype, ", expected a floating type");
}

void check_targets(const CrossEntropy& e, const std::int64_t* target) {
  for (std::int64_t i = 0; i < e.rows; ++i)
    check<IndexError>((target[i] >= 0 && target[i] < e.classes) || target[i] == e.ignore_index,
                      "cross_entropy: target ", target[i], " at row ", i, " is out of range for ", e.classes,
                      " classes, expected 0 to ", e.classes - 1);
}

}  // namespace

void softmax(const Slices& slices, const void* x, void* y) {
  check_floating(slices.dtype, "softmax");
  HWY_DYNAMIC_DISPATCH(run_softmax)(slices, x, y);
}

void log_softmax(const Slices& slices, const void* x, void* y) {
  check_floating(slices.dtype, "log_softmax");
  HWY_DYNAMIC_DISPATCH(run_log_softmax)(slices, x, y);
}

void softmax_backward(const Slices& slices, const void* y, const void* dy, void* dx) {
  check_floating(slices.dtype, "softmax_backward");
  HWY_DYNAMIC_DISPATCH(run_softmax_backward)(slices, y, dy, dx);
}

void log_softmax_backward(const Slices& slices, const void* y, const void* dy, void* dx) {
  check_floating(slices.dtype, "log_softmax_backward");
  HWY_DYNAMIC_DISPATCH(run_log_softmax_backward)(slices, y, dy, dx);
}

void logsumexp(const Slices& slices, const void* x, void* y) {
  check_floating(slices.dtype, "logsumexp");
  HWY_DYNAMIC_DISPATCH(run_logsumexp)(slices, x, y);
}

void cross_entropy(const CrossEntropy& entropy, const void* x, const std::int64_t* target, void* loss,
                   double* log_sum_exp, double* row_weight) {
  check_floating(entropy.dtype, "cross_entropy");
  check_targets(entropy, target);
  HWY_DYNAMIC_DISPATCH(run_cross_entropy)(entropy, x, target, loss, log_sum_exp, row_weight);
}

void cross_entropy_backward(const CrossEntropy& entropy, const void* x, const std::int64_t* target,
                            const double* log_sum_exp, const void* dloss, void* dx) {
  check_floating(entropy.dtype, "cross_entropy_backward");
  check_targets(entropy, target);
  HWY_DYNAMIC_DISPATCH(run_cross_entropy_backward)(entropy, x, target, log_sum_exp, dloss, dx);
}

}  // namespace taper::cpu
#endif
