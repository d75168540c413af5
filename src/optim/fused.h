// Fused steps over tensors: what the kernels do on raw pointers, for any layout and for complex numbers.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/optimizer.h"
#include "taper/tensor.h"

namespace taper::optim {

/// A parameter with its gradient and state, all of one shape and dtype.
struct FusedParameter {
  Tensor value, gradient;
  Tensor state[3];        ///< as the kernel's options say; undefined where there is none
  std::int64_t step = 1;  ///< the number of this step, from 1
};

/// One step over all parameters, by cpu::Sgd, Adam, RmsProp or Adagrad. Everything is checked before
/// anything is written: throws ShapeError or DTypeError where gradient or state do not fit the parameter.
template <class Rule>
void fused_step(const Rule& rule, const std::vector<FusedParameter>& parameters, const char* op);

}  // namespace taper::optim
