// A backward pass in two parts: gradients of some tensors now, those of all other leaves later.
#pragma once

#include <vector>

#include "taper/autograd.h"

namespace taper {

/// One pass, each part of which runs once. A stage of a pipeline sends the gradient of its input on before it
/// computes those of its weights: Qi et al. 2023, arXiv:2401.10241, section 2.
class DividedBackward {
 public:
  DividedBackward() = default;
  ~DividedBackward();
  DividedBackward(const DividedBackward&) = delete;
  DividedBackward& operator=(const DividedBackward&) = delete;

  /// Gradients of inputs, as grad() gives them, undefined where no output depends on an input. What the
  /// second part needs is kept; all other saved tensors are freed. Throws AutogradError as grad() does.
  Tensors of_inputs(const Tensors& outputs, const Tensors& inputs, const Tensors& gradients);
  /// Adds to .grad of all other leaves, as backward() does. Nothing is left of the graph afterwards.
  void of_rest();

 private:
  friend class Engine;
  struct Postponed {
    Node* node;
    /// That entered the node.
    Tensors gradients;
    /// One per edge, of those that were computed without having been asked for.
    Tensors results;
    /// Edges whose result is still to be computed.
    std::vector<bool> missing;
  };
  std::vector<Postponed> postponed_;
  /// Outputs that depend on no input, and their gradients.
  Tensors apart_, apart_gradients_;
};

}  // namespace taper
