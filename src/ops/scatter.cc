// Writing, combining and finding elements by position or value.
#include "taper/ops/scatter.h"

#include "autograd/record.h"
#include "cpu/index.h"
#include "ops/elementwise.h"
#include "ops/registry.h"
#include "taper/ops.h"
#include "tensor/kernel_for.h"

namespace taper {

namespace {

cpu::Combine combine_of(std::string_view reduce, const char* op, bool with_sum) {
  if (reduce == "sum" && with_sum) return cpu::Combine::add;
  if (reduce == "prod") return cpu::Combine::multiply;
  if (reduce == "mean") return cpu::Combine::mean;
  if (reduce == "amax") return cpu::Combine::amax;
  if (reduce == "amin") return cpu::Combine::amin;
  fail<ValueError>(op, ": reduce must be ", with_sum ? "sum, " : "", "prod, mean, amax or amin, got ",
                   reduce);
}

// source has index's shape.
struct ScatterReduce {
  static constexpr auto name = "scatter_reduce";
  static constexpr Saves saves{.inputs = 7, .outputs = 1};
  int dim;
  cpu::Combine combine;
  bool include_self;

  using Gradients = std::array<Tensor, 3>;

  Tensor forward(const Tensor& x, const Tensor& index, const Tensor& source) const {
    Tensor y = clone(x);
    if (index.numel())
      kernel_for<cpu::scatter>(name, y, index, source)(
          {y.data(), y.sizes(), y.strides()}, y.dtype(), dim,
          {index.device_data<std::int64_t>(), index.sizes(), index.strides()},
          {source.data(), source.sizes(), source.strides()}, combine, include_self, name);
    return y;
  }
  Gradients backward(const Saved& saved, const Tensor& dy) const {
    Gradients gradients;
    switch (combine) {
      case cpu::Combine::multiply: gradients = of_product(saved, dy); break;
      case cpu::Combine::mean: gradients = of_mean(saved, dy); break;
      case cpu::Combine::amax:
      case cpu::Combine::amin: gradients = of_extreme(saved, dy); break;
      default: gradients = {dy, Tensor(), gather(dy, dim, saved.input(1))};
    }
    if (!include_self) gradients[0] = scatter(gradients[0], dim, saved.input(1), Scalar(0));
    return gradients;
  }

  // Equal extremes share the gradient.
  Gradients of_extreme(const Saved& saved, const Tensor& dy) const {
    const Tensor index = saved.input(1), y = saved.output();
    const Tensor in_x = to(eq(saved.input(0), y), dy.dtype());
    const Tensor in_source = to(eq(saved.input(2), gather(y, dim, index)), dy.dtype());
    const Tensor held = include_self ? in_x : scatter(in_x, dim, index, Scalar(0));
    const Tensor share = div(dy, scatter_add(held, dim, index, in_source));
    return {mul(in_x, share), Tensor(), mul(in_source, gather(share, dim, index))};
  }
  Gradients of_mean(const Saved& saved, const Tensor& dy) const {
    const Tensor index = saved.input(1);
    Tensor count = include_self ? ones_like(dy) : zeros_like(dy);
    count = scatter_add(count, dim, index, ones(index.sizes(), dy.dtype(), dy.device()));
    const Tensor share = div(dy, masked_fill(count, eq(count, 0), 1));
    return {share, Tensor(), gather(share, dim, index)};
  }
  // The product of the other factors is y over the factor, except where the factor is 0: there the product
  // is made again with 1 in the place of a zero that is alone.
  Gradients of_product(const Saved& saved, const Tensor& dy) const {
    const Tensor x = saved.input(0), index = saved.input(1), source = saved.input(2), y = saved.output();
    const auto product = [&](const Tensor& from, const Tensor& factors) {
      return record(ScatterReduce{*this}, from, index, factors);
    };
    const Tensor safe_x = masked_fill(x, eq(x, 0), 1);
    Gradients gradients{div(mul(dy, conj(product(safe_x, source))), conj(safe_x))};
    const Tensor zero = eq(source, 0);
    const Tensor zeros_met = gather(
        scatter_add(zeros(x.sizes(), dy.dtype(), dy.device()), dim, index, to(zero, dy.dtype())), dim, index);
    const Tensor alone = logical_and(zero, eq(zeros_met, 1));
    const Tensor others = product(x, masked_fill(source, alone, 1));
    gradients[2] = where(alone, gather(mul(dy, conj(others)), dim, index),
                         div(gather(mul(dy, conj(y)), dim, index), conj(masked_fill(source, zero, 1))));
    return gradients;
  }
};

Tensor window_of(const Tensor& source, const Shape& sizes) {
  Tensor part = source;
  for (int i = 0; i < source.ndim(); ++i)
    if (part.sizes()[i] != sizes[i]) part = narrow(part, i, 0, sizes[i]);
  return part;
}

}  // namespace

Tensor scatter_reduce(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& source,
                      std::string_view reduce, bool include_self) {
  constexpr auto op = "scatter_reduce";
  const cpu::Combine combine = combine_of(reduce, op, true);
  const int place = wrap_dim(dim, x.ndim(), op);
  check<DTypeError>(index.dtype() == int64 || index.dtype() == int32, op,
                    ": index must be int64 or int32, got ", index.dtype());
  check<DTypeError>(x.dtype() == source.dtype(), op, ": expected input and src to have the same dtype, got ",
                    x.dtype(), " and ", source.dtype());
  const auto lifted = [](const Tensor& t) { return t.ndim() ? t : reshape(t, {1}); };
  const Tensor base = lifted(x), places = lifted(to(index, int64)), values = lifted(source);
  if (places.numel() == 0) return clone(x);
  check<ShapeError>(places.ndim() == base.ndim() && values.ndim() == base.ndim(), op, ": input ", x.sizes(),
                    ", index ", index.sizes(), " and src ", source.sizes(),
                    " must have the same number of dimensions");
  for (int i = 0; i < base.ndim(); ++i)
    check<ShapeError>(
        places.sizes()[i] <= values.sizes()[i] && (i == place || places.sizes()[i] <= base.sizes()[i]), op,
        ": index of shape ", index.sizes(), " is larger than src ", source.sizes(), " or input ", x.sizes(),
        " in dimension ", i);
  const Tensor y =
      record(ScatterReduce{place, combine, include_self}, base, places, window_of(values, places.sizes()));
  return x.ndim() ? y : reshape(y, {});
}

Tensor index_reduce(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& source,
                    std::string_view reduce, bool include_self) {
  constexpr auto op = "index_reduce";
  combine_of(reduce, op, false);
  const int place = wrap_dim(dim, x.ndim(), op);
  check<ShapeError>(index.ndim() <= 1, op, ": index must be a vector, got shape ", index.sizes());
  check<DTypeError>(x.dtype() == source.dtype(), op, ": input and source have different dtypes: ", x.dtype(),
                    " and ", source.dtype());
  if (x.ndim() == 0) return scatter_reduce(x, 0, index, source, reduce, include_self);
  Shape expected = x.sizes(), along = Shape::filled(x.ndim(), 1);
  expected[place] = along[place] = index.numel();
  check<ShapeError>(source.sizes() == expected, op, ": source has shape ", source.sizes(), ", expected ",
                    expected, " for input ", x.sizes(), " and ", index.numel(), " indices");
  return scatter_reduce(x, dim, expand(reshape(index, along), expected), source, reduce, include_self);
}

Tensor masked_scatter(const Tensor& x, const Tensor& mask, const Tensor& source) {
  check<DTypeError>(x.dtype() == source.dtype(),
                    "masked_scatter: expected input and source to have the same dtype, got ", x.dtype(),
                    " and ", source.dtype());
  check<DTypeError>(mask.dtype() == boolean, "masked_scatter: mask must be bool, got ", mask.dtype());
  const Tensors both = broadcast_tensors({x, mask});
  const std::int64_t count = sum(both[1]).item().to<std::int64_t>();
  check<ShapeError>(count <= source.numel(), "masked_scatter: ", count,
                    " elements of the mask are true, but ", "source has only ", source.numel());
  if (both[0].ndim() == 0)
    return reshape(masked_scatter(reshape(both[0], {1}), reshape(both[1], {1}), source), {});
  return index_put(both[0], {both[1]}, narrow(reshape(source, {-1}), 0, 0, count));
}

Tensor put(const Tensor& x, const Tensor& index, const Tensor& source, bool accumulate) {
  check<DTypeError>(index.dtype() == int64, "put: index must be int64, got ", index.dtype());
  check<DTypeError>(x.dtype() == source.dtype(), "put: input and source have different dtypes: ", x.dtype(),
                    " and ", source.dtype());
  check<ShapeError>(index.numel() == source.numel(), "put: source has ", source.numel(), " elements, index ",
                    index.numel());
  if (index.numel() == 0) return clone(x);
  const Tensor written =
      index_put(reshape(x, {-1}), {reshape(index, {-1})}, reshape(source, {-1}), accumulate);
  return reshape(written, x.sizes());
}

Tensor isin(const Tensor& elements, const Tensor& test_elements, bool, bool invert) {
  const DType common = result_type(elements, test_elements);
  check<DTypeError>(!is_complex(common), "isin: complex numbers are not supported");
  // A number may stand in main memory beside a tensor on a device.
  const Device device = elements.ndim() ? elements.device() : test_elements.device();
  const auto operand = [&](const Tensor& t) {
    return to(t.ndim() ? t.detach() : to(t.detach(), device), common);
  };
  const Tensor x = operand(elements), wanted = reshape(operand(test_elements), {-1});
  if (wanted.numel() == 0) return full(x.sizes(), invert, boolean, x.device());
  const auto as_searched = [](const Tensor& t) { return t.dtype() == boolean ? to(t, uint8) : t; };
  const Tensor sorted = std::get<0>(sort(as_searched(wanted)));
  const Tensor flat = reshape(as_searched(x), {-1});
  const Tensor place = clamp(searchsorted(sorted, flat), std::nullopt, Scalar(sorted.numel() - 1));
  const Tensor found = index_select(sorted, 0, place);
  return reshape(invert ? ne(found, flat) : eq(found, flat), x.sizes());
}

Tensor nonzero_static(const Tensor& x, std::int64_t size, std::int64_t fill_value) {
  check<ValueError>(size >= 0, "nonzero_static: size must not be negative, got ", size);
  const Tensor found = nonzero(x);
  const std::int64_t count = found.sizes()[0];
  if (count >= size) return contiguous(narrow(found, 0, 0, size));
  return cat({found, full({size - count, x.ndim()}, fill_value, int64, x.device())});
}

Tensors unravel_index(const Tensor& indices, const Shape& sizes) {
  check<DTypeError>(is_integral(indices.dtype(), false), "unravel_index: indices must be integers, got ",
                    indices.dtype());
  for (const std::int64_t size : sizes)
    check<ValueError>(size >= 0, "unravel_index: sizes must not be negative, got ", sizes);
  Tensors coordinates(std::size_t(sizes.size()));
  Tensor rest = to(indices, int64);
  for (int i = sizes.size() - 1; i >= 0; --i) {
    const Tensor size = tensor(Scalar(std::max<std::int64_t>(sizes[i], 1)), int64);
    coordinates[std::size_t(i)] = remainder(rest, size);
    rest = floor_divide(rest, size);
  }
  return coordinates;
}

Tensor one_hot(const Tensor& x, std::int64_t num_classes) {
  check<DTypeError>(x.dtype() == int64, "one_hot: expected int64 classes, got ", x.dtype());
  check<ValueError>(num_classes == -1 || num_classes > 0, "one_hot: num_classes must be positive or -1, got ",
                    num_classes);
  check<ValueError>(x.numel() > 0 || num_classes > 0,
                    "one_hot: cannot infer the number of classes of an empty tensor");
  if (num_classes == -1) num_classes = std::max<std::int64_t>(max(x).item<std::int64_t>(), 0) + 1;
  if (x.device().is_cpu()) {
    const Tensor dense = contiguous(x);
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      const std::int64_t value = dense.data<std::int64_t>()[i];
      check<IndexError>(value >= 0 && value < num_classes, "one_hot: class ", value, " at position ", i,
                        " is out of range for ", num_classes, " classes, expected 0 to ", num_classes - 1);
    }
  }
  Shape sizes = x.sizes();
  sizes.push_back(num_classes);
  return scatter(zeros(sizes, int64, x.device()), -1, unsqueeze(x, -1), 1);
}

namespace {

Tensors unravel_one(const Tensor& indices, std::int64_t size) { return unravel_index(indices, Shape{size}); }

const Register scatter_reduce_op{
    {.signature = "scatter_reduce(Tensor input, int dim, Tensor index, Tensor src, str reduce, *, bool "
                  "include_self=True) -> Tensor",
     .doc = "input with src combined in at index along dim by sum, prod, mean, amax or amin.",
     .call = box<scatter_reduce>,
     .samples =
         "x(3, 4), 1, i(3, 5, hi=4), x(3, 5), 'sum'; x(3, 4), 0, i(2, 3, hi=3), x(2, 4), 'prod'; x(5), "
         "0, i(7, hi=3), x(7), 'mean'; x(5), 0, i(7, hi=3), x(7), 'mean', include_self=False; x(3, 4), "
         "1, i(3, 5, hi=4), x(3, 5), 'amax'; x(5), 0, i(7, hi=3), x(7), 'amin', include_self=False; "
         "x(5), 0, i(7, hi=3), x(7), 'prod', include_self=False; x(5), 0, i(7, hi=3), x(7), 'sum', "
         "include_self=False; x(), 0, i(1, hi=1), x(1), 'sum'",
     .reference = "ref.scatter_reduce(input, dim, index, src, reduce, include_self)",
     .errors = "x(3), 0, i(2, lo=3, hi=5), x(2), 'sum'; x(3), 0, i(2, hi=3), x(2), 'max'; x(3), 0, i(2, "
               "hi=3), x(1), 'sum'",
     .inplace = true}};
const Register index_reduce_op{
    {.signature = "index_reduce(Tensor input, int dim, Tensor index, Tensor source, str reduce, *, bool "
                  "include_self=True) -> Tensor",
     .doc = "input with slices of source combined in at index along dim by prod, mean, amax or amin.",
     .call = box<index_reduce>,
     .samples = "x(3, 4), 1, i(5, hi=4), x(3, 5), 'prod'; x(3, 2), 0, i(4, hi=3), x(4, 2), 'mean'; x(3, 2), "
                "0, i(4, hi=2), x(4, 2), 'amax', include_self=False; x(3), 0, i(4, hi=2), x(4), 'amin'",
     .reference = "ref.index_reduce(input, dim, index, source, reduce, include_self)",
     .errors = "x(3), 0, i(2, lo=3, hi=5), x(2), 'prod'; x(3), 0, i(2, hi=3), x(2), 'sum'",
     .inplace = true}};
const Register masked_scatter_op{
    {.signature = "masked_scatter(Tensor input, Tensor mask, Tensor source) -> Tensor",
     .doc = "input with the elements where mask is true taken from source, in order.",
     .call = box<masked_scatter>,
     .samples = "x(3, 4), b(3, 4), x(12); x(3, 4), b(4), x(4, 3); x(4), b(3, 4), x(12); x(0), b(0), x(0)",
     .reference = "ref.masked_scatter(input, mask, source)",
     .errors = "x(3), x(3), x(3); x(3), b(3), i(3); x(200), b(200), x(2)",
     .inplace = true}};
const Register put_op{
    {.signature = "put(Tensor input, Tensor index, Tensor source, bool accumulate=False) -> Tensor",
     .doc = "input with source written, or added, at positions of the flattened input.",
     .call = box<put>,
     .samples = "x(3, 4), i(5, hi=12, unique=True), x(5); x(3, 4), i(2, 5, lo=-12, hi=12), x(10), True",
     .reference = "ref.put(input, index, source, accumulate)",
     .errors = "x(3), i(2, lo=3, hi=5), x(2); x(3), i(2, hi=3), x(3)",
     .inplace = true}};
const Register isin_op{
    {.signature =
         "isin(Tensor|Scalar elements, Tensor|Scalar test_elements, *, bool assume_unique=False, bool "
         "invert=False) -> Tensor",
     .doc = "Whether each element occurs among test_elements.",
     .call = box<isin>,
     .homes = "taper",
     .samples = "i(3, 4), i(3); i(3, 4), i(3), invert=True; special(), special(); i(4), 2; 3, i(5); i(4), "
                "i(0); b(3), b(1)",
     .reference = "np.isin(elements, test_elements, invert=invert)",
     .differentiable = false}};
const Register nonzero_static_op{
    {.signature = "nonzero_static(Tensor input, *, int size, int fill_value=-1) -> Tensor",
     .doc = "The first size positions of nonzero elements; what is missing is fill_value.",
     .call = box<nonzero_static>,
     .samples = "b(3, 4), size=2; b(3), size=8, fill_value=7",
     .reference = "ref.nonzero_static(input, size, fill_value)",
     .errors = "b(3), size=-1",
     .differentiable = false}};
const Register unravel_index_op[]{
    {{.signature = "unravel_index(Tensor indices, int shape) -> Tensor[]",
      .doc = "Coordinates of positions in a vector.",
      .call = box<unravel_one>,
      .homes = "taper",
      .samples = "i(4), 6",
      .reference = "np.unravel_index(indices, shape)",
      .differentiable = false}},
    {{.signature = "unravel_index(Tensor indices, int[] shape) -> Tensor[]",
      .doc = "Coordinates, a tensor per dimension, of positions in a row-major tensor of this shape.",
      .call = box<unravel_index>,
      .homes = "taper",
      .samples = "i(2, 4, hi=12), (3, 4); i(3, hi=24), (2, 3, 4)",
      .reference = "np.unravel_index(indices, shape)",
      .errors = "x(3), (3, 4)",
      .differentiable = false}}};

const Register one_hot_op{
    {.signature = "one_hot(Tensor tensor, int num_classes=-1) -> Tensor",
     .doc = "1 at the class of each element along a new last dimension, 0 elsewhere.",
     .call = box<one_hot>,
     .homes = "nn.functional",
     .samples = "i(4, hi=3); i(2, 3, hi=3), 5; i(hi=3), 3; i(0), 2",
     .reference =
         "(tensor[..., None] == np.arange(tensor.max() + 1 if num_classes < 0 else num_classes)).astype(int)",
     .errors = "i(4, lo=3, hi=5), 3; x(4); i(0); i(3), -2; i(4, lo=-3, hi=0)",
     .differentiable = false}};

}  // namespace

}  // namespace taper
