// Reductions over any set of dimensions of a strided input.
//
// Every result is the same, bit for bit, for any number of threads and on every instruction set: work is cut
// into pieces of fixed sizes whose partial results are combined as a tree.
#pragma once

#include <cstdint>

#include "taper/dtype.h"
#include "taper/shape.h"

namespace taper::cpu {

struct Reduction {
  const void* x;
  DType dtype;
  Shape sizes, strides;   ///< At most 64 dimensions; strides in elements, any sign, zero included.
  std::uint64_t reduced;  ///< Bit i: dimension i is reduced.
  void* y;                ///< Dense, row-major over the dimensions that stay.
  DType output;           ///< Of y.
};

// Float32 and the 16-bit types are accumulated in float64 (sums of eight that end in float32 or less
// excepted), integers in wrapping 64-bit integers (in float64 if the output is floating), complex64 in
// complex128. DTypeError where the output cannot hold the result's kind.

/// Empty: 0.
void sum(const Reduction& reduction);
/// NaN counts as 0. Real floating types.
void nansum(const Reduction& reduction);
/// Empty: 1.
void prod(const Reduction& reduction);
/// Floating or complex output. Empty: NaN.
void mean(const Reduction& reduction);
/// Sum of squared distances (of both parts of a complex number) from the mean, divided by max(0, n -
/// correction); output real. `average`, if given, receives the means, in the input's type. Empty: NaN.
void var(const Reduction& reduction, double correction, void* average = nullptr);
/// (sum |x|^p)^(1/p), for p = 0 the number of nonzeros, for +-inf the largest or smallest |x|. Floating or
/// complex input, real output. Empty: 0; ValueError if p is negative or infinite.
void norm(const Reduction& reduction, double p);
/// log(sum(exp(x))), with the maximum taken out of the exponent. Real floating types. Empty: -inf.
void logsumexp(const Reduction& reduction);

/// NaN if there is one. Output of the input's type, not complex. ValueError if nothing is reduced to
/// something.
void max(const Reduction& reduction);
void min(const Reduction& reduction);
/// int64 place of the first maximum, or first NaN, in the row-major order of the reduced dimensions.
void argmax(const Reduction& reduction);
void argmin(const Reduction& reduction);
/// Values into y and places, as argmax's, into the dense `indices`.
void max_with_indices(const Reduction& reduction, std::int64_t* indices);
void min_with_indices(const Reduction& reduction, std::int64_t* indices);

/// Bool or any other output. NaN is not zero. Empty: false, true, 0.
void any(const Reduction& reduction);
void all(const Reduction& reduction);
void count_nonzero(const Reduction& reduction);

}  // namespace taper::cpu
