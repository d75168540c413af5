// What every kernel built on oneDNN shares: the engine, a stream per thread, a primitive cache.
#pragma once

#include <cstdint>
#include <dnnl.hpp>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace taper::cpu {

dnnl::engine& onednn_engine();
/// The calling thread's stream.
dnnl::stream& onednn_stream();

/// Attributes by which a primitive takes its working memory from the caller: it may then run in several
/// threads.
dnnl::primitive_attr onednn_user_scratchpad();
/// Runs a primitive made with them.
void onednn_execute(const dnnl::primitive& primitive, std::unordered_map<int, dnnl::memory> arguments,
                    const dnnl::memory::desc& scratchpad);

/// The numbers that tell two primitives apart.
using PrimitiveKey = std::vector<std::int64_t>;

struct PrimitiveKeyHash {
  std::size_t operator()(const PrimitiveKey& key) const {
    std::uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a's offset and prime, by words
    for (const std::int64_t word : key)
      hash = (hash ^ std::uint64_t(word)) * 0x100000001b3u, hash ^= hash >> 29;
    return hash;
  }
};

/// Least recently used cache of prepared primitives; safe from any thread. Bounded in bytes by an estimate,
/// since oneDNN does not tell what a primitive weighs.
template <class Entry>
class PrimitiveCache {
 public:
  /// A generated kernel is 10 to 100 KiB of code plus its descriptors.
  static constexpr std::size_t bytes_of_entry = 64 << 10;
  static constexpr std::size_t bytes_in_all = 32 << 20;

  /// The entry of key, made by make() if there is none. It stays valid while the caller holds it.
  template <class Make>
  std::shared_ptr<const Entry> get(const PrimitiveKey& key, Make&& make) {
    {
      std::lock_guard lock(mutex_);
      if (const auto found = places_.find(key); found != places_.end()) {
        entries_.splice(entries_.begin(), entries_, found->second);
        return found->second->second;
      }
    }
    auto entry = std::make_shared<const Entry>(make());
    std::lock_guard lock(mutex_);
    if (const auto found = places_.find(key); found != places_.end()) return found->second->second;
    entries_.emplace_front(key, entry);
    places_.emplace(key, entries_.begin());
    if (places_.size() * bytes_of_entry > bytes_in_all) {
      places_.erase(entries_.back().first);
      entries_.pop_back();
    }
    return entry;
  }

 private:
  using Entries = std::list<std::pair<PrimitiveKey, std::shared_ptr<const Entry>>>;
  std::mutex mutex_;
  Entries entries_;
  std::unordered_map<PrimitiveKey, typename Entries::iterator, PrimitiveKeyHash> places_;
};

}  // namespace taper::cpu
