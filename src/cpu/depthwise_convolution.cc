// Depthwise convolution, each channel with a window of its own, over channels-last images: vectors run over
// channels, a few neighbouring positions at a time.
#include <algorithm>
#include <vector>

#include "cpu/convolution_paths.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/depthwise_convolution.cc"
#include <hwy/foreach_target.h>  // before highway.h
#include <hwy/highway.h>

#ifndef TAPER_CPU_DEPTHWISE_TYPES
#define TAPER_CPU_DEPTHWISE_TYPES
namespace taper::cpu {

/// Fewer channels than this are left to oneDNN; no vector has more lanes.
inline constexpr std::int64_t least_depthwise_channels = 16;

/// An element of a window: where it reads the source and where its weights are.
struct DepthwiseTap {
  std::int64_t source, weight;
};

/// Positions whose windows have the same elements. Offsets and steps are in numbers, from a position to the
/// next.
struct DepthwiseRun {
  const DepthwiseTap* taps;
  std::int64_t tap_count, positions, source_step, target_step, channels;
};

}  // namespace taper::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace taper::cpu {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using int64 = std::int64_t;
using Floats = hn::CappedTag<float, least_depthwise_channels>;
using Vector = hn::Vec<Floats>;
constexpr int64 lanes = int64(hn::MaxLanes(Floats()));

/// Calls f(first position, positions) for all positions, four, two or one at a time.
template <class F>
HWY_INLINE void for_each_few(int64 positions, F&& f) {
  int64 i = 0;
  for (; i + 4 <= positions; i += 4) f(i, std::integral_constant<int, 4>());
  for (; i + 2 <= positions; i += 2) f(i, std::integral_constant<int, 2>());
  for (; i < positions; ++i) f(i, std::integral_constant<int, 1>());
}

/// `count` positions, so many vectors of channels.
template <int count, int vectors>
HWY_INLINE void sum_windows(const DepthwiseRun& run, const float* source, const float* w, const float* start,
                            float* target) {
  const Floats d;
  const int64 step = run.source_step;
  Vector sums[count][vectors];
  HWY_UNROLL(4)
  for (int i = 0; i < count; ++i) {
    HWY_UNROLL(2)
    for (int v = 0; v < vectors; ++v) sums[i][v] = hn::LoadU(d, start + v * lanes);
  }
  for (const DepthwiseTap *tap = run.taps, *end = tap + run.tap_count; tap != end; ++tap) {
    const float* const from = source + tap->source;
    HWY_UNROLL(2)
    for (int v = 0; v < vectors; ++v) {
      const Vector weight = hn::LoadU(d, w + tap->weight + v * lanes);
      HWY_UNROLL(4)
      for (int i = 0; i < count; ++i)
        sums[i][v] = hn::MulAdd(hn::LoadU(d, from + i * step + v * lanes), weight, sums[i][v]);
    }
  }
  HWY_UNROLL(4)
  for (int i = 0; i < count; ++i) {
    HWY_UNROLL(2)
    for (int v = 0; v < vectors; ++v) hn::StoreU(sums[i][v], d, target + i * run.target_step + v * lanes);
  }
}

// Not inlined: among the loops around it the compiler would run out of registers for addresses.
template <int count>
HWY_NOINLINE void sum_few(const DepthwiseRun& run, const float* source, const float* w, const float* start,
                          float* target) {
  int64 c = 0;
  for (; c + 2 * lanes <= run.channels; c += 2 * lanes)
    sum_windows<count, 2>(run, source + c, w + c, start + c, target + c);
  for (; c < run.channels; c += lanes) {
    const int64 last = std::min(c, run.channels - lanes);  // may overlap the one before
    sum_windows<count, 1>(run, source + last, w + last, start + last, target + last);
  }
}

/// target = start + the sum over taps of source and weight.
void sum_run(const DepthwiseRun& run, const float* source, const float* w, const float* start,
             float* target) {
  for_each_few(run.positions, [&]<int count>(int64 i, std::integral_constant<int, count>) HWY_ATTR {
    sum_few<count>(run, source + i * run.source_step, w, start, target + i * run.target_step);
  });
}

template <int count>
HWY_NOINLINE void add_few(const DepthwiseRun& run, const float* x, const float* dy, float* dw) {
  const Floats d;
  const int64 step = run.source_step;
  for (int64 c = 0; c < run.channels; c += lanes, x += lanes, dy += lanes, dw += lanes) {
    Vector gradient[count];
    HWY_UNROLL(4)
    for (int i = 0; i < count; ++i) gradient[i] = hn::LoadU(d, dy + i * run.target_step);
    for (const DepthwiseTap *tap = run.taps, *end = tap + run.tap_count; tap != end; ++tap) {
      const float* const from = x + tap->source;
      Vector sum = hn::LoadU(d, dw + tap->weight);
      HWY_UNROLL(4)
      for (int i = 0; i < count; ++i) sum = hn::MulAdd(hn::LoadU(d, from + i * step), gradient[i], sum);
      hn::StoreU(sum, d, dw + tap->weight);
    }
  }
}

/// dw += the sum over positions of x and dy, in whole vectors; so channels is a multiple of lanes.
void add_run(const DepthwiseRun& run, const float* x, const float* dy, float* dw) {
  for_each_few(run.positions, [&]<int count>(int64 i, std::integral_constant<int, count>) HWY_ATTR {
    add_few<count>(run, x + i * run.source_step, dy + i * run.target_step, dw);
  });
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace taper::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace taper::cpu {

HWY_EXPORT(sum_run);
HWY_EXPORT(add_run);

namespace {

using int64 = std::int64_t;

/// Along one dimension: the elements of each position's window that lie inside, as indices.
struct Axis {
  int64 size = 1, kernel = 1, source_size = 1;
  std::vector<DepthwiseTap> taps;  // `kernel` for each position, the first counts[position] of which are
  std::vector<int64> counts;

  /// Forward: from results to the image. Backward: from the image to results.
  Axis(const Convolution& c, int i, bool backward)
      : size(backward ? c.input[i] : c.output[i]),
        kernel(c.kernel[i]),
        source_size(backward ? c.output[i] : c.input[i]),
        taps(std::size_t(size * kernel)),
        counts(std::size_t(size)) {
    for (int64 at = 0; at < size; ++at)
      for (int64 k = 0; k < kernel; ++k) {
        const int64 reach = k * c.dilation[i] - c.padding_before[i];
        const int64 source = backward ? (at - reach) / c.stride[i] : at * c.stride[i] + reach;
        const bool meets = !backward || (at >= reach && (at - reach) % c.stride[i] == 0);
        if (meets && source >= 0 && source < source_size) taps[at * kernel + counts[at]++] = {source, k};
      }
  }
  const DepthwiseTap* at(int64 position) const { return taps.data() + position * kernel; }

  /// Whether the windows at two positions have the same elements, `shift` further on.
  bool alike(int64 a, int64 b, int64 shift) const {
    return counts[a] == counts[b] &&
           std::equal(at(a), at(a) + counts[a], at(b), [&](const DepthwiseTap& s, const DepthwiseTap& t) {
             return s.weight == t.weight && s.source + shift == t.source;
           });
  }
};

/// How the elements of a target are sums over windows of a source, both channels-last. A row is what lies
/// along the last dimension.
class Windows {
 public:
  Windows(const Convolution& c, bool backward)
      : channels_(c.in_channels), rows_(c.batch), taps_(volume(c, c.kernel)) {
    for (int i = 0; i < c.spatial_dims; ++i) axes_.emplace_back(c, i, backward);
    for (int i = 0; i + 1 < c.spatial_dims; ++i) rows_ *= axes_[std::size_t(i)].size;
    const int64 stride = c.stride[c.spatial_dims - 1], step = backward ? stride : 1;
    source_step_ = backward ? 1 : stride;
    const Axis& last = axes_.back();
    for (int64 phase = 0; phase < std::min(step, last.size); ++phase)
      for (int64 at = phase; at < last.size; at += step) {
        if (at != phase && last.alike(at - step, at, source_step_)) ++runs_.back().positions;
        else runs_.push_back({at, 1});
      }
    target_step_ = step;
  }

  int64 rows() const { return rows_; }
  int64 taps() const { return taps_; }
  /// Rows that are some tenths of a millisecond of work.
  int64 grain() const { return 1 + (1 << 20) / (axes_.back().size * channels_ * taps_); }

  /// Calls f(run, offset in the target) for each run of a row; `taps` has room for those of a window.
  template <class F>
  void for_each_run(int64 row, DepthwiseTap* taps, F&& f) const {
    const Axis& last = axes_.back();
    for (const auto& [first, positions] : runs_) {
      taps[0] = {0, 0};
      int64 count = 1, rest = row, source_plane = 1, kernel_plane = 1;
      for (std::size_t i = axes_.size(); i--;) {
        const Axis& axis = axes_[i];
        const int64 position = i + 1 == axes_.size() ? first : rest % axis.size;
        if (i + 1 != axes_.size()) rest /= axis.size;
        count = combine(axis, position, source_plane, kernel_plane, taps, count);
        source_plane *= axis.source_size, kernel_plane *= axis.kernel;
      }
      for (int64 t = 0; t < count; ++t) taps[t].source += rest * source_plane * channels_;
      const DepthwiseRun run{taps,     count, positions, source_step_ * channels_, target_step_ * channels_,
                             channels_};
      f(run, (row * last.size + first) * channels_);
    }
  }

 private:
  /// Each of `count` taps with each of a position's; returns how many they are then.
  int64 combine(const Axis& axis, int64 position, int64 source_plane, int64 kernel_plane, DepthwiseTap* taps,
                int64 count) const {
    const int64 more = axis.counts[std::size_t(position)];
    for (int64 k = more; k--;) {
      const DepthwiseTap& outer = axis.at(position)[k];
      for (int64 t = 0; t < count; ++t)
        taps[k * count + t] = {taps[t].source + outer.source * source_plane * channels_,
                               taps[t].weight + outer.weight * kernel_plane * channels_};
    }
    return more * count;
  }

  struct Columns {
    int64 first, positions;
  };
  int64 channels_, rows_, taps_, source_step_ = 1, target_step_ = 1;
  std::vector<Axis> axes_;
  std::vector<Columns> runs_;
};

bool is_suited(const Convolution& c) {
  return c.channels_last && c.dtype == DType::float32 && c.groups == c.in_channels &&
         c.out_channels == c.in_channels && c.in_channels >= least_depthwise_channels;
}

void transpose(const float* from, int64 rows, int64 columns, float* to) {
  for (int64 i = 0; i < rows; ++i)
    for (int64 j = 0; j < columns; ++j) to[j * rows + i] = from[i * columns + j];
}

/// target = start + the sums over windows of source with w [channels, window]; start may be null.
void sum_all(const Windows& windows, int64 channels, const float* source, const float* w, const float* start,
             float* target) {
  Scratch<float> weights{std::size_t(windows.taps() * channels)}, zeros{std::size_t(channels)};
  transpose(w, channels, windows.taps(), weights.data());
  std::fill_n(zeros.data(), channels, 0.0f);
  parallel_for(windows.rows(), windows.grain(), [&](int64 begin, int64 end) {
    Scratch<DepthwiseTap> taps(std::size_t(windows.taps()));
    for (int64 row = begin; row < end; ++row)
      windows.for_each_run(row, taps.data(), [&](const DepthwiseRun& run, int64 offset) {
        HWY_DYNAMIC_DISPATCH(sum_run)
        (run, source, weights.data(), start ? start : zeros.data(), target + offset);
      });
  });
}

}  // namespace

bool depthwise_convolution_forward(const Convolution& c, const float* x, const float* w, const float* bias,
                                   float* y) {
  if (!is_suited(c)) return false;
  sum_all(Windows(c, false), c.in_channels, x, w, bias, y);
  return true;
}

bool depthwise_convolution_backward_input(const Convolution& c, const float* dy, const float* w, float* dx) {
  if (!is_suited(c)) return false;
  sum_all(Windows(c, true), c.in_channels, dy, w, nullptr, dx);
  return true;
}

bool depthwise_convolution_backward_weight(const Convolution& c, const float* x, const float* dy, float* dw) {
  if (!is_suited(c) || c.in_channels % least_depthwise_channels != 0) return false;
  constexpr int64 most_parts = 32;
  const Windows windows(c, false);
  const int64 size = windows.taps() * c.in_channels;
  const int64 rows = std::max(windows.grain(), (windows.rows() + most_parts - 1) / most_parts);
  const int64 parts = (windows.rows() + rows - 1) / rows;
  Scratch<float> sums(std::size_t(parts * size));
  std::fill_n(sums.data(), parts * size, 0.0f);
  parallel_for(parts, 1, [&](int64 begin, int64 end) {
    Scratch<DepthwiseTap> taps(std::size_t(windows.taps()));
    for (int64 part = begin; part < end; ++part)
      for (int64 row = part * rows; row < std::min((part + 1) * rows, windows.rows()); ++row)
        windows.for_each_run(row, taps.data(), [&](const DepthwiseRun& run, int64 offset) {
          HWY_DYNAMIC_DISPATCH(add_run)(run, x, dy + offset, sums.data() + part * size);
        });
  });
  for (int64 part = 1; part < parts; ++part)
    for (int64 i = 0; i < size; ++i) sums[std::size_t(i)] += sums[std::size_t(part * size + i)];
  transpose(sums.data(), windows.taps(), c.in_channels, dw);
  return true;
}

}  // namespace taper::cpu
#endif
