// Text from files and paths, made fit for messages.
#pragma once

#include <string>
#include <string_view>

namespace taper::io {

/// Whether text is well-formed UTF-8 (Unicode 15, table 3-7).
bool is_utf8(std::string_view text);

/// text itself if it is UTF-8; else with '?' for every byte beyond ASCII.
std::string printable(std::string_view text);

/// A name as messages show it: between quotes, shortened if it is long.
struct Quote {
  std::string_view text;
};
void append_text(std::string& text, Quote name);

}  // namespace taper::io
