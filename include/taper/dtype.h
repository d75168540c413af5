// Element types, their sizes, and how two of them combine.
#pragma once

#include <complex>
#include <cstdint>
#include <string>
#include <string_view>

namespace taper {

/// The type of a tensor's elements. Order within a kind is by width.
enum class DType : std::uint8_t {
  boolean,
  uint8,
  int8,
  int16,
  int32,
  int64,
  uint16,
  uint32,
  uint64,
  float16,
  bfloat16,
  float32,
  float64,
  complex64,
  complex128,
};
inline constexpr int dtype_count = 15;

using enum DType;

/// Kinds in the order in which promotion climbs.
enum class Kind : std::uint8_t { boolean, integral, floating, complex };

/// Bytes of one element.
constexpr std::int64_t item_size(DType dtype) {
  constexpr std::uint8_t sizes[dtype_count] = {1, 1, 1, 2, 4, 8, 2, 4, 8, 2, 2, 4, 8, 8, 16};
  return sizes[int(dtype)];
}

constexpr Kind kind(DType dtype) {
  if (dtype == DType::boolean) return Kind::boolean;
  if (dtype <= DType::uint64) return Kind::integral;
  return dtype <= DType::float64 ? Kind::floating : Kind::complex;
}

constexpr bool is_floating_point(DType dtype) { return kind(dtype) == Kind::floating; }
constexpr bool is_complex(DType dtype) { return kind(dtype) == Kind::complex; }
constexpr bool is_integral(DType dtype, bool include_bool = false) {
  return kind(dtype) == Kind::integral || (include_bool && dtype == DType::boolean);
}
constexpr bool is_signed(DType dtype) {
  return !(dtype == DType::boolean || dtype == DType::uint8 ||
           (dtype >= DType::uint16 && dtype <= DType::uint64));
}
/// Types that can carry a gradient.
constexpr bool is_differentiable(DType dtype) { return dtype >= DType::float16; }

/// The real type of a complex type's parts; other types are their own.
constexpr DType real_dtype(DType dtype) {
  return dtype == DType::complex64 ? DType::float32 : dtype == DType::complex128 ? DType::float64 : dtype;
}
/// The complex type that holds a floating type: complex128 for float64, complex64 for the others.
constexpr DType complex_dtype(DType dtype) {
  return is_complex(dtype) ? dtype : dtype == DType::float64 ? DType::complex128 : DType::complex64;
}

/// The smallest type that holds both, by the Array API's table; where that has no entry, PyTorch's.
DType promote_types(DType a, DType b);

/// "float32", "bool", ... as NumPy writes them.
std::string_view name(DType dtype);
/// The inverse of name(); throws DTypeError naming the text.
DType dtype_from_name(std::string_view text);
void append_text(std::string& text, DType dtype);

/// The type of new floating tensors: float32 unless set_default_dtype changed it. Of the whole process.
DType default_dtype();
/// Takes a floating type only; throws DTypeError.
void set_default_dtype(DType dtype);

}  // namespace taper
