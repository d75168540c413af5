// Communicators of NCCL, which is loaded when the first one is made.
#include <dlfcn.h>

#include <chrono>
#include <complex>
#include <cstring>
#include <mutex>
#include <thread>

#include "cuda/runtime.h"

#if __has_include(<nccl.h>)
#include <nccl.h>

namespace taper::cuda {

namespace {

constexpr auto library_name = "libnccl.so.2";

/// The functions that are called.
struct Nccl {
  decltype(&ncclGetUniqueId) get_unique_id;
  decltype(&ncclCommInitRankConfig) init_rank;
  decltype(&ncclCommAbort) abort;
  decltype(&ncclCommGetAsyncError) asynchronous_error;
  decltype(&ncclGetErrorString) text_of;
  decltype(&ncclGetLastError) last_error;
  decltype(&ncclAllReduce) all_reduce;
  decltype(&ncclReduce) reduce;
  decltype(&ncclReduceScatter) reduce_scatter;
  decltype(&ncclBroadcast) broadcast;
  decltype(&ncclAllGather) all_gather;
  decltype(&ncclSend) send;
  decltype(&ncclRecv) receive;
  decltype(&ncclGroupStart) group_start;
  decltype(&ncclGroupEnd) group_end;
};

template <class Function>
void find(void* library, Function& function, const char* name) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  check<DeviceError>(function != nullptr, library_name, " has no function ", name,
                     "; install NCCL 2.14 or newer");
}

Nccl load() {
  void* library = dlopen(library_name, RTLD_NOW | RTLD_LOCAL);
  check<DeviceError>(library != nullptr, "NCCL is not available: ", library ? "" : dlerror(),
                     "; install libnccl2, or use tensors in main memory");
  Nccl nccl;
  find(library, nccl.get_unique_id, "ncclGetUniqueId");
  find(library, nccl.init_rank, "ncclCommInitRankConfig");
  find(library, nccl.abort, "ncclCommAbort");
  find(library, nccl.asynchronous_error, "ncclCommGetAsyncError");
  find(library, nccl.text_of, "ncclGetErrorString");
  find(library, nccl.last_error, "ncclGetLastError");
  find(library, nccl.all_reduce, "ncclAllReduce");
  find(library, nccl.reduce, "ncclReduce");
  find(library, nccl.reduce_scatter, "ncclReduceScatter");
  find(library, nccl.broadcast, "ncclBroadcast");
  find(library, nccl.all_gather, "ncclAllGather");
  find(library, nccl.send, "ncclSend");
  find(library, nccl.receive, "ncclRecv");
  find(library, nccl.group_start, "ncclGroupStart");
  find(library, nccl.group_end, "ncclGroupEnd");
  return nccl;
}

const Nccl& nccl() {
  static const Nccl loaded = load();
  return loaded;
}

/// Elements as NCCL counts them: complex numbers as pairs, bool as bytes.
struct Elements {
  ncclDataType_t type;
  std::int64_t each = 1;
};

Elements elements_of(DType dtype, DeviceReduction reduction) {
  switch (dtype) {
    case float32: return {ncclFloat32};
    case float64: return {ncclFloat64};
    case float16: return {ncclFloat16};
    case bfloat16: return {ncclBfloat16};
    case int8: return {ncclInt8};
    case uint8: return {ncclUint8};
    case int32: return {ncclInt32};
    case uint32: return {ncclUint32};
    case int64: return {ncclInt64};
    case uint64: return {ncclUint64};
    default: break;
  }
  const bool adds = reduction == DeviceReduction::sum || reduction == DeviceReduction::average;
  if (dtype == complex64 && adds) return {ncclFloat32, 2};
  if (dtype == complex128 && adds) return {ncclFloat64, 2};
  // Any of them, or all of them, as 0 or 1.
  if (dtype == boolean && reduction != DeviceReduction::average) return {ncclUint8};
  fail<DTypeError>("NCCL cannot reduce ", dtype, " in this way; convert the tensor with .to()");
}

ncclRedOp_t operation_of(DType dtype, DeviceReduction reduction) {
  const bool logical = dtype == boolean;
  switch (reduction) {
    case DeviceReduction::average: return ncclAvg;
    case DeviceReduction::product: return logical ? ncclMin : ncclProd;
    case DeviceReduction::min: return ncclMin;
    case DeviceReduction::max: return ncclMax;
    default: return logical ? ncclMax : ncclSum;
  }
}

class Communicator final : public DeviceCommunicator {
 public:
  Communicator(const std::string& name, int rank, int size, const std::function<void()>& go_on) {
    ncclUniqueId id;
    check<ValueError>(name.size() == sizeof id.internal, "NCCL: the communicator's name is damaged");
    std::memcpy(id.internal, name.data(), sizeof id.internal);
    // Without blocking, so that a rank that never comes can be given up.
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    const ncclResult_t begun = nccl().init_rank(&communicator_, size, id, rank, &config);
    try {
      finish(begun, "connecting", go_on);
    } catch (...) {
      abort();
      throw;
    }
  }
  ~Communicator() override { abort(); }

  void all_reduce(void* data, std::int64_t count, DType dtype, DeviceReduction reduction) override {
    const Elements elements = elements_of(dtype, reduction);
    run("all_reduce", nccl().all_reduce, data, data, std::size_t(count * elements.each), elements.type,
        operation_of(dtype, reduction));
  }
  void reduce(void* data, std::int64_t count, DType dtype, DeviceReduction reduction, int root) override {
    const Elements elements = elements_of(dtype, reduction);
    run("reduce", nccl().reduce, data, data, std::size_t(count * elements.each), elements.type,
        operation_of(dtype, reduction), root);
  }
  void reduce_scatter(void* output, const void* input, std::int64_t count, DType dtype,
                      DeviceReduction reduction) override {
    const Elements elements = elements_of(dtype, reduction);
    run("reduce_scatter", nccl().reduce_scatter, input, output, std::size_t(count * elements.each),
        elements.type, operation_of(dtype, reduction));
  }
  void broadcast(void* data, std::int64_t bytes, int root) override {
    run("broadcast", nccl().broadcast, data, data, std::size_t(bytes), ncclUint8, root);
  }
  void all_gather(void* output, const void* input, std::int64_t bytes) override {
    run("all_gather", nccl().all_gather, input, output, std::size_t(bytes), ncclUint8);
  }
  void exchange(const std::vector<Message>& sent, const std::vector<Message>& expected) override {
    nccl().group_start();
    ncclResult_t refused = ncclSuccess;
    const auto queue = [&](auto function, const Message& message) {
      const ncclResult_t result =
          call("exchange", function, message.data, std::size_t(message.bytes), ncclUint8, message.rank);
      if (result != ncclSuccess && result != ncclInProgress) refused = result;
    };
    for (const Message& message : sent) queue(nccl().send, message);
    for (const Message& message : expected) queue(nccl().receive, message);
    const ncclResult_t begun = nccl().group_end();
    finish(refused == ncclSuccess ? begun : refused, "exchange", {});
  }

  std::string failure() override {
    const std::lock_guard guard(lock_);
    if (!communicator_) return {};
    ncclResult_t state = ncclSuccess;
    const ncclResult_t asked = nccl().asynchronous_error(communicator_, &state);
    if (asked != ncclSuccess) state = asked;
    return state == ncclSuccess || state == ncclInProgress ? std::string() : text_of(state);
  }
  void abort() noexcept override {
    const std::lock_guard guard(lock_);
    if (communicator_) nccl().abort(communicator_);
    communicator_ = nullptr;
  }

 private:
  template <class Function, class... Arguments>
  ncclResult_t call(const char* what, Function function, Arguments... arguments) {
    const std::lock_guard guard(lock_);
    check<DistributedError>(communicator_ != nullptr, "NCCL: ", what, ": the communicator was given up");
    return function(arguments..., communicator_, runtime().stream_in_use());
  }
  template <class Function, class... Arguments>
  void run(const char* what, Function function, Arguments... arguments) {
    finish(call(what, function, arguments...), what, {});
  }
  /// Waits until NCCL has taken the last call.
  void finish(ncclResult_t result, const char* what, const std::function<void()>& go_on) {
    while (result == ncclInProgress) {
      if (go_on) go_on();
      std::this_thread::sleep_for(std::chrono::microseconds(200));
      const std::lock_guard guard(lock_);
      check<DistributedError>(communicator_ != nullptr, "NCCL: ", what, ": the communicator was given up");
      nccl().asynchronous_error(communicator_, &result);
    }
    check<DistributedError>(result == ncclSuccess, "NCCL: ", what, ": ", text_of(result));
  }
  std::string text_of(ncclResult_t result) const {
    const char* detail = communicator_ ? nccl().last_error(communicator_) : nullptr;
    return concat(nccl().text_of(result), detail && *detail ? ": " : "", detail ? detail : "");
  }

  std::mutex lock_;
  ncclComm_t communicator_ = nullptr;
};

}  // namespace

std::string Runtime::communicator_name() {
  ncclUniqueId id;
  const ncclResult_t result = nccl().get_unique_id(&id);
  check<DistributedError>(result == ncclSuccess, "NCCL: naming a communicator: ", nccl().text_of(result));
  return {id.internal, sizeof id.internal};
}

std::unique_ptr<DeviceCommunicator> Runtime::connect(int device, const std::string& name, int rank, int size,
                                                     const std::function<void()>& go_on) {
  use(device);
  return std::make_unique<Communicator>(name, rank, size, go_on);
}

}  // namespace taper::cuda

#else

namespace taper::cuda {

std::string Runtime::communicator_name() {
  fail<DeviceError>(
      "NCCL is not available: Taper was built where nccl.h was not found; use tensors in main "
      "memory");
}

std::unique_ptr<DeviceCommunicator> Runtime::connect(int, const std::string&, int, int,
                                                     const std::function<void()>&) {
  return communicator_name(), nullptr;
}

}  // namespace taper::cuda

#endif
