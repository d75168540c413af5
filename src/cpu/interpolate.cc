// Interpolation kernels: sums over the taps of each output, across channels where those are dense in memory.
#include "cpu/interpolate.h"

#include <algorithm>

#include "cpu/parallel.h"
#include "cpu/scratch.h"
#include "taper/error.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/interpolate.cc"
#include <hwy/foreach_target.h>  // before highway.h
#include <hwy/highway.h>

#include "cpu/rows-inl.h"

#ifndef TAPER_CPU_INTERPOLATION_PLAN
#define TAPER_CPU_INTERPOLATION_PLAN
namespace taper::cpu {

/// An interpolation with three spatial dimensions always.
struct InterpolationPlan {
  Interpolate sizes;
  std::int64_t input[3] = {1, 1, 1}, output[3] = {1, 1, 1}, plane_in, plane_out;
  Taps taps[3];
};

}  // namespace taper::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace taper::cpu {
namespace HWY_NAMESPACE {

/// Calls f(row of the input, weight) for the taps of the first two dimensions of a row of the output.
template <class F>
HWY_INLINE void for_each_row_tap(const InterpolationPlan& p, int64 row, F&& f) {
  const Taps &a = p.taps[0], &b = p.taps[1];
  const auto i = std::size_t(row / p.output[1]), j = std::size_t(row % p.output[1]);
  for (auto s = std::size_t(a.begin[i]); s < std::size_t(a.begin[i + 1]); ++s)
    for (auto t = std::size_t(b.begin[j]); t < std::size_t(b.begin[j + 1]); ++t)
      f(a.index[s] * p.input[1] + b.index[t], a.weight[s] * b.weight[t]);
}

/// Calls f(position in the input plane, weight) for the taps of output o of a row.
template <class F>
HWY_INLINE void for_each_tap(const InterpolationPlan& p, int64 row, int64 o, F&& f) {
  const Taps& c = p.taps[2];
  for_each_row_tap(p, row, [&](int64 source, double weight) {
    for (auto k = std::size_t(c.begin[std::size_t(o)]); k < std::size_t(c.begin[std::size_t(o + 1)]); ++k)
      f(source * p.input[2] + c.index[k], weight * c.weight[k]);
  });
}

inline int64 rows_of(const InterpolationPlan& p) { return p.output[0] * p.output[1]; }
inline bool across_channels(const InterpolationPlan& p) {
  return p.sizes.channels_last && p.sizes.channels > 1;
}

template <class T>
void row_across_channels(const InterpolationPlan& p, const T* x, int64 row, T* y) {
  const int64 channels = p.sizes.channels;
  using C = Compute<T>;
  const hn::ScalableTag<C> d;
  Scratch<C> sums(static_cast<std::size_t>(channels));
  for (int64 o = 0; o < p.output[2]; ++o) {
    C* sum = sums.data();
    std::fill(sum, sum + channels, C(0));
    for_each_tap(p, row, o, [&](int64 position, double weight) {
      const auto w = hn::Set(d, C(weight));
      const T* source = x + position * channels;
      for_vectors(d, channels, [&](int64 i, int64 count) {
        store(d, hn::MulAdd(w, load_as(d, source + i, count), load(d, sum + i, count)), sum + i, count);
      });
    });
    narrow_row(sum, channels, y + (row * p.output[2] + o) * channels);
  }
}

/// Row by row of the input: its taps along the row, then its weight.
template <class T>
void row_of_plane(const InterpolationPlan& p, const T* x, int64 row, T* y) {
  using C = Compute<T>;
  const Taps& c = p.taps[2];
  Scratch<C> sums(static_cast<std::size_t>(p.output[2]));
  std::fill(sums.data(), sums.data() + p.output[2], C(0));
  for_each_row_tap(p, row, [&](int64 source_row, double weight) {
    const T* source = x + source_row * p.input[2];
    for (int64 o = 0; o < p.output[2]; ++o) {
      C sum = 0;
      for (auto k = std::size_t(c.begin[std::size_t(o)]); k < std::size_t(c.begin[std::size_t(o + 1)]); ++k)
        sum += C(c.weight[k]) * C(source[c.index[k]]);
      sums[std::size_t(o)] += C(weight) * sum;
    }
  });
  narrow_row(sums.data(), p.output[2], y + row * p.output[2]);
}

template <class T>
void forward(const InterpolationPlan& p, const T* x, T* y) {
  const bool across = across_channels(p);
  const int64 width = across ? p.sizes.channels : 1, rows = rows_of(p);
  const int64 planes = p.sizes.batch * (across ? 1 : p.sizes.channels);
  const int64 grain = std::max<int64>(1, (1 << 13) / std::max<int64>(1, p.output[2] * width));
  parallel_for(planes * rows, grain, [&](int64 begin, int64 end) {
    for (int64 i = begin; i < end; ++i) {
      const T* source = x + i / rows * p.plane_in * width;
      T* target = y + i / rows * p.plane_out * width;
      if (across) row_across_channels(p, source, i % rows, target);
      else row_of_plane(p, source, i % rows, target);
    }
  });
}

/// Channels whose gradient one task adds up.
constexpr int64 channel_group = 64;

/// dy of channels [first, first + width) of an image (of a plane: width 1) to sums [input..., width].
template <class T>
void spread(const InterpolationPlan& p, const T* dy, int64 stride, int64 width, Compute<T>* sums) {
  using C = Compute<T>;
  const hn::ScalableTag<C> d;
  for (int64 row = 0; row < rows_of(p); ++row)
    for (int64 o = 0; o < p.output[2]; ++o) {
      const T* gradient = dy + (row * p.output[2] + o) * stride;
      for_each_tap(p, row, o, [&](int64 position, double weight) {
        C* target = sums + position * width;
        if (width == 1) {
          *target += C(weight) * C(*gradient);
          return;
        }
        const auto w = hn::Set(d, C(weight));
        for_vectors(d, width, [&](int64 i, int64 count) {
          store(d, hn::MulAdd(w, load_as(d, gradient + i, count), load(d, target + i, count)), target + i,
                count);
        });
      });
    }
}

template <class T>
void backward(const InterpolationPlan& p, const T* dy, T* dx) {
  using C = Compute<T>;
  const bool across = across_channels(p);
  const int64 channels = p.sizes.channels, stride = across ? channels : 1;
  const int64 groups = across ? (channels + channel_group - 1) / channel_group : channels;
  parallel_for(p.sizes.batch * groups,
               std::max<int64>(1, across ? 1 : (1 << 12) / std::max<int64>(p.plane_out, 1)),
               [&](int64 begin, int64 end) {
                 Scratch<C> sums(std::size_t(p.plane_in * (across ? std::min(channel_group, channels) : 1)));
                 for (int64 task = begin; task < end; ++task) {
                   const int64 first = across ? task % groups * channel_group : 0;
                   const int64 width = across ? std::min(channel_group, channels - first) : 1,
                               plane = across ? task / groups : task;
                   std::fill(sums.data(), sums.data() + p.plane_in * width, C(0));
                   spread(p, dy + plane * p.plane_out * stride + first, stride, width, sums.data());
                   T* target = dx + plane * p.plane_in * stride + first;
                   if (!across) narrow_row(sums.data(), p.plane_in, target);
                   else
                     for (int64 i = 0; i < p.plane_in; ++i)
                       narrow_row(sums.data() + i * width, width, target + i * stride);
                 }
               });
}

void run_interpolate(const InterpolationPlan& p, const void* x, void* y) {
  visit_floating(p.sizes.dtype,
                 [&]<class T>(T) { forward(p, static_cast<const T*>(x), static_cast<T*>(y)); });
}

void run_interpolate_backward(const InterpolationPlan& p, const void* dy, void* dx) {
  visit_floating(p.sizes.dtype,
                 [&]<class T>(T) { backward(p, static_cast<const T*>(dy), static_cast<T*>(dx)); });
}

}  // namespace HWY_NAMESPACE
}  // namespace taper::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace taper::cpu {

HWY_EXPORT(run_interpolate);
HWY_EXPORT(run_interpolate_backward);

namespace {

InterpolationPlan plan_of(const Interpolate& p) {
  check<DTypeError>(is_floating_point(p.dtype), "interpolate: got ", p.dtype, ", expected a floating type");
  check<ShapeError>(p.spatial_dims >= 1 && p.spatial_dims <= 3, "interpolate: has ", p.spatial_dims,
                    " spatial dimensions, expected 1 to 3");
  InterpolationPlan plan{.sizes = p, .plane_in = 1, .plane_out = 1, .taps = {}};
  for (int at = 0; at < 3; ++at) {
    const int i = at - (3 - p.spatial_dims);
    if (i < 0) {
      plan.taps[at].begin = {0, 1}, plan.taps[at].index = {0}, plan.taps[at].weight = {1};
      continue;
    }
    check<ShapeError>(p.input[i] > 0 || p.output[i] == 0, "interpolate: spatial dimension ", i,
                      " of the input is empty");
    plan.input[at] = p.input[i], plan.output[at] = p.output[i];
    plan.plane_in *= p.input[i], plan.plane_out *= p.output[i];
    plan.taps[at] = interpolation_taps(p, i);
  }
  return plan;
}

}  // namespace

void interpolate(const Interpolate& sizes, const void* x, void* y) {
  HWY_DYNAMIC_DISPATCH(run_interpolate)(plan_of(sizes), x, y);
}

void interpolate_backward(const Interpolate& sizes, const void* dy, void* dx) {
  HWY_DYNAMIC_DISPATCH(run_interpolate_backward)(plan_of(sizes), dy, dx);
}

}  // namespace taper::cpu
#endif
