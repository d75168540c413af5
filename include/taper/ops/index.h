// Indexing with tensors, masks and their mixtures.
#pragma once

#include <concepts>
#include <cstddef>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "taper/tensor.h"

namespace taper {

/// In an index: a new dimension of size 1. As a bound of a Slice: no bound.
struct NoneIndex {
  operator std::optional<std::int64_t>() const { return std::nullopt; }
};
inline constexpr NoneIndex None;
/// In an index: all dimensions that the other entries leave.
struct EllipsisIndex {};
inline constexpr EllipsisIndex Ellipsis;

/// start, start + step, ... before stop; negative positions count from the end.
struct Slice {
  Slice(std::optional<std::int64_t> start = std::nullopt, std::optional<std::int64_t> stop = std::nullopt,
        std::int64_t step = 1)
      : start(start), stop(stop), step(step) {}
  std::optional<std::int64_t> start, stop;
  std::int64_t step;
};

/// One entry of an index of Tensor::index: an integer, a bool, a Slice, None, Ellipsis (or "..."), or a
/// tensor of positions or a mask.
class TensorIndex {
 public:
  using Entry = std::variant<std::int64_t, bool, Slice, NoneIndex, EllipsisIndex, Tensor>;
  template <std::integral T>
  requires(!std::same_as<T, bool>) TensorIndex(T position) : entry_(std::int64_t(position)) {}
  TensorIndex(std::same_as<bool> auto keep) : entry_(keep) {}
  TensorIndex(Slice slice) : entry_(slice) {}
  TensorIndex(NoneIndex) : entry_(NoneIndex()) {}
  TensorIndex(EllipsisIndex) : entry_(EllipsisIndex()) {}
  /// Throws ValueError unless it is "...".
  TensorIndex(const char* dots);
  TensorIndex(Tensor positions) : entry_(std::move(positions)) {}
  const Entry& entry() const { return entry_; }

 private:
  Entry entry_;
};

/// One entry per leading dimension of x: an int64 (or int32, uint8, int8, int16) tensor of positions, a bool
/// mask over as many dimensions as it has, or nothing for a dimension that stays whole. Positions broadcast
/// together; their dimensions stand where the indexed ones stood if those are neighbours, else in front.
/// Negative positions count from the end. Throws IndexError.
Tensor index(const Tensor& x, const std::vector<std::optional<Tensor>>& indices);
/// x with values (broadcast) written, or added if accumulate, at such positions.
Tensor index_put(const Tensor& x, const std::vector<std::optional<Tensor>>& indices, const Tensor& values,
                 bool accumulate = false);
/// The same in place.
const Tensor& index_put_(const Tensor& x, const std::vector<std::optional<Tensor>>& indices,
                         const Tensor& values, bool accumulate = false);
/// Positions [n, ndim] of the nonzero elements in row-major order.
Tensor nonzero(const Tensor& x);
/// The elements where mask (bool, broadcast) is true, as one dimension.
Tensor masked_select(const Tensor& x, const Tensor& mask);

}  // namespace taper
