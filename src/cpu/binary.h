// The elementwise kernels of two operands, among them the fused gradients of activations.
#pragma once

#include "cpu/attributes.h"
#include "cpu/map.h"

namespace taper::cpu::kernels {

// Arithmetic: real and complex unless it says otherwise. Integers wrap.
extern const Kernel add, sub, mul;
extern const Kernel add_scaled;    ///< Factor: a + value * b
extern const Kernel sub_scaled;    ///< Factor: a - value * b
extern const Kernel div;           ///< float, complex
extern const Kernel floor_divide;  ///< real; towards -inf as Python does; integer by zero throws ValueError
extern const Kernel trunc_divide;  ///< real; towards zero; integer by zero throws ValueError
extern const Kernel remainder;     ///< real; sign of the divisor; integer by zero throws ValueError
extern const Kernel fmod;          ///< real; sign of the dividend; integer by zero throws ValueError
extern const Kernel pow;           ///< a negative integer exponent throws ValueError
extern const Kernel maximum, minimum;  ///< real; NaN propagates
extern const Kernel fmax, fmin;        ///< real; NaN loses
extern const Kernel lerp_scalar;       ///< float, complex; Factor: a + value * (b - a)

// Mathematics: float.
extern const Kernel atan2, hypot, copysign, nextafter, logaddexp, logaddexp2, xlogy;
extern const Kernel heaviside;  ///< real; heaviside(x, value at 0); NaN propagates

// Integers (and bool where PyTorch takes it).
extern const Kernel gcd, lcm, bitwise_and, bitwise_or, bitwise_xor;
extern const Kernel left_shift;   ///< beyond the width: 0
extern const Kernel right_shift;  ///< beyond the width: 0, or -1 of a negative number

// Comparisons and logic: bool output; exact for 64-bit integers. eq and ne take complex.
extern const Kernel eq, ne, lt, le, gt, ge;
extern const Kernel logical_and, logical_or, logical_xor;  ///< all types
extern const Kernel isclose;                               ///< Tolerance; all types

// Complex output from real inputs: float.
extern const Kernel complex;  ///< (real, imaginary)
extern const Kernel polar;    ///< (absolute value, angle)

// Gradients: dx from dy and the output y or the input x of the activation. Float; the first five also
// complex.
extern const Kernel tanh_backward, sigmoid_backward;  ///< (dy, y)
extern const Kernel reciprocal_backward;              ///< (dy, y): -dy y^2
extern const Kernel sqrt_backward, rsqrt_backward;    ///< (dy, y): dy / 2y, -dy y^3 / 2
extern const Kernel relu_backward;                    ///< (dy, y): 0 where y <= 0
extern const Kernel gelu_backward, gelu_tanh_backward, silu_backward, mish_backward;  ///< (dy, x)
extern const Kernel hardswish_backward, hardsigmoid_backward, log_sigmoid_backward;   ///< (dy, x)
extern const Kernel softsign_backward, tanhshrink_backward;                           ///< (dy, x)
extern const Kernel softplus_backward;                         ///< (dy, x); SoftplusShape
extern const Kernel leaky_relu_backward;                       ///< (dy, x); Slope
extern const Kernel elu_backward;                              ///< (dy, x); EluShape
extern const Kernel hardtanh_backward;                         ///< (dy, x); Interval: 0 unless low < x < high
extern const Kernel clamp_backward;                            ///< (dy, x); Bounds: 0 unless low < x < high
extern const Kernel hardshrink_backward, softshrink_backward;  ///< (dy, x); Shrink
extern const Kernel threshold_backward;                        ///< (dy, x); Threshold: 0 where x <= threshold

}  // namespace taper::cpu::kernels
