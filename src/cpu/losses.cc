// The elementwise kernels of losses, and their gradients in one pass.
#include "cpu/losses.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/losses.cc"
#include <hwy/foreach_target.h>  // before highway.h
#include <hwy/highway.h>

#include "cpu/vector_math-inl.h"
#include "cpu/vector_run-inl.h"

// kernel, function, operands
#define TAPER_VECTOR_KERNELS(X) \
  X(huber, Huber, 1)            \
  X(huber_backward, HuberBackward, 2)
#define TAPER_RUNS(name, function, count) \
  vector_run<function, float, count>, vector_run<function, double, count>,
#define TAPER_INDICES(name, function, count) name##_f32, name##_f64,

HWY_BEFORE_NAMESPACE();
namespace taper::cpu {
namespace HWY_NAMESPACE {
namespace {

struct Huber {
  double delta;
  explicit Huber(const void* attributes) : delta(static_cast<const Bend*>(attributes)->delta) {}
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    const V size = hn::Abs(x), low = at_most(d, size, delta);
    return hn::Mul(low, hn::NegMulAdd(low, set(d, 0.5), size));
  }
};

struct HuberBackward {
  double delta;
  explicit HuberBackward(const void* attributes) : delta(static_cast<const Bend*>(attributes)->delta) {}
  template <class D, class V>
  HWY_INLINE V operator()(D d, V dy, V x) const {
    return hn::Mul(dy, limit(d, x, -delta, delta));
  }
};

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace taper::cpu
HWY_AFTER_NAMESPACE();

#include "cpu/vector_table-inl.h"

#if HWY_ONCE
namespace taper::cpu::kernels {

const Kernel huber = {.name = "huber", .f32 = dispatch<huber_f32>, .f64 = dispatch<huber_f64>};
const Kernel huber_backward = {
    .name = "huber_backward", .f32 = dispatch<huber_backward_f32>, .f64 = dispatch<huber_backward_f64>};

}  // namespace taper::cpu::kernels
#endif
