// Every optimizer, and the schedules of their learning rates.
#pragma once

#include "taper/optim/adadelta.h"
#include "taper/optim/adafactor.h"
#include "taper/optim/adagrad.h"
#include "taper/optim/adam.h"
#include "taper/optim/adamax.h"
#include "taper/optim/asgd.h"
#include "taper/optim/lbfgs.h"
#include "taper/optim/lr_scheduler.h"
#include "taper/optim/muon.h"
#include "taper/optim/nadam.h"
#include "taper/optim/optimizer.h"
#include "taper/optim/radam.h"
#include "taper/optim/rmsprop.h"
#include "taper/optim/rprop.h"
#include "taper/optim/sgd.h"
