// Conversions between the dtypes and the working types, one loop a pair, compiled for each instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/load.cc"
#include <hwy/foreach_target.h>
// foreach_target.h must come first.
#include <hwy/highway.h>

#include <bit>
#include <complex>
#include <type_traits>

#include "base/visit.h"
#include "cpu/load.h"

HWY_BEFORE_NAMESPACE();
namespace taper::cpu::HWY_NAMESPACE {
namespace {

// Half's own conversion branches; this form becomes vector instructions.
inline float to_float(Half x) {
  const std::uint32_t magnitude = x.bits & 0x7fffu;
  const auto tiny = std::bit_cast<std::uint32_t>(float(std::int32_t(magnitude)) * 0x1p-24f);
  const std::uint32_t is_tiny = 0u - std::uint32_t(magnitude < 0x400u);
  const std::uint32_t is_special =
      0u - std::uint32_t(magnitude >= 0x7c00u);  // infinity, NaN: the exponent's bits
  const std::uint32_t normal = ((magnitude << 13) + 0x38000000u) | (is_special & 0x7f800000u);
  const std::uint32_t word = (tiny & is_tiny) | (normal & ~is_tiny);
  return std::bit_cast<float>(word | std::uint32_t(x.bits & 0x8000u) << 16);
}

template <class W, Reading reading, class T, class Stored>
inline W read(Stored stored) {
  const T x(stored);
  if constexpr (std::is_same_v<T, Half>) return read<W, reading, float>(to_float(x));
  else if constexpr (std::is_same_v<T, BFloat16>) return read<W, reading, float>(float(x));
  else if constexpr (reading == Reading::nonzero) return W(x != T(0));
  else if constexpr (reading == Reading::magnitude) return W(std::abs(std::complex<double>(x)));
  else return W(x);
}

template <class T, class W, Reading reading>
void load(const void* source, std::int64_t stride, std::int64_t n, void* buffer) {
  // A bool's byte may be any in memory that others wrote.
  using Stored = std::conditional_t<std::is_same_v<T, bool>, std::uint8_t, T>;
  const Stored* x = static_cast<const Stored*>(source);
  W* y = static_cast<W*>(buffer);
  if (stride == 1) {
    for (std::int64_t i = 0; i < n; ++i) y[i] = read<W, reading, T>(x[i]);
  } else {
    for (std::int64_t i = 0; i < n; ++i) y[i] = read<W, reading, T>(x[i * stride]);
  }
}

template <class T, class W>
constexpr Load value_load() {
  constexpr bool from_complex =
      std::is_same_v<T, std::complex<float>> || std::is_same_v<T, std::complex<double>>;
  constexpr bool to_complex = std::is_same_v<W, std::complex<double>>;
  constexpr bool from_float =
      std::is_floating_point_v<T> || std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;
  if constexpr (from_complex != to_complex || (from_float && std::is_integral_v<W>)) return nullptr;
  else return load<T, W, Reading::value>;
}

Load find_load_here(DType dtype, Wide wide, Reading reading) {
  return visit(dtype, [&]<class T>() -> Load {
    if (reading == Reading::nonzero) return load<T, std::uint8_t, Reading::nonzero>;
    if (reading == Reading::magnitude) return load<T, double, Reading::magnitude>;
    switch (wide) {
      case Wide::u8: return value_load<T, std::uint8_t>();
      case Wide::i64: return value_load<T, std::int64_t>();
      case Wide::u64: return value_load<T, std::uint64_t>();
      case Wide::f32: return value_load<T, float>();
      case Wide::f64: return value_load<T, double>();
      case Wide::c128: return value_load<T, std::complex<double>>();
    }
    __builtin_unreachable();
  });
}

}  // namespace
}  // namespace taper::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace taper::cpu {

HWY_EXPORT(find_load_here);

Wide widen(DType dtype) {
  switch (kind(dtype)) {
    case Kind::boolean: return Wide::i64;
    case Kind::integral: return dtype == uint64 ? Wide::u64 : Wide::i64;
    case Kind::floating: return dtype == float64 ? Wide::f64 : Wide::f32;
    default: return Wide::c128;
  }
}

Load find_load(DType dtype, Wide wide, Reading reading) {
  const Load load = HWY_DYNAMIC_DISPATCH(find_load_here)(dtype, wide, reading);
  check<DTypeError>(load, "a ", dtype, " tensor cannot be read as ", wide_dtype(wide));
  return load;
}

namespace {

template <class W, class T>
constexpr bool can_store() {
  if constexpr (std::is_same_v<W, std::complex<double>>) {
    return std::is_same_v<T, std::complex<float>> || std::is_same_v<T, std::complex<double>>;
  } else {
    return std::is_integral_v<W> || !std::is_integral_v<T>;
  }
}

template <class T, class W>
T narrow(W x) {
  if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) return T(float(x));
  else if constexpr (std::is_same_v<T, std::complex<float>> && std::is_same_v<W, std::complex<double>>)
    return T(x);
  else if constexpr (std::is_same_v<T, std::complex<float>>) return T(float(x));
  else if constexpr (std::is_same_v<T, std::complex<double>> && !std::is_same_v<W, T>) return T(double(x));
  else return static_cast<T>(x);
}

template <class W>
Store store_of(DType dtype) {
  return visit(dtype, [&]<class T>() -> Store {
    if constexpr (can_store<W, T>()) {
      return [](const void* buffer, std::int64_t n, void* target, std::int64_t stride) {
        const W* x = static_cast<const W*>(buffer);
        T* y = static_cast<T*>(target);
        for (std::int64_t i = 0; i < n; ++i) y[i * stride] = narrow<T>(x[i]);
      };
    } else {
      return nullptr;
    }
  });
}

}  // namespace

Store find_store(Wide wide, DType dtype) {
  Store store = nullptr;
  switch (wide) {
    case Wide::u8: store = store_of<std::uint8_t>(dtype); break;
    case Wide::i64: store = store_of<std::int64_t>(dtype); break;
    case Wide::u64: store = store_of<std::uint64_t>(dtype); break;
    case Wide::f32: store = store_of<float>(dtype); break;
    case Wide::f64: store = store_of<double>(dtype); break;
    case Wide::c128: store = store_of<std::complex<double>>(dtype); break;
  }
  check<DTypeError>(store, "a result of type ", wide_dtype(wide), " cannot be written to a ", dtype,
                    " tensor");
  return store;
}

}  // namespace taper::cpu
#endif
