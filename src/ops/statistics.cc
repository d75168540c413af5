// Quantiles, modes, histograms and other summaries.
#include "taper/ops/statistics.h"

#include <cmath>
#include <limits>

#include "autograd/record.h"
#include "base/visit.h"
#include "cpu/sort.h"
#include "ops/elementwise.h"
#include "ops/registry.h"
#include "taper/ops.h"
#include "tensor/kernel_for.h"

namespace taper {

namespace {

// Ranks [..., q] of the quantiles in sorted rows; NaN sorts last, and is the quantile of a row that has one.
Tensor ranks_of(const Tensor& sorted, const Tensor& q, bool ignore_nan) {
  const Tensor is_nan = isnan(sorted);
  if (ignore_nan) {
    const Tensor count = to(sum(logical_not(is_nan), Shape{-1}, true), q.dtype());
    const Tensor ranks = mul(q, sub(count, 1));
    return masked_fill(ranks, lt(ranks, 0), 0);
  }
  const double last = double(sorted.sizes().back() - 1);
  const Tensor ranks = mul(q, last);
  Shape sizes = sorted.sizes();
  sizes[sorted.ndim() - 1] = q.numel();
  return masked_fill(expand(ranks, sizes), any(is_nan, Shape{-1}, true), last);
}

Tensor interpolated(const Tensor& sorted, const Tensor& ranks, std::string_view how, const char* op) {
  const auto at = [&](const Tensor& places) { return gather(sorted, -1, to(places, int64)); };
  if (how == "lower") return at(floor(ranks));
  if (how == "higher") return at(ceil(ranks));
  if (how == "nearest") return at(round(ranks));
  check<ValueError>(how == "linear" || how == "midpoint", op,
                    ": interpolation must be linear, lower, higher, midpoint or nearest, got ", how);
  const Tensor below = floor(ranks);
  const Tensor weight = how == "linear" ? sub(ranks, below) : full_like(ranks.detach(), 0.5);
  return lerp(at(below), at(ceil(ranks)), weight);
}

Tensor quantile_of(const Tensor& x, const Tensor& q, std::optional<std::int64_t> dim, bool keepdim,
                   std::string_view interpolation, bool ignore_nan, const char* op) {
  check<ShapeError>(x.numel() > 0, op, ": input of shape ", x.sizes(), " is empty");
  check<ShapeError>(q.ndim() <= 1, op, ": q must be a number or a vector, got shape ", q.sizes());
  check<DTypeError>(x.dtype() == float32 || x.dtype() == float64, op,
                    ": input must be float32 or float64, got ", x.dtype());
  check<DTypeError>(q.dtype() == x.dtype(), op, ": q must have the dtype of the input, got ", q.dtype(),
                    " and ", x.dtype());
  const Tensor wanted = reshape(q, {-1});
  check<ValueError>(all(logical_and(ge(wanted, 0), le(wanted, 1))).item().to<bool>(), op,
                    ": q must lie in [0, 1]");
  const int place = dim ? wrap_dim(*dim, x.ndim(), op) : 0;
  const bool whole = !dim || x.ndim() == 0;
  const Tensor rows = whole ? reshape(x, {-1}) : movedim(x, {place}, {-1});
  const Tensor sorted = std::get<0>(sort(rows));
  Tensor y = interpolated(sorted, ranks_of(sorted.detach(), wanted, ignore_nan), interpolation, op);
  Shape sizes = whole ? Shape() : x.sizes();
  if (keepdim) {
    if (whole) sizes = Shape::filled(x.ndim(), 1);
    else sizes[place] = 1;
  } else if (!whole) {
    sizes.erase(place);
  }
  if (q.ndim() == 0) return reshape(y, sizes);
  sizes.insert(0, q.numel());
  return reshape(movedim(y, {-1}, {0}), sizes);
}

}  // namespace

Tensor quantile(const Tensor& x, const Tensor& q, std::optional<std::int64_t> dim, bool keepdim,
                std::string_view interpolation) {
  return quantile_of(x, q, dim, keepdim, interpolation, false, "quantile");
}
Tensor nanquantile(const Tensor& x, const Tensor& q, std::optional<std::int64_t> dim, bool keepdim,
                   std::string_view interpolation) {
  return quantile_of(x, q, dim, keepdim, interpolation, true, "nanquantile");
}

Tensor nanmean(const Tensor& x, const Dims& dims, bool keepdim, std::optional<DType> dtype) {
  check<DTypeError>(is_differentiable(x.dtype()), "nanmean: needs a floating or complex dtype, got ",
                    x.dtype());
  const Tensor present = logical_not(isnan(x.detach()));
  return div(nansum(x, dims, keepdim, dtype), sum(present, dims, keepdim));
}

namespace {

// Places [rows] of the mode of each row of x [rows, n].
Tensor mode_places(const Tensor& x) {
  const std::int64_t n = x.sizes().back(), rows = n ? x.numel() / n : 0;
  if (!x.device().is_cpu()) return to(mode_places(to(x, Device())), x.device());
  const Tensor values = empty(x.sizes(), x.dtype()), order = empty(x.sizes(), int64);
  cpu::sort(x.data(), x.dtype(), rows, n, false, values.data(), order.data<std::int64_t>());
  const Tensor places = empty({rows}, int64);
  visit(x.dtype(), [&]<class T>() {
    const T* sorted = values.data<T>();
    const std::int64_t* from = order.data<std::int64_t>();
    for (std::int64_t row = 0; row < rows; ++row, sorted += n, from += n) {
      std::int64_t best = 0, length = 0;
      for (std::int64_t i = 0; i < n; ++i) {
        length = i && sorted[i] == sorted[i - 1] ? length + 1 : 1;
        if (length > best) {
          best = length;
          places.data<std::int64_t>()[row] = from[i];
        }
      }
    }
  });
  return places;
}

}  // namespace

std::tuple<Tensor, Tensor> mode(const Tensor& x, std::int64_t dim, bool keepdim) {
  check<DTypeError>(!x.is_complex(), "mode: not defined for dtype ", x.dtype());
  const int place = wrap_dim(dim, x.ndim(), "mode");
  if (x.ndim() == 0) return {clone(x), zeros({}, int64, x.device())};
  check<IndexError>(x.sizes()[place] > 0, "mode: dimension ", dim, " of shape ", x.sizes(), " is empty");
  Shape sizes = x.sizes();
  sizes.erase(place);
  const Tensor rows = contiguous(movedim(x.detach(), {place}, {-1}));
  const Tensor places = unsqueeze(reshape(mode_places(rows), sizes), place);
  const Tensor values = gather(x, place, places);
  if (keepdim) return {values, places};
  return {squeeze(values, Shape{place}), squeeze(places, Shape{place})};
}

std::tuple<Tensor, Tensor> std_mean(const Tensor& x, const Dims& dims, double correction, bool keepdim) {
  return {std(x, dims, correction, keepdim), mean(x, dims, keepdim)};
}

namespace {

void check_edges(const Tensor& edges, DType dtype, const char* op) {
  check<ShapeError>(edges.ndim() == 1 && edges.numel() > 0, op, ": edges must be a vector, got shape ",
                    edges.sizes());
  check<DTypeError>(edges.dtype() == dtype, op, ": edges and input must have the same dtype, got ",
                    edges.dtype(), " and ", dtype);
}

// For each value its bin, or the number of bins where it lies in none.
Tensor bins_of(const Tensor& values, const Tensor& edges) {
  const std::int64_t bins = edges.numel() - 1;
  Tensor place = sub(searchsorted(edges, values, true), 1);
  if (bins > 0) place = where(eq(values, select(edges, 0, bins)), full({}, bins - 1, int64), place);
  return where(logical_and(ge(place, 0), logical_not(isnan(values))), place, full({}, bins, int64));
}

// Edges of bins of equal width over low .. high, or over the values.
Tensor equal_edges(const Tensor& values, std::int64_t bins, std::optional<std::pair<double, double>> range,
                   const char* op) {
  check<ValueError>(bins > 0 && bins < std::numeric_limits<std::int64_t>::max(), op,
                    ": the number of bins must be positive and countable, got ", bins);
  double low = 0, high = 1;
  if (range) {
    std::tie(low, high) = *range;
  } else if (values.numel()) {
    low = min(values).item().to<double>();
    high = max(values).item().to<double>();
  }
  check<ValueError>(std::isfinite(low) && std::isfinite(high) && low <= high, op, ": the range ", low, " to ",
                    high, " is not finite, or its ends are exchanged");
  if (low == high) {
    low -= 0.5;
    high += 0.5;
  }
  return linspace(low, high, bins + 1, values.dtype(), values.device());
}

std::optional<std::pair<double, double>> range_of(const std::optional<std::vector<double>>& range,
                                                  std::size_t at, std::size_t count, const char* op) {
  if (!range) return std::nullopt;
  check<ValueError>(range->size() == count, op, ": range must hold ", count, " numbers, got ", range->size());
  return std::pair((*range)[at], (*range)[at + 1]);
}

void check_values(const Tensor& x, const Tensor& weight, const Shape& weight_sizes, const char* op) {
  check<DTypeError>(x.dtype() == float32 || x.dtype() == float64, op,
                    ": input must be float32 or float64, got ", x.dtype());
  if (!weight.defined()) return;
  check<ShapeError>(weight.sizes() == weight_sizes, op, ": weight must have shape ", weight_sizes, ", got ",
                    weight.sizes());
  check<DTypeError>(weight.dtype() == x.dtype(), op, ": weight and input must have the same dtype, got ",
                    weight.dtype(), " and ", x.dtype());
}

}  // namespace

Tensor histogramdd(const Tensor& x, const Tensors& edges, const Tensor& weight, bool density) {
  constexpr auto op = "histogramdd";
  check<ShapeError>(x.ndim() >= 2, op, ": input must have at least 2 dimensions, got shape ", x.sizes());
  const std::int64_t n = x.sizes().back();
  check<ShapeError>(std::int64_t(edges.size()) == n, op, ": ", edges.size(), " sets of bins for points of ",
                    n, " coordinates");
  check_values(x, weight, Shape(x.sizes().data(), x.ndim() - 1), op);
  const Tensor points = reshape(x.detach(), {-1, n});
  Shape padded, sizes;
  Tensor place = zeros({points.sizes()[0]}, int64, points.device());
  for (std::int64_t i = 0; i < n; ++i) {
    const Tensor& edge = edges[std::size_t(i)];
    check_edges(edge, x.dtype(), op);
    sizes.push_back(edge.numel() - 1);
    padded.push_back(edge.numel());
    place = add(mul(place, edge.numel()), bins_of(contiguous(select(points, 1, i)), edge.detach()));
  }
  const Tensor weights =
      weight.defined() ? reshape(weight.detach(), {-1}) : ones(place.sizes(), x.dtype(), x.device());
  Tensor counts =
      reshape(scatter_add(zeros({numel(padded)}, x.dtype(), x.device()), 0, place, weights), padded);
  for (int i = 0; i < sizes.size(); ++i) counts = narrow(counts, i, 0, sizes[i]);
  counts = contiguous(counts);
  if (!density) return counts;
  counts = div(counts, sum(counts));
  for (int i = 0; i < sizes.size(); ++i) {
    const Tensor& edge = edges[std::size_t(i)];
    Shape along = Shape::filled(sizes.size(), 1);
    along[i] = sizes[i];
    counts = div(counts, reshape(sub(narrow(edge, 0, 1, sizes[i]), narrow(edge, 0, 0, sizes[i])), along));
  }
  return counts;
}

std::tuple<Tensor, Tensor> histogram(const Tensor& x, const Tensor& edges, const Tensor& weight,
                                     bool density) {
  check_values(x, weight, x.sizes(), "histogram");
  check_edges(edges, x.dtype(), "histogram");
  const Tensor flat = weight.defined() ? reshape(weight, {-1}) : Tensor();
  return {histogramdd(reshape(x, {-1, 1}), {edges}, flat, density), edges};
}
std::tuple<Tensor, Tensor> histogram(const Tensor& x, std::int64_t bins,
                                     const std::optional<std::vector<double>>& range, const Tensor& weight,
                                     bool density) {
  check_values(x, weight, x.sizes(), "histogram");
  return histogram(x, equal_edges(x.detach(), bins, range_of(range, 0, 2, "histogram"), "histogram"), weight,
                   density);
}

Tensor renorm(const Tensor& x, double p, std::int64_t dim, double maxnorm) {
  check<DTypeError>(is_differentiable(x.dtype()), "renorm: needs a floating or complex dtype, got ",
                    x.dtype());
  check<ValueError>(p > 0, "renorm: p must be positive, got ", p);
  check<ValueError>(maxnorm >= 0, "renorm: maxnorm must not be negative, got ", maxnorm);
  check<ShapeError>(x.ndim() > 1, "renorm: input needs at least 2 dimensions, got shape ", x.sizes());
  const int place = wrap_dim(dim, x.ndim(), "renorm");
  Shape others;
  for (int i = 0; i < x.ndim(); ++i)
    if (i != place) others.push_back(i);
  const Tensor size = norm(x, p, others, true);
  const Tensor scale =
      where(gt(size, maxnorm), reciprocal_scaled(add(size, 1e-7), maxnorm), tensor(Scalar(1), size.dtype()));
  return mul(x, scale);
}

namespace {

Tensor quantile_number(const Tensor& x, double q, std::optional<std::int64_t> dim, bool keepdim,
                       std::string_view interpolation) {
  return quantile(x, full({}, q, x.dtype(), x.device()), dim, keepdim, interpolation);
}
Tensor nanquantile_number(const Tensor& x, double q, std::optional<std::int64_t> dim, bool keepdim,
                          std::string_view interpolation) {
  return nanquantile(x, full({}, q, x.dtype(), x.device()), dim, keepdim, interpolation);
}
std::tuple<Tensor, Tensor> std_mean_call(const Tensor& x, const Dims& dims, std::optional<double> correction,
                                         bool keepdim) {
  return std_mean(x, dims, correction.value_or(1), keepdim);
}
std::tuple<Tensor, Tensor> std_mean_unbiased(const Tensor& x, bool unbiased) {
  return std_mean(x, std::nullopt, unbiased ? 1 : 0, false);
}
std::tuple<Tensor, Tensor> std_mean_dims_unbiased(const Tensor& x, const Dims& dims, bool unbiased,
                                                  bool keepdim) {
  return std_mean(x, dims, unbiased ? 1 : 0, keepdim);
}
Tensors with_edges(const Tensor& x, Tensors edges, const Tensor& weight, bool density) {
  Tensors results{histogramdd(x, edges, weight, density)};
  for (Tensor& edge : edges) results.push_back(edge);
  return results;
}
Tensors histogramdd_edges(const Tensor& x, const Tensors& edges, const std::optional<std::vector<double>>&,
                          const Tensor& weight, bool density) {
  return with_edges(x, edges, weight, density);
}
Tensors histogramdd_bins(const Tensor& x, const Shape& bins, const std::optional<std::vector<double>>& range,
                         const Tensor& weight, bool density) {
  constexpr auto op = "histogramdd";
  check<ShapeError>(x.ndim() >= 2 && x.sizes().back() == bins.size(), op, ": ", bins.size(),
                    " numbers of bins for points of shape ", x.sizes());
  check_values(x, weight, Shape(x.sizes().data(), x.ndim() - 1), op);
  Tensors edges;
  for (int i = 0; i < bins.size(); ++i)
    edges.push_back(equal_edges(select(x.detach(), -1, i), bins[i],
                                range_of(range, std::size_t(2 * i), std::size_t(2 * bins.size()), op), op));
  return with_edges(x, edges, weight, density);
}
Tensors histogramdd_equal(const Tensor& x, std::int64_t bins, const std::optional<std::vector<double>>& range,
                          const Tensor& weight, bool density) {
  check<ShapeError>(x.ndim() >= 2, "histogramdd: input must have at least 2 dimensions, got shape ",
                    x.sizes());
  return histogramdd_bins(x, Shape::filled(int(x.sizes().back()), bins), range, weight, density);
}

using HistogramEdges = std::tuple<Tensor, Tensor>(const Tensor&, const Tensor&, const Tensor&, bool);
using HistogramBins = std::tuple<Tensor, Tensor>(const Tensor&, std::int64_t,
                                                 const std::optional<std::vector<double>>&, const Tensor&,
                                                 bool);

const Register quantile_op[]{
    {{.signature = "quantile(Tensor input, float q, int? dim=None, bool keepdim=False, *, str "
                   "interpolation='linear') -> Tensor",
      .doc = "The q-quantile along dim.",
      .call = box<quantile_number>,
      .samples =
          "x(7), 0.3; x(3, 4), 0.5, 1, True; x(3, 4), 0.25, 0; x(3, 4), 0.6, interpolation='lower'; x(3, "
          "4), 0.6, 1, interpolation='higher'; x(6), 0.3, interpolation='midpoint'; x(6), 0.33, "
          "interpolation='nearest'; x(), 0.5",
      .reference = "np.quantile(input, q, axis=dim, keepdims=keepdim, method=interpolation)",
      .errors = "x(3), 1.5; x(0), 0.5; i(3), 0.5; x(3), 0.5, interpolation='cubic'"}},
    {{.signature = "quantile(Tensor input, Tensor q, int? dim=None, bool keepdim=False, *, str "
                   "interpolation='linear') -> Tensor",
      .doc = "The q-quantiles along dim; a vector q gives a new first dimension.",
      .call = box<quantile>,
      .samples = "x(3, 4), taper.tensor([.2, .5, 1.], dtype=taper.float64), 1; x(5), taper.tensor([.1], "
                 "dtype=taper.float64), 0, True; x(6), x(2, lo=.1, hi=.9)",
      .reference = "np.quantile(input, q, axis=dim, keepdims=keepdim)"}}};
const Register nanquantile_op[]{
    {{.signature = "nanquantile(Tensor input, float q, int? dim=None, bool keepdim=False, *, str "
                   "interpolation='linear') -> Tensor",
      .doc = "The q-quantile along dim of the elements that are not NaN.",
      .call = box<nanquantile_number>,
      .samples = "taper.tensor([3., np.nan, 1., 2.], dtype=taper.float64), 0.3; x(3, 4), 0.5, 1, True",
      .reference = "np.nanquantile(input, q, axis=dim, keepdims=keepdim)",
      .differentiable = false}},
    {{.signature = "nanquantile(Tensor input, Tensor q, int? dim=None, bool keepdim=False, *, str "
                   "interpolation='linear') -> Tensor",
      .doc = "The q-quantiles along dim of the elements that are not NaN.",
      .call = box<nanquantile>,
      .samples = "x(3, 4), taper.tensor([.2, .5], dtype=taper.float64), 1",
      .reference = "np.nanquantile(input, q, axis=dim, keepdims=keepdim)",
      .differentiable = false}}};
const Register nanmean_op{
    {.signature =
         "nanmean(Tensor input, int[]? dim=None, bool keepdim=False, *, dtype? dtype=None) -> Tensor",
     .doc = "The mean over dim of the elements that are not NaN.",
     .call = box<nanmean>,
     .samples = "x(2, 3); x(2, 3), 1, True; taper.tensor([1., np.nan, 2.])",
     .reference = "np.nanmean(input, axis=dim, keepdims=keepdim)",
     .errors = "i(3)"}};
const Register mode_op{
    {.signature = "mode(Tensor input, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)",
     .doc = "The most frequent value along dim, of several the least, and the last place where it stands.",
     .call = box<mode>,
     .samples = "i(7); i(3, 6), 0; i(3, 6), 1, True; x(2, 3); x()",
     .reference = "ref.mode(input, dim, keepdim)",
     .errors = "x(0); x(2), 1"}};
const Register std_mean_op[]{
    {{.signature = "std_mean(Tensor input, int[]? dim=None, *, float? correction=1, bool keepdim=False) -> "
                   "(Tensor, Tensor)",
      .doc = "Standard deviation and mean over dim.",
      .call = box<std_mean_call>,
      .homes = "taper",
      .samples = "x(2, 3), 1; x(4, 3), 0, keepdim=True",
      .reference = "(np.std(input, axis=dim, ddof=correction, keepdims=keepdim), "
                   "np.mean(input, axis=dim, keepdims=keepdim))"}},
    {{.signature = "std_mean(Tensor input, bool unbiased) -> (Tensor, Tensor)",
      .doc = "As std_mean with correction 1 (unbiased) or 0.",
      .call = box<std_mean_unbiased>,
      .homes = "taper",
      .samples = "x(2, 3), False",
      .reference = "(np.std(input), np.mean(input))"}},
    {{.signature =
          "std_mean(Tensor input, int[]? dim, bool unbiased=True, bool keepdim=False) -> (Tensor, Tensor)",
      .doc = "As std_mean with correction 1 or 0.",
      .call = box<std_mean_dims_unbiased>,
      .homes = "taper",
      .samples = "x(2, 3), 1, False",
      .reference = "(np.std(input, axis=dim), np.mean(input, axis=dim))"}}};
const Register histogram_op[]{
    {{.signature = "histogram(Tensor input, int bins, *, float[]? range=None, Tensor? weight=None, bool "
                   "density=False) -> (Tensor hist, Tensor bin_edges)",
      .doc = "Counts, or sums of weight, in bins of equal width, and the edges of the bins.",
      .call = box<overload<HistogramBins>(histogram)>,
      .samples = "x(20), 5; x(4, 5), 3, range=(-1., 1.); x(6), 3, weight=constant(6); x(20), 4, density=True",
      .reference = "np.histogram(input, bins, range=range, weights=weight, density=density)",
      .errors = "x(3), 0; i(3), 2; x(3), 2, range=(1., 0.)",
      .differentiable = false}},
    {{.signature = "histogram(Tensor input, Tensor bins, *, Tensor? weight=None, bool density=False) -> "
                   "(Tensor hist, Tensor bin_edges)",
      .doc = "Counts, or sums of weight, between ascending edges.",
      .call = box<overload<HistogramEdges>(histogram)>,
      .samples = "x(20), taper.tensor([-1., 0., .5, 2.], dtype=taper.float64)",
      .reference = "np.histogram(input, bins, weights=weight, density=density)",
      .differentiable = false}}};
const Register histogramdd_op[]{
    {{.signature = "_histogramdd(Tensor input, int bins, float[]? range=None, Tensor? weight=None, bool "
                   "density=False) -> Tensor[]",
      .doc = "The histogram of points over several dimensions, then the edges along each.",
      .call = box<histogramdd_equal>,
      .homes = "taper",
      .samples = "x(20, 2), 3; x(10, 1), 4, density=True",
      .reference = "ref.histogramdd(input, bins, density)",
      .errors = "x(3), 2; x(3, 2), 0",
      .differentiable = false}},
    {{.signature = "_histogramdd(Tensor input, int[] bins, float[]? range=None, Tensor? weight=None, bool "
                   "density=False) -> Tensor[]",
      .doc = "The histogram of points with a number of bins for each dimension.",
      .call = box<histogramdd_bins>,
      .homes = "taper",
      .samples = "x(20, 2), (3, 2); x(20, 3), (2, 3, 4)",
      .reference = "ref.histogramdd(input, bins, density)",
      .errors = "x(3, 2), (2,)",
      .differentiable = false}},
    {{.signature = "_histogramdd(Tensor input, Tensor[] bins, float[]? range=None, Tensor? weight=None, bool "
                   "density=False) -> Tensor[]",
      .doc = "The histogram of points between edges for each dimension.",
      .call = box<histogramdd_edges>,
      .homes = "taper",
      .samples = "x(20, 1), [taper.tensor([-1., 0., .5, 2.], dtype=taper.float64)]",
      .reference = "ref.histogramdd(input, bins, density)",
      .differentiable = false}}};
const Register renorm_op{{.signature = "renorm(Tensor input, float p, int dim, float maxnorm) -> Tensor",
                          .doc = "Slices along dim with a p-norm above maxnorm scaled down to it.",
                          .call = box<renorm>,
                          .samples = "x(3, 4), 2, 0, 1.5; x(3, 4), 1, 1, 2.5; x(2, 3, 2), 3, -1, 50",
                          .reference = "ref.renorm(input, p, dim, maxnorm)",
                          .errors = "x(3), 2, 0, 1; x(2, 2), -1, 0, 1; x(2, 2), 2, 0, -1",
                          .inplace = true}};

}  // namespace

}  // namespace taper
