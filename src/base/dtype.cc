// Names of element types, their promotion, and the default floating type.
#include "taper/dtype.h"

#include <atomic>

#include "taper/error.h"
#include "taper/scalar.h"

namespace taper {

namespace {

constexpr std::string_view names[dtype_count] = {"bool",     "uint8",   "int8",    "int16",     "int32",
                                                 "int64",    "uint16",  "uint32",  "uint64",    "float16",
                                                 "bfloat16", "float32", "float64", "complex64", "complex128"};

std::atomic<DType> default_floating{DType::float32};

DType signed_of_size(std::int64_t size) {
  return size == 1 ? int8 : size == 2 ? int16 : size == 4 ? int32 : int64;
}

DType promote_integers(DType a, DType b) {
  if (is_signed(a) == is_signed(b)) return item_size(a) >= item_size(b) ? a : b;
  const DType with_sign = is_signed(a) ? a : b;
  const DType without = is_signed(a) ? b : a;
  if (item_size(without) < item_size(with_sign)) return with_sign;
  // No signed type holds uint64 together with a signed one: the Array API leaves it open, NumPy goes to
  // float64, PyTorch to float32; an integer result is what integer code expects, so the widest signed type it
  // is.
  return signed_of_size(item_size(without) * 2);
}

}  // namespace

DType promote_types(DType a, DType b) {
  if (a == b) return a;
  if (kind(a) > kind(b)) std::swap(a, b);
  if (kind(a) == Kind::boolean) return b;
  if (kind(a) == Kind::integral && kind(b) != Kind::integral) return b;
  if (kind(a) == Kind::integral) return promote_integers(a, b);
  if (kind(a) == Kind::floating && kind(b) == Kind::floating) {
    if (item_size(a) == item_size(b)) return float32;  // float16 with bfloat16
    return item_size(a) > item_size(b) ? a : b;
  }
  if (kind(a) == Kind::floating) return a == float64 ? complex128 : b;
  return complex128;
}

std::string_view name(DType dtype) { return names[int(dtype)]; }

DType dtype_from_name(std::string_view text) {
  for (int i = 0; i < dtype_count; ++i)
    if (names[i] == text) return DType(i);
  fail<DTypeError>("dtype: there is no type named '", text,
                   "'; types are bool, int8 ... int64, uint8 ... uint64, ",
                   "float16, bfloat16, float32, float64, complex64, complex128");
}

void append_text(std::string& text, DType dtype) { text.append(name(dtype)); }

DType default_dtype() { return default_floating.load(std::memory_order_relaxed); }

void set_default_dtype(DType dtype) {
  check<DTypeError>(is_floating_point(dtype), "set_default_dtype: needs a floating type, got ", dtype);
  default_floating.store(dtype, std::memory_order_relaxed);
}

Scalar Scalar::operator-() const {
  switch (kind_) {
    case Kind::boolean:
    case Kind::integral: return Scalar(std::int64_t(0 - std::uint64_t(integer_)));
    case Kind::floating: return Scalar(-real_);
    default: return Scalar(std::complex<double>(-real_, -imaginary_));
  }
}

void append_text(std::string& text, const Scalar& value) {
  switch (value.kind()) {
    case Kind::boolean: return append_text(text, value.to<bool>());
    case Kind::integral: return append_text(text, value.to<std::int64_t>());
    case Kind::floating: return append_text(text, value.to<double>());
    default: return append_text(text, value.to<std::complex<double>>());
  }
}

}  // namespace taper
