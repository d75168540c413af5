// Conversion of runs of elements from one dtype to another.
#pragma once

#include <complex>
#include <cstdint>
#include <type_traits>

#include "taper/dtype.h"
#include "taper/half.h"

namespace taper::cpu {

namespace detail {

template <class T>
inline constexpr bool is_complex_v = false;
template <class T>
inline constexpr bool is_complex_v<std::complex<T>> = true;

/// Out of range and NaN give what x86 and PyTorch give: the least int64 (int32), truncated to the target's
/// width.
template <class To, class Real>
To real_to_integer(Real value) {
  if constexpr (sizeof(To) < 4 || std::is_same_v<To, std::int32_t>) {
    const bool fits = value >= Real(-0x1p31) && value < Real(0x1p31);
    return To(std::int32_t(fits ? value : Real(-0x1p31)));
  } else {
    if constexpr (std::is_same_v<To, std::uint64_t>)
      if (value >= Real(0x1p63) && value < Real(0x1p64)) return To(value);
    const bool fits = value >= Real(-0x1p63) && value < Real(0x1p63);
    return To(std::int64_t(fits ? value : Real(-0x1p63)));
  }
}

}  // namespace detail

/// One value as another element type: complex to real keeps the real part, real to integer truncates towards
/// zero, to bool asks whether it differs from zero, integers wrap.
template <class To, class From>
To convert(From value) {
  using detail::is_complex_v;
  if constexpr (std::is_same_v<To, From>) {
    return value;
  } else if constexpr (is_complex_v<From>) {
    if constexpr (std::is_same_v<To, bool>) return value != From(0);
    else if constexpr (is_complex_v<To>) return To(value);
    else return convert<To>(value.real());
  } else if constexpr (is_complex_v<To>) {
    return To(convert<typename To::value_type>(value));
  } else if constexpr (std::is_same_v<From, Half> || std::is_same_v<From, BFloat16>) {
    return convert<To>(float(value));
  } else if constexpr (std::is_same_v<To, Half> || std::is_same_v<To, BFloat16>) {
    return To(float(value));
  } else if constexpr (std::is_same_v<To, bool>) {
    return value != From(0);
  } else if constexpr (std::is_integral_v<To> && std::is_floating_point_v<From>) {
    return detail::real_to_integer<To>(value);
  } else {
    return To(value);
  }
}

/// n elements of dtype `from` at source, source_stride bytes apart, to dtype `to` at target, target_stride
/// bytes apart (any sign; a source stride of 0 repeats one element). The runs may not overlap, unless they
/// are the same run of types of the same size.
void convert_run(DType from, const void* source, std::int64_t source_stride, DType to, void* target,
                 std::int64_t target_stride, std::int64_t n);

}  // namespace taper::cpu
