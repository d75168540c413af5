// Rows of tables by index, alone and in bags.
#pragma once

#include <cstdint>
#include <string_view>

#include "taper/tensor.h"

namespace taper {

/// Rows of weight [rows, size] by index: [...] -> [..., size]. The row padding_index gets no gradient. Throws
/// IndexError.
Tensor embedding(const Tensor& weight, const Tensor& indices, std::int64_t padding_index = -1,
                 bool scale_grad_by_freq = false);

/// What embedding_bag() takes besides table and indices.
struct EmbeddingBagOptions {
  /// "sum", "mean" or "max".
  std::string_view mode = "mean";
  /// Factor of each row, as indices; only with "sum". Undefined: 1.
  Tensor per_sample_weights = {};
  /// Whether the last offset is the end of the last bag instead of the start of one.
  bool include_last_offset = false;
  /// A row that takes no part; negative: none.
  std::int64_t padding_index = -1;
  bool scale_grad_by_freq = false;
};
/// Sums, means or maxima of the rows of weight [rows, size] that a bag's indices name, without the rows in
/// memory: [bags, size]. indices: [bags, length] without offsets; or [count], where bag b starts at
/// offsets[b]. An empty bag gives 0. Throws IndexError for an index outside of the table, ValueError for
/// offsets that do not ascend from 0.
Tensor embedding_bag(const Tensor& weight, const Tensor& indices, const Tensor& offsets = {},
                     const EmbeddingBagOptions& options = {});

}  // namespace taper
