// The driver's calls about streams, events and launches.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>

#include "driver.h"

namespace yuzui_sim {

namespace {

double milliseconds_now() {
  using namespace std::chrono;
  return duration<double, std::milli>(steady_clock::now().time_since_epoch()).count();
}

void add_follows(std::vector<bool>& to, const std::vector<bool>& from) {
  if (to.size() < from.size()) to.resize(from.size());
  for (size_t i = 0; i < from.size(); i++) {
    if (from[i]) to[i] = true;
  }
}

int refuse_launch(const Kernel* kernel, int error, const std::string& message) {
  std::fprintf(stderr, "cudasim: launch of %s: %s\n", kernel->name, message.c_str());
  return error;
}

// The values of the parameters, one in a slot each, copied at the call.
bool read_parameters(const Kernel& kernel, void** parameters, void** extra, std::vector<uint64_t>& values) {
  values.assign((size_t)std::max(1, kernel.parameters), 0);
  if (kernel.parameters == 0) return true;
  if (parameters != nullptr) {
    for (int i = 0; i < kernel.parameters; i++) {
      if (parameters[i] == nullptr) return false;
      std::memcpy(&values[i], parameters[i], kernel.sizes[i]);
    }
    return true;
  }
  const char* buffer = nullptr;
  size_t bytes = 0;
  for (void** e = extra; e != nullptr && *e != nullptr; e += 2) {
    if (*e == reinterpret_cast<void*>(1)) buffer = static_cast<const char*>(e[1]);
    if (*e == reinterpret_cast<void*>(2)) bytes = *static_cast<size_t*>(e[1]);
  }
  size_t at = 0;
  for (int i = 0; i < kernel.parameters; i++) {
    size_t size = kernel.sizes[i];
    at = (at + size - 1) / size * size;
    if (buffer == nullptr || at + size > bytes) return false;
    std::memcpy(&values[i], buffer + at, size);
    at += size;
  }
  return true;
}

}  // namespace
}  // namespace yuzui_sim

using namespace yuzui_sim;

API cuStreamCreateWithPriority(void** handle, unsigned flags, int priority) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  if (flags > 1) return ERROR_INVALID_VALUE;
  *handle = as_handle<void>(*driver().add(make_stream(call.context, flags, priority)));
  return SUCCESS;
}
API cuStreamCreate(void** handle, unsigned flags) { return cuStreamCreateWithPriority(handle, flags, 0); }

API cuStreamDestroy_v2(void* handle) {
  Call call(Call::RELEASE);
  if (call.error) return call.error;
  auto stream = driver().find<Stream>(handle);
  if (!stream) return ERROR_INVALID_HANDLE;
  if (stream->capture) {
    stream->capture->invalid = true;
    end_capture(stream->capture);
  }
  // The real one lets the work end by itself; here nothing else would run it.
  int error = drain(stream, stream->enqueued);
  auto& streams = stream->context->streams;
  streams.erase(std::remove_if(streams.begin(), streams.end(), [&](auto& weak) { return weak.lock() == stream; }),
                streams.end());
  driver().objects.erase(stream->handle);
  return call.failed ? call.failed : error;
}
API cuStreamDestroy(void* handle) { return cuStreamDestroy_v2(handle); }

API cuStreamSynchronize(void* handle) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  auto stream = find_stream(handle, call.context);
  if (!stream) return ERROR_INVALID_HANDLE;
  if (stream->capture) {
    stream->capture->invalid = true;
    return ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  return drain_stream(stream);
}

// Work that is found waiting runs right after the answer, so that a program that asks again and again ends.
API cuStreamQuery(void* handle) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  auto stream = find_stream(handle, call.context);
  if (!stream) return ERROR_INVALID_HANDLE;
  if (stream->capture) {
    stream->capture->invalid = true;
    return ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  bool waits = stream->done < stream->enqueued;
  int error = drain_stream(stream);
  return error ? error : waits ? ERROR_NOT_READY : SUCCESS;
}

API cuStreamGetCtx(void* handle, void** context) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  auto stream = find_stream(handle, call.context);
  if (!stream) return ERROR_INVALID_HANDLE;
  *context = as_handle<void>(*stream->context);
  return SUCCESS;
}

API cuStreamGetFlags(void* handle, unsigned* flags) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  auto stream = find_stream(handle, call.context);
  if (!stream) return ERROR_INVALID_HANDLE;
  *flags = stream->nonBlocking;
  return SUCCESS;
}

API cuStreamGetPriority(void* handle, int* priority) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  auto stream = find_stream(handle, call.context);
  if (!stream) return ERROR_INVALID_HANDLE;
  *priority = stream->priority;
  return SUCCESS;
}

API cuStreamWaitEvent(void* handle, void* eventHandle, unsigned) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  auto stream = find_stream(handle, call.context);
  auto event = driver().find<Event>(eventHandle);
  if (!stream || !event) return ERROR_INVALID_HANDLE;
  auto mark = event->mark;
  if (!mark) return SUCCESS;
  if (mark->capture) {
    if (stream->isLegacy || mark->capture->invalid || (stream->capture && stream->capture != mark->capture)) {
      mark->capture->invalid = true;
      if (stream->capture) stream->capture->invalid = true;
      return stream->isLegacy ? ERROR_STREAM_CAPTURE_IMPLICIT : ERROR_STREAM_CAPTURE_MERGE;
    }
    // A mark of a capture that has ended stands for nothing that can be waited for.
    if (std::find(driver().captures.begin(), driver().captures.end(), mark->capture) == driver().captures.end()) {
      return ERROR_CAPTURED_EVENT;
    }
    if (!stream->capture) {
      stream->capture = mark->capture;
      mark->capture->streams.push_back(stream);
    }
    add_follows(stream->follows, mark->follows);
    return SUCCESS;
  }
  if (stream->capture) {
    stream->capture->invalid = true;
    return ERROR_STREAM_CAPTURE_ISOLATION;
  }
  return enqueue(stream, {Node::WAIT, [] { return SUCCESS; }, {{mark->stream, mark->position}}});
}

API cuEventCreate(void** handle, unsigned flags) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  auto event = driver().add(std::make_shared<Event>());
  event->context = call.context;
  event->timed = !(flags & 2);
  *handle = as_handle<void>(*event);
  return SUCCESS;
}

API cuEventDestroy_v2(void* handle) {
  Call call(Call::RELEASE);
  if (call.error) return call.error;
  auto event = driver().find<Event>(handle);
  if (!event) return ERROR_INVALID_HANDLE;
  driver().objects.erase(event->handle);
  return call.failed;
}
API cuEventDestroy(void* handle) { return cuEventDestroy_v2(handle); }

API cuEventRecordWithFlags(void* handle, void* streamHandle, unsigned) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  auto stream = find_stream(streamHandle, call.context);
  auto event = driver().find<Event>(handle);
  if (!stream || !event || stream->context != event->context) return ERROR_INVALID_HANDLE;
  auto mark = std::make_shared<Mark>();
  mark->stream = stream;
  if (stream->capture) {
    if (stream->capture->invalid) return ERROR_STREAM_CAPTURE_INVALIDATED;
    mark->capture = stream->capture;
    mark->follows = stream->follows;
  } else {
    Mark* raw = mark.get();
    int error = enqueue(stream, {Node::RECORD, [mark, raw] {
                                   raw->milliseconds = milliseconds_now();
                                   return SUCCESS;
                                 }});
    if (error) return error;
    mark->position = stream->enqueued;
  }
  event->mark = mark;
  return SUCCESS;
}
API cuEventRecord(void* handle, void* stream) { return cuEventRecordWithFlags(handle, stream, 0); }

API cuEventSynchronize(void* handle) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  auto event = driver().find<Event>(handle);
  if (!event) return ERROR_INVALID_HANDLE;
  if (!event->mark) return SUCCESS;
  if (event->mark->capture) {
    event->mark->capture->invalid = true;
    return ERROR_CAPTURED_EVENT;
  }
  return drain(event->mark->stream, event->mark->position);
}

API cuEventQuery(void* handle) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  auto event = driver().find<Event>(handle);
  if (!event) return ERROR_INVALID_HANDLE;
  if (!event->mark) return SUCCESS;
  if (event->mark->capture) return ERROR_CAPTURED_EVENT;
  bool waits = event->mark->stream->done < event->mark->position;
  int error = drain(event->mark->stream, event->mark->position);
  return error ? error : waits ? ERROR_NOT_READY : SUCCESS;
}

API cuEventElapsedTime(float* milliseconds, void* from, void* to) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  auto first = driver().find<Event>(from), last = driver().find<Event>(to);
  if (!first || !last || !first->timed || !last->timed || !first->mark || !last->mark) return ERROR_INVALID_HANDLE;
  if (first->mark->capture || last->mark->capture) return ERROR_CAPTURED_EVENT;
  for (auto& mark : {first->mark, last->mark}) {
    if (mark->stream->done < mark->position) return ERROR_NOT_READY;
  }
  *milliseconds = (float)(last->mark->milliseconds - first->mark->milliseconds);
  return SUCCESS;
}
API cuEventElapsedTime_v2(float* milliseconds, void* from, void* to) {
  return cuEventElapsedTime(milliseconds, from, to);
}

static int launch_kernel(void* handle, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX, unsigned blockY,
                         unsigned blockZ, unsigned shared, void* streamHandle, void** parameters, void** extra,
                         bool programmatic) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  auto function = driver().find<Function>(handle);
  auto stream = find_stream(streamHandle, call.context);
  if (!function || !stream) return ERROR_INVALID_HANDLE;
  const Kernel* kernel = function->kernel;
  if (function->module->context != call.context || stream->context != call.context) {
    return refuse_launch(kernel, ERROR_INVALID_HANDLE,
                         "the function, the stream and the current context are not of one device");
  }
  uint64_t threads = (uint64_t)blockX * blockY * blockZ;
  if (gridX == 0 || gridY == 0 || gridZ == 0 || gridX > INT_MAX || gridY > 65535 || gridZ > 65535) {
    return refuse_launch(kernel, ERROR_INVALID_VALUE,
                         "a grid of (" + std::to_string(gridX) + "," + std::to_string(gridY) + "," +
                             std::to_string(gridZ) + ") blocks; expected at least 1 and at most (2147483647,65535,65535)");
  }
  if (threads == 0 || blockX > 1024 || blockY > 1024 || blockZ > 64 || threads > (uint64_t)kernel->maxThreads) {
    return refuse_launch(kernel, ERROR_INVALID_VALUE,
                         std::to_string(threads) + " threads a block; expected 1 to " +
                             std::to_string(kernel->maxThreads));
  }
  if (shared > (unsigned)function->maxDynamicShared) {
    return refuse_launch(kernel, ERROR_INVALID_VALUE,
                         std::to_string(shared) + " bytes of shared memory; the function's limit is " +
                             std::to_string(function->maxDynamicShared) + ", cuFuncSetAttribute raises it");
  }
  Launch launch{kernel, {gridX, gridY, gridZ}, {blockX, blockY, blockZ}, shared, {}, call.context->device,
                programmatic};
  if (!read_parameters(*kernel, parameters, extra, launch.values)) {
    return refuse_launch(kernel, ERROR_INVALID_VALUE,
                         "fewer parameters than the " + std::to_string(kernel->parameters) + " that it has");
  }
  auto context = call.context;
  return enqueue(stream, {Node::KERNEL, [launch, context] { return run_launch(launch, *context); }});
}

API cuLaunchKernel(void* handle, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX, unsigned blockY,
                   unsigned blockZ, unsigned shared, void* stream, void** parameters, void** extra) {
  return launch_kernel(handle, gridX, gridY, gridZ, blockX, blockY, blockZ, shared, stream, parameters, extra, false);
}

// CUlaunchConfig and CUlaunchAttribute of cuda.h.
struct LaunchAttribute {
  unsigned id;
  char pad[4];
  union {
    char bytes[64];
    int value;
  };
};
struct LaunchConfig {
  unsigned gridX, gridY, gridZ, blockX, blockY, blockZ, shared;
  void* stream;
  const LaunchAttribute* attributes;
  unsigned count;
};
static_assert(sizeof(LaunchAttribute) == 72 && sizeof(LaunchConfig) == 56, "as in cuda.h");

API cuLaunchKernelEx(const LaunchConfig* config, void* handle, void** parameters, void** extra) {
  bool programmatic = false;
  for (unsigned i = 0; i < config->count; i++) {
    constexpr unsigned PROGRAMMATIC_STREAM_SERIALIZATION = 6;
    if (config->attributes[i].id != PROGRAMMATIC_STREAM_SERIALIZATION) return ERROR_NOT_SUPPORTED;
    programmatic = config->attributes[i].value != 0;
  }
  // A driver that knows such launches, and none in graphs: before CUDA 12.3.
  if (programmatic && driver().options.driver < 12030) {
    Call call(Call::CONTEXT);
    if (call.error) return call.error;
    auto stream = find_stream(config->stream, call.context);
    if (stream && stream->capture) {
      stream->capture->invalid = true;
      return ERROR_NOT_SUPPORTED;
    }
  }
  if (programmatic && driver().options.refuseEarly) return ERROR_NOT_SUPPORTED;
  return launch_kernel(handle, config->gridX, config->gridY, config->gridZ, config->blockX, config->blockY, config->blockZ,
                       config->shared, config->stream, parameters, extra, programmatic);
}

API cuLaunchHostFunc(void* handle, void (*function)(void*), void* data) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  auto stream = find_stream(handle, call.context);
  if (!stream) return ERROR_INVALID_HANDLE;
  if (!function) return ERROR_INVALID_VALUE;
  return enqueue(stream, {Node::HOST, [=] {
                            function(data);
                            return SUCCESS;
                          }});
}

API cuStreamAddCallback(void* handle, void (*function)(void*, int, void*), void* data, unsigned) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  auto stream = find_stream(handle, call.context);
  if (!stream) return ERROR_INVALID_HANDLE;
  if (stream->capture) return ERROR_STREAM_CAPTURE_UNSUPPORTED;
  return enqueue(stream, {Node::HOST, [=] {
                            function(handle, SUCCESS, data);
                            return SUCCESS;
                          }});
}
