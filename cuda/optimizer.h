// One step of an optimizer over many tensors on a device: as in cpu/optimizer.h.
#pragma once

#include "cpu/optimizer.h"

namespace taper::cuda {

void step(const cpu::Sgd& options, const std::vector<cpu::Parameter>& parameters);
void step(const cpu::Adam& options, const std::vector<cpu::Parameter>& parameters);
void step(const cpu::RmsProp& options, const std::vector<cpu::Parameter>& parameters);
void step(const cpu::Adagrad& options, const std::vector<cpu::Parameter>& parameters);

}  // namespace taper::cuda
