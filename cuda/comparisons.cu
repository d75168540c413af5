// Comparisons, logic and predicates: elementwise, with results in bool.
#include "cpu/attributes.h"
#include "cpu/binary.h"
#include "cpu/unary.h"
#include "cuda/elementwise.cuh"

namespace taper::cuda {

namespace formulas {

template <class T>
struct Equal {
  __device__ bool operator()(T a, T b) const { return a == b; }
};
template <class T>
struct NotEqual {
  __device__ bool operator()(T a, T b) const { return a != b; }
};
template <class T>
struct Less {
  __device__ bool operator()(T a, T b) const { return a < b; }
};
template <class T>
struct LessOrEqual {
  __device__ bool operator()(T a, T b) const { return a <= b; }
};
template <class T>
struct Greater {
  __device__ bool operator()(T a, T b) const { return a > b; }
};
template <class T>
struct GreaterOrEqual {
  __device__ bool operator()(T a, T b) const { return a >= b; }
};
template <class T>
struct BothTrue {
  __device__ bool operator()(T a, T b) const { return a != T(0) && b != T(0); }
};
template <class T>
struct EitherTrue {
  __device__ bool operator()(T a, T b) const { return a != T(0) || b != T(0); }
};
template <class T>
struct OneTrue {
  __device__ bool operator()(T a, T b) const { return (a != T(0)) != (b != T(0)); }
};
template <class T>
struct LogicalNot {
  __device__ bool operator()(T x) const { return x == T(0); }
};
template <class T>
struct IsNan {
  __device__ bool operator()(T x) const { return x != x; }
};
template <class T>
struct IsInf {
  __device__ bool operator()(T x) const {
    if constexpr (is_complex_v<T>) return isinf(x.real()) || isinf(x.imag());
    else if constexpr (std::is_floating_point_v<T>) return isinf(x);
    else return false;
  }
};
template <class T>
struct IsFinite {
  __device__ bool operator()(T x) const {
    if constexpr (is_complex_v<T>) return isfinite(x.real()) && isfinite(x.imag());
    else if constexpr (std::is_floating_point_v<T>) return isfinite(x);
    else return true;
  }
};
template <class T>
struct IsPositiveInf {
  __device__ bool operator()(T x) const {
    if constexpr (std::is_floating_point_v<T>) return x == T(INFINITY);
    else return false;
  }
};
template <class T>
struct IsNegativeInf {
  __device__ bool operator()(T x) const {
    if constexpr (std::is_floating_point_v<T>) return x == T(-INFINITY);
    else return false;
  }
};
template <class T>
struct SignBit {
  __device__ bool operator()(T x) const {
    if constexpr (std::is_floating_point_v<T>) return signbit(x);
    else if constexpr (std::is_signed_v<T>) return x < 0;
    else return false;
  }
};

/// |a - b| and |b| in double; of integers the distance is exact before it is rounded.
template <class T>
__device__ void distance_and_size(T a, T b, double& distance, double& size) {
  if constexpr (is_complex_v<T>) {
    distance = hypot(a.real() - b.real(), a.imag() - b.imag());
    size = hypot(b.real(), b.imag());
  } else if constexpr (std::is_floating_point_v<T>) {
    distance = fabs(double(a) - double(b));
    size = fabs(double(b));
  } else {
    distance = double(a > b ? uint64_t(a) - uint64_t(b) : uint64_t(b) - uint64_t(a));
    size = fabs(double(b));
  }
}
// NumPy's isclose: equal values (infinities among them) are close; otherwise |a - b| <= atol + rtol |b|.
template <class T>
struct IsClose {
  double rtol, atol;
  bool equal_nan;
  explicit IsClose(const void* attributes) {
    const auto& tolerance = *static_cast<const cpu::Tolerance*>(attributes);
    rtol = tolerance.rtol, atol = tolerance.atol, equal_nan = tolerance.equal_nan;
  }
  __device__ bool operator()(T a, T b) const {
    if (a == b) return true;
    if (a != a || b != b) return equal_nan && a != a && b != b;
    double distance, size;
    distance_and_size(a, b, distance, size);
    return isfinite(size) && distance <= atol + rtol * size;
  }
};

}  // namespace formulas

void install_comparisons() {
  namespace kernels = cpu::kernels;
  using namespace formulas;
  install_all<Equal, 2>(kernels::eq);
  install_all<NotEqual, 2>(kernels::ne);
  install_real<Less, 2>(kernels::lt);
  install_real<LessOrEqual, 2>(kernels::le);
  install_real<Greater, 2>(kernels::gt);
  install_real<GreaterOrEqual, 2>(kernels::ge);
  install_all<BothTrue, 2>(kernels::logical_and);
  install_all<EitherTrue, 2>(kernels::logical_or);
  install_all<OneTrue, 2>(kernels::logical_xor);
  install_all<LogicalNot, 1>(kernels::logical_not);
  install_all<IsNan, 1>(kernels::isnan);
  install_all<IsInf, 1>(kernels::isinf);
  install_all<IsFinite, 1>(kernels::isfinite);
  install_real<IsPositiveInf, 1>(kernels::isposinf);
  install_real<IsNegativeInf, 1>(kernels::isneginf);
  install_real<SignBit, 1>(kernels::signbit);
  install_all<IsClose, 2>(kernels::isclose);
}

}  // namespace taper::cuda
