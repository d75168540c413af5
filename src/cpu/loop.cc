// Planning of elementwise loops: drops dimensions of size 1, orders the others by memory, merges what is
// contiguous.
#include "cpu/loop.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "taper/error.h"

namespace taper::cpu {

Loop::Loop(const Shape& shape, const Operand* const* list, int operand_count) : operands(operand_count) {
  for (int k = 0; k < operands; ++k) data[k] = static_cast<char*>(list[k]->data);
  for (int i = shape.size() - 1; i >= 0; --i) {
    total *= shape[i];
    if (shape[i] == 1) continue;
    check<ShapeError>(dims < max_dims, "elementwise loop: more than ", max_dims, " dimensions");
    sizes[dims] = shape[i];
    for (int k = 0; k < operands; ++k) strides[k][dims] = list[k]->strides[i] * item_size(list[k]->dtype);
    ++dims;
  }
  if (dims == 0) {
    sizes[0] = 1;
    for (int k = 0; k < operands; ++k) strides[k][0] = item_size(list[k]->dtype);
    dims = 1;
    return;
  }
  sort();
  merge();
}

// Where an operand is broadcast it has no opinion; the first that has one decides.
bool Loop::inner_before(int a, int b) const {
  for (int k = 0; k < operands; ++k) {
    const std::int64_t left = std::abs(strides[k][a]), right = std::abs(strides[k][b]);
    if (left != 0 && right != 0 && left != right) return left < right;
  }
  return false;
}

// Insertion: there are few dimensions, mostly in order, and dimensions that compare equal must keep theirs.
void Loop::sort() {
  for (int i = 1; i < dims; ++i)
    for (int j = i; j > 0 && inner_before(j, j - 1); --j) {
      std::swap(sizes[j], sizes[j - 1]);
      for (int k = 0; k < operands; ++k) std::swap(strides[k][j], strides[k][j - 1]);
    }
}

void Loop::merge() {
  int last = 0;
  for (int i = 1; i < dims; ++i) {
    bool follows = true;
    for (int k = 0; k < operands; ++k) follows &= strides[k][i] == strides[k][last] * sizes[last];
    if (follows) {
      sizes[last] *= sizes[i];
      continue;
    }
    ++last;
    sizes[last] = sizes[i];
    for (int k = 0; k < operands; ++k) strides[k][last] = strides[k][i];
  }
  dims = last + 1;
}

Loop Loop::part(int dim, std::int64_t begin, std::int64_t count) const {
  Loop result = *this;
  for (int k = 0; k < operands; ++k) result.data[k] += begin * strides[k][dim];
  result.total = total / sizes[dim] * count;
  result.sizes[dim] = count;
  return result;
}

void Loop::split(int dim, std::int64_t size, int position) {
  sizes[dims] = size;
  sizes[dim] /= size;
  for (int k = 0; k < operands; ++k) {
    strides[k][dims] = strides[k][dim];
    strides[k][dim] *= size;
  }
  ++dims;
  move(dims - 1, position);
}

void Loop::move(int from, int to) {
  std::rotate(sizes + to, sizes + from, sizes + from + 1);
  for (int k = 0; k < operands; ++k) std::rotate(strides[k] + to, strides[k] + from, strides[k] + from + 1);
}

Walk::Walk(const Loop& loop, std::int64_t element) : loop_(loop) {
  for (int k = 0; k < loop.operands; ++k) at[k] = loop.data[k];
  for (int i = 0; i < loop.dims; ++i) {
    index_[i] = element % loop.sizes[i];
    element /= loop.sizes[i];
    for (int k = 0; k < loop.operands; ++k) at[k] += index_[i] * loop.strides[k][i];
  }
}

void Walk::carry() {
  for (int i = 0; i + 1 < loop_.dims && index_[i] == loop_.sizes[i]; ++i) {
    index_[i] = 0;
    ++index_[i + 1];
    for (int k = 0; k < loop_.operands; ++k)
      at[k] += loop_.strides[k][i + 1] - loop_.sizes[i] * loop_.strides[k][i];
  }
}

}  // namespace taper::cpu
