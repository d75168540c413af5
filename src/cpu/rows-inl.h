// Per instruction set: loops over the vectors of a row, with a partial last one, and rows of 16-bit floats.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>

#include <hwy/highway.h>

#include "cpu/widen.h"
#include "taper/half.h"

#if defined(TAPER_CPU_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TAPER_CPU_ROWS_INL_H_
#undef TAPER_CPU_ROWS_INL_H_
#else
#define TAPER_CPU_ROWS_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace taper::cpu {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using int64 = std::int64_t;

/// Calls f(first, count) for each vector of [0, n); count is the number of lanes but in the last call.
template <class D, class F>
HWY_INLINE void for_vectors(D d, int64 n, F&& f) {
  const auto lanes = int64(hn::Lanes(d));
  int64 i = 0;
  for (; i + lanes <= n; i += lanes) f(i, lanes);
  if (i < n) f(i, n - i);
}

/// Whether masked loads and stores leave memory behind the mask alone: elsewhere Highway touches whole
/// vectors.
template <class T>
inline constexpr bool has_masks = HWY_TARGET <= HWY_AVX2 && sizeof(T) >= 4;

/// count elements from p on; the lanes behind them hold pad. Nothing else is read.
template <class D, class T>
HWY_INLINE hn::VFromD<D> load(D d, const T* p, int64 count, T pad = T(0)) {
  if (count == int64(hn::Lanes(d))) return hn::LoadU(d, p);
  if constexpr (has_masks<T>) {
    const auto mask = hn::FirstN(d, std::size_t(count));
    return hn::IfThenElse(mask, hn::MaskedLoad(mask, d, p), hn::Set(d, pad));
  } else {
    HWY_ALIGN T lanes[HWY_MAX_BYTES / sizeof(T)] = {};
    for (std::size_t i = 0; i < hn::Lanes(d); ++i) lanes[i] = int64(i) < count ? p[i] : pad;
    return hn::Load(d, lanes);
  }
}

/// The first count lanes to p.
template <class D, class T, class V>
HWY_INLINE void store(D d, V v, T* p, int64 count) {
  if (count == int64(hn::Lanes(d))) return hn::StoreU(v, d, p);
  if constexpr (has_masks<T>) {
    hn::BlendedStore(v, hn::FirstN(d, std::size_t(count)), d, p);
  } else {
    HWY_ALIGN T lanes[HWY_MAX_BYTES / sizeof(T)] = {};
    hn::Store(v, d, lanes);
    for (int64 i = 0; i < count; ++i) p[i] = lanes[i];
  }
}

/// f(v0, v1) over all lanes.
template <class D, class V, class F>
HWY_INLINE hn::TFromD<D> reduce_lanes(D d, V v, F&& f) {
  using T = hn::TFromD<D>;
  HWY_ALIGN T lanes[HWY_MAX_BYTES / sizeof(T)] = {};
  hn::Store(v, d, lanes);
  for (std::size_t width = hn::Lanes(d) / 2; width; width /= 2)
    for (std::size_t i = 0; i < width; ++i) lanes[i] = f(lanes[i], lanes[i + width]);
  return lanes[0];
}

template <class D, class V>
HWY_INLINE hn::TFromD<D> sum_lanes(D d, V v) {
  return reduce_lanes(d, v, [](auto a, auto b) { return a + b; });
}

/// Elements that one accumulator vector may take before it is added up in float64: keeps float32 sums of long
/// rows as exact as those of short ones.
inline constexpr int64 sum_block = 4096;

/// The sum of term(first, count), a vector with zeros behind count, over [0, n). Blocks are added in float64.
template <class D, class F>
HWY_INLINE double sum_vectors(D d, int64 n, F&& term) {
  const auto lanes = int64(hn::Lanes(d));
  double total = 0;
  for (int64 begin = 0; begin < n; begin += sum_block) {
    const int64 end = std::min(begin + sum_block, n);
    auto a = hn::Zero(d), b = a, c = a, e = a;
    int64 i = begin;
    for (; i + 4 * lanes <= end; i += 4 * lanes) {
      a = hn::Add(a, term(i, lanes));
      b = hn::Add(b, term(i + lanes, lanes));
      c = hn::Add(c, term(i + 2 * lanes, lanes));
      e = hn::Add(e, term(i + 3 * lanes, lanes));
    }
    for (; i + lanes <= end; i += lanes) a = hn::Add(a, term(i, lanes));
    if (i < end) b = hn::Add(b, term(i, end - i));
    total += double(sum_lanes(d, hn::Add(hn::Add(a, b), hn::Add(c, e))));
  }
  return total;
}

/// count elements of a storage type as lanes of the type computed in; the lanes behind them hold 0.
template <class D, class T>
HWY_INLINE hn::VFromD<D> load_as(D d, const T* p, int64 count) {
  if constexpr (!is_16_bit<T>) {
    return load(d, p, count);
  } else if constexpr (std::is_same_v<T, BFloat16>) {
    const hn::RebindToUnsigned<D> words;
    const hn::Rebind<std::uint16_t, D> halves;
    const auto bits = load(halves, reinterpret_cast<const std::uint16_t*>(p), count);
    return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(words, bits)));
  } else if constexpr (HWY_TARGET <= HWY_AVX2) {
    const hn::Rebind<hwy::float16_t, D> half;
    const hn::Rebind<std::uint16_t, D> halves;
    const auto bits = load(halves, reinterpret_cast<const std::uint16_t*>(p), count);
    return hn::PromoteTo(d, hn::BitCast(half, bits));
  } else {
    HWY_ALIGN float lanes[HWY_MAX_BYTES / sizeof(float)] = {};
    for (int64 i = 0; i < count; ++i) lanes[i] = float(p[i]);
    return hn::Load(d, lanes);
  }
}

/// The inverse; rounds to nearest, ties to even.
template <class D, class T, class V>
HWY_INLINE void store_as(D d, V v, T* p, int64 count) {
  if constexpr (!is_16_bit<T>) {
    store(d, v, p, count);
  } else if constexpr (std::is_same_v<T, Half> && HWY_TARGET <= HWY_AVX2) {
    const hn::Rebind<hwy::float16_t, D> half;
    const hn::Rebind<std::uint16_t, D> halves;
    store(halves, hn::BitCast(halves, hn::DemoteTo(half, v)), reinterpret_cast<std::uint16_t*>(p), count);
  } else {
    HWY_ALIGN float lanes[HWY_MAX_BYTES / sizeof(float)] = {};
    hn::Store(v, d, lanes);
    for (int64 i = 0; i < count; ++i) p[i] = T(lanes[i]);
  }
}

template <class T>
HWY_INLINE void widen_row(const T* from, int64 n, Compute<T>* to) {
  const hn::ScalableTag<Compute<T>> d;
  for_vectors(d, n, [&](int64 i, int64 count) { store(d, load_as(d, from + i, count), to + i, count); });
}

template <class T>
HWY_INLINE void narrow_row(const Compute<T>* from, int64 n, T* to) {
  const hn::ScalableTag<Compute<T>> d;
  for_vectors(d, n, [&](int64 i, int64 count) { store_as(d, load(d, from + i, count), to + i, count); });
}

}  // namespace HWY_NAMESPACE
}  // namespace taper::cpu
HWY_AFTER_NAMESPACE();

#endif
