// DistributedDataParallel for C++ modules.
#include <map>
#include <unordered_set>

#include "distributed/flat.h"
#include "taper/autograd.h"
#include "taper/error.h"

namespace taper::distributed {
#include "taper/distributed.h"

namespace {

Tensors parameters_with_gradient(const nn::Module& module) {
  Tensors chosen;
  for (const Tensor& parameter : module.parameters())
    if (parameter.requires_grad()) chosen.push_back(parameter);
  return chosen;
}

}  // namespace

void broadcast_tensors(ProcessGroup& group, const Tensors& tensors, int root) {
  const NoGrad no_grad;
  std::map<std::pair<DType, int>, Tensors> alike;
  for (const Tensor& tensor : tensors) alike[{tensor.dtype(), tensor.device().index}].push_back(tensor);
  for (const auto& [kind, list] : alike) {
    const Tensor flat = group.rank() == root ? pack(list) : flat_like(list);
    {
      const RunsInWait at_once;
      group.broadcast(flat, root).wait();
    }
    if (group.rank() == root) continue;
    unpack(flat, list);
    for (const Tensor& tensor : list) tensor.storage().wrote("broadcast");
  }
}

DistributedDataParallel::DistributedDataParallel(nn::Module& module, Group group, DataParallelOptions options)
    : module_(module), group_(std::move(group)), options_(options) {
  check<ValueError>(group_ != nullptr, "DistributedDataParallel: this process is not in the group");
  register_module("module", module);
  std::unordered_set<const void*> parameters;
  for (const Tensor& parameter : module.parameters()) parameters.insert(parameter.record());
  Tensors all;
  for (const auto& [name, tensor] : module.state_dict()) {
    all.push_back(tensor);
    if (!parameters.contains(tensor.record())) buffers_.push_back(tensor);
  }
  broadcast_tensors(*group_, all, 0);
  reducer_ = std::make_unique<GradientReducer>(parameters_with_gradient(module), group_, options);
}

Tensor DistributedDataParallel::forward(const Tensor& x) {
  const bool reduces = sync_ && is_grad_enabled();
  if (is_training() && options_.broadcast_buffers && reduces && !buffers_.empty())
    broadcast_tensors(*group_, buffers_, 0);
  const Tensor y = module_(x);
  if (reduces) reducer_->prepare({y});
  else reducer_->skip();
  return y;
}

}  // namespace taper::distributed
