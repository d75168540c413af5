// Layer, RMS, batch and group normalization on a device: as in cpu/normalization.h.
#pragma once

#include "cpu/normalization.h"

namespace taper::cuda {

void row_norm(const cpu::RowNorm& norm, const void* x, const void* weight, const void* bias, void* y,
              double* mean, double* rstd);
void row_norm_backward(const cpu::RowNorm& norm, const void* x, const void* dy, const void* weight,
                       const double* mean, const double* rstd, void* dx, void* dw, void* db);
void batch_norm(const cpu::ChannelNorm& norm, double eps, const void* x, const void* weight, const void* bias,
                void* y, double* mean, double* variance, double* rstd);
void batch_norm_backward(const cpu::ChannelNorm& norm, bool training, const void* x, const void* dy,
                         const void* weight, const double* mean, const double* rstd, void* dx, void* dw,
                         void* db);
void batch_norm_inference(const cpu::ChannelNorm& norm, const void* x, const void* weight, const void* bias,
                          const double* mean, const double* rstd, void* y);
void group_norm(const cpu::ChannelNorm& norm, std::int64_t groups, double eps, const void* x,
                const void* weight, const void* bias, void* y, double* mean, double* rstd);
void group_norm_backward(const cpu::ChannelNorm& norm, std::int64_t groups, const void* x, const void* dy,
                         const void* weight, const double* mean, const double* rstd, void* dx, void* dw,
                         void* db);
/// Statistics in float64 of those in float32: means and rstds of `count` sums, and the variances where these
/// are wanted. from_mean and mean may be null.
void widen_statistics(std::int64_t count, double eps, const float* from_mean, const float* from_rstd,
                      double* mean, double* variance, double* rstd);

}  // namespace taper::cuda
