// Masks and log-sum-exps of attention in the forms that cuDNN takes and gives.
#include "cuda/attention_operands.h"

#include "cuda/element.cuh"

namespace taper::cuda {

namespace kernels {

__global__ void __launch_bounds__(block_threads)
    mask_as_bias(const __grid_constant__ cpu::Attention a, int64_t heads, int64_t count, float* bias) {
  for (int64_t i = thread_number(); i < count; i += thread_count()) {
    const int64_t key = i % a.keys, query = i / a.keys % a.queries, matrix = i / a.keys / a.queries;
    const int64_t at = matrix / heads * a.mask_strides[0] + matrix % heads * a.mask_strides[1] +
                       query * a.mask_strides[2] + key * a.mask_strides[3];
    if (a.mask_dtype == boolean) {
      bias[i] = static_cast<const bool*>(a.mask)[at] ? 0.0f : hidden_bias;
    } else {
      const float value = element<float>(a.mask, a.mask_dtype, at);
      bias[i] = value == -INFINITY ? hidden_bias : value < least_bias ? least_bias : value;
    }
  }
}

__global__ void __launch_bounds__(block_threads)
    widen_rows(const __grid_constant__ cpu::Attention a, const float* from, double* log_sum_exp, void* y) {
  const int64_t rows = a.batch * a.heads * a.queries;
  for (int64_t row = thread_number(); row < rows; row += thread_count()) {
    const float log_sum = from[row];
    const bool blind = a.mask && log_sum < 1.5f * least_bias;
    log_sum_exp[row] = blind ? -INFINITY : double(log_sum);
    if (!blind) continue;
    const int64_t query = row % a.queries, head = row / a.queries % a.heads,
                  batch = row / a.queries / a.heads;
    const int64_t start = batch * a.y.batch + head * a.y.head + query * a.y.row;
    for (int64_t column = 0; column < a.value_size; ++column) put(y, a.dtype, start + column, 0.0f);
  }
}

__global__ void __launch_bounds__(block_threads)
    narrow_rows(int64_t rows, const double* log_sum_exp, float* to) {
  for (int64_t row = thread_number(); row < rows; row += thread_count())
    to[row] = log_sum_exp[row] == -INFINITY ? INFINITY : float(log_sum_exp[row]);
}

}  // namespace kernels

namespace {

constexpr const char* op = "scaled_dot_product_attention";

int64_t rows_of(const cpu::Attention& a) { return a.batch * a.heads * a.queries; }

}  // namespace

MaskSizes mask_sizes(const cpu::Attention& a) {
  return {a.mask_strides[0] == 0 ? 1 : a.batch, a.mask_strides[1] == 0 ? 1 : a.heads};
}

void mask_as_bias(const cpu::Attention& a, float* bias) {
  const MaskSizes sizes = mask_sizes(a);
  const int64_t count = sizes.batch * sizes.heads * a.queries * a.keys;
  kernels::mask_as_bias<<<blocks_for(count), block_threads, 0, runtime().stream_in_use()>>>(a, sizes.heads,
                                                                                            count, bias);
  check_launch(op);
}

void widen_rows(const cpu::Attention& a, const float* from, double* log_sum_exp, void* y) {
  kernels::widen_rows<<<blocks_for(rows_of(a)), block_threads, 0, runtime().stream_in_use()>>>(
      a, from, log_sum_exp, y);
  check_launch(op);
}

void narrow_rows(const cpu::Attention& a, const double* log_sum_exp, float* to) {
  kernels::narrow_rows<<<blocks_for(rows_of(a)), block_threads, 0, runtime().stream_in_use()>>>(
      rows_of(a), log_sum_exp, to);
  check_launch(op);
}

}  // namespace taper::cuda
