// Text from files and paths, made fit for messages.
#include "io/text.h"

#include <algorithm>

namespace taper::io {

bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = [&](std::size_t k) {
      return k < text.size() ? static_cast<unsigned char>(text[k]) : 0u;
    };
    const unsigned lead = byte(i), second = byte(i + 1);
    const std::size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (lead >= 0x80 && lead < 0xc2) return false;
    if (lead > 0xf4) return false;
    for (std::size_t k = 1; k < length; ++k)
      if ((byte(i + k) & 0xc0u) != 0x80u) return false;
    const bool overlong = (lead == 0xe0 && second < 0xa0) || (lead == 0xf0 && second < 0x90);
    const bool surrogate = lead == 0xed && second > 0x9f, too_large = lead == 0xf4 && second > 0x8f;
    if (overlong || surrogate || too_large) return false;
    i += length;
  }
  return true;
}

std::string printable(std::string_view text) {
  std::string result(text);
  if (!is_utf8(text))
    std::replace_if(
        result.begin(), result.end(), [](char c) { return c & 0x80; }, '?');
  return result;
}

void append_text(std::string& text, Quote name) {
  std::size_t end = std::min<std::size_t>(name.text.size(), 120);
  const bool whole = end == name.text.size();
  while (!whole && end && (static_cast<unsigned char>(name.text[end]) & 0xc0) == 0x80)
    --end;  // not inside a character
  text.append("'").append(name.text.substr(0, end)).append(whole ? "'" : "...'");
}

}  // namespace taper::io
