// Tensors that an operation keeps for its backward, watched for overwriting.
#pragma once

#include <bit>

#include "taper/autograd.h"

namespace taper {

/// Which inputs and outputs backward reads: bit i for the i-th.
struct Saves {
  unsigned inputs = 0;
  unsigned outputs = 0;
};

struct SavedEntry {
  Tensor tensor;
  std::uint32_t version = 0;
  std::uint32_t output_index = 0;
  bool output = false;
  /// False for an operand that was left out.
  bool present = false;

  void keep_input(const Tensor& operand);
  /// Keeps the memory only, of the index-th result: it refers to its node, which must not refer back.
  void keep_output(const Tensor& result, std::uint32_t index);
  /// The tensor again, with its history. Throws AutogradError when it was overwritten or freed since.
  Tensor unpack(const Node& node) const;
};

/// What Op::backward sees of the forward call.
class Saved {
 public:
  Saved(const SavedEntry* entries, Saves saves, const Node& node)
      : entries_(entries), saves_(saves), node_(node) {}
  Tensor input(int i) const { return entries_[std::popcount(saves_.inputs & ((1u << i) - 1))].unpack(node_); }
  Tensor output(int i = 0) const {
    return entries_[std::popcount(saves_.inputs) + std::popcount(saves_.outputs & ((1u << i) - 1))].unpack(
        node_);
  }
  /// Whether the i-th operand wants a gradient.
  bool needs(int i) const { return node_.edges()[i].defined() && node_.wants(i); }

 private:
  const SavedEntry* entries_;
  Saves saves_;
  const Node& node_;
};

}  // namespace taper
