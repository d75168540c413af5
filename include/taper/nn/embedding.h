// Tables of vectors.
#pragma once

#include <optional>

#include "taper/nn/module.h"
#include "taper/ops/embedding.h"

namespace taper::nn {

struct EmbeddingOptions {
  /// A row that starts at zero and gets no gradient.
  std::optional<std::int64_t> padding_idx = std::nullopt;
  bool scale_grad_by_freq = false;
};
/// Rows of a learned table by index: int64 [...] -> [..., embedding_dim].
class Embedding : public Module {
 public:
  Embedding(std::int64_t num_embeddings, std::int64_t embedding_dim, EmbeddingOptions options = {});
  Tensor forward(const Tensor& indices) override;
  std::string extra_repr() const override;
  Tensor& weight;

 private:
  EmbeddingOptions options_;
};

/// Sums, means or maxima of rows: see taper::embedding_bag.
class EmbeddingBag : public Module {
 public:
  struct Options {
    std::string mode = "mean";
    bool include_last_offset = false;
    std::optional<std::int64_t> padding_idx = std::nullopt;
    bool scale_grad_by_freq = false;
  };
  EmbeddingBag(std::int64_t num_embeddings, std::int64_t embedding_dim, Options options);
  EmbeddingBag(std::int64_t num_embeddings, std::int64_t embedding_dim);
  Tensor forward(const Tensor& indices) override { return forward(indices, Tensor()); }
  Tensor forward(const Tensor& indices, const Tensor& offsets, const Tensor& per_sample_weights = {});
  using Module::operator();
  Tensor operator()(const Tensor& indices, const Tensor& offsets, const Tensor& per_sample_weights = {}) {
    return forward(indices, offsets, per_sample_weights);
  }
  Tensor& weight;

 private:
  Options options_;
};

}  // namespace taper::nn
