// Freeing long chains without recursion.
#pragma once

#include <new>
#include <vector>

namespace taper {

/// Calls free(item). What that frees may come here again, with the same kind of free: it waits until free has
/// returned, so that a chain, however long, takes no stack.
template <class Item, class Free>
void free_in_turn(Item item, Free free) noexcept {
  // Trivial, because tensors of static duration are freed after the thread's own variables.
  static thread_local constinit std::vector<Item>* waiting = nullptr;
  if (waiting) {
    try {
      return waiting->push_back(item);
    } catch (const std::bad_alloc&) {
      return free(item);
    }
  }
  std::vector<Item> later;
  waiting = &later;
  free(item);
  while (!later.empty()) {
    const Item next = later.back();
    later.pop_back();
    free(next);
  }
  waiting = nullptr;
}

}  // namespace taper
