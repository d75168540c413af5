// Bessel functions, the Airy function and orthogonal polynomials. As in PyTorch the scaled functions and the
// polynomials have no gradient.
#include "autograd/record.h"
#include "cpu/special.h"
#include "ops/elementwise.h"
#include "ops/registry.h"
#include "taper/error.h"
#include "taper/ops.h"

namespace taper {

namespace {

namespace kernels = cpu::kernels;

template <const cpu::Kernel& kernel>
struct WithoutGradient {
  static constexpr auto name = "special function";

  Tensor forward(const Tensor& x) const { return map_unary(kernel, x, Promotion::to_float); }
  Tensor backward(const Saved&, const Tensor&) const {
    fail<NotImplementedError>(kernel.name, ": has no derivative");
  }
};

template <const cpu::Kernel& kernel>
struct PairWithoutGradient {
  static constexpr auto name = "orthogonal polynomial";

  Tensor forward(const Tensor& x, const Tensor& n) const {
    return map_binary(kernel, x, n, Promotion::to_float);
  }
  std::array<Tensor, 2> backward(const Saved&, const Tensor&) const {
    fail<NotImplementedError>(kernel.name, ": has no derivative");
  }
};

// By the recurrences of DLMF 10.6.2 and 10.29.2: the derivative of order 0 is +-1 times order 1; that of
// order 1 is +-1 times order 0 less order 1 over x.
template <const cpu::Kernel& order0, const cpu::Kernel& order1, int to1, int to0>
struct Pair {
  struct One;
  struct Zero {
    static constexpr auto name = "bessel_0";
    static constexpr Saves saves{.inputs = 1};
    Tensor forward(const Tensor& x) const { return map_unary(order0, x, Promotion::to_float); }
    Tensor backward(const Saved& saved, const Tensor& dy) const {
      return mul(mul(dy, one(saved.input(0))), to1);
    }
  };
  struct One {
    static constexpr auto name = "bessel_1";
    static constexpr Saves saves{.inputs = 1};
    Tensor forward(const Tensor& x) const { return map_unary(order1, x, Promotion::to_float); }
    Tensor backward(const Saved& saved, const Tensor& dy) const {
      const Tensor x = saved.input(0), at_zero = eq(x, 0);
      // Of the functions that are finite at 0 order 1 over x is 1/2 there.
      const Tensor quotient = div(one(x), masked_fill(x, at_zero, 1));
      return mul(dy, sub(mul(zero(x), to0), masked_fill(quotient, at_zero, 0.5)));
    }
  };
  static Tensor zero(const Tensor& x) { return record(Zero{}, x); }
  static Tensor one(const Tensor& x) { return record(One{}, x); }
};

using J = Pair<kernels::bessel_j0, kernels::bessel_j1, -1, 1>;
using Y = Pair<kernels::bessel_y0, kernels::bessel_y1, -1, 1>;
using I = Pair<kernels::modified_bessel_i0, kernels::modified_bessel_i1, 1, 1>;
using K = Pair<kernels::modified_bessel_k0, kernels::modified_bessel_k1, -1, -1>;

template <const cpu::Kernel& kernel>
Tensor one(const Tensor& x) {
  return record(WithoutGradient<kernel>{}, x);
}
template <const cpu::Kernel& kernel>
Tensor polynomial(const Tensor& x, const Tensor& n) {
  check<DTypeError>(!x.record()->wrapped_number || !n.record()->wrapped_number, kernel.name,
                    ": needs a tensor, got two numbers");
  return record(PairWithoutGradient<kernel>{}, x, n);
}

const Register bessel_ops[]{{{.signature = "bessel_j0(Tensor input) -> Tensor",
                              .doc = "Bessel function of the first kind, order 0.",
                              .call = box<J::zero>,
                              .homes = "special",
                              .samples = "x(3, 4, lo=-20, hi=20); x(0)",
                              .reference = "sp.special.j0(input)"}},
                            {{.signature = "bessel_j1(Tensor input) -> Tensor",
                              .doc = "Bessel function of the first kind, order 1.",
                              .call = box<J::one>,
                              .homes = "special",
                              .samples = "x(3, 4, lo=-20, hi=20); x(0)",
                              .reference = "sp.special.j1(input)"}},
                            {{.signature = "bessel_y0(Tensor input) -> Tensor",
                              .doc = "Bessel function of the second kind, order 0.",
                              .call = box<Y::zero>,
                              .homes = "special",
                              .samples = "x(3, 4, lo=.1, hi=20); x(0)",
                              .reference = "sp.special.y0(input)"}},
                            {{.signature = "bessel_y1(Tensor input) -> Tensor",
                              .doc = "Bessel function of the second kind, order 1.",
                              .call = box<Y::one>,
                              .homes = "special",
                              .samples = "x(3, 4, lo=.1, hi=20); x(0)",
                              .reference = "sp.special.y1(input)"}},
                            {{.signature = "modified_bessel_i0(Tensor input) -> Tensor",
                              .doc = "Modified Bessel function of the first kind, order 0.",
                              .call = box<I::zero>,
                              .homes = "special",
                              .samples = "x(3, 4, lo=-60, hi=60); x(0)",
                              .reference = "sp.special.i0(input)"}},
                            {{.signature = "modified_bessel_i1(Tensor input) -> Tensor",
                              .doc = "Modified Bessel function of the first kind, order 1.",
                              .call = box<I::one>,
                              .homes = "special",
                              .samples = "x(3, 4, lo=-60, hi=60); x(0)",
                              .reference = "sp.special.i1(input)"}},
                            {{.signature = "modified_bessel_k0(Tensor input) -> Tensor",
                              .doc = "Modified Bessel function of the second kind, order 0.",
                              .call = box<K::zero>,
                              .homes = "special",
                              .samples = "x(3, 4, lo=.01, hi=4); x(0)",
                              .reference = "sp.special.k0(input)"}},
                            {{.signature = "modified_bessel_k1(Tensor input) -> Tensor",
                              .doc = "Modified Bessel function of the second kind, order 1.",
                              .call = box<K::one>,
                              .homes = "special",
                              .samples = "x(3, 4, lo=.01, hi=4); x(0)",
                              .reference = "sp.special.k1(input)"}},
                            {{.signature = "scaled_modified_bessel_k0(Tensor input) -> Tensor",
                              .doc = "e to the x times the modified Bessel function K of order 0.",
                              .call = box<one<kernels::scaled_modified_bessel_k0>>,
                              .homes = "special",
                              .samples = "x(3, 4, lo=.01, hi=90); x(0)",
                              .reference = "sp.special.k0e(input)",
                              .differentiable = false}},
                            {{.signature = "scaled_modified_bessel_k1(Tensor input) -> Tensor",
                              .doc = "e to the x times the modified Bessel function K of order 1.",
                              .call = box<one<kernels::scaled_modified_bessel_k1>>,
                              .homes = "special",
                              .samples = "x(3, 4, lo=.01, hi=90); x(0)",
                              .reference = "sp.special.k1e(input)",
                              .differentiable = false}},
                            {{.signature = "spherical_bessel_j0(Tensor input) -> Tensor",
                              .doc = "Spherical Bessel function of the first kind, order 0.",
                              .call = box<one<kernels::spherical_bessel_j0>>,
                              .homes = "special",
                              .samples = "x(3, 4, lo=0, hi=20); x(0)",
                              .reference = "sp.special.spherical_jn(0, input)",
                              .differentiable = false}},
                            {{.signature = "airy_ai(Tensor input) -> Tensor",
                              .doc = "Airy function Ai.",
                              .call = box<one<kernels::airy_ai>>,
                              .homes = "special",
                              .samples = "x(5, 8, lo=-20, hi=8); x(0)",
                              .reference = "sp.special.airy(input)[0]",
                              .differentiable = false}}};
const Register polynomial_ops[]{
    {{.signature = "chebyshev_polynomial_t(Tensor|Scalar input, Tensor|Scalar n) -> Tensor",
      .doc = "Chebyshev polynomial of the first kind, of degree n.",
      .call = box<polynomial<kernels::chebyshev_t>>,
      .homes = "special",
      .samples = "x(3, 4), i(3, 1, hi=7); x(6, lo=-1, hi=1), 12; x(3), i(3, lo=-3, hi=0); 0.5, i(4)",
      .reference = "np.where(np.asarray(n) < 0, 0, sp.special.eval_chebyt(n, input))",
      .differentiable = false}},
    {{.signature = "chebyshev_polynomial_u(Tensor|Scalar input, Tensor|Scalar n) -> Tensor",
      .doc = "Chebyshev polynomial of the second kind, of degree n.",
      .call = box<polynomial<kernels::chebyshev_u>>,
      .homes = "special",
      .samples = "x(3, 4), i(3, 1, hi=7); x(6, lo=-1, hi=1), 12; x(3), i(3, lo=-3, hi=0); 0.5, i(4)",
      .reference = "np.where(np.asarray(n) < 0, 0, sp.special.eval_chebyu(n, input))",
      .differentiable = false}},
    {{.signature = "chebyshev_polynomial_v(Tensor|Scalar input, Tensor|Scalar n) -> Tensor",
      .doc = "Chebyshev polynomial of the third kind, of degree n.",
      .call = box<polynomial<kernels::chebyshev_v>>,
      .homes = "special",
      .samples = "x(3, 4), i(3, 1, hi=7); x(6, lo=-1, hi=1), 12; x(3), i(3, lo=-3, hi=0); 0.5, i(4)",
      .reference = "np.where(np.asarray(n) < 0, 0, ref.chebyshev_v(input, n))",
      .differentiable = false}},
    {{.signature = "chebyshev_polynomial_w(Tensor|Scalar input, Tensor|Scalar n) -> Tensor",
      .doc = "Chebyshev polynomial of the fourth kind, of degree n.",
      .call = box<polynomial<kernels::chebyshev_w>>,
      .homes = "special",
      .samples = "x(3, 4), i(3, 1, hi=7); x(6, lo=-1, hi=1), 12; x(3), i(3, lo=-3, hi=0); 0.5, i(4)",
      .reference = "np.where(np.asarray(n) < 0, 0, ref.chebyshev_w(input, n))",
      .differentiable = false}},
    {{.signature = "shifted_chebyshev_polynomial_t(Tensor|Scalar input, Tensor|Scalar n) -> Tensor",
      .doc = "Chebyshev polynomial of the first kind at 2 x - 1, of degree n.",
      .call = box<polynomial<kernels::shifted_chebyshev_t>>,
      .homes = "special",
      .samples = "x(3, 4), i(3, 1, hi=7); x(6, lo=-1, hi=1), 12; x(3), i(3, lo=-3, hi=0); 0.5, i(4)",
      .reference = "np.where(np.asarray(n) < 0, 0, sp.special.eval_chebyt(n, 2 * input - 1))",
      .differentiable = false}},
    {{.signature = "shifted_chebyshev_polynomial_u(Tensor|Scalar input, Tensor|Scalar n) -> Tensor",
      .doc = "Chebyshev polynomial of the second kind at 2 x - 1, of degree n.",
      .call = box<polynomial<kernels::shifted_chebyshev_u>>,
      .homes = "special",
      .samples = "x(3, 4), i(3, 1, hi=7); x(6, lo=-1, hi=1), 12; x(3), i(3, lo=-3, hi=0); 0.5, i(4)",
      .reference = "np.where(np.asarray(n) < 0, 0, sp.special.eval_chebyu(n, 2 * input - 1))",
      .differentiable = false}},
    {{.signature = "shifted_chebyshev_polynomial_v(Tensor|Scalar input, Tensor|Scalar n) -> Tensor",
      .doc = "Chebyshev polynomial of the third kind at 2 x - 1, of degree n.",
      .call = box<polynomial<kernels::shifted_chebyshev_v>>,
      .homes = "special",
      .samples = "x(3, 4), i(3, 1, hi=7); x(6, lo=-1, hi=1), 12; x(3), i(3, lo=-3, hi=0); 0.5, i(4)",
      .reference = "np.where(np.asarray(n) < 0, 0, ref.chebyshev_v(2 * input - 1, n))",
      .differentiable = false}},
    {{.signature = "shifted_chebyshev_polynomial_w(Tensor|Scalar input, Tensor|Scalar n) -> Tensor",
      .doc = "Chebyshev polynomial of the fourth kind at 2 x - 1, of degree n.",
      .call = box<polynomial<kernels::shifted_chebyshev_w>>,
      .homes = "special",
      .samples = "x(3, 4), i(3, 1, hi=7); x(6, lo=-1, hi=1), 12; x(3), i(3, lo=-3, hi=0); 0.5, i(4)",
      .reference = "np.where(np.asarray(n) < 0, 0, ref.chebyshev_w(2 * input - 1, n))",
      .differentiable = false}},
    {{.signature = "hermite_polynomial_h(Tensor|Scalar input, Tensor|Scalar n) -> Tensor",
      .doc = "Hermite polynomial of the physicists, of degree n.",
      .call = box<polynomial<kernels::hermite_h>>,
      .homes = "special",
      .samples = "x(3, 4), i(3, 1, hi=7); x(6, lo=-1, hi=1), 12; x(3), i(3, lo=-3, hi=0); 0.5, i(4)",
      .reference = "np.where(np.asarray(n) < 0, 0, sp.special.eval_hermite(n, input))",
      .differentiable = false}},
    {{.signature = "hermite_polynomial_he(Tensor|Scalar input, Tensor|Scalar n) -> Tensor",
      .doc = "Hermite polynomial of the probabilists, of degree n.",
      .call = box<polynomial<kernels::hermite_he>>,
      .homes = "special",
      .samples = "x(3, 4), i(3, 1, hi=7); x(6, lo=-1, hi=1), 12; x(3), i(3, lo=-3, hi=0); 0.5, i(4)",
      .reference = "np.where(np.asarray(n) < 0, 0, sp.special.eval_hermitenorm(n, input))",
      .differentiable = false}},
    {{.signature = "laguerre_polynomial_l(Tensor|Scalar input, Tensor|Scalar n) -> Tensor",
      .doc = "Laguerre polynomial, of degree n.",
      .call = box<polynomial<kernels::laguerre_l>>,
      .homes = "special",
      .samples = "x(3, 4), i(3, 1, hi=7); x(6, lo=-1, hi=1), 12; x(3), i(3, lo=-3, hi=0); 0.5, i(4)",
      .reference = "np.where(np.asarray(n) < 0, 0, sp.special.eval_laguerre(n, input))",
      .differentiable = false}},
    {{.signature = "legendre_polynomial_p(Tensor|Scalar input, Tensor|Scalar n) -> Tensor",
      .doc = "Legendre polynomial, of degree n.",
      .call = box<polynomial<kernels::legendre_p>>,
      .homes = "special",
      .samples = "x(3, 4), i(3, 1, hi=7); x(6, lo=-1, hi=1), 12; x(3), i(3, lo=-3, hi=0); 0.5, i(4)",
      .reference = "np.where(np.asarray(n) < 0, 0, sp.special.eval_legendre(n, input))",
      .differentiable = false}}};
}  // namespace

}  // namespace taper
