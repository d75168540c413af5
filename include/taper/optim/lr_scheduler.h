// Schedules of the learning rate.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "taper/optim/optimizer.h"

namespace taper::optim {

/// Sets the learning rate of an optimizer's groups, one value a group and epoch. The optimizer must outlive
/// the schedule.
///
///     optim::StepLR schedule{sgd, 30};
///     for (int epoch = 0; epoch < 90; ++epoch, schedule.step()) train();
class LRScheduler {
 public:
  virtual ~LRScheduler() = default;
  LRScheduler(const LRScheduler&) = delete;
  LRScheduler& operator=(const LRScheduler&) = delete;

  /// Goes on to the next epoch.
  virtual void step();
  /// The rates set last, one a group.
  const std::vector<double>& last_lr() const { return last_lr_; }
  std::int64_t last_epoch() const { return last_epoch_; }

  /// Everything but the optimizer and the user's functions, in the form of Python's schedules.
  State state_dict() const;
  /// Throws ValueError for values of another kind.
  void load_state_dict(const State& state);

 protected:
  explicit LRScheduler(Optimizer& optimizer);
  /// Sets the rates of the first epoch; a schedule's constructor ends with it.
  void start();
  /// The rates of this epoch, from those of the epoch before.
  virtual std::vector<double> rates() = 0;
  /// The same from the first rates alone.
  virtual std::vector<double> closed_form() { return rates(); }
  virtual void visit(Fields& fields);

  /// The groups' rates, as they are; times a factor.
  std::vector<double> present(double factor = 1) const;
  /// The groups' first rates times a factor.
  std::vector<double> initial(double factor) const;
  void set(const std::vector<double>& rates);

  Optimizer& optimizer_;
  std::vector<double> base_lrs_, last_lr_;
  std::int64_t last_epoch_ = -1, step_count_ = 0;

 private:
  friend class SequentialLR;
  friend class ChainedScheduler;
  /// Takes back the step of the constructor.
  virtual void undo() { --last_epoch_; }
  /// Goes to epoch 0 by the closed form.
  void restart();
};

/// A factor as a function of the epoch.
using Factor = std::function<double(std::int64_t epoch)>;

/// The first rate times a function of the epoch; one function for all groups, or one for each.
class LambdaLR : public LRScheduler {
 public:
  LambdaLR(Optimizer& optimizer, Factor factor);
  LambdaLR(Optimizer& optimizer, std::vector<Factor> factors);

 protected:
  std::vector<double> rates() override;

 private:
  std::vector<Factor> factors_;
};

/// The last rate times a function of the epoch.
class MultiplicativeLR : public LRScheduler {
 public:
  MultiplicativeLR(Optimizer& optimizer, Factor factor);
  MultiplicativeLR(Optimizer& optimizer, std::vector<Factor> factors);

 protected:
  std::vector<double> rates() override;

 private:
  std::vector<Factor> factors_;
};

/// Times gamma every step_size epochs.
class StepLR : public LRScheduler {
 public:
  StepLR(Optimizer& optimizer, std::int64_t step_size, double gamma = 0.1);

 protected:
  std::vector<double> rates() override;
  std::vector<double> closed_form() override;
  void visit(Fields& fields) override;

 private:
  std::int64_t step_size_;
  double gamma_;
};

/// Times gamma at each of the milestones.
class MultiStepLR : public LRScheduler {
 public:
  MultiStepLR(Optimizer& optimizer, std::vector<std::int64_t> milestones, double gamma = 0.1);

 protected:
  std::vector<double> rates() override;
  std::vector<double> closed_form() override;
  void visit(Fields& fields) override;

 private:
  std::vector<std::int64_t> milestones_;
  double gamma_;
};

/// Times factor (in [0, 1]) for the first total_iters epochs.
class ConstantLR : public LRScheduler {
 public:
  explicit ConstantLR(Optimizer& optimizer, double factor = 1.0 / 3, std::int64_t total_iters = 5);

 protected:
  std::vector<double> rates() override;
  std::vector<double> closed_form() override;
  void visit(Fields& fields) override;

 private:
  double factor_;
  std::int64_t total_iters_;
};

/// A factor that goes linearly from start_factor (in (0, 1]) to end_factor (in [0, 1]) over total_iters
/// epochs.
class LinearLR : public LRScheduler {
 public:
  explicit LinearLR(Optimizer& optimizer, double start_factor = 1.0 / 3, double end_factor = 1,
                    std::int64_t total_iters = 5);

 protected:
  std::vector<double> rates() override;
  std::vector<double> closed_form() override;
  void visit(Fields& fields) override;

 private:
  double start_factor_, end_factor_;
  std::int64_t total_iters_;
};

/// Times gamma every epoch.
class ExponentialLR : public LRScheduler {
 public:
  ExponentialLR(Optimizer& optimizer, double gamma);

 protected:
  std::vector<double> rates() override;
  std::vector<double> closed_form() override;
  void visit(Fields& fields) override;

 private:
  double gamma_;
};

/// Times (1 - epoch / total_iters)^power.
class PolynomialLR : public LRScheduler {
 public:
  explicit PolynomialLR(Optimizer& optimizer, std::int64_t total_iters = 5, double power = 1);

 protected:
  std::vector<double> rates() override;
  std::vector<double> closed_form() override;
  void visit(Fields& fields) override;

 private:
  std::int64_t total_iters_;
  double power_;
};

/// Half a cosine from the first rate to eta_min over t_max epochs. Loshchilov & Hutter 2017,
/// arXiv:1608.03983.
class CosineAnnealingLR : public LRScheduler {
 public:
  CosineAnnealingLR(Optimizer& optimizer, std::int64_t t_max, double eta_min = 0);

 protected:
  std::vector<double> rates() override;
  std::vector<double> closed_form() override;
  void visit(Fields& fields) override;

 private:
  std::int64_t t_max_;
  double eta_min_;
};

/// Half cosines over t_0, t_0 t_mult, t_0 t_mult^2, ... epochs. Loshchilov & Hutter 2017.
class CosineAnnealingWarmRestarts : public LRScheduler {
 public:
  CosineAnnealingWarmRestarts(Optimizer& optimizer, std::int64_t t_0, std::int64_t t_mult = 1,
                              double eta_min = 0);
  void step() override;
  /// Goes to the given epoch, which may be a fraction. Throws ValueError for a negative one.
  void step(double epoch);

 protected:
  std::vector<double> rates() override;
  void visit(Fields& fields) override;

 private:
  std::int64_t t_0_, t_mult_, period_;
  double eta_min_, position_ = -1;
};

struct OneCycleOptions {
  /// Share of the steps in which the rate rises.
  double pct_start = 0.3;
  /// "cos" or "linear".
  std::string anneal_strategy = "cos";
  bool cycle_momentum = true;
  double base_momentum = 0.85, max_momentum = 0.95;
  /// The first rate is max_lr / div_factor, the last one that / final_div_factor.
  double div_factor = 25, final_div_factor = 1e4;
  bool three_phase = false;
};

/// Up to max_lr and down again over total_steps steps, momentum the other way round. Smith & Topin 2018,
/// arXiv:1708.07120. Throws ValueError for optimizers without momentum under cycle_momentum, and for steps
/// beyond the last.
class OneCycleLR : public LRScheduler {
 public:
  OneCycleLR(Optimizer& optimizer, double max_lr, std::int64_t total_steps, OneCycleOptions options = {});
  /// One max_lr for each group.
  OneCycleLR(Optimizer& optimizer, const std::vector<double>& max_lr, std::int64_t total_steps,
             OneCycleOptions options = {});

 protected:
  std::vector<double> rates() override;
  void visit(Fields& fields) override;

 private:
  double between(double start, double end, double part) const;
  std::int64_t total_steps_;
  OneCycleOptions options_;
};

struct CyclicOptions {
  std::int64_t step_size_up = 2000;
  /// step_size_up if not given.
  std::optional<std::int64_t> step_size_down = std::nullopt;
  /// "triangular"; "triangular2" halves the amplitude every cycle; "exp_range" multiplies it by gamma every
  /// step.
  std::string mode = "triangular";
  double gamma = 1;
  /// In place of mode: the share of the amplitude in a cycle (from 1), or in a step with scale_by_step.
  std::function<double(double)> scale = nullptr;
  bool scale_by_step = false;
  bool cycle_momentum = true;
  double base_momentum = 0.8, max_momentum = 0.9;
};

/// Up and down between base_lr and max_lr, again and again. Smith 2017, arXiv:1506.01186.
class CyclicLR : public LRScheduler {
 public:
  CyclicLR(Optimizer& optimizer, double base_lr, double max_lr, CyclicOptions options = {});

 protected:
  std::vector<double> rates() override;
  void visit(Fields& fields) override;

 private:
  double scale(double x) const;
  double max_lr_, total_size_, step_ratio_;
  CyclicOptions options_;
};

/// Schedules one after another, changing at milestones, one fewer than schedules.
class SequentialLR : public LRScheduler {
 public:
  SequentialLR(Optimizer& optimizer, std::vector<std::shared_ptr<LRScheduler>> schedules,
               std::vector<std::int64_t> milestones);
  void step() override;

 protected:
  std::vector<double> rates() override { return present(); }
  void visit(Fields& fields) override;

 private:
  void undo() override;
  std::vector<std::shared_ptr<LRScheduler>> schedules_;
  std::vector<std::int64_t> milestones_;
};

/// Schedules of one optimizer applied all at once.
class ChainedScheduler : public LRScheduler {
 public:
  explicit ChainedScheduler(std::vector<std::shared_ptr<LRScheduler>> schedules);
  void step() override;

 protected:
  std::vector<double> rates() override { return present(); }
  void visit(Fields& fields) override;

 private:
  void undo() override;
  std::vector<std::shared_ptr<LRScheduler>> schedules_;
};

struct PlateauOptions {
  /// "min" or "max": what the metric should become.
  std::string mode = "min";
  double factor = 0.1;
  std::int64_t patience = 10;
  /// How much better counts as an improvement: "rel" or "abs".
  double threshold = 1e-4;
  std::string threshold_mode = "rel";
  std::int64_t cooldown = 0;
  double min_lr = 0;
  /// Least change of a rate.
  double eps = 1e-8;
};

/// Times factor where a metric has not improved for patience epochs.
class ReduceLROnPlateau : public LRScheduler {
 public:
  explicit ReduceLROnPlateau(Optimizer& optimizer, PlateauOptions options = {});
  /// Takes the metric of one epoch.
  void step(double metric);

 protected:
  std::vector<double> rates() override { return present(); }
  void visit(Fields& fields) override;

 private:
  /// Throws NotImplementedError: a metric is needed.
  void step() override;
  bool is_better(double metric) const;
  PlateauOptions options_;
  double best_;
  std::int64_t bad_epochs_ = 0, cooldown_counter_ = 0;
};

}  // namespace taper::optim
