// Connectionist temporal classification: Graves, Fernandez, Gomez and Schmidhuber 2006.
#pragma once

#include <cstdint>

#include "taper/dtype.h"

namespace taper::cpu {

/// Sizes and labels of a batch. A path through the labels has states 0 to 2 * target_length: blanks at the
/// even ones, label i at state 2 i + 1.
struct Ctc {
  DType dtype;  ///< of log_probs, dlog_probs: floating
  std::int64_t steps, batch, classes, longest, blank;
  const std::int64_t *targets, *input_lengths, *target_lengths;  ///< [batch, longest], [batch], [batch]

  constexpr std::int64_t states() const { return 2 * longest + 1; }
};

/// From log_probs [steps, batch, classes], dense: loss [batch] = -log of the probability of all paths, inf
/// where there is none, and alpha [batch, steps, states], the log-probability of all beginnings of paths that
/// end in a state at a step. The lengths must fit; throws IndexError for a label that is no class.
void ctc_loss(const Ctc& ctc, const void* log_probs, double* alpha, double* loss);

/// dlog_probs from dloss [batch]: dloss (exp(log_probs) - probability that a path passes the class at that
/// step), and 0 behind an input's end or for a dloss of 0. The first term is what log_softmax's gradient
/// takes away again: PyTorch's convention.
void ctc_loss_backward(const Ctc& ctc, const void* log_probs, const double* alpha, const double* loss,
                       const double* dloss, void* dlog_probs);

}  // namespace taper::cpu
