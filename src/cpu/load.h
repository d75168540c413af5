// Reads strided elements of any dtype into a buffer of one of six working types, and writes them back.
#pragma once

#include <cstdint>

#include "taper/dtype.h"

namespace taper::cpu {

/// The types in which reductions and scans work: uint8_t, int64_t, uint64_t, float, double,
/// std::complex<double>.
enum class Wide : std::uint8_t { u8, i64, u64, f32, f64, c128 };

constexpr int wide_size(Wide wide) {
  return wide == Wide::u8 ? 1 : wide == Wide::f32 ? 4 : wide == Wide::c128 ? 16 : 8;
}
constexpr DType wide_dtype(Wide wide) {
  constexpr DType types[] = {uint8, int64, uint64, float32, float64, complex128};
  return types[int(wide)];
}
/// The working type that holds every value of dtype: i64 for bool and integers but uint64, f32 for 16-bit
/// floats.
Wide widen(DType dtype);

/// What is read: the value, whether it is not zero (Wide::u8), or its absolute value (complex to Wide::f64).
enum class Reading : std::uint8_t { value, nonzero, magnitude };

/// Reads n elements that lie stride elements apart into a dense buffer.
using Load = void (*)(const void* x, std::int64_t stride, std::int64_t n, void* buffer);
/// Throws DTypeError where dtype has no such reading (a complex number as a real one).
Load find_load(DType dtype, Wide wide, Reading reading = Reading::value);

/// Writes n dense elements of the working type to places stride elements apart.
using Store = void (*)(const void* buffer, std::int64_t n, void* y, std::int64_t stride);
/// Throws DTypeError for floating to integral and complex to real. Integers wrap.
Store find_store(Wide wide, DType dtype);

}  // namespace taper::cpu
