// Which instruction set the kernels are chosen for: Highway's choice, bounded by the environment.
#include "cpu/targets.h"

#include <hwy/highway.h>
#include <hwy/targets.h>

#include <cstdlib>
#include <string_view>
#include <utility>

namespace taper::cpu {
namespace {

// In Highway's masks a better instruction set has a lower bit.
constexpr std::pair<std::string_view, std::int64_t> targets[] = {
    {"AVX512", HWY_AVX3}, {"AVX2", HWY_AVX2}, {"SSE4", HWY_SSE4}};

bool limit_targets() {
  const char* text = std::getenv("TAPER_MAX_CPU_ISA");
  if (!text) return false;
  const std::string_view most(text);
  if (most == "DEFAULT") hwy::DisableTargets(2 * HWY_SSSE3 - 1);
  for (const auto& [name, bit] : targets)
    if (name == most) hwy::DisableTargets(bit - 1);
  return true;
}

// When the library is loaded, before the first kernel is chosen.
[[maybe_unused]] const bool limited = limit_targets();

}  // namespace

std::string instruction_set() {
  const std::int64_t chosen = hwy::SupportedTargets() & HWY_TARGETS;
  for (const auto& [name, bit] : targets)
    if (chosen & (2 * bit - 1)) return std::string(name);
  return "DEFAULT";
}

}  // namespace taper::cpu
