// Tensors put together from pieces, cut into pieces, and with pieces replaced.
#include "taper/ops/pieces.h"

#include <algorithm>
#include <cstdint>

#include "ops/elementwise.h"
#include "ops/registry.h"
#include "taper/ops.h"

namespace taper {

Tensor block_diag(const Tensors& tensors) {
  if (tensors.empty()) return empty({1, 0}, default_dtype());
  std::int64_t rows = 0, columns = 0;
  Tensors blocks;
  DType dtype = tensors[0].dtype();
  for (const Tensor& tensor : tensors) {
    check<ShapeError>(tensor.ndim() <= 2, "block_diag: tensors must have at most 2 dimensions, got shape ",
                      tensor.sizes());
    blocks.push_back(tensor.ndim() == 2 ? tensor : reshape(tensor, {1, tensor.numel()}));
    rows += blocks.back().sizes()[0];
    columns += blocks.back().sizes()[1];
    dtype = promote_types(dtype, tensor.dtype());
  }
  Tensors padded;
  std::int64_t before = 0;
  for (const Tensor& block : blocks) {
    const std::int64_t width = block.sizes()[1];
    padded.push_back(pad(to(block, dtype), {before, columns - before - width}));
    before += width;
  }
  return cat(padded, 0);
}

Tensor cartesian_prod(const Tensors& tensors) {
  check<ValueError>(!tensors.empty(), "cartesian_prod: needs at least one tensor");
  for (const Tensor& tensor : tensors) {
    check<ShapeError>(tensor.ndim() == 1, "cartesian_prod: needs vectors, got shape ", tensor.sizes());
    check<DTypeError>(tensor.dtype() == tensors[0].dtype(),
                      "cartesian_prod: dtypes differ: ", tensors[0].dtype(), " and ", tensor.dtype());
  }
  if (tensors.size() == 1) return tensors[0];
  Tensors columns = meshgrid(tensors, "ij");
  for (Tensor& column : columns) column = reshape(column, {-1});
  return stack(columns, 1);
}

namespace {

// Ways to choose r of n.
std::int64_t combination_count(std::int64_t n, std::int64_t r, bool with_replacement) {
  if (n == 0 || (r > n && !with_replacement)) return 0;
  __int128 ways = with_replacement ? __int128(n) + r - 1 : n, count = 1;
  const __int128 shorter = std::min<__int128>(r, ways - r);
  for (__int128 i = 1; i <= shorter; ++i, --ways) {
    count = count * ways / i;
    check<ValueError>(count <= INT64_MAX / r, "combinations: ", n, " elements, ", r,
                      " at a time, are more than an int64 can count");
  }
  return std::int64_t(count);
}

}  // namespace

Tensor combinations(const Tensor& x, std::int64_t r, bool with_replacement) {
  check<ShapeError>(x.ndim() == 1, "combinations: needs a vector, got shape ", x.sizes());
  check<ValueError>(r >= 0, "combinations: r must not be negative, got ", r);
  if (r == 0) return empty({0}, x.dtype(), x.device());
  const std::int64_t n = x.numel(), count = combination_count(n, r, with_replacement);
  const Tensor places = empty({count, r}, int64);
  std::int64_t* row = places.data<std::int64_t>();
  for (std::int64_t i = 0; i < r && count > 0; ++i) row[i] = with_replacement ? 0 : i;
  const auto last = [&](std::int64_t i) { return with_replacement ? n - 1 : n - r + i; };
  for (std::int64_t left = count - 1; left > 0; --left, row += r) {
    std::int64_t* next = row + r;
    std::copy_n(row, r, next);
    std::int64_t i = r - 1;
    while (next[i] == last(i)) --i;
    ++next[i];
    for (std::int64_t k = i + 1; k < r; ++k) next[k] = next[k - 1] + (with_replacement ? 0 : 1);
  }
  return reshape(index_select(x, 0, to(reshape(places, {-1}), x.device())), {count, r});
}

Tensor column_stack(const Tensors& tensors) {
  check<ValueError>(!tensors.empty(), "column_stack: needs at least one tensor");
  Tensors columns;
  for (const Tensor& tensor : tensors)
    columns.push_back(tensor.ndim() <= 1 ? reshape(tensor, {tensor.numel(), 1}) : tensor);
  return cat(columns, 1);
}

Tensor diagflat(const Tensor& x, std::int64_t offset) { return diag(reshape(x, {-1}), offset); }

namespace {

// A copy of x with what look(copy) shows replaced.
template <class Look>
Tensor replaced(const Tensor& x, const Tensor& source, const char* op, Look&& look) {
  const Tensor copy = clone(x);
  const Tensor region = look(copy);
  check<ShapeError>(region.sizes() == source.sizes(), op, ": expected src of shape ", region.sizes(),
                    ", got ", source.sizes());
  copy_(region, source);
  return copy;
}

}  // namespace

Tensor select_scatter(const Tensor& x, const Tensor& source, std::int64_t dim, std::int64_t index) {
  return replaced(x, source, "select_scatter", [&](const Tensor& y) { return select(y, dim, index); });
}
Tensor slice_scatter(const Tensor& x, const Tensor& source, std::int64_t dim,
                     std::optional<std::int64_t> start, std::optional<std::int64_t> end, std::int64_t step) {
  return replaced(x, source, "slice_scatter",
                  [&](const Tensor& y) { return slice(y, dim, start, end, step); });
}
Tensor diagonal_scatter(const Tensor& x, const Tensor& source, std::int64_t offset, std::int64_t dim1,
                        std::int64_t dim2) {
  return replaced(x, source, "diagonal_scatter",
                  [&](const Tensor& y) { return diagonal(y, offset, dim1, dim2); });
}
Tensor as_strided_scatter(const Tensor& x, const Tensor& source, const Shape& sizes, const Shape& strides,
                          std::optional<std::int64_t> offset) {
  return replaced(x, source, "as_strided_scatter",
                  [&](const Tensor& y) { return as_strided(y, sizes, strides, offset); });
}

Tensor fill(const Tensor& x, const Tensor& value) {
  check<ShapeError>(value.ndim() == 0, "fill: value must be a number or 0-d, got shape ", value.sizes());
  return masked_fill(x, full({}, true, boolean, x.device()), to(value, x.dtype()));
}

namespace {

Tensors parts(const Tensor& x, std::int64_t sections, int dim, const char* op) {
  const std::int64_t size = x.sizes()[dim];
  check<ValueError>(sections > 0 && size % sections == 0, op, ": dimension ", dim, " of size ", size,
                    " cannot be split into ", sections, " equal parts");
  return size ? split(x, size / sections, dim) : Tensors(std::size_t(sections), x);
}
Tensors parts(const Tensor& x, const Shape& places, int dim, const char*) {
  Tensors cut;
  std::optional<std::int64_t> start;
  for (const std::int64_t place : places) {
    cut.push_back(slice(x, dim, start, place));
    start = place;
  }
  cut.push_back(slice(x, dim, start));
  return cut;
}
int split_dim(const Tensor& x, int needed, int dim, const char* op) {
  check<ShapeError>(x.ndim() >= needed, op, ": needs a tensor with at least ", needed,
                    " dimensions, got shape ", x.sizes());
  return dim;
}

}  // namespace

Tensors hsplit(const Tensor& x, std::int64_t sections) {
  return parts(x, sections, split_dim(x, 1, x.ndim() == 1 ? 0 : 1, "hsplit"), "hsplit");
}
Tensors hsplit(const Tensor& x, const Shape& places) {
  return parts(x, places, split_dim(x, 1, x.ndim() == 1 ? 0 : 1, "hsplit"), "hsplit");
}
Tensors vsplit(const Tensor& x, std::int64_t sections) {
  return parts(x, sections, split_dim(x, 2, 0, "vsplit"), "vsplit");
}
Tensors vsplit(const Tensor& x, const Shape& places) {
  return parts(x, places, split_dim(x, 2, 0, "vsplit"), "vsplit");
}
Tensors dsplit(const Tensor& x, std::int64_t sections) {
  return parts(x, sections, split_dim(x, 3, 2, "dsplit"), "dsplit");
}
Tensors dsplit(const Tensor& x, const Shape& places) {
  return parts(x, places, split_dim(x, 3, 2, "dsplit"), "dsplit");
}

namespace {

using BySections = Tensors(const Tensor&, std::int64_t);
using ByPlaces = Tensors(const Tensor&, const Shape&);
using SplitBySize = Tensors(const Tensor&, std::int64_t, std::int64_t);
using SplitBySizes = Tensors(const Tensor&, const Shape&, std::int64_t);

Tensor constant_pad(const Tensor& x, const Shape& pairs, const Scalar& value) {
  return pad(x, pairs, "constant", value.to<double>());
}

const Register block_diag_op{{.signature = "block_diag(Tensor[] tensors) -> Tensor",
                              .doc = "Matrices along the diagonal of a larger one.",
                              .call = box<block_diag>,
                              .homes = "taper",
                              .samples = "[x(2, 3), x(1, 2)]; [x(3), x(), x(2, 2)]; [x(2, 0), x(1, 2)]",
                              .reference = "ref.block_diag(tensors)",
                              .errors = "[x(2, 2, 2)]"}};
const Register cartesian_prod_op{{.signature = "cartesian_prod(Tensor[] tensors) -> Tensor",
                                  .doc = "All tuples with one element of each vector.",
                                  .call = box<cartesian_prod>,
                                  .homes = "taper",
                                  .samples = "[x(2), x(3)]; [x(3)]; [x(2), x(1), x(2)]",
                                  .reference = "ref.cartesian_prod(tensors)",
                                  .errors = "[x(2, 2)]; [x(2), i(2)]"}};
const Register combinations_op{
    {.signature = "combinations(Tensor input, int r=2, bool with_replacement=False) -> Tensor",
     .doc = "All choices of r elements of a vector.",
     .call = box<combinations>,
     .homes = "taper",
     .samples = "x(4); x(4), 3; x(3), 2, True; x(2), 3; x(3), 1; x(0)",
     .reference = "ref.combinations(input, r, with_replacement)",
     .errors = "x(2, 2); x(3), -1"}};
const Register column_stack_op{{.signature = "column_stack(Tensor[] tensors) -> Tensor",
                                .doc = "Joined as columns; vectors count as columns.",
                                .call = box<column_stack>,
                                .homes = "taper",
                                .samples = "[x(3), x(3, 2)]; [x(2), x(2)]; [x(), x()]",
                                .reference = "np.column_stack(tensors)",
                                .errors = "[x(2), x(3)]"}};
const Register diagflat_op{{.signature = "diagflat(Tensor input, int offset=0) -> Tensor",
                            .doc = "A square matrix with the elements of input on a diagonal.",
                            .call = box<diagflat>,
                            .samples = "x(3); x(2, 2), 1; x(2), -2; x()",
                            .reference = "np.diagflat(input, offset)"}};
const Register select_scatter_op{
    {.signature = "select_scatter(Tensor input, Tensor src, int dim, int index) -> Tensor",
     .doc = "input with the slice at index along dim replaced by src.",
     .call = box<select_scatter>,
     .samples = "x(3, 4), x(3), 1, 2; x(3, 4), x(4), 0, -1",
     .reference = "ref.select_scatter(input, src, dim, index)",
     .errors = "x(3, 4), x(4), 1, 2; x(3), x(), 0, 3"}};
const Register slice_scatter_op{
    {.signature = "slice_scatter(Tensor input, Tensor src, int dim=0, int? start=None, int? end=None, int "
                  "step=1) -> Tensor",
     .doc = "input with its elements from start to end along dim replaced by src.",
     .call = box<slice_scatter>,
     .samples = "x(4, 3), x(2, 3), 0, 1, 3; x(4, 3), x(4, 2), 1, 0, None, 2; x(3), x(3)",
     .reference = "ref.slice_scatter(input, src, dim, start, end, step)",
     .errors = "x(4), x(3), 0, 1, 3"}};
const Register diagonal_scatter_op{
    {.signature =
         "diagonal_scatter(Tensor input, Tensor src, int offset=0, int dim1=0, int dim2=1) -> Tensor",
     .doc = "input with a diagonal replaced by src.",
     .call = box<diagonal_scatter>,
     .samples = "x(3, 3), x(3); x(2, 3), x(2), 1; x(2, 3, 3), x(2, 3), 0, 1, 2",
     .reference = "ref.diagonal_scatter(input, src, offset, dim1, dim2)",
     .errors = "x(3, 3), x(2)"}};
const Register as_strided_scatter_op{
    {.signature = "as_strided_scatter(Tensor input, Tensor src, int[] size, int[] stride, int? "
                  "storage_offset=None) -> Tensor",
     .doc = "input with a window on its memory replaced by src.",
     .call = box<as_strided_scatter>,
     .samples = "x(3, 4), x(2, 2), (2, 2), (4, 2), 1; x(6), x(3), (3,), (2,)",
     .reference = "ref.as_strided_scatter(input, src, size, stride, storage_offset)",
     .errors = "x(4), x(2), (2,), (7,)"}};
const Register fill_op{{.signature = "fill(Tensor input, Tensor|Scalar value) -> Tensor",
                        .doc = "Every element replaced by value.",
                        .call = box<fill>,
                        .homes = "taper",
                        .samples = "x(2, 3), 1.5; x(2), x(); x(0), 1",
                        .reference = "np.full_like(input, value)",
                        .errors = "x(2), x(2)"}};
const Register split_at_ops[]{{{.signature = "hsplit(Tensor input, int sections) -> Tensor[]",
                                .doc = "Equal parts along dimension 1 (0 of vectors).",
                                .call = box<overload<BySections>(hsplit)>,
                                .samples = "x(2, 4), 2; x(6), 3",
                                .reference = "np.hsplit(input, sections)",
                                .errors = "x(2, 3), 2; x(), 1; x(3), 0"}},
                              {{.signature = "hsplit(Tensor input, int[] indices) -> Tensor[]",
                                .doc = "Cut before these places along dimension 1 (0 of vectors).",
                                .call = box<overload<ByPlaces>(hsplit)>,
                                .samples = "x(2, 4), (1, 3); x(6), (2,)",
                                .reference = "np.hsplit(input, indices)"}},
                              {{.signature = "vsplit(Tensor input, int sections) -> Tensor[]",
                                .doc = "Equal parts along dimension 0.",
                                .call = box<overload<BySections>(vsplit)>,
                                .samples = "x(4, 2), 2",
                                .reference = "np.vsplit(input, sections)",
                                .errors = "x(3, 2), 2; x(4), 2"}},
                              {{.signature = "vsplit(Tensor input, int[] indices) -> Tensor[]",
                                .doc = "Cut before these places along dimension 0.",
                                .call = box<overload<ByPlaces>(vsplit)>,
                                .samples = "x(4, 2), (1, 3)",
                                .reference = "np.vsplit(input, indices)"}},
                              {{.signature = "dsplit(Tensor input, int sections) -> Tensor[]",
                                .doc = "Equal parts along dimension 2.",
                                .call = box<overload<BySections>(dsplit)>,
                                .samples = "x(2, 1, 4), 2",
                                .reference = "np.dsplit(input, sections)",
                                .errors = "x(4, 4), 2"}},
                              {{.signature = "dsplit(Tensor input, int[] indices) -> Tensor[]",
                                .doc = "Cut before these places along dimension 2.",
                                .call = box<overload<ByPlaces>(dsplit)>,
                                .samples = "x(2, 1, 4), (1, 3)",
                                .reference = "np.dsplit(input, indices)"}}};
const Register split_with_sizes_op{
    {.signature = "split_with_sizes(Tensor input, int[] split_sizes, int dim=0) -> Tensor[]",
     .doc = "Parts of these sizes along dim.",
     .call = box<overload<SplitBySizes>(split)>,
     .samples = "x(5, 2), (2, 3); x(2, 4), (1, 0, 3), 1",
     .reference = "ref.split(input, split_sizes, dim)",
     .errors = "x(5), (2, 2)"}};
const Register unsafe_split_op{
    {.signature = "unsafe_split(Tensor input, int split_size, int dim=0) -> Tensor[]",
     .doc = "As split.",
     .call = box<overload<SplitBySize>(split)>,
     .samples = "x(5, 2), 2",
     .reference = "ref.split(input, split_size, dim)"}};
const Register unsafe_chunk_op{{.signature = "unsafe_chunk(Tensor input, int chunks, int dim=0) -> Tensor[]",
                                .doc = "As chunk.",
                                .call = box<chunk>,
                                .samples = "x(5, 2), 2",
                                .reference = "ref.chunk(input, chunks, dim)"}};
const Register constant_pad_op{
    {.signature = "constant_pad_nd(Tensor input, int[] pad, Scalar value=0) -> Tensor",
     .doc = "Padded with value; pad holds (before, after) of the last dimension first.",
     .call = box<constant_pad>,
     .homes = "taper",
     .samples = "x(2, 3), (1, 2); x(2, 3), (0, 1, 2, 0), 1.5; x(3), (-1, 1)",
     .reference = "ref.pad(input, pad, 'constant', value)"}};

}  // namespace

}  // namespace taper
