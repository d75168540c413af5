// Comparisons and logic: bool from two operands.
#include <cmath>
#include <complex>

#include "cpu/binary.h"
#include "cpu/predicates.h"
#include "cpu/scalar_run.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/binary_compare.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "cpu/predicate_run-inl.h"

#define TAPER_VECTOR_KERNELS(X) \
  X(eq, Equal)                  \
  X(ne, NotEqual)               \
  X(lt, Less)                   \
  X(le, LessOrEqual)            \
  X(gt, Greater)                \
  X(ge, GreaterOrEqual)
#define TAPER_RUNS(name, function)                                       \
  binary_predicate<function, float>, binary_predicate<function, double>, \
      binary_predicate<function, std::int64_t>, binary_predicate<function, std::int32_t>,
#define TAPER_INDICES(name, function) name##_f32, name##_f64, name##_i64, name##_i32,

#include "cpu/vector_table-inl.h"

#if HWY_ONCE
namespace taper::cpu {
namespace {

using Complex = std::complex<double>;

template <class F, class T>
constexpr Run plain = run_binary<F, T, bool>;

// NumPy's isclose: equal values (infinities among them) are close; otherwise the distance decides.
struct IsClose {
  const Tolerance* tolerance;
  explicit IsClose(const void* attributes) : tolerance(static_cast<const Tolerance*>(attributes)) {}
  template <class T>
  bool operator()(T a, T b) const {
    if (a == b) return true;
    if (a != a || b != b) return tolerance->equal_nan && a != a && b != b;
    const double size = double(std::abs(b));
    return std::isfinite(size) && double(std::abs(a - b)) <= tolerance->atol + tolerance->rtol * size;
  }
  bool operator()(float a, float b) const { return (*this)(double(a), double(b)); }
  bool operator()(std::int64_t a, std::int64_t b) const {
    const std::uint64_t distance =
        a > b ? std::uint64_t(a) - std::uint64_t(b) : std::uint64_t(b) - std::uint64_t(a);
    return a == b || double(distance) <= tolerance->atol + tolerance->rtol * std::abs(double(b));
  }
  bool operator()(std::uint64_t a, std::uint64_t b) const {
    return a == b || double(a > b ? a - b : b - a) <= tolerance->atol + tolerance->rtol * double(b);
  }
};

}  // namespace

namespace kernels {

#define TAPER_COMPARISON(op, function, complex_run)         \
  const Kernel op = {.name = #op,                           \
                     .f32 = dispatch<op##_f32>,             \
                     .f64 = dispatch<op##_f64>,             \
                     .i64 = dispatch<op##_i64>,             \
                     .u64 = plain<function, std::uint64_t>, \
                     .c128 = complex_run,                   \
                     .boolean = plain<function, bool>,      \
                     .u8 = plain<function, std::uint8_t>,   \
                     .i32 = dispatch<op##_i32>,             \
                     .predicate = true}

TAPER_COMPARISON(eq, Equal, (plain<Equal, Complex>));
TAPER_COMPARISON(ne, NotEqual, (plain<NotEqual, Complex>));
TAPER_COMPARISON(lt, Less, nullptr);
TAPER_COMPARISON(le, LessOrEqual, nullptr);
TAPER_COMPARISON(gt, Greater, nullptr);
TAPER_COMPARISON(ge, GreaterOrEqual, nullptr);

#undef TAPER_COMPARISON

#define TAPER_LOGIC(op, function)                           \
  const Kernel op = {.name = #op,                           \
                     .f32 = plain<function, float>,         \
                     .f64 = plain<function, double>,        \
                     .i64 = plain<function, std::int64_t>,  \
                     .u64 = plain<function, std::uint64_t>, \
                     .c128 = plain<function, Complex>,      \
                     .boolean = plain<function, bool>,      \
                     .u8 = plain<function, std::uint8_t>,   \
                     .predicate = true}

TAPER_LOGIC(logical_and, BothTrue);
TAPER_LOGIC(logical_or, EitherTrue);
TAPER_LOGIC(logical_xor, OneTrue);
TAPER_LOGIC(isclose, IsClose);

#undef TAPER_LOGIC

}  // namespace kernels
}  // namespace taper::cpu
#endif
