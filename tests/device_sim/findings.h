// How tests read the findings of the simulated device.
#pragma once

#include <gtest/gtest.h>

#include <string>

extern "C" {
int device_sim_findings(char* text, size_t size);
void device_sim_clear();
void device_sim_set_schedule(unsigned long long seed);
void device_sim_set_policy(int policy);
size_t device_sim_live_bytes();
unsigned long long device_sim_instructions();
}

namespace device_sim_tests {

/// All findings, one a line; empty where nothing was wrong.
inline std::string findings() {
  std::string text(100000, '\0');
  device_sim_findings(text.data(), text.size());
  text.resize(text.find('\0'));
  return text;
}

/// A test that starts without findings and fails where any is left at its end.
class OnDevice : public ::testing::Test {
 protected:
  void SetUp() override { device_sim_clear(); }
  void TearDown() override { EXPECT_EQ(findings(), ""); }
};

}  // namespace device_sim_tests
