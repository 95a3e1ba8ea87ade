// The driver's calls about graphs and their capture.

#include <algorithm>

#include "driver.h"

namespace yuzui_sim {

void end_capture(const std::shared_ptr<Capture>& capture) {
  for (auto& stream : capture->streams) {
    stream->capture = nullptr;
    stream->follows.clear();
  }
  auto& all = driver().captures;
  all.erase(std::find(all.begin(), all.end(), capture));
}

namespace {

int launch_graph(const std::vector<Command>& nodes) {
  for (const Command& node : nodes) {
    if (int error = node.run()) return error;
  }
  return SUCCESS;
}

}  // namespace
}  // namespace yuzui_sim

using namespace yuzui_sim;

API cuStreamBeginCapture_v2(void* handle, int mode) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  auto stream = find_stream(handle, call.context);
  if (!stream) return ERROR_INVALID_HANDLE;
  if (mode < 0 || mode > 2) return ERROR_INVALID_VALUE;
  if (stream->isLegacy) return ERROR_STREAM_CAPTURE_UNSUPPORTED;
  if (stream->capture) return ERROR_INVALID_VALUE;
  auto capture = std::make_shared<Capture>();
  capture->id = ++driver().lastCapture;
  capture->mode = mode;
  capture->thread = std::this_thread::get_id();
  capture->origin = stream;
  capture->streams.push_back(stream);
  stream->capture = capture;
  driver().captures.push_back(capture);
  return SUCCESS;
}
API cuStreamBeginCapture(void* handle, int mode) { return cuStreamBeginCapture_v2(handle, mode); }

API cuStreamEndCapture(void* handle, void** graphHandle) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  auto stream = find_stream(handle, call.context);
  if (!stream) return ERROR_INVALID_HANDLE;
  *graphHandle = nullptr;
  auto capture = stream->capture;
  if (!capture) return ERROR_INVALID_VALUE;
  if (capture->origin != stream) return ERROR_STREAM_CAPTURE_UNMATCHED;
  if (capture->mode != 2 && capture->thread != std::this_thread::get_id()) return 908;
  stream->follows.resize(capture->nodes.size());
  bool joined = std::all_of(stream->follows.begin(), stream->follows.end(), [](bool b) { return b; });
  end_capture(capture);
  if (capture->invalid) return ERROR_STREAM_CAPTURE_INVALIDATED;
  if (!joined) return ERROR_STREAM_CAPTURE_UNJOINED;
  auto graph = driver().add(std::make_shared<Graph>());
  graph->nodes = std::move(capture->nodes);
  for (size_t i = 0; i < graph->nodes.size(); i++) graph->nodeHandles.push_back(driver().lastHandle += 16);
  *graphHandle = as_handle<void>(*graph);
  return SUCCESS;
}

API cuStreamIsCapturing(void* handle, int* status) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  auto stream = find_stream(handle, call.context);
  if (!stream) return ERROR_INVALID_HANDLE;
  *status = !stream->capture ? 0 : stream->capture->invalid ? 2 : 1;
  return SUCCESS;
}

API cuThreadExchangeStreamCaptureMode(int* mode) {
  thread_local int current = 0;
  if (!mode || *mode < 0 || *mode > 2) return ERROR_INVALID_VALUE;
  std::swap(*mode, current);
  return SUCCESS;
}

API cuGraphCreate(void** handle, unsigned flags) {
  Call call(Call::INITIALISED);
  if (call.error) return call.error;
  if (flags != 0) return ERROR_INVALID_VALUE;
  *handle = as_handle<void>(*driver().add(std::make_shared<Graph>()));
  return SUCCESS;
}

API cuGraphInstantiateWithFlags(void** handle, void* graphHandle, unsigned long long) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  auto graph = driver().find<Graph>(graphHandle);
  if (!graph) return ERROR_INVALID_VALUE;
  auto exec = driver().add(std::make_shared<GraphExec>());
  exec->context = call.context;
  exec->nodes = std::make_shared<std::vector<Command>>(graph->nodes);
  *handle = as_handle<void>(*exec);
  return SUCCESS;
}
API cuGraphInstantiate_v2(void** handle, void* graph, void**, char*, size_t) {
  return cuGraphInstantiateWithFlags(handle, graph, 0);
}
API cuGraphInstantiate(void** handle, void* graph, unsigned long long flags) {
  return cuGraphInstantiateWithFlags(handle, graph, flags);
}
API cuGraphInstantiateWithParams(void** handle, void* graph, void*) { return cuGraphInstantiateWithFlags(handle,
    graph, 0); }

API cuGraphLaunch(void* handle, void* streamHandle) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  auto exec = driver().find<GraphExec>(handle);
  auto stream = find_stream(streamHandle, call.context);
  if (!exec) return ERROR_INVALID_VALUE;
  if (!stream) return ERROR_INVALID_HANDLE;
  auto nodes = exec->nodes;
  return enqueue(stream, {Node::GRAPH, [nodes] { return launch_graph(*nodes); }});
}

API cuGraphUpload(void* handle, void* streamHandle) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  if (!driver().find<GraphExec>(handle)) return ERROR_INVALID_VALUE;
  return find_stream(streamHandle, call.context) ? SUCCESS : ERROR_INVALID_HANDLE;
}

API cuGraphExecDestroy(void* handle) {
  Call call(Call::INITIALISED);
  if (call.error) return call.error;
  auto exec = driver().find<GraphExec>(handle);
  if (!exec) return ERROR_INVALID_VALUE;
  driver().objects.erase(exec->handle);
  return SUCCESS;
}

API cuGraphDestroy(void* handle) {
  Call call(Call::INITIALISED);
  if (call.error) return call.error;
  auto graph = driver().find<Graph>(handle);
  if (!graph) return ERROR_INVALID_VALUE;
  driver().objects.erase(graph->handle);
  return SUCCESS;
}

API cuGraphGetNodes(void* handle, void** nodes, size_t* count) {
  Call call(Call::INITIALISED);
  if (call.error) return call.error;
  auto graph = driver().find<Graph>(handle);
  if (!graph || !count) return ERROR_INVALID_VALUE;
  if (nodes == nullptr) {
    *count = graph->nodes.size();
    return SUCCESS;
  }
  for (size_t i = 0; i < *count; i++) {
    nodes[i] = i < graph->nodeHandles.size() ? reinterpret_cast<void*>(graph->nodeHandles[i]) : nullptr;
  }
  *count = std::min(*count, graph->nodes.size());
  return SUCCESS;
}

API cuGraphNodeGetType(void* node, int* type) {
  Call call(Call::INITIALISED);
  if (call.error) return call.error;
  for (auto& [handle, object] : driver().objects) {
    auto* graph = dynamic_cast<Graph*>(object.get());
    if (!graph) continue;
    for (size_t i = 0; i < graph->nodeHandles.size(); i++) {
      if (graph->nodeHandles[i] != reinterpret_cast<uint64_t>(node)) continue;
      *type = (int)graph->nodes[i].node;
      return SUCCESS;
    }
  }
  return ERROR_INVALID_VALUE;
}
