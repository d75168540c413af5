// The list of findings.
#include "report.h"

#include <cstdio>
#include <cstdlib>
#include <mutex>

namespace device_sim {
namespace {

constexpr size_t kMostFindings = 200;

struct Entry {
  Finding finding;
  std::string key;
};

std::mutex& mutex() {
  static std::mutex value;
  return value;
}

std::vector<Entry>& entries() {
  static auto& value = *new std::vector<Entry>;
  return value;
}

}  // namespace

void report(const std::string& check, const std::string& message, const std::string& key) {
  const std::lock_guard lock(mutex());
  for (Entry& entry : entries()) {
    const bool same = key.empty() ? entry.finding.message == message : entry.key == key;
    if (entry.finding.check != check || !same) continue;
    ++entry.finding.count;
    return;
  }
  if (entries().size() >= kMostFindings) return;
  entries().push_back({{check, message}, key});
  if (std::getenv("DEVICE_SIM_PRINT"))
    std::fprintf(stderr, "device_sim: %s: %s\n", check.c_str(), entries().back().finding.message.c_str());
}

std::vector<Finding> findings() {
  const std::lock_guard lock(mutex());
  std::vector<Finding> all;
  for (const Entry& entry : entries()) all.push_back(entry.finding);
  return all;
}

void clear_findings() {
  const std::lock_guard lock(mutex());
  entries().clear();
}

}  // namespace device_sim
