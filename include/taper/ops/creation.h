// New tensors.
#pragma once

#include <optional>
#include <vector>

#include "taper/tensor.h"

namespace taper {

Tensor zeros(const Shape& sizes, DType dtype = default_dtype(), Device device = {});
Tensor ones(const Shape& sizes, DType dtype = default_dtype(), Device device = {});
/// dtype: that of value if not given.
Tensor full(const Shape& sizes, const Scalar& value, std::optional<DType> dtype = std::nullopt,
            Device device = {});
Tensor empty_like(const Tensor& like, std::optional<DType> dtype = std::nullopt);
Tensor zeros_like(const Tensor& like, std::optional<DType> dtype = std::nullopt);
Tensor ones_like(const Tensor& like, std::optional<DType> dtype = std::nullopt);
Tensor full_like(const Tensor& like, const Scalar& value, std::optional<DType> dtype = std::nullopt);
/// start, start + step, ... before end. int64 where all three are integers, else the default dtype.
Tensor arange(const Scalar& start, const Scalar& end, const Scalar& step = 1,
              std::optional<DType> dtype = std::nullopt, Device device = {});
/// steps numbers from start to end, both included, at equal distances.
Tensor linspace(const Scalar& start, const Scalar& end, std::int64_t steps,
                std::optional<DType> dtype = std::nullopt, Device device = {});
/// The identity matrix, [rows, columns].
Tensor eye(std::int64_t rows, std::int64_t columns, DType dtype = default_dtype(), Device device = {});
/// A 0-d tensor.
Tensor tensor(const Scalar& value, std::optional<DType> dtype = std::nullopt);
/// values in row-major order.
Tensor tensor(const std::vector<float>& values, const Shape& sizes);
Tensor tensor(const std::vector<double>& values, const Shape& sizes);
Tensor tensor(const std::vector<std::int64_t>& values, const Shape& sizes);

}  // namespace taper
