// Rows of tables by index, alone and in bags.
#include "cpu/embedding.h"

#include "autograd/record.h"
#include "ops/elementwise.h"
#include "ops/registry.h"
#include "taper/ops.h"
#include "tensor/kernel_for.h"

namespace taper {

namespace {

struct EmbeddingOp {
  static constexpr auto name = "embedding";
  static constexpr Saves saves{.inputs = 2};
  std::int64_t rows, padding_index;
  bool scale_by_frequency;

  cpu::Embedding of(DType dtype, std::int64_t size, std::int64_t count) const {
    return {dtype, rows, size, count, padding_index, scale_by_frequency};
  }
  Tensor forward(const Tensor& weight, const Tensor& indices) const {
    Shape sizes = indices.sizes();
    sizes.push_back(weight.sizes()[1]);
    Tensor y = empty(sizes, weight.dtype(), weight.device());
    kernel_for<cpu::embedding>(name, weight, indices)(of(weight.dtype(), weight.sizes()[1], indices.numel()),
                                                      weight.data(), indices.device_data<std::int64_t>(),
                                                      y.data());
    return y;
  }
  std::array<Tensor, 2> backward(const Saved& saved, const Tensor& dy) const;
};

struct EmbeddingBackward {
  static constexpr auto name = "embedding_backward";
  static constexpr Saves saves{.inputs = 2};
  EmbeddingOp op;

  Tensor forward(const Tensor& dy, const Tensor& indices) const {
    const Tensor gradient = contiguous(dy);
    Tensor dw = empty({op.rows, dy.sizes().back()}, dy.dtype(), dy.device());
    kernel_for<cpu::embedding_backward>(name, gradient, indices)(
        op.of(dy.dtype(), dy.sizes().back(), indices.numel()), gradient.data(),
        indices.device_data<std::int64_t>(), dw.data());
    return dw;
  }
  std::array<Tensor, 2> backward(const Saved& saved, const Tensor& ddw) const {
    check<NotImplementedError>(!op.scale_by_frequency,
                               "embedding: second gradients with scale_grad_by_freq are not supported");
    const Tensor indices = saved.input(1);
    Tensor ddy = record(op, ddw, indices);
    if (op.padding_index >= 0) ddy = masked_fill(ddy, unsqueeze(eq(indices, op.padding_index), -1), 0);
    return {ddy, Tensor()};
  }
};

std::array<Tensor, 2> EmbeddingOp::backward(const Saved& saved, const Tensor& dy) const {
  return {record(EmbeddingBackward{*this}, dy, saved.input(1)), Tensor()};
}

// Bags of rows. y and, for max, which row each maximum is from.
struct EmbeddingBag {
  static constexpr auto name = "embedding_bag";
  static constexpr Saves saves{.inputs = 15, .outputs = 2};
  EmbeddingOp table;
  cpu::BagMode mode;
  std::int64_t bags;

  cpu::Bags of(const Tensor& like, std::int64_t size, const Tensor& indices, const Tensor& offsets,
               const Tensor& samples) const {
    return {table.of(like.dtype(), size, indices.numel()),
            mode,
            bags,
            indices.device_data<std::int64_t>(),
            offsets.device_data<std::int64_t>(),
            samples.defined() ? samples.data() : nullptr};
  }
  std::array<Tensor, 2> forward(const Tensor& weight, const Tensor& indices, const Tensor& offsets,
                                const Tensor& samples) const {
    const std::int64_t size = weight.sizes()[1];
    Tensor y = empty({bags, size}, weight.dtype(), weight.device()),
           maxima = empty({mode == cpu::BagMode::max ? bags : 0, size}, int64, weight.device());
    const Tensor factors = samples.defined() ? contiguous(samples) : samples;
    kernel_for<cpu::embedding_bag>(name, weight, indices, offsets, factors)(
        of(weight, size, indices, offsets, factors), contiguous(weight).data(), y.data(),
        maxima.device_data<std::int64_t>());
    return {y, maxima};
  }
  std::array<Tensor, 4> backward(const Saved& saved, std::span<const Tensor> dy) const;
};

struct EmbeddingBagBackward {
  static constexpr auto name = "embedding_bag_backward";
  static constexpr Saves saves{.inputs = 31};
  EmbeddingBag bag;

  Tensor forward(const Tensor& dy, const Tensor& indices, const Tensor& offsets, const Tensor& samples,
                 const Tensor& maxima) const {
    Tensor dw = empty({bag.table.rows, dy.sizes()[1]}, dy.dtype(), dy.device());
    const Tensor factors = samples.defined() ? contiguous(samples) : samples;
    kernel_for<cpu::embedding_bag_backward>(name, dy, indices, offsets, factors)(
        bag.of(dy, dy.sizes()[1], indices, offsets, factors), contiguous(dy).data(),
        maxima.device_data<std::int64_t>(), dw.data());
    return dw;
  }
  std::array<Tensor, 5> backward(const Saved& saved, const Tensor& ddw) const;
};

// The dot products of dy and weight where they meet.
struct EmbeddingBagBackwardSamples {
  static constexpr auto name = "embedding_bag_backward_samples";
  static constexpr Saves saves{.inputs = 15};
  EmbeddingBag bag;

  Tensor forward(const Tensor& dy, const Tensor& weight, const Tensor& indices, const Tensor& offsets) const {
    Tensor gradient = empty(indices.sizes(), dy.dtype(), dy.device());
    kernel_for<cpu::embedding_bag_backward_samples>(name, dy, weight, indices, offsets)(
        bag.of(dy, dy.sizes()[1], indices, offsets, Tensor()), contiguous(weight).data(),
        contiguous(dy).data(), gradient.data());
    return gradient;
  }
  std::array<Tensor, 4> backward(const Saved& saved, const Tensor& factors) const {
    const Tensor dy = saved.input(0), weight = saved.input(1), indices = saved.input(2),
                 offsets = saved.input(3);
    const Tensor no_maxima = empty({0, dy.sizes()[1]}, int64);
    return {saved.needs(0) ? record(bag, weight, indices, offsets, factors)[0] : Tensor(),
            saved.needs(1) ? record(EmbeddingBagBackward{bag}, dy, indices, offsets, factors, no_maxima)
                           : Tensor(),
            Tensor(), Tensor()};
  }
};

// dw is linear in dy: its transpose looks the rows up again, or for max the elements that were chosen.
std::array<Tensor, 5> EmbeddingBagBackward::backward(const Saved& saved, const Tensor& ddw) const {
  check<NotImplementedError>(!bag.table.scale_by_frequency,
                             "embedding_bag: has no second gradient with scale_grad_by_freq");
  const Tensor dy = saved.input(0), indices = saved.input(1), offsets = saved.input(2),
               samples = saved.input(3), maxima = saved.input(4);
  std::array<Tensor, 5> second;
  if (bag.mode == cpu::BagMode::max) {
    const Tensor chosen = gather(ddw, 0, clamp(maxima, Scalar(0)));
    second[0] = masked_fill(chosen, lt(maxima, 0), 0);
    return second;
  }
  if (saved.needs(0)) second[0] = record(bag, ddw, indices, offsets, samples)[0];
  if (saved.needs(3)) second[3] = record(EmbeddingBagBackwardSamples{bag}, dy, ddw, indices, offsets);
  return second;
}

std::array<Tensor, 4> EmbeddingBag::backward(const Saved& saved, std::span<const Tensor> dy) const {
  std::array<Tensor, 4> gradients;
  if (!dy[0].defined()) return gradients;
  const Tensor weight = saved.input(0), indices = saved.input(1), offsets = saved.input(2),
               samples = saved.input(3);
  if (saved.needs(0))
    gradients[0] = record(EmbeddingBagBackward{*this}, dy[0], indices, offsets, samples, saved.output(1));
  if (saved.needs(3))
    gradients[3] = record(EmbeddingBagBackwardSamples{*this}, dy[0], weight, indices, offsets);
  return gradients;
}

cpu::BagMode bag_mode(std::string_view mode) {
  check<ValueError>(mode == "sum" || mode == "mean" || mode == "max",
                    "embedding_bag: mode must be sum, mean or max, got '", mode, "'");
  return mode == "sum" ? cpu::BagMode::sum : mode == "mean" ? cpu::BagMode::mean : cpu::BagMode::max;
}

// Where each bag starts, then the end of the last.
Tensor bag_bounds(const Tensor& indices, const Tensor& offsets, bool include_last_offset) {
  if (indices.ndim() == 2) {
    check<ValueError>(!offsets.defined(),
                      "embedding_bag: offsets must not be given with indices of 2 dimensions, ",
                      indices.sizes());
    const std::int64_t length = indices.sizes()[1];
    Tensor bounds = empty({indices.sizes()[0] + 1}, int64);
    for (std::int64_t i = 0; i < bounds.numel(); ++i) bounds.data<std::int64_t>()[i] = i * length;
    return to(bounds, indices.device());
  }
  check<ShapeError>(indices.ndim() == 1, "embedding_bag: indices must have 1 or 2 dimensions, got shape ",
                    indices.sizes());
  check<ValueError>(offsets.defined() && offsets.ndim() == 1,
                    "embedding_bag: indices of 1 dimension need a vector of offsets");
  check<DTypeError>(is_integral(offsets.dtype()), "embedding_bag: offsets must be integers, got ",
                    offsets.dtype());
  const Tensor starts = to(offsets, int64);
  check<ValueError>(!include_last_offset || starts.numel() > 0,
                    "embedding_bag: include_last_offset needs at least one offset");
  return contiguous(include_last_offset ? starts
                                        : cat({starts, full({1}, indices.numel(), int64, indices.device())}));
}

}  // namespace

Tensor embedding(const Tensor& weight, const Tensor& indices, std::int64_t padding_index,
                 bool scale_grad_by_freq) {
  check<ShapeError>(weight.ndim() == 2, "embedding: weight must be a matrix, got shape ", weight.sizes());
  check<DTypeError>(indices.dtype() == int64 || indices.dtype() == int32,
                    "embedding: indices must be int64 or int32, got ", indices.dtype());
  const std::int64_t rows = weight.sizes()[0];
  check<IndexError>(padding_index < rows && padding_index >= -rows, "embedding: padding_idx ", padding_index,
                    " must be within ", rows, " rows");
  return record(EmbeddingOp{rows, padding_index, scale_grad_by_freq}, contiguous(weight),
                contiguous(to(indices, int64)));
}

Tensor embedding_bag(const Tensor& weight, const Tensor& indices, const Tensor& offsets,
                     const EmbeddingBagOptions& options) {
  const char* op = "embedding_bag";
  check<ShapeError>(weight.ndim() == 2, op, ": weight must be a matrix, got shape ", weight.sizes());
  check<DTypeError>(weight.is_floating_point(), op, ": weight must be floating point, got ", weight.dtype());
  check<DTypeError>(indices.dtype() == int64 || indices.dtype() == int32, op,
                    ": indices must be int64 or int32, got ", indices.dtype());
  const Tensor bounds = bag_bounds(indices, offsets, options.include_last_offset);
  const cpu::BagMode mode = bag_mode(options.mode);
  const Tensor& samples = options.per_sample_weights;
  check<ValueError>(!samples.defined() || mode == cpu::BagMode::sum, op,
                    ": per_sample_weights needs mode sum, got ", options.mode);
  check<ShapeError>(!samples.defined() || samples.sizes() == indices.sizes(), op,
                    ": per_sample_weights must have the shape ", indices.sizes(), " of the indices");
  check<DTypeError>(!samples.defined() || samples.dtype() == weight.dtype(), op,
                    ": per_sample_weights must have the dtype ", weight.dtype(), " of weight");
  const EmbeddingOp table{weight.sizes()[0], options.padding_index, options.scale_grad_by_freq};
  return record(EmbeddingBag{table, mode, bounds.numel() - 1}, weight,
                contiguous(reshape(to(indices, int64), {-1})), bounds,
                samples.defined() ? reshape(samples, {-1}) : samples)[0];
}

namespace {

// The table itself is renormalized, where it is looked up.
void renormalize(const Tensor& weight, const Tensor& indices, double max_norm, double norm_type) {
  const NoGrad outside_of_the_graph;
  const Tensor used = reshape(indices, {-1}), rows = index_select(weight, 0, used),
               size = norm(rows, norm_type, Shape{1}, true);
  index_put_(
      weight.detach(), {to(used, int64)},
      where(gt(size, max_norm), mul(rows, div(full({}, max_norm, size.dtype()), add(size, 1e-7))), rows));
}
// The row that is left out, -1 for none.
std::int64_t padding_row(std::optional<std::int64_t> padding, const Tensor& weight, const char* op) {
  if (!padding) return -1;
  const std::int64_t rows = weight.ndim() ? weight.sizes()[0] : 0;
  check<IndexError>(*padding < rows && *padding >= -rows, op, ": padding_idx ", *padding, " must be within ",
                    rows, " rows");
  return *padding < 0 ? *padding + rows : *padding;
}
Tensor embedding_call(const Tensor& indices, const Tensor& weight, std::optional<std::int64_t> padding,
                      std::optional<double> max_norm, double norm_type, bool by_frequency, bool) {
  const std::int64_t padding_index = padding_row(padding, weight, "embedding");
  if (max_norm) renormalize(weight, indices, *max_norm, norm_type);
  return embedding(weight, indices, padding_index, by_frequency);
}

Tensor embedding_bag_call(const Tensor& indices, const Tensor& weight, const Tensor& offsets,
                          std::optional<double> max_norm, double norm_type, bool by_frequency,
                          const std::string& mode, bool, const Tensor& samples, bool include_last_offset,
                          std::optional<std::int64_t> padding) {
  const std::int64_t padding_index = padding_row(padding, weight, "embedding_bag");
  if (max_norm) renormalize(weight, indices, *max_norm, norm_type);
  return embedding_bag(weight, indices, offsets,
                       {mode, samples, include_last_offset, padding_index, by_frequency});
}

const Register embedding_op{
    {.signature = "embedding(Tensor input, Tensor weight, int? padding_idx=None, float? max_norm=None, float "
                  "norm_type=2.0, bool scale_grad_by_freq=False, bool sparse=False) -> Tensor",
     .doc = "Rows of weight by index.",
     .call = box<embedding_call>,
     .homes = "nn.functional",
     .samples = "i(4, hi=5), x(5, 3); i(2, 3, hi=5), x(5, 2), 1; i(0), x(3, 2)",
     .reference = "ref.embedding(input, weight)",
     .errors = "i(2, lo=5, hi=7), x(5, 3); i(2, lo=-2, hi=0), x(5, 3); x(2), x(5, 3); i(2, hi=2), x(5)"}};

const Register embedding_bag_op{
    {.signature =
         "embedding_bag(Tensor input, Tensor weight, Tensor? offsets=None, float? max_norm=None, float "
         "norm_type=2, bool scale_grad_by_freq=False, str mode='mean', bool sparse=False, Tensor? "
         "per_sample_weights=None, bool include_last_offset=False, int? padding_idx=None) -> Tensor",
     .doc = "Sums, means or maxima of bags of rows of weight.",
     .call = box<embedding_bag_call>,
     .homes = "nn.functional",
     .samples = "i(2, 3, hi=5), x(5, 2); i(6, hi=5), x(5, 2), taper.tensor([0, 2, 2]), mode='sum'; i(6, "
                "hi=5), x(5, 2), "
                "taper.tensor([0, 4]), mode='max'; i(4, hi=5), x(5, 2), taper.tensor([0, 1, 4]), "
                "include_last_offset=True; "
                "i(2, 3, hi=5), x(5, 2), mode='sum', per_sample_weights=x(2, 3)",
     .reference = "ref.embedding_bag(input, weight, offsets, mode, per_sample_weights, include_last_offset)",
     .errors = "i(2, 3, lo=5, hi=7), x(5, 2); i(3, hi=5), x(5, 2); i(2, 2, hi=5), x(5, 2), "
               "taper.tensor([0]); i(3, hi=5), "
               "x(5, 2), taper.tensor([1]); i(3, hi=5), x(5, 2), taper.tensor([0, 9]); i(2, 2, hi=5), x(5, "
               "2), mode='min'"}};

}  // namespace

}  // namespace taper
