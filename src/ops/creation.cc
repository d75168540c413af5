// New tensors.
#include "taper/ops/creation.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/visit.h"
#include "ops/elementwise.h"
#include "ops/inplace.h"
#include "ops/registry.h"
#include "taper/ops.h"
#include "tensor/default_device.h"
#include "tensor/device_runtime.h"
#include "tensor/layout.h"
#include "tensor/meta.h"

namespace taper {

Tensor zeros(const Shape& sizes, DType dtype, Device device) {
  Tensor result = empty(sizes, dtype, device);
  const std::int64_t bytes = result.numel() * result.item_size();
  if (result.device().is_cpu()) std::memset(result.data(), 0, std::size_t(bytes));
  else if (!is_meta(result.device())) device_runtime().set_zero(result.device().index, result.data(), bytes);
  return result;
}

Tensor ones(const Shape& sizes, DType dtype, Device device) { return full(sizes, 1, dtype, device); }

Tensor full(const Shape& sizes, const Scalar& value, std::optional<DType> dtype, Device device) {
  Tensor result = empty(sizes, dtype.value_or(value.dtype()), device);
  check_holds(result.dtype(), value, "full");
  fill_elements(result, value);
  return result;
}

Tensor empty_like(const Tensor& like, std::optional<DType> dtype) {
  return empty_for(like.sizes(), dtype.value_or(like.dtype()), {&like});
}

Tensor zeros_like(const Tensor& like, std::optional<DType> dtype) { return full_like(like, 0, dtype); }
Tensor ones_like(const Tensor& like, std::optional<DType> dtype) { return full_like(like, 1, dtype); }

Tensor full_like(const Tensor& like, const Scalar& value, std::optional<DType> dtype) {
  Tensor result = empty_like(like, dtype);
  check_holds(result.dtype(), value, "full_like");
  fill_elements(result, value);
  return result;
}

Tensor arange(const Scalar& start, const Scalar& end, const Scalar& step, std::optional<DType> dtype,
              Device device) {
  const bool integers = start.is_integral() && end.is_integral() && step.is_integral();
  const double first = start.to<double>(), last = end.to<double>(), width = step.to<double>();
  check<ValueError>(width != 0, "arange: step must be nonzero");
  check<ValueError>(std::isfinite(first) && std::isfinite(last), "arange: unsupported range: ", first, " -> ",
                    last);
  check<ValueError>((last - first) / width >= 0, "arange: bounds from ", first, " to ", last,
                    " are not reached with step ", width);
  const double steps = std::ceil((last - first) / width);
  check<ValueError>(steps < 0x1p62, "arange: ", steps, " elements are too many");
  Tensor result = empty({std::int64_t(steps)}, dtype.value_or(integers ? int64 : default_dtype()));
  visit(result.dtype(), [&]<class T>() {
    T* values = result.data<T>();
    for (std::int64_t i = 0; i < result.numel(); ++i) {
      if (integers) values[i] = T(start.to<std::int64_t>() + i * step.to<std::int64_t>());
      else if constexpr (std::integral<T>)  // start and step become integers before they are added up
        values[i] = T(std::int64_t(first) + i * std::int64_t(width));
      else values[i] = T(first + double(i) * width);
    }
  });
  return to(result, device);
}

namespace {

// Writes result.numel() numbers from first to last; from both ends towards the middle, so that both are
// exact.
template <class T, class Number>
void fill_evenly(const Tensor& result, Number first, Number last) {
  const std::int64_t steps = result.numel();
  const Number width = steps > 1 ? (last - first) / double(steps - 1) : 0;
  for (std::int64_t i = 0; i < steps; ++i)
    result.data<T>()[i] = T(i < steps - i ? first + double(i) * width : last - double(steps - 1 - i) * width);
}

// The dtype of a row of numbers between two; throws DTypeError for a real one where a bound is complex.
DType between_dtype(const Scalar& start, const Scalar& end, std::optional<DType> dtype, const char* op) {
  if (!start.is_complex() && !end.is_complex()) return dtype.value_or(default_dtype());
  const DType inferred = default_dtype() == float64 ? complex128 : complex64;
  check<DTypeError>(is_complex(dtype.value_or(inferred)), op, ": the bounds ", start, " and ", end,
                    " are not both real; got dtype ", dtype.value_or(inferred), ", expected a complex one");
  return dtype.value_or(inferred);
}

}  // namespace

Tensor linspace(const Scalar& start, const Scalar& end, std::int64_t steps, std::optional<DType> dtype,
                Device device) {
  check<ValueError>(steps >= 0, "linspace: number of steps must not be negative, got ", steps);
  const Tensor result = empty({steps}, between_dtype(start, end, dtype, "linspace"));
  const bool integers = is_integral(result.dtype(), true);
  const auto bound = [&](const Scalar& x) { return integers ? std::trunc(x.to<double>()) : x.to<double>(); };
  visit(result.dtype(), [&]<class T>() {
    if constexpr (std::is_same_v<T, std::complex<float>> || std::is_same_v<T, std::complex<double>>)
      fill_evenly<T>(result, start.to<std::complex<double>>(), end.to<std::complex<double>>());
    else fill_evenly<T>(result, bound(start), bound(end));
  });
  return to(result, device);
}

Tensor eye(std::int64_t rows, std::int64_t columns, DType dtype, Device device) {
  check<ValueError>(rows >= 0 && columns >= 0, "eye: sizes must not be negative, got ", rows, " and ",
                    columns);
  Tensor result = zeros({rows, columns}, dtype, device);
  fill_elements(diagonal(result), 1);
  return result;
}

Tensor tensor(const Scalar& value, std::optional<DType> dtype) { return full({}, value, dtype); }

namespace {

template <class T>
Tensor from_values(const std::vector<T>& values, const Shape& sizes, DType dtype) {
  check<ShapeError>(std::int64_t(values.size()) == numel(sizes), "tensor: ", values.size(),
                    " values do not fill the shape ", sizes);
  Tensor result = empty(sizes, dtype);
  std::memcpy(result.data(), values.data(), values.size() * sizeof(T));
  return result;
}

}  // namespace

Tensor tensor(const std::vector<float>& values, const Shape& sizes) {
  return from_values(values, sizes, float32);
}
Tensor tensor(const std::vector<double>& values, const Shape& sizes) {
  return from_values(values, sizes, float64);
}
Tensor tensor(const std::vector<std::int64_t>& values, const Shape& sizes) {
  return from_values(values, sizes, int64);
}

namespace {

Tensor leaf(const Tensor& x, bool requires_grad) { return requires_grad ? x.requires_grad_() : x; }
Device on(const std::optional<Device>& device) { return device.value_or(default_device()); }
Tensor zeros_call(const Shape& sizes, std::optional<DType> dtype, std::optional<Device> device,
                  bool requires_grad) {
  return leaf(zeros(sizes, dtype.value_or(default_dtype()), on(device)), requires_grad);
}
Tensor ones_call(const Shape& sizes, std::optional<DType> dtype, std::optional<Device> device,
                 bool requires_grad) {
  return leaf(ones(sizes, dtype.value_or(default_dtype()), on(device)), requires_grad);
}
Tensor empty_call(const Shape& sizes, std::optional<DType> dtype, std::optional<Device> device,
                  bool requires_grad) {
  return leaf(empty(sizes, dtype.value_or(default_dtype()), on(device)), requires_grad);
}
Tensor empty_strided_call(const Shape& sizes, const Shape& strides, std::optional<DType> dtype,
                          std::optional<Device> device, bool requires_grad) {
  check<ShapeError>(sizes.size() == strides.size(), "empty_strided: got ", strides.size(), " strides for ",
                    sizes.size(), " dimensions; it needs one for each");
  const auto [first, last] = extent(sizes, strides);
  check<ValueError>(first == 0, "empty_strided: negative strides are not supported, got ", strides);
  return leaf(window(empty({numel(sizes) ? last + 1 : 0}, dtype.value_or(default_dtype()), on(device)), sizes,
                     strides, 0),
              requires_grad);
}
Tensor full_call(const Shape& sizes, const Scalar& value, std::optional<DType> dtype,
                 std::optional<Device> device, bool requires_grad) {
  return leaf(full(sizes, value, dtype, on(device)), requires_grad);
}
template <Tensor (*make)(const Tensor&, std::optional<DType>)>
Tensor like_call(const Tensor& like, std::optional<DType> dtype, std::optional<Device> device,
                 bool requires_grad) {
  if (!device || *device == like.device()) return leaf(make(like, dtype), requires_grad);
  const Tensor there = empty_strided(like.sizes(), empty_like(like).strides(), like.dtype(), *device);
  return leaf(make(there, dtype), requires_grad);
}
Tensor full_like_call(const Tensor& like, const Scalar& value, std::optional<DType> dtype,
                      std::optional<Device> device, bool requires_grad) {
  return leaf(fill_(like_call<empty_like>(like, dtype, device, false), value), requires_grad);
}
Tensor arange_call(const Scalar& start, const Scalar& end, const Scalar& step, std::optional<DType> dtype,
                   std::optional<Device> device, bool requires_grad) {
  return leaf(arange(start, end, step, dtype, on(device)), requires_grad);
}
Tensor arange_to(const Scalar& end, std::optional<DType> dtype, std::optional<Device> device,
                 bool requires_grad) {
  return arange_call(0, end, 1, dtype, device, requires_grad);
}
Tensor linspace_call(const Scalar& start, const Scalar& end, std::int64_t steps, std::optional<DType> dtype,
                     std::optional<Device> device, bool requires_grad) {
  return leaf(linspace(start, end, steps, dtype, on(device)), requires_grad);
}
Tensor logspace_call(const Scalar& start, const Scalar& end, std::int64_t steps, double base,
                     std::optional<DType> dtype, std::optional<Device> device, bool requires_grad) {
  const DType type = between_dtype(start, end, dtype, "logspace");
  // Exponents of integers are whole at both ends.
  const bool whole = is_integral(type);
  const Tensor exponents = whole ? linspace(start.to<std::int64_t>(), end.to<std::int64_t>(), steps, float64)
                                 : linspace(start, end, steps, is_complex(type) ? complex128 : float64);
  return leaf(to(to(pow(Scalar(base), exponents), type), on(device)), requires_grad);
}
Tensor eye_call(std::int64_t n, std::optional<std::int64_t> m, std::optional<DType> dtype,
                std::optional<Device> device, bool requires_grad) {
  return leaf(eye(n, m.value_or(n), dtype.value_or(default_dtype()), on(device)), requires_grad);
}
// Row and column numbers of the elements on one side of a diagonal.
Tensor triangle_indices(std::int64_t rows, std::int64_t columns, std::int64_t offset, bool lower) {
  check<ShapeError>(rows >= 0 && columns >= 0, lower ? "tril" : "triu",
                    "_indices: sizes must not be negative, got ", rows, " and ", columns);
  check<ShapeError>(std::max(rows, columns) < std::int64_t(1) << 60, lower ? "tril" : "triu",
                    "_indices: ", rows, " rows or ", columns, " columns are too many");
  const std::int64_t shift = std::clamp(offset, -rows, columns);
  // Rows [begin, end) have elements. Their number changes by one from row to row in [bend, end) of the upper
  // triangle and in [begin, bend) of the lower; other rows are whole.
  const std::int64_t begin = lower ? std::max<std::int64_t>(0, -shift) : 0;
  const std::int64_t end = std::max(begin, lower ? rows : std::min(rows, columns - shift));
  const std::int64_t bend = std::clamp(lower ? columns - shift - 1 : -shift, begin, end);
  const auto first = [&](std::int64_t i) { return lower ? 0 : std::max<std::int64_t>(i + shift, 0); };
  const auto last = [&](std::int64_t i) { return lower ? std::min(i + shift + 1, columns) : columns; };
  const std::int64_t low = lower ? begin : bend, high = lower ? bend : end;
  const auto width = [&](std::int64_t i) { return __int128(last(i) - first(i)); };
  const __int128 sloping = high > low ? (width(low) + width(high - 1)) * (high - low) / 2 : 0;
  const __int128 count = sloping + __int128(columns) * (end - begin - (high - low));
  check<ShapeError>(count <= INT64_MAX, lower ? "tril" : "triu", "_indices: ", rows, " rows and ", columns,
                    " columns have more elements than an int64 can count");
  const Tensor places = empty({2, std::int64_t(count)}, int64);
  std::int64_t* row = places.data<std::int64_t>();
  std::int64_t* column = row + std::int64_t(count);
  for (std::int64_t i = begin; i < end; ++i)
    for (std::int64_t j = first(i); j < last(i); ++j) *row++ = i, *column++ = j;
  return places;
}
template <bool lower>
Tensor triangle_call(std::int64_t rows, std::int64_t columns, std::int64_t offset, std::optional<DType> dtype,
                     std::optional<Device> device) {
  return to(to(triangle_indices(rows, columns, offset, lower), dtype.value_or(int64)), on(device));
}
Tensor scalar_tensor(const Scalar& value, std::optional<DType> dtype, std::optional<Device> device,
                     bool requires_grad) {
  return leaf(full({}, value, dtype.value_or(default_dtype()), on(device)), requires_grad);
}

const Register zeros_op{
    {.signature =
         "zeros(int... size, *, dtype? dtype=None, device? device=None, bool requires_grad=False) -> Tensor",
     .doc = "A tensor of zeros.",
     .call = box<zeros_call>,
     .homes = "taper",
     .samples = "2, 3; (2, 3), dtype=taper.int64; ()",
     .reference = "np.zeros(size)",
     .errors = "-1",
     .differentiable = false}};
const Register ones_op{
    {.signature =
         "ones(int... size, *, dtype? dtype=None, device? device=None, bool requires_grad=False) -> Tensor",
     .doc = "A tensor of ones.",
     .call = box<ones_call>,
     .homes = "taper",
     .samples = "2, 3; (2, 3), dtype=taper.int64",
     .reference = "np.ones(size)",
     .errors = "-1",
     .differentiable = false}};
const Register empty_op{
    {.signature =
         "empty(int... size, *, dtype? dtype=None, device? device=None, bool requires_grad=False) -> Tensor",
     .doc = "An uninitialized tensor.",
     .call = box<empty_call>,
     .homes = "taper",
     .errors = "-1; 2 ** 40, 2 ** 40; 2 ** 52",
     .differentiable = false}};
const Register empty_strided_op{{.signature = "empty_strided(int[] size, int[] stride, *, dtype? dtype=None, "
                                              "device? device=None, bool requires_grad=False) -> Tensor",
                                 .doc = "An uninitialized tensor of these strides.",
                                 .call = box<empty_strided_call>,
                                 .homes = "taper",
                                 .errors = "(2, 3), (-1, 1)",
                                 .differentiable = false}};
const Register full_op{{.signature = "full(int[] size, Scalar fill_value, *, dtype? dtype=None, device? "
                                     "device=None, bool requires_grad=False) -> Tensor",
                        .doc = "A tensor filled with one value.",
                        .call = box<full_call>,
                        .homes = "taper",
                        .samples = "(2, 3), 2.5; (2,), 3; (), True",
                        .reference = "np.full(size, fill_value)",
                        .differentiable = false}};
const Register empty_like_op{{.signature = "empty_like(Tensor input, *, dtype? dtype=None, device? "
                                           "device=None, bool requires_grad=False) -> Tensor",
                              .doc = "An uninitialized tensor of input's shape.",
                              .call = box<like_call<empty_like>>,
                              .homes = "taper",
                              .differentiable = false}};
const Register zeros_like_op{{.signature = "zeros_like(Tensor input, *, dtype? dtype=None, device? "
                                           "device=None, bool requires_grad=False) -> Tensor",
                              .doc = "Zeros of input's shape.",
                              .call = box<like_call<zeros_like>>,
                              .homes = "taper",
                              .samples = "x(2, 3); i(3)",
                              .reference = "np.zeros_like(input)",
                              .differentiable = false}};
const Register ones_like_op{{.signature = "ones_like(Tensor input, *, dtype? dtype=None, device? "
                                          "device=None, bool requires_grad=False) -> Tensor",
                             .doc = "Ones of input's shape.",
                             .call = box<like_call<ones_like>>,
                             .homes = "taper",
                             .samples = "x(2, 3); i(3)",
                             .reference = "np.ones_like(input)",
                             .differentiable = false}};
const Register full_like_op{{.signature = "full_like(Tensor input, Scalar fill_value, *, dtype? dtype=None, "
                                          "device? device=None, bool requires_grad=False) -> Tensor",
                             .doc = "One value in input's shape.",
                             .call = box<full_like_call>,
                             .homes = "taper",
                             .samples = "x(2, 3), 2.5",
                             .reference = "np.full_like(input, fill_value)",
                             .differentiable = false}};
const Register arange_op[]{
    {{.signature =
          "arange(Scalar end, *, dtype? dtype=None, device? device=None, bool requires_grad=False) -> Tensor",
      .doc = "0, 1, ... before end.",
      .call = box<arange_to>,
      .homes = "taper",
      .samples = "5; 2.5; 0",
      .reference = "np.arange(end)",
      .errors = "-1",
      .differentiable = false}},
    {{.signature = "arange(Scalar start, Scalar end, Scalar step=1, *, dtype? dtype=None, device? "
                   "device=None, bool requires_grad=False) -> Tensor",
      .doc = "start, start + step, ... before end.",
      .call = box<arange_call>,
      .homes = "taper",
      .samples = "1, 10, 3; 5, 0, -2; 0.0, 1.0, 0.25",
      .reference = "np.arange(start, end, step)",
      .errors = "0, 5, 0; 0, 5, -1",
      .differentiable = false}}};
const Register linspace_op{
    {.signature = "linspace(Scalar start, Scalar end, int steps, *, dtype? dtype=None, device? device=None, "
                  "bool requires_grad=False) -> Tensor",
     .doc = "steps numbers from start to end, both included.",
     .call = box<linspace_call>,
     .homes = "taper",
     .samples = "0, 1, 5; -2.0, 3, 1; 0, 1, 0",
     .reference = "np.linspace(start, end, steps)",
     .errors = "0, 1, -1",
     .differentiable = false}};
const Register logspace_op{
    {.signature = "logspace(Scalar start, Scalar end, int steps, float base=10.0, *, dtype? dtype=None, "
                  "device? device=None, bool requires_grad=False) -> Tensor",
     .doc = "base to the powers linspace(start, end, steps).",
     .call = box<logspace_call>,
     .homes = "taper",
     .samples = "0, 2, 5; 0.9, 4.2, 3, 2.0, dtype=taper.int64",
     .reference = "np.logspace(start, end, steps, base=base) if dtype is None else "
                  "np.logspace(int(start), int(end), steps, base=base).astype(int)",
     .differentiable = false}};
const Register eye_op{{.signature = "eye(int n, int? m=None, *, dtype? dtype=None, device? device=None, bool "
                                    "requires_grad=False) -> Tensor",
                       .doc = "The identity matrix.",
                       .call = box<eye_call>,
                       .homes = "taper",
                       .samples = "3; 2, 4",
                       .reference = "np.eye(n, m)",
                       .errors = "-1",
                       .differentiable = false}};
const Register tril_indices_op{
    {.signature =
         "tril_indices(int row, int col, int offset=0, *, dtype? dtype=None, device? device=None) -> Tensor",
     .doc = "Rows and columns of the lower triangle.",
     .call = box<triangle_call<true>>,
     .homes = "taper",
     .samples = "3, 4; 3, 3, -1",
     .reference = "np.array(np.tril_indices(row, offset, col))",
     .differentiable = false}};
const Register triu_indices_op{
    {.signature =
         "triu_indices(int row, int col, int offset=0, *, dtype? dtype=None, device? device=None) -> Tensor",
     .doc = "Rows and columns of the upper triangle.",
     .call = box<triangle_call<false>>,
     .homes = "taper",
     .samples = "3, 4; 3, 3, 1",
     .reference = "np.array(np.triu_indices(row, offset, col))",
     .differentiable = false}};
const Register scalar_tensor_op{{.signature = "scalar_tensor(Scalar s, *, dtype? dtype=None, device? "
                                              "device=None, bool requires_grad=False) -> Tensor",
                                 .doc = "A 0-d tensor.",
                                 .call = box<scalar_tensor>,
                                 .homes = "taper",
                                 .samples = "2.5",
                                 .reference = "np.array(s)",
                                 .differentiable = false}};

}  // namespace

}  // namespace taper
