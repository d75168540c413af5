// What the checks of the simulated device found.
#pragma once

#include <string>
#include <vector>

namespace device_sim {

/// One kind of fault at one place.
struct Finding {
  std::string check;    // the name of the check: "race", "out-of-bounds", ...
  std::string message;  // what happened and where
  int count = 1;        // how often
};

/// Adds a finding; one with the same check and place is counted instead. Prints it when DEVICE_SIM_PRINT is
/// set.
void report(const std::string& check, const std::string& message, const std::string& key = "");

/// All findings since the last clear_findings().
std::vector<Finding> findings();
void clear_findings();

}  // namespace device_sim
