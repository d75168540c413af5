// Convolution: checks of the sizes, the zero-sized cases, and the choice of a path by element type.
#include "cpu/convolution.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/visit.h"
#include "cpu/convolution_paths.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"
#include "cpu/widen.h"
#include "taper/error.h"

namespace taper::cpu {
void check_sizes(const Convolution& c) {
  check<ShapeError>(c.spatial_dims >= 1 && c.spatial_dims <= 3, "convolution: has ", c.spatial_dims,
                    " spatial dimensions, expected 1 to 3");
  check<ShapeError>(c.batch >= 0 && c.in_channels >= 0 && c.out_channels >= 0, "convolution: negative size");
  check<ShapeError>(c.groups > 0 && c.in_channels % c.groups == 0 && c.out_channels % c.groups == 0,
                    "convolution: ", c.in_channels, " input and ", c.out_channels,
                    " output channels do not divide into ", c.groups, " groups");
  check<DTypeError>(is_floating_point(c.dtype), "convolution: got ", c.dtype, ", expected a floating type");
  for (int i = 0; i < c.spatial_dims; ++i) {
    check<ValueError>(c.stride[i] > 0 && c.dilation[i] > 0 && c.kernel[i] >= 0, "convolution: stride ",
                      c.stride[i], ", dilation ", c.dilation[i], " and kernel size ", c.kernel[i],
                      " must be positive");
    check<ValueError>(c.padding_before[i] >= 0 && c.padding_after[i] >= 0, "convolution: negative padding");
    const std::int64_t room = c.input[i] + c.padding_before[i] + c.padding_after[i];
    const std::int64_t reach = (c.output[i] - 1) * c.stride[i] + c.dilation[i] * (c.kernel[i] - 1) + 1;
    check<ShapeError>(c.input[i] >= 0 && c.output[i] >= 0 && (c.output[i] == 0 || reach <= room),
                      "convolution: output size ", c.output[i], " in spatial dimension ", i, " needs ", reach,
                      " inputs with padding, but there are ", room);
  }
}

namespace {

std::int64_t input_count(const Convolution& c) { return c.batch * c.in_channels * volume(c, c.input); }
std::int64_t output_count(const Convolution& c) { return c.batch * c.out_channels * volume(c, c.output); }
std::int64_t weight_count(const Convolution& c) {
  return c.out_channels * (c.in_channels / c.groups) * volume(c, c.kernel);
}

void zero(DType dtype, void* data, std::int64_t count) {
  if (count) std::memset(data, 0, std::size_t(count * item_size(dtype)));
}

/// y when no input reaches it: the bias.
void fill_with_bias(const Convolution& c, const void* bias, void* y) {
  visit(c.dtype, [&]<class T>() {
    const std::int64_t plane = volume(c, c.output);
    for (std::int64_t i = 0; i < output_count(c); ++i) {
      const std::int64_t channel = c.channels_last ? i % c.out_channels : i / plane % c.out_channels;
      static_cast<T*>(y)[i] = bias ? static_cast<const T*>(bias)[channel] : T();
    }
  });
}

/// dbias of channels-last dy; nothing if it is null. Sums of runs of positions, then their sums.
void sum_channels(const Convolution& c, const float* dy, float* dbias) {
  if (!dbias) return;
  const std::int64_t channels = c.out_channels, positions = output_count(c) / channels;
  const std::int64_t run = std::max<std::int64_t>(1, (1 << 15) / channels),
                     runs = (positions + run - 1) / run;
  std::vector<double> sums(std::size_t(runs * channels));
  parallel_for(positions, run, [&](std::int64_t begin, std::int64_t end) {
    double* const sum = sums.data() + begin / run * channels;
    for (std::int64_t i = begin; i < end; ++i)
      for (std::int64_t k = 0; k < channels; ++k) sum[k] += double(dy[i * channels + k]);
  });
  for (std::int64_t k = 0; k < channels; ++k) {
    double sum = 0;
    for (std::int64_t i = 0; i < runs; ++i) sum += sums[std::size_t(i * channels + k)];
    dbias[k] = float(sum);
  }
}

/// A 16-bit operand as float32; null stays null.
class Widened {
 public:
  Widened(DType dtype, const void* data, std::int64_t count) : Widened(dtype, count, data != nullptr) {
    if (data)
      each_block([&](auto* words, std::int64_t begin,
                     std::int64_t size) { widen(words + begin, size, copy_.data() + begin); },
                 data);
  }
  /// Room for a result.
  Widened(DType dtype, std::int64_t count, bool wanted = true)
      : dtype_(dtype), count_(count), wanted_(wanted), copy_(wanted ? std::size_t(count) : 0) {}

  float* data() { return wanted_ ? copy_.data() : nullptr; }
  void round_into(void* target) {
    if (wanted_)
      each_block(
          [&](auto* words, std::int64_t begin, std::int64_t size) {
            using T = std::remove_cvref_t<decltype(*words)>;
            narrow(copy_.data() + begin, size, const_cast<T*>(words) + begin);
          },
          target);
  }

 private:
  template <class F>
  void each_block(F&& f, const void* words) {
    parallel_for(count_, 1 << 14, [&](std::int64_t begin, std::int64_t end) {
      if (dtype_ == DType::float16) f(static_cast<const Half*>(words), begin, end - begin);
      else f(static_cast<const BFloat16*>(words), begin, end - begin);
    });
  }

  DType dtype_;
  std::int64_t count_;
  bool wanted_;
  Scratch<float> copy_;
};

bool is_native(DType dtype) { return dtype == DType::float32 || dtype == DType::bfloat16; }

Convolution in_float32(Convolution c) {
  c.dtype = DType::float32;
  return c;
}

}  // namespace

void convolution_forward(const Convolution& c, const void* x, const void* w, const void* bias, void* y) {
  check_sizes(c);
  if (!output_count(c)) return;
  if (!input_count(c) || !weight_count(c)) return fill_with_bias(c, bias, y);
  if (is_pointwise(c))
    return pointwise_convolution_forward(c, static_cast<const float*>(x), static_cast<const float*>(w),
                                         static_cast<const float*>(bias), static_cast<float*>(y));
  const auto *x32 = static_cast<const float*>(x), *w32 = static_cast<const float*>(w),
             *bias32 = static_cast<const float*>(bias);
  if (few_positions_convolution_forward(c, x32, w32, bias32, static_cast<float*>(y)) ||
      depthwise_convolution_forward(c, x32, w32, bias32, static_cast<float*>(y)) ||
      winograd_convolution_forward(c, x32, w32, bias32, static_cast<float*>(y)))
    return;
  if (is_native(c.dtype) && onednn_convolution_forward(c, x, w, bias, y)) return;
  if (item_size(c.dtype) > 2) return plain_convolution_forward(c, x, w, bias, y);
  Widened wide_x(c.dtype, x, input_count(c)), wide_w(c.dtype, w, weight_count(c));
  Widened wide_bias(c.dtype, bias, c.out_channels), wide_y(c.dtype, output_count(c));
  convolution_forward(in_float32(c), wide_x.data(), wide_w.data(), wide_bias.data(), wide_y.data());
  wide_y.round_into(y);
}

void convolution_relu(const Convolution& c, const void* x, const void* w, const void* bias, const void* z,
                      void* y) {
  convolution_forward(c, x, w, bias, y);
  visit_floating(c.dtype, [&]<class T>(T) {
    auto* const results = static_cast<T*>(y);
    const auto* const addend = static_cast<const T*>(z);
    parallel_for(output_count(c), 1 << 14, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const auto value = Compute<T>(results[i]) + (addend ? Compute<T>(addend[i]) : Compute<T>(0));
        results[i] = T(value < 0 ? Compute<T>(0) : value);
      }
    });
  });
}

void convolution_backward_input(const Convolution& c, const void* dy, const void* w, void* dx) {
  check_sizes(c);
  if (!input_count(c)) return;
  if (!output_count(c) || !weight_count(c)) return zero(c.dtype, dx, input_count(c));
  if (is_pointwise(c))
    return pointwise_convolution_backward_input(c, static_cast<const float*>(dy),
                                                static_cast<const float*>(w), static_cast<float*>(dx));
  const auto *dy32 = static_cast<const float*>(dy), *w32 = static_cast<const float*>(w);
  if (depthwise_convolution_backward_input(c, dy32, w32, static_cast<float*>(dx)) ||
      winograd_convolution_backward_input(c, dy32, w32, static_cast<float*>(dx)))
    return;
  if (is_native(c.dtype) && onednn_convolution_backward_input(c, dy, w, dx)) return;
  if (item_size(c.dtype) > 2) return plain_convolution_backward_input(c, dy, w, dx);
  Widened wide_dy(c.dtype, dy, output_count(c)), wide_w(c.dtype, w, weight_count(c));
  Widened wide_dx(c.dtype, input_count(c));
  convolution_backward_input(in_float32(c), wide_dy.data(), wide_w.data(), wide_dx.data());
  wide_dx.round_into(dx);
}

void convolution_backward_weight(const Convolution& c, const void* x, const void* dy, void* dw, void* dbias) {
  check_sizes(c);
  if (!output_count(c)) {
    zero(c.dtype, dw, weight_count(c));
    if (dbias) zero(c.dtype, dbias, c.out_channels);
    return;
  }
  const bool native = is_native(c.dtype) && input_count(c) && weight_count(c);
  if (c.dtype == DType::float32) {
    float *dw32 = static_cast<float*>(dw), *dbias32 = static_cast<float*>(dbias);
    if (native && is_pointwise(c))
      return pointwise_convolution_backward_weight(c, static_cast<const float*>(x),
                                                   static_cast<const float*>(dy), dw32, dbias32);
    const auto *x32 = static_cast<const float*>(x), *dy32 = static_cast<const float*>(dy);
    if (depthwise_convolution_backward_weight(c, x32, dy32, dw32) ||
        winograd_convolution_backward_weight(c, x32, dy32, dw32))
      return sum_channels(c, dy32, dbias32);
    if (native && onednn_convolution_backward_weight(c, x, dy, dw32, dbias32)) return;
  }
  if (item_size(c.dtype) > 2) return plain_convolution_backward_weight(c, x, dy, dw, dbias);
  Widened wide_dw(c.dtype, weight_count(c)), wide_dbias(c.dtype, c.out_channels, dbias != nullptr);
  if (!(native && onednn_convolution_backward_weight(c, x, dy, wide_dw.data(), wide_dbias.data()))) {
    Widened wide_x(c.dtype, x, input_count(c)), wide_dy(c.dtype, dy, output_count(c));
    convolution_backward_weight(in_float32(c), wide_x.data(), wide_dy.data(), wide_dw.data(),
                                wide_dbias.data());
  }
  wide_dw.round_into(dw);
  wide_dbias.round_into(dbias);
}

}  // namespace taper::cpu
