// Attention.
#include "cpu/attention.h"

#include <cmath>

#include "autograd/record.h"
#include "ops/elementwise.h"
#include "ops/registry.h"
#include "taper/ops.h"
#include "tensor/kernel_for.h"

namespace taper {

namespace {

cpu::HeadStrides strides_of(const Tensor& x) { return {x.strides()[0], x.strides()[1], x.strides()[2]}; }
Tensor columns_adjacent(const Tensor& x) {
  return x.strides()[3] == 1 || x.sizes()[3] == 1 ? x : contiguous(x);
}

struct AttentionShape {
  double scale;
  bool causal;

  // All operands [batch, heads, rows, columns].
  cpu::Attention of(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& y,
                    const Tensor& mask) const {
    cpu::Attention a{};
    a.dtype = q.dtype();
    a.batch = q.sizes()[0];
    a.heads = q.sizes()[1];
    a.key_heads = k.sizes()[1];
    a.queries = q.sizes()[2];
    a.keys = k.sizes()[2];
    a.size = q.sizes()[3];
    a.value_size = v.sizes()[3];
    a.scale = scale;
    a.causal = causal;
    a.q = strides_of(q);
    a.k = strides_of(k);
    a.v = strides_of(v);
    a.y = strides_of(y);
    if (!mask.defined()) return a;
    a.mask = mask.data();
    a.mask_dtype = mask.dtype();
    for (int i = 0; i < 4; ++i) a.mask_strides[i] = mask.strides()[i];
    return a;
  }
};

// Key or value heads [..., heads, rows, columns], each as often as query heads share it.
Tensor for_each_head(const Tensor& x, const Tensor& q) {
  return x.size(-3) == q.size(-3) ? x : repeat_interleave(x, q.size(-3) / x.size(-3), -3);
}

// softmax(scale q k^T + mask) v by plain operations; also gives a mask's gradient.
Tensor plain_attention(const AttentionShape& shape, const Tensor& q, const Tensor& k, const Tensor& v,
                       const Tensor& mask, double dropout_p = 0) {
  Tensor scores = matmul(mul(q, shape.scale), transpose(k, -2, -1));
  Tensor visible;
  if (shape.causal) visible = tril(ones({q.size(-2), k.size(-2)}, boolean, q.device()));
  if (mask.defined() && mask.dtype() == boolean)
    visible = visible.defined() ? logical_and(visible, mask) : mask;
  else if (mask.defined()) scores = add(scores, mask);
  if (visible.defined()) scores = masked_fill(scores, logical_not(visible), -INFINITY);
  const Tensor seen = ne(amax(scores, Shape{-1}, true), -INFINITY);
  const Tensor weights =
      masked_fill(softmax(masked_fill(scores, logical_not(seen), 0), -1), logical_not(seen), 0);
  return matmul(dropout(weights, dropout_p, dropout_p > 0), v);
}

// Inputs dy, q, k, v, y, log-sum-exp, mask.
struct AttentionBackward {
  static constexpr auto name = "scaled_dot_product_attention_backward";
  static constexpr Saves saves{.inputs = 79};
  AttentionShape shape;

  std::array<Tensor, 3> forward(const Tensor& dy, const Tensor& q, const Tensor& k, const Tensor& v,
                                const Tensor& y, const Tensor& log_sum, const Tensor& mask) const {
    Tensor dq = empty(q.sizes(), q.dtype(), q.device()), dk = empty(k.sizes(), k.dtype(), k.device()),
           dv = empty(v.sizes(), v.dtype(), v.device());
    const Tensor dense_q = contiguous(q), dense_k = contiguous(k), dense_v = contiguous(v),
                 dense_dy = contiguous(dy);
    kernel_for<cpu::attention_backward>("attention_backward", dense_q, dense_k, dense_v, dense_dy, mask)(
        shape.of(dense_q, dense_k, dense_v, y, mask), dense_q.data(), dense_k.data(), dense_v.data(),
        y.data(), log_sum.device_data<double>(), dense_dy.data(), dq.data(), dk.data(), dv.data());
    return {dq, dk, dv};
  }
  Tensors backward(const Saved& saved, std::span<const Tensor> ddx) const {
    const EnableGrad plain_formula;
    Tensors sources;
    for (int i = 0; i < 4; ++i) sources.push_back(saved.input(i).detach().requires_grad_());
    const Tensor y = plain_attention(shape, sources[1], for_each_head(sources[2], sources[1]),
                                     for_each_head(sources[3], sources[1]), saved.input(6));
    const Tensors first = grad({y}, {sources[1], sources[2], sources[3]}, {sources[0]}, false, true);
    Tensors outputs, seeds;
    for (std::size_t i = 0; i < 3; ++i)
      if (ddx[i].defined() && first[i].requires_grad()) outputs.push_back(first[i]), seeds.push_back(ddx[i]);
    Tensors second = outputs.empty() ? Tensors(4) : grad(outputs, sources, seeds, false, false, true);
    second.resize(7);
    return second;
  }
};

struct AttentionOp {
  static constexpr auto name = "scaled_dot_product_attention";
  static constexpr Saves saves{.inputs = 15, .outputs = 3};
  AttentionShape shape;

  std::array<Tensor, 2> forward(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask) const {
    const Tensor query = columns_adjacent(q), key = columns_adjacent(k), value = columns_adjacent(v);
    Tensor y = empty({q.sizes()[0], q.sizes()[1], q.sizes()[2], v.sizes()[3]}, q.dtype(), q.device());
    Tensor log_sum = empty({q.sizes()[0], q.sizes()[1], q.sizes()[2]}, float64, q.device());
    if (y.numel())
      kernel_for<cpu::attention>("attention", query, key, value, mask)(
          shape.of(query, key, value, y, mask), query.data(), key.data(), value.data(), y.data(),
          log_sum.device_data<double>());
    return {y, log_sum};
  }
  std::array<Tensor, 4> backward(const Saved& saved, std::span<const Tensor> dy) const {
    if (!dy[0].defined()) return {};
    const auto gradients = record(AttentionBackward{shape}, dy[0], saved.input(0), saved.input(1),
                                  saved.input(2), saved.output(0), saved.output(1), saved.input(3));
    return {gradients[0], gradients[1], gradients[2], Tensor()};
  }
};

// [..., rows, columns] as [batch, heads, rows, columns], leading dimensions expanded to `leading`.
Tensor as_heads(const Tensor& x, const Shape& leading) {
  Shape sizes = leading;
  sizes.push_back(x.size(-2));
  sizes.push_back(x.size(-1));
  const Tensor whole = x.sizes() == sizes ? x : expand(x, sizes);
  if (leading.size() == 2) return whole;
  if (leading.size() == 1) return unsqueeze(whole, 0);
  return reshape(whole, {leading.empty() ? 1 : numel(Shape(leading.data(), leading.size() - 1)),
                         leading.empty() ? 1 : leading.back(), x.size(-2), x.size(-1)});
}

Shape leading(const Tensor& x) { return Shape(x.sizes().data(), x.ndim() - 2); }

// The mask for all queries and keys of [leading..., queries, keys].
Tensor mask_for(const Tensor& mask, const Shape& leading, std::int64_t queries, std::int64_t keys) {
  if (!mask.defined()) return {};
  Shape sizes = leading;
  sizes.push_back(queries);
  sizes.push_back(keys);
  return as_heads(expand(mask.ndim() == 1 ? unsqueeze(mask, 0) : mask, sizes), leading);
}

// Where grouped, several query heads may share a key head, of which there are then as many in k as in v.
Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask, double dropout_p,
                 bool causal, std::optional<double> scale, bool grouped) {
  const char* op = "scaled_dot_product_attention";
  check<ShapeError>(q.ndim() >= 2 && k.ndim() >= 2 && v.ndim() >= 2, op,
                    ": query, key and value need at least 2 dimensions, got ", q.sizes(), ", ", k.sizes(),
                    ", ", v.sizes());
  check<ShapeError>(q.size(-1) == k.size(-1) && k.size(-2) == v.size(-2), op, ": query ", q.sizes(), ", key ",
                    k.sizes(), " and value ", v.sizes(), " do not fit");
  check<DTypeError>(q.is_floating_point() && q.dtype() == k.dtype() && q.dtype() == v.dtype(), op,
                    ": query, key and value must have one floating dtype, got ", q.dtype(), ", ", k.dtype(),
                    ", ", v.dtype());
  check<ValueError>(!mask.defined() || !causal, op,
                    ": explicit attn_mask should not be set when is_causal=True");
  check<DTypeError>(!mask.defined() || mask.dtype() == boolean || mask.dtype() == q.dtype(), op,
                    ": attn_mask must be bool or ", q.dtype(), ", got ",
                    mask.defined() ? mask.dtype() : boolean);
  const AttentionShape shape{scale.value_or(q.size(-1) ? 1 / std::sqrt(double(q.size(-1))) : 1), causal};
  if (dropout_p > 0 || (mask.defined() && wants_grad(mask)))
    return plain_attention(shape, q, grouped ? for_each_head(k, q) : k, grouped ? for_each_head(v, q) : v,
                           mask, dropout_p);
  Shape of_keys = broadcast_shapes(leading(k), leading(v), op);
  const std::int64_t key_heads = grouped ? of_keys.back() : 0;
  if (grouped) of_keys[of_keys.size() - 1] = q.size(-3);
  const Shape of_queries = of_keys = broadcast_shapes(leading(q), of_keys, op);
  if (grouped) of_keys[of_keys.size() - 1] = key_heads;
  const Tensor y = record(AttentionOp{shape}, as_heads(q, of_queries), as_heads(k, of_keys),
                          as_heads(v, of_keys), mask_for(mask, of_queries, q.size(-2), k.size(-2)))[0];
  Shape sizes = of_queries;
  sizes.push_back(q.size(-2));
  sizes.push_back(v.size(-1));
  return y.sizes() == sizes ? y : reshape(y, sizes);
}

}  // namespace

Tensor scaled_dot_product_attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask,
                                    double dropout_p, bool causal, std::optional<double> scale) {
  return attention(q, k, v, mask, dropout_p, causal, scale, false);
}

namespace {

Tensor attention_call(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask, double dropout_p,
                      bool causal, std::optional<double> scale, bool enable_gqa) {
  if (!enable_gqa || (k.size(-3) == q.size(-3) && v.size(-3) == q.size(-3)))
    return scaled_dot_product_attention(q, k, v, mask, dropout_p, causal, scale);
  for (const std::int64_t heads : {k.size(-3), v.size(-3)})
    check<ShapeError>(heads > 0 && q.size(-3) % heads == 0, "scaled_dot_product_attention: ", q.size(-3),
                      " query heads are not a multiple of ", heads, " key heads");
  const bool one_number = k.size(-3) == v.size(-3);
  return attention(q, one_number ? k : for_each_head(k, q), one_number ? v : for_each_head(v, q), mask,
                   dropout_p, causal, scale, one_number);
}
const Register attention_op{
    {.signature =
         "scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None, float "
         "dropout_p=0.0, bool is_causal=False, *, float? scale=None, bool enable_gqa=False) -> Tensor",
     .doc = "softmax(scale * query key^T + attn_mask) value, without the whole matrix of scores.",
     .call = box<attention_call>,
     .homes = "nn.functional",
     .samples = "x(2, 2, 3, 4), x(2, 2, 5, 4), x(2, 2, 5, 3); x(2, 3, 4), x(2, 3, 4), x(2, 3, 4), "
                "is_causal=True; x(1, 2, 3, 4), x(1, 2, 5, 4), x(1, 2, 5, 4), b(3, 5); x(1, 2, 3, 4), x(1, "
                "2, 5, 4), x(1, 2, 5, 4), constant(3, 5), scale=0.3; x(3, 4), x(5, 4), x(5, 2)",
     .reference = "ref.attention(query, key, value, attn_mask, is_causal, scale)",
     .errors = "x(2, 3, 4), x(2, 3, 5), x(2, 3, 4); x(2, 3, 4), x(2, 4, 4), x(2, 3, 4)"}};

}  // namespace

}  // namespace taper
