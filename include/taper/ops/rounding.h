// Signs, rounding, integer division and the parts of complex numbers, element by element.
#pragma once

#include <optional>
#include <string_view>

#include "taper/tensor.h"

namespace taper {

/// |x|; of complex numbers the real modulus.
Tensor abs(const Tensor& x);
/// -1, 0 or 1; NaN stays NaN.
Tensor sign(const Tensor& x);
/// sign() for real, x / |x| (0 at 0) for complex numbers.
Tensor sgn(const Tensor& x);
Tensor floor(const Tensor& x);
Tensor ceil(const Tensor& x);
/// To decimals places; halves go to even.
Tensor round(const Tensor& x, std::int64_t decimals = 0);
Tensor trunc(const Tensor& x);
/// x - trunc(x).
Tensor frac(const Tensor& x);
/// Division rounded towards -infinity. Integers by zero throw ValueError.
Tensor floor_divide(const Tensor& a, const Tensor& b);
/// What floor_divide leaves; it has the sign of the divisor.
Tensor remainder(const Tensor& a, const Tensor& b);
/// What division rounded towards 0 leaves; it has the sign of the dividend.
Tensor fmod(const Tensor& a, const Tensor& b);
/// rounding_mode: none (true division), "trunc" or "floor".
Tensor div(const Tensor& a, const Tensor& b, std::optional<std::string> rounding_mode);
/// Magnitude of a with the sign of b.
Tensor copysign(const Tensor& a, const Tensor& b);
/// The next representable number after a towards b.
Tensor nextafter(const Tensor& a, const Tensor& b);
/// 0 below zero, 1 above, b at zero.
Tensor heaviside(const Tensor& a, const Tensor& b);
Tensor gcd(const Tensor& a, const Tensor& b);
Tensor lcm(const Tensor& a, const Tensor& b);

Tensor imag(const Tensor& x);
/// Argument of complex numbers; 0 or pi for real ones.
Tensor angle(const Tensor& x);
/// Complex numbers from real and imaginary parts.
Tensor complex(const Tensor& real, const Tensor& imag);
/// Complex numbers from modulus and argument.
Tensor polar(const Tensor& abs, const Tensor& angle);
/// A view of complex [...] as real [..., 2].
Tensor view_as_real(const Tensor& x);
/// A view of real [..., 2] as complex [...].
Tensor view_as_complex(const Tensor& x);

}  // namespace taper
