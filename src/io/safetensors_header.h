// Parsing the JSON header of a safetensors file.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "io/safetensors.h"

namespace taper::io {

/// The content of a header, in its order. The offsets are as written, not yet checked.
struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;
  Metadata metadata;
};

/// Parses a header. Throws IOError beginning with source for text that is not JSON or not of the format's
/// form: wrong types, unknown dtype or field, missing field, repeated key, more than 64 dimensions, sizes
/// beyond 2^63.
SafetensorsHeader parse_safetensors_header(std::string_view text, const std::string& source);

}  // namespace taper::io
