// Rows of tensors, random parts, and what collate needs of tensors.
#include "taper/data/dataset.h"

#include <cmath>

#include "taper/data/collate.h"
#include "taper/ops.h"

namespace taper::data::detail {

Tensor row(const Tensor& tensor, std::int64_t index) { return select(tensor, 0, index); }

Tensor rows(const Tensor& tensor, std::span<const std::int64_t> indices) {
  const Tensor places =
      taper::tensor(Indices(indices.begin(), indices.end()), {std::int64_t(indices.size())});
  return index_select(tensor, 0, places);
}

std::int64_t common_length(std::span<const Tensor> tensors) {
  for (const Tensor& tensor : tensors) {
    check<ShapeError>(tensor.defined() && tensor.ndim() > 0,
                      "TensorDataset: every tensor needs a first dimension, that of the samples");
    check<ShapeError>(tensor.size(0) == tensors[0].size(0), "TensorDataset: the tensors have ",
                      tensors[0].size(0), " and ", tensor.size(0), " rows; they must have as many");
  }
  return tensors.empty() ? 0 : tensors[0].size(0);
}

std::vector<Indices> random_parts(std::int64_t size, const std::vector<std::int64_t>& lengths,
                                  const std::optional<Generator>& generator) {
  std::int64_t total = 0;
  for (const std::int64_t length : lengths) {
    check<ValueError>(length >= 0, "random_split: length ", length, " is negative");
    total += length;
  }
  check<ValueError>(total == size, "random_split: the lengths sum to ", total, "; the data set has ", size,
                    " samples");
  const Tensor order = randperm(size, generator);
  const std::int64_t* next = order.data<std::int64_t>();
  std::vector<Indices> parts;
  for (const std::int64_t length : lengths) {
    parts.emplace_back(next, next + length);
    next += length;
  }
  return parts;
}

std::vector<std::int64_t> lengths_of(std::int64_t size, const std::vector<double>& fractions) {
  double sum = 0;
  std::int64_t rest = size;
  std::vector<std::int64_t> lengths;
  for (const double fraction : fractions) {
    check<ValueError>(fraction >= 0 && fraction <= 1, "random_split: the fraction ", fraction,
                      " is not between 0 and 1");
    sum += fraction;
    lengths.push_back(std::int64_t(std::floor(double(size) * fraction)));
    rest -= lengths.back();
  }
  check<ValueError>(std::abs(sum - 1) < 1e-9, "random_split: the fractions sum to ", sum, ", expected 1");
  for (std::size_t i = 0; rest > 0; ++i, --rest) ++lengths[i % lengths.size()];
  return lengths;
}

Tensor stacked(const Tensors& samples) { return stack(samples); }

Tensor column(const std::vector<std::int64_t>& values) {
  return taper::tensor(values, {std::int64_t(values.size())});
}
Tensor column(const std::vector<double>& values) {
  return taper::tensor(values, {std::int64_t(values.size())});
}
Tensor column(const std::vector<float>& values) {
  return taper::tensor(values, {std::int64_t(values.size())});
}
Tensor column(const std::vector<bool>& values) {
  const Tensor column = empty({std::int64_t(values.size())}, DType::boolean);
  for (std::size_t i = 0; i < values.size(); ++i) column.data<bool>()[i] = values[i];
  return column;
}

}  // namespace taper::data::detail
