// Matrix products: argument checks, the choice by dtype, complex numbers, batches.
#include "cpu/gemm.h"

#include <algorithm>
#include <complex>
#include <memory>
#include <type_traits>

#include "base/visit.h"
#include "cpu/gemm_product.h"
#include "cpu/map.h"
#include "cpu/parallel.h"
#include "cpu/reduce.h"
#include "cpu/scratch.h"
#include "cpu/unary.h"
#include "taper/error.h"

namespace taper::cpu {
namespace {

/// What gemm was asked for, but for the operands' type and place.
struct Request {
  bool trans_a, trans_b;
  std::int64_t m, n, k;
  const Scalar &alpha, &beta;
  std::int64_t lda, ldb, ldc;

  double multiplications() const { return double(m) * double(n) * double(k); }
};

template <class S>
constexpr bool is_complex_number = false;
template <class Part>
constexpr bool is_complex_number<std::complex<Part>> = true;

/// The type in which products of S are summed.
template <class S>
struct SumOf {
  using type = std::uint32_t;
};
template <class S>
requires(std::is_same_v<S, float> || std::is_same_v<S, Half> || std::is_same_v<S, BFloat16>) struct SumOf<S> {
  using type = float;
};
template <>
struct SumOf<double> {
  using type = double;
};
template <class S>
requires(std::is_integral_v<S> && sizeof(S) == 8) struct SumOf<S> {
  using type = std::uint64_t;
};
template <class Part>
struct SumOf<std::complex<Part>> {
  using type = std::complex<Part>;
};
template <class S>
using Sum = typename SumOf<S>::type;

using cpu::finish_row;  // of 16-bit floats

template <class S>
void finish_row(const Sum<S>* sums, std::int64_t count, Sum<S> alpha, Sum<S> beta, const S* bias, S* c) {
  for (std::int64_t j = 0; j < count; ++j) {
    Sum<S> value = alpha * sums[j];
    if (beta != Sum<S>(0)) value += beta * Sum<S>(c[j]);
    if (bias) value += Sum<S>(bias[j]);
    c[j] = S(value);
  }
}

void finish_row(const std::uint32_t* sums, std::int64_t count, std::uint32_t alpha, std::uint32_t beta,
                const bool* bias, bool* c) {
  for (std::int64_t j = 0; j < count; ++j)
    c[j] = (alpha != 0 && sums[j] != 0) || (beta != 0 && c[j]) || (bias && bias[j]);
}

/// The number as S's sums take it: for bool and integers, modulo their size.
template <class S>
Sum<S> factor(const Scalar& scalar) {
  if constexpr (std::is_same_v<S, bool>) return scalar.to<bool>();
  else if constexpr (std::is_integral_v<S>) return Sum<S>(scalar.to<std::int64_t>());
  else return scalar.to<Sum<S>>();
}

template <class S>
void scale(const Request& x, S* c, const S* bias) {
  const Sum<S> beta = factor<S>(x.beta);
  std::unique_ptr<Sum<S>[]> zeros(new Sum<S>[std::size_t(x.n)]());
  for (std::int64_t i = 0; i < x.m; ++i) finish_row(zeros.get(), x.n, Sum<S>(0), beta, bias, c + i * x.ldc);
}

/// Types whose sums have another type: sums first, then one pass that rounds or truncates them.
template <class S>
void multiply_widened(const Request& x, const S* a, const S* b, S* c, const S* bias) {
  Scratch<Sum<S>> sums(x.m * x.n);
  multiply(Product<S, Sum<S>>{x.trans_a, x.trans_b, x.m, x.n, x.k, a, x.lda, b, x.ldb, 1, 0, nullptr,
                              sums.data(), x.n});
  const Sum<S> alpha = factor<S>(x.alpha), beta = factor<S>(x.beta);
  parallel_for(x.m, std::max<std::int64_t>(1, (1 << 15) / x.n), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      finish_row(sums.data() + i * x.n, x.n, alpha, beta, bias, c + i * x.ldc);
  });
}

/// Real and imaginary parts, each a contiguous matrix.
template <class Part>
struct Parts {
  Parts(const std::complex<Part>* source, std::int64_t rows, std::int64_t columns, std::int64_t ld)
      : memory(2 * rows * columns), real(memory.data()), imaginary(memory.data() + rows * columns) {
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = 0; j < columns; ++j) {
        real[i * columns + j] = source[i * ld + j].real();
        imaginary[i * columns + j] = source[i * ld + j].imag();
      }
  }
  Scratch<Part> memory;
  Part *real, *imaginary;
};

/// (Ar + i Ai)(Br + i Bi), as four real products.
template <class Part>
void multiply_complex(const Request& x, const std::complex<Part>* a, const std::complex<Part>* b,
                      std::complex<Part>* c, const std::complex<Part>* bias) {
  const std::int64_t a_columns = x.trans_a ? x.m : x.k, b_columns = x.trans_b ? x.k : x.n, count = x.m * x.n;
  const Parts<Part> left(a, x.trans_a ? x.k : x.m, a_columns, x.lda);
  const Parts<Part> right(b, x.trans_b ? x.n : x.k, b_columns, x.ldb);
  Scratch<Part> sums(2 * count);
  Scratch<std::complex<Part>> row(x.n);
  Part *const real = sums.data(), *const imaginary = sums.data() + count;
  const auto add = [&](const Part* from, const Part* with, int sign, int keep, Part* to) {
    multiply(Product<Part, Part>{x.trans_a, x.trans_b, x.m, x.n, x.k, from, a_columns, with, b_columns,
                                 Part(sign), Part(keep), nullptr, to, x.n});
  };
  add(left.real, right.real, 1, 0, real);
  add(left.imaginary, right.imaginary, -1, 1, real);
  add(left.real, right.imaginary, 1, 0, imaginary);
  add(left.imaginary, right.real, 1, 1, imaginary);
  const auto alpha = factor<std::complex<Part>>(x.alpha), beta = factor<std::complex<Part>>(x.beta);
  for (std::int64_t i = 0; i < x.m; ++i) {
    for (std::int64_t j = 0; j < x.n; ++j) row.data()[j] = {real[i * x.n + j], imaginary[i * x.n + j]};
    finish_row(row.data(), x.n, alpha, beta, bias, c + i * x.ldc);
  }
}

template <class S>
void multiply_one(const Request& x, const S* a, const S* b, S* c, const S* bias) {
  if (x.k == 0 || factor<S>(x.alpha) == Sum<S>(0)) return scale(x, c, bias);
  using T = Sum<S>;
  if constexpr (is_complex_number<S>) {
    multiply_complex(x, a, b, c, bias);
  } else if constexpr (sizeof(T) == sizeof(S)) {
    const auto as = [](auto* p) {
      return reinterpret_cast<
          std::conditional_t<std::is_const_v<std::remove_pointer_t<decltype(p)>>, const T, T>*>(p);
    };
    multiply(Product<T, T>{x.trans_a, x.trans_b, x.m, x.n, x.k, as(a), x.lda, as(b), x.ldb,
                           factor<S>(x.alpha), factor<S>(x.beta), as(bias), as(c), x.ldc});
  } else {
    multiply_widened(x, a, b, c, bias);
  }
}

/// Operands of a batch, `stride` elements apart.
struct Strides {
  std::int64_t a, b, c, batch;
};

template <class S>
void multiply_batch(const Request& x, const Strides& stride, const void* a, const void* b, void* c,
                    const void* bias) {
  const auto run = [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      multiply_one(x, static_cast<const S*>(a) + i * stride.a, static_cast<const S*>(b) + i * stride.b,
                   static_cast<S*>(c) + i * stride.c, static_cast<const S*>(bias));
  };
  // Few products are cut within, many are shared out whole: 2^18 multiplications or more to a chunk.
  if (stride.batch < 2 * num_threads()) return run(0, stride.batch);
  const double each = std::max(x.multiplications(), 64.0);
  parallel_for(stride.batch, std::max<std::int64_t>(1, std::int64_t((1 << 18) / each)), run);
}

void check_rows(const char* operand, std::int64_t rows, std::int64_t columns, std::int64_t ld) {
  check<ValueError>(rows <= 1 || ld >= columns, "gemm: rows of ", operand, " are ", ld,
                    " elements apart, expected at least ", columns);
}

void check_request(const Request& x) {
  check<ValueError>(x.m >= 0 && x.n >= 0 && x.k >= 0, "gemm: got sizes m ", x.m, ", n ", x.n, ", k ", x.k,
                    ", expected none below 0");
  check_rows("a", x.trans_a ? x.k : x.m, x.trans_a ? x.m : x.k, x.lda);
  check_rows("b", x.trans_b ? x.n : x.k, x.trans_b ? x.k : x.n, x.ldb);
  check_rows("c", x.m, x.n, x.ldc);
}

}  // namespace

void gemm(DType dtype, bool trans_a, bool trans_b, std::int64_t m, std::int64_t n, std::int64_t k,
          const Scalar& alpha, const void* a, std::int64_t lda, const void* b, std::int64_t ldb,
          const Scalar& beta, void* c, std::int64_t ldc, const void* bias) {
  gemm_batched(dtype, trans_a, trans_b, m, n, k, alpha, a, lda, 0, b, ldb, 0, beta, c, ldc, 0, 1, bias);
}

void gemm_batched(DType dtype, bool trans_a, bool trans_b, std::int64_t m, std::int64_t n, std::int64_t k,
                  const Scalar& alpha, const void* a, std::int64_t lda, std::int64_t stride_a, const void* b,
                  std::int64_t ldb, std::int64_t stride_b, const Scalar& beta, void* c, std::int64_t ldc,
                  std::int64_t stride_c, std::int64_t batch, const void* bias) {
  Request x{trans_a, trans_b, m, n, k, alpha, beta, lda, ldb, ldc};
  check_request(x);
  check<ValueError>(batch <= 1 || stride_c != 0,
                    "gemm_batched: the products of a batch would overwrite each other");
  if (batch <= 0 || m == 0 || n == 0) return;
  // One B for rows that follow each other: one tall product.
  if (batch > 1 && !trans_a && stride_b == 0 && stride_a == m * lda && stride_c == m * ldc) {
    x.m *= batch;
    batch = 1;
  }
  visit(dtype, [&]<class S>() {
    multiply_batch<S>(x, {stride_a, stride_b, stride_c, batch}, a, b, c, bias);
  });
}

void gemm_activated(DType dtype, Activation activation, bool trans_a, bool trans_b, std::int64_t m,
                    std::int64_t n, std::int64_t k, const void* a, std::int64_t lda, const void* b,
                    std::int64_t ldb, const void* bias, void* c) {
  gemm(dtype, trans_a, trans_b, m, n, k, 1, a, lda, b, ldb, 0, c, n, bias);
  const std::int64_t dense = 1;
  const Operand result{c, dtype, &dense};
  map(activation == Activation::relu ? kernels::relu : kernels::gelu, {m * n}, &result, 1, dtype, result);
}

void gemm_with_sums(DType dtype, bool trans_a, bool trans_b, std::int64_t m, std::int64_t n, std::int64_t k,
                    const void* a, std::int64_t lda, const void* b, std::int64_t ldb, void* c, void* sums) {
  gemm(dtype, trans_a, trans_b, m, n, k, 1, a, lda, b, ldb, 0, c, n);
  sum({a, dtype, {k, m}, trans_a ? Shape{lda, 1} : Shape{1, lda}, 1, sums, dtype});
}

}  // namespace taper::cpu
