// Where a tensor's memory lives.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace taper {

/// "cpu", "cuda:0", ...
struct Device {
  enum class Type : std::uint8_t { cpu, cuda, meta };

  Type type = Type::cpu;
  /// Number of the device among those of its type; -1 is the current one.
  std::int8_t index = -1;

  Device() = default;
  constexpr Device(Type type, int index = -1) : type(type), index(std::int8_t(index)) {}
  /// Parses "cpu", "cuda", "cuda:1". Throws DeviceError naming the text and the names that exist.
  Device(std::string_view text);
  Device(const char* text) : Device(std::string_view(text)) {}

  bool is_cpu() const { return type == Type::cpu; }
  friend bool operator==(const Device&, const Device&) = default;
};

void append_text(std::string& text, const Device& device);

}  // namespace taper
