// The losses over classes: cross entropy, fused with its softmax, and the negative log-likelihood.
#include "autograd/record.h"
#include "cpu/softmax.h"
#include "ops/loss_reduction.h"
#include "ops/registry.h"
#include "taper/ops.h"
#include "tensor/kernel_for.h"

namespace taper {

namespace {

cpu::CrossEntropy entropy_of(const Tensor& x, const Tensor& weight, std::int64_t ignore_index,
                             double label_smoothing) {
  return {x.dtype(),    x.sizes()[0],   x.sizes()[1], weight.defined() ? weight.data() : nullptr,
          ignore_index, label_smoothing};
}

// Losses of rows: x [rows, classes], target [rows]. Results: loss, log-sum-exp and weight of each row.
struct CrossEntropy {
  static constexpr auto name = "cross_entropy";
  static constexpr Saves saves{.inputs = 7, .outputs = 2};
  std::int64_t ignore_index;
  double label_smoothing;

  std::array<Tensor, 3> forward(const Tensor& x, const Tensor& target, const Tensor& weight) const {
    const std::int64_t rows = x.sizes()[0];
    Tensor loss = empty({rows}, x.dtype(), x.device()), log_sum = empty({rows}, float64, x.device()),
           row_weight = empty({rows}, float64, x.device());
    kernel_for<cpu::cross_entropy>(name, x, target, weight)(
        entropy_of(x, weight, ignore_index, label_smoothing), x.data(), target.device_data<std::int64_t>(),
        loss.data(), log_sum.device_data<double>(), row_weight.device_data<double>());
    return {loss, log_sum, row_weight};
  }
  std::array<Tensor, 3> backward(const Saved& saved, std::span<const Tensor> dy) const;
};

// dx of CrossEntropy from the gradients of its losses.
struct CrossEntropyBackward {
  static constexpr auto name = "cross_entropy_backward";
  static constexpr Saves saves{.inputs = 15};
  std::int64_t ignore_index;
  double label_smoothing;

  Tensor forward(const Tensor& dloss, const Tensor& x, const Tensor& target, const Tensor& weight,
                 const Tensor& log_sum) const {
    Tensor dx = empty(x.sizes(), x.dtype(), x.device());
    const Tensor dense = contiguous(dloss);
    kernel_for<cpu::cross_entropy_backward>(name, x, target, weight, dense)(
        entropy_of(x, weight, ignore_index, label_smoothing), x.data(), target.device_data<std::int64_t>(),
        log_sum.device_data<double>(), dense.data(), dx.data());
    return dx;
  }
  // Twice differentiated through the plain formula.
  Tensors backward(const Saved& saved, const Tensor& g) const {
    const EnableGrad plain_formula;
    const Tensor dloss = saved.input(0).detach().requires_grad_(),
                 x = saved.input(1).detach().requires_grad_();
    const Tensor loss = plain(x, saved.input(2), saved.input(3));
    const Tensor dx = grad({loss}, {x}, {dloss}, false, true)[0];
    const Tensors second = grad({dx}, {dloss, x}, {g}, false, false, true);
    return {second[0], second[1], Tensor(), Tensor(), Tensor()};
  }
  Tensor plain(const Tensor& x, const Tensor& target, const Tensor& weight) const {
    const Tensor log_probability = log_softmax(x, 1), counted = ne(target, ignore_index);
    const Tensor chosen = where(counted, target, zeros({}, int64));
    const Tensor factor = weight.defined() ? weight : ones({x.sizes()[1]}, x.dtype(), x.device());
    const Tensor at_target = squeeze(gather(log_probability, 1, unsqueeze(chosen, 1)), Shape{1});
    const Tensor hard = mul(at_target, index_select(factor, 0, chosen));
    const Tensor smooth = sum(mul(log_probability, factor), Shape{1});
    const Tensor loss =
        add(mul(hard, label_smoothing - 1), mul(smooth, -label_smoothing / double(x.sizes()[1])));
    return where(counted, loss, zeros({}, x.dtype(), x.device()));
  }
};

std::array<Tensor, 3> CrossEntropy::backward(const Saved& saved, std::span<const Tensor> dy) const {
  if (!dy[0].defined() || !saved.needs(0)) return {};
  return {record(CrossEntropyBackward{ignore_index, label_smoothing}, dy[0], saved.input(0), saved.input(1),
                 saved.input(2), saved.output(1)),
          Tensor(), Tensor()};
}

// [N, C, d...] as [N d..., C], and back for losses.
Tensor as_rows(const Tensor& x) {
  if (x.ndim() == 1) return contiguous(unsqueeze(x, 0));
  if (x.ndim() == 2) return contiguous(x);
  return reshape(contiguous(movedim(x, {1}, {-1})), {-1, x.sizes()[1]});
}

void check_class_targets(const Tensor& x, const Tensor& target, const Tensor& weight, const char* op) {
  check<ShapeError>(x.ndim() > 0, op, ": input needs a dimension of classes, got a 0-d tensor");
  check<DTypeError>(is_integral(target.dtype()), op, ": target of class indices must be int64, got ",
                    target.dtype(), "; convert it with .long()");
  Shape expected = x.sizes();
  expected.erase(x.ndim() == 1 ? 0 : 1);
  check<ShapeError>(target.sizes() == expected, op, ": input of shape ", x.sizes(),
                    " needs targets of shape ", expected, ", got ", target.sizes());
  const std::int64_t classes = x.sizes()[x.ndim() == 1 ? 0 : 1];
  check<ShapeError>(!weight.defined() || weight.sizes() == Shape{classes}, op, ": weight has shape ",
                    weight.defined() ? weight.sizes() : Shape(), ", expected (", classes, ",)");
}

Tensor probability_loss(const Tensor& x, const Tensor& target, const Tensor& weight, LossReduction reduction,
                        double label_smoothing) {
  const int dim = x.ndim() == 1 ? 0 : 1;
  const std::int64_t classes = x.sizes()[dim];
  Tensor expected = target;
  if (label_smoothing > 0)
    expected = add(mul(target, 1 - label_smoothing), label_smoothing / double(classes));
  Tensor terms = mul(log_softmax(x, dim), expected);
  if (weight.defined()) {
    Shape sizes = Shape::filled(x.ndim(), 1);
    sizes[dim] = classes;
    terms = mul(terms, reshape(weight, sizes));
  }
  const Tensor loss = neg(sum(terms, Shape{dim}));
  if (reduction != LossReduction::mean) return reduce_loss(loss, reduction);
  return div(sum(loss), double(std::max<std::int64_t>(loss.numel(), 1)));
}

}  // namespace

Tensor cross_entropy(const Tensor& x, const Tensor& target, const Tensor& weight, std::int64_t ignore_index,
                     std::string_view reduction, double label_smoothing) {
  const LossReduction how = loss_reduction(reduction, "cross_entropy");
  check<ValueError>(label_smoothing >= 0 && label_smoothing <= 1,
                    "cross_entropy: label_smoothing must be between 0 and 1, got ", label_smoothing);
  check<DTypeError>(x.is_floating_point(), "cross_entropy: input must be floating, got ", x.dtype());
  if (target.is_floating_point() && target.sizes() == x.sizes() && x.ndim() > 0) {
    check<ValueError>(ignore_index < 0,
                      "cross_entropy: ignore_index is not supported for floating point target, got ",
                      ignore_index);
    return probability_loss(x, target, weight, how, label_smoothing);
  }
  check_class_targets(x, target, weight, "cross_entropy");
  const auto results =
      record(CrossEntropy{ignore_index, label_smoothing}, as_rows(x),
             contiguous(reshape(to(target, int64), {-1})), weight.defined() ? contiguous(weight) : weight);
  if (how == LossReduction::none) return reshape(results[0], target.sizes());
  const Tensor total = sum(results[0]);
  if (how == LossReduction::sum) return total;
  return div(total, to(sum(results[2]), x.dtype()));
}

Tensor nll_loss(const Tensor& x, const Tensor& target, const Tensor& weight, std::int64_t ignore_index,
                std::string_view reduction) {
  const LossReduction how = loss_reduction(reduction, "nll_loss");
  check_class_targets(x, target, weight, "nll_loss");
  const Tensor rows = as_rows(x), classes = reshape(to(target, int64), {-1});
  const Tensor counted = ne(classes, ignore_index), chosen = where(counted, classes, zeros({}, int64));
  const Tensor factor =
      where(counted, weight.defined() ? index_select(weight, 0, chosen) : ones({}, x.dtype(), x.device()),
            zeros({}, x.dtype(), x.device()));
  const Tensor loss = neg(mul(squeeze(gather(rows, 1, unsqueeze(chosen, 1)), Shape{1}), factor));
  if (how == LossReduction::none) return reshape(loss, target.sizes());
  return how == LossReduction::sum ? sum(loss) : div(sum(loss), sum(factor));
}

namespace {

Tensor cross_entropy_call(const Tensor& x, const Tensor& target, const Tensor& weight,
                          std::optional<bool> size_average, std::int64_t ignore_index,
                          std::optional<bool> reduce, std::string_view reduction, double label_smoothing) {
  return cross_entropy(x, target, weight, ignore_index, reduction_of(size_average, reduce, reduction),
                       label_smoothing);
}
Tensor nll_loss_call(const Tensor& x, const Tensor& target, const Tensor& weight,
                     std::optional<bool> size_average, std::int64_t ignore_index, std::optional<bool> reduce,
                     std::string_view reduction) {
  return nll_loss(x, target, weight, ignore_index, reduction_of(size_average, reduce, reduction));
}

const Register cross_entropy_op{
    {.signature =
         "cross_entropy(Tensor input, Tensor target, Tensor? weight=None, bool? size_average=None, int "
         "ignore_index=-100, bool? reduce=None, str reduction='mean', float label_smoothing=0.0) -> Tensor",
     .doc = "-log softmax(input)[target]; input [N, C, ...], target class indices [N, ...] or probabilities "
            "[N, C, ...].",
     .call = box<cross_entropy_call>,
     .homes = "nn.functional",
     .samples = "x(4, 3), i(4, hi=3); x(4, 3), i(4, hi=3), reduction='sum'; x(4, 3), i(4, hi=3), "
                "reduction='none'; x(2, 3, 2), i(2, 2, hi=3); x(3), i(hi=3); x(4, 3), i(4, hi=3), "
                "taper.tensor([0.5, 1, 2], dtype=taper.float64); x(4, 3), i(4, hi=3), ignore_index=1; x(4, "
                "3), i(4, hi=3), label_smoothing=0.1; x(4, 3), x(4, 3, lo=0, hi=1)",
     .reference = "ref.cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)",
     .errors = "x(4, 3), i(4, lo=3, hi=5); x(4, 3), i(3, hi=3); x(4, 3), x(4); x(4, 3), i(4, 1, hi=3); x(4, "
               "3), i(4, hi=3), reduction='average'"}};
const Register nll_loss_op{
    {.signature = "nll_loss(Tensor input, Tensor target, Tensor? weight=None, bool? size_average=None, int "
                  "ignore_index=-100, bool? reduce=None, str reduction='mean') -> Tensor",
     .doc = "-input[target] of log-probabilities.",
     .call = box<nll_loss_call>,
     .homes = "nn.functional",
     .samples = "x(4, 3), i(4, hi=3); x(2, 3, 2), i(2, 2, hi=3), reduction='sum'; x(4, 3), i(4, hi=3), "
                "ignore_index=1, reduction='none'",
     .reference = "ref.nll_loss(input, target, weight, ignore_index, reduction)",
     .errors = "x(4, 3), i(4, lo=3, hi=5)"}};

}  // namespace

}  // namespace taper
