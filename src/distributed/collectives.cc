// The collectives of a process group: tensors become bytes for the transport and back.
#include <algorithm>
#include <cstring>
#include <numeric>

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

void check_cpu(const Tensor& tensor, const char* collective) {
  check<DeviceError>(tensor.device() == Device(), collective,
                     ": Gloo moves tensors in main memory, got one on ", tensor.device());
}

void check_written(const Tensor& tensor, const char* collective) {
  check_cpu(tensor, collective);
  check_writable(tensor, collective);
}

// The tensors of a list have one dtype and shape.
void check_list(const Tensors& list, const Tensor& like, int count, const char* collective,
                const char* role) {
  check<ValueError>(int(list.size()) == count, collective, ": got ", list.size(), " ", role,
                    " tensors, expected one for each of ", count, " ranks");
  for (const Tensor& tensor : list) {
    check_cpu(tensor, collective);
    check<DTypeError>(tensor.dtype() == like.dtype(), collective, ": ", role, " tensors of dtype ",
                      tensor.dtype(), " and ", like.dtype());
    check<ShapeError>(tensor.sizes() == like.sizes(), collective, ": ", role, " tensors of shape ",
                      tensor.sizes(), " and ", like.sizes());
  }
}

// The tensors' elements one after another.
Tensor pack(const Tensors& tensors) {
  std::int64_t count = 0;
  for (const Tensor& tensor : tensors) count += tensor.numel();
  Tensor flat = empty({count}, tensors.front().dtype());
  std::int64_t start = 0;
  for (const Tensor& tensor : tensors) {
    copy_elements(tensor, window(flat, tensor.sizes(), contiguous_strides(tensor.sizes()), start));
    start += tensor.numel();
  }
  return flat;
}

void unpack(const Tensor& flat, const Tensors& tensors) {
  std::int64_t start = 0;
  for (const Tensor& tensor : tensors) {
    copy_elements(window(flat, tensor.sizes(), contiguous_strides(tensor.sizes()), start), tensor);
    start += tensor.numel();
  }
}

// Runs body on the tensor's elements in a row, and brings the result back.
template <class F>
void in_a_row(const Tensor& tensor, F&& body) {
  const Tensor row = row_major(tensor);
  body(row);
  if (!row.is(tensor)) copy_elements(row, tensor);
}

void finish_average(ReduceOp op, const Tensor& tensor, int ranks) {
  if (op == ReduceOp::avg) divide(tensor.data(), std::size_t(tensor.numel()), tensor.dtype(), ranks);
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
void ProcessGroup::set_timeout(std::chrono::milliseconds timeout) {
  check<ValueError>(timeout.count() > 0, "timeout: must be positive");
  state_->timeout = timeout.count();
  state_->transport->set_timeout(timeout);
}

Work ProcessGroup::all_reduce(const Tensor& tensor, ReduceOp op) {
  check_written(tensor, "all_reduce");
  const Combine combine = combine_function(op, tensor.dtype(), "all_reduce");
  Small small;
  if (tensor.is_contiguous())
    small = {tensor.data(), std::size_t(tensor.numel()), tensor.dtype(), combine, op == ReduceOp::avg};
  const auto body = [=, this](std::uint32_t tag) {
    if (tensor.numel() == 0) return;
    in_a_row(tensor, [&](const Tensor& row) {
      const std::size_t count = std::size_t(row.numel()), item_size = std::size_t(row.item_size());
      if (prefers_ring(bytes_of(row), size()))
        all_reduce_ring(*state_->transport, rank(), size(), row.data(), count, item_size, combine, tag);
      else state_->transport->all_reduce(row.data(), count, item_size, combine, tag);
      finish_average(op, row, size());
    });
  };
  return state_->start(concat("all_reduce(", shown(tensor), ", ", distributed::name(op), ")"), {tensor}, body,
                       small);
}

Work ProcessGroup::reduce(const Tensor& tensor, int root, ReduceOp op) {
  check_written(tensor, "reduce");
  state_->check_rank(root, "reduce", "dst");
  const Combine combine = combine_function(op, tensor.dtype(), "reduce");
  return state_->start(concat("reduce(", shown(tensor), ", ", distributed::name(op), ", to rank ", root, ")"),
                       root == rank() ? Tensors{tensor} : Tensors{}, [=, this](std::uint32_t tag) {
                         if (tensor.numel() == 0) return;
                         // Gloo works in the memory it is given, on all ranks.
                         const Tensor row =
                             root == rank() ? row_major(tensor) : clone(tensor.detach(), "contiguous");
                         state_->transport->reduce(row.data(), std::size_t(row.numel()),
                                                   std::size_t(row.item_size()), combine, root, tag);
                         if (root != rank()) return;
                         finish_average(op, row, size());
                         if (!row.is(tensor)) copy_elements(row, tensor);
                       });
}

Work ProcessGroup::broadcast(const Tensor& tensor, int root) {
  check_written(tensor, "broadcast");
  state_->check_rank(root, "broadcast", "src");
  return state_->start(concat("broadcast(", shown(tensor), ", from rank ", root, ")"),
                       root == rank() ? Tensors{} : Tensors{tensor}, [=, this](std::uint32_t tag) {
                         if (tensor.numel() == 0) return;
                         in_a_row(tensor, [&](const Tensor& row) {
                           state_->transport->broadcast(row.data(), bytes_of(row), root, tag);
                         });
                       });
}

Work ProcessGroup::all_gather(const Tensors& outputs, const Tensor& input) {
  check_list(outputs, input, size(), "all_gather", "output");
  check_cpu(input, "all_gather");
  for (const Tensor& output : outputs) check_written(output, "all_gather");
  return state_->start(concat("all_gather(", shown(input), ")"), outputs, [=, this](std::uint32_t tag) {
    if (input.numel() == 0) return;
    const Tensor row = row_major(input), flat = empty({input.numel() * size()}, input.dtype());
    state_->transport->all_gather(flat.data(), row.data(), bytes_of(row), tag);
    unpack(flat, outputs);
  });
}

Work ProcessGroup::all_gather_into_tensor(const Tensor& output, const Tensor& input) {
  check_cpu(input, "all_gather_into_tensor");
  check_written(output, "all_gather_into_tensor");
  check<DTypeError>(output.dtype() == input.dtype(), "all_gather_into_tensor: output of dtype ",
                    output.dtype(), " for an input of dtype ", input.dtype());
  check<ShapeError>(output.numel() == input.numel() * size(), "all_gather_into_tensor: output of shape ",
                    output.sizes(), " does not hold ", size(), " inputs of shape ", input.sizes());
  return state_->start(concat("all_gather_into_tensor(", shown(input), ")"), {output},
                       [=, this](std::uint32_t tag) {
                         if (input.numel() == 0) return;
                         const Tensor part = row_major(input);
                         in_a_row(output, [&](const Tensor& row) {
                           state_->transport->all_gather(row.data(), part.data(), bytes_of(part), tag);
                         });
                       });
}

Work ProcessGroup::gather(const Tensors& outputs, const Tensor& input, int root) {
  state_->check_rank(root, "gather", "dst");
  check_cpu(input, "gather");
  check<ValueError>(root == rank() || outputs.empty(), "gather: output tensors are given on rank ", root,
                    " only, where they are gathered");
  if (root == rank()) check_list(outputs, input, size(), "gather", "output");
  for (const Tensor& output : outputs) check_written(output, "gather");
  return state_->start(
      concat("gather(", shown(input), ", to rank ", root, ")"), outputs, [=, this](std::uint32_t tag) {
        if (input.numel() == 0) return;
        const Tensor row = row_major(input);
        const Tensor flat = empty({root == rank() ? input.numel() * size() : 0}, input.dtype());
        state_->transport->gather(flat.data(), row.data(), bytes_of(row), root, tag);
        if (root == rank()) unpack(flat, outputs);
      });
}

Work ProcessGroup::scatter(const Tensor& output, const Tensors& inputs, int root) {
  state_->check_rank(root, "scatter", "src");
  check_written(output, "scatter");
  check<ValueError>(root == rank() || inputs.empty(), "scatter: input tensors are given on rank ", root,
                    " only, from where they are scattered");
  if (root == rank()) check_list(inputs, output, size(), "scatter", "input");
  return state_->start(concat("scatter(", shown(output), ", from rank ", root, ")"), {output},
                       [=, this](std::uint32_t tag) {
                         if (output.numel() == 0) return;
                         const Tensor flat = root == rank() ? pack(inputs) : Tensor();
                         in_a_row(output, [&](const Tensor& row) {
                           state_->transport->scatter(row.data(), flat.defined() ? flat.data() : nullptr,
                                                      bytes_of(row), root, tag);
                         });
                       });
}

Work ProcessGroup::reduce_scatter(const Tensor& output, const Tensors& inputs, ReduceOp op) {
  check_list(inputs, output, size(), "reduce_scatter", "input");
  check_written(output, "reduce_scatter");
  const Combine combine = combine_function(op, output.dtype(), "reduce_scatter");
  return state_->start(
      concat("reduce_scatter(", shown(output), ", ", distributed::name(op), ")"), {output},
      [=, this](std::uint32_t tag) {
        if (output.numel() == 0) return;
        const Tensor flat = pack(inputs), parts = empty(flat.sizes(), flat.dtype());
        const std::vector<std::int64_t> bytes(std::size_t(size()), std::int64_t(bytes_of(output)));
        state_->transport->all_to_all(parts.data(), bytes, flat.data(), bytes, tag);
        auto* sum = static_cast<std::byte*>(parts.data());
        for (int other = 1; other < size(); ++other)
          combine(sum, sum, sum + std::size_t(other) * bytes_of(output), std::size_t(output.numel()));
        const Tensor row = window(parts, output.sizes(), contiguous_strides(output.sizes()), 0);
        finish_average(op, row, size());
        copy_elements(row, output);
      });
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
  const Tensor row = row_major(input);
  Tensors parts;
  for (int other = 0; other < size(); ++other)
    parts.push_back(window(row, output.sizes(), contiguous_strides(output.sizes()),
                           row.storage_offset() + other * output.numel()));
  return reduce_scatter(output, parts, op);
}

Work ProcessGroup::all_to_all(const Tensors& outputs, const Tensors& inputs) {
  check<ValueError>(int(outputs.size()) == size() && int(inputs.size()) == size(), "all_to_all: got ",
                    inputs.size(), " inputs and ", outputs.size(), " outputs, expected ", size(), " of each");
  const DType dtype = inputs.front().dtype();
  for (const Tensor& tensor : inputs) check_cpu(tensor, "all_to_all");
  for (const Tensor& tensor : outputs) check_written(tensor, "all_to_all");
  for (const Tensors* list : {&inputs, &outputs})
    for (const Tensor& tensor : *list)
      check<DTypeError>(tensor.dtype() == dtype, "all_to_all: tensors of dtype ", tensor.dtype(), " and ",
                        dtype);
  return state_->start(concat("all_to_all(", dtype, ")"), outputs, [=, this](std::uint32_t tag) {
    std::vector<std::int64_t> sent, wanted;
    for (const Tensor& tensor : inputs) sent.push_back(std::int64_t(bytes_of(tensor)));
    for (const Tensor& tensor : outputs) wanted.push_back(std::int64_t(bytes_of(tensor)));
    std::vector<std::int64_t> offered(sent.size());
    const std::vector<std::int64_t> one(sent.size(), 8);
    state_->transport->all_to_all(offered.data(), one, sent.data(), one, tag);
    std::string fault;
    for (int other = 0; other < size() && fault.empty(); ++other)
      if (offered[std::size_t(other)] != wanted[std::size_t(other)])
        fault = concat("expects ", wanted[std::size_t(other)], " bytes from rank ", other, ", which sends ",
                       offered[std::size_t(other)]);
    state_->agree(tag, fault.empty() ? "its sizes fit" : fault, "the sizes of the parts differ", 1);
    const Tensor input = pack(inputs),
                 output = empty(
                     {std::accumulate(wanted.begin(), wanted.end(), std::int64_t(0)) / item_size(dtype)},
                     dtype);
    // A tag of its own: the sizes went under the first.
    state_->transport->all_to_all(output.data(), wanted, input.data(), sent, tag | 0x80000000u);
    unpack(output, outputs);
  });
}

Work ProcessGroup::all_to_all_single(const Tensor& output, const Tensor& input,
                                     const std::vector<std::int64_t>& output_sizes,
                                     const std::vector<std::int64_t>& input_sizes) {
  check_written(output, "all_to_all_single");
  return all_to_all(parts_of(output, output_sizes, size(), "all_to_all_single"),
                    parts_of(input, input_sizes, size(), "all_to_all_single"));
}

Work ProcessGroup::barrier() {
  // What comes before each collective is a barrier.
  return state_->start("barrier()", {}, [](std::uint32_t) {});
}

}  // namespace taper::distributed
