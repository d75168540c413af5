// Per instruction set: the smooth steps (tanh, sigmoid, error function) on which activations and their
// gradients stand.
#include <hwy/highway.h>

#include "cpu/vector_math-inl.h"

#if defined(TAPER_CPU_VECTOR_ACTIVATION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TAPER_CPU_VECTOR_ACTIVATION_INL_H_
#undef TAPER_CPU_VECTOR_ACTIVATION_INL_H_
#else
#define TAPER_CPU_VECTOR_ACTIVATION_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace taper::cpu {
namespace HWY_NAMESPACE {

/// tanh. Float32: an odd polynomial up to 0.625 (Cephes tanhf), then 1 - 2 / (1 + exp(2|x|)), where the
/// quotient is the small part. Float64: -e / (2 + e) with e = exp(-2|x|) - 1.
template <Precision precision = Precision::full, class D, class V>
HWY_INLINE V tanh_of(D d, V x) {
  const V size = hn::Abs(x);
  if constexpr (is_f32<D>) {
    constexpr double c[] = {-3.33332819422e-1, 1.33314422036e-1, -5.37397155531e-2, 2.06390887954e-2,
                            -5.70498872745e-3};
    const V square = hn::Mul(x, x);
    const V small = hn::MulAdd(hn::Mul(horner(d, square, c), square), x, x);
    const V argument = at_most(d, size, 10);
    V k;
    const V r = reduce_exp(d, hn::Add(argument, argument), k);
    const V y = hn::Add(hn::MulAdd(hn::Mul(r, r), exp_rest<precision>(d, r), r), set(d, 1));
    const V below = hn::Div(set(d, 2), hn::MulAdd(y, power_of_two(d, k), set(d, 1)));
    return hn::CopySign(hn::IfThenElse(hn::Lt(size, set(d, 0.625)), small, hn::Sub(set(d, 1), below)), x);
  } else {
    const V e = expm1_of<precision>(d, hn::Mul(size, set(d, -2)));
    return hn::CopySign(hn::Div(e, hn::Add(e, set(d, 2))), x);
  }
}

/// sigmoid(x) = (q + correction) 2^k, with k = 0 for x >= 0. From e = exp(-|x|) as e / (1 + e) or 1 / (1 +
/// e), so that nothing cancels; the correction is what the additions to 1 round off, to first order. |x| is
/// cut at -lowest.
template <bool gradual, Precision precision, class D, class V>
HWY_INLINE V sigmoid_parts(D d, V x, double lowest, V& correction, V& k) {
  const V one = set(d, 1);
  const V r = reduce_exp(d, at_least(d, hn::Neg(hn::Abs(x)), lowest), k);
  const V p = hn::MulAdd(hn::Mul(r, r), exp_rest<precision>(d, r), r);
  const V y = hn::Add(one, p);
  const V e = gradual ? scale(d, y, k) : hn::Mul(y, power_of_two(d, k));
  const V t = hn::Add(one, e);
  const auto negative = hn::Lt(x, hn::Zero(d));
  const V q = hn::Div(hn::IfThenElse(negative, y, one), t);
  correction = hn::Zero(d);
  if constexpr (precision == Precision::full) {
    const V lost_y = hn::Sub(p, hn::Sub(y, one));
    const V lost_t =
        hn::MulAdd(lost_y, e, hn::Sub(e, hn::Sub(t, one)));  // e for 2^k: they differ by a third at most
    // 1 / t by a line: t is in [1, 2], the correction needs few digits.
    const V inverse = hn::NegMulAdd(t, set(d, 0.5), set(d, 1.457));
    correction = hn::Mul(hn::NegMulAdd(q, lost_t, hn::IfThenElseZero(negative, lost_y)), inverse);
  }
  k = hn::IfThenElseZero(negative, k);
  return q;
}

/// Below this exp(x) is not a normal number.
template <class D>
inline constexpr double least_normal_exp = is_f32<D> ? -87 : -708;

/// 1 + exp(-x) for float32 x >= -87.
template <class D, class V>
HWY_INLINE V one_and_exp(D d, V x) {
  V k;
  const V r = reduce_exp(d, at_least(d, hn::Neg(x), -87.3), k);
  const V y = hn::Add(hn::MulAdd(hn::Mul(r, r), exp_rest<Precision::full>(d, r), r), set(d, 1));
  return hn::MulAdd(y, power_of_two(d, k), set(d, 1));
}

/// 1 / (1 + exp(-x)).
template <Precision precision = Precision::full, class D, class V>
HWY_INLINE V sigmoid_of(D d, V x) {
  V k, correction;
  if (HWY_LIKELY(hn::AllFalse(d, hn::Lt(x, set(d, least_normal_exp<D>))))) {
    if constexpr (is_f32<D>) return hn::Div(set(d, 1), one_and_exp(d, x));
    const V q = sigmoid_parts<false, precision>(d, x, least_normal_exp<D>, correction, k);
    return hn::Mul(hn::Add(q, correction), power_of_two(d, k));
  }
  const V q = sigmoid_parts<true, precision>(d, x, is_f32<D> ? -104 : -746, correction, k);
  return scale(d, hn::Add(q, correction), k);
}

/// x / (1 + exp(-x)). x is multiplied in before the exponential is scaled, so that tiny results keep their
/// digits.
template <class D, class V>
HWY_INLINE V silu_of(D d, V x) {
  V k, correction;
  const V bounded = at_most(d, x, 1000);  // the correction is 0 beyond, and infinity times it would be NaN
  if (HWY_LIKELY(hn::AllFalse(d, hn::Lt(x, set(d, least_normal_exp<D>))))) {
    if constexpr (is_f32<D>) return hn::Div(x, one_and_exp(d, x));
    const V q = sigmoid_parts<false, Precision::full>(d, x, least_normal_exp<D>, correction, k);
    return hn::Mul(hn::MulAdd(x, q, hn::Mul(bounded, correction)), power_of_two(d, k));
  }
  constexpr double lowest = is_f32<D> ? -115 : -760;
  const V q = sigmoid_parts<true, Precision::full>(d, x, lowest, correction, k);
  const V y = scale(d, hn::MulAdd(x, q, hn::Mul(bounded, correction)), k);
  return hn::IfThenZeroElse(hn::Lt(x, set(d, lowest)), y);
}

/// log(1 + e) for e in [0, 1].
template <class D, class V>
HWY_INLINE V log1p_of_fraction(D d, V e) {
  const V one = set(d, 1), half = set(d, 0.5);
  const V u = hn::Add(one, e);
  const V lost = hn::Sub(e, hn::Sub(u, one));
  const auto upper = hn::Gt(u, set(d, 1.4142135623730951));
  const V f = hn::IfThenElse(upper, hn::MulSub(u, half, one), hn::Sub(u, one));
  const V c = hn::IfThenElse(upper, hn::Mul(lost, half), lost);
  return log_sum(d, hn::IfThenElseZero(upper, one), f, hn::Mul(c, hn::MulAdd(f, hn::Sub(f, one), one)));
}

/// log(1 + exp(x)) without overflow: max(x, 0) + log1p(exp(-|x|)).
template <class D, class V>
HWY_INLINE V softplus_of(D d, V x) {
  const V rest = log1p_of_fraction(d, exp_of(d, hn::Neg(hn::Abs(x))));
  return hn::Add(hn::IfThenZeroElse(hn::Le(x, hn::Zero(d)), x), rest);
}

/// exp(z^2) erfc(z) for z in [0, 10.6], relative error below 1e-8: a polynomial in t = (z - 3) / (z + 3),
/// over z + 3, fitted by Chebyshev interpolation (the mapping is Schonfelder's, Math. Comp. 32, 1978).
/// Float64 lanes.
template <class D, class V>
HWY_INLINE V scaled_erfc_single(D d, V z) {
  constexpr double c[] = {1.0740069057247222,     -0.88339446476129619,  0.59022845427133086,
                          -0.31046648445631996,   0.11952703604443226,   -0.026837689128518382,
                          -0.0012173249895004201, 0.0030801465721868634, -0.00049646589645943816,
                          -0.00033290796601722258};
  const V q = hn::Div(set(d, 1), hn::Add(z, set(d, 3)));
  return hn::Mul(q, horner(d, hn::Mul(hn::Sub(z, set(d, 3)), q), c));
}

/// exp(-x^2 / 2), and the normal distribution's tail beyond |x|, Q = erfc(|x| / sqrt(2)) / 2. Float64 lanes,
/// results good for float32; |x| is cut at 15, where both are below what float32 holds.
template <class D, class V>
HWY_INLINE V normal_tail_single(D d, V x, V& density) {
  const V size = hn::Abs(x);
  const V z = hn::IfThenElse(hn::Gt(size, set(d, 15)), set(d, 15), size);
  density = exp_of_negative<Precision::single>(d, hn::Mul(hn::Mul(z, z), set(d, -0.5)));
  return hn::Mul(hn::Mul(density, set(d, 0.5)),
                 scaled_erfc_single(d, hn::Mul(z, set(d, 0.70710678118654752))));
}

#if HWY_NATIVE_FMA
/// For z = |x| up to 14.8 and q = z / (z + 3): the normal distribution's tail beyond z, times z, is (1 + p)
/// 2^k q times the value returned, and exp(-x^2 / 2) = (1 + p) 2^k. The value is a polynomial in 1 / (z + 3)
/// - 1/4 (minimax, relative error 2e-8): about there rounding errors are smallest. What x^2 rounds off is put
/// back into the exponent. Float32.
template <class D, class V>
HWY_INLINE V normal_tail(D d, V z, V& p, V& k, V& q) {
  constexpr double c[] = {1.04631316808,  4.60604424937, 10.0083795567,  2.84652277147,  -27.1459672856,
                          -5.82865122505, 110.108566749, -94.8457553178, -741.997357726, -538.864559453};
  const V square = hn::Mul(z, z);
  const V lost = hn::MulSub(z, z, square);
  const V r = hn::NegMulAdd(lost, set(d, 0.5), reduce_exp(d, hn::Mul(square, set(d, -0.5)), k));
  p = hn::MulAdd(hn::Mul(r, r), exp_rest<Precision::full>(d, r), r);
  q = hn::Div(z, hn::Add(z, set(d, 3)));
  return horner(d, hn::NegMulAdd(q, set(d, 1.0 / 3), set(d, 1.0 / 12)), c);
}

/// x Phi(x). Within 4 ulp, in float32.
template <class D, class V>
HWY_INLINE V gelu_of(D d, V x) {
  const V size = hn::Abs(x);
  V p, k, q;
  const V product = hn::Mul(normal_tail(d, at_most(d, size, 14.8), p, k, q), q);
  V tail = hn::MulAdd(product, p, product);
  if (HWY_LIKELY(hn::AllFalse(d, hn::Gt(size, set(d, 12.5))))) tail = hn::Mul(tail, power_of_two(d, k));
  else tail = scale(d, tail, k);
  return hn::Sub(hn::IfThenZeroElse(hn::Lt(x, hn::Zero(d)), x), tail);
}

/// Its derivative, Phi(x) + x exp(-x^2 / 2) / sqrt(2 pi).
template <class D, class V>
HWY_INLINE V gelu_slope(D d, V x) {
  const V z = at_most(d, hn::Abs(x), 14.8), one = set(d, 1);
  V p, k, q;
  const V polynomial = normal_tail(d, z, p, k, q);
  const V density = scale(d, hn::Add(one, p), k);
  const V tail = hn::Mul(density, hn::Mul(polynomial, hn::NegMulAdd(q, set(d, 1.0 / 3), set(d, 1.0 / 3))));
  const V phi = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), tail, hn::Sub(one, tail));
  return hn::MulAdd(hn::Mul(hn::CopySign(z, x), density), set(d, 0.39894228040143268), phi);
}
#endif

/// erf(x) for |x| <= 1: x times a polynomial in x^2 (Chebyshev interpolation, relative error 3e-11).
template <class D, class V>
HWY_INLINE V small_erf_single(D d, V x) {
  constexpr double c[] = {1.1283791670615434,     -0.3761263846802871,   0.11283782495236845,
                          -0.026865430727670243,  0.0052210318078580228, -0.00084840804055351063,
                          0.00011265959025606609, -9.6670445714869964e-6};
  return hn::Mul(x, horner(d, hn::Mul(x, x), c));
}

/// erfc(|x|); |x| is cut at 10.5, where float32 is 0.
template <class D, class V>
HWY_INLINE V upper_erfc_single(D d, V x) {
  const V size = hn::Abs(x);
  const V z = hn::IfThenElse(hn::Gt(size, set(d, 10.5)), set(d, 10.5), size);
  return hn::Mul(exp_of_negative<Precision::single>(d, hn::Neg(hn::Mul(z, z))), scaled_erfc_single(d, z));
}

}  // namespace HWY_NAMESPACE
}  // namespace taper::cpu
HWY_AFTER_NAMESPACE();

#endif
