// Linear recurrences along one dimension.
#include <algorithm>
#include <complex>
#include <type_traits>

#include "base/visit.h"
#include "cpu/parallel.h"
#include "cpu/scan.h"

namespace taper::cpu {
namespace {

using int64 = std::int64_t;

/// One line of n elements `step` apart: from its end if reverse.
template <class T>
void run_line(const T* x, const T* factor, int64 n, int64 step, bool reverse, T* y) {
  using Sum = std::conditional_t<std::is_convertible_v<T, float>, double, std::complex<double>>;
  Sum sum = 0;
  for (int64 k = 0; k < n; ++k) {
    const int64 at = (reverse ? n - 1 - k : k) * step;
    sum = Sum(x[at]) + (k ? Sum(factor[at]) * sum : Sum(0));
    y[at] = T(sum);
  }
}

}  // namespace

void linear_recurrence(const void* x, const void* factor, DType dtype, int64 outer, int64 n, int64 inner,
                       bool reverse, void* y) {
  visit_differentiable(dtype, [&]<class T>() {
    parallel_for(outer * inner, std::max<int64>(1, 4096 / std::max<int64>(n, 1)),
                 [&](int64 begin, int64 end) {
                   for (int64 line = begin; line < end; ++line) {
                     const int64 first = line / inner * n * inner + line % inner;
                     run_line(static_cast<const T*>(x) + first, static_cast<const T*>(factor) + first, n,
                              inner, reverse, static_cast<T*>(y) + first);
                   }
                 });
  });
}

}  // namespace taper::cpu
