// Reading and writing along one dimension at positions given by a tensor.
#include "taper/ops/gather.h"

#include "autograd/record.h"
#include "cpu/index.h"
#include "ops/elementwise.h"
#include "ops/registry.h"
#include "taper/ops.h"
#include "tensor/kernel_for.h"

namespace taper {

namespace {

cpu::Source source_of(const Tensor& x) { return {x.data(), x.sizes(), x.strides()}; }
cpu::Target target_of(const Tensor& x) { return {x.data(), x.sizes(), x.strides()}; }
cpu::Indices indices_of(const Tensor& index) {
  return {index.device_data<std::int64_t>(), index.sizes(), index.strides()};
}

Tensor checked_index(const Tensor& index, const char* op) {
  check<DTypeError>(index.dtype() == int64 || index.dtype() == int32 || index.numel() == 0, op,
                    ": index must be int64 or int32, got ", index.dtype());
  return to(index, int64);
}

// index may be smaller than x in other dimensions, never larger.
void check_gather_shape(const Tensor& x, int dim, const Tensor& index, const char* op) {
  check<ShapeError>(index.ndim() == x.ndim(), op, ": index of shape ", index.sizes(),
                    " must have as many dimensions as the input of shape ", x.sizes());
  for (int i = 0; i < x.ndim(); ++i)
    check<ShapeError>(i == dim || index.sizes()[i] <= x.sizes()[i] || index.numel() == 0, op,
                      ": index of shape ", index.sizes(), " is larger than the input of shape ", x.sizes(),
                      " in dimension ", i);
}

struct Gather {
  static constexpr auto name = "gather";
  static constexpr Saves saves{.inputs = 2};
  int dim;
  Shape input_sizes;

  Tensor forward(const Tensor& x, const Tensor& index) const {
    Tensor y = empty(index.sizes(), x.dtype(), x.device());
    if (y.numel())
      kernel_for<cpu::gather>(name, x, index)(source_of(x), x.dtype(), dim, indices_of(index), y.data());
    return y;
  }
  std::array<Tensor, 2> backward(const Saved& saved, const Tensor& dy) const {
    return {scatter_add(zeros(input_sizes, dy.dtype(), dy.device()), dim, saved.input(1), dy), Tensor()};
  }
};

// y = x with values combined in at index. What was overwritten gets no gradient.
template <bool adds>
struct Scatter {
  static constexpr auto name = adds ? "scatter_add" : "scatter";
  static constexpr Saves saves{.inputs = 2};
  int dim;
  Shape source_sizes;

  Tensor forward(const Tensor& x, const Tensor& index, const Tensor& source) const {
    Tensor y = clone(x);
    if (index.numel())
      kernel_for<cpu::scatter>(name, y, index, source)(
          target_of(y), y.dtype(), dim, indices_of(index), source_of(source),
          adds ? cpu::Combine::add : cpu::Combine::set, true, name);
    return y;
  }
  std::array<Tensor, 3> backward(const Saved& saved, const Tensor& dy) const {
    const Tensor index = saved.input(1);
    std::array<Tensor, 3> gradients;
    if (saved.needs(0)) gradients[0] = adds ? dy : scatter(dy, dim, index, Scalar(0));
    if (saved.needs(2)) gradients[2] = padded(gather(dy, dim, index));
    return gradients;
  }
  // source may be larger than index: its other elements were not used.
  Tensor padded(const Tensor& gradient) const {
    if (gradient.sizes() == source_sizes) return gradient;
    Shape pairs;
    for (int i = gradient.ndim() - 1; i >= 0; --i) {
      pairs.push_back(0);
      pairs.push_back(source_sizes[i] - gradient.sizes()[i]);
    }
    return pad(gradient, pairs);
  }
};

struct IndexSelect {
  static constexpr auto name = "index_select";
  static constexpr Saves saves{.inputs = 2};
  int dim;
  Shape input_sizes;

  Tensor forward(const Tensor& x, const Tensor& index) const {
    Shape sizes = x.sizes();
    if (x.ndim()) sizes[dim] = index.numel();
    Tensor y = empty(sizes, x.dtype(), x.device());
    kernel_for<cpu::index_select>(name, x, index)(source_of(x), x.dtype(), dim, indices_of(index), y.data());
    return y;
  }
  std::array<Tensor, 2> backward(const Saved& saved, const Tensor& dy) const {
    return {index_add(zeros(input_sizes, dy.dtype(), dy.device()), dim, saved.input(1), dy), Tensor()};
  }
};

struct IndexAdd {
  static constexpr auto name = "index_add";
  static constexpr Saves saves{.inputs = 2};
  int dim;
  Scalar alpha;

  Tensor forward(const Tensor& x, const Tensor& index, const Tensor& source) const {
    Tensor y = clone(x);
    if (source.numel())
      kernel_for<cpu::index_add>(name, y, index, source)(target_of(y), y.dtype(), dim, indices_of(index),
                                                         source_of(source), alpha);
    return y;
  }
  std::array<Tensor, 3> backward(const Saved& saved, const Tensor& dy) const {
    const Tensor chosen = saved.needs(2) ? index_select(dy, dim, saved.input(1)) : Tensor();
    return {dy, Tensor(), chosen.defined() && !alpha.equals(1) ? mul(chosen, alpha) : chosen};
  }
};

template <bool adds>
Tensor scattered(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& source) {
  const char* op = adds ? "scatter_add" : "scatter";
  const int place = wrap_dim(dim, x.ndim(), op);
  const Tensor places = checked_index(index, op);
  if (x.ndim() == 0) {
    return reshape(scattered<adds>(reshape(x, {1}), 0, reshape(places, {-1}), reshape(source, {-1})), {});
  }
  check_gather_shape(x, place, places, op);
  check<DTypeError>(x.dtype() == source.dtype(), op, ": expected input and src to have the same dtype, got ",
                    x.dtype(), " and ", source.dtype());
  check<ShapeError>(source.ndim() == places.ndim(), op, ": src of shape ", source.sizes(),
                    " must have as many dimensions as index of shape ", places.sizes());
  for (int i = 0; i < places.ndim(); ++i)
    check<ShapeError>(places.sizes()[i] <= source.sizes()[i], op, ": index of shape ", places.sizes(),
                      " is larger than src of shape ", source.sizes(), " in dimension ", i);
  return record(Scatter<adds>{place, source.sizes()}, x, places, source);
}

}  // namespace

Tensor gather(const Tensor& x, std::int64_t dim, const Tensor& index) {
  const int place = wrap_dim(dim, x.ndim(), "gather");
  const Tensor places = checked_index(index, "gather");
  if (places.numel() == 0) return empty(index.sizes(), x.dtype(), x.device());
  if (x.ndim() == 0 || (x.ndim() == 1 && index.ndim() == 0))
    return reshape(gather(reshape(x, {-1}), 0, reshape(places, {-1})), index.sizes());
  check_gather_shape(x, place, places, "gather");
  return record(Gather{place, x.sizes()}, x, places);
}

Tensor scatter(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& source) {
  return scattered<false>(x, dim, index, source);
}
Tensor scatter(const Tensor& x, std::int64_t dim, const Tensor& index, const Scalar& value) {
  return scatter(x, dim, index, expand(full({}, value, x.dtype(), x.device()), index.sizes()));
}
Tensor scatter_add(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& source) {
  return scattered<true>(x, dim, index, source);
}

namespace {

// PyTorch's older form of scatter_reduce.
Tensor scatter_combined(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& source,
                        const std::string& reduce) {
  check<ValueError>(reduce == "add" || reduce == "multiply",
                    "scatter: reduce must be 'add' or 'multiply', got '", reduce, "'");
  return reduce == "add" ? scatter_add(x, dim, index, source) : scatter_reduce(x, dim, index, source, "prod");
}
Tensor scatter_combined_number(const Tensor& x, std::int64_t dim, const Tensor& index, const Scalar& value,
                               const std::string& reduce) {
  return scatter_combined(x, dim, index, expand(full({}, value, x.dtype(), x.device()), index.sizes()),
                          reduce);
}

}  // namespace

Tensor index_select(const Tensor& x, std::int64_t dim, const Tensor& index) {
  const int place = wrap_dim(dim, x.ndim(), "index_select");
  check<ShapeError>(index.ndim() <= 1, "index_select: index must be a vector, got shape ", index.sizes());
  const Tensor places = reshape(checked_index(index, "index_select"), {-1});
  if (x.ndim() == 0) return reshape(index_select(reshape(x, {1}), 0, places), {});
  return record(IndexSelect{place, x.sizes()}, x, places);
}

Tensor index_add(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& source,
                 const Scalar& alpha) {
  const int place = wrap_dim(dim, x.ndim(), "index_add");
  check<ShapeError>(index.ndim() <= 1, "index_add: index must be a vector, got shape ", index.sizes());
  check<DTypeError>(x.dtype() == source.dtype(),
                    "index_add: input and source have different dtypes: ", x.dtype(), " and ",
                    source.dtype());
  const Tensor places = reshape(checked_index(index, "index_add"), {-1});
  if (x.ndim() == 0) return reshape(index_add(reshape(x, {1}), 0, places, reshape(source, {-1}), alpha), {});
  Shape expected = x.sizes();
  expected[place] = places.numel();
  check<ShapeError>(source.sizes() == expected, "index_add: source has shape ", source.sizes(), ", expected ",
                    expected, " for input ", x.sizes(), " and ", places.numel(), " indices");
  return record(IndexAdd{place, alpha}, x, places, source);
}

namespace {

using FromTensor = Tensor(const Tensor&, std::int64_t, const Tensor&, const Tensor&);
using FromScalar = Tensor(const Tensor&, std::int64_t, const Tensor&, const Scalar&);

const Register gather_op{{.signature = "gather(Tensor input, int dim, Tensor index) -> Tensor",
                          .doc = "Elements of input at index along dim.",
                          .call = box<gather>,
                          .samples = "x(3, 4), 1, i(3, 2, hi=4); x(3, 4), 0, i(2, 4, hi=3); x(3), 0, i(5, "
                                     "hi=3); x(3, 4), -1, i(2, 1, hi=4); x(3), 0, i(0)",
                          .reference = "ref.gather(input, dim, index)",
                          .errors = "x(3), 0, i(2, lo=3, hi=5); x(3), 0, i(2, lo=-2, hi=0); x(3, 4), 1, i(4, "
                                    "2, hi=4); x(3), 0, x(2); x(3), 1, i(2)"}};
const Register scatter_op[]{
    {{.signature = "scatter(Tensor input, int dim, Tensor index, Tensor src) -> Tensor",
      .doc = "input with src written at index along dim.",
      .call = box<overload<FromTensor>(scatter)>,
      .samples = "x(3, 4), 1, permutations(3, 4), x(3, 4); x(4), 0, taper.tensor([2, 0]), x(3)",
      .reference = "ref.scatter(input, dim, index, src)",
      .errors = "x(3), 0, i(2, lo=3, hi=5), x(2); x(3), 0, i(2, hi=3), x(1)",
      .inplace = true}},
    {{.signature = "scatter(Tensor input, int dim, Tensor index, Scalar value) -> Tensor",
      .doc = "input with value written at index along dim.",
      .call = box<overload<FromScalar>(scatter)>,
      .samples = "x(3, 4), 1, i(3, 2, hi=4), 1.5",
      .reference = "ref.scatter(input, dim, index, value)",
      .inplace = true}},
    {{.signature = "scatter(Tensor input, int dim, Tensor index, Tensor src, *, str reduce) -> Tensor",
      .doc = "input with src added to it, or multiplied with it, at index along dim.",
      .call = box<scatter_combined>,
      .samples = "x(4), 0, taper.tensor([2, 0]), x(2), reduce='add'; x(4), 0, taper.tensor([2, 0]), x(2), "
                 "reduce='multiply'",
      .reference = "ref.scatter_combined(input, index, src, reduce)",
      .errors = "x(4), 0, taper.tensor([2, 0]), x(2), reduce='max'",
      .inplace = true}},
    {{.signature = "scatter(Tensor input, int dim, Tensor index, Scalar value, *, str reduce) -> Tensor",
      .doc = "input with value added to it, or multiplied with it, at index along dim.",
      .call = box<scatter_combined_number>,
      .samples = "x(4), 0, taper.tensor([2, 0]), 1.5, reduce='multiply'",
      .reference = "ref.scatter_combined(input, index, value, reduce)",
      .inplace = true}}};
const Register scatter_add_op{
    {.signature = "scatter_add(Tensor input, int dim, Tensor index, Tensor src) -> Tensor",
     .doc = "input with src added at index along dim.",
     .call = box<scatter_add>,
     .samples = "x(3, 4), 1, i(3, 5, hi=4), x(3, 5); x(3, 4), 0, i(2, 3, hi=3), x(2, 4)",
     .reference = "ref.scatter_add(input, dim, index, src)",
     .errors = "x(3), 0, i(2, lo=3, hi=5), x(2)",
     .inplace = true}};
const Register index_select_op{
    {.signature = "index_select(Tensor input, int dim, Tensor index) -> Tensor",
     .doc = "The slices of input at index along dim.",
     .call = box<index_select>,
     .samples = "x(3, 4), 1, i(5, hi=4); x(3, 4), 0, i(2, hi=3); x(3), 0, i(0)",
     .reference = "np.take(input, index, axis=dim)",
     .errors = "x(3), 0, i(2, lo=3, hi=5); x(3), 0, i(2, lo=-2, hi=0); x(3), 0, i(2, 2, hi=3)"}};
const Register index_add_op{
    {.signature =
         "index_add(Tensor input, int dim, Tensor index, Tensor source, *, Scalar alpha=1) -> Tensor",
     .doc = "input with alpha * source added to its slices at index along dim.",
     .call = box<index_add>,
     .samples = "x(3, 4), 0, i(5, hi=3), x(5, 4); x(3, 4), 1, i(2, hi=4), x(3, 2), alpha=-2",
     .reference = "ref.index_add(input, dim, index, source, alpha)",
     .errors = "x(3), 0, i(2, lo=3, hi=5), x(2); x(3), 0, i(2, hi=3), x(3)",
     .inplace = true}};

}  // namespace

}  // namespace taper
