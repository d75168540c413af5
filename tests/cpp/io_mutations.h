// Damages bytes in ways that files get damaged, the same way in every run.
#pragma once

#include <algorithm>
#include <random>
#include <string>

namespace taper::testing {

class Mutator {
 public:
  explicit Mutator(unsigned seed) : random_(seed) {}

  std::string operator()(std::string bytes) {
    for (std::size_t n = 1 + below(3); n-- && !bytes.empty();) change(bytes);
    return bytes;
  }

 private:
  std::size_t below(std::size_t n) { return std::size_t(random_() % n); }

  void change(std::string& bytes) {
    const std::size_t at = below(bytes.size()),
                      length = 1 + below(std::min<std::size_t>(16, bytes.size() - at));
    switch (below(8)) {
      case 0: bytes[at] = char(bytes[at] ^ (1 << below(8))); break;
      case 1: bytes[at] = char(random_()); break;
      case 2: bytes.resize(at); break;
      case 3: bytes.erase(at, length); break;
      case 4: bytes.insert(at, bytes.substr(below(bytes.size()), length)); break;
      case 5: std::fill_n(bytes.begin() + std::ptrdiff_t(at), length, below(2) ? '\0' : '\xff'); break;
      case 6: change_digit(bytes, at); break;
      default: bytes[at] = "{}[]\",:-.e0919\\u"[below(16)]; break;
    }
  }

  void change_digit(std::string& bytes, std::size_t at) {
    while (at < bytes.size() && (bytes[at] < '0' || bytes[at] > '9')) ++at;
    if (at < bytes.size())
      bytes.replace(at, 1, below(2) ? std::to_string(below(10)) : std::to_string(random_()));
  }

  std::mt19937_64 random_;
};

}  // namespace taper::testing
