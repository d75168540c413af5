// The elementwise kernels of one operand.
#pragma once

#include "cpu/attributes.h"
#include "cpu/map.h"

namespace taper::cpu::kernels {

// Float32 results are within 2 ulp of the correctly rounded ones; special values are those of C99 and NumPy.
// Types: "real" is every float and integer type, "float" float32 and float64 (and with them the 16-bit
// types), "complex" is computed in complex128.

// Arithmetic. Real and complex unless it says otherwise.
extern const Kernel neg, square;
extern const Kernel abs;   ///< complex: real output
extern const Kernel sign;  ///< real: -1, 0, 1, NaN stays NaN; complex: x / |x|, 0 for 0 (sgn)
extern const Kernel sqrt, rsqrt, reciprocal;  ///< float, complex
extern const Kernel affine;                   ///< Affine: x * scale + offset
extern const Kernel pow_scalar;    ///< Factor: x ** value; integers wrap, negative exponents throw ValueError
extern const Kernel clamp_scalar;  ///< real; Bounds; NaN stays NaN
extern const Kernel floor, ceil, trunc, frac;  ///< real; integers stay as they are (frac: 0)
extern const Kernel round;                     ///< real; Decimals or null; halves go to even
extern const Kernel deg2rad, rad2deg;          ///< float
extern const Kernel nan_to_num;                ///< real; Replacements
extern const Kernel positive;                  ///< x: all types

// Exponentials and logarithms: float, complex.
extern const Kernel exp, exp2, expm1, log, log2, log10, log1p;

// Trigonometric and hyperbolic functions: float, complex.
extern const Kernel sin, cos, tan, asin, acos, atan, sinh, cosh, tanh, asinh, acosh, atanh;

// Special functions: float.
extern const Kernel erf, erfc, erfinv, lgamma, digamma;
extern const Kernel sinc;   ///< sin(pi x) / (pi x), 1 at 0
extern const Kernel logit;  ///< Epsilon or null

// Activations: float.
extern const Kernel sigmoid;    ///< also complex
extern const Kernel relu;       ///< real; NaN stays NaN
extern const Kernel gelu;       ///< x Phi(x), with the error function; within 4 ulp
extern const Kernel gelu_tanh;  ///< its approximation with tanh
extern const Kernel silu, mish, softsign, tanhshrink, log_sigmoid, relu6, hardsigmoid, hardswish, selu;
extern const Kernel softplus;                ///< SoftplusShape
extern const Kernel leaky_relu;              ///< Slope
extern const Kernel elu;                     ///< EluShape
extern const Kernel hardtanh;                ///< Interval; NaN stays NaN
extern const Kernel hardshrink, softshrink;  ///< Shrink
extern const Kernel threshold;               ///< Threshold; real

// Predicates: bool output.
extern const Kernel isnan, isinf, isfinite;       ///< all types
extern const Kernel isposinf, isneginf, signbit;  ///< real
extern const Kernel logical_not;                  ///< all types
extern const Kernel bitwise_not;                  ///< integers and bool; output of the same type

// Parts of complex numbers. Real output; real inputs are taken as numbers with imaginary part 0.
extern const Kernel real, imag, angle;
extern const Kernel conj;  ///< all types; output of the same type

}  // namespace taper::cpu::kernels
