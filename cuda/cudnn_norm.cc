// Norms by cuDNN.
#include "cuda/cudnn_norm.h"

#if __has_include(<cudnn_backend.h>)

#include <optional>

#include "cuda/cudnn_execution.h"
#include "cuda/cudnn_norm_plan.h"
#include "cuda/elementwise.h"
#include "cuda/norm.h"
#include "cuda/runtime.h"
#include "taper/backends.h"

namespace taper::cuda {

namespace {

using std::int64_t;
using Own = std::function<void()>;

void convert(int64_t count, const void* from, DType from_type, void* to, DType to_type) {
  const int64_t step = 1;
  copy({count}, {const_cast<void*>(from), from_type, &step}, {to, to_type, &step});
}

/// Numbers as float32: the array itself where it is of that type, else a converted copy.
class Float32 {
 public:
  Float32(const void* data, DType dtype, int64_t count) : data_(data) {
    if (!data || dtype == float32) return;
    convert(count, data, dtype, copy_.emplace(count * 4).data(), float32);
    data_ = copy_->data();
  }
  const void* data() const { return data_; }

 private:
  std::optional<Scratch> copy_;
  const void* data_;
};

/// Where cuDNN writes an array of float32 that is wanted in another type, or not at all if data is null.
class Float32Result {
 public:
  Float32Result(void* data, DType dtype, int64_t count) : data_(data), dtype_(dtype), count_(count) {
    if (!data || dtype != float32) copy_.emplace(count * 4);
  }
  void* data() const { return copy_ ? copy_->data() : data_; }
  void finish() const {
    if (data_ && copy_) convert(count_, copy_->data(), float32, data_, dtype_);
  }

 private:
  std::optional<Scratch> copy_;
  void* data_;
  DType dtype_;
  int64_t count_;
};

/// The first for which cuDNN makes engines for rows in seconds: for devices before it they take up to 45.
constexpr int capability_for_rows = 9;

int compute_capability() {
  int major = 0;
  check_cuda(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, runtime().device_in_use()),
             "asking for the compute capability");
  return major;
}

/// A norm on the addresses of its operands, as in cpu/normalization.h. Of dy, bias, dw and db each may be
/// null.
struct Norm {
  PlannedNorm planned;
  DType parameter_dtype;
  const void *x, *dy, *weight, *bias;

  int64_t statistics() const { return planned.kind == NormKind::batch ? planned.size : planned.rows; }

  /// Whether cuDNN may be asked. It takes rows of whole units of 16 bytes.
  bool suits() const {
    const auto& settings = backends().cudnn;
    if (!settings.benchmark || settings.deterministic || backends().deterministic_algorithms) return false;
    if (planned.kind != NormKind::batch && compute_capability() < capability_for_rows) return false;
    return planned.dtype != float64 && parameter_dtype != float64 && planned.rows > 0 && planned.size > 0 &&
           planned.size * item_size(planned.dtype) % 16 == 0 && weight &&
           alignment_of({x, dy, weight, bias}) == 16;
  }

  /// Runs cuDNN's plan if it is the faster one.
  bool run(cudnnHandle_t handle, std::span<const PlanOperand> operands, const char* op,
           const Own& own) const {
    const auto make = [&](int64_t workspace, std::size_t) {
      return plan_norm(planned, {handle, nullptr}, {.tensor_cores = false}, workspace);
    };
    const CudnnPlan* plan =
        plan_for({int64_t(planned.kind), int64_t(planned.dtype), planned.rows, planned.size}, make, handle,
                 operands, op, own);
    if (plan) execute(handle, *plan, operands, op);
    return plan != nullptr;
  }
};

bool forward(const Norm& norm, double eps, void* y, double* mean, double* variance, double* rstd,
             const Own& own) {
  const bool has_mean = norm.planned.kind != NormKind::rms;
  if (!norm.suits() || alignment_of({y}) != 16 || (has_mean && !norm.bias)) return false;
  const cudnnHandle_t handle = cudnn_in_use();
  if (!handle) return false;
  const int64_t size = norm.planned.size, statistics = norm.statistics();
  const Float32 weight(norm.weight, norm.parameter_dtype, size), bias(norm.bias, norm.parameter_dtype, size);
  const Scratch means(statistics * 4), rstds(statistics * 4);
  const float epsilon = float(eps);
  std::vector<PlanOperand> operands{{norm_x, norm.x},
                                    {norm_y, y},
                                    {norm_weight, weight.data()},
                                    {norm_rstd, rstds.data()},
                                    {norm_epsilon, &epsilon}};
  if (has_mean) operands.insert(operands.end(), {{norm_bias, bias.data()}, {norm_mean, means.data()}});
  if (!norm.run(handle, operands, "norm", own)) return false;
  widen_statistics(statistics, epsilon, has_mean ? means.data<float>() : nullptr, rstds.data<float>(), mean,
                   variance, rstd);
  return true;
}

bool backward(const Norm& norm, const double* mean, const double* rstd, void* dx, void* dw, void* db,
              const Own& own) {
  if (!norm.suits() || !dx || alignment_of({dx, dw, db}) != 16) return false;
  const cudnnHandle_t handle = cudnn_in_use();
  if (!handle) return false;
  const bool has_mean = norm.planned.kind != NormKind::rms;
  const int64_t size = norm.planned.size, statistics = norm.statistics();
  const Float32 weight(norm.weight, norm.parameter_dtype, size), means(mean, float64, statistics),
      rstds(rstd, float64, statistics);
  const Float32Result dweight(dw, norm.parameter_dtype, size), dbias(db, norm.parameter_dtype, size);
  std::vector<PlanOperand> operands{{norm_x, norm.x},
                                    {norm_dy, norm.dy},
                                    {norm_dx, dx},
                                    {norm_weight, weight.data()},
                                    {norm_dweight, dweight.data()},
                                    {norm_rstd, rstds.data()}};
  if (has_mean) operands.insert(operands.end(), {{norm_dbias, dbias.data()}, {norm_mean, means.data()}});
  if (!norm.run(handle, operands, "norm_backward", own)) return false;
  dweight.finish(), dbias.finish();
  return true;
}

Norm batch_norm_of(const cpu::ChannelNorm& n, const void* x, const void* dy, const void* weight,
                   const void* bias) {
  return {{NormKind::batch, n.dtype, n.batch * n.plane, n.channels, dy != nullptr},
          n.parameter_dtype,
          x,
          dy,
          weight,
          bias};
}

Norm row_norm_of(const cpu::RowNorm& n, const void* x, const void* dy, const void* weight, const void* bias) {
  return {{n.centered ? NormKind::layer : NormKind::rms, n.dtype, n.rows, n.size, dy != nullptr},
          n.parameter_dtype,
          x,
          dy,
          weight,
          bias};
}

}  // namespace

bool cudnn_batch_norm(const cpu::ChannelNorm& norm, double eps, const void* x, const void* weight,
                      const void* bias, void* y, double* mean, double* variance, double* rstd,
                      const Own& own) {
  return norm.channels_last &&
         forward(batch_norm_of(norm, x, nullptr, weight, bias), eps, y, mean, variance, rstd, own);
}

bool cudnn_batch_norm_backward(const cpu::ChannelNorm& norm, const void* x, const void* dy,
                               const void* weight, const double* mean, const double* rstd, void* dx, void* dw,
                               void* db, const Own& own) {
  return norm.channels_last &&
         backward(batch_norm_of(norm, x, dy, weight, nullptr), mean, rstd, dx, dw, db, own);
}

bool cudnn_row_norm(const cpu::RowNorm& norm, const void* x, const void* weight, const void* bias, void* y,
                    double* mean, double* rstd, const Own& own) {
  return forward(row_norm_of(norm, x, nullptr, weight, bias), norm.eps, y, mean, nullptr, rstd, own);
}

bool cudnn_row_norm_backward(const cpu::RowNorm& norm, const void* x, const void* dy, const void* weight,
                             const double* mean, const double* rstd, void* dx, void* dw, void* db,
                             const Own& own) {
  return backward(row_norm_of(norm, x, dy, weight, nullptr), mean, rstd, dx, dw, db, own);
}

}  // namespace taper::cuda

#else

namespace taper::cuda {

bool cudnn_batch_norm(const cpu::ChannelNorm&, double, const void*, const void*, const void*, void*, double*,
                      double*, double*, const std::function<void()>&) {
  return false;
}
bool cudnn_batch_norm_backward(const cpu::ChannelNorm&, const void*, const void*, const void*, const double*,
                               const double*, void*, void*, void*, const std::function<void()>&) {
  return false;
}
bool cudnn_row_norm(const cpu::RowNorm&, const void*, const void*, const void*, void*, double*, double*,
                    const std::function<void()>&) {
  return false;
}
bool cudnn_row_norm_backward(const cpu::RowNorm&, const void*, const void*, const void*, const double*,
                             const double*, void*, void*, void*, const std::function<void()>&) {
  return false;
}

}  // namespace taper::cuda

#endif
