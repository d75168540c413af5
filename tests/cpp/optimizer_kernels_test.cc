// Optimizer steps against three steps of PyTorch 2.15's optimizers in float64.
#include "cpu/optimizer.h"

#include "kernel_testing.h"
#include "taper/error.h"

namespace taper::cpu {
namespace {

using namespace testing;

/// Parameters of one type with zeroed state; `copies` of the vector (1, -2, 0.5) in each.
struct Model {
  std::vector<Array> values, gradients, states;
  std::vector<Parameter> parameters;
  Model(DType dtype, std::vector<int64> copies, int state_count) {
    for (const int64 count : copies) {
      values.emplace_back(dtype, 3 * count), gradients.emplace_back(dtype, 3 * count);
      for (int k = 0; k < 3; ++k) states.emplace_back(dtype, 3 * count);
      for (int64 i = 0; i < 3 * count; ++i) values.back().set(i, i % 3 == 0 ? 1 : i % 3 == 1 ? -2 : 0.5);
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
      parameters.push_back({dtype, values[i].size(), values[i].data(), gradients[i].data()});
      for (int k = 0; k < state_count; ++k)
        parameters.back().state[k] = states[3 * i + std::size_t(k)].data();
    }
  }

  template <class Options>
  void three_steps(const Options& options) {
    for (int t = 1; t <= 3; ++t) {
      const double factor = t == 2 ? -1 : t;
      for (Array& gradient : gradients)
        for (int64 i = 0; i < gradient.size(); ++i)
          gradient.set(i, factor * (i % 3 == 0 ? 0.1 : i % 3 == 1 ? -0.3 : 2));
      for (Parameter& parameter : parameters) parameter.step = t;
      step(options, parameters);
    }
  }
};

template <class Options>
void compare(const char* name, const Options& options, int state_count, std::vector<double> expected) {
  for (const DType dtype : floating_types) {
    SCOPED_TRACE(concat(name, " ", dtype));
    Model model(dtype, {1, 7, 0, 6000}, state_count);
    model.three_steps(options);
    for (const Array& values : model.values) {
      std::vector<double> want;
      for (int64 i = 0; i < values.size(); ++i) want.push_back(expected[std::size_t(i % 3)]);
      expect_close(values, want, 12);  // 16-bit types round the value and the state at each step
    }
  }
}

TEST(OptimizerKernels, EqualPyTorch) {
  compare("sgd", Sgd{.lr = 0.1}, 0, {0.96999999999999997, -1.9099999999999999, -0.10000000000000003});
  compare("sgd", Sgd{.lr = 0.1, .momentum = 0.9, .dampening = 0.2, .weight_decay = 0.01}, 1,
          {0.95909767295999993, -1.88231933952, -0.22003328832000005});
  compare("sgd", Sgd{.lr = 0.1, .momentum = 0.9, .weight_decay = 0.01, .nesterov = true, .maximize = true}, 1,
          {1.0561880897309999, -2.1765993680519999, 1.7804462223705002});
  compare("adam", Adam{.lr = 0.01}, 2, {0.98492061499216677, -1.9849206141654934, 0.48492061381415719});
  compare("adam",
          Adam{.lr = 0.01, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-6, .weight_decay = 0.1, .amsgrad = true}, 3,
          {0.97559008965570548, -1.977650071584675, 0.48481132465061161});
  compare("adamw", Adam{.lr = 0.01, .weight_decay = 0.1, .decoupled = true}, 2,
          {0.9819430776744309, -1.9789460758490551, 0.48344157699827039});
  compare("adamw",
          Adam{.lr = 0.01, .weight_decay = 0.1, .amsgrad = true, .maximize = true, .decoupled = true}, 3,
          {1.0120629203255691, -2.0090659201509449, 0.5135614220017295});
  compare("rmsprop", RmsProp{.lr = 0.01}, 1, {0.88031160863743918, -1.8803115572403002, 0.38031153539649659});
  compare(
      "rmsprop",
      RmsProp{.lr = 0.01, .alpha = 0.9, .eps = 1e-6, .weight_decay = 0.1, .momentum = 0.8, .centered = true},
      3, {0.88827564345650389, -1.8996676528670584, 0.42872144281718344});
  compare("adagrad", Adagrad{.lr = 0.1}, 1, {0.8802572748225983, -1.8802572747710833, 0.3802572747491893});
  compare("adagrad", Adagrad{.lr = 0.1, .lr_decay = 0.05, .weight_decay = 0.3, .eps = 1e-6, .maximize = true},
          1, {0.82803494624329188, -1.8428446886790928, 0.60903869938343402});
}

TEST(OptimizerKernels, RmsPropMayBeCenteredWithoutMomentum) {
  Model model(float64, {5}, 3);
  model.parameters[0].state[1] = nullptr;
  model.three_steps(RmsProp{.lr = 0.01, .centered = true, .maximize = true});
  expect_close(model.values[0],
               {1.1205635277764905, -2.1205635799968197, 0.62056360219047957, 1.1205635277764905,
                -2.1205635799968197, 0.62056360219047957, 1.1205635277764905, -2.1205635799968197,
                0.62056360219047957, 1.1205635277764905, -2.1205635799968197, 0.62056360219047957,
                1.1205635277764905, -2.1205635799968197, 0.62056360219047957},
               12);
}

TEST(OptimizerKernels, AreTheSameForAnyNumberOfThreads) {
  expect_same_for_threads([] {
    Model model(float32, {3, 20000, 11}, 2);
    model.three_steps(Adam{.lr = 0.01});
    return model.values;
  });
}

TEST(OptimizerKernels, NameAMissingState) {
  Model model(float32, {1}, 1);
  EXPECT_THROW(step(Adam{.lr = 0.1}, model.parameters), ValueError);
}

}  // namespace
}  // namespace taper::cpu
