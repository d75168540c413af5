// How exact and how repeatable results on CUDA devices are: PyTorch's torch.backends,
// set_float32_matmul_precision and use_deterministic_algorithms. Results on the CPU are always exact and
// repeatable.
#pragma once

#include <atomic>

namespace taper {

/// What matrix products may keep of the factors where these are float32 or complex64: all; or, with high and
/// medium, 10 bits of the fraction (TF32), for several times the speed. Sums are in float32 in either case.
enum class Float32Precision { highest, high, medium };

/// Settings of the process, with PyTorch's defaults. They count for what is called after they are set.
struct Backends {
  std::atomic<Float32Precision> float32_matmul_precision{Float32Precision::highest};
  /// Whether products of float16 (bfloat16) may add sums of parts that were rounded to that type.
  std::atomic<bool> allow_fp16_reduced_precision_reduction{true};
  std::atomic<bool> allow_bf16_reduced_precision_reduction{true};

  struct Cudnn {
    std::atomic<bool> enabled{true};         ///< else own kernels do its work
    std::atomic<bool> allow_tf32{true};      ///< of convolutions and recurrent layers of float32
    std::atomic<bool> benchmark{false};      ///< time engines on first use; keep the fastest
    std::atomic<int> benchmark_limit{10};    ///< how many engines are timed; 0 is all
    std::atomic<bool> deterministic{false};  ///< only engines whose results are the same bits every time
    std::atomic<bool> attention{true};       ///< attention of 16-bit types where it has a fused kernel
  } cudnn;

  /// Only algorithms whose results are the same bits every time.
  std::atomic<bool> deterministic_algorithms{false};
};

Backends& backends();

namespace cuda {

/// Of the cuDNN that is used on devices, as 91900 for 9.19.0; 0 where there is no device or no cuDNN.
long cudnn_version();

}  // namespace cuda

}  // namespace taper
