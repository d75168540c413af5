// Scaled dot product attention and its gradients on a device: as in cpu/attention.h.
#pragma once

#include "cpu/attention.h"

namespace taper::cuda {

void attention(const cpu::Attention& attention, const void* q, const void* k, const void* v, void* y,
               double* log_sum_exp);
void attention_backward(const cpu::Attention& attention, const void* q, const void* k, const void* v,
                        const void* y, const double* log_sum_exp, const void* dy, void* dq, void* dk,
                        void* dv);

}  // namespace taper::cuda
