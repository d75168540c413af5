// Convolutions by cuDNN.
#include "cuda/cudnn_convolution.h"

#if __has_include(<cudnn_backend.h>)

#include <optional>

#include "cuda/convolution.h"
#include "cuda/cudnn_convolution_plan.h"
#include "cuda/cudnn_execution.h"
#include "cuda/runtime.h"
#include "taper/backends.h"

namespace taper::cuda {

namespace {

using std::int64_t;

EngineChoice choice_for(DType dtype) {
  const auto& settings = backends().cudnn;
  return {.tensor_cores = dtype != float32 || settings.allow_tf32,
          .nondeterministic = !settings.deterministic && !backends().deterministic_algorithms};
}

std::vector<int64_t> key_of(const PlannedConvolution& p, const EngineChoice& choice) {
  const cpu::Convolution& c = p.sizes;
  std::vector<int64_t> key{c.spatial_dims,
                           c.batch,
                           c.groups,
                           c.in_channels,
                           c.out_channels,
                           int64_t(c.dtype),
                           c.channels_last,
                           int64_t(p.pass),
                           p.alignment,
                           p.epilogue.bias,
                           p.epilogue.relu,
                           p.epilogue.z,
                           choice.tensor_cores,
                           choice.nondeterministic};
  for (const auto* sizes :
       {&c.input, &c.kernel, &c.output, &c.stride, &c.padding_before, &c.padding_after, &c.dilation})
    for (int i = 0; i < c.spatial_dims; ++i) key.push_back((*sizes)[i]);
  return key;
}

int64_t window_of(const cpu::Convolution& c) {
  int64_t window = 1;
  for (int i = 0; i < c.spatial_dims; ++i) window *= c.kernel[i];
  return window;
}

/// The operands of a pass. bias and z, of the epilogue, may be null.
struct Addresses {
  void *x, *w, *y;
  const void *bias = nullptr, *z = nullptr;
};

/// False, with nothing written, where there is no plan.
bool run_plan(const cpu::Convolution& c, ConvolutionPass pass, cudnnHandle_t handle, const Addresses& at,
              bool relu = false) {
  const EngineChoice choice = choice_for(c.dtype);
  const Epilogue epilogue{at.bias != nullptr, relu, at.z != nullptr};
  const PlannedConvolution planned{c, pass, alignment_of({at.x, at.w, at.y, at.bias, at.z}), epilogue};
  std::vector<PlanOperand> operands{{operand_x, at.x}, {operand_w, at.w}, {operand_y, at.y}};
  if (at.bias) operands.push_back({operand_bias, at.bias});
  if (at.z) operands.push_back({operand_z, at.z});
  const CudnnPlan* plan = plan_for(
      key_of(planned, choice),
      [&](int64_t workspace, std::size_t most) {
        return plan_convolution(planned, {handle, nullptr}, choice, workspace, most);
      },
      handle, operands, "convolution");
  if (plan) execute(handle, *plan, operands, "convolution");
  return plan != nullptr;
}

/// With its bias and relu in cuDNN's kernel, or, where it has none for these, applied to what its kernel
/// leaves.
bool run_forward(const cpu::Convolution& c, cudnnHandle_t handle, Addresses at, bool relu) {
  std::optional<Scratch> zeros;
  if (relu && !at.bias) {
    const int64_t bytes = c.out_channels * item_size(c.dtype);
    at.bias = zeros.emplace(bytes).data();
    runtime().set_zero(runtime().device_in_use(), zeros->data(), bytes);
  }
  constexpr ConvolutionPass pass = ConvolutionPass::forward;
  if (at.bias && run_plan(c, pass, handle, at, relu)) return true;
  if (!run_plan(c, pass, handle, {at.x, at.w, at.y})) return false;
  if (at.bias) add_bias(c, at.bias, at.y);
  if (relu) cuda::relu(c, at.z, at.y);
  return true;
}

/// Of no elements, cuDNN computes nothing.
bool is_empty(const cpu::Convolution& c) {
  int64_t planes = 1;
  for (int i = 0; i < c.spatial_dims; ++i) planes *= c.input[i] * c.output[i];
  return c.batch * c.in_channels * c.out_channels * window_of(c) * planes == 0;
}

bool run(const cpu::Convolution& c, ConvolutionPass pass, Addresses at, bool relu = false) {
  const cudnnHandle_t handle = is_empty(c) ? nullptr : cudnn_in_use();
  if (!handle) return false;
  return pass == ConvolutionPass::forward ? run_forward(c, handle, at, relu) : run_plan(c, pass, handle, at);
}

}  // namespace

bool cudnn_convolution_forward(const cpu::Convolution& c, const void* x, const void* w, const void* bias,
                               void* y) {
  return run(c, ConvolutionPass::forward, {const_cast<void*>(x), const_cast<void*>(w), y, bias});
}

bool cudnn_convolution_relu(const cpu::Convolution& c, const void* x, const void* w, const void* bias,
                            const void* z, void* y) {
  return run(c, ConvolutionPass::forward, {const_cast<void*>(x), const_cast<void*>(w), y, bias, z}, true);
}

bool cudnn_convolution_backward_input(const cpu::Convolution& c, const void* dy, const void* w, void* dx) {
  return run(c, ConvolutionPass::backward_input, {dx, const_cast<void*>(w), const_cast<void*>(dy)});
}

bool cudnn_convolution_backward_weight(const cpu::Convolution& c, const void* x, const void* dy, void* dw) {
  return run(c, ConvolutionPass::backward_weight, {const_cast<void*>(x), dw, const_cast<void*>(dy)});
}

}  // namespace taper::cuda

#else

namespace taper::cuda {

bool cudnn_convolution_forward(const cpu::Convolution&, const void*, const void*, const void*, void*) {
  return false;
}
bool cudnn_convolution_relu(const cpu::Convolution&, const void*, const void*, const void*, const void*,
                            void*) {
  return false;
}
bool cudnn_convolution_backward_input(const cpu::Convolution&, const void*, const void*, void*) {
  return false;
}
bool cudnn_convolution_backward_weight(const cpu::Convolution&, const void*, const void*, void*) {
  return false;
}

}  // namespace taper::cuda

#endif
