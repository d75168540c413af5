// Per instruction set: runs of functions that give bool, as loops that the compiler turns into vectors.
#include <cstdint>

#include <hwy/highway.h>

#include "cpu/scalar_run.h"

#if defined(TAPER_CPU_PREDICATE_RUN_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TAPER_CPU_PREDICATE_RUN_INL_H_
#undef TAPER_CPU_PREDICATE_RUN_INL_H_
#else
#define TAPER_CPU_PREDICATE_RUN_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace taper::cpu {
namespace HWY_NAMESPACE {

template <class F, class In>
void unary_predicate(const void* const* inputs, const int* steps, void* output, std::int64_t n, const void*) {
  const F f;
  const In* x = static_cast<const In*>(inputs[0]);
  bool* out = static_cast<bool*>(output);
  const std::int64_t step = steps[0];
  if (step) {
    TAPER_INDEPENDENT
    for (std::int64_t i = 0; i < n; ++i) out[i] = f(x[i]);
  } else {
    for (std::int64_t i = 0; i < n; ++i) out[i] = f(*x);
  }
}

template <class F, class In>
void binary_predicate(const void* const* inputs, const int* steps, void* output, std::int64_t n,
                      const void*) {
  const F f;
  const In* a = static_cast<const In*>(inputs[0]);
  const In* b = static_cast<const In*>(inputs[1]);
  bool* out = static_cast<bool*>(output);
  const In left = *a, right = *b;
  if (steps[0] && steps[1]) {
    TAPER_INDEPENDENT
    for (std::int64_t i = 0; i < n; ++i) out[i] = f(a[i], b[i]);
  } else if (steps[0]) {
    TAPER_INDEPENDENT
    for (std::int64_t i = 0; i < n; ++i) out[i] = f(a[i], right);
  } else {
    TAPER_INDEPENDENT
    for (std::int64_t i = 0; i < n; ++i) out[i] = f(left, b[i * steps[1]]);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace taper::cpu
HWY_AFTER_NAMESPACE();

#endif
