// Pooling kernels: across channels where those are dense in memory, else along the rows of a plane.
#include "cpu/pooling.h"

#include <algorithm>
#include <cmath>

#include "cpu/parallel.h"
#include "cpu/pooling_plan.h"
#include "cpu/scratch.h"
#include "taper/error.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/pooling.cc"
#include <hwy/foreach_target.h>  // before highway.h
#include <hwy/highway.h>

#include "cpu/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace taper::cpu {
namespace HWY_NAMESPACE {

/// One output position with its windows.
struct Place {
  int64 output;
  const Window &a, &b, &c;
};

/// Calls f(Place) for rows [begin, end) of the output, a row being all positions of the last dimension.
template <class F>
HWY_INLINE void for_each_place(const PoolingPlan& p, int64 begin, int64 end, F&& f) {
  for (int64 row = begin; row < end; ++row) {
    const Window &a = p.windows[0][std::size_t(row / p.output[1])],
                 &b = p.windows[1][std::size_t(row % p.output[1])];
    for (int64 o = 0; o < p.output[2]; ++o)
      f(Place{row * p.output[2] + o, a, b, p.windows[2][std::size_t(o)]});
  }
}

/// Calls f(position) for each input of a window, in row-major order; after_row() after each of its rows.
template <class F, class G>
HWY_INLINE void for_each_input(const PoolingPlan& p, const Place& at, F&& f, G&& after_row) {
  for (int64 i = at.a.begin; i < at.a.end; i += at.a.step)
    for (int64 j = at.b.begin; j < at.b.end; j += at.b.step) {
      const int64 row = (i * p.input[1] + j) * p.input[2];
      for (int64 k = at.c.begin; k < at.c.end; k += at.c.step) f(row + k);
      after_row();
    }
}
template <class F>
HWY_INLINE void for_each_input(const PoolingPlan& p, const Place& at, F&& f) {
  for_each_input(p, at, f, [] {});
}

inline int64 rows_out(const PoolingPlan& p) { return p.output[0] * p.output[1]; }

/// Output elements that a task takes at least.
constexpr int64 task_elements = 1 << 13;

inline int64 row_grain(const PoolingPlan& p) {
  const int64 channels = p.channels_last ? p.channels : 1;
  return std::max<int64>(1, task_elements / std::max<int64>(p.output[2] * channels, 1));
}

/// Calls f(image, first row, last row) for channels-last memory, f(plane, ...) for planes, in parallel.
template <class F>
void for_each_block(const PoolingPlan& p, F&& f) {
  const int64 planes = p.channels_last ? p.batch : p.batch * p.channels, rows = rows_out(p);
  parallel_for(planes * rows, row_grain(p), [&](int64 begin, int64 end) {
    while (begin < end) {
      const int64 plane = begin / rows, first = begin % rows, last = std::min(rows, first + end - begin);
      f(plane, first, last);
      begin += last - first;
    }
  });
}

/// Maxima of channels [first, first + count) at one place.
template <bool with_index, class T>
HWY_INLINE void max_of_channels(const PoolingPlan& p, const T* x, const Place& at, int64 first, int64 count,
                                T* y, int64* indices) {
  using C = Compute<T>;
  const hn::ScalableTag<C> d;
  const hn::RebindToSigned<decltype(d)> integers;
  using Integer = hn::TFromD<decltype(integers)>;
  const int64 start = (at.a.begin * p.input[1] + at.b.begin) * p.input[2] + at.c.begin;
  auto largest = hn::Set(d, -std::numeric_limits<C>::infinity());
  auto place = hn::Set(integers, Integer(start));
  for_each_input(p, at, [&](int64 position) {
    const auto value = load_as(d, x + position * p.channels + first, count);
    const auto better = hn::Or(hn::Gt(value, largest), hn::IsNaN(value));
    largest = hn::IfThenElse(better, value, largest);
    if constexpr (with_index)
      place = hn::IfThenElse(hn::RebindMask(integers, better), hn::Set(integers, Integer(position)), place);
  });
  const int64 target = at.output * p.channels + first;
  store_as(d, largest, y + target, count);
  if constexpr (with_index) {
    HWY_ALIGN Integer lanes[HWY_MAX_BYTES / sizeof(Integer)] = {};
    hn::Store(place, integers, lanes);
    for (int64 i = 0; i < count; ++i) indices[target + i] = lanes[i];
  }
}

template <bool with_index, class T>
void max_last(const PoolingPlan& p, const T* x, T* y, int64* indices) {
  const hn::ScalableTag<Compute<T>> d;
  for_each_block(p, [&](int64 image, int64 begin, int64 end) {
    const int64 offset = image * p.plane_out * p.channels;
    for_each_place(p, begin, end, [&](const Place& at) {
      for_vectors(d, p.channels, [&](int64 first, int64 count) {
        max_of_channels<with_index>(p, x + image * p.plane_in * p.channels, at, first, count, y + offset,
                                    with_index ? indices + offset : nullptr);
      });
    });
  });
}

/// Planes with windows of their own sizes.
template <class T>
void max_plane(const PoolingPlan& p, const T* x, T* y, int64* indices) {
  using C = Compute<T>;
  for_each_block(p, [&](int64 plane, int64 begin, int64 end) {
    const T* source = x + plane * p.plane_in;
    for_each_place(p, begin, end, [&](const Place& at) {
      C largest = -std::numeric_limits<C>::infinity();
      int64 place = (at.a.begin * p.input[1] + at.b.begin) * p.input[2] + at.c.begin;
      for_each_input(p, at, [&](int64 position) {
        const C value = C(source[position]);
        const bool better = value > largest || std::isnan(value);
        largest = better ? value : largest;
        place = better ? position : place;
      });
      y[plane * p.plane_out + at.output] = T(largest);
      if (indices) indices[plane * p.plane_out + at.output] = place;
    });
  });
}

/// Room for one row of the output.
template <class T>
struct RowScratch {
  Scratch<Compute<T>> values;
  Scratch<std::conditional_t<sizeof(Compute<T>) == 8, int64, std::int32_t>> places;
  explicit RowScratch(int64 size) : values(std::size_t(size)), places(std::size_t(size)) {}
};

/// Input k of all windows of a row takes part in their maxima. spacing is the stride if known when compiled,
/// else 0.
template <int spacing, bool with_index, class T, class C, class Integer>
void max_of_tap(const T* x, int64 position, int64 stride, PoolingPlan::Range range, C* largest,
                Integer* places) {
  const int64 step = spacing ? spacing : stride;
  for (int64 o = range.first; o < range.last; ++o) {
    const C value = C(x[position + o * step]), old = largest[o];
    const bool better = (value > old) | (value != value);
    largest[o] = better ? value : old;
    if constexpr (with_index) places[o] = better ? Integer(position + o * step) : places[o];
  }
}

template <int spacing, bool with_index, class T>
void max_rows(const PoolingPlan& p, const T* x, T* y, int64* indices) {
  using C = Compute<T>;
  for_each_block(p, [&](int64 plane, int64 begin, int64 end) {
    RowScratch<T> room(p.output[2]);
    C* largest = room.values.data();
    auto* places = room.places.data();
    for (int64 row = begin; row < end; ++row) {
      const Window &a = p.windows[0][std::size_t(row / p.output[1])],
                   &b = p.windows[1][std::size_t(row % p.output[1])];
      std::fill(largest, largest + p.output[2], -std::numeric_limits<C>::infinity());
      const int64 corner = (a.begin * p.input[1] + b.begin) * p.input[2];
      if constexpr (with_index)
        for (int64 o = 0; o < p.output[2]; ++o)
          places[o] = std::remove_cvref_t<decltype(*places)>(corner + p.windows[2][std::size_t(o)].begin);
      for (int64 i = a.begin; i < a.end; i += a.step)
        for (int64 j = b.begin; j < b.end; j += b.step)
          for (int64 k = 0; k < p.kernel; ++k) {
            const int64 position = (i * p.input[1] + j) * p.input[2] - p.padding + k * p.dilation;
            max_of_tap<spacing, with_index>(x + plane * p.plane_in, position, p.stride, p.reached(k), largest,
                                            places);
          }
      const int64 at = plane * p.plane_out + row * p.output[2];
      narrow_row(largest, p.output[2], y + at);
      if constexpr (with_index) std::copy(places, places + p.output[2], indices + at);
    }
  });
}

template <bool with_index, class T>
void max_regular(const PoolingPlan& p, const T* x, T* y, int64* indices) {
  switch (p.stride) {
    case 1: return max_rows<1, with_index>(p, x, y, indices);
    case 2: return max_rows<2, with_index>(p, x, y, indices);
    default: return max_rows<0, with_index>(p, x, y, indices);
  }
}

template <class T>
void max_typed(const PoolingPlan& p, const T* x, T* y, int64* indices) {
  if (p.channels_last && p.channels > 1)
    return indices ? max_last<true>(p, x, y, indices) : max_last<false>(p, x, y, indices);
  if (!p.adaptive)
    return indices ? max_regular<true>(p, x, y, indices) : max_regular<false>(p, x, y, indices);
  max_plane(p, x, y, indices);
}

void run_max_pool(const PoolingPlan& p, DType dtype, const void* x, void* y, int64* indices) {
  visit_floating(dtype,
                 [&]<class T>(T) { max_typed(p, static_cast<const T*>(x), static_cast<T*>(y), indices); });
}

template <class T>
void average_last(const PoolingPlan& p, const T* x, T* y) {
  using C = Compute<T>;
  const hn::ScalableTag<C> d;
  for_each_block(p, [&](int64 image, int64 begin, int64 end) {
    const T* source = x + image * p.plane_in * p.channels;
    for_each_place(p, begin, end, [&](const Place& at) {
      const auto divisor = hn::Set(d, C(p.divisor(at.a, at.b, at.c)));
      T* target = y + (image * p.plane_out + at.output) * p.channels;
      for_vectors(d, p.channels, [&](int64 first, int64 count) {
        auto sum = hn::Zero(d), row = hn::Zero(d);  // by rows first: large windows keep their accuracy
        for_each_input(
            p, at,
            [&](int64 position) {
              row = hn::Add(row, load_as(d, source + position * p.channels + first, count));
            },
            [&] { sum = hn::Add(sum, row), row = hn::Zero(d); });
        store_as(d, hn::Div(sum, divisor), target + first, count);
      });
    });
  });
}

/// Sums along the rows of planes, as max_rows.
template <int spacing, class T>
void average_rows(const PoolingPlan& p, const T* x, T* y) {
  using C = Compute<T>;
  const int64 step = spacing ? spacing : p.stride;
  for_each_block(p, [&](int64 plane, int64 begin, int64 end) {
    RowScratch<T> room(p.output[2]);
    C* sums = room.values.data();
    for (int64 row = begin; row < end; ++row) {
      const Window &a = p.windows[0][std::size_t(row / p.output[1])],
                   &b = p.windows[1][std::size_t(row % p.output[1])];
      std::fill(sums, sums + p.output[2], C(0));
      for (int64 i = a.begin; i < a.end; i += a.step)
        for (int64 j = b.begin; j < b.end; j += b.step)
          for (int64 k = 0; k < p.kernel; ++k) {
            const T* source =
                x + plane * p.plane_in + (i * p.input[1] + j) * p.input[2] - p.padding + k * p.dilation;
            const auto [first, last] = p.reached(k);
            for (int64 o = first; o < last; ++o) sums[o] += C(source[o * step]);
          }
      for (int64 o = 0; o < p.output[2]; ++o) sums[o] /= C(p.divisor(a, b, p.windows[2][std::size_t(o)]));
      narrow_row(sums, p.output[2], y + plane * p.plane_out + row * p.output[2]);
    }
  });
}

template <class T>
void average_plane(const PoolingPlan& p, const T* x, T* y) {
  using C = Compute<T>;
  for_each_block(p, [&](int64 plane, int64 begin, int64 end) {
    const T* source = x + plane * p.plane_in;
    for_each_place(p, begin, end, [&](const Place& at) {
      C sum = 0, row = 0;
      for_each_input(
          p, at, [&](int64 position) { row += C(source[position]); }, [&] { sum += row, row = 0; });
      y[plane * p.plane_out + at.output] = T(C(sum / C(p.divisor(at.a, at.b, at.c))));
    });
  });
}

template <class T>
void average_typed(const PoolingPlan& p, const T* x, T* y) {
  if (p.channels_last && p.channels > 1) return average_last(p, x, y);
  if (p.adaptive) return average_plane(p, x, y);
  switch (p.stride) {
    case 1: return average_rows<1>(p, x, y);
    case 2: return average_rows<2>(p, x, y);
    default: return average_rows<0>(p, x, y);
  }
}

void run_average_pool(const PoolingPlan& p, DType dtype, const void* x, void* y) {
  visit_floating(dtype, [&]<class T>(T) { average_typed(p, static_cast<const T*>(x), static_cast<T*>(y)); });
}

/// Gradients are added up in one task for an image's group of channels (a plane), so that none is added by
/// two threads. In float32, and rounded once, for 16-bit types.
constexpr int64 channel_group = 64;

/// Calls add(plane or image, first channel, channels, sums) where sums [input..., channels] are zeros to add
/// to, and stores them to dx. channels is 1 for planes.
template <class T, class F>
void for_each_gradient(const PoolingPlan& p, T* dx, F&& add) {
  using C = Compute<T>;
  const bool last = p.channels_last;
  const int64 groups = last ? (p.channels + channel_group - 1) / channel_group : p.channels;
  const int64 grain = last ? 1 : std::max<int64>(1, task_elements / std::max<int64>(p.plane_in, 1));
  const bool direct = !is_16_bit<T> && (!last || groups == 1);
  parallel_for(p.batch * groups, grain, [&](int64 begin, int64 end) {
    Scratch<C> room(direct ? 0 : std::size_t(p.plane_in * (last ? std::min(channel_group, p.channels) : 1)));
    for (int64 task = begin; task < end; ++task) {
      const int64 image = task / groups, first = last ? task % groups * channel_group : task % groups;
      const int64 width = last ? std::min(channel_group, p.channels - first) : 1;
      T* target = dx + (last ? image * p.plane_in * p.channels + first : task * p.plane_in);
      C* sums = room.data();
      if constexpr (!is_16_bit<T>)
        if (direct) sums = target;
      std::fill(sums, sums + p.plane_in * width, C(0));
      add(last ? image : task, first, width, sums);
      if (direct) continue;
      if (width == 1 && !last) narrow_row(sums, p.plane_in, target);
      else
        for (int64 i = 0; i < p.plane_in; ++i) narrow_row(sums + i * width, width, target + i * p.channels);
    }
  });
}

/// dy of one place to the inputs that were its maxima, channel by channel.
template <class T, class C>
HWY_INLINE void add_at_maxima(const PoolingPlan& p, const T* dy, const int64* indices, int64 width, C* sums) {
  for (int64 i = 0; i < width; ++i) {
    check<IndexError>(indices[i] >= 0 && indices[i] < p.plane_in, "max_pool_backward: index ", indices[i],
                      " is out of range for a plane of ", p.plane_in, " inputs");
    sums[indices[i] * width + i] += C(dy[i]);
  }
}

template <class T>
void max_backward(const PoolingPlan& p, const T* dy, const int64* indices, T* dx) {
  const int64 stride = p.channels_last ? p.channels : 1;
  for_each_gradient(p, dx, [&](int64 plane, int64 first, int64 width, Compute<T>* sums) {
    for (int64 o = 0; o < p.plane_out; ++o) {
      const int64 at = (plane * p.plane_out + o) * stride + (p.channels_last ? first : 0);
      add_at_maxima(p, dy + at, indices + at, width, sums);
    }
  });
}

void run_max_pool_backward(const PoolingPlan& p, DType dtype, const void* dy, const int64* indices,
                           void* dx) {
  visit_floating(
      dtype, [&]<class T>(T) { max_backward(p, static_cast<const T*>(dy), indices, static_cast<T*>(dx)); });
}

/// dy of one plane to all inputs of their windows, row by row.
template <int spacing, class T>
void spread_rows(const PoolingPlan& p, const T* dy, Compute<T>* sums) {
  using C = Compute<T>;
  const int64 step = spacing ? spacing : p.stride;
  RowScratch<T> room(p.output[2]);
  C* shares = room.values.data();
  for (int64 row = 0; row < rows_out(p); ++row) {
    const Window &a = p.windows[0][std::size_t(row / p.output[1])],
                 &b = p.windows[1][std::size_t(row % p.output[1])];
    for (int64 o = 0; o < p.output[2]; ++o)
      shares[o] = C(dy[row * p.output[2] + o]) / C(p.divisor(a, b, p.windows[2][std::size_t(o)]));
    for (int64 i = a.begin; i < a.end; i += a.step)
      for (int64 j = b.begin; j < b.end; j += b.step)
        for (int64 k = 0; k < p.kernel; ++k) {
          C* target = sums + (i * p.input[1] + j) * p.input[2] - p.padding + k * p.dilation;
          const auto [first, last] = p.reached(k);
          for (int64 o = first; o < last; ++o) target[o * step] += shares[o];
        }
  }
}

template <class T>
void average_backward(const PoolingPlan& p, const T* dy, T* dx) {
  using C = Compute<T>;
  const hn::ScalableTag<C> d;
  const int64 stride = p.channels_last ? p.channels : 1;
  for_each_gradient(p, dx, [&](int64 plane, int64 first, int64 width, C* sums) {
    if (!p.adaptive && !p.channels_last) {
      const T* source = dy + plane * p.plane_out;
      return p.stride == 1 ? spread_rows<1>(p, source, sums) : spread_rows<0>(p, source, sums);
    }
    for_each_place(p, 0, rows_out(p), [&](const Place& at) {
      const T* source = dy + (plane * p.plane_out + at.output) * stride + (p.channels_last ? first : 0);
      const C divisor = C(p.divisor(at.a, at.b, at.c));
      if (width == 1)
        return for_each_input(p, at, [&](int64 position) { sums[position] += C(*source) / divisor; });
      for_vectors(d, width, [&](int64 i, int64 count) {
        const auto share = hn::Div(load_as(d, source + i, count), hn::Set(d, divisor));
        for_each_input(p, at, [&](int64 position) {
          C* sum = sums + position * width + i;
          store(d, hn::Add(load(d, sum, count), share), sum, count);
        });
      });
    });
  });
}

void run_average_pool_backward(const PoolingPlan& p, DType dtype, const void* dy, void* dx) {
  visit_floating(dtype,
                 [&]<class T>(T) { average_backward(p, static_cast<const T*>(dy), static_cast<T*>(dx)); });
}

}  // namespace HWY_NAMESPACE
}  // namespace taper::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace taper::cpu {

HWY_EXPORT(run_max_pool);
HWY_EXPORT(run_max_pool_backward);
HWY_EXPORT(run_average_pool);
HWY_EXPORT(run_average_pool_backward);

namespace {

void check_average(const Pooling& p, const char* op) {
  for (int i = 0; i < p.spatial_dims; ++i)
    check<ValueError>(p.adaptive || p.dilation[i] == 1, op, ": dilation ", p.dilation[i],
                      " is not supported");
}

}  // namespace

void max_pool(const Pooling& pooling, const void* x, void* y, std::int64_t* indices) {
  const PoolingPlan plan(pooling, "max_pool");
  HWY_DYNAMIC_DISPATCH(run_max_pool)(plan, pooling.dtype, x, y, indices);
}

void max_pool_backward(const Pooling& pooling, const void* dy, const std::int64_t* indices, void* dx) {
  const PoolingPlan plan(pooling, "max_pool_backward");
  HWY_DYNAMIC_DISPATCH(run_max_pool_backward)(plan, pooling.dtype, dy, indices, dx);
}

void average_pool(const Pooling& pooling, const void* x, void* y) {
  check_average(pooling, "avg_pool");
  const PoolingPlan plan(pooling, "avg_pool");
  HWY_DYNAMIC_DISPATCH(run_average_pool)(plan, pooling.dtype, x, y);
}

void average_pool_backward(const Pooling& pooling, const void* dy, void* dx) {
  check_average(pooling, "avg_pool_backward");
  const PoolingPlan plan(pooling, "avg_pool_backward");
  HWY_DYNAMIC_DISPATCH(run_average_pool_backward)(plan, pooling.dtype, dy, dx);
}

}  // namespace taper::cpu
#endif
