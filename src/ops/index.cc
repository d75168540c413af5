// Indexing with tensors, masks and their mixtures.
#include "taper/ops/index.h"

#include "autograd/history.h"
#include "autograd/record.h"
#include "cpu/index.h"
#include "ops/elementwise.h"
#include "ops/inplace.h"
#include "ops/registry.h"
#include "taper/ops.h"
#include "tensor/kernel_for.h"
#include "tensor/layout.h"

namespace taper {

namespace {

/// Index tensors put in order: int64, of one shape by expansion, each with the dimension it indexes.
struct Positions {
  Tensors tensors;
  Shape dims;
  Shape index_sizes;
  int place;  // dimension of the result before which the index dimensions stand
};

void append_position(Positions& positions, const Tensor& index, int dim) {
  positions.tensors.push_back(index);
  positions.dims.push_back(dim);
}

// An index of main memory serves on every device.
Tensor beside(const Tensor& x, const Tensor& index, const char* op) {
  check<DeviceError>(index.device() == x.device() || index.device().is_cpu(), op, ": an index is on ",
                     index.device(), ", expected it in main memory or beside the indexed tensor on ",
                     x.device());
  return index.device() == x.device() ? index : to(index, x.device());
}

Positions positions_of(const Tensor& x, const OptionalTensors& indices, const char* op) {
  Positions positions;
  int dim = 0;
  for (const auto& entry : indices) {
    if (!entry || !entry->defined()) {
      ++dim;
      continue;
    }
    const Tensor& index = *entry;
    if (index.dtype() == boolean || index.dtype() == uint8) {
      for (int i = 0; i < index.ndim(); ++i)
        check<IndexError>(dim + i < x.ndim() && index.sizes()[i] == x.sizes()[dim + i], op,
                          ": the shape of the mask ", index.sizes(), " at index ", dim,
                          " does not match the shape of the indexed tensor ", x.sizes());
      const Tensor found = beside(x, nonzero(index), op);
      for (int i = 0; i < index.ndim(); ++i) append_position(positions, select(found, 1, i), dim++);
      continue;
    }
    check<IndexError>(is_integral(index.dtype()), op,
                      ": tensors used as indices must be long, int, byte or bool tensors, got ",
                      index.dtype());
    check<IndexError>(dim < x.ndim(), op, ": too many indices for tensor of dimension ", x.ndim());
    append_position(positions, beside(x, to(index, int64), op), dim++);
  }
  check<IndexError>(dim <= x.ndim(), op, ": too many indices for tensor of dimension ", x.ndim());
  for (const Tensor& tensor : positions.tensors)
    positions.index_sizes = broadcast_shapes(positions.index_sizes, tensor.sizes(), op);
  for (Tensor& tensor : positions.tensors) tensor = expand(tensor, positions.index_sizes).detach();
  bool neighbours = true;
  for (int i = 1; i < positions.dims.size(); ++i)
    neighbours = neighbours && positions.dims[i] == positions.dims[i - 1] + 1;
  positions.place = neighbours && !positions.dims.empty() ? int(positions.dims[0]) : 0;
  return positions;
}

bool indexed(const Positions& positions, int dim) {
  for (const std::int64_t other : positions.dims)
    if (other == dim) return true;
  return false;
}

Shape result_sizes(const Tensor& x, const Positions& positions) {
  Shape sizes;
  for (int i = 0; i < x.ndim(); ++i)
    if (!indexed(positions, i)) sizes.push_back(x.sizes()[i]);
  for (int i = positions.index_sizes.size() - 1; i >= 0; --i)
    sizes.insert(positions.place, positions.index_sizes[i]);
  return sizes;
}

// values: of the result's shape, any strides.
cpu::AdvancedIndex plan_for(const Tensor& x, const Positions& positions, const Tensor& values) {
  cpu::AdvancedIndex plan;
  for (std::size_t i = 0; i < positions.tensors.size(); ++i) {
    const int dim = int(positions.dims[std::int64_t(i)]);
    plan.operands.push_back({positions.tensors[i].device_data<std::int64_t>(), positions.tensors[i].strides(),
                             x.sizes()[dim], x.strides()[dim], dim});
  }
  plan.index_sizes = positions.index_sizes;
  const int count = positions.index_sizes.size();
  for (int i = 0; i < count; ++i) plan.index_strides.push_back(values.strides()[positions.place + i]);
  int out = 0;
  for (int i = 0; i < x.ndim(); ++i) {
    if (indexed(positions, i)) continue;
    const int place = out < positions.place ? out : out + count;
    plan.rest_sizes.push_back(x.sizes()[i]);
    plan.rest_of_x.push_back(x.strides()[i]);
    plan.rest_strides.push_back(values.strides()[place]);
    ++out;
  }
  return plan;
}

struct Index {
  static constexpr auto name = "index";
  Positions positions;
  Shape input_sizes;

  Tensor forward(const Tensor& x) const {
    Tensor y = empty(result_sizes(x, positions), x.dtype(), x.device());
    kernel_for<cpu::index>(name, x)(x.data(), x.dtype(), plan_for(x, positions, y), y.data(), name);
    return y;
  }
  Tensor backward(const Saved&, const Tensor& dy) const;
};

struct IndexPut {
  static constexpr auto name = "index_put";
  Positions positions;
  bool accumulate;

  Tensor forward(const Tensor& x, const Tensor& values) const {
    Tensor y = clone(x);
    write(y, values);
    return y;
  }
  void write(const Tensor& y, const Tensor& values) const {
    kernel_for<cpu::index_put>(name, y, values)(y.data(), y.dtype(), plan_for(y, positions, values),
                                                values.data(), accumulate, name);
  }
  std::array<Tensor, 2> backward(const Saved& saved, const Tensor& dy) const {
    Tensor dx;
    if (saved.needs(0))
      dx = accumulate ? dy
                      : record(IndexPut{positions, false}, dy,
                               expand(zeros({}, dy.dtype(), dy.device()), result_sizes(dy, positions)));
    return {dx, saved.needs(1) ? record(Index{positions, dy.sizes()}, dy) : Tensor()};
  }
};

Tensor Index::backward(const Saved&, const Tensor& dy) const {
  return record(IndexPut{positions, true}, zeros(input_sizes, dy.dtype(), dy.device()), dy);
}

// values as they will be written: of x's dtype and the shape of the indexed part.
Tensor fitting_values(const Tensor& x, const Positions& positions, const Tensor& values, const char* op) {
  const Shape sizes = result_sizes(x, positions);
  Tensor source = values;
  // Leading dimensions of size 1 may be more than the target's.
  while (source.ndim() > sizes.size() && source.sizes()[0] == 1) source = squeeze(source, Shape{0});
  check<ShapeError>(source.ndim() <= sizes.size() && broadcast_shapes(source.sizes(), sizes, op) == sizes, op,
                    ": shape mismatch: value tensor of shape ", values.sizes(),
                    " cannot be broadcast to indexing result of shape ", sizes);
  check<DTypeError>(values.dtype() == x.dtype() || values.ndim() == 0 || values.record()->wrapped_number ||
                        kind(values.dtype()) <= kind(x.dtype()),
                    op, ": values of dtype ", values.dtype(), " do not fit into ", x.dtype());
  // A number may stand anywhere.
  return expand(to(source.ndim() ? source : to(source, x.device()), x.dtype()), sizes);
}

}  // namespace

Tensor index(const Tensor& x, const OptionalTensors& indices) {
  Positions positions = positions_of(x, indices, "index");
  if (positions.tensors.empty()) return x;
  return record(Index{std::move(positions), x.sizes()}, x);
}

Tensor index_put(const Tensor& x, const OptionalTensors& indices, const Tensor& values, bool accumulate) {
  Positions positions = positions_of(x, indices, "index_put");
  const Tensor source = fitting_values(x, positions, values, "index_put");
  if (positions.tensors.empty()) return accumulate ? add(x, source) : clone(source);
  return record(IndexPut{std::move(positions), accumulate}, x, source);
}

const Tensor& index_put_(const Tensor& x, const OptionalTensors& indices, const Tensor& values,
                         bool accumulate) {
  check_inplace(x, "index_put_");
  if (!unrecorded(x, values))
    return overwrite("index_put_", x,
                     [&](const Tensor& before) { return index_put(before, indices, values, accumulate); });
  const Positions positions = positions_of(x, indices, "index_put_");
  Tensor source = fitting_values(x, positions, values, "index_put_");
  if (memory_overlaps(x, source)) source = clone(source);
  if (positions.tensors.empty()) copy_elements(accumulate ? add(x, source) : source, x);
  else IndexPut{positions, accumulate}.write(x, source);
  x.storage().wrote("index_put_");
  adopt_history(x, Tensor());
  return x;
}

Tensor nonzero(const Tensor& x) {
  const cpu::Source source{x.data(), x.sizes(), x.strides()};
  const cpu::TrueCounts counts = kernel_for<cpu::count_true>("nonzero", x)(source, x.dtype());
  Tensor y = empty({counts.back(), x.ndim()}, int64, x.device());
  if (y.numel())
    kernel_for<cpu::nonzero>("nonzero", x)(source, x.dtype(), counts, y.device_data<std::int64_t>());
  return y;
}

Tensor masked_select(const Tensor& x, const Tensor& mask) {
  check<DTypeError>(mask.dtype() == boolean, "masked_select: mask must be bool, got ", mask.dtype());
  const Tensors both = broadcast_tensors({x, mask});
  return reshape(index(both[0], {both[1]}), {-1});
}

namespace {

Tensors nonzero_tuple(const Tensor& x) {
  return x.ndim() == 0 ? unbind(nonzero(reshape(x, {1})), 1) : unbind(nonzero(x), 1);
}
Value nonzero_call(Value* v) {
  const Tensor& x = std::get<Tensor>(v[0]);
  if (std::get<bool>(v[1])) return Value(nonzero_tuple(x));
  return Value(nonzero(x));
}
Tensor take(const Tensor& x, const Tensor& places) {
  return reshape(index(reshape(x, {-1}), {reshape(places, {-1})}), places.sizes());
}
Tensor take_along_dim(const Tensor& x, const Tensor& indices, std::optional<std::int64_t> dim) {
  if (!dim) return gather(reshape(x, {-1}), 0, reshape(indices, {-1}));
  Shape wide_x = x.sizes(), wide_indices = indices.sizes();
  check<ShapeError>(x.ndim() == indices.ndim(), "take_along_dim: input ", x.sizes(), " and indices ",
                    indices.sizes(), " must have the same number of dimensions");
  const int place = wrap_dim(*dim, x.ndim(), "take_along_dim");
  wide_x[place] = wide_indices[place] = 1;
  const Shape common = broadcast_shapes(wide_x, wide_indices, "take_along_dim");
  wide_x = wide_indices = common;
  wide_x[place] = x.sizes()[place];
  wide_indices[place] = indices.sizes()[place];
  const Tensor wrapped = where(lt(indices, 0), add(indices, x.sizes()[place]), indices);
  return gather(expand(x, wide_x), place, expand(wrapped, wide_indices));
}
Tensor index_copy(const Tensor& x, std::int64_t dim, const Tensor& places, const Tensor& source) {
  const int place = wrap_dim(dim, x.ndim(), "index_copy");
  check<DTypeError>(x.dtype() == source.dtype(),
                    "index_copy: input and source have different dtypes: ", x.dtype(), " and ",
                    source.dtype());
  if (x.ndim() == 0) return reshape(index_copy(reshape(x, {1}), 0, places, reshape(source, {-1})), {});
  Shape expected = x.sizes();
  expected[place] = places.numel();
  check<ShapeError>(source.sizes() == expected, "index_copy: source has shape ", source.sizes(),
                    ", expected ", expected);
  OptionalTensors indices(static_cast<std::size_t>(place));
  indices.push_back(reshape(places, {-1}));
  return index_put(x, indices, source);
}
Tensor index_fill(const Tensor& x, std::int64_t dim, const Tensor& places, const Tensor& value) {
  const int place = wrap_dim(dim, x.ndim(), "index_fill");
  check<ShapeError>(value.ndim() == 0, "index_fill: value must be a number or a 0-d tensor, got shape ",
                    value.sizes());
  check<ShapeError>(places.ndim() <= 1, "index_fill: index must be a vector, got shape ", places.sizes());
  Shape chosen = Shape::filled(x.ndim(), 1);
  if (x.ndim()) chosen[place] = x.sizes()[place];
  const Tensor mask = index_put(zeros({x.ndim() ? chosen[place] : 1}, boolean, x.device()),
                                {reshape(places, {-1})}, full({}, true, boolean, x.device()));
  return masked_fill(x, reshape(mask, chosen), value);
}

const Register index_put_op{
    {.signature =
         "index_put(Tensor input, Tensor?[] indices, Tensor values, bool accumulate=False) -> Tensor",
     .doc = "input with values written, or added, at indices.",
     .call = box<index_put>,
     .samples = "x(3, 4), (i(2, hi=3, unique=True), i(2, hi=4, unique=True)), x(2); x(3, 4), (i(5, hi=3),), "
                "x(5, 4), True; x(3, 4), (b(3, 4),), x()",
     .reference = "ref.index_put(input, indices, values, accumulate)",
     .errors = "x(3), (i(2, lo=3, hi=5),), x(2)",
     .inplace = true}};
const Register nonzero_op{{.signature = "nonzero(Tensor input, *, bool as_tuple=False) -> Tensor",
                           .doc = "Positions of the nonzero elements.",
                           .call = nonzero_call,
                           .samples = "b(3, 4); z(3); b(0)",
                           .reference = "np.argwhere(input)",
                           .differentiable = false}};
const Register argwhere_op{{.signature = "argwhere(Tensor input) -> Tensor",
                            .doc = "Positions of the nonzero elements.",
                            .call = box<nonzero>,
                            .samples = "b(3, 4)",
                            .reference = "np.argwhere(input)",
                            .differentiable = false}};
const Register where_positions{{.signature = "where(Tensor condition) -> Tensor[]",
                                .doc = "Positions of the nonzero elements, a tensor per dimension.",
                                .call = box<nonzero_tuple>,
                                .homes = "taper",
                                .samples = "b(3, 4)",
                                .reference = "np.nonzero(condition)",
                                .differentiable = false}};
const Register masked_select_op{{.signature = "masked_select(Tensor input, Tensor mask) -> Tensor",
                                 .doc = "The elements where mask is true.",
                                 .call = box<masked_select>,
                                 .samples = "x(3, 4), b(3, 4); x(3, 4), b(4); x(4), b(3, 4)",
                                 .reference = "ref.masked_select(input, mask)",
                                 .errors = "x(3), x(3)"}};
const Register take_op{{.signature = "take(Tensor input, Tensor index) -> Tensor",
                        .doc = "Elements of the flattened input.",
                        .call = box<take>,
                        .samples = "x(3, 4), i(2, 3, hi=12)",
                        .reference = "np.take(input, index)",
                        .errors = "x(3), i(2, lo=3, hi=5)"}};
const Register take_along_dim_op{
    {.signature = "take_along_dim(Tensor input, Tensor indices, int? dim=None) -> Tensor",
     .doc = "Elements at indices along dim; shapes broadcast.",
     .call = box<take_along_dim>,
     .samples = "x(3, 4), i(3, 2, hi=4), 1; x(3, 4), i(1, 4, hi=3), 0; x(3, 4), i(5, hi=12)",
     .reference = "np.take_along_axis(input, indices, axis=dim)"}};
const Register index_fill_op{
    {.signature = "index_fill(Tensor input, int dim, Tensor index, Tensor|Scalar value) -> Tensor",
     .doc = "input with value in its slices at index along dim.",
     .call = box<index_fill>,
     .samples = "x(3, 4), 1, i(2, hi=4), 1.5; x(3), 0, i(1, hi=3), x()",
     .reference = "ref.index_fill(input, dim, index, value)",
     .inplace = true}};
const Register index_copy_op{
    {.signature = "index_copy(Tensor input, int dim, Tensor index, Tensor source) -> Tensor",
     .doc = "input with the slices of source at index along dim.",
     .call = box<index_copy>,
     .samples = "x(3, 4), 1, i(2, hi=4, unique=True), x(3, 2)",
     .reference = "ref.index_copy(input, dim, index, source)",
     .errors = "x(3), 0, i(2, hi=3), x(3)",
     .inplace = true}};

}  // namespace

}  // namespace taper
