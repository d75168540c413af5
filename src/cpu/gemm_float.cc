// Matrix products summed in float32, and their rounding to 16 bits, for each instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/gemm_float.cc"
#include <hwy/foreach_target.h>

#include "cpu/gemm_driver-inl.h"

HWY_BEFORE_NAMESPACE();
namespace taper::cpu {
namespace HWY_NAMESPACE {

using namespace product;

void multiply_float32(const Product<float, float>& x) { product::multiply_any(x); }
void multiply_float16(const Product<Half, float>& x) { product::multiply_any(x); }
void multiply_bfloat16(const Product<BFloat16, float>& x) { product::multiply_any(x); }

/// Rounds a vector of float32 to S, to nearest even.
template <class D, class V>
void store_narrow([[maybe_unused]] D d, V value, Half* target) {
  if constexpr (native_half) {
    const hn::Rebind<hwy::float16_t, D> narrow;
    hn::StoreU(hn::DemoteTo(narrow, value), narrow, reinterpret_cast<hwy::float16_t*>(target));
  } else {
    HWY_ALIGN float values[HWY_MAX_BYTES / sizeof(float)];
    hn::Store(value, d, values);
    for (std::size_t i = 0; i < hn::MaxLanes(d); ++i) target[i] = Half(values[i]);
  }
}

template <class D, class V>
void store_narrow(D, V value, BFloat16* target) {
  const hn::RebindToUnsigned<D> words;
  const hn::RebindToSigned<D> numbers;
  const hn::Rebind<std::uint16_t, D> narrow;
  const auto bits = hn::BitCast(words, value);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(words, 1));
  const auto rounded = hn::ShiftRight<16>(bits + hn::Set(words, 0x7fff) + odd);
  const auto quiet = hn::Or(hn::ShiftRight<16>(bits), hn::Set(words, 0x40));
  const auto result = hn::IfThenElse(hn::RebindMask(words, hn::IsNaN(value)), quiet, rounded);
  hn::StoreU(hn::DemoteTo(narrow, hn::BitCast(numbers, result)), narrow,
             reinterpret_cast<std::uint16_t*>(target));
}

template <class S>
void round_row(const float* sums, std::int64_t count, float alpha, float beta, const S* bias, S* c) {
  const Tag<float> d;
  std::int64_t j = 0;
  for (; j + lanes<float> <= count; j += lanes<float>) {
    auto value = hn::LoadU(d, sums + j) * hn::Set(d, alpha);
    if (beta != 0) value = hn::MulAdd(hn::Set(d, beta), load_as(d, c + j), value);
    if (bias) value = value + load_as(d, bias + j);
    store_narrow(d, value, c + j);
  }
  for (; j < count; ++j) {
    float value = alpha * sums[j];
    if (beta != 0) value += beta * float(c[j]);
    if (bias) value += float(bias[j]);
    c[j] = S(value);
  }
}

void round_row_float16(const float* sums, std::int64_t count, float alpha, float beta, const Half* bias,
                       Half* c) {
  round_row(sums, count, alpha, beta, bias, c);
}
void round_row_bfloat16(const float* sums, std::int64_t count, float alpha, float beta, const BFloat16* bias,
                        BFloat16* c) {
  round_row(sums, count, alpha, beta, bias, c);
}

}  // namespace HWY_NAMESPACE
}  // namespace taper::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace taper::cpu {

HWY_EXPORT(multiply_float32);
HWY_EXPORT(multiply_float16);
HWY_EXPORT(multiply_bfloat16);
HWY_EXPORT(round_row_float16);
HWY_EXPORT(round_row_bfloat16);

void multiply(const Product<float, float>& x) { HWY_DYNAMIC_DISPATCH(multiply_float32)(x); }
void multiply(const Product<Half, float>& x) { HWY_DYNAMIC_DISPATCH(multiply_float16)(x); }
void multiply(const Product<BFloat16, float>& x) {
  if (!multiply_natively(x)) HWY_DYNAMIC_DISPATCH(multiply_bfloat16)(x);
}

void finish_row(const float* sums, std::int64_t count, float alpha, float beta, const Half* bias, Half* c) {
  HWY_DYNAMIC_DISPATCH(round_row_float16)(sums, count, alpha, beta, bias, c);
}
void finish_row(const float* sums, std::int64_t count, float alpha, float beta, const BFloat16* bias,
                BFloat16* c) {
  HWY_DYNAMIC_DISPATCH(round_row_bfloat16)(sums, count, alpha, beta, bias, c);
}

}  // namespace taper::cpu
#endif
