// Complex numbers for texts that NVRTC compiles without headers.
#pragma once

namespace taper::cuda {

/// std::complex<float> and <double> with their operators, and of functions those that CUDA's own on real
/// numbers suffice for. A product is (ac - bd, ad + bc): infinite parts may give NaN.
inline constexpr const char* complex_text = R"(
namespace std {
template <class R>
struct alignas(2 * sizeof(R)) complex {
  using value_type = R;
  R re, im;
  complex(R real_part = R(0), R imaginary_part = R(0)) : re(real_part), im(imaginary_part) {}
  template <class S>
  explicit complex(const complex<S>& z) : re(R(z.re)), im(R(z.im)) {}
  R real() const { return re; }
  R imag() const { return im; }
  complex operator+() const { return *this; }
  complex operator-() const { return {-re, -im}; }
  complex& operator+=(complex z) { return *this = {re + z.re, im + z.im}; }
  complex& operator-=(complex z) { return *this = {re - z.re, im - z.im}; }
  complex& operator*=(complex z) { return *this = {re * z.re - im * z.im, re * z.im + im * z.re}; }
  complex& operator/=(complex z) {
    if (::fabs(z.re) >= ::fabs(z.im)) {
      const R ratio = z.im == 0 ? R(0) : z.im / z.re, scale = z.re + z.im * ratio;
      return *this = {(re + im * ratio) / scale, (im - re * ratio) / scale};
    }
    const R ratio = z.re / z.im, scale = z.re * ratio + z.im;
    return *this = {(re * ratio + im) / scale, (im * ratio - re) / scale};
  }
  friend complex operator+(complex a, complex b) { return a += b; }
  friend complex operator-(complex a, complex b) { return a -= b; }
  friend complex operator*(complex a, complex b) { return a *= b; }
  friend complex operator/(complex a, complex b) { return a /= b; }
  friend bool operator==(complex a, complex b) { return a.re == b.re && a.im == b.im; }
  friend bool operator!=(complex a, complex b) { return !(a == b); }

};
template <class R>
R real(complex<R> z) { return z.re; }
template <class R>
R imag(complex<R> z) { return z.im; }
template <class R>
R abs(complex<R> z) { return ::hypot(z.re, z.im); }
template <class R>
R arg(complex<R> z) { return ::atan2(z.im, z.re); }
template <class R>
R norm(complex<R> z) { return z.re * z.re + z.im * z.im; }
template <class R>
complex<R> conj(complex<R> z) { return {z.re, -z.im}; }
template <class R>
complex<R> exp(complex<R> z) {
  const R size = ::exp(z.re);
  return z.im == 0 ? complex<R>(size, z.im) : complex<R>(size * ::cos(z.im), size * ::sin(z.im));
}
template <class R>
complex<R> log(complex<R> z) { return {::log(abs(z)), arg(z)}; }
template <class R>
complex<R> log10(complex<R> z) { return log(z) / R(2.302585092994045684); }
template <class R>
complex<R> sqrt(complex<R> z) {
  if (z.re == 0 && z.im == 0) return {R(0), z.im};
  const R half = ::sqrt((::fabs(z.re) + abs(z)) / 2), other = ::fabs(z.im) / (2 * half);
  return z.re >= 0 ? complex<R>(half, ::copysign(other, z.im)) : complex<R>(other, ::copysign(half, z.im));
}
template <class R>
complex<R> pow(complex<R> z, complex<R> w) {
  if (z.re == 0 && z.im == 0) return w == complex<R>(0) ? complex<R>(1) : complex<R>(0);
  return exp(w * log(z));
}
template <class R>
complex<R> sinh(complex<R> z) {
  return {::sinh(z.re) * ::cos(z.im), ::cosh(z.re) * ::sin(z.im)};
}
template <class R>
complex<R> cosh(complex<R> z) {
  return {::cosh(z.re) * ::cos(z.im), ::sinh(z.re) * ::sin(z.im)};
}
template <class R>
complex<R> tanh(complex<R> z) {
  if (::fabs(z.re) > R(20)) return {::copysign(R(1), z.re), R(0)};
  const R scale = ::cosh(2 * z.re) + ::cos(2 * z.im);
  return {::sinh(2 * z.re) / scale, ::sin(2 * z.im) / scale};
}
template <class R>
complex<R> sin(complex<R> z) { return {::sin(z.re) * ::cosh(z.im), ::cos(z.re) * ::sinh(z.im)}; }
template <class R>
complex<R> cos(complex<R> z) { return {::cos(z.re) * ::cosh(z.im), -::sin(z.re) * ::sinh(z.im)}; }
template <class R>
complex<R> tan(complex<R> z) {
  const complex<R> turned = tanh(complex<R>(-z.im, z.re));
  return {turned.im, -turned.re};
}
template <class R>
complex<R> polar(R size, R angle = R(0)) {
  return {size * ::cos(angle), size * ::sin(angle)};
}
}  // namespace std
)";

}  // namespace taper::cuda
