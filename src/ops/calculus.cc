// Differences, integrals and gradients of sampled functions.
#include "taper/ops/calculus.h"

#include "ops/elementwise.h"
#include "ops/registry.h"
#include "taper/ops.h"

namespace taper {

namespace {

// All but the last, and all but the first.
Tensor left_of(const Tensor& x, std::int64_t dim) { return slice(x, dim, 0, -1); }
Tensor right_of(const Tensor& x, std::int64_t dim) { return slice(x, dim, 1); }

Tensor difference(const Tensor& x, std::int64_t dim) {
  return x.dtype() == boolean ? logical_xor(right_of(x, dim), left_of(x, dim))
                              : sub(right_of(x, dim), left_of(x, dim));
}

}  // namespace

Tensor diff(const Tensor& x, std::int64_t n, std::int64_t dim, const Tensor& prepend, const Tensor& append) {
  check<ShapeError>(x.ndim() >= 1, "diff: needs at least one dimension");
  check<ValueError>(n >= 0, "diff: order must not be negative, got ", n);
  const int place = wrap_dim(dim, x.ndim(), "diff");
  if (n == 0) return clone(x);
  Tensors parts;
  for (const Tensor* part : {&prepend, &x, &append})
    if (part->defined()) parts.push_back(*part);
  Tensor y = parts.size() == 1 ? x : cat(parts, place);
  if (n >= y.sizes()[place]) return clone(narrow(y, place, 0, 0));
  for (std::int64_t i = 0; i < n; ++i) y = difference(y, place);
  return y;
}

namespace {

// Distances between neighbouring points, which broadcast against pairs of neighbours of y.
Tensor distances(const Tensor& y, const Tensor& x, int dim, const char* op) {
  Tensor points = x;
  if (x.ndim() == 1) {
    check<ShapeError>(x.numel() == y.sizes()[dim], op, ": x has ", x.numel(), " points, y has size ",
                      y.sizes()[dim], " in dimension ", dim);
    Shape sizes = Shape::filled(y.ndim(), 1);
    sizes[dim] = x.numel();
    points = reshape(x, sizes);
  } else {
    while (points.ndim() < y.ndim()) points = unsqueeze(points, 0);
  }
  const int along = dim + points.ndim() - y.ndim();
  check<ShapeError>(along >= 0 && along < points.ndim(), op, ": x of shape ", x.sizes(),
                    " does not fit y of shape ", y.sizes());
  return difference(points, along);
}

// Twice the area between neighbours at distance 1.
Tensor pairs(const Tensor& y, int dim) { return add(left_of(y, dim), right_of(y, dim)); }

int checked_dim(const Tensor& y, std::int64_t dim, const char* op) {
  check<ShapeError>(y.ndim() >= 1, op, ": y needs at least one dimension");
  return wrap_dim(dim, y.ndim(), op);
}
Tensor without(const Tensor& y, int dim) {
  Shape sizes = y.sizes();
  sizes.erase(dim);
  return zeros(sizes, y.dtype(), y.device());
}

}  // namespace

Tensor trapezoid(const Tensor& y, double dx, std::int64_t dim) {
  const int place = checked_dim(y, dim, "trapezoid");
  if (y.sizes()[place] == 0) return without(y, place);
  const Tensor ends = add(select(y, place, 0), select(y, place, -1));
  return mul(sub(sum(y, Shape{place}), mul(ends, 0.5)), dx);
}
Tensor trapezoid(const Tensor& y, const Tensor& x, std::int64_t dim) {
  const int place = checked_dim(y, dim, "trapezoid");
  if (y.sizes()[place] == 0) return without(y, place);
  const Tensor areas = mul(pairs(y, place), distances(y, x, place, "trapezoid"));
  return div(sum(areas, Shape{place + areas.ndim() - y.ndim()}), 2.0);
}
Tensor cumulative_trapezoid(const Tensor& y, double dx, std::int64_t dim) {
  const int place = checked_dim(y, dim, "cumulative_trapezoid");
  return mul(cumsum(pairs(y, place), place), dx / 2);
}
Tensor cumulative_trapezoid(const Tensor& y, const Tensor& x, std::int64_t dim) {
  const int place = checked_dim(y, dim, "cumulative_trapezoid");
  const Tensor areas = mul(pairs(y, place), distances(y, x, place, "cumulative_trapezoid"));
  return div(cumsum(areas, place + areas.ndim() - y.ndim()), 2.0);
}

namespace {

void check_gradient(const Tensor& x, int dim, std::int64_t edge_order) {
  check<ValueError>(edge_order == 1 || edge_order == 2, "gradient: edge_order must be 1 or 2, got ",
                    edge_order);
  check<ShapeError>(x.sizes()[dim] > edge_order, "gradient: dimension ", dim, " of shape ", x.sizes(),
                    " needs at least edge_order + 1 = ", edge_order + 1, " elements");
}

// With h1 and h2 before and after each inner point: (s1 h2 + s2 h1) / (h1 + h2) of the slopes s; at the ends
// the outer slope, for edge_order 2 continued by half of its change.
Tensor slopes_of(const Tensor& x, const Tensor& widths, int dim, std::int64_t edge_order) {
  const Tensor slopes = div(difference(x, dim), widths);
  const auto at = [&](const Tensor& t, std::int64_t i) {
    const std::int64_t n = t.sizes()[dim];
    return n == 1 ? t : narrow(t, dim, i < 0 ? n + i : i, 1);
  };
  const Tensor h1 = left_of(widths, dim), h2 = right_of(widths, dim);
  const bool even = widths.sizes()[dim] == 1;
  const Tensor before = even ? widths : h1, after = even ? widths : h2;
  const Tensor s1 = left_of(slopes, dim), s2 = right_of(slopes, dim);
  const Tensor inner = div(add(mul(s1, after), mul(s2, before)), add(before, after));
  const auto end = [&](std::int64_t outer, std::int64_t next) {
    const Tensor slope = at(slopes, outer);
    if (edge_order == 1) return slope;
    const Tensor h = at(widths, outer), change = sub(slope, at(slopes, next));
    return add(slope, mul(change, div(h, add(h, at(widths, next)))));
  };
  return cat({end(0, 1), inner, end(-1, -2)}, dim);
}

Shape gradient_dims(const Tensor& x, const std::optional<Shape>& dims) {
  Shape places;
  if (dims)
    for (const std::int64_t dim : *dims) places.push_back(wrap_dim(dim, x.ndim(), "gradient"));
  else
    for (int i = 0; i < x.ndim(); ++i) places.push_back(i);
  for (int i = 0; i < places.size(); ++i)
    for (int k = 0; k < i; ++k)
      check<ValueError>(places[i] != places[k], "gradient: dimension ", places[i], " appears twice");
  return places;
}

}  // namespace

Tensors gradient(const Tensor& x, const std::vector<double>& spacing, const std::optional<Shape>& dims,
                 std::int64_t edge_order) {
  const Shape places = gradient_dims(x, dims);
  check<ValueError>(int(spacing.size()) == places.size(), "gradient: ", spacing.size(), " spacings for ",
                    places.size(), " dimensions");
  Tensors results;
  for (int i = 0; i < places.size(); ++i) {
    const int dim = int(places[i]);
    check_gradient(x, dim, edge_order);
    const Tensor width = reshape(wrapped(spacing[std::size_t(i)]), Shape::filled(x.ndim(), 1));
    const DType dtype = is_integral(x.dtype(), true) ? default_dtype() : x.dtype();
    results.push_back(slopes_of(x, to(to(width, dtype), x.device()), dim, edge_order));
  }
  return results;
}

Tensors gradient(const Tensor& x, const Tensors& coordinates, const std::optional<Shape>& dims,
                 std::int64_t edge_order) {
  const Shape places = gradient_dims(x, dims);
  check<ValueError>(int(coordinates.size()) == places.size(), "gradient: ", coordinates.size(),
                    " coordinate vectors for ", places.size(), " dimensions");
  Tensors results;
  for (int i = 0; i < places.size(); ++i) {
    const int dim = int(places[i]);
    check_gradient(x, dim, edge_order);
    const Tensor& points = coordinates[std::size_t(i)];
    check<ShapeError>(points.ndim() == 1 && points.numel() == x.sizes()[dim],
                      "gradient: coordinates of shape ", points.sizes(), " do not fit dimension ", dim,
                      " of shape ", x.sizes());
    Shape along = Shape::filled(x.ndim(), 1);
    along[dim] = points.numel() - 1;
    results.push_back(slopes_of(x, reshape(difference(points, 0), along), dim, edge_order));
  }
  return results;
}

namespace {

Tensors gradient_equal(const Tensor& x, std::optional<Scalar> spacing, const std::optional<Shape>& dims,
                       std::int64_t edge_order) {
  const std::size_t count = std::size_t(dims ? dims->size() : x.ndim());
  return gradient(x, std::vector<double>(count, spacing ? spacing->to<double>() : 1.0), dims, edge_order);
}

using ByDistance = Tensor(const Tensor&, double, std::int64_t);
using ByPoints = Tensor(const Tensor&, const Tensor&, std::int64_t);
using BySpacings = Tensors(const Tensor&, const std::vector<double>&, const std::optional<Shape>&,
                           std::int64_t);
using ByCoordinates = Tensors(const Tensor&, const Tensors&, const std::optional<Shape>&, std::int64_t);

const Register diff_op{
    {.signature =
         "diff(Tensor input, int n=1, int dim=-1, Tensor? prepend=None, Tensor? append=None) -> Tensor",
     .doc = "Differences of neighbours along dim, n times over.",
     .call = box<diff>,
     .samples = "x(5); x(3, 4), 2, 0; x(3, 4), 1, 1, x(3, 2), x(3, 1); x(3), 5; b(5); x(2), 0",
     .reference = "ref.diff(input, n, dim, prepend, append)",
     .errors = "x(); x(3), -1; x(3), 1, 1"}};
const Register trapezoid_ops[]{
    {{.signature = "trapezoid(Tensor y, *, float dx=1, int dim=-1) -> Tensor",
      .doc = "The integral along dim by the trapezoidal rule with points dx apart.",
      .call = box<overload<ByDistance>(trapezoid)>,
      .homes = "taper",
      .samples = "x(5); x(3, 4), dim=0, dx=.5; x(1)",
      .reference = "ref.trapezoid(y, None, dx, dim)",
      .errors = "x()"}},
    {{.signature = "trapezoid(Tensor y, Tensor x, *, int dim=-1) -> Tensor",
      .doc = "The integral along dim by the trapezoidal rule with points x.",
      .call = box<overload<ByPoints>(trapezoid)>,
      .homes = "taper",
      .samples = "x(5), x(5); x(3, 4), x(3), dim=0; x(3, 4), x(3, 4)",
      .reference = "ref.trapezoid(y, x, 1, dim)",
      .errors = "x(5), x(4)"}},
    {{.signature = "trapz(Tensor y, *, float dx=1, int dim=-1) -> Tensor",
      .doc = "As trapezoid.",
      .call = box<overload<ByDistance>(trapezoid)>,
      .homes = "taper",
      .samples = "x(5)",
      .reference = "ref.trapezoid(y, None, dx, dim)"}},
    {{.signature = "trapz(Tensor y, Tensor x, *, int dim=-1) -> Tensor",
      .doc = "As trapezoid.",
      .call = box<overload<ByPoints>(trapezoid)>,
      .homes = "taper",
      .samples = "x(5), x(5)",
      .reference = "ref.trapezoid(y, x, 1, dim)"}},
    {{.signature = "cumulative_trapezoid(Tensor y, *, float dx=1, int dim=-1) -> Tensor",
      .doc = "Running integrals along dim by the trapezoidal rule with points dx apart.",
      .call = box<overload<ByDistance>(cumulative_trapezoid)>,
      .homes = "taper",
      .samples = "x(5); x(3, 4), dim=0, dx=.5",
      .reference = "ref.cumulative_trapezoid(y, None, dx, dim)",
      .errors = "x()"}},
    {{.signature = "cumulative_trapezoid(Tensor y, Tensor x, *, int dim=-1) -> Tensor",
      .doc = "Running integrals along dim by the trapezoidal rule with points x.",
      .call = box<overload<ByPoints>(cumulative_trapezoid)>,
      .homes = "taper",
      .samples = "x(5), x(5); x(3, 4), x(3), dim=0",
      .reference = "ref.cumulative_trapezoid(y, x, 1, dim)",
      .errors = "x(5), x(4)"}}};
const Register gradient_ops[]{
    {{.signature = "gradient(Tensor input, *, Scalar? spacing=None, int[]? dim=None, int edge_order=1) -> "
                   "Tensor[]",
      .doc = "Central differences along each of dim, with points spacing apart.",
      .call = box<gradient_equal>,
      .homes = "taper",
      .samples = "x(5); x(3, 4), spacing=.5; x(3, 4), dim=1, edge_order=2; x(2, 3), dim=(0, 1)",
      .reference = "ref.gradient(input, spacing, dim, edge_order)",
      .errors = "x(1); x(3), edge_order=3; x(3, 3), dim=(0, 0)"}},
    {{.signature =
          "gradient(Tensor input, *, float[] spacing, int[]? dim=None, int edge_order=1) -> Tensor[]",
      .doc = "Central differences along each of dim, with points these distances apart.",
      .call = box<overload<BySpacings>(gradient)>,
      .homes = "taper",
      .samples = "x(3, 4), spacing=(.5, 2.)",
      .reference = "ref.gradient(input, spacing, dim, edge_order)",
      .errors = "x(3, 4), spacing=(.5, 1., 2.)"}},
    {{.signature =
          "gradient(Tensor input, *, Tensor[] spacing, int[]? dim=None, int edge_order=1) -> Tensor[]",
      .doc = "Central differences along each of dim at these coordinates.",
      .call = box<overload<ByCoordinates>(gradient)>,
      .homes = "taper",
      .samples = "x(4), spacing=(taper.tensor([0., 1., 3., 4.], dtype=taper.float64),); x(4), "
                 "spacing=(taper.tensor([0., 1., 3., 4.], dtype=taper.float64),), edge_order=2",
      .reference = "ref.gradient(input, spacing, dim, edge_order)",
      .errors = "x(4), spacing=(x(3),)"}}};

}  // namespace

}  // namespace taper
