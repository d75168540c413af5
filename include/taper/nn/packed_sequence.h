// Sequences of different lengths, packed for recurrent layers.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "taper/tensor.h"

namespace taper::nn::utils::rnn {

/// The time steps of sequences of falling length, one after another, without padding.
struct PackedSequence {
  /// [sum of lengths, ...]: of each time step the rows of the sequences that reach it.
  Tensor data;
  /// How many those are, for each time step.
  std::vector<std::int64_t> batch_sizes;
  /// The order in which the sequences stand, and the one that undoes it; undefined: as they came. int64 [N].
  Tensor sorted_indices = {}, unsorted_indices = {};
};

/// Packs padded sequences x [T, N, ...] ([N, T, ...] if batch_first) of the given lengths, which must fall
/// unless enforce_sorted is false. Throws ValueError for lengths below 1 or not sorted, ShapeError for
/// lengths that do not fit x.
PackedSequence pack_padded_sequence(const Tensor& x, std::vector<std::int64_t> lengths,
                                    bool batch_first = false, bool enforce_sorted = true);
/// The inverse: padded [T, N, ...] ([N, T, ...]) and the lengths. T: the longest length, or total_length.
std::pair<Tensor, std::vector<std::int64_t>> pad_packed_sequence(const PackedSequence& sequence,
                                                                 bool batch_first = false,
                                                                 double padding_value = 0,
                                                                 std::int64_t total_length = 0);
/// Sequences [length, ...] as one tensor [T, N, ...] ([N, T, ...]), padded behind to the longest.
Tensor pad_sequence(const Tensors& sequences, bool batch_first = false, double padding_value = 0);
/// The inverse.
Tensors unpad_sequence(const Tensor& padded, const std::vector<std::int64_t>& lengths,
                       bool batch_first = false);
/// Packs sequences [length, ...].
PackedSequence pack_sequence(const Tensors& sequences, bool enforce_sorted = true);
/// The inverse.
Tensors unpack_sequence(const PackedSequence& packed);

}  // namespace taper::nn::utils::rnn
