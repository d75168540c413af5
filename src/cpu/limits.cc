// Reads processor and memory limits from the affinity mask, the control group files and the system.
#include "cpu/limits.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <thread>

#ifdef __linux__
#include <sched.h>
#include <sys/sysinfo.h>
#endif
#include <unistd.h>

namespace taper::cpu {
namespace {

/// The process's group for a controller: "" is version 2. Empty if it is in none.
std::string group_path(const std::string& controller) {
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {  // hierarchy:controller,controller:/path
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string names = "," + line.substr(first + 1, second - first - 1) + ",";
    if (names == ",," ? controller.empty()
                      : !controller.empty() && names.find("," + controller + ",") != names.npos)
      return line.substr(second + 1);
  }
  return {};
}

/// Calls visit(folder) for the process's group and each group above it; inside a container those that are
/// visible.
void for_each_group(const std::string& controller, const std::function<void(const std::string&)>& visit) {
  const std::string root = controller.empty() ? "/sys/fs/cgroup" : "/sys/fs/cgroup/" + controller;
  std::string path = group_path(controller);
  while (path.size() > 1) {
    visit(root + path);
    path.resize(path.rfind('/'));
  }
  visit(root);
}

/// The first words of a file; empty strings where there is none.
std::pair<std::string, std::string> two_words(const std::string& path) {
  std::ifstream file(path);
  std::pair<std::string, std::string> words;
  file >> words.first >> words.second;
  return words;
}

double positive_number(const std::string& text) {
  const double value = std::strtod(text.c_str(), nullptr);
  return value > 0 ? value : 0;
}

/// Processors' worth of time the control groups grant; infinity if they set no limit.
double processor_quota() {
  double quota = INFINITY;
  const auto take = [&](double time, double period) {
    if (time > 0 && period > 0) quota = std::min(quota, time / period);
  };
  for_each_group("", [&](const std::string& folder) {
    const auto [time, period] = two_words(folder + "/cpu.max");
    take(positive_number(time), positive_number(period));
  });
  for_each_group("cpu", [&](const std::string& folder) {
    take(positive_number(two_words(folder + "/cpu.cfs_quota_us").first),
         positive_number(two_words(folder + "/cpu.cfs_period_us").first));
  });
  return quota;
}

/// The least memory limit of the control groups; infinity if they set none.
double memory_quota() {
  double quota = INFINITY;
  const auto take = [&](const std::string& path) {
    if (const double bytes = positive_number(two_words(path).first); bytes > 0)
      quota = std::min(quota, bytes);
  };
  for_each_group("", [&](const std::string& folder) { take(folder + "/memory.max"); });
  for_each_group("memory", [&](const std::string& folder) { take(folder + "/memory.limit_in_bytes"); });
  return quota;
}

int affinity_count() {
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return std::max(1, int(std::thread::hardware_concurrency()));
}

}  // namespace

int available_processors() {
  const double quota = std::ceil(processor_quota());
  return quota < affinity_count() ? std::max(1, int(quota)) : affinity_count();
}

std::uint64_t available_memory() {
#ifdef __linux__
  struct sysinfo info {};
  sysinfo(&info);
  const double physical = (double(info.totalram) + double(info.totalswap)) * info.mem_unit;
#else
  const double physical = double(sysconf(_SC_PHYS_PAGES)) * double(sysconf(_SC_PAGESIZE));
#endif
  return std::uint64_t(std::min(physical, memory_quota()));
}

}  // namespace taper::cpu
