// Attention with learned projections, and transformers.
#include "taper/nn/transformer.h"

#include "nn/initial.h"
#include "taper/nn/init.h"

namespace taper::nn {

namespace {

Tensor value_of(const Tensor* tensor) { return tensor ? *tensor : Tensor(); }

// A mask as what is added to the scores: -inf where a bool mask hides.
Tensor added(const Tensor& mask, DType dtype) {
  if (mask.dtype() != boolean) return mask;
  return masked_fill(zeros(mask.sizes(), dtype, mask.device()), mask, Scalar(-INFINITY));
}

// All masks as one that is added to the scores [N, heads, L, S]; undefined if there is none.
Tensor merged_mask(const AttentionMasks& masks, const Shape& scores, DType dtype) {
  Tensor whole;
  const auto merge = [&](const Tensor& mask) { whole = whole.defined() ? whole + mask : mask; };
  if (masks.attention.defined()) {
    const Tensor mask = added(masks.attention, dtype);
    check<ShapeError>(mask.ndim() == 2 || (mask.ndim() == 3 && mask.size(0) == scores[0] * scores[1]),
                      "MultiheadAttention: attention mask must be [L, S] or [N * heads, L, S], got shape ",
                      mask.sizes());
    merge(mask.ndim() == 2 ? mask : reshape(mask, scores));
  }
  if (masks.key_padding.defined()) {
    check<ShapeError>(masks.key_padding.sizes() == Shape({scores[0], scores[3]}),
                      "MultiheadAttention: key padding mask must be [N, S], got shape ",
                      masks.key_padding.sizes());
    merge(unsqueeze(unsqueeze(added(masks.key_padding, dtype), 1), 1));
  }
  if (masks.causal && whole.defined()) merge(to(Transformer::square_subsequent_mask(scores[2]), dtype));
  return whole;
}

std::int64_t or_else(std::int64_t size, std::int64_t otherwise) { return size ? size : otherwise; }

}  // namespace

MultiheadAttention::MultiheadAttention(std::int64_t embed_dim, std::int64_t num_heads,
                                       MultiheadAttentionOptions options)
    : width_(embed_dim), heads_(num_heads), options_(options), out_proj_(embed_dim, embed_dim, options.bias) {
  check<ValueError>(embed_dim > 0 && num_heads > 0 && embed_dim % num_heads == 0,
                    "MultiheadAttention: embed_dim ", embed_dim, " must be divisible by num_heads ",
                    num_heads);
  const std::int64_t keys = or_else(options.kdim, embed_dim), values = or_else(options.vdim, embed_dim);
  const auto weight = [&](const char* name, const Shape& sizes) {
    Tensor& parameter = register_parameter(name, empty(sizes));
    init::xavier_uniform_(parameter);
    return &parameter;
  };
  if (keys == embed_dim && values == embed_dim) {
    in_weight_ = weight("in_proj_weight", {3 * embed_dim, embed_dim});
  } else {
    q_weight_ = weight("q_proj_weight", {embed_dim, embed_dim});
    k_weight_ = weight("k_proj_weight", {embed_dim, keys});
    v_weight_ = weight("v_proj_weight", {embed_dim, values});
  }
  if (options.bias) {
    in_bias_ = &register_parameter("in_proj_bias", zeros({3 * embed_dim}));
    init::zeros_(out_proj_.bias());
  }
  register_module("out_proj", out_proj_);
}

Tensors MultiheadAttention::projected(const Tensor& query, const Tensor& key, const Tensor& value) const {
  if (in_weight_ && query.is(key) && key.is(value))
    return chunk(linear(query, *in_weight_, value_of(in_bias_)), 3, -1);
  const Tensors weights = in_weight_ ? chunk(*in_weight_, 3) : Tensors{*q_weight_, *k_weight_, *v_weight_};
  const Tensors biases = in_bias_ ? chunk(*in_bias_, 3) : Tensors(3);
  return {linear(query, weights[0], biases[0]), linear(key, weights[1], biases[1]),
          linear(value, weights[2], biases[2])};
}

std::tuple<Tensor, Tensor> MultiheadAttention::forward(const Tensor& query, const Tensor& key,
                                                       const Tensor& value, const AttentionMasks& masks,
                                                       bool need_weights) {
  check<ShapeError>(
      query.ndim() == key.ndim() && key.ndim() == value.ndim() && (query.ndim() == 2 || query.ndim() == 3),
      "MultiheadAttention: query, key and value must all have 2 or 3 dimensions, got ", query.sizes(), ", ",
      key.sizes(), ", ", value.sizes());
  const bool single = query.ndim() == 2;
  // [L, N, E] or [N, L, E] -> [N, heads, L, E / heads].
  const auto split = [&](const Tensor& x) {
    const Tensor batch = single ? unsqueeze(x, 0) : options_.batch_first ? x : transpose(x, 0, 1);
    return transpose(unflatten(batch, -1, {heads_, width_ / heads_}), 1, 2);
  };
  const Tensors parts = projected(query, key, value);
  const Tensor q = split(parts[0]), k = split(parts[1]), v = split(parts[2]);
  AttentionMasks batched = masks;
  if (single && masks.key_padding.defined()) batched.key_padding = unsqueeze(masks.key_padding, 0);
  const Tensor mask = merged_mask(batched, {q.size(0), heads_, q.size(2), k.size(2)}, q.dtype());
  const double p = is_training() ? options_.dropout : 0;
  Tensor mixed, weights;
  if (need_weights) {
    Tensor scores = matmul(q * (1 / std::sqrt(double(width_ / heads_))), transpose(k, -2, -1));
    const Tensor shown = masks.causal && !mask.defined()
                             ? taper::to(Transformer::square_subsequent_mask(q.size(2)), q.dtype())
                             : mask;
    if (shown.defined()) scores = scores + shown;
    weights = dropout(softmax(scores, -1), p, true);
    mixed = matmul(weights, v);
    weights = mean(weights, Shape{1});
    if (single) weights = squeeze(weights, Shape{0});
  } else {
    mixed = scaled_dot_product_attention(q, k, v, mask, p, masks.causal && !mask.defined());
  }
  Tensor y = out_proj_(flatten(transpose(mixed, 1, 2), 2));
  if (single) y = squeeze(y, Shape{0});
  else if (!options_.batch_first) y = transpose(y, 0, 1);
  return {y, weights};
}

namespace {

MultiheadAttentionOptions attention_options(const TransformerOptions& options) {
  return {.dropout = options.dropout, .bias = options.bias, .batch_first = options.batch_first};
}
LayerNormOptions norm_options(const TransformerOptions& options) {
  return {.eps = options.layer_norm_eps, .bias = options.bias};
}
Tensor activated(const Tensor& x, const TransformerOptions& options) {
  return options.activation == "gelu" ? gelu(x) : relu(x);
}
void check_activation(const TransformerOptions& options) {
  check<ValueError>(options.activation == "relu" || options.activation == "gelu",
                    "transformer layer: activation must be relu or gelu, got '", options.activation, "'");
}

}  // namespace

TransformerEncoderLayer::TransformerEncoderLayer(std::int64_t d_model, std::int64_t nhead,
                                                 TransformerOptions options)
    : options_(std::move(options)),
      self_attn_(d_model, nhead, attention_options(options_)),
      linear1_(d_model, options_.dim_feedforward, options_.bias),
      linear2_(options_.dim_feedforward, d_model, options_.bias),
      dropout_(options_.dropout),
      dropout1_(options_.dropout),
      dropout2_(options_.dropout),
      norm1_(d_model, norm_options(options_)),
      norm2_(d_model, norm_options(options_)) {
  check_activation(options_);
  register_module("self_attn", self_attn_);
  register_module("linear1", linear1_);
  register_module("dropout", dropout_);
  register_module("linear2", linear2_);
  register_module("norm1", norm1_);
  register_module("norm2", norm2_);
  register_module("dropout1", dropout1_);
  register_module("dropout2", dropout2_);
}

Tensor TransformerEncoderLayer::attend(const Tensor& x, const AttentionMasks& masks) {
  return dropout1_(std::get<0>(self_attn_(x, x, x, masks, false)));
}
Tensor TransformerEncoderLayer::feed(const Tensor& x) {
  return dropout2_(linear2_(dropout_(activated(linear1_(x), options_))));
}
Tensor TransformerEncoderLayer::forward(const Tensor& x, const AttentionMasks& masks) {
  if (options_.norm_first) {
    const Tensor y = x + attend(norm1_(x), masks);
    return y + feed(norm2_(y));
  }
  const Tensor y = norm1_(x + attend(x, masks));
  return norm2_(y + feed(y));
}

TransformerDecoderLayer::TransformerDecoderLayer(std::int64_t d_model, std::int64_t nhead,
                                                 TransformerOptions options)
    : options_(std::move(options)),
      self_attn_(d_model, nhead, attention_options(options_)),
      multihead_attn_(d_model, nhead, attention_options(options_)),
      linear1_(d_model, options_.dim_feedforward, options_.bias),
      linear2_(options_.dim_feedforward, d_model, options_.bias),
      dropout_(options_.dropout),
      dropout1_(options_.dropout),
      dropout2_(options_.dropout),
      dropout3_(options_.dropout),
      norm1_(d_model, norm_options(options_)),
      norm2_(d_model, norm_options(options_)),
      norm3_(d_model, norm_options(options_)) {
  check_activation(options_);
  register_module("self_attn", self_attn_);
  register_module("multihead_attn", multihead_attn_);
  register_module("linear1", linear1_);
  register_module("dropout", dropout_);
  register_module("linear2", linear2_);
  register_module("norm1", norm1_);
  register_module("norm2", norm2_);
  register_module("norm3", norm3_);
  register_module("dropout1", dropout1_);
  register_module("dropout2", dropout2_);
  register_module("dropout3", dropout3_);
}

Tensor TransformerDecoderLayer::attend(MultiheadAttention& attention, Dropout& dropout, const Tensor& x,
                                       const Tensor& memory, const AttentionMasks& masks) {
  return dropout(std::get<0>(attention(x, memory, memory, masks, false)));
}
Tensor TransformerDecoderLayer::feed(const Tensor& x) {
  return dropout3_(linear2_(dropout_(activated(linear1_(x), options_))));
}
Tensor TransformerDecoderLayer::forward(const Tensor& x, const Tensor& memory, const AttentionMasks& masks,
                                        const AttentionMasks& memory_masks) {
  if (options_.norm_first) {
    const Tensor first = norm1_(x), y = x + attend(self_attn_, dropout1_, first, first, masks);
    const Tensor z = y + attend(multihead_attn_, dropout2_, norm2_(y), memory, memory_masks);
    return z + feed(norm3_(z));
  }
  const Tensor y = norm1_(x + attend(self_attn_, dropout1_, x, x, masks));
  const Tensor z = norm2_(y + attend(multihead_attn_, dropout2_, y, memory, memory_masks));
  return norm3_(z + feed(z));
}

TransformerEncoder::TransformerEncoder(std::int64_t d_model, std::int64_t nhead, std::int64_t num_layers,
                                       TransformerOptions options, bool final_norm) {
  register_module("layers", layers_);
  for (std::int64_t i = 0; i < num_layers; ++i)
    layers_.append<TransformerEncoderLayer>(d_model, nhead, options);
  if (!final_norm) return;
  norm_ = std::make_unique<LayerNorm>(d_model, norm_options(options));
  register_module("norm", *norm_);
}
Tensor TransformerEncoder::forward(const Tensor& x, const AttentionMasks& masks) {
  Tensor y = x;
  for (const auto& layer : layers_) y = static_cast<TransformerEncoderLayer&>(*layer)(y, masks);
  return norm_ ? (*norm_)(y) : y;
}

TransformerDecoder::TransformerDecoder(std::int64_t d_model, std::int64_t nhead, std::int64_t num_layers,
                                       TransformerOptions options, bool final_norm) {
  register_module("layers", layers_);
  for (std::int64_t i = 0; i < num_layers; ++i)
    layers_.append<TransformerDecoderLayer>(d_model, nhead, options);
  if (!final_norm) return;
  norm_ = std::make_unique<LayerNorm>(d_model, norm_options(options));
  register_module("norm", *norm_);
}
Tensor TransformerDecoder::forward(const Tensor& x, const Tensor& memory, const AttentionMasks& masks,
                                   const AttentionMasks& memory_masks) {
  Tensor y = x;
  for (const auto& layer : layers_)
    y = static_cast<TransformerDecoderLayer&>(*layer)(y, memory, masks, memory_masks);
  return norm_ ? (*norm_)(y) : y;
}

Transformer::Transformer(std::int64_t d_model, std::int64_t nhead, std::int64_t num_encoder_layers,
                         std::int64_t num_decoder_layers, TransformerOptions options)
    : encoder_(d_model, nhead, num_encoder_layers, options, true),
      decoder_(d_model, nhead, num_decoder_layers, options, true) {
  register_module("encoder", encoder_);
  register_module("decoder", decoder_);
  for (const Tensor& parameter : parameters())
    if (parameter.ndim() > 1) init::xavier_uniform_(parameter);
}
Tensor Transformer::forward(const Tensor& source, const Tensor& target, const AttentionMasks& source_masks,
                            const AttentionMasks& target_masks, const AttentionMasks& memory_masks) {
  return decoder_(target, encoder_(source, source_masks), target_masks, memory_masks);
}
Tensor Transformer::square_subsequent_mask(std::int64_t size) {
  return triu(full({size, size}, -INFINITY, default_dtype()), 1);
}

}  // namespace taper::nn
