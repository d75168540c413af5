// The state of the stand-in CUDA runtime: streams as queues that run as late as the API allows, and what is
// known of their order (a vector clock for each operation).
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

namespace device_sim {

/// Stream -> number of its operations that are known to be finished before something.
using Clock = std::map<uint32_t, uint32_t>;
void join(Clock& clock, const Clock& other);

struct Operation {
  uint32_t id;
  uint32_t sequence;  // in its stream, from 1
  Clock after;        // what it comes after, itself included
  std::function<void()> run;
};

/// An operation of a captured graph and the nodes it comes after.
struct GraphNode {
  std::function<void()> run;
  std::vector<size_t> after;
};

/// When operations run: each at once; each as late as the API allows; or late with now and then one in
/// between.
enum class Policy { eager, late, random };

}  // namespace device_sim

struct CUgraph_st {
  std::vector<device_sim::GraphNode> nodes;
};
struct CUgraphExec_st {
  std::vector<device_sim::GraphNode> nodes;
};

struct CUstream_st {
  uint32_t id = 0;
  int device = 0, priority = 0;
  bool blocking = true, destroyed = false;
  uint32_t enqueued = 0, done = 0;
  device_sim::Clock known;  // what its next operation comes after
  std::deque<device_sim::Operation> queue;
  std::shared_ptr<CUgraph_st> capture;
  bool capture_origin = false;
  std::vector<size_t> capture_tail;
};

struct CUevent_st {
  device_sim::Clock at;
  bool timing = true, destroyed = false;
  double milliseconds = 0;
  std::shared_ptr<CUgraph_st> capture;
  std::vector<size_t> capture_tail;
};

namespace device_sim {

class Runtime {
 public:
  static Runtime& instance();
  std::recursive_mutex mutex;

  /// The stream of a handle, the default stream for null; null (and a finding) for a destroyed or unknown
  /// one.
  CUstream_st* stream(cudaStream_t handle);
  cudaStream_t create_stream(bool blocking, int priority);
  void destroy_stream(CUstream_st* stream);

  /// Puts work into a stream, or into the graph that it captures.
  cudaError_t enqueue(cudaStream_t handle, std::function<void()> run);
  /// Runs everything up to `clock`; the host has waited for it then.
  cudaError_t synchronize(const Clock& clock);
  cudaError_t synchronize_device();
  /// Where the operations of `clock` are done: true, and the host knows it. Otherwise one more of them is
  /// run.
  bool query(const Clock& clock);
  Clock clock_of(const CUstream_st& stream) const;
  bool any_capture() const;
  /// Ends the capture of `graph` in all streams that take part in it.
  void end_capture(const std::shared_ptr<CUgraph_st>& graph);
  bool ordered(uint32_t earlier, uint32_t later) const;

  /// Runs the nodes of a graph in a random order that its edges allow.
  void run_graph(const std::vector<GraphNode>& nodes);

  cudaError_t sticky = cudaSuccess;  // a fault of a kernel: the device is lost
  Policy policy = Policy::late;
  double pretended = 0;  // milliseconds that libraries' work took beyond what the clock tells
  uint64_t schedule = 0;
  std::mt19937_64 random;
  void clear();

 private:
  Runtime();
  void run_until(CUstream_st& stream, uint32_t sequence);
  void run_one(const Operation& operation);
  void host_saw(const Clock& clock);
  void maybe_run_some();
  void forget_if_idle();
  const Clock* after(uint32_t stream, uint32_t sequence) const;

  struct Known {
    uint32_t stream, sequence;
    Clock after;
  };
  std::vector<std::unique_ptr<CUstream_st>> streams_;
  std::vector<Known> operations_;  // id - first_
  uint32_t first_ = 1;             // operations with lower numbers come before everything
  std::map<std::pair<uint32_t, uint32_t>, uint32_t> ids_;  // (stream, sequence) -> id
  Clock host_;                                             // what the host has waited for
  uint32_t running_ = 0, next_stream_ = 0;
  // Operations of a running graph are numbered as operations of their own.
  struct Part {
    uint32_t whole;
    size_t node;
    std::shared_ptr<std::vector<std::vector<char>>> before;
  };
  std::map<uint32_t, Part> parts_;
};

/// Remembers `error` for cudaGetLastError.
cudaError_t remember(cudaError_t error);

using Lock = std::lock_guard<std::recursive_mutex>;

bool is_pinned(const void* address, size_t bytes);
bool is_device_memory(const void* address, size_t bytes);

}  // namespace device_sim
