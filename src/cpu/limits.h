// What the machine, the affinity mask and the control group leave to this process.
#pragma once

#include <cstdint>

namespace taper::cpu {

/// Processors this process may use: the affinity mask, capped by the control group's quota (v1 and v2). At
/// least 1.
int available_processors();

/// Bytes of memory this process may use: physical memory and swap, capped by the control group's limit (v1
/// and v2).
std::uint64_t available_memory();

}  // namespace taper::cpu
