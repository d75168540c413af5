// Training on many processes: process groups, collectives, DistributedDataParallel. Names and meanings are
// those of torch.distributed (https://pytorch.org/docs/stable/distributed.html).
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "taper/error.h"
#include "taper/nn.h"
#include "taper/tensor.h"

namespace taper::distributed {

/// Whether this build has a transport (Gloo).
bool is_available();

/// How tensors of several ranks become one. avg is for floating and complex dtypes; band, bor and bxor for
/// integers and bool; min and max not for complex.
enum class ReduceOp : std::uint8_t { sum, avg, product, min, max, band, bor, bxor };

/// Texts by name that all ranks share, kept by rank 0. From any thread. All methods throw DistributedError
/// when the rendezvous is lost.
class Store {
 public:
  virtual ~Store() = default;
  virtual void set(const std::string& key, const std::string& value) = 0;
  /// Waits until the key is set; throws DistributedError after the timeout of the job.
  virtual std::string get(const std::string& key) = 0;
  /// Adds to a key that holds an integer (0 at first); returns the sum. Throws DistributedError where the key
  /// holds no integer, or the sum has more than 64 bits.
  virtual std::int64_t add(const std::string& key, std::int64_t amount) = 0;
  /// Sets desired where the key holds expected (or expected is empty and the key unset); returns what it
  /// holds.
  virtual std::string compare_set(const std::string& key, const std::string& expected,
                                  const std::string& desired) = 0;
  /// Whether there was such a key.
  virtual bool delete_key(const std::string& key) = 0;
  /// Whether all keys are set.
  virtual bool check(const std::vector<std::string>& keys) = 0;
  /// Until all keys are set. Throws DistributedError after the timeout.
  virtual void wait(const std::vector<std::string>& keys, std::chrono::milliseconds timeout) = 0;
  virtual std::int64_t num_keys() = 0;
  /// For get().
  virtual std::chrono::milliseconds timeout() const = 0;
  virtual void set_timeout(std::chrono::milliseconds timeout) = 0;
};

/// A collective under way. Copies mean the same one. From any thread.
class Work {
 public:
  struct Shared;
  explicit Work(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
  /// Until it is done. Throws what made it fail: DistributedError naming rank and collective. On a device
  /// only the calling thread's current stream waits for it; what fails there later is thrown where the host
  /// waits for the device.
  void wait() const;
  /// As wait, but false when it is not done in time; it goes on then.
  bool wait_for(std::chrono::milliseconds time) const;
  /// Whether it has ended, well or not.
  bool is_completed() const;
  /// What wait() would throw; empty while it is under way, and where it ended well.
  std::exception_ptr exception() const;
  /// The collective, with its tensors' dtype and shape.
  const std::string& what() const;
  /// The rank that a recv() from any rank got its tensor from; else -1.
  int source_rank() const;
  /// Tensors that the collective writes.
  const Tensors& result() const;

 private:
  std::shared_ptr<Shared> shared_;
};

/// While it lives, a collective that this thread starts runs when its Work is waited for, and not before (a
/// send() or recv() runs at once): for calls that wait right away, this saves waking another thread. Each
/// such Work must be waited for, as later collectives of the group wait for it.
class RunsInWait {
 public:
  RunsInWait();
  ~RunsInWait();
  RunsInWait(const RunsInWait&) = delete;
  RunsInWait& operator=(const RunsInWait&) = delete;
  static bool active();

 private:
  bool before_;
};

/// Ranks that call the same collectives in the same order. Every collective first compares what all ranks are
/// about to do: where collective, operator, dtype, shape or root differ, all ranks throw DistributedError
/// with the whole list, nothing was changed, and the group goes on. A killed or stopped rank fails all groups
/// of the job, a timeout its group only.
///
/// Tensors in main memory go through Gloo. Those on a CUDA device go through NCCL, where the comparison is
/// made only if TORCH_DISTRIBUTED_DEBUG=DETAIL is set: without it, calls that differ end at the timeout.
///
/// Tensors may have any dtype and strides; they must have the shapes stated, on all ranks. Each method starts
/// the collective; call wait() on its result, and leave the tensors alone until then. Collectives of one
/// group run in the order of the calls, those of several groups side by side. A root, source or destination
/// is a rank in the group.
///
/// Each method throws at once, on this rank alone, and starts nothing: ShapeError, DTypeError or DeviceError
/// where its own tensors do not fit together, ValueError for ranks, operators and numbers of tensors that
/// cannot be, and for outputs whose elements share memory. What goes wrong between ranks is thrown by wait().
/// Nothing here is recorded for autograd.
class ProcessGroup {
 public:
  struct State;
  explicit ProcessGroup(std::unique_ptr<State> state);
  ~ProcessGroup();

  /// Rank of this process in the group, from 0.
  int rank() const;
  int size() const;
  /// The same on all ranks: "default", or "group 1" and so on.
  const std::string& name() const;
  /// By rank in the group: ranks in the job.
  const std::vector<int>& global_ranks() const;
  /// After which a collective that a rank does not join fails.
  std::chrono::milliseconds timeout() const;
  /// For collectives that start later. Throws ValueError unless it is positive.
  void set_timeout(std::chrono::milliseconds timeout);

  /// tensor becomes the reduction of all ranks' tensors, of one shape and dtype: the same bits on all ranks
  /// and in every run. A ring (Patarasuk and Yuan 2009, "Bandwidth optimal all-reduce algorithms for clusters
  /// of workstations"), where it is not small.
  Work all_reduce(const Tensor& tensor, ReduceOp op = ReduceOp::sum);
  /// As all_reduce, but only root's tensor is changed.
  Work reduce(const Tensor& tensor, int root, ReduceOp op = ReduceOp::sum);
  /// tensor becomes root's; of one shape and dtype on all ranks.
  Work broadcast(const Tensor& tensor, int root);
  /// outputs[r] becomes rank r's input; size() tensors of input's shape and dtype.
  Work all_gather(const Tensors& outputs, const Tensor& input);
  /// output holds the inputs one after another (its first dimension is size() times input's) or stacked, in
  /// input's dtype.
  Work all_gather_into_tensor(const Tensor& output, const Tensor& input);
  /// On root, outputs[r] becomes rank r's input, of its shape and dtype; elsewhere outputs is empty.
  Work gather(const Tensors& outputs, const Tensor& input, int root);
  /// output becomes root's inputs[rank()], of its shape and dtype; elsewhere than on root inputs is empty.
  Work scatter(const Tensor& output, const Tensors& inputs, int root);
  /// output becomes the reduction of all ranks' inputs[rank()]; size() tensors of output's shape and dtype.
  Work reduce_scatter(const Tensor& output, const Tensors& inputs, ReduceOp op = ReduceOp::sum);
  /// As reduce_scatter of the parts of input, which holds size() outputs one after another or stacked.
  Work reduce_scatter_tensor(const Tensor& output, const Tensor& input, ReduceOp op = ReduceOp::sum);
  /// outputs[r] becomes rank r's inputs[rank()]; size() tensors each, of one dtype. Sizes may differ by pair,
  /// but what one rank sends, the other must expect.
  Work all_to_all(const Tensors& outputs, const Tensors& inputs);
  /// As all_to_all on parts of the first dimension: by rank, their sizes; equal parts where a list is empty.
  Work all_to_all_single(const Tensor& output, const Tensor& input,
                         const std::vector<std::int64_t>& output_sizes = {},
                         const std::vector<std::int64_t>& input_sizes = {});
  /// Ends when all ranks have called it. timeout: instead of the group's, which it replaces while the barrier
  /// runs. Throws ValueError unless it is positive.
  Work barrier(std::optional<std::chrono::milliseconds> timeout = {});
  /// To a recv() on that rank of a tensor of the same shape and dtype; else wait() throws on both. Messages
  /// of one tag arrive in order.
  Work send(const Tensor& tensor, int destination, std::uint32_t tag = 0);
  /// From any rank where source is empty; Work::source_rank() tells from which.
  Work recv(const Tensor& tensor, std::optional<int> source, std::uint32_t tag = 0);
  /// As barrier, by way of the store, and waits. Throws DistributedError that tells which ranks did not come
  /// in time: on rank 0 the first, or all.
  void monitored_barrier(std::chrono::milliseconds timeout, bool wait_all_ranks = false);
  /// Ends what is under way and closes the connections; the group is of no use after that.
  void shut_down();

 private:
  std::unique_ptr<State> state_;
};
using Group = std::shared_ptr<ProcessGroup>;

struct InitOptions {
  /// Where the ranks meet. "env://": ranks and address from torchrun's variables (RANK, WORLD_SIZE,
  /// MASTER_ADDR, MASTER_PORT), Open MPI's or Slurm's. "tcp://host:port" and "file:///path": rank and
  /// world_size must be given there or here.
  std::string init_method = "env://";
  int rank = -1, world_size = -1;
  /// After which a collective that a rank does not join fails.
  std::chrono::milliseconds timeout = std::chrono::minutes(30);
};

/// Makes the default group of all ranks; all processes of the job call it. Rank 0 listens on the rendezvous
/// address, and all prove to know the job's secret (docs/distributed.md, "Security"). Throws DistributedError
/// where a rank does not come, or is refused, or there is no transport; ValueError for options that cannot
/// be, and where there is a group already.
void init_process_group(const InitOptions& options = {});
bool is_initialized();
/// A group that is a job of its own, with its own ranks, address and failures, beside the default group or
/// without one. Throws as init_process_group().
Group separate_group(const InitOptions& options);
/// The groups of this process that were not destroyed: the default one first, then as they were made.
std::vector<Group> living_groups();
/// Takes leave of the others and closes all connections; what is under way on this rank fails. Later failures
/// of others do not matter to this process. Throws DistributedError where there is no group.
void destroy_process_group();
/// Ends one group on this rank; what is under way in it fails.
void destroy_process_group(const Group& group);
/// Tells the other ranks that this process gives up, and why; their collectives fail at once.
void abort_process_group(const std::string& reason);
/// The group of all ranks. Throws ValueError before init_process_group().
Group default_group();
/// A group of some ranks; all processes of the job call it, in the same order. Empty for a process that is
/// not in it. It lasts until it is destroyed, as PyTorch's do. Throws DistributedError naming the rank that
/// did not call it in time, or has left. by_members: only the ranks of the group call it; they have called it
/// equally often for these ranks.
Group new_group(const std::vector<int>& ranks, std::optional<std::chrono::milliseconds> timeout = {},
                bool by_members = false);
/// The store of the job. Throws ValueError before init_process_group().
std::shared_ptr<Store> default_store();

/// Options of gradient reduction; PyTorch's defaults but for the size of buckets.
struct DataParallelOptions {
  /// Size of a bucket in MiB. 0: a tenth of the gradients, 1 to 25 MiB, so that most of the reduction has
  /// begun when backward ends.
  double bucket_cap_mb = 0;
  /// Looks through the graph for parameters that backward will not reach; they take part with zeros.
  bool find_unused_parameters = false;
  /// Gradients lie in the buckets themselves, which saves a copy and its memory.
  bool gradient_as_bucket_view = false;
  /// Promises that each pass uses the parameters that the first one used; one that does not throws.
  bool static_graph = false;
  bool broadcast_buffers = true;
  /// Instead of bucket_cap_mb: of the first bucket, the second, ...; the last holds for all that follow.
  std::vector<double> bucket_caps_mb = {};
  /// With find_unused_parameters: buckets of which no rank uses any parameter are not reduced. Ranks tell
  /// each other what they use before backward instead of after it.
  bool skip_all_reduce_unused_params = false;
};

/// What a GradientReducer did, for logs. Parameters are named by their places in its list.
struct ReductionReport {
  /// Iterations whose gradients were, or are, reduced.
  std::int64_t passes = 0;
  /// Sizes of buckets before and after rank 0's order was known, with their parameters.
  std::vector<std::int64_t> first_bucket_bytes;
  std::vector<std::vector<std::size_t>> buckets;
  bool rebuilt = false;
  /// Of the last finished pass: the order of gradients, and by parameter how many ranks use it (only where
  /// unused parameters are looked for).
  std::vector<std::size_t> ready_order;
  std::vector<std::int32_t> users;
  std::int64_t unused_bytes = 0;
  std::size_t buckets_reduced = 0;
  /// Whether all passes used the same parameters on this rank.
  bool same_graph = true;
  /// Of std::chrono::steady_clock, in nanoseconds.
  std::int64_t backward_begin = 0, backward_end = 0, reduction_begin = 0, reduction_end = 0;
  /// The last that was thrown.
  std::string error;
};

/// Averages gradients over the ranks while backward still runs: parameters are laid in buckets in the reverse
/// order of use, and a bucket is reduced as soon as all its gradients are there (Li et al. 2020, "PyTorch
/// Distributed: Experiences on Accelerating Data Parallel Training", arXiv:2006.15704). For models that are
/// no nn::Module of one input; DistributedDataParallel does the calls below by itself.
///
/// What goes wrong in a reduction is thrown by backward().
class GradientReducer {
 public:
  /// What a communication hook is given.
  struct Bucket {
    std::size_t index;
    bool is_last;
    Tensor flat;  // [n]: the gradients one after another, not yet averaged
    Tensors parameters;
    Tensors gradients;  // views of flat
  };
  /// Starts the reduction of a bucket, on all ranks in the same order; what it returns is called when
  /// backward ends, and gives the averaged bucket: [n], in any dtype that can become the bucket's.
  using Hook = std::function<std::function<Tensor()>(const Bucket&)>;

  /// parameters: leaves that require a gradient, of any floating dtypes and devices, the same on all ranks.
  /// Throws ValueError where there are none.
  GradientReducer(Tensors parameters, Group group, DataParallelOptions options = {});
  ~GradientReducer();
  GradientReducer(const GradientReducer&) = delete;
  GradientReducer& operator=(const GradientReducer&) = delete;
  /// Before a backward pass whose gradients are to be reduced. outputs: what backward starts from, looked
  /// through for unused parameters where that was asked for. Throws DistributedError naming the parameters
  /// that the pass before left without a gradient.
  void prepare(const Tensors& outputs = {});
  /// Lays the buckets out in the order of rank 0's first backward pass, as prepare() does before the second;
  /// whether that was still to be done. All ranks call it.
  bool rebuild_buckets();
  /// Before one whose gradients only accumulate on this rank.
  void skip();
  /// Takes part in the reductions of one forward and backward pass of the others, with zeros: for a rank that
  /// has no data left. Its gradients stay.
  void shadow();
  /// Instead of an all_reduce that averages.
  void set_hook(Hook hook);
  /// What errors call the parameters, instead of by their numbers.
  void set_names(std::vector<std::string> names);
  /// The parameters of each bucket, in the order in which buckets are reduced.
  std::vector<Tensors> buckets() const;
  ReductionReport report() const;
  /// Throws DistributedError, with their names, where gradients of the last backward pass are still missing.
  void check_finished();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// All tensors become those of rank root: one broadcast for each dtype and device. Throws what broadcast()
/// does, also where they differ between ranks in number or shape.
void broadcast_tensors(ProcessGroup& group, const Tensors& tensors, int root);

/// A module that is trained by all ranks of a group together: forward as the module's own, and backward
/// leaves the average of all ranks' gradients in every .grad. Parameters and buffers start as rank 0's.
/// Errors of backward name parameters by their paths.
class DistributedDataParallel : public nn::Module {
 public:
  /// While it lives, forward passes of the model are followed by backward passes that only accumulate, each
  /// rank its own gradients; the first one after it reduces them all.
  class NoSync {
   public:
    explicit NoSync(DistributedDataParallel& model)
        : model_(model), before_(std::exchange(model.sync_, false)) {}
    ~NoSync() { model_.sync_ = before_; }
    NoSync(const NoSync&) = delete;
    NoSync& operator=(const NoSync&) = delete;

   private:
    DistributedDataParallel& model_;
    bool before_;
  };

  /// module must live as long as this. Throws ValueError where this process is not in the group, or no
  /// parameter requires a gradient.
  explicit DistributedDataParallel(nn::Module& module, Group group = default_group(),
                                   DataParallelOptions options = {});
  Tensor forward(const Tensor& x) override;
  /// Instead of an all_reduce that averages.
  void register_comm_hook(GradientReducer::Hook hook) { reducer_->set_hook(std::move(hook)); }
  nn::Module& module() { return module_; }

 private:
  nn::Module& module_;
  Group group_;
  DataParallelOptions options_;
  std::unique_ptr<GradientReducer> reducer_;
  bool sync_ = true;
};

}  // namespace taper::distributed
