// The inner loops of running totals, compiled for each instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/scan_kernels.cc"
#include <hwy/foreach_target.h>
// foreach_target.h must come first.
#include <hwy/highway.h>

#include <algorithm>
#include <complex>
#include <limits>
#include <type_traits>

#include "cpu/complex_math.h"
#include "cpu/exact_math.h"
#include "cpu/scan_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace taper::cpu::HWY_NAMESPACE {
namespace {

using int64 = std::int64_t;

template <class E>
using Total = std::conditional_t<std::is_integral_v<E>, std::uint64_t,
                                 std::conditional_t<std::is_same_v<E, float>, double, E>>;

/// Running sums, or products.
template <class E, bool product>
struct Totals {
  using T = Total<E>;
  static constexpr int state_bytes = sizeof(T);

  static T step(T total, E x) {
    if constexpr (product) return total * T(x);
    else return total + T(x);
  }
  static void start(int64 width, void* state) {
    std::fill_n(static_cast<T*>(state), width, T(product ? 1 : 0));
  }
  static void panel(const void* source, int64 rows, int64 width, int64, void* state, void* target, int64*) {
    const E* __restrict x = static_cast<const E*>(source);
    T* __restrict total = static_cast<T*>(state);
    T* __restrict y = static_cast<T*>(target);
    for (int64 row = 0; row < rows; ++row, x += width, y += width) {
      for (int64 c = 0; c < width; ++c) y[c] = total[c] = step(total[c], x[c]);
    }
  }
  static void line(const void* source, int64 n, int64, void* state, void* target, int64*) {
    const E* __restrict x = static_cast<const E*>(source);
    T* __restrict y = static_cast<T*>(target);
    T total = *static_cast<T*>(state);
    int64 i = 0;
    if constexpr (!product)  // the chain of additions, which takes the time, is one for four elements
      for (; i + 4 <= n; i += 4) {
        const T two = T(x[i]) + T(x[i + 1]), three = two + T(x[i + 2]),
                four = two + (T(x[i + 2]) + T(x[i + 3]));
        y[i] = total + T(x[i]), y[i + 1] = total + two, y[i + 2] = total + three;
        y[i + 3] = total = total + four;
      }
    for (; i < n; ++i) y[i] = total = step(total, x[i]);
    *static_cast<T*>(state) = total;
  }
};

/// log(sum(exp(x))) as maximum + log(total), where total counts in units of exp(maximum). The state is both.
template <class E>
struct LogSumExp {
  static constexpr int state_bytes = 2 * sizeof(double);
  static constexpr E most = std::numeric_limits<E>::max();

  /// What is subtracted from the exponents: finite for infinite maxima, whose terms would be NaN.
  static E shift(E maximum) { return maximum > most ? most : maximum < -most ? -most : maximum; }
  static E larger(E a, E x) { return int(x > a) | int(x != x) ? x : a; }

  static void start(int64 width, void* state) {
    std::fill_n(static_cast<double*>(state), width, -std::numeric_limits<double>::infinity());
    std::fill_n(static_cast<double*>(state) + width, width, 0.);
  }
  static void panel(const void* source, int64 rows, int64 width, int64, void* state, void* target, int64*) {
    const E* __restrict x = static_cast<const E*>(source);
    double* __restrict maximum = static_cast<double*>(state);
    double* __restrict total = maximum + width;
    double* __restrict y = static_cast<double*>(target);
    for (int64 row = 0; row < rows; ++row, x += width, y += width) {
      for (int64 c = 0; c < width; ++c) {
        const E before = E(maximum[c]), now = larger(before, x[c]), base = shift(now);
        total[c] = total[c] * double(exp_negative(shift(before) - base)) + double(exp_negative(x[c] - base));
        maximum[c] = double(now);
        y[c] = double(now) + log_positive(total[c]);
      }
    }
  }
  /// In passes of which only two are chains: the maxima, and the totals once their terms and factors are
  /// known.
  static void line(const void* source, int64 n, int64, void* state, void* target, int64*) {
    const E* __restrict x = static_cast<const E*>(source);
    double* __restrict y = static_cast<double*>(target);
    double& maximum = static_cast<double*>(state)[0];
    double& total = static_cast<double*>(state)[1];
    E maxima[scan_piece + 1], terms[scan_piece], factors[scan_piece];
    maxima[0] = E(maximum);
    for (int64 i = 0; i < n; ++i) maxima[i + 1] = larger(maxima[i], x[i]);
    for (int64 i = 0; i < n; ++i) terms[i] = exp_negative(x[i] - shift(maxima[i + 1]));
    for (int64 i = 0; i < n; ++i) factors[i] = exp_negative(shift(maxima[i]) - shift(maxima[i + 1]));
    double sum = total;
    for (int64 i = 0; i < n; ++i) y[i] = sum = sum * double(factors[i]) + double(terms[i]);
    for (int64 i = 0; i < n; ++i) y[i] = double(maxima[i + 1]) + log_positive(y[i]);
    maximum = double(maxima[n]);
    total = sum;
  }
};

/// The same of complex numbers.
struct ComplexLogSumExp {
  using Complex = std::complex<double>;
  static constexpr int state_bytes = sizeof(Complex);

  static void start(int64 width, void* state) {
    std::fill_n(static_cast<Complex*>(state), width, Complex(-std::numeric_limits<double>::infinity()));
  }
  static void panel(const void* source, int64 rows, int64 width, int64, void* state, void* target, int64*) {
    const Complex* x = static_cast<const Complex*>(source);
    Complex *total = static_cast<Complex*>(state), *y = static_cast<Complex*>(target);
    for (int64 row = 0; row < rows; ++row, x += width, y += width) {
      for (int64 c = 0; c < width; ++c) y[c] = total[c] = log_add_exp(total[c], x[c]);
    }
  }
  static void line(const void* source, int64 n, int64 first, void* state, void* target, int64* places) {
    panel(source, n, 1, first, state, target, places);
  }
};

/// The largest or smallest so far, and where the last such is. The state is both.
template <class E, bool largest>
struct Extremes {
  static constexpr int state_bytes = 8 + sizeof(int64);

  static E worst() {
    if constexpr (std::is_floating_point_v<E>) {
      return largest ? -std::numeric_limits<E>::infinity() : std::numeric_limits<E>::infinity();
    } else {
      return largest ? std::numeric_limits<E>::lowest() : std::numeric_limits<E>::max();
    }
  }
  static bool replaces(E x, E best) { return int(largest ? x >= best : x <= best) | int(x != x); }

  static void start(int64 width, void* state) {
    std::fill_n(static_cast<E*>(state), width, worst());
    std::fill_n(reinterpret_cast<int64*>(static_cast<char*>(state) + 8 * width), width, int64(0));
  }
  static void panel(const void* source, int64 rows, int64 width, int64 first, void* state, void* target,
                    int64* places) {
    const E* __restrict x = static_cast<const E*>(source);
    E* __restrict best = static_cast<E*>(state);
    int64* __restrict at = reinterpret_cast<int64*>(static_cast<char*>(state) + 8 * width);
    E* __restrict y = static_cast<E*>(target);
    for (int64 row = 0; row < rows; ++row, x += width, y += width, places += width) {
      for (int64 c = 0; c < width; ++c) {
        const bool take = replaces(x[c], best[c]);
        y[c] = best[c] = take ? x[c] : best[c];
        places[c] = at[c] = take ? first + row : at[c];
      }
    }
  }
  static void line(const void* source, int64 n, int64 first, void* state, void* target, int64* places) {
    panel(source, n, 1, first, state, target, places);
  }
};

template <class K>
const ScanKernel* kernel() {
  static constexpr ScanKernel table{K::state_bytes, K::start, K::panel, K::line};
  return &table;
}

template <class E>
const ScanKernel* find_for(Scan scan) {
  constexpr bool real = std::is_arithmetic_v<E>, floating = std::is_floating_point_v<E>;
  switch (scan) {
    case Scan::sum: return kernel<Totals<E, false>>();
    case Scan::product: return kernel<Totals<E, true>>();
    case Scan::log_sum_exp:
      if constexpr (floating) return kernel<LogSumExp<E>>();
      else if constexpr (!real) return kernel<ComplexLogSumExp>();
      return nullptr;
    case Scan::max:
      if constexpr (real) return kernel<Extremes<E, true>>();
      return nullptr;
    case Scan::min:
      if constexpr (real) return kernel<Extremes<E, false>>();
      return nullptr;
  }
  __builtin_unreachable();
}

const ScanKernel* find_here(Scan scan, Wide wide) {
  switch (wide) {
    case Wide::u8: return nullptr;
    case Wide::i64: return find_for<int64>(scan);
    case Wide::u64: return find_for<std::uint64_t>(scan);
    case Wide::f32: return find_for<float>(scan);
    case Wide::f64: return find_for<double>(scan);
    case Wide::c128: return find_for<std::complex<double>>(scan);
  }
  __builtin_unreachable();
}

}  // namespace
}  // namespace taper::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace taper::cpu {

HWY_EXPORT(find_here);

const ScanKernel* find_scan_kernel(Scan scan, Wide wide) {
  return HWY_DYNAMIC_DISPATCH(find_here)(scan, wide);
}

}  // namespace taper::cpu
#endif
