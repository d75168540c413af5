// Sums over paths in float64, sample by sample.
#include "cpu/ctc.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "cpu/ctc_path.h"
#include "cpu/parallel.h"
#include "cpu/widen.h"
#include "taper/error.h"

namespace taper::cpu {

namespace {

using formulas::CtcPath;
constexpr double never = -std::numeric_limits<double>::infinity();

void check_labels(const Ctc& ctc) {
  for (std::int64_t sample = 0; sample < ctc.batch; ++sample)
    for (std::int64_t i = 0; i < ctc.target_lengths[sample]; ++i) {
      const std::int64_t label = ctc.targets[sample * ctc.longest + i];
      check<IndexError>(label >= 0 && label < ctc.classes, "ctc_loss: label ", label, " at position ", i,
                        " of sample ", sample, " is out of range for ", ctc.classes,
                        " classes, expected 0 to ", ctc.classes - 1);
    }
}

template <class T>
double forward_sample(const Ctc& ctc, std::int64_t sample, const T* log_probs, double* alpha) {
  const CtcPath path(ctc, sample);
  const std::int64_t steps = ctc.input_lengths[sample], row = ctc.batch * ctc.classes;
  if (steps == 0) return path.states == 1 ? 0 : -never;
  const T* now = log_probs + sample * ctc.classes;
  for (std::int64_t s = 0; s < path.states; ++s) alpha[s] = s < 2 ? double(now[path.at(s)]) : never;
  for (std::int64_t step = 1; step < steps; ++step) {
    const double* before = alpha;
    alpha += ctc.states();
    now += row;
    for (std::int64_t s = 0; s < path.states; ++s)
      alpha[s] = path.arriving(before, s) + double(now[path.at(s)]);
  }
  return path.loss(alpha);
}

template <class T>
void backward_sample(const Ctc& ctc, std::int64_t sample, const T* log_probs, const double* alpha,
                     double loss, double dloss, T* dlog_probs) {
  const CtcPath path(ctc, sample);
  const std::int64_t row = ctc.batch * ctc.classes;
  std::vector<double> after(std::size_t(path.states), never), beta(after), passing(std::size_t(ctc.classes));
  for (std::int64_t step = ctc.steps - 1; step >= 0; --step) {
    const T* now = log_probs + step * row + sample * ctc.classes;
    T* gradient = dlog_probs + step * row + sample * ctc.classes;
    if (step >= ctc.input_lengths[sample] || dloss == 0) {
      std::fill_n(gradient, ctc.classes, T(0));
      continue;
    }
    const bool last = step == ctc.input_lengths[sample] - 1;
    std::fill(passing.begin(), passing.end(), 0);
    for (std::int64_t s = 0; s < path.states; ++s) {
      const double leaving = last ? (s + 2 >= path.states ? 0 : never) : path.leaving(after.data(), s);
      passing[std::size_t(path.at(s))] += std::exp(alpha[step * ctc.states() + s] + leaving + loss);
      beta[std::size_t(s)] = leaving + double(now[path.at(s)]);
    }
    for (std::int64_t c = 0; c < ctc.classes; ++c)
      gradient[c] = T(dloss * (std::exp(double(now[c])) - passing[std::size_t(c)]));
    std::swap(after, beta);
  }
}

}  // namespace

void ctc_loss(const Ctc& ctc, const void* log_probs, double* alpha, double* loss) {
  check_labels(ctc);
  visit_floating(ctc.dtype, [&]<class T>(T) {
    parallel_for(ctc.batch, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t sample = begin; sample < end; ++sample)
        loss[sample] = forward_sample(ctc, sample, static_cast<const T*>(log_probs),
                                      alpha + sample * ctc.steps * ctc.states());
    });
  });
}

void ctc_loss_backward(const Ctc& ctc, const void* log_probs, const double* alpha, const double* loss,
                       const double* dloss, void* dlog_probs) {
  visit_floating(ctc.dtype, [&]<class T>(T) {
    parallel_for(ctc.batch, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t sample = begin; sample < end; ++sample)
        backward_sample(ctc, sample, static_cast<const T*>(log_probs),
                        alpha + sample * ctc.steps * ctc.states(), loss[sample], dloss[sample],
                        static_cast<T*>(dlog_probs));
    });
  });
}

}  // namespace taper::cpu
