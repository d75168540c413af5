// Every operation.
#pragma once

#include "taper/ops/arithmetic.h"
#include "taper/ops/copy.h"
#include "taper/ops/creation.h"
#include "taper/ops/view.h"
