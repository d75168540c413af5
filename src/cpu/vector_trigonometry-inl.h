// Per instruction set: trigonometric functions in vectors of float64 (float32 goes through them).
#include <cmath>
#include <cstdint>

#include <hwy/highway.h>

#include "cpu/vector_math-inl.h"

#if defined(TAPER_CPU_VECTOR_TRIGONOMETRY_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TAPER_CPU_VECTOR_TRIGONOMETRY_INL_H_
#undef TAPER_CPU_VECTOR_TRIGONOMETRY_INL_H_
#else
#define TAPER_CPU_VECTOR_TRIGONOMETRY_INL_H_
#endif

#include <hwy/contrib/math/math-inl.h>

HWY_BEFORE_NAMESPACE();
namespace taper::cpu {
namespace HWY_NAMESPACE {

/// Up to this size of x, n pi/2 is subtracted exactly enough; beyond, each lane is left to the C library.
inline constexpr double largest_angle = 0x1p20;

/// x = n pi/2 + r, |r| <= pi/4; the lowest bits of quadrant are those of n. pi/2 in three parts (fdlibm
/// e_rem_pio2.c), the first two of 33 bits so that n times them is exact.
template <Precision precision, class D, class V, class VU>
HWY_INLINE V reduce_angle(D d, V x, VU& quadrant) {
  const hn::RebindToUnsigned<D> bits;
  const V shifted = hn::MulAdd(x, set(d, 0.63661977236758134308), set(d, magic<D>));
  quadrant = hn::BitCast(bits, shifted);
  const V n = hn::Sub(shifted, set(d, magic<D>));
  const V r = hn::NegMulAdd(n, set(d, 1.57079632673412561417), x);
  if constexpr (precision == Precision::single)
    return hn::NegMulAdd(n, set(d, 6.07710050650619224932e-11), r);
  const V second = hn::NegMulAdd(n, set(d, 6.07710050630396597660e-11), r);
  return hn::NegMulAdd(n, set(d, 2.02226624879595063154e-21), second);
}

/// sin r and cos r for |r| <= pi/4 (fdlibm k_sin.c, k_cos.c).
template <Precision precision, class D, class V>
HWY_INLINE V sin_near_zero(D d, V r, V square) {
  constexpr double c[] = {-1.66666666666666324348e-01, 8.33333333332248946124e-03,
                          -1.98412698298579493134e-04, 2.75573137070700676789e-06,
                          -2.50507602534068634195e-08, 1.58969099521155010221e-10};
  constexpr double s[] = {c[0], c[1], c[2], c[3], c[4]};
  const V cube = hn::Mul(square, r);
  if constexpr (precision == Precision::single) return hn::MulAdd(horner(d, square, s), cube, r);
  else return hn::MulAdd(horner(d, square, c), cube, r);
}

template <Precision precision, class D, class V>
HWY_INLINE V cos_near_zero(D d, V square) {
  constexpr double c[] = {4.16666666666666019037e-02, -1.38888888888741095749e-03,
                          2.48015872894767294178e-05, -2.75573143513906633035e-07,
                          2.08757232129817482790e-09, -1.13596475577881948265e-11};
  constexpr double s[] = {c[0], c[1], c[2], c[3]};
  const V one = set(d, 1), half = hn::Mul(square, set(d, 0.5));
  const V start = hn::Sub(one, half);
  const V lost = hn::Sub(hn::Sub(one, start), half);
  const V fourth = hn::Mul(square, square);
  if constexpr (precision == Precision::single) return hn::MulAdd(horner(d, square, s), fourth, start);
  else return hn::Add(start, hn::MulAdd(horner(d, square, c), fourth, lost));
}

enum class Angle { sine, cosine, tangent };

/// The C library's function for the lanes of x beyond largest_angle.
template <Angle angle, class D, class V>
HWY_NOINLINE V large_angles(D d, V x, V y) {
  HWY_ALIGN double in[HWY_MAX_BYTES / sizeof(double)];
  HWY_ALIGN double out[HWY_MAX_BYTES / sizeof(double)];
  hn::Store(x, d, in);
  hn::Store(y, d, out);
  for (std::size_t i = 0; i < hn::Lanes(d); ++i) {
    if (!(std::abs(in[i]) > largest_angle)) continue;
    out[i] = angle == Angle::sine     ? std::sin(in[i])
             : angle == Angle::cosine ? std::cos(in[i])
                                      : std::tan(in[i]);
  }
  return hn::Load(d, out);
}

template <Angle angle, Precision precision, class D, class V>
HWY_INLINE V trigonometric(D d, V x) {
  const hn::RebindToUnsigned<D> bits;
  hn::VFromD<decltype(bits)> quadrant;
  const V r = reduce_angle<precision>(d, x, quadrant);
  const V square = hn::Mul(r, r);
  const V sine = sin_near_zero<precision>(d, r, square), cosine = cos_near_zero<precision>(d, square);
  if constexpr (angle == Angle::cosine) quadrant = hn::Add(quadrant, hn::Set(bits, 1));
  const auto one = hn::Set(bits, 1);
  const auto odd = hn::RebindMask(d, hn::Eq(hn::And(quadrant, one), one));
  const V sign = hn::BitCast(d, hn::ShiftLeft<62>(hn::AndNot(one, quadrant)));
  V y;
  if constexpr (angle == Angle::tangent) {
    y = hn::Div(hn::IfThenElse(odd, hn::Neg(cosine), sine), hn::IfThenElse(odd, sine, cosine));
  } else {
    y = hn::Xor(hn::IfThenElse(odd, cosine, sine), hn::And(hn::SignBit(d), sign));
  }
  if constexpr (angle != Angle::cosine) y = hn::IfThenElse(hn::Eq(x, hn::Zero(d)), x, y);
  if (HWY_LIKELY(hn::AllFalse(d, hn::Gt(hn::Abs(x), set(d, largest_angle))))) return y;
  return large_angles<angle>(d, x, y);
}

/// The angle of the point (x, y), in (-pi, pi]; special values as in C99.
template <class D, class V>
HWY_INLINE V atan2_of(D d, V y, V x) {
  const V zero = hn::Zero(d), a = hn::Abs(x), b = hn::Abs(y);
  const auto steep = hn::Gt(b, a);
  const V larger = hn::IfThenElse(steep, b, a), smaller = hn::IfThenElse(steep, a, b);
  // 0/0 counts as 0, infinity over infinity as 1.
  V slope = hn::Div(smaller, larger);
  slope = hn::IfThenZeroElse(hn::Eq(larger, zero), slope);
  slope = hn::IfThenElse(hn::And(hn::Eq(a, b), hn::Ne(a, zero)), set(d, 1), slope);
  hn::impl::AtanImpl<hn::TFromD<D>> polynomial;
  V angle = polynomial.AtanPoly(d, slope);
  angle = hn::IfThenElse(steep, hn::Sub(set(d, 1.5707963267948966), angle), angle);
  const auto left = hn::Ne(hn::CopySign(set(d, 1), x), set(d, 1));
  angle = hn::IfThenElse(left, hn::Sub(set(d, 3.1415926535897931), angle), angle);
  const V nan = hn::Add(x, y);
  return hn::IfThenElse(hn::Or(hn::IsNaN(x), hn::IsNaN(y)), nan, hn::CopySign(angle, y));
}

}  // namespace HWY_NAMESPACE
}  // namespace taper::cpu
HWY_AFTER_NAMESPACE();

#endif
