// Softmax, log-softmax and the fused cross entropy: a block for each row, or for 32 neighbouring slices.
#include "cuda/block.cuh"
#include "cuda/element.cuh"
#include "cuda/softmax.h"

namespace taper::cuda {

namespace kernels {

/// The slice of a thread, and its lane among those that share the slice.
struct SliceAt {
  int across, lane, lanes;
  bool valid;
  int64_t first, step;

  __device__ SliceAt(const cpu::Slices& slices) {
    across = slices.inner == 1 ? 1 : 32;
    lane = threadIdx.x / across;
    lanes = block_threads / across;
    const int64_t tiles = (slices.inner + across - 1) / across;
    const int64_t outer = blockIdx.x / tiles, inner = blockIdx.x % tiles * across + threadIdx.x % across;
    valid = inner < slices.inner;
    step = slices.inner;
    first = outer * slices.size * slices.inner + inner;
  }
};

template <class T, bool logarithm>
__global__ void __launch_bounds__(block_threads) softmax(const cpu::Slices slices, const void* x, void* y) {
  __shared__ T shared[block_threads];
  const SliceAt at(slices);
  T most = T(-INFINITY);
  if (at.valid)
    for (int64_t i = at.lane; i < slices.size; i += at.lanes)
      most = Larger()(most, element<T>(x, slices.dtype, at.first + i * at.step));
  most = combine_block(most, shared, at.across, Larger());
  T sum = 0;
  if (at.valid)
    for (int64_t i = at.lane; i < slices.size; i += at.lanes)
      sum += exp(element<T>(x, slices.dtype, at.first + i * at.step) - most);
  sum = combine_block(sum, shared, at.across, Plus());
  if (!at.valid) return;
  const T log_sum = log(sum);
  for (int64_t i = at.lane; i < slices.size; i += at.lanes) {
    const int64_t place = at.first + i * at.step;
    const T shifted = element<T>(x, slices.dtype, place) - most;
    put(y, slices.dtype, place, logarithm ? shifted - log_sum : exp(shifted) / sum);
  }
}

template <class T, bool logarithm>
__global__ void __launch_bounds__(block_threads)
    softmax_backward(const cpu::Slices slices, const void* y, const void* dy, void* dx) {
  __shared__ T shared[block_threads];
  const SliceAt at(slices);
  T sum = 0;
  if (at.valid)
    for (int64_t i = at.lane; i < slices.size; i += at.lanes) {
      const int64_t place = at.first + i * at.step;
      const T gradient = element<T>(dy, slices.dtype, place);
      sum += logarithm ? gradient : gradient * element<T>(y, slices.dtype, place);
    }
  sum = combine_block(sum, shared, at.across, Plus());
  if (!at.valid) return;
  for (int64_t i = at.lane; i < slices.size; i += at.lanes) {
    const int64_t place = at.first + i * at.step;
    const T gradient = element<T>(dy, slices.dtype, place), output = element<T>(y, slices.dtype, place);
    put(dx, slices.dtype, place, logarithm ? gradient - exp(output) * sum : output * (gradient - sum));
  }
}

template <class T>
__device__ __forceinline__ T class_weight(const cpu::CrossEntropy& entropy, int64_t i) {
  return entropy.weight ? element<T>(entropy.weight, entropy.dtype, i) : T(1);
}

/// A block for each row.
template <class T>
__global__ void __launch_bounds__(block_threads)
    cross_entropy(const cpu::CrossEntropy entropy, const void* x, const int64_t* target, void* loss,
                  double* log_sum_exp, double* row_weight, int* fault) {
  __shared__ T shared[block_threads];
  const int64_t row = blockIdx.x, first = row * entropy.classes, wanted = target[row];
  T most = T(-INFINITY);
  for (int64_t i = threadIdx.x; i < entropy.classes; i += block_threads)
    most = Larger()(most, element<T>(x, entropy.dtype, first + i));
  most = combine_block(most, shared, 1, Larger());
  T sum = 0, weights = 0, weighted = 0;
  for (int64_t i = threadIdx.x; i < entropy.classes; i += block_threads) {
    const T value = element<T>(x, entropy.dtype, first + i);
    sum += exp(value - most);
    const T weight = class_weight<T>(entropy, i);
    weights += weight;
    weighted += weight * (value - most);
  }
  sum = combine_block(sum, shared, 1, Plus());
  if (entropy.label_smoothing > 0) {
    weights = combine_block(weights, shared, 1, Plus());
    weighted = combine_block(weighted, shared, 1, Plus());
  }
  if (threadIdx.x != 0) return;
  const T log_sum = log(sum);
  log_sum_exp[row] = double(most) + double(log_sum);
  const bool ignored = wanted == entropy.ignore_index, known = wanted >= 0 && wanted < entropy.classes;
  if (!ignored && !known) atomicExch(fault, int(Fault::cross_entropy));
  const T weight = known && !ignored ? class_weight<T>(entropy, wanted) : T(0);
  T value = T(0);
  if (!ignored) {
    value = known ? T(1 - entropy.label_smoothing) * weight *
                        (log_sum - (element<T>(x, entropy.dtype, first + wanted) - most))
                  : T(NAN);
    if (entropy.label_smoothing > 0)
      value += T(entropy.label_smoothing / double(entropy.classes)) * (weights * log_sum - weighted);
  }
  put(loss, entropy.dtype, row, value);
  if (row_weight) row_weight[row] = double(weight);
}

template <class T>
__global__ void __launch_bounds__(block_threads)
    cross_entropy_backward(const cpu::CrossEntropy entropy, const void* x, const int64_t* target,
                           const double* log_sum_exp, const void* dloss, void* dx) {
  __shared__ T shared[block_threads];
  const int64_t row = blockIdx.x, first = row * entropy.classes, wanted = target[row];
  const T spread = T(entropy.label_smoothing / double(entropy.classes));
  T weights = 0;
  if (entropy.label_smoothing > 0) {
    for (int64_t i = threadIdx.x; i < entropy.classes; i += block_threads)
      weights += class_weight<T>(entropy, i);
    weights = combine_block(weights, shared, 1, Plus());
  }
  const bool counts = wanted != entropy.ignore_index && wanted >= 0 && wanted < entropy.classes;
  const T gradient = element<T>(dloss, entropy.dtype, row);
  const T chosen = counts ? T(1 - entropy.label_smoothing) * class_weight<T>(entropy, wanted) : T(0);
  for (int64_t i = threadIdx.x; i < entropy.classes; i += block_threads) {
    const T probability = T(exp(double(element<T>(x, entropy.dtype, first + i)) - log_sum_exp[row]));
    T value = (chosen + spread * weights) * probability;
    if (i == wanted) value -= chosen;
    if (entropy.label_smoothing > 0) value -= spread * class_weight<T>(entropy, i);
    put(dx, entropy.dtype, first + i, counts ? gradient * value : T(0));
  }
}

}  // namespace kernels

namespace {

unsigned blocks_of(const cpu::Slices& slices) {
  const int64_t across = slices.inner == 1 ? 1 : 32;
  return unsigned(slices.outer * ((slices.inner + across - 1) / across));
}

template <bool logarithm>
void forward(const cpu::Slices& slices, const void* x, void* y, const char* op) {
  visit_row_type(slices.dtype, [&]<class T>() {
    kernels::softmax<T, logarithm>
        <<<blocks_of(slices), block_threads, 0, runtime().stream_in_use()>>>(slices, x, y);
  });
  check_launch(op);
}

template <bool logarithm>
void backward(const cpu::Slices& slices, const void* y, const void* dy, void* dx, const char* op) {
  visit_row_type(slices.dtype, [&]<class T>() {
    kernels::softmax_backward<T, logarithm>
        <<<blocks_of(slices), block_threads, 0, runtime().stream_in_use()>>>(slices, y, dy, dx);
  });
  check_launch(op);
}

}  // namespace

void softmax(const cpu::Slices& slices, const void* x, void* y) { forward<false>(slices, x, y, "softmax"); }
void log_softmax(const cpu::Slices& slices, const void* x, void* y) {
  forward<true>(slices, x, y, "log_softmax");
}
void softmax_backward(const cpu::Slices& slices, const void* y, const void* dy, void* dx) {
  backward<false>(slices, y, dy, dx, "softmax_backward");
}
void log_softmax_backward(const cpu::Slices& slices, const void* y, const void* dy, void* dx) {
  backward<true>(slices, y, dy, dx, "log_softmax_backward");
}

void cross_entropy(const cpu::CrossEntropy& entropy, const void* x, const int64_t* target, void* loss,
                   double* log_sum_exp, double* row_weight) {
  if (entropy.rows == 0) return;
  visit_row_type(entropy.dtype, [&]<class T>() {
    kernels::cross_entropy<T><<<unsigned(entropy.rows), block_threads, 0, runtime().stream_in_use()>>>(
        entropy, x, target, loss, log_sum_exp, row_weight, runtime().fault_word());
  });
  check_launch("cross_entropy");
}

void cross_entropy_backward(const cpu::CrossEntropy& entropy, const void* x, const int64_t* target,
                            const double* log_sum_exp, const void* dloss, void* dx) {
  if (entropy.rows == 0) return;
  visit_row_type(entropy.dtype, [&]<class T>() {
    kernels::cross_entropy_backward<T>
        <<<unsigned(entropy.rows), block_threads, 0, runtime().stream_in_use()>>>(entropy, x, target,
                                                                                  log_sum_exp, dloss, dx);
  });
  check_launch("cross_entropy_backward");
}

}  // namespace taper::cuda
