// What the tests of CPU kernels share: made-up data, reading any floating type, comparing runs on 1 and 2
// threads.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "base/visit.h"
#include "cpu/parallel.h"
#include "taper/dtype.h"

namespace taper::cpu::testing {

using int64 = std::int64_t;

inline constexpr DType floating_types[] = {DType::float32, DType::float64, DType::bfloat16, DType::float16};

/// An array of some floating type, read and written as double.
class Array {
 public:
  Array() = default;
  Array(DType dtype, int64 count, double value = 0)
      : dtype_(dtype), size_(count), bytes_(std::size_t(count) * 8) {
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
  std::vector<unsigned char> bytes_;  // of the widest type, so that no reading can leave it
};

/// Unit roundoff.
inline double roundoff(DType dtype) {
  switch (dtype) {
    case DType::float64:
      return 0x1p-53;
    case DType::float32:
      return 0x1p-24;
    case DType::float16:
      return 0x1p-11;
    default:
      return 0x1p-8;
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
