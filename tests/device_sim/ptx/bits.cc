// Moves, selections, logic and the handling of bits (PTX ISA 9.7.8, 9.7.9 and parts of 9.7.1).
#include <algorithm>

#include "executor.h"

namespace device_sim {
namespace {

uint64_t& result(Thread& t, const Instruction& i) { return t.registers[i.operands[0].index]; }
uint64_t value(const Thread& t, const Instruction& i, size_t n) {
  return t.banks[i.operands[n].bank][i.operands[n].index];
}
uint64_t low_bits(uint64_t v, uint64_t count) { return count >= 64 ? v : v & ((1ull << count) - 1); }
uint64_t bits_of(const Instruction& i) { return 8 * uint64_t(size_of(i.type)); }

void move(Thread& t, const Instruction& i) { result(t, i) = value(t, i, 1); }
void move_predicate(Thread& t, const Instruction& i) { result(t, i) = read_predicate(t, i.operands[1]); }

// mov.b64 {%r1, %r2}, %rd1 and mov.b64 %rd1, {%r1, %r2}, for 2 or 4 parts.
void unpack(Thread& t, const Instruction& i) {
  const size_t parts = i.operands.size() - 1;
  const uint64_t whole = value(t, i, parts), width = bits_of(i) / parts;
  for (size_t k = 0; k < parts; ++k)
    if (!i.operands[k].ignored) t.registers[i.operands[k].index] = low_bits(whole >> (k * width), width);
}
void pack(Thread& t, const Instruction& i) {
  const size_t parts = i.operands.size() - 1;
  const uint64_t width = bits_of(i) / parts;
  uint64_t whole = 0;
  for (size_t k = 0; k < parts; ++k) whole |= low_bits(value(t, i, k + 1), width) << (k * width);
  result(t, i) = whole;
}

void select(Thread& t, const Instruction& i) {
  result(t, i) = value(t, i, read_predicate(t, i.operands[3]) ? 1 : 2);
}
template <class C>
void select_by_sign(Thread& t, const Instruction& i) {
  result(t, i) = value(t, i, read<C>(t, i.operands[3]) >= C(0) ? 1 : 2);
}

uint64_t logic_operand(const Thread& t, const Instruction& i, size_t n) {
  return i.type == Type::pred ? uint64_t(read_predicate(t, i.operands[n])) : value(t, i, n);
}
void logical_and(Thread& t, const Instruction& i) {
  result(t, i) = logic_operand(t, i, 1) & logic_operand(t, i, 2);
}
void logical_or(Thread& t, const Instruction& i) {
  result(t, i) = logic_operand(t, i, 1) | logic_operand(t, i, 2);
}
void logical_xor(Thread& t, const Instruction& i) {
  result(t, i) = logic_operand(t, i, 1) ^ logic_operand(t, i, 2);
}
void logical_not(Thread& t, const Instruction& i) {
  result(t, i) = low_bits(~logic_operand(t, i, 1), i.type == Type::pred ? 1 : bits_of(i));
}
void is_zero(Thread& t, const Instruction& i) { result(t, i) = low_bits(value(t, i, 1), bits_of(i)) == 0; }

template <class T>
void shift_left(Thread& t, const Instruction& i) {
  const uint32_t count = read<uint32_t>(t, i.operands[2]);
  write<T>(t, i.operands[0], count >= 8 * sizeof(T) ? T(0) : T(uint64_t(read<T>(t, i.operands[1])) << count));
}
template <class T>
void shift_right(Thread& t, const Instruction& i) {
  const uint32_t most = 8 * sizeof(T) - 1, count = read<uint32_t>(t, i.operands[2]);
  const T v = read<T>(t, i.operands[1]);
  if (count > most) write<T>(t, i.operands[0], v < 0 ? T(-1) : T(0));
  else write<T>(t, i.operands[0], T(v >> count));
}

// lop3: bit k of the table is the result for the inputs a = k/4, b = k/2%2, c = k%2.
void table_of_three(Thread& t, const Instruction& i) {
  const auto a = uint32_t(value(t, i, 1)), b = uint32_t(value(t, i, 2)), c = uint32_t(value(t, i, 3));
  const auto table = uint32_t(value(t, i, 4));
  uint32_t r = 0;
  for (int k = 0; k < 8; ++k)
    if (table >> k & 1) r |= (k & 4 ? a : ~a) & (k & 2 ? b : ~b) & (k & 1 ? c : ~c);
  result(t, i) = r;
}

enum FunnelVariant : uint8_t { funnel_left = 1, funnel_wrap = 2 };
void funnel_shift(Thread& t, const Instruction& i) {
  const uint64_t both = (value(t, i, 2) << 32) | uint32_t(value(t, i, 1));
  auto count = uint32_t(value(t, i, 3));
  count = i.variant & funnel_wrap ? count & 31 : std::min(count, 32u);
  result(t, i) = i.variant & funnel_left ? uint32_t(both << count >> 32) : uint32_t(both >> count);
}

uint64_t permute_selector(uint64_t selector, uint8_t mode) {
  const uint64_t n = selector & 3;
  constexpr uint64_t f4e[] = {0x3210, 0x4321, 0x5432, 0x6543}, b4e[] = {0x5670, 0x6701, 0x7012, 0x0123},
                     ecl[] = {0x3210, 0x3211, 0x3222, 0x3333}, ecr[] = {0x0000, 0x1110, 0x2210, 0x3210};
  switch (mode) {
    case 1: return f4e[n];
    case 2: return b4e[n];
    case 3: return 0x1111 * n;
    case 4: return ecl[n];
    case 5: return ecr[n];
    case 6: return n & 1 ? 0x3232 : 0x1010;
    default: return selector;
  }
}
void permute(Thread& t, const Instruction& i) {
  const uint64_t bytes = (value(t, i, 2) << 32) | uint32_t(value(t, i, 1));
  const uint64_t selector = permute_selector(value(t, i, 3), i.variant);
  uint32_t r = 0;
  for (int k = 0; k < 4; ++k) {
    const auto pick = unsigned(selector >> (4 * k) & 15);
    auto byte = uint8_t(bytes >> (8 * (pick & 7)));
    if (pick & 8) byte = byte & 0x80 ? 0xff : 0;
    r |= uint32_t(byte) << (8 * k);
  }
  result(t, i) = r;
}

template <class T>
void extract_field(Thread& t, const Instruction& i) {
  const auto v = int64_t(read<T>(t, i.operands[1]));
  const uint64_t at = value(t, i, 2) & 255, count = value(t, i, 3) & 255, width = 8 * sizeof(T);
  const bool negative = std::is_signed_v<T> && count && (v >> std::min(at + count - 1, width - 1) & 1);
  uint64_t r = at >= 64 ? 0 : low_bits(low_bits(uint64_t(v), width) >> at, count);
  if (negative) r |= ~low_bits(~0ull, std::min(count, at >= width ? 0 : width - at));
  write<T>(t, i.operands[0], T(count ? r : 0));
}
void insert_field(Thread& t, const Instruction& i) {
  const uint64_t at = value(t, i, 3) & 255, count = value(t, i, 4) & 255, width = bits_of(i);
  const uint64_t mask = at >= width ? 0 : low_bits(low_bits(~0ull, count) << at, width);
  result(t, i) = low_bits((value(t, i, 2) & ~mask) | (at >= 64 ? 0 : value(t, i, 1) << at & mask), width);
}
template <class T>
void find_highest(Thread& t, const Instruction& i) {
  T v = read<T>(t, i.operands[1]);
  if (v < 0) v = T(~v);
  const int width = 8 * sizeof(T);
  const int at = v ? 63 - __builtin_clzll(low_bits(uint64_t(v), width)) : -1;
  result(t, i) = uint32_t(at < 0 ? -1 : i.variant ? width - 1 - at : at);
}
void reverse_bits(Thread& t, const Instruction& i) {
  const uint64_t v = value(t, i, 1), width = bits_of(i);
  uint64_t r = 0;
  for (uint64_t k = 0; k < width; ++k) r |= (v >> k & 1) << (width - 1 - k);
  result(t, i) = r;
}
void count_bits(Thread& t, const Instruction& i) {
  result(t, i) = uint64_t(__builtin_popcountll(low_bits(value(t, i, 1), bits_of(i))));
}
void count_leading_zeros(Thread& t, const Instruction& i) {
  const uint64_t v = low_bits(value(t, i, 1), bits_of(i));
  result(t, i) = v ? uint64_t(__builtin_clzll(v)) - (64 - bits_of(i)) : bits_of(i);
}
void make_mask(Thread& t, const Instruction& i) {
  auto at = uint64_t(uint32_t(value(t, i, 1))), count = uint64_t(uint32_t(value(t, i, 2)));
  if (i.variant) at &= 31, count &= 31;
  result(t, i) = at >= 32 ? 0 : uint32_t(low_bits(~0ull, std::min<uint64_t>(count, 32)) << at);
}
void find_nth_set(Thread& t, const Instruction& i) {
  const auto mask = uint32_t(value(t, i, 1)), base = uint32_t(value(t, i, 2)) & 31;
  auto offset = int32_t(value(t, i, 3));
  const int step = offset < 0 ? -1 : 1;
  if (offset == 0) {
    result(t, i) = mask >> base & 1 ? base : 0xffffffffu;
    return;
  }
  for (int at = int(base); at >= 0 && at < 32; at += step) {
    if (!(mask >> at & 1)) continue;
    offset -= step;
    if (offset == 0) {
      result(t, i) = uint32_t(at);
      return;
    }
  }
  result(t, i) = 0xffffffffu;
}

uint8_t permute_mode(const Opcode& opcode) {
  constexpr std::string_view modes[] = {"", "f4e", "b4e", "rc8", "ecl", "ecr", "rc16"};
  for (uint8_t k = 1; k < 7; ++k)
    if (opcode.has(modes[k])) return k;
  return 0;
}

Handler decode_shift(const Opcode& opcode, Instruction& instruction) {
  const auto name = opcode.name();
  const Type type = instruction.type;
  if (name == "shl")
    return for_integer(type, []<class T>(std::type_identity<T>) -> Handler { return shift_left<T>; });
  if (name == "shr")
    return for_integer(type, []<class T>(std::type_identity<T>) -> Handler { return shift_right<T>; });
  instruction.variant = (opcode.has("l") ? funnel_left : 0) | (opcode.has("wrap") ? funnel_wrap : 0);
  return name == "shf" ? funnel_shift : nullptr;
}

}  // namespace

Handler decode_bits(const Opcode& opcode, Instruction& instruction) {
  const auto name = opcode.name();
  const Type type = instruction.type;
  // The parser counts the operands in the braces that come first.
  if (name == "mov" && instruction.operands.size() > 2) return instruction.vector > 1 ? unpack : pack;
  if (name == "mov") return type == Type::pred ? move_predicate : move;
  if (name == "selp") return select;
  if (name == "slct")
    return instruction.source_type == Type::f32 ? select_by_sign<float> : select_by_sign<int32_t>;
  if (name == "and") return logical_and;
  if (name == "or") return logical_or;
  if (name == "xor") return logical_xor;
  if (name == "not") return logical_not;
  if (name == "cnot") return is_zero;
  if (name == "shl" || name == "shr" || name == "shf") return decode_shift(opcode, instruction);
  if (name == "lop3") return table_of_three;
  if (name == "prmt") {
    instruction.variant = permute_mode(opcode);
    return permute;
  }
  if (name == "bfe")
    return for_integer(type, []<class T>(std::type_identity<T>) -> Handler { return extract_field<T>; });
  if (name == "bfi") return insert_field;
  if (name == "bfind") {
    instruction.variant = opcode.has("shiftamt");
    return for_integer(type, []<class T>(std::type_identity<T>) -> Handler { return find_highest<T>; });
  }
  if (name == "brev") return reverse_bits;
  if (name == "popc") return count_bits;
  if (name == "clz") return count_leading_zeros;
  if (name == "bmsk") {
    instruction.variant = opcode.has("wrap");
    return make_mask;
  }
  if (name == "fns") return find_nth_set;
  return nullptr;
}

}  // namespace device_sim
