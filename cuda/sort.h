// Order on a device: as in cpu/sort.h. Pointers are to device memory. Rows of 2^32 elements and more are
// refused with ValueError.
#pragma once

#include "cpu/sort.h"

namespace taper::cuda {

void sort(const void* x, DType dtype, std::int64_t rows, std::int64_t n, bool descending, void* values,
          std::int64_t* indices);
void topk(const void* x, DType dtype, std::int64_t rows, std::int64_t n, std::int64_t k, bool largest,
          void* values, std::int64_t* indices);
void kthvalue(const void* x, DType dtype, std::int64_t rows, std::int64_t n, std::int64_t k, void* values,
              std::int64_t* indices);
void median(const void* x, DType dtype, std::int64_t rows, std::int64_t n, bool ignore_nan, void* values,
            std::int64_t* indices);

/// These wait for the device, as the number of groups is known there only.
std::int64_t unique(const void* x, DType dtype, std::int64_t rows, std::int64_t n, std::int64_t* first,
                    std::int64_t* inverse, std::int64_t* counts);
std::int64_t unique_consecutive(const void* x, DType dtype, std::int64_t rows, std::int64_t n,
                                std::int64_t* first, std::int64_t* inverse, std::int64_t* counts);

/// A sorter out of range counts as its nearest place and is reported when the host next waits for the device.
void searchsorted(const void* boundaries, bool shared, std::int64_t m, const std::int64_t* order,
                  const void* values, DType dtype, std::int64_t rows, std::int64_t n, bool right,
                  std::int64_t* places);
/// Waits for the device.
std::int64_t bincount_size(const void* x, DType dtype, std::int64_t n);
void bincount(const void* x, DType dtype, std::int64_t n, std::int64_t size, std::int64_t* counts);
/// Adds with atomics, so that the last bits differ from run to run, unless deterministic_algorithms are asked
/// for.
void weighted_bincount(const void* x, DType dtype, std::int64_t n, std::int64_t size, const void* weights,
                       DType weights_dtype, double* sums);
void histc(const void* x, DType dtype, std::int64_t n, std::int64_t bins, double low, double high,
           std::int64_t* counts);

}  // namespace taper::cuda
