// Libraries of NVIDIA's that are opened when an operation first needs them, so that programs without these
// operations run where they are missing, and start sooner.
#pragma once

#include <string>

namespace taper::cuda {

class Library {
 public:
  /// Throws DeviceError naming op where the library cannot be opened.
  Library(const char* soname, const char* op);
  /// Throws DeviceError where the library lacks the function.
  template <class Function>
  Function function(const char* name) const {
    return reinterpret_cast<Function>(address(name));
  }

 private:
  void* address(const char* name) const;

  std::string soname_;
  void* handle_;
};

}  // namespace taper::cuda
