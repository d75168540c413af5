// One step of an optimizer over all its tensors at once, on raw pointers.
#pragma once

#include <cstdint>
#include <vector>

#include "taper/dtype.h"

namespace taper::cpu {

/// A parameter with its gradient and the optimizer's state for it, all [size], contiguous, of one floating
/// dtype. 16-bit types are computed in float32 and rounded when stored.
struct Parameter {
  DType dtype;
  std::int64_t size;
  void* value;
  const void* gradient;
  void* state[3] = {};    ///< what each step function says
  std::int64_t step = 1;  ///< the number of this step, from 1
};

/// torch.optim.SGD. state: {momentum buffer, if momentum != 0}; in step 1 the buffer is set to the gradient.
struct Sgd {
  double lr, momentum = 0, dampening = 0, weight_decay = 0;
  bool nesterov = false, maximize = false;
};
void step(const Sgd& options, const std::vector<Parameter>& parameters);

/// torch.optim.Adam, or AdamW if decoupled. state: {exp_avg, exp_avg_sq, max_exp_avg_sq if amsgrad}.
/// Kingma & Ba 2015, arXiv:1412.6980; Loshchilov & Hutter 2019, arXiv:1711.05101; Reddi et al. 2018
/// (AMSGrad).
struct Adam {
  double lr, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  bool amsgrad = false, maximize = false, decoupled = false;
};
void step(const Adam& options, const std::vector<Parameter>& parameters);

/// torch.optim.RMSprop. state: {square_avg, momentum buffer if momentum != 0, grad_avg if centered}.
struct RmsProp {
  double lr, alpha = 0.99, eps = 1e-8, weight_decay = 0, momentum = 0;
  bool centered = false, maximize = false;
};
void step(const RmsProp& options, const std::vector<Parameter>& parameters);

/// torch.optim.Adagrad. state: {sum}. Duchi, Hazan & Singer 2011.
struct Adagrad {
  double lr, lr_decay = 0, weight_decay = 0, eps = 1e-10;
  bool maximize = false;
};
void step(const Adagrad& options, const std::vector<Parameter>& parameters);

}  // namespace taper::cpu
