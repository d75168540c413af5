// Device names.
#include "taper/device.h"

#include <charconv>

#include "taper/error.h"

namespace taper {

Device::Device(std::string_view text) {
  const auto colon = text.find(':');
  const std::string_view kind_name = text.substr(0, colon);
  if (kind_name == "cpu") type = Type::cpu;
  else if (kind_name == "cuda") type = Type::cuda;
  else if (kind_name == "meta") type = Type::meta;
  else
    fail<DeviceError>("device: there is no device named '", text, "'; devices are cpu, cuda, cuda:N and meta",
                      kind_name == "gpu" ? "; did you mean 'cuda'?" : "");
  if (colon == std::string_view::npos) return;
  const std::string_view number = text.substr(colon + 1);
  int value = -1;
  const auto result = std::from_chars(number.data(), number.data() + number.size(), value);
  check<DeviceError>(
      result.ec == std::errc() && result.ptr == number.data() + number.size() && value >= 0 && value < 128,
      "device: '", text, "' needs a number from 0 to 127 after the colon");
  index = std::int8_t(value);
}

void append_text(std::string& text, const Device& device) {
  constexpr const char* names[] = {"cpu", "cuda", "meta"};
  append_text(text, std::string_view(names[int(device.type)]));
  if (device.index < 0) return;
  text.push_back(':');
  append_text(text, std::int64_t(device.index));
}

}  // namespace taper
