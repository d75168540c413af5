// The table of conversions between all pairs of dtypes; 16-bit floats in vectors.
#include "cpu/convert.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/visit.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/convert.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace taper::cpu {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using Words = hn::ScalableTag<float>;

template <class Narrow>
void widen(const Narrow* source, float* target, std::int64_t n) {
  const Words d;
  const hn::Rebind<Narrow, Words> half;
  const std::int64_t lanes = std::int64_t(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(hn::PromoteTo(d, hn::LoadU(half, source + i)), d, target + i);
  if (i == n) return;
  HWY_ALIGN Narrow in[HWY_MAX_BYTES / sizeof(float)] = {};
  HWY_ALIGN float out[HWY_MAX_BYTES / sizeof(float)];
  std::memcpy(in, source + i, std::size_t(n - i) * sizeof(Narrow));
  hn::Store(hn::PromoteTo(d, hn::Load(half, in)), d, out);
  std::memcpy(target + i, out, std::size_t(n - i) * sizeof(float));
}

// Without an instruction for it Highway's conversions of halves skip infinities and subnormals: there,
// scalars.
void widen_half(const void* source, void* target, std::int64_t n) {
#if HWY_TARGET <= HWY_AVX2
  widen(static_cast<const hwy::float16_t*>(source), static_cast<float*>(target), n);
#else
  for (std::int64_t i = 0; i < n; ++i) static_cast<float*>(target)[i] = static_cast<const Half*>(source)[i];
#endif
}

void widen_bfloat16(const void* source, void* target, std::int64_t n) {
  widen(static_cast<const hwy::bfloat16_t*>(source), static_cast<float*>(target), n);
}

void narrow_half(const void* source, void* target, std::int64_t n) {
  const float* in = static_cast<const float*>(source);
  std::uint16_t* out = static_cast<std::uint16_t*>(target);
  std::int64_t i = 0;
#if HWY_TARGET <= HWY_AVX2
  const Words d;
  const hn::Rebind<hwy::float16_t, Words> half;
  const std::int64_t lanes = std::int64_t(hn::Lanes(d));
  for (; i + lanes <= n; i += lanes)
    hn::StoreU(hn::DemoteTo(half, hn::LoadU(d, in + i)), half, reinterpret_cast<hwy::float16_t*>(out) + i);
#endif
  for (; i < n; ++i) out[i] = Half(in[i]).bits;
}

// Highway truncates to bfloat16; this rounds to nearest even as BFloat16 does.
void narrow_bfloat16(const void* source, void* target, std::int64_t n) {
  const Words d;
  const hn::Repartition<std::uint32_t, Words> words;
  const hn::Rebind<std::uint16_t, decltype(words)> half;
  const float* in = static_cast<const float*>(source);
  std::uint16_t* out = static_cast<std::uint16_t*>(target);
  const std::int64_t lanes = std::int64_t(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto value = hn::LoadU(d, in + i);
    const auto word = hn::BitCast(words, value);
    const auto odd = hn::And(hn::ShiftRight<16>(word), hn::Set(words, 1u));
    const auto rounded = hn::ShiftRight<16>(hn::Add(hn::Add(word, hn::Set(words, 0x7fffu)), odd));
    const auto quiet = hn::Or(hn::ShiftRight<16>(word), hn::Set(words, 0x40u));
    const auto result = hn::IfThenElse(hn::RebindMask(words, hn::IsNaN(value)), quiet, rounded);
    hn::StoreU(hn::TruncateTo(half, result), half, out + i);
  }
  for (; i < n; ++i) out[i] = BFloat16(in[i]).bits;
}

// target[i] = source[n - 1 - i], of elements of 4 bytes.
void reverse_words(const std::uint32_t* source, std::uint32_t* target, std::int64_t n) {
  const hn::ScalableTag<std::uint32_t> d;
  const auto lanes = std::int64_t(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    hn::StoreU(hn::Reverse(d, hn::LoadU(d, source + n - i - lanes)), d, target + i);
  for (; i < n; ++i) target[i] = source[n - 1 - i];
}

}  // namespace
/// Loads that are ahead of their stores don't seem to wait for them (4K aliasing).
void copy_forward(const char* source, char* target, std::int64_t bytes) {
  const hn::ScalableTag<std::uint8_t> d;
  const std::int64_t lanes = hn::Lanes(d);
  const auto* in = reinterpret_cast<const std::uint8_t*>(source);
  auto* out = reinterpret_cast<std::uint8_t*>(target);
  std::int64_t i = 0;
  for (; i + 4 * lanes <= bytes; i += 4 * lanes) {
    const auto v0 = hn::LoadU(d, in + i), v1 = hn::LoadU(d, in + i + lanes);
    const auto v2 = hn::LoadU(d, in + i + 2 * lanes), v3 = hn::LoadU(d, in + i + 3 * lanes);
    hn::StoreU(v0, d, out + i);
    hn::StoreU(v1, d, out + i + lanes);
    hn::StoreU(v2, d, out + i + 2 * lanes);
    hn::StoreU(v3, d, out + i + 3 * lanes);
  }
  std::memcpy(out + i, in + i, std::size_t(bytes - i));
}

}  // namespace HWY_NAMESPACE
}  // namespace taper::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace taper::cpu {

HWY_EXPORT(widen_half);
HWY_EXPORT(widen_bfloat16);
HWY_EXPORT(narrow_half);
HWY_EXPORT(narrow_bfloat16);
HWY_EXPORT(reverse_words);
HWY_EXPORT(copy_forward);

namespace {

// Up to where memory is not copied past the cache, which memmove does for more, this is at least as fast as
// it, and three times where the target lies a little ahead of the source modulo a page: memmove then goes
// backwards.
void move(const void* source, void* target, std::int64_t bytes) {
  const char* in = static_cast<const char*>(source);
  char* out = static_cast<char*>(target);
  const bool apart = out >= in + bytes || in >= out + bytes;
  if (apart && bytes >= 256 && bytes < 1 << 18) HWY_DYNAMIC_DISPATCH(copy_forward)(in, out, bytes);
  else std::memmove(target, source, std::size_t(bytes));
}

template <class From, class To>
void contiguous(const From* source, To* target, std::int64_t n) {
  if constexpr (std::is_same_v<From, To>) move(source, target, n * std::int64_t(sizeof(To)));
  else if constexpr (std::is_same_v<From, Half> && std::is_same_v<To, float>)
    HWY_DYNAMIC_DISPATCH(widen_half)(source, target, n);
  else if constexpr (std::is_same_v<From, BFloat16> && std::is_same_v<To, float>)
    HWY_DYNAMIC_DISPATCH(widen_bfloat16)(source, target, n);
  else if constexpr (std::is_same_v<From, float> && std::is_same_v<To, Half>)
    HWY_DYNAMIC_DISPATCH(narrow_half)(source, target, n);
  else if constexpr (std::is_same_v<From, float> && std::is_same_v<To, BFloat16>)
    HWY_DYNAMIC_DISPATCH(narrow_bfloat16)(source, target, n);
  else
    for (std::int64_t i = 0; i < n; ++i) target[i] = convert<To>(source[i]);
}

template <class From, class To>
void strided(const void* source, std::int64_t source_stride, void* target, std::int64_t target_stride,
             std::int64_t n) {
  const char* in = static_cast<const char*>(source);
  char* out = static_cast<char*>(target);
  const bool dense = target_stride == std::int64_t(sizeof(To));
  if (dense && source_stride == std::int64_t(sizeof(From)))
    return contiguous(static_cast<const From*>(source), static_cast<To*>(target), n);
  if (source_stride == 0) {
    if (n <= 0) return;
    const To value = convert<To>(*static_cast<const From*>(source));
    if (dense) {
      for (std::int64_t i = 0; i < n; ++i) static_cast<To*>(target)[i] = value;
      return;
    }
    for (std::int64_t i = 0; i < n; ++i, out += target_stride) *reinterpret_cast<To*>(out) = value;
    return;
  }
  if constexpr (std::is_same_v<From, To> && sizeof(To) == 4 && alignof(To) == 4) {
    if (source_stride == 4 && target_stride == -4)
      return HWY_DYNAMIC_DISPATCH(reverse_words)(static_cast<const std::uint32_t*>(source),
                                                 reinterpret_cast<std::uint32_t*>(out - 4 * (n - 1)), n);
  }
  for (std::int64_t i = 0; i < n; ++i, in += source_stride, out += target_stride)
    *reinterpret_cast<To*>(out) = convert<To>(*reinterpret_cast<const From*>(in));
}

using Convert = void (*)(const void*, std::int64_t, void*, std::int64_t, std::int64_t);

std::array<Convert, dtype_count * dtype_count> all_conversions() {
  std::array<Convert, dtype_count * dtype_count> table{};
  for (int from = 0; from < dtype_count; ++from)
    for (int to = 0; to < dtype_count; ++to)
      visit(DType(from), [&]<class From>() {
        visit(DType(to),
              [&]<class To>() { table[std::size_t(from * dtype_count + to)] = strided<From, To>; });
      });
  return table;
}

}  // namespace

void convert_run(DType from, const void* source, std::int64_t source_stride, DType to, void* target,
                 std::int64_t target_stride, std::int64_t n) {
  static const auto table = all_conversions();
  table[std::size_t(int(from) * dtype_count + int(to))](source, source_stride, target, target_stride, n);
}

}  // namespace taper::cpu
#endif
