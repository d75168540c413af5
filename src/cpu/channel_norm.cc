// Batch and group norm: sums by image and channel, combined in float64; then one pass with constants by
// channel.
#include <algorithm>
#include <cmath>
#include <vector>

#include "cpu/normalization.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"
#include "taper/error.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/channel_norm.cc"
#include <hwy/foreach_target.h>  // before highway.h
#include <hwy/highway.h>

#include "cpu/rows-inl.h"

#ifndef TAPER_CPU_CHANNEL_NORM_TYPES
#define TAPER_CPU_CHANNEL_NORM_TYPES
namespace taper::cpu {

/// Of a set of numbers: how many, their mean, and the sum of squared distances from it.
struct Spread {
  double count = 0, mean = 0, squares = 0;

  /// Chan, Golub & LeVeque 1983, equations 2.1.
  void add(const Spread& other) {
    const double all = count + other.count, distance = other.mean - mean;
    if (other.count == 0) return;
    mean += distance * other.count / all;
    squares += other.squares + distance * distance * count * other.count / all;
    count = all;
  }
};

/// The sums of dy and dy (x - centre).
struct Products {
  double dy = 0, dy_x = 0;
};

/// Per image and channel, y = a x' + b with x' = x - centre; or dx = a dy + b x' + c.
struct Line {
  double centre, a, b, c;
};

}  // namespace taper::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace taper::cpu {
namespace HWY_NAMESPACE {

/// Rows (positions) that a float32 sum takes before it is added to a float64 one.
constexpr int64 rows_at_once = 128;

/// Positions of channels-last memory that a task takes: some 128 KiB.
inline int64 task_rows(const ChannelNorm& n) {
  return std::max<int64>(16, (1 << 15) / std::max<int64>(n.channels, 1));
}
inline int64 tasks_of_image(const ChannelNorm& n) { return (n.plane + task_rows(n) - 1) / task_rows(n); }

/// Spread of each channel of positions [0, rows), added to spreads.
template <class T>
void spread_of_rows(const T* x, int64 rows, int64 channels, Spread* spreads) {
  const hn::ScalableTag<Compute<T>> d;
  using V = hn::VFromD<decltype(d)>;
  HWY_ALIGN Compute<T> sums[HWY_MAX_BYTES / sizeof(Compute<T>)] = {},
                                            squares[HWY_MAX_BYTES / sizeof(Compute<T>)] = {};
  HWY_ALIGN Compute<T> shifts[HWY_MAX_BYTES / sizeof(Compute<T>)] = {};
  for_vectors(d, channels, [&](int64 first, int64 count) {
    const V start = load_as(d, x + first, count);
    V about = hn::Zero(d);
    const int64 some = std::min<int64>(rows, 8);
    for (int64 i = 0; i < some; ++i)
      about = hn::Add(about, hn::Sub(load_as(d, x + i * channels + first, count), start));
    const V shift = hn::MulAdd(about, hn::Set(d, Compute<T>(1 / double(some))), start);
    hn::Store(shift, d, shifts);
    double sum[HWY_MAX_BYTES / sizeof(Compute<T>)] = {}, square[HWY_MAX_BYTES / sizeof(Compute<T>)] = {};
    for (int64 begin = 0; begin < rows; begin += rows_at_once) {
      V s = hn::Zero(d), q = s;
      for (int64 i = begin; i < std::min(begin + rows_at_once, rows); ++i) {
        const V v = hn::Sub(load_as(d, x + i * channels + first, count), shift);
        s = hn::Add(s, v), q = hn::MulAdd(v, v, q);
      }
      hn::Store(s, d, sums), hn::Store(q, d, squares);
      for (int64 k = 0; k < count; ++k) sum[k] += double(sums[k]), square[k] += double(squares[k]);
    }
    const double n = double(rows);
    for (int64 k = 0; k < count; ++k)
      spreads[first + k].add({n, double(shifts[k]) + sum[k] / n, square[k] - sum[k] * sum[k] / n});
  });
}

template <class T>
Spread spread_of_plane(const T* x, int64 n) {
  const hn::ScalableTag<Compute<T>> d;
  double about = 0;
  const int64 some = std::min<int64>(n, 16);
  for (int64 i = 0; i < some; ++i) about += double(Compute<T>(x[i])) / double(some);
  const Compute<T> centre = Compute<T>(about);
  const auto shift = hn::Set(d, centre);
  const auto shifted = [&](int64 i, int64 count) {
    const auto v = hn::Sub(load_as(d, x + i, count), shift);
    return count == int64(hn::Lanes(d)) ? v : hn::IfThenElseZero(hn::FirstN(d, std::size_t(count)), v);
  };
  const double sum = sum_vectors(d, n, shifted);
  const double squares = sum_vectors(d, n, [&](int64 i, int64 count) {
    const auto v = shifted(i, count);
    return hn::Mul(v, v);
  });
  return {double(n), double(centre) + sum / double(n), squares - sum * sum / double(n)};
}

/// Spreads [batch, channels].
template <class T>
void spreads_of(const ChannelNorm& n, const T* x, Spread* spreads) {
  if (!n.channels_last) {
    parallel_for(n.batch * n.channels, std::max<int64>(1, (1 << 13) / n.plane), [&](int64 begin, int64 end) {
      for (int64 i = begin; i < end; ++i) spreads[i] = spread_of_plane(x + i * n.plane, n.plane);
    });
    return;
  }
  const int64 tasks = tasks_of_image(n), rows = task_rows(n);
  std::vector<Spread> parts(std::size_t(n.batch * tasks * n.channels));
  parallel_for(n.batch * tasks, 1, [&](int64 begin, int64 end) {
    for (int64 task = begin; task < end; ++task) {
      const int64 first = task % tasks * rows, offset = (task / tasks * n.plane + first) * n.channels;
      spread_of_rows(x + offset, std::min(rows, n.plane - first), n.channels,
                     parts.data() + task * n.channels);
    }
  });
  for (int64 i = 0; i < n.batch * tasks; ++i)
    for (int64 c = 0; c < n.channels; ++c)
      spreads[i / tasks * n.channels + c].add(parts[std::size_t(i * n.channels + c)]);
}

/// Products of each channel of positions [0, rows), added to products.
template <class T>
void products_of_rows(const T* x, const T* dy, int64 rows, int64 channels, const double* centres,
                      Products* products) {
  using C = Compute<T>;
  const hn::ScalableTag<C> d;
  using V = hn::VFromD<decltype(d)>;
  HWY_ALIGN C lanes[HWY_MAX_BYTES / sizeof(C)] = {}, others[HWY_MAX_BYTES / sizeof(C)] = {};
  for_vectors(d, channels, [&](int64 first, int64 count) {
    for (int64 k = 0; k < count; ++k) lanes[k] = C(centres[first + k]);
    const V shift = hn::Load(d, lanes);
    for (int64 begin = 0; begin < rows; begin += rows_at_once) {
      V s = hn::Zero(d), q = s;
      for (int64 i = begin; i < std::min(begin + rows_at_once, rows); ++i) {
        const V g = load_as(d, dy + i * channels + first, count);
        s = hn::Add(s, g), q = hn::MulAdd(g, hn::Sub(load_as(d, x + i * channels + first, count), shift), q);
      }
      hn::Store(s, d, lanes), hn::Store(q, d, others);
      for (int64 k = 0; k < count; ++k)
        products[first + k].dy += double(lanes[k]), products[first + k].dy_x += double(others[k]);
    }
  });
}

template <class T>
Products products_of_plane(const T* x, const T* dy, int64 n, double centre) {
  const hn::ScalableTag<Compute<T>> d;
  const auto shift = hn::Set(d, Compute<T>(centre));
  return {sum_vectors(d, n, [&](int64 i, int64 count) { return load_as(d, dy + i, count); }),
          sum_vectors(d, n, [&](int64 i, int64 count) {
            return hn::Mul(load_as(d, dy + i, count), hn::Sub(load_as(d, x + i, count), shift));
          })};
}

/// Products [batch, channels]; centres [batch, channels] are rounded to the type computed in.
template <class T>
void products_of(const ChannelNorm& n, const T* x, const T* dy, const double* centres, Products* products) {
  if (!n.channels_last) {
    parallel_for(n.batch * n.channels, std::max<int64>(1, (1 << 13) / n.plane), [&](int64 begin, int64 end) {
      for (int64 i = begin; i < end; ++i)
        products[i] = products_of_plane(x + i * n.plane, dy + i * n.plane, n.plane, centres[i]);
    });
    return;
  }
  const int64 tasks = tasks_of_image(n), rows = task_rows(n);
  std::vector<Products> parts(std::size_t(n.batch * tasks * n.channels));
  parallel_for(n.batch * tasks, 1, [&](int64 begin, int64 end) {
    for (int64 task = begin; task < end; ++task) {
      const int64 image = task / tasks, first = task % tasks * rows,
                  offset = (image * n.plane + first) * n.channels;
      products_of_rows(x + offset, dy + offset, std::min(rows, n.plane - first), n.channels,
                       centres + image * n.channels, parts.data() + task * n.channels);
    }
  });
  for (int64 i = 0; i < n.batch * tasks; ++i)
    for (int64 c = 0; c < n.channels; ++c) {
      Products& sum = products[i / tasks * n.channels + c];
      const Products& part = parts[std::size_t(i * n.channels + c)];
      sum.dy += part.dy, sum.dy_x += part.dy_x;
    }
}

/// y = a x' + b or, with dy, dx = a dy + b x' + c, lines being [batch, channels].
template <class T>
void apply_to_planes(const ChannelNorm& n, const T* x, const T* dy, const Line* lines, T* y) {
  const hn::ScalableTag<Compute<T>> d;
  const auto all = [&](double value) { return hn::Set(d, Compute<T>(value)); };
  parallel_for(n.batch * n.channels, std::max<int64>(1, (1 << 13) / n.plane), [&](int64 begin, int64 end) {
    for (int64 i = begin; i < end; ++i) {
      const auto centre = all(lines[i].centre), a = all(lines[i].a), b = all(lines[i].b), c = all(lines[i].c);
      const int64 at = i * n.plane;
      for_vectors(d, n.plane, [&](int64 j, int64 count) {
        const auto v = hn::Sub(load_as(d, x + at + j, count), centre);
        const auto r =
            dy ? hn::MulAdd(a, load_as(d, dy + at + j, count), hn::MulAdd(b, v, c)) : hn::MulAdd(a, v, b);
        store_as(d, r, y + at + j, count);
      });
    }
  });
}

/// The lines of one image as four arrays.
template <class C>
void split_lines(const Line* lines, int64 channels, C* arrays) {
  for (int64 i = 0; i < channels; ++i) {
    arrays[i] = C(lines[i].centre), arrays[channels + i] = C(lines[i].a);
    arrays[2 * channels + i] = C(lines[i].b), arrays[3 * channels + i] = C(lines[i].c);
  }
}

template <class T>
void apply_to_rows(const ChannelNorm& n, const T* x, const T* dy, const Line* lines, T* y) {
  using C = Compute<T>;
  const hn::ScalableTag<C> d;
  const int64 tasks = tasks_of_image(n), rows = task_rows(n);
  parallel_for(n.batch * tasks, 1, [&](int64 begin, int64 end) {
    Scratch<C> constants(std::size_t(4 * n.channels));
    for (int64 task = begin; task < end; ++task) {
      split_lines(lines + task / tasks * n.channels, n.channels, constants.data());
      const C *centre = constants.data(), *a = centre + n.channels, *b = a + n.channels, *c = b + n.channels;
      const int64 first = task % tasks * rows, last = std::min(first + rows, n.plane);
      for (int64 row = first; row < last; ++row) {
        const int64 at = (task / tasks * n.plane + row) * n.channels;
        for_vectors(d, n.channels, [&](int64 j, int64 count) {
          const auto v = hn::Sub(load_as(d, x + at + j, count), load(d, centre + j, count));
          const auto scale = load(d, a + j, count), other = load(d, b + j, count);
          const auto r = dy ? hn::MulAdd(scale, load_as(d, dy + at + j, count),
                                         hn::MulAdd(other, v, load(d, c + j, count)))
                            : hn::MulAdd(scale, v, other);
          store_as(d, r, y + at + j, count);
        });
      }
    }
  });
}

void run_spreads(const ChannelNorm& n, const void* x, Spread* spreads) {
  visit_floating(n.dtype, [&]<class T>(T) { spreads_of(n, static_cast<const T*>(x), spreads); });
}

void run_products(const ChannelNorm& n, const void* x, const void* dy, const double* centres,
                  Products* products) {
  visit_floating(n.dtype, [&]<class T>(T) {
    products_of(n, static_cast<const T*>(x), static_cast<const T*>(dy), centres, products);
  });
}

void run_apply(const ChannelNorm& n, const void* x, const void* dy, const Line* lines, void* y) {
  visit_floating(n.dtype, [&]<class T>(T) {
    const auto *values = static_cast<const T*>(x), *gradients = static_cast<const T*>(dy);
    if (n.channels_last) apply_to_rows(n, values, gradients, lines, static_cast<T*>(y));
    else apply_to_planes(n, values, gradients, lines, static_cast<T*>(y));
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace taper::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace taper::cpu {

HWY_EXPORT(run_spreads);
HWY_EXPORT(run_products);
HWY_EXPORT(run_apply);

namespace {

using int64 = std::int64_t;
using Doubles = std::vector<double>;

void check_sizes(const ChannelNorm& n, const char* op) {
  check<DTypeError>(is_floating_point(n.dtype) && is_floating_point(n.parameter_dtype), op, ": got ", n.dtype,
                    " with parameters of ", n.parameter_dtype, ", expected floating types");
}

bool is_empty(const ChannelNorm& n) { return n.batch == 0 || n.channels == 0 || n.plane == 0; }

/// A parameter by channel; value if it is null.
Doubles parameter(const ChannelNorm& n, const void* data, double value) {
  Doubles values(std::size_t(n.channels), value);
  if (data)
    visit_floating(n.parameter_dtype, [&]<class T>(T) {
      for (int64 c = 0; c < n.channels; ++c) values[std::size_t(c)] = double(static_cast<const T*>(data)[c]);
    });
  return values;
}

void store_parameter(const ChannelNorm& n, const Doubles& values, void* data) {
  if (data)
    visit_floating(n.parameter_dtype, [&]<class T>(T) {
      for (int64 c = 0; c < n.channels; ++c) static_cast<T*>(data)[c] = T(Compute<T>(values[std::size_t(c)]));
    });
}

/// The mean as the kernels subtract it. What rounding loses of it is made up for in the constant of the line.
double rounded(DType dtype, double mean) { return dtype == DType::float64 ? mean : double(float(mean)); }

/// y = (x - mean) rstd w + b.
Line forward_line(DType dtype, double mean, double rstd, double weight, double bias) {
  const double centre = rounded(dtype, mean), scale = rstd * weight;
  return {centre, scale, bias - (mean - centre) * scale, 0};
}

/// dx = rstd (w dy - g_mean - u gu_mean) with u = (x - mean) rstd.
Line backward_line(DType dtype, double mean, double rstd, double weight, double g_mean, double gu_mean) {
  const double centre = rounded(dtype, mean), slope = -rstd * rstd * gu_mean;
  return {centre, rstd * weight, slope, -rstd * g_mean - slope * (mean - centre)};
}

/// Where images need not be told apart, all of channels-last memory, or of planes of one element, is one
/// image.
ChannelNorm as_one_image(ChannelNorm n) {
  if (n.channels_last || n.plane == 1) n.plane *= n.batch, n.batch = 1, n.channels_last = true;
  return n;
}

void apply(const ChannelNorm& n, const void* x, const void* dy, const std::vector<Line>& lines, void* y) {
  HWY_DYNAMIC_DISPATCH(run_apply)(n, x, dy, lines.data(), y);
}

void batch_norm_apply(const ChannelNorm& n, const void* x, const void* weight, const void* bias,
                      const double* mean, const double* rstd, void* y) {
  const Doubles weights = parameter(n, weight, 1), biases = parameter(n, bias, 0);
  std::vector<Line> lines;
  for (int64 i = 0; i < n.batch * n.channels; ++i) {
    const auto c = std::size_t(i % n.channels);
    lines.push_back(forward_line(n.dtype, mean[c], rstd[c], weights[c], biases[c]));
  }
  apply(n, x, nullptr, lines, y);
}

/// Sums of dy and dy u per image and channel, u = (x - mean) rstd; statistics are those at group_of(i).
template <class F>
std::vector<Products> unit_products(const ChannelNorm& n, const void* x, const void* dy, const double* mean,
                                    const double* rstd, F&& group_of) {
  const int64 count = n.batch * n.channels;
  Doubles centres;
  for (int64 i = 0; i < count; ++i) centres.push_back(rounded(n.dtype, mean[group_of(i)]));
  std::vector<Products> products(static_cast<std::size_t>(count));
  HWY_DYNAMIC_DISPATCH(run_products)(n, x, dy, centres.data(), products.data());
  for (int64 i = 0; i < count; ++i) {
    Products& p = products[std::size_t(i)];
    p.dy_x = (p.dy_x - (mean[group_of(i)] - centres[std::size_t(i)]) * p.dy) * rstd[group_of(i)];
  }
  return products;
}

/// Sums over images, into the gradients of weight and bias.
std::vector<Products> parameter_gradients(const ChannelNorm& n, const std::vector<Products>& products,
                                          void* dw, void* db) {
  std::vector<Products> sums(static_cast<std::size_t>(n.channels));
  for (int64 i = 0; i < n.batch * n.channels; ++i) {
    Products& sum = sums[std::size_t(i % n.channels)];
    sum.dy += products[std::size_t(i)].dy, sum.dy_x += products[std::size_t(i)].dy_x;
  }
  Doubles weight_gradient, bias_gradient;
  for (const Products& sum : sums) weight_gradient.push_back(sum.dy_x), bias_gradient.push_back(sum.dy);
  store_parameter(n, weight_gradient, dw), store_parameter(n, bias_gradient, db);
  return sums;
}

}  // namespace

void batch_norm(const ChannelNorm& norm, double eps, const void* x, const void* weight, const void* bias,
                void* y, double* mean, double* variance, double* rstd) {
  check_sizes(norm, "batch_norm");
  const ChannelNorm n = as_one_image(norm);
  std::vector<Spread> spreads(std::size_t(n.batch * n.channels));
  if (!is_empty(n)) HWY_DYNAMIC_DISPATCH(run_spreads)(n, x, spreads.data());
  for (int64 c = 0; c < n.channels; ++c) {
    Spread all;
    for (int64 image = 0; image < n.batch; ++image) all.add(spreads[std::size_t(image * n.channels + c)]);
    mean[c] = all.mean, variance[c] = all.squares / all.count, rstd[c] = 1 / std::sqrt(variance[c] + eps);
  }
  if (!is_empty(n)) batch_norm_apply(n, x, weight, bias, mean, rstd, y);
}

void batch_norm_inference(const ChannelNorm& norm, const void* x, const void* weight, const void* bias,
                          const double* mean, const double* rstd, void* y) {
  check_sizes(norm, "batch_norm");
  if (!is_empty(norm)) batch_norm_apply(as_one_image(norm), x, weight, bias, mean, rstd, y);
}

void batch_norm_backward(const ChannelNorm& norm, bool training, const void* x, const void* dy,
                         const void* weight, const double* mean, const double* rstd, void* dx, void* dw,
                         void* db) {
  check_sizes(norm, "batch_norm_backward");
  const ChannelNorm n = as_one_image(norm);
  std::vector<Products> sums(static_cast<std::size_t>(n.channels));
  if ((training || dw || db) && !is_empty(n))
    sums = parameter_gradients(
        n, unit_products(n, x, dy, mean, rstd, [&](int64 i) { return i % n.channels; }), dw, db);
  else parameter_gradients(n, std::vector<Products>(std::size_t(n.batch * n.channels)), dw, db);
  if (!dx || is_empty(n)) return;
  const Doubles weights = parameter(n, weight, 1);
  const double count = double(n.batch * n.plane);
  std::vector<Line> lines;
  for (int64 i = 0; i < n.batch * n.channels; ++i) {
    const auto c = std::size_t(i % n.channels);
    const double w = weights[c], share = training ? w / count : 0;
    lines.push_back(backward_line(n.dtype, mean[c], rstd[c], w, sums[c].dy * share, sums[c].dy_x * share));
  }
  apply(n, x, dy, lines, dx);
}

void group_norm(const ChannelNorm& norm, int64 groups, double eps, const void* x, const void* weight,
                const void* bias, void* y, double* mean, double* rstd) {
  check_sizes(norm, "group_norm");
  check<ShapeError>(groups > 0 && norm.channels % groups == 0, "group_norm: ", norm.channels,
                    " channels do not divide into ", groups, " groups");
  const int64 width = norm.channels / groups;
  std::vector<Spread> spreads(std::size_t(norm.batch * norm.channels));
  if (!is_empty(norm)) HWY_DYNAMIC_DISPATCH(run_spreads)(norm, x, spreads.data());
  for (int64 g = 0; g < norm.batch * groups; ++g) {
    Spread all;
    for (int64 i = g * width; i < (g + 1) * width; ++i) all.add(spreads[std::size_t(i)]);
    mean[g] = all.mean, rstd[g] = 1 / std::sqrt(all.squares / all.count + eps);
  }
  if (is_empty(norm)) return;
  const Doubles weights = parameter(norm, weight, 1), biases = parameter(norm, bias, 0);
  std::vector<Line> lines;
  for (int64 i = 0; i < norm.batch * norm.channels; ++i) {
    const auto c = std::size_t(i % norm.channels);
    lines.push_back(forward_line(norm.dtype, mean[i / width], rstd[i / width], weights[c], biases[c]));
  }
  apply(norm, x, nullptr, lines, y);
}

void group_norm_backward(const ChannelNorm& norm, int64 groups, const void* x, const void* dy,
                         const void* weight, const double* mean, const double* rstd, void* dx, void* dw,
                         void* db) {
  check_sizes(norm, "group_norm_backward");
  check<ShapeError>(groups > 0 && norm.channels % groups == 0, "group_norm_backward: ", norm.channels,
                    " channels do not divide into ", groups, " groups");
  const int64 width = norm.channels / groups, count = norm.batch * norm.channels;
  std::vector<Products> products(static_cast<std::size_t>(count));
  if (!is_empty(norm)) products = unit_products(norm, x, dy, mean, rstd, [&](int64 i) { return i / width; });
  parameter_gradients(norm, products, dw, db);
  if (!dx || is_empty(norm)) return;
  const Doubles weights = parameter(norm, weight, 1);
  const double size = double(width * norm.plane);
  std::vector<Line> lines;
  for (int64 g = 0; g < norm.batch * groups; ++g) {
    double g_mean = 0, gu_mean = 0;
    for (int64 i = g * width; i < (g + 1) * width; ++i) {
      const double w = weights[std::size_t(i % norm.channels)] / size;
      g_mean += w * products[std::size_t(i)].dy, gu_mean += w * products[std::size_t(i)].dy_x;
    }
    for (int64 i = g * width; i < (g + 1) * width; ++i)
      lines.push_back(backward_line(norm.dtype, mean[g], rstd[g], weights[std::size_t(i % norm.channels)],
                                    g_mean, gu_mean));
  }
  apply(norm, x, dy, lines, dx);
}

}  // namespace taper::cpu
#endif
