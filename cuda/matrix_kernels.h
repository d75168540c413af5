// What factorizations do to matrices beside the libraries' calls. Matrices are row-major and dense, `batch`
// of them one after another, unless it says otherwise.
#pragma once

#include <cstdint>

#include "taper/dtype.h"

namespace taper::cuda {

/// Matrix k of those that begin `step` elements apart.
inline char* matrix_at(void* a, std::int64_t k, std::int64_t step, DType dtype) {
  return static_cast<char*>(a) + k * step * item_size(dtype);
}

/// All went well.
void clear_info(std::int32_t* info, std::int64_t batch);

/// to = from, of rows x columns matrices that begin `from_step` and `to_step` elements apart. A column-major
/// one has `rows` elements between columns, or `leading`.
void to_column_major(DType dtype, std::int64_t batch, std::int64_t rows, std::int64_t columns,
                     const void* from, std::int64_t from_step, void* to, std::int64_t to_step);
void to_row_major(DType dtype, std::int64_t batch, std::int64_t rows, std::int64_t columns, const void* from,
                  std::int64_t from_step, std::int64_t leading, void* to, std::int64_t to_step);

/// Zeros below (upper) or above (not upper) the diagonal.
void keep_triangle(DType dtype, std::int64_t batch, std::int64_t rows, std::int64_t columns, void* a,
                   bool upper);
void set_identity(DType dtype, std::int64_t batch, std::int64_t rows, std::int64_t columns, void* a);

/// info[k] of a factor that has none yet becomes the first place on its diagonal, from 1, that is not
/// positive, as NaN is not.
void check_positive_diagonal(DType dtype, std::int64_t batch, std::int64_t n, const void* a,
                             std::int32_t* info);

enum class Part { all, lower, upper };
/// info[k] becomes value where that part of matrix k has an element that is not finite.
void mark_not_finite(DType dtype, std::int64_t batch, std::int64_t rows, std::int64_t columns, const void* a,
                     Part part, std::int32_t* info, std::int32_t value);

/// Exchanges row i of b [n, columns] with row pivots[i] - 1, for i from 0 to n - 1.
void exchange_rows(DType dtype, std::int64_t batch, std::int64_t n, std::int64_t columns,
                   const std::int32_t* pivots, void* b);

/// list[k] = data + k * step_bytes.
void list_addresses(void** list, const void* data, std::int64_t step_bytes, std::int64_t batch);

}  // namespace taper::cuda
