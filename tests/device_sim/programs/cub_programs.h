// CUB's algorithms on host vectors, run on whatever device the CUDA runtime has.
#pragma once

#include <vector>

namespace programs {

template <class T>
T reduce_sum(const std::vector<T>& values);
std::vector<float> segment_sums(const std::vector<float>& values, const std::vector<int>& offsets);
template <class T>
std::vector<T> inclusive_sum(const std::vector<T>& values);
template <class T>
void sort_pairs(std::vector<T>& keys, std::vector<int>& values, bool descending);
void segmented_sort(std::vector<float>& keys, std::vector<int>& values, const std::vector<int>& offsets);
std::vector<int> flagged(const std::vector<int>& values, const std::vector<unsigned char>& flags);
/// The values without repetitions that follow each other, and how often each was there.
std::vector<int> unique(const std::vector<int>& values, std::vector<int>& counts);

// In one block of 128 threads: 512 values, 128 values, a multiple of 128 values.
std::vector<int> sort_in_block(const std::vector<int>& values);
std::vector<int> scan_in_block(const std::vector<int>& values);
std::vector<float> reduce_in_blocks(const std::vector<float>& values);

}  // namespace programs
