// Work waits in its stream until something synchronises with it; then it runs, after what it depends on, on one thread.

#include <algorithm>
#include <cstdio>

#include "driver.h"

namespace yuzui_sim {

namespace {

// The thread that everything runs on: no thread of the program's runtime sees a fiber's stack.
struct Worker {
  std::mutex lock;
  std::condition_variable changed;
  const std::function<void()>* work = nullptr;
  std::thread::id id;
  bool started = false;

  void serve() {
    std::unique_lock<std::mutex> held(lock);
    id = std::this_thread::get_id();
    started = true;
    changed.notify_all();
    while (true) {
      changed.wait(held, [&] { return work != nullptr; });
      const auto* now = work;
      held.unlock();
      (*now)();
      held.lock();
      work = nullptr;
      changed.notify_all();
    }
  }
};

Worker& worker() {
  static auto* it = [] {
    auto* w = new Worker;
    std::thread([w] { w->serve(); }).detach();
    std::unique_lock<std::mutex> held(w->lock);
    w->changed.wait(held, [w] { return w->started; });
    return w;
  }();
  return *it;
}

void run_up_to(const std::shared_ptr<Stream>& stream, uint64_t upTo) {
  while (stream->done < upTo) {
    Command command = std::move(stream->queue.front());
    stream->queue.pop_front();
    for (auto& [other, position] : command.after) run_up_to(other, position);
    if (stream->context->error == 0) stream->context->error = command.run();
    stream->done++;
  }
}

void invalidate(Capture& capture) { capture.invalid = true; }

}  // namespace

void on_worker(const std::function<void()>& work) {
  Worker& w = worker();
  std::unique_lock<std::mutex> held(w.lock);
  w.work = &work;
  w.changed.notify_all();
  w.changed.wait(held, [&] { return w.work == nullptr; });
}

bool is_worker() {
  return driver().initialised && worker().id == std::this_thread::get_id();
}

std::shared_ptr<Stream> find_stream(const void* handle, const std::shared_ptr<Context>& context) {
  if (reinterpret_cast<uintptr_t>(handle) <= 1) return context->legacy;
  return driver().find<Stream>(handle);
}

std::shared_ptr<Stream> make_stream(const std::shared_ptr<Context>& context, unsigned flags, int priority) {
  auto stream = std::make_shared<Stream>();
  stream->context = context;
  stream->nonBlocking = flags & 1;
  stream->priority = priority;
  context->streams.push_back(stream);
  return stream;
}

int enqueue(const std::shared_ptr<Stream>& stream, Command command) {
  if (stream->capture) {
    Capture& capture = *stream->capture;
    if (capture.invalid) return ERROR_STREAM_CAPTURE_INVALIDATED;
    stream->follows.resize(capture.nodes.size());
    stream->follows.push_back(true);
    capture.nodes.push_back(std::move(command));
    return SUCCESS;
  }
  Context& context = *stream->context;
  if (stream->isLegacy) {
    for (auto& weak : context.streams) {
      auto other = weak.lock();
      if (!other || other->nonBlocking) continue;
      if (other->capture) {
        invalidate(*other->capture);
        return ERROR_STREAM_CAPTURE_IMPLICIT;
      }
      if (other->done < other->enqueued) command.after.push_back({other, other->enqueued});
    }
  } else if (!stream->nonBlocking && context.legacy->done < context.legacy->enqueued) {
    command.after.push_back({context.legacy, context.legacy->enqueued});
  }
  stream->queue.push_back(std::move(command));
  stream->enqueued++;
  return SUCCESS;
}

int drain(const std::shared_ptr<Stream>& stream, uint64_t upTo) {
  if (stream->done < upTo) on_worker([&] { run_up_to(stream, upTo); });
  return stream->context->error;
}

int drain_stream(const std::shared_ptr<Stream>& stream) {
  if (stream->isLegacy) {
    int error = enqueue(stream, {Node::EMPTY, [] { return 0; }});
    if (error != 0) return error;
  }
  return drain(stream, stream->enqueued);
}

int drain_context(const std::shared_ptr<Context>& context) {
  drain(context->legacy, context->legacy->enqueued);
  for (auto& weak : context->streams) {
    if (auto stream = weak.lock()) drain(stream, stream->enqueued);
  }
  return context->error;
}

bool pending(const Context& context) {
  if (context.legacy->done < context.legacy->enqueued) return true;
  return std::any_of(context.streams.begin(), context.streams.end(), [](const auto& weak) {
    auto stream = weak.lock();
    return stream && stream->done < stream->enqueued;
  });
}

int refuse_in_capture(const std::shared_ptr<Context>& context) {
  for (auto& capture : driver().captures) {
    bool other = capture->thread != std::this_thread::get_id() || capture->origin->context != context;
    if (capture->mode != 0 && other) continue;
    invalidate(*capture);
    return ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  return SUCCESS;
}

int run_launch(const Launch& launch, const Context& context) {
  Driver& d = driver();
  int device = launch.device;
  if (d.lost[device]) return d.options.failCode;
  if (++d.launches[device] >= d.options.failLaunch && device == d.options.failDevice) {
    d.lost[device] = true;
    std::fprintf(stderr, "cudasim: device %d is lost at launch %zu, as YUZUI_CUDASIM_FAIL says\n", device,
                 (size_t)d.launches[device]);
    return d.options.failCode;
  }
  Machine& m = machine();
  m.reachable = 1u << device;
  for (uint64_t peer : context.peers) {
    auto other = d.find<Context>(reinterpret_cast<void*>(peer));
    if (other) m.reachable |= 1u << other->device;
  }
  m.mapped.clear();
  for (auto& [address, range] : d.pinned) {
    if (range.mapped) m.mapped.push_back({address, range.bytes});
  }
  return run(launch, d.counters[launch.kernel->name]);
}

}  // namespace yuzui_sim
