// Reading and writing at positions given by numbers: gather, scatter, index_select, take, advanced indexing,
// masks.
//
// Every index is checked before anything is written; IndexError names the operation, the position, the value
// and the limit. Where several values meet one element they are combined, or overwrite one another, in the
// row-major order of the indices, whatever the number of threads. Shapes that do not fit together are the
// caller's error.
#pragma once

#include <cstdint>
#include <vector>

#include "taper/dtype.h"
#include "taper/scalar.h"
#include "taper/shape.h"

namespace taper::cpu {

/// A strided operand that is read.
struct Source {
  const void* data;
  Shape sizes, strides;
};

/// A strided operand that is written.
struct Target {
  void* data;
  Shape sizes, strides;
};

/// A strided operand of int64.
struct Indices {
  const std::int64_t* data;
  Shape sizes, strides;
};

/// How a value that arrives is combined with what is there. Bool: add is or, multiply is and. NaN wins amin
/// and amax.
enum class Combine : std::uint8_t { set, add, multiply, amin, amax, mean };

/// y[i][j][k] = x[i][index[i][j][k]][k] for dim = 1; y dense, of the indices' shape, which is nowhere but in
/// dim larger than x's. No index is negative.
void gather(const Source& x, DType dtype, int dim, const Indices& index, void* y);

/// y[i][index[i][j][k]][k] is combined with x[i][j][k] for dim = 1, over the indices' shape; x may be larger
/// and have strides 0. Unless include_self, what an element had before does not count where values arrive.
/// The mean of integers is rounded down. DTypeError for an order of complex numbers. `op` is for messages.
void scatter(const Target& y, DType dtype, int dim, const Indices& index, const Source& x, Combine combine,
             bool include_self = true, const char* op = "scatter");

/// y = x with index[k] in place of k along dim; y dense. One-dimensional indices; none is negative.
void index_select(const Source& x, DType dtype, int dim, const Indices& index, void* y);

/// Slice index[k] of y along dim is combined with slice k of x times alpha (of add only).
void index_add(const Target& y, DType dtype, int dim, const Indices& index, const Source& x,
               const Scalar& alpha = 1);
/// Slice index[k] of y along dim becomes slice k of x, whose strides may be 0.
void index_copy(const Target& y, DType dtype, int dim, const Indices& index, const Source& x);

/// y[i] = x[index[i]], x counted in row-major order; y dense, of the indices' shape. Negative indices count
/// from the end.
void take(const Source& x, DType dtype, const Indices& index, void* y);

/// Advanced indexing of x[..., index, ..., index, ...]: for a position p of the common shape of the indices
/// and a position r of the dimensions that are not indexed, the element of x at the indices' values at p, and
/// r. Negative values count from the end of their dimension.
struct AdvancedIndex {
  struct Operand {
    const std::int64_t* data;
    Shape strides;              ///< Over index_sizes; 0 where broadcast.
    std::int64_t size, stride;  ///< Of the dimension of x that it indexes.
    int dim;                    ///< That dimension's number, for messages.
  };
  std::vector<Operand> operands;
  Shape index_sizes;            ///< Common shape of the indices.
  Shape index_strides;          ///< Its strides in the values that are read or written.
  Shape rest_sizes, rest_of_x;  ///< Dimensions that are not indexed, with their strides in x ...
  Shape rest_strides;           ///< ... and in the values.
};

/// Values at plan's strides from y = x[...]. `op` is for messages.
void index(const void* x, DType dtype, const AdvancedIndex& plan, void* y, const char* op = "index");
/// x[...] = values, or += if accumulate. Strides of values may be 0.
void index_put(void* x, DType dtype, const AdvancedIndex& plan, const void* values, bool accumulate,
               const char* op = "index_put");

/// Where something is true, counted in chunks of fixed size: entry k is the number of true elements before
/// chunk k in row-major order; the last entry is their total.
using TrueCounts = std::vector<std::int64_t>;
/// Not zero counts as true; any dtype.
TrueCounts count_true(const Source& x, DType dtype);

/// y [total, ndim] int64, dense: the positions in row-major order where x is not zero. counts = count_true(x,
/// dtype).
void nonzero(const Source& x, DType dtype, const TrueCounts& counts, std::int64_t* y);
/// y [total], dense: the elements of x where mask (bool, of x's shape) is true. counts = count_true(mask,
/// boolean).
void masked_select(const Source& x, DType dtype, const Source& mask, const TrueCounts& counts, void* y);
/// Elements of y where mask is true become the elements of x, dense, in order. ValueError if x has fewer than
/// needed.
void masked_scatter(const Target& y, DType dtype, const Source& mask, const TrueCounts& counts, const void* x,
                    std::int64_t x_elements);

}  // namespace taper::cpu
