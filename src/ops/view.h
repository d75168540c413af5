// The template from which view operations and their gradients are made.
#pragma once

#include "autograd/history.h"
#include "autograd/record.h"
#include "ops/elementwise.h"
#include "taper/ops.h"

namespace taper {

/// The gradient of a view: zeros in the shape of the viewed tensor with dy added where the view looked.
template <class Window>
struct Unview;

/// A view by a rule. Window has: name; Shape input_sizes; overlapping (whether it may look at an element
/// twice); and Tensor apply(const Tensor&) const, which makes the window.
template <class Window>
struct View {
  static constexpr auto name = Window::name;
  Window window;

  Tensor forward(const Tensor& x) const { return window.apply(x); }
  Tensor backward(const Saved&, const Tensor& dy) const { return record(Unview<Window>{window}, dy); }
};

void add_overlapping(const Tensor& source, const Tensor& target);

template <class Window>
struct Unview {
  static constexpr auto name = Window::name;
  Window window;

  Tensor forward(const Tensor& dy) const {
    Tensor dx = zeros(window.input_sizes, dy.dtype(), dy.device());
    const Tensor target = window.apply(dx);
    if (Window::overlapping) add_overlapping(dy, target);
    else copy_elements(dy, target);
    return dx;
  }
  Tensor backward(const Saved&, const Tensor& dy) const { return record(View<Window>{window}, dy); }
};

/// Records a view op and ties its result to the tensor it looks at.
template <class Op>
Tensor record_view(Op op, const Tensor& x) {
  Tensor result = record(std::move(op), x);
  set_base(result, x);
  return result;
}

}  // namespace taper
