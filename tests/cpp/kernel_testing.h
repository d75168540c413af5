// What the tests of CPU kernels share: made-up data, reading any floating type, comparing runs on 1 and 2
// threads.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <new>
#include <random>
#include <utility>
#include <vector>

#include "base/visit.h"
#include "cpu/parallel.h"
#include "taper/dtype.h"

namespace taper::cpu::testing {

using int64 = std::int64_t;

inline constexpr DType floating_types[] = {DType::float32, DType::float64, DType::bfloat16, DType::float16};

/// Zeroed bytes that end where a page begins that may not be touched: reading or writing behind them ends the
/// process.
class GuardedBytes {
 public:
  GuardedBytes() = default;
  explicit GuardedBytes(std::size_t size) : size_(size) {
    const auto page = std::size_t(sysconf(_SC_PAGESIZE));
    mapped_ = (size + page - 1) / page * page + page;
    void* memory = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    start_ = static_cast<unsigned char*>(memory);
    mprotect(start_ + mapped_ - page, page, PROT_NONE);
    data_ = start_ + mapped_ - page - size;
  }
  GuardedBytes(const GuardedBytes& other) : GuardedBytes(other.size_) {
    if (size_) std::memcpy(data_, other.data_, size_);
  }
  GuardedBytes& operator=(GuardedBytes other) {
    std::swap(start_, other.start_), std::swap(data_, other.data_);
    std::swap(mapped_, other.mapped_), std::swap(size_, other.size_);
    return *this;
  }
  ~GuardedBytes() {
    if (start_) munmap(start_, mapped_);
  }

  unsigned char* data() const { return data_; }
  bool operator==(const GuardedBytes& other) const {
    return size_ == other.size_ && (size_ == 0 || std::memcmp(data_, other.data_, size_) == 0);
  }

 private:
  unsigned char *start_ = nullptr, *data_ = nullptr;
  std::size_t mapped_ = 0, size_ = 0;
};

/// An array of some floating type, read and written as double.
class Array {
 public:
  Array() = default;
  Array(DType dtype, int64 count, double value = 0)
      : dtype_(dtype), size_(count), bytes_(std::size_t(count * item_size(dtype))) {
    for (int64 i = 0; i < count; ++i) set(i, value);
  }
  /// Uniform in [low, high), rounded to dtype.
  static Array uniform(DType dtype, int64 count, double low = -1, double high = 1, unsigned seed = 1) {
    Array array(dtype, count);
    std::mt19937 generator(seed);
    std::uniform_real_distribution<double> draw(low, high);
    for (int64 i = 0; i < count; ++i) array.set(i, draw(generator));
    return array;
  }

  DType dtype() const { return dtype_; }
  int64 size() const { return size_; }
  void* data() { return bytes_.data(); }
  const void* data() const { return bytes_.data(); }
  template <class T>
  T* as() {
    return reinterpret_cast<T*>(bytes_.data());
  }
  double operator[](int64 i) const {
    double value = 0;
    with([&]<class T>(const T* data) { value = double(data[i]); });
    return value;
  }
  void set(int64 i, double value) {
    with([&]<class T>(const T* data) {
      if constexpr (sizeof(T) == 2) const_cast<T*>(data)[i] = T(float(value));
      else const_cast<T*>(data)[i] = T(value);
    });
  }
  std::vector<double> values() const {
    std::vector<double> all;
    for (int64 i = 0; i < size(); ++i) all.push_back((*this)[i]);
    return all;
  }
  bool same_bits(const Array& other) const { return bytes_ == other.bytes_; }

 private:
  template <class F>
  void with(F&& f) const {
    if (dtype_ == DType::float64) f(reinterpret_cast<const double*>(bytes_.data()));
    else if (dtype_ == DType::float32) f(reinterpret_cast<const float*>(bytes_.data()));
    else if (dtype_ == DType::float16) f(reinterpret_cast<const Half*>(bytes_.data()));
    else f(reinterpret_cast<const BFloat16*>(bytes_.data()));
  }

  DType dtype_ = DType::float32;
  int64 size_ = 0;
  GuardedBytes bytes_;
};

/// Unit roundoff.
inline double roundoff(DType dtype) {
  switch (dtype) {
    case DType::float64: return 0x1p-53;
    case DType::float32: return 0x1p-24;
    case DType::float16: return 0x1p-11;
    default: return 0x1p-8;
  }
}

/// Each |actual - expected| <= factor * roundoff * max(scale, |expected|); NaN must meet NaN. scale is the
/// size of the terms that were summed.
inline void expect_close(const Array& actual, const std::vector<double>& expected, double factor,
                         double scale = 1, const char* what = "") {
  ASSERT_EQ(actual.size(), int64(expected.size())) << what;
  for (int64 i = 0; i < actual.size(); ++i) {
    const double want = expected[std::size_t(i)], got = actual[i];
    if (std::isnan(want) || std::isinf(want)) {
      ASSERT_TRUE(std::isnan(want) ? std::isnan(got) : got == want) << what << " at " << i << ": " << got;
      continue;
    }
    const double slack =
        actual.dtype() == DType::float64 ? 4 * factor : factor;  // expected is itself rounded
    const double bound = slack * roundoff(actual.dtype()) * std::max(scale, std::abs(want));
    ASSERT_LE(std::abs(got - want), bound) << what << " at " << i << ": got " << got << ", expected " << want;
  }
}

/// Runs f with 1 thread and with 2 and expects the arrays it returns to agree bit by bit.
template <class F>
void expect_same_for_threads(F&& f) {
  const int before = num_threads();
  set_num_threads(1);
  const std::vector<Array> one = f();
  set_num_threads(2);
  const std::vector<Array> two = f();
  set_num_threads(before);
  ASSERT_EQ(one.size(), two.size());
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(one[i].same_bits(two[i])) << "result " << i;
}

}  // namespace taper::cpu::testing
