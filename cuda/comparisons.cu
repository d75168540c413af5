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
    if constexpr (std::is_floating_point_v<T>) return isinf(x);
    else return false;
  }
};
template <class T>
struct IsFinite {
  __device__ bool operator()(T x) const {
    if constexpr (std::is_floating_point_v<T>) return isfinite(x);
    else return true;
  }
};
// |a - b| <= atol + rtol |b|.
template <class T>
struct IsClose {
  double rtol, atol;
  bool equal_nan;
  explicit IsClose(const void* attributes) {
    const auto& tolerance = *static_cast<const cpu::Tolerance*>(attributes);
    rtol = tolerance.rtol, atol = tolerance.atol, equal_nan = tolerance.equal_nan;
  }
  __device__ bool operator()(T a, T b) const {
    if (a == b || (equal_nan && a != a && b != b)) return true;
    const double x = double(a), y = double(b), gap = fabs(x - y);
    return isfinite(gap) && gap <= atol + rtol * fabs(y);
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
  install_real<IsNan, 1>(kernels::isnan);
  install_real<IsInf, 1>(kernels::isinf);
  install_real<IsFinite, 1>(kernels::isfinite);
  install_real<IsClose, 2>(kernels::isclose);
}

}  // namespace taper::cuda
