// A libcuda that agrees to everything and runs nothing: enough for the real cuDNN to compile kernels and
// finalize plans where there is no device. It keeps the names of the kernels that were looked up.
#include <cuda.h>
#include <dlfcn.h>

#include <cstring>
#include <string>

namespace {

std::string& kernels() {
  static std::string names;
  return names;
}

/// A handle of something that is never used.
template <class Handle>
CUresult give(Handle* handle) {
  static int something = 0;
  *handle = reinterpret_cast<Handle>(&something);
  return CUDA_SUCCESS;
}
template <class T>
CUresult answer(T* place, T value) {
  return *place = value, CUDA_SUCCESS;
}

CUresult refuse() { return CUDA_ERROR_NOT_SUPPORTED; }

}  // namespace

extern "C" {

// A line for each kernel that was looked up.
const char* null_driver_kernels() { return kernels().c_str(); }

CUresult cuInit(unsigned) { return CUDA_SUCCESS; }
CUresult cuDriverGetVersion(int* version) { return answer(version, CUDA_VERSION); }
CUresult cuDeviceGetCount(int* count) { return answer(count, 1); }
CUresult cuDeviceGet(CUdevice* device, int) { return answer(device, 0); }
CUresult cuDeviceGetName(char* name, int, CUdevice) { return answer(name, '\0'); }
CUresult cuDeviceTotalMem(size_t* bytes, CUdevice) { return answer(bytes, size_t(80) << 30); }
CUresult cuDeviceGetUuid(CUuuid* id, CUdevice) { return answer(id, CUuuid{}); }
// Plans take their limits from the description of a device that cuDNN is given, not from here.
CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice) {
  switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: return answer(value, 8);
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: return answer(value, 0);
    default: return answer(value, 1024);
  }
}
CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice) { return give(context); }
CUresult cuDevicePrimaryCtxGetState(CUdevice, unsigned* flags, int* active) {
  return *active = 1, answer(flags, 0u);
}
CUresult cuCtxGetCurrent(CUcontext* context) { return give(context); }
CUresult cuCtxSetCurrent(CUcontext) { return CUDA_SUCCESS; }
CUresult cuCtxGetDevice(CUdevice* device) { return answer(device, 0); }
CUresult cuLibraryLoadData(CUlibrary* library, const void*, CUjit_option*, void**, unsigned, CUlibraryOption*,
                           void**, unsigned) {
  return give(library);
}
CUresult cuLibraryUnload(CUlibrary) { return CUDA_SUCCESS; }
CUresult cuLibraryGetKernel(CUkernel* kernel, CUlibrary, const char* name) {
  kernels() += std::string(name) + "\n";
  return give(kernel);
}
CUresult cuLibraryGetModule(CUmodule* module, CUlibrary) { return give(module); }
CUresult cuKernelGetFunction(CUfunction* function, CUkernel) { return give(function); }
CUresult cuKernelSetAttribute(CUfunction_attribute, int, CUkernel, CUdevice) { return CUDA_SUCCESS; }
CUresult cuKernelGetAttribute(int* value, CUfunction_attribute, CUkernel, CUdevice) {
  return answer(value, 1024);
}
CUresult cuModuleGetLoadingMode(CUmoduleLoadingMode* mode) { return answer(mode, CU_MODULE_LAZY_LOADING); }
CUresult cuGetErrorString(CUresult, const char** words) { return answer(words, "refused by a null driver"); }
CUresult cuGetErrorName(CUresult, const char** words) { return answer(words, "CUDA_ERROR"); }

// What else cuDNN and NVRTC demand by name.
#undef cuCtxPopCurrent
#undef cuCtxPushCurrent
#undef cuLinkAddData
#undef cuLinkCreate
#define REFUSED(name)                   \
  CUresult refused_##name() asm(#name); \
  CUresult refused_##name() { return refuse(); }
REFUSED(cuCtxGetLimit)
REFUSED(cuCtxPopCurrent)
REFUSED(cuCtxPushCurrent)
REFUSED(cuGetExportTable)
REFUSED(cuLaunchCooperativeKernel)
REFUSED(cuLaunchKernel)
REFUSED(cuLaunchKernelEx)
REFUSED(cuLibraryLoadFromFile)
REFUSED(cuLinkAddData)
REFUSED(cuLinkComplete)
REFUSED(cuLinkCreate)
REFUSED(cuLinkDestroy)
REFUSED(cuOccupancyMaxPotentialClusterSize)
REFUSED(cuStreamGetCtx)
#undef REFUSED

// The runtime asks for its functions here, and for this one by its name.
CUresult find(const char* name, void** address, int, cuuint64_t,
              CUdriverProcAddressQueryResult* found) asm("cuGetProcAddress_v2");
CUresult find(const char* name, void** address, int, cuuint64_t, CUdriverProcAddressQueryResult* found) {
  void* const self = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_NOLOAD);
  *address = dlsym(self, (std::string(name) + "_v2").c_str());
  if (!*address) *address = dlsym(self, name);
  if (!*address) *address = reinterpret_cast<void*>(refuse);
  if (found) *found = CU_GET_PROC_ADDRESS_SUCCESS;
  return CUDA_SUCCESS;
}
CUresult find_of_old(const char* name, void** address, int version, cuuint64_t flags) asm("cuGetProcAddress");
CUresult find_of_old(const char* name, void** address, int version, cuuint64_t flags) {
  return find(name, address, version, flags, nullptr);
}
}
