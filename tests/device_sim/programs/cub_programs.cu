// CUB's algorithms as programs that the simulated device must run: the project did not write their kernels.
#include "cub_programs.h"

#include <cub/cub.cuh>

#include "device_vector.h"

namespace programs {
namespace {

// Runs a CUB call twice, as CUB wants it: first for the size of its temporary memory.
template <class F>
void with_temporary(F f) {
  size_t bytes = 0;
  f(static_cast<void*>(nullptr), bytes);
  void* temporary = nullptr;
  cudaMallocAsync(&temporary, std::max<size_t>(bytes, 1), nullptr);
  f(temporary, bytes);
  cudaFreeAsync(temporary, nullptr);
}

template <class T>
__global__ void block_sort(T* values) {
  using Sort = cub::BlockRadixSort<T, 128, 4>;
  __shared__ typename Sort::TempStorage storage;
  T items[4];
  cub::LoadDirectBlocked(threadIdx.x, values, items);
  Sort(storage).Sort(items);
  cub::StoreDirectBlocked(threadIdx.x, values, items);
}

__global__ void block_scan(int* values) {
  using Scan = cub::BlockScan<int, 128>;
  __shared__ typename Scan::TempStorage storage;
  int prefix;
  Scan(storage).ExclusiveSum(values[threadIdx.x], prefix);
  values[threadIdx.x] = prefix;
}

__global__ void block_reduce(const float* values, float* sums) {
  using Reduce = cub::BlockReduce<float, 128>;
  __shared__ typename Reduce::TempStorage storage;
  const float sum = Reduce(storage).Sum(values[blockIdx.x * 128 + threadIdx.x]);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

}  // namespace

template <class T>
T reduce_sum(const std::vector<T>& values) {
  DeviceVector<T> x(values), y(1);
  with_temporary(
      [&](void* t, size_t& b) { cub::DeviceReduce::Sum(t, b, x.data(), y.data(), int(values.size())); });
  return y.host()[0];
}
template float reduce_sum(const std::vector<float>&);
template double reduce_sum(const std::vector<double>&);
template long long reduce_sum(const std::vector<long long>&);

std::vector<float> segment_sums(const std::vector<float>& values, const std::vector<int>& offsets) {
  const int segments = int(offsets.size()) - 1;
  DeviceVector<float> x(values), y(offsets.size() - 1);
  DeviceVector<int> o(offsets);
  with_temporary([&](void* t, size_t& b) {
    cub::DeviceSegmentedReduce::Sum(t, b, x.data(), y.data(), segments, o.data(), o.data() + 1);
  });
  return y.host();
}

template <class T>
std::vector<T> inclusive_sum(const std::vector<T>& values) {
  DeviceVector<T> x(values), y(values.size());
  with_temporary([&](void* t, size_t& b) {
    cub::DeviceScan::InclusiveSum(t, b, x.data(), y.data(), int(values.size()));
  });
  return y.host();
}
template std::vector<int> inclusive_sum(const std::vector<int>&);
template std::vector<double> inclusive_sum(const std::vector<double>&);

template <class T>
void sort_pairs(std::vector<T>& keys, std::vector<int>& values, bool descending) {
  const int n = int(keys.size());
  DeviceVector<T> k(keys), k2(keys.size());
  DeviceVector<int> v(values), v2(keys.size());
  with_temporary([&](void* t, size_t& b) {
    using cub::DeviceRadixSort;
    if (descending) DeviceRadixSort::SortPairsDescending(t, b, k.data(), k2.data(), v.data(), v2.data(), n);
    else DeviceRadixSort::SortPairs(t, b, k.data(), k2.data(), v.data(), v2.data(), n);
  });
  keys = k2.host(), values = v2.host();
}
template void sort_pairs(std::vector<float>&, std::vector<int>&, bool);
template void sort_pairs(std::vector<long long>&, std::vector<int>&, bool);

void segmented_sort(std::vector<float>& keys, std::vector<int>& values, const std::vector<int>& offsets) {
  const int n = int(keys.size()), segments = int(offsets.size()) - 1;
  DeviceVector<float> k(keys), k2(keys.size());
  DeviceVector<int> v(values), v2(keys.size()), o(offsets);
  with_temporary([&](void* t, size_t& b) {
    cub::DeviceSegmentedRadixSort::SortPairs(t, b, k.data(), k2.data(), v.data(), v2.data(), n, segments,
                                             o.data(), o.data() + 1);
  });
  keys = k2.host(), values = v2.host();
}

std::vector<int> flagged(const std::vector<int>& values, const std::vector<unsigned char>& flags) {
  DeviceVector<int> x(values), y(values.size()), count(1);
  DeviceVector<unsigned char> f(flags);
  with_temporary([&](void* t, size_t& b) {
    cub::DeviceSelect::Flagged(t, b, x.data(), f.data(), y.data(), count.data(), int(values.size()));
  });
  return y.host(size_t(count.host()[0]));
}

std::vector<int> unique(const std::vector<int>& values, std::vector<int>& counts) {
  DeviceVector<int> x(values), y(values.size()), c(values.size()), runs(1);
  with_temporary([&](void* t, size_t& b) {
    cub::DeviceRunLengthEncode::Encode(t, b, x.data(), y.data(), c.data(), runs.data(), int(values.size()));
  });
  counts = c.host(size_t(runs.host()[0]));
  return y.host(counts.size());
}

std::vector<int> sort_in_block(const std::vector<int>& values) {
  DeviceVector<int> x(values);
  block_sort<<<1, 128>>>(x.data());
  return x.host();
}

std::vector<int> scan_in_block(const std::vector<int>& values) {
  DeviceVector<int> x(values);
  block_scan<<<1, 128>>>(x.data());
  return x.host();
}

std::vector<float> reduce_in_blocks(const std::vector<float>& values) {
  DeviceVector<float> x(values), y(values.size() / 128);
  block_reduce<<<unsigned(values.size() / 128), 128>>>(x.data(), y.data());
  return y.host();
}

}  // namespace programs
