// Seeds for the generators of samplers and batches.
#pragma once

#include <cstdint>
#include <optional>

#include "taper/generator.h"

namespace taper::data {

/// A number from the generator, or from the default one.
std::uint64_t draw_seed(const std::optional<Generator>& generator);

}  // namespace taper::data
