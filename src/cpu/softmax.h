// Softmax, log-softmax, logsumexp and the fused cross entropy, on raw pointers.
#pragma once

#include <cstdint>

#include "taper/dtype.h"

namespace taper::cpu {

/// An array [outer, size, inner], contiguous, of a floating dtype; the middle dimension is the one
/// normalized.
struct Slices {
  DType dtype;
  std::int64_t outer, size, inner;
};

/// y = exp(x - max) / sum(exp(x - max)). A slice that is all -inf, or has +inf or NaN, gives NaN. y may be x.
void softmax(const Slices& slices, const void* x, void* y);
/// y = x - max - log(sum(exp(x - max))). y may be x.
void log_softmax(const Slices& slices, const void* x, void* y);
/// dx = y (dy - sum(y dy)), y being softmax's result. dx may be dy.
void softmax_backward(const Slices& slices, const void* y, const void* dy, void* dx);
/// dx = dy - exp(y) sum(dy), y being log_softmax's result. dx may be dy.
void log_softmax_backward(const Slices& slices, const void* y, const void* dy, void* dx);
/// y [outer, inner] = log(sum(exp(x))); -inf for a slice that is all -inf or empty, inf for one with inf.
void logsumexp(const Slices& slices, const void* x, void* y);

/// -log softmax(x)[target] by rows, as torch.nn.functional.cross_entropy:
///   loss = (1 - label_smoothing) w[t] (lse - x[t]) + label_smoothing / classes sum_c(w[c] (lse - x[c]))
/// and 0 for rows whose target is ignore_index.
struct CrossEntropy {
  DType dtype;  ///< of x, weight, loss, dloss, dx: floating
  std::int64_t rows, classes;
  const void* weight = nullptr;  ///< [classes], or null for ones
  std::int64_t ignore_index = -100;
  double label_smoothing = 0;
};

/// x [rows, classes], target [rows]. Writes loss [rows], log_sum_exp [rows] in float64 and, unless null,
/// row_weight [rows] in float64: w[target], or 0 for ignored rows, whose sum is the denominator of a mean.
/// Throws IndexError for a target that is neither a class nor ignore_index.
void cross_entropy(const CrossEntropy& entropy, const void* x, const std::int64_t* target, void* loss,
                   double* log_sum_exp, double* row_weight);
/// dx [rows, classes] from dloss [rows]. dx may be x.
void cross_entropy_backward(const CrossEntropy& entropy, const void* x, const std::int64_t* target,
                            const double* log_sum_exp, const void* dloss, void* dx);

}  // namespace taper::cpu
