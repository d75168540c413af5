// Packing, padding, and their inverses.
#include "taper/nn/packed_sequence.h"

#include <algorithm>
#include <numeric>

#include "ops/packed_steps.h"
#include "taper/error.h"
#include "taper/ops.h"

namespace taper::nn::utils::rnn {

namespace {

using Lengths = std::vector<std::int64_t>;

Tensor indices(const Lengths& values, Device device) {
  return to(tensor(values, {std::int64_t(values.size())}), device);
}

// The places of lengths from the longest to the shortest, and the inverse.
std::pair<Lengths, Lengths> falling_order(const Lengths& lengths) {
  Lengths order(lengths.size()), inverse(lengths.size());
  std::iota(order.begin(), order.end(), std::int64_t(0));
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return lengths[std::size_t(a)] > lengths[std::size_t(b)];
  });
  for (std::size_t place = 0; place < order.size(); ++place)
    inverse[std::size_t(order[place])] = std::int64_t(place);
  return {order, inverse};
}

}  // namespace

PackedSequence pack_padded_sequence(const Tensor& x, Lengths lengths, bool batch_first, bool enforce_sorted) {
  check<ShapeError>(x.ndim() >= 2, "pack_padded_sequence: expected [T, N, ...], got shape ", x.sizes());
  Tensor steps = batch_first ? transpose(x, 0, 1) : x;
  check<ShapeError>(!lengths.empty() && std::int64_t(lengths.size()) == steps.size(1) &&
                        *std::max_element(lengths.begin(), lengths.end()) <= steps.size(0),
                    "pack_padded_sequence: ", std::int64_t(lengths.size()), " lengths of at most ",
                    lengths.empty() ? 0 : *std::max_element(lengths.begin(), lengths.end()),
                    " do not fit an input of ", steps.size(0), " steps and ", steps.size(1), " sequences");
  PackedSequence packed;
  if (!enforce_sorted) {
    const auto [order, inverse] = falling_order(lengths);
    packed.sorted_indices = indices(order, x.device());
    packed.unsorted_indices = indices(inverse, x.device());
    steps = index_select(steps, 1, packed.sorted_indices);
    std::sort(lengths.rbegin(), lengths.rend());
  }
  check<ValueError>(
      lengths.back() > 0 && std::is_sorted(lengths.rbegin(), lengths.rend()),
      "pack_padded_sequence: lengths must be positive, and fall unless enforce_sorted is false");
  for (std::int64_t t = 0; t < lengths[0]; ++t)
    packed.batch_sizes.push_back(
        std::count_if(lengths.begin(), lengths.end(), [t](std::int64_t n) { return n > t; }));
  packed.data = packed_steps(steps, packed.batch_sizes);
  return packed;
}

std::pair<Tensor, Lengths> pad_packed_sequence(const PackedSequence& sequence, bool batch_first,
                                               double padding_value, std::int64_t total_length) {
  const Lengths& sizes = sequence.batch_sizes;
  check<ValueError>(!sizes.empty(), "pad_packed_sequence: the sequence is empty");
  check<ValueError>(total_length == 0 || total_length >= std::int64_t(sizes.size()),
                    "pad_packed_sequence: total_length is ", total_length, "; the longest sequence has ",
                    std::int64_t(sizes.size()), " steps");
  Tensor padded = padded_steps(sequence.data, sizes, padding_value);
  if (total_length > 0) padded = with_rows(padded, total_length, padding_value);
  Lengths lengths;
  for (std::int64_t i = 0; i < sizes[0]; ++i)
    lengths.push_back(std::count_if(sizes.begin(), sizes.end(), [i](std::int64_t n) { return n > i; }));
  if (sequence.unsorted_indices.defined()) {
    padded = index_select(padded, 1, sequence.unsorted_indices);
    Lengths unsorted;
    const Tensor order = to(sequence.unsorted_indices, Device());
    const std::int64_t* places = order.data<std::int64_t>();
    for (std::size_t i = 0; i < lengths.size(); ++i) unsorted.push_back(lengths[std::size_t(places[i])]);
    lengths = std::move(unsorted);
  }
  return {batch_first ? transpose(padded, 0, 1) : padded, std::move(lengths)};
}

Tensor pad_sequence(const Tensors& sequences, bool batch_first, double padding_value) {
  check<ValueError>(!sequences.empty(), "pad_sequence: got no sequences");
  std::int64_t longest = 0;
  for (const Tensor& sequence : sequences) longest = std::max(longest, sequence.size(0));
  Tensors padded;
  for (const Tensor& sequence : sequences) padded.push_back(with_rows(sequence, longest, padding_value));
  return stack(padded, batch_first ? 0 : 1);
}

Tensors unpad_sequence(const Tensor& padded, const Lengths& lengths, bool batch_first) {
  const Tensors rows = unbind(padded, batch_first ? 0 : 1);
  check<ShapeError>(rows.size() == lengths.size(), "unpad_sequence: ", std::int64_t(lengths.size()),
                    " lengths of ", std::int64_t(rows.size()), " sequences");
  Tensors sequences;
  for (std::size_t i = 0; i < rows.size(); ++i) sequences.push_back(narrow(rows[i], 0, 0, lengths[i]));
  return sequences;
}

PackedSequence pack_sequence(const Tensors& sequences, bool enforce_sorted) {
  Lengths lengths;
  for (const Tensor& sequence : sequences) lengths.push_back(sequence.size(0));
  return pack_padded_sequence(pad_sequence(sequences), std::move(lengths), false, enforce_sorted);
}

Tensors unpack_sequence(const PackedSequence& packed) {
  const auto [padded, lengths] = pad_packed_sequence(packed);
  return unpad_sequence(padded, lengths);
}

}  // namespace taper::nn::utils::rnn
