// Discrete Fourier transforms: Eigen's for lengths with small factors, Bluestein's convolution for the
// others.
#include "cpu/linalg-inl.h"

#include <unsupported/Eigen/FFT>

#include <cmath>
#include <numbers>
#include <vector>

namespace taper::cpu {

using namespace linalg;

namespace {

std::int64_t largest_factor(std::int64_t n) {
  std::int64_t largest = 1;
  for (std::int64_t p = 2; p * p <= n; ++p)
    for (; n % p == 0; n /= p) largest = p;
  return std::max(largest, n);
}

template <class T>
using Numbers = std::vector<std::complex<T>>;

// Bluestein (1970): jk = (j^2 + k^2 - (k - j)^2) / 2 turns the transform into a convolution with a chirp,
// whose length may be a power of two. Computed in float64 for both types.
class Bluestein {
 public:
  Bluestein(std::int64_t n, bool inverse) : n_(n), size_(1), chirp_(std::size_t(n)) {
    while (size_ < 2 * n - 1) size_ *= 2;
    plan_.SetFlag(Eigen::FFT<double>::Unscaled);
    const double sign = inverse ? 1 : -1;
    for (std::int64_t j = 0, square = 0; j < n; ++j) {
      // square is j^2 modulo 2n, so the angle keeps its digits.
      chirp_[std::size_t(j)] = std::polar(1.0, sign * std::numbers::pi * double(square) / double(n));
      square = (square + 2 * j + 1) % (2 * n);
    }
    Numbers<double> filter(std::size_t(size_), 0.0);
    for (std::int64_t j = 0; j < n; ++j)
      filter[std::size_t(j)] = filter[std::size_t((size_ - j) % size_)] = std::conj(chirp_[std::size_t(j)]);
    spectrum_.resize(std::size_t(size_));
    plan_.fwd(spectrum_.data(), filter.data(), size_);
  }

  template <class T>
  void operator()(const std::complex<T>* x, std::complex<T>* y) {
    Numbers<double> a(std::size_t(size_), 0.0), b(std::size_t(size_), 0.0);
    for (std::int64_t j = 0; j < n_; ++j)
      a[std::size_t(j)] = std::complex<double>(x[j]) * chirp_[std::size_t(j)];
    plan_.fwd(b.data(), a.data(), size_);
    for (std::size_t j = 0; j < b.size(); ++j) b[j] *= spectrum_[j];
    plan_.inv(a.data(), b.data(), size_);
    for (std::int64_t j = 0; j < n_; ++j)
      y[j] = std::complex<T>(a[std::size_t(j)] * chirp_[std::size_t(j)] / double(size_));
  }

 private:
  std::int64_t n_, size_;
  Numbers<double> chirp_, spectrum_;
  Eigen::FFT<double> plan_;
};

template <class T>
void transform_rows(std::int64_t begin, std::int64_t end, std::int64_t n, const std::complex<T>* x,
                    std::complex<T>* y, bool inverse) {
  if (n == 1) {
    std::copy(x + begin, x + end, y + begin);
    return;
  }
  // Eigen's cost for a factor p is n p; beyond this Bluestein's three longer transforms cost less.
  constexpr std::int64_t largest_direct_factor = 31;
  if (largest_factor(n) > largest_direct_factor) {
    Bluestein chirped(n, inverse);
    for (std::int64_t k = begin; k < end; ++k) chirped(x + k * n, y + k * n);
    return;
  }
  Eigen::FFT<T> plan;
  plan.SetFlag(Eigen::FFT<T>::Unscaled);
  for (std::int64_t k = begin; k < end; ++k) {
    if (inverse) plan.inv(y + k * n, x + k * n, n);
    else plan.fwd(y + k * n, x + k * n, n);
  }
}

}  // namespace

void fft(DType dtype, std::int64_t batch, std::int64_t n, const void* x, void* y, bool inverse) {
  if (n == 0) return;
  const std::int64_t grain = std::max<std::int64_t>(1, 65536 / n);
  parallel_for(batch, grain, [&](std::int64_t begin, std::int64_t end) {
    if (dtype == DType::complex64)
      transform_rows(begin, end, n, static_cast<const std::complex<float>*>(x),
                     static_cast<std::complex<float>*>(y), inverse);
    else
      transform_rows(begin, end, n, static_cast<const std::complex<double>*>(x),
                     static_cast<std::complex<double>*>(y), inverse);
  });
}

}  // namespace taper::cpu
