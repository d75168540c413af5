// The windows of a pooling, and the checks of its sizes.
#include "cpu/pooling_plan.h"

#include <algorithm>
#include <limits>

#include "taper/error.h"

namespace taper::cpu {
namespace {

using int64 = std::int64_t;

Window adaptive_window(int64 input, int64 output, int64 o) {
  // Without o * input, which may overflow.
  const int64 whole = input / output, rest = input % output;
  const int64 begin = o * whole + o * rest / output;
  const int64 end = (o + 1) * whole + ((o + 1) * rest + output - 1) / output;
  return {begin, end, 1, end - begin};
}

Window regular_window(const Pooling& p, int i, int64 o) {
  const int64 first = o * p.stride[i] - p.padding[i], step = p.dilation[i];
  const int64 reach = first + step * (p.kernel[i] - 1) + 1;
  const int64 skipped = first < 0 ? (-first + step - 1) / step : 0;
  const int64 begin = first + skipped * step, end = std::min(reach, p.input[i]);
  const int64 padded = std::min(first + p.kernel[i], p.input[i] + p.padding[i]) - first;
  return {begin, end, step, p.count_include_pad ? padded : end - begin};
}

void check_dimension(const Pooling& p, int i, const char* op) {
  check<ShapeError>(p.input[i] > 0, op, ": spatial dimension ", i, " of the input is empty");
  if (p.adaptive) return;
  check<ValueError>(p.kernel[i] > 0 && p.stride[i] > 0 && p.dilation[i] > 0 && p.padding[i] >= 0, op,
                    ": kernel size ", p.kernel[i], ", stride ", p.stride[i], " and dilation ", p.dilation[i],
                    " must be positive and padding ", p.padding[i], " must not be negative");
}

}  // namespace

PoolingPlan::PoolingPlan(const Pooling& p, const char* op)
    : batch(p.batch),
      channels(p.channels),
      divisor_override(double(p.divisor_override)),
      channels_last(p.channels_last),
      adaptive(p.adaptive) {
  check<DTypeError>(is_floating_point(p.dtype), op, ": got ", p.dtype, ", expected a floating type");
  check<ShapeError>(p.spatial_dims >= 1 && p.spatial_dims <= 3, op, ": has ", p.spatial_dims,
                    " spatial dimensions, expected 1 to 3");
  for (int i = 0, at = 3 - p.spatial_dims; i < p.spatial_dims; ++i, ++at) {
    check_dimension(p, i, op);
    input[at] = p.input[i], output[at] = p.output[i];
  }
  for (int at = 0; at < 3; ++at) {
    const int i = at - (3 - p.spatial_dims);
    if (i < 0) {
      windows[at].push_back({0, 1, 1, 1});
      continue;
    }
    for (int64 o = 0; o < output[at]; ++o) {
      const Window window = p.adaptive ? adaptive_window(input[at], output[at], o) : regular_window(p, i, o);
      check<ShapeError>(window.begin < window.end, op, ": window ", o, " of spatial dimension ", i,
                        " (kernel size ", p.kernel[i], ", padding ", p.padding[i], ") holds none of the ",
                        input[at], " inputs");
      windows[at].push_back(window);
    }
  }
  const int last = p.spatial_dims - 1;
  if (!adaptive)
    kernel = p.kernel[last], stride = p.stride[last], padding = p.padding[last], dilation = p.dilation[last];
  plane_in = input[0] * input[1] * input[2];
  plane_out = output[0] * output[1] * output[2];
  check<ShapeError>(plane_in <= std::numeric_limits<std::int32_t>::max(), op, ": a plane of ", plane_in,
                    " inputs is more than the ", std::numeric_limits<std::int32_t>::max(),
                    " that are supported");
}

}  // namespace taper::cpu
