// Decides for each access of a kernel, copy or library call whether it may race with an earlier one: exact
// happens-before. An "event" is a stretch of one thread's execution between two synchronizations; memory
// remembers the event that wrote a byte last and those that read it since.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "memory.h"

namespace device_sim {

struct Thread;

/// What a thread has learned of other threads through memory: all that block b did before its barrier number
/// `blocks[b]`, all that thread t did up to its clock `threads[t]`.
struct Knowledge {
  std::map<uint32_t, uint32_t> blocks;
  std::map<uint64_t, uint32_t> threads;
};
using KnowledgePointer = std::shared_ptr<const Knowledge>;

KnowledgePointer join(const KnowledgePointer& a, const KnowledgePointer& b);

class AccessChecker {
 public:
  static AccessChecker& instance();

  /// Starts the accesses of stream operation `operation`.
  void begin_operation(uint32_t operation);
  /// Whether operation `earlier` is known to be finished before `later` starts. Without it all are in order.
  std::function<bool(uint32_t earlier, uint32_t later)> ordered_operations;

  /// An access of `bytes` bytes by a thread. `place` says where; `strong` for atomics and the like.
  void access(Thread& thread, Place place, size_t bytes, bool write, bool strong);
  /// A whole range touched by a copy or a library call of the current operation, called `what`.
  void access_range(const void* address, size_t bytes, bool write, const char* what,
                    bool may_be_uninitialised = false);
  /// The current operation makes the range its own (an allocation or a free): all earlier uses must be over.
  void claim_range(const void* address, size_t bytes, const char* what);

  // Synchronization through memory: release and acquire by strong accesses and fences.
  void fence(Thread& thread, bool block_scope);
  void strong_store(Thread& thread, uint64_t address, bool release, bool block_scope, bool read_modify_write);
  void strong_load(Thread& thread, uint64_t address, bool acquire);
  /// All that `thread` knows and did so far; what it does next is later.
  KnowledgePointer snapshot(Thread& thread);

 private:
  struct Record {
    uint32_t block, thread, clock, epoch;
    uint32_t before;  // the reader that this one was added to
    bool whole_block;
  };
  struct Release {
    KnowledgePointer knowledge;
    int64_t only_block;  // -1: every block may acquire it
  };

  uint32_t new_record(const Record& record);
  uint32_t event_of(Thread& thread);
  bool ordered(uint32_t event, const Thread& thread);
  bool readers_ordered(uint32_t event, const Thread& thread, bool strong);
  bool operation_ordered(uint32_t event);
  uint32_t add_reader(uint32_t readers, uint32_t event, const Thread& thread);
  Cell updated(Cell cell, uint32_t event, Thread& thread, bool write, bool strong, bool shared);
  void race(const char* what, uint32_t event, const Thread& thread, bool shared);
  std::vector<uint32_t> operations_of(uint32_t event) const;
  void report_unordered(uint32_t event, const char* what) const;

  uint32_t operation_ = 0, base_ = 1;
  std::vector<Record> records_;  // of the current operation; number base_ is the first
  struct Range {
    uint32_t first;
    std::vector<uint32_t> operations;
  };
  std::vector<Range> ranges_{{0, {0}}};
  std::unordered_map<uint64_t, uint32_t> reader_sets_;  // (readers, event) -> readers with the event
  std::unordered_map<uint64_t, Release> releases_;      // by address
  uint32_t last_range_event_ = 0;
  bool last_range_ordered_ = true;
};

}  // namespace device_sim
