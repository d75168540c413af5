// Views: windows on the memory of another tensor, sharing its history.
#include "ops/view.h"

#include <algorithm>
#include <vector>

#include "autograd/history.h"
#include "base/visit.h"
#include "ops/registry.h"
#include "taper/error.h"
#include "tensor/kernel_for.h"
#include "tensor/layout.h"

namespace taper {

void add_overlapping(const Tensor& source, const Tensor& target) {
  if (!target.device().is_cpu()) {
    const std::int64_t last = extent(target.sizes(), target.strides()).second;
    const Tensor places =
        window(arange(0, last + 1, 1, int64, target.device()), target.sizes(), target.strides(), 0);
    const Tensor flat = window(target, {last + 1}, {1}, target.storage_offset());
    copy_elements(index_add(flat, 0, reshape(places, {-1}), reshape(source, {-1})), flat);
    return;
  }
  // One after the other: two elements of target may be the same memory.
  const Tensor dense = contiguous(source);
  visit_differentiable(source.dtype(), [&]<class T>() {
    const T* from = dense.data<T>();
    Shape index = Shape::filled(target.ndim(), 0);
    for (std::int64_t i = 0; i < target.numel(); ++i) {
      std::int64_t offset = 0;
      for (int d = 0; d < target.ndim(); ++d) offset += index[d] * target.strides()[d];
      T& element = target.data<T>()[offset];
      element = T(element + from[i]);
      for (int d = target.ndim() - 1; d >= 0 && ++index[d] == target.sizes()[d]; --d) index[d] = 0;
    }
  });
}

namespace {

struct SliceWindow {
  static constexpr auto name = "slice";
  static constexpr bool overlapping = false;
  Shape input_sizes;
  int dim;
  std::int64_t start, length, step;

  Tensor apply(const Tensor& x) const {
    Shape sizes = x.sizes(), strides = x.strides();
    sizes[dim] = length;
    strides[dim] *= step;
    return window(x, sizes, strides, x.storage_offset() + (length ? start * x.strides()[dim] : 0));
  }
};

struct SelectWindow {
  static constexpr auto name = "select";
  static constexpr bool overlapping = false;
  Shape input_sizes;
  int dim;
  std::int64_t index;

  Tensor apply(const Tensor& x) const {
    Shape sizes = x.sizes(), strides = x.strides();
    sizes.erase(dim);
    strides.erase(dim);
    return window(x, sizes, strides, x.storage_offset() + index * x.strides()[dim]);
  }
};

struct DiagonalWindow {
  static constexpr auto name = "diagonal";
  static constexpr bool overlapping = false;
  Shape input_sizes;
  std::int64_t offset;
  int dim1, dim2;

  Tensor apply(const Tensor& x) const {
    Shape sizes = x.sizes(), strides = x.strides();
    const std::int64_t rows = sizes[dim1], columns = sizes[dim2];
    const std::int64_t length = std::max<std::int64_t>(
        0, offset >= 0 ? std::min(rows, columns - offset) : std::min(rows + offset, columns));
    const std::int64_t step = strides[dim1] + strides[dim2];
    const std::int64_t start = length == 0   ? 0
                               : offset >= 0 ? offset * strides[dim2]
                                             : -offset * strides[dim1];
    for (const int dim : {std::max(dim1, dim2), std::min(dim1, dim2)}) {
      sizes.erase(dim);
      strides.erase(dim);
    }
    sizes.push_back(length);
    strides.push_back(step);
    return window(x, sizes, strides, x.storage_offset() + start);
  }
};

struct UnfoldWindow {
  static constexpr auto name = "unfold";
  static constexpr bool overlapping = true;
  Shape input_sizes;
  int dim;
  std::int64_t size, step;

  Tensor apply(const Tensor& x) const {
    if (x.ndim() == 0) return window(x, {size}, {1}, x.storage_offset());
    Shape sizes = x.sizes(), strides = x.strides();
    sizes[dim] = (x.sizes()[dim] - size) / step + 1;
    check<ValueError>(!__builtin_mul_overflow(strides[dim], step, &strides[dim]), "unfold: a step of ", step,
                      " is too large");
    sizes.push_back(size);
    strides.push_back(x.strides()[dim]);
    return window(x, sizes, strides, x.storage_offset());
  }
};

// A window given by strides: it reaches the memory, not the indices, of its input, so the input's layout is
// part of it.
struct StridedWindow {
  static constexpr auto name = "as_strided";
  static constexpr bool overlapping = true;
  Shape input_sizes, input_strides;
  std::int64_t input_offset;
  Shape sizes, strides;
  std::int64_t offset;

  Tensor apply(const Tensor& x) const {
    if (x.strides() == input_strides && x.storage_offset() == input_offset)
      return window(x, sizes, strides, offset);
    // A gradient: lay it out as the input was, then look.
    const auto [first, last] = extent(input_sizes, input_strides);
    const auto [low, high] = extent(sizes, strides);
    Tensor memory = zeros({std::max(input_offset + last, offset + high) + 1}, x.dtype(), x.device());
    copy_elements(x, window(memory, input_sizes, input_strides, input_offset));
    return window(memory, sizes, strides, offset);
  }
};

}  // namespace

template <>
struct Unview<StridedWindow> {
  static constexpr auto name = "as_strided";
  StridedWindow window;

  Tensor forward(const Tensor& dy) const {
    const auto [first, last] = extent(window.input_sizes, window.input_strides);
    const auto [low, high] = extent(window.sizes, window.strides);
    Tensor memory =
        zeros({std::max(window.input_offset + last, window.offset + high) + 1}, dy.dtype(), dy.device());
    add_overlapping(dy, taper::window(memory, window.sizes, window.strides, window.offset));
    return clone(taper::window(memory, window.input_sizes, window.input_strides, window.input_offset));
  }
  Tensor backward(const Saved&, const Tensor& dy) const { return record(View<StridedWindow>{window}, dy); }
};

namespace {

// The same elements under other sizes; strides were found to fit.
struct Reshaped {
  static constexpr auto name = "view";
  Shape input_sizes, sizes, strides;

  Tensor forward(const Tensor& x) const { return window(x, sizes, strides, x.storage_offset()); }
  Tensor backward(const Saved&, const Tensor& dy) const { return reshape(dy, input_sizes); }
};

struct Permute {
  static constexpr auto name = "permute";
  Shape dims;

  Tensor forward(const Tensor& x) const {
    Shape sizes = x.sizes(), strides = x.strides();
    for (int i = 0; i < dims.size(); ++i) {
      sizes[i] = x.sizes()[dims[i]];
      strides[i] = x.strides()[dims[i]];
    }
    return window(x, sizes, strides, x.storage_offset());
  }
  Tensor backward(const Saved&, const Tensor& dy) const {
    Shape inverse = dims;
    for (int i = 0; i < dims.size(); ++i) inverse[dims[i]] = i;
    return permute(dy, inverse);
  }
};

struct Expand {
  static constexpr auto name = "expand";
  Shape input_sizes, sizes;

  Tensor forward(const Tensor& x) const {
    Shape strides = Shape::filled(sizes.size(), 0);
    const int shift = sizes.size() - x.ndim();
    for (int i = 0; i < x.ndim(); ++i)
      if (x.sizes()[i] == sizes[i + shift]) strides[i + shift] = x.strides()[i];
    return window(x, sizes, strides, x.storage_offset());
  }
  Tensor backward(const Saved&, const Tensor& dy) const { return sum_to_size(dy, input_sizes); }
};

Tensor reshaped(const Tensor& x, const Shape& sizes, const Shape& strides) {
  return record_view(Reshaped{x.sizes(), sizes, strides}, x);
}

// Strides by which x shows the new sizes without copying; none where it cannot.
std::optional<Shape> view_strides(const Tensor& x, const Shape& sizes) {
  if (x.is_contiguous() || x.numel() == 0) return contiguous_strides(sizes);
  Shape strides = Shape::filled(sizes.size(), 1);
  int target = sizes.size() - 1;
  std::int64_t chunk_step = x.ndim() ? x.strides().back() : 1, chunk = 1, covered = 1;
  for (int i = x.ndim() - 1; i >= 0; --i) {
    chunk *= x.sizes()[i];
    const bool ends = i == 0 || (x.sizes()[i - 1] != 1 && x.strides()[i - 1] != chunk * chunk_step);
    if (!ends) continue;
    while (target >= 0 && (covered < chunk || sizes[target] == 1)) {
      strides[target] = covered * chunk_step;
      covered *= sizes[target--];
    }
    if (covered != chunk) return std::nullopt;
    if (i > 0) chunk_step = x.strides()[i - 1];
    chunk = covered = 1;
  }
  return target < 0 ? std::optional(strides) : std::nullopt;
}

}  // namespace

Shape inferred_sizes(const Shape& sizes, std::int64_t count, const char* op) {
  Shape result = sizes;
  int unknown = -1;
  std::int64_t known = 1;
  for (int i = 0; i < sizes.size(); ++i) {
    check<ShapeError>(sizes[i] >= -1, op, ": invalid size ", sizes[i], " in ", sizes);
    if (sizes[i] == -1) {
      check<ShapeError>(unknown < 0, op, ": only one size can be -1, got ", sizes);
      unknown = i;
    } else {
      check<ShapeError>(!__builtin_mul_overflow(known, sizes[i], &known), op, ": sizes ", sizes, " overflow");
    }
  }
  if (unknown >= 0) {
    check<ShapeError>(known != 0, op, ": the size -1 in ", sizes, " is ambiguous for ", count, " elements");
    check<ShapeError>(count % known == 0, op, ": shape ", sizes, " is invalid for input of size ", count);
    result[unknown] = count / known;
    return result;
  }
  check<ShapeError>(known == count, op, ": shape ", sizes, " is invalid for input of size ", count);
  return result;
}

Tensor view(const Tensor& x, const Shape& sizes) {
  const Shape full = inferred_sizes(sizes, x.numel(), "view");
  auto strides = view_strides(x, full);
  // Convolutions leave their results channels-last. What is not a view itself may still be put in order.
  if (!strides && !x.record()->base && is_channels_last(x)) {
    own_memory(x, "contiguous");
    strides = view_strides(x, full);
  }
  check<ShapeError>(strides.has_value(), "view: sizes ", x.sizes(), " with strides ", x.strides(),
                    " cannot be seen as ", full, " without copying; use reshape()");
  return reshaped(x, full, *strides);
}

Tensor reshape(const Tensor& x, const Shape& sizes) {
  const Shape full = inferred_sizes(sizes, x.numel(), "reshape");
  const auto strides = view_strides(x, full);
  if (strides) return reshaped(x, full, *strides);
  return reshaped(clone(x, "contiguous"), full, contiguous_strides(full));
}

Tensor squeeze(const Tensor& x, const std::optional<Shape>& dims) {
  Shape sizes, strides;
  std::uint64_t chosen = dims ? 0 : ~std::uint64_t(0);
  if (dims)
    for (const std::int64_t dim : *dims) {
      const std::uint64_t bit = std::uint64_t(1) << wrap_dim(dim, x.ndim(), "squeeze");
      check<ValueError>(!(chosen & bit), "squeeze: dimension ", dim, " appears more than once in ", *dims);
      chosen |= bit;
    }
  for (int i = 0; i < x.ndim(); ++i) {
    if (x.sizes()[i] == 1 && (chosen >> i & 1)) continue;
    sizes.push_back(x.sizes()[i]);
    strides.push_back(x.strides()[i]);
  }
  return reshaped(x, sizes, strides);
}

Tensor unsqueeze(const Tensor& x, std::int64_t dim) {
  const int position = wrap_dim(dim, x.ndim() + 1, "unsqueeze");
  Shape sizes = x.sizes(), strides = x.strides();
  strides.insert(position, position < x.ndim() ? x.sizes()[position] * x.strides()[position] : 1);
  sizes.insert(position, 1);
  return reshaped(x, sizes, strides);
}

Tensor permute(const Tensor& x, const Shape& dims) {
  check<ShapeError>(dims.size() == x.ndim(), "permute: got ", dims.size(), " dimensions ", dims,
                    " for a tensor of shape ", x.sizes());
  Shape wrapped_dims = dims;
  std::uint64_t seen = 0;
  for (std::int64_t& dim : wrapped_dims) {
    dim = wrap_dim(dim, x.ndim(), "permute");
    check<ValueError>(!(seen >> dim & 1), "permute: duplicate dims in ", dims);
    seen |= std::uint64_t(1) << dim;
  }
  return record_view(Permute{wrapped_dims}, x);
}

Tensor transpose(const Tensor& x, std::int64_t dim0, std::int64_t dim1) {
  Shape dims;
  for (int i = 0; i < x.ndim(); ++i) dims.push_back(i);
  const int a = wrap_dim(dim0, x.ndim(), "transpose"), b = wrap_dim(dim1, x.ndim(), "transpose");
  if (x.ndim() > 0) std::swap(dims[a], dims[b]);
  return record_view(Permute{dims}, x);
}

Tensor expand(const Tensor& x, const Shape& sizes) {
  Shape full = sizes;
  const int shift = sizes.size() - x.ndim();
  check<ShapeError>(shift >= 0, "expand: sizes ", sizes, " have fewer dimensions than the tensor of shape ",
                    x.sizes());
  for (int i = 0; i < full.size(); ++i) {
    if (full[i] == -1) {
      check<ShapeError>(i >= shift, "expand: -1 is not allowed for the new leading dimension ", i, " in ",
                        sizes);
      full[i] = x.sizes()[i - shift];
    }
    check<ShapeError>(
        full[i] >= 0 && (i < shift || x.sizes()[i - shift] == full[i] || x.sizes()[i - shift] == 1),
        "expand: a tensor of shape ", x.sizes(), " cannot be expanded to ", sizes,
        "; dimensions must match or be 1");
  }
  numel(full);
  return record_view(Expand{x.sizes(), full}, x);
}

Tensor slice(const Tensor& x, std::int64_t dim, std::optional<std::int64_t> start,
             std::optional<std::int64_t> stop, std::int64_t step) {
  check<IndexError>(x.ndim() > 0, "slice: a 0-d tensor cannot be sliced");
  check<ValueError>(step > 0, "slice: step must be greater than zero, got ", step);
  const int wrapped_dim = wrap_dim(dim, x.ndim(), "slice");
  const std::int64_t size = x.sizes()[wrapped_dim];
  const auto position = [size](std::int64_t value) {
    return std::clamp<std::int64_t>(value < 0 ? value + size : value, 0, size);
  };
  const std::int64_t first = position(start.value_or(0));
  const std::int64_t last = std::max(first, position(stop.value_or(size)));
  const std::int64_t length = (last - first) / step + ((last - first) % step != 0);
  return record_view(View<SliceWindow>{{x.sizes(), wrapped_dim, first, length, step}}, x);
}

Tensor narrow(const Tensor& x, std::int64_t dim, std::int64_t start, std::int64_t length) {
  const std::int64_t size = x.size(dim);
  if (start < 0) start += size;
  check<IndexError>(start >= 0 && length >= 0 && start <= size && length <= size - start, "narrow: start ",
                    start, " and length ", length, " exceed the size ", size, " of dimension ", dim);
  return slice(x, dim, start, start + length, 1);
}

Tensor select(const Tensor& x, std::int64_t dim, std::int64_t index) {
  check<IndexError>(x.ndim() > 0, "select: a 0-d tensor cannot be indexed; use item()");
  const int wrapped_dim = wrap_dim(dim, x.ndim(), "select");
  const std::int64_t size = x.sizes()[wrapped_dim];
  check<IndexError>(index >= -size && index < size, "select: index ", index,
                    " is out of bounds for dimension ", wrapped_dim, " with size ", size);
  return record_view(View<SelectWindow>{{x.sizes(), wrapped_dim, index < 0 ? index + size : index}}, x);
}

Tensor diagonal(const Tensor& x, std::int64_t offset, std::int64_t dim1, std::int64_t dim2) {
  check<ShapeError>(x.ndim() >= 2, "diagonal: needs at least 2 dimensions, got shape ", x.sizes());
  const int first = wrap_dim(dim1, x.ndim(), "diagonal"), second = wrap_dim(dim2, x.ndim(), "diagonal");
  check<ValueError>(first != second, "diagonal: dimensions cannot be identical: ", dim1, ", ", dim2);
  return record_view(View<DiagonalWindow>{{x.sizes(), offset, first, second}}, x);
}

Tensor unfold(const Tensor& x, std::int64_t dim, std::int64_t size, std::int64_t step) {
  const int wrapped_dim = wrap_dim(dim, x.ndim(), "unfold");
  const std::int64_t available = x.ndim() ? x.sizes()[wrapped_dim] : 1;
  check<ValueError>(size >= 0 && size <= available, "unfold: maximum size for tensor at dimension ", dim,
                    " is ", available, " but size is ", size);
  check<ValueError>(step > 0, "unfold: step must be greater than zero, got ", step);
  return record_view(View<UnfoldWindow>{{x.sizes(), wrapped_dim, size, step}}, x);
}

Tensor as_strided(const Tensor& x, const Shape& sizes, const Shape& strides,
                  std::optional<std::int64_t> offset) {
  check<ShapeError>(sizes.size() == strides.size(), "as_strided: ", sizes.size(), " sizes but ",
                    strides.size(), " strides");
  for (const std::int64_t stride : strides)
    check<ValueError>(stride >= 0, "as_strided: negative strides are not supported, got ", strides);
  const std::int64_t start = offset.value_or(x.storage_offset());
  return record_view(View<StridedWindow>{{x.sizes(), x.strides(), x.storage_offset(), sizes, strides, start}},
                     x);
}

namespace {

Tensor squeeze_all(const Tensor& x) { return squeeze(x); }
Tensor squeeze_dims(const Tensor& x, const Shape& dims) { return squeeze(x, dims); }
Tensor view_as(const Tensor& x, const Tensor& other) { return view(x, other.sizes()); }
Tensor reshape_as(const Tensor& x, const Tensor& other) { return reshape(x, other.sizes()); }
Tensor expand_as(const Tensor& x, const Tensor& other) { return expand(x, other.sizes()); }
Tensor t(const Tensor& x) {
  check<ShapeError>(x.ndim() <= 2, "t: needs at most 2 dimensions, got shape ", x.sizes());
  return x.ndim() == 2 ? transpose(x, 0, 1) : x;
}
Tensor adjoint(const Tensor& x) { return conj(transpose(x, -2, -1)); }

// The same bytes as elements of another type, which divide or join those of the last dimension.
Tensor view_as_dtype(const Tensor& x, DType dtype) {
  Tensor y = x.detach();
  TensorRecord& record = *y.record();
  const std::int64_t from = x.item_size(), into = item_size(dtype), last = x.ndim() - 1;
  record.dtype = dtype;
  if (from == into) return y;
  check<ShapeError>(x.ndim() > 0, "view: a 0-d tensor of ", x.dtype(), " cannot be seen as ", dtype,
                    ", whose elements differ in size");
  check<ShapeError>(x.strides()[last] == 1 || x.numel() == 0, "view: the last dimension of ", x.sizes(),
                    " must be dense to be seen as ", dtype);
  const std::int64_t ratio = std::max(from, into) / std::min(from, into);
  bool fits = from > into || (x.sizes()[last] % ratio == 0 && x.storage_offset() % ratio == 0);
  for (int i = 0; i < last; ++i) fits = fits && (from > into || x.strides()[i] % ratio == 0);
  check<ShapeError>(fits, "view: sizes ", x.sizes(), ", strides ", x.strides(), " and offset ",
                    x.storage_offset(), " of ", x.dtype(), " must be divisible by ", ratio, " to be seen as ",
                    dtype);
  for (int i = 0; i < last; ++i)
    record.strides[i] = from > into ? x.strides()[i] * ratio : x.strides()[i] / ratio;
  record.sizes[last] = from > into ? x.sizes()[last] * ratio : x.sizes()[last] / ratio;
  record.numel = numel(record.sizes);
  return y;
}

const Register view_op{
    {.signature = "view(Tensor input, int... size) -> Tensor",
     .doc = "The same elements under other sizes, one of which may be -1, without copying.",
     .call = box<view>,
     .homes = "Tensor",
     .samples = "x(2, 3), 3, 2; x(2, 3), -1; x(2, 3), (1, 6); x(0, 3), 3, 0; x(), 1, 1",
     .reference = "np.reshape(input, size)",
     .errors = "x(2, 3), 4, 2; x(2, 3).T, 6; x(2, 3), -1, -1"}};
const Register view_dtype_op{
    {.signature = "view(Tensor input, dtype dtype) -> Tensor",
     .doc = "The same bytes as elements of dtype; the last dimension grows or shrinks by the ratio of their "
            "sizes. Without gradient.",
     .call = box<view_as_dtype>,
     .homes = "Tensor",
     .samples = "i(2, 3), taper.int32; i(2, 4).to(taper.int32), taper.int64; i(3), taper.float64",
     .reference = "input.view(str(dtype).split('.')[-1])",
     .errors = "i(3).to(taper.int32), taper.int64; i(), taper.int32; i(2, 3).T, taper.int32",
     .differentiable = false}};
const Register view_as_op{{.signature = "view_as(Tensor input, Tensor other) -> Tensor",
                           .doc = "input under the sizes of other.",
                           .call = box<view_as>,
                           .homes = "Tensor",
                           .samples = "x(2, 3), x(3, 2)",
                           .reference = "np.reshape(input, other.shape)"}};
const Register reshape_op{
    {.signature = "reshape(Tensor input, int... shape) -> Tensor",
     .doc = "The same elements under other sizes, copied only where strides ask for it.",
     .call = box<reshape>,
     .samples = "x(2, 3), (3, 2); x(2, 3).T, (6,); x(2, 3), (-1,); x(0, 3), (0,)",
     .reference = "np.reshape(input, shape)",
     .errors = "x(2, 3), (4, 2); x(2, 3), (-1, -1); x(0, 3), (-1, 0)"}};
const Register reshape_as_op{{.signature = "reshape_as(Tensor input, Tensor other) -> Tensor",
                              .doc = "input under the sizes of other.",
                              .call = box<reshape_as>,
                              .homes = "Tensor",
                              .samples = "x(2, 3), x(3, 2)",
                              .reference = "np.reshape(input, other.shape)"}};
const Register squeeze_op[]{{{.signature = "squeeze(Tensor input) -> Tensor",
                              .doc = "Without dimensions of size 1.",
                              .call = box<squeeze_all>,
                              .samples = "x(1, 3, 1); x(2)",
                              .reference = "np.squeeze(input)"}},
                            {{.signature = "squeeze(Tensor input, int[] dim) -> Tensor",
                              .doc = "Without the given dimensions where they are of size 1.",
                              .call = box<squeeze_dims>,
                              .samples = "x(1, 3, 1), 0; x(1, 3, 1), (0, -1); x(2, 3), 0",
                              .reference = "ref.squeeze(input, dim)",
                              .errors = "x(2), 1"}}};
const Register unsqueeze_op{{.signature = "unsqueeze(Tensor input, int dim) -> Tensor",
                             .doc = "With a dimension of size 1 inserted before dim.",
                             .call = box<unsqueeze>,
                             .samples = "x(2, 3), 0; x(2, 3), -1; x(), 0",
                             .reference = "np.expand_dims(input, dim)",
                             .errors = "x(2), 3"}};
const Register permute_op{{.signature = "permute(Tensor input, int... dims) -> Tensor",
                           .doc = "Dimension i of the result is dimension dims[i] of input.",
                           .call = box<permute>,
                           .samples = "x(2, 3, 4), (2, 0, 1); x(2, 3), (-1, 0); x(), ()",
                           .reference = "np.transpose(input, dims)",
                           .errors = "x(2, 3), (0, 0); x(2, 3), (0,)"}};
const Register transpose_op{{.signature = "transpose(Tensor input, int dim0, int dim1) -> Tensor",
                             .doc = "Two dimensions exchanged.",
                             .call = box<transpose>,
                             .samples = "x(2, 3, 4), 0, 2; x(2, 3), -1, -2",
                             .reference = "np.swapaxes(input, dim0, dim1)",
                             .errors = "x(2, 3), 0, 2"}};
const Register swapaxes_op{{.signature = "swapaxes(Tensor input, int axis0, int axis1) -> Tensor",
                            .doc = "As transpose.",
                            .call = box<transpose>,
                            .samples = "x(2, 3, 4), 0, 2",
                            .reference = "np.swapaxes(input, axis0, axis1)"}};
const Register swapdims_op{{.signature = "swapdims(Tensor input, int dim0, int dim1) -> Tensor",
                            .doc = "As transpose.",
                            .call = box<transpose>,
                            .samples = "x(2, 3, 4), 0, 2",
                            .reference = "np.swapaxes(input, dim0, dim1)"}};
const Register t_op{{.signature = "t(Tensor input) -> Tensor",
                     .doc = "The transpose of a matrix; vectors as they are.",
                     .call = box<t>,
                     .samples = "x(2, 3); x(3)",
                     .reference = "input.T",
                     .errors = "x(2, 3, 4)"}};
const Register adjoint_op{{.signature = "adjoint(Tensor input) -> Tensor",
                           .doc = "The conjugate transpose of the last two dimensions.",
                           .call = box<adjoint>,
                           .samples = "x(2, 3); c(2, 2, 3)",
                           .reference = "np.conj(np.swapaxes(input, -1, -2))"}};
const Register expand_op{{.signature = "expand(Tensor input, int... size) -> Tensor",
                          .doc = "Dimensions of size 1 repeated without copying; -1 keeps a size.",
                          .call = box<expand>,
                          .homes = "Tensor",
                          .samples = "x(2, 1), 2, 3; x(3), (2, 3); x(1, 3), 4, -1; x(), 2",
                          .reference = "ref.expand(input, size)",
                          .errors = "x(2, 3), 2, 4; x(3), -1, 3"}};
const Register broadcast_to_op{{.signature = "broadcast_to(Tensor input, int[] size) -> Tensor",
                                .doc = "input repeated to size without copying.",
                                .call = box<expand>,
                                .samples = "x(2, 1), (2, 3); x(3), (2, 3)",
                                .reference = "np.broadcast_to(input, size)",
                                .errors = "x(2), (3,)"}};
const Register expand_as_op{{.signature = "expand_as(Tensor input, Tensor other) -> Tensor",
                             .doc = "input repeated to the sizes of other.",
                             .call = box<expand_as>,
                             .homes = "Tensor",
                             .samples = "x(2, 1), x(2, 3)",
                             .reference = "np.broadcast_to(input, other.shape)"}};
const Register narrow_op{{.signature = "narrow(Tensor input, int dim, int start, int length) -> Tensor",
                          .doc = "length elements from start on along dim.",
                          .call = box<narrow>,
                          .samples = "x(4, 3), 0, 1, 2; x(2, 3), 1, -2, 2",
                          .reference = "ref.narrow(input, dim, start, length)",
                          .errors = "x(2, 3), 1, 2, 2"}};
const Register select_op{{.signature = "select(Tensor input, int dim, int index) -> Tensor",
                          .doc = "The slice at index along dim, without it.",
                          .call = box<select>,
                          .samples = "x(2, 3), 1, 2; x(2, 3), 0, -1",
                          .reference = "np.take(input, index, axis=dim)",
                          .errors = "x(2, 3), 1, 3; x(), 0, 0"}};
const Register diagonal_op{
    {.signature = "diagonal(Tensor input, int offset=0, int dim1=0, int dim2=1) -> Tensor",
     .doc = "The diagonal over two dimensions, as the last dimension.",
     .call = box<diagonal>,
     .samples = "x(3, 3); x(2, 3), 1; x(3, 2), -1; x(2, 3, 4), 0, 1, 2; x(2, 3), 5",
     .reference = "np.diagonal(input, offset, dim1, dim2)",
     .errors = "x(3); x(2, 3), 0, 1, 1"}};
const Register unfold_op{{.signature = "unfold(Tensor input, int dimension, int size, int step) -> Tensor",
                          .doc = "All windows of size elements along dimension, step apart.",
                          .call = box<unfold>,
                          .homes = "Tensor",
                          .samples = "x(7), 0, 3, 2; x(2, 5), 1, 2, 1; x(4, 2), 0, 2, 2",
                          .reference = "ref.unfold(input, dimension, size, step)",
                          .errors = "x(3), 0, 4, 1; x(3), 0, 1, 0"}};
const Register as_strided_op{
    {.signature = "as_strided(Tensor input, int[] size, int[] stride, int? storage_offset=None) -> Tensor",
     .doc = "Any window on the memory of input; strides and offset in elements.",
     .call = box<as_strided>,
     .samples = "x(6), (2, 3), (3, 1); x(6), (3, 2), (1, 2), 1; x(4), (3, 2), (1, 1)",
     .reference = "ref.as_strided(input, size, stride, storage_offset)",
     .errors = "x(4), (2, 3), (3, 1); x(4), (2,), (-1,); x(4), (2,), (2 ** 62,)"}};

}  // namespace

}  // namespace taper
