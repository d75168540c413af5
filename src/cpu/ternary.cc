// Kernels of three operands.
#include <complex>
#include <type_traits>

#include "cpu/scalar_run.h"
#include "cpu/ternary.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/ternary.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "cpu/vector_math-inl.h"
#include "cpu/vector_run-inl.h"

#define TAPER_VECTOR_KERNELS(X)                  \
  X(addcmul_f32, vector_run<AddCMul, float, 3>)  \
  X(addcmul_f64, vector_run<AddCMul, double, 3>) \
  X(addcdiv_f32, vector_run<AddCDiv, float, 3>)  \
  X(addcdiv_f64, vector_run<AddCDiv, double, 3>) \
  X(lerp_f32, vector_run<Lerp, float, 3>)        \
  X(lerp_f64, vector_run<Lerp, double, 3>)       \
  X(clamp_f32, vector_run<Clamp, float, 3>)      \
  X(clamp_f64, vector_run<Clamp, double, 3>)     \
  X(where_1, where_run<std::uint8_t>)            \
  X(where_4, where_run<std::uint32_t>)           \
  X(where_8, where_run<std::uint64_t>)
#define TAPER_RUNS(name, ...) __VA_ARGS__,
#define TAPER_INDICES(name, ...) name,

HWY_BEFORE_NAMESPACE();
namespace taper::cpu {
namespace HWY_NAMESPACE {
namespace {

struct AddCMul {
  double value;
  explicit AddCMul(const void* attributes)
      : value(static_cast<const Factor*>(attributes)->value.to<double>()) {}
  template <class D, class V>
  HWY_INLINE V operator()(D d, V a, V b, V c) const {
    return hn::Add(a, hn::Mul(hn::Mul(set(d, value), b), c));
  }
};

struct AddCDiv {
  double value;
  explicit AddCDiv(const void* attributes)
      : value(static_cast<const Factor*>(attributes)->value.to<double>()) {}
  template <class D, class V>
  HWY_INLINE V operator()(D d, V a, V b, V c) const {
    return hn::Add(a, hn::Div(hn::Mul(set(d, value), b), c));
  }
};

// From the nearer end, so that a weight of 1 gives b exactly.
struct Lerp {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V a, V b, V weight) const {
    const V way = hn::Sub(b, a);
    const V from_a = hn::Add(a, hn::Mul(weight, way));
    const V from_b = hn::Sub(b, hn::Mul(way, hn::Sub(set(d, 1), weight)));
    return hn::IfThenElse(hn::Lt(hn::Abs(weight), set(d, 0.5)), from_a, from_b);
  }
};

struct Clamp {
  template <class D, class V>
  HWY_INLINE V operator()(D, V x, V low, V high) const {
    const V raised = hn::IfThenElse(hn::Or(hn::Lt(x, low), hn::IsNaN(low)), low, x);
    const V result = hn::IfThenElse(hn::Or(hn::Gt(raised, high), hn::IsNaN(high)), high, raised);
    return hn::IfThenElse(hn::IsNaN(raised), raised, result);
  }
};

// Bytes of a condition as a mask of wider lanes.
template <class D>
HWY_INLINE auto load_condition(D d, const std::uint8_t* condition) {
  const hn::Rebind<std::uint8_t, D> bytes;
  const hn::Rebind<std::uint32_t, D> words;
  const auto wide = hn::PromoteTo(words, hn::LoadU(bytes, condition));
  if constexpr (sizeof(hn::TFromD<D>) == 4) return hn::Ne(wide, hn::Zero(d));
  else return hn::Ne(hn::PromoteTo(d, wide), hn::Zero(d));
}

// As vector_run does it: a broadcast operand is a vector that is loaded again and again.
template <class T>
std::int64_t where_vectors(const bool* condition, const T* a, const T* b, const int* steps, T* out,
                           std::int64_t n) {
  const hn::ScalableTag<T> d;
  const std::int64_t lanes = std::int64_t(hn::Lanes(d));
  HWY_ALIGN T spread[2][HWY_MAX_BYTES / sizeof(T)];
  const T* in[] = {a, b};
  for (int k = 0; k < 2; ++k) {
    if (steps[k + 1]) continue;
    hn::Store(hn::Set(d, *in[k]), d, spread[k]);
    in[k] = spread[k];
  }
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto mask = load_condition(d, reinterpret_cast<const std::uint8_t*>(condition) + i);
    const auto left = hn::LoadU(d, in[0] + i * steps[1]), right = hn::LoadU(d, in[1] + i * steps[2]);
    hn::StoreU(hn::IfThenElse(mask, left, right), d, out + i);
  }
  return i;
}

template <class T>
void where_run(const void* const* inputs, const int* steps, void* output, std::int64_t n, const void*) {
  const bool* condition = static_cast<const bool*>(inputs[0]);
  const T* a = static_cast<const T*>(inputs[1]);
  const T* b = static_cast<const T*>(inputs[2]);
  T* out = static_cast<T*>(output);
  std::int64_t i = 0;
  if constexpr (sizeof(T) >= 4)
    if (steps[0]) i = where_vectors(condition, a, b, steps, out, n);
  for (; i < n; ++i) {
    const T x = a[i * steps[1]], y = b[i * steps[2]];
    out[i] = condition[i * steps[0]] ? x : y;
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace taper::cpu
HWY_AFTER_NAMESPACE();

#include "cpu/vector_table-inl.h"

#if HWY_ONCE
namespace taper::cpu {
namespace {

using Complex = std::complex<double>;

struct WhereOf {
  Complex operator()(bool condition, Complex a, Complex b) const { return condition ? a : b; }
};

// A whole number as itself, not by way of double.
template <class T>
T factor(const void* attributes) {
  const Scalar& value = static_cast<const Factor*>(attributes)->value;
  if constexpr (std::is_integral_v<T>) return T(value.to<std::int64_t>());
  else return value.to<T>();
}

template <class T>
struct AddCMulOf {
  T value;
  explicit AddCMulOf(const void* attributes) : value(factor<T>(attributes)) {}
  T operator()(T a, T b, T c) const {
    if constexpr (std::is_integral_v<T>)
      return T(std::uint64_t(a) + std::uint64_t(value) * std::uint64_t(b) * std::uint64_t(c));
    else return a + value * b * c;
  }
};
struct AddCDivOf {
  Complex value;
  explicit AddCDivOf(const void* attributes) : value(factor<Complex>(attributes)) {}
  Complex operator()(Complex a, Complex b, Complex c) const { return a + value * b / c; }
};
struct LerpOf {
  Complex operator()(Complex a, Complex b, Complex weight) const {
    return std::abs(weight) < 0.5 ? a + weight * (b - a) : b - (b - a) * (1.0 - weight);
  }
};
struct ClampOf {
  template <class T>
  T operator()(T x, T low, T high) const {
    const T raised = x < low ? low : x;
    return raised > high ? high : raised;
  }
};

template <class F, class T>
constexpr Run plain = run_ternary<F, T, T>;

}  // namespace

namespace kernels {

#define TAPER_FLOATS(op) .name = #op, .f32 = dispatch<op##_f32>, .f64 = dispatch<op##_f64>

const Kernel where = {.name = "where",
                      .f32 = dispatch<where_4>,
                      .f64 = dispatch<where_8>,
                      .i64 = dispatch<where_8>,
                      .u64 = dispatch<where_8>,
                      .c128 = run_ternary<WhereOf, bool, Complex>,
                      .boolean = dispatch<where_1>,
                      .u8 = dispatch<where_1>,
                      .i32 = dispatch<where_4>,
                      .c64 = dispatch<where_8>,
                      .condition = true};
const Kernel addcmul = {TAPER_FLOATS(addcmul), .i64 = plain<AddCMulOf<std::int64_t>, std::int64_t>,
                        .u64 = plain<AddCMulOf<std::uint64_t>, std::uint64_t>,
                        .c128 = plain<AddCMulOf<Complex>, Complex>};
const Kernel addcdiv = {TAPER_FLOATS(addcdiv), .c128 = plain<AddCDivOf, Complex>};
const Kernel lerp = {TAPER_FLOATS(lerp), .c128 = plain<LerpOf, Complex>};
const Kernel clamp = {TAPER_FLOATS(clamp), .i64 = plain<ClampOf, std::int64_t>,
                      .u64 = plain<ClampOf, std::uint64_t>};

#undef TAPER_FLOATS

}  // namespace kernels
}  // namespace taper::cpu
#endif
