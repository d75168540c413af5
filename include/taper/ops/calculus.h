// Differences, integrals and gradients of sampled functions.
#pragma once

#include <optional>
#include <vector>

#include "taper/tensor.h"

namespace taper {

/// Differences of neighbours along dim, n times over, with prepend and append joined on before. Of bool:
/// which neighbours differ.
Tensor diff(const Tensor& x, std::int64_t n = 1, std::int64_t dim = -1, const Tensor& prepend = {},
            const Tensor& append = {});
/// The integral along dim by the trapezoidal rule, at distance dx or at the points x.
Tensor trapezoid(const Tensor& y, double dx = 1, std::int64_t dim = -1);
Tensor trapezoid(const Tensor& y, const Tensor& x, std::int64_t dim = -1);
/// Its running values, one fewer than elements.
Tensor cumulative_trapezoid(const Tensor& y, double dx = 1, std::int64_t dim = -1);
Tensor cumulative_trapezoid(const Tensor& y, const Tensor& x, std::int64_t dim = -1);
/// Central differences along each of dims (all without), of second order inside and of edge_order (1 or 2) at
/// the ends. Spacing along each: a distance ...
Tensors gradient(const Tensor& x, const std::vector<double>& spacing, const std::optional<Shape>& dims = {},
                 std::int64_t edge_order = 1);
/// ... or the coordinates.
Tensors gradient(const Tensor& x, const Tensors& coordinates, const std::optional<Shape>& dims = {},
                 std::int64_t edge_order = 1);

}  // namespace taper
