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

// factors: the tensors of the product, as in "Tensor mat1, Tensor mat2".
template <auto product>
struct OldForms {
  OldForms(std::string_view name, std::string_view factors)
      : both{{.signature = kept(concat(name, "(Scalar beta, Tensor input, Scalar alpha, ", factors, end)),
              .doc = doc,
              .call = box<both_first<product>>,
              .homes = "taper"}},
        beta{{.signature = kept(concat(name, "(Scalar beta, Tensor input, ", factors, end)),
              .doc = doc,
              .call = box<beta_first<product>>,
              .homes = "taper"}},
        method_both{
            {.signature = kept(concat(name, "(Tensor input, Scalar beta, Scalar alpha, ", factors, end)),
             .doc = doc,
             .call = box<method_both_first<product>>,
             .homes = "Tensor",
             .inplace = true}},
        method_beta{{.signature = kept(concat(name, "(Tensor input, Scalar beta, ", factors, end)),
                     .doc = doc,
                     .call = box<method_beta_first<product>>,
                     .homes = "Tensor",
                     .inplace = true}} {}

  static constexpr std::string_view end = ") -> Tensor";
  static constexpr std::string_view doc = "The older order of the arguments.";
  Register both, beta, method_both, method_beta;
};

const OldForms<&addmm> addmm_forms("addmm", "Tensor mat1, Tensor mat2");
const OldForms<&addmv> addmv_forms("addmv", "Tensor mat, Tensor vec");
const OldForms<&addr> addr_forms("addr", "Tensor vec1, Tensor vec2");
const OldForms<&addbmm> addbmm_forms("addbmm", "Tensor batch1, Tensor batch2");
const OldForms<&baddbmm> baddbmm_forms("baddbmm", "Tensor batch1, Tensor batch2");

}  // namespace

}  // namespace taper
