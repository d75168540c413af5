// Trains a small convolutional network on 4,000 digits and tests it on 1,000 others.
//   mnist DATA.npz [EPOCHS [CHECKPOINT]]
// CHECKPOINT is written after each epoch; where it exists already, training goes on from it, to the same
// bits.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>

#include <taper/taper.h>

namespace {

using taper::Tensor;

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
    Tensor y = taper::nn::functional::max_pool2d(conv1_(x).relu(), 2);
    y = taper::nn::functional::max_pool2d(conv2_(y).relu(), 2);
    y = fc1_(y.flatten(1)).relu();
    return fc2_(dropout_(y));
  }

 private:
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

Digits load_digits(const char* path) {
  Digits digits;
  for (const auto& [name, tensor] : taper::load_npz(path)) {
    if (name == "images") digits.images = tensor.to(taper::float32).div(255.0).view({-1, 1, 28, 28});
    if (name == "labels") digits.labels = tensor.to(taper::int64);
  }
  return digits;
}

double accuracy(Net& net, const Digits& digits) {
  const taper::NoGrad no_grad;
  net.eval();
  const Tensor hits = net(digits.images).argmax(1).eq(digits.labels);
  net.train();
  return 100.0 * hits.sum().item<double>() / double(digits.labels.numel());
}

// The images moved by up to two pixels, at random: more digits than there are.
Tensor shifted(const Tensor& images) {
  const Tensor by = taper::randint(0, 5, {2});
  const Tensor wide = taper::pad(images, {2, 2, 2, 2});
  return wide.narrow(2, by[0].item<std::int64_t>(), 28).narrow(3, by[1].item<std::int64_t>(), 28);
}

// A network with all that training it takes.
class Training {
 public:
  Training(Net& net, const Digits& digits, int epochs)
      : net_(net),
        epochs_(epochs),
        adam_(net.parameters(), {.lr = 2e-3}),
        schedule_(adam_, epochs),
        loader_(taper::data::TensorDataset{digits.images, digits.labels},
                {.batch_size = 64, .shuffle = true, .drop_last = true}) {}

  void run(const std::string& checkpoint) {
    if (!checkpoint.empty() && std::filesystem::exists(checkpoint)) load(taper::load(checkpoint));
    while (epoch_ < epochs_) {
      const double loss = train_epoch();
      schedule_.step();
      ++epoch_;
      if (!checkpoint.empty()) taper::save(state(), checkpoint);
      std::printf("epoch %2d  loss %.4f\n", int(epoch_), loss);
      std::fflush(stdout);
    }
  }

 private:
  double train_epoch() {
    double total = 0;
    for (auto& [images, labels] : loader_) {
      const Tensor loss = taper::cross_entropy(net_(shifted(images)), labels);
      adam_.zero_grad();
      loss.backward();
      adam_.step();
      total += loss.item<double>();
    }
    return total / double(loader_.size());
  }

  taper::State state() const {
    taper::State state;
    for (const auto& [name, tensor] : net_.state_dict()) state["model"][name] = tensor;
    state["optimizer"] = adam_.state_dict();
    state["schedule"] = schedule_.state_dict();
    state["random"] = taper::get_rng_state();
    state["epoch"] = epoch_;
    return state;
  }

  void load(const taper::State& state) {
    taper::NamedTensors model;
    for (const auto& [name, tensor] : state.at("model").as_dict())
      model.emplace_back(name.as_text(), tensor.as_tensor());
    net_.load_state_dict(model);
    adam_.load_state_dict(state.at("optimizer"));
    schedule_.load_state_dict(state.at("schedule"));
    taper::set_rng_state(state.at("random").as_tensor());
    epoch_ = state.at("epoch").as_int();
  }

  Net& net_;
  std::int64_t epoch_ = 0, epochs_;
  taper::optim::Adam adam_;
  taper::optim::CosineAnnealingLR schedule_;
  taper::data::DataLoader<taper::data::TensorDataset<2>> loader_;
};

int run(int argc, char** argv) {
  const int epochs = argc > 2 ? std::atoi(argv[2]) : 25;
  taper::manual_seed(0);
  const Digits all = load_digits(argc > 1 ? argv[1] : "examples/data/mnist5k.npz");
  // A fixed split: of the digits, which come as 0 to 9 in turn, every fifth ten is kept for the test.
  const Tensor ten = taper::arange(0, all.labels.numel()).div(taper::tensor(10), "floor");
  const Tensor held_back = ten.remainder(taper::tensor(5)).eq(4);
  const auto part = [&](const Tensor& mask) {
    return Digits{all.images.index({mask}), all.labels.index({mask})};
  };
  const Digits training = part(held_back.logical_not()), test = part(held_back);
  Net net;
  Training(net, training, epochs).run(argc > 3 ? argv[3] : "");
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
