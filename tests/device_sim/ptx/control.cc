// Branches, calls, barriers of a block and the end of a thread (PTX ISA 9.7.12 and 9.7.13.1).
#include <cstring>

#include "executor.h"

namespace device_sim {
namespace {

void branch(Thread& t, const Instruction& i) { t.pc = uint32_t(i.target); }

void branch_by_table(Thread& t, const Instruction& i) {
  const auto& table = t.function->branch_tables[i.target];
  const auto index = read<uint32_t>(t, i.operands[0]);
  if (index >= table.size())
    return stop_kernel(t, "out-of-bounds", "the index of a branch is beyond its table");
  t.pc = uint32_t(table[index]);
}

std::string device_string(Thread& t, uint64_t address) {
  std::string text;
  for (; text.size() < 1000; ++address) {
    const Place place = resolve(t, Space::generic, address, 1, false);
    if (!place.data || *place.data == '\0') break;
    text += *place.data;
  }
  return text;
}

// What the device's own library would do: a failed assert stops the kernel.
bool call_library(Thread& t, const CallSite& call) {
  if (call.name != "__assertfail") return false;
  const auto argument = [&](size_t n) {
    uint64_t value = 0;
    std::memcpy(&value, t.parameters.data() + t.parameters_base + call.arguments[n].offset,
                call.arguments[n].size);
    return value;
  };
  const std::string message = device_string(t, argument(0)), file = device_string(t, argument(1));
  stop_kernel(t, "assert",
              "assertion failed: " + message + " (" + file + ":" + std::to_string(argument(2)) + ")");
  return true;
}

const Function* callee_of(const Thread& t, const Instruction& i, const CallSite& call) {
  const Module& module = *t.block->grid->module;
  if (call.name.empty()) {
    const uint64_t address = read<uint64_t>(t, i.operands[0]) - kFunctionWindow;
    return address < module.functions.size() ? module.functions[address].get() : nullptr;
  }
  const auto found = module.function_numbers.find(call.name);
  return found == module.function_numbers.end() ? nullptr : module.functions[found->second].get();
}

constexpr size_t kDeepest = 1000;

void call(Thread& t, const Instruction& i) {
  const Function& caller = *t.function;
  const CallSite& site = caller.calls[i.target];
  const Function* callee = callee_of(t, i, site);
  if (!callee || !callee->defined) {
    if (!call_library(t, site)) stop_kernel(t, "unknown-function", "the module does not define " + site.name);
    return;
  }
  if (t.frames.size() >= kDeepest)
    return stop_kernel(t, "deep-recursion", "more than 1000 calls inside each other");
  if (site.arguments.size() != callee->parameters.size())
    return stop_kernel(t, "unknown-function", "a call with the wrong number of arguments");
  t.frames.push_back({&caller, t.pc, &site});
  const size_t from = t.parameters_base;
  t.parameters_base += (caller.parameter_bytes + 15) / 16 * 16;
  t.values_base += caller.register_count;
  t.local_base += (caller.local_bytes + 15) / 16 * 16;
  enter_function(t, *callee);
  for (size_t k = 0; k < site.arguments.size(); ++k)
    std::memcpy(t.parameters.data() + t.parameters_base + callee->parameters[k].offset,
                t.parameters.data() + from + site.arguments[k].offset,
                std::min(site.arguments[k].size, callee->parameters[k].size));
  t.pc = 0;
}

void leave(Thread& t, const Instruction&) {
  if (t.frames.empty()) return exit_thread(t);
  const Frame frame = t.frames.back();
  t.frames.pop_back();
  const Function& callee = *t.function;
  const Function& caller = *frame.function;
  const size_t from = t.parameters_base;
  t.parameters_base -= (caller.parameter_bytes + 15) / 16 * 16;
  t.values_base -= caller.register_count;
  t.local_base -= (caller.local_bytes + 15) / 16 * 16;
  for (size_t k = 0; k < frame.call->results.size() && k < callee.results.size(); ++k)
    std::memcpy(t.parameters.data() + t.parameters_base + frame.call->results[k].offset,
                t.parameters.data() + from + callee.results[k].offset,
                std::min(frame.call->results[k].size, callee.results[k].size));
  enter_function(t, caller);
  t.pc = frame.pc;
}

void end(Thread& t, const Instruction&) { exit_thread(t); }
void trap(Thread& t, const Instruction&) { stop_kernel(t, "trap", "the kernel stopped itself"); }
void pause(Thread&, const Instruction&) {}

// The operands: [result,] barrier [, threads] [, predicate].
void barrier(Thread& t, const Instruction& i) {
  const size_t first = i.variant ? 1 : 0;
  const size_t count = i.operands.size() - first - (i.variant ? 1 : 0);
  const auto number = read<uint32_t>(t, i.operands[first]);
  const uint32_t expected = count > 1 ? read<uint32_t>(t, i.operands[first + 1]) : 0;
  const bool predicate = i.variant && read_predicate(t, i.operands.back());
  wait_at_barrier(t, number, expected == t.block->threads.size() ? 0 : expected, predicate);
}

Handler decode_barrier(const Opcode& opcode, Instruction& instruction) {
  if (opcode.has("warp") || opcode.has("arrive") || opcode.has("cluster")) return nullptr;
  if (opcode.name() == "bar" || opcode.has("aligned")) instruction.flags |= flag_aligned;
  if (!opcode.has("red")) return opcode.has("sync") ? barrier : nullptr;
  instruction.variant = opcode.has("popc") ? 1 : opcode.has("and") ? 2 : 3;
  return barrier;
}

}  // namespace

Handler decode_control(const Opcode& opcode, Instruction& instruction) {
  const auto name = opcode.name();
  if (name == "bra") return branch;
  if (name == "brx") return branch_by_table;
  if (name == "call") return call;
  if (name == "ret") return leave;
  if (name == "exit") return end;
  if (name == "trap") return trap;
  if (name == "nanosleep" || name == "pmevent" || name == "brkpt") return pause;
  if (name == "bar" || name == "barrier") return decode_barrier(opcode, instruction);
  return nullptr;
}

}  // namespace device_sim
