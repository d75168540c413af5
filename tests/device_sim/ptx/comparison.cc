// setp, set and testp (PTX ISA 9.7.6 and 9.7.3.1).
#include <cmath>

#include "executor.h"

namespace device_sim {
namespace {

enum Comparison : uint8_t {
  eq,
  ne,
  lt,
  le,
  gt,
  ge,
  equ,
  neu,
  ltu,
  leu,
  gtu,
  geu,
  num,
  nan,
  comparison_count
};
constexpr std::string_view kNames[] = {"eq",  "ne",  "lt",  "le",  "gt",  "ge",  "equ",
                                       "neu", "ltu", "leu", "gtu", "geu", "num", "nan"};
// lo, ls, hi, hs are the unsigned names of lt, le, gt, ge.
constexpr std::string_view kUnsignedNames[] = {"", "", "lo", "ls", "hi", "hs"};

enum Combination : uint16_t { combine_and = 0x1000, combine_or = 0x2000, combine_xor = 0x4000 };

template <class T>
bool holds(uint8_t comparison, T a, T b) {
  const bool unordered = is_nan(a) || is_nan(b);
  switch (comparison) {
    case eq: return !unordered && a == b;
    case ne: return !unordered && a != b;
    case lt: return !unordered && a < b;
    case le: return !unordered && a <= b;
    case gt: return !unordered && a > b;
    case ge: return !unordered && a >= b;
    case equ: return unordered || a == b;
    case neu: return unordered || a != b;
    case ltu: return unordered || a < b;
    case leu: return unordered || a <= b;
    case gtu: return unordered || a > b;
    case geu: return unordered || a >= b;
    case num: return !unordered;
    default: return unordered;
  }
}

bool combined(const Thread& t, const Instruction& i, bool value, size_t operand) {
  if (i.flags & combine_and) return value && read_predicate(t, i.operands[operand]);
  if (i.flags & combine_or) return value || read_predicate(t, i.operands[operand]);
  if (i.flags & combine_xor) return value != read_predicate(t, i.operands[operand]);
  return value;
}

template <class T>
void set_predicate(Thread& t, const Instruction& i) {
  const size_t first = i.flags & flag_second ? 2 : 1;
  const bool value = holds(i.variant, read<T>(t, i.operands[first]), read<T>(t, i.operands[first + 1]));
  const bool result = combined(t, i, value, first + 2), other = combined(t, i, !value, first + 2);
  if (!i.operands[0].ignored) t.registers[i.operands[0].index] = result;
  if (first == 2 && !i.operands[1].ignored) t.registers[i.operands[1].index] = other;
}

// setp.lt.f16x2 p|q: one predicate for each half.
template <class T>
void set_two_predicates(Thread& t, const Instruction& i) {
  const auto a = read<Pair<T>>(t, i.operands[2]), b = read<Pair<T>>(t, i.operands[3]);
  t.registers[i.operands[0].index] = combined(t, i, holds(i.variant, a.low, b.low), 4);
  t.registers[i.operands[1].index] = combined(t, i, holds(i.variant, a.high, b.high), 4);
}

uint64_t truth(Type type, bool value) {
  if (!value) return 0;
  switch (type) {
    case Type::f32: return 0x3f800000;
    case Type::f16: return 0x3c00;
    case Type::bf16: return 0x3f80;
    case Type::u16:
    case Type::s16: return 0xffff;
    default: return 0xffffffff;
  }
}

template <class T>
void set_value(Thread& t, const Instruction& i) {
  const bool value = holds(i.variant, read<T>(t, i.operands[1]), read<T>(t, i.operands[2]));
  t.registers[i.operands[0].index] = truth(i.type, combined(t, i, value, 3));
}

template <class T>
void set_two_values(Thread& t, const Instruction& i) {
  const auto a = read<Pair<T>>(t, i.operands[1]), b = read<Pair<T>>(t, i.operands[2]);
  const Type half = i.type == Type::f16x2 ? Type::f16 : i.type == Type::bf16x2 ? Type::bf16 : Type::u16;
  t.registers[i.operands[0].index] =
      truth(half, holds(i.variant, a.low, b.low)) | truth(half, holds(i.variant, a.high, b.high)) << 16;
}

template <class T>
void test_property(Thread& t, const Instruction& i) {
  const double x = double(read<T>(t, i.operands[1]));
  const T v = read<T>(t, i.operands[1]);
  const bool normal = std::isfinite(v) && std::abs(v) >= std::numeric_limits<T>::min();
  const bool results[] = {std::isfinite(x), std::isinf(x), !std::isnan(x),
                          std::isnan(x),    normal,        std::isfinite(x) && !normal && x != 0};
  t.registers[i.operands[0].index] = results[i.variant];
}

template <class Make>
Handler for_comparable(Type type, Make make) {
  const Handler handler = for_integer(type, make);
  return handler ? handler : for_floating(type, make);
}

Handler decode_test(const Opcode& opcode, Instruction& instruction) {
  constexpr std::string_view names[] = {"finite", "infinite", "number", "notanumber", "normal", "subnormal"};
  for (uint8_t k = 0; k < 6; ++k)
    if (opcode.has(names[k])) instruction.variant = k;
  return instruction.type == Type::f32 ? test_property<float> : test_property<double>;
}

bool decode_names(const Opcode& opcode, Instruction& instruction) {
  instruction.variant = comparison_count;
  for (uint8_t k = 0; k < comparison_count; ++k)
    if (opcode.part(1) == kNames[k] || (k < 6 && k > 1 && opcode.part(1) == kUnsignedNames[k]))
      instruction.variant = k;
  if (opcode.part(2) == "and") instruction.flags |= combine_and;
  if (opcode.part(2) == "or") instruction.flags |= combine_or;
  if (opcode.part(2) == "xor") instruction.flags |= combine_xor;
  return instruction.variant != comparison_count;
}

}  // namespace

Handler decode_comparison(const Opcode& opcode, Instruction& instruction) {
  const auto name = opcode.name();
  if (name == "testp") return decode_test(opcode, instruction);
  if ((name != "setp" && name != "set") || !decode_names(opcode, instruction)) return nullptr;
  if (name == "setp") {
    if (const Handler pair = for_pair(instruction.type, []<class T>(std::type_identity<T>) -> Handler {
          return set_two_predicates<T>;
        }))
      return pair;
    return for_comparable(instruction.type,
                          []<class T>(std::type_identity<T>) -> Handler { return set_predicate<T>; });
  }
  if (const Handler pair = for_pair(instruction.source_type, []<class T>(std::type_identity<T>) -> Handler {
        return set_two_values<T>;
      }))
    return pair;
  return for_comparable(instruction.source_type,
                        []<class T>(std::type_identity<T>) -> Handler { return set_value<T>; });
}

}  // namespace device_sim
