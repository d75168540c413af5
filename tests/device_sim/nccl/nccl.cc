// The stand-in NCCL: ranks are processes that meet in POSIX shared memory. Each collective compares what the
// ranks ask for; a rank that does not come is an asynchronous error after a while.
#include <fcntl.h>
#include <nccl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <vector>

#include "../ptx/access_checker.h"
#include "../ptx/report.h"
#include "../ptx/values.h"
#include "../runtime/runtime.h"

using namespace device_sim;

namespace {

constexpr size_t kSlot = size_t(8) << 20;  // bytes that a rank can bring to one collective
constexpr int kMostRanks = 16;
constexpr auto kPatience = std::chrono::seconds(20);

enum class Collective : int { all_reduce, reduce_scatter, all_gather, broadcast, reduce, exchange };

struct Request {
  Collective collective;
  ncclDataType_t type;
  ncclRedOp_t operation;
  int root;
  size_t count;
  bool operator==(const Request&) const = default;
};

struct Meeting {
  std::atomic<unsigned> arrived, phase;
  std::atomic<int> aborted;
  Request requests[kMostRanks];
  size_t sent[kMostRanks][kMostRanks];  // bytes, by sender and receiver
  char data[];
};

}  // namespace

struct ncclComm {
  Meeting* meeting = nullptr;
  int rank = 0, size = 1;
  std::atomic<ncclResult_t> error{ncclSuccess};
  char* slot(int number) const { return meeting->data + size_t(number) * kSlot; }
};

namespace {

// A send or a receive of a group; those of all ranks are one collective.
struct Message {
  char* data;
  size_t bytes;
  int rank;
  bool sends;
};

thread_local int group_depth;
thread_local std::vector<std::function<ncclResult_t()>> grouped;
thread_local std::vector<Message> messages;
thread_local ncclComm_t messages_of;
thread_local cudaStream_t messages_on;

size_t bytes_of(ncclDataType_t type) {
  switch (type) {
    case ncclInt8:
    case ncclUint8: return 1;
    case ncclFloat16:
    case ncclBfloat16: return 2;
    case ncclInt32:
    case ncclUint32:
    case ncclFloat32: return 4;
    default: return 8;
  }
}

// True when all ranks have come.
bool meet(ncclComm& comm) {
  Meeting& meeting = *comm.meeting;
  const unsigned phase = meeting.phase;
  if (meeting.arrived.fetch_add(1) + 1 == unsigned(comm.size)) {
    meeting.arrived = 0;
    ++meeting.phase;
    return true;
  }
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (meeting.phase == phase) {
    if (meeting.aborted || std::chrono::steady_clock::now() > deadline) {
      comm.error = ncclRemoteError;
      report("collective", "another rank did not come to a collective");
      return false;
    }
    usleep(20);
  }
  return true;
}

template <class T>
T combined(ncclRedOp_t operation, T a, T b) {
  switch (operation) {
    case ncclProd: return T(a * b);
    case ncclMax: return a > b ? a : b;
    case ncclMin: return a < b ? a : b;
    default: return T(a + b);
  }
}

template <class T>
void reduce_as(const ncclComm& comm, const Request& request, size_t first, void* result) {
  using Sum = std::conditional_t<is_floating<T>, double, T>;
  for (size_t k = 0; k < request.count; ++k) {
    Sum sum = Sum(reinterpret_cast<const T*>(comm.slot(0))[first + k]);
    for (int rank = 1; rank < comm.size; ++rank)
      sum = combined(request.operation, sum, Sum(reinterpret_cast<const T*>(comm.slot(rank))[first + k]));
    if (request.operation == ncclAvg) sum = Sum(sum / Sum(comm.size));
    static_cast<T*>(result)[k] = T(sum);
  }
}

void reduce(const ncclComm& comm, const Request& request, size_t first, void* result) {
  switch (request.type) {
    case ncclInt8: return reduce_as<int8_t>(comm, request, first, result);
    case ncclUint8: return reduce_as<uint8_t>(comm, request, first, result);
    case ncclInt32: return reduce_as<int32_t>(comm, request, first, result);
    case ncclUint32: return reduce_as<uint32_t>(comm, request, first, result);
    case ncclInt64: return reduce_as<int64_t>(comm, request, first, result);
    case ncclUint64: return reduce_as<uint64_t>(comm, request, first, result);
    case ncclFloat16: return reduce_as<Half>(comm, request, first, result);
    case ncclBfloat16: return reduce_as<Bfloat16>(comm, request, first, result);
    case ncclFloat64: return reduce_as<double>(comm, request, first, result);
    default: return reduce_as<float>(comm, request, first, result);
  }
}

bool same_requests(ncclComm& comm) {
  for (int rank = 0; rank < comm.size; ++rank) {
    if (comm.meeting->requests[rank] == comm.meeting->requests[comm.rank]) continue;
    comm.error = ncclInvalidUsage;
    report("collective", "rank " + std::to_string(comm.rank) + " and rank " + std::to_string(rank) +
                             " ask for different collectives");
    return false;
  }
  return true;
}

void finish(ncclComm& comm, const Request& request, void* receive) {
  const size_t bytes = request.count * bytes_of(request.type);
  char* result = DeviceMemory::instance().host_view(static_cast<char*>(receive));
  const bool all = request.collective == Collective::all_gather;
  if (request.collective == Collective::reduce && comm.rank != request.root) return;
  AccessChecker::instance().access_range(receive, bytes * (all ? size_t(comm.size) : 1), true,
                                         "the result of a collective");
  switch (request.collective) {
    case Collective::broadcast: std::memcpy(result, comm.slot(request.root), bytes); break;
    case Collective::all_gather:
      for (int rank = 0; rank < comm.size; ++rank)
        std::memcpy(result + size_t(rank) * bytes, comm.slot(rank), bytes);
      break;
    case Collective::reduce_scatter: reduce(comm, request, size_t(comm.rank) * request.count, result); break;
    default: reduce(comm, request, 0, result);
  }
}

void run(ncclComm& comm, const Request& request, const void* send, void* receive) {
  if (comm.error != ncclSuccess) return;
  const size_t parts = request.collective == Collective::reduce_scatter ? size_t(comm.size) : 1;
  const size_t bytes = request.count * bytes_of(request.type) * parts;
  if (request.collective != Collective::broadcast || comm.rank == request.root) {
    AccessChecker::instance().access_range(send, bytes, false, "what a collective sends");
    std::memcpy(comm.slot(comm.rank), DeviceMemory::instance().host_view(static_cast<const char*>(send)),
                bytes);
  }
  comm.meeting->requests[comm.rank] = request;
  if (!meet(comm)) return;
  const bool same = same_requests(comm);
  if (same) finish(comm, request, receive);
  meet(comm);
}

bool send_all(ncclComm& comm, const std::vector<Message>& list) {
  std::fill_n(comm.meeting->sent[comm.rank], kMostRanks, 0);
  size_t place = 0;
  for (int rank = 0; rank < comm.size; ++rank)
    for (const Message& message : list) {
      if (!message.sends || message.rank != rank) continue;
      if (place + message.bytes > kSlot) return false;
      AccessChecker::instance().access_range(message.data, message.bytes, false, "what a message sends");
      std::memcpy(comm.slot(comm.rank) + place, DeviceMemory::instance().host_view(message.data),
                  message.bytes);
      comm.meeting->sent[comm.rank][rank] += message.bytes;
      place += message.bytes;
    }
  return true;
}

void receive_all(ncclComm& comm, const std::vector<Message>& list) {
  for (const Message& message : list) {
    if (message.sends) continue;
    const size_t* sent = comm.meeting->sent[message.rank];
    if (sent[comm.rank] != message.bytes) {
      comm.error = ncclInvalidUsage;
      report("collective", "rank " + std::to_string(comm.rank) + " expects " + std::to_string(message.bytes) +
                               " bytes from rank " + std::to_string(message.rank) + ", which sends " +
                               std::to_string(sent[comm.rank]));
      continue;
    }
    size_t place = 0;
    for (int rank = 0; rank < comm.rank; ++rank) place += sent[rank];
    AccessChecker::instance().access_range(message.data, message.bytes, true, "a message's contents");
    std::memcpy(DeviceMemory::instance().host_view(message.data), comm.slot(message.rank) + place,
                message.bytes);
  }
}

void run_exchange(ncclComm& comm, const std::vector<Message>& list) {
  if (comm.error != ncclSuccess) return;
  const bool fits = send_all(comm, list);
  comm.meeting->requests[comm.rank] = {Collective::exchange, ncclUint8, ncclSum, 0, 0};
  if (!meet(comm)) return;
  if (fits && same_requests(comm)) receive_all(comm, list);
  meet(comm);
}

ncclResult_t message(void* data, size_t count, ncclDataType_t type, int rank, ncclComm_t comm,
                     cudaStream_t stream, bool sends) {
  if (!comm || rank < 0 || rank >= comm->size || group_depth == 0) return ncclInvalidArgument;
  messages.push_back({static_cast<char*>(data), count * bytes_of(type), rank, sends});
  messages_of = comm;
  messages_on = stream;
  return ncclSuccess;
}

ncclResult_t begin_exchange() {
  Runtime& runtime = Runtime::instance();
  const Lock lock(runtime.mutex);
  const auto list = std::exchange(messages, {});
  const cudaError_t error =
      runtime.enqueue(messages_on, [comm = messages_of, list] { run_exchange(*comm, list); });
  return error ? ncclUnhandledCudaError : ncclSuccess;
}

ncclResult_t collective(const Request& request, const void* send, void* receive, ncclComm_t comm,
                        cudaStream_t stream) {
  if (!comm || request.root < 0 || request.root >= comm->size) return ncclInvalidArgument;
  if (request.count * bytes_of(request.type) * size_t(comm->size) > kSlot) return ncclInvalidArgument;
  const auto enqueue = [=]() -> ncclResult_t {
    Runtime& runtime = Runtime::instance();
    const Lock lock(runtime.mutex);
    const cudaError_t error = runtime.enqueue(stream, [=] { run(*comm, request, send, receive); });
    return error ? ncclUnhandledCudaError : ncclSuccess;
  };
  if (group_depth == 0) return enqueue();
  grouped.push_back(enqueue);
  return ncclSuccess;
}

}  // namespace

extern "C" {

ncclResult_t ncclGetVersion(int* version) {
  *version = NCCL_VERSION_CODE;
  return ncclSuccess;
}
ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  static std::atomic<int> next;
  std::memset(id, 0, sizeof *id);
  std::snprintf(id->internal, sizeof id->internal, "/device_sim_nccl_%d_%d", int(getpid()), next++);
  return ncclSuccess;
}
ncclResult_t ncclCommInitRank(ncclComm_t* comm, int size, ncclUniqueId id, int rank) {
  if (size < 1 || size > kMostRanks || rank < 0 || rank >= size) return ncclInvalidArgument;
  const size_t bytes = sizeof(Meeting) + size_t(size) * kSlot;
  const int file = shm_open(id.internal, O_CREAT | O_RDWR, 0600);
  if (file < 0 || ftruncate(file, off_t(bytes)) != 0) return ncclSystemError;
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (memory == MAP_FAILED) return ncclSystemError;
  auto* made = new ncclComm;
  made->meeting = static_cast<Meeting*>(memory), made->rank = rank, made->size = size;
  *comm = made;
  const bool complete = meet(*made);
  if (rank == 0) shm_unlink(id.internal);
  return complete ? ncclSuccess : ncclRemoteError;
}
ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int size, ncclUniqueId id, int rank, ncclConfig_t*) {
  return ncclCommInitRank(comm, size, id, rank);
}
ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  munmap(comm->meeting, sizeof(Meeting) + size_t(comm->size) * kSlot);
  delete comm;
  return ncclSuccess;
}
ncclResult_t ncclCommFinalize(ncclComm_t) { return ncclSuccess; }
// Its memory stays: another thread may be in a collective.
ncclResult_t ncclCommAbort(ncclComm_t comm) {
  comm->meeting->aborted = 1;
  return ncclSuccess;
}
ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* error) {
  *error = comm->error;
  return ncclSuccess;
}
ncclResult_t ncclCommCount(const ncclComm_t comm, int* count) {
  *count = comm->size;
  return ncclSuccess;
}
ncclResult_t ncclCommUserRank(const ncclComm_t comm, int* rank) {
  *rank = comm->rank;
  return ncclSuccess;
}
ncclResult_t ncclCommCuDevice(const ncclComm_t, int* device) {
  *device = 0;
  return ncclSuccess;
}
const char* ncclGetErrorString(ncclResult_t error) {
  return error == ncclSuccess ? "no error" : "a call failed";
}
const char* ncclGetLastError(ncclComm_t) { return ""; }

ncclResult_t ncclGroupStart() {
  ++group_depth;
  return ncclSuccess;
}
ncclResult_t ncclGroupEnd() {
  if (--group_depth > 0) return ncclSuccess;
  ncclResult_t result = ncclSuccess;
  for (const auto& call : std::exchange(grouped, {}))
    if (const ncclResult_t error = call()) result = error;
  if (!messages.empty())
    if (const ncclResult_t error = begin_exchange()) result = error;
  return result;
}
ncclResult_t ncclSend(const void* data, size_t count, ncclDataType_t type, int rank, ncclComm_t comm,
                      cudaStream_t stream) {
  return message(const_cast<void*>(data), count, type, rank, comm, stream, true);
}
ncclResult_t ncclRecv(void* data, size_t count, ncclDataType_t type, int rank, ncclComm_t comm,
                      cudaStream_t stream) {
  return message(data, count, type, rank, comm, stream, false);
}

ncclResult_t ncclAllReduce(const void* send, void* receive, size_t count, ncclDataType_t type,
                           ncclRedOp_t operation, ncclComm_t comm, cudaStream_t stream) {
  return collective({Collective::all_reduce, type, operation, 0, count}, send, receive, comm, stream);
}
ncclResult_t ncclReduceScatter(const void* send, void* receive, size_t count, ncclDataType_t type,
                               ncclRedOp_t operation, ncclComm_t comm, cudaStream_t stream) {
  return collective({Collective::reduce_scatter, type, operation, 0, count}, send, receive, comm, stream);
}
ncclResult_t ncclAllGather(const void* send, void* receive, size_t count, ncclDataType_t type,
                           ncclComm_t comm, cudaStream_t stream) {
  return collective({Collective::all_gather, type, ncclSum, 0, count}, send, receive, comm, stream);
}
ncclResult_t ncclBroadcast(const void* send, void* receive, size_t count, ncclDataType_t type, int root,
                           ncclComm_t comm, cudaStream_t stream) {
  return collective({Collective::broadcast, type, ncclSum, root, count}, send, receive, comm, stream);
}
ncclResult_t ncclReduce(const void* send, void* receive, size_t count, ncclDataType_t type,
                        ncclRedOp_t operation, int root, ncclComm_t comm, cudaStream_t stream) {
  return collective({Collective::reduce, type, operation, root, count}, send, receive, comm, stream);
}

}  // extern "C"
