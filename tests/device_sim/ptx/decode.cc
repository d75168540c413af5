// Finds the handler of an instruction.
#include "executor.h"

namespace device_sim {
namespace {

void unknown(Thread& thread, const Instruction&) {
  stop_kernel(thread, "unknown-instruction", "the interpreter has no such instruction");
}

}  // namespace

const Handler unknown_instruction = unknown;

void decode(const Opcode& opcode, Instruction& instruction) {
  for (const auto part :
       {decode_memory, decode_atomic, decode_control, decode_warp, decode_matrix, decode_conversion,
        decode_comparison, decode_bits, decode_floating, decode_integer}) {
    instruction.run = part(opcode, instruction);
    if (instruction.run) return;
  }
  instruction.run = unknown_instruction;
}

}  // namespace device_sim
