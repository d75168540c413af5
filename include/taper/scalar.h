// Scalar: one number of any kind, as it is given to an operation beside tensors.
#pragma once

#include <complex>
#include <concepts>
#include <cstdint>
#include <string>

#include "taper/dtype.h"

namespace taper {

/// A number with the kind it was written in; kinds, not widths, take part in promotion.
class Scalar {
 public:
  Scalar() : integer_(0), kind_(Kind::integral) {}
  Scalar(std::same_as<bool> auto value) : integer_(value), kind_(Kind::boolean) {}
  template <std::integral T>
  requires(!std::same_as<T, bool>) Scalar(T value) : integer_(std::int64_t(value)), kind_(Kind::integral) {}
  template <std::floating_point T>
  Scalar(T value) : real_(double(value)), kind_(Kind::floating) {}
  template <std::floating_point T>
  Scalar(std::complex<T> value)
      : real_(double(value.real())), imaginary_(double(value.imag())), kind_(Kind::complex) {}

  Kind kind() const { return kind_; }
  bool is_floating() const { return kind_ == Kind::floating; }
  bool is_complex() const { return kind_ == Kind::complex; }
  bool is_integral() const { return kind_ <= Kind::integral; }

  /// The value as T; complex to real keeps the real part, real to integer truncates.
  template <class T>
  T to() const {
    if constexpr (std::same_as<T, std::complex<double>> || std::same_as<T, std::complex<float>>) {
      using Part = typename T::value_type;
      return kind_ == Kind::complex ? T(Part(real_), Part(imaginary_))
                                    : T(is_integral() ? Part(integer_) : Part(real_));
    } else if constexpr (std::same_as<T, bool>) {
      return is_integral() ? integer_ != 0 : (real_ != 0 || (kind_ == Kind::complex && imaginary_ != 0));
    } else {
      return is_integral() ? T(integer_) : T(real_);
    }
  }
  /// bool, int64, the default floating type, or its complex type.
  DType dtype() const {
    switch (kind_) {
      case Kind::boolean: return DType::boolean;
      case Kind::integral: return DType::int64;
      case Kind::floating: return default_dtype();
      default: return complex_dtype(default_dtype());
    }
  }
  bool equals(double value) const { return !is_complex() && to<double>() == value; }
  Scalar operator-() const;

 private:
  union {
    std::int64_t integer_;
    double real_;
  };
  double imaginary_ = 0;
  Kind kind_;
};

void append_text(std::string& text, const Scalar& value);

}  // namespace taper
