// Layer, RMS, batch and group normalization and their gradients, on raw pointers.
#pragma once

#include <cstdint>

#include "taper/dtype.h"

namespace taper::cpu {

// Statistics are float64 arrays throughout: the mean and the reciprocal standard deviation 1 / sqrt(variance
// + eps), with the biased variance. They are computed from values shifted near their mean, so that a mean far
// from 0 costs no accuracy. weight, bias, dw and db have a floating dtype of their own; each may be null
// (weights 1, biases 0, gradients not wanted), as may dx.

/// Layer norm over rows x [rows, size]: y = (x - mean) rstd weight + bias, weight and bias [size]; or RMS
/// norm, y = x rstd weight with rstd = 1 / sqrt(mean(x^2) + eps), if not centered. Ba, Kiros & Hinton 2016,
/// arXiv:1607.06450; Zhang & Sennrich 2019, arXiv:1910.07467.
struct RowNorm {
  DType dtype;
  DType parameter_dtype;
  std::int64_t rows, size;
  double eps = 1e-5;
  bool centered = true;
};

/// Writes mean [rows] (if centered) and rstd [rows] unless null.
void row_norm(const RowNorm& norm, const void* x, const void* weight, const void* bias, void* y, double* mean,
              double* rstd);
void row_norm_backward(const RowNorm& norm, const void* x, const void* dy, const void* weight,
                       const double* mean, const double* rstd, void* dx, void* dw, void* db);

/// x [batch, channels, plane], dense in this order or, if channels_last, as [batch, plane, channels].
/// weight and bias [channels].
struct ChannelNorm {
  DType dtype;
  DType parameter_dtype;
  std::int64_t batch, channels, plane;
  bool channels_last = true;
};

/// Over batch and plane, per channel. Writes mean, variance (biased) and rstd, each [channels].
/// Ioffe & Szegedy 2015, arXiv:1502.03167.
void batch_norm(const ChannelNorm& norm, double eps, const void* x, const void* weight, const void* bias,
                void* y, double* mean, double* variance, double* rstd);
/// With given statistics, each [channels].
void batch_norm_inference(const ChannelNorm& norm, const void* x, const void* weight, const void* bias,
                          const double* mean, const double* rstd, void* y);
/// training: mean and rstd are those of x, and their gradients are part of dx.
void batch_norm_backward(const ChannelNorm& norm, bool training, const void* x, const void* dy,
                         const void* weight, const double* mean, const double* rstd, void* dx, void* dw,
                         void* db);

/// Over the channels of a group and the plane, per image; groups divides channels. groups == channels is
/// instance norm. Writes mean and rstd, each [batch, groups]. Wu & He 2018, arXiv:1803.08494.
void group_norm(const ChannelNorm& norm, std::int64_t groups, double eps, const void* x, const void* weight,
                const void* bias, void* y, double* mean, double* rstd);
void group_norm_backward(const ChannelNorm& norm, std::int64_t groups, const void* x, const void* dy,
                         const void* weight, const double* mean, const double* rstd, void* dx, void* dw,
                         void* db);

}  // namespace taper::cpu
