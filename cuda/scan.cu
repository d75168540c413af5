// Running sums, products, log-sum-exps, extremes and linear recurrences.
#include "cuda/scan.cuh"

#include "cuda/block.cuh"
#include "cuda/scan.h"

namespace taper::cuda {

namespace scans {

/// Where a scan reads and writes; elements of a line are `step` apart.
struct ScanMemory {
  const char* x;
  DType dtype;
  char* y;
  DType output;
  int64_t step;

  ScanMemory(const void* source, DType type, void* target, DType result, int64_t inner)
      : x(static_cast<const char*>(source)),
        dtype(type),
        y(static_cast<char*>(target)),
        output(result),
        step(inner) {}
  __device__ int64_t at(int64_t line, int64_t place) const { return line + place * step; }
  __device__ const char* in(int64_t line, int64_t place) const {
    return x + at(line, place) * item_size(dtype);
  }
  __device__ char* out(int64_t line, int64_t place) const { return y + at(line, place) * item_size(output); }
};

/// Totals of W: double, Complex, or uint64_t for all integers, which wrap.
template <class W, bool product>
struct Totals {
  using State = W;
  ScanMemory memory;

  __device__ State none() const { return W(product ? 1 : 0); }
  __device__ State load(int64_t line, int64_t place) const {
    const char* p = memory.in(line, place);
    if constexpr (std::is_integral_v<W>)
      if (is_signed(memory.dtype)) return W(cuda::load<int64_t>(p, memory.dtype));
    return cuda::load<W>(p, memory.dtype);
  }
  __device__ State combine(State a, State b) const {
    if constexpr (product) return a * b;
    else return a + b;
  }
  __device__ void put(int64_t line, int64_t place, State total) const {
    char* p = memory.out(line, place);
    const DType output = memory.output;
    if constexpr (is_complex_v<W>) {
      store(p, output, total);
    } else if (is_complex(output)) {
      if constexpr (std::is_integral_v<W>) store(p, output, Complex(double(int64_t(total)), 0));
      else store(p, output, Complex(total, 0));
    } else if constexpr (std::is_integral_v<W>) {
      if (output == float64) store(p, output, double(int64_t(total)));
      else if (is_floating_point(output)) store(p, output, float(int64_t(total)));
      else store(p, output, total);
    } else {
      store(p, output, total);
    }
  }
};

/// total * exp(most) is the sum; most is the largest term, NaN if one is.
template <class T>
struct LogSumExp {
  struct State {
    T most, total;
  };
  ScanMemory memory;

  __device__ State none() const { return {T(-INFINITY), T(0)}; }
  __device__ State load(int64_t line, int64_t place) const {
    return {cuda::load<T>(memory.in(line, place), memory.dtype), T(1)};
  }
  __device__ State combine(const State& a, const State& b) const {
    const bool first = a.most >= b.most || a.most != a.most;
    const State &larger = first ? a : b, &smaller = first ? b : a;
    // Equal ones may both be infinite.
    const T scale = smaller.most == larger.most ? T(1) : exp(smaller.most - larger.most);
    return {larger.most, larger.total + smaller.total * scale};
  }
  __device__ void put(int64_t line, int64_t place, const State& state) const {
    store(memory.out(line, place), memory.output,
          state.most != state.most ? state.most : state.most + log(state.total));
  }
};

/// As cpu::log_add_exp.
struct ComplexLogSumExp {
  using State = Complex;
  ScanMemory memory;

  __device__ State none() const { return {-INFINITY, 0}; }
  __device__ State load(int64_t line, int64_t place) const {
    return cuda::load<Complex>(memory.in(line, place), memory.dtype);
  }
  __device__ static Complex log1p(const Complex& z) {
    const double x = z.real(), y = z.imag();
    return {::log1p(x * (2 + x) + y * y) / 2, atan2(y, 1 + x)};
  }
  __device__ State combine(const State& a, const State& b) const {
    if (isnan(a.real()) || isnan(a.imag()) || isnan(b.real()) || isnan(b.imag())) return {NAN, NAN};
    const bool first = a.real() >= b.real();
    const State larger = first ? a : b, smaller = first ? b : a;
    if (isinf(larger.real()) && smaller.real() == larger.real())
      return larger.real() < 0 ? smaller : log(exp(a) + exp(b));
    return larger + log1p(exp(smaller - larger));
  }
  __device__ void put(int64_t line, int64_t place, const State& state) const {
    store(memory.out(line, place), memory.output, state);
  }
};

/// The largest, or smallest, of equals the last, and its place; once NaN is met, NaN.
template <class W>
struct Extreme {
  struct State {
    W value;
    int64_t place;  // -1: of no elements
  };
  ScanMemory memory;
  int64_t* indices;
  bool largest;

  __device__ State none() const { return {W(0), -1}; }
  __device__ State load(int64_t line, int64_t place) const {
    return {cuda::load<W>(memory.in(line, place), memory.dtype), place};
  }
  __device__ State combine(const State& a, const State& b) const {
    if (b.place < 0) return a;
    const bool replaces = largest ? b.value >= a.value : b.value <= a.value;
    return a.place < 0 || replaces || b.value != b.value ? b : a;
  }
  __device__ void put(int64_t line, int64_t place, const State& state) const {
    store(memory.out(line, place), memory.output, state.value);
    if (indices) indices[memory.at(line, place)] = state.place;
  }
};

/// What consecutive elements make of the y before them: factor * y + sum.
template <class W>
struct Recurrence {
  struct State {
    W factor, sum;
  };
  ScanMemory memory;
  const char* factors;
  int64_t last;  // Place of the last element of a line if it runs from there back, or -1.

  __device__ int64_t place_of(int64_t k) const { return last < 0 ? k : last - k; }
  __device__ State none() const { return {W(1), W(0)}; }
  __device__ State load(int64_t line, int64_t k) const {
    const int64_t place = place_of(k);
    const W sum = cuda::load<W>(memory.in(line, place), memory.dtype);
    if (k == 0) return {W(0), sum};
    return {cuda::load<W>(factors + memory.at(line, place) * item_size(memory.dtype), memory.dtype), sum};
  }
  __device__ State combine(const State& a, const State& b) const {
    return {b.factor * a.factor, b.sum + b.factor * a.sum};
  }
  __device__ void put(int64_t line, int64_t k, const State& state) const {
    store(memory.out(line, place_of(k)), memory.output, state.sum);
  }
};

}  // namespace scans

namespace {

using namespace scans;

template <bool product>
void run_totals(const void* x, DType dtype, const ScanSizes& sizes, void* y, DType output, const char* op) {
  check<DTypeError>(is_complex(output) || !is_complex(dtype), op, ": cannot write ", dtype, " as ", output);
  check<DTypeError>(!is_integral(output, true) || is_integral(dtype, true), op, ": cannot write ", dtype,
                    " as ", output);
  const ScanMemory memory(x, dtype, y, output, sizes.inner);
  if (is_complex(dtype)) run_scan(Totals<Complex, product>{memory}, sizes, op);
  else if (is_floating_point(dtype)) run_scan(Totals<double, product>{memory}, sizes, op);
  else run_scan(Totals<uint64_t, product>{memory}, sizes, op);
}

void run_extreme(bool largest, const void* x, DType dtype, const ScanSizes& sizes, void* y, int64_t* indices,
                 const char* op) {
  check<DTypeError>(!is_complex(dtype), op, ": not defined for ", dtype);
  const ScanMemory memory(x, dtype, y, dtype, sizes.inner);
  if (is_floating_point(dtype)) run_scan(Extreme<double>{memory, indices, largest}, sizes, op);
  else if (is_signed(dtype)) run_scan(Extreme<int64_t>{memory, indices, largest}, sizes, op);
  else run_scan(Extreme<uint64_t>{memory, indices, largest}, sizes, op);
}

}  // namespace

void cumsum(const void* x, DType dtype, int64_t outer, int64_t n, int64_t inner, void* y, DType output) {
  run_totals<false>(x, dtype, scan_sizes(outer, n, inner), y, output, "cumsum");
}
void cumprod(const void* x, DType dtype, int64_t outer, int64_t n, int64_t inner, void* y, DType output) {
  run_totals<true>(x, dtype, scan_sizes(outer, n, inner), y, output, "cumprod");
}

void logcumsumexp(const void* x, DType dtype, int64_t outer, int64_t n, int64_t inner, void* y,
                  DType output) {
  check<DTypeError>(!is_integral(dtype, true), "logcumsumexp: not defined for ", dtype);
  const ScanSizes sizes = scan_sizes(outer, n, inner);
  const ScanMemory memory(x, dtype, y, output, inner);
  if (is_complex(dtype)) run_scan(ComplexLogSumExp{memory}, sizes, "logcumsumexp");
  else visit_row_type(dtype, [&]<class T>() { run_scan(LogSumExp<T>{memory}, sizes, "logcumsumexp"); });
}

void linear_recurrence(const void* x, const void* factor, DType dtype, int64_t outer, int64_t n,
                       int64_t inner, bool reverse, void* y) {
  check<DTypeError>(!is_integral(dtype, true), "linear_recurrence: not defined for ", dtype);
  const ScanSizes sizes = scan_sizes(outer, n, inner);
  const ScanMemory memory(x, dtype, y, dtype, inner);
  const auto* factors = static_cast<const char*>(factor);
  const int64_t last = reverse ? n - 1 : -1;
  if (is_complex(dtype)) run_scan(Recurrence<Complex>{memory, factors, last}, sizes, "linear_recurrence");
  else run_scan(Recurrence<double>{memory, factors, last}, sizes, "linear_recurrence");
}

void cummax(const void* x, DType dtype, int64_t outer, int64_t n, int64_t inner, void* y, int64_t* indices) {
  run_extreme(true, x, dtype, scan_sizes(outer, n, inner), y, indices, "cummax");
}
void cummin(const void* x, DType dtype, int64_t outer, int64_t n, int64_t inner, void* y, int64_t* indices) {
  run_extreme(false, x, dtype, scan_sizes(outer, n, inner), y, indices, "cummin");
}

}  // namespace taper::cuda
