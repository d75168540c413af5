// cuDNN, opened when it is first needed, so that programs run without it; and the descriptors of its backend
// API and of the functions beside it.
#pragma once

#include <cudnn_adv.h>
#include <cudnn_backend.h>

#include <cstdint>
#include <span>
#include <utility>

namespace taper::cuda {

/// The functions of cuDNN that are called.
struct Cudnn {
  decltype(&cudnnGetVersion) get_version;
  decltype(&cudnnCreate) create;
  decltype(&cudnnDestroy) destroy;
  decltype(&cudnnSetStream) set_stream;
  decltype(&cudnnGetErrorString) error_string;
  decltype(&cudnnGetLastErrorString) last_error_string;
  decltype(&cudnnBackendCreateDescriptor) create_descriptor;
  decltype(&cudnnBackendDestroyDescriptor) destroy_descriptor;
  decltype(&cudnnBackendSetAttribute) set_attribute;
  decltype(&cudnnBackendGetAttribute) get_attribute;
  decltype(&cudnnBackendFinalize) finalize;
  decltype(&cudnnBackendExecute) execute;

  decltype(&cudnnCreateTensorDescriptor) create_tensor;
  decltype(&cudnnSetTensorNdDescriptor) set_tensor;
  decltype(&cudnnDestroyTensorDescriptor) destroy_tensor;
  decltype(&cudnnCreateDropoutDescriptor) create_dropout;
  decltype(&cudnnSetDropoutDescriptor) set_dropout;
  decltype(&cudnnDestroyDropoutDescriptor) destroy_dropout;
  decltype(&cudnnCreateRNNDescriptor) create_rnn;
  decltype(&cudnnSetRNNDescriptor_v8) set_rnn;
  decltype(&cudnnDestroyRNNDescriptor) destroy_rnn;
  decltype(&cudnnCreateRNNDataDescriptor) create_rnn_data;
  decltype(&cudnnSetRNNDataDescriptor) set_rnn_data;
  decltype(&cudnnDestroyRNNDataDescriptor) destroy_rnn_data;
  decltype(&cudnnGetRNNWeightSpaceSize) rnn_weight_space_size;
  decltype(&cudnnGetRNNWeightParams) rnn_weight_params;
  decltype(&cudnnGetRNNTempSpaceSizes) rnn_temp_space_sizes;
  decltype(&cudnnRNNForward) rnn_forward;
  decltype(&cudnnRNNBackwardData_v8) rnn_backward_data;
  decltype(&cudnnRNNBackwardWeights_v8) rnn_backward_weights;
};

/// Opens the library that the environment variable TAPER_CUDNN_LIBRARY names, or libcudnn.so.9; null where
/// there is none, or it lacks a function.
const Cudnn* cudnn();

/// Throws Error with cuDNN's words unless status is success.
void check_cudnn(cudnnStatus_t status, const char* what);

/// A descriptor of the functions beside the backend API: PlainDescriptor<cudnnTensorDescriptor_t,
/// &Cudnn::create_tensor, &Cudnn::destroy_tensor>. Needs cudnn().
template <class Pointer, auto create, auto destroy>
class PlainDescriptor {
 public:
  PlainDescriptor() { check_cudnn((cudnn()->*create)(&pointer_), "creating a descriptor"); }
  ~PlainDescriptor() { (cudnn()->*destroy)(pointer_); }
  PlainDescriptor(const PlainDescriptor&) = delete;
  PlainDescriptor& operator=(const PlainDescriptor&) = delete;
  Pointer get() const { return pointer_; }

 private:
  Pointer pointer_ = nullptr;
};

/// One descriptor of the backend API. Needs cudnn().
class Descriptor {
 public:
  explicit Descriptor(cudnnBackendDescriptorType_t type);
  Descriptor(Descriptor&& other) noexcept : descriptor_(std::exchange(other.descriptor_, nullptr)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~Descriptor();

  /// Throw Error where cuDNN refuses.
  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count,
           const void* values);
  template <class T>
  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const T& value) {
    set(name, type, 1, &value);
  }
  void set(cudnnBackendAttributeName_t name, const Descriptor& value) {
    set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value.descriptor_);
  }
  void set(cudnnBackendAttributeName_t name, std::span<const Descriptor> values);
  void set(cudnnBackendAttributeName_t name, std::span<const std::int64_t> values) {
    set(name, CUDNN_TYPE_INT64, std::int64_t(values.size()), values.data());
  }
  void finalize();

  /// False where cuDNN does not support what the descriptor describes.
  bool try_finalize();
  /// How many values there are, of which up to `count` are written; 0 where cuDNN refuses.
  std::int64_t get(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count,
                   void* values) const;

  cudnnBackendDescriptor_t get() const { return descriptor_; }

 private:
  cudnnBackendDescriptor_t descriptor_ = nullptr;
};

}  // namespace taper::cuda
