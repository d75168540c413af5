// The stand-in libcuda: modules and launches, over the stand-in runtime. It takes PTX only: machine code is
// refused as by a device that it is not for.
#include <cuda.h>
#include <cuda_runtime_api.h>

#include <cstring>

namespace {

int refused = 0;

CUresult result_of(cudaError_t error) {
  switch (error) {
    case cudaSuccess: return CUDA_SUCCESS;
    case cudaErrorInvalidPtx: return CUDA_ERROR_INVALID_PTX;
    case cudaErrorSymbolNotFound: return CUDA_ERROR_NOT_FOUND;
    case cudaErrorInvalidConfiguration: return CUDA_ERROR_INVALID_VALUE;
    default: return CUDA_ERROR_LAUNCH_FAILED;
  }
}

}  // namespace

extern "C" {

// How often machine code was offered.
int device_sim_machine_codes() { return refused; }

CUresult cuModuleLoadData(CUmodule* module, const void* image) {
  if (std::memcmp(image,
                  "\x7f"
                  "ELF",
                  4) == 0) {
    ++refused;
    return CUDA_ERROR_NO_BINARY_FOR_GPU;
  }
  cudaLibrary_t library = nullptr;
  const cudaError_t error = cudaLibraryLoadData(&library, image, nullptr, nullptr, 0, nullptr, nullptr, 0);
  *module = reinterpret_cast<CUmodule>(library);
  return result_of(error);
}
CUresult cuModuleGetFunction(CUfunction* function, CUmodule module, const char* name) {
  cudaKernel_t kernel = nullptr;
  const cudaError_t error = cudaLibraryGetKernel(&kernel, reinterpret_cast<cudaLibrary_t>(module), name);
  *function = reinterpret_cast<CUfunction>(kernel);
  return result_of(error);
}
CUresult cuLaunchKernel(CUfunction function, unsigned int grid_x, unsigned int grid_y, unsigned int grid_z,
                        unsigned int block_x, unsigned int block_y, unsigned int block_z,
                        unsigned int shared_bytes, CUstream stream, void** arguments, void** extra) {
  if (extra || !arguments) return CUDA_ERROR_INVALID_VALUE;
  return result_of(cudaLaunchKernel(reinterpret_cast<const void*>(function), {grid_x, grid_y, grid_z},
                                    {block_x, block_y, block_z}, arguments, shared_bytes, stream));
}
CUresult cuGetErrorString(CUresult error, const char** words) {
  *words = error == CUDA_SUCCESS ? "success" : "a call was refused";
  return CUDA_SUCCESS;
}

}  // extern "C"
