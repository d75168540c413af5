// Goes on with the training that a checkpoint holds, and prints the bits of each loss;
// tests/python/test_trainer.py does the same in Python.
//   trainer OPTIMIZER FROM TO STEPS
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include <taper/taper.h>

namespace {

using namespace taper;

std::unique_ptr<optim::Optimizer> make_optimizer(const std::string& name, const Tensors& parameters) {
  using namespace optim;
  if (name == "SGD") return std::make_unique<SGD>(parameters, SGDOptions{.lr = 0.05, .momentum = 0.9});
  if (name == "Adam") return std::make_unique<Adam>(parameters, AdamOptions{.lr = 0.01, .amsgrad = true});
  if (name == "AdamW") return std::make_unique<AdamW>(parameters, AdamWOptions{.lr = 0.01});
  if (name == "RMSprop")
    return std::make_unique<RMSprop>(parameters,
                                     RMSpropOptions{.lr = 0.01, .momentum = 0.5, .centered = true});
  if (name == "Adagrad") return std::make_unique<Adagrad>(parameters, AdagradOptions{.lr = 0.05});
  if (name == "Adadelta") return std::make_unique<Adadelta>(parameters);
  if (name == "Adamax") return std::make_unique<Adamax>(parameters);
  if (name == "NAdam") return std::make_unique<NAdam>(parameters);
  if (name == "RAdam") return std::make_unique<RAdam>(parameters, RAdamOptions{.lr = 0.01});
  if (name == "ASGD") return std::make_unique<ASGD>(parameters, ASGDOptions{.t0 = 30});
  if (name == "Rprop") return std::make_unique<Rprop>(parameters, RpropOptions{.lr = 0.001});
  if (name == "Adafactor") return std::make_unique<Adafactor>(parameters);
  fail<ValueError>("trainer: no optimizer is called ", name);
}

NamedTensors named(const State& state) {
  NamedTensors tensors;
  for (const auto& [name, tensor] : state.as_dict()) tensors.emplace_back(name.as_text(), tensor.as_tensor());
  return tensors;
}

State dict_of(const NamedTensors& tensors) {
  State state = State::dict();
  for (const auto& [name, tensor] : tensors) state[name] = tensor;
  return state;
}

int run(const std::string& name, const std::string& from, const std::string& to, int steps) {
  const State checkpoint = load(from);
  nn::Sequential net;
  net.add<nn::Linear>(6, 16).add<nn::Tanh>().add<nn::Dropout>(0.1).add<nn::Linear>(16, 3);
  net.load_state_dict(named(checkpoint.at("model")));
  const auto optimizer = make_optimizer(name, net.parameters());
  optim::SequentialLR schedule{*optimizer,
                               {std::make_shared<optim::LinearLR>(*optimizer, 0.25, 1.0, 8),
                                std::make_shared<optim::CosineAnnealingLR>(*optimizer, 120)},
                               {8}};
  if (checkpoint.contains("optimizer")) {
    optimizer->load_state_dict(checkpoint.at("optimizer"));
    schedule.load_state_dict(checkpoint.at("schedule"));
  }
  const data::TensorDataset samples{checkpoint.at("x").as_tensor(), checkpoint.at("y").as_tensor()};
  set_rng_state(checkpoint.at("random").as_tensor());
  data::DataLoader loader{samples, {.batch_size = 8, .shuffle = true, .drop_last = true}};
  for (int step = 0; step < steps;) {
    for (auto& [x, y] : loader) {
      if (step++ == steps) break;
      optimizer->zero_grad();
      const Tensor loss = cross_entropy(net(x), y);
      loss.backward();
      optimizer->step();
      schedule.step();
      std::printf("%08x\n", std::bit_cast<unsigned>(loss.item<float>()));
    }
  }
  State result;
  result["model"] = dict_of(net.state_dict());
  result["optimizer"] = optimizer->state_dict();
  result["schedule"] = schedule.state_dict();
  result["x"] = checkpoint.at("x");
  result["y"] = checkpoint.at("y");
  result["random"] = get_rng_state();
  save(result, to);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    check<ValueError>(argc == 5, "usage: trainer OPTIMIZER FROM TO STEPS");
    return run(argv[1], argv[2], argv[3], std::atoi(argv[4]));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "trainer: %s\n", error.what());
    return 1;
  }
}
