// The inner loops of reductions, compiled for each instruction set. Each has a fixed number of lanes, so the
// order of additions, and with it every bit, is the same on all of them.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/reduce_kernels.cc"
#include <hwy/foreach_target.h>
// foreach_target.h must come first.
#include <hwy/highway.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <complex>
#include <limits>
#include <type_traits>

#include "cpu/exact_math.h"
#include "cpu/reduce_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace taper::cpu::HWY_NAMESPACE {
namespace {

using int64 = std::int64_t;
constexpr int64 lanes = 32;

template <class E>
constexpr bool is_complex_number = std::is_same_v<E, std::complex<double>>;
/// Sums are kept as double, wrapping integer or complex.
template <class E>
using Sum = std::conditional_t<std::is_integral_v<E>, std::uint64_t,
                               std::conditional_t<is_complex_number<E>, E, double>>;
/// The type of values in a state.
template <class E>
using Plane = std::conditional_t<std::is_same_v<E, float>, double,
                                 std::conditional_t<std::is_same_v<E, std::uint8_t>, int64, E>>;

// Operations that fold one element into one number.

template <class E>
struct SumOf {
  using Element = E;
  using Lane = Sum<E>;
  explicit SumOf(const ReduceArguments&) {}
  static Lane start() { return Lane(0); }
  Lane step(Lane a, E x) const { return a + Lane(x); }
  static Lane merge(Lane a, Lane b) { return a + b; }
  static Lane merge_last(Lane a, Lane b) { return a + b; }
};

/// Eight floats are added before they are widened: for a result that is rounded to float32 or less. Widening
/// each would take longer than memory.
struct ShortSumOf : SumOf<float> {
  using SumOf<float>::SumOf;
};
TAPER_INLINE float sum_of_eight(const float* x, int64 stride) {
  return ((x[0] + x[stride]) + (x[2 * stride] + x[3 * stride])) +
         ((x[4 * stride] + x[5 * stride]) + (x[6 * stride] + x[7 * stride]));
}

template <class E>
struct ProductOf {
  using Element = E;
  using Lane = Sum<E>;
  explicit ProductOf(const ReduceArguments&) {}
  static Lane start() { return Lane(1); }
  Lane step(Lane a, E x) const { return merge(a, Lane(x)); }
  static Lane merge(Lane a, Lane b) { return a * b; }
  static Lane merge_last(Lane a, Lane b) { return a * b; }
};

template <class E>
struct NanSumOf : SumOf<E> {
  using SumOf<E>::SumOf;
  double step(double a, E x) const { return a + (x != x ? 0. : double(x)); }
};

template <class E>
struct AbsSumOf : SumOf<E> {
  using SumOf<E>::SumOf;
  double step(double a, E x) const { return a + double(std::fabs(x)); }
};

template <class E>
struct SquareSumOf : SumOf<E> {
  using SumOf<E>::SumOf;
  double step(double a, E x) const { return a + double(x) * double(x); }
};

template <class E>
struct PowerSumOf : SumOf<E> {
  explicit PowerSumOf(const ReduceArguments& arguments) : SumOf<E>(arguments), power(arguments.power) {}
  double step(double a, E x) const { return a + std::pow(double(std::fabs(x)), power); }
  double power;
};

/// yes ? x : y without a branch, which for the last few lanes would be mispredicted as often as not.
template <class E>
E choose(bool yes, E x, E y) {
  if constexpr (std::is_floating_point_v<E>) {
    using Bits = std::conditional_t<sizeof(E) == 4, std::uint32_t, std::uint64_t>;
    const Bits mask = Bits(0) - Bits(yes);
    return std::bit_cast<E>((std::bit_cast<Bits>(x) & mask) | (std::bit_cast<Bits>(y) & ~mask));
  } else {
    return yes ? x : y;
  }
}

template <class E>
struct MaxOf {
  using Element = E;
  using Lane = E;
  explicit MaxOf(const ReduceArguments&) {}
  static E start() {
    if constexpr (std::is_floating_point_v<E>) return -std::numeric_limits<E>::infinity();
    else return std::numeric_limits<E>::lowest();
  }
  E step(E a, E x) const { return merge(a, x); }
  static E merge(E a, E x) { return int(x > a) | int(x != x) ? x : a; }
  static E merge_last(E a, E x) { return choose(int(x > a) | int(x != x), x, a); }
  static bool better(E x, E than) { return int(x > than) | (int(x != x) & int(than == than)); }
};

template <class E>
struct MinOf {
  using Element = E;
  using Lane = E;
  explicit MinOf(const ReduceArguments&) {}
  static E start() {
    if constexpr (std::is_floating_point_v<E>) return std::numeric_limits<E>::infinity();
    else return std::numeric_limits<E>::max();
  }
  E step(E a, E x) const { return merge(a, x); }
  static E merge(E a, E x) { return int(x < a) | int(x != x) ? x : a; }
  static E merge_last(E a, E x) { return choose(int(x < a) | int(x != x), x, a); }
  static bool better(E x, E than) { return int(x < than) | (int(x != x) & int(than == than)); }
};

template <class E>
struct AbsMaxOf : MaxOf<E> {
  using MaxOf<E>::MaxOf;
  E step(E a, E x) const { return MaxOf<E>::merge(a, std::fabs(x)); }
};

template <class E>
struct AbsMinOf : MinOf<E> {
  using MinOf<E>::MinOf;
  E step(E a, E x) const { return MinOf<E>::merge(a, std::fabs(x)); }
};

/// Merges 2 w lanes into w, and so on until there are 4. Each width is a loop of its own that becomes a
/// vector.
template <class Op, int64 w>
TAPER_INLINE void halve(typename Op::Lane* lane) {
  for (int64 l = 0; l < w; ++l) lane[l] = Op::merge(lane[l], lane[l + w]);
  if constexpr (w > 4) halve<Op, w / 2>(lane);
}

#if HWY_TARGET != HWY_SCALAR
/// lane[l] += the sum of x[l], x[width + l], ... x[7 width + l], as sum_of_eight.
template <int64 width>
HWY_INLINE void add_eights(const float* x, double* lane) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::CappedTag<float, width> d;
  const hn::Half<decltype(d)> half;
  const hn::Rebind<double, decltype(half)> wide;
  constexpr int64 step = int64(hn::MaxLanes(d));
  for (int64 l = 0; l < width; l += step) {
    const auto pair = [&](int64 k) HWY_ATTR {
      return hn::Add(hn::LoadU(d, x + l + k * width), hn::LoadU(d, x + l + (k + 1) * width));
    };
    const auto sum = hn::Add(hn::Add(pair(0), pair(2)), hn::Add(pair(4), pair(6)));
    double *const low = lane + l, *const high = low + step / 2;
    hn::StoreU(hn::Add(hn::LoadU(wide, low), hn::PromoteTo(wide, hn::LowerHalf(half, sum))), wide, low);
    hn::StoreU(hn::Add(hn::LoadU(wide, high), hn::PromoteTo(wide, hn::UpperHalf(half, sum))), wide, high);
  }
}
#else
template <int64 width>
void add_eights(const float* x, double* lane) {
  for (int64 l = 0; l < width; ++l) lane[l] += double(sum_of_eight(x + l, width));
}
#endif

template <class Op, int64 width>
TAPER_INLINE typename Op::Lane fold_lanes(typename Op::Lane* lane) {
  halve<Op, width / 2>(lane);
  return Op::merge_last(Op::merge_last(lane[0], lane[2]), Op::merge_last(lane[1], lane[3]));
}

// Not inlined: among the loop over rows the compiler would not see that the lanes are a vector.
template <class Op, int64 width>
HWY_NOINLINE typename Op::Lane fold_wide(const typename Op::Element* x, int64 n, const Op& op) {
  typename Op::Lane lane[width];
  for (int64 l = 0; l < width; ++l) lane[l] = Op::start();
  int64 i = 0;
  if constexpr (std::is_same_v<Op, ShortSumOf>)
    for (; i + 8 * width <= n; i += 8 * width) add_eights<width>(x + i, lane);
  for (; i + width <= n; i += width) {
#pragma GCC unroll 1  // else a short loop is unrolled before it can become a vector
    for (int64 l = 0; l < width; ++l) lane[l] = op.step(lane[l], x[i + l]);
  }
  for (int64 l = 0; i + l < n; ++l) lane[l] = op.step(lane[l], x[i + l]);
  return fold_lanes<Op, width>(lane);
}

/// Memory is read faster as a few streams than as one: the processor looks ahead of each.
constexpr int streams = 4;
constexpr int64 least_stream_bytes = 16384;

/// result[r] = fold_wide of run r, side by side.
template <class Op>
HWY_NOINLINE void fold_streams(const typename Op::Element* const (&x)[streams], int64 n, const Op& op,
                               typename Op::Lane (&result)[streams]) {
  typename Op::Lane lane[streams][lanes];
  for (int r = 0; r < streams; ++r)
    for (int64 l = 0; l < lanes; ++l) lane[r][l] = Op::start();
  int64 i = 0;
  if constexpr (std::is_same_v<Op, ShortSumOf>)
    for (; i + 8 * lanes <= n; i += 8 * lanes)
      for (int r = 0; r < streams; ++r) add_eights<lanes>(x[r] + i, lane[r]);
  for (; i + lanes <= n; i += lanes)
    for (int r = 0; r < streams; ++r) {
#pragma GCC unroll 1
      for (int64 l = 0; l < lanes; ++l) lane[r][l] = op.step(lane[r][l], x[r][i + l]);
    }
  for (int r = 0; r < streams; ++r) {
    for (int64 l = 0; i + l < n; ++l) lane[r][l] = op.step(lane[r][l], x[r][i + l]);
    result[r] = fold_lanes<Op, lanes>(lane[r]);
  }
}

/// Short runs take few lanes: merging many would cost more than they save.
template <class Op>
TAPER_INLINE typename Op::Lane fold(const typename Op::Element* x, int64 n, const Op& op) {
  if (n < 256) return fold_wide<Op, 16>(x, n, op);
  if (n * int64(sizeof *x) < streams * least_stream_bytes) return fold_wide<Op, lanes>(x, n, op);
  const int64 part = n / streams;
  const typename Op::Element* const parts[] = {x, x + part, x + 2 * part, x + 3 * part};
  typename Op::Lane result[streams];
  fold_streams(parts, part, op, result);
  auto whole = Op::merge_last(Op::merge_last(result[0], result[1]), Op::merge_last(result[2], result[3]));
  for (int64 i = streams * part; i < n; ++i) whole = op.step(whole, x[i]);
  return whole;
}

/// Calls f(row, its result) for each row.
template <class Op, class F>
TAPER_INLINE void fold_rows(const typename Op::Element* x, int64 rows, int64 stride, int64 n, const Op& op,
                            F&& f) {
  using E = typename Op::Element;
  const int64 bytes = n * int64(sizeof(E)), part = rows / streams;
  int64 row = 0;
  if (n >= 256 && bytes < streams * least_stream_bytes && part * bytes >= least_stream_bytes) {
    for (; row < part; ++row) {
      const E* const runs[] = {x + row * stride, x + (part + row) * stride, x + (2 * part + row) * stride,
                               x + (3 * part + row) * stride};
      typename Op::Lane result[streams];
      fold_streams(runs, n, op, result);
      for (int r = 0; r < streams; ++r) f(r * part + row, result[r]);
    }
    row = streams * part;
  }
  for (; row < rows; ++row) f(row, fold(x + row * stride, n, op));
}

/// A dense matrix narrower than the lanes: several rows are taken as one, and their sums folded at the end.
template <class Op>
void fold_narrow(const typename Op::Element* x, int64 rows, int64 width, const Op& op,
                 typename Op::Lane (&lane)[max_columns]) {
  const int64 together = max_columns / 4 / width, wide = together * width;
  for (int64 c = 0; c < wide; ++c) lane[c] = Op::start();
  int64 i = 0;
  for (; i + wide <= rows * width; i += wide) {
    for (int64 c = 0; c < wide; ++c) lane[c] = op.step(lane[c], x[i + c]);
  }
  for (int64 c = 0; i + c < rows * width; ++c) lane[c] = op.step(lane[c], x[i + c]);
  for (int64 row = 1; row < together; ++row) {
    for (int64 c = 0; c < width; ++c) lane[c] = Op::merge(lane[c], lane[row * width + c]);
  }
}

template <class Op>
void fold_columns(const typename Op::Element* x, int64 rows, int64 stride, int64 width, const Op& op,
                  typename Op::Lane (&lane)[max_columns]) {
  if (stride == width && width < lanes && rows > 2 * max_columns / width)
    return fold_narrow(x, rows, width, op, lane);
  for (int64 c = 0; c < width; ++c) lane[c] = Op::start();
  int64 row = 0;
  for (; row + 4 <= rows; row += 4, x += 4 * stride) {
    for (int64 c = 0; c < width; ++c) {
      lane[c] = op.step(op.step(op.step(op.step(lane[c], x[c]), x[stride + c]), x[2 * stride + c]),
                        x[3 * stride + c]);
    }
  }
  for (; row < rows; ++row, x += stride) {
    for (int64 c = 0; c < width; ++c) lane[c] = op.step(lane[c], x[c]);
  }
}

template <class Op>
struct Fold {
  using E = typename Op::Element;
  using Lane = typename Op::Lane;
  using State = Plane<Lane>;
  static constexpr int state_bytes = sizeof(State);

  static void rows(const void* x, int64 rows, int64 stride, int64 n, const ReduceArguments& arguments,
                   void* state) {
    fold_rows(static_cast<const E*>(x), rows, stride, n, Op(arguments),
              [&](int64 row, Lane result) { static_cast<State*>(state)[row] = State(result); });
  }
  static void columns(const void* x, int64 rows, int64 stride, int64 width, const ReduceArguments& arguments,
                      void* state) {
    Lane lane[max_columns];
    fold_columns(static_cast<const E*>(x), rows, stride, width, Op(arguments), lane);
    for (int64 c = 0; c < width; ++c) static_cast<State*>(state)[c] = State(lane[c]);
  }
  static void merge(void* state, int64, const void* later, int64, int64 width) {
    State* a = static_cast<State*>(state);
    const State* b = static_cast<const State*>(later);
    for (int64 c = 0; c < width; ++c) a[c] = State(Op::merge(Lane(a[c]), Lane(b[c])));
  }
};

// Mean and squared distances: two passes over a piece that fits the nearest cache, pieces merged by Chan et
// al. (1979), "Updating formulae and a pairwise algorithm for computing sample variances".

inline double squared(double d) { return d * d; }
inline double squared(std::complex<double> d) { return d.real() * d.real() + d.imag() * d.imag(); }

template <class E>
struct Moments {
  using Mean = Sum<E>;
  static constexpr int state_bytes = sizeof(Mean) + sizeof(double);

  struct Distance : SumOf<E> {
    using Lane = double;
    explicit Distance(Mean mean) : SumOf<E>(ReduceArguments{}), mean(mean) {}
    static double start() { return 0; }
    static double merge_last(double a, double b) { return a + b; }
    static double merge(double a, double b) { return a + b; }
    double step(double a, E x) const { return a + squared(Mean(x) - mean); }
    Mean mean;
  };

  static double* distances(void* state, int64 width) {
    return reinterpret_cast<double*>(static_cast<Mean*>(state) + width);
  }
  static void rows(const void* source, int64 rows, int64 stride, int64 n, const ReduceArguments& arguments,
                   void* state) {
    const E* x = static_cast<const E*>(source);
    for (int64 row = 0; row < rows; ++row, x += stride) {
      const Mean mean = fold(x, n, SumOf<E>(arguments)) / double(n);
      static_cast<Mean*>(state)[row] = mean;
      distances(state, rows)[row] = fold(x, n, Distance(mean));
    }
  }
  static void columns(const void* source, int64 rows, int64 stride, int64 width,
                      const ReduceArguments& arguments, void* state) {
    const E* x = static_cast<const E*>(source);
    Mean* mean = static_cast<Mean*>(state);
    double* distance = distances(state, width);
    Mean total[max_columns];
    fold_columns(x, rows, stride, width, SumOf<E>(arguments), total);
    for (int64 c = 0; c < width; ++c) mean[c] = total[c] / double(rows);
    for (int64 c = 0; c < width; ++c) distance[c] = 0;
    for (int64 row = 0; row < rows; ++row, x += stride) {
      for (int64 c = 0; c < width; ++c) distance[c] += squared(Mean(x[c]) - mean[c]);
    }
  }
  static void merge(void* state, int64 count, const void* later, int64 later_count, int64 width) {
    Mean* mean = static_cast<Mean*>(state);
    double* distance = distances(state, width);
    const Mean* later_mean = static_cast<const Mean*>(later);
    const double* later_distance = reinterpret_cast<const double*>(later_mean + width);
    const double share = double(later_count) / double(count + later_count);
    for (int64 c = 0; c < width; ++c) {
      const Mean gap = later_mean[c] - mean[c];
      mean[c] += gap * share;
      distance[c] += later_distance[c] + squared(gap) * (double(count) * share);
    }
  }
};

// log(sum(exp(x))), with the maximum taken out of the exponent.

template <class E>
struct LogSumExp {
  static constexpr int state_bytes = 2 * sizeof(double);
  static constexpr E most = std::numeric_limits<E>::max();

  /// What to subtract: finite for infinite maxima, so that their terms are not NaN.
  static E shift(E maximum) { return maximum > most ? most : maximum < -most ? -most : maximum; }
  static double term(E x, E shift) { return double(exp_negative(x - shift)); }
  struct Terms : SumOf<E> {
    explicit Terms(E shift) : SumOf<E>(ReduceArguments{}), shift(shift) {}
    double step(double a, E x) const { return a + term(x, shift); }
    E shift;
  };

  static void rows(const void* source, int64 rows, int64 stride, int64 n, const ReduceArguments& arguments,
                   void* state) {
    const E* x = static_cast<const E*>(source);
    for (int64 row = 0; row < rows; ++row, x += stride) {
      const E maximum = fold(x, n, MaxOf<E>(arguments));
      static_cast<double*>(state)[row] = double(maximum);
      static_cast<double*>(state)[rows + row] = fold(x, n, Terms(shift(maximum)));
    }
  }
  static void columns(const void* source, int64 rows, int64 stride, int64 width,
                      const ReduceArguments& arguments, void* state) {
    const E* x = static_cast<const E*>(source);
    double* maximum = static_cast<double*>(state);
    double* total = maximum + width;
    E shifts[max_columns];
    fold_columns(x, rows, stride, width, MaxOf<E>(arguments), shifts);
    for (int64 c = 0; c < width; ++c)
      maximum[c] = double(shifts[c]), shifts[c] = shift(shifts[c]), total[c] = 0;
    for (int64 row = 0; row < rows; ++row, x += stride) {
      for (int64 c = 0; c < width; ++c) total[c] += term(x[c], shifts[c]);
    }
  }
  static void merge(void* state, int64, const void* later, int64, int64 width) {
    double* maximum = static_cast<double*>(state);
    double* total = maximum + width;
    const double* later_maximum = static_cast<const double*>(later);
    const double* later_total = later_maximum + width;
    for (int64 c = 0; c < width; ++c) {
      const double both = MaxOf<double>::merge(maximum[c], later_maximum[c]);
      const double to = LogSumExp<double>::shift(both);
      const double scale = LogSumExp<double>::term(maximum[c], to);
      const double later_scale = LogSumExp<double>::term(later_maximum[c], to);
      total[c] = total[c] * scale + later_total[c] * later_scale;
      maximum[c] = both;
    }
  }
};

// The place of the largest or smallest element.

template <class E>
using Place = std::conditional_t<sizeof(E) == 4, std::int32_t, int64>;

template <class Op>
struct Arg {
  using E = typename Op::Element;
  using State = Plane<E>;
  static constexpr int state_bytes = sizeof(State) + sizeof(int64);
  static constexpr int64 piece = 2048;

  static bool same(E x, E y) { return int(x == y) | (int(x != x) & int(y != y)); }
  static int64 search(const E* x, int64 n, E value) {
    int64 i = 0;
    for (; i + 64 <= n; i += 64) {
      unsigned found = 0;
      for (int64 l = 0; l < 64; ++l) found |= unsigned(same(x[i + l], value));
      if (found) break;
    }
    for (; i < n; ++i) {
      if (same(x[i], value)) return i;
    }
    return 0;
  }
  static void rows(const void* source, int64 rows, int64 stride, int64 n, const ReduceArguments& arguments,
                   void* state) {
    const E* x = static_cast<const E*>(source);
    State* value = static_cast<State*>(state);
    int64* place = reinterpret_cast<int64*>(value + rows);
    const Op op(arguments);
    for (int64 row = 0; row < rows; ++row, x += stride) {
      E best = fold(x, std::min(n, piece), op);
      int64 found = 0;
      for (int64 i = piece; i < n; i += piece) {
        const E candidate = fold(x + i, std::min(n - i, piece), op);
        if (Op::better(candidate, best)) best = candidate, found = i;
      }
      value[row] = State(best);
      place[row] = arguments.first + found + search(x + found, std::min(n - found, piece), best);
    }
  }
  static void columns(const void* source, int64 rows, int64 stride, int64 width,
                      const ReduceArguments& arguments, void* state) {
    const E* x = static_cast<const E*>(source);
    E best[max_columns];
    Place<E> place[max_columns];
    for (int64 c = 0; c < width; ++c) best[c] = x[c], place[c] = 0;
    for (int64 row = 1; row < rows; ++row) {
      x += stride;
      for (int64 c = 0; c < width; ++c) {
        const bool better = Op::better(x[c], best[c]);
        best[c] = better ? x[c] : best[c];
        place[c] = better ? Place<E>(row) : place[c];
      }
    }
    State* value = static_cast<State*>(state);
    int64* places = reinterpret_cast<int64*>(value + width);
    for (int64 c = 0; c < width; ++c) value[c] = State(best[c]), places[c] = arguments.first + place[c];
  }
  static void merge(void* state, int64, const void* later, int64, int64 width) {
    State* value = static_cast<State*>(state);
    int64* place = reinterpret_cast<int64*>(value + width);
    const State* later_value = static_cast<const State*>(later);
    const int64* later_place = reinterpret_cast<const int64*>(later_value + width);
    for (int64 c = 0; c < width; ++c) {
      const bool better = Op::better(E(later_value[c]), E(value[c]));
      value[c] = better ? later_value[c] : value[c];
      place[c] = better ? later_place[c] : place[c];
    }
  }
};

template <class K>
const ReduceKernel* kernel() {
  static constexpr ReduceKernel table{K::state_bytes, K::rows, K::columns, K::merge};
  return &table;
}

template <class E>
const ReduceKernel* real_kernel(Reduce reduce) {
  switch (reduce) {
    case Reduce::nan_sum: return kernel<Fold<NanSumOf<E>>>();
    case Reduce::abs_sum: return kernel<Fold<AbsSumOf<E>>>();
    case Reduce::square_sum: return kernel<Fold<SquareSumOf<E>>>();
    case Reduce::abs_max: return kernel<Fold<AbsMaxOf<E>>>();
    case Reduce::abs_min: return kernel<Fold<AbsMinOf<E>>>();
    case Reduce::power_sum: return kernel<Fold<PowerSumOf<E>>>();
    case Reduce::moments: return kernel<Moments<E>>();
    case Reduce::log_sum_exp: return kernel<LogSumExp<E>>();
    default: return nullptr;
  }
}

template <class E>
const ReduceKernel* ordered_kernel(Reduce reduce) {
  switch (reduce) {
    case Reduce::sum: return kernel<Fold<SumOf<E>>>();
    case Reduce::prod: return kernel<Fold<ProductOf<E>>>();
    case Reduce::max: return kernel<Fold<MaxOf<E>>>();
    case Reduce::min: return kernel<Fold<MinOf<E>>>();
    case Reduce::arg_max: return kernel<Arg<MaxOf<E>>>();
    case Reduce::arg_min: return kernel<Arg<MinOf<E>>>();
    default: break;
  }
  if constexpr (std::is_floating_point_v<E>) return real_kernel<E>(reduce);
  else return nullptr;
}

const ReduceKernel* complex_kernel(Reduce reduce) {
  using E = std::complex<double>;
  switch (reduce) {
    case Reduce::sum: return kernel<Fold<SumOf<E>>>();
    case Reduce::prod: return kernel<Fold<ProductOf<E>>>();
    case Reduce::moments: return kernel<Moments<E>>();
    default: return nullptr;
  }
}

const ReduceKernel* find_here(Reduce reduce, Wide wide) {
  switch (wide) {
    case Wide::u8: return ordered_kernel<std::uint8_t>(reduce);
    case Wide::i64: return ordered_kernel<int64>(reduce);
    case Wide::u64: return ordered_kernel<std::uint64_t>(reduce);
    case Wide::f32:
      return reduce == Reduce::short_sum ? kernel<Fold<ShortSumOf>>() : ordered_kernel<float>(reduce);
    case Wide::f64: return ordered_kernel<double>(reduce);
    case Wide::c128: return complex_kernel(reduce);
  }
  __builtin_unreachable();
}

}  // namespace
}  // namespace taper::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace taper::cpu {

HWY_EXPORT(find_here);

const ReduceKernel* find_reduce_kernel(Reduce reduce, Wide wide) {
  return HWY_DYNAMIC_DISPATCH(find_here)(reduce, wide);
}

}  // namespace taper::cpu
#endif
