// Tables of vectors.
#include "taper/nn/embedding.h"

#include "nn/initial.h"

namespace taper::nn {

namespace {

Tensor table(std::int64_t rows, std::int64_t size, std::optional<std::int64_t> padding) {
  Tensor weight = normal_(empty({rows, size}));
  if (padding) zero_(select(weight, 0, *padding));
  return weight;
}

}  // namespace

Embedding::Embedding(std::int64_t num_embeddings, std::int64_t embedding_dim, EmbeddingOptions options)
    : weight(register_parameter("weight", table(num_embeddings, embedding_dim, options.padding_idx))),
      options_(options) {}

Tensor Embedding::forward(const Tensor& indices) {
  const std::int64_t padding = options_.padding_idx.value_or(-1);
  return embedding(weight, indices,
                   options_.padding_idx && padding < 0 ? padding + weight.sizes()[0] : padding,
                   options_.scale_grad_by_freq);
}

std::string Embedding::extra_repr() const {
  return concat(weight.sizes()[0], ", ", weight.sizes()[1],
                options_.padding_idx ? concat(", padding_idx=", *options_.padding_idx) : std::string());
}

EmbeddingBag::EmbeddingBag(std::int64_t num_embeddings, std::int64_t embedding_dim, Options options)
    : weight(register_parameter("weight", table(num_embeddings, embedding_dim, options.padding_idx))),
      options_(std::move(options)) {}
EmbeddingBag::EmbeddingBag(std::int64_t num_embeddings, std::int64_t embedding_dim)
    : EmbeddingBag(num_embeddings, embedding_dim, Options()) {}

Tensor EmbeddingBag::forward(const Tensor& indices, const Tensor& offsets, const Tensor& per_sample_weights) {
  const std::int64_t padding = options_.padding_idx.value_or(-1);
  return embedding_bag(weight, indices, offsets,
                       {options_.mode, per_sample_weights, options_.include_last_offset,
                        options_.padding_idx && padding < 0 ? padding + weight.sizes()[0] : padding,
                        options_.scale_grad_by_freq});
}

}  // namespace taper::nn
