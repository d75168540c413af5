// Embedding: rows of a table looked up by index, sums of such rows, and their gradients, on raw pointers.
#pragma once

#include <cstdint>

#include "taper/dtype.h"

namespace taper::cpu {

/// weight [rows, size] of a floating dtype (of any dtype for the lookup alone), indices [count].
struct Embedding {
  DType dtype;
  std::int64_t rows, size, count;
  std::int64_t padding_index = -1;  ///< a row that takes no part in gradients and bags; -1 for none
  bool scale_by_frequency = false;  ///< gradients of a row are divided by how often it was looked up
};

/// y [count, size] = weight[indices]. Throws IndexError for an index outside [0, rows), as do all functions
/// here.
void embedding(const Embedding& embedding, const void* weight, const std::int64_t* indices, void* y);
/// dw [rows, size] = the sum of dy [count, size] by index, in the order of positions; zero where there is
/// none.
void embedding_backward(const Embedding& embedding, const void* dy, const std::int64_t* indices, void* dw);

enum class BagMode { sum, mean, max };

/// Bag b is indices[offsets[b]] .. indices[offsets[b + 1] - 1], of which those equal to padding_index are
/// left out.
struct Bags {
  Embedding embedding;
  BagMode mode;
  std::int64_t bags;
  const std::int64_t* indices;
  const std::int64_t* offsets;  ///< [bags + 1], from 0 to count, not descending; a ValueError otherwise
  const void* sample_weights = nullptr;  ///< [count] of dtype, factors of the rows; sum only
};

/// y [bags, size]; empty bags give 0. With max, maxima [bags, size] gets the row each maximum is from, or -1.
void embedding_bag(const Bags& bags, const void* weight, void* y, std::int64_t* maxima);
/// dw [rows, size] from dy [bags, size]; maxima as embedding_bag wrote it.
void embedding_bag_backward(const Bags& bags, const void* dy, const std::int64_t* maxima, void* dw);
/// dsample_weights [count] from dy [bags, size]: weight[index] . dy[bag].
void embedding_bag_backward_samples(const Bags& bags, const void* weight, const void* dy,
                                    void* dsample_weights);

}  // namespace taper::cpu
