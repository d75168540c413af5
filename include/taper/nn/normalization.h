// Normalization layers.
#pragma once

#include <optional>

#include "taper/nn/module.h"

namespace taper::nn {

struct BatchNormOptions {
  double eps = 1e-5;
  /// Weight of a new batch in the running statistics; none: they are plain means over all batches.
  std::optional<double> momentum = 0.1;
  bool affine = true, track_running_stats = true;
};

/// Normalization over the batch: [N, C, ...], of any number of dimensions. Ioffe & Szegedy, arXiv:1502.03167.
class BatchNorm : public Module {
 public:
  explicit BatchNorm(std::int64_t channels, BatchNormOptions options = {});
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;

 private:
  std::int64_t channels_;
  BatchNormOptions options_;
  Tensor *weight_ = nullptr, *bias_ = nullptr, *mean_ = nullptr, *var_ = nullptr, *batches_ = nullptr;
};

/// BatchNorm for inputs of least to most dimensions.
template <int dims, int least, int most>
class BatchNormOf : public BatchNorm {
 public:
  using BatchNorm::BatchNorm;
  Tensor forward(const Tensor& x) override;
  std::string name() const override { return "BatchNorm" + std::to_string(dims) + "d"; }
};
using BatchNorm1d = BatchNormOf<1, 2, 3>;
using BatchNorm2d = BatchNormOf<2, 4, 4>;
using BatchNorm3d = BatchNormOf<3, 5, 5>;
extern template class BatchNormOf<1, 2, 3>;
extern template class BatchNormOf<2, 4, 4>;
extern template class BatchNormOf<3, 5, 5>;

struct LayerNormOptions {
  double eps = 1e-5;
  bool elementwise_affine = true, bias = true;
};
/// Normalization over the last dimensions: Ba et al., arXiv:1607.06450.
class LayerNorm : public Module {
 public:
  explicit LayerNorm(const Extent& normalized_shape, LayerNormOptions options = {});
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;

 private:
  Shape normalized_;
  LayerNormOptions options_;
  Tensor *weight_ = nullptr, *bias_ = nullptr;
};

/// Division by the root of the mean square of the last dimensions: Zhang & Sennrich, arXiv:1910.07467.
class RMSNorm : public Module {
 public:
  explicit RMSNorm(const Extent& normalized_shape, std::optional<double> eps = std::nullopt,
                   bool elementwise_affine = true);
  Tensor forward(const Tensor& x) override;

 private:
  Shape normalized_;
  std::optional<double> eps_;
  Tensor* weight_ = nullptr;
};

/// Normalization over groups of channels of [N, C, ...]: Wu & He, arXiv:1803.08494.
class GroupNorm : public Module {
 public:
  GroupNorm(std::int64_t groups, std::int64_t channels, double eps = 1e-5, bool affine = true);
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;

 private:
  std::int64_t groups_, channels_;
  double eps_;
  Tensor *weight_ = nullptr, *bias_ = nullptr;
};

/// Normalization of each channel of each sample: Ulyanov et al., arXiv:1607.08022. Without running
/// statistics.
template <int dims>
class InstanceNorm : public Module {
 public:
  explicit InstanceNorm(std::int64_t channels, double eps = 1e-5, bool affine = false);
  Tensor forward(const Tensor& x) override;
  std::string name() const override { return "InstanceNorm" + std::to_string(dims) + "d"; }

 private:
  std::int64_t channels_;
  double eps_;
  Tensor *weight_ = nullptr, *bias_ = nullptr;
};
using InstanceNorm1d = InstanceNorm<1>;
using InstanceNorm2d = InstanceNorm<2>;
using InstanceNorm3d = InstanceNorm<3>;
extern template class InstanceNorm<1>;
extern template class InstanceNorm<2>;
extern template class InstanceNorm<3>;

/// Division by the energy of `size` neighbouring channels: Krizhevsky et al. 2012.
class LocalResponseNorm : public Module {
 public:
  explicit LocalResponseNorm(std::int64_t size, double alpha = 1e-4, double beta = 0.75, double k = 1)
      : size_(size), alpha_(alpha), beta_(beta), k_(k) {}
  Tensor forward(const Tensor& x) override;

 private:
  std::int64_t size_;
  double alpha_, beta_, k_;
};

}  // namespace taper::nn
