// Elementwise kernels of special functions: Bessel functions, probability, the incomplete gamma function,
// orthogonal polynomials. Computed in float64 also for float32.
#pragma once

#include "cpu/map.h"

namespace taper::cpu {

/// polygamma: which derivative of digamma.
struct Order {
  std::int64_t n = 1;
};

}  // namespace taper::cpu

namespace taper::cpu::kernels {

// Bessel functions of one operand; outside of the domain NaN.
extern const Kernel bessel_j0, bessel_j1, bessel_y0, bessel_y1;
extern const Kernel modified_bessel_i0, modified_bessel_i1;                ///< I_0, I_1
extern const Kernel scaled_modified_bessel_i0, scaled_modified_bessel_i1;  ///< e^-|x| I_n(x)
extern const Kernel modified_bessel_k0, modified_bessel_k1;
extern const Kernel scaled_modified_bessel_k0, scaled_modified_bessel_k1;  ///< e^x K_n(x)
extern const Kernel spherical_bessel_j0, airy_ai;

extern const Kernel erfcx;            ///< e^(x^2) erfc(x)
extern const Kernel ndtri;            ///< the inverse of the normal distribution function
extern const Kernel entr;             ///< -x log x; 0 at 0, -inf below
extern const Kernel xlog1py;          ///< (x, y): x log(1 + y); 0 for x = 0
extern const Kernel igamma, igammac;  ///< (a, x): regularized lower and upper incomplete gamma function
extern const Kernel zeta;             ///< (s, q): the sum of (q + k)^-s over k >= 0
extern const Kernel polygamma;        ///< Order, at least 1
extern const Kernel frexp_mantissa, frexp_exponent;

// Orthogonal polynomials of (x, degree); a negative degree gives 0, one above a million NaN.
extern const Kernel chebyshev_t, chebyshev_u, chebyshev_v, chebyshev_w;
extern const Kernel shifted_chebyshev_t, shifted_chebyshev_u, shifted_chebyshev_v, shifted_chebyshev_w;
extern const Kernel hermite_h, hermite_he, laguerre_l, legendre_p;

}  // namespace taper::cpu::kernels
