// Recurrent layers over whole sequences: the steps run here, and the gradient of the weights is one product.
#include "taper/ops/recurrent.h"

#include "autograd/record.h"
#include "cpu/gemm.h"
#include "cpu/recurrent.h"
#include "ops/elementwise.h"
#include "ops/recurrent.h"
#include "ops/registry.h"
#include "taper/autograd.h"
#include "taper/ops.h"
#include "tensor/kernel_for.h"

namespace taper {

namespace {

struct Steps {
  std::int64_t steps, rows, hidden;
  cpu::Cell cell(const Tensor& x) const { return {x.dtype(), rows, hidden}; }
};

// The elements of step t of a dense tensor [T, ...].
std::byte* at(const Tensor& x, std::int64_t t) {
  return x.device_data<std::byte>() + t * (x.numel() / x.size(0)) * x.item_size();
}

// A weight [width, hidden] as all steps multiply by it: [hidden, width], row by row.
Tensor turned(const Tensor& weight) { return contiguous(transpose(weight, 0, 1)); }

// out [rows, width] = beta out + h [rows, hidden] turned_weight [hidden, width] (+ bias).
void times_weight(const Steps& s, const Tensor& turned_weight, const void* h, int beta, void* out,
                  const Tensor& bias = {}) {
  const std::int64_t width = turned_weight.size(1);
  kernel_for<cpu::gemm>("recurrent", turned_weight, bias)(
      turned_weight.dtype(), false, false, s.rows, width, s.hidden, 1, h, s.hidden, turned_weight.data(),
      width, beta, out, width, bias.defined() ? bias.data() : nullptr);
}

// dh [rows, hidden] = beta dh + dgates [rows, width] weight.
void times_weight_back(const Steps& s, const Tensor& weight, const void* dgates, int beta, void* dh) {
  const std::int64_t width = weight.size(0);
  kernel_for<cpu::gemm>("recurrent", weight)(weight.dtype(), false, false, s.rows, s.hidden, width, 1, dgates,
                                             width, weight.data(), s.hidden, beta, dh, s.hidden, nullptr);
}

// The gradient of weight: of all steps at once, from the states before each.
Tensor weight_gradient(const Steps& s, const Tensor& dgates, const Tensor& h, const Tensor& y) {
  const std::int64_t width = dgates.size(2);
  Tensor dw = empty({width, s.hidden}, y.dtype(), y.device());
  kernel_for<cpu::gemm>("recurrent", y, dgates, h)(y.dtype(), true, false, width, s.hidden, s.rows, 1,
                                                   dgates.data(), width, h.data(), s.hidden, 0, dw.data(),
                                                   s.hidden, nullptr);
  if (s.steps > 1)
    kernel_for<cpu::gemm>("recurrent", y, dgates, h)(y.dtype(), true, false, width, s.hidden,
                                                     (s.steps - 1) * s.rows, 1, at(dgates, 1), width,
                                                     y.data(), s.hidden, 1, dw.data(), s.hidden, nullptr);
  return dw;
}

// The gradient that arrives at step t, added to the one that comes from the step after.
void add_step(const Tensor& sum, const Tensor& gradient, std::int64_t t) {
  if (gradient.defined()) add_(sum, select(gradient, 0, t));
}

struct LstmLayer {
  static constexpr auto name = "lstm_layer";
  static constexpr Saves saves{.inputs = 15, .outputs = 7};
  Steps s;

  // The third result: the activated gates, for the gradient.
  std::array<Tensor, 3> forward(const Tensor& gates, const Tensor& h, const Tensor& c,
                                const Tensor& weight) const {
    const Tensor activated = clone(gates, "contiguous"), w = turned(weight), first_h = contiguous(h),
                 first_c = contiguous(c);
    Tensor y = empty({s.steps, s.rows, s.hidden}, gates.dtype(), gates.device()),
           cells = empty(y.sizes(), gates.dtype(), gates.device());
    for (std::int64_t t = 0; t < s.steps; ++t) {
      times_weight(s, w, t ? at(y, t - 1) : first_h.device_data<std::byte>(), 1, at(activated, t));
      kernel_for<cpu::lstm_cell>(name, y, first_h, first_c)(
          s.cell(y), at(activated, t), t ? at(cells, t - 1) : first_c.device_data<std::byte>(), at(cells, t),
          at(y, t));
    }
    return {y, cells, activated};
  }

  std::array<Tensor, 4> backward(const Saved& saved, std::span<const Tensor> dy) const {
    if (thread_modes.grad_enabled || dy[2].defined()) return again(saved, dy);
    const Tensor h = contiguous(saved.input(1)), c = contiguous(saved.input(2)),
                 weight = contiguous(saved.input(3));
    const Tensor y = saved.output(0), cells = saved.output(1), activated = saved.output(2);
    Tensor dgates = empty(activated.sizes(), y.dtype(), y.device()),
           dh = zeros({s.rows, s.hidden}, y.dtype(), y.device()),
           dc = zeros({s.rows, s.hidden}, y.dtype(), y.device());
    for (std::int64_t t = s.steps - 1; t >= 0; --t) {
      add_step(dh, dy[0], t);
      add_step(dc, dy[1], t);
      kernel_for<cpu::lstm_cell_backward>(name, y, c, dh, dc)(
          s.cell(y), at(activated, t), t ? at(cells, t - 1) : c.device_data<std::byte>(), at(cells, t),
          dh.data(), dc.data(), at(dgates, t), dc.data());
      times_weight_back(s, weight, at(dgates, t), 0, dh.data());
    }
    return {dgates, dh, dc, saved.needs(3) ? weight_gradient(s, dgates, h, y) : Tensor()};
  }

  // The same with operations that have gradients themselves.
  std::array<Tensor, 4> again(const Saved& saved, std::span<const Tensor> dy) const {
    const Tensors inputs = {saved.input(0), saved.input(1), saved.input(2), saved.input(3)};
    const GradMode recorded(true);
    Tensor h = inputs[1], c = inputs[2];
    Tensors y, cells;
    for (const Tensor& step : unbind(inputs[0])) {
      const Tensors parts = chunk(add(step, linear(h, inputs[3])), 4, -1);
      c = add(mul(sigmoid(parts[1]), c), mul(sigmoid(parts[0]), tanh(parts[2])));
      h = mul(sigmoid(parts[3]), tanh(c));
      y.push_back(h);
      cells.push_back(c);
    }
    return gradients_again<4>(saved, inputs, {stack(y), stack(cells)}, dy, name);
  }
};

struct GruLayer {
  static constexpr auto name = "gru_layer";
  static constexpr Saves saves{.inputs = 15, .outputs = 7};
  Steps s;

  // Further results: the activated gates and the products with h, for the gradient.
  std::array<Tensor, 3> forward(const Tensor& gates, const Tensor& h, const Tensor& weight,
                                const Tensor& bias) const {
    const Tensor activated = clone(gates, "contiguous"), w = turned(weight), first = contiguous(h),
                 row = bias.defined() ? contiguous(bias) : bias;
    Tensor y = empty({s.steps, s.rows, s.hidden}, gates.dtype(), gates.device()),
           products = empty(activated.sizes(), gates.dtype(), gates.device());
    for (std::int64_t t = 0; t < s.steps; ++t) {
      const std::byte* before = t ? at(y, t - 1) : first.device_data<std::byte>();
      times_weight(s, w, before, 0, at(products, t), row);
      kernel_for<cpu::gru_cell>(name, y, first)(s.cell(y), at(activated, t), at(products, t), before,
                                                at(y, t));
    }
    return {y, activated, products};
  }

  std::array<Tensor, 4> backward(const Saved& saved, std::span<const Tensor> dy) const {
    if (thread_modes.grad_enabled) return again(saved, dy);
    const Tensor h = contiguous(saved.input(1)), weight = contiguous(saved.input(2));
    const Tensor y = saved.output(0), activated = saved.output(1), products = saved.output(2);
    Tensor dgates = empty(activated.sizes(), y.dtype(), y.device()),
           dproducts = empty(activated.sizes(), y.dtype(), y.device()),
           dh = zeros({s.rows, s.hidden}, y.dtype(), y.device());
    for (std::int64_t t = s.steps - 1; t >= 0; --t) {
      add_step(dh, dy[0], t);
      kernel_for<cpu::gru_cell_backward>(name, y)(s.cell(y), at(activated, t), at(products, t),
                                                  t ? at(y, t - 1) : h.device_data<std::byte>(), dh.data(),
                                                  at(dgates, t), at(dproducts, t), dh.data());
      times_weight_back(s, weight, at(dproducts, t), 1, dh.data());
    }
    return {dgates, dh, saved.needs(2) ? weight_gradient(s, dproducts, h, y) : Tensor(),
            saved.needs(3) ? sum(dproducts, Shape{0, 1}) : Tensor()};
  }

  std::array<Tensor, 4> again(const Saved& saved, std::span<const Tensor> dy) const {
    const Tensors inputs = {saved.input(0), saved.input(1), saved.input(2), saved.input(3)};
    const GradMode recorded(true);
    Tensor h = inputs[1];
    Tensors y;
    for (const Tensor& step : unbind(inputs[0])) {
      const Tensors x = chunk(step, 3, -1), p = chunk(linear(h, inputs[2], inputs[3]), 3, -1);
      const Tensor update = sigmoid(add(x[1], p[1])),
                   fresh = tanh(add(x[2], mul(sigmoid(add(x[0], p[0])), p[2])));
      h = add(fresh, mul(update, sub(h, fresh)));
      y.push_back(h);
    }
    return gradients_again<4>(saved, inputs, {stack(y)}, dy, name);
  }
};

Steps checked_steps(const char* op, int parts, const Tensor& gates, const Tensors& states,
                    const Tensor& weight) {
  check<ShapeError>(gates.ndim() == 3 && gates.size(0) > 0 && gates.size(2) % parts == 0, op,
                    ": gates must be [T, N, ", parts, " H] with T > 0, got shape ", gates.sizes());
  const Steps s{gates.size(0), gates.size(1), gates.size(2) / parts};
  check<DTypeError>(gates.is_floating_point() && weight.dtype() == gates.dtype(), op,
                    ": operands must have one floating dtype, got ", gates.dtype(), " and ", weight.dtype());
  check<ShapeError>(weight.sizes() == Shape({parts * s.hidden, s.hidden}), op, ": weight must be [",
                    parts * s.hidden, ", ", s.hidden, "], got shape ", weight.sizes());
  for (const Tensor& state : states)
    check<ShapeError>(state.sizes() == Shape({s.rows, s.hidden}) && state.dtype() == gates.dtype(), op,
                      ": states must be ", gates.dtype(), " [", s.rows, ", ", s.hidden, "], got ",
                      state.dtype(), " ", state.sizes());
  return s;
}

}  // namespace

std::tuple<Tensor, Tensor> lstm_layer(const Tensor& gates, const Tensor& h, const Tensor& c,
                                      const Tensor& weight) {
  const auto results =
      record(LstmLayer{checked_steps("lstm_layer", 4, gates, {h, c}, weight)}, gates, h, c, weight);
  return {results[0], results[1]};
}

Tensor gru_layer(const Tensor& gates, const Tensor& h, const Tensor& weight, const Tensor& bias) {
  const Steps s = checked_steps("gru_layer", 3, gates, {h}, weight);
  check<ShapeError>(
      !bias.defined() || (bias.sizes() == Shape({3 * s.hidden}) && bias.dtype() == gates.dtype()),
      "gru_layer: bias must be ", gates.dtype(), " [", 3 * s.hidden, "]");
  return record(GruLayer{s}, gates, h, weight, bias)[0];
}

namespace {

const Register lstm_layer_op{
    {.signature = "lstm_layer(Tensor gates, Tensor h, Tensor c, Tensor weight) -> (Tensor, Tensor)",
     .doc = "Hidden and cell states of all steps of one direction of an LSTM layer, from the gates of the "
            "inputs.",
     .call = box<lstm_layer>,
     .homes = "nn.layers",
     .samples = "x(3, 2, 8), x(2, 2), x(2, 2), x(8, 2); x(1, 3, 4), x(3, 1), x(3, 1), x(4, 1)",
     .reference = "ref.lstm_layer(gates, h, c, weight)",
     .errors = "x(3, 2, 8), x(2, 3), x(2, 2), x(8, 2); x(2, 8), x(2, 2), x(2, 2), x(8, 2); x(3, 2, 8), x(2, "
               "2), x(2, 2), x(8, 3)"}};
const Register gru_layer_op{
    {.signature = "gru_layer(Tensor gates, Tensor h, Tensor weight, Tensor? bias=None) -> Tensor",
     .doc = "Hidden states of all steps of one direction of a GRU layer, from the gates of the inputs.",
     .call = box<gru_layer>,
     .homes = "nn.layers",
     .samples = "x(3, 2, 6), x(2, 2), x(6, 2), x(6); x(2, 3, 3), x(3, 1), x(3, 1)",
     .reference = "ref.gru_layer(gates, h, weight, bias)",
     .errors =
         "x(3, 2, 6), x(2, 3), x(6, 2); x(3, 2, 5), x(2, 2), x(6, 2); x(3, 2, 6), x(2, 2), x(6, 2), x(5)"}};

}  // namespace

}  // namespace taper
