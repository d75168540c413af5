// Kernels with planted faults. Fault 0 is the right kernel; the list of the others is in faults_test.cc.
#include <cooperative_groups.h>
#include <cuda_pipeline_primitives.h>

#include <cstdint>
#include <type_traits>

#include "faulty_kernels.h"

namespace programs {
namespace {

// --- x + b over rows, four numbers at a time with a rest
template <int fault>
__global__ void add_rows(float* y, const float* x, const float* b, int rows, int columns) {
  const int64_t n = int64_t(rows) * columns, quads = n / 4, step = int64_t(gridDim.x) * blockDim.x;
  const int64_t first = blockIdx.x * int64_t(blockDim.x) + threadIdx.x;
  for (int64_t i = first; fault == bound_too_large ? i <= quads : i < quads; i += step) {
    const float4 v = reinterpret_cast<const float4*>(x)[i];
    float4 w;
    const int64_t e = 4 * i;
    if constexpr (fault == vector_load_misaligned) {
      w = *reinterpret_cast<const float4*>(b + e % columns);
    } else {
      w = make_float4(b[e % columns], b[(e + 1) % columns], b[(e + 2) % columns], b[(e + 3) % columns]);
    }
    reinterpret_cast<float4*>(y)[i] = make_float4(v.x + w.x, v.y + w.y, v.z + w.z, v.w + w.w);
  }
  const int64_t rest = 4 * quads + (fault == rest_starts_late ? 1 : 0);
  for (int64_t e = rest + first; e < n; e += step) {
    y[e] = x[e] + b[fault == wrong_operand_stride ? e / columns % columns : e % columns];
  }
}

// --- softmax over rows, one block a row
template <int fault, class Combine>
__device__ float combine_in_block(float value, float* partials, float neutral, Combine combine) {
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, warps = blockDim.x / 32;
  for (int k = 16; k > 0; k /= 2) value = combine(value, __shfl_xor_sync(0xffffffffu, value, k));
  if constexpr (fault != no_barrier_before_reuse) __syncthreads();
  if (lane == 0) partials[warp] = value;
  if constexpr (fault != no_barrier_before_reading) __syncthreads();
  value = lane < warps + (fault == reads_too_many_partials ? 1 : 0) ? partials[lane] : neutral;
  if constexpr (fault == shuffle_in_divergent_branch) {
    if (threadIdx.x < 16)
      for (int k = 16; k > 0; k /= 2) value = combine(value, __shfl_xor_sync(0xffffffffu, value, k));
  } else {
    for (int k = 16; k > 0; k /= 2) value = combine(value, __shfl_xor_sync(0xffffffffu, value, k));
  }
  return value;
}

template <int fault>
__global__ void softmax(float* y, const float* x, int columns) {
  __shared__ float partials[32];
  const float* row = x + int64_t(blockIdx.x) * columns;
  if (fault == early_return && int(threadIdx.x) >= columns) return;
  float most = -1e30f, sum = 0;
  for (int c = threadIdx.x; c < columns; c += blockDim.x) most = fmaxf(most, row[c]);
  most = combine_in_block<fault>(most, partials, -1e30f, [](float a, float b) { return fmaxf(a, b); });
  for (int c = threadIdx.x; c < columns; c += blockDim.x) sum += __expf(row[c] - most);
  sum = combine_in_block<fault>(sum, partials, 0.0f, [](float a, float b) { return a + b; });
  for (int c = threadIdx.x; c < columns; c += blockDim.x)
    y[int64_t(blockIdx.x) * columns + c] = __expf(row[c] - most) / (fault == divides_by_maximum ? most : sum);
}

// --- transposition through a tile
template <int fault>
__global__ void transpose(float* y, const float* x, int rows, int columns) {
  __shared__ float tile[32 * 33];
  constexpr int pitch = fault == tile_pitch_too_small ? 31 : 33;
  const int c = blockIdx.x * 32 + threadIdx.x;
  for (int k = threadIdx.y; k < 32; k += 8) {
    const int r = blockIdx.y * 32 + k;
    if (r < rows && c < columns) tile[k * pitch + threadIdx.x] = x[r * columns + c];
  }
  if constexpr (fault != no_barrier_after_tile) __syncthreads();
  const int out_c = blockIdx.y * 32 + threadIdx.x;
  for (int k = threadIdx.y; k < 32; k += 8) {
    const int out_r = blockIdx.x * 32 + k;
    if (out_r < columns && (fault == no_column_bound || out_c < rows))
      y[out_r * (fault == swapped_strides ? columns : rows) + out_c] = tile[threadIdx.x * pitch + k];
  }
}

// --- sums of rows by index
template <int fault>
__global__ void add_to_rows(float* table, const float* dy, const int* index, int n, int width) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n * width; i += gridDim.x * blockDim.x) {
    const int row = index[i / width];
    float* target = &table[row * (fault == wrong_row_stride ? width + 1 : width) + i % width];
    if constexpr (fault == not_atomic) *target += dy[i];
    else atomicAdd(target, dy[i]);
  }
}

// --- the last block adds up what all blocks left
template <int fault>
__global__ void sum_by_last_block(float* sum, float* partials, unsigned* arrived, const float* x, int n) {
  __shared__ bool is_last;
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  float value = i < n ? x[i] : 0.0f;
  for (int k = 16; k > 0; k /= 2) value += __shfl_down_sync(0xffffffffu, value, k);
  if (threadIdx.x == 0) {
    partials[blockIdx.x] = value;
    if constexpr (fault != no_fence) __threadfence();
    unsigned ticket;
    if constexpr (fault == ticket_not_atomic) {
      ticket = *arrived;
      *arrived = ticket + 1;
    } else {
      ticket = atomicAdd(arrived, 1u);
    }
    is_last = ticket == gridDim.x - 1;
  }
  __syncthreads();
  if (!is_last) return;
  __threadfence();
  if (threadIdx.x == 0) {
    float total = 0;
    for (unsigned b = 0; b < gridDim.x; ++b) total += partials[b];
    *sum = total;
  }
}

// --- a warp reverses 32 numbers through shared memory
template <int fault>
__global__ void reverse_in_warp(float* y, const float* x) {
  __shared__ float values[32];
  values[threadIdx.x] = x[threadIdx.x];
  if constexpr (fault != no_warp_synchronization) __syncwarp();
  y[threadIdx.x] = values[31 - threadIdx.x];
}
template <int fault>
__global__ void reverse_by_shuffle(float* y, const float* x) {
  if (fault != shuffle_from_inactive_lane || threadIdx.x < 16) {
    const unsigned mask = fault == shuffle_from_inactive_lane ? 0x0000ffffu : 0xffffffffu;
    y[threadIdx.x] = __shfl_sync(mask, x[threadIdx.x], 31 - threadIdx.x);
  }
}

// --- tiles brought by asynchronous copies, two at a time
template <int fault>
__global__ void double_by_tiles(float* y, const float* x, int tiles) {
  __shared__ __align__(16) float buffer[2][128];
  const auto fetch = [&](int tile) {
    if (threadIdx.x < 32)
      __pipeline_memcpy_async(&buffer[tile % 2][threadIdx.x * 4], x + tile * 128 + threadIdx.x * 4, 16);
    __pipeline_commit();
  };
  fetch(0);
  for (int tile = 0; tile < tiles; ++tile) {
    if (tile + 1 < tiles) fetch(tile + 1);
    if constexpr (fault != no_wait_for_copy) __pipeline_wait_prior(tile + 1 < tiles ? 1 : 0);
    __syncthreads();
    y[tile * 128 + threadIdx.x] = 2 * buffer[tile % 2][threadIdx.x];
    if constexpr (fault != no_barrier_before_next_copy) __syncthreads();
  }
}

// --- dynamic shared memory
__global__ void reverse_in_block(float* y, const float* x) {
  extern __shared__ float values[];
  values[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = values[blockDim.x - 1 - threadIdx.x];
}

// --- a lock
template <int fault>
__global__ void count_under_lock(int* count, int* lock) {
  if (threadIdx.x == 0) {
    while (atomicCAS(lock, 0, 1) != 0) {
    }
    __threadfence();
    *count += 1;
    __threadfence();
    if constexpr (fault != lock_never_released) atomicExch(lock, 0);
  }
}

// --- all blocks wait for each other
template <int fault>
__global__ void neighbours(float* y, float* scratch, const float* x, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) scratch[i] = 2 * x[i];
  if constexpr (fault != no_grid_barrier) cooperative_groups::this_grid().sync();
  if (i < n) y[i] = scratch[(i + 37) % n];
}

}  // namespace

// Calls `run` with the fault as a compile-time number; each kernel names the faults that it knows.
template <int... known, class F>
static void with_fault(int fault, F run) {
  bool done = false;
  ((fault == known ? (run(std::integral_constant<int, known>()), done = true) : false), ...);
  if (!done) run(std::integral_constant<int, no_fault>());
}

void launch_add_rows(int fault, float* y, const float* x, const float* b, int rows, int columns) {
  with_fault<bound_too_large, vector_load_misaligned, rest_starts_late, wrong_operand_stride>(
      fault, [=](auto f) { add_rows<f><<<3, 64>>>(y, x, b, rows, columns); });
}
void launch_softmax(int fault, float* y, const float* x, int rows, int columns) {
  with_fault<no_barrier_before_reuse, no_barrier_before_reading, reads_too_many_partials,
             shuffle_in_divergent_branch, early_return, divides_by_maximum>(
      fault, [=](auto f) { softmax<f><<<rows, 128>>>(y, x, columns); });
}
void launch_transpose(int fault, float* y, const float* x, int rows, int columns) {
  const dim3 grid((columns + 31) / 32, (rows + 31) / 32);
  with_fault<tile_pitch_too_small, no_barrier_after_tile, no_column_bound, swapped_strides>(
      fault, [=](auto f) { transpose<f><<<grid, dim3(32, 8)>>>(y, x, rows, columns); });
}
void launch_add_to_rows(int fault, float* table, const float* dy, const int* index, int n, int width) {
  with_fault<wrong_row_stride, not_atomic>(
      fault, [=](auto f) { add_to_rows<f><<<2, 64>>>(table, dy, index, n, width); });
}
void launch_sum(int fault, float* sum, float* partials, unsigned* arrived, const float* x, int n) {
  with_fault<no_fence, ticket_not_atomic>(
      fault, [=](auto f) { sum_by_last_block<f><<<(n + 31) / 32, 32>>>(sum, partials, arrived, x, n); });
}
void launch_reverse_in_warp(int fault, float* y, const float* x) {
  with_fault<no_warp_synchronization>(fault, [=](auto f) { reverse_in_warp<f><<<1, 32>>>(y, x); });
}
void launch_reverse_by_shuffle(int fault, float* y, const float* x) {
  with_fault<shuffle_from_inactive_lane>(fault, [=](auto f) { reverse_by_shuffle<f><<<1, 32>>>(y, x); });
}
void launch_double_by_tiles(int fault, float* y, const float* x, int tiles) {
  with_fault<no_wait_for_copy, no_barrier_before_next_copy>(
      fault, [=](auto f) { double_by_tiles<f><<<1, 128>>>(y, x, tiles); });
}
void launch_reverse_in_block(int fault, float* y, const float* x, int n) {
  const size_t bytes = size_t(n) * sizeof(float);
  reverse_in_block<<<1, n, fault == too_little_shared_memory ? bytes / 2 : bytes>>>(y, x);
}
void launch_count_under_lock(int fault, int* count, int* lock) {
  with_fault<lock_never_released>(fault, [=](auto f) { count_under_lock<f><<<4, 64>>>(count, lock); });
}
void launch_neighbours(int fault, float* y, float* scratch, const float* x, int n) {
  with_fault<no_grid_barrier>(fault, [=](auto f) {
    int count = n;
    void* arguments[] = {(void*)&y, (void*)&scratch, (void*)&x, &count};
    cudaLaunchCooperativeKernel((const void*)neighbours<f>, dim3((n + 63) / 64), dim3(64), arguments, 0,
                                nullptr);
  });
}

}  // namespace programs
