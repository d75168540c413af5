// Where elements are true: counted chunk by chunk, then each chunk writes where its positions belong.
#include "cuda/mask.h"

#include "cuda/device.cuh"
#include "cuda/host_copy.h"
#include "cuda/scan.h"

namespace taper::cuda {

namespace kernels {

/// A strided operand; strides in elements.
struct Mask {
  static constexpr int max_dims = 12;
  const char* x;
  DType dtype;
  int64_t total = 1;
  int dims;
  bool dense = true;
  int64_t sizes[max_dims], strides[max_dims];

  Mask(const cpu::Source& source, DType type)
      : x(static_cast<const char*>(source.data)), dtype(type), dims(source.sizes.size()) {
    check<ShapeError>(dims <= max_dims, "nonzero: on CUDA at most ", max_dims,
                      " dimensions are supported, got shape ", source.sizes);
    for (int i = dims - 1; i >= 0; --i) {
      sizes[i] = source.sizes[i];
      strides[i] = source.strides[i];
      dense &= sizes[i] == 1 || strides[i] == total;
      total *= sizes[i];
    }
  }
  __device__ bool operator()(int64_t i) const {
    int64_t offset = dense ? i : 0;
    for (int d = dims - 1; !dense && d >= 0; --d) {
      const int64_t rest = i / sizes[d];
      offset += (i - rest * sizes[d]) * strides[d];
      i = rest;
    }
    const char* p = x + offset * item_size(dtype);
    if (is_complex(dtype)) return load<Complex>(p, dtype) != Complex(0, 0);
    if (is_floating_point(dtype)) return load<double>(p, dtype) != 0;
    return is_signed(dtype) ? load<int64_t>(p, dtype) != 0 : load<uint64_t>(p, dtype) != 0;
  }
};

constexpr int64_t chunk = 8 * block_threads;

/// A block for each chunk.
__global__ void __launch_bounds__(block_threads) count_chunks(const Mask mask, int64_t* counts) {
  const int64_t begin = int64_t(blockIdx.x) * chunk;
  int64_t count = 0;
  for (int64_t first = begin; first < begin + chunk && first < mask.total; first += block_threads) {
    const int64_t i = first + threadIdx.x;
    count += __syncthreads_count(i < mask.total && mask(i));
  }
  if (threadIdx.x == 0) counts[blockIdx.x] = count;
}

/// counts: up to and with each chunk. y [total, dims].
__global__ void __launch_bounds__(block_threads)
    write_positions(const Mask mask, const int64_t* counts, int64_t* y) {
  __shared__ int of_warps[block_threads / 32];
  const int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32;
  const int64_t begin = int64_t(blockIdx.x) * chunk;
  int64_t before = blockIdx.x ? counts[blockIdx.x - 1] : 0;
  for (int64_t first = begin; first < begin + chunk && first < mask.total; first += block_threads) {
    const int64_t i = first + threadIdx.x;
    const bool is_true = i < mask.total && mask(i);
    const unsigned all = __ballot_sync(0xffffffffu, is_true);
    if (lane == 0) of_warps[warp] = __popc(all);
    __syncthreads();
    int64_t place = before + __popc(all & ((1u << lane) - 1));
    for (int w = 0; w < block_threads / 32; ++w) {
      if (w < warp) place += of_warps[w];
      before += of_warps[w];
    }
    __syncthreads();
    if (!is_true) continue;
    int64_t rest = i;
    for (int d = mask.dims - 1; d >= 0; --d) {
      const int64_t quotient = d ? rest / mask.sizes[d] : 0;
      y[place * mask.dims + d] = rest - quotient * mask.sizes[d];
      rest = quotient;
    }
  }
}

}  // namespace kernels

namespace {

using kernels::chunk;
using kernels::Mask;

int64_t chunks_of(const Mask& mask) { return (mask.total + chunk - 1) / chunk; }

/// Running counts of the chunks, the last of which is the total.
void running_counts(const Mask& mask, int64_t* counts) {
  const int64_t chunks = chunks_of(mask);
  const Scratch each(chunks * int64_t(sizeof(int64_t)));
  kernels::count_chunks<<<unsigned(chunks), block_threads, 0, runtime().stream_in_use()>>>(
      mask, each.data<int64_t>());
  check_launch("nonzero");
  cumsum(each.data(), int64, 1, chunks, 1, counts, int64);
}

}  // namespace

cpu::TrueCounts count_true(const cpu::Source& x, DType dtype) {
  const kernels::Mask mask(x, dtype);
  if (mask.total == 0) return {0, 0};
  const Scratch counts(chunks_of(mask) * int64_t(sizeof(int64_t)));
  running_counts(mask, counts.data<int64_t>());
  return {0, to_host(counts.data<int64_t>() + chunks_of(mask) - 1, "nonzero")};
}

void nonzero(const cpu::Source& x, DType dtype, const cpu::TrueCounts& found, int64_t* y) {
  const kernels::Mask mask(x, dtype);
  if (found.back() == 0 || mask.dims == 0) return;
  const Scratch counts(chunks_of(mask) * int64_t(sizeof(int64_t)));
  running_counts(mask, counts.data<int64_t>());
  kernels::write_positions<<<unsigned(chunks_of(mask)), block_threads, 0, runtime().stream_in_use()>>>(
      mask, counts.data<int64_t>(), y);
  check_launch("nonzero");
}

}  // namespace taper::cuda
