// Schedules in steps, lines, powers and cosines.
#include "taper/optim/lr_scheduler.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "optim/fields.h"
#include "taper/error.h"

namespace taper::optim {

using std::numbers::pi;

LRScheduler::LRScheduler(Optimizer& optimizer) : optimizer_(optimizer) {
  for (std::size_t group = 0; group < optimizer.size(); ++group) {
    State& extra = optimizer.extra(group);
    if (!extra.contains("initial_lr")) extra["initial_lr"] = optimizer.lr(group);
    base_lrs_.push_back(extra.at("initial_lr").as_double());
  }
}

void LRScheduler::start() {
  step_count_ = 0;
  step();
}

void LRScheduler::step() {
  ++step_count_;
  ++last_epoch_;
  set(rates());
}

void LRScheduler::restart() {
  last_epoch_ = 0;
  set(closed_form());
}

void LRScheduler::set(const std::vector<double>& rates) {
  for (std::size_t group = 0; group < rates.size(); ++group) optimizer_.lr(group) = rates[group];
  last_lr_ = present();
}

std::vector<double> LRScheduler::present(double factor) const {
  std::vector<double> rates;
  for (std::size_t group = 0; group < optimizer_.size(); ++group)
    rates.push_back(optimizer_.lr(group) * factor);
  return rates;
}

std::vector<double> LRScheduler::initial(double factor) const {
  std::vector<double> rates = base_lrs_;
  for (double& rate : rates) rate *= factor;
  return rates;
}

void LRScheduler::visit(Fields& fields) {
  fields("base_lrs", base_lrs_);
  fields("last_epoch", last_epoch_);
  fields("_step_count", step_count_);
  fields("_last_lr", last_lr_);
}

State LRScheduler::state_dict() const {
  State state = State::dict();
  auto fields = Fields::writing(state);
  const_cast<LRScheduler*>(this)->visit(fields);
  return state;
}

void LRScheduler::load_state_dict(const State& state) {
  auto fields = Fields::reading(state);
  visit(fields);
}

namespace {

std::vector<Factor> for_all(const Optimizer& optimizer, std::vector<Factor> factors, const char* name) {
  check<ValueError>(factors.size() == optimizer.size(), name, ": got ", factors.size(), " functions for ",
                    optimizer.size(), " groups");
  return factors;
}

std::vector<double> times(std::vector<double> rates, const std::vector<Factor>& factors, std::int64_t epoch) {
  for (std::size_t group = 0; group < rates.size(); ++group) rates[group] *= factors[group](epoch);
  return rates;
}

}  // namespace

LambdaLR::LambdaLR(Optimizer& optimizer, Factor factor)
    : LambdaLR(optimizer, std::vector(optimizer.size(), std::move(factor))) {}

LambdaLR::LambdaLR(Optimizer& optimizer, std::vector<Factor> factors)
    : LRScheduler(optimizer), factors_(for_all(optimizer, std::move(factors), "LambdaLR")) {
  start();
}

std::vector<double> LambdaLR::rates() { return times(base_lrs_, factors_, last_epoch_); }

MultiplicativeLR::MultiplicativeLR(Optimizer& optimizer, Factor factor)
    : MultiplicativeLR(optimizer, std::vector(optimizer.size(), std::move(factor))) {}

MultiplicativeLR::MultiplicativeLR(Optimizer& optimizer, std::vector<Factor> factors)
    : LRScheduler(optimizer), factors_(for_all(optimizer, std::move(factors), "MultiplicativeLR")) {
  start();
}

std::vector<double> MultiplicativeLR::rates() {
  return last_epoch_ == 0 ? present() : times(present(), factors_, last_epoch_);
}

StepLR::StepLR(Optimizer& optimizer, std::int64_t step_size, double gamma)
    : LRScheduler(optimizer), step_size_(step_size), gamma_(gamma) {
  check<ValueError>(step_size > 0, "StepLR: step_size is ", step_size, "; it must be positive");
  start();
}

std::vector<double> StepLR::rates() {
  return present(last_epoch_ == 0 || last_epoch_ % step_size_ != 0 ? 1 : gamma_);
}

std::vector<double> StepLR::closed_form() {
  return initial(std::pow(gamma_, double(last_epoch_ / step_size_)));
}

void StepLR::visit(Fields& fields) {
  fields("step_size", step_size_);
  fields("gamma", gamma_);
  LRScheduler::visit(fields);
}

MultiStepLR::MultiStepLR(Optimizer& optimizer, std::vector<std::int64_t> milestones, double gamma)
    : LRScheduler(optimizer), milestones_(std::move(milestones)), gamma_(gamma) {
  std::sort(milestones_.begin(), milestones_.end());
  start();
}

std::vector<double> MultiStepLR::rates() {
  const auto here = std::count(milestones_.begin(), milestones_.end(), last_epoch_);
  return present(here == 0 ? 1 : std::pow(gamma_, double(here)));
}

std::vector<double> MultiStepLR::closed_form() {
  const auto passed = std::upper_bound(milestones_.begin(), milestones_.end(), last_epoch_);
  return initial(std::pow(gamma_, double(passed - milestones_.begin())));
}

void MultiStepLR::visit(Fields& fields) {
  if (const State* counts = fields.find("milestones")) {
    milestones_.clear();
    for (const auto& [epoch, count] : counts->as_dict())
      milestones_.insert(milestones_.end(), std::size_t(count.as_int()), epoch.as_int());
    std::sort(milestones_.begin(), milestones_.end());
  } else if (!fields.is_reading()) {
    State::Dict counts;
    for (const std::int64_t epoch : milestones_)
      if (counts.empty() || counts.back().first.as_int() != epoch)
        counts.emplace_back(epoch, std::count(milestones_.begin(), milestones_.end(), epoch));
    fields.write("milestones", State::dict(std::move(counts)).tagged("Counter"));
  }
  fields("gamma", gamma_);
  LRScheduler::visit(fields);
}

ConstantLR::ConstantLR(Optimizer& optimizer, double factor, std::int64_t total_iters)
    : LRScheduler(optimizer), factor_(factor), total_iters_(total_iters) {
  check<ValueError>(factor >= 0 && factor <= 1, "ConstantLR: factor is ", factor, "; it must be in [0, 1]");
  start();
}

std::vector<double> ConstantLR::rates() {
  if (last_epoch_ == 0) return present(factor_);
  std::vector<double> rates = present();
  if (last_epoch_ == total_iters_)
    for (double& rate : rates) rate /= factor_;
  return rates;
}

std::vector<double> ConstantLR::closed_form() { return initial(last_epoch_ < total_iters_ ? factor_ : 1); }

void ConstantLR::visit(Fields& fields) {
  fields("factor", factor_);
  fields("total_iters", total_iters_);
  LRScheduler::visit(fields);
}

LinearLR::LinearLR(Optimizer& optimizer, double start_factor, double end_factor, std::int64_t total_iters)
    : LRScheduler(optimizer),
      start_factor_(start_factor),
      end_factor_(end_factor),
      total_iters_(total_iters) {
  check<ValueError>(start_factor > 0 && start_factor <= 1, "LinearLR: start_factor is ", start_factor,
                    "; it must be in (0, 1]");
  check<ValueError>(end_factor >= 0 && end_factor <= 1, "LinearLR: end_factor is ", end_factor,
                    "; it must be in [0, 1]");
  start();
}

std::vector<double> LinearLR::rates() {
  if (last_epoch_ == 0) return present(start_factor_);
  if (last_epoch_ > total_iters_) return present();
  const double change = end_factor_ - start_factor_;
  return present(1.0 + change / (double(total_iters_) * start_factor_ + double(last_epoch_ - 1) * change));
}

std::vector<double> LinearLR::closed_form() {
  const double part = double(std::min(total_iters_, last_epoch_)) / double(total_iters_);
  return initial(start_factor_ + (end_factor_ - start_factor_) * part);
}

void LinearLR::visit(Fields& fields) {
  fields("start_factor", start_factor_);
  fields("end_factor", end_factor_);
  fields("total_iters", total_iters_);
  LRScheduler::visit(fields);
}

ExponentialLR::ExponentialLR(Optimizer& optimizer, double gamma) : LRScheduler(optimizer), gamma_(gamma) {
  start();
}

std::vector<double> ExponentialLR::rates() { return present(last_epoch_ == 0 ? 1 : gamma_); }

std::vector<double> ExponentialLR::closed_form() { return initial(std::pow(gamma_, double(last_epoch_))); }

void ExponentialLR::visit(Fields& fields) {
  fields("gamma", gamma_);
  LRScheduler::visit(fields);
}

PolynomialLR::PolynomialLR(Optimizer& optimizer, std::int64_t total_iters, double power)
    : LRScheduler(optimizer), total_iters_(total_iters), power_(power) {
  start();
}

std::vector<double> PolynomialLR::rates() {
  if (last_epoch_ == 0 || last_epoch_ > total_iters_) return present();
  const double all = double(total_iters_), epoch = double(last_epoch_);
  return present(std::pow((1.0 - epoch / all) / (1.0 - (epoch - 1) / all), power_));
}

std::vector<double> PolynomialLR::closed_form() {
  const double part = double(std::min(total_iters_, last_epoch_)) / double(total_iters_);
  return initial(std::pow(1.0 - part, power_));
}

void PolynomialLR::visit(Fields& fields) {
  fields("total_iters", total_iters_);
  fields("power", power_);
  LRScheduler::visit(fields);
}

CosineAnnealingLR::CosineAnnealingLR(Optimizer& optimizer, std::int64_t t_max, double eta_min)
    : LRScheduler(optimizer), t_max_(t_max), eta_min_(eta_min) {
  check<ValueError>(t_max > 0, "CosineAnnealingLR: t_max is ", t_max, "; it must be positive");
  start();
}

std::vector<double> CosineAnnealingLR::rates() {
  if (last_epoch_ == 0) return present();
  if (step_count_ == 1) return closed_form();
  std::vector<double> rates = present();
  if ((last_epoch_ - 1 - t_max_) % (2 * t_max_) == 0) {
    const double bump = (1 - std::cos(pi / double(t_max_))) / 2;
    for (std::size_t i = 0; i < rates.size(); ++i) rates[i] += (base_lrs_[i] - eta_min_) * bump;
    return rates;
  }
  const auto height = [&](std::int64_t epoch) { return 1 + std::cos(pi * double(epoch) / double(t_max_)); };
  const double ratio = height(last_epoch_) / height(last_epoch_ - 1);
  for (double& rate : rates) rate = ratio * (rate - eta_min_) + eta_min_;
  return rates;
}

std::vector<double> CosineAnnealingLR::closed_form() {
  const double part = (1 + std::cos(pi * double(last_epoch_) / double(t_max_))) / 2;
  std::vector<double> rates = base_lrs_;
  for (double& rate : rates) rate = eta_min_ + (rate - eta_min_) * part;
  return rates;
}

void CosineAnnealingLR::visit(Fields& fields) {
  fields("T_max", t_max_);
  fields("eta_min", eta_min_);
  LRScheduler::visit(fields);
}

CosineAnnealingWarmRestarts::CosineAnnealingWarmRestarts(Optimizer& optimizer, std::int64_t t_0,
                                                         std::int64_t t_mult, double eta_min)
    : LRScheduler(optimizer), t_0_(t_0), t_mult_(t_mult), period_(t_0), eta_min_(eta_min) {
  check<ValueError>(t_0 > 0 && t_mult > 0, "CosineAnnealingWarmRestarts: t_0 is ", t_0, " and t_mult ",
                    t_mult, "; both must be positive");
  start();
}

std::vector<double> CosineAnnealingWarmRestarts::rates() {
  const double part = (1 + std::cos(pi * position_ / double(period_))) / 2;
  std::vector<double> rates = base_lrs_;
  for (double& rate : rates) rate = eta_min_ + (rate - eta_min_) * part;
  return rates;
}

void CosineAnnealingWarmRestarts::step() {
  position_ += 1;
  if (position_ >= double(period_)) {
    position_ -= double(period_);
    period_ *= t_mult_;
  }
  LRScheduler::step();
}

void CosineAnnealingWarmRestarts::step(double epoch) {
  check<ValueError>(epoch >= 0, "CosineAnnealingWarmRestarts: epoch ", epoch, " is negative");
  const double first = double(t_0_), multiple = double(t_mult_);
  period_ = t_0_;
  if (epoch < first) {
    position_ = epoch;
  } else if (t_mult_ == 1) {
    position_ = std::fmod(epoch, first);
  } else {
    const double n = std::trunc(std::log(epoch / first * (multiple - 1) + 1) / std::log(multiple));
    position_ = epoch - first * (std::pow(multiple, n) - 1) / (multiple - 1);
    period_ = t_0_ * std::int64_t(std::pow(multiple, n));
  }
  ++step_count_;
  last_epoch_ = std::int64_t(std::floor(epoch));
  set(rates());
}

void CosineAnnealingWarmRestarts::visit(Fields& fields) {
  fields("T_0", t_0_);
  fields("T_i", period_);
  fields("T_mult", t_mult_);
  fields("eta_min", eta_min_);
  fields("T_cur", position_);
  LRScheduler::visit(fields);
}

}  // namespace taper::optim
