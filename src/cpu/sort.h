// Order: sort, topk, kthvalue, median, unique, searchsorted, histograms.
//
// Rows are dense: [rows, n]. NaN counts as larger than any number, -0 equals 0, and equal elements keep their
// order: every sort here is stable, and every result the same for any number of threads. Complex numbers have
// no order: DTypeError.
#pragma once

#include <cstdint>

#include "taper/dtype.h"
#include "taper/shape.h"

namespace taper::cpu {

/// Each row of x [rows, n] in order. values [rows, n] of x's type and indices [rows, n] int64 (places in the
/// row) may each be null.
void sort(const void* x, DType dtype, std::int64_t rows, std::int64_t n, bool descending, void* values,
          std::int64_t* indices);

/// The k largest (or smallest) of each row, best first: values [rows, k], indices [rows, k]. Of equals the
/// first ones. ValueError unless 0 <= k <= n.
void topk(const void* x, DType dtype, std::int64_t rows, std::int64_t n, std::int64_t k, bool largest,
          void* values, std::int64_t* indices);

/// The k-th smallest of each row, k from 1: values [rows], indices [rows]. ValueError unless 1 <= k <= n.
void kthvalue(const void* x, DType dtype, std::int64_t rows, std::int64_t n, std::int64_t k, void* values,
              std::int64_t* indices);

/// The median of each row, of an even number the lower one; NaN (the first) if there is one. With ignore_nan
/// the median of the numbers that are not NaN, or NaN if there is none. ValueError if n = 0.
void median(const void* x, DType dtype, std::int64_t rows, std::int64_t n, bool ignore_nan, void* values,
            std::int64_t* indices);

/// The different rows of x [rows, n] in lexicographic order (for n = 1: the different numbers in order).
/// Writes where each first occurs to first [rows at most], for each row the number of its like to inverse
/// [rows], and how many are alike to counts [rows at most]; the last two may be null. NaN equals nothing.
/// Returns how many differ.
std::int64_t unique(const void* x, DType dtype, std::int64_t rows, std::int64_t n, std::int64_t* first,
                    std::int64_t* inverse, std::int64_t* counts);
/// The same of runs of equal neighbours, in the order of x; takes complex numbers too.
std::int64_t unique_consecutive(const void* x, DType dtype, std::int64_t rows, std::int64_t n,
                                std::int64_t* first, std::int64_t* inverse, std::int64_t* counts);

/// For each value the number of boundaries before it: those < value, or <= value if right. values [rows, n];
/// boundaries ascending, [rows, m], or [m] for all rows if shared; places [rows, n]. `order`, if given, sorts
/// the boundaries of a row: boundary k is boundaries[order[k]], of the same shape; IndexError if it is not in
/// [0, m).
void searchsorted(const void* boundaries, bool shared, std::int64_t m, const std::int64_t* order,
                  const void* values, DType dtype, std::int64_t rows, std::int64_t n, bool right,
                  std::int64_t* places);

/// One more than the largest of n integers, 0 for none. ValueError naming the position of a negative one.
std::int64_t bincount_size(const void* x, DType dtype, std::int64_t n);
/// counts[v] = how often v occurs in x, for v < size; size >= bincount_size(x).
void bincount(const void* x, DType dtype, std::int64_t n, std::int64_t size, std::int64_t* counts);
/// sums[v] = the sum of the weights (real, dense) of the places where x is v.
void weighted_bincount(const void* x, DType dtype, std::int64_t n, std::int64_t size, const void* weights,
                       DType weights_dtype, double* sums);

/// counts[k] = how many of the n numbers lie in the k-th of `bins` equal parts of [low, high]; the last holds
/// high too. Numbers outside and NaN do not count. ValueError unless low < high with a finite distance, and
/// bins > 0.
void histc(const void* x, DType dtype, std::int64_t n, std::int64_t bins, double low, double high,
           std::int64_t* counts);

}  // namespace taper::cpu
