// Finding cuDNN, and its descriptors.
#if __has_include(<cudnn_backend.h>)

#include "cuda/cudnn.h"

#include <dlfcn.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "taper/error.h"

namespace taper::cuda {

namespace {

template <class F>
bool find(void* library, const char* name, F& function) {
  function = reinterpret_cast<F>(dlsym(library, name));
  return function != nullptr;
}

const Cudnn* open() {
  const char* chosen = std::getenv("TAPER_CUDNN_LIBRARY");
  void* library = dlopen(chosen ? chosen : "libcudnn.so.9", RTLD_NOW | RTLD_LOCAL);
  static Cudnn found;
  const bool complete = library && find(library, "cudnnGetVersion", found.get_version) &&
                        find(library, "cudnnCreate", found.create) &&
                        find(library, "cudnnDestroy", found.destroy) &&
                        find(library, "cudnnSetStream", found.set_stream) &&
                        find(library, "cudnnGetErrorString", found.error_string) &&
                        find(library, "cudnnGetLastErrorString", found.last_error_string) &&
                        find(library, "cudnnBackendCreateDescriptor", found.create_descriptor) &&
                        find(library, "cudnnBackendDestroyDescriptor", found.destroy_descriptor) &&
                        find(library, "cudnnBackendSetAttribute", found.set_attribute) &&
                        find(library, "cudnnBackendGetAttribute", found.get_attribute) &&
                        find(library, "cudnnBackendFinalize", found.finalize) &&
                        find(library, "cudnnBackendExecute", found.execute) &&
                        find(library, "cudnnCreateTensorDescriptor", found.create_tensor) &&
                        find(library, "cudnnSetTensorNdDescriptor", found.set_tensor) &&
                        find(library, "cudnnDestroyTensorDescriptor", found.destroy_tensor) &&
                        find(library, "cudnnCreateDropoutDescriptor", found.create_dropout) &&
                        find(library, "cudnnSetDropoutDescriptor", found.set_dropout) &&
                        find(library, "cudnnDestroyDropoutDescriptor", found.destroy_dropout) &&
                        find(library, "cudnnCreateRNNDescriptor", found.create_rnn) &&
                        find(library, "cudnnSetRNNDescriptor_v8", found.set_rnn) &&
                        find(library, "cudnnDestroyRNNDescriptor", found.destroy_rnn) &&
                        find(library, "cudnnCreateRNNDataDescriptor", found.create_rnn_data) &&
                        find(library, "cudnnSetRNNDataDescriptor", found.set_rnn_data) &&
                        find(library, "cudnnDestroyRNNDataDescriptor", found.destroy_rnn_data) &&
                        find(library, "cudnnGetRNNWeightSpaceSize", found.rnn_weight_space_size) &&
                        find(library, "cudnnGetRNNWeightParams", found.rnn_weight_params) &&
                        find(library, "cudnnGetRNNTempSpaceSizes", found.rnn_temp_space_sizes) &&
                        find(library, "cudnnRNNForward", found.rnn_forward) &&
                        find(library, "cudnnRNNBackwardData_v8", found.rnn_backward_data) &&
                        find(library, "cudnnRNNBackwardWeights_v8", found.rnn_backward_weights);
  return complete ? &found : nullptr;
}

}  // namespace

const Cudnn* cudnn() {
  static const Cudnn* const found = open();
  return found;
}

void check_cudnn(cudnnStatus_t status, const char* what) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  char words[512] = "";
  cudnn()->last_error_string(words, sizeof(words));
  fail<Error>("cuDNN: ", what, " failed: ", cudnn()->error_string(status), " ",
              static_cast<const char*>(words));
}

Descriptor::Descriptor(cudnnBackendDescriptorType_t type) {
  check_cudnn(cudnn()->create_descriptor(type, &descriptor_), "creating a descriptor");
}

Descriptor::~Descriptor() {
  if (descriptor_) cudnn()->destroy_descriptor(descriptor_);
}

void Descriptor::set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count,
                     const void* values) {
  const cudnnStatus_t status = cudnn()->set_attribute(descriptor_, name, type, count, values);
  if (status != CUDNN_STATUS_SUCCESS) check_cudnn(status, concat("setting attribute ", int(name)).c_str());
}

void Descriptor::set(cudnnBackendAttributeName_t name, std::span<const Descriptor> values) {
  std::vector<cudnnBackendDescriptor_t> descriptors;
  for (const Descriptor& value : values) descriptors.push_back(value.descriptor_);
  set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, std::int64_t(descriptors.size()), descriptors.data());
}

void Descriptor::finalize() { check_cudnn(cudnn()->finalize(descriptor_), "finalizing a descriptor"); }

bool Descriptor::try_finalize() { return cudnn()->finalize(descriptor_) == CUDNN_STATUS_SUCCESS; }

std::int64_t Descriptor::get(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                             std::int64_t count, void* values) const {
  std::int64_t found = 0;
  const cudnnStatus_t status = cudnn()->get_attribute(descriptor_, name, type, count, &found, values);
  return status == CUDNN_STATUS_SUCCESS ? found : 0;
}

}  // namespace taper::cuda

#endif
