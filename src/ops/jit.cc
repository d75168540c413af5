// cuda::JitFunction: the shapes, dtypes and memory of its results.
#include "taper/cuda_jit.h"

#include <algorithm>
#include <utility>

#include "ops/elementwise.h"
#include "taper/error.h"
#include "taper/ops.h"
#include "tensor/device_jit.h"
#include "tensor/kernel_for.h"

namespace taper::cuda {

namespace {

constexpr int most_operands = 8;

void check_inputs(std::span<const Tensor> inputs, const char* op) {
  check<ValueError>(!inputs.empty() && inputs.size() <= most_operands, op, ": takes 1 to ", most_operands,
                    " tensors, got ", inputs.size());
  for (const Tensor& x : inputs) {
    check<DeviceError>(!x.device().is_cpu(), op, ": runs on CUDA devices only, got an input of shape ",
                       x.sizes(), " on ", x.device(), "; move it with .to(\"cuda\")");
    if (x.device() != inputs[0].device()) on_different_devices(op, inputs[0], x);
  }
}

/// As of operations: tensors with dimensions count before those without.
DType common_dtype(std::span<const Tensor> inputs) {
  const auto sample = [](int ndim, DType dtype) { return empty(ndim ? Shape{0} : Shape{}, dtype); };
  Tensor so_far = sample(inputs[0].ndim(), inputs[0].dtype());
  for (const Tensor& x : inputs.subspan(1))
    so_far = sample(std::max(so_far.ndim(), x.ndim()), result_type(so_far, x));
  return so_far.dtype();
}

}  // namespace

JitFunction::JitFunction(std::string code, std::string name, bool by_reference, int outputs)
    : code_(std::move(code)), name_(std::move(name)), by_reference_(by_reference), outputs_(outputs) {
  check<ValueError>(outputs >= 1 && outputs <= (by_reference ? most_operands : 1), "JitFunction: got ",
                    outputs, " outputs, expected ", by_reference ? "1 to 8" : "1, as it returns its result");
}

std::vector<Tensor> JitFunction::operator()(std::span<const Tensor> inputs,
                                            std::span<const Scalar> values) const {
  const char* op = name_.c_str();
  check_inputs(inputs, op);
  JitCall call{code_, name_, by_reference_, common_dtype(inputs), inputs[0].sizes(), {}, {}, {}};
  for (const Tensor& x : inputs) call.sizes = broadcast_shapes(call.sizes, x.sizes(), op);
  for (const Scalar& value : values)
    check<ValueError>(is_complex(call.common) || !value.is_complex(), op,
                      ": got a complex value for inputs of ", call.common);
  std::vector<Tensor> results, expanded;
  for (const Tensor& x : inputs) expanded.push_back(expand(x, call.sizes));
  for (const Tensor& x : expanded) call.inputs.push_back({x.data(), x.dtype(), x.strides().data()});
  for (int k = 0; k < outputs_; ++k) {
    const Tensor& y = results.emplace_back(empty(call.sizes, call.common, inputs[0].device()));
    call.outputs.push_back({y.data(), y.dtype(), y.strides().data()});
  }
  call.values.assign(values.begin(), values.end());
  const RunJit run = device_jit();
  use_device_of(inputs[0], true, op);
  if (numel(call.sizes) > 0) run(call);
  return results;
}

}  // namespace taper::cuda
