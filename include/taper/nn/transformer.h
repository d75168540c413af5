// Attention with learned projections, and transformers: Vaswani et al., arXiv:1706.03762.
#pragma once

#include <tuple>

#include "taper/nn/container.h"
#include "taper/nn/dropout.h"
#include "taper/nn/linear.h"
#include "taper/nn/normalization.h"

namespace taper::nn {

/// Masks of attention. bool: true hides (as in Python's module); floating: added to the scores.
struct AttentionMasks {
  /// [L, S] or [N * heads, L, S].
  Tensor attention = {};
  /// [N, S]: keys that are padding.
  Tensor key_padding = {};
  /// Whether a query sees only keys at its own and earlier positions.
  bool causal = false;
};

struct MultiheadAttentionOptions {
  double dropout = 0;
  bool bias = true, batch_first = false;
  /// Features of keys and values; 0: embed_dim.
  std::int64_t kdim = 0, vdim = 0;
};

/// Attention in heads: query [L, N, E], key [S, N, kdim], value [S, N, vdim] (batch second unless
/// batch_first; N may be missing) -> [L, N, E] and, if wanted, the weights [N, L, S], averaged over the
/// heads.
class MultiheadAttention : public Module {
 public:
  MultiheadAttention(std::int64_t embed_dim, std::int64_t num_heads, MultiheadAttentionOptions options = {});
  std::tuple<Tensor, Tensor> forward(const Tensor& query, const Tensor& key, const Tensor& value,
                                     const AttentionMasks& masks, bool need_weights);
  std::tuple<Tensor, Tensor> operator()(const Tensor& query, const Tensor& key, const Tensor& value,
                                        const AttentionMasks& masks = {}, bool need_weights = true) {
    return forward(query, key, value, masks, need_weights);
  }

 private:
  using Module::forward;
  Tensors projected(const Tensor& query, const Tensor& key, const Tensor& value) const;

  std::int64_t width_, heads_;
  MultiheadAttentionOptions options_;
  Tensor *in_weight_ = nullptr, *q_weight_ = nullptr, *k_weight_ = nullptr, *v_weight_ = nullptr,
         *in_bias_ = nullptr;
  Linear out_proj_;
};

struct TransformerOptions {
  std::int64_t dim_feedforward = 2048;
  double dropout = 0.1;
  /// "relu" or "gelu".
  std::string activation = "relu";
  double layer_norm_eps = 1e-5;
  bool batch_first = false, norm_first = false, bias = true;
};

/// Self-attention, then a feed-forward network.
class TransformerEncoderLayer : public Module {
 public:
  TransformerEncoderLayer(std::int64_t d_model, std::int64_t nhead, TransformerOptions options = {});
  Tensor forward(const Tensor& x) override { return forward(x, {}); }
  Tensor forward(const Tensor& x, const AttentionMasks& masks);
  Tensor operator()(const Tensor& x, const AttentionMasks& masks = {}) { return forward(x, masks); }

 private:
  Tensor attend(const Tensor& x, const AttentionMasks& masks);
  Tensor feed(const Tensor& x);
  TransformerOptions options_;
  MultiheadAttention self_attn_;
  Linear linear1_, linear2_;
  Dropout dropout_, dropout1_, dropout2_;
  LayerNorm norm1_, norm2_;
};

/// Self-attention, attention to an encoder's output, then a feed-forward network.
class TransformerDecoderLayer : public Module {
 public:
  TransformerDecoderLayer(std::int64_t d_model, std::int64_t nhead, TransformerOptions options = {});
  Tensor forward(const Tensor& x, const Tensor& memory, const AttentionMasks& masks,
                 const AttentionMasks& memory_masks);
  Tensor operator()(const Tensor& x, const Tensor& memory, const AttentionMasks& masks = {},
                    const AttentionMasks& memory_masks = {}) {
    return forward(x, memory, masks, memory_masks);
  }

 private:
  using Module::forward;
  Tensor attend(MultiheadAttention& attention, Dropout& dropout, const Tensor& x, const Tensor& memory,
                const AttentionMasks& masks);
  Tensor feed(const Tensor& x);
  TransformerOptions options_;
  MultiheadAttention self_attn_, multihead_attn_;
  Linear linear1_, linear2_;
  Dropout dropout_, dropout1_, dropout2_, dropout3_;
  LayerNorm norm1_, norm2_, norm3_;
};

/// Encoder layers one after another, then a norm if wanted.
class TransformerEncoder : public Module {
 public:
  TransformerEncoder(std::int64_t d_model, std::int64_t nhead, std::int64_t num_layers,
                     TransformerOptions options = {}, bool final_norm = false);
  Tensor forward(const Tensor& x) override { return forward(x, {}); }
  Tensor forward(const Tensor& x, const AttentionMasks& masks);
  Tensor operator()(const Tensor& x, const AttentionMasks& masks = {}) { return forward(x, masks); }

 private:
  ModuleList layers_;
  std::unique_ptr<LayerNorm> norm_;
};

/// Decoder layers one after another, then a norm if wanted.
class TransformerDecoder : public Module {
 public:
  TransformerDecoder(std::int64_t d_model, std::int64_t nhead, std::int64_t num_layers,
                     TransformerOptions options = {}, bool final_norm = false);
  Tensor forward(const Tensor& x, const Tensor& memory, const AttentionMasks& masks,
                 const AttentionMasks& memory_masks);
  Tensor operator()(const Tensor& x, const Tensor& memory, const AttentionMasks& masks = {},
                    const AttentionMasks& memory_masks = {}) {
    return forward(x, memory, masks, memory_masks);
  }

 private:
  using Module::forward;
  ModuleList layers_;
  std::unique_ptr<LayerNorm> norm_;
};

/// Encoder and decoder, each with a final norm.
class Transformer : public Module {
 public:
  Transformer(std::int64_t d_model = 512, std::int64_t nhead = 8, std::int64_t num_encoder_layers = 6,
              std::int64_t num_decoder_layers = 6, TransformerOptions options = {});
  Tensor forward(const Tensor& source, const Tensor& target, const AttentionMasks& source_masks,
                 const AttentionMasks& target_masks, const AttentionMasks& memory_masks);
  Tensor operator()(const Tensor& source, const Tensor& target, const AttentionMasks& source_masks = {},
                    const AttentionMasks& target_masks = {}, const AttentionMasks& memory_masks = {}) {
    return forward(source, target, source_masks, target_masks, memory_masks);
  }
  /// [size, size]: -inf above the diagonal, 0 elsewhere.
  static Tensor square_subsequent_mask(std::int64_t size);

 private:
  using Module::forward;
  TransformerEncoder encoder_;
  TransformerDecoder decoder_;
};

}  // namespace taper::nn
