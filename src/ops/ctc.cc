// The CTC loss, by the kernels of cpu/ctc.h.
#include "cpu/ctc.h"

#include <algorithm>

#include "autograd/record.h"
#include "ops/loss_reduction.h"
#include "ops/registry.h"
#include "taper/ops.h"
#include "tensor/kernel_for.h"

namespace taper {

namespace {

// log_probs [T, N, C], targets [N, longest], both lengths [N], all on one device. Results: loss [N] and
// alpha, in float64.
struct CtcLoss {
  static constexpr auto name = "ctc_loss";
  static constexpr Saves saves{.inputs = 15, .outputs = 3};
  std::int64_t blank;

  cpu::Ctc of(const Tensor& log_probs, const Tensor& targets, const Tensor& inputs,
              const Tensor& labels) const {
    const Shape& sizes = log_probs.sizes();
    return {log_probs.dtype(),
            sizes[0],
            sizes[1],
            sizes[2],
            targets.sizes()[1],
            blank,
            targets.device_data<std::int64_t>(),
            inputs.device_data<std::int64_t>(),
            labels.device_data<std::int64_t>()};
  }
  std::array<Tensor, 2> forward(const Tensor& log_probs, const Tensor& targets, const Tensor& inputs,
                                const Tensor& labels) const {
    const cpu::Ctc ctc = of(log_probs, targets, inputs, labels);
    Tensor loss = empty({ctc.batch}, float64, log_probs.device()),
           alpha = empty({ctc.batch, ctc.steps, ctc.states()}, float64, log_probs.device());
    if (ctc.batch)
      kernel_for<cpu::ctc_loss>(name, log_probs, targets, inputs, labels)(
          ctc, log_probs.data(), alpha.device_data<double>(), loss.device_data<double>());
    return {loss, alpha};
  }
  std::array<Tensor, 4> backward(const Saved& saved, std::span<const Tensor> dy) const;
};

struct CtcLossBackward {
  static constexpr auto name = "ctc_loss_backward";
  CtcLoss op;

  Tensor forward(const Tensor& dloss, const Tensor& log_probs, const Tensor& targets, const Tensor& inputs,
                 const Tensor& labels, const Tensor& loss, const Tensor& alpha) const {
    const Tensor dense = contiguous(dloss);
    Tensor gradient = empty(log_probs.sizes(), log_probs.dtype(), log_probs.device());
    if (gradient.numel())
      kernel_for<cpu::ctc_loss_backward>(name, log_probs, targets, inputs, labels, dense)(
          op.of(log_probs, targets, inputs, labels), log_probs.data(), alpha.device_data<double>(),
          loss.device_data<double>(), dense.device_data<double>(), gradient.data());
    return gradient;
  }
  Tensors backward(const Saved&, const Tensor&) const {
    fail<NotImplementedError>("ctc_loss: second gradients are not implemented");
  }
};

std::array<Tensor, 4> CtcLoss::backward(const Saved& saved, std::span<const Tensor> dy) const {
  if (!dy[0].defined() || !saved.needs(0)) return {};
  return {record(CtcLossBackward{*this}, dy[0], saved.input(0), saved.input(1), saved.input(2),
                 saved.input(3), saved.output(0), saved.output(1)),
          Tensor(), Tensor(), Tensor()};
}

// Lengths as integers in main memory, where they are checked.
std::vector<std::int64_t> lengths_of(const Tensor& lengths, const char* what, std::int64_t batch,
                                     std::int64_t most) {
  check<DTypeError>(is_integral(lengths.dtype()), "ctc_loss: ", what, " lengths must be integers, got ",
                    lengths.dtype());
  check<ShapeError>(lengths.numel() == batch, "ctc_loss: ", what, " lengths must have one entry for each of ",
                    batch, " samples, got ", lengths.numel());
  const Tensor host = contiguous(to(to(lengths, Device()), int64));
  const std::vector<std::int64_t> values(host.data<std::int64_t>(), host.data<std::int64_t>() + batch);
  for (std::int64_t i = 0; i < batch; ++i) {
    check<ValueError>(values[std::size_t(i)] >= 0, "ctc_loss: ", what, " length ", values[std::size_t(i)],
                      " of sample ", i, " is negative");
    check<ShapeError>(values[std::size_t(i)] <= most, "ctc_loss: ", what, " length ", values[std::size_t(i)],
                      " of sample ", i, " exceeds ", most);
  }
  return values;
}

// The labels of all samples in a row as rows [N, longest].
Tensor rows_of(const Tensor& targets, const std::vector<std::int64_t>& lengths) {
  std::int64_t longest = 0, total = 0;
  for (const std::int64_t length : lengths) longest = std::max(longest, length), total += length;
  check<ShapeError>(total <= targets.numel(), "ctc_loss: target lengths add up to ", total,
                    ", but there are ", targets.numel(), " labels");
  const Tensor place = empty({std::int64_t(lengths.size()), longest}, int64);
  std::int64_t* out = place.data<std::int64_t>();
  std::int64_t first = 0;
  for (const std::int64_t length : lengths) {
    for (std::int64_t i = 0; i < longest; ++i) *out++ = i < length ? first + i : 0;
    first += length;
  }
  if (total == 0) return zeros(place.sizes(), int64, targets.device());
  return reshape(index_select(targets, 0, to(flatten(place), targets.device())), place.sizes());
}

}  // namespace

Tensor ctc_loss(const Tensor& log_probs, const Tensor& targets, const Tensor& input_lengths,
                const Tensor& target_lengths, std::int64_t blank, std::string_view reduction,
                bool zero_infinity) {
  const LossReduction how = loss_reduction(reduction, "ctc_loss");
  check<ShapeError>(log_probs.ndim() == 2 || log_probs.ndim() == 3,
                    "ctc_loss: expected log_probs [T, N, C] or [T, C], got ", log_probs.sizes());
  check<DTypeError>(log_probs.is_floating_point(), "ctc_loss: log_probs must be floating, got ",
                    log_probs.dtype());
  check<DTypeError>(is_integral(targets.dtype()), "ctc_loss: targets must be integers, got ",
                    targets.dtype());
  const bool single = log_probs.ndim() == 2;
  const Tensor x = contiguous(single ? unsqueeze(log_probs, 1) : log_probs);
  const std::int64_t batch = x.size(1), classes = x.size(2);
  check<IndexError>(blank >= 0 && blank < classes, "ctc_loss: blank ", blank, " is out of range for ",
                    classes, " classes");
  const Tensor given = to(single && targets.ndim() == 1 ? unsqueeze(targets, 0) : targets, int64);
  check<ShapeError>(given.ndim() == 1 || (given.ndim() == 2 && given.size(0) == batch),
                    "ctc_loss: expected targets [N, S] with N = ", batch, ", or all labels in a row, got ",
                    targets.sizes());
  const auto inputs = lengths_of(input_lengths, "input", batch, x.size(0));
  const auto labels = lengths_of(target_lengths, "target", batch, given.size(-1));
  const Tensor rows = contiguous(to(given.ndim() == 1 ? rows_of(given, labels) : given, x.device()));
  const auto counts = [&](const std::vector<std::int64_t>& values) {
    return to(tensor(values, {batch}), x.device());
  };
  const Tensor label_counts = counts(labels);
  Tensor loss = to(record(CtcLoss{blank}, x, rows, counts(inputs), label_counts)[0], x.dtype());
  if (zero_infinity) loss = masked_fill(loss, isinf(loss), 0);
  if (how == LossReduction::mean) return mean(loss / to(clamp(label_counts, Scalar(1)), loss.dtype()));
  return how == LossReduction::none && single ? squeeze(loss, Shape{0}) : reduce_loss(loss, how);
}

namespace {

Tensor ctc_loss_of_lists(const Tensor& log_probs, const Tensor& targets, const Shape& input_lengths,
                         const Shape& target_lengths, std::int64_t blank, std::string_view reduction,
                         bool zero_infinity) {
  const auto list = [](const Shape& lengths) {
    return tensor(std::vector<std::int64_t>(lengths.begin(), lengths.end()), {std::int64_t(lengths.size())});
  };
  return ctc_loss(log_probs, targets, list(input_lengths), list(target_lengths), blank, reduction,
                  zero_infinity);
}

const Register ctc_loss_op[]{
    {{.signature =
          "ctc_loss(Tensor log_probs, Tensor targets, Tensor input_lengths, Tensor target_lengths, int "
          "blank=0, str reduction='mean', bool zero_infinity=False) -> Tensor",
      .doc = "-log of the probability of targets under all alignments with the input: log_probs [T, N, C] or "
             "[T, C]; "
             "targets [N, S] or all labels in a row. Graves et al. 2006.",
      .call = box<ctc_loss>,
      .homes = "nn.functional",
      .samples =
          "x(5, 2, 4), taper.tensor([[1, 2], [3, 3]]), taper.tensor([5, 4]), taper.tensor([2, 2]); x(4, 2, "
          "3), "
          "taper.tensor([1, 2, 1]), taper.tensor([4, 3]), taper.tensor([2, 1]), reduction='none'; x(3, 4), "
          "taper.tensor([2]), taper.tensor(3), taper.tensor(1), 1, 'sum'; x(2, 2, 3), taper.tensor([[1, 1], "
          "[0, 0]]), taper.tensor([2, 2]), taper.tensor([2, 0]), reduction='none', zero_infinity=True",
      .reference =
          "ref.ctc(log_probs, targets, input_lengths, target_lengths, blank, reduction, zero_infinity)",
      .errors = "x(5, 2, 4), i(2, 2), taper.tensor([6, 5]), taper.tensor([1, 1]); x(5, 2, 4), i(2, 2), "
                "taper.tensor([5, 5]), taper.tensor([3, 1]); x(5, 2, 4), taper.tensor([[1], [4]]), "
                "taper.tensor([5, "
                "5]), taper.tensor([1, 1]); x(5, 2, 4), i(2, 2), taper.tensor([5]), taper.tensor([1, 1])",
      .differentiable = false}},
    {{.signature =
          "ctc_loss(Tensor log_probs, Tensor targets, int[] input_lengths, int[] target_lengths, int "
          "blank=0, str reduction='mean', bool zero_infinity=False) -> Tensor",
      .doc = "With the lengths as lists.",
      .call = box<ctc_loss_of_lists>,
      .homes = "nn.functional",
      .samples = "x(5, 2, 4), taper.tensor([[1, 2], [3, 3]]), (5, 4), [2, 2]",
      .reference =
          "ref.ctc(log_probs, targets, input_lengths, target_lengths, blank, reduction, zero_infinity)",
      .differentiable = false}}};

}  // namespace

}  // namespace taper
