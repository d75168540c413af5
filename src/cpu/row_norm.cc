// Layer norm and RMS norm: each row is read into the cache once, then summed and written from there.
#include <algorithm>
#include <cmath>

#include "cpu/normalization.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"
#include "taper/error.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/row_norm.cc"
#include <hwy/foreach_target.h>  // before highway.h
#include <hwy/highway.h>

#include "cpu/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace taper::cpu {
namespace HWY_NAMESPACE {

/// Parameters [size] of any floating type, in the type computed in; null stays null.
template <class C>
class Parameters {
 public:
  Parameters(const void* data, DType dtype, int64 size)
      : wanted_(data), values_(data ? std::size_t(size) : 0) {
    if (data)
      visit_floating(dtype, [&]<class T>(T) {
        for (int64 i = 0; i < size; ++i) values_[std::size_t(i)] = C(static_cast<const T*>(data)[i]);
      });
  }
  const C* data() { return wanted_ ? values_.data() : nullptr; }

 private:
  bool wanted_;
  Scratch<C> values_;
};

/// x - mean in two roundings that cost nothing: the float nearest to the mean, then the rest of it.
template <class D>
struct Centre {
  hn::VFromD<D> high, low;
  Centre(D d, double mean) {
    const auto nearest = hn::TFromD<D>(mean);
    high = hn::Set(d, nearest);
    low = hn::Set(d, hn::TFromD<D>(std::isfinite(mean) ? mean - double(nearest) : 0));
  }
  HWY_INLINE auto operator()(hn::VFromD<D> x) const { return hn::Sub(hn::Sub(x, high), low); }
};

/// v with zeros from lane count on.
template <class D, class V>
HWY_INLINE V first_lanes(D d, V v, int64 count) {
  return count == int64(hn::Lanes(d)) ? v : hn::IfThenElseZero(hn::FirstN(d, std::size_t(count)), v);
}

struct Moments {
  double mean, rstd;
};

template <class T>
Moments moments_of(const RowNorm& norm, const T* x) {
  const hn::ScalableTag<Compute<T>> d;
  const double n = double(norm.size);
  double mean = 0;
  if (norm.centered) {
    const auto first = hn::Set(d, Compute<T>(x[0]));
    mean =
        double(Compute<T>(x[0])) + sum_vectors(d, norm.size, [&](int64 i, int64 count) {
                                     return first_lanes(d, hn::Sub(load_as(d, x + i, count), first), count);
                                   }) / n;
  }
  const Centre centre(d, mean);
  const double squares = sum_vectors(d, norm.size, [&](int64 i, int64 count) {
    const auto v = first_lanes(d, centre(load_as(d, x + i, count)), count);
    return hn::Mul(v, v);
  });
  return {mean, 1 / std::sqrt(squares / n + norm.eps)};
}

template <class T, class C>
void normalize_row(const RowNorm& norm, const T* x, const C* weight, const C* bias, const Moments& m, T* y) {
  const hn::ScalableTag<C> d;
  const Centre centre(d, m.mean);
  const auto scale = hn::Set(d, C(m.rstd));
  for_vectors(d, norm.size, [&](int64 i, int64 count) {
    auto v = hn::Mul(centre(load_as(d, x + i, count)), scale);
    if (weight) v = hn::Mul(v, load(d, weight + i, count));
    if (bias) v = hn::Add(v, load(d, bias + i, count));
    store_as(d, v, y + i, count);
  });
}

template <class T>
void forward(const RowNorm& norm, const T* x, const void* weight, const void* bias, T* y, double* mean,
             double* rstd) {
  Parameters<Compute<T>> weights(weight, norm.parameter_dtype, norm.size),
      biases(bias, norm.parameter_dtype, norm.size);
  parallel_for(norm.rows, std::max<int64>(1, (1 << 14) / norm.size), [&](int64 begin, int64 end) {
    for (int64 row = begin; row < end; ++row) {
      const Moments m = moments_of(norm, x + row * norm.size);
      normalize_row(norm, x + row * norm.size, weights.data(), biases.data(), m, y + row * norm.size);
      if (mean) mean[row] = m.mean;
      if (rstd) rstd[row] = m.rstd;
    }
  });
}

/// What the gradient of a row needs: u = (x - mean) rstd and g = dy weight, by vectors.
template <bool weighted, class T>
struct RowGradient {
  using C = Compute<T>;
  using D = hn::ScalableTag<C>;
  using V = hn::VFromD<D>;
  D d;
  const T *x, *dy;
  const C* weight;
  Centre<D> centre;
  V scale;
  RowGradient(const T* x, const T* dy, const C* weight, const Moments& m)
      : x(x), dy(dy), weight(weight), centre(d, m.mean), scale(hn::Set(d, C(m.rstd))) {}

  HWY_INLINE V unit(int64 i, int64 count) const { return hn::Mul(centre(load_as(d, x + i, count)), scale); }
  HWY_INLINE V gradient(V g, int64 i, int64 count) const {
    return weighted ? hn::Mul(g, load(d, weight + i, count)) : g;
  }

  /// The sums of g and g u, blocks of sum_block added up in float64.
  void sums(int64 n, double& g_sum, double& gu_sum) const {
    for (int64 begin = 0; begin < n; begin += sum_block) {
      V g0 = hn::Zero(d), g1 = g0, p0 = g0, p1 = g0;
      const auto add = [&](int64 i, int64 count, V& g_part, V& p_part) {
        const V g = gradient(load_as(d, dy + i, count), i, count);
        g_part = hn::Add(g_part, g), p_part = hn::MulAdd(g, unit(i, count), p_part);
      };
      const auto lanes = int64(hn::Lanes(d));
      const int64 end = std::min(begin + sum_block, n);
      int64 i = begin;
      for (; i + 2 * lanes <= end; i += 2 * lanes) add(i, lanes, g0, p0), add(i + lanes, lanes, g1, p1);
      for (; i < end; i += lanes) add(i, std::min(lanes, end - i), g0, p0);
      g_sum += double(sum_lanes(d, hn::Add(g0, g1))), gu_sum += double(sum_lanes(d, hn::Add(p0, p1)));
    }
  }
};

/// dx = rstd (g - mean(g) - u mean(g u)), dw += dy u, db += dy; dx may be null.
template <bool weighted, class T, class C>
void backward_row(const RowNorm& norm, const RowGradient<weighted, T>& row, T* dx, C* dw, C* db) {
  const auto d = row.d;
  double g_sum = 0, gu_sum = 0;
  if (dx) row.sums(norm.size, g_sum, gu_sum);
  const auto a = hn::Set(d, C(norm.centered ? g_sum / double(norm.size) : 0));
  const auto b = hn::Set(d, C(gu_sum / double(norm.size)));
  for_vectors(d, norm.size, [&](int64 i, int64 count) {
    // The processor's own prefetching ends with the page, and the row.
    __builtin_prefetch(row.x + norm.size + i), __builtin_prefetch(row.dy + norm.size + i);
    if (dx) __builtin_prefetch(dx + norm.size + i, 1);
    const auto dy = load_as(d, row.dy + i, count), u = row.unit(i, count);
    if (dx) {
      const auto centred = hn::Sub(row.gradient(dy, i, count), a);
      store_as(d, hn::Mul(row.scale, hn::NegMulAdd(u, b, centred)), dx + i, count);
    }
    store(d, hn::MulAdd(dy, u, load(d, dw + i, count)), dw + i, count);
    store(d, hn::Add(dy, load(d, db + i, count)), db + i, count);
  });
}

/// The sum of partial [runs, 2, size] over runs into dw and db, of any floating type; either may be null.
template <class C>
void add_runs(const RowNorm& norm, int64 runs, const C* partial, void* dw, void* db) {
  visit_floating(norm.parameter_dtype, [&]<class P>(P) {
    parallel_for(norm.size, 1 << 10, [&](int64 begin, int64 end) {
      for (int which = 0; which < 2; ++which) {
        P* target = static_cast<P*>(which == 0 ? dw : db);
        for (int64 i = begin; target && i < end; ++i) {
          double sum = 0;
          for (int64 run = 0; run < runs; ++run) sum += double(partial[(2 * run + which) * norm.size + i]);
          target[i] = P(Compute<P>(sum));
        }
      }
    });
  });
}

/// Runs of rows add to partial sums of their own; how many runs there are depends on the sizes only.
inline int64 rows_of_run(const RowNorm& norm) {
  constexpr int64 most_runs = 64, most_elements = 4 << 20;
  const int64 runs = std::clamp<int64>(most_elements / norm.size, 1, most_runs);
  return std::max((norm.rows + runs - 1) / runs, (1 << 14) / norm.size + 1);
}

template <class T>
void backward(const RowNorm& norm, const T* x, const T* dy, const void* weight, const double* mean,
              const double* rstd, T* dx, void* dw, void* db) {
  using C = Compute<T>;
  Parameters<C> weights(weight, norm.parameter_dtype, norm.size);
  const int64 rows = rows_of_run(norm), runs = (norm.rows + rows - 1) / rows;
  Scratch<C> partial(std::size_t(2 * runs * norm.size));
  parallel_for(norm.rows, rows, [&](int64 begin, int64 end) {
    C* dw_run = partial.data() + begin / rows * 2 * norm.size;
    C* db_run = dw_run + norm.size;
    std::fill(dw_run, dw_run + 2 * norm.size, C(0));
    for (int64 row = begin; row < end; ++row) {
      const int64 at = row * norm.size;
      const Moments m{norm.centered ? mean[row] : 0, rstd[row]};
      T* dx_row = dx ? dx + at : nullptr;
      if (weight)
        backward_row(norm, RowGradient<true, T>(x + at, dy + at, weights.data(), m), dx_row, dw_run, db_run);
      else backward_row(norm, RowGradient<false, T>(x + at, dy + at, nullptr, m), dx_row, dw_run, db_run);
    }
  });
  if (dw || db) add_runs(norm, runs, partial.data(), dw, db);
}

void run_row_norm(const RowNorm& norm, const void* x, const void* weight, const void* bias, void* y,
                  double* mean, double* rstd) {
  visit_floating(norm.dtype, [&]<class T>(T) {
    forward(norm, static_cast<const T*>(x), weight, bias, static_cast<T*>(y), mean, rstd);
  });
}

void run_row_norm_backward(const RowNorm& norm, const void* x, const void* dy, const void* weight,
                           const double* mean, const double* rstd, void* dx, void* dw, void* db) {
  visit_floating(norm.dtype, [&]<class T>(T) {
    backward(norm, static_cast<const T*>(x), static_cast<const T*>(dy), weight, mean, rstd,
             static_cast<T*>(dx), dw, db);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace taper::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace taper::cpu {

HWY_EXPORT(run_row_norm);
HWY_EXPORT(run_row_norm_backward);

namespace {

void check_types(const RowNorm& norm, const char* op) {
  check<DTypeError>(is_floating_point(norm.dtype) && is_floating_point(norm.parameter_dtype), op, ": got ",
                    norm.dtype, " with parameters of ", norm.parameter_dtype, ", expected floating types");
}

}  // namespace

void row_norm(const RowNorm& norm, const void* x, const void* weight, const void* bias, void* y, double* mean,
              double* rstd) {
  check_types(norm, norm.centered ? "layer_norm" : "rms_norm");
  if (norm.rows && norm.size) HWY_DYNAMIC_DISPATCH(run_row_norm)(norm, x, weight, bias, y, mean, rstd);
}

void row_norm_backward(const RowNorm& norm, const void* x, const void* dy, const void* weight,
                       const double* mean, const double* rstd, void* dx, void* dw, void* db) {
  check_types(norm, norm.centered ? "layer_norm_backward" : "rms_norm_backward");
  if (norm.size) HWY_DYNAMIC_DISPATCH(run_row_norm_backward)(norm, x, dy, weight, mean, rstd, dx, dw, db);
}

}  // namespace taper::cpu
#endif
