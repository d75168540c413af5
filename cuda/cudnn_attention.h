// Attention by cuDNN's fused kernels, where it is installed and has one that suits: each returns false, with
// nothing written, where not. Operands as in cpu/attention.h.
#pragma once

#include "cpu/attention.h"

namespace taper::cuda {

bool cudnn_attention(const cpu::Attention& attention, const void* q, const void* k, const void* v, void* y,
                     double* log_sum_exp);
bool cudnn_attention_backward(const cpu::Attention& attention, const void* q, const void* k, const void* v,
                              const void* y, const double* log_sum_exp, const void* dy, void* dq, void* dk,
                              void* dv);

}  // namespace taper::cuda
