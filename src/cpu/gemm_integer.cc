// Matrix products of integers and of bool, for each instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/gemm_integer.cc"
#include <hwy/foreach_target.h>

#include "cpu/gemm_driver-inl.h"

HWY_BEFORE_NAMESPACE();
namespace taper::cpu {
namespace HWY_NAMESPACE {

void multiply_bool(const Product<bool, std::uint32_t>& x) { product::multiply_any(x); }
void multiply_uint8(const Product<std::uint8_t, std::uint32_t>& x) { product::multiply_any(x); }
void multiply_int8(const Product<std::int8_t, std::uint32_t>& x) { product::multiply_any(x); }
void multiply_uint16(const Product<std::uint16_t, std::uint32_t>& x) { product::multiply_any(x); }
void multiply_int16(const Product<std::int16_t, std::uint32_t>& x) { product::multiply_any(x); }
void multiply_uint32(const Product<std::uint32_t, std::uint32_t>& x) { product::multiply_any(x); }
void multiply_uint64(const Product<std::uint64_t, std::uint64_t>& x) { product::multiply_any(x); }

}  // namespace HWY_NAMESPACE
}  // namespace taper::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace taper::cpu {

HWY_EXPORT(multiply_bool);
HWY_EXPORT(multiply_uint8);
HWY_EXPORT(multiply_int8);
HWY_EXPORT(multiply_uint16);
HWY_EXPORT(multiply_int16);
HWY_EXPORT(multiply_uint32);
HWY_EXPORT(multiply_uint64);

void multiply(const Product<bool, std::uint32_t>& x) { HWY_DYNAMIC_DISPATCH(multiply_bool)(x); }
void multiply(const Product<std::uint8_t, std::uint32_t>& x) { HWY_DYNAMIC_DISPATCH(multiply_uint8)(x); }
void multiply(const Product<std::int8_t, std::uint32_t>& x) { HWY_DYNAMIC_DISPATCH(multiply_int8)(x); }
void multiply(const Product<std::uint16_t, std::uint32_t>& x) { HWY_DYNAMIC_DISPATCH(multiply_uint16)(x); }
void multiply(const Product<std::int16_t, std::uint32_t>& x) { HWY_DYNAMIC_DISPATCH(multiply_int16)(x); }
void multiply(const Product<std::uint32_t, std::uint32_t>& x) { HWY_DYNAMIC_DISPATCH(multiply_uint32)(x); }
void multiply(const Product<std::uint64_t, std::uint64_t>& x) { HWY_DYNAMIC_DISPATCH(multiply_uint64)(x); }

}  // namespace taper::cpu
#endif
