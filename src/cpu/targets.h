// Which instruction set the kernels are chosen for.
#pragma once

#include <string>

namespace taper::cpu {

/// "AVX512", "AVX2", "SSE4" or "DEFAULT": the best one that the processor has, that kernels were compiled for
/// and that the environment variable TAPER_MAX_CPU_ISA allows (one of the same names; nothing else has an
/// effect).
std::string instruction_set();

}  // namespace taper::cpu
