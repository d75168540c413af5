// Per instruction set: exp, log and their kin in vectors of float32 and float64, right for special values.
#include <cstdint>
#include <limits>
#include <type_traits>

#include <hwy/highway.h>

#if defined(TAPER_CPU_VECTOR_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TAPER_CPU_VECTOR_MATH_INL_H_
#undef TAPER_CPU_VECTOR_MATH_INL_H_
#else
#define TAPER_CPU_VECTOR_MATH_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace taper::cpu {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Digits that a float64 computation has to keep: all, or those that a rounding to float32 needs.
enum class Precision { full, single };

template <class D>
inline constexpr bool is_f32 = std::is_same_v<hn::TFromD<D>, float>;

template <class D>
HWY_INLINE hn::VFromD<D> set(D d, double value) {
  return hn::Set(d, hn::TFromD<D>(value));
}

/// c[0] + x (c[1] + x (c[2] + ...)).
template <int i = 0, class D, class V, int n>
HWY_INLINE V horner(D d, V x, const double (&c)[n]) {
  if constexpr (i == n - 1) return set(d, c[i]);
  else return hn::MulAdd(horner<i + 1>(d, x, c), x, set(d, c[i]));
}

/// x, or bound where x is below it; NaN stays NaN.
template <class D, class V>
HWY_INLINE V at_least(D d, V x, double bound) {
#if HWY_ARCH_X86 && HWY_TARGET != HWY_SCALAR
  return hn::Max(set(d, bound), x);  // the instruction gives its second operand if either is NaN
#else
  return hn::IfThenElse(hn::Lt(x, set(d, bound)), set(d, bound), x);
#endif
}

/// x, or bound where x is above it; NaN stays NaN.
template <class D, class V>
HWY_INLINE V at_most(D d, V x, double bound) {
#if HWY_ARCH_X86 && HWY_TARGET != HWY_SCALAR
  return hn::Min(set(d, bound), x);
#else
  return hn::IfThenElse(hn::Gt(x, set(d, bound)), set(d, bound), x);
#endif
}

/// x limited to [low, high]; NaN stays NaN.
template <class D, class V>
HWY_INLINE V limit(D d, V x, double low, double high) {
  return at_most(d, at_least(d, x, low), high);
}

/// Added to a whole number |k| < 2^22, puts k into the low bits of the mantissa: 1.5 * 2^23, or 1.5 * 2^52.
template <class D>
inline constexpr double magic = is_f32<D> ? 12582912.0 : 6755399441055744.0;

/// 2^k for a whole k for which it is a normal number. The exponent's bias rides on the magic number.
template <class D, class V>
HWY_INLINE V power_of_two(D d, V k) {
  constexpr int bias = is_f32<D> ? 127 : 1023, mantissa = is_f32<D> ? 23 : 52;
  const hn::RebindToUnsigned<D> bits;
  return hn::BitCast(d, hn::ShiftLeft<mantissa>(hn::BitCast(bits, hn::Add(k, set(d, magic<D> + bias)))));
}

/// Whole number in integer lanes, |value| < 2^22, as floating lanes.
template <class D, class VI>
HWY_INLINE hn::VFromD<D> from_integer(D d, VI value) {
  const hn::RebindToSigned<D> integers;
  const auto shift = set(d, magic<D>);
  return hn::Sub(hn::BitCast(d, hn::Add(value, hn::BitCast(integers, shift))), shift);
}

/// y 2^k for whole k from -2100 (-280) up, rounded once: in two factors, since 2^k itself may not be a normal
/// number.
template <class D, class V>
HWY_INLINE V scale(D d, V y, V k) {
  const V half = hn::Sub(hn::MulAdd(k, set(d, 0.5), set(d, magic<D>)), set(d, magic<D>));
  return hn::Mul(hn::Mul(y, power_of_two(d, half)), power_of_two(d, hn::Sub(k, half)));
}

/// (exp(r) - 1 - r) / r^2 for |r| <= ln(2)/2: Taylor's series, cut where the rest is below the precision
/// asked for.
template <Precision precision, class D, class V>
HWY_INLINE V exp_rest(D d, V r) {
  constexpr double c[] = {1. / 2,       1. / 6,        1. / 24,        1. / 120,
                          1. / 720,     1. / 5040,     1. / 40320,     1. / 362880,
                          1. / 3628800, 1. / 39916800, 1. / 479001600, 1. / 6227020800};
  if constexpr (is_f32<D>) {
    // Minimax on the interval (Cephes expf).
    constexpr double f[] = {5.0000001201e-1, 1.6666665459e-1, 4.1665795894e-2,
                            8.3334519073e-3, 1.3981999507e-3, 1.9875691500e-4};
    return horner(d, r, f);
  } else if constexpr (precision == Precision::single) {
    constexpr double s[] = {c[0], c[1], c[2], c[3], c[4], c[5], c[6]};
    return horner(d, r, s);
  } else {
    return horner(d, r, c);
  }
}

/// x = k ln 2 + r with whole k and |r| <= ln(2)/2; ln 2 in two parts (Cephes), the first with trailing zeros
/// so that k times it is exact.
template <class D, class V>
HWY_INLINE V reduce_exp(D d, V x, V& k) {
  k = hn::Sub(hn::MulAdd(x, set(d, 1.4426950408889634), set(d, magic<D>)), set(d, magic<D>));
  if constexpr (is_f32<D>)
    return hn::NegMulAdd(k, set(d, -2.12194440e-4), hn::NegMulAdd(k, set(d, 0.693359375), x));
  else
    return hn::NegMulAdd(k, set(d, 1.42860682030941723212e-6),
                         hn::NegMulAdd(k, set(d, 6.93145751953125e-1), x));
}

/// e^x. Overflows to infinity, underflows gradually.
template <Precision precision = Precision::full, class D, class V>
HWY_INLINE V exp_of(D d, V x) {
  constexpr double lowest = is_f32<D> ? -104 : -746, highest = is_f32<D> ? 89 : 710;
  V k;
  const V r = reduce_exp(d, limit(d, x, lowest, highest), k);
  const V y = hn::Add(hn::MulAdd(hn::Mul(r, r), exp_rest<precision>(d, r), r), set(d, 1));
  return scale(d, y, k);
}

/// e^x for x <= 0 where results below the least normal number may be zero: one scaling less.
template <Precision precision = Precision::full, class D, class V>
HWY_INLINE V exp_of_negative(D d, V x) {
  constexpr double lowest = is_f32<D> ? -87.3 : -708.3;
  V k;
  const V r = reduce_exp(d, at_least(d, x, lowest), k);
  const V y = hn::Add(hn::MulAdd(hn::Mul(r, r), exp_rest<precision>(d, r), r), set(d, 1));
  return hn::IfThenZeroElse(hn::Lt(x, set(d, lowest)), hn::Mul(y, power_of_two(d, k)));
}

/// e^x - 1, accurate near 0.
template <Precision precision = Precision::full, class D, class V>
HWY_INLINE V expm1_of(D d, V x) {
  constexpr double lowest = is_f32<D> ? -20 : -40, highest = is_f32<D> ? 89 : 710;
  V k;
  const V r = reduce_exp(d, limit(d, x, lowest, highest), k);
  const V p = hn::MulAdd(hn::Mul(r, r), exp_rest<precision>(d, r), r);
  // 2 (2^(k-1) p + (2^(k-1) - 1/2)): 2^k itself may overflow where the result does not.
  const V s = power_of_two(d, hn::Sub(k, set(d, 1)));
  const V half = hn::MulAdd(s, p, hn::Sub(s, set(d, 0.5)));
  return hn::IfThenElse(hn::Eq(x, hn::Zero(d)), x, hn::Add(half, half));
}

/// u = 2^k (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)), for positive normal u.
template <class D, class V>
HWY_INLINE V reduce_log(D d, V u, V& k) {
  const hn::RebindToSigned<D> integers;
  using Integer = hn::TFromD<decltype(integers)>;
  constexpr int mantissa = is_f32<D> ? 23 : 52;
  const auto sqrt_half = hn::Set(integers, is_f32<D> ? Integer(0x3f3504f3) : Integer(0x3fe6a09e667f3bcdLL));
  const auto bits = hn::Sub(hn::BitCast(integers, u), sqrt_half);
  // Biased to be positive: the logical shift of int64 is cheaper than the arithmetic one on older sets.
  constexpr Integer bias = is_f32<D> ? 128 : 1024;
  const hn::RebindToUnsigned<D> naturals;
  const auto biased = hn::BitCast(naturals, hn::Add(bits, hn::Set(integers, bias << mantissa)));
  const auto exponent =
      hn::Sub(hn::BitCast(integers, hn::ShiftRight<mantissa>(biased)), hn::Set(integers, bias));
  k = from_integer(d, exponent);
  const auto scaled = hn::Sub(hn::BitCast(integers, u), hn::ShiftLeft<mantissa>(exponent));
  return hn::Sub(hn::BitCast(d, scaled), set(d, 1));
}

/// log(1 + f) - f for 1 + f in [sqrt(1/2), sqrt(2)).
template <class D, class V>
HWY_INLINE V log_rest(D d, V f) {
  const V f2 = hn::Mul(f, f);
  if constexpr (is_f32<D>) {
    // Cephes logf.
    constexpr double c[] = {3.3333331174e-1,  -2.4999993993e-1, 2.0000714765e-1,
                            -1.6668057665e-1, 1.4249322787e-1,  -1.2420140846e-1,
                            1.1676998740e-1,  -1.1514610310e-1, 7.0376836292e-2};
    return hn::MulAdd(hn::Mul(f2, f), horner(d, f, c), hn::Mul(f2, set(d, -0.5)));
  } else {
    // fdlibm e_log.c: with s = f / (2 + f), log(1 + f) = f - (f^2/2 - s (f^2/2 + R(s^2))).
    constexpr double c[] = {6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01,
                            2.222219843214978396e-01, 1.818357216161805012e-01, 1.531383769920937332e-01,
                            1.479819860511658591e-01};
    const V s = hn::Div(f, hn::Add(f, set(d, 2)));
    const V z = hn::Mul(s, s);
    const V half = hn::Mul(f2, set(d, 0.5));
    return hn::MulSub(s, hn::MulAdd(z, horner(d, z, c), half), half);
  }
}

/// k ln 2 + log(1 + f) where f is known to within c: the parts are added from the least on.
template <class D, class V>
HWY_INLINE V log_sum(D d, V k, V f, V c) {
  const double low = is_f32<D> ? -2.12194440e-4 : 1.90821492927058770002e-10;
  const double high = is_f32<D> ? 0.693359375 : 6.93147180369123816490e-01;
  const V rest = hn::Add(hn::MulAdd(k, set(d, low), log_rest(d, f)), c);
  return hn::MulAdd(k, set(d, high), hn::Add(f, rest));
}

/// What log gives for 0, negative numbers, infinity and NaN, in place of y.
template <class D, class V>
HWY_INLINE V log_special(D d, V x, V y) {
  using T = hn::TFromD<D>;
  const V infinity = hn::Set(d, std::numeric_limits<T>::infinity());
  y = hn::IfThenElse(hn::Lt(x, infinity), y, x);  // infinity and NaN are their own logarithms
  y = hn::IfThenElse(hn::Eq(x, hn::Zero(d)), hn::Neg(infinity), y);
  return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Set(d, std::numeric_limits<T>::quiet_NaN()), y);
}

/// A positive number made normal: subnormals are scaled up and the logarithm's k corrected by `shift`.
template <class D, class V>
HWY_INLINE V make_normal(D d, V x, V& shift) {
  using T = hn::TFromD<D>;
  const auto tiny = hn::Lt(x, hn::Set(d, std::numeric_limits<T>::min()));
  shift = hn::IfThenElseZero(tiny, set(d, is_f32<D> ? -24 : -54));
  return hn::IfThenElse(tiny, hn::Mul(x, set(d, is_f32<D> ? 0x1p24 : 0x1p54)), x);
}

/// Natural logarithm.
template <class D, class V>
HWY_INLINE V log_of(D d, V x) {
  V k, shift;
  const V f = reduce_log(d, make_normal(d, x, shift), k);
  return log_special(d, x, log_sum(d, hn::Add(k, shift), f, hn::Zero(d)));
}

/// log(1 + x), accurate near 0. u = 1 + x rounds; what it loses is carried as a correction to f.
template <class D, class V>
HWY_INLINE V log1p_of(D d, V x) {
  const V one = set(d, 1);
  const V u = hn::Add(one, x);
  V k;
  const V f = reduce_log(d, u, k);
  const V lost = hn::IfThenElse(hn::Lt(x, one), hn::Sub(x, hn::Sub(u, one)), hn::Sub(one, hn::Sub(u, x)));
  const V inverse = power_of_two(d, hn::Max(hn::Neg(k), set(d, -100)));
  // f alone is off by the correction c; d log(1 + f) = c / (1 + f), and 1/(1+f) = 1 - f + f^2 is near enough.
  const V c = hn::Mul(lost, inverse);
  const V y = log_sum(d, k, f, hn::Mul(c, hn::MulAdd(f, hn::Sub(f, one), one)));
  const V small =
      hn::IfThenElse(hn::Lt(hn::Abs(x), set(d, is_f32<D> ? 0x1p-25 : 0x1p-54)), x, log_special(d, u, y));
  return small;
}

}  // namespace HWY_NAMESPACE
}  // namespace taper::cpu
HWY_AFTER_NAMESPACE();

#endif
