// Putting tensors together, taking them apart, and moving their elements.
#include "taper/ops/join.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "autograd/record.h"
#include "ops/elementwise.h"
#include "ops/registry.h"
#include "ops/view.h"
#include "tensor/kernel_for.h"

namespace taper {

namespace {

Tensor part(const Tensor& x, int dim, std::int64_t start, std::int64_t length) {
  Shape sizes = x.sizes();
  sizes[dim] = length;
  return window(x, sizes, x.strides(), x.storage_offset() + (length ? start * x.strides()[dim] : 0));
}

struct Cat {
  static constexpr auto name = "cat";
  int dim;
  Shape lengths;  // of each operand along dim
  std::vector<DType> dtypes;

  Tensor forward(const Tensors& tensors) const {
    Shape sizes = tensors[0].sizes();
    sizes[dim] = std::accumulate(lengths.begin(), lengths.end(), std::int64_t(0));
    DType common = tensors[0].dtype();
    for (const Tensor& tensor : tensors) common = promote_types(common, tensor.dtype());
    Tensor y = empty_for(sizes, common, {&tensors[0]});
    std::int64_t start = 0;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      copy_elements(tensors[i], part(y, dim, start, lengths[std::int64_t(i)]));
      start += lengths[std::int64_t(i)];
    }
    return y;
  }
  Tensors backward(const Saved& saved, const Tensor& dy) const {
    Tensors gradients(dtypes.size());
    std::int64_t start = 0;
    for (std::size_t i = 0; i < dtypes.size(); ++i) {
      const std::int64_t length = lengths[std::int64_t(i)];
      if (saved.needs(int(i))) gradients[i] = to(narrow(dy, dim, start, length), dtypes[i]);
      start += length;
    }
    return gradients;
  }
};

// Views next to each other along dim.
struct Split {
  static constexpr auto name = "split";
  int dim;
  Shape lengths, input_sizes;

  Tensors forward(const Tensor& x) const {
    Tensors views;
    std::int64_t start = 0;
    for (const std::int64_t length : lengths) {
      views.push_back(part(x, dim, start, length));
      start += length;
    }
    return views;
  }
  Tensor backward(const Saved&, std::span<const Tensor> dy) const {
    Tensors parts(dy.begin(), dy.end());
    DType dtype = float32;
    Device device;
    for (const Tensor& gradient : dy)
      if (gradient.defined()) dtype = gradient.dtype(), device = gradient.device();
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (parts[i].defined()) continue;
      Shape sizes = input_sizes;
      sizes[dim] = lengths[std::int64_t(i)];
      parts[i] = zeros(sizes, dtype, device);
    }
    return cat(parts, dim);
  }
};

struct Flip {
  static constexpr auto name = "flip";
  Shape dims;

  Tensor forward(const Tensor& x) const {
    Tensor y = empty_for(x.sizes(), x.dtype(), {&x});
    if (x.numel() == 0) return y;
    Shape strides = y.strides();
    std::byte* start = y.device_data<std::byte>();
    for (const std::int64_t dim : dims) {
      start += (x.sizes()[dim] - 1) * strides[dim] * x.item_size();
      strides[dim] = -strides[dim];
    }
    kernel_for<cpu::copy>(name, x)(x.sizes(), {x.data(), x.dtype(), x.strides().data()},
                                   {start, x.dtype(), strides.data()});
    return y;
  }
  Tensor backward(const Saved&, const Tensor& dy) const { return flip(dy, dims); }
};

// Zeros on one side of a diagonal of the last two dimensions.
template <bool lower>
struct Triangle {
  static constexpr auto name = lower ? "tril" : "triu";
  std::int64_t diagonal;

  Tensor forward(const Tensor& x) const {
    const std::int64_t rows = x.size(-2), columns = x.size(-1), item = x.item_size();
    Tensor y = clone(x, "contiguous");
    if (y.numel() == 0) return y;
    if (!x.device().is_cpu()) return masked_fill(y, logical_not(mask(rows, columns, x)), 0);
    for (std::int64_t row = 0; row < y.numel() / columns; ++row) {
      const std::int64_t edge = std::clamp<std::int64_t>(row % rows + diagonal + (lower ? 1 : 0), 0, columns);
      std::byte* start = y.data<std::byte>() + row * columns * item;
      if (lower) std::fill(start + edge * item, start + columns * item, std::byte(0));
      else std::fill(start, start + edge * item, std::byte(0));
    }
    return y;
  }
  Tensor backward(const Saved&, const Tensor& dy) const { return record(Triangle{diagonal}, dy); }
  // True where elements stay.
  Tensor mask(std::int64_t rows, std::int64_t columns, const Tensor& x) const {
    const Tensor distance =
        sub(arange(0, columns, 1, int64, x.device()), unsqueeze(arange(0, rows, 1, int64, x.device()), 1));
    return lower ? le(distance, diagonal) : ge(distance, diagonal);
  }
};

// x inside of a larger field of one value; negative paddings crop.
struct ConstantPad {
  static constexpr auto name = "constant_pad";
  Shape before, after;
  double value;

  Tensor forward(const Tensor& x) const {
    Shape sizes = x.sizes();
    for (int i = 0; i < x.ndim(); ++i) sizes[i] += before[i] + after[i];
    Tensor y = full(sizes, value, x.dtype(), x.device());
    Tensor from = x, into = y;
    for (int i = 0; i < x.ndim(); ++i) {
      from =
          part(from, i, std::max<std::int64_t>(0, -before[i]),
               x.sizes()[i] - std::max<std::int64_t>(0, -before[i]) - std::max<std::int64_t>(0, -after[i]));
      into = part(into, i, std::max<std::int64_t>(0, before[i]), from.sizes()[i]);
    }
    copy_elements(from, into);
    return y;
  }
  Tensor backward(const Saved&, const Tensor& dy) const {
    Shape less_before = before, less_after = after;
    for (std::int64_t& entry : less_before) entry = -entry;
    for (std::int64_t& entry : less_after) entry = -entry;
    return record(ConstantPad{less_before, less_after, 0}, dy);
  }
};

Shape dims_of(const Tensor& x, const Shape& dims, const char* op) {
  check<ShapeError>(x.ndim() <= 64, op, ": more than 64 dimensions");
  Shape wrapped_dims;
  std::uint64_t seen = 0;
  for (const std::int64_t dim : dims) {
    const int place = wrap_dim(dim, x.ndim(), op);
    check<ValueError>(!(seen >> place & 1), op, ": dim ", dim, " appears multiple times in the list of dims ",
                      dims);
    seen |= std::uint64_t(1) << place;
    if (x.ndim()) wrapped_dims.push_back(place);
  }
  return wrapped_dims;
}

// A tensor takes some hundred bytes, however little it holds.
void check_piece_count(const char* op, std::int64_t count) {
  check<ValueError>(count <= std::int64_t(1) << 24, op, ": would make ", count,
                    " tensors, expected at most 16777216");
}

Tensors split_views(const Tensor& x, int dim, const Shape& lengths) {
  Tensors views = record(Split{dim, lengths, x.sizes()}, x);
  for (const Tensor& view : views) set_base(view, x);
  return views;
}

// Which index along a dimension of `size` an outside place i mirrors, repeats or wraps to.
std::int64_t source_index(std::int64_t i, std::int64_t size, std::string_view mode) {
  if (mode == "replicate") return std::clamp<std::int64_t>(i, 0, size - 1);
  if (mode == "circular") return ((i % size) + size) % size;
  return i < 0 ? -i : i >= size ? 2 * (size - 1) - i : i;
}

}  // namespace

Tensor cat(const Tensors& tensors, std::int64_t dim) {
  check<ValueError>(!tensors.empty(), "cat: expected a non-empty list of Tensors");
  Tensors used;
  for (const Tensor& tensor : tensors)
    if (!(tensor.ndim() == 1 && tensor.numel() == 0)) used.push_back(tensor);
  if (used.empty()) return clone(tensors[0]);
  const Tensor& first = used[0];
  check<ShapeError>(first.ndim() > 0, "cat: zero-dimensional tensors cannot be concatenated; use stack()");
  Cat op{wrap_dim(dim, first.ndim(), "cat"), {}, {}};
  for (std::size_t i = 0; i < used.size(); ++i) {
    const Tensor& tensor = used[i];
    bool fits = tensor.ndim() == first.ndim();
    for (int d = 0; fits && d < first.ndim(); ++d)
      fits = d == op.dim || tensor.sizes()[d] == first.sizes()[d];
    check<ShapeError>(fits, "cat: sizes of tensors must match except in dimension ", op.dim,
                      ": tensor 0 has shape ", first.sizes(), ", tensor ", i, " has shape ", tensor.sizes());
    if (tensor.device() != first.device()) on_different_devices("cat", first, tensor);
    op.lengths.push_back(tensor.sizes()[op.dim]);
    op.dtypes.push_back(tensor.dtype());
  }
  return record(std::move(op), used);
}

Tensor stack(const Tensors& tensors, std::int64_t dim) {
  check<ValueError>(!tensors.empty(), "stack: expected a non-empty list of Tensors");
  const int place = wrap_dim(dim, tensors[0].ndim() + 1, "stack");
  Tensors wider;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    check<ShapeError>(tensors[i].sizes() == tensors[0].sizes(),
                      "stack: each tensor must have the same shape, but tensor 0 has ", tensors[0].sizes(),
                      " and tensor ", i, " has ", tensors[i].sizes());
    wider.push_back(unsqueeze(tensors[i], place));
  }
  return cat(wider, place);
}

Tensors split(const Tensor& x, std::int64_t size, std::int64_t dim) {
  const int place = wrap_dim(dim, x.ndim(), "split");
  check<ShapeError>(x.ndim() > 0, "split: expects at least a 1-dimensional tensor");
  const std::int64_t total = x.sizes()[place];
  check<ValueError>(size > 0 || (size == 0 && total == 0), "split: split_size must be positive, got ", size);
  if (total > 0) check_piece_count("split", (total - 1) / size + 1);
  Shape lengths;
  for (std::int64_t left = total; left > 0; left -= lengths.back()) lengths.push_back(std::min(size, left));
  if (lengths.empty()) lengths.push_back(0);
  return split_views(x, place, lengths);
}

Tensors split(const Tensor& x, const Shape& sizes, std::int64_t dim) {
  const int place = wrap_dim(dim, x.ndim(), "split");
  std::int64_t total = 0;
  for (const std::int64_t size : sizes) {
    check<ValueError>(size >= 0, "split: sizes must not be negative, got ", sizes);
    check<ShapeError>(!__builtin_add_overflow(total, size, &total), "split: the sum of sizes ", sizes,
                      " is more than an int64 can count");
  }
  check<ShapeError>(x.ndim() > 0 && total == x.sizes()[place], "split: sizes ", sizes, " must sum to ",
                    x.ndim() ? x.sizes()[place] : 0, ", the size of dimension ", dim, " of shape ",
                    x.sizes());
  return split_views(x, place, sizes);
}

Tensors chunk(const Tensor& x, std::int64_t count, std::int64_t dim) {
  check<ValueError>(count > 0, "chunk: needs at least 1 chunk, got ", count);
  check<ShapeError>(x.ndim() > 0, "chunk: expects at least a 1-dimensional tensor");
  const std::int64_t size = x.size(dim);
  if (size == 0) {
    check_piece_count("chunk", count);
    return split(x, Shape::filled(int(count), 0), dim);
  }
  return split(x, (size - 1) / count + 1, dim);
}

Tensors unbind(const Tensor& x, std::int64_t dim) {
  check<IndexError>(x.ndim() > 0, "unbind: expects at least a 1-dimensional tensor");
  const int place = wrap_dim(dim, x.ndim(), "unbind");
  check_piece_count("unbind", x.sizes()[place]);
  if (x.sizes()[place] == 0) return {};
  Tensors slices = split_views(x, place, Shape::filled(int(x.sizes()[place]), 1));
  for (Tensor& slice : slices) slice = squeeze(slice, Shape{place});
  return slices;
}

Tensor flip(const Tensor& x, const Shape& dims) { return record(Flip{dims_of(x, dims, "flip")}, x); }

Tensor roll(const Tensor& x, const Shape& shifts, const Shape& dims) {
  check<ValueError>(!shifts.empty(), "roll: needs shifts");
  if (dims.empty()) {
    check<ValueError>(shifts.size() == 1, "roll: ", shifts.size(), " shifts but no dims");
    return reshape(roll(reshape(x, {-1}), shifts, {0}), x.sizes());
  }
  check<ValueError>(shifts.size() == dims.size(), "roll: shifts ", shifts, " and dims ", dims,
                    " differ in length");
  check<IndexError>(x.ndim() > 0, "roll: dims ", dims, " of a tensor without dimensions");
  Tensor y = x;
  for (int i = 0; i < dims.size(); ++i) {
    const std::int64_t size = x.size(dims[i]);
    if (size == 0) return clone(x);
    const std::int64_t shift = ((shifts[i] % size) + size) % size;
    if (shift)
      y = cat({narrow(y, dims[i], size - shift, shift), narrow(y, dims[i], 0, size - shift)}, dims[i]);
  }
  return y.is(x) ? clone(x) : y;
}

Tensor tril(const Tensor& x, std::int64_t diagonal) {
  check<ShapeError>(x.ndim() >= 2, "tril: needs at least 2 dimensions, got shape ", x.sizes());
  return record(Triangle<true>{std::clamp(diagonal, -x.size(-2), x.size(-1))}, x);
}

Tensor triu(const Tensor& x, std::int64_t diagonal) {
  check<ShapeError>(x.ndim() >= 2, "triu: needs at least 2 dimensions, got shape ", x.sizes());
  return record(Triangle<false>{std::clamp(diagonal, -x.size(-2), x.size(-1))}, x);
}

namespace {

// What negative padding takes away goes before the rest is repeated.
Tensor cropped(const Tensor& x, int dim, std::int64_t& before, std::int64_t& after) {
  const std::int64_t first = std::max<std::int64_t>(0, -before), last = std::max<std::int64_t>(0, -after);
  before = std::max<std::int64_t>(0, before);
  after = std::max<std::int64_t>(0, after);
  return first || last ? narrow(x, dim, first, x.sizes()[dim] - first - last) : x;
}

}  // namespace

Tensor pad(const Tensor& x, const Shape& pairs, std::string_view mode, double value) {
  check<ValueError>(pairs.size() % 2 == 0 && pairs.size() / 2 <= x.ndim(), "pad: ", pairs,
                    " is not (before, after) pairs for at most ", x.ndim(), " dimensions");
  Shape before = Shape::filled(x.ndim(), 0), after = before;
  for (int i = 0; i < pairs.size() / 2; ++i) {
    const int dim = x.ndim() - 1 - i;
    before[dim] = pairs[2 * i];
    after[dim] = pairs[2 * i + 1];
    std::int64_t padded = 0;
    check<ShapeError>(!__builtin_add_overflow(x.sizes()[dim], before[dim], &padded) &&
                          !__builtin_add_overflow(padded, after[dim], &padded) && padded >= 0,
                      "pad: ", pairs, " crops more than there is in shape ", x.sizes(), ", or is too large");
  }
  if (mode == "constant") return record(ConstantPad{before, after, value}, x);
  check<ValueError>(mode == "reflect" || mode == "replicate" || mode == "circular",
                    "pad: mode must be constant, reflect, replicate or circular, got '", mode, "'");
  Tensor y = x;
  for (int dim = 0; dim < x.ndim(); ++dim) {
    if (mode == "circular") y = cropped(y, dim, before[dim], after[dim]);
    if (before[dim] == 0 && after[dim] == 0) continue;
    const std::int64_t size = y.sizes()[dim], most = mode == "reflect"    ? size - 1
                                                     : mode == "circular" ? size
                                                                          : INT64_MAX;
    check<ShapeError>(size > 0 && before[dim] <= most && after[dim] <= most, "pad: padding (", before[dim],
                      ", ", after[dim], ") is too large for mode ", mode, " in dimension ", dim, " of shape ",
                      x.sizes());
    Tensor places = empty({size + before[dim] + after[dim]}, int64);
    for (std::int64_t i = 0; i < places.numel(); ++i)
      places.data<std::int64_t>()[i] = source_index(i - before[dim], size, mode);
    y = index_select(y, dim, to(places, x.device()));
  }
  return y.is(x) ? clone(x) : y;
}

Tensor movedim(const Tensor& x, const Shape& source, const Shape& destination) {
  check<ValueError>(source.size() == destination.size(), "movedim: source ", source, " and destination ",
                    destination, " differ in length");
  const Shape from = dims_of(x, source, "movedim"), into = dims_of(x, destination, "movedim");
  Shape order = Shape::filled(x.ndim(), -1);
  std::uint64_t moved = 0;
  for (int i = 0; i < from.size(); ++i) {
    order[into[i]] = from[i];
    moved |= std::uint64_t(1) << from[i];
  }
  int next = 0;
  for (std::int64_t& dim : order) {
    if (dim >= 0) continue;
    while (moved >> next & 1) ++next;
    dim = next++;
  }
  return permute(x, order);
}

Tensor flatten(const Tensor& x, std::int64_t start, std::int64_t end) {
  const int first = wrap_dim(start, x.ndim(), "flatten"), last = wrap_dim(end, x.ndim(), "flatten");
  check<ValueError>(first <= last, "flatten: start_dim ", start, " comes after end_dim ", end);
  if (x.ndim() == 0) return reshape(x, {1});
  if (first == last) return x;
  Shape sizes;
  for (int i = 0; i < x.ndim(); ++i) {
    if (i <= first || i > last) sizes.push_back(x.sizes()[i]);
    else sizes[first] *= x.sizes()[i];
  }
  return reshape(x, sizes);
}

Tensor unflatten(const Tensor& x, std::int64_t dim, const Shape& sizes) {
  const int place = wrap_dim(dim, x.ndim(), "unflatten");
  check<ValueError>(!sizes.empty(), "unflatten: sizes must not be empty");
  const Shape inner = inferred_sizes(sizes, x.sizes()[place], "unflatten");
  Shape full;
  for (int i = 0; i < x.ndim(); ++i) {
    if (i != place) full.push_back(x.sizes()[i]);
    else
      for (const std::int64_t size : inner) full.push_back(size);
  }
  return view(x, full);
}

Tensors broadcast_tensors(const Tensors& tensors) {
  Shape sizes;
  for (const Tensor& tensor : tensors) sizes = broadcast_shapes(sizes, tensor.sizes(), "broadcast_tensors");
  Tensors results;
  for (const Tensor& tensor : tensors) results.push_back(expand(tensor, sizes));
  return results;
}

Tensor diag_embed(const Tensor& x, std::int64_t offset, std::int64_t dim1, std::int64_t dim2) {
  const int ndim = x.ndim() + 1;
  const int first = wrap_dim(dim1, ndim, "diag_embed"), second = wrap_dim(dim2, ndim, "diag_embed");
  check<ValueError>(first != second, "diag_embed: dimensions cannot be identical: ", dim1, ", ", dim2);
  check<ShapeError>(x.ndim() > 0, "diag_embed: needs at least 1 dimension");
  std::int64_t length = 0;
  check<ShapeError>(offset != std::numeric_limits<std::int64_t>::min() &&
                        !__builtin_add_overflow(x.sizes().back(), std::abs(offset), &length),
                    "diag_embed: an offset of ", offset, " is too large");
  Shape sizes(x.sizes().data(), x.ndim() - 1);
  sizes.insert(std::min(first, second), length);
  sizes.insert(std::max(first, second), length);
  Tensor y = zeros(sizes, x.dtype(), x.device());
  copy_(diagonal(y, offset, first, second), x);
  return y;
}

Tensor diag(const Tensor& x, std::int64_t offset) {
  check<ShapeError>(x.ndim() == 1 || x.ndim() == 2, "diag: needs a vector or a matrix, got shape ",
                    x.sizes());
  return x.ndim() == 1 ? diag_embed(x, offset, 0, 1) : clone(diagonal(x, offset, 0, 1));
}

Tensors meshgrid(const Tensors& tensors, std::string_view indexing) {
  check<ValueError>(indexing == "ij" || indexing == "xy", "meshgrid: indexing must be 'ij' or 'xy', got '",
                    indexing, "'");
  const int count = int(tensors.size());
  const bool swap = indexing == "xy" && count >= 2;
  Shape sizes;
  for (const Tensor& tensor : tensors) {
    check<ShapeError>(tensor.ndim() <= 1, "meshgrid: expects 0-d or 1-d tensors, got shape ", tensor.sizes());
    sizes.push_back(tensor.numel());
  }
  if (swap) std::swap(sizes[0], sizes[1]);
  Tensors grids;
  for (int i = 0; i < count; ++i) {
    Shape along = Shape::filled(count, 1);
    const int place = swap && i < 2 ? 1 - i : i;
    along[place] = tensors[std::size_t(i)].numel();
    grids.push_back(expand(reshape(tensors[std::size_t(i)], along), sizes));
  }
  return grids;
}

namespace {

Tensors tensor_split(const Tensor& x, const Shape& sections, std::int64_t dim) {
  const std::int64_t size = x.size(dim);
  Tensors parts;
  std::int64_t start = 0;
  for (int i = 0; i <= sections.size(); ++i) {
    const std::int64_t end = i == sections.size() ? size : sections[i];
    parts.push_back(slice(x, dim, start, std::max(start, end)));
    start = end;
  }
  return parts;
}
Tensors tensor_split_equally(const Tensor& x, std::int64_t count, std::int64_t dim) {
  check<ValueError>(count > 0, "tensor_split: number of sections must be larger than 0, got ", count);
  check_piece_count("tensor_split", count);
  const std::int64_t size = x.size(dim);
  Shape ends;
  for (std::int64_t i = 0, end = 0; i + 1 < count; ++i)
    ends.push_back(end += size / count + (i < size % count));
  return tensor_split(x, ends, dim);
}
Tensors at_least(const Tensors& tensors, int ndim) {
  Tensors wider;
  for (Tensor tensor : tensors) {
    while (tensor.ndim() < ndim) tensor = unsqueeze(tensor, tensor.ndim() == 2 ? 2 : 0);
    wider.push_back(tensor);
  }
  return wider;
}
Tensor hstack(const Tensors& tensors) {
  const Tensors wider = at_least(tensors, 1);
  return cat(wider, !wider.empty() && wider[0].ndim() == 1 ? 0 : 1);
}
Tensor vstack(const Tensors& tensors) { return cat(at_least(tensors, 2), 0); }
Tensor dstack(const Tensors& tensors) { return cat(at_least(tensors, 3), 2); }
Tensor atleast(const Tensor& x, int ndim) { return at_least({x}, ndim)[0]; }
Tensor atleast_1d(const Tensor& x) { return atleast(x, 1); }
Tensor atleast_2d(const Tensor& x) { return atleast(x, 2); }
Tensor atleast_3d(const Tensor& x) { return x.ndim() == 1 ? unsqueeze(unsqueeze(x, 0), 2) : atleast(x, 3); }
template <Tensor (*widen)(const Tensor&)>
Tensors each_at_least(Tensors tensors) {
  for (Tensor& tensor : tensors) tensor = widen(tensor);
  return tensors;
}
Tensors tensor_split_at(const Tensor& x, const Tensor& places, std::int64_t dim) {
  check<DTypeError>(places.dtype() == int64, "tensor_split: tensor_indices_or_sections must be int64, got ",
                    places.dtype());
  check<ShapeError>(places.ndim() <= 1,
                    "tensor_split: tensor_indices_or_sections must have 0 or 1 dimensions, got shape ",
                    places.sizes());
  if (places.ndim() == 0) return tensor_split_equally(x, places.item<std::int64_t>(), dim);
  const Tensor dense = contiguous(to(places, Device()));
  return tensor_split(x, Shape(dense.data<std::int64_t>(), int(dense.numel())), dim);
}
Tensor fliplr(const Tensor& x) { return flip(x, {1}); }
Tensor flipud(const Tensor& x) {
  check<ShapeError>(x.ndim() >= 1, "flipud: needs at least 1 dimension, got shape ()");
  return flip(x, {0});
}
Tensor ravel(const Tensor& x) { return reshape(x, {-1}); }
Tensor pad_optional(const Tensor& x, const Shape& pairs, std::string_view mode, std::optional<double> value) {
  return pad(x, pairs, mode, value.value_or(0));
}
Tensor rot90(const Tensor& x, std::int64_t k, const Shape& dims) {
  check<ValueError>(dims.size() == 2, "rot90: expected 2 dims, got ", dims);
  check<ValueError>(
      x.ndim() >= 2 && wrap_dim(dims[0], x.ndim(), "rot90") != wrap_dim(dims[1], x.ndim(), "rot90"),
      "rot90: expected two different dims of shape ", x.sizes(), ", got ", dims);
  switch (((k % 4) + 4) % 4) {
    case 1: return flip(transpose(x, dims[0], dims[1]), {dims[0]});
    case 2: return flip(x, dims);
    case 3: return flip(transpose(x, dims[0], dims[1]), {dims[1]});
    default: return clone(x);
  }
}

const Register cat_op{{.signature = "cat(Tensor[] tensors, int dim=0) -> Tensor",
                       .doc = "Tensors one after another along dim.",
                       .call = box<cat>,
                       .homes = "taper",
                       .samples = "[x(2, 3), x(1, 3)]; [x(2, 3), x(2, 2)], 1; [x(2), x(0)], -1; (x(2, 2),)",
                       .reference = "np.concatenate(tensors, axis=dim)",
                       .errors = "[x(2, 3), x(2, 2)]; []; [x(), x()]"}};
const Register concat_op{
    {.signature = "concat(Tensor[] tensors, int dim=0) -> Tensor",
     .doc = "Tensors one after another along dim.",
     .call = box<cat>,
     .homes = "taper",
     .samples = "[x(2, 3), x(1, 3)]; [x(2, 3), x(2, 2)], 1; [x(2), x(0)], -1; (x(2, 2),)",
     .reference = "np.concatenate(tensors, axis=dim)",
     .errors = "[x(2, 3), x(2, 2)]; []; [x(), x()]"}};
const Register concatenate_op{
    {.signature = "concatenate(Tensor[] tensors, int dim=0) -> Tensor",
     .doc = "Tensors one after another along dim.",
     .call = box<cat>,
     .homes = "taper",
     .samples = "[x(2, 3), x(1, 3)]; [x(2, 3), x(2, 2)], 1; [x(2), x(0)], -1; (x(2, 2),)",
     .reference = "np.concatenate(tensors, axis=dim)",
     .errors = "[x(2, 3), x(2, 2)]; []; [x(), x()]"}};
const Register stack_op{{.signature = "stack(Tensor[] tensors, int dim=0) -> Tensor",
                         .doc = "Tensors of one shape along a new dimension.",
                         .call = box<stack>,
                         .homes = "taper",
                         .samples = "[x(2, 3), x(2, 3)]; [x(2), x(2)], -1; [x(), x()]",
                         .reference = "np.stack(tensors, axis=dim)",
                         .errors = "[x(2), x(3)]; []"}};
const Register hstack_op{{.signature = "hstack(Tensor[] tensors) -> Tensor",
                          .doc = "Tensors side by side.",
                          .call = box<hstack>,
                          .homes = "taper",
                          .samples = "[x(2, 3), x(2, 2)]; [x(2), x(3)]",
                          .reference = "np.hstack(tensors)"}};
const Register vstack_op{{.signature = "vstack(Tensor[] tensors) -> Tensor",
                          .doc = "Tensors on top of each other.",
                          .call = box<vstack>,
                          .homes = "taper",
                          .samples = "[x(2, 3), x(1, 3)]; [x(3), x(3)]",
                          .reference = "np.vstack(tensors)"}};
const Register dstack_op{{.signature = "dstack(Tensor[] tensors) -> Tensor",
                          .doc = "Tensors along the third dimension.",
                          .call = box<dstack>,
                          .homes = "taper",
                          .samples = "[x(2, 3), x(2, 3)]",
                          .reference = "np.dstack(tensors)"}};
const Register split_op[]{
    {{.signature = "split(Tensor input, int split_size_or_sections, int dim=0) -> Tensor[]",
      .doc = "Views of that many elements each along dim.",
      .call = box<overload<Tensors(const Tensor&, std::int64_t, std::int64_t)>(split)>,
      .samples = "x(5, 2), 2; x(2, 6), 3, 1",
      .reference = "ref.split(input, split_size_or_sections, dim)",
      .errors = "x(3), 0"}},
    {{.signature = "split(Tensor input, int[] split_size_or_sections, int dim=0) -> Tensor[]",
      .doc = "Views of the given sizes along dim.",
      .call = box<overload<Tensors(const Tensor&, const Shape&, std::int64_t)>(split)>,
      .samples = "x(5, 2), [1, 4]; x(2, 3), [3], 1",
      .reference = "ref.split(input, split_size_or_sections, dim)",
      .errors = "x(3), [1, 1]"}}};
const Register chunk_op{{.signature = "chunk(Tensor input, int chunks, int dim=0) -> Tensor[]",
                         .doc = "At most that many views of equal size along dim.",
                         .call = box<chunk>,
                         .samples = "x(5, 2), 2; x(2, 6), 3, -1; x(3), 5",
                         .reference = "ref.chunk(input, chunks, dim)",
                         .errors = "x(3), 0"}};
const Register tensor_split_op[]{
    {{.signature = "tensor_split(Tensor input, Tensor tensor_indices_or_sections, int dim=0) -> Tensor[]",
      .doc = "Views between the given places, or of equal parts.",
      .call = box<tensor_split_at>,
      .samples = "x(7, 2), taper.tensor([2, 5]); x(7, 2), taper.tensor(3)",
      .reference = "np.array_split(input, tensor_indices_or_sections if tensor_indices_or_sections.ndim else "
                   "int(tensor_indices_or_sections), dim)",
      .errors = "x(3), x(2)"}},
    {{.signature = "tensor_split(Tensor input, int indices_or_sections, int dim=0) -> Tensor[]",
      .doc = "That many views of nearly equal size.",
      .call = box<tensor_split_equally>,
      .samples = "x(5, 2), 2; x(2, 7), 3, 1",
      .reference = "np.array_split(input, indices_or_sections, axis=dim)"}},
    {{.signature = "tensor_split(Tensor input, int[] indices_or_sections, int dim=0) -> Tensor[]",
      .doc = "Views between the given places.",
      .call = box<tensor_split>,
      .samples = "x(5, 2), [1, 3]",
      .reference = "np.array_split(input, indices_or_sections, axis=dim)"}}};
const Register unbind_op{{.signature = "unbind(Tensor input, int dim=0) -> Tensor[]",
                          .doc = "Views of all slices along dim, without it.",
                          .call = box<unbind>,
                          .samples = "x(2, 3); x(2, 3), 1",
                          .reference = "[np.take(input, k, axis=dim) for k in range(input.shape[dim])]",
                          .errors = "x()"}};
const Register flip_op{
    {.signature = "flip(Tensor input, int... dims) -> Tensor",
     .doc = "Elements in reverse order along dims.",
     .call = box<flip>,
     .samples = "x(2, 3), 0; x(2, 3), (0, 1); x(2, 3, 4).permute(2, 0, 1), (1,); x(0, 3), 0",
     .reference = "np.flip(input, dims)",
     .errors = "x(2, 3), 2; x(2, 3), (0, 0)"}};
const Register fliplr_op{{.signature = "fliplr(Tensor input) -> Tensor",
                          .doc = "Columns in reverse order.",
                          .call = box<fliplr>,
                          .samples = "x(2, 3)",
                          .reference = "np.fliplr(input)"}};
const Register flipud_op{{.signature = "flipud(Tensor input) -> Tensor",
                          .doc = "Rows in reverse order.",
                          .call = box<flipud>,
                          .samples = "x(2, 3)",
                          .reference = "np.flipud(input)"}};
const Register rot90_op{{.signature = "rot90(Tensor input, int k=1, int[] dims=[0, 1]) -> Tensor",
                         .doc = "Turned by k quarters in the plane of dims.",
                         .call = box<rot90>,
                         .samples = "x(2, 3); x(2, 3), 2; x(2, 3), -1",
                         .reference = "np.rot90(input, k, dims)"}};
const Register roll_op{{.signature = "roll(Tensor input, int[] shifts, int[] dims=[]) -> Tensor",
                        .doc = "Elements moved by shifts along dims, round the end.",
                        .call = box<roll>,
                        .samples = "x(2, 3), 1; x(2, 3), 1, 1; x(2, 3), (1, -2), (0, 1)",
                        .reference = "np.roll(input, shifts, dims or None)",
                        .errors = "x(2, 3), (1, 2), (0,)"}};
const Register tril_op{{.signature = "tril(Tensor input, int diagonal=0) -> Tensor",
                        .doc = "The lower triangle of matrices, zeros elsewhere.",
                        .call = box<tril>,
                        .samples = "x(3, 3); x(2, 4), 1; x(2, 3, 3), -1; x(3, 2).T",
                        .reference = "np.tril(input, diagonal)",
                        .errors = "x(3)",
                        .inplace = true}};
const Register triu_op{{.signature = "triu(Tensor input, int diagonal=0) -> Tensor",
                        .doc = "The upper triangle of matrices, zeros elsewhere.",
                        .call = box<triu>,
                        .samples = "x(3, 3); x(2, 4), 1; x(2, 3, 3), -1",
                        .reference = "np.triu(input, diagonal)",
                        .errors = "x(3)",
                        .inplace = true}};
const Register pad_op{
    {.signature = "pad(Tensor input, int[] pad, str mode='constant', float? value=None) -> Tensor",
     .doc = "Elements added before and after; (before, after) pairs from the last dimension on. mode: "
            "constant, reflect, replicate, circular.",
     .call = box<pad_optional>,
     .homes = "nn.functional",
     .samples = "x(2, 3), (1, 2); x(2, 3), (1, -1, 0, 2), 'constant', 0.5; x(1, 2, 4), (2, 1), 'reflect'; "
                "x(1, 2, 3, 3), (1, 1, 2, 0), 'replicate'; x(1, 2, 3), (2, 1), 'circular'; x(1, 1, 4), (2, "
                "-1), 'circular'",
     .reference = "ref.pad(input, pad, mode, value)",
     .errors = "x(2, 3), (1,); x(1, 2, 3), (3, 0), 'reflect'; x(2, 3), (1, 1), 'mirror'"}};
const Register movedim_op{{.signature = "movedim(Tensor input, int[] source, int[] destination) -> Tensor",
                           .doc = "Dimensions moved to other places.",
                           .call = box<movedim>,
                           .samples = "x(2, 3, 4), 0, 2; x(2, 3, 4), (0, 1), (1, 2)",
                           .reference = "np.moveaxis(input, source, destination)",
                           .errors = "x(2, 3), (0, 1), (0,)"}};
const Register moveaxis_op{{.signature = "moveaxis(Tensor input, int[] source, int[] destination) -> Tensor",
                            .doc = "As movedim.",
                            .call = box<movedim>,
                            .samples = "x(2, 3, 4), 0, 2",
                            .reference = "np.moveaxis(input, source, destination)"}};
const Register flatten_op{{.signature = "flatten(Tensor input, int start_dim=0, int end_dim=-1) -> Tensor",
                           .doc = "Dimensions start_dim to end_dim as one.",
                           .call = box<flatten>,
                           .samples = "x(2, 3, 4); x(2, 3, 4), 1; x(2, 3, 4), 0, 1; x()",
                           .reference = "ref.flatten(input, start_dim, end_dim)",
                           .errors = "x(2, 3), 1, 0"}};
const Register unflatten_op{{.signature = "unflatten(Tensor input, int dim, int[] sizes) -> Tensor",
                             .doc = "Dimension dim as several.",
                             .call = box<unflatten>,
                             .samples = "x(2, 6), 1, (2, 3); x(6), 0, (-1, 2)",
                             .reference = "ref.unflatten(input, dim, sizes)",
                             .errors = "x(2, 6), 1, (4, 2)"}};
const Register ravel_op{{.signature = "ravel(Tensor input) -> Tensor",
                         .doc = "All elements as one dimension.",
                         .call = box<ravel>,
                         .samples = "x(2, 3); x(2, 3).T",
                         .reference = "input.ravel()"}};
const Register diag_op{{.signature = "diag(Tensor input, int diagonal=0) -> Tensor",
                        .doc = "A matrix with input on a diagonal, or the diagonal of a matrix.",
                        .call = box<diag>,
                        .samples = "x(3); x(2), -1; x(3, 3), 1",
                        .reference = "np.diag(input, diagonal)",
                        .errors = "x(2, 2, 2)"}};
const Register diag_embed_op{
    {.signature = "diag_embed(Tensor input, int offset=0, int dim1=-2, int dim2=-1) -> Tensor",
     .doc = "The last dimension as diagonals of matrices.",
     .call = box<diag_embed>,
     .samples = "x(2, 3); x(2, 3), 1",
     .reference = "ref.diag_embed(input, offset)"}};
const Register atleast_1d_op[]{{{.signature = "atleast_1d(Tensor input) -> Tensor",
                                 .doc = "With at least 1 dimensions.",
                                 .call = box<atleast_1d>,
                                 .homes = "taper",
                                 .samples = "x(); x(2); x(2, 3)",
                                 .reference = "np.atleast_1d(input)"}},
                               {{.signature = "atleast_1d(Tensor[] tensors) -> Tensor[]",
                                 .doc = "Each with at least 1 dimensions.",
                                 .call = box<each_at_least<atleast_1d>>,
                                 .homes = "taper",
                                 .samples = "(x(2), x(), x(2, 3))",
                                 .reference = "list(np.atleast_1d(*tensors))"}}};
const Register atleast_2d_op[]{{{.signature = "atleast_2d(Tensor input) -> Tensor",
                                 .doc = "With at least 2 dimensions.",
                                 .call = box<atleast_2d>,
                                 .homes = "taper",
                                 .samples = "x(); x(2); x(2, 3)",
                                 .reference = "np.atleast_2d(input)"}},
                               {{.signature = "atleast_2d(Tensor[] tensors) -> Tensor[]",
                                 .doc = "Each with at least 2 dimensions.",
                                 .call = box<each_at_least<atleast_2d>>,
                                 .homes = "taper",
                                 .samples = "(x(2), x(), x(2, 3))",
                                 .reference = "list(np.atleast_2d(*tensors))"}}};
const Register atleast_3d_op[]{{{.signature = "atleast_3d(Tensor input) -> Tensor",
                                 .doc = "With at least 3 dimensions.",
                                 .call = box<atleast_3d>,
                                 .homes = "taper",
                                 .samples = "x(); x(2); x(2, 3)",
                                 .reference = "np.atleast_3d(input)"}},
                               {{.signature = "atleast_3d(Tensor[] tensors) -> Tensor[]",
                                 .doc = "Each with at least 3 dimensions.",
                                 .call = box<each_at_least<atleast_3d>>,
                                 .homes = "taper",
                                 .samples = "(x(2), x(), x(2, 3))",
                                 .reference = "list(np.atleast_3d(*tensors))"}}};

const Register meshgrid_op{{.signature = "meshgrid(Tensor[] tensors, str indexing='ij') -> Tensor[]",
                            .doc = "Coordinate grids of 1-d tensors.",
                            .call = box<meshgrid>,
                            .homes = "taper"}};

}  // namespace

}  // namespace taper
