// Libraries opened at run time.
#include "cuda/library.h"

#include <dlfcn.h>

#include "taper/error.h"

namespace taper::cuda {

// Never closed: handles of the library live until the program ends.
Library::Library(const char* soname, const char* op)
    : soname_(soname), handle_(dlopen(soname, RTLD_NOW | RTLD_LOCAL)) {
  if (handle_) return;
  const char* why = dlerror();
  fail<DeviceError>(op, ": on CUDA needs ", soname, ": ", why ? why : "it cannot be opened",
                    "; install it, or move the operands to the CPU with .cpu()");
}

void* Library::address(const char* name) const {
  void* found = dlsym(handle_, name);
  check<DeviceError>(found != nullptr, soname_, ": has no function ", name);
  return found;
}

}  // namespace taper::cuda
