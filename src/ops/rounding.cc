// Signs, rounding, integer division and the parts of complex numbers.
#include "taper/ops/rounding.h"

#include "ops/pointwise.h"
#include "ops/view.h"
#include "tensor/layout.h"

namespace taper {

namespace {

struct Abs {
  static constexpr auto name = "abs";
  static constexpr Saves saves{.inputs = 1};
  Tensor forward(const Tensor& x) const {
    return map_operands(kernels::abs, {&x}, x.dtype(), real_dtype(x.dtype()));
  }
  Tensor backward(const Saved& saved, const Tensor& dy) const { return mul(sgn(saved.input(0)), dy); }
};
struct Sign {
  static constexpr auto name = "sign";
  static constexpr const cpu::Kernel& kernel = kernels::sign;
  static constexpr Promotion promotion = Promotion::same;
};
// The direction of complex numbers turns with them: dx = (dy - Re(dy conj(y)) y) / |x|.
struct Sgn {
  static constexpr auto name = "sgn";
  static constexpr Saves saves{.inputs = 1, .outputs = 1};
  Tensor forward(const Tensor& x) const { return map_unary(kernels::sign, x, Promotion::same); }
  Tensor backward(const Saved& saved, const Tensor& dy) const {
    const Tensor y = saved.output(), size = abs(saved.input(0));
    const Tensor turned = div(sub(dy, mul(y, real(mul(dy, conj(y))))), size);
    return masked_fill(turned, eq(size, 0), 0);
  }
};
struct Floor {
  static constexpr auto name = "floor";
  static constexpr const cpu::Kernel& kernel = kernels::floor;
  static constexpr Promotion promotion = Promotion::same;
};
struct Ceil {
  static constexpr auto name = "ceil";
  static constexpr const cpu::Kernel& kernel = kernels::ceil;
  static constexpr Promotion promotion = Promotion::same;
};
struct Trunc {
  static constexpr auto name = "trunc";
  static constexpr const cpu::Kernel& kernel = kernels::trunc;
  static constexpr Promotion promotion = Promotion::same;
};
struct Round {
  static constexpr auto name = "round";
  static constexpr const cpu::Kernel& kernel = kernels::round;
  static constexpr Promotion promotion = Promotion::same;
  cpu::Decimals attributes;
};
struct Frac {
  static constexpr auto name = "frac";
  Tensor forward(const Tensor& x) const { return map_unary(kernels::frac, x, Promotion::same); }
  Tensor backward(const Saved&, const Tensor& dy) const { return dy; }
};

// a - n b, where n is the quotient rounded in one of two ways.
template <const cpu::Kernel& kernel, bool towards_zero>
struct Remainder {
  static constexpr auto name = towards_zero ? "fmod" : "remainder";
  static constexpr Saves saves{.inputs = 3};
  Like a, b;

  Tensor forward(const Tensor& x, const Tensor& y) const { return map_binary(kernel, x, y, Promotion::same); }
  std::array<Tensor, 2> backward(const Saved& saved, const Tensor& dy) const {
    std::array<Tensor, 2> dx{saved.needs(0) ? reduce_to(dy, a) : Tensor(), Tensor()};
    if (saved.needs(1))
      dx[1] =
          reduce_to(neg(mul(dy, div(saved.input(0), saved.input(1), towards_zero ? "trunc" : "floor"))), b);
    return dx;
  }
};

struct NextAfter {
  static constexpr auto name = "nextafter";
  Like a, b;

  Tensor forward(const Tensor& x, const Tensor& y) const {
    return map_binary(kernels::nextafter, x, y, Promotion::same);
  }
  std::array<Tensor, 2> backward(const Saved& saved, const Tensor& dy) const {
    return {reduce_to(dy, a), saved.needs(1) ? zeros(b.sizes, b.dtype, b.device) : Tensor()};
  }
};

struct Copysign {
  static constexpr auto name = "copysign";
  static constexpr Saves saves{.inputs = 1, .outputs = 1};
  Like a, b;

  Tensor forward(const Tensor& x, const Tensor& y) const {
    return map_binary(kernels::copysign, x, y, Promotion::to_float);
  }
  std::array<Tensor, 2> backward(const Saved& saved, const Tensor& dy) const {
    const Tensor x = saved.input(0);
    const Tensor slope = masked_fill(div(saved.output(), x), eq(x, 0), 0);
    return {saved.needs(0) ? reduce_to(mul(dy, slope), a) : Tensor(),
            saved.needs(1) ? zeros(b.sizes, b.dtype, b.device) : Tensor()};
  }
};

// A step function: its slope is 0.
template <const cpu::Kernel& kernel>
struct RoundedQuotient {
  static constexpr auto name = "div";
  Like a, b;
  Tensor forward(const Tensor& x, const Tensor& y) const { return map_binary(kernel, x, y, Promotion::same); }
  std::array<Tensor, 2> backward(const Saved& saved, const Tensor&) const {
    return {saved.needs(0) ? zeros(a.sizes, a.dtype, a.device) : Tensor(),
            saved.needs(1) ? zeros(b.sizes, b.dtype, b.device) : Tensor()};
  }
};
struct Real {
  static constexpr auto name = "real";
  Tensor forward(const Tensor& x) const { return select(view_as_real(x), -1, 0); }
  Tensor backward(const Saved&, const Tensor& dy) const { return complex(dy, zeros_like(dy)); }
};
struct Imag {
  static constexpr auto name = "imag";
  Tensor forward(const Tensor& x) const { return select(view_as_real(x), -1, 1); }
  Tensor backward(const Saved&, const Tensor& dy) const { return complex(zeros_like(dy), dy); }
};
struct Complex {
  static constexpr auto name = "complex";
  Like a, b;
  Tensor forward(const Tensor& x, const Tensor& y) const {
    return map_operands(kernels::complex, {&x, &y}, x.dtype(), complex_dtype(x.dtype()));
  }
  std::array<Tensor, 2> backward(const Saved&, const Tensor& dy) const {
    return {reduce_to(real(dy), a), reduce_to(imag(dy), b)};
  }
};
struct Angle {
  static constexpr auto name = "angle";
  static constexpr Saves saves{.inputs = 1};
  Tensor forward(const Tensor& x) const {
    const DType common = is_integral(x.dtype(), true) ? default_dtype() : x.dtype();
    return map_operands(kernels::angle, {&x}, common, real_dtype(common));
  }
  Tensor backward(const Saved& saved, const Tensor& dy) const {
    const Tensor x = saved.input(0);
    if (!x.is_complex()) return zeros_like(dy);
    const Tensor re = real(x), im = imag(x), size = add(mul(re, re), mul(im, im));
    const Tensor scale = masked_fill(div(dy, size), eq(size, 0), 0);
    return complex(neg(mul(scale, im)), mul(scale, re));
  }
};

Tensor reinterpreted(const Tensor& x, DType dtype, const Shape& sizes, const Shape& strides) {
  Tensor y = x.numel() ? window(x, {}, {}, x.storage_offset()) : window(x, {0}, {1}, 0);
  TensorRecord& record = *y.record();
  record.dtype = dtype;
  record.sizes = sizes;
  record.strides = strides;
  record.numel = numel(sizes);
  record.data = x.device_data<std::byte>();
  record.contiguous = is_row_major(sizes, strides);
  return y;
}

// The same memory under another dtype with a further dimension of the two parts.
struct AsReal {
  static constexpr auto name = "view_as_real";
  Tensor forward(const Tensor& x) const {
    Shape sizes = x.sizes(), strides = x.strides();
    for (std::int64_t& stride : strides) stride *= 2;
    sizes.push_back(2);
    strides.push_back(1);
    return reinterpreted(x, real_dtype(x.dtype()), sizes, strides);
  }
  Tensor backward(const Saved&, const Tensor& dy) const { return view_as_complex(contiguous(dy)); }
};
struct AsComplex {
  static constexpr auto name = "view_as_complex";
  Tensor forward(const Tensor& x) const {
    Shape sizes = x.sizes(), strides = x.strides();
    sizes.erase(x.ndim() - 1);
    strides.erase(x.ndim() - 1);
    for (std::int64_t& stride : strides) stride /= 2;
    return reinterpreted(x, complex_dtype(x.dtype()), sizes, strides);
  }
  Tensor backward(const Saved&, const Tensor& dy) const { return view_as_real(dy); }
};

}  // namespace

Tensor abs(const Tensor& x) { return record(Abs{}, x); }
Tensor sign(const Tensor& x) {
  check<DTypeError>(!x.is_complex(), "sign: complex numbers have no sign; use sgn()");
  return record(Stepwise<Sign>{}, x);
}
Tensor sgn(const Tensor& x) { return x.is_complex() ? record(Sgn{}, x) : sign(x); }
Tensor floor(const Tensor& x) { return record(Stepwise<Floor>{}, x); }
Tensor ceil(const Tensor& x) { return record(Stepwise<Ceil>{}, x); }
Tensor round(const Tensor& x, std::int64_t decimals) { return record(Stepwise<Round>{{{int(decimals)}}}, x); }
Tensor trunc(const Tensor& x) { return record(Stepwise<Trunc>{}, x); }
Tensor frac(const Tensor& x) { return record(Frac{}, x); }
Tensor floor_divide(const Tensor& a, const Tensor& b) {
  return map_binary(kernels::floor_divide, a, b, Promotion::same);
}
Tensor remainder(const Tensor& a, const Tensor& b) {
  return record(Remainder<kernels::remainder, false>{a, b}, a, b);
}
Tensor fmod(const Tensor& a, const Tensor& b) { return record(Remainder<kernels::fmod, true>{a, b}, a, b); }
Tensor div(const Tensor& a, const Tensor& b, std::optional<std::string> rounding_mode) {
  if (!rounding_mode) return div(a, b);
  if (*rounding_mode == "floor") return record(RoundedQuotient<kernels::floor_divide>{a, b}, a, b);
  check<ValueError>(*rounding_mode == "trunc", "div: rounding_mode must be None, 'trunc' or 'floor', got '",
                    *rounding_mode, "'");
  return record(RoundedQuotient<kernels::trunc_divide>{a, b}, a, b);
}
Tensor copysign(const Tensor& a, const Tensor& b) { return record(Copysign{a, b}, a, b); }
Tensor nextafter(const Tensor& a, const Tensor& b) { return record(NextAfter{a, b}, a, b); }
Tensor heaviside(const Tensor& a, const Tensor& b) {
  return map_binary(kernels::heaviside, a, b, Promotion::same);
}
Tensor gcd(const Tensor& a, const Tensor& b) { return map_binary(kernels::gcd, a, b, Promotion::same); }
Tensor lcm(const Tensor& a, const Tensor& b) { return map_binary(kernels::lcm, a, b, Promotion::same); }

Tensor real(const Tensor& x) { return x.is_complex() ? record(Real{}, x) : x; }
Tensor imag(const Tensor& x) {
  check<DTypeError>(x.is_complex(), "imag: needs a complex tensor, got ", x.dtype());
  return record(Imag{}, x);
}
Tensor angle(const Tensor& x) { return record(Angle{}, x); }
Tensor complex(const Tensor& re, const Tensor& im) {
  check<DTypeError>(re.is_floating_point() && re.dtype() == im.dtype(),
                    "complex: needs two real floating tensors of one dtype, got ", re.dtype(), " and ",
                    im.dtype());
  return record(Complex{re, im}, re, im);
}
Tensor polar(const Tensor& size, const Tensor& argument) {
  return complex(mul(size, cos(argument)), mul(size, sin(argument)));
}
Tensor view_as_real(const Tensor& x) {
  check<DTypeError>(x.is_complex(), "view_as_real: needs a complex tensor, got ", x.dtype());
  return record(AsReal{}, x);
}
Tensor view_as_complex(const Tensor& x) {
  check<DTypeError>(x.dtype() == float32 || x.dtype() == float64,
                    "view_as_complex: needs float32 or float64, got ", x.dtype());
  check<ShapeError>(x.ndim() > 0 && x.sizes().back() == 2 && x.strides().back() == 1,
                    "view_as_complex: needs a dense last dimension of size 2, got shape ", x.sizes(),
                    " strides ", x.strides());
  for (int i = 0; i + 1 < x.ndim(); ++i)
    check<ShapeError>(x.strides()[i] % 2 == 0, "view_as_complex: strides ", x.strides(),
                      " must be even; call contiguous() first");
  check<ShapeError>(x.storage_offset() % 2 == 0, "view_as_complex: storage offset ", x.storage_offset(),
                    " must be even; call contiguous() first");
  return record(AsComplex{}, x);
}

namespace {

const Register abs_op{{.signature = "abs(Tensor input) -> Tensor",
                       .doc = "Absolute value; the modulus of complex numbers.",
                       .call = box<abs>,
                       .samples = "x(2, 3); x(); c(3); i(3)",
                       .reference = "np.abs(input)",
                       .inplace = true}};
const Register absolute_op{{.signature = "absolute(Tensor input) -> Tensor",
                            .doc = "As abs.",
                            .call = box<abs>,
                            .samples = "x(2, 3)",
                            .reference = "np.abs(input)",
                            .inplace = true}};
const Register sign_op{{.signature = "sign(Tensor input) -> Tensor",
                        .doc = "-1, 0 or 1; NaN stays NaN.",
                        .call = box<sign>,
                        .samples = "x(2, 3); special(); i(3, lo=-2)",
                        .reference = "np.sign(input)",
                        .errors = "c(3)",
                        .inplace = true}};
const Register sgn_op{{.signature = "sgn(Tensor input) -> Tensor",
                       .doc = "sign of real, input / |input| of complex numbers.",
                       .call = box<sgn>,
                       .samples = "x(2, 3); c(3)",
                       .reference = "ref.sgn(input)",
                       .inplace = true}};
const Register floor_op{{.signature = "floor(Tensor input) -> Tensor",
                         .doc = "Rounded down.",
                         .call = box<floor>,
                         .samples = "x(2, 3); special(); i(3)",
                         .reference = "np.floor(input)",
                         .inplace = true}};
const Register ceil_op{{.signature = "ceil(Tensor input) -> Tensor",
                        .doc = "Rounded up.",
                        .call = box<ceil>,
                        .samples = "x(2, 3); special(); i(3)",
                        .reference = "np.ceil(input)",
                        .inplace = true}};
const Register trunc_op{{.signature = "trunc(Tensor input) -> Tensor",
                         .doc = "Rounded towards 0.",
                         .call = box<trunc>,
                         .samples = "x(2, 3); special(); i(3)",
                         .reference = "np.trunc(input)",
                         .inplace = true}};
const Register fix_op{{.signature = "fix(Tensor input) -> Tensor",
                       .doc = "As trunc.",
                       .call = box<trunc>,
                       .samples = "x(2, 3)",
                       .reference = "np.trunc(input)",
                       .inplace = true}};
const Register round_op{{.signature = "round(Tensor input, *, int decimals=0) -> Tensor",
                         .doc = "Rounded to decimals places; halves go to even.",
                         .call = box<round>,
                         .samples = "x(2, 3); x(3) * 100, decimals=1; x(3) * 100, decimals=-1; halves()",
                         .reference = "np.round(input, decimals)",
                         .inplace = true}};
const Register frac_op{{.signature = "frac(Tensor input) -> Tensor",
                        .doc = "input - trunc(input).",
                        .call = box<frac>,
                        .samples = "x(2, 3)",
                        .reference = "input - np.trunc(input)",
                        .inplace = true}};
const Register floor_divide_op{
    {.signature = "floor_divide(Tensor|Scalar input, Tensor|Scalar other) -> Tensor",
     .doc = "Division rounded towards -infinity.",
     .call = box<floor_divide>,
     .samples = "x(2, 3), x(3, lo=.5); i(3, lo=-5), i(3, lo=1); x(3), 0.7; i(4, lo=-9), 4; 7, i(3, "
                "lo=1)",
     .reference = "np.floor_divide(input, other)",
     .errors = "i(3), 0",
     .differentiable = false,
     .inplace = true}};
const Register remainder_op{
    {.signature = "remainder(Tensor|Scalar input, Tensor|Scalar other) -> Tensor",
     .doc = "What floor_divide leaves; the sign is the divisor's.",
     .call = box<remainder>,
     .samples = "x(2, 3), x(3, lo=.5); i(3, lo=-5), i(3, lo=1); x(3), -0.7; 7, x(3, lo=.5)",
     .reference = "np.remainder(input, other)",
     .errors = "i(3), 0",
     .inplace = true}};
const Register fmod_op{{.signature = "fmod(Tensor input, Tensor|Scalar other) -> Tensor",
                        .doc = "What division rounded towards 0 leaves; the sign is the dividend's.",
                        .call = box<fmod>,
                        .samples = "x(2, 3), x(3, lo=.5); i(3, lo=-5), i(3, lo=1); x(3), 0.7",
                        .reference = "np.fmod(input, other)",
                        .errors = "i(3), 0",
                        .inplace = true}};
const Register copysign_op{{.signature = "copysign(Tensor input, Tensor|Scalar other) -> Tensor",
                            .doc = "Magnitude of input with the sign of other.",
                            .call = box<copysign>,
                            .samples = "x(2, 3), x(3); x(3), -1.0",
                            .reference = "np.copysign(input, other)",
                            .inplace = true}};
const Register nextafter_op{{.signature = "nextafter(Tensor input, Tensor other) -> Tensor",
                             .doc = "The next representable number after input towards other.",
                             .call = box<nextafter>,
                             .samples = "x(2, 3), x(3)",
                             .reference = "np.nextafter(input, other)",
                             .inplace = true}};
const Register heaviside_op{{.signature = "heaviside(Tensor input, Tensor values) -> Tensor",
                             .doc = "0 below zero, 1 above, values at zero.",
                             .call = box<heaviside>,
                             .samples = "x(2, 3), x(3); z(3), x(3)",
                             .reference = "np.heaviside(input, values)",
                             .differentiable = false,
                             .inplace = true}};
const Register gcd_op{{.signature = "gcd(Tensor input, Tensor other) -> Tensor",
                       .doc = "Greatest common divisor.",
                       .call = box<gcd>,
                       .samples = "i(3, lo=-9, hi=20), i(3, hi=20)",
                       .reference = "np.gcd(input, other)",
                       .errors = "x(3), x(3)",
                       .differentiable = false,
                       .inplace = true}};
const Register lcm_op{{.signature = "lcm(Tensor input, Tensor other) -> Tensor",
                       .doc = "Least common multiple.",
                       .call = box<lcm>,
                       .samples = "i(3, lo=-9, hi=20), i(3, hi=20)",
                       .reference = "np.lcm(input, other)",
                       .errors = "x(3), x(3)",
                       .differentiable = false,
                       .inplace = true}};
const Register imag_op{{.signature = "imag(Tensor input) -> Tensor",
                        .doc = "Imaginary part.",
                        .call = box<imag>,
                        .homes = "taper",
                        .samples = "c(2, 3)",
                        .reference = "np.imag(input)",
                        .errors = "x(3)"}};
const Register real_op{{.signature = "real(Tensor input) -> Tensor",
                        .doc = "Real part.",
                        .call = box<real>,
                        .homes = "taper",
                        .samples = "c(2, 3); x(3)",
                        .reference = "np.real(input)"}};
const Register conj_op{{.signature = "conj(Tensor input) -> Tensor",
                        .doc = "Complex conjugate.",
                        .call = box<conj>,
                        .samples = "c(2, 3); x(3)",
                        .reference = "np.conj(input)"}};
const Register angle_op{{.signature = "angle(Tensor input) -> Tensor",
                         .doc = "Argument of complex numbers.",
                         .call = box<angle>,
                         .samples = "c(2, 3)",
                         .reference = "np.angle(input)"}};
const Register complex_op{{.signature = "complex(Tensor real, Tensor imag) -> Tensor",
                           .doc = "Complex numbers from their parts.",
                           .call = box<complex>,
                           .homes = "taper",
                           .samples = "x(2, 3), x(2, 3)",
                           .reference = "real + 1j * imag",
                           .errors = "i(3), i(3)"}};
const Register polar_op{{.signature = "polar(Tensor abs, Tensor angle) -> Tensor",
                         .doc = "Complex numbers from modulus and argument.",
                         .call = box<polar>,
                         .homes = "taper",
                         .samples = "x(2, 3, lo=.1), x(2, 3)",
                         .reference = "abs * np.exp(1j * angle)"}};
const Register view_as_real_op{{.signature = "view_as_real(Tensor input) -> Tensor",
                                .doc = "A view of complex numbers as pairs.",
                                .call = box<view_as_real>,
                                .homes = "taper",
                                .samples = "c(2, 3)",
                                .reference = "np.stack([input.real, input.imag], -1)",
                                .errors = "x(3)"}};
const Register view_as_complex_op{{.signature = "view_as_complex(Tensor input) -> Tensor",
                                   .doc = "A view of pairs as complex numbers.",
                                   .call = box<view_as_complex>,
                                   .homes = "taper",
                                   .samples = "x(3, 2)",
                                   .reference = "input[..., 0] + 1j * input[..., 1]",
                                   .errors = "x(3)"}};

}  // namespace

}  // namespace taper
