// Exponentials, logarithms, powers and roots.
#include "taper/ops/exponential.h"

#include <cmath>

#include "ops/pointwise.h"

namespace taper {

namespace {

struct Exp {
  static constexpr auto name = "exp";
  static constexpr const cpu::Kernel& kernel = kernels::exp;
  static Tensor gradient(const Tensor& dy, const Tensor& y) { return mul(dy, conj(y)); }
};
struct Exp2 {
  static constexpr auto name = "exp2";
  static constexpr const cpu::Kernel& kernel = kernels::exp2;
  static Tensor gradient(const Tensor& dy, const Tensor& y) { return mul(mul(dy, conj(y)), M_LN2); }
};
struct Expm1 {
  static constexpr auto name = "expm1";
  static constexpr const cpu::Kernel& kernel = kernels::expm1;
  static Tensor gradient(const Tensor& dy, const Tensor& y) { return mul(dy, conj(add(y, 1))); }
};
struct Log {
  static constexpr auto name = "log";
  static constexpr const cpu::Kernel& kernel = kernels::log;
  static Tensor gradient(const Tensor& dy, const Tensor& x) { return div(dy, conj(x)); }
};
struct Log2 {
  static constexpr auto name = "log2";
  static constexpr const cpu::Kernel& kernel = kernels::log2;
  static Tensor gradient(const Tensor& dy, const Tensor& x) { return div(dy, mul(conj(x), M_LN2)); }
};
struct Log10 {
  static constexpr auto name = "log10";
  static constexpr const cpu::Kernel& kernel = kernels::log10;
  static Tensor gradient(const Tensor& dy, const Tensor& x) { return div(dy, mul(conj(x), M_LN10)); }
};
struct Log1p {
  static constexpr auto name = "log1p";
  static constexpr const cpu::Kernel& kernel = kernels::log1p;
  static Tensor gradient(const Tensor& dy, const Tensor& x) { return div(dy, conj(add(x, 1))); }
};
struct Sqrt {
  static constexpr auto name = "sqrt";
  static constexpr const cpu::Kernel& kernel = kernels::sqrt;
  static Tensor gradient(const Tensor& dy, const Tensor& y) { return div(dy, mul(conj(y), 2)); }
};
struct Rsqrt {
  static constexpr auto name = "rsqrt";
  static constexpr const cpu::Kernel& kernel = kernels::rsqrt;
  static Tensor gradient(const Tensor& dy, const Tensor& y) { return mul(mul(dy, -0.5), conj(pow(y, 3))); }
};
struct Reciprocal {
  static constexpr auto name = "reciprocal";
  static constexpr const cpu::Kernel& kernel = kernels::reciprocal;
  static Tensor gradient(const Tensor& dy, const Tensor& y) { return neg(mul(dy, conj(mul(y, y)))); }
};
struct Square {
  static constexpr auto name = "square";
  static constexpr const cpu::Kernel& kernel = kernels::square;
  static constexpr Promotion promotion = Promotion::same;
  static Tensor gradient(const Tensor& dy, const Tensor& x) { return mul(dy, mul(conj(x), 2)); }
};

// x to a number. The slope of x^0 is 0, also at 0.
struct PowScalar {
  static constexpr auto name = "pow";
  static constexpr Saves saves{.inputs = 1};
  Scalar exponent;

  Tensor forward(const Tensor& x) const {
    const DType common = result_type(x, exponent);
    const cpu::Factor factor{exponent};
    return map_operands(kernels::pow_scalar, {&x}, common, common, &factor);
  }
  Tensor backward(const Saved& saved, const Tensor& dy) const {
    const Tensor x = saved.input(0);
    if (exponent.equals(0)) return zeros_like(x);
    if (exponent.is_complex()) {
      const auto number = exponent.to<std::complex<double>>();
      return mul(dy, conj(mul(pow(x, Scalar(number - 1.0)), exponent)));
    }
    const double power = exponent.to<double>();
    return reduce_to(mul(dy, conj(mul(pow(x, power - 1), power))), x);
  }
};

struct Pow {
  static constexpr auto name = "pow";
  static constexpr Saves saves{.inputs = 3, .outputs = 1};
  Like a, b;

  Tensor forward(const Tensor& x, const Tensor& y) const {
    return map_binary(kernels::pow, x, y, Promotion::same);
  }
  std::array<Tensor, 2> backward(const Saved& saved, const Tensor& dy) const {
    const Tensor x = saved.input(0), y = saved.input(1);
    std::array<Tensor, 2> dx;
    if (saved.needs(0)) {
      const Tensor slope = masked_fill(mul(y, pow(x, sub(y, 1))), eq(y, 0), 0);
      dx[0] = reduce_to(mul(dy, conj(slope)), a);
    }
    if (saved.needs(1)) {
      // 0^y = 0 for y > 0, where log(0) must not turn the product into NaN.
      const Tensor at_zero = x.is_complex() || y.is_complex() ? eq(x, 0) : logical_and(eq(x, 0), ge(y, 0));
      const Tensor slope = masked_fill(mul(saved.output(), log(masked_fill(x, at_zero, 1))), at_zero, 0);
      dx[1] = reduce_to(mul(dy, conj(slope)), b);
    }
    return dx;
  }
};

struct LogAddExp {
  static constexpr auto name = "logaddexp";
  static constexpr Saves saves{.inputs = 3};
  Like a, b;

  Tensor forward(const Tensor& x, const Tensor& y) const {
    return map_binary(kernels::logaddexp, x, y, Promotion::to_float);
  }
  std::array<Tensor, 2> backward(const Saved& saved, const Tensor& dy) const {
    const Tensor share = conj(sigmoid(sub(saved.input(0), saved.input(1))));
    return {reduce_to(mul(dy, share), a), reduce_to(mul(dy, rsub(share, 1)), b)};
  }
};

struct LogAddExp2 {
  static constexpr auto name = "logaddexp2";
  static constexpr Saves saves{.inputs = 3};
  Like a, b;

  Tensor forward(const Tensor& x, const Tensor& y) const {
    return map_binary(kernels::logaddexp2, x, y, Promotion::to_float);
  }
  std::array<Tensor, 2> backward(const Saved& saved, const Tensor& dy) const {
    const Tensor share = sigmoid(mul(sub(saved.input(0), saved.input(1)), M_LN2));
    return {reduce_to(mul(dy, share), a), reduce_to(mul(dy, rsub(share, 1)), b)};
  }
};

struct Xlogy {
  static constexpr auto name = "xlogy";
  static constexpr Saves saves{.inputs = 3};
  Like a, b;

  Tensor forward(const Tensor& x, const Tensor& y) const {
    return map_binary(kernels::xlogy, x, y, Promotion::to_float);
  }
  std::array<Tensor, 2> backward(const Saved& saved, const Tensor& dy) const {
    const Tensor x = saved.input(0), y = saved.input(1);
    const Tensor nothing = logical_and(eq(x, 0), le(y, 0));
    return {saved.needs(0) ? reduce_to(mul(dy, masked_fill(log(y), nothing, 0)), a) : Tensor(),
            saved.needs(1) ? reduce_to(mul(dy, div(x, y)), b) : Tensor()};
  }
};

}  // namespace

Tensor exp(const Tensor& x) { return record(OfOutput<Exp>{}, x); }
Tensor exp2(const Tensor& x) { return record(OfOutput<Exp2>{}, x); }
Tensor expm1(const Tensor& x) { return record(OfOutput<Expm1>{}, x); }
Tensor log(const Tensor& x) { return record(OfInput<Log>{}, x); }
Tensor log2(const Tensor& x) { return record(OfInput<Log2>{}, x); }
Tensor log10(const Tensor& x) { return record(OfInput<Log10>{}, x); }
Tensor log1p(const Tensor& x) { return record(OfInput<Log1p>{}, x); }
Tensor sqrt(const Tensor& x) { return record(OfOutput<Sqrt>{}, x); }
Tensor rsqrt(const Tensor& x) { return record(OfOutput<Rsqrt>{}, x); }
Tensor reciprocal(const Tensor& x) { return record(OfOutput<Reciprocal>{}, x); }
Tensor square(const Tensor& x) { return record(OfInput<Square>{}, x.dtype() == boolean ? to(x, int64) : x); }
Tensor pow(const Tensor& a, const Tensor& b) { return record(Pow{a, b}, a, b); }
Tensor pow(const Tensor& a, const Scalar& b) { return record(PowScalar{b}, a); }
Tensor pow(const Scalar& a, const Tensor& b) { return pow(wrapped(a), b); }
Tensor logaddexp(const Tensor& a, const Tensor& b) { return record(LogAddExp{a, b}, a, b); }
Tensor logaddexp2(const Tensor& a, const Tensor& b) { return record(LogAddExp2{a, b}, a, b); }
Tensor xlogy(const Tensor& x, const Tensor& y) { return record(Xlogy{x, y}, x, y); }

namespace {

const Register exp_op{{.signature = "exp(Tensor input) -> Tensor",
                       .doc = "e to the power of input.",
                       .call = box<exp>,
                       .samples = "x(2, 3); x(); x(0, 3); x(3, 2).T; c(3)",
                       .reference = "np.exp(input)",
                       .inplace = true}};
const Register exp2_op{{.signature = "exp2(Tensor input) -> Tensor",
                        .doc = "2 to the power of input.",
                        .call = box<exp2>,
                        .homes = "taper Tensor special",
                        .samples = "x(2, 3); x()",
                        .reference = "np.exp2(input)",
                        .inplace = true}};
const Register expm1_op{{.signature = "expm1(Tensor input) -> Tensor",
                         .doc = "exp(input) - 1, exact near 0.",
                         .call = box<expm1>,
                         .homes = "taper Tensor special",
                         .samples = "x(2, 3); x(3) * 1e-9",
                         .reference = "np.expm1(input)",
                         .inplace = true}};
const Register log_op{{.signature = "log(Tensor input) -> Tensor",
                       .doc = "Natural logarithm.",
                       .call = box<log>,
                       .samples = "x(2, 3, lo=.1); x(lo=.1); x(0, 3); c(3)",
                       .reference = "np.log(input)",
                       .inplace = true}};
const Register log2_op{{.signature = "log2(Tensor input) -> Tensor",
                        .doc = "Logarithm to base 2.",
                        .call = box<log2>,
                        .samples = "x(2, 3, lo=.1)",
                        .reference = "np.log2(input)",
                        .inplace = true}};
const Register log10_op{{.signature = "log10(Tensor input) -> Tensor",
                         .doc = "Logarithm to base 10.",
                         .call = box<log10>,
                         .samples = "x(2, 3, lo=.1)",
                         .reference = "np.log10(input)",
                         .inplace = true}};
const Register log1p_op{{.signature = "log1p(Tensor input) -> Tensor",
                         .doc = "log(1 + input), exact near 0.",
                         .call = box<log1p>,
                         .homes = "taper Tensor special",
                         .samples = "x(2, 3, lo=-.9); x(3, lo=1, hi=2) * 1e-9",
                         .reference = "np.log1p(input)",
                         .inplace = true}};
const Register sqrt_op{{.signature = "sqrt(Tensor input) -> Tensor",
                        .doc = "Square root.",
                        .call = box<sqrt>,
                        .samples = "x(2, 3, lo=.1); x(lo=.1); c(3)",
                        .reference = "np.sqrt(input)",
                        .inplace = true}};
const Register rsqrt_op{{.signature = "rsqrt(Tensor input) -> Tensor",
                         .doc = "1 / sqrt(input).",
                         .call = box<rsqrt>,
                         .samples = "x(2, 3, lo=.1)",
                         .reference = "1 / np.sqrt(input)",
                         .inplace = true}};
const Register reciprocal_op{{.signature = "reciprocal(Tensor input) -> Tensor",
                              .doc = "1 / input.",
                              .call = box<reciprocal>,
                              .samples = "x(2, 3, lo=.5); c(3)",
                              .reference = "1 / input",
                              .inplace = true}};
const Register square_op{{.signature = "square(Tensor input) -> Tensor",
                          .doc = "input * input.",
                          .call = box<square>,
                          .samples = "x(2, 3); c(3); x()",
                          .reference = "input * input",
                          .inplace = true}};
const Register pow_op[]{
    {{.signature = "pow(Tensor input, Scalar exponent) -> Tensor",
      .doc =
          "input to the power exponent. Integers wrap; negative integer exponents of integers are refused.",
      .call = box<overload<Tensor(const Tensor&, const Scalar&)>(pow)>,
      .samples = "x(2, 3), 2; x(2, 3), 3; x(2, 3, lo=.1), 0.5; x(2, 3, lo=.1), -1.5; x(3), 0; x(3), 1; x(3, "
                 "lo=.5), -2; c(3), 2",
      .reference = "input ** exponent",
      .errors = "i(3), -1",
      .inplace = true}},
    {{.signature = "pow(Tensor input, Tensor exponent) -> Tensor",
      .doc = "input to the power exponent.",
      .call = box<overload<Tensor(const Tensor&, const Tensor&)>(pow)>,
      .samples = "x(2, 3, lo=.1), x(3); x(2, 1, lo=.1), x(1, 3); x(lo=.1), x(2)",
      .reference = "input ** exponent",
      .errors = "x(2, 3), x(4)",
      .inplace = true}},
    {{.signature = "pow(Scalar input, Tensor exponent) -> Tensor",
      .doc = "input to the power exponent.",
      .call = box<overload<Tensor(const Scalar&, const Tensor&)>(pow)>,
      .homes = "taper",
      .samples = "2.0, x(2, 3); 3, x(2)",
      .reference = "input ** exponent"}}};
const Register logaddexp_op{{.signature = "logaddexp(Tensor input, Tensor other) -> Tensor",
                             .doc = "log(exp(input) + exp(other)) without overflow.",
                             .call = box<logaddexp>,
                             .samples = "x(2, 3), x(3); x(2), x(2) + 500; c(3), c(2, 3)",
                             .reference = "ref.logaddexp(input, other)"}};
const Register logaddexp2_op{{.signature = "logaddexp2(Tensor input, Tensor other) -> Tensor",
                              .doc = "log2(2^input + 2^other) without overflow.",
                              .call = box<logaddexp2>,
                              .samples = "x(2, 3), x(3)",
                              .reference = "np.logaddexp2(input, other)"}};
const Register xlogy_op[]{{{.signature = "xlogy(Tensor input, Tensor|Scalar other) -> Tensor",
                            .doc = "input * log(other), 0 where input is 0.",
                            .call = box<xlogy>,
                            .homes = "taper Tensor special",
                            .samples = "x(2, 3), x(3, lo=.1); x(3), 2.5",
                            .reference = "sp.special.xlogy(input, other)",
                            .inplace = true}},
                          {{.signature = "xlogy(Tensor|Scalar input, Tensor other) -> Tensor",
                            .doc = "input * log(other), 0 where input is 0.",
                            .call = box<xlogy>,
                            .homes = "taper special",
                            .samples = "2.5, x(3, lo=.1); 0, x(2, lo=.1)",
                            .reference = "sp.special.xlogy(input, other)"}}};

}  // namespace

}  // namespace taper
