// New tensors.
#include "taper/ops/creation.h"

#include <cmath>
#include <cstring>

#include "base/visit.h"
#include "ops/elementwise.h"
#include "ops/registry.h"
#include "taper/ops.h"

namespace taper {

Tensor zeros(const Shape& sizes, DType dtype) {
  Tensor result = empty(sizes, dtype);
  std::memset(result.data(), 0, std::size_t(result.numel() * result.item_size()));
  return result;
}

Tensor ones(const Shape& sizes, DType dtype) { return full(sizes, 1, dtype); }

Tensor full(const Shape& sizes, const Scalar& value, std::optional<DType> dtype) {
  Tensor result = empty(sizes, dtype.value_or(value.dtype()));
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
  fill_elements(result, value);
  return result;
}

Tensor arange(const Scalar& start, const Scalar& end, const Scalar& step, std::optional<DType> dtype) {
  const bool integers = start.is_integral() && end.is_integral() && step.is_integral();
  const double first = start.to<double>(), last = end.to<double>(), width = step.to<double>();
  check<ValueError>(width != 0, "arange: step must be nonzero");
  check<ValueError>(std::isfinite(first) && std::isfinite(last), "arange: unsupported range: ", first, " -> ", last);
  check<ValueError>((last - first) / width >= 0, "arange: bounds from ", first, " to ", last, " are not reached with step ", width);
  const double steps = std::ceil((last - first) / width);
  check<ValueError>(steps < 0x1p62, "arange: ", steps, " elements are too many");
  Tensor result = empty({std::int64_t(steps)}, dtype.value_or(integers ? int64 : default_dtype()));
  visit(result.dtype(), [&]<class T>() {
    T* values = result.data<T>();
    for (std::int64_t i = 0; i < result.numel(); ++i) {
      if (integers) values[i] = T(start.to<std::int64_t>() + i * step.to<std::int64_t>());
      else values[i] = T(first + double(i) * width);
    }
  });
  return result;
}

Tensor tensor(const Scalar& value, std::optional<DType> dtype) { return full({}, value, dtype); }

namespace {

template <class T>
Tensor from_values(const std::vector<T>& values, const Shape& sizes, DType dtype) {
  check<ShapeError>(std::int64_t(values.size()) == numel(sizes), "tensor: ", values.size(), " values do not fill the shape ", sizes);
  Tensor result = empty(sizes, dtype);
  std::memcpy(result.data(), values.data(), values.size() * sizeof(T));
  return result;
}

}  // namespace

Tensor tensor(const std::vector<float>& values, const Shape& sizes) { return from_values(values, sizes, float32); }
Tensor tensor(const std::vector<double>& values, const Shape& sizes) { return from_values(values, sizes, float64); }
Tensor tensor(const std::vector<std::int64_t>& values, const Shape& sizes) { return from_values(values, sizes, int64); }

}  // namespace taper
