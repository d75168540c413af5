// The CTC loss: a block for each sample, its threads over the states of the path, step by step.
#include "cuda/ctc.h"

#include "cpu/ctc_path.h"
#include "cuda/block.cuh"
#include "cuda/element.cuh"

namespace taper::cuda {

namespace kernels {

using cpu::formulas::CtcPath;

/// Whether all labels of a sample are classes.
__device__ bool labels_are_classes(const cpu::Ctc& ctc, const CtcPath& path) {
  bool good = true;
  for (int64_t i = threadIdx.x; i < path.states / 2; i += block_threads)
    good = good && path.labels[i] >= 0 && path.labels[i] < ctc.classes;
  return __syncthreads_and(good);
}

template <class T>
__global__ void __launch_bounds__(block_threads)
    ctc_loss(const __grid_constant__ cpu::Ctc ctc, const void* log_probs, double* alpha, double* loss,
             int* fault) {
  const int64_t sample = blockIdx.x, steps = ctc.input_lengths[sample], row = ctc.batch * ctc.classes;
  const CtcPath path(ctc, sample);
  if (!labels_are_classes(ctc, path)) {
    if (threadIdx.x == 0) {
      atomicExch(fault, int(Fault::ctc_loss));
      loss[sample] = NAN;
    }
    return;
  }
  int64_t now = sample * ctc.classes;
  double* values = alpha + sample * ctc.steps * ctc.states();
  for (int64_t step = 0; step < steps; ++step, now += row) {
    const double* before = values;
    if (step > 0) values += ctc.states();
    for (int64_t s = threadIdx.x; s < path.states; s += block_threads) {
      const double arriving = step > 0 ? path.arriving(before, s) : s < 2 ? 0.0 : -INFINITY;
      values[s] = arriving + double(element<T>(log_probs, ctc.dtype, now + path.at(s)));
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) loss[sample] = steps > 0 ? path.loss(values) : path.states == 1 ? 0 : INFINITY;
}

/// The gradients of one step from passing [states], the probabilities that a path is in a state.
template <class T>
__device__ void put_gradients(const cpu::Ctc& ctc, const CtcPath& path, const void* log_probs,
                              const double* passing, double dloss, int64_t first, void* dlog_probs,
                              double* shared) {
  const auto put_class = [&](int64_t c, double sum) {
    const double probability = exp(double(element<T>(log_probs, ctc.dtype, first + c)));
    put(dlog_probs, ctc.dtype, first + c, T(dloss * (probability - sum)));
  };
  double blanks = 0;
  for (int64_t s = 2 * threadIdx.x; s < path.states; s += 2 * block_threads) blanks += passing[s];
  blanks = combine_block(blanks, shared, 1, Plus());
  for (int64_t c = threadIdx.x; c < ctc.classes; c += block_threads)
    put_class(c, c == ctc.blank ? blanks : 0);
  __syncthreads();
  // The first of equal labels sums for all of them, so that the order is fixed.
  for (int64_t i = threadIdx.x; i < path.states / 2; i += block_threads) {
    const int64_t label = path.labels[i];
    bool first_of_label = true;
    for (int64_t j = 0; j < i && first_of_label; ++j) first_of_label = path.labels[j] != label;
    if (!first_of_label) continue;
    double sum = label == ctc.blank ? blanks : 0;
    for (int64_t j = i; j < path.states / 2; ++j)
      if (path.labels[j] == label) sum += passing[2 * j + 1];
    put_class(label, sum);
  }
  __syncthreads();
}

/// work: [batch, 3, states].
template <class T>
__global__ void __launch_bounds__(block_threads)
    ctc_loss_backward(const __grid_constant__ cpu::Ctc ctc, const void* log_probs, const double* alpha,
                      const double* loss, const double* dloss, double* work, void* dlog_probs) {
  __shared__ double shared[block_threads];
  const int64_t sample = blockIdx.x, length = ctc.input_lengths[sample];
  const CtcPath path(ctc, sample);
  const bool counts = labels_are_classes(ctc, path) && dloss[sample] != 0;
  double *after = work + sample * 3 * ctc.states(), *beta = after + ctc.states(),
         *passing = beta + ctc.states();
  for (int64_t step = ctc.steps - 1; step >= 0; --step) {
    const int64_t first = (step * ctc.batch + sample) * ctc.classes;
    if (step >= length || !counts) {
      for (int64_t c = threadIdx.x; c < ctc.classes; c += block_threads)
        put(dlog_probs, ctc.dtype, first + c, T(0));
      continue;
    }
    for (int64_t s = threadIdx.x; s < path.states; s += block_threads) {
      const double leaving = step < length - 1      ? path.leaving(after, s)
                             : s + 2 >= path.states ? 0.0
                                                    : -INFINITY;
      passing[s] = exp(alpha[(sample * ctc.steps + step) * ctc.states() + s] + leaving + loss[sample]);
      beta[s] = leaving + double(element<T>(log_probs, ctc.dtype, first + path.at(s)));
    }
    __syncthreads();
    put_gradients<T>(ctc, path, log_probs, passing, dloss[sample], first, dlog_probs, shared);
    double* const free = after;
    after = beta;
    beta = free;
  }
}

}  // namespace kernels

void ctc_loss(const cpu::Ctc& ctc, const void* log_probs, double* alpha, double* loss) {
  visit_row_type(ctc.dtype, [&]<class T>() {
    kernels::ctc_loss<T><<<unsigned(ctc.batch), block_threads, 0, runtime().stream_in_use()>>>(
        ctc, log_probs, alpha, loss, runtime().fault_word());
  });
  check_launch("ctc_loss");
}

void ctc_loss_backward(const cpu::Ctc& ctc, const void* log_probs, const double* alpha, const double* loss,
                       const double* dloss, void* dlog_probs) {
  const Scratch work(ctc.batch * 3 * ctc.states() * int64_t(sizeof(double)));
  visit_row_type(ctc.dtype, [&]<class T>() {
    kernels::ctc_loss_backward<T><<<unsigned(ctc.batch), block_threads, 0, runtime().stream_in_use()>>>(
        ctc, log_probs, alpha, loss, dloss, work.data<double>(), dlog_probs);
  });
  check_launch("ctc_loss_backward");
}

}  // namespace taper::cuda
