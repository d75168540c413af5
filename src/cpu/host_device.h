// What scalar formulas that the kernels of devices share begin with: nvcc compiles them for both.
#pragma once

#include <limits>
#include <numbers>

#ifdef __CUDACC__
#define TAPER_HOST_DEVICE __host__ __device__
#else
#define TAPER_HOST_DEVICE
#endif

namespace taper::cpu::formulas {

inline constexpr double infinity = std::numeric_limits<double>::infinity();
inline constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();
inline constexpr double pi = std::numbers::pi;

}  // namespace taper::cpu::formulas
