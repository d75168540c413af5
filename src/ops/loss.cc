// Losses composed of other operations.
#include "taper/ops/loss.h"

#include <cmath>
#include <numbers>

#include "autograd/record.h"
#include "ops/huber.h"
#include "ops/loss_reduction.h"
#include "ops/registry.h"
#include "taper/ops.h"

namespace taper {

LossReduction loss_reduction(std::string_view text, const char* op) {
  if (text == "mean") return LossReduction::mean;
  if (text == "sum") return LossReduction::sum;
  check<ValueError>(text == "none", op, ": ", text,
                    " is not a valid value for reduction; use 'none', 'mean' or 'sum'");
  return LossReduction::none;
}

Tensor reduce_loss(const Tensor& loss, LossReduction reduction) {
  return reduction == LossReduction::none ? loss : reduction == LossReduction::mean ? mean(loss) : sum(loss);
}

namespace {

// A loss over shapes that only broadcast is nearly always a mistake that trains on garbage.
void check_same_shape(const char* op, const Tensor& input, const Tensor& target, const char* first = "input",
                      const char* second = "target") {
  if (input.sizes() == target.sizes()) return;
  const std::string hint = input.numel() == target.numel()
                               ? concat("; reshape one of them, e.g. ", second, ".reshape(", input.sizes(),
                                        ") or ", first, ".squeeze(-1)")
                               : "";
  fail<ShapeError>(op, ": ", first, " has shape ", input.sizes(), " but ", second, " has shape ",
                   target.sizes(), "; they must be the same", hint);
}

Tensor reduced(const Tensor& loss, std::string_view reduction, const char* op) {
  return reduce_loss(loss, loss_reduction(reduction, op));
}
Tensor weighted(const Tensor& loss, const Tensor& weight) { return weight.defined() ? loss * weight : loss; }
Tensor positive(const Tensor& x) { return clamp(x, Scalar(0)); }

// Logarithms are bounded by -100, so that a probability of 0 costs something finite; the gradient is that of
// the formula, bounded likewise, so that a saturated input still learns.
struct BinaryCrossEntropy {
  static constexpr auto name = "binary_cross_entropy";
  static constexpr Saves saves{.inputs = 3};

  Tensor forward(const Tensor& input, const Tensor& target) const {
    const Tensor yes = clamp(log(input), Scalar(-100)), no = clamp(log1p(neg(input)), Scalar(-100));
    return neg(target * yes + (1 - target) * no);
  }
  std::array<Tensor, 2> backward(const Saved& saved, const Tensor& dy) const {
    const Tensor input = saved.input(0), target = saved.input(1);
    return {saved.needs(0) ? dy * (input - target) / clamp((1 - input) * input, Scalar(1e-12)) : Tensor(),
            saved.needs(1) ? dy * (log1p(neg(input)) - log(input)) : Tensor()};
  }
};

}  // namespace

Tensor mse_loss(const Tensor& input, const Tensor& target, std::string_view reduction, const Tensor& weight) {
  check_same_shape("mse_loss", input, target);
  return reduced(weighted(square(input - target), weight), reduction, "mse_loss");
}

Tensor l1_loss(const Tensor& input, const Tensor& target, std::string_view reduction, const Tensor& weight) {
  check_same_shape("l1_loss", input, target);
  return reduced(weighted(abs(input - target), weight), reduction, "l1_loss");
}

Tensor huber_loss(const Tensor& input, const Tensor& target, std::string_view reduction, double delta,
                  const Tensor& weight) {
  check_same_shape("huber_loss", input, target);
  check<ValueError>(delta > 0, "huber_loss: delta must be positive, got ", delta);
  return reduced(weighted(huber(input - target, delta), weight), reduction, "huber_loss");
}

Tensor smooth_l1_loss(const Tensor& input, const Tensor& target, std::string_view reduction, double beta) {
  check_same_shape("smooth_l1_loss", input, target);
  check<ValueError>(beta >= 0, "smooth_l1_loss: beta must not be negative, got ", beta);
  const Tensor difference = input - target;
  Tensor loss = beta == 0 ? abs(difference) : huber(difference, beta);
  if (beta != 0 && beta != 1) loss = loss / beta;
  return reduced(loss, reduction, "smooth_l1_loss");
}

Tensor binary_cross_entropy(const Tensor& input, const Tensor& target, const Tensor& weight,
                            std::string_view reduction) {
  check_same_shape("binary_cross_entropy", input, target);
  // On a device the check would have to wait for it.
  if (input.numel() && input.device().is_cpu())
    check<ValueError>(
        min(input.detach()).item<double>() >= 0 && max(input.detach()).item<double>() <= 1,
        "binary_cross_entropy: all elements of input should be between 0 and 1; apply sigmoid() or use "
        "binary_cross_entropy_with_logits");
  const DType dtype = promote_types(input.dtype(), target.dtype());
  const Tensor loss = record(BinaryCrossEntropy{}, to(input, dtype), to(target, dtype));
  return reduced(weighted(loss, weight), reduction, "binary_cross_entropy");
}

Tensor binary_cross_entropy_with_logits(const Tensor& input, const Tensor& target, const Tensor& weight,
                                        std::string_view reduction, const Tensor& pos_weight) {
  constexpr auto op = "binary_cross_entropy_with_logits";
  check_same_shape(op, input, target);
  Tensor yes = logsigmoid(input);
  if (pos_weight.defined()) yes = (1 + (pos_weight - 1) * target) * yes;
  return reduced(weighted((1 - target) * input - yes, weight), reduction, op);
}

Tensor kl_div(const Tensor& input, const Tensor& target, std::string_view reduction, bool log_target) {
  check_same_shape("kl_div", input, target);
  const Tensor loss = log_target ? exp(target) * (target - input) : xlogy(target, target) - target * input;
  if (reduction == "batchmean")
    return sum(loss) / double(std::max<std::int64_t>(input.ndim() ? input.size(0) : 1, 1));
  return reduced(loss, reduction, "kl_div");
}

Tensor poisson_nll_loss(const Tensor& input, const Tensor& target, bool log_input, bool full, double eps,
                        std::string_view reduction) {
  check_same_shape("poisson_nll_loss", input, target);
  Tensor loss = log_input ? exp(input) - target * input : input - target * log(input + eps);
  if (full) {
    const Tensor stirling = target * log(target) - target + 0.5 * log(2 * std::numbers::pi * target);
    loss = loss + masked_fill(stirling, le(target, 1), 0);
  }
  return reduced(loss, reduction, "poisson_nll_loss");
}

Tensor gaussian_nll_loss(const Tensor& input, const Tensor& target, const Tensor& variance, bool full,
                         double eps, std::string_view reduction) {
  constexpr auto op = "gaussian_nll_loss";
  check<ValueError>(!any(lt(variance.detach(), 0)).item<bool>(), op, ": var has negative entries");
  const Shape& sizes = input.sizes();
  const bool lacks_last = variance.ndim() == input.ndim() - 1 &&
                          std::equal(variance.sizes().begin(), variance.sizes().end(), sizes.begin());
  const Tensor spread = lacks_last             ? unsqueeze(variance, -1)
                        : variance.ndim() == 0 ? ones_like(input.detach()) * variance
                                               : variance;
  // A target of fewer dimensions must broadcast to the input: a row beside a column is a mistake.
  const auto check_fits = [&](const Tensor& other, const char* what, int most_missing) {
    const int missing = input.ndim() - other.ndim();
    bool fits = missing >= 0 && missing <= most_missing;
    for (int i = 0; fits && i < other.ndim(); ++i)
      fits =
          other.sizes()[i] == sizes[i + missing] || other.sizes()[i] == 1 || (missing == 0 && sizes[i] == 1);
    if (!fits) check_same_shape(op, input, other, "input", what);
  };
  check_fits(target, "target", input.ndim());
  check_fits(spread, "var", 0);
  const Tensor bounded = maximum(spread, full_like(spread.detach(), eps));
  const Tensor loss = 0.5 * (log(bounded) + square(input - target) / bounded);
  return reduced(full ? loss + 0.5 * std::log(2 * std::numbers::pi) : loss, reduction, op);
}

Tensor hinge_embedding_loss(const Tensor& input, const Tensor& target, double margin,
                            std::string_view reduction) {
  check_same_shape("hinge_embedding_loss", input, target);
  const Tensor zero = zeros_like(input);
  return reduced(where(ne(target, -1), input, zero) + where(ne(target, 1), positive(margin - input), zero),
                 reduction, "hinge_embedding_loss");
}

Tensor soft_margin_loss(const Tensor& input, const Tensor& target, std::string_view reduction) {
  check_same_shape("soft_margin_loss", input, target);
  return reduced(softplus(neg(target) * input), reduction, "soft_margin_loss");
}

Tensor multilabel_soft_margin_loss(const Tensor& input, const Tensor& target, const Tensor& weight,
                                   std::string_view reduction) {
  constexpr auto op = "multilabel_soft_margin_loss";
  check_same_shape(op, input, target);
  const Tensor loss = neg(target * logsigmoid(input) + (1 - target) * logsigmoid(neg(input)));
  return reduced(mean(weighted(loss, weight), Shape{-1}), reduction, op);
}

Tensor multi_margin_loss(const Tensor& input, const Tensor& target, std::int64_t p, double margin,
                         const Tensor& weight, std::string_view reduction) {
  constexpr auto op = "multi_margin_loss";
  check<ValueError>(p == 1 || p == 2, op, ": only p == 1 and p == 2 supported, got ", p);
  const LossReduction how = loss_reduction(reduction, op);
  check<ShapeError>(
      !weight.defined() || (weight.ndim() == 1 && weight.numel() == (input.ndim() > 0 ? input.size(-1) : 1)),
      op, ": weight must have one entry per class of input ", input.sizes(), ", got ",
      weight.defined() ? weight.sizes() : Shape());
  const Tensor x = input.ndim() <= 1 ? reshape(input, {1, -1}) : input,
               y = target.ndim() == 0 ? reshape(target, {1}) : target;
  check<ShapeError>(x.ndim() == 2 && x.size(1) > 0 && y.sizes() == Shape{x.size(0)}, op,
                    ": expected input [N, C] and target [N], got ", input.sizes(), " and ", target.sizes());
  const Tensor column = unsqueeze(y, 1);
  Tensor loss = positive(margin - gather(x, 1, column) + x);
  if (p == 2) loss = square(loss);
  if (weight.defined()) loss = loss * unsqueeze(index_select(weight, 0, y), 1);
  loss = sum(scatter(loss, 1, column, 0), Shape{1}) / double(x.size(1));
  return reduce_loss(target.ndim() == 0 ? squeeze(loss, Shape{0}) : loss, how);
}

Tensor multilabel_margin_loss(const Tensor& input, const Tensor& target, std::string_view reduction) {
  constexpr auto op = "multilabel_margin_loss";
  const LossReduction how = loss_reduction(reduction, op);
  check_same_shape(op, input, target);
  check<ShapeError>(input.ndim() <= 2 && (input.ndim() == 0 || input.size(-1) > 0), op,
                    ": expected [N, C] or [C], C not 0, got ", input.sizes());
  const bool single = input.ndim() <= 1;
  const Tensor x = single ? reshape(input, {1, -1}) : input, y = single ? reshape(target, {1, -1}) : target;
  const Tensor listed = eq(cumsum(to(lt(y, 0), int64), 1), 0);
  const Tensor places = clamp(y, Scalar(0));
  const Tensor is_target = gt(scatter_add(zeros_like(y), 1, places, to(listed, y.dtype())), 0);
  const Tensor chosen = gather(x, 1, places);
  const Tensor apart = positive(1 - unsqueeze(chosen, 2) + unsqueeze(x, 1));
  const Tensor counted = logical_and(unsqueeze(listed, 2), unsqueeze(logical_not(is_target), 1));
  const Tensor loss = sum(apart * counted, Shape{1, 2}) / double(std::max<std::int64_t>(x.size(1), 1));
  return reduce_loss(single ? squeeze(loss, Shape{0}) : loss, how);
}

Tensor margin_ranking_loss(const Tensor& a, const Tensor& b, const Tensor& target, double margin,
                           std::string_view reduction) {
  check<ShapeError>(a.ndim() == b.ndim() && a.ndim() == target.ndim(), "margin_ranking_loss: input1 ",
                    a.sizes(), ", input2 ", b.sizes(), " and target ", target.sizes(),
                    " must have the same number of dimensions");
  return reduced(positive(neg(target) * (a - b) + margin), reduction, "margin_ranking_loss");
}

Tensor cosine_embedding_loss(const Tensor& a, const Tensor& b, const Tensor& target, double margin,
                             std::string_view reduction) {
  const auto floating = [](const Tensor& x) { return is_integral(x.dtype()) ? to(x, default_dtype()) : x; };
  const Tensor cosine = cosine_similarity(floating(a), floating(b), -1);
  check_same_shape("cosine_embedding_loss", cosine, target, "the cosine of the inputs");
  return reduced(where(eq(target, 1), 1 - cosine, positive(cosine - margin)), reduction,
                 "cosine_embedding_loss");
}

Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& near, const Tensor& far, double margin,
                           double p, double eps, bool swap, std::string_view reduction) {
  check<ValueError>(margin > 0, "triplet_margin_loss: margin must be greater than 0, got ", margin);
  Tensor apart = pairwise_distance(anchor, far, p, eps);
  if (swap) apart = minimum(apart, pairwise_distance(near, far, p, eps));
  return reduced(positive(pairwise_distance(anchor, near, p, eps) - apart + margin), reduction,
                 "triplet_margin_loss");
}

namespace {

using Older = std::optional<bool>;

const Register mse_loss_op{
    {.signature = "mse_loss(Tensor input, Tensor target, bool? size_average=None, bool? reduce=None, str "
                  "reduction='mean', Tensor? weight=None) -> Tensor",
     .doc = "(input - target)^2. Shapes must be equal.",
     .call = box<+[](const Tensor& input, const Tensor& target, Older average, Older reduce,
                     std::string_view reduction, const Tensor& weight) {
       return mse_loss(input, target, reduction_of(average, reduce, reduction), weight);
     }>,
     .homes = "nn.functional",
     .samples =
         "x(4, 3), x(4, 3); x(4, 3), x(4, 3), reduction='sum'; x(4, 3), x(4, 3), reduction='none'; x(), x(); "
         "x(2, 3), x(2, 3), weight=x(2, 3); x(2, 2), x(2, 2), False; x(2, 2), x(2, 2), None, False",
     .reference = "ref.loss((input - target) ** 2, reduction, size_average, reduce, weight)",
     .errors = "x(3), x(3, 1); x(3), x(3), reduction='average'"}};
const Register l1_loss_op{
    {.signature = "l1_loss(Tensor input, Tensor target, bool? size_average=None, bool? reduce=None, str "
                  "reduction='mean', Tensor? weight=None) -> Tensor",
     .doc = "|input - target|. Shapes must be equal.",
     .call = box<+[](const Tensor& input, const Tensor& target, Older average, Older reduce,
                     std::string_view reduction, const Tensor& weight) {
       return l1_loss(input, target, reduction_of(average, reduce, reduction), weight);
     }>,
     .homes = "nn.functional",
     .samples = "x(4, 3), x(4, 3); x(4, 3), x(4, 3), reduction='sum'; x(2, 3), x(2, 3), weight=x(2, 3)",
     .reference = "ref.loss(np.abs(input - target), reduction, size_average, reduce, weight)",
     .errors = "x(3), x(3, 1)"}};
const Register huber_loss_op{
    {.signature = "huber_loss(Tensor input, Tensor target, str reduction='mean', float delta=1.0, Tensor? "
                  "weight=None) -> Tensor",
     .doc = "Half the square below delta, linear above: Huber 1964. Shapes must be equal.",
     .call = box<huber_loss>,
     .homes = "nn.functional",
     .samples = "x(4, 3), x(4, 3); x(4, 3), x(4, 3), 'none', 0.7; x(2, 3), x(2, 3), weight=x(2, 3)",
     .reference = "ref.loss(sp.special.huber(delta, input - target), reduction, weight=weight)",
     .errors = "x(3), x(3), delta=0; x(3), x(4)"}};
const Register smooth_l1_loss_op{
    {.signature = "smooth_l1_loss(Tensor input, Tensor target, bool? size_average=None, bool? reduce=None, "
                  "str reduction='mean', float beta=1.0) -> Tensor",
     .doc = "Half the square over beta below beta, linear above. Shapes must be equal.",
     .call = box<+[](const Tensor& input, const Tensor& target, Older average, Older reduce,
                     std::string_view reduction, double beta) {
       return smooth_l1_loss(input, target, reduction_of(average, reduce, reduction), beta);
     }>,
     .homes = "nn.functional",
     .samples = "x(4, 3), x(4, 3); x(4, 3), x(4, 3), reduction='none', beta=0.7; x(4), x(4), beta=0",
     .reference = "ref.loss(sp.special.huber(beta, input - target) / beta if beta else np.abs(input - "
                  "target), reduction)",
     .errors = "x(3), x(3), beta=-1; x(3), x(4)"}};
const Register binary_cross_entropy_op{
    {.signature = "binary_cross_entropy(Tensor input, Tensor target, Tensor? weight=None, bool? "
                  "size_average=None, bool? reduce=None, str reduction='mean') -> Tensor",
     .doc = "-(target log(input) + (1 - target) log(1 - input)), logarithms bounded from below by -100.",
     .call = box<+[](const Tensor& input, const Tensor& target, const Tensor& weight, Older average,
                     Older reduce, std::string_view reduction) {
       return binary_cross_entropy(input, target, weight, reduction_of(average, reduce, reduction));
     }>,
     .homes = "nn.functional",
     .samples = "x(4, 3, lo=0, hi=1), x(4, 3, lo=0, hi=1); x(4, lo=0, hi=1), x(4, lo=0, hi=1), x(4), "
                "reduction='none'",
     .reference = "ref.loss(-sp.special.xlogy(target, input) - sp.special.xlog1py(1 - target, -input), "
                  "reduction, weight=weight)",
     .errors = "x(3, lo=1, hi=2), x(3); x(3, lo=0, hi=1), x(4)"}};
const Register binary_cross_entropy_with_logits_op{
    {.signature =
         "binary_cross_entropy_with_logits(Tensor input, Tensor target, Tensor? weight=None, bool? "
         "size_average=None, bool? reduce=None, str reduction='mean', Tensor? pos_weight=None) -> Tensor",
     .doc = "binary_cross_entropy of sigmoid(input), without overflow.",
     .call = box<+[](const Tensor& input, const Tensor& target, const Tensor& weight, Older average,
                     Older reduce, std::string_view reduction, const Tensor& pos_weight) {
       return binary_cross_entropy_with_logits(input, target, weight,
                                               reduction_of(average, reduce, reduction), pos_weight);
     }>,
     .homes = "nn.functional",
     .samples = "x(4, 3), x(4, 3, lo=0, hi=1); x(4, 3), x(4, 3), x(3), reduction='none', pos_weight=x(3, "
                "lo=0.5, hi=2); x(3) * 500, x(3)",
     .reference = "ref.loss((1 - target) * input - sp.special.log_expit(input) * (1 if pos_weight is None "
                  "else 1 + (pos_weight - 1) * target), reduction, weight=weight)",
     .errors = "x(3), x(4)"}};
const Register kl_div_op{{.signature = "kl_div(Tensor input, Tensor target, bool? size_average=None, bool? "
                                       "reduce=None, str reduction='mean', bool log_target=False) -> Tensor",
                          .doc = "target (log(target) - input) of log-probabilities input.",
                          .call = box<+[](const Tensor& input, const Tensor& target, Older average,
                                          Older reduce, std::string_view reduction, bool log_target) {
                            return kl_div(input, target, reduction_of(average, reduce, reduction),
                                          log_target);
                          }>,
                          .homes = "nn.functional",
                          .samples = "x(4, 3), x(4, 3, lo=0, hi=1); x(4, 3), x(4, 3), reduction='sum', "
                                     "log_target=True; x(4, 3), x(4, 3, lo=0, hi=1), reduction='batchmean'",
                          .reference = "ref.kl_div(input, target, reduction, log_target)",
                          .errors = "x(3), x(4)"}};
const Register poisson_nll_loss_op{
    {.signature = "poisson_nll_loss(Tensor input, Tensor target, bool log_input=True, bool full=False, bool? "
                  "size_average=None, float eps=1e-8, bool? reduce=None, str reduction='mean') -> Tensor",
     .doc = "exp(input) - target input (of log rates), or input - target log(input).",
     .call = box<+[](const Tensor& input, const Tensor& target, bool log_input, bool full, Older average,
                     double eps, Older reduce, std::string_view reduction) {
       return poisson_nll_loss(input, target, log_input, full, eps, reduction_of(average, reduce, reduction));
     }>,
     .homes = "nn.functional",
     .samples = "x(4, 3), x(4, 3); x(4, 3, lo=0, hi=2), x(4, 3), False; x(4, 3), x(4, 3, lo=0.5, hi=4), "
                "full=True, reduction='none'",
     .reference = "ref.poisson_nll(input, target, log_input, full, eps, reduction)",
     .errors = "x(3), x(4)"}};
const Register gaussian_nll_loss_op{
    {.signature = "gaussian_nll_loss(Tensor input, Tensor target, Tensor|Scalar var, bool full=False, float "
                  "eps=1e-6, str reduction='mean') -> Tensor",
     .doc = "Negative log-likelihood of target under normal distributions of mean input and variance var.",
     .call = box<gaussian_nll_loss>,
     .homes = "nn.functional",
     .samples = "x(4, 3), x(4, 3), x(4, 3, lo=0.5, hi=2); x(4, 3), x(4, 1), x(4, lo=0.5, hi=2), True, "
                "reduction='none'; x(4, 3), x(4, 3), 2.0; x(4, 3), x(3), 2.0",
     .reference = "ref.gaussian_nll(input, target, var, full, reduction)",
     .errors = "x(3), x(3), x(3, lo=-2, hi=-1); x(3, 4), x(3, 4), x(4, lo=1, hi=2)"}};
const Register hinge_embedding_loss_op{
    {.signature = "hinge_embedding_loss(Tensor input, Tensor target, float margin=1.0, bool? "
                  "size_average=None, bool? reduce=None, str reduction='mean') -> Tensor",
     .doc = "input where target is 1, max(0, margin - input) where it is -1.",
     .call = box<+[](const Tensor& input, const Tensor& target, double margin, Older average, Older reduce,
                     std::string_view reduction) {
       return hinge_embedding_loss(input, target, margin, reduction_of(average, reduce, reduction));
     }>,
     .homes = "nn.functional",
     .samples = "x(4, 3), i(4, 3, hi=2) * 2 - 1; x(4), i(4, hi=2) * 2 - 1, 0.7, reduction='none'",
     .reference = "ref.loss(np.where(target == 1, input, np.maximum(0, margin - input)), reduction)",
     .errors = "x(3), x(4)"}};
const Register soft_margin_loss_op{
    {.signature = "soft_margin_loss(Tensor input, Tensor target, bool? size_average=None, bool? reduce=None, "
                  "str reduction='mean') -> Tensor",
     .doc = "log(1 + exp(-target input)).",
     .call = box<+[](const Tensor& input, const Tensor& target, Older average, Older reduce,
                     std::string_view reduction) {
       return soft_margin_loss(input, target, reduction_of(average, reduce, reduction));
     }>,
     .homes = "nn.functional",
     .samples = "x(4, 3), x(4, 3); x(4), x(4), reduction='none'",
     .reference = "ref.loss(np.logaddexp(0, -target * input), reduction)",
     .errors = "x(3), x(4)"}};
const Register multilabel_soft_margin_loss_op{
    {.signature = "multilabel_soft_margin_loss(Tensor input, Tensor target, Tensor? weight=None, bool? "
                  "size_average=None, bool? reduce=None, str reduction='mean') -> Tensor",
     .doc = "Mean over classes of binary cross entropies of logits.",
     .call = box<+[](const Tensor& input, const Tensor& target, const Tensor& weight, Older average,
                     Older reduce, std::string_view reduction) {
       return multilabel_soft_margin_loss(input, target, weight, reduction_of(average, reduce, reduction));
     }>,
     .homes = "nn.functional",
     .samples = "x(4, 3), x(4, 3, lo=0, hi=1); x(4, 3), x(4, 3, lo=0, hi=1), x(3), reduction='none'",
     .reference = "ref.multilabel_soft_margin(input, target, weight, reduction)",
     .errors = "x(3), x(4)"}};
const Register multi_margin_loss_op{
    {.signature = "multi_margin_loss(Tensor input, Tensor target, int p=1, float margin=1.0, Tensor? "
                  "weight=None, bool? size_average=None, bool? reduce=None, str reduction='mean') -> Tensor",
     .doc = "Mean over the other classes of max(0, margin - x[target] + x[i])^p: [N, C] or [C].",
     .call = box<+[](const Tensor& input, const Tensor& target, std::int64_t p, double margin,
                     const Tensor& weight, Older average, Older reduce, std::string_view reduction) {
       return multi_margin_loss(input, target, p, margin, weight, reduction_of(average, reduce, reduction));
     }>,
     .homes = "nn.functional",
     .samples = "x(4, 3), i(4, hi=3); x(4, 3), i(4, hi=3), 2, 0.7, x(3), reduction='none'; x(3), i(hi=3); "
                "x(3), i(1, hi=3), reduction='none'",
     .reference = "ref.multi_margin(input, target, p, margin, weight, reduction)",
     .errors = "x(4, 3), i(3); x(4, 3), i(4, hi=3), 3; x(4, 3), i(4, hi=3), weight=x(2); x(4, 3), i(4, lo=3, "
               "hi=5)"}};
const Register multilabel_margin_loss_op{
    {.signature = "multilabel_margin_loss(Tensor input, Tensor target, bool? size_average=None, bool? "
                  "reduce=None, str reduction='mean') -> Tensor",
     .doc =
         "Sum over targets j (before the first -1) and other classes i of max(0, 1 - (x[j] - x[i])), over C.",
     .call = box<+[](const Tensor& input, const Tensor& target, Older average, Older reduce,
                     std::string_view reduction) {
       return multilabel_margin_loss(input, target, reduction_of(average, reduce, reduction));
     }>,
     .homes = "nn.functional",
     .samples = "x(2, 4), taper.tensor([[3, 0, -1, 1], [-1, 2, 1, 0]]); x(4), taper.tensor([1, 2, 0, -1]), "
                "reduction='sum'; x(2, 3), taper.tensor([[0, 1, 2], [2, -1, -1]]), reduction='none'",
     .reference = "ref.multilabel_margin(input, target, reduction)",
     .errors = "x(4, 3), i(4)"}};
const Register margin_ranking_loss_op{
    {.signature = "margin_ranking_loss(Tensor input1, Tensor input2, Tensor target, float margin=0, bool? "
                  "size_average=None, bool? reduce=None, str reduction='mean') -> Tensor",
     .doc = "max(0, -target (input1 - input2) + margin).",
     .call = box<+[](const Tensor& a, const Tensor& b, const Tensor& target, double margin, Older average,
                     Older reduce, std::string_view reduction) {
       return margin_ranking_loss(a, b, target, margin, reduction_of(average, reduce, reduction));
     }>,
     .homes = "nn.functional",
     .samples = "x(4, 3), x(4, 3), i(4, 3, hi=2) * 2 - 1; x(4), x(4), i(4, hi=2) * 2 - 1, 0.7, "
                "reduction='none'; x(4, 3), x(4, 1), i(1, 3, hi=2) * 2 - 1",
     .reference = "ref.loss(np.maximum(0, -target * (input1 - input2) + margin), reduction)",
     .errors = "x(3), x(4), x(3); x(3), x(3), x(4); x(2, 3), x(3), x(3)"}};
const Register cosine_embedding_loss_op{
    {.signature = "cosine_embedding_loss(Tensor input1, Tensor input2, Tensor target, float margin=0, bool? "
                  "size_average=None, bool? reduce=None, str reduction='mean') -> Tensor",
     .doc = "1 - cos where target is 1, max(0, cos - margin) where it is -1.",
     .call = box<+[](const Tensor& a, const Tensor& b, const Tensor& target, double margin, Older average,
                     Older reduce, std::string_view reduction) {
       return cosine_embedding_loss(a, b, target, margin, reduction_of(average, reduce, reduction));
     }>,
     .homes = "nn.functional",
     .samples = "x(4, 3), x(4, 3), i(4, hi=2) * 2 - 1; x(3), x(3), taper.tensor(1); x(4, 3), x(4, 3), i(4, "
                "hi=2) * 2 - 1, 0.2, reduction='none'",
     .reference = "ref.cosine_embedding(input1, input2, target, margin, reduction)",
     .errors = "x(4, 3), x(4, 3), i(3)"}};
const Register triplet_margin_loss_op{
    {.signature = "triplet_margin_loss(Tensor anchor, Tensor positive, Tensor negative, float margin=1.0, "
                  "float p=2, float eps=1e-6, bool swap=False, bool? size_average=None, bool? reduce=None, "
                  "str reduction='mean') -> Tensor",
     .doc = "max(0, d(anchor, positive) - d(anchor, negative) + margin).",
     .call = box<+[](const Tensor& anchor, const Tensor& near, const Tensor& far, double margin, double p,
                     double eps, bool swap, Older average, Older reduce, std::string_view reduction) {
       return triplet_margin_loss(anchor, near, far, margin, p, eps, swap,
                                  reduction_of(average, reduce, reduction));
     }>,
     .homes = "nn.functional",
     .samples = "x(4, 3), x(4, 3), x(4, 3); x(4, 3), x(4, 3), x(4, 3), 2, 1, swap=True, reduction='none'",
     .reference = "ref.triplet_margin(anchor, positive, negative, margin, p, eps, swap, reduction)",
     .errors = "x(4, 3), x(4, 3), x(4, 3), 0"}};

}  // namespace

}  // namespace taper
