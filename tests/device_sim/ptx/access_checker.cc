// Events, their order, and synchronization through memory (PTX ISA, chapter 8, memory consistency model).
#include "access_checker.h"

#include <algorithm>
#include <utility>

#include "executor.h"
#include "report.h"

namespace device_sim {
namespace {

constexpr uint32_t kStrong = 0x80000000u;
constexpr uint32_t kMostEvents = 0x70000000u;
constexpr uint32_t kNoThread = 0xffffffffu;

uint64_t thread_key(uint32_t block, uint32_t thread) { return uint64_t(block) << 32 | thread; }

}  // namespace

KnowledgePointer join(const KnowledgePointer& a, const KnowledgePointer& b) {
  if (!a || a == b) return b;
  if (!b) return a;
  auto sum = std::make_shared<Knowledge>(*a);
  for (const auto& [block, epoch] : b->blocks) sum->blocks[block] = std::max(sum->blocks[block], epoch);
  for (const auto& [thread, clock] : b->threads) sum->threads[thread] = std::max(sum->threads[thread], clock);
  return sum;
}

AccessChecker& AccessChecker::instance() {
  static auto& checker = *new AccessChecker;
  return checker;
}

void AccessChecker::begin_operation(uint32_t operation) {
  base_ += uint32_t(records_.size());
  records_.clear();
  reader_sets_.clear();
  releases_.clear();
  last_range_event_ = 0;
  if (base_ > kMostEvents) {
    DeviceMemory::instance().clear_cells();
    base_ = 1;
    ranges_.assign(1, {0, {0}});
  }
  operation_ = operation;
  ranges_.push_back({base_, {operation}});
}

std::vector<uint32_t> AccessChecker::operations_of(uint32_t event) const {
  const auto after = std::upper_bound(ranges_.begin(), ranges_.end(), event,
                                      [](uint32_t value, const Range& range) { return value < range.first; });
  return std::prev(after)->operations;
}

bool AccessChecker::operation_ordered(uint32_t event) {
  if (!ordered_operations) return true;
  if (event == last_range_event_) return last_range_ordered_;
  bool all = true;
  for (const uint32_t operation : operations_of(event))
    all = all && (operation == operation_ || operation == 0 || ordered_operations(operation, operation_));
  last_range_event_ = event;
  last_range_ordered_ = all;
  return all;
}

uint32_t AccessChecker::new_record(const Record& record) {
  records_.push_back(record);
  return base_ + uint32_t(records_.size()) - 1;
}

uint32_t AccessChecker::event_of(Thread& thread) {
  if (thread.event < base_) {
    thread.event =
        new_record({thread.block->number, thread.index, thread.clock, thread.block->epoch, 0, false});
  }
  return thread.event;
}

bool AccessChecker::ordered(uint32_t event, const Thread& thread) {
  event &= ~kStrong;
  if (event < base_) return operation_ordered(event);
  const Record& record = records_[event - base_];
  Block& block = *thread.block;
  if (record.block == block.number) {
    if (!record.whole_block && record.thread == thread.index) return true;
    if (record.epoch < block.epoch) return true;
    if (!record.whole_block && record.thread / 32 == thread.warp &&
        block.clocks_of(thread)[record.thread % 32] >= record.clock)
      return true;
  }
  if (!thread.known) return false;
  const auto known_block = thread.known->blocks.find(record.block);
  if (known_block != thread.known->blocks.end() && record.epoch < known_block->second) return true;
  if (record.whole_block) return false;
  const auto known_thread = thread.known->threads.find(thread_key(record.block, record.thread));
  return known_thread != thread.known->threads.end() && record.clock <= known_thread->second;
}

bool AccessChecker::readers_ordered(uint32_t event, const Thread& thread, bool strong) {
  while (event != 0) {
    if (!(strong && (event & kStrong)) && !ordered(event, thread)) return false;
    event &= ~kStrong;
    if (event < base_) return true;
    event = records_[event - base_].before;
  }
  return true;
}

// The set of readers is a chain: single threads of one warp, or whole blocks. A reader that came before the
// new one in time is replaced by it.
uint32_t AccessChecker::add_reader(uint32_t readers, uint32_t event, const Thread& thread) {
  if (readers == 0) return event;
  if ((readers & ~kStrong) == (event & ~kStrong)) return readers & event;
  const uint32_t last = readers & ~kStrong;
  if (last < base_) {
    if (operation_ordered(last)) return event;
    const auto [known, is_new] = reader_sets_.emplace(uint64_t(last) << 32 | 0xffffffffu, 0);
    if (is_new) {
      std::vector<uint32_t> operations = operations_of(last);
      operations.push_back(operation_);
      known->second = new_record({0, kNoThread, 0, 0, 0, true});
      // The number stands for the operations together, as if it were an earlier event of each of them.
      ranges_.push_back({known->second, operations});
      ranges_.push_back({known->second + 1, {operation_}});
    }
    return known->second;
  }
  const Record& record = records_[last - base_];
  const bool same_block = record.block == thread.block->number;
  if (same_block && record.whole_block && record.epoch == thread.block->epoch) return readers;
  if (record.before == 0 && ordered(last, thread)) return event;
  const auto [known, is_new] = reader_sets_.emplace(uint64_t(readers) << 32 | event, 0);
  if (!is_new) return known->second;
  Record next{thread.block->number, thread.index, thread.clock, thread.block->epoch, readers, false};
  if (same_block && record.epoch < thread.block->epoch) {
    next.before = record.before;
  } else if (same_block && (record.whole_block || record.thread / 32 != thread.warp)) {
    next.whole_block = true;
    while (next.before && (next.before & ~kStrong) >= base_ &&
           records_[(next.before & ~kStrong) - base_].block == thread.block->number)
      next.before = records_[(next.before & ~kStrong) - base_].before;
  }
  const uint32_t strong = next.whole_block ? readers & event & kStrong : event & kStrong;
  return known->second = new_record(next) | strong;
}

void AccessChecker::race(const char* what, uint32_t event, const Thread& thread, bool shared) {
  event &= ~kStrong;
  std::string other = "operation";
  if (event < base_) {
    for (const uint32_t operation : operations_of(event)) other += " #" + std::to_string(operation);
    other += " of the streams, with which this one (#" + std::to_string(operation_) + ") has no order";
    report_at(thread, "stream-race", std::string(what) + " memory that is also used by " + other);
    return;
  }
  const Record& record = records_[event - base_];
  other =
      record.block == thread.block->number ? std::string() : "block " + std::to_string(record.block) + " ";
  other += record.whole_block ? "several threads" : "thread " + std::to_string(record.thread);
  report_at(thread, "race",
            std::string(what) + (shared ? " shared" : " global") + " memory that " + other +
                " uses at the same time");
}

Cell AccessChecker::updated(Cell cell, uint32_t event, Thread& thread, bool write, bool strong, bool shared) {
  const bool both_strong = strong && (cell.write & kStrong) && (cell.write & ~kStrong) >= base_;
  if (cell.write && (cell.write & ~kStrong) != thread.event && !both_strong && !ordered(cell.write, thread))
    race(write ? "write of" : "read of", cell.write, thread, shared);
  if (!write) {
    cell.read = add_reader(cell.read, event, thread);
    return cell;
  }
  if (cell.read && !readers_ordered(cell.read, thread, strong)) race("write of", cell.read, thread, shared);
  return {event, 0};
}

void AccessChecker::access(Thread& thread, Place place, size_t bytes, bool write, bool strong) {
  const bool shared = place.cells >= thread.block->shared_cells.data() &&
                      place.cells < thread.block->shared_cells.data() + thread.block->shared_cells.size();
  const uint32_t event = event_of(thread) | (strong ? kStrong : 0);
  for (size_t i = 0; i < bytes;) {
    const Cell before = place.cells[i];
    const Cell after = updated(before, event, thread, write, strong, shared);
    for (; i < bytes && place.cells[i] == before; ++i) place.cells[i] = after;
  }
}

void AccessChecker::access_range(const void* address, size_t bytes, bool write, const char* what,
                                 bool may_be_uninitialised) {
  DeviceMemory& memory = DeviceMemory::instance();
  if (bytes == 0 || !memory.in_range(uint64_t(address))) return;
  const Place place = memory.place(uint64_t(address));
  if (records_.empty()) new_record({0, kNoThread, 0, 0, 0, true});
  bool outside = false, freed = false, uninitialised = false;
  uint32_t unordered = 0;
  for (size_t i = 0; i < bytes; ++i) {
    outside |= place.state[i] == byte_outside;
    freed |= place.state[i] == byte_freed;
    uninitialised |= !write && !may_be_uninitialised && place.state[i] == byte_uninitialised;
    Cell& cell = place.cells[i];
    const uint32_t writer = cell.write & ~kStrong, reader = cell.read & ~kStrong;
    if (writer && writer < base_ && !operation_ordered(writer)) unordered = writer;
    if (write && reader && reader < base_ && !operation_ordered(reader)) unordered = reader;
    if (place.state[i] == byte_outside || place.state[i] == byte_freed) continue;
    if (write) {
      cell = {base_, 0};
      place.state[i] = byte_initialised;
    } else if (reader == 0 || reader >= base_ || operation_ordered(reader)) {
      cell.read = base_;
    }
  }
  if (outside) report("out-of-bounds", std::string(what) + " goes beyond its allocation");
  if (freed) report("use-after-free", std::string(what) + " uses freed memory");
  if (uninitialised) report("uninitialised-read", std::string(what) + " reads memory that was never written");
  if (unordered) report_unordered(unordered, what);
}

void AccessChecker::report_unordered(uint32_t event, const char* what) const {
  std::string others;
  for (const uint32_t operation : operations_of(event)) others += " #" + std::to_string(operation);
  report("stream-race", std::string(what) + " (operation #" + std::to_string(operation_) +
                            ") has no order with operation" + others + " on the same memory");
}

void AccessChecker::claim_range(const void* address, size_t bytes, const char* what) {
  const Place place = DeviceMemory::instance().place(uint64_t(address));
  if (records_.empty()) new_record({0, kNoThread, 0, 0, 0, true});
  uint32_t unordered = 0;
  for (size_t i = 0; i < bytes; ++i) {
    Cell& cell = place.cells[i];
    for (const uint32_t event : {cell.write & ~kStrong, cell.read & ~kStrong})
      if (event && event < base_ && !operation_ordered(event)) unordered = event;
    cell = {base_, 0};
  }
  if (unordered) report_unordered(unordered, what);
}

KnowledgePointer AccessChecker::snapshot(Thread& thread) {
  auto knowledge = thread.known ? std::make_shared<Knowledge>(*thread.known) : std::make_shared<Knowledge>();
  Block& block = *thread.block;
  uint32_t& epoch = knowledge->blocks[block.number];
  epoch = std::max(epoch, block.epoch);
  const uint32_t* clocks = block.clocks_of(thread);
  for (uint32_t lane = 0; lane < 32; ++lane) {
    if (clocks[lane] == 0) continue;
    uint32_t& clock = knowledge->threads[thread_key(block.number, thread.warp * 32 + lane)];
    clock = std::max(clock, clocks[lane]);
  }
  knowledge->threads[thread_key(block.number, thread.index)] = thread.clock++;
  thread.event = 0;
  return knowledge;
}

void AccessChecker::fence(Thread& thread, bool block_scope) {
  if (thread.pending) thread.known = join(thread.known, std::exchange(thread.pending, nullptr));
  (block_scope ? thread.released_to_block : thread.released) = snapshot(thread);
}

void AccessChecker::strong_store(Thread& thread, uint64_t address, bool release, bool block_scope,
                                 bool read_modify_write) {
  KnowledgePointer knowledge = thread.released;
  int64_t only_block = -1;
  if (release) {
    knowledge = snapshot(thread);
    if (block_scope) only_block = thread.block->number;
  } else if (!knowledge && thread.released_to_block) {
    knowledge = thread.released_to_block;
    only_block = thread.block->number;
  }
  if (!knowledge) {
    if (!read_modify_write && !releases_.empty()) releases_.erase(address);
    return;
  }
  Release& entry = releases_[address];
  entry = {read_modify_write ? join(entry.knowledge, knowledge) : knowledge, only_block};
}

void AccessChecker::strong_load(Thread& thread, uint64_t address, bool acquire) {
  if (releases_.empty()) return;
  const auto found = releases_.find(address);
  if (found == releases_.end()) return;
  const Release& release = found->second;
  if (release.only_block >= 0 && release.only_block != int64_t(thread.block->number)) return;
  KnowledgePointer& learned = acquire ? thread.known : thread.pending;
  learned = join(learned, release.knowledge);
}

}  // namespace device_sim
