// The elementwise parts of LSTM and GRU cells on a device: as in cpu/recurrent.h.
#pragma once

#include "cpu/recurrent.h"

namespace taper::cuda {

void lstm_cell(const cpu::Cell& cell, void* gates, const void* c_before, void* c, void* h);
void lstm_cell_backward(const cpu::Cell& cell, const void* gates, const void* c_before, const void* c,
                        const void* dh, const void* dc, void* dgates, void* dc_before);
void gru_cell(const cpu::Cell& cell, void* input_gates, const void* hidden_gates, const void* h_before,
              void* h);
void gru_cell_backward(const cpu::Cell& cell, const void* gates, const void* hidden_gates,
                       const void* h_before, const void* dh, void* dinput_gates, void* dhidden_gates,
                       void* dh_before);

}  // namespace taper::cuda
