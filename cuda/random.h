// Random fills on a device: as in cpu/random.h, and the same numbers.
#pragma once

#include "cpu/random.h"

namespace taper::cuda {

void uniform(cpu::PhiloxState state, void* y, DType dtype, std::int64_t n, double low, double high);
void normal(cpu::PhiloxState state, void* y, DType dtype, std::int64_t n, double mean, double deviation);
void exponential(cpu::PhiloxState state, void* y, DType dtype, std::int64_t n, double rate);
void bernoulli(cpu::PhiloxState state, void* y, DType dtype, std::int64_t n, double p);
void bernoulli(cpu::PhiloxState state, void* y, DType dtype, std::int64_t n, const void* p, DType p_dtype);
void randint(cpu::PhiloxState state, void* y, DType dtype, std::int64_t n, std::int64_t low,
             std::uint64_t count);

}  // namespace taper::cuda
