// Streams, events, host functions: the part of the runtime's API about order.
#include <chrono>

#include "../ptx/report.h"
#include "runtime.h"

using namespace device_sim;

namespace {

Runtime& runtime() { return Runtime::instance(); }

double now() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

bool usable(cudaEvent_t event) {
  if (event && !event->destroyed) return true;
  report("destroyed-handle", "use of a destroyed event");
  return false;
}

// Waiting for a stream while it is captured is an error, as is waiting for the device while any is.
cudaError_t synchronize_stream(cudaStream_t handle) {
  CUstream_st* stream = runtime().stream(handle);
  if (!stream) return cudaErrorInvalidResourceHandle;
  if (stream->capture) return cudaErrorStreamCaptureUnsupported;
  return runtime().synchronize(runtime().clock_of(*stream));
}

}  // namespace

extern "C" {

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned int flags, int priority) {
  const Lock lock(runtime().mutex);
  *stream = runtime().create_stream(!(flags & cudaStreamNonBlocking), priority);
  return cudaSuccess;
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int flags) {
  return cudaStreamCreateWithPriority(stream, flags, 0);
}
cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithPriority(stream, 0, 0); }

cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  const Lock lock(runtime().mutex);
  CUstream_st* stream = runtime().stream(handle);
  if (!stream || stream->id == 0) return remember(cudaErrorInvalidResourceHandle);
  runtime().destroy_stream(stream);
  return cudaSuccess;
}

cudaError_t cudaStreamGetPriority(cudaStream_t stream, int* priority) {
  const Lock lock(runtime().mutex);
  *priority = stream ? stream->priority : 0;
  return cudaSuccess;
}
cudaError_t cudaStreamGetFlags(cudaStream_t stream, unsigned int* flags) {
  const Lock lock(runtime().mutex);
  *flags = stream && !stream->blocking ? cudaStreamNonBlocking : cudaStreamDefault;
  return cudaSuccess;
}
cudaError_t cudaStreamGetDevice(cudaStream_t, int* device) {
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaStreamGetId(cudaStream_t handle, unsigned long long* id) {
  const Lock lock(runtime().mutex);
  const CUstream_st* stream = runtime().stream(handle);
  if (stream) *id = stream->id;
  return remember(stream ? cudaSuccess : cudaErrorInvalidResourceHandle);
}
cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = 0, *greatest = -5;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const Lock lock(runtime().mutex);
  return remember(synchronize_stream(stream));
}
cudaError_t cudaDeviceSynchronize() {
  const Lock lock(runtime().mutex);
  if (runtime().any_capture()) return remember(cudaErrorStreamCaptureUnsupported);
  return remember(runtime().synchronize_device());
}
cudaError_t cudaStreamQuery(cudaStream_t handle) {
  const Lock lock(runtime().mutex);
  CUstream_st* stream = runtime().stream(handle);
  if (!stream) return remember(cudaErrorInvalidResourceHandle);
  if (stream->capture) return remember(cudaErrorStreamCaptureUnsupported);
  if (!runtime().query(runtime().clock_of(*stream))) return cudaErrorNotReady;
  return remember(runtime().sticky);
}

cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned int) {
  const Lock lock(runtime().mutex);
  CUstream_st* stream = runtime().stream(handle);
  if (!stream || !usable(event)) return remember(cudaErrorInvalidResourceHandle);
  if (event->capture) {
    if (stream->capture && stream->capture != event->capture) return remember(cudaErrorStreamCaptureMerge);
    stream->capture = event->capture;
    stream->capture_tail.insert(stream->capture_tail.end(), event->capture_tail.begin(),
                                event->capture_tail.end());
    return cudaSuccess;
  }
  if (stream->capture && !event->at.empty()) return remember(cudaErrorStreamCaptureIsolation);
  join(stream->known, event->at);
  return cudaSuccess;
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data) {
  const Lock lock(runtime().mutex);
  return remember(runtime().enqueue(stream, [=] { function(data); }));
}
cudaError_t cudaStreamAddCallback(cudaStream_t stream, cudaStreamCallback_t callback, void* data,
                                  unsigned int) {
  const Lock lock(runtime().mutex);
  return remember(runtime().enqueue(stream, [=] { callback(stream, runtime().sticky, data); }));
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int flags) {
  *event = new CUevent_st;
  (*event)->timing = !(flags & cudaEventDisableTiming);
  return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, 0); }

// Kept, so that a later use is seen.
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const Lock lock(runtime().mutex);
  if (!usable(event)) return remember(cudaErrorInvalidResourceHandle);
  event->destroyed = true;
  return cudaSuccess;
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t handle, unsigned int) {
  const Lock lock(runtime().mutex);
  CUstream_st* stream = runtime().stream(handle);
  if (!stream || !usable(event)) return remember(cudaErrorInvalidResourceHandle);
  event->capture = stream->capture;
  if (stream->capture) {
    event->capture_tail = stream->capture_tail;
    return cudaSuccess;
  }
  const cudaError_t error =
      runtime().enqueue(handle, [event] { event->milliseconds = now() + runtime().pretended; });
  event->at = runtime().stream(handle)->known;
  return remember(error);
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return cudaEventRecordWithFlags(event, stream, 0);
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const Lock lock(runtime().mutex);
  if (!usable(event)) return remember(cudaErrorInvalidResourceHandle);
  if (event->capture) return remember(cudaErrorCapturedEvent);
  return remember(runtime().synchronize(event->at));
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  const Lock lock(runtime().mutex);
  if (!usable(event)) return remember(cudaErrorInvalidResourceHandle);
  if (event->capture) return remember(cudaErrorCapturedEvent);
  if (!runtime().query(event->at)) return cudaErrorNotReady;
  return remember(runtime().sticky);
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  const Lock lock(runtime().mutex);
  if (!usable(start) || !usable(end) || !start->timing || !end->timing)
    return remember(cudaErrorInvalidResourceHandle);
  if (start->at.empty() || end->at.empty()) return remember(cudaErrorInvalidResourceHandle);
  if (!runtime().query(start->at) || !runtime().query(end->at)) return remember(cudaErrorNotReady);
  *milliseconds = float(end->milliseconds - start->milliseconds);
  return cudaSuccess;
}

}  // extern "C"
