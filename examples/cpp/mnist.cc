// Trains a small convolutional network on 4,000 digits and tests it on 1,000 others.
//   mnist DATA.npz [EPOCHS]
#include <cstdio>
#include <cstdlib>
#include <exception>

#include <taper/taper.h>

namespace {

using taper::Shape, taper::Tensor;

class Net : public taper::nn::Module {
 public:
  Net() {
    register_module("conv1", conv1_);
    register_module("conv2", conv2_);
    register_module("fc1", fc1_);
    register_module("fc2", fc2_);
    register_module("dropout", dropout_);
  }

  Tensor forward(const Tensor& x) override {
    Tensor y = pooled(taper::relu(conv1_(x)));
    y = pooled(taper::relu(conv2_(y)));
    y = taper::relu(fc1_(taper::flatten(y, 1)));
    return fc2_(dropout_(y));
  }

 private:
  static Tensor pooled(const Tensor& x) { return std::get<0>(taper::max_pool(x, 2, {2})); }

  taper::nn::Conv2d conv1_{1, 24, {5}, {.padding = {2}}};
  taper::nn::Conv2d conv2_{24, 48, {3}, {.padding = {1}}};
  taper::nn::Linear fc1_{48 * 7 * 7, 128};
  taper::nn::Linear fc2_{128, 10};
  taper::nn::Dropout dropout_{0.5};
};

struct Digits {
  Tensor images;  // [n, 1, 28, 28], float32 in [0, 1]
  Tensor labels;  // [n], int64
};

Digits load(const char* path) {
  Digits digits;
  for (const auto& [name, tensor] : taper::load_npz(path)) {
    if (name == "images")
      digits.images = taper::reshape(taper::to(tensor, taper::float32) / 255.0, {-1, 1, 28, 28});
    if (name == "labels") digits.labels = taper::to(tensor, taper::int64);
  }
  return digits;
}

double accuracy(Net& net, const Digits& digits) {
  const taper::NoGrad no_grad;
  net.eval();
  const Tensor hits = taper::eq(taper::argmax(net(digits.images), 1), digits.labels);
  net.train();
  return 100.0 * taper::sum(hits).item<double>() / double(digits.labels.numel());
}

// The images moved by up to two pixels, at random: more digits than there are.
Tensor shifted(const Tensor& images) {
  const Tensor by = taper::randint(0, 5, {2});
  const Tensor wide = taper::pad(images, {2, 2, 2, 2});
  const Tensor rows = taper::narrow(wide, 2, taper::select(by, 0, 0).item<std::int64_t>(), 28);
  return taper::narrow(rows, 3, taper::select(by, 0, 1).item<std::int64_t>(), 28);
}

void train(Net& net, const Digits& digits, int epochs) {
  constexpr std::int64_t batch_size = 64;
  taper::optim::Adam adam{net.parameters(), {.lr = 2e-3}};
  const std::int64_t count = digits.labels.numel();
  taper::optim::CosineAnnealingLR schedule{adam, epochs};
  for (int epoch = 0; epoch < epochs; ++epoch, schedule.step()) {
    const Tensor order = taper::randperm(count);
    double total = 0;
    for (std::int64_t start = 0; start + batch_size <= count; start += batch_size) {
      const Tensor rows = taper::narrow(order, 0, start, batch_size);
      const Tensor loss = taper::cross_entropy(net(shifted(taper::index_select(digits.images, 0, rows))),
                                               taper::index_select(digits.labels, 0, rows));
      adam.zero_grad();
      loss.backward();
      adam.step();
      total += loss.item<double>();
    }
    std::printf("epoch %2d  loss %.4f\n", epoch + 1, total / double(count / batch_size));
  }
}

int run(int argc, char** argv) {
  const int epochs = argc > 2 ? std::atoi(argv[2]) : 25;
  taper::manual_seed(0);
  const Digits all = load(argc > 1 ? argv[1] : "examples/data/mnist5k.npz");
  // A fixed split: of the digits, which come as 0 to 9 in turn, every fifth ten is kept for the test.
  const Tensor ten = taper::div(taper::arange(0, all.labels.numel()), taper::full({}, 10), "floor");
  const Tensor held_back = taper::eq(taper::remainder(ten, taper::full({}, 5)), 4);
  const auto part = [&](const Tensor& chosen) {
    const Tensor rows = taper::reshape(taper::nonzero(chosen), {-1});
    return Digits{taper::index_select(all.images, 0, rows), taper::index_select(all.labels, 0, rows)};
  };
  const Digits training = part(taper::logical_not(held_back)), test = part(held_back);
  Net net;
  train(net, training, epochs);
  const double reached = accuracy(net, test);
  taper::save_safetensors(net.state_dict(), "mnist.safetensors");
  Net again;
  again.load_state_dict(taper::load_safetensors("mnist.safetensors"));
  if (accuracy(again, test) != reached) {
    std::fprintf(stderr, "the loaded network differs from the saved one\n");
    return 1;
  }
  std::printf("test accuracy %.2f %%\n", reached);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "mnist: %s\n", error.what());
    return 1;
  }
}
