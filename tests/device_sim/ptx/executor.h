// Runs a kernel: its blocks one after the other (several at once where they wait for each other), the threads
// of a block in turn, each until it must wait. Threads are interpreted, so a waiting thread is only its
// state.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "access_checker.h"
#include "module.h"

namespace device_sim {

struct Dim3 {
  uint32_t x = 1, y = 1, z = 1;
  uint64_t count() const { return uint64_t(x) * y * z; }
};

enum class Wait : uint8_t { runnable, barrier, warp, convergence, exited };

/// A caller's state while its callee runs.
struct Frame {
  const Function* function;
  uint32_t pc;
  const CallSite* call;
};

struct Block;
struct Grid;

/// One thread of a kernel.
struct Thread {
  const uint64_t* banks[4] = {};  // by Operand::bank
  uint64_t* registers = nullptr;
  const Instruction* code = nullptr;
  uint32_t pc = 0;
  Wait wait = Wait::runnable;
  bool carry = false, yields = false;
  uint8_t lane = 0;
  uint32_t index = 0, warp = 0;  // in the block
  const Function* function = nullptr;
  Block* block = nullptr;
  uint64_t specials[special_count] = {};
  std::vector<uint64_t> values;  // registers of all frames
  std::vector<char> parameters;  // parameter areas of all frames
  std::vector<char> local;       // local memory of all frames
  std::vector<Frame> frames;     // callers
  size_t values_base = 0, parameters_base = 0, local_base = 0;

  // of what it waits for
  uint32_t mask = 0, barrier = 0, expected = 0;
  bool predicate = false;
  const Instruction* waiting_at = nullptr;

  // of the access checker
  uint32_t event = 0, clock = 1;
  KnowledgePointer known, released, released_to_block, pending;

  // A polling loop: the same addresses give the same values again and again.
  struct Poll {
    uint64_t address = 0, value = 0;
  };
  Poll polled[8];
  uint32_t polls = 0;  // strong loads in a row without news

  // cp.async: copies of the open group and the closed groups.
  struct Copy {
    uint64_t target, source;
    uint32_t bytes, read;
  };
  std::vector<std::vector<Copy>> copies;
};

struct Block {
  Grid* grid = nullptr;
  uint32_t number = 0;
  uint32_t epoch = 1;  // barriers passed by all threads
  std::vector<Thread> threads;
  std::vector<char> shared;
  std::vector<uint8_t> shared_state;
  std::vector<Cell> shared_cells;
  std::vector<uint32_t> lane_clocks;  // [thread][32]: how far each lane of its warp is known to it
  uint32_t exited = 0;
  bool done() const { return exited == threads.size(); }
  uint32_t* clocks_of(const Thread& thread) { return &lane_clocks[size_t(thread.index) * 32]; }
};

/// So many strong loads without news are a wait for another thread.
inline constexpr uint32_t kPolls = 16;

/// A kernel launch.
struct Grid {
  const Module* module = nullptr;
  const Function* entry = nullptr;
  Dim3 grid, block;
  size_t dynamic_shared = 0;
  std::vector<char> parameters;
  uint64_t workspace = 0;  // of a cooperative launch: device memory for its barrier, zeros at first
  uint64_t schedule =
      0;  // order of threads and blocks: 0 as numbered, 1 reversed, else a random order of that seed

  std::vector<uint64_t> symbols;  // values of the module's symbols for this kernel
  size_t static_shared = 0;
  uint64_t instructions = 0;
  bool failed = false;
};

/// Runs `grid` to its end. False where a fault stopped it, which then is among the findings.
bool run_grid(Grid& grid);

/// Puts the module's variables into device memory and gives all symbols their values.
void load_module(Module& module);

/// Bytes of static shared memory that `entry` and what it calls use.
size_t static_shared_bytes(const Module& module, const Function& entry);

/// Instructions interpreted so far by this process.
uint64_t instructions_run();

// --- for the handlers of instructions

/// Stops the kernel and reports `message` with the thread's place under the name `check`.
void stop_kernel(Thread& thread, const char* check, const std::string& message);
/// Reports without stopping.
void report_at(const Thread& thread, const char* check, const std::string& message);
/// "kernel softmax (softmax.cu:12: st.shared.f32 [%r1], %f2), block 3 thread 17".
std::string place_of(const Thread& thread);
/// The instruction that `thread` is at.
const Instruction& current(const Thread& thread);

/// Where an access of `bytes` bytes goes; reports and returns a null place where it may not.
Place resolve(Thread& thread, Space space, uint64_t address, size_t bytes, bool write);
/// resolve, then the checks of alignment, initialization and races.
char* checked_access(Thread& thread, Space space, uint64_t address, size_t bytes, bool write, bool strong);

/// Notes that a strong load of `address` gave `value`; a thread that only polls lets the others go on.
void note_poll(Thread& thread, uint64_t address, uint64_t value);

void wait_at_barrier(Thread& thread, uint32_t barrier, uint32_t expected, bool predicate);
/// Makes the thread wait for the lanes of `mask`; the last one to come runs finish_warp_operation for all.
void wait_for_warp(Thread& thread, uint32_t mask);
void finish_warp_operation(Block& block, const std::vector<Thread*>& lanes);
void exit_thread(Thread& thread);
void enter_function(Thread& thread, const Function& function);

template <class T>
T read(const Thread& thread, const Operand& operand);
template <class T>
void write(Thread& thread, const Operand& operand, T value);

}  // namespace device_sim

#include "operands.h"
