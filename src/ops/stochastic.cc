// Functions of networks that draw random numbers, composed of other operations; plain dropout is in
// random.cc.
#include <cmath>

#include "ops/inplace.h"
#include "ops/registry.h"
#include "taper/ops.h"

namespace taper {

namespace {

// x where a mask of the given sizes keeps it, with probability 1 - p, and elsewhere what SELU tends to far
// below zero; scaled so that mean and variance stay.
Tensor alpha_dropped(const Tensor& x, double p, bool training, const Shape& mask_sizes, const char* op) {
  check<ValueError>(p >= 0 && p <= 1, op, ": probability has to be between 0 and 1, but got ", p);
  if (!training || p == 0) return x;
  if (p == 1) return x * 0;
  constexpr double lowest = -1.7580993408473766;
  const double scale = 1 / std::sqrt((1 - p) * (1 + p * lowest * lowest)), shift = -scale * p * lowest;
  const Tensor kept = to(bernoulli(full(mask_sizes, 1 - p, real_dtype(x.dtype()), x.device())), x.dtype());
  return (x * kept + lowest * (1 - kept)) * scale + shift;
}

}  // namespace

Tensor alpha_dropout(const Tensor& x, double p, bool training) {
  return alpha_dropped(x, p, training, x.sizes(), "alpha_dropout");
}

Tensor feature_alpha_dropout(const Tensor& x, double p, bool training) {
  if (!training) return alpha_dropout(x, p, false);
  check<ShapeError>(x.ndim() >= 2, "feature_alpha_dropout: needs at least 2 dimensions, got shape ",
                    x.sizes());
  Shape sizes = Shape::filled(x.ndim(), 1);
  sizes[0] = x.size(0);
  sizes[1] = x.size(1);
  return alpha_dropped(x, p, training, sizes, "feature_alpha_dropout");
}

Tensor rrelu(const Tensor& x, double lower, double upper, bool training) {
  check<ValueError>(lower <= upper, "rrelu: lower bound ", lower,
                    " should be less than or equal to the upper bound ", upper);
  if (!training) return leaky_relu(x, (lower + upper) / 2);
  return where(ge(x, 0), x, x * uniform_(empty_like(x.detach()), lower, upper));
}

Tensor gumbel_softmax(const Tensor& logits, double tau, bool hard, std::int64_t dim) {
  const Tensor noise = neg(log(exponential_(empty_like(logits.detach()))));
  const Tensor soft = softmax((logits + noise) / tau, dim);
  if (!hard) return soft;
  const Tensor place = argmax(soft.detach(), dim, true);
  return scatter(zeros_like(soft.detach()), dim, place, 1.0) - soft.detach() + soft;
}

namespace {

template <auto function>
Tensor dropout_call(const Tensor& x, double p, bool training, bool inplace) {
  if (!inplace) return function(x, p, training);
  return taper::inplace("alpha_dropout_", x,
                        [&](const Tensor& before) { return function(before, p, training); });
}
Tensor rrelu_call(const Tensor& x, double lower, double upper, bool training, bool inplace) {
  if (!inplace) return rrelu(x, lower, upper, training);
  return taper::inplace("rrelu_", x,
                        [&](const Tensor& before) { return rrelu(before, lower, upper, training); });
}
Tensor gumbel_softmax_call(const Tensor& logits, double tau, bool hard, double, std::int64_t dim) {
  return gumbel_softmax(logits, tau, hard, dim);
}

const Register alpha_dropout_op{
    {.signature =
         "alpha_dropout(Tensor input, float p=0.5, bool training=False, bool inplace=False) -> Tensor",
     .doc = "Dropout that keeps mean and variance under SELU: Klambauer et al. 2017, arXiv:1706.02515.",
     .call = box<dropout_call<alpha_dropout>>,
     .homes = "nn.functional",
     .samples = "x(2, 3); x(2, 3), 0.0, True; x(2, 3), 1.0, True",
     .reference = "input * (p < 1)",
     .errors = "x(3), 1.5"}};
const Register feature_alpha_dropout_op{{.signature = "feature_alpha_dropout(Tensor input, float p=0.5, bool "
                                                      "training=False, bool inplace=False) -> Tensor",
                                         .doc = "alpha_dropout of whole channels.",
                                         .call = box<dropout_call<feature_alpha_dropout>>,
                                         .homes = "nn.functional",
                                         .samples = "x(2, 3, 4); x(2, 3, 4), 0.0, True; x(2, 3), 1.0, True",
                                         .reference = "input * (p < 1)",
                                         .errors = "x(3, 2), 1.5"}};
const Register rrelu_op{
    {.signature =
         "rrelu(Tensor input, float lower=0.125, float upper=0.3333333333333333, bool training=False, bool "
         "inplace=False) -> Tensor",
     .doc = "leaky_relu with slopes drawn from [lower, upper] in training, with their mean otherwise.",
     .call = box<rrelu_call>,
     .homes = "taper nn.functional",
     .samples = "x(2, 3); x(5), 0.1, 0.3",
     .reference = "np.where(input > 0, input, input * (lower + upper) / 2)",
     .errors = "x(3), 0.5, 0.25"}};
const Register gumbel_softmax_op{
    {.signature =
         "gumbel_softmax(Tensor logits, float tau=1, bool hard=False, float eps=1e-10, int dim=-1) -> Tensor",
     .doc = "Samples of a relaxed categorical distribution: Jang et al. 2016, arXiv:1611.01144.",
     .call = box<gumbel_softmax_call>,
     .homes = "nn.functional",
     .samples = "x(2, 1); x(1, 3), dim=0",
     .reference = "np.ones(logits.shape)",
     .errors = "x(3), dim=1"}};

}  // namespace

}  // namespace taper
