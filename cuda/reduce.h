// Reductions on a device: as in cpu/reduce.h.
#pragma once

#include "cpu/reduce.h"

namespace taper::cuda {

void sum(const cpu::Reduction& reduction);
void nansum(const cpu::Reduction& reduction);
void prod(const cpu::Reduction& reduction);
void mean(const cpu::Reduction& reduction);
void var(const cpu::Reduction& reduction, double correction, void* average);
void norm(const cpu::Reduction& reduction, double p);
void logsumexp(const cpu::Reduction& reduction);
void max(const cpu::Reduction& reduction);
void min(const cpu::Reduction& reduction);
void argmax(const cpu::Reduction& reduction);
void argmin(const cpu::Reduction& reduction);
void max_with_indices(const cpu::Reduction& reduction, std::int64_t* indices);
void min_with_indices(const cpu::Reduction& reduction, std::int64_t* indices);
void any(const cpu::Reduction& reduction);
void all(const cpu::Reduction& reduction);
void count_nonzero(const cpu::Reduction& reduction);

}  // namespace taper::cuda
