// Recurrent networks of the stand-in cuDNN. It refuses what the library refuses (which the real one tells
// without a device for descriptors, and whose checks NVIDIA's documentation lists for the rest) and takes
// sequences only as packed rows. What forward leaves in the reserve space says of which network and lengths
// it is and which pass wrote it last; passes that do not fit to it are findings. DEVICE_SIM_CUDNN_LACKS names
// a pass that is not supported.
#include <cudnn_adv.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <optional>

#include "../ptx/access_checker.h"
#include "../ptx/report.h"
#include "../runtime/runtime.h"
#include "library.h"
#include "recurrent_network.h"

struct cudnnTensorStruct {
  cudnnDataType_t type = CUDNN_DATA_FLOAT;
  std::vector<int> sizes;
  bool dense = false;
};
struct cudnnDropoutStruct {
  bool set = false;
};
struct cudnnRNNStruct {
  std::optional<device_sim::Rnn> rnn;
};
struct cudnnRNNDataStruct {
  cudnnDataType_t type = CUDNN_DATA_FLOAT;
  int steps = 0, width = 0;
  device_sim::Sequences sequences;
};

using namespace device_sim;

namespace {

void require(bool fits, const char* what) {
  if (!fits) throw Refused(what);
}
void support(bool fits, const char* what) {
  if (!fits) throw Unsupported(what);
}

void support_pass(const char* pass) {
  const char* lacking = std::getenv("DEVICE_SIM_CUDNN_LACKS");
  support(!lacking || std::strcmp(lacking, pass) != 0, "this pass is not here");
}

const Rnn& network_of(cudnnRNNDescriptor_t descriptor) {
  require(descriptor && descriptor->rnn, "a network is not described");
  return *descriptor->rnn;
}

constexpr size_t work_bytes = 384;
// Which pass wrote the reserve space last, and what it is of.
constexpr size_t head_numbers = 2;
enum Pass { training = 1, data_gradients = 2 };

double mark_of(const Rnn& rnn, const Sequences& s) {
  size_t mark = 17;
  for (const int number : {int(rnn.cell), int(rnn.type), int(rnn.biases), rnn.math, rnn.directions,
                           rnn.inputs, rnn.hidden, rnn.outputs, rnn.layers})
    mark = mark * 31 + size_t(number);
  for (const int length : s.lengths) mark = mark * 31 + size_t(length);
  return double(mark % (size_t(1) << 50));
}

size_t reserve_bytes(const Rnn& rnn, const Sequences& s) {
  size_t numbers = head_numbers;
  Kept kept(rnn, s.rows());
  for (const Numbers* list : kept.all()) numbers += list->size();
  return numbers * sizeof(double);
}

Numbers read(const void* data, cudnnDataType_t type, int64_t count, const char* what) {
  if (!data) return {};
  AccessChecker::instance().access_range(data, size_t(count * bytes_of(type)), false, what);
  Numbers numbers;
  for (int64_t i = 0; i < count; ++i)
    numbers.push_back(load(DeviceMemory::instance().host_view(data), type, i));
  return numbers;
}

void write(void* data, cudnnDataType_t type, const Numbers& numbers, const char* what) {
  if (!data) return;
  AccessChecker::instance().access_range(data, numbers.size() * size_t(bytes_of(type)), true, what);
  for (size_t i = 0; i < numbers.size(); ++i)
    store(DeviceMemory::instance().host_view(data), type, int64_t(i), numbers[i]);
}

// The space of weights is read and written but for the gaps in it.
template <class F>
void each_weight(const Rnn& rnn, F&& f) {
  for (int p = 0; p < rnn.pseudo_layers(); ++p)
    for (int m = 0; m < rnn.matrices(); ++m) {
      f(rnn.place_of_matrix(p, m), int64_t(rnn.rows_of(m)) * rnn.columns_of(p, m));
      if (rnn.biases && m < 2 * rnn.gates()) f(rnn.place_of_bias(p, m), int64_t(rnn.hidden));
    }
}

Numbers read_weights(const Rnn& rnn, const void* space) {
  Numbers weights(size_t(rnn.weight_count()), 0.0);
  each_weight(rnn, [&](int64_t place, int64_t count) {
    const Numbers part =
        read(static_cast<const char*>(space) + place * bytes_of(rnn.type), rnn.type, count, "a weight");
    std::copy(part.begin(), part.end(), weights.begin() + place);
  });
  return weights;
}

void write_weights(const Rnn& rnn, void* space, const Numbers& weights) {
  each_weight(rnn, [&](int64_t place, int64_t count) {
    write(static_cast<char*>(space) + place * bytes_of(rnn.type), rnn.type,
          Numbers(weights.begin() + place, weights.begin() + place + count), "the gradient of a weight");
  });
}

void save(const Rnn& rnn, const Sequences& s, void* reserve, Pass pass, Kept& kept) {
  Numbers all{double(pass), mark_of(rnn, s)};
  for (const Numbers* list : kept.all()) all.insert(all.end(), list->begin(), list->end());
  write(reserve, CUDNN_DATA_DOUBLE, all, "the reserve space");
}

void restore(const Rnn& rnn, const Sequences& s, const void* reserve, Pass expected, Kept& kept) {
  const Numbers all =
      read(reserve, CUDNN_DATA_DOUBLE, int64_t(reserve_bytes(rnn, s) / sizeof(double)), "the reserve space");
  if (all[0] != double(expected) || all[1] != mark_of(rnn, s))
    report("reserve space",
           "it is of another network or lengths, or the pass before this one did not write it");
  size_t at = head_numbers;
  for (Numbers* list : kept.all()) {
    std::copy_n(all.begin() + std::ptrdiff_t(at), list->size(), list->begin());
    at += list->size();
  }
}

// What all passes are called with.
struct Call {
  cudnnHandle_t handle;
  Rnn rnn;
  Sequences sequences;

  Call(cudnnHandle_t given, cudnnRNNDescriptor_t descriptor, const int32_t* device_lengths,
       cudnnRNNDataDescriptor_t x, cudnnRNNDataDescriptor_t y)
      : handle(given), rnn(network_of(descriptor)) {
    require(handle && x && y && !x->sequences.lengths.empty() && !y->sequences.lengths.empty(),
            "a handle or sequences are missing");
    require(!device_lengths, "lengths are not to be given twice");
    require(x->type == rnn.type && y->type == rnn.type, "sequences are of another type");
    require(x->width == rnn.inputs, "x has another width");
    require(y->width == rnn.directions * rnn.outputs, "y has another width");
    require(x->sequences.lengths == y->sequences.lengths, "x and y have other lengths");
    sequences = x->sequences;
  }

  int64_t count(int width) const { return rnn.pseudo_layers() * sequences.count() * width; }
  void check_states(cudnnTensorDescriptor_t states, int width) const {
    require(states && states->dense && states->type == rnn.type, "states are not dense, or of another type");
    require(states->sizes == std::vector<int>{rnn.pseudo_layers(), int(sequences.count()), width},
            "states have other sizes");
  }
  void check_cells(cudnnTensorDescriptor_t cells, std::initializer_list<const void*> addresses) const {
    if (rnn.cell == CUDNN_LSTM) return check_states(cells, rnn.hidden);
    for (const void* address : addresses) require(!address, "cells without an LSTM");
  }
  void check_weights(size_t bytes, const void* space) const {
    require(space && bytes >= size_t(rnn.weight_count() * bytes_of(rnn.type)), "too little space of weights");
  }
  void check_temporary(size_t work, const void* workspace, size_t reserve, const void* reserve_space) const {
    require(workspace && work >= work_bytes, "too little work space");
    require(!reserve_space == !reserve && (!reserve || reserve >= reserve_bytes(rnn, sequences)),
            "too little reserve space");
  }

  // Puts a pass into the handle's stream.
  void enqueue(const char* pass, void* workspace, std::function<void()> run) const {
    log_execution(std::string("recurrent_") + pass, rnn.math);
    Runtime& runtime = Runtime::instance();
    const Lock lock(runtime.mutex);
    if (runtime.enqueue(handle->stream, [=] {
          AccessChecker::instance().access_range(workspace, work_bytes, true, "the work space");
          run();
        }))
      throw Refused("the stream does not take it");
  }
};

void set_network(cudnnRNNDescriptor_t descriptor, cudnnRNNAlgo_t algorithm, Rnn rnn,
                 cudnnRNNBiasMode_t biases, cudnnRNNInputMode_t input, cudnnDataType_t sums,
                 cudnnDropoutDescriptor_t dropout, uint32_t flags) {
  require(descriptor != nullptr, "a descriptor is missing");
  require(rnn.inputs > 0 && rnn.hidden > 0 && rnn.outputs > 0 && rnn.layers > 0, "sizes must be positive");
  support(rnn.outputs == rnn.hidden || (rnn.cell == CUDNN_LSTM && rnn.outputs < rnn.hidden), "no projection");
  const bool half_sums = rnn.type == CUDNN_DATA_HALF && sums == CUDNN_DATA_HALF;
  const bool float_sums = rnn.type != CUDNN_DATA_DOUBLE && sums == CUDNN_DATA_FLOAT;
  support(half_sums || float_sums || (rnn.type == CUDNN_DATA_DOUBLE && sums == CUDNN_DATA_DOUBLE),
          "no such precision");
  support(!half_sums && rnn.math != CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION, "sums are not exact enough here");
  support(algorithm == CUDNN_RNN_ALGO_STANDARD && input == CUDNN_LINEAR_INPUT && flags == 0,
          "no such algorithm here");
  support(biases == CUDNN_RNN_NO_BIAS || biases == CUDNN_RNN_DOUBLE_BIAS, "no such biases here");
  require(!dropout || dropout->set, "dropout is not described");
  rnn.biases = biases == CUDNN_RNN_DOUBLE_BIAS;
  rnn.tf32 = rnn.math != CUDNN_FMA_MATH;
  descriptor->rnn = rnn;
}

void set_tensor(cudnnTensorDescriptor_t descriptor, cudnnDataType_t type, int count, const int* sizes,
                const int* strides) {
  require(descriptor && count >= 3 && count <= 8, "a tensor has 3 to 8 sizes");
  descriptor->type = type;
  descriptor->sizes.assign(sizes, sizes + count);
  descriptor->dense = true;
  for (int d = count - 1, stride = 1; d >= 0; stride *= sizes[d--]) {
    require(sizes[d] > 0 && strides[d] > 0, "sizes and strides must be positive");
    descriptor->dense &= strides[d] == stride;
  }
}

}  // namespace

extern "C" {

cudnnStatus_t cudnnCreateTensorDescriptor(cudnnTensorDescriptor_t* made) {
  *made = new cudnnTensorStruct;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetTensorNdDescriptor(cudnnTensorDescriptor_t descriptor, cudnnDataType_t type, int count,
                                         const int sizes[], const int strides[]) {
  return guarded([&] { set_tensor(descriptor, type, count, sizes, strides); });
}
cudnnStatus_t cudnnDestroyTensorDescriptor(cudnnTensorDescriptor_t descriptor) {
  delete descriptor;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnCreateDropoutDescriptor(cudnnDropoutDescriptor_t* made) {
  *made = new cudnnDropoutStruct;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetDropoutDescriptor(cudnnDropoutDescriptor_t descriptor, cudnnHandle_t handle,
                                        float dropout, void*, size_t, unsigned long long) {
  return guarded([&] {
    require(handle && descriptor, "a handle or descriptor is missing");
    support(dropout == 0, "no dropout here");
    descriptor->set = true;
  });
}
cudnnStatus_t cudnnDestroyDropoutDescriptor(cudnnDropoutDescriptor_t descriptor) {
  delete descriptor;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnCreateRNNDescriptor(cudnnRNNDescriptor_t* made) {
  *made = new cudnnRNNStruct;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetRNNDescriptor_v8(cudnnRNNDescriptor_t descriptor, cudnnRNNAlgo_t algorithm,
                                       cudnnRNNMode_t cell, cudnnRNNBiasMode_t biases,
                                       cudnnDirectionMode_t directions, cudnnRNNInputMode_t input,
                                       cudnnDataType_t type, cudnnDataType_t sums, cudnnMathType_t math,
                                       int32_t inputs, int32_t hidden, int32_t projected, int32_t layers,
                                       cudnnDropoutDescriptor_t dropout, uint32_t flags) {
  return guarded([&] {
    const Rnn rnn{.cell = cell,
                  .type = type,
                  .directions = directions == CUDNN_BIDIRECTIONAL ? 2 : 1,
                  .inputs = inputs,
                  .hidden = hidden,
                  .outputs = projected,
                  .layers = layers,
                  .math = int(math)};
    set_network(descriptor, algorithm, rnn, biases, input, sums, dropout, flags);
  });
}
cudnnStatus_t cudnnDestroyRNNDescriptor(cudnnRNNDescriptor_t descriptor) {
  delete descriptor;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnCreateRNNDataDescriptor(cudnnRNNDataDescriptor_t* made) {
  *made = new cudnnRNNDataStruct;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetRNNDataDescriptor(cudnnRNNDataDescriptor_t descriptor, cudnnDataType_t type,
                                        cudnnRNNDataLayout_t layout, int steps, int count, int width,
                                        const int lengths[], void*) {
  return guarded([&] {
    require(descriptor && steps > 0 && count > 0 && width > 0, "sizes must be positive");
    support(layout == CUDNN_RNN_DATA_LAYOUT_SEQ_MAJOR_PACKED, "no such layout here");
    const std::vector<int> all(lengths, lengths + count);
    require(all[0] == steps && all.back() > 0 && std::is_sorted(all.rbegin(), all.rend()),
            "lengths of packed sequences must fall, from the number of steps");
    *descriptor = {type, steps, width, {all}};
  });
}
cudnnStatus_t cudnnDestroyRNNDataDescriptor(cudnnRNNDataDescriptor_t descriptor) {
  delete descriptor;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnGetRNNTempSpaceSizes(cudnnHandle_t handle, cudnnRNNDescriptor_t descriptor,
                                        cudnnForwardMode_t mode, cudnnRNNDataDescriptor_t x, size_t* work,
                                        size_t* reserve) {
  return guarded([&] {
    const Rnn& rnn = network_of(descriptor);
    require(handle && x && x->type == rnn.type && x->width == rnn.inputs, "x is of another network");
    *work = work_bytes;
    *reserve = mode == CUDNN_FWD_MODE_TRAINING ? reserve_bytes(rnn, x->sequences) : 0;
  });
}
cudnnStatus_t cudnnGetRNNWeightSpaceSize(cudnnHandle_t handle, cudnnRNNDescriptor_t descriptor,
                                         size_t* bytes) {
  return guarded([&] {
    const Rnn& rnn = network_of(descriptor);
    require(handle, "a handle is missing");
    *bytes = size_t(rnn.weight_count() * bytes_of(rnn.type));
  });
}
cudnnStatus_t cudnnGetRNNWeightParams(cudnnHandle_t handle, cudnnRNNDescriptor_t descriptor, int32_t pseudo,
                                      size_t bytes, const void* space, int32_t matrix,
                                      cudnnTensorDescriptor_t matrix_descriptor, void** matrix_address,
                                      cudnnTensorDescriptor_t bias_descriptor, void** bias_address) {
  return guarded([&] {
    const Rnn& rnn = network_of(descriptor);
    require(handle && space && matrix_descriptor && bias_descriptor && matrix_address && bias_address,
            "an argument is missing");
    require(pseudo >= 0 && pseudo < rnn.pseudo_layers() && matrix >= 0 && matrix < rnn.matrices(),
            "there is no such weight");
    require(bytes == size_t(rnn.weight_count() * bytes_of(rnn.type)), "the space has another size");
    const auto address = [&](int64_t place) {
      return static_cast<char*>(const_cast<void*>(space)) + place * bytes_of(rnn.type);
    };
    *matrix_address = address(rnn.place_of_matrix(pseudo, matrix));
    *matrix_descriptor = {rnn.type, {1, rnn.rows_of(matrix), rnn.columns_of(pseudo, matrix)}, true};
    const bool has_bias = rnn.biases && matrix < 2 * rnn.gates();
    *bias_address = has_bias ? address(rnn.place_of_bias(pseudo, matrix)) : nullptr;
    *bias_descriptor = {rnn.type, {1, has_bias ? rnn.hidden : 0, 1}, true};
  });
}

cudnnStatus_t cudnnRNNForward(cudnnHandle_t handle, cudnnRNNDescriptor_t descriptor, cudnnForwardMode_t mode,
                              const int32_t device_lengths[], cudnnRNNDataDescriptor_t x_rows, const void* x,
                              cudnnRNNDataDescriptor_t y_rows, void* y, cudnnTensorDescriptor_t states,
                              const void* h, void* last_h, cudnnTensorDescriptor_t cells, const void* c,
                              void* last_c, size_t weight_bytes, const void* weights, size_t work,
                              void* workspace, size_t reserve, void* reserve_space) {
  return guarded([&] {
    support_pass("forward");
    const Call call(handle, descriptor, device_lengths, x_rows, y_rows);
    const Rnn rnn = call.rnn;
    require(x && y, "x or y is missing");
    call.check_states(states, rnn.outputs), call.check_cells(cells, {c, last_c});
    call.check_weights(weight_bytes, weights);
    call.check_temporary(work, workspace, reserve, reserve_space);
    const bool trains = mode == CUDNN_FWD_MODE_TRAINING;
    require(!trains || reserve_space, "training needs a reserve space");
    call.enqueue(trains ? "training" : "inference", workspace, [=] {
      const Sequences& s = call.sequences;
      Kept kept(rnn, s.rows());
      const Data in{read(x, rnn.type, s.rows() * rnn.inputs, "x"),
                    read(h, rnn.type, call.count(rnn.outputs), "h"),
                    read(c, rnn.type, call.count(rnn.hidden), "c")};
      const Data out = forward(rnn, s, read_weights(rnn, weights), in, kept);
      write(y, rnn.type, out.rows, "y"), write(last_h, rnn.type, out.h, "the last h");
      write(last_c, rnn.type, out.c, "the last c");
      if (trains) save(rnn, s, reserve_space, training, kept);
    });
  });
}

cudnnStatus_t cudnnRNNBackwardData_v8(cudnnHandle_t handle, cudnnRNNDescriptor_t descriptor,
                                      const int32_t device_lengths[], cudnnRNNDataDescriptor_t y_rows,
                                      const void* y, const void* dy, cudnnRNNDataDescriptor_t x_rows,
                                      void* dx, cudnnTensorDescriptor_t states, const void* h,
                                      const void* dlast_h, void* dh, cudnnTensorDescriptor_t cells,
                                      const void* c, const void* dlast_c, void* dc, size_t weight_bytes,
                                      const void* weights, size_t work, void* workspace, size_t reserve,
                                      void* reserve_space) {
  return guarded([&] {
    support_pass("data");
    const Call call(handle, descriptor, device_lengths, x_rows, y_rows);
    const Rnn rnn = call.rnn;
    require(y && dy && dx && reserve_space, "an operand is missing");
    call.check_states(states, rnn.outputs), call.check_cells(cells, {c, dlast_c, dc});
    call.check_weights(weight_bytes, weights);
    call.check_temporary(work, workspace, reserve, reserve_space);
    call.enqueue("data", workspace, [=] {
      const Sequences& s = call.sequences;
      Kept kept(rnn, s.rows());
      restore(rnn, s, reserve_space, training, kept);
      const int64_t rows = s.rows() * rnn.directions * rnn.outputs;
      read(y, rnn.type, rows, "y");
      const Data in{{},
                    read(h, rnn.type, call.count(rnn.outputs), "h"),
                    read(c, rnn.type, call.count(rnn.hidden), "c")};
      const Data gradients{read(dy, rnn.type, rows, "dy"),
                           read(dlast_h, rnn.type, call.count(rnn.outputs), "the gradient of the last h"),
                           read(dlast_c, rnn.type, call.count(rnn.hidden), "the gradient of the last c")};
      const Data result = backward_data(rnn, s, read_weights(rnn, weights), in, gradients, kept);
      write(dx, rnn.type, result.rows, "dx"), write(dh, rnn.type, result.h, "dh");
      write(dc, rnn.type, result.c, "dc");
      save(rnn, s, reserve_space, data_gradients, kept);
    });
  });
}

cudnnStatus_t cudnnRNNBackwardWeights_v8(cudnnHandle_t handle, cudnnRNNDescriptor_t descriptor,
                                         cudnnWgradMode_t mode, const int32_t device_lengths[],
                                         cudnnRNNDataDescriptor_t x_rows, const void* x,
                                         cudnnTensorDescriptor_t states, const void* h,
                                         cudnnRNNDataDescriptor_t y_rows, const void* y, size_t weight_bytes,
                                         void* dweights, size_t work, void* workspace, size_t reserve,
                                         void* reserve_space) {
  return guarded([&] {
    support_pass("weights");
    const Call call(handle, descriptor, device_lengths, x_rows, y_rows);
    const Rnn rnn = call.rnn;
    support(mode == CUDNN_WGRAD_MODE_ADD, "gradients of weights are added");
    require(x && y && reserve_space, "an operand is missing");
    call.check_states(states, rnn.outputs);
    call.check_weights(weight_bytes, dweights);
    call.check_temporary(work, workspace, reserve, reserve_space);
    call.enqueue("weights", workspace, [=] {
      const Sequences& s = call.sequences;
      Kept kept(rnn, s.rows());
      restore(rnn, s, reserve_space, data_gradients, kept);
      read(y, rnn.type, s.rows() * rnn.directions * rnn.outputs, "y");
      const Data in{
          read(x, rnn.type, s.rows() * rnn.inputs, "x"), read(h, rnn.type, call.count(rnn.outputs), "h"), {}};
      Numbers sums = read_weights(rnn, dweights);
      backward_weights(rnn, s, in, kept, sums);
      write_weights(rnn, dweights, sums);
    });
  });
}
}
