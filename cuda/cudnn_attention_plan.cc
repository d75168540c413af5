// Graphs of cuDNN for attention: the products, the softmax between them and their gradients, which its
// heuristics recognize as one kernel. Dao et al. 2022, arXiv:2205.14135.
#if __has_include(<cudnn_backend.h>)

#include "cuda/cudnn_attention_plan.h"

#include "cuda/cudnn_graph.h"

namespace taper::cuda {

namespace {

using std::int64_t;
using Sizes = CudnnGraph::Sizes;
namespace name = attention_operand;

constexpr auto single = CUDNN_DATA_FLOAT;
constexpr Pointwise add{CUDNN_POINTWISE_ADD}, subtract{CUDNN_POINTWISE_SUB}, multiply{CUDNN_POINTWISE_MUL},
    divide{CUDNN_POINTWISE_DIV}, exponential{CUDNN_POINTWISE_EXP}, logarithm{CUDNN_POINTWISE_LOG},
    identity{CUDNN_POINTWISE_IDENTITY}, select{CUDNN_POINTWISE_BINARY_SELECT},
    at_least{CUDNN_POINTWISE_CMP_GE, CUDNN_DATA_BOOLEAN};

/// What the graphs of both passes begin with.
class AttentionGraph {
 public:
  explicit AttentionGraph(const cpu::Attention& a)
      : a_(a),
        type_(cudnn_type(a.dtype)),
        scores_{a.batch, a.heads, a.queries, a.keys},
        rows_{a.batch, a.heads, a.queries, 1},
        scale_(graph_.number(name::scale, single)) {}

  void forward();
  void backward();
  const CudnnGraph& graph() const { return graph_; }

 private:
  const GraphTensor& operand(int64_t operand, int64_t heads, int64_t rows, int64_t columns,
                             const cpu::HeadStrides& s) {
    return graph_.operand(operand, type_, {a_.batch, heads, rows, columns}, {s.batch, s.head, s.row, 1});
  }
  /// Its last two dimensions exchanged.
  const GraphTensor& transposed(int64_t operand, int64_t heads, int64_t rows, int64_t columns,
                                const cpu::HeadStrides& s) {
    return graph_.operand(operand, type_, {a_.batch, heads, columns, rows}, {s.batch, s.head, 1, s.row});
  }
  const GraphTensor& row_operand(int64_t operand) {
    return graph_.operand(operand, single, rows_, {a_.heads * a_.queries, a_.queries, 1, 1});
  }
  const GraphTensor& scores() { return graph_.intermediate(single, scores_); }
  const GraphTensor& rows() { return graph_.intermediate(single, rows_); }
  const GraphTensor& apply(const Pointwise& f, const GraphTensor& x) {
    const GraphTensor& y = graph_.intermediate(single, x.sizes);
    return graph_.pointwise(f, x, y), y;
  }
  const GraphTensor& apply(const Pointwise& f, const GraphTensor& x, const GraphTensor& b) {
    const GraphTensor& y = graph_.intermediate(single, x.sizes);
    return graph_.pointwise(f, x, b, y), y;
  }
  /// c = a b by heads, those that share a key head added.
  void matmul_to_keys(const GraphTensor& a, const GraphTensor& b, const GraphTensor& c) {
    if (a_.heads == a_.key_heads) return graph_.matmul(a, b, c);
    const GraphTensor& of_heads = graph_.intermediate(type_, {a_.batch, a_.heads, a_.keys, c.sizes[3]});
    graph_.matmul(a, b, of_heads);
    graph_.reduce(CUDNN_REDUCE_TENSOR_ADD, of_heads, c);
  }
  const GraphTensor& scaled_scores(const GraphTensor& q, const GraphTensor& k);
  const GraphTensor& hide_later_keys(const GraphTensor& scores);

  const cpu::Attention& a_;
  CudnnGraph graph_;
  cudnnDataType_t type_;
  Sizes scores_, rows_;
  const GraphTensor& scale_;
};

/// scale q k^T + mask.
const GraphTensor& AttentionGraph::scaled_scores(const GraphTensor& q, const GraphTensor& k) {
  const GraphTensor& product = scores();
  graph_.matmul(q, k, product);
  const GraphTensor& scaled = apply(multiply, product, scale_);
  if (!a_.mask) return scaled;
  Sizes sizes = scores_, strides(a_.mask_strides, a_.mask_strides + 4);
  if (strides[1] == 0) sizes[1] = 1, strides[1] = a_.queries * a_.keys;
  if (strides[0] == 0) sizes[0] = 1, strides[0] = sizes[1] * strides[1];
  return apply(add, scaled, graph_.operand(name::mask, cudnn_type(a_.mask_dtype), sizes, strides));
}

const GraphTensor& AttentionGraph::hide_later_keys(const GraphTensor& scores) {
  if (!a_.causal) return scores;
  const GraphTensor &query = graph_.intermediate(CUDNN_DATA_INT32, scores_),
                    &key = graph_.intermediate(CUDNN_DATA_INT32, scores_),
                    &seen = graph_.intermediate(CUDNN_DATA_BOOLEAN, scores_), &result = this->scores();
  graph_.pointwise({CUDNN_POINTWISE_GEN_INDEX, single, 2}, scores, query);
  graph_.pointwise({CUDNN_POINTWISE_GEN_INDEX, single, 3}, scores, key);
  graph_.pointwise(at_least, query, key, seen);
  graph_.pointwise(select, scores, graph_.number(name::hidden, single), seen, result);
  return result;
}

void AttentionGraph::forward() {
  const GraphTensor &q = operand(name::q, a_.heads, a_.queries, a_.size, a_.q),
                    &k = transposed(name::k, a_.key_heads, a_.keys, a_.size, a_.k),
                    &v = operand(name::v, a_.key_heads, a_.keys, a_.value_size, a_.v),
                    &y = operand(name::y, a_.heads, a_.queries, a_.value_size, a_.y);
  const GraphTensor& visible = hide_later_keys(scaled_scores(q, k));
  const GraphTensor &largest = rows(), &sum = rows(), &weights = graph_.intermediate(type_, scores_);
  graph_.reduce(CUDNN_REDUCE_TENSOR_MAX, visible, largest);
  const GraphTensor& powers = apply(exponential, apply(subtract, visible, largest));
  graph_.reduce(CUDNN_REDUCE_TENSOR_ADD, powers, sum);
  graph_.pointwise(add, largest, apply(logarithm, sum), row_operand(name::log_sum_exp));
  graph_.pointwise(divide, powers, sum, weights);
  graph_.matmul(weights, v, y);
}

void AttentionGraph::backward() {
  const GraphTensor &q = operand(name::q, a_.heads, a_.queries, a_.size, a_.q),
                    &k = transposed(name::k, a_.key_heads, a_.keys, a_.size, a_.k),
                    &v = transposed(name::v, a_.key_heads, a_.keys, a_.value_size, a_.v),
                    &y = operand(name::y, a_.heads, a_.queries, a_.value_size, a_.y),
                    &dy = operand(name::dy, a_.heads, a_.queries, a_.value_size, a_.y),
                    &dq = operand(name::dq, a_.heads, a_.queries, a_.size, a_.q),
                    &dk = operand(name::dk, a_.key_heads, a_.keys, a_.size, a_.k),
                    &dv = operand(name::dv, a_.key_heads, a_.keys, a_.value_size, a_.v);
  const Sizes by_key{a_.batch, a_.heads, a_.keys, a_.queries},
      by_key_strides{a_.heads * a_.queries * a_.keys, a_.queries * a_.keys, 1, a_.keys};
  // dy . y of each query.
  const GraphTensor &sum = rows(), &along = row_operand(name::along);
  graph_.reduce(CUDNN_REDUCE_TENSOR_ADD, apply(multiply, dy, y), sum);
  graph_.pointwise(multiply, sum, graph_.number(name::one, single), along);
  // The weights again, and dv.
  const GraphTensor& weights = apply(
      exponential, hide_later_keys(apply(subtract, scaled_scores(q, k), row_operand(name::log_sum_exp))));
  const GraphTensor& weights_by_key = graph_.intermediate(type_, by_key, by_key_strides);
  graph_.reshape(weights, weights_by_key);
  matmul_to_keys(weights_by_key, dy, dv);
  // Gradients of the scores, dk and dq.
  const GraphTensor& products = scores();
  graph_.matmul(dy, v, products);
  const GraphTensor& dscores =
      apply(multiply, apply(multiply, apply(subtract, products, along), weights), scale_);
  const GraphTensor& dscores_by_key = graph_.intermediate(type_, by_key, by_key_strides);
  graph_.reshape(dscores, dscores_by_key);
  matmul_to_keys(dscores_by_key, q, dk);
  const GraphTensor& keys = graph_.intermediate(type_, {a_.batch, a_.key_heads, a_.keys, a_.size},
                                                {a_.k.batch, a_.k.head, a_.k.row, 1});
  graph_.reshape(k, keys);
  const GraphTensor& dq_sums = graph_.operand(
      name::dq_sums, single, dq.sizes, {a_.heads * a_.queries * a_.size, a_.queries * a_.size, a_.size, 1});
  graph_.matmul(dscores, keys, dq_sums);
  graph_.pointwise(identity, dq_sums, dq);
}

}  // namespace

std::vector<CudnnPlan> plan_attention(const PlannedAttention& attention, const PlanTarget& target,
                                      const EngineChoice& choice, int64_t most_workspace, std::size_t most) {
  AttentionGraph graph(attention.sizes);
  if (attention.backward) graph.backward();
  else graph.forward();
  return find_plans(graph.graph().operations(), target, choice, most_workspace, most);
}

}  // namespace taper::cuda

#endif
