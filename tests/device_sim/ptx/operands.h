// How handlers read and write the operands of an instruction.
#pragma once

#include "values.h"

namespace device_sim {

template <class T>
T read(const Thread& thread, const Operand& operand) {
  return from_register<T>(thread.banks[operand.bank][operand.index]);
}

inline bool read_predicate(const Thread& thread, const Operand& operand) {
  return bool(thread.banks[operand.bank][operand.index] & 1) != operand.negated;
}

template <class T>
void write(Thread& thread, const Operand& operand, T value) {
  thread.registers[operand.index] = to_register(value);
}

/// `table[k]` for the k-th type of the list that `type` is; null for another type.
template <class... Types, class Make>
Handler for_type(Type type, std::initializer_list<Type> names, Make make) {
  Handler handler = nullptr;
  auto name = names.begin();
  ((type == *name++ ? void(handler = make(std::type_identity<Types>{})) : void()), ...);
  return handler;
}

template <class Make>
Handler for_integer(Type type, Make make) {
  return for_type<uint16_t, uint32_t, uint64_t, int16_t, int32_t, int64_t, uint16_t, uint32_t, uint64_t>(
      type,
      {Type::u16, Type::u32, Type::u64, Type::s16, Type::s32, Type::s64, Type::b16, Type::b32, Type::b64},
      make);
}

template <class Make>
Handler for_floating(Type type, Make make) {
  return for_type<Half, Bfloat16, float, double>(type, {Type::f16, Type::bf16, Type::f32, Type::f64}, make);
}

template <class Make>
Handler for_pair(Type type, Make make) {
  return for_type<Half, Bfloat16>(type, {Type::f16x2, Type::bf16x2}, make);
}

}  // namespace device_sim
