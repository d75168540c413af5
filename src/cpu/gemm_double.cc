// Matrix products summed in float64, for each instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/gemm_double.cc"
#include <hwy/foreach_target.h>

#include "cpu/gemm_driver-inl.h"

HWY_BEFORE_NAMESPACE();
namespace taper::cpu {
namespace HWY_NAMESPACE {

void multiply_float64(const Product<double, double>& x) { product::multiply_any(x); }

}  // namespace HWY_NAMESPACE
}  // namespace taper::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace taper::cpu {

HWY_EXPORT(multiply_float64);

void multiply(const Product<double, double>& x) { HWY_DYNAMIC_DISPATCH(multiply_float64)(x); }

}  // namespace taper::cpu
#endif
