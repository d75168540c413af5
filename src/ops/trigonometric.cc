// Trigonometric and hyperbolic functions.
#include "taper/ops/trigonometric.h"

#include <cmath>

#include "ops/pointwise.h"

namespace taper {

namespace {

struct Sin {
  static constexpr auto name = "sin";
  static constexpr const cpu::Kernel& kernel = kernels::sin;
  static Tensor gradient(const Tensor& dy, const Tensor& x) { return mul(dy, conj(cos(x))); }
};
struct Cos {
  static constexpr auto name = "cos";
  static constexpr const cpu::Kernel& kernel = kernels::cos;
  static Tensor gradient(const Tensor& dy, const Tensor& x) { return neg(mul(dy, conj(sin(x)))); }
};
struct Tan {
  static constexpr auto name = "tan";
  static constexpr const cpu::Kernel& kernel = kernels::tan;
  static Tensor gradient(const Tensor& dy, const Tensor& y) { return mul(dy, conj(add(mul(y, y), 1))); }
};
struct Asin {
  static constexpr auto name = "asin";
  static constexpr const cpu::Kernel& kernel = kernels::asin;
  static Tensor gradient(const Tensor& dy, const Tensor& x) {
    return mul(dy, conj(rsqrt(rsub(mul(x, x), 1))));
  }
};
struct Acos {
  static constexpr auto name = "acos";
  static constexpr const cpu::Kernel& kernel = kernels::acos;
  static Tensor gradient(const Tensor& dy, const Tensor& x) {
    return neg(mul(dy, conj(rsqrt(rsub(mul(x, x), 1)))));
  }
};
struct Atan {
  static constexpr auto name = "atan";
  static constexpr const cpu::Kernel& kernel = kernels::atan;
  static Tensor gradient(const Tensor& dy, const Tensor& x) { return div(dy, conj(add(mul(x, x), 1))); }
};
struct Sinh {
  static constexpr auto name = "sinh";
  static constexpr const cpu::Kernel& kernel = kernels::sinh;
  static Tensor gradient(const Tensor& dy, const Tensor& x) { return mul(dy, conj(cosh(x))); }
};
struct Cosh {
  static constexpr auto name = "cosh";
  static constexpr const cpu::Kernel& kernel = kernels::cosh;
  static Tensor gradient(const Tensor& dy, const Tensor& x) { return mul(dy, conj(sinh(x))); }
};
struct Tanh {
  static constexpr auto name = "tanh";
  static constexpr const cpu::Kernel& kernel = kernels::tanh;
  static Tensor gradient(const Tensor& dy, const Tensor& y) { return mul(dy, conj(rsub(mul(y, y), 1))); }
};
struct Asinh {
  static constexpr auto name = "asinh";
  static constexpr const cpu::Kernel& kernel = kernels::asinh;
  static Tensor gradient(const Tensor& dy, const Tensor& x) {
    return mul(dy, conj(rsqrt(add(mul(x, x), 1))));
  }
};
struct Acosh {
  static constexpr auto name = "acosh";
  static constexpr const cpu::Kernel& kernel = kernels::acosh;
  static Tensor gradient(const Tensor& dy, const Tensor& x) {
    return mul(dy, conj(rsqrt(sub(mul(x, x), 1))));
  }
};
struct Atanh {
  static constexpr auto name = "atanh";
  static constexpr const cpu::Kernel& kernel = kernels::atanh;
  static Tensor gradient(const Tensor& dy, const Tensor& x) { return div(dy, conj(rsub(mul(x, x), 1))); }
};

// d/dx sin(pi x) / (pi x) = (cos(pi x) - sinc(x)) / x, 0 at 0.
struct SincSlope {
  static constexpr auto name = "sinc_slope";
  static constexpr Saves saves{.inputs = 1, .outputs = 1};

  Tensor forward(const Tensor& x) const {
    const Tensor at_zero = eq(x, 0);
    return masked_fill(div(sub(cos(mul(x, M_PI)), sinc(x)), masked_fill(x, at_zero, 1)), at_zero, 0);
  }
  // y'' = -pi^2 sinc - 2 y' / x, -pi^2 / 3 at 0.
  Tensor backward(const Saved& saved, const Tensor& dy) const {
    const Tensor x = saved.input(0), at_zero = eq(x, 0);
    const Tensor bend = mul(div(saved.output(), masked_fill(x, at_zero, 1)), -2);
    const Tensor slope = sub(bend, mul(sinc(x), M_PI * M_PI));
    return mul(dy, conj(masked_fill(slope, at_zero, -M_PI * M_PI / 3)));
  }
};

struct Sinc {
  static constexpr auto name = "sinc";
  static constexpr const cpu::Kernel& kernel = kernels::sinc;
  static Tensor gradient(const Tensor& dy, const Tensor& x) { return mul(dy, conj(record(SincSlope{}, x))); }
};

struct Atan2 {
  static constexpr auto name = "atan2";
  static constexpr Saves saves{.inputs = 3};
  Like a, b;

  Tensor forward(const Tensor& y, const Tensor& x) const {
    return map_binary(kernels::atan2, y, x, Promotion::to_float);
  }
  std::array<Tensor, 2> backward(const Saved& saved, const Tensor& dy) const {
    const Tensor y = saved.input(0), x = saved.input(1);
    // At the origin the gradient 0 is taken, as PyTorch does.
    const Tensor square = add(mul(x, x), mul(y, y)), at_origin = eq(square, 0);
    const Tensor scale = masked_fill(div(dy, square), at_origin, 0);
    return {saved.needs(0) ? reduce_to(mul(scale, x), a) : Tensor(),
            saved.needs(1) ? reduce_to(neg(mul(scale, y)), b) : Tensor()};
  }
};

struct Hypot {
  static constexpr auto name = "hypot";
  static constexpr Saves saves{.inputs = 3, .outputs = 1};
  Like a, b;

  Tensor forward(const Tensor& x, const Tensor& y) const {
    return map_binary(kernels::hypot, x, y, Promotion::to_float);
  }
  std::array<Tensor, 2> backward(const Saved& saved, const Tensor& dy) const {
    const Tensor scale = div(dy, saved.output());
    return {saved.needs(0) ? reduce_to(mul(scale, saved.input(0)), a) : Tensor(),
            saved.needs(1) ? reduce_to(mul(scale, saved.input(1)), b) : Tensor()};
  }
};

}  // namespace

Tensor sin(const Tensor& x) { return record(OfInput<Sin>{}, x); }
Tensor cos(const Tensor& x) { return record(OfInput<Cos>{}, x); }
Tensor tan(const Tensor& x) { return record(OfOutput<Tan>{}, x); }
Tensor asin(const Tensor& x) { return record(OfInput<Asin>{}, x); }
Tensor acos(const Tensor& x) { return record(OfInput<Acos>{}, x); }
Tensor atan(const Tensor& x) { return record(OfInput<Atan>{}, x); }
Tensor sinh(const Tensor& x) { return record(OfInput<Sinh>{}, x); }
Tensor cosh(const Tensor& x) { return record(OfInput<Cosh>{}, x); }
Tensor tanh(const Tensor& x) { return record(OfOutput<Tanh>{}, x); }
Tensor asinh(const Tensor& x) { return record(OfInput<Asinh>{}, x); }
Tensor acosh(const Tensor& x) { return record(OfInput<Acosh>{}, x); }
Tensor atanh(const Tensor& x) { return record(OfInput<Atanh>{}, x); }
Tensor sinc(const Tensor& x) { return record(OfInput<Sinc>{}, x); }
Tensor atan2(const Tensor& a, const Tensor& b) { return record(Atan2{a, b}, a, b); }
Tensor hypot(const Tensor& a, const Tensor& b) { return record(Hypot{a, b}, a, b); }
Tensor deg2rad(const Tensor& x) { return mul(x, M_PI / 180); }
Tensor rad2deg(const Tensor& x) { return mul(x, 180 / M_PI); }

namespace {

const Register sin_op{{.signature = "sin(Tensor input) -> Tensor",
                       .doc = "Sine; radians.",
                       .call = box<sin>,
                       .samples = "x(2, 3); x(); c(3)",
                       .reference = "np.sin(input)",
                       .inplace = true}};
const Register cos_op{{.signature = "cos(Tensor input) -> Tensor",
                       .doc = "Cosine; radians.",
                       .call = box<cos>,
                       .samples = "x(2, 3); x(); c(3)",
                       .reference = "np.cos(input)",
                       .inplace = true}};
const Register tan_op{{.signature = "tan(Tensor input) -> Tensor",
                       .doc = "Tangent; radians.",
                       .call = box<tan>,
                       .samples = "x(2, 3, lo=-1, hi=1)",
                       .reference = "np.tan(input)",
                       .inplace = true}};
const Register asin_op{{.signature = "asin(Tensor input) -> Tensor",
                        .doc = "Inverse sine.",
                        .call = box<asin>,
                        .samples = "x(2, 3, lo=-.9, hi=.9)",
                        .reference = "np.arcsin(input)",
                        .inplace = true}};
const Register acos_op{{.signature = "acos(Tensor input) -> Tensor",
                        .doc = "Inverse cosine.",
                        .call = box<acos>,
                        .samples = "x(2, 3, lo=-.9, hi=.9)",
                        .reference = "np.arccos(input)",
                        .inplace = true}};
const Register atan_op{{.signature = "atan(Tensor input) -> Tensor",
                        .doc = "Inverse tangent.",
                        .call = box<atan>,
                        .samples = "x(2, 3)",
                        .reference = "np.arctan(input)",
                        .inplace = true}};
const Register sinh_op{{.signature = "sinh(Tensor input) -> Tensor",
                        .doc = "Hyperbolic sine.",
                        .call = box<sinh>,
                        .samples = "x(2, 3)",
                        .reference = "np.sinh(input)",
                        .inplace = true}};
const Register cosh_op{{.signature = "cosh(Tensor input) -> Tensor",
                        .doc = "Hyperbolic cosine.",
                        .call = box<cosh>,
                        .samples = "x(2, 3)",
                        .reference = "np.cosh(input)",
                        .inplace = true}};
const Register tanh_op{{.signature = "tanh(Tensor input) -> Tensor",
                        .doc = "Hyperbolic tangent.",
                        .call = box<tanh>,
                        .samples = "x(2, 3); x(); c(3)",
                        .reference = "np.tanh(input)",
                        .inplace = true}};
const Register asinh_op{{.signature = "asinh(Tensor input) -> Tensor",
                         .doc = "Inverse hyperbolic sine.",
                         .call = box<asinh>,
                         .samples = "x(2, 3)",
                         .reference = "np.arcsinh(input)",
                         .inplace = true}};
const Register acosh_op{{.signature = "acosh(Tensor input) -> Tensor",
                         .doc = "Inverse hyperbolic cosine.",
                         .call = box<acosh>,
                         .samples = "x(2, 3, lo=1.2, hi=4)",
                         .reference = "np.arccosh(input)",
                         .inplace = true}};
const Register atanh_op{{.signature = "atanh(Tensor input) -> Tensor",
                         .doc = "Inverse hyperbolic tangent.",
                         .call = box<atanh>,
                         .samples = "x(2, 3, lo=-.9, hi=.9)",
                         .reference = "np.arctanh(input)",
                         .inplace = true}};
const Register arcsin_op{{.signature = "arcsin(Tensor input) -> Tensor",
                          .doc = "As asin.",
                          .call = box<asin>,
                          .samples = "x(2, 3, lo=-.9, hi=.9)",
                          .reference = "np.arcsin(input)",
                          .inplace = true}};
const Register arccos_op{{.signature = "arccos(Tensor input) -> Tensor",
                          .doc = "As acos.",
                          .call = box<acos>,
                          .samples = "x(2, 3, lo=-.9, hi=.9)",
                          .reference = "np.arccos(input)",
                          .inplace = true}};
const Register arctan_op{{.signature = "arctan(Tensor input) -> Tensor",
                          .doc = "As atan.",
                          .call = box<atan>,
                          .samples = "x(2, 3)",
                          .reference = "np.arctan(input)",
                          .inplace = true}};
const Register arcsinh_op{{.signature = "arcsinh(Tensor input) -> Tensor",
                           .doc = "As asinh.",
                           .call = box<asinh>,
                           .samples = "x(2, 3)",
                           .reference = "np.arcsinh(input)",
                           .inplace = true}};
const Register arccosh_op{{.signature = "arccosh(Tensor input) -> Tensor",
                           .doc = "As acosh.",
                           .call = box<acosh>,
                           .samples = "x(2, 3, lo=1.2, hi=4)",
                           .reference = "np.arccosh(input)",
                           .inplace = true}};
const Register arctanh_op{{.signature = "arctanh(Tensor input) -> Tensor",
                           .doc = "As atanh.",
                           .call = box<atanh>,
                           .samples = "x(2, 3, lo=-.9, hi=.9)",
                           .reference = "np.arctanh(input)",
                           .inplace = true}};
const Register sinc_op{{.signature = "sinc(Tensor input) -> Tensor",
                        .doc = "sin(pi x) / (pi x), 1 at 0.",
                        .call = box<sinc>,
                        .homes = "taper Tensor special",
                        .samples = "x(2, 3); z(3); c(3)",
                        .reference = "np.sinc(input)",
                        .inplace = true}};
const Register deg2rad_op{{.signature = "deg2rad(Tensor input) -> Tensor",
                           .doc = "Degrees to radians.",
                           .call = box<deg2rad>,
                           .samples = "x(2, 3)",
                           .reference = "np.deg2rad(input)",
                           .inplace = true}};
const Register rad2deg_op{{.signature = "rad2deg(Tensor input) -> Tensor",
                           .doc = "Radians to degrees.",
                           .call = box<rad2deg>,
                           .samples = "x(2, 3)",
                           .reference = "np.rad2deg(input)",
                           .inplace = true}};
const Register atan2_op{{.signature = "atan2(Tensor input, Tensor other) -> Tensor",
                         .doc = "Angle of the point (other, input).",
                         .call = box<atan2>,
                         .samples = "x(2, 3), x(3); x(2), x(2) - 3",
                         .reference = "np.arctan2(input, other)",
                         .inplace = true}};
const Register arctan2_op{{.signature = "arctan2(Tensor input, Tensor other) -> Tensor",
                           .doc = "As atan2.",
                           .call = box<atan2>,
                           .samples = "x(2, 3), x(3)",
                           .reference = "np.arctan2(input, other)",
                           .inplace = true}};
const Register hypot_op{{.signature = "hypot(Tensor input, Tensor other) -> Tensor",
                         .doc = "sqrt(input^2 + other^2) without overflow.",
                         .call = box<hypot>,
                         .samples = "x(2, 3), x(3)",
                         .reference = "np.hypot(input, other)",
                         .inplace = true}};

}  // namespace

}  // namespace taper
