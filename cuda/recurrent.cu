// LSTM and GRU cells: a thread for each unit of each row.
#include "cuda/recurrent.h"

#include "cuda/block.cuh"
#include "cuda/element.cuh"

namespace taper::cuda {

namespace kernels {

/// An array of a dtype, read and written as T. Results may lie where operands do: a thread reads all it needs
/// before it writes.
template <class T>
struct Numbers {
  void* data;
  DType dtype;
  __device__ T operator[](int64_t i) const { return element<T>(data, dtype, i); }
  __device__ T at_or_zero(int64_t i) const { return element_or<T>(data, dtype, i, 0); }
  __device__ void put(int64_t i, T value) const { kernels::put(data, dtype, i, value); }
};

template <class T>
__device__ __forceinline__ T sigmoid_of(T x) {
  return 1 / (1 + exp(-x));
}
/// The derivative of a sigmoid whose value is s, and of a tanh whose value is t.
template <class T>
__device__ __forceinline__ T sigmoid_slope(T s) {
  return s * (1 - s);
}
template <class T>
__device__ __forceinline__ T tanh_slope(T t) {
  return 1 - t * t;
}

template <class T>
__global__ void __launch_bounds__(block_threads)
    lstm_cell(int64_t units, int64_t n, Numbers<T> gates, Numbers<T> c_before, Numbers<T> c, Numbers<T> h) {
  for (int64_t at = thread_number(); at < units; at += thread_count()) {
    const int64_t gate = at / n * 4 * n + at % n;
    const T i = sigmoid_of(gates[gate]), f = sigmoid_of(gates[gate + n]), g = tanh(gates[gate + 2 * n]),
            o = sigmoid_of(gates[gate + 3 * n]), state = f * c_before[at] + i * g;
    gates.put(gate, i), gates.put(gate + n, f), gates.put(gate + 2 * n, g), gates.put(gate + 3 * n, o);
    c.put(at, state), h.put(at, o * tanh(state));
  }
}

template <class T>
__global__ void __launch_bounds__(block_threads)
    lstm_cell_backward(int64_t units, int64_t n, Numbers<T> gates, Numbers<T> c_before, Numbers<T> c,
                       Numbers<T> dh, Numbers<T> dc, Numbers<T> dgates, Numbers<T> dc_before) {
  for (int64_t at = thread_number(); at < units; at += thread_count()) {
    const int64_t gate = at / n * 4 * n + at % n;
    const T i = gates[gate], f = gates[gate + n], g = gates[gate + 2 * n], o = gates[gate + 3 * n];
    const T t = tanh(c[at]), output = dh.at_or_zero(at), before = c_before[at];
    const T state = output * o * tanh_slope(t) + dc.at_or_zero(at);
    dgates.put(gate, state * g * sigmoid_slope(i)), dgates.put(gate + n, state * before * sigmoid_slope(f));
    dgates.put(gate + 2 * n, state * i * tanh_slope(g));
    dgates.put(gate + 3 * n, output * t * sigmoid_slope(o));
    dc_before.put(at, state * f);
  }
}

template <class T>
__global__ void __launch_bounds__(block_threads)
    gru_cell(int64_t units, int64_t n, Numbers<T> input, Numbers<T> hidden, Numbers<T> h_before,
             Numbers<T> h) {
  for (int64_t at = thread_number(); at < units; at += thread_count()) {
    const int64_t gate = at / n * 3 * n + at % n;
    const T r = sigmoid_of(input[gate] + hidden[gate]), z = sigmoid_of(input[gate + n] + hidden[gate + n]);
    const T fresh = tanh(input[gate + 2 * n] + r * hidden[gate + 2 * n]), before = h_before[at];
    input.put(gate, r), input.put(gate + n, z), input.put(gate + 2 * n, fresh);
    h.put(at, fresh + z * (before - fresh));
  }
}

template <class T>
__global__ void __launch_bounds__(block_threads)
    gru_cell_backward(int64_t units, int64_t n, Numbers<T> gates, Numbers<T> hidden, Numbers<T> h_before,
                      Numbers<T> dh, Numbers<T> dinput, Numbers<T> dhidden, Numbers<T> dh_before) {
  for (int64_t at = thread_number(); at < units; at += thread_count()) {
    const int64_t gate = at / n * 3 * n + at % n;
    const T r = gates[gate], z = gates[gate + n], fresh = gates[gate + 2 * n];
    const T gradient = dh[at], before = h_before[at];
    const T dfresh = gradient * (1 - z) * tanh_slope(fresh);
    const T dz = gradient * (before - fresh) * sigmoid_slope(z);
    const T dr = dfresh * hidden[gate + 2 * n] * sigmoid_slope(r);
    dinput.put(gate, dr), dhidden.put(gate, dr);
    dinput.put(gate + n, dz), dhidden.put(gate + n, dz);
    dinput.put(gate + 2 * n, dfresh), dhidden.put(gate + 2 * n, dfresh * r);
    dh_before.put(at, gradient * z);
  }
}

}  // namespace kernels

namespace {

/// launch(numbers, units, blocks) with numbers(pointer) that makes kernels' operands of the cell's dtype.
template <class F>
void run_cell(const cpu::Cell& cell, const char* op, F&& launch) {
  check<DTypeError>(is_floating_point(cell.dtype), op, ": got ", cell.dtype, ", expected a floating type");
  const int64_t units = cell.rows * cell.hidden;
  if (units == 0) return;
  visit_row_type(cell.dtype, [&]<class T>() {
    launch(
        [&](const void* data) {
          return kernels::Numbers<T>{const_cast<void*>(data), cell.dtype};
        },
        units, blocks_for(units));
  });
  check_launch(op);
}

}  // namespace

void lstm_cell(const cpu::Cell& cell, void* gates, const void* c_before, void* c, void* h) {
  run_cell(cell, "lstm_cell", [&](auto numbers, int64_t units, int blocks) {
    kernels::lstm_cell<<<blocks, block_threads, 0, runtime().stream_in_use()>>>(
        units, cell.hidden, numbers(gates), numbers(c_before), numbers(c), numbers(h));
  });
}

void lstm_cell_backward(const cpu::Cell& cell, const void* gates, const void* c_before, const void* c,
                        const void* dh, const void* dc, void* dgates, void* dc_before) {
  run_cell(cell, "lstm_cell_backward", [&](auto numbers, int64_t units, int blocks) {
    kernels::lstm_cell_backward<<<blocks, block_threads, 0, runtime().stream_in_use()>>>(
        units, cell.hidden, numbers(gates), numbers(c_before), numbers(c), numbers(dh), numbers(dc),
        numbers(dgates), numbers(dc_before));
  });
}

void gru_cell(const cpu::Cell& cell, void* input_gates, const void* hidden_gates, const void* h_before,
              void* h) {
  run_cell(cell, "gru_cell", [&](auto numbers, int64_t units, int blocks) {
    kernels::gru_cell<<<blocks, block_threads, 0, runtime().stream_in_use()>>>(
        units, cell.hidden, numbers(input_gates), numbers(hidden_gates), numbers(h_before), numbers(h));
  });
}

void gru_cell_backward(const cpu::Cell& cell, const void* gates, const void* hidden_gates,
                       const void* h_before, const void* dh, void* dinput_gates, void* dhidden_gates,
                       void* dh_before) {
  run_cell(cell, "gru_cell_backward", [&](auto numbers, int64_t units, int blocks) {
    kernels::gru_cell_backward<<<blocks, block_threads, 0, runtime().stream_in_use()>>>(
        units, cell.hidden, numbers(gates), numbers(hidden_gates), numbers(h_before), numbers(dh),
        numbers(dinput_gates), numbers(dhidden_gates), numbers(dh_before));
  });
}

}  // namespace taper::cuda
