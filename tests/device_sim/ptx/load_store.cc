// Loads, stores, addresses and asynchronous copies (PTX ISA 9.7.9), and the checks that each access goes
// through.
#include <cstring>

#include "executor.h"
#include "host_memory.h"

namespace device_sim {
namespace {

Place resolve_window(Thread& t, Space space, uint64_t address, size_t bytes) {
  const uint64_t offset = address & ~kWindowMask;
  Block& block = *t.block;
  if (space == Space::shared && offset + bytes <= block.shared.size())
    return {block.shared.data() + offset, block.shared_state.data() + offset,
            block.shared_cells.data() + offset};
  if (space == Space::local && offset + bytes <= t.local.size())
    return {t.local.data() + offset, nullptr, nullptr};
  if (space == Space::param && offset + bytes <= t.parameters.size())
    return {t.parameters.data() + offset, nullptr, nullptr};
  return {};
}

Space window_of(uint64_t address, Space space) {
  if (space == Space::shared || space == Space::local || space == Space::param) return space;
  switch (address & kWindowMask) {
    case kSharedWindow: return Space::shared;
    case kLocalWindow: return Space::local;
    case kParamWindow: return Space::param;
    default: return Space::global;
  }
}

const char* name_of(Space space) {
  switch (space) {
    case Space::shared: return "shared";
    case Space::local: return "local";
    case Space::param: return "parameter";
    default: return "global";
  }
}

// The device stops a kernel that touches memory it has not; so does this one.
Place refuse(Thread& t, const char* check, const std::string& what, Space space, bool write, size_t bytes) {
  stop_kernel(t, check,
              std::string(write ? "write of " : "read of ") + std::to_string(bytes) + " bytes of " +
                  name_of(space) + " memory " + what);
  return {};
}

bool check_state(Thread& t, const Place& place, Space space, size_t bytes, bool write) {
  bool uninitialised = false;
  for (size_t i = 0; i < bytes; ++i) {
    const uint8_t state = place.state[i];
    if (state == byte_outside)
      return refuse(t, "out-of-bounds", "beyond its allocation", space, write, bytes).data;
    if (state == byte_freed) return refuse(t, "use-after-free", "that was freed", space, write, bytes).data;
    uninitialised = uninitialised || state == byte_uninitialised;
    if (write) place.state[i] = byte_initialised;
  }
  if (uninitialised && !write)
    report_at(t, "uninitialised-read",
              std::string("read of ") + name_of(space) + " memory that was never written");
  return true;
}

int64_t address_of(const Thread& t, const Instruction& i, size_t operand) {
  const Operand& base = i.operands[operand];
  return int64_t(t.banks[base.bank][base.index]) + i.offset;
}

uint64_t load_element(const char* data, Type type) {
  uint64_t bits = 0;
  const int bytes = size_of(type);
  std::memcpy(&bits, data, size_t(bytes));
  if (type == Type::s8) return uint64_t(int64_t(int8_t(bits)));
  if (type == Type::s16) return uint64_t(int64_t(int16_t(bits)));
  if (type == Type::s32) return uint64_t(int64_t(int32_t(bits)));
  return bits;
}

void unpack(Thread& t, const Instruction& i, const char* data) {
  const size_t bytes = size_t(size_of(i.type));
  for (size_t k = 0; k < i.vector; ++k)
    if (!i.operands[k].ignored) t.registers[i.operands[k].index] = load_element(data + k * bytes, i.type);
}

void load(Thread& t, const Instruction& i) {
  const auto address = uint64_t(address_of(t, i, i.vector));
  const size_t bytes = size_t(size_of(i.type)) * i.vector;
  const bool strong = i.flags & flag_strong;
  const char* data = checked_access(t, i.space, address, bytes, false, strong);
  if (!data) return;
  unpack(t, i, data);
  if (!strong) return;
  AccessChecker::instance().strong_load(t, address, i.flags & flag_acquire);
  uint64_t value = 0;
  for (size_t k = 0; k < i.vector; ++k) value = value * 31 + t.registers[i.operands[k].index];
  note_poll(t, address, value);
}

void store(Thread& t, const Instruction& i) {
  const auto address = uint64_t(address_of(t, i, 0));
  const size_t element = size_t(size_of(i.type)), bytes = element * i.vector;
  const bool strong = i.flags & flag_strong;
  if (strong)
    AccessChecker::instance().strong_store(t, address, i.flags & flag_release, i.flags & flag_block_scope,
                                           false);
  char* data = checked_access(t, i.space, address, bytes, true, strong);
  if (!data) return;
  t.polls = 0;
  for (size_t k = 0; k < i.vector; ++k) {
    const Operand& operand = i.operands[k + 1];
    std::memcpy(data + k * element, &t.banks[operand.bank][operand.index], element);
  }
}

// Parameters lie in the area of the thread's current frame; only kernels take their address.
void load_parameter(Thread& t, const Instruction& i) {
  const size_t bytes = size_t(size_of(i.type)) * i.vector;
  const auto offset = (uint64_t(address_of(t, i, i.vector)) & ~kWindowMask) + t.parameters_base;
  if (offset + bytes > t.parameters.size())
    return void(refuse(t, "out-of-bounds", "beyond its area", Space::param, false, bytes));
  unpack(t, i, t.parameters.data() + offset);
}
void store_parameter(Thread& t, const Instruction& i) {
  const size_t element = size_t(size_of(i.type));
  const auto offset = uint64_t(address_of(t, i, 0)) + t.parameters_base;
  if (offset + element * i.vector > t.parameters.size())
    return void(refuse(t, "out-of-bounds", "beyond its area", Space::param, true, element));
  for (size_t k = 0; k < i.vector; ++k) {
    const Operand& operand = i.operands[k + 1];
    std::memcpy(t.parameters.data() + offset + k * element, &t.banks[operand.bank][operand.index], element);
  }
}

uint64_t window(Space space) {
  switch (space) {
    case Space::shared: return kSharedWindow;
    case Space::local: return kLocalWindow;
    case Space::param: return kParamWindow;
    default: return 0;
  }
}
void to_generic(Thread& t, const Instruction& i) {
  uint64_t value = t.banks[i.operands[1].bank][i.operands[1].index] + uint64_t(i.offset);
  if (i.space == Space::local && i.operands[1].bank == symbol_bank) value += t.local_base;
  t.registers[i.operands[0].index] = value + window(i.space);
}
void from_generic(Thread& t, const Instruction& i) {
  t.registers[i.operands[0].index] = t.banks[i.operands[1].bank][i.operands[1].index] - window(i.space);
}
// mov %rd, __local_depot0: the variable's place in the current frame.
void local_address(Thread& t, const Instruction& i) {
  t.registers[i.operands[0].index] = t.banks[symbol_bank][i.operands[1].index] + t.local_base;
}
void is_in_space(Thread& t, const Instruction& i) {
  const uint64_t address = t.banks[i.operands[1].bank][i.operands[1].index];
  t.registers[i.operands[0].index] = window_of(address, Space::generic) == i.space;
}
void nothing(Thread&, const Instruction&) {}

// --- cp.async: the copies take place as late as allowed, when the thread waits for their group. A device may
// write at once, so the target belongs to the copy from the start.
void copy_async(Thread& t, const Instruction& i) {
  if (t.copies.empty()) t.copies.emplace_back();
  const auto value = [&](size_t n) { return t.banks[i.operands[n].bank][i.operands[n].index]; };
  const auto bytes = uint32_t(value(2));
  const uint32_t read = i.operands.size() > 3 ? std::min(uint32_t(value(3)), bytes) : bytes;
  t.copies.back().push_back({value(0), value(1), bytes, read});
  const Place target = resolve(t, Space::shared, value(0), bytes, true);
  if (target.data) AccessChecker::instance().access(t, target, bytes, true, false);
}
void commit_copies(Thread& t, const Instruction&) { t.copies.emplace_back(); }
void wait_for_copies(Thread& t, const Instruction& i) {
  const size_t keep = i.variant ? 0 : size_t(t.banks[i.operands[0].bank][i.operands[0].index]) + 1;
  while (t.copies.size() > keep) {
    for (const Thread::Copy& copy : t.copies.front()) {
      const char* from =
          copy.read ? checked_access(t, Space::global, copy.source, copy.read, false, false) : nullptr;
      char* to = checked_access(t, Space::shared, copy.target, copy.bytes, true, false);
      if (!to || (copy.read && !from)) return;
      std::memset(to, 0, copy.bytes);
      if (from) std::memcpy(to, from, copy.read);
    }
    t.copies.erase(t.copies.begin());
  }
}

Handler decode_copy(const Opcode& opcode, Instruction& instruction) {
  if (opcode.part(1) != "async" || opcode.has("bulk")) return nullptr;
  if (opcode.part(2) == "commit_group") return commit_copies;
  instruction.variant = opcode.part(2) == "wait_all";
  if (opcode.part(2) == "wait_group" || opcode.part(2) == "wait_all") return wait_for_copies;
  // The offset of the second address would be added to the first too.
  return opcode.has("mbarrier") || instruction.offset ? nullptr : copy_async;
}

void decode_space(const Opcode& opcode, Instruction& instruction) {
  for (const auto part : opcode.parts) {
    if (part == "global" || part == "const") instruction.space = Space::global;
    if (part.substr(0, 6) == "shared") instruction.space = Space::shared;
    if (part == "local") instruction.space = Space::local;
    if (part.substr(0, 5) == "param") instruction.space = Space::param;
  }
}

}  // namespace

Place resolve(Thread& t, Space space, uint64_t address, size_t bytes, bool write) {
  const Space where = window_of(address, space);
  if (where != Space::global) {
    const Place place = resolve_window(t, where, address, bytes);
    return place.data ? place : refuse(t, "out-of-bounds", "outside of it", where, write, bytes);
  }
  const DeviceMemory& memory = DeviceMemory::instance();
  if (memory.in_range(address)) return memory.place(address);
  if (kernel_may_use(reinterpret_cast<void*>(address), bytes))
    return {reinterpret_cast<char*>(address), nullptr, nullptr};
  return refuse(t, "illegal-address", "through a host pointer or a wild one", where, write, bytes);
}

char* checked_access(Thread& t, Space space, uint64_t address, size_t bytes, bool write, bool strong) {
  if (address & (bytes - 1)) {
    stop_kernel(t, "misaligned",
                std::to_string(bytes) + " bytes at an address that is a multiple of " +
                    std::to_string(address & -address) + " only");
    return nullptr;
  }
  const Place place = resolve(t, space, address, bytes, write);
  if (!place.data || !place.state) return place.data;
  if (!check_state(t, place, window_of(address, space), bytes, write)) return nullptr;
  AccessChecker::instance().access(t, place, bytes, write, strong);
  return place.data;
}

Handler decode_memory(const Opcode& opcode, Instruction& instruction) {
  const auto name = opcode.name();
  if (name == "cp") return decode_copy(opcode, instruction);
  if (name == "mov" && instruction.operands.size() == 2 && (instruction.flags & flag_local))
    return local_address;
  const bool is_load = name == "ld" || name == "ldu";
  if (is_load || name == "st" || name == "cvta" || name == "isspacep") decode_space(opcode, instruction);
  if (name == "cvta") return opcode.has("to") ? from_generic : to_generic;
  if (name == "isspacep") return is_in_space;
  if (name == "prefetch" || name == "prefetchu" || name == "discard" || name == "applypriority")
    return nothing;
  if (!is_load && name != "st") return nullptr;
  instruction.vector = opcode.has("v8") ? 8 : opcode.has("v4") ? 4 : opcode.has("v2") ? 2 : 1;
  if (size_of(instruction.type) > 8) return nullptr;
  for (const auto strong : {"volatile", "relaxed", "acquire", "release", "mmio"})
    if (opcode.has(strong)) instruction.flags |= flag_strong;
  if (opcode.has("acquire")) instruction.flags |= flag_acquire;
  if (opcode.has("release")) instruction.flags |= flag_release;
  if (opcode.has("cta")) instruction.flags |= flag_block_scope;
  if (instruction.space == Space::param) return is_load ? load_parameter : store_parameter;
  return is_load ? load : store;
}

}  // namespace device_sim
