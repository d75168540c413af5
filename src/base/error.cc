// Writes the values that appear in error messages.
#include "taper/error.h"

#include <charconv>

namespace taper {

namespace {

template <class Number>
void append_number(std::string& text, Number value) {
  char buffer[40];
  const auto result = std::to_chars(buffer, buffer + sizeof(buffer), value);
  text.append(buffer, result.ptr);
}

}  // namespace

void append_text(std::string& text, std::string_view part) { text.append(part); }
void append_text(std::string& text, bool value) { text.append(value ? "True" : "False"); }
void append_text(std::string& text, double value) { append_number(text, value); }
void append_text(std::string& text, std::int64_t value) { append_number(text, value); }
void append_text(std::string& text, std::uint64_t value) { append_number(text, value); }
void append_text(std::string& text, std::complex<double> value) {
  append_number(text, value.real());
  if (value.imag() >= 0) text.push_back('+');
  append_number(text, value.imag());
  text.push_back('j');
}

}  // namespace taper
