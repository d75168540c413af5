// Loading data: data sets, samplers, and loaders that make batches in threads.
#pragma once

#include "taper/data/collate.h"
#include "taper/data/dataset.h"
#include "taper/data/loader.h"
#include "taper/data/sampler.h"
