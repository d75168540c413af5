// Clipping of gradients; parameters as one vector.
#include "taper/nn/utils.h"

#include <cmath>

#include "taper/autograd.h"
#include "taper/error.h"
#include "taper/ops.h"

namespace taper::nn::utils {

double clip_grad_norm_(const Tensors& parameters, double max_norm, double norm_type,
                       bool error_if_nonfinite) {
  const NoGrad in_place;
  Tensors norms;
  for (const Tensor& parameter : parameters)
    if (const Tensor gradient = parameter.grad(); gradient.defined())
      norms.push_back(to(norm(gradient, norm_type), float64));
  if (norms.empty()) return 0;
  const double total = norm(stack(norms), norm_type).item<double>();
  check<ValueError>(!error_if_nonfinite || std::isfinite(total),
                    "clip_grad_norm_: the norm of the gradients is ", total);
  const double factor = max_norm / (total + 1e-6);
  if (factor < 1 || std::isnan(factor))
    for (const Tensor& parameter : parameters)
      if (const Tensor gradient = parameter.grad(); gradient.defined()) mul_(gradient, factor);
  return total;
}

void clip_grad_value_(const Tensors& parameters, double limit) {
  const NoGrad in_place;
  for (const Tensor& parameter : parameters)
    if (const Tensor gradient = parameter.grad(); gradient.defined())
      copy_(gradient, clamp(gradient, Scalar(-limit), Scalar(limit)));
}

Tensor parameters_to_vector(const Tensors& parameters) {
  Tensors flat;
  for (const Tensor& parameter : parameters) flat.push_back(reshape(parameter, {-1}));
  return cat(flat);
}

void vector_to_parameters(const Tensor& vector, const Tensors& parameters) {
  std::int64_t count = 0;
  for (const Tensor& parameter : parameters) count += parameter.numel();
  check<ShapeError>(vector.ndim() == 1 && vector.numel() == count, "vector_to_parameters: got ",
                    vector.sizes(), ", expected ", count, " elements in one dimension");
  const NoGrad in_place;
  std::int64_t start = 0;
  for (const Tensor& parameter : parameters) {
    copy_(parameter, reshape(narrow(vector, 0, start, parameter.numel()), parameter.sizes()));
    start += parameter.numel();
  }
}

}  // namespace taper::nn::utils
