// Reductions over any set of dimensions of a strided input. Results are the same, bit for bit, for the same
// sizes on every device: work is cut by the sizes alone and partial results are combined as a tree.
#include <cmath>
#include <vector>

#include "cpu/reduce.h"
#include "cuda/device.cuh"
#include "cuda/reduce.h"

namespace taper::cuda {

namespace {

/// Input elements by output (kept) and by element of a group (reduced); strides in bytes. The innermost
/// dimension of each comes first.
struct ReducePlan {
  static constexpr int max_dims = 12;
  const char* x;
  DType dtype, output;
  char* y;
  int64_t* indices;
  int64_t outputs, group;
  int kept_dims = 0, reduced_dims = 0;
  int64_t kept_sizes[max_dims], kept_strides[max_dims];
  int64_t reduced_sizes[max_dims], reduced_strides[max_dims];
  /// Threads of a block side by side along the outputs; the others share an output's group.
  int across = 1;
  /// Blocks that share an output's group; each writes a partial result if there are several.
  int splits = 1;
  void* partials = nullptr;
};

void add_dim(int& dims, int64_t* sizes, int64_t* strides, int64_t size, int64_t stride) {
  if (size == 1) return;
  if (dims && stride == strides[dims - 1] * sizes[dims - 1]) {
    sizes[dims - 1] *= size;
    return;
  }
  check<ShapeError>(dims < ReducePlan::max_dims, "reduction: on CUDA at most ", ReducePlan::max_dims,
                    " dimensions may be left after merging");
  sizes[dims] = size;
  strides[dims++] = stride;
}

ReducePlan plan_of(const cpu::Reduction& reduction, int64_t* indices) {
  ReducePlan plan{};
  plan.x = static_cast<const char*>(reduction.x);
  plan.dtype = reduction.dtype;
  plan.output = reduction.output;
  plan.y = static_cast<char*>(reduction.y);
  plan.indices = indices;
  plan.outputs = plan.group = 1;
  plan.across = plan.splits = 1;
  for (int i = reduction.sizes.size() - 1; i >= 0; --i) {
    const int64_t size = reduction.sizes[i], stride = reduction.strides[i] * item_size(reduction.dtype);
    const bool reduced = reduction.reduced >> i & 1;
    (reduced ? plan.group : plan.outputs) *= size;
    if (reduced) add_dim(plan.reduced_dims, plan.reduced_sizes, plan.reduced_strides, size, stride);
    else add_dim(plan.kept_dims, plan.kept_sizes, plan.kept_strides, size, stride);
  }
  // Neighbouring threads read neighbouring elements: along the outputs where those lie closer.
  const int64_t kept = plan.kept_dims ? std::abs(plan.kept_strides[0]) : INT64_MAX;
  const int64_t reduced = plan.reduced_dims ? std::abs(plan.reduced_strides[0]) : INT64_MAX;
  if (kept < reduced || plan.group < 32) plan.across = plan.group < 8 ? block_threads : 32;
  // Few outputs of large groups: several blocks for each, by the sizes alone.
  const int64_t tiles = (plan.outputs + plan.across - 1) / plan.across;
  const int64_t lanes = block_threads / plan.across;
  while (tiles * plan.splits < 256 && plan.group / (plan.splits * lanes) >= 64) plan.splits *= 2;
  return plan;
}

}  // namespace

namespace kernels {

__device__ __forceinline__ int64_t offset_of(int64_t i, int dims, const int64_t* sizes,
                                             const int64_t* strides, bool narrow) {
  int64_t offset = 0;
  for (int d = 0; d < dims; ++d) {
    int64_t place = i;
    if (d + 1 < dims) {
      const int64_t quotient = narrow ? std::uint32_t(i) / std::uint32_t(sizes[d]) : i / sizes[d];
      place = i - quotient * sizes[d];
      i = quotient;
    }
    offset += place * strides[d];
  }
  return offset;
}

/// Combines the partial results of the threads that share an output; the first of them gets the whole.
template <class Op>
__device__ __forceinline__ void combine_lanes(const Op& op, typename Op::Partial& mine, int across) {
  // As bytes: shared variables have no constructors.
  __shared__ alignas(16) unsigned char memory[block_threads * sizeof(typename Op::Partial)];
  auto* shared = reinterpret_cast<typename Op::Partial*>(memory);
  shared[threadIdx.x] = mine;
  __syncthreads();
  for (int half = block_threads / across / 2; half > 0; half /= 2) {
    const int other = int(threadIdx.x) + half * across;
    if (int(threadIdx.x) < half * across)
      shared[threadIdx.x] = op.combine(shared[threadIdx.x], shared[other]);
    __syncthreads();
  }
  mine = shared[threadIdx.x];
}

/// Block b: tile b / splits of the outputs, part b % splits of their groups.
template <class Op>
__global__ void __launch_bounds__(block_threads) reduce(const Op op, const ReducePlan plan) {
  using W = typename Op::Value;
  const int column = threadIdx.x % plan.across, lane = threadIdx.x / plan.across;
  const int lanes = block_threads / plan.across;
  const int64_t output = int64_t(blockIdx.x) / plan.splits * plan.across + column;
  const int64_t split = int64_t(blockIdx.x) % plan.splits;
  auto partial = op.start();
  if (output < plan.outputs) {
    const bool narrow = plan.outputs <= UINT32_MAX && plan.group <= UINT32_MAX;
    const char* x = plan.x + offset_of(output, plan.kept_dims, plan.kept_sizes, plan.kept_strides, narrow);
    for (int64_t i = split * lanes + lane; i < plan.group; i += int64_t(lanes) * plan.splits) {
      const int64_t offset =
          offset_of(i, plan.reduced_dims, plan.reduced_sizes, plan.reduced_strides, narrow);
      op.take(partial, load<W>(x + offset, plan.dtype), i);
    }
  }
  combine_lanes(op, partial, plan.across);
  if (lane != 0 || output >= plan.outputs) return;
  if (plan.splits > 1)
    static_cast<typename Op::Partial*>(plan.partials)[output * plan.splits + split] = partial;
  else op.finish(partial, plan.group, plan, output);
}

/// Output by output, the partial results of its splits, in order.
template <class Op>
__global__ void __launch_bounds__(block_threads) reduce_partials(const Op op, const ReducePlan plan) {
  const int64_t output = thread_number();
  if (output >= plan.outputs) return;
  const auto* partials = static_cast<const typename Op::Partial*>(plan.partials) + output * plan.splits;
  auto whole = partials[0];
  for (int i = 1; i < plan.splits; ++i) whole = op.combine(whole, partials[i]);
  op.finish(whole, plan.group, plan, output);
}

__device__ __forceinline__ char* place(const ReducePlan& plan, int64_t output) {
  return plan.y + output * item_size(plan.output);
}
/// value as the output's dtype, which may be of another kind.
template <class W>
__device__ __forceinline__ void put(const ReducePlan& plan, int64_t output, W value) {
  if constexpr (std::is_integral_v<W>) {
    if (is_floating_point(plan.output)) return store(place(plan, output), plan.output, double(value));
    if (is_complex(plan.output)) return store(place(plan, output), plan.output, Complex(double(value), 0));
  } else if constexpr (std::is_floating_point_v<W>) {
    if (is_complex(plan.output)) return store(place(plan, output), plan.output, Complex(value, 0));
  }
  store(place(plan, output), plan.output, value);
}

template <class W>
struct Sum {
  using Value = W;
  using Partial = W;
  bool skip_nan = false, average = false;
  __device__ Partial start() const { return W(0); }
  __device__ void take(Partial& sum, W x, int64_t) const {
    if (!(skip_nan && x != x)) sum += x;
  }
  __device__ Partial combine(Partial a, Partial b) const { return a + b; }
  __device__ void finish(Partial sum, int64_t count, const ReducePlan& plan, int64_t output) const {
    if constexpr (std::is_integral_v<W>) {
      if (average) return put(plan, output, double(sum) / double(count));
    } else {
      if (average) return put(plan, output, sum / double(count));
    }
    put(plan, output, sum);
  }
};

template <class W>
struct Product {
  using Value = W;
  using Partial = W;
  __device__ Partial start() const { return W(1); }
  __device__ void take(Partial& product, W x, int64_t) const { product *= x; }
  __device__ Partial combine(Partial a, Partial b) const { return a * b; }
  __device__ void finish(Partial product, int64_t, const ReducePlan& plan, int64_t output) const {
    put(plan, output, product);
  }
};

/// Count, mean and sum of squared distances from it, combined as Chan, Golub & LeVeque (1979) do.
template <class W>
struct Moments {
  double count;
  W mean;
  double squares;
};
template <class W>
struct Variance {
  using Value = W;
  using Partial = Moments<W>;
  double correction;
  __device__ static double size(W x) {
    if constexpr (is_complex_v<W>) return x.real() * x.real() + x.imag() * x.imag();
    else return x * x;
  }
  __device__ Partial start() const { return {0, W(0), 0}; }
  __device__ void take(Partial& m, W x, int64_t) const { m = combine(m, {1, x, 0}); }
  __device__ Partial combine(const Partial& a, const Partial& b) const {
    if (b.count == 0) return a;
    if (a.count == 0) return b;
    const double count = a.count + b.count, share = b.count / count;
    const W gap = b.mean - a.mean;
    return {count, a.mean + gap * share, a.squares + b.squares + size(gap) * (a.count * share)};
  }
  __device__ void finish(const Partial& m, int64_t count, const ReducePlan& plan, int64_t output) const {
    const double degrees = fmax(0., double(count) - correction);
    store(place(plan, output), plan.output, m.squares / degrees);
  }
};

template <class W>
struct Norm {
  using Value = W;
  using Partial = double;
  double p;
  __device__ Partial start() const { return p < 0 && isinf(p) ? INFINITY : 0.; }
  __device__ void take(Partial& sum, W x, int64_t) const {
    double size;
    if constexpr (is_complex_v<W>) size = hypot(x.real(), x.imag());
    else size = fabs(x);
    if (isinf(p)) sum = combine(sum, size);
    else sum += p == 2 ? size * size : p == 1 ? size : p == 0 ? double(size != 0) : pow(size, p);
  }
  __device__ Partial combine(Partial a, Partial b) const {
    if (!isinf(p)) return a + b;
    if (a != a || b != b) return a + b;
    return (p > 0) == (a > b) ? a : b;
  }
  __device__ void finish(Partial sum, int64_t, const ReducePlan& plan, int64_t output) const {
    const double root = isinf(p) || p == 0 || p == 1 ? sum : p == 2 ? sqrt(sum) : pow(sum, 1 / p);
    store(place(plan, output), plan.output, root);
  }
};

struct Exponentials {
  double most, sum;
};
struct LogSumExp {
  using Value = double;
  using Partial = Exponentials;
  __device__ Partial start() const { return {-INFINITY, 0}; }
  __device__ void take(Partial& e, double x, int64_t) const { e = combine(e, {x, 1}); }
  __device__ Partial combine(const Partial& a, const Partial& b) const {
    const double most = a.most != a.most || a.most > b.most ? a.most : b.most;
    if (isinf(most))
      return {most, a.most == most && b.most == most ? a.sum + b.sum : a.most == most ? a.sum : b.sum};
    return {most, a.sum * exp(a.most - most) + b.sum * exp(b.most - most)};
  }
  __device__ void finish(const Partial& e, int64_t, const ReducePlan& plan, int64_t output) const {
    store(place(plan, output), plan.output, e.sum == 0 ? -INFINITY : e.most + log(e.sum));
  }
};

template <class W>
struct Found {
  W value;
  int64_t place;  // -1: nothing yet
};
/// The first of the largest (smallest), or the first NaN.
template <class W, bool largest>
struct Extreme {
  using Value = W;
  using Partial = Found<W>;
  bool place_only = false;
  __device__ Partial start() const { return {W(0), -1}; }
  __device__ void take(Partial& best, W x, int64_t i) const { best = combine(best, {x, i}); }
  __device__ Partial combine(const Partial& a, const Partial& b) const {
    if (a.place < 0) return b;
    if (b.place < 0) return a;
    const bool a_nan = a.value != a.value, b_nan = b.value != b.value;
    if (a_nan != b_nan) return a_nan ? a : b;
    if (a_nan || a.value == b.value) return a.place < b.place ? a : b;
    return largest == (a.value > b.value) ? a : b;
  }
  __device__ void finish(const Partial& best, int64_t, const ReducePlan& plan, int64_t output) const {
    if (place_only) return store(place(plan, output), plan.output, best.place);
    store(place(plan, output), plan.output, best.value);
    if (plan.indices) plan.indices[output] = best.place;
  }
};

enum class Question { any, all, count };
template <class W>
struct NonZero {
  using Value = W;
  using Partial = int64_t;  // how many are not zero
  Question question;
  __device__ Partial start() const { return 0; }
  __device__ void take(Partial& count, W x, int64_t) const { count += x != W(0); }
  __device__ Partial combine(Partial a, Partial b) const { return a + b; }
  __device__ void finish(Partial count, int64_t group, const ReducePlan& plan, int64_t output) const {
    if (question == Question::count) return put(plan, output, count);
    put(plan, output, int64_t(question == Question::any ? count > 0 : count == group));
  }
};

}  // namespace kernels

namespace {

template <class Op>
void run(const Op& op, const cpu::Reduction& reduction, const char* name, int64_t* indices = nullptr) {
  ReducePlan plan = plan_of(reduction, indices);
  if (plan.outputs == 0) return;
  const int64_t tiles = (plan.outputs + plan.across - 1) / plan.across;
  const cudaStream_t stream = runtime().stream_in_use();
  const Scratch partials(plan.splits > 1 ? plan.outputs * plan.splits * int64_t(sizeof(typename Op::Partial))
                                         : 0);
  plan.partials = partials.data();
  kernels::reduce<<<unsigned(tiles * plan.splits), block_threads, 0, stream>>>(op, plan);
  check_launch(name);
  if (plan.splits == 1) return;
  kernels::reduce_partials<<<unsigned((plan.outputs + block_threads - 1) / block_threads), block_threads, 0,
                             stream>>>(op, plan);
  check_launch(name);
}

void check_kinds(const cpu::Reduction& r, const char* op) {
  check<DTypeError>(!(is_complex(r.dtype) && !is_complex(r.output)) &&
                        !(is_floating_point(r.dtype) && is_integral(r.output, true)),
                    op, ": a result of dtype ", r.output, " cannot hold that of ", r.dtype);
}

template <bool largest>
void extreme(const cpu::Reduction& r, const char* op, int64_t* indices, bool place_only) {
  check<DTypeError>(!is_complex(r.dtype), op, ": complex numbers have no order");
  visit_wide(r.dtype, [&]<class W>() {
    if constexpr (!is_complex_v<W>) run(kernels::Extreme<W, largest>{place_only}, r, op, indices);
  });
}

void question(const cpu::Reduction& r, const char* op, kernels::Question asked) {
  visit_wide(r.dtype, [&]<class W>() { run(kernels::NonZero<W>{asked}, r, op); });
}

}  // namespace

void sum(const cpu::Reduction& r) {
  check_kinds(r, "sum");
  visit_wide(r.dtype, [&]<class W>() { run(kernels::Sum<W>{}, r, "sum"); });
}
void nansum(const cpu::Reduction& r) { run(kernels::Sum<double>{.skip_nan = true}, r, "nansum"); }
void mean(const cpu::Reduction& r) {
  check_kinds(r, "mean");
  visit_wide(r.dtype, [&]<class W>() { run(kernels::Sum<W>{.average = true}, r, "mean"); });
}
void prod(const cpu::Reduction& r) {
  check_kinds(r, "prod");
  visit_wide(r.dtype, [&]<class W>() { run(kernels::Product<W>{}, r, "prod"); });
}
void var(const cpu::Reduction& r, double correction, void* average) {
  check<DeviceError>(!average, "var: the averages are not written on CUDA");
  if (is_complex(r.dtype)) run(kernels::Variance<Complex>{correction}, r, "var");
  else run(kernels::Variance<double>{correction}, r, "var");
}
void norm(const cpu::Reduction& r, double p) {
  check<ValueError>((p >= 0 && !std::isinf(p)) || plan_of(r, nullptr).group > 0, "norm: p = ", p,
                    " needs at least one element");
  if (is_complex(r.dtype)) run(kernels::Norm<Complex>{p}, r, "norm");
  else run(kernels::Norm<double>{p}, r, "norm");
}
void logsumexp(const cpu::Reduction& r) { run(kernels::LogSumExp{}, r, "logsumexp"); }
void max(const cpu::Reduction& r) { extreme<true>(r, "max", nullptr, false); }
void min(const cpu::Reduction& r) { extreme<false>(r, "min", nullptr, false); }
void argmax(const cpu::Reduction& r) { extreme<true>(r, "argmax", nullptr, true); }
void argmin(const cpu::Reduction& r) { extreme<false>(r, "argmin", nullptr, true); }
void max_with_indices(const cpu::Reduction& r, int64_t* indices) { extreme<true>(r, "max", indices, false); }
void min_with_indices(const cpu::Reduction& r, int64_t* indices) { extreme<false>(r, "min", indices, false); }
void any(const cpu::Reduction& r) { question(r, "any", kernels::Question::any); }
void all(const cpu::Reduction& r) { question(r, "all", kernels::Question::all); }
void count_nonzero(const cpu::Reduction& r) { question(r, "count_nonzero", kernels::Question::count); }

}  // namespace taper::cuda
