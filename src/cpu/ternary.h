// The elementwise kernels of three operands.
#pragma once

#include "cpu/attributes.h"
#include "cpu/map.h"

namespace taper::cpu::kernels {

extern const Kernel where;    ///< (condition, a, b): the condition is read as bool, a and b are of any type
extern const Kernel addcmul;  ///< Factor: a + value * b * c; real, complex
extern const Kernel addcdiv;  ///< Factor: a + value * b / c; float, complex
extern const Kernel lerp;     ///< (a, b, weight): a + weight * (b - a); float, complex
extern const Kernel clamp;    ///< (x, low, high): real; NaN in any operand propagates

}  // namespace taper::cpu::kernels
