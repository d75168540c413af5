// The function of Huber's loss.
#pragma once

#include "taper/tensor.h"

namespace taper {

/// x^2 / 2 up to |x| = delta, from there on the line delta (|x| - delta / 2), element by element: Huber 1964.
Tensor huber(const Tensor& x, double delta);

}  // namespace taper
