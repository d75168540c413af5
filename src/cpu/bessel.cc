// The kernels of Bessel functions and the Airy function.
#include "cpu/bessel.h"

#include "cpu/scalar_run.h"
#include "cpu/special.h"

namespace taper::cpu {

using namespace formulas;

namespace {

template <double (*f)(double)>
struct Of {
  template <class T>
  T operator()(T x) const {
    return T(f(double(x)));
  }
};

template <double (*f)(double)>
constexpr Kernel kernel_of(const char* name) {
  return {.name = name, .f32 = run_unary<Of<f>, float>, .f64 = run_unary<Of<f>, double>};
}

double airy_in_long_double(double x) {
  return airy(x, 0.355028053887817239260063186004183L, 0.258819403792806798405183560189204L);
}

}  // namespace

namespace kernels {

const Kernel bessel_j0 = kernel_of<first_kind_0>("bessel_j0");
const Kernel bessel_j1 = kernel_of<first_kind_1>("bessel_j1");
const Kernel bessel_y0 = kernel_of<second_kind_0>("bessel_y0");
const Kernel bessel_y1 = kernel_of<second_kind_1>("bessel_y1");
const Kernel modified_bessel_i0 = kernel_of<modified_i<0, false>>("modified_bessel_i0");
const Kernel modified_bessel_i1 = kernel_of<modified_i<1, false>>("modified_bessel_i1");
const Kernel scaled_modified_bessel_i0 = kernel_of<modified_i<0, true>>("i0e");
const Kernel scaled_modified_bessel_i1 = kernel_of<modified_i<1, true>>("i1e");
const Kernel modified_bessel_k0 = kernel_of<modified_k<0, false>>("modified_bessel_k0");
const Kernel modified_bessel_k1 = kernel_of<modified_k<1, false>>("modified_bessel_k1");
const Kernel scaled_modified_bessel_k0 = kernel_of<modified_k<0, true>>("scaled_modified_bessel_k0");
const Kernel scaled_modified_bessel_k1 = kernel_of<modified_k<1, true>>("scaled_modified_bessel_k1");
const Kernel spherical_bessel_j0 = kernel_of<spherical_j0>("spherical_bessel_j0");
const Kernel airy_ai = kernel_of<airy_in_long_double>("airy_ai");

}  // namespace kernels

}  // namespace taper::cpu
