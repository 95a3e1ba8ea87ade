// The driver's objects, and how work waits in streams. One lock guards all of it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "machine.h"

namespace yuzui_sim {

struct Stream;

enum class Node { KERNEL = 0, MEMCPY = 1, MEMSET = 2, HOST = 3, GRAPH = 4, EMPTY = 5, WAIT = 6, RECORD = 7 };

// Work put on a stream, or a graph's node. `run` gives a CUDA error.
struct Command {
  Node node;
  std::function<int()> run;
  // What must be done first besides what came before on the same stream: streams up to and with their nth command.
  std::vector<std::pair<std::shared_ptr<Stream>, uint64_t>> after = {};
};

struct Object {
  uint64_t handle = 0;
  virtual const char* kind() const = 0;
  virtual ~Object() = default;
};

struct Context : Object {
  int device = 0;
  bool primary = false;
  int references = 0;
  unsigned flags = 0;
  // Once something failed on the device, every call fails with it.
  int error = 0;
  std::shared_ptr<Stream> legacy;
  std::vector<std::weak_ptr<Stream>> streams;
  std::set<uint64_t> peers;
  const char* kind() const override { return "context"; }
};

struct Capture {
  uint64_t id;
  int mode;
  std::thread::id thread;
  std::shared_ptr<Stream> origin;
  std::vector<Command> nodes;
  std::vector<std::shared_ptr<Stream>> streams;
  bool invalid = false;
};

struct Stream : Object {
  std::shared_ptr<Context> context;
  bool isLegacy = false;
  bool nonBlocking = false;
  int priority = 0;
  std::deque<Command> queue;
  uint64_t enqueued = 0;
  uint64_t done = 0;
  std::shared_ptr<Capture> capture;
  // The capture's nodes that what is captured next on this stream follows.
  std::vector<bool> follows;
  const char* kind() const override { return "stream"; }
};

// One recording of an event.
struct Mark {
  std::shared_ptr<Stream> stream;
  uint64_t position = 0;
  double milliseconds = 0;
  std::shared_ptr<Capture> capture;
  std::vector<bool> follows;
};

struct Event : Object {
  std::shared_ptr<Context> context;
  bool timed = true;
  std::shared_ptr<Mark> mark;
  const char* kind() const override { return "event"; }
};

struct Module : Object {
  std::shared_ptr<Context> context;
  std::map<std::string, uint64_t> functions;
  const char* kind() const override { return "module"; }
};

struct Function : Object {
  std::shared_ptr<Module> module;
  const Kernel* kernel = nullptr;
  int staticShared = 0;
  int maxDynamicShared = 48 * 1024;
  const char* kind() const override { return "function"; }
};

struct Graph : Object {
  std::vector<Command> nodes;
  std::vector<uint64_t> nodeHandles;
  const char* kind() const override { return "graph"; }
};

struct GraphExec : Object {
  std::shared_ptr<Context> context;
  std::shared_ptr<std::vector<Command>> nodes;
  const char* kind() const override { return "executable graph"; }
};

struct Pinned {
  size_t bytes;
  bool allocated;
  bool mapped;
};

struct Options {
  int devices = 1;
  size_t memory = size_t(4) << 30;
  int failDevice = -1;
  uint64_t failLaunch = 0;
  int failCode = ERROR_DEVICE_UNAVAILABLE;
  int driver = 13000;
  int capability = 90;
  bool refuseEarly = false;
  int sharedBytes() const {  // that a block may ask for
    return (capability < 80 ? 64 : capability == 80 ? 163 : capability == 86 || capability == 89 || capability >= 120 ? 99 : 227) * 1024;
  }
  std::string report;
};

struct Driver {
  std::mutex lock;
  std::atomic<bool> initialised = false;
  Options options;
  std::map<uint64_t, std::shared_ptr<Object>> objects;
  uint64_t lastHandle = 0x10000;
  std::vector<std::shared_ptr<Context>> primary;
  std::vector<uint64_t> launches;
  std::vector<bool> lost;
  std::map<uintptr_t, Pinned> pinned;
  std::map<std::string, Counters> counters;
  std::vector<std::shared_ptr<Capture>> captures;
  uint64_t lastCapture = 0;
  // What was freed only together with its context.
  std::vector<std::string> leaks;

  template <class T>
  std::shared_ptr<T> add(std::shared_ptr<T> object) {
    object->handle = lastHandle += 16;
    objects[object->handle] = object;
    return object;
  }
  template <class T>
  std::shared_ptr<T> find(const void* handle) {
    auto found = objects.find(reinterpret_cast<uint64_t>(handle));
    return found == objects.end() ? nullptr : std::dynamic_pointer_cast<T>(found->second);
  }
};
Driver& driver();
std::vector<uint64_t>& context_stack();

// Begins a call of the driver: takes the lock and, if the call needs one, the current context. `error` is what to
// return at once if not 0. A call that releases something (RELEASE) does so even when the context has failed, then
// returns `failed`.
struct Call {
  enum Need { INITIALISED, RELEASE, CONTEXT };
  explicit Call(Need need);
  std::unique_lock<std::mutex> held;
  int error = 0;
  int failed = 0;
  std::shared_ptr<Context> context;
};

template <class T>
T* as_handle(const Object& object) {
  return reinterpret_cast<T*>(object.handle);
}

// streams.cpp and driver_graph.cpp. A stream's handle: 0 and 1 are the legacy stream of the context; null when there is
// none such.
std::shared_ptr<Stream> find_stream(const void* handle, const std::shared_ptr<Context>& context);
// Puts work on a stream, or into the graph that the stream captures.
int enqueue(const std::shared_ptr<Stream>& stream, Command command);
// Runs what is on the stream, up to its nth command; the context's error.
int drain(const std::shared_ptr<Stream>& stream, uint64_t upTo);
int drain_stream(const std::shared_ptr<Stream>& stream);
int drain_context(const std::shared_ptr<Context>& context);
bool pending(const Context& context);
// The error of a call that must not be made while a stream captures, or 0; such a call ends the capture. In the relaxed mode
// too, where the real one may let it pass: what allocates, loads or sets attributes there stops a device in the middle of a
// step.
int refuse_in_capture(const std::shared_ptr<Context>& context);
// Takes the streams out of a capture that has ended or failed.
void end_capture(const std::shared_ptr<Capture>& capture);
std::shared_ptr<Stream> make_stream(const std::shared_ptr<Context>& context, unsigned flags, int priority);
int run_launch(const Launch& launch, const Context& context);
// Runs a function on the simulator's own thread and waits for it.
void on_worker(const std::function<void()>& work);
bool is_worker();

// report.cpp
Options read_options();
void report_at_exit();
std::string describe_allocation(int device, uintptr_t address, const Allocation& allocation);

}  // namespace yuzui_sim

#define API extern "C" __attribute__((visibility("default"))) int
