// The elementwise kernels of losses, and their gradients.
#pragma once

#include "cpu/map.h"

namespace taper::cpu {

/// Where huber goes from a parabola to lines.
struct Bend {
  double delta = 1;
};

namespace kernels {

extern const Kernel huber;           ///< Bend: x^2 / 2 up to |x| = delta, then delta (|x| - delta / 2); float
extern const Kernel huber_backward;  ///< (dy, x); Bend; float

}  // namespace kernels
}  // namespace taper::cpu
