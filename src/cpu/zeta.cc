// The kernels of the Hurwitz zeta function and, by it, of the derivatives of digamma, in float64.
#include "cpu/zeta.h"

#include "cpu/scalar_run.h"
#include "cpu/special.h"

namespace taper::cpu {

using namespace formulas;

namespace {

struct Zeta {
  template <class T>
  T operator()(T s, T q) const {
    return T(hurwitz_zeta(double(s), double(q)));
  }
};

struct Polygamma {
  double order, factor;
  explicit Polygamma(const void* attributes) : order(double(static_cast<const Order*>(attributes)->n)) {
    factor = (std::fmod(order, 2) == 0 ? -1 : 1) * std::tgamma(order + 1);
  }
  template <class T>
  T operator()(T x) const {
    return T(factor * hurwitz_zeta(order + 1, double(x)));
  }
};

}  // namespace

namespace kernels {

const Kernel zeta = {.name = "zeta", .f32 = run_binary<Zeta, float>, .f64 = run_binary<Zeta, double>};
const Kernel polygamma = {
    .name = "polygamma", .f32 = run_unary<Polygamma, float>, .f64 = run_unary<Polygamma, double>};

}  // namespace kernels

}  // namespace taper::cpu
