// Trigonometric and hyperbolic functions of complex numbers and their inverses, elementwise, in complex128.
#include "cpu/unary.h"
#include "cuda/elementwise.cuh"

namespace taper::cuda {

namespace formulas {

#define TAPER_COMPLEX(Name, function)                          \
  template <class T>                                           \
  struct Name {                                                \
    __device__ T operator()(T z) const { return function(z); } \
  };
TAPER_COMPLEX(ComplexSin, sin)
TAPER_COMPLEX(ComplexCos, cos)
TAPER_COMPLEX(ComplexTan, tan)
TAPER_COMPLEX(ComplexAsin, asin)
TAPER_COMPLEX(ComplexAcos, acos)
TAPER_COMPLEX(ComplexAtan, atan)
TAPER_COMPLEX(ComplexSinh, sinh)
TAPER_COMPLEX(ComplexCosh, cosh)
TAPER_COMPLEX(ComplexTanh, tanh)
TAPER_COMPLEX(ComplexAsinh, asinh)
TAPER_COMPLEX(ComplexAcosh, acosh)
TAPER_COMPLEX(ComplexAtanh, atanh)
#undef TAPER_COMPLEX

template <class T>
struct ComplexSinc {
  __device__ T operator()(T z) const {
    const T angle = 3.1415926535897931 * z;
    return z == 0.0 ? T(1) : sin(angle) / angle;
  }
};

}  // namespace formulas

void install_complex_trigonometry() {
  namespace kernels = cpu::kernels;
  using namespace formulas;
  install_complex<ComplexSin, 1>(kernels::sin);
  install_complex<ComplexCos, 1>(kernels::cos);
  install_complex<ComplexTan, 1>(kernels::tan);
  install_complex<ComplexAsin, 1>(kernels::asin);
  install_complex<ComplexAcos, 1>(kernels::acos);
  install_complex<ComplexAtan, 1>(kernels::atan);
  install_complex<ComplexSinh, 1>(kernels::sinh);
  install_complex<ComplexCosh, 1>(kernels::cosh);
  install_complex<ComplexTanh, 1>(kernels::tanh);
  install_complex<ComplexAsinh, 1>(kernels::asinh);
  install_complex<ComplexAcosh, 1>(kernels::acosh);
  install_complex<ComplexAtanh, 1>(kernels::atanh);
  install_complex<ComplexSinc, 1>(kernels::sinc);
}

}  // namespace taper::cuda
