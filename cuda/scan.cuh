// The kernels under every running total. A line of neighbouring elements is scanned by a warp, 32 elements at
// a time; lines side by side by a thread each. Few long lines are cut into pieces, whose totals are scanned
// first.
#pragma once

#include <cstring>

#include "cuda/device.cuh"

namespace taper::cuda {

/// An Op is copied to the device and has
///   State                the total of some consecutive elements
///   none()               of no elements
///   load(line, place)    of element `place`; `line` is the place of the line's first element in memory
///   combine(a, b)        of those of a followed by those of b
///   put(line, place, total)
/// where places count elements of `step` from each other in memory, as the Op itself knows.
struct ScanSizes {
  int64_t outer, n, inner;
  int64_t piece, pieces;  ///< Elements of a piece and pieces of a line.

  __host__ __device__ int64_t lines() const { return outer * inner; }
  __host__ __device__ int64_t tasks() const { return outer * pieces * inner; }
};

/// Task numbers count columns within pieces within outer.
struct ScanTask {
  int64_t line, begin, end;

  __device__ ScanTask(const ScanSizes& sizes, int64_t task) {
    const int64_t column = task % sizes.inner, piece = task / sizes.inner % sizes.pieces;
    line = task / sizes.inner / sizes.pieces * sizes.n * sizes.inner + column;
    begin = piece * sizes.piece;
    end = begin + sizes.piece < sizes.n ? begin + sizes.piece : sizes.n;
  }
};

namespace kernels {

/// The value of the lane `distance` below, or for `distance` 0 that of lane `from`.
template <class T>
__device__ __forceinline__ T shuffled(const T& value, int distance, int from = 0) {
  unsigned words[sizeof(T) / 4];
  memcpy(words, &value, sizeof(T));
#pragma unroll
  for (unsigned& word : words)
    word = distance ? __shfl_up_sync(0xffffffffu, word, unsigned(distance))
                    : __shfl_sync(0xffffffffu, word, from);
  T result;
  memcpy(&result, words, sizeof(T));
  return result;
}

/// The totals of the lanes up to and with each one's own.
template <class Op>
__device__ __forceinline__ typename Op::State scan_warp(const Op& op, typename Op::State state) {
  const int lane = int(threadIdx.x) % 32;
#pragma unroll
  for (int distance = 1; distance < 32; distance *= 2) {
    const auto before = shuffled(state, distance);
    if (lane >= distance) state = op.combine(before, state);
  }
  return state;
}

/// A warp for each task. Writes the tasks' totals where `totals` is given, otherwise the elements' with those
/// of carries before them, which may be null.
template <class Op>
__global__ void __launch_bounds__(block_threads)
    scan_rows(const Op op, const ScanSizes sizes, const typename Op::State* carries,
              typename Op::State* totals) {
  const int lane = int(threadIdx.x) % 32;
  for (int64_t task = thread_number() / 32; task < sizes.tasks(); task += thread_count() / 32) {
    const ScanTask at(sizes, task);
    auto carry = carries ? carries[task] : op.none();
    for (int64_t first = at.begin; first < at.end; first += 32) {
      const int64_t place = first + lane;
      auto state = place < at.end ? op.load(at.line, place) : op.none();
      state = op.combine(carry, scan_warp(op, state));
      if (!totals && place < at.end) op.put(at.line, place, state);
      carry = shuffled(state, 0, 31);
    }
    if (totals && lane == 0) totals[task] = carry;
  }
}

/// The same with a thread for each task.
template <class Op>
__global__ void __launch_bounds__(block_threads)
    scan_columns(const Op op, const ScanSizes sizes, const typename Op::State* carries,
                 typename Op::State* totals) {
  for (int64_t task = thread_number(); task < sizes.tasks(); task += thread_count()) {
    const ScanTask at(sizes, task);
    auto total = carries ? carries[task] : op.none();
    for (int64_t place = at.begin; place < at.end; ++place) {
      total = op.combine(total, op.load(at.line, place));
      if (!totals) op.put(at.line, place, total);
    }
    if (totals) totals[task] = total;
  }
}

/// Totals of the pieces become what comes before each: a warp for each line.
template <class Op>
__global__ void __launch_bounds__(block_threads)
    scan_totals(const Op op, const ScanSizes sizes, typename Op::State* totals) {
  const int lane = int(threadIdx.x) % 32;
  for (int64_t line = thread_number() / 32; line < sizes.lines(); line += thread_count() / 32) {
    auto* mine = totals + line / sizes.inner * sizes.pieces * sizes.inner + line % sizes.inner;
    auto carry = op.none();
    for (int64_t first = 0; first < sizes.pieces; first += 32) {
      const int64_t piece = first + lane;
      const auto state = scan_warp(op, piece < sizes.pieces ? mine[piece * sizes.inner] : op.none());
      const auto before = shuffled(state, 1);
      if (piece < sizes.pieces) mine[piece * sizes.inner] = lane ? op.combine(carry, before) : carry;
      carry = op.combine(carry, shuffled(state, 0, 31));
    }
  }
}

}  // namespace kernels

/// Lines of up to this many neighbouring elements are read by a thread, as they lie in a cache line or two.
inline constexpr int64_t shortest_warp_line = 16;

inline bool by_warps(const ScanSizes& sizes) { return sizes.inner == 1 && sizes.n > shortest_warp_line; }

/// Cut into pieces where the lines alone would leave processors without work.
inline ScanSizes scan_sizes(int64_t outer, int64_t n, int64_t inner) {
  ScanSizes sizes{outer, n, inner, n, 1};
  const bool warps = by_warps(sizes);
  const int64_t wanted = warps ? 8192 : 65536, shortest = warps ? 512 : 64;
  const int64_t pieces = std::min(wanted / sizes.lines(), n / shortest);
  if (pieces <= 1) return sizes;
  sizes.piece = (n + pieces - 1) / pieces;
  sizes.pieces = (n + sizes.piece - 1) / sizes.piece;
  return sizes;
}

template <class Op>
void run_scan(const Op& op, const ScanSizes& sizes, const char* name) {
  using State = typename Op::State;
  if (sizes.n * sizes.lines() == 0) return;
  const cudaStream_t stream = runtime().stream_in_use();
  const auto run = [&](const State* carries, State* totals) {
    if (by_warps(sizes))
      kernels::scan_rows<<<blocks_for(sizes.tasks(), block_threads / 32), block_threads, 0, stream>>>(
          op, sizes, carries, totals);
    else
      kernels::scan_columns<<<blocks_for(sizes.tasks()), block_threads, 0, stream>>>(op, sizes, carries,
                                                                                     totals);
    check_launch(name);
  };
  if (sizes.pieces == 1) return run(nullptr, nullptr);
  const Scratch totals(sizes.tasks() * int64_t(sizeof(State)));
  run(nullptr, totals.data<State>());
  kernels::scan_totals<<<blocks_for(sizes.lines(), block_threads / 32), block_threads, 0, stream>>>(
      op, sizes, totals.data<State>());
  check_launch(name);
  run(totals.data<State>(), nullptr);
}

}  // namespace taper::cuda
