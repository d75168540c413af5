// One rank of a job that uses taper::distributed as a C++ program does; tests/python/test_distributed_cpp.py
// starts it. Prints "rank R of N: well" where all was as it must be, else what was not.
#include <cstdio>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include <taper/distributed.h>
#include <taper/taper.h>

namespace {

namespace distributed = taper::distributed;
using distributed::Group, distributed::ReduceOp, distributed::Work;
using taper::Tensor, taper::Tensors;

void expect(bool ok, const std::string& what) {
  if (!ok) throw std::runtime_error("not so: " + what);
}

void expect_all(const Tensor& tensor, double value, const std::string& what) {
  const Tensor same = taper::eq(taper::to(tensor, taper::float64), taper::full({}, value, taper::float64));
  expect(taper::all(same).item<bool>(), what);
}

Tensor filled(const taper::Shape& sizes, double value, taper::DType dtype = taper::float32) {
  return taper::full(sizes, value, dtype);
}

// What call throws, which must be an E.
template <class E, class F>
std::string message_of(F&& call) {
  try {
    call();
  } catch (const E& error) {
    return error.what();
  }
  throw std::runtime_error("not so: an error was expected");
}

void check_reductions(const Group& group, taper::DType dtype) {
  const int rank = group->rank(), size = group->size();
  const double sum = size * (size + 1) / 2.0;
  const auto own = [&] { return filled({4, 3}, rank + 1, dtype); };
  Tensor x = own();
  group->all_reduce(x).wait();
  expect_all(x, sum, "all_reduce");
  const Tensor base = own();
  group->all_reduce(taper::transpose(base, 0, 1), ReduceOp::max).wait();
  expect_all(base, size, "all_reduce of a transposed tensor");
  x = own();
  group->reduce(x, size - 1, ReduceOp::product).wait();
  expect_all(x, rank == size - 1 ? (size == 2 ? 2 : 24) : rank + 1, "reduce");
  x = own();
  group->broadcast(x, 1).wait();
  expect_all(x, 2, "broadcast");
  Tensors parts;
  for (int other = 0; other < size; ++other) parts.push_back(filled({2}, 10 * other + rank, dtype));
  Tensor part = taper::zeros({2}, dtype);
  group->reduce_scatter(part, parts, ReduceOp::min).wait();
  expect_all(part, 10 * rank, "reduce_scatter");
  group->reduce_scatter_tensor(part, taper::cat(parts)).wait();
  expect_all(part, 10 * rank * size + size * (size - 1) / 2, "reduce_scatter_tensor");
}

void check_exchanges(const Group& group) {
  const int rank = group->rank(), size = group->size();
  const Tensor own = filled({3}, rank);
  Tensors all{std::size_t(size)};
  for (Tensor& tensor : all) tensor = taper::zeros({3});
  group->all_gather(all, own).wait();
  for (int other = 0; other < size; ++other) expect_all(all[std::size_t(other)], other, "all_gather");
  const Tensor stacked = taper::zeros({size, 3});
  group->all_gather_into_tensor(stacked, own).wait();
  expect(taper::equal(stacked, taper::stack(all)), "all_gather_into_tensor");
  group->gather(rank == 1 ? all : Tensors(), filled({3}, 2 * rank), 1).wait();
  for (int other = 0; other < size; ++other)
    expect_all(all[std::size_t(other)], rank == 1 ? 2 * other : other, "gather");
  const Tensor received = taper::zeros({3});
  group->scatter(received, rank == 1 ? all : Tensors(), 1).wait();
  expect_all(received, 2 * rank, "scatter");
  // Rank r sends r + 1 rows to each.
  Tensors sent, expected;
  for (int other = 0; other < size; ++other) {
    sent.push_back(filled({rank + 1}, 100 * rank + other));
    expected.push_back(taper::zeros({other + 1}));
  }
  group->all_to_all(expected, sent).wait();
  for (int other = 0; other < size; ++other)
    expect_all(expected[std::size_t(other)], 100 * other + rank, "all_to_all");
  const Tensor swapped = taper::zeros({size});
  const Tensor numbers = taper::arange(0.0, size);
  group->all_to_all_single(swapped, numbers + 10.0 * rank).wait();
  expect(taper::equal(swapped, numbers * 10.0 + double(rank)), "all_to_all_single");
  const int next = (rank + 1) % size, before = (rank + size - 1) % size;
  const Work sending = group->send(own, next, 5), receiving = group->recv(received, {}, 5);
  receiving.wait();
  sending.wait();
  expect_all(received, before, "recv");
  expect(receiving.source_rank() == before, "source_rank");
  group->barrier().wait();
  group->monitored_barrier(std::chrono::seconds(30));
}

// Collectives under way at once: in one group, waited for in any order, and in groups of several threads.
void check_handles(const Group& group) {
  Tensors tensors;
  std::vector<Work> works;
  for (int i = 0; i < 20; ++i) {
    tensors.push_back(filled({i % 4 ? 10 : 300000}, i));
    works.push_back(group->all_reduce(tensors.back()));
  }
  expect(works[7].wait_for(std::chrono::seconds(30)) && works[7].is_completed(), "wait_for");
  for (int i = 19; i >= 0; --i) {
    works[std::size_t(i)].wait();
    expect_all(tensors[std::size_t(i)], i * group->size(), "all_reduce under way");
  }
  const Group other = distributed::new_group(group->global_ranks());
  std::thread beside([&] { check_exchanges(other); });
  check_exchanges(group);
  beside.join();
  {
    const distributed::RunsInWait lazily;
    const Tensor x = taper::ones({3});
    expect(other->all_reduce(x).wait_for(std::chrono::seconds(30)), "wait_for of what runs in wait");
    expect_all(x, group->size(), "all_reduce that runs in wait");
  }
  distributed::destroy_process_group(other);
  expect(message_of<taper::DistributedError>([&] { other->barrier().wait(); }).find("destroyed") !=
             std::string::npos,
         "the error of a destroyed group");
}

void check_groups(const Group& group) {
  const Group pair = distributed::new_group({1, 0});
  expect((pair != nullptr) == (group->rank() < 2), "members of a group");
  if (!pair) return;
  expect(pair->rank() == group->rank() && pair->size() == 2, "ranks of a group");
  check_exchanges(pair);
}

void check_errors(const Group& group) {
  const auto contains = [](const std::string& text, std::string_view part) {
    expect(text.find(part) != std::string::npos, text + " contains " + std::string(part));
  };
  const std::string disagreement = message_of<taper::DistributedError>(
      [&] { group->all_reduce(taper::ones({group->rank() == 0 ? 2 : 3})).wait(); });
  contains(disagreement, "all_reduce");
  contains(disagreement, "rank 0: all_reduce(float32 (2,), sum); rank 1");
  contains(message_of<taper::ValueError>([&] { group->broadcast(taper::ones({2}), 9); }), "src is rank 9");
  contains(message_of<taper::ShapeError>(
               [&] { group->all_gather_into_tensor(taper::ones({2}), taper::ones({2})); }),
           "does not hold");
  contains(message_of<taper::DTypeError>([&] {
             group->reduce_scatter_tensor(taper::ones({1}), taper::ones({group->size()}, taper::int64));
           }),
           "reduce_scatter_tensor");
  contains(message_of<taper::ValueError>([&] { distributed::init_process_group(); }), "twice");
  contains(message_of<taper::ValueError>([&] { distributed::new_group({0, 99}); }), "Rank 99");
  group->barrier().wait();  // the group goes on
}

void check_store(const Group& group) {
  const auto store = distributed::default_store();
  store->set("key " + std::to_string(group->rank()), std::string("a\0b", 3));
  const int next = (group->rank() + 1) % group->size();
  expect(store->get("key " + std::to_string(next)) == std::string("a\0b", 3), "Store.get");
  store->add("sum", group->rank() + 1);
  group->barrier().wait();
  expect(store->add("sum", 0) == group->size() * (group->size() + 1) / 2, "Store.add");
  expect(!store->check({"key 0", "no key"}), "Store.check");
  store->set("limit " + std::to_string(group->rank()), "9223372036854775807");
  message_of<taper::DistributedError>([&] { store->add("limit " + std::to_string(group->rank()), 1); });
}

// Of two layers, a batch normalization (which has buffers), and one that forward leaves out.
class Net : public taper::nn::Module {
 public:
  Net() {
    register_module("first", first_);
    register_module("normalization", normalization_);
    register_module("last", last_);
    register_module("idle", idle_);
    idle_.requires_grad_(false);
  }
  Tensor forward(const Tensor& x) override { return last_(taper::relu(normalization_(first_(x)))); }
  taper::nn::Linear& idle() { return idle_; }

 private:
  taper::nn::Linear first_{6, 40}, last_{40, 2}, idle_{3, 3};
  taper::nn::BatchNorm1d normalization_{40};
};

using Option = std::optional<distributed::DistributedDataParallel::NoSync>;

// Gradients over all ranks' batches, made in one process.
Tensors gradients_of_one_process(int size, int passes) {
  taper::manual_seed(7);
  Net net;
  for (int pass = 0; pass < passes; ++pass)
    for (int rank = 0; rank < size; ++rank) {
      taper::manual_seed(std::uint64_t(100 * pass + rank));
      (taper::mean(taper::square(net(taper::randn({8, 6})))) / double(size)).backward();
    }
  Tensors gradients;
  for (const Tensor& parameter : net.parameters())
    if (parameter.requires_grad()) gradients.push_back(parameter.grad());
  return gradients;
}

// Forward passes in training mode begin with rank 0's buffers, and leave parameters alone.
void check_buffers(const Group& group, Net& net, distributed::DistributedDataParallel& model) {
  const Tensor parameter = net.idle().parameters().front(), buffer = net.buffers().front();
  {
    const taper::NoGrad no_grad;
    taper::fill_(parameter, double(group->rank()));
    taper::fill_(buffer, double(group->rank()));
    model.eval();
    model(taper::ones({2, 6}));
  }
  expect_all(buffer, group->rank(), "a buffer after evaluation");
  model.train();
  model(taper::ones({2, 6}));
  const Tensor first = taper::clone(buffer);
  group->broadcast(first, 0).wait();
  expect(taper::equal(first, buffer), "a buffer after training");
  expect_all(parameter, group->rank(), "a parameter after training");
}

// hook: reduces in bfloat16.
void check_data_parallel(const Group& group, distributed::DataParallelOptions options, bool hook = false) {
  taper::manual_seed(std::uint64_t(7 + group->rank()));
  Net net;
  if (group->rank() == 0) {
    taper::manual_seed(7);
    Net wanted;
    net.load_state_dict(wanted.state_dict());
  }
  // What takes no part: its gradient stays undefined on all ranks.
  if (options.find_unused_parameters) net.idle().requires_grad_(true);
  options.bucket_cap_mb = 0.0005;
  distributed::DistributedDataParallel model(net, group, options);
  if (hook)
    model.register_comm_hook([group](const distributed::GradientReducer::Bucket& bucket) {
      const Tensor half = taper::to(bucket.flat, taper::bfloat16);
      const Work work = group->all_reduce(half, ReduceOp::avg);
      return [work, half] {
        work.wait();
        return half;
      };
    });
  for (int pass = 0; pass < 2; ++pass) {
    Option no_sync;
    if (pass == 0) no_sync.emplace(model);
    taper::manual_seed(std::uint64_t(100 * pass + group->rank()));
    taper::mean(taper::square(model(taper::randn({8, 6})))).backward();
  }
  const Tensors expected = gradients_of_one_process(group->size(), 2);
  std::size_t i = 0;
  for (const auto& [name, parameter] : net.named_parameters()) {
    if (name.starts_with("idle")) {
      expect(!parameter.grad().defined(), "the gradient of " + name);
      continue;
    }
    expect(taper::allclose(parameter.grad(), expected[i++], hook ? 1e-2 : 1e-4, hook ? 1e-2 : 1e-5),
           "the gradient of " + name);
  }
  check_buffers(group, net, model);
}

void run() {
  distributed::init_process_group({.timeout = std::chrono::seconds(60)});
  const Group group = distributed::default_group();
  for (const taper::DType dtype :
       {taper::float32, taper::float64, taper::bfloat16, taper::int32, taper::int64})
    check_reductions(group, dtype);
  check_exchanges(group);
  check_handles(group);
  check_groups(group);
  check_errors(group);
  check_store(group);
  check_data_parallel(group, {});
  check_data_parallel(group, {.gradient_as_bucket_view = true});
  check_data_parallel(group, {.find_unused_parameters = true});
  check_data_parallel(group, {.static_graph = true});
  check_data_parallel(group, {}, true);
  std::printf("rank %d of %d: well\n", group->rank(), group->size());
  std::fflush(stdout);
  distributed::destroy_process_group();
}

}  // namespace

int main() {
  try {
    run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
