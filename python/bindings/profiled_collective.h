// Entries of profiles for collectives, with the shapes of their tensors.
#pragma once

#include <string>

#include "taper/tensor.h"

namespace taper::python {

/// One entry, from construction to destruction; none where the name is empty. With the GIL.
class ProfiledCollective {
 public:
  ProfiledCollective(const std::string& name, const Tensors& tensors);
  ~ProfiledCollective();
  ProfiledCollective(const ProfiledCollective&) = delete;
  ProfiledCollective& operator=(const ProfiledCollective&) = delete;

 private:
  std::int64_t entry_ = -1;
};

}  // namespace taper::python
