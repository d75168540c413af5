// All of Taper.
#pragma once

#include "taper/autograd.h"
#include "taper/data.h"
#include "taper/error.h"
#include "taper/io.h"
#include "taper/nn.h"
#include "taper/ops.h"
#include "taper/ops/linalg.h"
#include "taper/optim.h"
#include "taper/printing.h"
#include "taper/tensor.h"
