// Per instruction set: runs of an elementwise function over vectors, with broadcast operands and a masked
// tail.
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <hwy/highway.h>

#if defined(TAPER_CPU_VECTOR_RUN_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TAPER_CPU_VECTOR_RUN_INL_H_
#undef TAPER_CPU_VECTOR_RUN_INL_H_
#else
#define TAPER_CPU_VECTOR_RUN_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace taper::cpu {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Float32 values computed in float64 lanes.
template <class Op>
struct Wide {
  Op op;
  Wide() = default;
  explicit Wide(const void* attributes) requires std::is_constructible_v<Op, const void*> : op(attributes) {}
};

template <class Op>
inline constexpr bool is_wide = false;
template <class Op>
inline constexpr bool is_wide<Wide<Op>> = true;

template <class Op, class T>
using Tag = std::conditional_t<is_wide<Op>, hn::Rebind<T, hn::ScalableTag<double>>, hn::ScalableTag<T>>;

template <class Op>
HWY_INLINE Op make_op(const void* attributes) {
  if constexpr (std::is_constructible_v<Op, const void*>) return Op(attributes);
  else return Op{};
}

template <class Op, class D, class... V>
HWY_INLINE auto apply(const Op& op, D d, V... x) {
  if constexpr (is_wide<Op>) {
    const hn::Rebind<double, D> wide;
    const auto y = op.op(wide, hn::PromoteTo(wide, x)...);
#if HWY_TARGET == HWY_SCALAR
    return hn::Set(d, float(hn::GetLane(y)));  // there DemoteTo makes infinities finite
#else
    return hn::DemoteTo(d, y);
#endif
  } else {
    return op(d, x...);
  }
}

/// Loads the lanes of each operand at element i of the run and applies op.
template <class Op, class D, class T>
HWY_INLINE auto apply_at(const Op& op, D d, const T* const (&in)[1]) {
  return apply(op, d, hn::LoadU(d, in[0]));
}
template <class Op, class D, class T>
HWY_INLINE auto apply_at(const Op& op, D d, const T* const (&in)[2]) {
  return apply(op, d, hn::LoadU(d, in[0]), hn::LoadU(d, in[1]));
}
template <class Op, class D, class T>
HWY_INLINE auto apply_at(const Op& op, D d, const T* const (&in)[3]) {
  return apply(op, d, hn::LoadU(d, in[0]), hn::LoadU(d, in[1]), hn::LoadU(d, in[2]));
}

/// The last m elements, fewer than a vector. Nothing outside the run is read or written.
template <class Op, class D, class T, int count>
HWY_INLINE void tail(const Op& op, D d, const T* const (&in)[count], const std::size_t* steps, T* out,
                     std::size_t m) {
#if HWY_TARGET <= HWY_AVX2
  const auto mask = hn::FirstN(d, m);
  (void)steps;
  if constexpr (count == 1) {
    hn::BlendedStore(apply(op, d, hn::MaskedLoad(mask, d, in[0])), mask, d, out);
  } else if constexpr (count == 2) {
    hn::BlendedStore(apply(op, d, hn::MaskedLoad(mask, d, in[0]), hn::MaskedLoad(mask, d, in[1])), mask, d,
                     out);
  } else {
    const auto first = hn::MaskedLoad(mask, d, in[0]);
    hn::BlendedStore(apply(op, d, first, hn::MaskedLoad(mask, d, in[1]), hn::MaskedLoad(mask, d, in[2])),
                     mask, d, out);
  }
#else
  HWY_ALIGN T lanes[count][HWY_MAX_BYTES / sizeof(T)] = {};
  HWY_ALIGN T results[HWY_MAX_BYTES / sizeof(T)];
  const T* from[count];
  for (int k = 0; k < count; ++k) {
    for (std::size_t j = 0; j < (steps[k] ? m : hn::Lanes(d)); ++j) lanes[k][j] = in[k][j];
    from[k] = lanes[k];
  }
  hn::Store(apply_at(op, d, from), d, results);
  for (std::size_t j = 0; j < m; ++j) out[j] = results[j];
#endif
}

/// A Run of op for T: a broadcast operand is spread into one vector that the loop loads again and again, so
/// that one loop serves every combination of steps.
template <class Op, class T, int count>
void vector_run(const void* const* inputs, const int* steps, void* output, std::int64_t n,
                const void* attributes) {
  const Tag<Op, T> d;
  const Op op = make_op<Op>(attributes);
  const std::size_t lanes = hn::Lanes(d);
  HWY_ALIGN T spread[count][HWY_MAX_BYTES / sizeof(T)];
  const T* in[count];
  std::size_t strides[count];
  for (int k = 0; k < count; ++k) {
    in[k] = static_cast<const T*>(inputs[k]);
    strides[k] = steps[k] ? lanes : 0;
    if (steps[k]) continue;
    hn::Store(hn::Set(d, *in[k]), d, spread[k]);
    in[k] = spread[k];
  }
  T* out = static_cast<T*>(output);
  std::size_t left = std::size_t(n);
  for (; left >= lanes; left -= lanes, out += lanes) {
    hn::StoreU(apply_at(op, d, in), d, out);
    for (int k = 0; k < count; ++k) in[k] += strides[k];
  }
  if (left) tail<Op, Tag<Op, T>, T, count>(op, d, in, strides, out, left);
}

}  // namespace HWY_NAMESPACE
}  // namespace taper::cpu
HWY_AFTER_NAMESPACE();

#endif
