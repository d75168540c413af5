// Operations of a warp: shuffles, votes, matches, reductions, synchronization (PTX ISA 9.7.9 and 9.7.13).
#include <algorithm>

#include "executor.h"
#include "matrix.h"

namespace device_sim {
namespace {

enum Operation : uint8_t {
  shuffle_up,
  shuffle_down,
  shuffle_xor,
  shuffle_index,
  vote_all,
  vote_any,
  vote_uni,
  vote_ballot,
  match_any,
  match_all,
  redux_add,
  redux_min,
  redux_max,
  redux_and,
  redux_or,
  redux_xor,
  sync_warp,
  elect,
  load_matrix,
  multiply_matrices
};

// The mask is the last operand of all operations but those on matrices, which every lane takes part in.
void warp_operation(Thread& t, const Instruction& i) {
  const bool whole = i.variant >= load_matrix || (i.variant == sync_warp && i.operands.empty());
  wait_for_warp(t, whole ? 0xffffffffu : read<uint32_t>(t, i.operands.back()));
}

void active_mask(Thread& t, const Instruction& i) {
  t.wait = Wait::convergence;
  t.waiting_at = &i;
}

using Lanes = std::vector<Thread*>;

void set_result(Thread& t, uint64_t value) {
  const Operand& operand = t.waiting_at->operands[0];
  if (!operand.ignored) t.registers[operand.index] = value;
}

// Source lane and validity as the ISA's pseudocode has them.
void shuffle(const Lanes& lanes) {
  std::vector<uint32_t> results(lanes.size());
  for (size_t k = 0; k < lanes.size(); ++k) {
    Thread& t = *lanes[k];
    const Instruction& i = *t.waiting_at;
    const size_t first = i.flags & flag_second ? 2 : 1;
    const int lane = t.lane, b = int(read<uint32_t>(t, i.operands[first + 1]) & 31);
    const auto c = read<uint32_t>(t, i.operands[first + 2]);
    const int clamp = int(c & 31), segment = int(c >> 8 & 31);
    const int highest = (lane & segment) | (clamp & ~segment), lowest = lane & segment;
    int source = lane;
    bool valid = false;
    switch (i.variant) {
      case shuffle_up: source = lane - b, valid = source >= highest; break;
      case shuffle_down: source = lane + b, valid = source <= highest; break;
      case shuffle_xor: source = lane ^ b, valid = source <= highest; break;
      default: source = lowest | (b & ~segment), valid = source <= highest;
    }
    if (!valid) source = lane;
    const auto from =
        std::find_if(lanes.begin(), lanes.end(), [&](Thread* other) { return other->lane == source; });
    if (from == lanes.end()) {
      report_at(t, "inactive-lane",
                "shuffle from lane " + std::to_string(source) + ", which takes no part in it");
      results[k] = 0xffffffffu;
    } else {
      results[k] = read<uint32_t>(**from, (*from)->waiting_at->operands[first]);
    }
    if (first == 2 && !i.operands[1].ignored) t.registers[i.operands[1].index] = valid;
  }
  for (size_t k = 0; k < lanes.size(); ++k) set_result(*lanes[k], results[k]);
}

void vote(const Lanes& lanes) {
  uint32_t ballot = 0, all = 0;
  for (const Thread* t : lanes) {
    all |= 1u << t->lane;
    if (read_predicate(*t, t->waiting_at->operands[1])) ballot |= 1u << t->lane;
  }
  for (Thread* t : lanes) {
    switch (t->waiting_at->variant) {
      case vote_all: set_result(*t, ballot == all); break;
      case vote_any: set_result(*t, ballot != 0); break;
      case vote_uni: set_result(*t, ballot == all || ballot == 0); break;
      default: set_result(*t, ballot);
    }
  }
}

void match(const Lanes& lanes) {
  std::vector<uint64_t> values;
  for (const Thread* t : lanes) {
    const Instruction& i = *t->waiting_at;
    const uint64_t value = read<uint64_t>(*t, i.operands[i.flags & flag_second ? 2 : 1]);
    values.push_back(size_of(i.type) == 4 ? uint32_t(value) : value);
  }
  const bool equal =
      std::all_of(values.begin(), values.end(), [&](uint64_t value) { return value == values[0]; });
  for (size_t k = 0; k < lanes.size(); ++k) {
    Thread& t = *lanes[k];
    uint32_t mask = 0;
    for (size_t n = 0; n < lanes.size(); ++n)
      if (values[n] == values[k]) mask |= 1u << lanes[n]->lane;
    if (t.waiting_at->variant == match_all && !equal) mask = 0;
    set_result(t, mask);
    if (t.waiting_at->flags & flag_second) t.registers[t.waiting_at->operands[1].index] = equal;
  }
}

uint32_t reduced(uint8_t operation, bool is_signed, uint32_t a, uint32_t b) {
  switch (operation) {
    case redux_add: return a + b;
    case redux_min: return is_signed ? uint32_t(std::min(int32_t(a), int32_t(b))) : std::min(a, b);
    case redux_max: return is_signed ? uint32_t(std::max(int32_t(a), int32_t(b))) : std::max(a, b);
    case redux_and: return a & b;
    case redux_or: return a | b;
    default: return a ^ b;
  }
}

void reduce(const Lanes& lanes) {
  const Instruction& i = *lanes[0]->waiting_at;
  uint32_t sum = read<uint32_t>(*lanes[0], i.operands[1]);
  for (size_t k = 1; k < lanes.size(); ++k)
    sum = reduced(i.variant, i.type == Type::s32, sum,
                  read<uint32_t>(*lanes[k], lanes[k]->waiting_at->operands[1]));
  for (Thread* t : lanes) set_result(*t, sum);
}

// What each lane did before is known to all lanes afterwards.
void synchronize(Block& block, const Lanes& lanes) {
  uint32_t joined[32] = {};
  KnowledgePointer known, pending;
  for (Thread* t : lanes) {
    uint32_t* clocks = block.clocks_of(*t);
    clocks[t->lane] = t->clock;
    for (int lane = 0; lane < 32; ++lane) joined[lane] = std::max(joined[lane], clocks[lane]);
    known = join(known, t->known), pending = join(pending, t->pending);
  }
  for (Thread* t : lanes) {
    std::copy(joined, joined + 32, block.clocks_of(*t));
    t->known = known, t->pending = pending;
    ++t->clock, t->event = 0;
  }
}

void elect_leader(const Lanes& lanes) {
  for (Thread* t : lanes) {
    set_result(*t, lanes[0]->lane);
    t->registers[t->waiting_at->operands[1].index] = t == lanes[0];
  }
}

uint8_t variant_of_redux(const Opcode& opcode) {
  constexpr std::string_view names[] = {"add", "min", "max", "and", "or", "xor"};
  for (uint8_t k = 0; k < 6; ++k)
    if (opcode.has(names[k])) return uint8_t(redux_add + k);
  return redux_add;
}

}  // namespace

void finish_warp_operation(Block& block, const Lanes& lanes) {
  const uint8_t operation = lanes[0]->waiting_at->variant;
  if (operation <= shuffle_index) return shuffle(lanes);
  if (operation <= vote_ballot) return vote(lanes);
  if (operation <= match_all) return match(lanes);
  if (operation <= redux_xor) return reduce(lanes);
  if (operation == sync_warp) return synchronize(block, lanes);
  if (operation == elect) return elect_leader(lanes);
  if (lanes.size() < 32)
    return stop_kernel(*lanes[0], "warp-mask", "an operation on matrices needs all lanes of the warp");
  if (operation == load_matrix) return run_load_matrix(lanes);
  run_multiply_matrices(lanes);
}

Handler decode_warp(const Opcode& opcode, Instruction& instruction) {
  const auto name = opcode.name();
  if (name == "activemask") return active_mask;
  if (name == "shfl") {
    instruction.variant = opcode.has("up")     ? shuffle_up
                          : opcode.has("down") ? shuffle_down
                          : opcode.has("bfly") ? shuffle_xor
                                               : shuffle_index;
  } else if (name == "vote") {
    instruction.variant = opcode.has("all")   ? vote_all
                          : opcode.has("any") ? vote_any
                          : opcode.has("uni") ? vote_uni
                                              : vote_ballot;
  } else if (name == "match") {
    instruction.variant = opcode.has("all") ? match_all : match_any;
  } else if (name == "redux") {
    if (instruction.type == Type::f32) return nullptr;
    instruction.variant = variant_of_redux(opcode);
  } else if (name == "elect") {
    instruction.variant = elect;
  } else if ((name == "bar" || name == "barrier") && opcode.has("warp")) {
    instruction.variant = sync_warp;
  } else {
    return nullptr;
  }
  return opcode.has("sync") ? warp_operation : nullptr;
}

Handler decode_matrix(const Opcode& opcode, Instruction& instruction) {
  if (opcode.name() == "ldmatrix" && decode_load_matrix(opcode, instruction)) {
    instruction.variant = load_matrix;
    return warp_operation;
  }
  if (opcode.name() == "mma" && decode_multiply_matrices(opcode, instruction)) {
    instruction.variant = multiply_matrices;
    return warp_operation;
  }
  return nullptr;
}

}  // namespace device_sim
