// How the elements of two ranks are combined, by operator and dtype.
#include "distributed/combine.h"

#include <type_traits>

#include "base/visit.h"
#include "taper/error.h"

namespace taper::distributed {

namespace {

template <class T>
inline constexpr bool is_complex_type =
    std::is_same_v<T, std::complex<float>> || std::is_same_v<T, std::complex<double>>;
template <class T>
inline constexpr bool is_half = std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;
template <class T>
inline constexpr bool is_integer = std::is_integral_v<T>;

template <class T, class F>
void combine_all(void* result, const void* a, const void* b, std::size_t count) {
  const auto* x = static_cast<const T*>(a);
  const auto* y = static_cast<const T*>(b);
  auto* z = static_cast<T*>(result);
  for (std::size_t i = 0; i < count; ++i) {
    if constexpr (is_half<T>) z[i] = T(F::of(float(x[i]), float(y[i])));
    else z[i] = F::of(x[i], y[i]);
  }
}

// Integers wrap around: the arithmetic of two's complement, done without signs.
template <class T, class F>
T wrapping(T a, T b, F f) {
  if constexpr (std::is_same_v<T, bool>) return f(unsigned(a), unsigned(b)) != 0;
  else if constexpr (is_integer<T>) return T(f(std::uint64_t(a), std::uint64_t(b)));
  else return f(a, b);
}

struct Sum {
  template <class T>
  static T of(T a, T b) {
    return wrapping(a, b, [](auto x, auto y) { return x + y; });
  }
};
struct Product {
  template <class T>
  static T of(T a, T b) {
    return wrapping(a, b, [](auto x, auto y) { return x * y; });
  }
};
// A NaN of either side stays.
struct Min {
  template <class T>
  static T of(T a, T b) {
    return a < b || a != a ? a : b;
  }
};
struct Max {
  template <class T>
  static T of(T a, T b) {
    return a > b || a != a ? a : b;
  }
};
struct And {
  template <class T>
  static T of(T a, T b) {
    return T(a & b);
  }
};
struct Or {
  template <class T>
  static T of(T a, T b) {
    return T(a | b);
  }
};
struct Xor {
  template <class T>
  static T of(T a, T b) {
    return T(a ^ b);
  }
};

template <class T>
Combine function_of(ReduceOp op) {
  if (op == ReduceOp::sum) return combine_all<T, Sum>;
  if (op == ReduceOp::product) return combine_all<T, Product>;
  if (op == ReduceOp::avg) return is_integer<T> ? nullptr : combine_all<T, Sum>;
  if constexpr (!is_complex_type<T>) {
    if (op == ReduceOp::min) return combine_all<T, Min>;
    if (op == ReduceOp::max) return combine_all<T, Max>;
  }
  if constexpr (is_integer<T>) {
    if (op == ReduceOp::band) return combine_all<T, And>;
    if (op == ReduceOp::bor) return combine_all<T, Or>;
    if (op == ReduceOp::bxor) return combine_all<T, Xor>;
  }
  return nullptr;
}

}  // namespace

std::string_view name(ReduceOp op) {
  constexpr std::string_view names[] = {"sum", "avg", "product", "min", "max", "band", "bor", "bxor"};
  return names[int(op)];
}

Combine combine_function(ReduceOp op, DType dtype, const char* collective) {
  const Combine function = visit(dtype, [&]<class T>() { return function_of<T>(op); });
  check<ValueError>(function || !is_complex(dtype), collective, " does not support ", name(op),
                    " on complex tensors");
  check<ValueError>(function != nullptr, collective, ": there is no operator ", name(op), " for dtype ",
                    dtype);
  return function;
}

void divide(void* data, std::size_t count, DType dtype, int divisor) {
  visit_differentiable(dtype, [&]<class T>() {
    auto* x = static_cast<T*>(data);
    for (std::size_t i = 0; i < count; ++i) {
      if constexpr (is_half<T>) x[i] = T(float(x[i]) / float(divisor));
      else if constexpr (is_complex_type<T>) x[i] /= typename T::value_type(divisor);
      else x[i] /= T(divisor);
    }
  });
}

}  // namespace taper::distributed
