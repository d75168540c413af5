// PyTorch's older forms of the sums of a tensor and a product, whose factors beta and alpha come first:
// addmm(beta, input, alpha, mat1, mat2) and input.addmm(beta, alpha, mat1, mat2).
#include <deque>

#include "ops/registry.h"
#include "taper/error.h"
#include "taper/ops.h"

namespace taper {

namespace {

template <auto product>
Tensor both_first(const Scalar& beta, const Tensor& x, const Scalar& alpha, const Tensor& a,
                  const Tensor& b) {
  return product(x, a, b, beta, alpha);
}
template <auto product>
Tensor beta_first(const Scalar& beta, const Tensor& x, const Tensor& a, const Tensor& b) {
  return product(x, a, b, beta, 1);
}
template <auto product>
Tensor method_both_first(const Tensor& x, const Scalar& beta, const Scalar& alpha, const Tensor& a,
                         const Tensor& b) {
  return product(x, a, b, beta, alpha);
}
template <auto product>
Tensor method_beta_first(const Tensor& x, const Scalar& beta, const Tensor& a, const Tensor& b) {
  return product(x, a, b, beta, 1);
}

// The registry's functions refer to their texts.
std::string_view kept(std::string text) {
  static std::deque<std::string> texts;
  return texts.emplace_back(std::move(text));
}

// A sum of a tensor and a product.
struct Product {
  std::string_view name;
  std::string_view factors;   // the tensors of the product, as in "Tensor mat1, Tensor mat2"
  std::string_view x, a, b;   // samples of the operands
  std::string_view computes;  // the product in NumPy
};

template <auto product>
struct OldForms {
  explicit OldForms(const Product& p)
      : both{{.signature = kept(concat(p.name, "(Scalar beta, Tensor input, Scalar alpha, ", p.factors, end)),
              .doc = doc,
              .call = box<both_first<product>>,
              .homes = "taper",
              .samples = kept(concat("0.5, ", p.x, ", 2, ", p.a, ", ", p.b)),
              .reference = kept(concat("beta * input + alpha * ", p.computes))}},
        beta{{.signature = kept(concat(p.name, "(Scalar beta, Tensor input, ", p.factors, end)),
              .doc = doc,
              .call = box<beta_first<product>>,
              .homes = "taper",
              .samples = kept(concat("0.5, ", p.x, ", ", p.a, ", ", p.b)),
              .reference = kept(concat("beta * input + ", p.computes))}},
        method_both{
            {.signature = kept(concat(p.name, "(Tensor input, Scalar beta, Scalar alpha, ", p.factors, end)),
             .doc = doc,
             .call = box<method_both_first<product>>,
             .homes = "Tensor",
             .samples = kept(concat(p.x, ", 0.5, 2, ", p.a, ", ", p.b)),
             .reference = kept(concat("beta * input + alpha * ", p.computes)),
             .inplace = true}},
        method_beta{{.signature = kept(concat(p.name, "(Tensor input, Scalar beta, ", p.factors, end)),
                     .doc = doc,
                     .call = box<method_beta_first<product>>,
                     .homes = "Tensor",
                     .samples = kept(concat(p.x, ", 0.5, ", p.a, ", ", p.b)),
                     .reference = kept(concat("beta * input + ", p.computes)),
                     .inplace = true}} {}

  static constexpr std::string_view end = ") -> Tensor";
  static constexpr std::string_view doc = "The older order of the arguments.";
  Register both, beta, method_both, method_beta;
};

const OldForms<&addmm> addmm_forms{
    {"addmm", "Tensor mat1, Tensor mat2", "x(2, 3)", "x(2, 4)", "x(4, 3)", "mat1 @ mat2"}};
const OldForms<&addmv> addmv_forms{
    {"addmv", "Tensor mat, Tensor vec", "x(2)", "x(2, 3)", "x(3)", "mat @ vec"}};
const OldForms<&addr> addr_forms{
    {"addr", "Tensor vec1, Tensor vec2", "x(2, 3)", "x(2)", "x(3)", "np.outer(vec1, vec2)"}};
const OldForms<&addbmm> addbmm_forms{{"addbmm", "Tensor batch1, Tensor batch2", "x(3, 5)", "x(2, 3, 4)",
                                      "x(2, 4, 5)", "(batch1 @ batch2).sum(0)"}};
const OldForms<&baddbmm> baddbmm_forms{
    {"baddbmm", "Tensor batch1, Tensor batch2", "x(2, 3, 5)", "x(2, 3, 4)", "x(2, 4, 5)", "batch1 @ batch2"}};

}  // namespace

}  // namespace taper
