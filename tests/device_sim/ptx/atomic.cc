// Atomic operations, reductions and fences (PTX ISA 9.7.13).
#include <cstring>

#include "executor.h"

namespace device_sim {
namespace {

enum Operation : uint8_t {
  op_add,
  op_min,
  op_max,
  op_and,
  op_or,
  op_xor,
  op_exch,
  op_cas,
  op_inc,
  op_dec,
  op_count
};
constexpr std::string_view kNames[] = {"add", "min", "max", "and", "or", "xor", "exch", "cas", "inc", "dec"};

template <class T>
T applied(uint8_t operation, T old, T b, T c) {
  if constexpr (is_floating<T>) {
    switch (operation) {
      case op_add: return rounded<T>(double(old) + double(b));
      case op_min: return b < old ? b : old;
      case op_max: return b > old ? b : old;
      case op_exch: return b;
      default: return old;
    }
  } else {
    using U = std::make_unsigned_t<T>;
    switch (operation) {
      case op_add: return T(U(old) + U(b));
      case op_min: return b < old ? b : old;
      case op_max: return b > old ? b : old;
      case op_and: return T(old & b);
      case op_or: return T(old | b);
      case op_xor: return T(old ^ b);
      case op_exch: return b;
      case op_cas: return old == b ? c : old;
      case op_inc: return old >= b ? T(0) : T(old + 1);
      default: return old == 0 || old > b ? b : T(old - 1);
    }
  }
}

// The place for an atomic access with the checks and the synchronization it brings; null where the kernel
// stops.
char* atomic_place(Thread& t, const Instruction& i, size_t operand, size_t bytes) {
  const Operand& base = i.operands[operand];
  const uint64_t address = t.banks[base.bank][base.index] + uint64_t(i.offset);
  AccessChecker& checker = AccessChecker::instance();
  checker.strong_load(t, address, i.flags & flag_acquire);
  const Place place = resolve(t, i.space, address, bytes, true);
  if (place.state && place.state[0] == byte_uninitialised)
    report_at(t, "uninitialised-read", "atomic operation on memory that was never written");
  char* data = place.data ? checked_access(t, i.space, address, bytes, true, true) : nullptr;
  if (!data) return nullptr;
  checker.strong_store(t, address, i.flags & flag_release, i.flags & flag_block_scope, true);
  return data;
}

template <class T>
void atomic(Thread& t, const Instruction& i) {
  const bool returns = !(i.flags & flag_second);
  const size_t first = returns ? 1 : 0;
  char* data = atomic_place(t, i, first, sizeof(T));
  if (!data) return;
  T old;
  std::memcpy(static_cast<void*>(&old), data, sizeof old);
  const T b = read<T>(t, i.operands[first + 1]);
  const T c = i.variant == op_cas ? read<T>(t, i.operands[first + 2]) : T();
  const T next = applied(i.variant, old, b, c);
  const bool news = std::memcmp(&next, &old, sizeof old) != 0;
  std::memcpy(data, &next, sizeof next);
  if (returns) write<T>(t, i.operands[0], old);
  if (news) t.polls = 0;
  else note_poll(t, reinterpret_cast<uint64_t>(data), to_register(old));
}

template <class T>
void atomic_pair(Thread& t, const Instruction& i) {
  const bool returns = !(i.flags & flag_second);
  const size_t first = returns ? 1 : 0;
  char* data = atomic_place(t, i, first, 4);
  if (!data) return;
  Pair<T> old;
  std::memcpy(static_cast<void*>(&old), data, sizeof old);
  const auto b = read<Pair<T>>(t, i.operands[first + 1]);
  const Pair<T> next{applied(i.variant, old.low, b.low, T()), applied(i.variant, old.high, b.high, T())};
  std::memcpy(data, &next, sizeof next);
  if (returns) write(t, i.operands[0], old);
}

void fence(Thread& t, const Instruction& i) {
  AccessChecker::instance().fence(t, i.flags & flag_block_scope);
}

void decode_order(const Opcode& opcode, Instruction& instruction) {
  if (opcode.has("acquire") || opcode.has("acq_rel")) instruction.flags |= flag_acquire;
  if (opcode.has("release") || opcode.has("acq_rel")) instruction.flags |= flag_release;
  if (opcode.has("cta")) instruction.flags |= flag_block_scope;
  for (const auto part : opcode.parts) {
    if (part == "global") instruction.space = Space::global;
    if (part.substr(0, 6) == "shared") instruction.space = Space::shared;
  }
}

}  // namespace

Handler decode_atomic(const Opcode& opcode, Instruction& instruction) {
  const auto name = opcode.name();
  if (name != "atom" && name != "red" && name != "membar" && name != "fence") return nullptr;
  decode_order(opcode, instruction);
  if (name == "membar" || name == "fence")
    return opcode.has("proxy") || opcode.has("mbarrier_init") ? nullptr : fence;
  if (opcode.has("async") || instruction.vector > 1) return nullptr;
  if (name == "red") instruction.flags |= flag_second;
  instruction.variant = op_count;
  for (uint8_t k = 0; k < op_count; ++k)
    if (opcode.has(kNames[k])) instruction.variant = k;
  if (instruction.variant == op_count) return nullptr;
  if (const Handler pair = for_pair(instruction.type,
                                    []<class T>(std::type_identity<T>) -> Handler { return atomic_pair<T>; }))
    return pair;
  if (const Handler integer =
          for_integer(instruction.type, []<class T>(std::type_identity<T>) -> Handler { return atomic<T>; }))
    return integer;
  return for_floating(instruction.type, []<class T>(std::type_identity<T>) -> Handler { return atomic<T>; });
}

}  // namespace device_sim
