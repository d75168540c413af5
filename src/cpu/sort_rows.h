// What the kernels of order share: rows in parallel, each with room for its packed keys.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "base/visit.h"
#include "cpu/order_key.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"
#include "taper/error.h"

namespace taper::cpu {

/// Ascending; no two keys are equal.
void sort_packed(std::uint64_t* packed, std::int64_t n);
void sort_packed(WidePacked* packed, std::int64_t n);

/// visit(), without the complex types.
template <class F>
void visit_ordered(const char* op, DType dtype, const F& f) {
  check<DTypeError>(!is_complex(dtype), op, ": ", dtype,
                    " has no order; sort by its absolute value or its real part");
  visit(dtype, [&]<class T>() {
    if constexpr (!std::is_same_v<T, std::complex<float>> && !std::is_same_v<T, std::complex<double>>) {
      // A bool's byte may be any in memory that others wrote; as a number it does no harm.
      f.template operator()<std::conditional_t<std::is_same_v<T, bool>, std::uint8_t, T>>();
    }
  });
}

inline void check_length(const char* op, std::int64_t n, std::size_t item) {
  check<ValueError>(item > 4 || n < longest_packed, op, ": rows of ", n, " elements are too long, at most ",
                    longest_packed - 1, " can be ordered");
}

/// Calls body(row, memory for `room` packed keys) for rows of n elements.
template <class T, class F>
void for_each_row(std::int64_t rows, std::int64_t n, std::int64_t room, const F& body) {
  parallel_for(rows, std::max<std::int64_t>(1, 4096 / std::max<std::int64_t>(n, 1)),
               [&](std::int64_t begin, std::int64_t end) {
                 Scratch<Packed<T>> packed(static_cast<std::size_t>(room));
                 for (std::int64_t row = begin; row < end; ++row) body(row, packed.data());
               });
}

/// The elements of a row at the positions of the packed keys; values and indices may be null.
template <class P, class T>
void write_positions(const P* packed, std::int64_t n, const T* x, T* values, std::int64_t* indices) {
  parallel_for(n, 1 << 15, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; values && i < end; ++i) values[i] = x[position_of(packed[i])];
    for (std::int64_t i = begin; indices && i < end; ++i) indices[i] = position_of(packed[i]);
  });
}

}  // namespace taper::cpu
