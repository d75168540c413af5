// Normalization layers.
#include "taper/nn/normalization.h"

#include "nn/initial.h"

namespace taper::nn {

namespace {

const char* truth(bool value) { return value ? "True" : "False"; }
Tensor value_of(const Tensor* tensor) { return tensor ? *tensor : Tensor(); }

}  // namespace

BatchNorm::BatchNorm(std::int64_t channels, BatchNormOptions options)
    : channels_(channels), options_(options) {
  if (options_.affine) {
    weight_ = &register_parameter("weight", ones({channels}));
    bias_ = &register_parameter("bias", zeros({channels}));
  }
  if (!options_.track_running_stats) return;
  mean_ = &register_buffer("running_mean", zeros({channels}));
  var_ = &register_buffer("running_var", ones({channels}));
  batches_ = &register_buffer("num_batches_tracked", zeros({}, int64));
}

Tensor BatchNorm::forward(const Tensor& x) {
  const bool training = is_training() || !mean_;
  double momentum = options_.momentum.value_or(0);
  if (training && batches_) {
    add_(*batches_, 1);
    if (!options_.momentum) momentum = 1 / double(batches_->item<std::int64_t>());
  }
  return batch_norm(x, value_of(mean_), value_of(var_), value_of(weight_), value_of(bias_), training,
                    momentum, options_.eps);
}

std::string BatchNorm::extra_repr() const {
  return concat(channels_, ", eps=", options_.eps,
                ", momentum=", options_.momentum ? concat(*options_.momentum) : std::string("None"),
                ", affine=", truth(options_.affine),
                ", track_running_stats=", truth(options_.track_running_stats));
}

template <int dims, int least, int most>
Tensor BatchNormOf<dims, least, most>::forward(const Tensor& x) {
  check<ShapeError>(x.ndim() >= least && x.ndim() <= most, name(), ": expected ",
                    least == most ? concat(least) : concat(least, " or ", most), " dimensions, got shape ",
                    x.sizes());
  return BatchNorm::forward(x);
}
template class BatchNormOf<1, 2, 3>;
template class BatchNormOf<2, 4, 4>;
template class BatchNormOf<3, 5, 5>;

LayerNorm::LayerNorm(const Extent& normalized_shape, LayerNormOptions options)
    : normalized_(normalized_shape), options_(options) {
  if (!options_.elementwise_affine) return;
  weight_ = &register_parameter("weight", ones(normalized_));
  if (options_.bias) bias_ = &register_parameter("bias", zeros(normalized_));
}

Tensor LayerNorm::forward(const Tensor& x) {
  return layer_norm(x, normalized_, value_of(weight_), value_of(bias_), options_.eps);
}
std::string LayerNorm::extra_repr() const {
  return concat(tuple_text(normalized_), ", eps=", options_.eps,
                ", elementwise_affine=", truth(options_.elementwise_affine), ", bias=", truth(options_.bias));
}

RMSNorm::RMSNorm(const Extent& normalized_shape, std::optional<double> eps, bool elementwise_affine)
    : normalized_(normalized_shape), eps_(eps) {
  if (elementwise_affine) weight_ = &register_parameter("weight", ones(normalized_));
}

Tensor RMSNorm::forward(const Tensor& x) { return rms_norm(x, normalized_, value_of(weight_), eps_); }

GroupNorm::GroupNorm(std::int64_t groups, std::int64_t channels, double eps, bool affine)
    : groups_(groups), channels_(channels), eps_(eps) {
  check<ValueError>(groups > 0 && channels % groups == 0, "GroupNorm: ", channels,
                    " channels are not divisible by ", groups, " groups");
  if (!affine) return;
  weight_ = &register_parameter("weight", ones({channels}));
  bias_ = &register_parameter("bias", zeros({channels}));
}

Tensor GroupNorm::forward(const Tensor& x) {
  return group_norm(x, groups_, value_of(weight_), value_of(bias_), eps_);
}
std::string GroupNorm::extra_repr() const {
  return concat(groups_, ", ", channels_, ", eps=", eps_, ", affine=", truth(weight_ != nullptr));
}

template <int dims>
InstanceNorm<dims>::InstanceNorm(std::int64_t channels, double eps, bool affine)
    : channels_(channels), eps_(eps) {
  if (!affine) return;
  weight_ = &register_parameter("weight", ones({channels}));
  bias_ = &register_parameter("bias", zeros({channels}));
}

// Each channel is a group of its own.
template <int dims>
Tensor InstanceNorm<dims>::forward(const Tensor& x) {
  check<ShapeError>(x.ndim() == dims + 1 || x.ndim() == dims + 2, name(), ": expected ", dims + 1, " or ",
                    dims + 2, " dimensions, got shape ", x.sizes());
  const bool single = x.ndim() == dims + 1;
  const Tensor batch = single ? unsqueeze(x, 0) : x;
  check<ShapeError>(batch.sizes()[1] == channels_ || !weight_, name(), ": expected ", channels_,
                    " channels, got shape ", x.sizes());
  const Tensor y = group_norm(batch, batch.sizes()[1], value_of(weight_), value_of(bias_), eps_);
  return single ? squeeze(y, Shape{0}) : y;
}
template class InstanceNorm<1>;
template class InstanceNorm<2>;
template class InstanceNorm<3>;

Tensor LocalResponseNorm::forward(const Tensor& x) {
  return local_response_norm(x, size_, alpha_, beta_, k_);
}

}  // namespace taper::nn
