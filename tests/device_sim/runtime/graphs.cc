// Stream capture and graphs.
#include <set>

#include "runtime.h"

using namespace device_sim;

namespace {

Runtime& runtime() { return Runtime::instance(); }

// True where every node comes before the end of the stream that began the capture.
bool is_joined(const CUgraph_st& graph, const std::vector<size_t>& tail) {
  std::set<size_t> reached(tail.begin(), tail.end());
  for (size_t node = graph.nodes.size(); node-- > 0;)
    if (reached.count(node)) reached.insert(graph.nodes[node].after.begin(), graph.nodes[node].after.end());
  return reached.size() == graph.nodes.size();
}

}  // namespace

extern "C" {

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode) {
  const Lock lock(runtime().mutex);
  CUstream_st* stream = runtime().stream(handle);
  if (!stream) return remember(cudaErrorInvalidResourceHandle);
  if (stream->id == 0) return remember(cudaErrorStreamCaptureUnsupported);
  if (stream->capture) return remember(cudaErrorIllegalState);
  stream->capture = std::make_shared<CUgraph_st>();
  stream->capture_origin = true;
  stream->capture_tail.clear();
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
  const Lock lock(runtime().mutex);
  CUstream_st* stream = runtime().stream(handle);
  *graph = nullptr;
  if (!stream) return remember(cudaErrorInvalidResourceHandle);
  if (!stream->capture || !stream->capture_origin) return remember(cudaErrorStreamCaptureUnmatched);
  const std::shared_ptr<CUgraph_st> captured = stream->capture;
  const bool joined = is_joined(*captured, stream->capture_tail);
  runtime().end_capture(captured);
  if (!joined) return remember(cudaErrorStreamCaptureUnjoined);
  *graph = new CUgraph_st(*captured);
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  const Lock lock(runtime().mutex);
  const CUstream_st* stream = runtime().stream(handle);
  if (!stream) return remember(cudaErrorInvalidResourceHandle);
  *status = stream->capture ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  *mode = cudaStreamCaptureModeGlobal;
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  const Lock lock(runtime().mutex);
  if (!graph) return remember(cudaErrorInvalidValue);
  *executable = new CUgraphExec_st{graph->nodes};
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* executable, cudaGraph_t graph,
                                          unsigned long long flags) {
  return cudaGraphInstantiate(executable, graph, flags);
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  const Lock lock(runtime().mutex);
  if (!executable) return remember(cudaErrorInvalidValue);
  return remember(runtime().enqueue(stream, [executable] { runtime().run_graph(executable->nodes); }));
}
cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) { return cudaSuccess; }
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t*, size_t* count) {
  *count = graph->nodes.size();
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  const Lock lock(runtime().mutex);
  runtime().synchronize_device();
  delete executable;
  return cudaSuccess;
}

}  // extern "C"
