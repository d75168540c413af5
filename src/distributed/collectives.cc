// The collectives of a process group: tensors become bytes for the transport and back.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "distributed/flat.h"
#include "distributed/group.h"
#include "distributed/ring.h"
#include "ops/elementwise.h"
#include "taper/autograd.h"
#include "taper/error.h"
#include "taper/ops.h"
#include "tensor/layout.h"

namespace taper::distributed {

namespace {

std::size_t bytes_of(const Tensor& tensor) { return std::size_t(tensor.numel() * tensor.item_size()); }

std::string shown(const Tensor& tensor) { return concat(tensor.dtype(), " ", tensor.sizes()); }

void check_same_device(const Tensor& a, const Tensor& b, const char* collective) {
  check<DeviceError>(a.device() == b.device(), collective, ": tensors on ", a.device(), " and ", b.device(),
                     "; all must be on one device");
}

// The tensors of a list have one dtype, shape and device.
void check_list(const Tensors& list, const Tensor& like, int count, const char* collective,
                const char* role) {
  check<ValueError>(int(list.size()) == count, collective, ": got ", list.size(), " ", role,
                    " tensors, expected one for each of ", count, " ranks");
  for (const Tensor& tensor : list) {
    check_same_device(tensor, like, collective);
    check<DTypeError>(tensor.dtype() == like.dtype(), collective, ": ", role, " tensors of dtype ",
                      tensor.dtype(), " and ", like.dtype());
    check<ShapeError>(tensor.sizes() == like.sizes(), collective, ": ", role, " tensors of shape ",
                      tensor.sizes(), " and ", like.sizes());
  }
}

// Runs body on the tensor's elements in a row, and brings the result back.
template <class F>
void in_a_row(const Tensor& tensor, F&& body) {
  const Tensor row = row_major(tensor);
  body(row);
  if (!row.is(tensor)) copy_elements(row, tensor);
}

// Devices average by themselves.
void finish_average(ReduceOp op, const Tensor& tensor, int ranks) {
  if (op == ReduceOp::avg && tensor.device().is_cpu())
    divide(tensor.data(), std::size_t(tensor.numel()), tensor.dtype(), ranks);
}

// output becomes the reduction of all ranks' parts of its number. inputs: the parts, or one tensor of them
// all.
Work reduce_parts(ProcessGroup::State& state, const Tensor& output, const Tensors& inputs, ReduceOp op) {
  check_writable(output, "reduce_scatter");
  const Reduction reduction{op, output.dtype(), combine_function(op, output.dtype(), "reduce_scatter")};
  const auto body = [=, &state](std::uint32_t tag) {
    if (output.numel() == 0) return;
    const Tensor flat = inputs.size() == 1 ? row_major(inputs.front()) : pack(inputs);
    in_a_row(output, [&](const Tensor& row) {
      state.collectives(row.device())
          .reduce_scatter(row.data(), flat.data(), std::size_t(row.numel()), reduction, tag);
      finish_average(op, row, state.size());
    });
  };
  return state.start(concat("reduce_scatter(", shown(output), ", ", distributed::name(op), ")"), inputs,
                     {output}, body);
}

}  // namespace

ProcessGroup::ProcessGroup(std::unique_ptr<State> state) : state_(std::move(state)) {}
ProcessGroup::~ProcessGroup() = default;
void ProcessGroup::shut_down() { state_->shut_down(); }
int ProcessGroup::rank() const { return state_->rank; }
int ProcessGroup::size() const { return state_->size(); }
const std::string& ProcessGroup::name() const { return state_->name; }
const std::vector<int>& ProcessGroup::global_ranks() const { return state_->global_ranks; }
std::chrono::milliseconds ProcessGroup::timeout() const {
  return std::chrono::milliseconds(state_->timeout.load());
}
void ProcessGroup::set_timeout(std::chrono::milliseconds timeout) { state_->set_timeout(timeout); }

Work ProcessGroup::all_reduce(const Tensor& tensor, ReduceOp op) {
  check_writable(tensor, "all_reduce");
  const Reduction reduction{op, tensor.dtype(), combine_function(op, tensor.dtype(), "all_reduce")};
  std::optional<Small> small;
  if (tensor.is_contiguous() && tensor.device().is_cpu())
    small = Small{tensor.data(), std::size_t(tensor.numel()), reduction};
  const auto body = [=, this](std::uint32_t tag) {
    if (tensor.numel() == 0) return;
    in_a_row(tensor, [&](const Tensor& row) {
      const std::size_t count = std::size_t(row.numel());
      if (row.device().is_cpu() && can_use_ring(size()))
        return all_reduce_ring(*state_->transport, rank(), size(), row.data(), count, reduction, tag);
      state_->collectives(row.device()).all_reduce(row.data(), count, reduction, tag);
      finish_average(op, row, size());
    });
  };
  return state_->start(concat("all_reduce(", shown(tensor), ", ", distributed::name(op), ")"), {}, {tensor},
                       body, small);
}

Work ProcessGroup::reduce(const Tensor& tensor, int root, ReduceOp op) {
  check_writable(tensor, "reduce");
  state_->check_rank(root, "reduce", "dst");
  const Reduction reduction{op, tensor.dtype(), combine_function(op, tensor.dtype(), "reduce")};
  const auto body = [=, this](std::uint32_t tag) {
    if (tensor.numel() == 0) return;
    // Gloo works in the memory it is given, on all ranks.
    const Tensor row = root == rank() ? row_major(tensor) : clone(tensor.detach(), "contiguous");
    state_->collectives(row.device()).reduce(row.data(), std::size_t(row.numel()), reduction, root, tag);
    if (root != rank()) return;
    finish_average(op, row, size());
    if (!row.is(tensor)) copy_elements(row, tensor);
  };
  return state_->start(concat("reduce(", shown(tensor), ", ", distributed::name(op), ", to rank ", root, ")"),
                       {tensor}, root == rank() ? Tensors{tensor} : Tensors{}, body);
}

Work ProcessGroup::broadcast(const Tensor& tensor, int root) {
  check_writable(tensor, "broadcast");
  state_->check_rank(root, "broadcast", "src");
  const auto body = [=, this](std::uint32_t tag) {
    if (tensor.numel() == 0) return;
    in_a_row(tensor, [&](const Tensor& row) {
      state_->collectives(row.device()).broadcast(row.data(), bytes_of(row), root, tag);
    });
  };
  return state_->start(concat("broadcast(", shown(tensor), ", from rank ", root, ")"), {tensor},
                       root == rank() ? Tensors{} : Tensors{tensor}, body);
}

Work ProcessGroup::all_gather(const Tensors& outputs, const Tensor& input) {
  check_list(outputs, input, size(), "all_gather", "output");
  for (const Tensor& output : outputs) check_writable(output, "all_gather");
  const auto body = [=, this](std::uint32_t tag) {
    if (input.numel() == 0) return;
    const Tensor row = row_major(input),
                 flat = empty({input.numel() * size()}, input.dtype(), input.device());
    state_->collectives(row.device()).all_gather(flat.data(), row.data(), bytes_of(row), tag);
    unpack(flat, outputs);
  };
  return state_->start(concat("all_gather(", shown(input), ")"), {input}, outputs, body);
}

Work ProcessGroup::all_gather_into_tensor(const Tensor& output, const Tensor& input) {
  check_same_device(output, input, "all_gather_into_tensor");
  check_writable(output, "all_gather_into_tensor");
  check<DTypeError>(output.dtype() == input.dtype(), "all_gather_into_tensor: output of dtype ",
                    output.dtype(), " for an input of dtype ", input.dtype());
  check<ShapeError>(output.numel() == input.numel() * size(), "all_gather_into_tensor: output of shape ",
                    output.sizes(), " does not hold ", size(), " inputs of shape ", input.sizes());
  const auto body = [=, this](std::uint32_t tag) {
    if (input.numel() == 0) return;
    const Tensor part = row_major(input);
    in_a_row(output, [&](const Tensor& row) {
      state_->collectives(row.device()).all_gather(row.data(), part.data(), bytes_of(part), tag);
    });
  };
  return state_->start(concat("all_gather_into_tensor(", shown(input), ")"), {input}, {output}, body);
}

Work ProcessGroup::gather(const Tensors& outputs, const Tensor& input, int root) {
  state_->check_rank(root, "gather", "dst");
  check<ValueError>(root == rank() || outputs.empty(), "gather: output tensors are given on rank ", root,
                    " only, where they are gathered");
  if (root == rank()) check_list(outputs, input, size(), "gather", "output");
  for (const Tensor& output : outputs) check_writable(output, "gather");
  const auto body = [=, this](std::uint32_t tag) {
    if (input.numel() == 0) return;
    const Tensor row = row_major(input);
    const Tensor flat = empty({root == rank() ? input.numel() * size() : 0}, input.dtype(), input.device());
    state_->collectives(row.device()).gather(flat.data(), row.data(), bytes_of(row), root, tag);
    if (root == rank()) unpack(flat, outputs);
  };
  return state_->start(concat("gather(", shown(input), ", to rank ", root, ")"), {input}, outputs, body);
}

Work ProcessGroup::scatter(const Tensor& output, const Tensors& inputs, int root) {
  state_->check_rank(root, "scatter", "src");
  check_writable(output, "scatter");
  check<ValueError>(root == rank() || inputs.empty(), "scatter: input tensors are given on rank ", root,
                    " only, from where they are scattered");
  if (root == rank()) check_list(inputs, output, size(), "scatter", "input");
  const auto body = [=, this](std::uint32_t tag) {
    if (output.numel() == 0) return;
    const Tensor flat = root == rank() ? pack(inputs) : Tensor();
    in_a_row(output, [&](const Tensor& row) {
      state_->collectives(row.device())
          .scatter(row.data(), flat.defined() ? flat.data() : nullptr, bytes_of(row), root, tag);
    });
  };
  return state_->start(concat("scatter(", shown(output), ", from rank ", root, ")"), inputs, {output}, body);
}

Work ProcessGroup::reduce_scatter(const Tensor& output, const Tensors& inputs, ReduceOp op) {
  check_list(inputs, output, size(), "reduce_scatter", "input");
  return reduce_parts(*state_, output, inputs, op);
}

namespace {

// Views of the first dimension's parts, of the sizes given, or equal ones.
Tensors parts_of(const Tensor& tensor, const std::vector<std::int64_t>& sizes, int count,
                 const char* collective) {
  check<ShapeError>(tensor.ndim() > 0, collective, ": needs a tensor with a dimension, got ", tensor.sizes());
  std::vector<std::int64_t> lengths = sizes;
  if (lengths.empty()) {
    check<ShapeError>(tensor.size(0) % count == 0, collective, ": the first dimension of ", tensor.sizes(),
                      " cannot be divided among ", count, " ranks");
    lengths.assign(std::size_t(count), tensor.size(0) / count);
  }
  check<ValueError>(int(lengths.size()) == count, collective, ": got ", lengths.size(), " sizes for ", count,
                    " ranks");
  const bool negative = std::any_of(lengths.begin(), lengths.end(), [](auto length) { return length < 0; });
  check<ShapeError>(
      !negative && std::accumulate(lengths.begin(), lengths.end(), std::int64_t(0)) == tensor.size(0),
      collective, ": the sizes of the parts do not add up to the first dimension of ", tensor.sizes());
  const NoGrad no_grad;
  Tensors parts;
  std::int64_t start = 0;
  for (const std::int64_t length : lengths) {
    parts.push_back(narrow(tensor.detach(), 0, start, length));
    start += length;
  }
  return parts;
}

}  // namespace

Work ProcessGroup::reduce_scatter_tensor(const Tensor& output, const Tensor& input, ReduceOp op) {
  check<ShapeError>(input.numel() == output.numel() * size(), "reduce_scatter_tensor: input of shape ",
                    input.sizes(), " does not hold ", size(), " outputs of shape ", output.sizes());
  check_same_device(output, input, "reduce_scatter_tensor");
  check<DTypeError>(output.dtype() == input.dtype(), "reduce_scatter_tensor: output of dtype ",
                    output.dtype(), " for an input of dtype ", input.dtype());
  return reduce_parts(*state_, output, {input}, op);
}

Work ProcessGroup::all_to_all(const Tensors& outputs, const Tensors& inputs) {
  check<ValueError>(int(outputs.size()) == size() && int(inputs.size()) == size(), "all_to_all: got ",
                    inputs.size(), " inputs and ", outputs.size(), " outputs, expected ", size(), " of each");
  const DType dtype = inputs.front().dtype();
  const Device device = inputs.front().device();
  for (const Tensor& tensor : outputs) check_writable(tensor, "all_to_all");
  for (const Tensors* list : {&inputs, &outputs})
    for (const Tensor& tensor : *list) {
      check_same_device(tensor, inputs.front(), "all_to_all");
      check<DTypeError>(tensor.dtype() == dtype, "all_to_all: tensors of dtype ", tensor.dtype(), " and ",
                        dtype);
    }
  const auto body = [=, this](std::uint32_t tag) {
    std::vector<std::int64_t> sent, wanted;
    for (const Tensor& tensor : inputs) sent.push_back(std::int64_t(bytes_of(tensor)));
    for (const Tensor& tensor : outputs) wanted.push_back(std::int64_t(bytes_of(tensor)));
    state_->agree_on_parts(tag, sent, wanted);
    const std::int64_t bytes = std::accumulate(wanted.begin(), wanted.end(), std::int64_t(0));
    const Tensor input = pack(inputs), output = empty({bytes / item_size(dtype)}, dtype, device);
    // A tag of its own: the sizes went under the first.
    state_->collectives(device).all_to_all(output.data(), wanted, input.data(), sent, tag | 0x80000000u);
    unpack(output, outputs);
  };
  return state_->start(concat("all_to_all(", dtype, ")"), inputs, outputs, body);
}

Work ProcessGroup::all_to_all_single(const Tensor& output, const Tensor& input,
                                     const std::vector<std::int64_t>& output_sizes,
                                     const std::vector<std::int64_t>& input_sizes) {
  check_writable(output, "all_to_all_single");
  return all_to_all(parts_of(output, output_sizes, size(), "all_to_all_single"),
                    parts_of(input, input_sizes, size(), "all_to_all_single"));
}

Work ProcessGroup::barrier(std::optional<std::chrono::milliseconds> timeout) {
  check<ValueError>(!timeout || timeout->count() > 0, "barrier: timeout must be positive");
  // What comes before each collective is a barrier.
  return state_->start(
      "barrier()", {}, {}, [](std::uint32_t) {}, {}, timeout);
}

}  // namespace taper::distributed
