// Attention by cuDNN's fused kernels.
#include "cuda/cudnn_attention.h"

#if __has_include(<cudnn_backend.h>)

#include <atomic>
#include <cmath>
#include <optional>
#include <utility>

#include "cuda/attention_operands.h"
#include "cuda/cudnn_attention_plan.h"
#include "cuda/cudnn_execution.h"
#include "cuda/runtime.h"
#include "taper/backends.h"

namespace taper::cuda {

namespace {

using std::int64_t;
namespace name = attention_operand;

/// Earlier ones have faults in gradients of keys whose number is no multiple of 128, and others.
constexpr std::size_t oldest_version = 91600;

/// Compiling takes seconds for each shape of each pass. A program whose shapes never repeat would do little
/// else, so further ones are left to the own kernels, unless cudnn.benchmark says that shapes repeat.
constexpr int most_compiled = 64;

/// Whether rows can be loaded 16 bytes at a time, which cuDNN neither checks nor does without.
bool loads_by_vectors(const cpu::HeadStrides& s, const cpu::Attention& a, int64_t heads, int64_t rows) {
  const auto fits = [&](int64_t size, int64_t stride) {
    return size == 1 || (stride > 0 && stride % 8 == 0);
  };
  return fits(a.batch, s.batch) && fits(heads, s.head) && fits(rows, s.row);
}

/// Null where own kernels must do the work: single queries, too, which are bound by memory and meet one key
/// more in each step of a generated text.
cudnnHandle_t handle_for(const cpu::Attention& a, std::initializer_list<const void*> addresses) {
  const bool wanted = backends().cudnn.attention && a.queries > 1 && a.size % 8 == 0 &&
                      a.value_size % 8 == 0 && (a.dtype == float16 || a.dtype == bfloat16) &&
                      !(a.mask && a.causal) && loads_by_vectors(a.q, a, a.heads, a.queries) &&
                      loads_by_vectors(a.k, a, a.key_heads, a.keys) &&
                      loads_by_vectors(a.v, a, a.key_heads, a.keys) &&
                      loads_by_vectors(a.y, a, a.heads, a.queries) && alignment_of(addresses) == 16;
  if (!wanted) return nullptr;
  const cudnnHandle_t handle = cudnn_in_use();
  return handle && cudnn()->get_version() >= oldest_version ? handle : nullptr;
}

/// Where a size is 1, any stride will do: that of dense operands.
cpu::HeadStrides tidied(cpu::HeadStrides s, const cpu::Attention& a, int64_t heads, int64_t rows,
                        int64_t columns) {
  if (rows == 1) s.row = columns;
  if (heads == 1) s.head = rows * columns;
  if (a.batch == 1) s.batch = heads * rows * columns;
  return s;
}

std::vector<int64_t> key_of(const PlannedAttention& p, const EngineChoice& choice) {
  const cpu::Attention& a = p.sizes;
  std::vector<int64_t> key{choice.nondeterministic,
                           int64_t(a.dtype),
                           a.batch,
                           a.heads,
                           a.key_heads,
                           a.queries,
                           a.keys,
                           a.size,
                           a.value_size,
                           a.causal,
                           a.mask != nullptr,
                           a.mask ? a.mask_strides[0] : 0,
                           a.mask ? a.mask_strides[1] : 0};
  for (const cpu::HeadStrides* s : {&a.q, &a.k, &a.v, &a.y})
    key.insert(key.end(), {s->batch, s->head, s->row});
  return key;
}

/// What both passes hand to a plan.
class Call {
 public:
  Call(const cpu::Attention& a, bool backward)
      : asked_(a),
        planned_{a, backward},
        scale_(float(a.scale)),
        rows_(row_count() * int64_t(sizeof(float))) {
    cpu::Attention& sizes = planned_.sizes;
    sizes.q = tidied(a.q, a, a.heads, a.queries, a.size);
    sizes.k = tidied(a.k, a, a.key_heads, a.keys, a.size);
    sizes.v = tidied(a.v, a, a.key_heads, a.keys, a.value_size);
    sizes.y = tidied(a.y, a, a.heads, a.queries, a.value_size);
    operands_ = {{name::scale, &scale_}, {name::log_sum_exp, rows_.data()}};
    if (a.causal) operands_.push_back({name::hidden, &hidden_});
    if (a.mask) add_bias(a);
  }

  float* rows() const { return rows_.data<float>(); }
  int64_t row_count() const {
    const cpu::Attention& a = planned_.sizes;
    return a.batch * a.heads * a.queries;
  }
  void add(const PlanOperand& operand) { operands_.push_back(operand); }

  const CudnnPlan* plan(cudnnHandle_t handle, const char* op) {
    const auto& settings = backends();
    const EngineChoice choice{.nondeterministic =
                                  !settings.cudnn.deterministic && !settings.deterministic_algorithms};
    return plan_for(
        key_of(planned_, choice),
        [&](int64_t workspace, std::size_t most) {
          static std::atomic<int> compiled = 0;
          if (!settings.cudnn.benchmark && compiled++ >= most_compiled) return std::vector<CudnnPlan>();
          auto plans = plan_attention(planned_, {handle, nullptr}, choice, workspace, most);
          if (plans.size() > 1) write_bias();  // they are timed
          return plans;
        },
        handle, operands_, op);
  }
  void run(cudnnHandle_t handle, const CudnnPlan& plan, const char* op) {
    write_bias();
    execute(handle, plan, operands_, op);
  }

 private:
  void add_bias(const cpu::Attention& a) {
    const MaskSizes sizes = mask_sizes(a);
    bias_.emplace(sizes.batch * sizes.heads * a.queries * a.keys * int64_t(sizeof(float)));
    cpu::Attention& biased = planned_.sizes;
    biased.mask_dtype = float32;
    const int64_t plane = a.queries * a.keys;
    biased.mask_strides[0] = sizes.batch == 1 ? 0 : sizes.heads * plane;
    biased.mask_strides[1] = sizes.heads == 1 ? 0 : plane;
    biased.mask_strides[2] = a.keys, biased.mask_strides[3] = 1;
    operands_.push_back({name::mask, bias_->data()});
  }
  // Not before it is known that cuDNN takes it.
  void write_bias() {
    if (bias_ && !std::exchange(bias_written_, true)) mask_as_bias(asked_, bias_->data<float>());
  }

  const cpu::Attention& asked_;
  PlannedAttention planned_;
  float scale_, hidden_ = -INFINITY;
  Scratch rows_;
  std::optional<Scratch> bias_;
  bool bias_written_ = false;
  std::vector<PlanOperand> operands_;
};

}  // namespace

bool cudnn_attention(const cpu::Attention& a, const void* q, const void* k, const void* v, void* y,
                     double* log_sum_exp) {
  const char* op = "scaled_dot_product_attention";
  const cudnnHandle_t handle = handle_for(a, {q, k, v, y});
  if (!handle) return false;
  Call call(a, false);
  for (const PlanOperand& operand : {PlanOperand{name::q, q}, {name::k, k}, {name::v, v}, {name::y, y}})
    call.add(operand);
  const CudnnPlan* plan = call.plan(handle, op);
  if (!plan) return false;
  call.run(handle, *plan, op);
  widen_rows(a, call.rows(), log_sum_exp, y);
  return true;
}

// Sums of gradients of queries are added with atomics, which cuDNN's notes of its engines do not say.
bool cudnn_attention_backward(const cpu::Attention& a, const void* q, const void* k, const void* v,
                              const void* y, const double* log_sum_exp, const void* dy, void* dq, void* dk,
                              void* dv) {
  const char* op = "scaled_dot_product_attention_backward";
  if (backends().cudnn.deterministic || backends().deterministic_algorithms) return false;
  const cudnnHandle_t handle = handle_for(a, {q, k, v, y, dy, dq, dk, dv});
  if (!handle) return false;
  Call call(a, true);
  const float one = 1;
  const Scratch along(call.row_count() * int64_t(sizeof(float))),
      dq_sums(call.row_count() * a.size * int64_t(sizeof(float)));
  narrow_rows(a, log_sum_exp, call.rows());
  for (const PlanOperand& operand : {PlanOperand{name::q, q},
                                     {name::k, k},
                                     {name::v, v},
                                     {name::y, y},
                                     {name::dy, dy},
                                     {name::dq, dq},
                                     {name::dk, dk},
                                     {name::dv, dv},
                                     {name::one, &one},
                                     {name::along, along.data()},
                                     {name::dq_sums, dq_sums.data()}})
    call.add(operand);
  const CudnnPlan* plan = call.plan(handle, op);
  if (!plan) return false;
  call.run(handle, *plan, op);
  return true;
}

}  // namespace taper::cuda

#else

namespace taper::cuda {

bool cudnn_attention(const cpu::Attention&, const void*, const void*, const void*, void*, double*) {
  return false;
}
bool cudnn_attention_backward(const cpu::Attention&, const void*, const void*, const void*, const void*,
                              const double*, const void*, void*, void*, void*) {
  return false;
}

}  // namespace taper::cuda

#endif
