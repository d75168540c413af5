// Muon.
#include "taper/optim/muon.h"

#include <algorithm>
#include <cmath>

#include "optim/rule.h"

namespace taper::optim {

void MuonOptions::check() const {
  check_not_negative("Muon", {{"lr", lr}, {"momentum", momentum}, {"weight_decay", weight_decay}});
  taper::check<ValueError>(
      adjust_lr_fn == "original" || adjust_lr_fn == "match_rms_adamw" || adjust_lr_fn == "spectral_unclamped",
      "Muon: adjust_lr_fn is '", adjust_lr_fn,
      "', expected 'original', 'match_rms_adamw' or 'spectral_unclamped'");
  taper::check<ValueError>(ns_steps < 100, "Muon: ", ns_steps, " iterations, expected fewer than 100");
}

void MuonOptions::visit(Fields& fields) {
  fields("lr", lr);
  fields("weight_decay", weight_decay);
  fields("momentum", momentum);
  fields("nesterov", nesterov);
  fields.tuple("ns_coefficients", {&ns_coefficients[0], &ns_coefficients[1], &ns_coefficients[2]});
  fields("eps", eps);
  fields("ns_steps", ns_steps);
  fields("adjust_lr_fn", adjust_lr_fn);
  if (adjust_lr_fn.empty()) adjust_lr_fn = "original";
}

namespace {

// About U V^T of matrix = U S V^T, in bfloat16, by a quintic iteration.
Tensor orthogonalized(const Tensor& matrix, const MuonOptions& o) {
  const auto [a, b, c] = o.ns_coefficients;
  const bool wide = matrix.size(0) <= matrix.size(1);
  Tensor x = to(wide ? matrix : transpose(matrix, 0, 1), bfloat16, true);
  div_(x, clamp(norm(x), Scalar(o.eps)));
  for (std::int64_t step = 0; step < o.ns_steps; ++step) {
    const Tensor gram = matmul(x, transpose(x, 0, 1));
    x = addmm(x, addmm(gram, gram, gram, b, c), x, a);
  }
  return wide ? x : transpose(x, 0, 1);
}

double adjustment(const std::string& kind, double rows, double columns) {
  if (kind == "match_rms_adamw") return 0.2 * std::sqrt(std::max(rows, columns));
  return std::sqrt(kind == "original" ? std::max(1.0, rows / columns) : rows / columns);
}

}  // namespace

void Muon::update(std::size_t group) {
  const MuonOptions& o = options(group);
  for (const Tensor& parameter : parameters(group))
    check<ShapeError>(parameter.ndim() == 2, "Muon: takes matrices only, got a parameter of shape ",
                      parameter.sizes());
  update_each(group, false, 1, [&](const Tensor& parameter, const Tensor& gradient, Memory& memory) {
    const Tensor& buffer = memory.tensors[0];
    average(buffer, gradient, 1 - o.momentum);
    const Tensor update = orthogonalized(o.nesterov ? lerp(gradient, buffer, o.momentum) : buffer, o);
    const double factor = adjustment(o.adjust_lr_fn, double(parameter.size(0)), double(parameter.size(1)));
    mul_(parameter, 1 - o.lr * o.weight_decay);
    add_(parameter, to(update, parameter.dtype()), -o.lr * factor);
  });
}

}  // namespace taper::optim
