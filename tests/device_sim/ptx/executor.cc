// The schedule of blocks and threads, barriers, and the loop that runs instructions.
#include "executor.h"

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <random>
#include <set>

#include "report.h"

namespace device_sim {
namespace {

// A thread that runs this long without waiting lets the others go on.
constexpr uint64_t kTurn = 1'000'000;
constexpr uint64_t kMostInstructions = 20'000'000'000;
constexpr int kMostIdleRounds = 2000;

uint64_t total_instructions;

// A kernel's name without its return type, parameters and anonymous namespaces.
std::string demangled(const std::string& name) {
  int status = 0;
  char* text = abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status);
  std::string result = status == 0 ? text : name;
  std::free(text);
  const std::string anonymous = "(anonymous namespace)::";
  for (size_t at; (at = result.find(anonymous)) != std::string::npos;) result.erase(at, anonymous.size());
  result = result.substr(0, result.find('('));
  if (result.compare(0, 5, "void ") == 0) result.erase(0, 5);
  return result.size() > 120 ? result.substr(0, 117) + "..." : result;
}

void fill_specials(Thread& thread, const Grid& grid, const Block& block) {
  uint64_t* values = thread.specials;
  const Dim3& b = grid.block;
  const Dim3& g = grid.grid;
  const uint32_t index = thread.index, number = block.number;
  values[tid_x] = index % b.x, values[tid_y] = index / b.x % b.y, values[tid_z] = index / (b.x * b.y);
  values[ntid_x] = b.x, values[ntid_y] = b.y, values[ntid_z] = b.z;
  values[ctaid_x] = number % g.x, values[ctaid_y] = number / g.x % g.y;
  values[ctaid_z] = number / (uint64_t(g.x) * g.y);
  values[nctaid_x] = g.x, values[nctaid_y] = g.y, values[nctaid_z] = g.z;
  values[laneid] = thread.lane, values[warpid] = thread.warp;
  values[nwarpid] = (b.count() + 31) / 32, values[warp_size] = 32;
  values[lanemask_eq] = 1u << thread.lane, values[lanemask_lt] = (1u << thread.lane) - 1;
  values[lanemask_le] = values[lanemask_eq] | values[lanemask_lt];
  values[lanemask_gt] = ~values[lanemask_le] & 0xffffffffu,
  values[lanemask_ge] = ~values[lanemask_lt] & 0xffffffffu;
  values[smid] = number % 108, values[nsmid] = 108;
  values[dynamic_smem_size] = grid.dynamic_shared;
  values[total_smem_size] = grid.dynamic_shared + grid.static_shared;
  values[gridid] = 1;
  values[envreg1] = grid.workspace >> 32, values[envreg2] = uint32_t(grid.workspace);
}

void set_frame(Thread& thread, const Function& function) {
  thread.function = &function;
  thread.code = function.code.data();
  thread.registers = thread.values.data() + thread.values_base;
  thread.banks[register_bank] = thread.registers;
  thread.banks[immediate_bank] = function.immediates.data();
}

void start_thread(Thread& thread, Block& block, uint32_t index) {
  Grid& grid = *block.grid;
  std::vector<uint64_t> values = std::move(thread.values);
  thread = Thread();
  thread.values = std::move(values);
  thread.index = index, thread.lane = uint8_t(index % 32), thread.warp = index / 32;
  thread.block = &block;
  fill_specials(thread, grid, block);
  thread.banks[special_bank] = thread.specials;
  thread.banks[symbol_bank] = grid.symbols.data();
  const Function& entry = *grid.entry;
  if (thread.values.size() < entry.register_count) thread.values.resize(entry.register_count);
  thread.parameters = grid.parameters;
  thread.parameters.resize(std::max(entry.parameter_bytes, grid.parameters.size()));
  thread.local.resize(entry.local_bytes);
  set_frame(thread, entry);
}

void start_block(Block& block, Grid& grid, uint32_t number) {
  block.grid = &grid;
  block.number = number;
  block.epoch = 1;
  block.exited = 0;
  block.threads.resize(grid.block.count());
  block.lane_clocks.assign(grid.block.count() * 32, 0);
  const size_t shared = grid.static_shared + grid.dynamic_shared;
  block.shared.assign(shared, char(0xff));
  block.shared_state.assign(shared, byte_uninitialised);
  block.shared_cells.assign(shared, Cell());
  for (uint32_t i = 0; i < block.threads.size(); ++i) start_thread(block.threads[i], block, i);
}

// Runs one thread until it waits, ends or has had its turn.
void run_thread(Thread& thread, Grid& grid) {
  uint64_t count = 0;
  thread.yields = false;
  while (thread.wait == Wait::runnable && !thread.yields && count < kTurn && !grid.failed) {
    const Instruction& instruction = thread.code[thread.pc++];
    ++count;
    if (instruction.predicate >= 0 &&
        bool(thread.registers[instruction.predicate] & 1) == instruction.predicate_negated)
      continue;
    instruction.run(thread, instruction);
  }
  grid.instructions += count;
  thread.yields = thread.yields || count >= kTurn;
}

void check_same_barrier(const Block& block, const Thread& thread) {
  for (const Thread& other : block.threads) {
    if (other.wait != Wait::barrier || other.warp != thread.warp || other.barrier != thread.barrier) continue;
    if (other.waiting_at == thread.waiting_at || !(thread.waiting_at->flags & flag_aligned)) continue;
    report_at(thread, "barrier-divergence", "threads of one warp wait at different barriers");
    return;
  }
}

// Lets the threads that wait at `barrier` go on, once all it waits for have come.
bool release_barrier(Block& block, uint32_t barrier) {
  std::vector<Thread*> arrived;
  uint32_t expected = 0, count = 0;
  bool all = true, any = false;
  for (Thread& thread : block.threads) {
    if (thread.wait != Wait::barrier || thread.barrier != barrier) continue;
    arrived.push_back(&thread);
    expected = thread.expected;
    count += thread.predicate, all = all && thread.predicate, any = any || thread.predicate;
  }
  const bool everyone = arrived.size() == block.threads.size() - block.exited;
  if (arrived.empty() || (expected ? arrived.size() < expected : !everyone)) return false;
  if (!expected && block.exited)
    report_at(*arrived[0], "barrier-divergence",
              std::to_string(block.exited) +
                  " threads of the block ended before a barrier that the others wait at");
  KnowledgePointer known, pending;
  for (Thread* thread : arrived) {
    if (!everyone) known = join(known, AccessChecker::instance().snapshot(*thread));
    known = join(known, thread->known);
    pending = join(pending, thread->pending);
  }
  if (everyone) ++block.epoch;
  for (Thread* thread : arrived) {
    thread->known = known, thread->pending = pending;
    thread->event = 0, ++thread->clock, thread->polls = 0;
    const Instruction& at = *thread->waiting_at;
    if (at.variant)
      thread->registers[at.operands[0].index] = at.variant == 1 ? count : at.variant == 2 ? all : any;
    thread->wait = Wait::runnable;
  }
  return true;
}

bool release_barriers(Block& block) {
  std::set<uint32_t> barriers;
  for (const Thread& thread : block.threads)
    if (thread.wait == Wait::barrier) barriers.insert(thread.barrier);
  bool any = false;
  for (const uint32_t barrier : barriers) any |= release_barrier(block, barrier);
  return any;
}

// activemask: where no thread of the warp can run, those that stand at the same instruction have converged.
bool release_converged(Block& block) {
  bool any = false;
  for (Thread& thread : block.threads) {
    if (thread.wait != Wait::convergence) continue;
    uint32_t mask = 0;
    std::vector<Thread*> lanes;
    const size_t first = thread.warp * 32, last = std::min<size_t>(first + 32, block.threads.size());
    for (size_t i = first; i < last; ++i) {
      Thread& other = block.threads[i];
      if (other.wait != Wait::convergence || other.waiting_at != thread.waiting_at) continue;
      lanes.push_back(&other);
      mask |= 1u << other.lane;
    }
    for (Thread* lane : lanes) {
      lane->registers[lane->waiting_at->operands[0].index] = mask;
      lane->wait = Wait::runnable;
    }
    any = true;
  }
  return any;
}

// Exited lanes no longer hold up a warp operation.
bool release_warps(Block& block) {
  bool any = false;
  for (Thread& thread : block.threads)
    if (thread.wait == Wait::warp) {
      wait_for_warp(thread, thread.mask);
      any |= thread.wait != Wait::warp;
    }
  return any;
}

class Schedule {
 public:
  explicit Schedule(uint64_t seed) : seed_(seed), random_(seed) {}
  template <class T>
  void apply(std::vector<T>& order) {
    if (seed_ == 1) std::reverse(order.begin(), order.end());
    if (seed_ > 1) std::shuffle(order.begin(), order.end(), random_);
  }

 private:
  uint64_t seed_;
  std::mt19937_64 random_;
};

// One turn for each thread of the block that can run. Sets `moved` where any did more than poll.
void run_block(Block& block, Schedule& schedule, bool& moved) {
  Grid& grid = *block.grid;
  std::vector<uint32_t> order;
  for (const Thread& thread : block.threads)
    if (thread.wait == Wait::runnable) order.push_back(thread.index);
  schedule.apply(order);
  for (const uint32_t index : order) {
    Thread& thread = block.threads[index];
    if (thread.wait != Wait::runnable) continue;
    run_thread(thread, grid);
    moved = moved || thread.polls < kPolls || thread.wait == Wait::exited;
    if (grid.failed) return;
  }
  const auto runnable = [&] {
    return std::any_of(block.threads.begin(), block.threads.end(),
                       [](const Thread& thread) { return thread.wait == Wait::runnable && !thread.yields; });
  };
  if (runnable()) return;
  if (release_warps(block) || release_converged(block)) moved = true;
  else moved = release_barriers(block) || moved;
}

std::string waiting_threads(const std::deque<std::unique_ptr<Block>>& blocks) {
  size_t barrier = 0, warp = 0, exited = 0, running = 0;
  const Thread* example = nullptr;
  for (const auto& block : blocks) {
    for (const Thread& thread : block->threads) {
      barrier += thread.wait == Wait::barrier, warp += thread.wait == Wait::warp;
      exited += thread.wait == Wait::exited, running += thread.wait == Wait::runnable;
      if (thread.wait == Wait::barrier || thread.wait == Wait::warp) example = &thread;
    }
  }
  std::string text = std::to_string(barrier) + " threads wait at a barrier, " + std::to_string(warp) +
                     " for their warp, " + std::to_string(running) + " for a value in memory, " +
                     std::to_string(exited) + " have ended";
  return example ? text + "; one waits at " + place_of(*example) : text;
}

void fail_grid(Grid& grid, const char* check, const std::string& message) {
  grid.failed = true;
  report(check, demangled(grid.entry->name) + ": " + message);
}

void collect(const Module& module, const Function& function, std::set<const Function*>& seen,
             std::set<uint32_t>& symbols) {
  if (!seen.insert(&function).second) return;
  for (const Instruction& instruction : function.code)
    for (const Operand& operand : instruction.operands) {
      if (operand.bank != symbol_bank) continue;
      symbols.insert(operand.index);
      const Variable& variable = module.variables[operand.index];
      if (variable.is_function)
        collect(module, *module.functions[module.function_numbers.at(variable.name)], seen, symbols);
    }
  for (const CallSite& call : function.calls) {
    const auto callee = module.function_numbers.find(call.name);
    if (callee != module.function_numbers.end())
      collect(module, *module.functions[callee->second], seen, symbols);
  }
}

// Offsets of the shared variables that the kernel uses; arrays of open size all start where the others end.
size_t lay_out_shared(const Module& module, const Function& entry, std::vector<uint64_t>* symbols) {
  std::set<const Function*> seen;
  std::set<uint32_t> used;
  collect(module, entry, seen, used);
  size_t bytes = 0;
  for (const uint32_t number : used) {
    const Variable& variable = module.variables[number];
    if (variable.space != Space::shared || variable.size == 0) continue;
    const size_t alignment = std::max<size_t>(variable.alignment, 1);
    bytes = (bytes + alignment - 1) / alignment * alignment;
    if (symbols) (*symbols)[number] = bytes;
    bytes += variable.size;
  }
  bytes = (bytes + 15) / 16 * 16;
  for (const uint32_t number : used)
    if (module.variables[number].space == Space::shared && module.variables[number].size == 0 && symbols)
      (*symbols)[number] = bytes;
  return bytes;
}

void run_blocks(Grid& grid, Schedule& schedule) {
  std::vector<uint32_t> order(grid.grid.count());
  for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  schedule.apply(order);
  std::deque<std::unique_ptr<Block>> blocks;
  std::vector<std::unique_ptr<Block>> spare;
  size_t next = 0;
  int idle_rounds = 0;
  while (!grid.failed && (next < order.size() || !blocks.empty())) {
    bool moved = false, ended = false;
    for (size_t i = 0; i < blocks.size() && !grid.failed;) {
      run_block(*blocks[i], schedule, moved);
      if (!blocks[i]->done()) {
        ++i;
        continue;
      }
      spare.push_back(std::move(blocks[i]));
      blocks.erase(blocks.begin() + int64_t(i));
      ended = true;
    }
    if (grid.failed) return;
    // A further block starts when there is room, or when those that run only wait for something.
    if (next < order.size() && (blocks.empty() || (!moved && !ended))) {
      if (spare.empty()) spare.push_back(std::make_unique<Block>());
      blocks.push_back(std::move(spare.back()));
      spare.pop_back();
      start_block(*blocks.back(), grid, order[next++]);
      idle_rounds = 0;
    } else if (!moved && !ended && ++idle_rounds > kMostIdleRounds) {
      return fail_grid(grid, "deadlock", waiting_threads(blocks));
    } else if (!moved && !ended && std::none_of(blocks.begin(), blocks.end(), [](const auto& block) {
                 return std::any_of(block->threads.begin(), block->threads.end(),
                                    [](const Thread& thread) { return thread.wait == Wait::runnable; });
               })) {
      return fail_grid(grid, "deadlock", waiting_threads(blocks));
    } else if (moved) {
      idle_rounds = 0;
    }
    if (grid.instructions > kMostInstructions)
      return fail_grid(grid, "endless-loop", waiting_threads(blocks));
  }
}

}  // namespace

bool run_grid(Grid& grid) {
  grid.symbols = grid.module->symbol_values;
  grid.static_shared = lay_out_shared(*grid.module, *grid.entry, &grid.symbols);
  Schedule schedule(grid.schedule);
  run_blocks(grid, schedule);
  total_instructions += grid.instructions;
  return !grid.failed;
}

size_t static_shared_bytes(const Module& module, const Function& entry) {
  return lay_out_shared(module, entry, nullptr);
}

uint64_t instructions_run() { return total_instructions; }

const Instruction& current(const Thread& thread) { return thread.code[thread.pc - 1]; }

std::string place_of(const Thread& thread) {
  const Module& module = *thread.block->grid->module;
  const Instruction& instruction =
      thread.waiting_at && thread.wait != Wait::runnable ? *thread.waiting_at : current(thread);
  const std::string& location = module.locations[instruction.number];
  return demangled(thread.block->grid->entry->name) + " (" + location + (location.empty() ? "" : ": ") +
         module.texts[instruction.number] + "), block " + std::to_string(thread.block->number) + " thread " +
         std::to_string(thread.index);
}

void report_at(const Thread& thread, const char* check, const std::string& message) {
  const Instruction& instruction = current(thread);
  report(check, message + ", at " + place_of(thread),
         thread.block->grid->entry->name + "/" + std::to_string(instruction.number));
}

void stop_kernel(Thread& thread, const char* check, const std::string& message) {
  report_at(thread, check, message);
  thread.block->grid->failed = true;
}

void note_poll(Thread& thread, uint64_t address, uint64_t value) {
  Thread::Poll& poll = thread.polled[address / 4 % std::size(thread.polled)];
  const bool news = poll.address != address || poll.value != value;
  poll = {address, value};
  thread.polls = news ? 0 : thread.polls + 1;
  thread.yields = thread.yields || thread.polls >= kPolls;
}

void wait_at_barrier(Thread& thread, uint32_t barrier, uint32_t expected, bool predicate) {
  thread.waiting_at = &current(thread);
  thread.barrier = barrier;
  thread.expected = expected;
  thread.predicate = predicate;
  check_same_barrier(*thread.block, thread);
  thread.wait = Wait::barrier;
}

void wait_for_warp(Thread& thread, uint32_t mask) {
  Block& block = *thread.block;
  if (thread.wait != Wait::warp) thread.waiting_at = &current(thread);
  thread.mask = mask;
  if (!(mask >> thread.lane & 1))
    return stop_kernel(thread, "warp-mask", "the thread is not in the mask of its own warp operation");
  thread.wait = Wait::warp;
  std::vector<Thread*> lanes;
  for (uint32_t lane = 0; lane < 32; ++lane) {
    const size_t index = size_t(thread.warp) * 32 + lane;
    if (!(mask >> lane & 1) || index >= block.threads.size()) continue;
    Thread& other = block.threads[index];
    if (other.wait == Wait::exited) continue;
    if (other.wait != Wait::warp || other.mask != mask || other.waiting_at->run != thread.waiting_at->run ||
        other.waiting_at->variant != thread.waiting_at->variant)
      return;
    lanes.push_back(&other);
  }
  finish_warp_operation(block, lanes);
  for (Thread* lane : lanes) lane->wait = Wait::runnable;
}

void exit_thread(Thread& thread) {
  thread.wait = Wait::exited;
  thread.waiting_at = &current(thread);
  ++thread.block->exited;
}

void enter_function(Thread& thread, const Function& function) {
  if (thread.values.size() < thread.values_base + function.register_count)
    thread.values.resize(thread.values_base + function.register_count);
  if (thread.parameters.size() < thread.parameters_base + function.parameter_bytes)
    thread.parameters.resize(thread.parameters_base + function.parameter_bytes);
  if (thread.local.size() < thread.local_base + function.local_bytes)
    thread.local.resize(thread.local_base + function.local_bytes);
  set_frame(thread, function);
}

}  // namespace device_sim
