// Optimizers follow PyTorch 2.15; the numbers were recorded once from it.
#include <gtest/gtest.h>

#include "io_temporary.h"
#include "taper/taper.h"

namespace taper::optim {
namespace {

Tensor start() {
  return tensor(std::vector<double>{0.3, -0.7, 1.5, -0.2, 0.9, 0.1}, {2, 3}).requires_grad_();
}

/// steps along the gradient 2 p + (1, -2, 0.5).
void walk(Optimizer& optimizer, const Tensor& p, int steps = 5) {
  const Tensor offset = tensor(std::vector<double>{1.0, -2.0, 0.5}, {3});
  for (int i = 0; i < steps; ++i) {
    p.set_grad((p.detach() * 2 + offset).detach());
    optimizer.step();
  }
}

void expect_close(const Tensor& x, const std::vector<double>& expected, double tolerance = 1e-7) {
  const Tensor difference =
      abs(reshape(x.detach(), {-1}) - tensor(expected, {std::int64_t(expected.size())}));
  EXPECT_LE(max(difference).item<double>(), tolerance) << to_string(x);
}

// A float32 learning rate within the state (ASGD) limits the agreement.
template <class O>
void expect_trajectory(typename O::Options options, const std::vector<double>& expected) {
  const Tensor p = start();
  O optimizer{{p}, options};
  walk(optimizer, p);
  expect_close(p, expected);
}

TEST(Optim, StepsAreThoseOfPyTorch) {
  expect_trajectory<SGD>({.lr = 0.1, .momentum = 0.9, .dampening = 0.5},
                         {-0.728096, 1.484704, -0.74896, -0.585536, 1.028512, -0.349792});
  expect_trajectory<Adam>(
      {.lr = 0.05, .amsgrad = true, .maximize = true},
      {0.55089392457, -0.950526508152, 1.75051431227, 0.0510339302196, 0.652068420397, 0.351101108804});
  expect_trajectory<Adam>(
      {.weight_decay = 0.1, .decoupled_weight_decay = true},
      {0.294851592233, -0.694651343649, 1.49425143575, -0.204897575275, 0.904544914036, 0.0949522831489});
  expect_trajectory<AdamW>({.weight_decay = 0.1}, {0.294851592233, -0.694651343649, 1.49425143575,
                                                   -0.204897575275, 0.904544914036, 0.0949522831489});
  expect_trajectory<RMSprop>(
      {}, {0.00235591465277, -0.387343178045, 1.18698606938, -0.43974865347, 1.0, -0.154038501359});
  expect_trajectory<Adagrad>(
      {.weight_decay = 0.1, .initial_accumulator_value = 0.5},
      {0.2694281968, -0.668154916135, 1.46811561517, -0.224058258743, 0.907110375815, 0.074056461173});
  expect_trajectory<NAdam>(
      {}, {0.291913772896, -0.691907099556, 1.49190693038, -0.208065065658, 0.907995770958, 0.0919300769312});
  expect_trajectory<NAdam>(
      {.lr = 0.05, .beta1 = 0.8, .beta2 = 0.9, .weight_decay = 0.1, .momentum_decay = 0.1},
      {0.0830799816363, -0.477650615075, 1.27742710355, -0.39338797167, 0.953849174102, -0.10089667025});
  expect_trajectory<NAdam>(
      {.weight_decay = 0.1, .decoupled_weight_decay = true, .maximize = true},
      {0.307807474602, -0.707400983527, 1.50660060314, -0.191670852238, 0.890897248917, 0.108023449645});
  expect_trajectory<RAdam>(
      {}, {0.292017386724, -0.683036946789, 1.48253803346, -0.202993479978, 0.900997826659, 0.0965076066918});
  expect_trajectory<RAdam>(
      {.lr = 0.05, .beta1 = 0.8, .beta2 = 0.9, .weight_decay = 0.1},
      {-0.0590897445344, 0.0644425849904, 0.695903332791, -0.327774264926, 0.924233050245, -0.0564133243064});
  expect_trajectory<RAdam>(
      {.weight_decay = 0.1, .decoupled_weight_decay = true, .maximize = true},
      {0.307865513611, -0.716682904666, 1.51678310229, -0.196893873606, 0.898547134429, 0.103456818084});
}

TEST(Optim, StepsOfTheFurtherRulesAreThoseOfPyTorch) {
  expect_trajectory<Adamax>(
      {}, {0.290007222906, -0.689992795949, 1.48999242936, -0.209947452579, 0.909803367124, 0.0900422000605});
  expect_trajectory<Adamax>(
      {.lr = 0.05, .weight_decay = 0.1, .maximize = true},
      {0.538605402067, -0.944090341797, 1.74412244505, 0.0269539955708, 0.686322924466, 0.328585609179});
  expect_trajectory<Adadelta>(
      {}, {0.283647449924, -0.683604814231, 1.48360373354, -0.216217268502, 0.915773855829, 0.0837516692018});
  expect_trajectory<Adadelta>(
      {.rho = 0.5, .eps = 0.001, .weight_decay = 0.1, .maximize = true},
      {0.593044571966, -0.986597305609, 1.78656086695, 0.107962655001, 0.574532968183, 0.405799553367});
  expect_trajectory<Rprop>({}, {0.225584, -0.625584, 1.425584, -0.274416, 0.974416, 0.025584});
  expect_trajectory<Rprop>({.lr = 0.5,
                            .eta_minus = 0.3,
                            .eta_plus = 1.5,
                            .step_size_min = 0.2,
                            .step_size_max = 0.6,
                            .maximize = true},
                           {3.2, -3.6, 4.4, 2.7, -2.0, 3.0});
  expect_trajectory<ASGD>(
      {}, {0.223135461556, -0.53666255556, 1.33185476883, -0.228822700684, 0.909603563608, 0.066371914554});
  expect_trajectory<ASGD>(
      {.lr = 0.05, .lambd = 0.01, .t0 = 2, .weight_decay = 0.1, .maximize = true},
      {0.772703416264, -1.70242083743, 2.50604077424, -0.0123666082218, 0.80980324093, 0.307844705684});
  expect_trajectory<Adafactor>(
      {}, {0.267158940481, -0.665038127322, 1.46562826348, -0.2640626041, 0.911118992498, 0.0627687308854});
  expect_trajectory<Adafactor>(
      {.lr = 0.05,
       .beta2_decay = -0.5,
       .eps1 = 0.001,
       .eps2 = 0.1,
       .d = 1.5,
       .weight_decay = 0.1,
       .maximize = true},
      {0.481745594119, -0.891726663352, 1.66675001625, 0.239373600853, 0.808172623242, 0.311262335943});
}

/// The gradient of (1 - x)^2 + 100 (y - x^2)^2, and its value.
Optimizer::Closure rosenbrock(const Tensor& p, Optimizer& optimizer) {
  return [&p, &optimizer] {
    optimizer.zero_grad();
    const Tensor x = select(p, 0, 0), y = select(p, 0, 1);
    const Tensor loss = pow(1 - x, 2) + 100 * pow(y - pow(x, 2), 2);
    loss.backward();
    return loss;
  };
}

void expect_lbfgs(LBFGSOptions options, const std::vector<double>& expected, int evaluations,
                  int iterations) {
  const Tensor p = tensor(std::vector<double>{-1.2, 1.0}, {2}).requires_grad_();
  LBFGS optimizer{{p}, options};
  for (int i = 0; i < 3; ++i) optimizer.step(rosenbrock(p, optimizer));
  expect_close(p, expected, 1e-8);
  const State memory = optimizer.state_dict().at("state").as_dict()[0].second;
  EXPECT_EQ(memory.at("func_evals").as_int(), evaluations);
  EXPECT_EQ(memory.at("n_iter").as_int(), iterations);
}

TEST(Optim, LbfgsFollowsPyTorch) {
  expect_lbfgs({.lr = 0.002, .max_iter = 6}, {-1.1942800250687213, 1.0039296236910078}, 18, 18);
  expect_lbfgs({.max_iter = 8, .line_search_fn = "strong_wolfe"}, {0.6803460312870351, 0.46120580018830387},
               30, 22);
  expect_lbfgs({.max_iter = 8, .history_size = 2, .line_search_fn = "strong_wolfe"},
               {0.5642628966354586, 0.30782890316597217}, 30, 21);
}

TEST(Optim, LbfgsFindsTheMinimumAndSurvivesReloading) {
  const Tensor p = tensor(std::vector<double>{-1.2, 1.0}, {2}).requires_grad_();
  LBFGS optimizer{{p}, {.max_iter = 10, .line_search_fn = "strong_wolfe"}};
  optimizer.step(rosenbrock(p, optimizer));
  LBFGS other{{p}};
  other.load_state_dict(load_from_memory(save_to_memory(optimizer.state_dict())));
  other.options().max_iter = 60;
  other.options().max_eval = 60;
  other.step(rosenbrock(p, other));
  expect_close(p, {1.0, 1.0}, 1e-4);
  EXPECT_THROW(other.step({}), ValueError);
}

TEST(Optim, MuonStepsHaveSingularValuesNearOne) {
  const Tensor p = start();
  Muon optimizer{{p}, {.lr = 1, .weight_decay = 0, .nesterov = false}};
  p.set_grad(tensor(std::vector<double>{1, 2, 3, -4, 5, 6}, {2, 3}));
  optimizer.step();
  const Tensor values = linalg::svdvals(start().detach() - p.detach());
  // Jordan's quintic maps singular values into about [0.7, 1.2].
  EXPECT_GT(min(values).item<double>(), 0.6);
  EXPECT_LT(max(values).item<double>(), 1.3);
  const Tensor vector = ones({3}).requires_grad_();
  Muon wrong{{vector}};
  EXPECT_THROW(wrong.step(), ShapeError);
}

TEST(Optim, GroupsHaveOptionsOfTheirOwn) {
  const Tensor p = ones({1}).requires_grad_(), q = ones({1}).requires_grad_(), r = ones({1}).requires_grad_();
  SGD optimizer{{{{p}}, {{q}, SGDOptions{.lr = 0.25}}}, {.lr = 0.5}};
  optimizer.add_param_group({{r}});
  EXPECT_EQ(optimizer.size(), 3u);
  sum(p + q + r).backward();
  optimizer.options(2).lr = 0.125;
  optimizer.step();
  EXPECT_EQ(p.item<float>(), 0.5f);
  EXPECT_EQ(q.item<float>(), 0.75f);
  EXPECT_EQ(r.item<float>(), 0.875f);
}

TEST(Optim, RefusesWhatItCannotOptimize) {
  const Tensor p = ones({2}).requires_grad_();
  EXPECT_THROW(SGD{Tensors{}}, ValueError);
  EXPECT_THROW(SGD({p * 2}), ValueError);
  EXPECT_THROW(SGD({p, p}), ValueError);
  EXPECT_THROW((SGD{{p}, {.nesterov = true}}), ValueError);
  EXPECT_THROW((Adam{{p}, {.beta1 = 1}}), ValueError);
  SGD optimizer{{p}};
  EXPECT_THROW(optimizer.add_param_group({{p}}), ValueError);
  EXPECT_THROW(optimizer.options(1), IndexError);
  p.set_grad(ones({2}));
  optimizer.lr() = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(optimizer.step(), ValueError);
}

TEST(Optim, ZeroGradDropsOrFills) {
  const Tensor p = ones({2}).requires_grad_();
  SGD optimizer{{p}};
  sum(p).backward();
  const Tensor gradient = p.grad();
  optimizer.zero_grad(false);
  EXPECT_EQ(gradient.data<float>(), p.grad().data<float>());
  EXPECT_EQ(max(abs(p.grad())).item<float>(), 0);
  optimizer.zero_grad();
  EXPECT_FALSE(p.grad().defined());
}

TEST(Optim, TheClosureComputesTheLossThatStepReturns) {
  const Tensor p = ones({2}).requires_grad_();
  SGD optimizer{{p}, {.lr = 0.5}};
  const Tensor loss = optimizer.step([&] {
    optimizer.zero_grad();
    const Tensor value = sum(p * p);
    value.backward();
    return value;
  });
  EXPECT_EQ(loss.item<float>(), 2);
  EXPECT_EQ(max(abs(p.detach())).item<float>(), 0);
}

template <class O>
void expect_reloading_continues(typename O::Options options) {
  const Tensor p = start();
  O optimizer{{p}, options};
  walk(optimizer, p, 3);
  const testing::TemporaryDirectory folder;
  save(optimizer.state_dict(), folder / "optimizer.safetensors");
  const Tensor q = clone(p.detach()).requires_grad_();
  O other{{q}};
  other.load_state_dict(load(folder / "optimizer.safetensors"));
  walk(optimizer, p, 2);
  walk(other, q, 2);
  EXPECT_TRUE(equal(p.detach(), q.detach())) << to_string(p) << to_string(q);
}

TEST(Optim, AStateThatWasSavedContinues) {
  expect_reloading_continues<SGD>({.lr = 0.1, .momentum = 0.9});
  expect_reloading_continues<Adam>({.lr = 0.1, .weight_decay = 0.1, .amsgrad = true});
  expect_reloading_continues<AdamW>({.lr = 0.1});
  expect_reloading_continues<RMSprop>({.momentum = 0.5, .centered = true});
  expect_reloading_continues<Adagrad>({.lr = 0.1, .lr_decay = 0.1});
  expect_reloading_continues<Adadelta>({.rho = 0.8});
  expect_reloading_continues<Adamax>({.lr = 0.1});
  expect_reloading_continues<RAdam>({.beta2 = 0.9});
  expect_reloading_continues<Rprop>({.lr = 0.1, .eta_plus = 1.5});
  expect_reloading_continues<Adafactor>({.lr = 0.1, .eps1 = 0.01});
  expect_reloading_continues<Muon>({.lr = 0.1, .adjust_lr_fn = "match_rms_adamw"});
}

TEST(Optim, AStateThatDoesNotFitChangesNothing) {
  const Tensor p = start(), q = ones({3}, float64).requires_grad_();
  Adam optimizer{{p}, {.lr = 0.1}}, other{{q}, {.lr = 0.2}};
  walk(optimizer, p, 1);
  EXPECT_THROW(other.load_state_dict(optimizer.state_dict()), ValueError);
  EXPECT_EQ(other.lr(), 0.2);
  State damaged = optimizer.state_dict();
  damaged["param_groups"].as_list()[0]["eps"] = "small";
  EXPECT_THROW(optimizer.load_state_dict(damaged), ValueError);
  EXPECT_EQ(optimizer.lr(), 0.1);
}

TEST(Optim, ComplexParametersStepAsPairsOfReals) {
  const Tensor real = tensor(std::vector<double>{0.3, -0.7, 1.5, -0.2}, {2, 2});
  const auto expect_same = [&]<class O>(std::type_identity<O>) {
    const Tensor z = view_as_complex(clone(real)).requires_grad_(), pairs = clone(real).requires_grad_();
    O complex{{z}}, plain{{pairs}};
    for (int i = 0; i < 3; ++i) {
      z.set_grad((z.detach() * 2).detach());
      pairs.set_grad((pairs.detach() * 2).detach());
      complex.step();
      plain.step();
    }
    EXPECT_TRUE(allclose(view_as_real(z.detach()), pairs.detach(), 1e-12, 1e-14));
  };
  expect_same(std::type_identity<Adam>());
  expect_same(std::type_identity<Adadelta>());
  expect_same(std::type_identity<Rprop>());
  expect_same(std::type_identity<NAdam>());
}

}  // namespace
}  // namespace taper::optim
