// Fragments as the PTX ISA lays them out over the lanes (9.7.14.5).
#include "matrix.h"

namespace device_sim {
namespace {

enum Elements : uint8_t { elements_f16, elements_bf16, elements_tf32 };

float element(const Thread& t, const Operand& operand, int half, uint8_t elements) {
  const auto word = read<uint32_t>(t, operand);
  const auto part = uint16_t(word >> (16 * half));
  if (elements == elements_f16) return float(std::bit_cast<Half>(part));
  if (elements == elements_bf16) return float(std::bit_cast<Bfloat16>(part));
  return std::bit_cast<float>(word & 0xffffe000u);  // tf32: 10 bits of fraction
}

}  // namespace

bool decode_load_matrix(const Opcode& opcode, Instruction& instruction) {
  instruction.vector = opcode.has("x4") ? 4 : opcode.has("x2") ? 2 : 1;
  if (opcode.has("trans")) instruction.flags |= flag_wide;
  instruction.space = Space::shared;
  return opcode.has("m8n8") && instruction.type == Type::b16;
}

// Lane l's register k holds elements (l/4, 2*(l%4)) and the one beside it of matrix k, whose rows begin at
// the addresses of lanes 8k to 8k+7.
void run_load_matrix(const std::vector<Thread*>& lanes) {
  const Instruction& i = *lanes[0]->waiting_at;
  const bool transposed = i.flags & flag_wide;
  std::vector<uint64_t> rows;
  for (const Thread* t : lanes) rows.push_back(read<uint64_t>(*t, i.operands.back()) + uint64_t(i.offset));
  for (Thread* t : lanes) {
    for (int k = 0; k < i.vector; ++k) {
      uint32_t word = 0;
      for (int half = 0; half < 2; ++half) {
        const int major = t->lane / 4, minor = t->lane % 4 * 2 + half;
        const int row = transposed ? minor : major, column = transposed ? major : minor;
        const char* data = checked_access(*t, Space::shared, rows[size_t(8 * k + row)] + uint64_t(2 * column),
                                          2, false, false);
        if (!data) return;
        word |= uint32_t(*reinterpret_cast<const uint16_t*>(data)) << (16 * half);
      }
      t->registers[i.operands[size_t(k)].index] = word;
    }
  }
}

bool decode_multiply_matrices(const Opcode& opcode, Instruction& instruction) {
  if (opcode.types.size() < 4 && !opcode.has("tf32")) return false;
  if (!opcode.has("row") || !opcode.has("col") || opcode.types.front() != Type::f32) return false;
  instruction.vector = opcode.has("m16n8k16")  ? 16
                       : opcode.has("m16n8k8") ? 8
                       : opcode.has("m16n8k4") ? 4
                                               : 0;
  const auto elements = opcode.has("tf32")   ? elements_tf32
                        : opcode.has("bf16") ? elements_bf16
                                             : elements_f16;
  if (elements == elements_tf32 && instruction.vector == 16) return false;
  if (elements != elements_tf32 && instruction.vector == 4) return false;
  instruction.offset = elements;
  return instruction.vector != 0;
}

void run_multiply_matrices(const std::vector<Thread*>& lanes) {
  const Instruction& i = *lanes[0]->waiting_at;
  const int depth = i.vector;
  const auto elements = uint8_t(i.offset);
  const int per_register = elements == elements_tf32 ? 1 : 2, step = 4 * per_register;
  const int b_registers = depth / step, a_registers = 2 * b_registers;
  float a[16][16], b[16][8];
  for (const Thread* t : lanes) {
    const int group = t->lane / 4, place = t->lane % 4 * per_register;
    for (int r = 0; r < a_registers; ++r)
      for (int half = 0; half < per_register; ++half)
        a[group + r % 2 * 8][place + half + r / 2 * step] =
            element(*t, i.operands[size_t(4 + r)], half, elements);
    for (int r = 0; r < b_registers; ++r)
      for (int half = 0; half < per_register; ++half)
        b[place + half + r * step][group] =
            element(*t, i.operands[size_t(4 + a_registers + r)], half, elements);
  }
  for (Thread* t : lanes) {
    float results[4];
    for (int k = 0; k < 4; ++k) {
      const int row = t->lane / 4 + k / 2 * 8, column = t->lane % 4 * 2 + k % 2;
      double sum = read<float>(*t, i.operands[size_t(4 + a_registers + b_registers + k)]);
      for (int n = 0; n < depth; ++n) sum += double(a[row][n]) * double(b[n][column]);
      results[k] = float(sum);
    }
    for (size_t k = 0; k < 4; ++k) t->registers[i.operands[k].index] = std::bit_cast<uint32_t>(results[k]);
  }
}

}  // namespace device_sim
