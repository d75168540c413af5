// Samples joined to a batch.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "taper/tensor.h"

namespace taper::data {

namespace detail {

/// Tensors of one shape along a new first dimension.
Tensor stacked(const Tensors& samples);
Tensor column(const std::vector<std::int64_t>& values);
Tensor column(const std::vector<double>& values);
Tensor column(const std::vector<float>& values);
Tensor column(const std::vector<bool>& values);

template <class T>
concept TupleLike = requires {
  std::tuple_size<T>::value;
};

template <class T>
using Number =
    std::conditional_t<std::same_as<T, bool>, bool,
                       std::conditional_t<std::integral<T>, std::int64_t,
                                          std::conditional_t<std::same_as<T, float>, float, double>>>;

}  // namespace detail

/// Joins samples: tensors are stacked along a new first dimension, numbers become a one-dimensional tensor
/// (int64, float32 or float64), pairs, tuples and arrays are joined part by part, and whatever else stays a
/// vector. Throws ShapeError for tensors of different shape.
template <class T>
auto collate(const std::vector<T>& samples) {
  if constexpr (std::same_as<T, Tensor>) {
    return detail::stacked(samples);
  } else if constexpr (std::is_arithmetic_v<T>) {
    return detail::column(std::vector<detail::Number<T>>(samples.begin(), samples.end()));
  } else if constexpr (detail::TupleLike<T>) {
    const auto part = [&]<std::size_t k>(std::integral_constant<std::size_t, k>) {
      std::vector<std::remove_cvref_t<std::tuple_element_t<k, T>>> parts;
      parts.reserve(samples.size());
      for (const T& sample : samples) parts.push_back(std::get<k>(sample));
      return collate(parts);
    };
    return [&]<std::size_t... k>(std::index_sequence<k...>) {
      return std::tuple(part(std::integral_constant<std::size_t, k>())...);
    }
    (std::make_index_sequence<std::tuple_size_v<T>>());
  } else {
    return samples;
  }
}

/// collate() as an object.
struct Collate {
  template <class T>
  auto operator()(const std::vector<T>& samples) const {
    return collate(samples);
  }
};

}  // namespace taper::data
