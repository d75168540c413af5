// Integer arithmetic (PTX ISA 9.7.1 and 9.7.2: with carry).
#include <limits>

#include "executor.h"

namespace device_sim {
namespace {

template <class T>
using Unsigned = std::make_unsigned_t<T>;
template <class T>
using Wide = std::conditional_t<sizeof(T) == 2, std::conditional_t<std::is_signed_v<T>, int32_t, uint32_t>,
                                std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>>;
template <class T>
using Widest = std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>;

template <class T, class F>
void unary(Thread& t, const Instruction& i, F f) {
  write<T>(t, i.operands[0], f(read<T>(t, i.operands[1])));
}

template <class T, class F>
void binary(Thread& t, const Instruction& i, F f) {
  write<T>(t, i.operands[0], f(read<T>(t, i.operands[1]), read<T>(t, i.operands[2])));
}

template <class T>
T low_product(T a, T b) {
  return T(Unsigned<T>(uint64_t(a) * uint64_t(b)));
}
template <class T>
T high_product(T a, T b) {
  return T(Widest<T>(a) * Widest<T>(b) >> (8 * sizeof(T)));
}

template <class T>
void add(Thread& t, const Instruction& i) {
  binary<T>(t, i, [](T a, T b) { return T(Unsigned<T>(a) + Unsigned<T>(b)); });
}
template <class T>
void subtract(Thread& t, const Instruction& i) {
  binary<T>(t, i, [](T a, T b) { return T(Unsigned<T>(a) - Unsigned<T>(b)); });
}
template <class T>
void multiply_low(Thread& t, const Instruction& i) {
  binary<T>(t, i, low_product<T>);
}
template <class T>
void multiply_high(Thread& t, const Instruction& i) {
  binary<T>(t, i, high_product<T>);
}
template <class T>
void multiply_wide(Thread& t, const Instruction& i) {
  write<Wide<T>>(t, i.operands[0], Wide<T>(read<T>(t, i.operands[1])) * Wide<T>(read<T>(t, i.operands[2])));
}
template <class T>
void multiply_add_wide(Thread& t, const Instruction& i) {
  const Wide<T> product = Wide<T>(read<T>(t, i.operands[1])) * Wide<T>(read<T>(t, i.operands[2]));
  const uint64_t sum = uint64_t(product) + uint64_t(read<Wide<T>>(t, i.operands[3]));
  write<Wide<T>>(t, i.operands[0], Wide<T>(sum));
}

// Division by zero gives all ones and the dividend as the remainder, as on the device.
template <class T>
T quotient(T a, T b) {
  if (b == 0) return T(~T(0));
  if (std::is_signed_v<T> && b == T(-1)) return T(Unsigned<T>(0) - Unsigned<T>(a));
  return T(a / b);
}
template <class T>
void divide(Thread& t, const Instruction& i) {
  binary<T>(t, i, quotient<T>);
}
template <class T>
void remainder(Thread& t, const Instruction& i) {
  binary<T>(t, i, [](T a, T b) {
    return b == 0 ? a : T(Unsigned<T>(a) - Unsigned<T>(low_product(quotient(a, b), b)));
  });
}
template <class T>
void minimum(Thread& t, const Instruction& i) {
  binary<T>(t, i, [](T a, T b) { return a < b ? a : b; });
}
template <class T>
void maximum(Thread& t, const Instruction& i) {
  binary<T>(t, i, [](T a, T b) { return a > b ? a : b; });
}
template <class T>
void absolute(Thread& t, const Instruction& i) {
  unary<T>(t, i, [](T a) { return a < 0 ? T(Unsigned<T>(0) - Unsigned<T>(a)) : a; });
}
template <class T>
void negate(Thread& t, const Instruction& i) {
  unary<T>(t, i, [](T a) { return T(Unsigned<T>(0) - Unsigned<T>(a)); });
}
template <class T>
void absolute_difference(Thread& t, const Instruction& i) {
  const T a = read<T>(t, i.operands[1]), b = read<T>(t, i.operands[2]);
  const auto difference =
      a > b ? Unsigned<T>(Unsigned<T>(a) - Unsigned<T>(b)) : Unsigned<T>(Unsigned<T>(b) - Unsigned<T>(a));
  write<T>(t, i.operands[0], T(difference + Unsigned<T>(read<T>(t, i.operands[3]))));
}
template <class T>
void saturating(Thread& t, const Instruction& i) {  // add.sat.s32 and sub.sat.s32
  const int64_t a = read<T>(t, i.operands[1]), b = read<T>(t, i.operands[2]);
  const int64_t sum = i.variant ? a - b : a + b;
  write<T>(t, i.operands[0],
           T(std::min<int64_t>(std::max<int64_t>(sum, std::numeric_limits<T>::min()),
                               std::numeric_limits<T>::max())));
}

enum Variant : uint8_t { low_part, high_part, wide_part };

template <class T>
void multiply_add(Thread& t, const Instruction& i) {
  const T a = read<T>(t, i.operands[1]), b = read<T>(t, i.operands[2]), c = read<T>(t, i.operands[3]);
  const T product = i.variant == high_part ? high_product(a, b) : low_product(a, b);
  write<T>(t, i.operands[0], T(Unsigned<T>(product) + Unsigned<T>(c)));
}

// add.cc, addc, sub.cc, subc, mad.cc, madc: the carry of one feeds the next.
enum CarryVariant : uint8_t { carry_add, carry_subtract, carry_mad_low, carry_mad_high };

template <class T>
void with_carry(Thread& t, const Instruction& i) {
  using U = Unsigned<T>;
  const U a = U(read<T>(t, i.operands[1])), b = U(read<T>(t, i.operands[2]));
  const U carry = U((i.flags & flag_carry_in) && t.carry);
  unsigned __int128 sum;
  if (i.variant == carry_add) sum = (unsigned __int128)a + b + carry;
  else if (i.variant == carry_subtract) sum = (unsigned __int128)a - b - carry;
  else {
    const U product = U(i.variant == carry_mad_low ? low_product(T(a), T(b)) : high_product(T(a), T(b)));
    sum = (unsigned __int128)product + U(read<T>(t, i.operands[3])) + carry;
  }
  write<T>(t, i.operands[0], T(U(sum)));
  if (i.flags & flag_carry_out) t.carry = (sum >> (8 * sizeof(T)) & 1) != 0;
}

template <bool Signed, int Width>
void dot_product(Thread& t, const Instruction& i) {  // dp4a, dp2a with equal signs
  using Element = std::conditional_t<Signed, std::conditional_t<Width == 8, int8_t, int16_t>,
                                     std::conditional_t<Width == 8, uint8_t, uint16_t>>;
  const uint32_t a = read<uint32_t>(t, i.operands[1]), b = read<uint32_t>(t, i.operands[2]);
  uint32_t sum = read<uint32_t>(t, i.operands[3]);
  for (int k = 0; k < 32; k += Width) sum += uint32_t(int32_t(Element(a >> k)) * int32_t(Element(b >> k)));
  write<uint32_t>(t, i.operands[0], sum);
}

Handler decode_carry(const Opcode& opcode, Instruction& instruction) {
  const auto name = opcode.name();
  const bool takes = name.back() == 'c';
  const auto plain = takes ? name.substr(0, 3) : name;
  if (!takes && !opcode.has("cc")) return nullptr;
  if (plain == "add") instruction.variant = carry_add;
  else if (plain == "sub") instruction.variant = carry_subtract;
  else if (plain == "mad") instruction.variant = opcode.has("hi") ? carry_mad_high : carry_mad_low;
  else return nullptr;
  if (takes) instruction.flags |= flag_carry_in;
  if (opcode.has("cc")) instruction.flags |= flag_carry_out;
  return for_integer(instruction.type,
                     []<class T>(std::type_identity<T>) -> Handler { return with_carry<T>; });
}

}  // namespace

#define DEVICE_SIM_INTEGER(operation) \
  for_integer(type, []<class T>(std::type_identity<T>) -> Handler { return operation<T>; })

Handler decode_integer(const Opcode& opcode, Instruction& instruction) {
  const auto name = opcode.name();
  const Type type = instruction.type;
  if (const Handler carry = decode_carry(opcode, instruction)) return carry;
  if (opcode.has("sat") && type == Type::s32 && (name == "add" || name == "sub")) {
    instruction.variant = name == "sub";
    return saturating<int32_t>;
  }
  if (name == "add") return DEVICE_SIM_INTEGER(add);
  if (name == "sub") return DEVICE_SIM_INTEGER(subtract);
  if (name == "mul" && opcode.has("wide")) return DEVICE_SIM_INTEGER(multiply_wide);
  if (name == "mul" && opcode.has("hi")) return DEVICE_SIM_INTEGER(multiply_high);
  if (name == "mul" && opcode.has("lo")) return DEVICE_SIM_INTEGER(multiply_low);
  if (name == "mad" && opcode.has("wide")) return DEVICE_SIM_INTEGER(multiply_add_wide);
  if (name == "mad" && (opcode.has("lo") || opcode.has("hi"))) {
    instruction.variant = opcode.has("hi") ? high_part : low_part;
    return DEVICE_SIM_INTEGER(multiply_add);
  }
  if (name == "div") return DEVICE_SIM_INTEGER(divide);
  if (name == "rem") return DEVICE_SIM_INTEGER(remainder);
  if (name == "min") return DEVICE_SIM_INTEGER(minimum);
  if (name == "max") return DEVICE_SIM_INTEGER(maximum);
  if (name == "abs") return DEVICE_SIM_INTEGER(absolute);
  if (name == "neg") return DEVICE_SIM_INTEGER(negate);
  if (name == "sad") return DEVICE_SIM_INTEGER(absolute_difference);
  const bool is_signed = type == Type::s32;
  if (name == "dp4a") return is_signed ? dot_product<true, 8> : dot_product<false, 8>;
  return nullptr;
}

#undef DEVICE_SIM_INTEGER

}  // namespace device_sim
