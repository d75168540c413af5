// Convolution by windows of 3 x 3 through Winograd's minimal filtering: tiles of 2 x 2 results take 16
// multiplications instead of 36. Its transforms are sums and differences, so results are as exact as those of
// the plain sums (Lavin & Gray 2016, arXiv:1509.09308, F(2x2, 3x3)).
#include <algorithm>
#include <atomic>

#include "cpu/convolution_paths.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/winograd_convolution.cc"
#include <hwy/foreach_target.h>  // before highway.h
#include <hwy/highway.h>

#include "cpu/gemm_kernel-inl.h"

#ifndef TAPER_CPU_WINOGRAD_TYPES
#define TAPER_CPU_WINOGRAD_TYPES
namespace taper::cpu {

/// How tiles lie in images: x [batch, height, width, channels], y [batch, rows, columns, out_channels].
struct WinogradTiles {
  std::int64_t batch, groups, channels, out_channels, height, width, rows, columns, padding_y, padding_x;

  std::int64_t down() const { return (rows + 1) / 2; }
  std::int64_t across() const { return (columns + 1) / 2; }
  std::int64_t count() const { return batch * down() * across(); }
  std::int64_t group_channels() const { return channels / groups; }
  std::int64_t group_out_channels() const { return out_channels / groups; }
};

/// The first result of a tile.
struct WinogradPlace {
  std::int64_t image, row, column;
};

}  // namespace taper::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace taper::cpu {
namespace HWY_NAMESPACE {
namespace winograd {

using namespace product;
using int64 = std::int64_t;
using Floats = Tag<float>;
using Vector = hn::Vec<Floats>;

// Elements between planes and rows of scratch memory beyond their sizes, so that equal places of them do not
// share the cache's sets.
constexpr int64 gap = 16;

// Transformed numbers: plane (0 to 15) [rows, columns].
struct Planes {
  float* data;
  int64 plane, row;
  static int64 row_of(int64 columns) { return columns + gap; }
  static int64 plane_of(int64 rows, int64 columns) { return rows * row_of(columns) + gap; }
  Planes(float* memory, int64 rows, int64 columns)
      : data(memory), plane(plane_of(rows, columns)), row(row_of(columns)) {}
  float* at(int64 index, int64 r) const { return data + index * plane + r * row; }
};

WinogradPlace place_of(const WinogradTiles& t, int64 tile) {
  const int64 across = t.across(), down = t.down();
  return {tile / (across * down), tile / across % down * 2, tile % across * 2};
}

/// B^T v of four numbers.
HWY_INLINE void transform_four(Vector v0, Vector v1, Vector v2, Vector v3, Vector* result, int step) {
  result[0] = v0 - v2, result[step] = v1 + v2, result[2 * step] = v2 - v1, result[3 * step] = v1 - v3;
}

/// A v of two numbers.
HWY_INLINE void spread_two(Vector v0, Vector v1, Vector* result, int step) {
  result[0] = v0, result[step] = v0 + v1, result[2 * step] = v0 - v1, result[3 * step] = hn::Neg(v1);
}

/// Row `row` of v gets B^T d B of a tile of x, d being 4 x 4.
void transform_input(const WinogradTiles& t, const float* x, const float* zeros, int64 tile, const Planes& v,
                     int64 row) {
  const Floats d;
  const WinogradPlace place = place_of(t, tile);
  const float* in[16];
  for (int64 i = 0; i < 16; ++i) {
    const int64 y = place.row - t.padding_y + i / 4, column = place.column - t.padding_x + i % 4;
    const bool inside = y >= 0 && y < t.height && column >= 0 && column < t.width;
    in[i] = inside ? x + ((place.image * t.height + y) * t.width + column) * t.channels : zeros;
  }
  float* const target = v.at(0, row);
  for (int64 c = 0; c < t.channels; c += lanes<float>) {
    Vector half[16], whole[4];
    HWY_UNROLL(4)
    for (int j = 0; j < 4; ++j)
      transform_four(hn::LoadU(d, in[j] + c), hn::LoadU(d, in[4 + j] + c), hn::LoadU(d, in[8 + j] + c),
                     hn::LoadU(d, in[12 + j] + c), half + j, 4);
    HWY_UNROLL(4)
    for (int i = 0; i < 4; ++i) {
      transform_four(half[4 * i], half[4 * i + 1], half[4 * i + 2], half[4 * i + 3], whole, 1);
      HWY_UNROLL(4)
      for (int j = 0; j < 4; ++j) hn::StoreU(whole[j], d, target + (4 * i + j) * v.plane + c);
    }
  }
}

/// Row `row` of m gets A e A^T of a tile of dy, e being 2 x 2.
void transform_gradient(const WinogradTiles& t, const float* dy, const float* zeros, int64 tile,
                        const Planes& m, int64 row) {
  const Floats d;
  const WinogradPlace place = place_of(t, tile);
  const float* in[4];
  for (int64 i = 0; i < 4; ++i) {
    const int64 y = place.row + i / 2, column = place.column + i % 2;
    const bool inside = y < t.rows && column < t.columns;
    in[i] = inside ? dy + ((place.image * t.rows + y) * t.columns + column) * t.out_channels : zeros;
  }
  float* const target = m.at(0, row);
  for (int64 c = 0; c < t.out_channels; c += lanes<float>) {
    Vector half[8], whole[4];
    spread_two(hn::LoadU(d, in[0] + c), hn::LoadU(d, in[2] + c), half, 2);
    spread_two(hn::LoadU(d, in[1] + c), hn::LoadU(d, in[3] + c), half + 1, 2);
    HWY_UNROLL(4)
    for (int i = 0; i < 4; ++i) {
      spread_two(half[2 * i], half[2 * i + 1], whole, 1);
      HWY_UNROLL(4)
      for (int j = 0; j < 4; ++j) hn::StoreU(whole[j], d, target + (4 * i + j) * m.plane + c);
    }
  }
}

/// Whether no lane is infinite or not a number, for numbers of which finite is a sum with factors of 0.
bool all_finite(Vector finite) { return hn::AllFalse(Floats(), hn::IsNaN(finite)); }

/// A tile of y gets A^T m A (+ bias) of row `row` of m. Returns whether it is finite.
bool transform_output(const WinogradTiles& t, const Planes& m, int64 row, int64 tile, const float* bias,
                      float* y) {
  const Floats d;
  const WinogradPlace place = place_of(t, tile);
  float* const out = y + ((place.image * t.rows + place.row) * t.columns + place.column) * t.out_channels;
  const int64 down = t.columns * t.out_channels;
  const bool two_rows = place.row + 1 < t.rows, two_columns = place.column + 1 < t.columns;
  const float* const source = m.at(0, row);
  Vector finite = hn::Zero(d);
  const auto put = [&](Vector value, float* target) HWY_ATTR {
    finite = hn::MulAdd(value, hn::Zero(d), finite);
    hn::StoreU(value, d, target);
  };
  for (int64 c = 0; c < t.out_channels; c += lanes<float>) {
    Vector half[8];
    HWY_UNROLL(4)
    for (int j = 0; j < 4; ++j) {
      const auto m0 = hn::LoadU(d, source + j * m.plane + c);
      const auto m1 = hn::LoadU(d, source + (4 + j) * m.plane + c);
      const auto m2 = hn::LoadU(d, source + (8 + j) * m.plane + c);
      const auto m3 = hn::LoadU(d, source + (12 + j) * m.plane + c);
      half[j] = (m0 + m1) + m2, half[4 + j] = (m1 - m2) - m3;
    }
    const auto add = bias ? hn::LoadU(d, bias + c) : hn::Zero(d);
    put((half[0] + half[1]) + (half[2] + add), out + c);
    if (two_columns) put((half[1] - half[2]) - (half[3] - add), out + t.out_channels + c);
    if (two_rows) put((half[4] + half[5]) + (half[6] + add), out + down + c);
    if (two_rows && two_columns) put((half[5] - half[6]) - (half[7] - add), out + down + t.out_channels + c);
  }
  return all_finite(finite);
}

/// G g of three numbers.
HWY_INLINE void spread_three(Vector g0, Vector g1, Vector g2, Vector* result, int step) {
  const auto half = hn::Set(Floats(), 0.5f);
  const auto sum = (g0 + g2) * half, middle = g1 * half;
  result[0] = g0, result[step] = sum + middle, result[2 * step] = sum - middle, result[3 * step] = g2;
}

/// u[i * plane] = (G g G^T)[i] of a window, by lanes: g[s * width] is its element s, or 8 - s if turned.
HWY_INLINE void transform_window(const float* g, int64 width, bool turned, float* u, int64 plane) {
  const Floats d;
  Vector half[12], whole[4];
  HWY_UNROLL(3)
  for (int j = 0; j < 3; ++j) {
    const auto at = [&](int s) HWY_ATTR { return hn::LoadU(d, g + (turned ? 8 - s : s) * width); };
    spread_three(at(j), at(3 + j), at(6 + j), half + j, 3);
  }
  HWY_UNROLL(4)
  for (int i = 0; i < 4; ++i) {
    spread_three(half[3 * i], half[3 * i + 1], half[3 * i + 2], whole, 1);
    HWY_UNROLL(4)
    for (int j = 0; j < 4; ++j) hn::StoreU(whole[j], d, u + (4 * i + j) * plane);
  }
}

constexpr int64 windows_at_once = 8;

/// Transformed windows as panels: plane i, group g, panel j, is [channels, width] for the group's
/// out_channels from j on.
struct Panels {
  int64 groups, channels, out_channels;  // of one group
  int64 group() const { return channels * out_channels; }
  int64 plane() const { return groups * group() + gap; }
  int64 width(int64 j) const { return std::min(tile_columns<float>, out_channels - j); }
};

/// The panel of a group's out_channels from j on.
void transform_panel(const Panels& p, const float* w, bool turned, int64 j, float* u) {
  HWY_ALIGN float columns[9 * windows_at_once * tile_columns<float>];
  const int64 width = p.width(j);
  for (int64 c = 0; c < p.channels; c += windows_at_once) {
    const int64 count = std::min(windows_at_once, p.channels - c);
    if (!turned)
      pack_transposed(w + (j * p.channels + c) * 9, p.channels * 9, 9 * count, width, columns, width);
    for (int64 k = 0; k < count; ++k) {
      float* const window = columns + k * 9 * width;
      if (turned) pack_transposed(w + ((c + k) * p.out_channels + j) * 9, 9, 9, width, window, width);
      for (int64 v = 0; v < width; v += lanes<float>)
        transform_window(window + v, width, turned, u + j * p.channels + (c + k) * width + v, p.plane());
    }
  }
}

/// Forward: each group's w [out_channels, channels, 3, 3]. Turned, for the gradient to the input: w
/// [channels, out_channels, 3, 3], each window turned by 180 degrees.
void transform_windows(const Panels& p, const float* w, bool turned, float* u) {
  const int64 panels = divide_up(p.out_channels, tile_columns<float>);
  parallel_for(p.groups * panels, 1, [&](int64 begin, int64 end) {
    for (int64 i = begin; i < end; ++i)
      transform_panel(p, w + i / panels * p.group() * 9, turned, i % panels * tile_columns<float>,
                      u + i / panels * p.group());
  });
}

/// dw [out_channels, channels of a group, 3, 3] = G^T du G, du being [channels, out_channels of a group] in
/// each plane. Returns whether all is finite.
bool transform_back_windows(const WinogradTiles& t, const Planes& du, float* dw) {
  const int64 channels = t.group_channels(), out_channels = t.group_out_channels();
  std::atomic<bool> finite = true;
  parallel_for(t.out_channels / lanes<float>, 1, [&](int64 begin, int64 end) {
    const Floats d;
    HWY_ALIGN float columns[9 * windows_at_once * lanes<float>];
    Vector bad = hn::Zero(d);
    const auto gather = [&](Vector u0, Vector u1, Vector u2, Vector u3, Vector* result, int step) HWY_ATTR {
      const auto half = hn::Set(d, 0.5f), sum = (u1 + u2) * half;
      result[0] = u0 + sum, result[step] = (u1 - u2) * half, result[2 * step] = sum + u3;
    };
    for (int64 k = begin * lanes<float>; k < end * lanes<float>; k += lanes<float>) {
      const int64 group = k / out_channels * channels, column = k % out_channels;
      for (int64 c = 0; c < channels; c += windows_at_once) {
        const int64 count = std::min(windows_at_once, channels - c);
        for (int64 r = 0; r < count; ++r) {
          Vector half[12], whole[9];
          const auto at = [&](int i) HWY_ATTR { return hn::LoadU(d, du.at(i, group + c + r) + column); };
          for (int j = 0; j < 4; ++j) gather(at(j), at(4 + j), at(8 + j), at(12 + j), half + j, 4);
          for (int i = 0; i < 3; ++i)
            gather(half[4 * i], half[4 * i + 1], half[4 * i + 2], half[4 * i + 3], whole + 3 * i, 1);
          for (int s = 0; s < 9; ++s) {
            bad = hn::MulAdd(whole[s], hn::Zero(d), bad);
            hn::Store(whole[s], d, columns + (r * 9 + s) * lanes<float>);
          }
        }
        pack_transposed(columns, lanes<float>, lanes<float>, 9 * count, dw + (k * channels + c) * 9,
                        channels * 9);
      }
    }
    if (!all_finite(bad)) finite = false;
  });
  return finite;
}

/// c [rows, columns] = or += a b, where element (i, p) of a is a[i * row + p * step]; b_panel(j) tells where
/// the panel of columns from j on begins and how far its rows are apart.
template <class F>
void multiply_planes(int64 rows, int64 columns, int64 depth, const Strip<float>& a, F&& b_panel, float* c,
                     int64 ldc, float beta) {
  for (int64 j = 0; j < columns; j += tile_columns<float>) {
    const int64 width = std::min(tile_columns<float>, columns - j);
    const Strip<float> b = b_panel(j, width);
    for (int64 i = 0; i < rows; i += tile_rows) {
      const int64 height = std::min<int64>(tile_rows, rows - i);
      const auto tile = tile_function<float>(height, width / lanes<float>);
      tile(depth, a.data + i * a.row, a.row, a.step, b.data, b.row,
           {c + i * ldc + j, ldc, 1, beta, nullptr, width});
    }
  }
}

/// Tiles taken at once: what they take stays in the second-level cache, unless windows are so many that
/// reading them again would cost more.
int64 tiles_at_once(const WinogradTiles& t) {
  constexpr int64 bytes = 3 << 17, least = 32;
  const int64 bytes_of_tile = 64 * (t.channels + t.out_channels);
  return std::max(least, bytes / bytes_of_tile / tile_rows * tile_rows);
}

/// y = x * w + bias. Returns whether all of y is finite.
bool forward(const WinogradTiles& t, const float* x, const float* w, bool turned, const float* bias,
             float* y) {
  const int64 channels = t.group_channels(), out_channels = t.group_out_channels();
  const Panels panels{t.groups, channels, out_channels};
  Scratch<float> u(16 * panels.plane()), zeros(t.channels);
  std::fill_n(zeros.data(), t.channels, 0.0f);
  transform_windows(panels, w, turned, u.data());
  const int64 grain = tiles_at_once(t);
  std::atomic<bool> finite = true;
  parallel_for(t.count(), grain, [&](int64 begin, int64 end) {
    Scratch<float> v_memory(16 * Planes::plane_of(grain, t.channels)),
        m_memory(16 * Planes::plane_of(grain, t.out_channels));
    const Planes v(v_memory.data(), grain, t.channels), m(m_memory.data(), grain, t.out_channels);
    for (int64 first = begin; first < end; first += grain) {
      const int64 count = std::min(grain, end - first);
      for (int64 i = 0; i < count; ++i) transform_input(t, x, zeros.data(), first + i, v, i);
      for (int64 i = 0; i < 16 * t.groups; ++i) {
        const int64 plane = i / t.groups, group = i % t.groups;
        const float* const windows = u.data() + plane * panels.plane() + group * panels.group();
        multiply_planes(
            count, out_channels, channels, {v.at(plane, 0) + group * channels, v.row, 1},
            [&](int64 j, int64 width) {
              return Strip<float>{windows + j * channels, width, 1};
            },
            m.at(plane, 0) + group * out_channels, m.row, 0);
      }
      for (int64 i = 0; i < count; ++i)
        if (!transform_output(t, m, i, first + i, bias, y)) finite = false;
    }
  });
  return finite;
}

/// dw. Returns whether all of it is finite.
bool backward_weight(const WinogradTiles& t, const float* x, const float* dy, float* dw) {
  constexpr int64 grain = 64, task = 16;
  const int64 widest = std::max(t.channels, t.out_channels);
  const int64 channels = t.group_channels(), out_channels = t.group_out_channels();
  Scratch<float> v_memory(16 * Planes::plane_of(grain, t.channels)),
      m_memory(16 * Planes::plane_of(grain, t.out_channels)),
      u_memory(16 * Planes::plane_of(t.channels, out_channels)), zeros(widest);
  std::fill_n(zeros.data(), widest, 0.0f);
  const Planes v(v_memory.data(), grain, t.channels), m(m_memory.data(), grain, t.out_channels),
      u(u_memory.data(), t.channels, out_channels);
  for (int64 first = 0; first < t.count(); first += grain) {
    const int64 count = std::min(grain, t.count() - first);
    parallel_for(count, task, [&](int64 begin, int64 end) {
      for (int64 i = begin; i < end; ++i) {
        transform_input(t, x, zeros.data(), first + i, v, i);
        transform_gradient(t, dy, zeros.data(), first + i, m, i);
      }
    });
    parallel_for(16 * t.groups, t.groups, [&](int64 begin, int64 end) {
      for (int64 i = begin; i < end; ++i) {
        const int64 plane = i / t.groups, group = i % t.groups;
        multiply_planes(
            channels, out_channels, count, {v.at(plane, 0) + group * channels, 1, v.row},
            [&](int64 j, int64) {
              return Strip<float>{m.at(plane, 0) + group * out_channels + j, m.row, 1};
            },
            u.at(plane, group * channels), u.row, first ? 1.0f : 0.0f);
      }
    });
  }
  return transform_back_windows(t, u, dw);
}

}  // namespace winograd

bool winograd_forward(const WinogradTiles& t, const float* x, const float* w, bool turned, const float* bias,
                      float* y) {
  return winograd::forward(t, x, w, turned, bias, y);
}
bool winograd_backward_weight(const WinogradTiles& t, const float* x, const float* dy, float* dw) {
  return winograd::backward_weight(t, x, dy, dw);
}

}  // namespace HWY_NAMESPACE
}  // namespace taper::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace taper::cpu {

HWY_EXPORT(winograd_forward);
HWY_EXPORT(winograd_backward_weight);

namespace {

bool is_suited(const Convolution& c) {
  constexpr std::int64_t grain = 16, least_channels = 32, most_channels = 2048, least_tiles = 16;
  bool suited = c.spatial_dims == 2 && c.channels_last && c.dtype == DType::float32;
  for (int i = 0; i < 2; ++i)
    suited = suited && c.kernel[i] == 3 && c.stride[i] == 1 && c.dilation[i] == 1 && c.padding_before[i] <= 2;
  for (const std::int64_t channels : {c.in_channels, c.out_channels})
    suited = suited && channels % (grain * c.groups) == 0 && channels >= least_channels &&
             channels <= most_channels;
  return suited && c.batch * ((c.output[0] + 1) / 2) * ((c.output[1] + 1) / 2) >= least_tiles;
}

WinogradTiles tiles_of(const Convolution& c) {
  return {c.batch,    c.groups,    c.in_channels, c.out_channels,      c.input[0],
          c.input[1], c.output[0], c.output[1],   c.padding_before[0], c.padding_before[1]};
}

}  // namespace

bool winograd_convolution_forward(const Convolution& c, const float* x, const float* w, const float* bias,
                                  float* y) {
  return is_suited(c) && HWY_DYNAMIC_DISPATCH(winograd_forward)(tiles_of(c), x, w, false, bias, y);
}

bool winograd_convolution_backward_input(const Convolution& c, const float* dy, const float* w, float* dx) {
  if (!is_suited(c)) return false;
  const WinogradTiles turned{
      c.batch,     c.groups,   c.out_channels, c.in_channels,           c.output[0],
      c.output[1], c.input[0], c.input[1],     2 - c.padding_before[0], 2 - c.padding_before[1]};
  return HWY_DYNAMIC_DISPATCH(winograd_forward)(turned, dy, w, true, nullptr, dx);
}

bool winograd_convolution_backward_weight(const Convolution& c, const float* x, const float* dy, float* dw) {
  return is_suited(c) && HWY_DYNAMIC_DISPATCH(winograd_backward_weight)(tiles_of(c), x, dy, dw);
}

}  // namespace taper::cpu
#endif
