// Distances and similarities of vectors, composed of other operations.
#include "taper/ops/distance.h"

#include "ops/registry.h"
#include "taper/ops.h"

namespace taper {

Tensor normalize(const Tensor& x, double p, std::int64_t dim, double eps) {
  return x / clamp(norm(x, p, Shape{dim}, true), Scalar(eps));
}

Tensor cosine_similarity(const Tensor& a, const Tensor& b, std::int64_t dim, double eps) {
  const Tensors both = broadcast_tensors({a, b});
  const auto size = [&](const Tensor& x) { return clamp(norm(x, 2, Shape{dim}), Scalar(eps)); };
  return sum(both[0] * both[1], Shape{dim}) / (size(both[0]) * size(both[1]));
}

Tensor pairwise_distance(const Tensor& a, const Tensor& b, double p, double eps, bool keepdim) {
  return norm(a - b + eps, p, Shape{-1}, keepdim);
}

Tensor bilinear(const Tensor& a, const Tensor& b, const Tensor& weight, const Tensor& bias) {
  check<ShapeError>(a.ndim() > 0 && b.ndim() > 0 && weight.ndim() == 3 && a.size(-1) == weight.size(1) &&
                        b.size(-1) == weight.size(2),
                    "bilinear: expected inputs [..., in1] and [..., in2] and weight [out, in1, in2], got ",
                    a.sizes(), ", ", b.sizes(), " and ", weight.sizes());
  const Tensor inner = squeeze(matmul(unsqueeze(unsqueeze(a, -2), -2), weight), Shape{-2});
  const Tensor result = squeeze(matmul(inner, unsqueeze(b, -1)), Shape{-1});
  return bias.defined() ? result + bias : result;
}

namespace {

Tensor pdist(const Tensor& x, double p) {
  check<ShapeError>(x.ndim() == 2, "pdist: expected a matrix, got shape ", x.sizes());
  check<ValueError>(p >= 0, "pdist: p must not be negative, got ", p);
  const Tensor pairs = nonzero(triu(ones({x.size(0), x.size(0)}, boolean, x.device()), 1));
  return norm(index_select(x, 0, select(pairs, 1, 0)) - index_select(x, 0, select(pairs, 1, 1)), p, Shape{1});
}

const Register normalize_op{
    {.signature = "normalize(Tensor input, float p=2.0, int dim=1, float eps=1e-12) -> Tensor",
     .doc = "input / max(|input|_p, eps) along dim.",
     .call = box<normalize>,
     .homes = "nn.functional",
     .samples = "x(4, 3); x(3), dim=0; x(2, 3, 4), 3, -1; taper.zeros(2, 3, dtype=taper.float64)",
     .reference = "input / np.maximum(np.linalg.norm(input, p, dim, True), eps)",
     .errors = "x(3); x(3, 2), dim=2"}};
const Register cosine_similarity_op{
    {.signature = "cosine_similarity(Tensor x1, Tensor x2, int dim=1, float eps=1e-8) -> Tensor",
     .doc = "x1 . x2 / (|x1| |x2|) along dim.",
     .call = box<cosine_similarity>,
     .homes = "taper nn.functional",
     .samples = "x(4, 3), x(4, 3); x(4, 3), x(3), -1; x(3), x(3), 0; x(2, 3, 4), x(3, 1)",
     .reference = "ref.cosine_similarity(*np.broadcast_arrays(x1, x2), dim, eps)",
     .errors = "x(4, 3), x(4, 2)"}};
const Register pairwise_distance_op{
    {.signature =
         "pairwise_distance(Tensor x1, Tensor x2, float p=2.0, float eps=1e-6, bool keepdim=False) -> Tensor",
     .doc = "|x1 - x2 + eps|_p over the last dimension.",
     .call = box<pairwise_distance>,
     .homes = "taper nn.functional",
     .samples = "x(4, 3), x(4, 3); x(4, 3), x(3), 1, keepdim=True; x(3), x(3)",
     .reference = "np.linalg.norm(x1 - x2 + eps, p, -1, keepdim)",
     .errors = "x(4, 3), x(4, 2)"}};
const Register pdist_op{{.signature = "pdist(Tensor input, float p=2.0) -> Tensor",
                         .doc = "Distances of all pairs of rows: [n (n - 1) / 2] of [n, m].",
                         .call = box<pdist>,
                         .homes = "taper nn.functional",
                         .samples = "x(4, 3); x(3, 2), 1; x(2, 5), 3; x(1, 3)",
                         .reference = "sp.spatial.distance.pdist(input, 'minkowski', p=p)",
                         .errors = "x(3); x(3, 2), -1"}};
const Register bilinear_op{
    {.signature = "bilinear(Tensor input1, Tensor input2, Tensor weight, Tensor? bias=None) -> Tensor",
     .doc = "input1^T weight input2 + bias: weight [out, in1, in2].",
     .call = box<bilinear>,
     .homes = "taper nn.functional",
     .samples =
         "x(4, 3), x(4, 2), x(5, 3, 2); x(3), x(2), x(5, 3, 2), x(5); x(2, 4, 3), x(2, 4, 2), x(1, 3, 2)",
     .reference = "np.einsum('...i,oij,...j->...o', input1, weight, input2) + (0 if bias is None else bias)",
     .errors = "x(4, 3), x(4, 2), x(5, 2, 2)"}};

}  // namespace

}  // namespace taper
