// The CTC loss on a device: as in cpu/ctc.h. A label that is no class makes its sample's loss NaN and is
// reported when the host next waits for the device.
#pragma once

#include "cpu/ctc.h"

namespace taper::cuda {

void ctc_loss(const cpu::Ctc& ctc, const void* log_probs, double* alpha, double* loss);
void ctc_loss_backward(const cpu::Ctc& ctc, const void* log_probs, const double* alpha, const double* loss,
                       const double* dloss, void* dlog_probs);

}  // namespace taper::cuda
