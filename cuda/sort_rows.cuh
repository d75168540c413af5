// Sorting long rows, for the kernels that need their order.
#pragma once

#include <functional>

#include "cuda/order_key.cuh"

namespace taper::cuda {

/// Sorts rows [rows, n] some at a time and calls then(first, count, order) for rows first to first + count:
/// on the device, order[i * n + k] - i * n is the place in row first + i of its k-th element in the order of
/// the keys, equal ones in their own. ValueError if a row has 2^32 elements or more.
void sort_long_rows(const OrderKeys& keys, int64_t rows, int64_t n, const char* op,
                    const std::function<void(int64_t, int64_t, const std::uint32_t*)>& then);

/// Writes the first to.k of each row in the order of the keys, sorting the rows whole.
void put_first(const OrderKeys& keys, int64_t rows, int64_t n, const Ordered& to, const char* op);

/// Whether long rows are too few to give each processor some, so that it is quicker to sort them whole than
/// to select in a block each.
bool better_sorted(int64_t rows, int64_t n);

}  // namespace taper::cuda
