// Dropout layers.
#include "taper/nn/dropout.h"

#include "nn/initial.h"

namespace taper::nn {

namespace {

double checked_probability(double p) {
  check<ValueError>(p >= 0 && p <= 1, "dropout probability has to be between 0 and 1, but got ", p);
  return p;
}

}  // namespace

Dropout::Dropout(double p) : p_(checked_probability(p)) {}
Tensor Dropout::forward(const Tensor& x) { return dropout(x, p_, is_training()); }
std::string Dropout::extra_repr() const { return concat("p=", p_); }

template <int dims>
DropoutOf<dims>::DropoutOf(double p) : p_(checked_probability(p)) {}
template <int dims>
Tensor DropoutOf<dims>::forward(const Tensor& x) {
  // Without a batch the first dimension holds the channels.
  if (x.ndim() == dims + 1) return squeeze(feature_dropout(unsqueeze(x, 0), p_, is_training()), Shape{0});
  return feature_dropout(x, p_, is_training());
}
template class DropoutOf<1>;
template class DropoutOf<2>;
template class DropoutOf<3>;

AlphaDropout::AlphaDropout(double p) : p_(checked_probability(p)) {}

Tensor AlphaDropout::forward(const Tensor& x) { return alpha_dropout(x, p_, is_training()); }

FeatureAlphaDropout::FeatureAlphaDropout(double p) : p_(checked_probability(p)) {}
Tensor FeatureAlphaDropout::forward(const Tensor& x) { return feature_alpha_dropout(x, p_, is_training()); }

}  // namespace taper::nn
