// Devices that are described to the real cuDNN, for which it makes plans without one.
#pragma once

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <fstream>
#include <optional>
#include <sstream>
#include <string>

#include "cuda/cudnn_plan.h"

namespace taper::cuda {

inline constexpr std::int64_t most_workspace = std::int64_t(1) << 32;

/// A device described by a file of this folder.
class DescribedDevice : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!cudnn()) GTEST_SKIP() << "cuDNN is not installed: its plans are not checked";
    std::ifstream file(std::string(TAPER_CUDNN_DEVICES) + "/" + GetParam() + ".json");
    ASSERT_TRUE(file.good());
    std::ostringstream text;
    text << file.rdbuf();
    const std::string json = text.str();
    properties_.emplace(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
    properties_->set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, std::int64_t(json.size()),
                     json.data());
    properties_->finalize();
  }
  PlanTarget device() const { return {nullptr, &*properties_}; }

 private:
  std::optional<Descriptor> properties_;
};

/// The same under the driver that runs nothing, which takes kernels that cuDNN compiles.
class CompilingDevice : public DescribedDevice {
 protected:
  void SetUp() override {
    DescribedDevice::SetUp();
    void* const driver = dlopen("libcuda.so.1", RTLD_LAZY);
    kernels_ = driver ? reinterpret_cast<const char* (*)()>(dlsym(driver, "null_driver_kernels")) : nullptr;
    if (!kernels_) GTEST_SKIP() << "no driver that runs nothing: name its folder in LD_LIBRARY_PATH";
  }
  /// Names of kernels that cuDNN has loaded since the process began.
  std::string kernels() const { return kernels_(); }

 private:
  const char* (*kernels_)() = nullptr;
};

}  // namespace taper::cuda
