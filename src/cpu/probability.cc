// The kernels of probability theory and of the incomplete gamma function.
#include "cpu/probability.h"

#include <type_traits>

#include "cpu/scalar_run.h"
#include "cpu/special.h"

namespace taper::cpu {

using namespace formulas;

namespace {

template <auto f>
struct Of {
  template <class... T>
  auto operator()(T... x) const {
    return std::common_type_t<T...>(f(double(x)...));
  }
};

template <double (*f)(double)>
constexpr Kernel unary(const char* name) {
  return {.name = name, .f32 = run_unary<Of<f>, float>, .f64 = run_unary<Of<f>, double>};
}
template <double (*f)(double, double)>
constexpr Kernel binary(const char* name) {
  return {.name = name, .f32 = run_binary<Of<f>, float>, .f64 = run_binary<Of<f>, double>};
}

}  // namespace

namespace kernels {

const Kernel erfcx = unary<scaled_erfc>("erfcx");
const Kernel ndtri = {.name = "ndtri",
                      .f32 = run_unary<Of<normal_quantile<1>>, float>,
                      .f64 = run_unary<Of<normal_quantile<2>>, double>};
const Kernel entr = unary<entropy>("entr");
const Kernel xlog1py = binary<times_log1p>("xlog1py");
const Kernel igamma = binary<incomplete_gamma<false>>("igamma");
const Kernel igammac = binary<incomplete_gamma<true>>("igammac");
const Kernel frexp_mantissa = unary<mantissa>("frexp");
const Kernel frexp_exponent = unary<exponent>("frexp");

}  // namespace kernels

}  // namespace taper::cpu
