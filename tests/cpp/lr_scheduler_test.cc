// Learning rates after each epoch, against the closed forms and numbers recorded from PyTorch 2.15.
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "taper/taper.h"

namespace taper::optim {
namespace {

Tensors parameters() { return {zeros({1}).requires_grad_()}; }

SGD momentum_sgd(double lr = 0.1) { return SGD{parameters(), {.lr = lr, .momentum = 0.9}}; }

void expect_rates(Optimizer& optimizer, LRScheduler& schedule, const std::vector<double>& expected) {
  for (std::size_t epoch = 0; epoch < expected.size(); ++epoch) {
    EXPECT_NEAR(optimizer.lr(), expected[epoch], 1e-10) << "epoch " << epoch;
    EXPECT_EQ(optimizer.lr(), schedule.last_lr()[0]);
    schedule.step();
  }
}

template <class Schedule, class... Arguments>
void expect_factors(const std::function<double(int)>& factor, Arguments&&... arguments) {
  SGD optimizer = momentum_sgd();
  Schedule schedule(optimizer, std::forward<Arguments>(arguments)...);
  std::vector<double> expected;
  for (int epoch = 0; epoch < 8; ++epoch) expected.push_back(0.1 * factor(epoch));
  expect_rates(optimizer, schedule, expected);
}

double half_cosine(double part) { return (1 + std::cos(std::numbers::pi * part)) / 2; }

TEST(LRScheduler, RatesFollowTheClosedForms) {
  expect_factors<StepLR>([](int e) { return std::pow(0.5, e / 2); }, 2, 0.5);
  expect_factors<MultiStepLR>([](int e) { return std::pow(0.5, (e >= 1) + (e >= 3)); },
                              std::vector<std::int64_t>{3, 1}, 0.5);
  expect_factors<ConstantLR>([](int e) { return e < 3 ? 0.5 : 1; }, 0.5, 3);
  expect_factors<LinearLR>([](int e) { return 0.25 + 0.75 * std::min(e, 4) / 4; }, 0.25, 1.0, 4);
  expect_factors<ExponentialLR>([](int e) { return std::pow(0.9, e); }, 0.9);
  expect_factors<PolynomialLR>([](int e) { return std::pow(1 - std::min(e, 4) / 4.0, 2); }, 4, 2.0);
  expect_factors<CosineAnnealingLR>([](int e) { return half_cosine(e / 5.0); }, 5);
  expect_factors<CosineAnnealingWarmRestarts>([](int e) { return half_cosine(e % 3 / 3.0); }, 3);
  expect_factors<LambdaLR>([](int e) { return 1.0 / (1 + e); },
                           [](std::int64_t epoch) { return 1.0 / double(1 + epoch); });
  expect_factors<MultiplicativeLR>([](int e) { return std::pow(0.8, e); }, [](std::int64_t) { return 0.8; });
}

TEST(LRScheduler, WarmRestartsTakeFractionsOfEpochs) {
  SGD optimizer = momentum_sgd(1);
  CosineAnnealingWarmRestarts schedule{optimizer, 2, 2};
  schedule.step(1.5);
  EXPECT_NEAR(optimizer.lr(), half_cosine(0.75), 1e-12);
  schedule.step(7.0);  // the third period begins at 6 and lasts 8
  EXPECT_NEAR(optimizer.lr(), half_cosine(1.0 / 8), 1e-12);
}

TEST(LRScheduler, CyclesAreThoseOfPyTorch) {
  SGD optimizer = momentum_sgd();
  CyclicLR cycles{optimizer, 0.01, 0.1, {.step_size_up = 4, .step_size_down = 3, .mode = "triangular2"}};
  expect_rates(optimizer, cycles,
               {0.01, 0.0325, 0.055, 0.0775, 0.1, 0.07, 0.04, 0.01, 0.02125, 0.0325, 0.04375, 0.055});
  SGD other = momentum_sgd();
  CyclicLR falling{
      other, 0.01, 0.1, {.step_size_up = 2, .mode = "exp_range", .gamma = 0.9, .cycle_momentum = false}};
  expect_rates(other, falling,
               {0.01, 0.0505, 0.0829, 0.042805, 0.01, 0.03657205, 0.0578296900, 0.0315233605});
}

TEST(LRScheduler, OneCycleRisesAndFallsWithMomentumTheOtherWay) {
  SGD optimizer = momentum_sgd();
  OneCycleLR schedule{optimizer, 1.0, 10};
  EXPECT_NEAR(optimizer.lr(), 1.0 / 25, 1e-12);
  EXPECT_EQ(*optimizer.momentum(), 0.95);
  schedule.step();
  schedule.step();
  EXPECT_EQ(optimizer.lr(), 1.0);
  EXPECT_NEAR(*optimizer.momentum(), 0.85, 1e-12);
  for (int i = 0; i < 7; ++i) schedule.step();
  EXPECT_NEAR(optimizer.lr(), 1.0 / 25 / 1e4, 1e-15);
  schedule.step();
  EXPECT_THROW(schedule.step(), ValueError);
  Rprop without{parameters()};
  EXPECT_THROW((OneCycleLR{without, 1.0, 10}), ValueError);
}

TEST(LRScheduler, SequencesChangeAtMilestones) {
  SGD optimizer = momentum_sgd();
  SequentialLR schedule{
      optimizer,
      {std::make_shared<LinearLR>(optimizer, 0.1, 1.0, 3), std::make_shared<CosineAnnealingLR>(optimizer, 10),
       std::make_shared<ExponentialLR>(optimizer, 0.9)},
      {3, 6}};
  expect_rates(optimizer, schedule,
               {0.01, 0.04, 0.07, 0.1, 0.0975528258148, 0.0904508497187, 0.1, 0.09, 0.081});
}

TEST(LRScheduler, ChainedSchedulesMultiply) {
  SGD optimizer = momentum_sgd(1);
  ChainedScheduler schedule{
      {std::make_shared<ConstantLR>(optimizer, 0.5, 2), std::make_shared<ExponentialLR>(optimizer, 0.9)}};
  expect_rates(optimizer, schedule, {0.5, 0.45, 0.81, 0.729});
}

TEST(LRScheduler, PlateausReduceTheRate) {
  SGD optimizer = momentum_sgd();
  ReduceLROnPlateau schedule{optimizer, {.patience = 1, .cooldown = 1}};
  for (int i = 0; i < 3; ++i) schedule.step(1.0);
  EXPECT_NEAR(optimizer.lr(), 0.01, 1e-12);
  schedule.step(1.0);  // cools down
  schedule.step(1.0);
  EXPECT_NEAR(optimizer.lr(), 0.01, 1e-12);
  schedule.step(1.0);
  EXPECT_NEAR(optimizer.lr(), 0.001, 1e-12);
  schedule.step(0.5);
  EXPECT_EQ(schedule.state_dict().at("best").as_double(), 0.5);
}

TEST(LRScheduler, GroupsKeepTheirProportions) {
  const Tensor p = zeros({1}).requires_grad_(), q = zeros({1}).requires_grad_();
  SGD optimizer{{{{p}}, {{q}, SGDOptions{.lr = 0.2}}}, {.lr = 1}};
  ExponentialLR schedule{optimizer, 0.5};
  schedule.step();
  EXPECT_EQ(schedule.last_lr(), (std::vector<double>{0.5, 0.1}));
}

TEST(LRScheduler, AStateThatWasSavedContinues) {
  const auto make = [](Optimizer& optimizer) {
    std::vector<std::shared_ptr<LRScheduler>> parts{
        std::make_shared<MultiStepLR>(optimizer, std::vector<std::int64_t>{1, 2}),
        std::make_shared<CosineAnnealingWarmRestarts>(optimizer, 2, 2)};
    return std::make_unique<SequentialLR>(optimizer, parts, std::vector<std::int64_t>{3});
  };
  SGD optimizer = momentum_sgd(), other = momentum_sgd();
  const auto schedule = make(optimizer), resumed = make(other);
  for (int i = 0; i < 4; ++i) schedule->step();
  other.load_state_dict(optimizer.state_dict());
  resumed->load_state_dict(load_from_memory(save_to_memory(schedule->state_dict())));
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(optimizer.lr(), other.lr());
    schedule->step();
    resumed->step();
  }
}

}  // namespace
}  // namespace taper::optim
