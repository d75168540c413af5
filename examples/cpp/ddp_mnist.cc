// Trains the digits network in several processes, one a rank: from the same binary, started once for each.
//   python -m taper.distributed.run --nproc-per-node 2 --no-python ./ddp_mnist DATA.npz [EPOCHS]
#include <cstdio>
#include <cstdlib>
#include <exception>

#include <taper/distributed.h>
#include <taper/taper.h>

namespace {

namespace distributed = taper::distributed;
using taper::Tensor;

struct Digits {
  Tensor images;  // [n, 784], float32 in [0, 1]
  Tensor labels;  // [n], int64
};

Digits load(const char* path) {
  Digits digits;
  for (const auto& [name, tensor] : taper::load_npz(path)) {
    if (name == "images")
      digits.images = taper::reshape(taper::to(tensor, taper::float32) / 255.0, {-1, 784});
    if (name == "labels") digits.labels = taper::to(tensor, taper::int64);
  }
  return digits;
}

// This rank's mean loss, averaged over all ranks.
double mean_over_ranks(double loss) {
  const Tensor value = taper::full({1}, loss);
  distributed::default_group()->all_reduce(value, distributed::ReduceOp::avg).wait();
  return value.item<double>();
}

void train(taper::nn::Module& net, const Digits& digits, int epochs) {
  const auto group = distributed::default_group();
  distributed::DistributedDataParallel model{net, group, {.gradient_as_bucket_view = true}};
  taper::optim::Adam adam{net.parameters(), {.lr = 1e-3}};
  const std::int64_t batch = 64 / group->size(), count = digits.labels.numel();
  for (int epoch = 0; epoch < epochs; ++epoch) {
    // All ranks draw the same order, and take turns along it.
    taper::manual_seed(std::uint64_t(epoch));
    const Tensor order = taper::randperm(count);
    double total = 0;
    std::int64_t steps = 0;
    for (std::int64_t start = 0; start + 64 <= count; start += 64, ++steps) {
      const Tensor rows = taper::narrow(order, 0, start + batch * group->rank(), batch);
      const Tensor loss = taper::cross_entropy(model(taper::index_select(digits.images, 0, rows)),
                                               taper::index_select(digits.labels, 0, rows));
      adam.zero_grad();
      loss.backward();
      adam.step();
      total += loss.item<double>();
    }
    const double mean = mean_over_ranks(total / double(steps));
    if (group->rank() == 0) std::printf("epoch %2d  loss %.4f\n", epoch + 1, mean);
  }
}

int run(int argc, char** argv) {
  distributed::init_process_group();
  taper::manual_seed(1);
  const Digits digits = load(argc > 1 ? argv[1] : "examples/data/mnist5k.npz");
  taper::nn::Sequential net;
  net.add<taper::nn::Linear>(784, 256).add([](const Tensor& x) { return taper::relu(x); });
  net.add<taper::nn::Linear>(256, 10);
  train(net, digits, argc > 2 ? std::atoi(argv[2]) : 5);
  if (distributed::default_group()->rank() == 0) {
    const taper::NoGrad no_grad;
    const Tensor hits = taper::eq(taper::argmax(net(digits.images), 1), digits.labels);
    std::printf("training accuracy %.2f %%\n",
                100.0 * taper::sum(hits).item<double>() / double(digits.labels.numel()));
  }
  distributed::destroy_process_group();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ddp_mnist: %s\n", error.what());
    return 1;
  }
}
