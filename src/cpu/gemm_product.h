// One matrix product as the kernels see it: operands of type S, sums of type T.
#pragma once

#include <cstdint>

#include "taper/half.h"

namespace taper::cpu {

/// c = alpha op(a) op(b) + beta c + bias; see gemm(). Operands are widened from S to T as they are read.
template <class S, class T>
struct Product {
  bool trans_a, trans_b;
  std::int64_t m, n, k;
  const S* a;
  std::int64_t lda;
  const S* b;
  std::int64_t ldb;
  T alpha, beta;
  const T* bias;  // [n] or null
  T* c;
  std::int64_t ldc;

  double multiplications() const { return double(m) * double(n) * double(k); }
};

/// The product for m, n, k >= 1, on as many threads as it is worth, with this processor's widest vectors.
void multiply(const Product<float, float>& product);
void multiply(const Product<double, double>& product);
void multiply(const Product<Half, float>& product);
void multiply(const Product<BFloat16, float>& product);
void multiply(const Product<bool, std::uint32_t>& product);
void multiply(const Product<std::uint8_t, std::uint32_t>& product);
void multiply(const Product<std::int8_t, std::uint32_t>& product);
void multiply(const Product<std::uint16_t, std::uint32_t>& product);
void multiply(const Product<std::int16_t, std::uint32_t>& product);
void multiply(const Product<std::uint32_t, std::uint32_t>& product);
void multiply(const Product<std::uint64_t, std::uint64_t>& product);

/// The same by the processor's own bfloat16 instructions; false, having done nothing, where it has none or
/// where they would not pay.
bool multiply_natively(const Product<BFloat16, float>& product);

/// c = alpha sums + beta c + bias for one row, rounded to 16 bits once; c is not read if beta is 0.
void finish_row(const float* sums, std::int64_t count, float alpha, float beta, const Half* bias, Half* c);
void finish_row(const float* sums, std::int64_t count, float alpha, float beta, const BFloat16* bias,
                BFloat16* c);

}  // namespace taper::cpu
