// Norms by cuDNN, where backends().cudnn.benchmark asks for the fastest: cuDNN compiles a kernel for each
// size, which takes it about a second, and is kept for that size if it is faster than `own`, the kernels of
// this library. False, with nothing written that own would not write again, where own is to run.
#pragma once

#include <functional>

#include "cpu/normalization.h"

namespace taper::cuda {

bool cudnn_batch_norm(const cpu::ChannelNorm& norm, double eps, const void* x, const void* weight,
                      const void* bias, void* y, double* mean, double* variance, double* rstd,
                      const std::function<void()>& own);
bool cudnn_batch_norm_backward(const cpu::ChannelNorm& norm, const void* x, const void* dy,
                               const void* weight, const double* mean, const double* rstd, void* dx, void* dw,
                               void* db, const std::function<void()>& own);
/// Of devices of compute capability 9.0 and more: for older ones cuDNN needs 15 to 45 s.
bool cudnn_row_norm(const cpu::RowNorm& norm, const void* x, const void* weight, const void* bias, void* y,
                    double* mean, double* rstd, const std::function<void()>& own);
bool cudnn_row_norm_backward(const cpu::RowNorm& norm, const void* x, const void* dy, const void* weight,
                             const double* mean, const double* rstd, void* dx, void* dw, void* db,
                             const std::function<void()>& own);

}  // namespace taper::cuda
