// Modules: layers that own parameters, networks made of them, losses, initial values.
#pragma once

#include "taper/nn/activation.h"
#include "taper/nn/container.h"
#include "taper/nn/convolution.h"
#include "taper/nn/dropout.h"
#include "taper/nn/embedding.h"
#include "taper/nn/init.h"
#include "taper/nn/linear.h"
#include "taper/nn/loss.h"
#include "taper/nn/module.h"
#include "taper/nn/normalization.h"
#include "taper/nn/pooling.h"
#include "taper/nn/recurrent.h"
#include "taper/nn/shape.h"
#include "taper/nn/transformer.h"
#include "taper/nn/utils.h"
