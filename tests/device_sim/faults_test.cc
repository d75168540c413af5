// Each planted fault is found, and the program without a fault is clean: the proof that the checks bite.
// `make mutation-check` runs this file alone.
#include <cublasLt.h>
#include <cublas_v2.h>

#include <cmath>
#include <functional>

#include "findings.h"
#include "programs/device_vector.h"
#include "programs/faulty_kernels.h"

namespace {

using namespace programs;

std::vector<float> ramp(size_t count) {
  std::vector<float> values(count);
  for (size_t k = 0; k < count; ++k) values[k] = float(int(k * 7 % 23) - 11) / 8;
  return values;
}

// What a program leaves behind: the findings of the checks, and "wrong-value:" where its result is not right.
std::string outcome;

void expect_close(const std::vector<float>& got, const std::vector<float>& expected) {
  for (size_t k = 0; k < expected.size(); ++k) {
    if (std::abs(got[k] - expected[k]) <= 1e-5f * (1 + std::abs(expected[k]))) continue;
    outcome += "wrong-value: element " + std::to_string(k) + "\n";
    return;
  }
}

void note(cudaError_t error) {
  if (error) outcome += std::string(cudaGetErrorName(error)) + ":\n";
}

// --- programs with one kernel each
void run_add_rows(int fault) {
  const int rows = 5, columns = 37;
  const auto x = ramp(size_t(rows) * columns), b = ramp(columns + 4);
  DeviceVector<float> dx(x), db(b), dy(x.size());
  launch_add_rows(fault, dy.data(), dx.data(), db.data(), rows, columns);
  std::vector<float> expected(x.size());
  for (size_t k = 0; k < x.size(); ++k) expected[k] = x[k] + b[k % columns];
  expect_close(dy.host(), expected);
}

void run_softmax(int fault) {
  const int rows = 3, columns = 70;
  const auto x = ramp(size_t(rows) * columns);
  DeviceVector<float> dx(x), dy(x.size());
  launch_softmax(fault, dy.data(), dx.data(), rows, columns);
  std::vector<float> expected(x.size());
  for (int r = 0; r < rows; ++r) {
    double sum = 0;
    for (int c = 0; c < columns; ++c) sum += std::exp(x[size_t(r * columns + c)]);
    for (int c = 0; c < columns; ++c)
      expected[size_t(r * columns + c)] = float(std::exp(x[size_t(r * columns + c)]) / sum);
  }
  expect_close(dy.host(), expected);
}

void run_transpose(int fault) {
  const int rows = 45, columns = 70;
  const auto x = ramp(size_t(rows) * columns);
  DeviceVector<float> dx(x), dy(x.size());
  launch_transpose(fault, dy.data(), dx.data(), rows, columns);
  std::vector<float> expected(x.size());
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < columns; ++c) expected[size_t(c * rows + r)] = x[size_t(r * columns + c)];
  expect_close(dy.host(), expected);
}

void run_add_to_rows(int fault) {
  const int n = 40, width = 5, rows = 6;
  const auto dy = ramp(size_t(n) * width);
  std::vector<int> index(n);
  std::vector<float> expected(size_t(rows) * width);
  for (int k = 0; k < n; ++k) {
    index[size_t(k)] = k * 5 % rows;
    for (int c = 0; c < width; ++c)
      expected[size_t(index[size_t(k)] * width + c)] += dy[size_t(k * width + c)];
  }
  DeviceVector<float> d(dy), table(expected.size());
  DeviceVector<int> i(index);
  if (fault != missing_memset) cudaMemsetAsync(table.data(), 0, table.size() * sizeof(float), nullptr);
  launch_add_to_rows(fault, table.data(), d.data(), i.data(), n, width);
  expect_close(table.host(), expected);
}

void run_sum(int fault) {
  const auto x = ramp(200);
  DeviceVector<float> dx(x), partials(7), sum(1);
  DeviceVector<unsigned> arrived(std::vector<unsigned>{0});
  launch_sum(fault, sum.data(), partials.data(), arrived.data(), dx.data(), int(x.size()));
  float expected = 0;
  for (const float v : x) expected += v;
  expect_close(sum.host(), {expected});
}

void run_reversals(int fault) {
  const auto x = ramp(32);
  const std::vector<float> expected(x.rbegin(), x.rend());
  DeviceVector<float> dx(x), y(32), z(32);
  launch_reverse_in_warp(fault, y.data(), dx.data());
  expect_close(y.host(), expected);
  launch_reverse_by_shuffle(fault, z.data(), dx.data());
  if (fault == no_fault) expect_close(z.host(), expected);
}

void run_double_by_tiles(int fault) {
  const auto x = ramp(128 * 5);
  DeviceVector<float> dx(x), y(x.size());
  launch_double_by_tiles(fault, y.data(), dx.data(), 5);
  std::vector<float> expected = x;
  for (float& v : expected) v *= 2;
  expect_close(y.host(), expected);
}

void run_reverse_in_block(int fault) {
  const auto x = ramp(96);
  DeviceVector<float> dx(x), y(x.size());
  launch_reverse_in_block(fault, y.data(), dx.data(), 96);
  expect_close(y.host(), {x.rbegin(), x.rend()});
}

void run_count_under_lock(int fault) {
  DeviceVector<int> count(std::vector<int>{0}), lock(std::vector<int>{0});
  launch_count_under_lock(fault, count.data(), lock.data());
  if (count.host()[0] != 4) outcome += "wrong-value: count\n";
}

void run_neighbours(int fault) {
  const auto x = ramp(200);
  DeviceVector<float> dx(x), scratch(x.size()), y(x.size());
  launch_neighbours(fault, y.data(), scratch.data(), dx.data(), int(x.size()));
  std::vector<float> expected(x.size());
  for (size_t k = 0; k < x.size(); ++k) expected[k] = 2 * x[(k + 37) % x.size()];
  expect_close(y.host(), expected);
}

// --- host programs: batches go through one pinned staging buffer and a copy stream to a stream that computes
struct Streams {
  cudaStream_t copy, compute;
  cudaEvent_t arrived, used;
  Streams() {
    cudaStreamCreateWithFlags(&copy, cudaStreamNonBlocking);
    cudaStreamCreateWithFlags(&compute, cudaStreamNonBlocking);
    cudaEventCreateWithFlags(&arrived, cudaEventDisableTiming);
    cudaEventCreateWithFlags(&used, cudaEventDisableTiming);
  }
  ~Streams() {
    cudaStreamDestroy(copy), cudaStreamDestroy(compute);
    cudaEventDestroy(arrived), cudaEventDestroy(used);
  }
};

// y = w x for two batches x, through the default handle of cuBLAS: row-major y [4, n] = x [4, k] w [k, n].
void run_pipeline(int fault) {
  constexpr int m = 4, n = 6, k = 10;
  Streams s;
  cublasHandle_t handle;
  cublasCreate(&handle);
  cublasSetStream(handle, fault == product_on_other_stream ? s.copy : s.compute);
  const auto w = ramp(k * n);
  DeviceVector<float> dw(w);
  float *staging, *result;
  cudaMallocHost(reinterpret_cast<void**>(&staging), m * k * sizeof(float));
  cudaMallocHost(reinterpret_cast<void**>(&result), m * n * sizeof(float));
  for (int batch = 0; batch < 2; ++batch) {
    if (batch) cudaEventSynchronize(s.arrived);
    std::vector<float> x(m * k), expected(m * n, 0.0f);
    for (int e = 0; e < m * k; ++e) staging[e] = x[size_t(e)] = float((e * 5 + batch) % 13 - 6) / 4;
    float *dx, *dy;
    cudaMallocAsync(reinterpret_cast<void**>(&dx), m * k * sizeof(float), s.copy);
    cudaMallocAsync(reinterpret_cast<void**>(&dy), m * n * sizeof(float), s.compute);
    cudaMemcpyAsync(dx, staging, m * k * sizeof(float), cudaMemcpyHostToDevice, s.copy);
    if (fault == staging_reused) staging[0] += 1;
    cudaEventRecord(s.arrived, s.copy);
    if (fault != no_event_wait) cudaStreamWaitEvent(s.compute, s.arrived, 0);
    const float one = 1, zero = 0;
    const int ldx = fault == leading_dimensions_swapped ? n : k,
              ldw = fault == leading_dimensions_swapped ? k : n;
    if (cublasSgemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, n, m, k, &one, dw.data(), ldw, dx, ldx, &zero, dy, n))
      outcome += "refused-call:\n";
    cudaEventRecord(s.used, s.compute);
    if (fault != freed_on_other_stream) cudaStreamWaitEvent(s.copy, s.used, 0);
    cudaFreeAsync(dx, s.copy);
    cudaMemcpyAsync(result, dy, m * n * sizeof(float), cudaMemcpyDeviceToHost, s.compute);
    if (fault != no_synchronization) cudaStreamSynchronize(s.compute);
    for (int r = 0; r < m; ++r)
      for (int c = 0; c < n; ++c)
        for (int e = 0; e < k; ++e)
          expected[size_t(r * n + c)] += x[size_t(r * k + e)] * w[size_t(e * n + c)];
    expect_close({result, result + m * n}, expected);
    cudaFreeAsync(dy, s.compute);
  }
  note(cudaDeviceSynchronize());
  cudaFreeHost(staging), cudaFreeHost(result);
  cublasDestroy(handle);
}

// Memory of one stream that another one takes over.
void run_memory(int fault) {
  Streams s;
  const auto x = ramp(32);
  DeviceVector<float> y(32), z(32);
  float* block;
  cudaMallocAsync(reinterpret_cast<void**>(&block), 32 * sizeof(float), s.copy);
  cudaMemcpyAsync(block, x.data(), 32 * sizeof(float), cudaMemcpyHostToDevice, s.copy);
  if (fault == freed_too_early) cudaFreeAsync(block, s.copy);
  cudaMemcpyAsync(y.data(), block, 32 * sizeof(float), cudaMemcpyDeviceToDevice, s.copy);
  cudaEventRecord(s.used, s.copy);
  if (fault != block_reused_by_other_stream) cudaStreamWaitEvent(s.compute, s.used, 0);
  cudaMemsetAsync(block, 0, 32 * sizeof(float), s.compute);
  cudaEventRecord(s.arrived, s.compute);
  cudaStreamWaitEvent(s.copy, s.arrived, 0);
  if (fault != freed_too_early && fault != memory_leaked) cudaFreeAsync(block, s.copy);
  if (fault == freed_twice) cudaFreeAsync(block, s.copy);
  note(cudaDeviceSynchronize());
  if (fault == no_fault) expect_close(y.host(), x);
  launch_reverse_in_warp(no_fault, z.data(), fault == host_pointer_to_kernel ? x.data() : y.data());
  note(cudaDeviceSynchronize());
}

// A captured graph with a fork: two fills, then a copy of one over the other.
void run_graph(int fault) {
  Streams s;
  DeviceVector<float> a(32), b(32);
  cudaGraph_t graph;
  cudaStreamBeginCapture(s.compute, cudaStreamCaptureModeGlobal);
  cudaEventRecord(s.used, s.compute);
  cudaStreamWaitEvent(s.copy, s.used, 0);
  cudaMemsetAsync(a.data(), 0, 32 * sizeof(float), s.copy);
  cudaEventRecord(s.arrived, s.copy);
  cudaMemsetAsync(b.data(), 0, 32 * sizeof(float), s.compute);
  if (fault != capture_not_joined && fault != graph_without_edge)
    cudaStreamWaitEvent(s.compute, s.arrived, 0);
  cudaMemcpyAsync(a.data(), b.data(), 32 * sizeof(float), cudaMemcpyDeviceToDevice, s.compute);
  if (fault == graph_without_edge) cudaStreamWaitEvent(s.compute, s.arrived, 0);
  const cudaError_t error = cudaStreamEndCapture(s.compute, &graph);
  note(error);
  if (error) return;
  cudaGraphExec_t executable;
  cudaGraphInstantiate(&executable, graph, 0);
  for (int k = 0; k < 2; ++k) cudaGraphLaunch(executable, s.compute);
  note(cudaStreamSynchronize(s.compute));
  expect_close(a.host(), std::vector<float>(32, 0.0f));
  cudaGraphExecDestroy(executable), cudaGraphDestroy(graph);
}

void run_destroyed_stream(int fault) {
  cudaStream_t stream;
  cudaStreamCreate(&stream);
  DeviceVector<float> a(32);
  if (fault == destroyed_stream_used) cudaStreamDestroy(stream);
  cudaMemsetAsync(a.data(), 0, 32 * sizeof(float), stream);
  if (fault != destroyed_stream_used) cudaStreamDestroy(stream);
}

// Column-major y [2, 3] = relu(a [2, 4] b [4, 3] + bias [2]) by cuBLASLt.
void run_epilogue(int fault) {
  const auto a = ramp(8), b = ramp(12);
  const std::vector<float> bias{0.5f, -0.25f};
  DeviceVector<float> da(a), db(b), dbias(bias), dy(6);
  cublasLtHandle_t handle;
  cublasLtMatmulDesc_t operation;
  cublasLtMatrixLayout_t layouts[3];
  cublasLtCreate(&handle);
  cublasLtMatmulDescCreate(&operation, CUBLAS_COMPUTE_32F, CUDA_R_32F);
  cublasLtMatrixLayoutCreate(&layouts[0], CUDA_R_32F, 2, 4, 2);
  cublasLtMatrixLayoutCreate(&layouts[1], CUDA_R_32F, 4, 3, 4);
  cublasLtMatrixLayoutCreate(&layouts[2], CUDA_R_32F, 2, 3, 2);
  const cublasLtEpilogue_t epilogue =
      fault == bias_forgotten ? CUBLASLT_EPILOGUE_RELU : CUBLASLT_EPILOGUE_RELU_BIAS;
  const float* bias_pointer = dbias.data();
  cublasLtMatmulDescSetAttribute(operation, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue);
  cublasLtMatmulDescSetAttribute(operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias_pointer,
                                 sizeof bias_pointer);
  const float one = 1, zero = 0;
  if (cublasLtMatmul(handle, operation, &one, da.data(), layouts[0], db.data(), layouts[1], &zero, dy.data(),
                     layouts[2], dy.data(), layouts[2], nullptr, nullptr, 0, nullptr))
    outcome += "refused-call:\n";
  std::vector<float> expected(6);
  for (int r = 0; r < 2; ++r)
    for (int c = 0; c < 3; ++c) {
      float sum = bias[size_t(r)];
      for (int k = 0; k < 4; ++k) sum += a[size_t(r + 2 * k)] * b[size_t(k + 4 * c)];
      expected[size_t(r + 2 * c)] = std::max(sum, 0.0f);
    }
  expect_close(dy.host(), expected);
  for (const auto layout : layouts) cublasLtMatrixLayoutDestroy(layout);
  cublasLtMatmulDescDestroy(operation), cublasLtDestroy(handle);
}

struct Planted {
  Fault fault;
  const char* name;
  void (*program)(int fault);
  const char* check;  // the check that must report it
};

const Planted kPlanted[] = {
    {bound_too_large, "BoundTooLarge", run_add_rows, "out-of-bounds"},
    {vector_load_misaligned, "VectorLoadMisaligned", run_add_rows, "misaligned"},
    {rest_starts_late, "RestStartsLate", run_add_rows, "uninitialised-read"},
    {wrong_operand_stride, "WrongOperandStride", run_add_rows, "wrong-value"},
    {no_barrier_before_reuse, "NoBarrierBeforeReuse", run_softmax, "race"},
    {no_barrier_before_reading, "NoBarrierBeforeReading", run_softmax, "race"},
    {reads_too_many_partials, "ReadsTooManyPartials", run_softmax, "uninitialised-read"},
    {shuffle_in_divergent_branch, "ShuffleInDivergentBranch", run_softmax, "deadlock"},
    {early_return, "EarlyReturn", run_softmax, "barrier-divergence"},
    {divides_by_maximum, "DividesByMaximum", run_softmax, "wrong-value"},
    {tile_pitch_too_small, "TilePitchTooSmall", run_transpose, "race"},
    {no_barrier_after_tile, "NoBarrierAfterTile", run_transpose, "race"},
    {no_column_bound, "NoColumnBound", run_transpose, "race"},
    {swapped_strides, "SwappedStrides", run_transpose, "out-of-bounds"},
    {wrong_row_stride, "WrongRowStride", run_add_to_rows, "out-of-bounds"},
    {not_atomic, "NotAtomic", run_add_to_rows, "race"},
    {missing_memset, "MissingMemset", run_add_to_rows, "uninitialised-read"},
    {no_fence, "NoFence", run_sum, "race"},
    {ticket_not_atomic, "TicketNotAtomic", run_sum, "race"},
    {no_warp_synchronization, "NoWarpSynchronization", run_reversals, "race"},
    {shuffle_from_inactive_lane, "ShuffleFromInactiveLane", run_reversals, "inactive-lane"},
    {no_wait_for_copy, "NoWaitForCopy", run_double_by_tiles, "uninitialised-read"},
    {no_barrier_before_next_copy, "NoBarrierBeforeNextCopy", run_double_by_tiles, "race"},
    {too_little_shared_memory, "TooLittleSharedMemory", run_reverse_in_block, "out-of-bounds"},
    {lock_never_released, "LockNeverReleased", run_count_under_lock, "deadlock"},
    {no_grid_barrier, "NoGridBarrier", run_neighbours, "race"},
    {no_event_wait, "NoEventWait", run_pipeline, "stream-race"},
    {no_synchronization, "NoSynchronization", run_pipeline, "wrong-value"},
    {staging_reused, "StagingReused", run_pipeline, "staging-reuse"},
    {block_reused_by_other_stream, "BlockReusedByOtherStream", run_memory, "stream-race"},
    {freed_on_other_stream, "FreedOnOtherStream", run_pipeline, "stream-race"},
    {freed_too_early, "FreedTooEarly", run_memory, "use-after-free"},
    {freed_twice, "FreedTwice", run_memory, "invalid-free"},
    {host_pointer_to_kernel, "HostPointerToKernel", run_memory, "illegal-address"},
    {leading_dimensions_swapped, "LeadingDimensionsSwapped", run_pipeline, "refused-call"},
    {product_on_other_stream, "ProductOnOtherStream", run_pipeline, "stream-race"},
    {bias_forgotten, "BiasForgotten", run_epilogue, "wrong-value"},
    {capture_not_joined, "CaptureNotJoined", run_graph, "cudaErrorStreamCaptureUnjoined"},
    {graph_without_edge, "GraphWithoutEdge", run_graph, "stream-race"},
    {destroyed_stream_used, "DestroyedStreamUsed", run_destroyed_stream, "destroyed-handle"},
    {memory_leaked, "MemoryLeaked", run_memory, "leak"},
};

std::string outcome_of(void (*program)(int), int fault) {
  device_sim_clear();
  device_sim_set_policy(1);
  device_sim_set_schedule(0);
  outcome.clear();
  const size_t before = device_sim_live_bytes();
  program(fault);
  cudaDeviceSynchronize();
  if (device_sim_live_bytes() > before) outcome += "leak: device memory was not freed\n";
  const std::string all = device_sim_tests::findings() + outcome;
  device_sim_clear();
  return all;
}

class PlantedFault : public ::testing::TestWithParam<Planted> {};

TEST_P(PlantedFault, IsFoundByItsCheck) {
  const std::string found = "\n" + outcome_of(GetParam().program, GetParam().fault);
  EXPECT_NE(found.find(std::string("\n") + GetParam().check + ":"), std::string::npos)
      << "found only: " << found;
}

INSTANTIATE_TEST_SUITE_P(Faults, PlantedFault, ::testing::ValuesIn(kPlanted),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(ProgramsWithoutFaults, AreCleanInEveryOrderAndUnderEveryPolicy) {
  for (const auto program :
       {run_add_rows, run_softmax, run_transpose, run_add_to_rows, run_sum, run_reversals,
        run_double_by_tiles, run_reverse_in_block, run_count_under_lock, run_neighbours, run_pipeline,
        run_memory, run_graph, run_destroyed_stream, run_epilogue}) {
    EXPECT_EQ(outcome_of(program, no_fault), "");
    for (const int policy : {0, 1, 2})
      for (const int schedule : {0, 1, 7}) {
        outcome.clear();
        device_sim_set_policy(policy);
        device_sim_set_schedule(uint64_t(schedule));
        program(no_fault);
        cudaDeviceSynchronize();
        EXPECT_EQ(device_sim_tests::findings() + outcome, "")
            << "policy " << policy << " schedule " << schedule;
        device_sim_clear();
      }
  }
  device_sim_set_policy(1);
  device_sim_set_schedule(0);
}

using HostAccess = ::testing::Test;

TEST(HostAccess, OfDeviceMemoryEndsTheProgram) {
  DeviceVector<float> x(ramp(4));
  EXPECT_EXIT(
      {
        volatile float value = x.data()[0];
        (void)value;
      },
      ::testing::KilledBySignal(SIGSEGV), "");
}

}  // namespace
