// Softmax and cross entropy on a device: as in cpu/softmax.h. Pointers are to device memory.
#pragma once

#include "cpu/softmax.h"

namespace taper::cuda {

void softmax(const cpu::Slices& slices, const void* x, void* y);
void log_softmax(const cpu::Slices& slices, const void* x, void* y);
void softmax_backward(const cpu::Slices& slices, const void* y, const void* dy, void* dx);
void log_softmax_backward(const cpu::Slices& slices, const void* y, const void* dy, void* dx);
/// A target that is no class leaves NaN and is reported when the host next waits for the device.
void cross_entropy(const cpu::CrossEntropy& entropy, const void* x, const std::int64_t* target, void* loss,
                   double* log_sum_exp, double* row_weight);
void cross_entropy_backward(const cpu::CrossEntropy& entropy, const void* x, const std::int64_t* target,
                            const double* log_sum_exp, const void* dloss, void* dx);

}  // namespace taper::cuda
