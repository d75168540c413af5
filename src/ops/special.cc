// Special functions with gradients, element by element.
#include "taper/ops/special.h"

#include <cmath>
#include <numbers>

#include "cpu/special.h"
#include "ops/pointwise.h"

namespace taper {

namespace {

constexpr double root_two_pi = 2.50662827463100050242;
constexpr double two_by_root_pi = 2 * std::numbers::inv_sqrtpi;

struct I0 {
  static constexpr auto name = "i0";
  static constexpr const cpu::Kernel& kernel = kernels::modified_bessel_i0;
  static Tensor gradient(const Tensor& dy, const Tensor& x) { return mul(dy, i1(x)); }
};
struct I0e {
  static constexpr auto name = "i0e";
  static constexpr const cpu::Kernel& kernel = kernels::scaled_modified_bessel_i0;
  static Tensor gradient(const Tensor& dy, const Tensor& x) {
    return mul(dy, sub(i1e(x), mul(sign(x), i0e(x))));
  }
};
// i1(x) / x, which is 1/2 at 0.
Tensor over_argument(const Tensor& y, const Tensor& x) {
  const Tensor zero = eq(x, 0);
  return masked_fill(div(y, masked_fill(x, zero, 1)), zero, 0.5);
}
struct I1 {
  static constexpr auto name = "i1";
  static constexpr const cpu::Kernel& kernel = kernels::modified_bessel_i1;
  static Tensor gradient(const Tensor& dy, const Tensor& x) {
    return mul(dy, sub(i0(x), over_argument(i1(x), x)));
  }
};
struct I1e {
  static constexpr auto name = "i1e";
  static constexpr const cpu::Kernel& kernel = kernels::scaled_modified_bessel_i1;
  static Tensor gradient(const Tensor& dy, const Tensor& x) {
    const Tensor y = i1e(x);
    return mul(dy, sub(sub(i0e(x), mul(y, sign(x))), over_argument(y, x)));
  }
};
struct Ndtri {
  static constexpr auto name = "ndtri";
  static constexpr const cpu::Kernel& kernel = kernels::ndtri;
  static Tensor gradient(const Tensor& dy, const Tensor& y) {
    return mul(dy, mul(exp(div(square(y), 2)), root_two_pi));
  }
};
struct Erfcx {
  static constexpr auto name = "erfcx";
  static constexpr const cpu::Kernel& kernel = kernels::erfcx;
  static Tensor gradient(const Tensor& dy, const Tensor& x) {
    return mul(dy, sub(mul(mul(x, 2), erfcx(x)), two_by_root_pi));
  }
};
struct Entr {
  static constexpr auto name = "entr";
  static constexpr const cpu::Kernel& kernel = kernels::entr;
  static Tensor gradient(const Tensor& dy, const Tensor& x) { return mul(dy, neg(add(log(x), 1))); }
};

struct Xlog1py {
  static constexpr auto name = "xlog1py";
  static constexpr Saves saves{.inputs = 3};
  Like a, b;

  Tensor forward(const Tensor& x, const Tensor& y) const {
    return map_binary(kernels::xlog1py, x, y, Promotion::to_float);
  }
  std::array<Tensor, 2> backward(const Saved& saved, const Tensor& dy) const {
    const Tensor x = saved.input(0), y = saved.input(1);
    const Tensor nothing = logical_and(eq(x, 0), le(y, -1));
    return {saved.needs(0) ? reduce_to(mul(dy, masked_fill(log1p(y), nothing, 0)), a) : Tensor(),
            saved.needs(1) ? reduce_to(mul(dy, div(x, add(y, 1))), b) : Tensor()};
  }
};

struct Zeta {
  static constexpr auto name = "zeta";
  static constexpr Saves saves{.inputs = 3};
  Like a, b;

  Tensor forward(const Tensor& s, const Tensor& q) const {
    return map_binary(kernels::zeta, s, q, Promotion::to_float);
  }
  std::array<Tensor, 2> backward(const Saved& saved, const Tensor& dy) const {
    check<NotImplementedError>(!saved.needs(0), "zeta: has no derivative with respect to its first operand");
    const Tensor s = saved.input(0), q = saved.input(1);
    return {Tensor(), reduce_to(neg(mul(dy, mul(s, zeta(add(s, 1), q)))), b)};
  }
};

struct Polygamma {
  static constexpr auto name = "polygamma";
  static constexpr const cpu::Kernel& kernel = kernels::polygamma;
  cpu::Order attributes;
  Tensor gradient(const Tensor& dy, const Tensor& x) const { return mul(dy, polygamma(attributes.n + 1, x)); }
};

template <bool upper>
struct IncompleteGamma {
  static constexpr auto name = upper ? "igammac" : "igamma";
  static constexpr Saves saves{.inputs = 3};
  Like a, b;

  Tensor forward(const Tensor& order, const Tensor& x) const {
    return map_binary(upper ? kernels::igammac : kernels::igamma, order, x, Promotion::same);
  }
  std::array<Tensor, 2> backward(const Saved& saved, const Tensor& dy) const {
    check<NotImplementedError>(!saved.needs(0), name,
                               ": has no derivative with respect to its first operand");
    const Tensor order = saved.input(0), x = saved.input(1);
    const Tensor density = exp(sub(sub(xlogy(sub(order, 1), x), x), lgamma(order)));
    return {Tensor(), reduce_to(mul(dy, upper ? neg(density) : density), b)};
  }
};

template <bool upper>
Tensor incomplete_gamma(const Tensor& a, const Tensor& x) {
  const DType common = result_type(a, x);
  check<DTypeError>(is_floating_point(common), upper ? "igammac" : "igamma", ": not defined for dtype ",
                    common);
  return record(IncompleteGamma<upper>{a, x}, a, x);
}

}  // namespace

Tensor i0(const Tensor& x) { return record(OfInput<I0>{}, x); }
Tensor i0e(const Tensor& x) { return record(OfInput<I0e>{}, x); }
Tensor i1(const Tensor& x) { return record(OfInput<I1>{}, x); }
Tensor i1e(const Tensor& x) { return record(OfInput<I1e>{}, x); }
Tensor ndtri(const Tensor& x) { return record(OfOutput<Ndtri>{}, x); }
Tensor erfcx(const Tensor& x) { return record(OfInput<Erfcx>{}, x); }
Tensor entr(const Tensor& x) { return record(OfInput<Entr>{}, x); }
Tensor xlog1py(const Tensor& x, const Tensor& y) {
  check<DTypeError>(!x.record()->wrapped_number || !y.record()->wrapped_number,
                    "xlog1py: needs a tensor, got two numbers");
  return record(Xlog1py{x, y}, x, y);
}

namespace {

// In the tails erfc magnifies the rounding of its argument.
bool is_narrow(const Tensor& x) { return x.is_floating_point() && x.dtype() != float64; }

}  // namespace

// By erfc on both sides, which keeps small values exact.
Tensor ndtr(const Tensor& x) {
  if (is_narrow(x)) return to(ndtr(to(x, float64)), x.dtype());
  return mul(erfc(mul(x, -std::numbers::sqrt2 / 2)), 0.5);
}
Tensor log_ndtr(const Tensor& x) {
  if (is_integral(x.dtype(), true)) return log_ndtr(to(x, default_dtype()));
  if (is_narrow(x)) return to(log_ndtr(to(x, float64)), x.dtype());
  const Tensor scaled = mul(x, std::numbers::sqrt2 / 2), low = lt(x, -1);
  const Tensor below = masked_fill(scaled, logical_not(low), -1), above = masked_fill(scaled, low, 0);
  return where(low, sub(log(mul(erfcx(neg(below)), 0.5)), square(below)), log1p(mul(erfc(above), -0.5)));
}
Tensor igamma(const Tensor& a, const Tensor& x) { return incomplete_gamma<false>(a, x); }
Tensor igammac(const Tensor& a, const Tensor& x) { return incomplete_gamma<true>(a, x); }

Tensor zeta(const Tensor& s, const Tensor& q) {
  check<DTypeError>(!s.record()->wrapped_number || !q.record()->wrapped_number,
                    "zeta: needs a tensor, got two numbers");
  return record(Zeta{s, q}, s, q);
}
Tensor polygamma(std::int64_t n, const Tensor& x) {
  check<ValueError>(n >= 0, "polygamma: n must not be negative, got ", n);
  return n == 0 ? digamma(x) : record(OfInput<Polygamma>{{{n}}}, x);
}

Tensor mvlgamma(const Tensor& x, std::int64_t p) {
  check<ValueError>(p >= 1, "mvlgamma: p must be at least 1, got ", p);
  const DType dtype = is_integral(x.dtype(), true) ? default_dtype() : x.dtype();
  const Tensor steps = mul(arange(1 - p, 1, 1, dtype, x.device()), 0.5);
  const Tensor sums = sum(lgamma(add(unsqueeze(to(x, dtype), -1), steps)), Shape{-1});
  return add(sums, double(p) * double(p - 1) / 4 * std::log(std::numbers::pi));
}

namespace {

Tensor polygamma_of(const Tensor& x, std::int64_t n) { return polygamma(n, x); }

const Register i0_op{{.signature = "i0(Tensor input) -> Tensor",
                      .doc = "Modified Bessel function of the first kind, order 0.",
                      .call = box<i0>,
                      .homes = "taper Tensor special",
                      .samples = "x(3, 4, lo=-60, hi=60); x(); x(0)",
                      .reference = "sp.special.i0(input)",
                      .inplace = true}};
const Register more_ops[]{
    {{.signature = "i0e(Tensor input) -> Tensor",
      .doc = "i0 times e to the -|input|.",
      .call = box<i0e>,
      .homes = "special",
      .samples = "x(3, 4, lo=-60, hi=60)",
      .reference = "sp.special.i0e(input)"}},
    {{.signature = "i1(Tensor input) -> Tensor",
      .doc = "Modified Bessel function of the first kind, order 1.",
      .call = box<i1>,
      .homes = "special",
      .samples = "x(3, 4, lo=-30, hi=30)",
      .reference = "sp.special.i1(input)"}},
    {{.signature = "i1e(Tensor input) -> Tensor",
      .doc = "i1 times e to the -|input|.",
      .call = box<i1e>,
      .homes = "special",
      .samples = "x(3, 4, lo=-60, hi=60)",
      .reference = "sp.special.i1e(input)"}},
    {{.signature = "ndtr(Tensor input) -> Tensor",
      .doc = "The normal distribution function.",
      .call = box<ndtr>,
      .homes = "special",
      .samples = "x(3, 4, lo=-9, hi=9); special(); i(3)",
      .reference = "sp.special.ndtr(input)"}},
    {{.signature = "log_ndtr(Tensor input) -> Tensor",
      .doc = "The logarithm of the normal distribution function.",
      .call = box<log_ndtr>,
      .homes = "special",
      .samples = "x(3, 4, lo=-40, hi=9)",
      .reference = "sp.special.log_ndtr(input)"}},
    {{.signature = "ndtri(Tensor input) -> Tensor",
      .doc = "The inverse of the normal distribution function.",
      .call = box<ndtri>,
      .homes = "special",
      .samples =
          "x(3, 4, lo=.01, hi=.99); taper.tensor([1e-300, 1e-20, .5, 1., 0., 2.], dtype=taper.float64)",
      .reference = "sp.special.ndtri(input)"}},
    {{.signature = "erfcx(Tensor input) -> Tensor",
      .doc = "e to the square of input times erfc(input).",
      .call = box<erfcx>,
      .homes = "special",
      .samples = "x(3, 4, lo=-3, hi=3); x(5, lo=3, hi=300).detach()",
      .reference = "sp.special.erfcx(input)"}},
    {{.signature = "entr(Tensor input) -> Tensor",
      .doc = "-input log(input); 0 at 0.",
      .call = box<entr>,
      .homes = "special",
      .samples = "x(3, 4, lo=.1); taper.tensor([-1., 0., np.inf, np.nan])",
      .reference = "sp.special.entr(input)"}},
    {{.signature = "xlog1py(Tensor|Scalar input, Tensor|Scalar other) -> Tensor",
      .doc = "input log(1 + other); 0 where input is 0.",
      .call = box<xlog1py>,
      .homes = "special",
      .samples = "x(3, 4), x(4, lo=-.8); 0., taper.tensor([-1., 1., np.nan]); x(3), 2.",
      .reference = "sp.special.xlog1py(input, other)"}}};
const Register igamma_ops[]{
    {{.signature = "igamma(Tensor input, Tensor other) -> Tensor",
      .doc = "The regularized lower incomplete gamma function of order input.",
      .call = box<igamma>,
      .samples = "constant(3, 4).abs(), x(3, 4, lo=.1, hi=9); taper.tensor([50., 3000., 2e5], "
                 "dtype=taper.float64), taper.tensor([60., 2990., 2.001e5], dtype=taper.float64); "
                 "taper.tensor([0., 1., -1.]), taper.tensor([1., 0., 1.])",
      .reference = "ref.gammainc(input, other)",
      .inplace = true}},
    {{.signature = "igammac(Tensor input, Tensor other) -> Tensor",
      .doc = "The regularized upper incomplete gamma function of order input.",
      .call = box<igammac>,
      .samples =
          "constant(3, 4).abs(), x(3, 4, lo=.1, hi=9); taper.tensor([50., 3000.], dtype=taper.float64), "
          "taper.tensor([60., 2990.], dtype=taper.float64)",
      .reference = "sp.special.gammaincc(input, other)",
      .inplace = true}},
    {{.signature = "gammainc(Tensor input, Tensor other) -> Tensor",
      .doc = "As igamma.",
      .call = box<igamma>,
      .homes = "special",
      .samples = "constant(4).abs(), x(4, lo=.1, hi=9)",
      .reference = "sp.special.gammainc(input, other)"}},
    {{.signature = "gammaincc(Tensor input, Tensor other) -> Tensor",
      .doc = "As igammac.",
      .call = box<igammac>,
      .homes = "special",
      .samples = "constant(4).abs(), x(4, lo=.1, hi=9)",
      .reference = "sp.special.gammaincc(input, other)"}},
    {{.signature = "mvlgamma(Tensor input, int p) -> Tensor",
      .doc = "The logarithm of the gamma function of p dimensions.",
      .call = box<mvlgamma>,
      .samples = "x(3, 4, lo=1.1, hi=5), 3; x(3, lo=.1, hi=5), 1",
      .reference = "sp.special.multigammaln(input, p) if p > 1 else sp.special.gammaln(input)",
      .errors = "x(3, lo=2, hi=4), 0",
      .differentiable = false,
      .inplace = true}},
    {{.signature = "multigammaln(Tensor input, int p) -> Tensor",
      .doc = "As mvlgamma.",
      .call = box<mvlgamma>,
      .homes = "special",
      .samples = "x(3, lo=1.1, hi=5), 2",
      .reference = "sp.special.multigammaln(input, p)",
      .differentiable = false}}};

const Register zeta_op{
    {.signature = "zeta(Tensor|Scalar input, Tensor|Scalar other) -> Tensor",
     .doc = "Hurwitz's zeta function: the sum of (other + k)^-input over k >= 0.",
     .call = box<zeta>,
     .homes = "special",
     .samples =
         "constant(3, 4).abs() + 1.1, x(3, 4, lo=.1, hi=20); 2.0, x(5, lo=.2, hi=3); "
         "constant(3).abs() + 2, 1.5; taper.tensor([1., .5, 3., 2.5]), taper.tensor([2., 2., -2., -.5])",
     .reference = "sp.special.zeta(input, other)",
     .errors = "2.0, 3.0"}};
const Register polygamma_op[]{
    {{.signature = "polygamma(int n, Tensor input) -> Tensor",
      .doc = "The n-th derivative of digamma.",
      .call = box<polygamma>,
      .homes = "taper special",
      .samples =
          "0, x(4, lo=.1, hi=5); 1, x(3, 4, lo=.1, hi=15); 2, x(4, lo=.2, hi=5); 5, x(4, lo=.2, hi=5); "
          "1, taper.tensor([-.5, -1.25, -1e6 - .5, 0., -3.], dtype=taper.float64)",
      .reference = "sp.special.polygamma(n, input)",
      .errors = "-1, x(3)"}},
    {{.signature = "polygamma(Tensor input, int n) -> Tensor",
      .doc = "The n-th derivative of digamma.",
      .call = box<polygamma_of>,
      .homes = "Tensor",
      .samples = "x(3, lo=.2, hi=5), 2",
      .reference = "sp.special.polygamma(n, input)",
      .inplace = true}}};

}  // namespace

}  // namespace taper
