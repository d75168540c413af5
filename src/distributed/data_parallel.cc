// DistributedDataParallel for C++ modules.
#include <map>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "distributed/flat.h"
#include "taper/autograd.h"
#include "taper/distributed.h"
#include "taper/error.h"

namespace taper::distributed {

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
  Tensors all = module.parameters(), reduced;
  for (const Tensor& buffer : module.buffers()) all.push_back(buffer);
  broadcast_tensors(*group_, all, 0);
  std::vector<std::string> names;
  std::unordered_set<const void*> seen;  // a parameter that modules share has several names
  for (const auto& [name, parameter] : module.named_parameters()) {
    if (!parameter.requires_grad() || !seen.insert(parameter.record()).second) continue;
    reduced.push_back(parameter);
    names.push_back(name);
  }
  reducer_ = std::make_unique<GradientReducer>(std::move(reduced), group_, options);
  reducer_->set_names(std::move(names));
}

Tensor DistributedDataParallel::forward(const Tensor& x) {
  const bool reduces = sync_ && is_grad_enabled();
  if (is_training() && options_.broadcast_buffers && reduces)
    broadcast_tensors(*group_, module_.buffers(), 0);
  const Tensor y = module_(x);
  if (reduces) reducer_->prepare({y});
  else reducer_->skip();
  return y;
}

}  // namespace taper::distributed
