// Sorting, the largest and smallest, unique elements, and counting.
#include "taper/ops/order.h"

#include <limits>

#include "autograd/record.h"
#include "cpu/sort.h"
#include "ops/elementwise.h"
#include "ops/registry.h"
#include "taper/ops.h"
#include "tensor/kernel_for.h"

namespace taper {

namespace {

// Elements chosen along the last dimension: choose writes values and places [rows, k].
struct Chosen {
  static constexpr auto name = "select_by_order";
  static constexpr Saves saves{.outputs = 2};
  enum class By : std::uint8_t {
    ascending,
    descending,
    largest,
    smallest,
    kth,
    middle,
    middle_without_nan
  } by;
  std::int64_t k;
  Shape input_sizes;

  std::array<Tensor, 2> forward(const Tensor& x) const {
    const Tensor dense = contiguous(x);
    const std::int64_t n = x.sizes().back(), rows = numel(Shape(x.sizes().data(), x.ndim() - 1));
    Shape sizes = x.sizes();
    sizes[x.ndim() - 1] = k;
    if (by >= By::kth) sizes[x.ndim() - 1] = 1;
    Tensor values = empty(sizes, x.dtype(), x.device()), places = empty(sizes, int64, x.device());
    std::int64_t* indices = places.device_data<std::int64_t>();
    switch (by) {
      case By::ascending:
      case By::descending:
        kernel_for<cpu::sort>("sort", x)(dense.data(), x.dtype(), rows, n, by == By::descending,
                                         values.data(), indices);
        break;
      case By::largest:
      case By::smallest:
        kernel_for<cpu::topk>("topk", x)(dense.data(), x.dtype(), rows, n, k, by == By::largest,
                                         values.data(), indices);
        break;
      case By::kth:
        kernel_for<cpu::kthvalue>("kthvalue", x)(dense.data(), x.dtype(), rows, n, k, values.data(), indices);
        break;
      default:
        kernel_for<cpu::median>("median", x)(dense.data(), x.dtype(), rows, n, by == By::middle_without_nan,
                                             values.data(), indices);
    }
    return {values, places};
  }
  Tensor backward(const Saved& saved, std::span<const Tensor> dy) const {
    if (!dy[0].defined()) return {};
    return scatter(zeros(input_sizes, dy[0].dtype(), dy[0].device()), -1, saved.output(1), dy[0]);
  }
};

std::tuple<Tensor, Tensor> chosen(const Tensor& x, Chosen::By by, std::int64_t k, std::int64_t dim,
                                  const char* op) {
  const int place = wrap_dim(dim, x.ndim(), op);
  if (x.ndim() == 0) {
    auto [values, places] = chosen(reshape(x, {1}), by, k, 0, op);
    return {reshape(values, {}), reshape(places, {})};
  }
  const Tensor last = transpose(x, place, -1);
  const auto results = record(Chosen{by, k, last.sizes()}, last);
  const auto back = [&](const Tensor& y) { return contiguous(transpose(y, place, -1)); };
  return {back(results[0]), back(results[1])};
}

std::tuple<Tensor, Tensor> chosen_one(const Tensor& x, Chosen::By by, std::int64_t k, std::int64_t dim,
                                      bool keepdim, const char* op) {
  const auto [values, places] = chosen(x, by, k, dim, op);
  if (keepdim || x.ndim() == 0) return {values, places};
  return {squeeze(values, Shape{dim}), squeeze(places, Shape{dim})};
}

std::int64_t size_along(const Tensor& x, std::int64_t dim, const char* op) {
  return x.ndim() ? x.size(dim) : (wrap_dim(dim, 0, op), 1);
}

template <auto kernel>
std::tuple<Tensor, Tensor, Tensor> distinct(const Tensor& x, std::optional<std::int64_t> dim, const char* op,
                                            bool with_inverse = true) {
  const int place = dim ? wrap_dim(*dim, x.ndim(), op) : 0;
  const Tensor rows = dim && x.ndim() ? contiguous(movedim(x, {place}, {0})) : reshape(contiguous(x), {-1});
  const std::int64_t count = rows.sizes()[0], width = count ? rows.numel() / count : 1;
  const Tensor first = empty({count}, int64, x.device()), counts = empty({count}, int64, x.device()),
               inverse = with_inverse ? empty({count}, int64, x.device()) : Tensor();
  const std::int64_t different = kernel_for<kernel>(op, x)(
      rows.data(), rows.dtype(), count, width, first.device_data<std::int64_t>(),
      with_inverse ? inverse.device_data<std::int64_t>() : nullptr, counts.device_data<std::int64_t>());
  Tensor values = index_select(rows.detach(), 0, narrow(first, 0, 0, different));
  if (dim && x.ndim()) values = movedim(values, {0}, {place});
  return {contiguous(values), dim || !with_inverse ? inverse : reshape(inverse, x.sizes()),
          contiguous(narrow(counts, 0, 0, different))};
}

}  // namespace

std::tuple<Tensor, Tensor> sort(const Tensor& x, std::int64_t dim, bool descending) {
  return chosen(x, descending ? Chosen::By::descending : Chosen::By::ascending, size_along(x, dim, "sort"),
                dim, "sort");
}
Tensor argsort(const Tensor& x, std::int64_t dim, bool descending) {
  return std::get<1>(sort(x, dim, descending));
}
std::tuple<Tensor, Tensor> topk(const Tensor& x, std::int64_t k, std::int64_t dim, bool largest) {
  check<ValueError>(k >= 0 && k <= size_along(x, dim, "topk"), "topk: k = ", k,
                    " is out of range for dimension ", dim, " of shape ", x.sizes());
  return chosen(x, largest ? Chosen::By::largest : Chosen::By::smallest, k, dim, "topk");
}
std::tuple<Tensor, Tensor> kthvalue(const Tensor& x, std::int64_t k, std::int64_t dim, bool keepdim) {
  check<ValueError>(k >= 1 && k <= size_along(x, dim, "kthvalue"), "kthvalue: k = ", k,
                    " is out of range for dimension ", dim, " of shape ", x.sizes());
  return chosen_one(x, Chosen::By::kth, k, dim, keepdim, "kthvalue");
}
std::tuple<Tensor, Tensor> median(const Tensor& x, std::int64_t dim, bool keepdim) {
  check<IndexError>(size_along(x, dim, "median") > 0, "median: dimension ", dim, " of shape ", x.sizes(),
                    " is empty");
  return chosen_one(x, Chosen::By::middle, 1, dim, keepdim, "median");
}

std::tuple<Tensor, Tensor, Tensor> unique(const Tensor& x, std::optional<std::int64_t> dim) {
  return distinct<cpu::unique>(x, dim, "unique");
}
std::tuple<Tensor, Tensor, Tensor> unique_consecutive(const Tensor& x, std::optional<std::int64_t> dim) {
  return distinct<cpu::unique_consecutive>(x, dim, "unique_consecutive");
}

Tensor searchsorted(const Tensor& boundaries, const Tensor& values, bool right, const Tensor& sorter) {
  check<ShapeError>(boundaries.ndim() >= 1, "searchsorted: boundaries need at least one dimension");
  const bool shared = boundaries.ndim() == 1;
  bool fits = shared || boundaries.ndim() == values.ndim();
  for (int i = 0; fits && !shared && i + 1 < values.ndim(); ++i)
    fits = boundaries.sizes()[i] == values.sizes()[i];
  check<ShapeError>(fits, "searchsorted: boundaries of shape ", boundaries.sizes(), " and values of shape ",
                    values.sizes(), " must agree in all but the last dimension");
  check<ShapeError>(!sorter.defined() || sorter.sizes() == boundaries.sizes(),
                    "searchsorted: sorter must have the shape ", boundaries.sizes(), " of the boundaries");
  check<DTypeError>(!sorter.defined() || sorter.dtype() == int64, "searchsorted: sorter must be int64");
  const Tensor order = sorter.defined() ? contiguous(sorter) : Tensor();
  const DType common = promote_types(boundaries.dtype(), values.dtype());
  const Tensor edges = contiguous(to(boundaries.detach(), common)),
               sought = contiguous(to(values.detach(), common));
  Tensor places = empty(values.sizes(), int64, values.device());
  const std::int64_t m = boundaries.sizes().back(),
                     rows = shared ? 1 : edges.numel() / std::max<std::int64_t>(m, 1),
                     n = places.numel() / std::max<std::int64_t>(rows, 1);
  if (places.numel())
    kernel_for<cpu::searchsorted>("searchsorted", edges, sought, order)(
        edges.data(), shared, m, order.defined() ? order.device_data<std::int64_t>() : nullptr, sought.data(),
        common, rows, n, right, places.device_data<std::int64_t>());
  return places;
}

Tensor bincount(const Tensor& x, const Tensor& weights, std::int64_t minlength) {
  check<ShapeError>(x.ndim() == 1, "bincount: needs a vector, got shape ", x.sizes());
  check<DTypeError>(is_integral(x.dtype()), "bincount: needs integers, got ", x.dtype());
  check<ValueError>(minlength >= 0, "bincount: minlength must not be negative, got ", minlength);
  const Tensor dense = contiguous(x);
  const std::int64_t size =
      std::max(minlength, kernel_for<cpu::bincount_size>("bincount", x)(dense.data(), x.dtype(), x.numel()));
  if (!weights.defined()) {
    const Tensor counts = empty({size}, int64, x.device());
    kernel_for<cpu::bincount>("bincount", x)(dense.data(), x.dtype(), x.numel(), size,
                                             counts.device_data<std::int64_t>());
    return counts;
  }
  check<ShapeError>(weights.sizes() == x.sizes(), "bincount: weights of shape ", weights.sizes(),
                    " do not fit input of shape ", x.sizes());
  const Tensor dense_weights = contiguous(weights.detach()), sums = empty({size}, float64, x.device());
  kernel_for<cpu::weighted_bincount>("bincount", x, weights)(dense.data(), x.dtype(), x.numel(), size,
                                                             dense_weights.data(), weights.dtype(),
                                                             sums.device_data<double>());
  return weights.dtype() == float32 ? to(sums, float32) : sums;
}

Tensor histc(const Tensor& x, std::int64_t bins, double low, double high) {
  check<ValueError>(bins > 0, "histc: bins must be > 0, got ", bins);
  if (x.numel() == 0) return zeros({bins}, x.dtype(), x.device());
  if (low == high) {
    low = min(x).item<double>();
    high = max(x).item<double>();
    if (low == high) low -= 1, high += 1;
  }
  const Tensor dense = contiguous(x.detach());
  Tensor counts = empty({bins}, int64, x.device());
  kernel_for<cpu::histc>("histc", x)(dense.data(), x.dtype(), x.numel(), bins, low, high,
                                     counts.device_data<std::int64_t>());
  return to(counts, x.dtype());
}

namespace {

std::tuple<Tensor, Tensor> sort_stable(const Tensor& x, std::optional<bool>, std::int64_t dim,
                                       bool descending) {
  return sort(x, dim, descending);
}
Tensor argsort_stable(const Tensor& x, bool, std::int64_t dim, bool descending) {
  return argsort(x, dim, descending);
}
Tensor argsort_plain(const Tensor& x, std::int64_t dim, bool descending, bool) {
  return argsort(x, dim, descending);
}
std::tuple<Tensor, Tensor> topk_call(const Tensor& x, std::int64_t k, std::int64_t dim, bool largest, bool) {
  return topk(x, k, dim, largest);
}
// The median of all elements, NaN of none; equal ones share the gradient.
template <Chosen::By by>
struct MedianOfAll {
  static constexpr auto name = by == Chosen::By::middle ? "median" : "nanmedian";
  static constexpr Saves saves{.inputs = 1, .outputs = 1};

  Tensor forward(const Tensor& x) const {
    if (x.numel() == 0) return full({}, std::numeric_limits<double>::quiet_NaN(), x.dtype(), x.device());
    return std::get<0>(chosen_one(reshape(x, {-1}), by, 1, 0, false, name));
  }
  Tensor backward(const Saved& saved, const Tensor& dy) const {
    const Tensor x = saved.input(0), y = saved.output();
    const Tensor chosen = to(logical_or(eq(x, y), logical_and(isnan(x), isnan(y))), x.dtype());
    return mul(chosen, div(dy, sum(chosen)));
  }
};

Tensor median_all(const Tensor& x) { return record(MedianOfAll<Chosen::By::middle>{}, x); }
Tensor nanmedian_all(const Tensor& x) { return record(MedianOfAll<Chosen::By::middle_without_nan>{}, x); }
std::tuple<Tensor, Tensor> nanmedian(const Tensor& x, std::int64_t dim, bool keepdim) {
  check<IndexError>(size_along(x, dim, "nanmedian") > 0, "nanmedian: dimension ", dim, " of shape ",
                    x.sizes(), " is empty");
  return chosen_one(x, Chosen::By::middle_without_nan, 1, dim, keepdim, "nanmedian");
}
Tensor msort(const Tensor& x) { return std::get<0>(sort(x, 0)); }
template <auto kernel>
Value distinct_results(const Tensor& x, std::optional<std::int64_t> dim, const char* op, bool inverse,
                       bool counts) {
  auto [values, places, numbers] = distinct<kernel>(x, dim, op, inverse);
  if (!inverse && !counts) return Value(values);
  Tensors results{values};
  if (inverse) results.push_back(places);
  if (counts) results.push_back(numbers);
  return Value(std::move(results));
}
Value unique_call(Value* v) {
  return distinct_results<cpu::unique>(std::get<Tensor>(v[0]),
                                       detail::argument<std::optional<std::int64_t>>(v[4]), "unique",
                                       std::get<bool>(v[2]), std::get<bool>(v[3]));
}
Value unique_consecutive_call(Value* v) {
  return distinct_results<cpu::unique_consecutive>(
      std::get<Tensor>(v[0]), detail::argument<std::optional<std::int64_t>>(v[3]), "unique_consecutive",
      std::get<bool>(v[1]), std::get<bool>(v[2]));
}
Tensor searchsorted_call(const Tensor& boundaries, const Tensor& values, bool out_int32, bool right,
                         std::optional<std::string> side, const Tensor& sorter) {
  check<ValueError>(!side || *side == "left" || *side == "right",
                    "searchsorted: side must be 'left' or 'right', got '", side.value_or(""), "'");
  const Tensor places =
      searchsorted(boundaries, values, right || side == std::optional<std::string>("right"), sorter);
  return out_int32 ? to(places, int32) : places;
}
Tensor bucketize(const Tensor& values, const Tensor& boundaries, bool out_int32, bool right) {
  return searchsorted_call(boundaries, values, out_int32, right, std::nullopt, Tensor());
}

const Register sort_op[]{
    {{.signature = "sort(Tensor input, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)",
      .doc = "Elements along dim in order, and their places.",
      .call = box<sort>,
      .samples = "x(2, 5); x(5, 2), 0, True; x(); x(0)",
      .reference = "ref.sort(input, dim, descending)",
      .errors = "x(3), 1; c(3)"}},
    {{.signature = "sort(Tensor input, *, bool? stable, int dim=-1, bool descending=False) -> (Tensor "
                   "values, Tensor indices)",
      .doc = "As sort, which is always stable.",
      .call = box<sort_stable>,
      .samples = "x(2, 5), stable=True",
      .reference = "ref.sort(input, dim, descending)"}}};
const Register argsort_op[]{
    {{.signature = "argsort(Tensor input, int dim=-1, bool descending=False, bool stable=False) -> Tensor",
      .doc = "Places of the elements in order.",
      .call = box<argsort_plain>,
      .samples = "x(2, 5); x(5, 2), 0, True",
      .reference = "ref.sort(input, dim, descending)[1]",
      .differentiable = false}},
    {{.signature = "argsort(Tensor input, *, bool stable, int dim=-1, bool descending=False) -> Tensor",
      .doc = "Places of the elements in order.",
      .call = box<argsort_stable>,
      .samples = "x(2, 5), stable=True",
      .reference = "ref.sort(input, dim, descending)[1]",
      .differentiable = false}}};
const Register msort_op{{.signature = "msort(Tensor input) -> Tensor",
                         .doc = "Elements along dimension 0 in order.",
                         .call = box<msort>,
                         .samples = "x(5, 2)",
                         .reference = "np.sort(input, 0)"}};
const Register topk_op{{.signature = "topk(Tensor input, int k, int dim=-1, bool largest=True, bool "
                                     "sorted=True) -> (Tensor values, Tensor indices)",
                        .doc = "The k largest (or smallest) along dim, best first.",
                        .call = box<topk_call>,
                        .samples = "x(2, 5), 3; x(5, 2), 2, 0, False; x(3), 0",
                        .reference = "ref.topk(input, k, dim, largest)",
                        .errors = "x(3), 4; x(3), -1"}};
const Register kthvalue_op{
    {.signature =
         "kthvalue(Tensor input, int k, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)",
     .doc = "The k-th smallest along dim.",
     .call = box<kthvalue>,
     .samples = "x(2, 5), 2; x(5, 2), 3, 0, True",
     .reference = "ref.kthvalue(input, k, dim, keepdim)",
     .errors = "x(3), 0; x(3), 4"}};
const Register median_op[]{
    {{.signature = "median(Tensor input) -> Tensor",
      .doc = "The median of all elements, of an even number the lower one.",
      .call = box<median_all>,
      .samples = "x(2, 3); x(2, 2); x()",
      .reference = "np.sort(input.ravel())[(input.size - 1) // 2]"}},
    {{.signature = "median(Tensor input, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
      .doc = "The median along dim.",
      .call = box<median>,
      .samples = "x(2, 5), 1; x(4, 2), 0, True",
      .reference = "ref.kthvalue(input, (input.shape[dim] + 1) // 2, dim, keepdim)"}}};
const Register nanmedian_op[]{
    {{.signature = "nanmedian(Tensor input) -> Tensor",
      .doc = "The median of the elements that are not NaN.",
      .call = box<nanmedian_all>,
      .samples = "x(2, 3)",
      .reference = "np.sort(input.ravel())[(input.size - 1) // 2]"}},
    {{.signature = "nanmedian(Tensor input, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
      .doc = "The median of the elements along dim that are not NaN.",
      .call = box<nanmedian>,
      .samples = "x(2, 5), 1; x(4, 2), 0, True",
      .reference = "ref.kthvalue(input, (input.shape[dim] + 1) // 2, dim, keepdim)"}}};
const Register unique_op{
    {.signature = "unique(Tensor input, bool sorted=True, bool return_inverse=False, bool "
                  "return_counts=False, int? dim=None) -> Tensor",
     .doc = "Different elements in order; optionally each element's number and how many are alike.",
     .call = unique_call,
     .samples = "i(3, 4, hi=4); i(8, hi=3), True, True, True; i(6, 2, hi=2), dim=0; i(3, 4, 5, hi=2), True, "
                "True, True, "
                "2",
     .reference = "ref.unique(input, return_inverse, return_counts, dim)",
     .differentiable = false}};
const Register unique_consecutive_op{
    {.signature = "unique_consecutive(Tensor input, bool return_inverse=False, bool return_counts=False, "
                  "int? dim=None) -> Tensor",
     .doc = "Without repetitions of neighbours.",
     .call = unique_consecutive_call,
     .samples = "i(8, hi=2)",
     .reference = "input[np.r_[True, input[1:] != input[:-1]]]",
     .differentiable = false}};
const Register searchsorted_op{
    {.signature = "searchsorted(Tensor sorted_sequence, Tensor|Scalar input, *, bool out_int32=False, bool "
                  "right=False, str? side=None, Tensor? sorter=None) -> Tensor",
     .doc = "The number of boundaries before each value.",
     .call = box<searchsorted_call>,
     .homes = "taper",
     .samples =
         "taper.tensor([1.0, 2, 3]), x(2, 3, lo=0, hi=4); taper.tensor([1, 2, 3]), i(4, hi=5), right=True",
     .reference = "np.searchsorted(sorted_sequence, input, 'right' if right else 'left')",
     .errors = "x(2, 3), x(3, 2)",
     .differentiable = false}};
const Register bucketize_op{{.signature = "bucketize(Tensor|Scalar input, Tensor boundaries, *, bool "
                                          "out_int32=False, bool right=False) -> Tensor",
                             .doc = "The number of boundaries before each value.",
                             .call = box<bucketize>,
                             .homes = "taper",
                             .samples = "x(2, 3, lo=0, hi=4), taper.tensor([1.0, 2, 3])",
                             .reference = "np.searchsorted(boundaries, input, 'right' if right else 'left')",
                             .differentiable = false}};
const Register bincount_op{
    {.signature = "bincount(Tensor input, Tensor? weights=None, int minlength=0) -> Tensor",
     .doc = "How often each integer occurs, or sums of weights.",
     .call = box<bincount>,
     .samples = "i(8, hi=5); i(8, hi=3), x(8), 6; i(0)",
     .reference = "np.bincount(input, weights, minlength)",
     .errors = "i(3, lo=-3, hi=0); x(3); i(2, 2)",
     .differentiable = false}};
const Register histc_op{
    {.signature = "histc(Tensor input, int bins=100, float min=0, float max=0) -> Tensor",
     .doc = "How many elements lie in equal parts of [min, max].",
     .call = box<histc>,
     .samples = "x(20), 5, -2, 2; x(10), 4; x(0), 3",
     .reference = "np.histogram(input, bins, None if min == max else (min, max))[0].astype(float)",
     .errors = "x(3), 0",
     .differentiable = false}};

}  // namespace

}  // namespace taper
