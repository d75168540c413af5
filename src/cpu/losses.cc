// The elementwise kernels of losses, and their gradients in one pass.
#include "cpu/losses.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/losses.cc"
#include <hwy/foreach_target.h>  // before highway.h
#include <hwy/highway.h>

#include "cpu/vector_math-inl.h"
#include "cpu/vector_run-inl.h"

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

Run loss_kernel(int index) {
  static constexpr Run runs[] = {
      vector_run<Huber, float, 1>,
      vector_run<Huber, double, 1>,
      vector_run<HuberBackward, float, 2>,
      vector_run<HuberBackward, double, 2>,
  };
  return runs[index];
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace taper::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace taper::cpu {
namespace {

HWY_EXPORT(loss_kernel);

template <int index>
void dispatch(const void* const* inputs, const int* steps, void* output, std::int64_t n,
              const void* attributes) {
  static const Run run = HWY_DYNAMIC_DISPATCH(loss_kernel)(index);
  run(inputs, steps, output, n, attributes);
}

}  // namespace

namespace kernels {

const Kernel huber = {.name = "huber", .f32 = dispatch<0>, .f64 = dispatch<1>};
const Kernel huber_backward = {.name = "huber_backward", .f32 = dispatch<2>, .f64 = dispatch<3>};

}  // namespace kernels
}  // namespace taper::cpu
#endif
