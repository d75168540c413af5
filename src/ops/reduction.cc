// Reductions over dimensions.
#include "taper/ops/reduction.h"

#include <cmath>

#include "autograd/gradient_math.h"
#include "autograd/record.h"
#include "cpu/reduce.h"
#include "ops/elementwise.h"
#include "ops/registry.h"
#include "taper/ops.h"
#include "taper/ops/linalg.h"
#include "tensor/kernel_for.h"

namespace taper {

namespace {

/// Which dimensions are reduced, and the sizes before and after.
struct Over {
  Shape input_sizes;
  std::uint64_t reduced = 0;
  bool keepdim;

  Over(const Tensor& x, const Dims& dims, bool keep, const char* op) : input_sizes(x.sizes()), keepdim(keep) {
    check<ShapeError>(x.ndim() <= 64, op, ": more than 64 dimensions");
    if (!dims || dims->empty()) {
      for (int i = 0; i < x.ndim(); ++i) reduced |= std::uint64_t(1) << i;
      return;
    }
    for (const std::int64_t dim : *dims) {
      const std::uint64_t bit = std::uint64_t(1) << wrap_dim(dim, x.ndim(), op);
      check<ValueError>(!(reduced & bit), op, ": dim ", dim, " appears multiple times in the list of dims ",
                        *dims);
      reduced |= bit;
    }
    if (x.ndim() == 0) reduced = 0;
  }
  bool has(int dim) const { return reduced >> dim & 1; }
  Shape kept_sizes() const {
    Shape sizes = input_sizes;
    for (int i = 0; i < sizes.size(); ++i)
      if (has(i)) sizes[i] = 1;
    return sizes;
  }
  Shape output_sizes() const {
    if (keepdim) return kept_sizes();
    Shape sizes;
    for (int i = 0; i < input_sizes.size(); ++i)
      if (!has(i)) sizes.push_back(input_sizes[i]);
    return sizes;
  }
  /// How many elements become one.
  std::int64_t count() const {
    std::int64_t product = 1;
    for (int i = 0; i < input_sizes.size(); ++i)
      if (has(i)) product *= input_sizes[i];
    return product;
  }
  /// A result with its reduced dimensions back as size 1, to broadcast against the input.
  Tensor restored(const Tensor& y) const { return keepdim ? y : reshape(y, kept_sizes()); }
};

cpu::Reduction arguments(const Tensor& x, const Over& over, const Tensor& y) {
  return {x.data(), x.dtype(), x.sizes(), x.strides(), over.reduced, y.data(), y.dtype()};
}

template <class Kernel, class... More>
Tensor reduced(Kernel kernel, const Tensor& x, const Over& over, DType output, More... more) {
  Tensor y = empty(over.output_sizes(), output, x.device());
  kernel(arguments(x, over, y), more...);
  return y;
}

void check_not_empty(const Tensor& x, const Over& over, const char* op) {
  check<IndexError>(over.count() > 0 || numel(over.output_sizes()) == 0, op,
                    ": cannot reduce over dimensions of size 0 in shape ", x.sizes(),
                    ", the operation has no identity; give a dim with elements");
}

DType mean_dtype(const Tensor& x, std::optional<DType> dtype, const char* op) {
  const DType result = dtype.value_or(x.dtype());
  check<DTypeError>(is_differentiable(result), op, ": input dtype must be floating point or complex, got ",
                    result, "; pass dtype= or convert with .float()");
  return result;
}

struct Sum {
  static constexpr auto name = "sum";
  Over over;
  DType input, output;

  Tensor forward(const Tensor& x) const { return reduced(kernel_for<cpu::sum>(name, x), x, over, output); }
  Tensor backward(const Saved&, const Tensor& dy) const {
    return to(expand(over.restored(dy), over.input_sizes), input);
  }
};

struct Nansum {
  static constexpr auto name = "nansum";
  static constexpr Saves saves{.inputs = 1};
  Over over;
  DType output;

  Tensor forward(const Tensor& x) const {
    if (!x.is_floating_point()) return reduced(kernel_for<cpu::sum>(name, x), x, over, output);
    return reduced(kernel_for<cpu::nansum>(name, x), x, over, output);
  }
  Tensor backward(const Saved& saved, const Tensor& dy) const {
    const Tensor x = saved.input(0);
    return mul(to(expand(over.restored(dy), over.input_sizes), x.dtype()), to(eq(x, x), x.dtype()));
  }
};

struct Mean {
  static constexpr auto name = "mean";
  Over over;
  DType input, output;

  Tensor forward(const Tensor& x) const { return reduced(kernel_for<cpu::mean>(name, x), x, over, output); }
  Tensor backward(const Saved&, const Tensor& dy) const {
    return to(expand(over.restored(div(dy, double(over.count()))), over.input_sizes), input);
  }
};

struct Prod {
  static constexpr auto name = "prod";
  static constexpr Saves saves{.inputs = 1};
  Over over;
  DType output;

  Tensor forward(const Tensor& x) const { return reduced(kernel_for<cpu::prod>(name, x), x, over, output); }
  Tensor backward(const Saved& saved, const Tensor& dy) const {
    const Tensor x = saved.input(0);
    return mul(over.restored(to(dy, x.dtype())), conj(product_of_others(x)));
  }

  // Products of all but one element along the reduced dimension(s), without dividing: an element may be 0.
  Tensor product_of_others(const Tensor& x) const {
    int dim = -1, count = 0;
    for (int i = 0; i < x.ndim(); ++i)
      if (over.has(i)) dim = i, ++count;
    if (count == 0 || x.numel() == 0) return ones_like(x);
    if (count > 1) return reshape(product_of_others_along(reshape(x, {-1}), 0), x.sizes());
    return product_of_others_along(x, dim);
  }
  static Tensor product_of_others_along(const Tensor& x, int dim) {
    const std::int64_t size = x.size(dim);
    Shape one = x.sizes();
    one[dim] = 1;
    const Tensor unit = ones(one, x.dtype(), x.device());
    const Tensor before = cumprod(cat({unit, slice(x, dim, 0, size - 1)}, dim), dim);
    const Tensor after = flip(cumprod(flip(cat({slice(x, dim, 1, size), unit}, dim), {dim}), dim), {dim});
    return mul(before, after);
  }
};

struct Var {
  static constexpr auto name = "var";
  static constexpr Saves saves{.inputs = 1};
  Over over;
  double correction;

  Tensor forward(const Tensor& x) const {
    return reduced(kernel_for<cpu::var>(name, x), x, over, real_dtype(x.dtype()), correction, nullptr);
  }
  Tensor backward(const Saved& saved, const Tensor& dy) const {
    const Tensor x = saved.input(0);
    const double degrees = double(over.count()) - correction;
    Shape dims;
    for (int i = 0; i < x.ndim(); ++i)
      if (over.has(i)) dims.push_back(i);
    const Tensor centered = x.ndim() == 0 ? sub(x, x) : sub(x, mean(x, dims, true));
    return mul(mul(over.restored(dy), centered), 2 / degrees);
  }
};

// The square root of a variance; at 0 the gradient 0 is taken, as PyTorch does.
struct Deviation {
  static constexpr auto name = "std";
  static constexpr Saves saves{.outputs = 1};

  Tensor forward(const Tensor& variance) const { return sqrt(variance); }
  Tensor backward(const Saved& saved, const Tensor& dy) const {
    const Tensor y = saved.output();
    return masked_fill(div(dy, mul(y, 2)), eq(y, 0), 0);
  }
};

struct LogSumExp {
  static constexpr auto name = "logsumexp";
  static constexpr Saves saves{.inputs = 1, .outputs = 1};
  Over over;

  Tensor forward(const Tensor& x) const {
    return reduced(kernel_for<cpu::logsumexp>(name, x), x, over, x.dtype());
  }
  Tensor backward(const Saved& saved, const Tensor& dy) const {
    return mul(over.restored(dy), conj(exp(sub(saved.input(0), over.restored(saved.output())))));
  }
};

struct Norm {
  static constexpr auto name = "norm";
  static constexpr Saves saves{.inputs = 1, .outputs = 1};
  Over over;
  double p;

  Tensor forward(const Tensor& x) const {
    return reduced(kernel_for<cpu::norm>(name, x), x, over, real_dtype(x.dtype()), p);
  }
  // At the zero vector the subgradient 0 is taken, as PyTorch does.
  Tensor backward(const Saved& saved, const Tensor& dy) const {
    const Tensor x = saved.input(0);
    const Tensor y = over.restored(saved.output()), scale = over.restored(dy);
    if (p == 0) return zeros_like(x);
    if (p == 1) return mul(scale, sgn(x));
    const Tensor at_zero = eq(y, 0), divisor = masked_fill(y, at_zero, 1);
    if (p == 2) return masked_fill(mul(scale, div(x, divisor)), at_zero, 0);
    const Tensor size = abs(x);
    if (std::isinf(p)) {
      const Tensor chosen = to(logical_or(eq(size, y), ne(y, y)), y.dtype());
      return mul(mul(sgn(x), chosen), div(scale, over_sum(chosen)));
    }
    // At a zero element the slope is infinite for p < 1; PyTorch takes 0.
    const Tensor slope = mul(sgn(x), pow(p < 1 ? masked_fill(size, eq(size, 0), 1) : size, p - 1));
    return masked_fill(mul(slope, div(scale, pow(divisor, p - 1))), at_zero, 0);
  }
  Tensor over_sum(const Tensor& counts) const {
    Shape dims;
    for (int i = 0; i < counts.ndim(); ++i)
      if (over.has(i)) dims.push_back(i);
    return dims.empty() ? counts : sum(counts, dims, true);
  }
};

// Largest or smallest over dimensions; equal ones share the gradient.
template <bool largest>
struct Extreme {
  static constexpr auto name = largest ? "amax" : "amin";
  static constexpr Saves saves{.inputs = 1, .outputs = 1};
  Over over;

  Tensor forward(const Tensor& x) const {
    return reduced(largest ? kernel_for<cpu::max>(name, x) : kernel_for<cpu::min>(name, x), x, over,
                   x.dtype());
  }
  Tensor backward(const Saved& saved, const Tensor& dy) const {
    const Tensor x = saved.input(0), y = over.restored(saved.output());
    const Tensor chosen = to(logical_or(eq(x, y), logical_and(ne(x, x), ne(y, y))), x.dtype());
    Shape dims;
    for (int i = 0; i < x.ndim(); ++i)
      if (over.has(i)) dims.push_back(i);
    return mul(chosen, div(over.restored(dy), dims.empty() ? chosen : sum(chosen, dims, true)));
  }
};

template <bool largest>
struct ExtremeAlong {
  static constexpr auto name = largest ? "max" : "min";
  static constexpr Saves saves{.outputs = 2};
  Over over;
  int dim;

  std::array<Tensor, 2> forward(const Tensor& x) const {
    Tensor values = empty(over.output_sizes(), x.dtype(), x.device()),
           places = empty(over.output_sizes(), int64, x.device());
    (largest ? kernel_for<cpu::max_with_indices>(name, x) : kernel_for<cpu::min_with_indices>(name, x))(
        arguments(x, over, values), places.device_data<std::int64_t>());
    return {values, places};
  }
  Tensor backward(const Saved& saved, std::span<const Tensor> dy) const {
    if (!dy[0].defined()) return {};
    const Tensor places = over.restored(saved.output(1)), gradient = over.restored(dy[0]);
    return scatter(zeros(over.input_sizes, gradient.dtype(), gradient.device()), dim, places, gradient);
  }
};

template <bool largest>
std::tuple<Tensor, Tensor> extreme_along(const Tensor& x, std::int64_t dim, bool keepdim) {
  const char* op = largest ? "max" : "min";
  const int wrapped_dim = wrap_dim(dim, x.ndim(), op);
  check<DTypeError>(!x.is_complex(), op, ": complex numbers have no order");
  if (x.ndim() == 0) return {clone(x), zeros({}, int64, x.device())};
  const Over over(x, Shape{wrapped_dim}, keepdim, op);
  check_not_empty(x, over, op);
  auto results = record(ExtremeAlong<largest>{over, wrapped_dim}, x);
  return {results[0], results[1]};
}

template <bool largest>
Tensor extreme(const Tensor& x, const Dims& dims, bool keepdim, const char* op) {
  const Over over(x, dims, keepdim, op);
  check<DTypeError>(!x.is_complex(), op, ": complex numbers have no order");
  check_not_empty(x, over, op);
  return record(Extreme<largest>{over}, x);
}

template <bool largest>
Tensor place_of_extreme(const Tensor& x, std::optional<std::int64_t> dim, bool keepdim) {
  const char* op = largest ? "argmax" : "argmin";
  const Over over(x, dim ? Dims(Shape{*dim}) : Dims(), keepdim, op);
  check<DTypeError>(!x.is_complex(), op, ": complex numbers have no order");
  check_not_empty(x, over, op);
  return reduced(largest ? kernel_for<cpu::argmax>(op, x) : kernel_for<cpu::argmin>(op, x), x, over, int64);
}

}  // namespace

Tensor sum(const Tensor& x, const Dims& dims, bool keepdim, std::optional<DType> dtype) {
  const Tensor terms = summands(x, dtype);
  return record(Sum{Over(terms, dims, keepdim, "sum"), terms.dtype(), sum_dtype(terms, dtype)}, terms);
}

Tensor nansum(const Tensor& x, const Dims& dims, bool keepdim, std::optional<DType> dtype) {
  const Tensor terms = summands(x, dtype);
  return record(Nansum{Over(terms, dims, keepdim, "nansum"), sum_dtype(terms, dtype)}, terms);
}

Tensor mean(const Tensor& x, const Dims& dims, bool keepdim, std::optional<DType> dtype) {
  return record(Mean{Over(x, dims, keepdim, "mean"), x.dtype(), mean_dtype(x, dtype, "mean")}, x);
}

Tensor prod(const Tensor& x, std::optional<std::int64_t> dim, bool keepdim, std::optional<DType> dtype) {
  const Tensor factors = summands(x, dtype);
  const Over over(factors, dim ? Dims(Shape{*dim}) : Dims(), keepdim, "prod");
  return record(Prod{over, sum_dtype(factors, dtype)}, factors);
}

Tensor var(const Tensor& x, const Dims& dims, double correction, bool keepdim) {
  mean_dtype(x, std::nullopt, "var");
  return record(Var{Over(x, dims, keepdim, "var"), correction}, x);
}

Tensor std(const Tensor& x, const Dims& dims, double correction, bool keepdim) {
  mean_dtype(x, std::nullopt, "std");
  return record(Deviation{}, var(x, dims, correction, keepdim));
}

std::tuple<Tensor, Tensor> var_mean(const Tensor& x, const Dims& dims, double correction, bool keepdim) {
  return {var(x, dims, correction, keepdim), mean(x, dims, keepdim)};
}

Tensor logsumexp(const Tensor& x, const Shape& dims, bool keepdim) {
  if (is_integral(x.dtype(), true)) return logsumexp(to(x, default_dtype()), dims, keepdim);
  if (x.is_complex()) {
    if (x.numel() == 0) return log(sum(x, dims, keepdim));
    const Tensor largest = amax(real(x.detach()), dims, true);
    const Tensor shift = masked_fill(largest, isinf(largest), 0);
    const Tensor y = log(sum(exp(sub(x, shift)), dims, keepdim));
    return add(y, reshape(shift, y.sizes()));
  }
  return record(LogSumExp{Over(x, dims, keepdim, "logsumexp")}, x);
}

Tensor norm(const Tensor& x, double p, const Dims& dims, bool keepdim) {
  check<DTypeError>(is_differentiable(x.dtype()), "norm: input dtype must be floating point or complex, got ",
                    x.dtype());
  return record(Norm{Over(x, dims, keepdim, "norm"), p}, x);
}

Tensor amax(const Tensor& x, const Dims& dims, bool keepdim) {
  return extreme<true>(x, dims, keepdim, "amax");
}
Tensor amin(const Tensor& x, const Dims& dims, bool keepdim) {
  return extreme<false>(x, dims, keepdim, "amin");
}
Tensor max(const Tensor& x) { return extreme<true>(x, std::nullopt, false, "max"); }
Tensor min(const Tensor& x) { return extreme<false>(x, std::nullopt, false, "min"); }
std::tuple<Tensor, Tensor> max(const Tensor& x, std::int64_t dim, bool keepdim) {
  return extreme_along<true>(x, dim, keepdim);
}
std::tuple<Tensor, Tensor> min(const Tensor& x, std::int64_t dim, bool keepdim) {
  return extreme_along<false>(x, dim, keepdim);
}
Tensor argmax(const Tensor& x, std::optional<std::int64_t> dim, bool keepdim) {
  return place_of_extreme<true>(x, dim, keepdim);
}
Tensor argmin(const Tensor& x, std::optional<std::int64_t> dim, bool keepdim) {
  return place_of_extreme<false>(x, dim, keepdim);
}

Tensor any(const Tensor& x, const Dims& dims, bool keepdim) {
  return reduced(kernel_for<cpu::any>("any", x), x, Over(x, dims, keepdim, "any"),
                 x.dtype() == uint8 ? uint8 : boolean);
}
Tensor all(const Tensor& x, const Dims& dims, bool keepdim) {
  return reduced(kernel_for<cpu::all>("all", x), x, Over(x, dims, keepdim, "all"),
                 x.dtype() == uint8 ? uint8 : boolean);
}
Tensor count_nonzero(const Tensor& x, const Dims& dims) {
  return reduced(kernel_for<cpu::count_nonzero>("count_nonzero", x), x, Over(x, dims, false, "count_nonzero"),
                 int64);
}

Tensor sum_to_size(const Tensor& x, const Shape& sizes) {
  const int extra = x.ndim() - sizes.size();
  Shape dims;
  for (int i = 0; i < x.ndim(); ++i) {
    if (i < extra || (sizes[i - extra] == 1 && x.sizes()[i] != 1)) dims.push_back(i);
    else
      check<ShapeError>(sizes[i - extra] == x.sizes()[i], "sum_to_size: shape ", x.sizes(),
                        " is not an expansion of ", sizes);
  }
  check<ShapeError>(extra >= 0, "sum_to_size: shape ", x.sizes(), " is not an expansion of ", sizes);
  if (sizes.empty()) return sum(x);
  const Tensor total = dims.empty() ? x : sum(x, dims, true);
  return extra == 0 ? total : reshape(total, sizes);
}

bool has_nan(const Tensor& tensor) {
  return is_differentiable(tensor.dtype()) && any(ne(tensor, tensor)).item<bool>();
}

namespace {

// A correction of None is 1.
Tensor var_call(const Tensor& x, const Dims& dims, std::optional<double> correction, bool keepdim) {
  return var(x, dims, correction.value_or(1), keepdim);
}
Tensor std_call(const Tensor& x, const Dims& dims, std::optional<double> correction, bool keepdim) {
  return std(x, dims, correction.value_or(1), keepdim);
}
std::tuple<Tensor, Tensor> var_mean_call(const Tensor& x, const Dims& dims, std::optional<double> correction,
                                         bool keepdim) {
  return var_mean(x, dims, correction.value_or(1), keepdim);
}
std::tuple<Tensor, Tensor> var_mean_unbiased(const Tensor& x, bool unbiased) {
  return var_mean(x, std::nullopt, unbiased ? 1 : 0, false);
}
std::tuple<Tensor, Tensor> var_mean_dims_unbiased(const Tensor& x, const Dims& dims, bool unbiased,
                                                  bool keepdim) {
  return var_mean(x, dims, unbiased ? 1 : 0, keepdim);
}
Tensor var_unbiased(const Tensor& x, bool unbiased) { return var(x, std::nullopt, unbiased ? 1 : 0); }
Tensor std_unbiased(const Tensor& x, bool unbiased) { return std(x, std::nullopt, unbiased ? 1 : 0); }
Tensor var_dims_unbiased(const Tensor& x, const Dims& dims, bool unbiased, bool keepdim) {
  return var(x, dims, unbiased ? 1 : 0, keepdim);
}
Tensor std_dims_unbiased(const Tensor& x, const Dims& dims, bool unbiased, bool keepdim) {
  return std(x, dims, unbiased ? 1 : 0, keepdim);
}

double order_of(const Value& p) {
  if (const std::string* text = std::get_if<std::string>(&p)) {
    check<ValueError>(*text == "fro" || *text == "nuc", "norm: p must be a number or 'fro', got '", *text,
                      "'");
    return 2;
  }
  return std::holds_alternative<std::monostate>(p) ? 2 : std::get<Scalar>(p).to<double>();
}
// The sum of the singular values of the matrices in two dimensions.
Tensor nuclear_norm(const Tensor& x, const Dims& dims, bool keepdim) {
  const Shape pair = dims && !dims->empty() ? *dims : x.ndim() == 2 ? Shape{0, 1} : Shape();
  check<ShapeError>(pair.size() == 2 && x.ndim() >= 2, "norm: p='nuc' needs two dims of a tensor of shape ",
                    x.sizes(), ", got ", pair);
  const Tensor y = sum(linalg::svdvals(movedim(x, pair, {-2, -1})), Shape{-1});
  if (!keepdim) return y;
  Shape sizes = x.sizes();
  for (const std::int64_t dim : pair) sizes[wrap_dim(dim, x.ndim(), "norm")] = 1;
  return reshape(y, sizes);
}
Tensor norm_of(const Tensor& x, const Value& p, const Dims& dims, bool keepdim, std::optional<DType> dtype) {
  if (const std::string* text = std::get_if<std::string>(&p); text && *text == "nuc")
    return nuclear_norm(dtype ? to(x, *dtype) : x, dims, keepdim);
  return norm(dtype ? to(x, *dtype) : x, order_of(p), dims, keepdim);
}
Tensor vector_norm(const Tensor& x, const Scalar& ord, const Dims& dims, bool keepdim,
                   std::optional<DType> dtype) {
  return norm(dtype ? to(x, *dtype) : x, ord.to<double>(), dims, keepdim);
}
std::tuple<Tensor, Tensor> aminmax(const Tensor& x, std::optional<std::int64_t> dim, bool keepdim) {
  const Dims dims = dim ? Dims(Shape{*dim}) : Dims();
  return {amin(x, dims, keepdim), amax(x, dims, keepdim)};
}

const Register sum_op{
    {.signature = "sum(Tensor input, int[]? dim=None, bool keepdim=False, *, dtype? dtype=None) -> Tensor",
     .doc = "Sum over dim, or of all elements. Integers and bool sum to int64.",
     .call = box<sum>,
     .samples = "x(2, 3); x(2, 3), 1; x(2, 3, 4), (0, 2), True; x(); x(0, 3), 0; x(2, 3).T, 0; x(3, 2), "
                "dtype=taper.float64; c(2, 3), 1; x(2, 3), -1, keepdim=True",
     .reference = "np.sum(input, axis=dim, keepdims=keepdim)",
     .errors = "x(2, 3), 2; x(2, 3), (0, 0)"}};
const Register nansum_op{
    {.signature = "nansum(Tensor input, int[]? dim=None, bool keepdim=False, *, dtype? dtype=None) -> Tensor",
     .doc = "Sum over dim taking NaN as 0.",
     .call = box<nansum>,
     .samples = "x(2, 3); x(2, 3), 1; x(2, 3), 0, True",
     .reference = "np.nansum(input, axis=dim, keepdims=keepdim)"}};
const Register mean_op{
    {.signature = "mean(Tensor input, int[]? dim=None, bool keepdim=False, *, dtype? dtype=None) -> Tensor",
     .doc = "Mean over dim, or of all elements; floating or complex. Empty: NaN.",
     .call = box<mean>,
     .samples = "x(2, 3); x(2, 3), 1; x(2, 3, 4), (0, 2), True; x(); x(2, 3).T, 0; c(2, 3), 1",
     .reference = "np.mean(input, axis=dim, keepdims=keepdim)",
     .errors = "i(3); x(2, 3), -3"}};
const Register prod_op[]{
    {{.signature = "prod(Tensor input, *, dtype? dtype=None) -> Tensor",
      .doc = "Product of all elements.",
      .call =
          [](Value* v) {
            return Value(prod(detail::held<Tensor>(v[0]), std::nullopt, false,
                              detail::argument<std::optional<DType>>(v[1])));
          },
      .samples = "x(2, 3); x(); z(3)",
      .reference = "np.prod(input)"}},
    {{.signature = "prod(Tensor input, int dim, bool keepdim=False, *, dtype? dtype=None) -> Tensor",
      .doc = "Product over dim. The gradient is right where elements are zero.",
      .call =
          [](Value* v) {
            return Value(prod(detail::held<Tensor>(v[0]), detail::held<std::int64_t>(v[1]),
                              detail::held<bool>(v[2]), detail::argument<std::optional<DType>>(v[3])));
          },
      .samples = "x(2, 3), 1; x(2, 3), 0, True; z(2, 3), 1",
      .reference = "np.prod(input, axis=dim, keepdims=keepdim)"}}};
const Register var_op[]{
    {{.signature = "var(Tensor input, int[]? dim=None, *, float? correction=1, bool keepdim=False) -> Tensor",
      .doc = "Variance over dim: squared distances from the mean over n - correction.",
      .call = box<var_call>,
      .samples = "x(2, 3); x(2, 3), 1; x(4, 3), 0, correction=0, keepdim=True; x(2, 3, 4), (0, 2)",
      .reference = "np.var(input, axis=dim, ddof=correction, keepdims=keepdim)",
      .errors = "i(3); x(2, 3), 2"}},
    {{.signature = "var(Tensor input, bool unbiased) -> Tensor",
      .doc = "As var with correction 1 (unbiased) or 0.",
      .call = box<var_unbiased>,
      .samples = "x(2, 3), False",
      .reference = "np.var(input)"}},
    {{.signature = "var(Tensor input, int[]? dim, bool unbiased=True, bool keepdim=False) -> Tensor",
      .doc = "As var with correction 1 or 0.",
      .call = box<var_dims_unbiased>,
      .samples = "x(2, 3), 1, False",
      .reference = "np.var(input, axis=dim)"}}};
const Register std_op[]{
    {{.signature = "std(Tensor input, int[]? dim=None, *, float? correction=1, bool keepdim=False) -> Tensor",
      .doc = "Standard deviation over dim: the root of var.",
      .call = box<std_call>,
      .samples = "x(2, 3); x(2, 3), 1; x(4, 3), 0, correction=0, keepdim=True",
      .reference = "np.std(input, axis=dim, ddof=correction, keepdims=keepdim)",
      .errors = "i(3)"}},
    {{.signature = "std(Tensor input, bool unbiased) -> Tensor",
      .doc = "As std with correction 1 (unbiased) or 0.",
      .call = box<std_unbiased>,
      .samples = "x(2, 3), False",
      .reference = "np.std(input)"}},
    {{.signature = "std(Tensor input, int[]? dim, bool unbiased=True, bool keepdim=False) -> Tensor",
      .doc = "As std with correction 1 or 0.",
      .call = box<std_dims_unbiased>,
      .samples = "x(2, 3), 1, False",
      .reference = "np.std(input, axis=dim)"}}};
const Register var_mean_op[]{
    {{.signature = "var_mean(Tensor input, int[]? dim=None, *, float? correction=1, bool keepdim=False) -> "
                   "(Tensor, Tensor)",
      .doc = "Variance and mean over dim.",
      .call = box<var_mean_call>,
      .homes = "taper",
      .samples = "x(2, 3), 1; x(4, 3), 0, keepdim=True",
      .reference = "(np.var(input, axis=dim, ddof=correction, keepdims=keepdim), "
                   "np.mean(input, axis=dim, keepdims=keepdim))"}},
    {{.signature = "var_mean(Tensor input, bool unbiased) -> (Tensor, Tensor)",
      .doc = "As var_mean with correction 1 (unbiased) or 0.",
      .call = box<var_mean_unbiased>,
      .homes = "taper",
      .samples = "x(2, 3), False",
      .reference = "(np.var(input), np.mean(input))"}},
    {{.signature =
          "var_mean(Tensor input, int[]? dim, bool unbiased=True, bool keepdim=False) -> (Tensor, Tensor)",
      .doc = "As var_mean with correction 1 or 0.",
      .call = box<var_mean_dims_unbiased>,
      .homes = "taper",
      .samples = "x(2, 3), 1, False",
      .reference = "(np.var(input, axis=dim), np.mean(input, axis=dim))"}}};
const Register logsumexp_op{{.signature = "logsumexp(Tensor input, int[] dim, bool keepdim=False) -> Tensor",
                             .doc = "log(sum(exp(input))) over dim without overflow.",
                             .call = box<logsumexp>,
                             .homes = "taper Tensor special",
                             .samples = "x(2, 3), 1; x(2, 3, 4), (0, 2), True; x(2, 3) * 1000, 1; c(2, 3), 1",
                             .reference = "sp.special.logsumexp(input, axis=dim, keepdims=keepdim)"}};
const Register norm_op[]{
    {{.signature = "norm(Tensor input, Scalar? p=2, int[]? dim=None, bool keepdim=False, *, dtype? "
                   "dtype=None) -> Tensor",
      .doc = "(sum |x|^p)^(1/p) over dim, or of all elements; p may be 0 and +-inf.",
      .call = box<norm_of>,
      .samples = "x(2, 3); x(2, 3), 1; x(2, 3), 3, 1; x(2, 3), 2, 1, True; x(2, 3), np.inf, 0; z(3)",
      .reference = "ref.norm(input, p, dim, keepdim)",
      .errors = "i(3)"}},
    {{.signature =
          "norm(Tensor input, str p, int[]? dim=None, bool keepdim=False, *, dtype? dtype=None) -> Tensor",
      .doc = "p='fro': as p = 2; p='nuc': the sum of the singular values over two dims.",
      .call = box<norm_of>,
      .samples = "x(2, 3), 'fro'; x(2, 3), 'nuc'; x(2, 3, 4), 'nuc', (2, 0), True",
      .reference = "np.linalg.norm(input, p, dim and tuple(dim), keepdim)",
      .errors = "x(2, 3, 4), 'nuc'; x(2, 3), 'max'"}}};
const Register vector_norm_op{{.signature = "vector_norm(Tensor x, Scalar ord=2, int[]? dim=None, bool "
                                            "keepdim=False, *, dtype? dtype=None) -> Tensor",
                               .doc = "(sum |x|^ord)^(1/ord) over dim, or of all elements.",
                               .call = box<vector_norm>,
                               .homes = "linalg",
                               .samples = "x(2, 3); x(2, 3), 1, 1; x(2, 3), -np.inf, 0",
                               .reference = "ref.norm(x, ord, dim, keepdim)"}};
const Register amax_op{
    {.signature = "amax(Tensor input, int[]? dim=None, bool keepdim=False) -> Tensor",
     .doc = "Largest over dim; NaN if there is one. Equal largest elements share the gradient.",
     .call = box<amax>,
     .samples = "x(2, 3); x(2, 3), 1; x(2, 3, 4), (0, 2), True",
     .reference = "np.max(input, axis=dim, keepdims=keepdim)",
     .errors = "x(0, 3), 0; c(3)"}};
const Register amin_op{
    {.signature = "amin(Tensor input, int[]? dim=None, bool keepdim=False) -> Tensor",
     .doc = "Smallest over dim; NaN if there is one. Equal smallest elements share the gradient.",
     .call = box<amin>,
     .samples = "x(2, 3); x(2, 3), 1; x(2, 3, 4), (0, 2), True",
     .reference = "np.min(input, axis=dim, keepdims=keepdim)",
     .errors = "x(0, 3), 0"}};
const Register aminmax_op{
    {.signature = "aminmax(Tensor input, *, int? dim=None, bool keepdim=False) -> (Tensor min, Tensor max)",
     .doc = "Smallest and largest over dim.",
     .call = box<aminmax>,
     .samples = "x(2, 3); x(2, 3), dim=1",
     .reference = "(np.min(input, axis=dim), np.max(input, axis=dim))"}};
const Register max_op[]{
    {{.signature = "max(Tensor input) -> Tensor",
      .doc = "Largest element; NaN if there is one.",
      .call = box<overload<Tensor(const Tensor&)>(max)>,
      .samples = "x(2, 3); x()",
      .reference = "np.max(input)",
      .errors = "x(0)"}},
    {{.signature = "max(Tensor input, Tensor other) -> Tensor",
      .doc = "As maximum.",
      .call = box<maximum>,
      .samples = "x(2, 3), x(3)",
      .reference = "np.maximum(input, other)"}},
    {{.signature = "max(Tensor input, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
      .doc = "Largest element along dim and its place.",
      .call = box<overload<std::tuple<Tensor, Tensor>(const Tensor&, std::int64_t, bool)>(max)>,
      .samples = "x(2, 3), 1; x(2, 3), 0, True; x(), 0",
      .reference = "ref.extreme(input, dim, keepdim, np.max, np.argmax)",
      .errors = "x(2, 3), 2"}}};
const Register min_op[]{
    {{.signature = "min(Tensor input) -> Tensor",
      .doc = "Smallest element; NaN if there is one.",
      .call = box<overload<Tensor(const Tensor&)>(min)>,
      .samples = "x(2, 3); x()",
      .reference = "np.min(input)",
      .errors = "x(0)"}},
    {{.signature = "min(Tensor input, Tensor other) -> Tensor",
      .doc = "As minimum.",
      .call = box<minimum>,
      .samples = "x(2, 3), x(3)",
      .reference = "np.minimum(input, other)"}},
    {{.signature = "min(Tensor input, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
      .doc = "Smallest element along dim and its place.",
      .call = box<overload<std::tuple<Tensor, Tensor>(const Tensor&, std::int64_t, bool)>(min)>,
      .samples = "x(2, 3), 1; x(2, 3), 0, True; x(), 0",
      .reference = "ref.extreme(input, dim, keepdim, np.min, np.argmin)",
      .errors = "x(2, 3), 2"}}};
const Register argmax_op{{.signature = "argmax(Tensor input, int? dim=None, bool keepdim=False) -> Tensor",
                          .doc = "Place of the first largest element along dim, or in the flattened tensor.",
                          .call = box<argmax>,
                          .samples = "x(2, 3); x(2, 3), 1; x(2, 3), 0, True",
                          .reference = "np.argmax(input, axis=dim, keepdims=keepdim)",
                          .errors = "x(0); x(2, 3), 2",
                          .differentiable = false}};
const Register argmin_op{{.signature = "argmin(Tensor input, int? dim=None, bool keepdim=False) -> Tensor",
                          .doc = "Place of the first smallest element along dim, or in the flattened tensor.",
                          .call = box<argmin>,
                          .samples = "x(2, 3); x(2, 3), 1; x(2, 3), 0, True",
                          .reference = "np.argmin(input, axis=dim, keepdims=keepdim)",
                          .errors = "x(0)",
                          .differentiable = false}};
const Register any_op{{.signature = "any(Tensor input, int[]? dim=None, bool keepdim=False) -> Tensor",
                       .doc = "Whether any element over dim is nonzero.",
                       .call = box<any>,
                       .samples = "b(2, 3); b(2, 3), 1; x(2, 3), (0, 1); b(0)",
                       .reference = "np.any(input, axis=dim, keepdims=keepdim)",
                       .differentiable = false}};
const Register all_op{{.signature = "all(Tensor input, int[]? dim=None, bool keepdim=False) -> Tensor",
                       .doc = "Whether all elements over dim are nonzero.",
                       .call = box<all>,
                       .samples = "b(2, 3); b(2, 3), 1; x(2, 3), (0, 1); b(0)",
                       .reference = "np.all(input, axis=dim, keepdims=keepdim)",
                       .differentiable = false}};
const Register count_nonzero_op{{.signature = "count_nonzero(Tensor input, int[]? dim=None) -> Tensor",
                                 .doc = "How many elements over dim are nonzero.",
                                 .call = box<count_nonzero>,
                                 .samples = "b(2, 3); z(2, 3), 1",
                                 .reference = "np.count_nonzero(input, axis=dim)",
                                 .differentiable = false}};
const Register sum_to_size_op{{.signature = "sum_to_size(Tensor input, int... size) -> Tensor",
                               .doc = "The sum over broadcast dimensions down to size.",
                               .call = box<sum_to_size>,
                               .homes = "Tensor",
                               .samples = "x(2, 3), (1, 3); x(2, 3), (3,); x(2, 3), 2, 1",
                               .reference = "ref.sum_to_size(input, size)",
                               .errors = "x(2, 3), (2, 2)"}};

}  // namespace

}  // namespace taper
