// The dimensions of an elementwise loop, innermost first, dropped, sorted and merged; and a walk through
// them.
#pragma once

#include <cstdint>

#include "cpu/map.h"

namespace taper::cpu {

/// A plan shared by the operands of one loop; operand 0 is the one whose memory order decides.
struct Loop {
  static constexpr int max_dims = 64;
  static constexpr int max_operands = max_inputs + 1;

  /// Throws ShapeError if more than 64 dimensions are left after those of size 1 are dropped.
  Loop(const Shape& sizes, const Operand* const* operands, int operand_count);

  std::int64_t total = 1;  // elements
  int dims = 0;            // at least 1 once constructed
  int operands;
  char* data[max_operands];
  std::int64_t sizes[max_dims];
  std::int64_t strides[max_operands][max_dims];  // bytes

  /// The same loop over [begin, begin + count) of one dimension.
  Loop part(int dim, std::int64_t begin, std::int64_t count) const;

  /// Dimension `dim` becomes two: blocks of `size`, which must divide it, inside; and the number of blocks in
  /// its place. The inner one is made dimension `position`. There must be room for another dimension.
  void split(int dim, std::int64_t size, int position);

  /// Dimension `from` is made dimension `to`; those between move up.
  void move(int from, int to);

 private:
  void sort();
  void merge();
  bool inner_before(int a, int b) const;
};

/// The place of each operand at one element of a loop, moved forward along the innermost dimension.
class Walk {
 public:
  /// At element number `element` in loop order.
  Walk(const Loop& loop, std::int64_t element);

  /// Elements to the end of the innermost dimension.
  std::int64_t run_left() const { return loop_.sizes[0] - index_[0]; }

  /// n <= run_left().
  void advance(std::int64_t n) {
    index_[0] += n;
    for (int k = 0; k < loop_.operands; ++k) at[k] += n * loop_.strides[k][0];
    if (index_[0] == loop_.sizes[0]) carry();
  }

  char* at[Loop::max_operands];

 private:
  void carry();

  const Loop& loop_;
  std::int64_t index_[Loop::max_dims];
};

}  // namespace taper::cpu
