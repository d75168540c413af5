// Tensor-core instructions: ldmatrix and mma.sync m16n8k16, m16n8k8.
#pragma once

#include "executor.h"

namespace device_sim {

bool decode_load_matrix(const Opcode& opcode, Instruction& instruction);
bool decode_multiply_matrices(const Opcode& opcode, Instruction& instruction);
/// All 32 lanes wait at the instruction; writes the results of each.
void run_load_matrix(const std::vector<Thread*>& lanes);
void run_multiply_matrices(const std::vector<Thread*>& lanes);

}  // namespace device_sim
