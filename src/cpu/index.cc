// Gather, scatter and indexing by numbers.
#include "cpu/index.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstring>
#include <limits>
#include <memory>
#include <type_traits>

#include "base/visit.h"
#include "cpu/parallel.h"
#include "cpu/walk.h"
#include "taper/error.h"

namespace taper::cpu {
namespace {

using int64 = std::int64_t;
constexpr int64 chunk = 16384;  // Elements of a parallel task.

struct Sixteen {
  std::uint64_t low, high;
};

/// Calls f with an unsigned type as wide as dtype: moving needs no more.
template <class F>
void visit_size(DType dtype, const F& f) {
  switch (item_size(dtype)) {
    case 1: return f.template operator()<std::uint8_t>();
    case 2: return f.template operator()<std::uint16_t>();
    case 4: return f.template operator()<std::uint32_t>();
    case 8: return f.template operator()<std::uint64_t>();
    default: return f.template operator()<Sixteen>();
  }
}

template <class T>
constexpr bool is_complex_type =
    std::is_same_v<T, std::complex<float>> || std::is_same_v<T, std::complex<double>>;
template <class T>
constexpr bool is_half_type = std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;

template <class T>
inline T add(T a, T b) {
  if constexpr (is_half_type<T>) return T(float(a) + float(b));
  else if constexpr (std::is_same_v<T, bool>) return a || b;
  else if constexpr (std::is_integral_v<T>) return T(std::uint64_t(a) + std::uint64_t(b));
  else return a + b;
}

template <class T>
inline T multiply(T a, T b) {
  if constexpr (is_half_type<T>) return T(float(a) * float(b));
  else if constexpr (std::is_same_v<T, bool>) return a && b;
  else if constexpr (std::is_integral_v<T>) return T(std::uint64_t(a) * std::uint64_t(b));
  else return a * b;
}

/// NaN, once there, stays.
template <class T>
inline T pick(bool largest, T a, T b) {
  if constexpr (is_complex_type<T>) {
    return a;
  } else {
    const bool take = (largest ? b > a : b < a) || b != b;
    return take ? b : a;
  }
}

template <Combine how, class T>
inline T combined(T a, T b) {
  if constexpr (how == Combine::set) return b;
  else if constexpr (how == Combine::add || how == Combine::mean) return add(a, b);
  else if constexpr (how == Combine::multiply) return multiply(a, b);
  else return pick(how == Combine::amax, a, b);
}

/// The text of a position in row-major order.
Shape position_of(int64 flat, const Shape& sizes) {
  Shape position = Shape::filled(sizes.size(), 0);
  for (int i = sizes.size(); i--;) {
    position[i] = flat % sizes[i];
    flat /= sizes[i];
  }
  return position;
}

[[noreturn, gnu::cold]] void fail_index(const char* op, int64 value, const Shape& position, int dim,
                                        int64 size, bool wraps) {
  const std::string range = concat(wraps ? -size : 0, " to ", size - 1);
  const std::string where =
      dim < 0 ? concat("an input of ", size, " elements") : concat("dimension ", dim, " of size ", size);
  fail<IndexError>(op, ": index ", value, " at position ", position, " is out of range for ", where,
                   size ? concat(", expected ", range) : "");
}

/// The bounds of indices, and what to say where one is outside. dim < 0 names no dimension.
struct IndexCheck {
  const char* op;
  const Shape& sizes;  // of the indices
  int dim;
  int64 size;
  bool wraps;

  /// Throws for the first of n indices, `stride` apart and from position `flat` on, that is not in [0, size),
  /// or [-size, size) if it wraps.
  void run(const int64* values, int64 stride, int64 n, int64 flat) const {
    // A sign bit where an index is too low or too high: unlike comparisons, in any vector.
    const std::uint64_t low = wraps ? std::uint64_t(size) : 0, last = std::uint64_t(size) - 1;
    const auto outside = [&](int64 value) {
      return (std::uint64_t(value) + low) | (last - std::uint64_t(value));
    };
    std::uint64_t signs = 0;
    if (stride == 1) {
      for (int64 j = 0; j < n; ++j) signs |= outside(values[j]);
    } else {
      for (int64 j = 0; j < n; ++j) signs |= outside(values[j * stride]);
    }
    if (int64(signs) >= 0) return;
    for (int64 j = 0; j < n; ++j)
      if (int64(outside(values[j * stride])) < 0)
        fail_index(op, values[j * stride], position_of(flat + j, sizes), dim, size, wraps);
  }
};

/// Throws for the first index that is not in [0, size), or [-size, size) if it wraps. dim < 0 names no
/// dimension.
void check_indices(const char* op, const Indices& index, int dim, int64 size, bool wraps) {
  const Walk<1> walk(index.sizes, {index.strides});
  const IndexCheck bounds{op, index.sizes, dim, size, wraps};
  parallel_for(walk.elements(), chunk, [&](int64 begin, int64 end) {
    int64 flat = begin;
    walk.run(begin, end, [&](const auto& offset, int64 n) {
      bounds.run(index.data + offset[0], walk.inner_stride(0), n, flat);
      flat += n;
    });
  });
}

Shape without(const Shape& strides, int dim) {
  Shape result = strides;
  if (dim < result.size()) result[dim] = 0;
  return result;
}

/// A 0-d operand is taken as one of a single element.
template <class Operand>
Operand at_least_1d(Operand operand) {
  if (operand.sizes.empty()) operand.sizes = {1}, operand.strides = {1};
  return operand;
}

}  // namespace

void gather(const Source& source, DType dtype, int dim, const Indices& positions, void* y) {
  const Source x = at_least_1d(source);
  const Indices index = at_least_1d(positions);
  const Walk<2> walk(index.sizes, {without(x.strides, dim), index.strides});
  const int64 along = x.strides[dim], a = walk.inner_stride(0), b = walk.inner_stride(1);
  // Checked run by run, while the indices are in the nearest cache: y is nobody's yet.
  const IndexCheck bounds{"gather", index.sizes, dim, x.sizes[dim], false};
  visit_size(dtype, [&]<class T>() {
    parallel_for(walk.elements(), chunk, [&](int64 begin, int64 end) {
      int64 flat = begin;
      walk.run(begin, end, [&](const auto& offset, int64 n) {
        T* const to = static_cast<T*>(y) + flat;
        const T* from = static_cast<const T*>(x.data) + offset[0];
        const int64* indices = index.data + offset[1];
        bounds.run(indices, b, n, flat);
        if (a == 0 && b == 1 && along == 1) {
          for (int64 j = 0; j < n; ++j) to[j] = from[indices[j]];
        } else {
          for (int64 j = 0; j < n; ++j) to[j] = from[j * a + indices[j * b] * along];
        }
        flat += n;
      });
    });
  });
}

namespace {

/// One scatter: all of it, and its part along one dimension that is not indexed.
struct Scatter {
  Target y;
  Indices index;
  Source x;
  int dim;
};

template <Combine how, class T>
void scatter_box(const Scatter& s, const Shape& sizes, int64 y_offset, int64 index_offset, int64 x_offset) {
  const Walk<3> walk(sizes, {without(s.y.strides, s.dim), s.index.strides, s.x.strides});
  const int64 along = s.y.strides[s.dim];
  const int64 a = walk.inner_stride(0), b = walk.inner_stride(1), c = walk.inner_stride(2);
  T* y = static_cast<T*>(s.y.data) + y_offset;
  const T* x = static_cast<const T*>(s.x.data) + x_offset;
  walk.run(0, walk.elements(), [&](const auto& offset, int64 n) {
    T* to = y + offset[0];
    const int64* indices = s.index.data + index_offset + offset[1];
    const T* from = x + offset[2];
    for (int64 j = 0; j < n; ++j) {
      T& element = to[j * a + indices[j * b] * along];
      element = combined<how>(element, from[j * c]);
    }
  });
}

/// Tasks split the longest dimension that is not indexed, so none meets the elements of another and the order
/// in which values reach an element is always the same.
template <Combine how, class T>
void scatter_all(const Scatter& s) {
  int split = s.dim;
  for (int i = 0; i < s.index.sizes.size(); ++i) {
    if (i != s.dim && (split == s.dim || s.index.sizes[i] > s.index.sizes[split])) split = i;
  }
  const int64 elements = numel(s.index.sizes);
  if (!elements) return;
  if (split == s.dim) return scatter_box<how, T>(s, s.index.sizes, 0, 0, 0);
  const int64 length = s.index.sizes[split];
  // Wide parts: each walks all of the index along dim.
  const int64 threads = num_threads(),
              grain = std::max<int64>(
                  {16, (length + threads - 1) / threads, chunk / std::max<int64>(1, elements / length)});
  parallel_for(length, grain, [&](int64 begin, int64 end) {
    Shape sizes = s.index.sizes;
    sizes[split] = end - begin;
    scatter_box<how, T>(s, sizes, begin * s.y.strides[split], begin * s.index.strides[split],
                        begin * s.x.strides[split]);
  });
}

/// What leaves any value that arrives as it is.
template <class T>
T identity(Combine how) {
  if constexpr (std::is_same_v<T, bool>) {
    return how == Combine::multiply || how == Combine::amin;
  } else if constexpr (is_complex_type<T>) {
    return how == Combine::multiply ? T(1) : T(0);
  } else if constexpr (std::is_integral_v<T>) {
    if (how == Combine::amin) return std::numeric_limits<T>::max();
    if (how == Combine::amax) return std::numeric_limits<T>::lowest();
    return T(how == Combine::multiply);
  } else {
    const float infinity = std::numeric_limits<float>::infinity();
    return T(how == Combine::amin       ? infinity
             : how == Combine::amax     ? -infinity
             : how == Combine::multiply ? 1.f
                                        : 0.f);
  }
}

template <class T>
T divided(T sum, int64 count) {
  if constexpr (std::is_same_v<T, bool>) return sum && count == 1;
  else if constexpr (is_half_type<T>) return T(float(sum) / float(count));
  else if constexpr (is_complex_type<T>) return sum / typename T::value_type(count);
  else if constexpr (std::is_floating_point_v<T>) return sum / T(count);
  else if constexpr (std::is_signed_v<T>) return T(int64(sum) / count - (int64(sum) % count < 0));
  else return T(std::uint64_t(sum) / std::uint64_t(count));
}

/// Divides each element of y that values arrived at by their number.
template <class T>
void divide_by_counts(const Scatter& s, bool include_self) {
  const int64 elements = numel(s.y.sizes);
  std::vector<int64> counts(std::size_t(elements), 0);
  const int64 one = 1;
  Scatter ones = s;
  ones.y = {counts.data(), s.y.sizes, contiguous_strides(s.y.sizes)};
  ones.x = {&one, s.x.sizes, Shape::filled(s.x.sizes.size(), 0)};
  scatter_all<Combine::add, int64>(ones);
  const Walk<2> walk(s.y.sizes, {s.y.strides, ones.y.strides});
  walk.run(0, elements, [&](const auto& offset, int64 n) {
    T* y = static_cast<T*>(s.y.data) + offset[0];
    const int64* count = counts.data() + offset[1];
    const int64 a = walk.inner_stride(0), b = walk.inner_stride(1);
    for (int64 j = 0; j < n; ++j) {
      if (count[j * b]) y[j * a] = divided(y[j * a], count[j * b] + include_self);
    }
  });
}

template <class T>
void scatter_combining(const Scatter& s, Combine how, bool include_self) {
  if (!include_self) {
    const T none = identity<T>(how);
    Scatter reset = s;
    reset.x = {&none, s.x.sizes, Shape::filled(s.x.sizes.size(), 0)};
    scatter_all<Combine::set, T>(reset);
  }
  switch (how) {
    case Combine::set: return;
    case Combine::add: return scatter_all<Combine::add, T>(s);
    case Combine::multiply: return scatter_all<Combine::multiply, T>(s);
    case Combine::amin: return scatter_all<Combine::amin, T>(s);
    case Combine::amax: return scatter_all<Combine::amax, T>(s);
    case Combine::mean: scatter_all<Combine::add, T>(s); return divide_by_counts<T>(s, include_self);
  }
}

}  // namespace

void scatter(const Target& y, DType dtype, int dim, const Indices& index, const Source& x, Combine combine,
             bool include_self, const char* op) {
  const Scatter s{at_least_1d(y), at_least_1d(index), at_least_1d(x), dim};
  check<DTypeError>(!is_complex(dtype) || (combine != Combine::amin && combine != Combine::amax), op, ": ",
                    dtype, " has no order; amin and amax need real numbers");
  check_indices(op, s.index, dim, s.y.sizes[dim], false);
  if (combine == Combine::set) return visit_size(dtype, [&]<class T>() { scatter_all<Combine::set, T>(s); });
  visit(dtype, [&]<class T>() { scatter_combining<T>(s, combine, include_self); });
}

namespace {

/// Indices along one dimension as advanced indexing; values have x's shape with the number of indices in
/// place of dim.
AdvancedIndex along(const Shape& sizes, const Shape& strides, int dim, const Indices& index,
                    const Shape& value_strides) {
  AdvancedIndex plan;
  plan.operands.push_back({index.data, index.strides, sizes[dim], strides[dim], dim});
  plan.index_sizes = index.sizes;
  plan.index_strides = {value_strides[dim]};
  plan.rest_sizes = sizes, plan.rest_of_x = strides, plan.rest_strides = value_strides;
  for (Shape* shape : {&plan.rest_sizes, &plan.rest_of_x, &plan.rest_strides}) shape->erase(dim);
  return plan;
}

/// The offset in x of every position of the indices; checks all of them.
std::unique_ptr<int64[]> offsets_of(const char* op, const AdvancedIndex& plan, bool wraps) {
  for (const auto& operand : plan.operands) {
    check_indices(op, {operand.data, plan.index_sizes, operand.strides}, operand.dim, operand.size, wraps);
  }
  const int64 positions = numel(plan.index_sizes);
  std::unique_ptr<int64[]> offsets(new int64[std::size_t(positions)]);
  for (std::size_t k = 0; k < plan.operands.size() || k == 0; ++k) {
    if (plan.operands.empty()) {
      std::fill_n(offsets.get(), positions, 0);
      break;
    }
    const auto& operand = plan.operands[k];
    const Walk<1> walk(plan.index_sizes, {operand.strides});
    const int64 a = walk.inner_stride(0);
    parallel_for(positions, chunk, [&](int64 begin, int64 end) {
      int64* to = offsets.get() + begin;
      walk.run(begin, end, [&](const auto& offset, int64 n) {
        const int64* values = operand.data + offset[0];
        for (int64 j = 0; j < n; ++j) {
          const int64 value = values[j * a],
                      place = (value < 0 ? value + operand.size : value) * operand.stride;
          to[j] = k == 0 ? place : to[j] + place;
        }
        to += n;
      });
    });
  }
  return offsets;
}

/// A position of the indices: its offset in x and in the values, and those of a position some way on.
struct Place {
  int64 x, value, next_x, next_value;
};

/// Calls body(place) for positions [begin, end).
template <class F>
void for_each_position(const Walk<1>& walk, const int64* offsets, int64 begin, int64 end, const F& body) {
  constexpr int64 ahead = 8;
  int64 position = begin;
  const int64 stride = walk.inner_stride(0);
  walk.run(begin, end, [&](const auto& offset, int64 n) {
    for (int64 j = 0; j < n; ++j, ++position) {
      body(Place{offsets[position], offset[0] + j * stride, offsets[std::min(position + ahead, end - 1)],
                 offset[0] + std::min(j + ahead, n - 1) * stride});
    }
  });
}

/// Asks for the first lines of a row that will be needed soon; rows at random places are not foreseen by the
/// machine.
template <class T>
inline void prefetch(const T* row, int64 n) {
  const char* bytes = reinterpret_cast<const char*>(row);
  for (int64 i = 0; i < std::min<int64>(n * int64(sizeof(T)), 512); i += 64) __builtin_prefetch(bytes + i);
}

template <class T>
void copy_run(T* to, int64 a, const T* from, int64 b, int64 n) {
  if (a == 1 && b == 1) {
    std::memcpy(to, from, std::size_t(n) * sizeof(T));
  } else {
    for (int64 j = 0; j < n; ++j) to[j * a] = from[j * b];
  }
}

template <class T>
void index_values(const T* x, const AdvancedIndex& plan, const int64* offsets, T* y) {
  const Walk<1> positions(plan.index_sizes, {plan.index_strides});
  const Walk<2> rest(plan.rest_sizes, {plan.rest_strides, plan.rest_of_x});
  const int64 a = rest.inner_stride(0), b = rest.inner_stride(1), elements = rest.elements();
  const bool one_run = rest.inner_size() == elements;
  parallel_for(positions.elements(), std::max<int64>(1, chunk / std::max<int64>(1, elements)),
               [&](int64 begin, int64 end) {
                 for_each_position(positions, offsets, begin, end, [&](const Place& at) {
                   if (elements == 1) {
                     y[at.value] = x[at.x];
                   } else if (one_run) {
                     prefetch(x + at.next_x, elements * b);
                     copy_run(y + at.value, a, x + at.x, b, elements);
                   } else {
                     rest.run(0, elements, [&](const auto& offset, int64 n) {
                       copy_run(y + at.value + offset[0], a, x + at.x + offset[1], b, n);
                     });
                   }
                 });
               });
}

template <Combine how, class T>
void put_run(T* y, int64 a, const T* values, int64 b, int64 n, T alpha) {
  if constexpr (how == Combine::add) {
    if (!(alpha == T(1))) {
      for (int64 j = 0; j < n; ++j) y[j * a] = add(y[j * a], multiply(alpha, values[j * b]));
      return;
    }
  }
  if (a == 1 && b == 1) {
    for (int64 j = 0; j < n; ++j) y[j] = combined<how>(y[j], values[j]);
  } else {
    for (int64 j = 0; j < n; ++j) y[j * a] = combined<how>(y[j * a], values[j * b]);
  }
}

/// Each task takes a part of the rest for all positions of the indices, in their order.
template <Combine how, class T>
void put_values(T* x, const AdvancedIndex& plan, const int64* offsets, const T* values, T alpha) {
  const Walk<1> positions(plan.index_sizes, {plan.index_strides});
  const Walk<2> rest(plan.rest_sizes, {plan.rest_of_x, plan.rest_strides});
  const int64 a = rest.inner_stride(0), b = rest.inner_stride(1), elements = rest.elements();
  const bool small = positions.elements() * elements < 2 * chunk, one_run = rest.inner_size() == elements;
  const int64 part = small ? elements : std::max<int64>(16, (elements + num_threads() - 1) / num_threads());
  parallel_for(elements, part, [&](int64 begin, int64 end) {
    for_each_position(positions, offsets, 0, positions.elements(), [&](const Place& at) {
      if (one_run) {
        prefetch(x + at.next_x + begin * a, (end - begin) * a);
        prefetch(values + at.next_value + begin * b, (end - begin) * b);  // parts of rows are no stream
        return put_run<how>(x + at.x + begin * a, a, values + at.value + begin * b, b, end - begin, alpha);
      }
      rest.run(begin, end, [&](const auto& offset, int64 n) {
        put_run<how>(x + at.x + offset[0], a, values + at.value + offset[1], b, n, alpha);
      });
    });
  });
}

void put(const char* op, void* x, DType dtype, const AdvancedIndex& plan, const void* values, bool accumulate,
         bool wraps, const Scalar& alpha) {
  const auto offsets = offsets_of(op, plan, wraps);
  if (!accumulate) {
    return visit_size(dtype, [&]<class T>() {
      put_values<Combine::set>(static_cast<T*>(x), plan, offsets.get(), static_cast<const T*>(values), T());
    });
  }
  visit(dtype, [&]<class T>() {
    T factor;
    if constexpr (is_half_type<T>) factor = T(alpha.to<float>());
    else factor = alpha.to<T>();
    put_values<Combine::add>(static_cast<T*>(x), plan, offsets.get(), static_cast<const T*>(values), factor);
  });
}

}  // namespace

void index(const void* x, DType dtype, const AdvancedIndex& plan, void* y, const char* op) {
  const auto offsets = offsets_of(op, plan, true);
  visit_size(dtype, [&]<class T>() {
    index_values(static_cast<const T*>(x), plan, offsets.get(), static_cast<T*>(y));
  });
}

void index_put(void* x, DType dtype, const AdvancedIndex& plan, const void* values, bool accumulate,
               const char* op) {
  put(op, x, dtype, plan, values, accumulate, true, 1);
}

void index_select(const Source& source, DType dtype, int dim, const Indices& positions, void* y) {
  const Source x = at_least_1d(source);
  const Indices index = at_least_1d(positions);
  Shape sizes = x.sizes;
  sizes[dim] = numel(index.sizes);
  const AdvancedIndex plan = along(x.sizes, x.strides, dim, index, contiguous_strides(sizes));
  const auto offsets = offsets_of("index_select", plan, false);
  visit_size(dtype, [&]<class T>() {
    index_values(static_cast<const T*>(x.data), plan, offsets.get(), static_cast<T*>(y));
  });
}

void index_add(const Target& target, DType dtype, int dim, const Indices& positions, const Source& source,
               const Scalar& alpha) {
  const Target y = at_least_1d(target);
  const Source x = at_least_1d(source);
  put("index_add", y.data, dtype, along(y.sizes, y.strides, dim, at_least_1d(positions), x.strides), x.data,
      true, false, alpha);
}

void index_copy(const Target& target, DType dtype, int dim, const Indices& positions, const Source& source) {
  const Target y = at_least_1d(target);
  const Source x = at_least_1d(source);
  put("index_copy", y.data, dtype, along(y.sizes, y.strides, dim, at_least_1d(positions), x.strides), x.data,
      false, false, 1);
}

void take(const Source& x, DType dtype, const Indices& index, void* y) {
  const int64 elements = numel(x.sizes);
  check_indices("take", index, -1, elements, true);
  const Walk<1> walk(index.sizes, {index.strides}), input(x.sizes, {x.strides});
  const bool even = input.inner_size() == elements;
  const int64 a = walk.inner_stride(0), along = input.inner_stride(0);
  const auto offset_of = [&](int64 flat) {
    int64 offset = 0;
    for (int i = x.sizes.size(); i--; flat /= x.sizes[i]) offset += flat % x.sizes[i] * x.strides[i];
    return offset;
  };
  visit_size(dtype, [&]<class T>() {
    parallel_for(walk.elements(), chunk, [&](int64 begin, int64 end) {
      T* to = static_cast<T*>(y) + begin;
      walk.run(begin, end, [&](const auto& offset, int64 n) {
        const int64* indices = index.data + offset[0];
        for (int64 j = 0; j < n; ++j) {
          const int64 value = indices[j * a], flat = value < 0 ? value + elements : value;
          to[j] = static_cast<const T*>(x.data)[even ? flat * along : offset_of(flat)];
        }
        to += n;
      });
    });
  });
}

}  // namespace taper::cpu
