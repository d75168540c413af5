// Schedules in cycles, schedules of schedules, and the one that follows a metric.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "optim/fields.h"
#include "taper/error.h"
#include "taper/optim/lr_scheduler.h"

namespace taper::optim {

namespace {

// Begins the momentum of all groups at its upper bound, and notes both bounds there.
void start_momentum(Optimizer& optimizer, double base, double most, const char* name) {
  for (std::size_t group = 0; group < optimizer.size(); ++group) {
    double* momentum = optimizer.momentum(group);
    check<ValueError>(momentum, name,
                      ": the optimizer has neither momentum nor betas; set cycle_momentum to "
                      "false");
    *momentum = most;
    optimizer.extra(group)["max_momentum"] = most;
    optimizer.extra(group)["base_momentum"] = base;
  }
}

}  // namespace

OneCycleLR::OneCycleLR(Optimizer& optimizer, double max_lr, std::int64_t total_steps, OneCycleOptions options)
    : OneCycleLR(optimizer, std::vector<double>(optimizer.size(), max_lr), total_steps, std::move(options)) {}

OneCycleLR::OneCycleLR(Optimizer& optimizer, const std::vector<double>& max_lr, std::int64_t total_steps,
                       OneCycleOptions options)
    : LRScheduler(optimizer), total_steps_(total_steps), options_(std::move(options)) {
  const auto& [pct_start, strategy, cycle, base, most, div_factor, final_div_factor, three] = options_;
  check<ValueError>(total_steps > 0, "OneCycleLR: total_steps is ", total_steps, "; it must be positive");
  check<ValueError>(pct_start >= 0 && pct_start <= 1, "OneCycleLR: pct_start is ", pct_start,
                    "; it must be in [0, 1]");
  check<ValueError>(strategy == "cos" || strategy == "linear", "OneCycleLR: anneal_strategy is '", strategy,
                    "', expected 'cos' or 'linear'");
  check<ValueError>(max_lr.size() == optimizer.size(), "OneCycleLR: got ", max_lr.size(), " rates for ",
                    optimizer.size(), " groups");
  if (cycle) start_momentum(optimizer, base, most, "OneCycleLR");
  for (std::size_t group = 0; group < optimizer.size(); ++group) {
    State& extra = optimizer.extra(group);
    base_lrs_[group] = max_lr[group] / div_factor;
    extra["initial_lr"] = base_lrs_[group];
    extra["max_lr"] = max_lr[group];
    extra["min_lr"] = base_lrs_[group] / final_div_factor;
  }
  start();
}

double OneCycleLR::between(double start, double end, double part) const {
  if (options_.anneal_strategy == "linear") return (end - start) * part + start;
  return end + (start - end) / 2.0 * (std::cos(std::numbers::pi * part) + 1);
}

std::vector<double> OneCycleLR::rates() {
  check<ValueError>(last_epoch_ <= total_steps_, "OneCycleLR: step ", last_epoch_, " of ", total_steps_);
  struct Phase {
    double end;
    const char *low, *high, *momentum_low, *momentum_high;
  };
  const double total = double(total_steps_), rise = options_.pct_start * total;
  const Phase up{rise - 1, "initial_lr", "max_lr", "max_momentum", "base_momentum"};
  const std::vector<Phase> phases =
      options_.three_phase
          ? std::vector<Phase>{up,
                               {2 * rise - 2, "max_lr", "initial_lr", "base_momentum", "max_momentum"},
                               {total - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum"}}
          : std::vector<Phase>{up, {total - 1, "max_lr", "min_lr", "base_momentum", "max_momentum"}};
  double start = 0;
  auto phase = phases.begin();
  for (; double(last_epoch_) > phase->end && phase + 1 != phases.end(); ++phase) start = phase->end;
  const double part = (double(last_epoch_) - start) / (phase->end - start);
  std::vector<double> values;
  for (std::size_t group = 0; group < optimizer_.size(); ++group) {
    const auto value = [&](const char* name) { return optimizer_.extra(group).at(name).as_double(); };
    values.push_back(between(value(phase->low), value(phase->high), part));
    if (options_.cycle_momentum)
      *optimizer_.momentum(group) = between(value(phase->momentum_low), value(phase->momentum_high), part);
  }
  return values;
}

void OneCycleLR::visit(Fields& fields) {
  fields("total_steps", total_steps_);
  fields("cycle_momentum", options_.cycle_momentum);
  LRScheduler::visit(fields);
}

CyclicLR::CyclicLR(Optimizer& optimizer, double base_lr, double max_lr, CyclicOptions options)
    : LRScheduler(optimizer), max_lr_(max_lr), options_(std::move(options)) {
  const std::string& mode = options_.mode;
  check<ValueError>(options_.scale || mode == "triangular" || mode == "triangular2" || mode == "exp_range",
                    "CyclicLR: mode is '", mode, "', expected 'triangular', 'triangular2' or 'exp_range'");
  const double up = double(options_.step_size_up);
  total_size_ = up + double(options_.step_size_down.value_or(options_.step_size_up));
  check<ValueError>(up > 0 && total_size_ > up, "CyclicLR: the step sizes must be positive");
  step_ratio_ = up / total_size_;
  if (!options_.scale) options_.scale_by_step = mode == "exp_range";
  if (options_.cycle_momentum)
    start_momentum(optimizer, options_.base_momentum, options_.max_momentum, "CyclicLR");
  base_lrs_.assign(optimizer.size(), base_lr);
  for (std::size_t group = 0; group < optimizer.size(); ++group)
    optimizer.extra(group)["initial_lr"] = base_lr;
  start();
}

double CyclicLR::scale(double x) const {
  if (options_.scale) return options_.scale(x);
  if (options_.mode == "triangular") return 1;
  return options_.mode == "triangular2" ? 1 / std::pow(2.0, x - 1) : std::pow(options_.gamma, x);
}

std::vector<double> CyclicLR::rates() {
  const double step = double(last_epoch_), cycle = std::floor(1 + step / total_size_);
  const double x = 1.0 + step / total_size_ - cycle;
  const double height = (x <= step_ratio_ ? x / step_ratio_ : (x - 1) / (step_ratio_ - 1)) *
                        scale(options_.scale_by_step ? step : cycle);
  std::vector<double> values;
  for (std::size_t group = 0; group < optimizer_.size(); ++group) {
    values.push_back(base_lrs_[group] + (max_lr_ - base_lrs_[group]) * height);
    const double least = options_.base_momentum, most = options_.max_momentum;
    if (options_.cycle_momentum) *optimizer_.momentum(group) = most - (most - least) * height;
  }
  return values;
}

void CyclicLR::visit(Fields& fields) {
  fields("total_size", total_size_);
  fields("step_ratio", step_ratio_);
  fields("mode", options_.mode);
  fields("gamma", options_.gamma);
  State function;
  fields("_scale_fn_custom", function);
  LRScheduler::visit(fields);
}

namespace {

// Schedules in a state_dict: a list of theirs.
void visit_schedules(Fields& fields, const std::vector<std::shared_ptr<LRScheduler>>& schedules) {
  State states = State::list();
  for (const auto& schedule : schedules) states.as_list().push_back(schedule->state_dict());
  fields("_schedulers", states);
  if (!fields.is_reading()) return;
  check<ValueError>(states.size() == schedules.size(), "load_state_dict: the state has ", states.size(),
                    " schedules, expected ", schedules.size());
  for (std::size_t i = 0; i < schedules.size(); ++i) schedules[i]->load_state_dict(states.at(i));
}

}  // namespace

SequentialLR::SequentialLR(Optimizer& optimizer, std::vector<std::shared_ptr<LRScheduler>> schedules,
                           std::vector<std::int64_t> milestones)
    : LRScheduler(optimizer), schedules_(std::move(schedules)), milestones_(std::move(milestones)) {
  check<ValueError>(schedules_.size() == milestones_.size() + 1, "SequentialLR: got ", schedules_.size(),
                    " schedules and ", milestones_.size(), " milestones, expected one fewer");
  last_epoch_ = 0;
  set(base_lrs_);
  undo();
  LRScheduler& first = *schedules_[std::size_t(std::upper_bound(milestones_.begin(), milestones_.end(), 0) -
                                               milestones_.begin())];
  first.start();
  last_lr_ = first.last_lr();
}

void SequentialLR::undo() {
  for (const auto& schedule : schedules_) schedule->undo();
}

void SequentialLR::step() {
  ++last_epoch_;
  const auto next = std::upper_bound(milestones_.begin(), milestones_.end(), last_epoch_);
  LRScheduler& schedule = *schedules_[std::size_t(next - milestones_.begin())];
  if (next != milestones_.begin() && *(next - 1) == last_epoch_) schedule.restart();
  else schedule.step();
  last_lr_ = schedule.last_lr();
}

void SequentialLR::visit(Fields& fields) {
  visit_schedules(fields, schedules_);
  LRScheduler::visit(fields);
}

namespace {

const std::vector<std::shared_ptr<LRScheduler>>& checked(
    const std::vector<std::shared_ptr<LRScheduler>>& schedules) {
  check<ValueError>(!schedules.empty() && schedules[0], "ChainedScheduler: got no schedules");
  return schedules;
}

}  // namespace

ChainedScheduler::ChainedScheduler(std::vector<std::shared_ptr<LRScheduler>> schedules)
    : LRScheduler(checked(schedules)[0]->optimizer_), schedules_(std::move(schedules)) {
  for (const auto& schedule : schedules_)
    check<ValueError>(&schedule->optimizer_ == &optimizer_,
                      "ChainedScheduler: the schedules are of different "
                      "optimizers");
  last_lr_ = present();
}

void ChainedScheduler::step() {
  for (const auto& schedule : schedules_) schedule->step();
  last_lr_ = present();
}

void ChainedScheduler::undo() {
  for (const auto& schedule : schedules_) schedule->undo();
}

void ChainedScheduler::visit(Fields& fields) {
  visit_schedules(fields, schedules_);
  fields("_last_lr", last_lr_);
}

ReduceLROnPlateau::ReduceLROnPlateau(Optimizer& optimizer, PlateauOptions options)
    : LRScheduler(optimizer), options_(std::move(options)) {
  check<ValueError>(options_.factor < 1, "ReduceLROnPlateau: factor is ", options_.factor,
                    "; it must be below 1");
  check<ValueError>(options_.mode == "min" || options_.mode == "max", "ReduceLROnPlateau: mode is '",
                    options_.mode, "', expected 'min' or 'max'");
  check<ValueError>(options_.threshold_mode == "rel" || options_.threshold_mode == "abs",
                    "ReduceLROnPlateau: threshold_mode is '", options_.threshold_mode,
                    "', expected 'rel' or 'abs'");
  const double infinity = std::numeric_limits<double>::infinity();
  best_ = options_.mode == "min" ? infinity : -infinity;
  last_epoch_ = 0;
  last_lr_ = present();
}

bool ReduceLROnPlateau::is_better(double metric) const {
  const double sign = options_.mode == "min" ? -1 : 1;
  const double bound = options_.threshold_mode == "rel" ? best_ * (1 + sign * options_.threshold)
                                                        : best_ + sign * options_.threshold;
  return sign * metric > sign * bound;
}

void ReduceLROnPlateau::step() {
  fail<NotImplementedError>("ReduceLROnPlateau: step() needs the metric of the epoch");
}

void ReduceLROnPlateau::step(double metric) {
  ++last_epoch_;
  if (is_better(metric)) best_ = metric, bad_epochs_ = 0;
  else ++bad_epochs_;
  if (cooldown_counter_ > 0) {
    --cooldown_counter_;
    bad_epochs_ = 0;
  }
  if (bad_epochs_ > options_.patience) {
    for (std::size_t group = 0; group < optimizer_.size(); ++group) {
      double& rate = optimizer_.lr(group);
      const double lower = std::max(rate * options_.factor, options_.min_lr);
      if (rate - lower > options_.eps) rate = lower;
    }
    cooldown_counter_ = options_.cooldown;
    bad_epochs_ = 0;
  }
  last_lr_ = present();
}

void ReduceLROnPlateau::visit(Fields& fields) {
  fields("mode", options_.mode);
  fields("factor", options_.factor);
  fields("patience", options_.patience);
  fields("threshold", options_.threshold);
  fields("threshold_mode", options_.threshold_mode);
  fields("cooldown", options_.cooldown);
  fields("eps", options_.eps);
  fields("best", best_);
  fields("cooldown_counter", cooldown_counter_);
  fields("num_bad_epochs", bad_epochs_);
  fields("last_epoch", last_epoch_);
  fields("_last_lr", last_lr_);
}

}  // namespace taper::optim
