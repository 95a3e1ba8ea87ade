// What the driver and the checks use of the machine that runs blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "memory.h"
#include "sim.h"

namespace yuzui_sim {

constexpr int MAX_DEVICES = 16;
constexpr size_t MAX_SHARED = 227 * 1024;
constexpr int MAX_THREADS = 1024;

// What the launches of a kernel did. Bytes are those of every access of every thread; `distinct` counts each 32 bytes
// that a launch touched once, so it is what a cache without limits would move.
struct Counters {
  uint64_t launches = 0;
  uint64_t read = 0;
  uint64_t written = 0;
  uint64_t distinctRead = 0;
  uint64_t distinctWritten = 0;
};

struct HostRange {
  uintptr_t address;
  size_t bytes;
};

struct Launch {
  const Kernel* kernel;
  uint3 grid, block;
  size_t shared;
  std::vector<uint64_t> values;
  int device;
  bool programmatic = false;  // may begin before the kernel before it ends
};

// The memories of all devices and what the launch in progress may touch of them.
struct Machine {
  std::vector<DeviceMemory*> memory;
  // Bit d: kernels on the launch's device may touch device d.
  uint32_t reachable = 0;
  // Pinned host memory that is mapped for devices.
  std::vector<HostRange> mapped;
  bool countDistinct = false;
};
Machine& machine();

const Kernel* find_kernel(const char* name, int capability);
// Bytes of shared memory that the compiler gives a block of the kernel besides the dynamic ones, as ../cuda/build noted them.
int static_shared(const char* name);

// Runs all blocks, on the calling thread: 0, or the CUDA error of the first thing that went wrong, which is told on
// stderr.
int run(const Launch& launch, Counters& counters);

// Ends the block in progress with this error; called on a fiber. The message follows the kernel, block and thread.
[[noreturn]] void fail(int error, const std::string& message);
// What the thread in progress may touch besides device memory: its stack and its block's dynamic shared memory.
struct Local {
  uintptr_t stack;
  size_t stackBytes;
  uintptr_t shared;
  size_t sharedBytes;
  bool early;  // launched programmatically, and previous_done() is still to come
};
extern Local local;

// A rendezvous of the lanes of a warp: the last one to come calls combine with what each lane passed, then all go on.
void meet(void* mine, void (*combine)(void** all), const char* what);

// Lets the other threads go on first: the one in progress waits for something that they do. Ends the launch, with this message,
// where none has gone on since all were asked.
void give_way(const char* message);
// Something happened that a thread may wait for so.
void went_on();
// Barriers of shared memory live as long as their block.
void forget_barriers();

// Copies in flight of the thread in progress.
struct AsyncCopy {
  void* shared;
  unsigned char bytes[16];
  size_t size;
  int group;
};
struct AsyncCopies {
  std::vector<AsyncCopy> queue;
  int group = 0;
};
AsyncCopies& async_copies();

// checks.cpp
void begin_checks(int device);
void end_checks(Counters& counters);
// Fills the kernels' static shared variables with garbage.
void spoil_shared_variables();
// The check of an access that compiled code makes, for accesses made on its behalf.
void check_access(const void* address, size_t bytes, bool write);

enum Error {
  SUCCESS = 0,
  ERROR_INVALID_VALUE = 1,
  ERROR_OUT_OF_MEMORY = 2,
  ERROR_NOT_INITIALIZED = 3,
  ERROR_DEVICE_UNAVAILABLE = 46,
  ERROR_NO_DEVICE = 100,
  ERROR_INVALID_DEVICE = 101,
  ERROR_INVALID_IMAGE = 200,
  ERROR_NO_BINARY_FOR_GPU = 209,
  ERROR_INVALID_PTX = 218,
  ERROR_UNSUPPORTED_PTX_VERSION = 222,
  ERROR_INVALID_CONTEXT = 201,
  ERROR_PEER_ACCESS_UNSUPPORTED = 217,
  ERROR_FILE_NOT_FOUND = 301,
  ERROR_INVALID_HANDLE = 400,
  ERROR_NOT_FOUND = 500,
  ERROR_NOT_READY = 600,
  ERROR_ILLEGAL_ADDRESS = 700,
  ERROR_LAUNCH_OUT_OF_RESOURCES = 701,
  ERROR_PEER_ACCESS_ALREADY_ENABLED = 704,
  ERROR_PEER_ACCESS_NOT_ENABLED = 705,
  ERROR_PRIMARY_CONTEXT_ACTIVE = 708,
  ERROR_CONTEXT_IS_DESTROYED = 709,
  ERROR_HOST_MEMORY_ALREADY_REGISTERED = 712,
  ERROR_HOST_MEMORY_NOT_REGISTERED = 713,
  ERROR_MISALIGNED_ADDRESS = 716,
  ERROR_LAUNCH_FAILED = 719,
  ERROR_NOT_PERMITTED = 800,
  ERROR_NOT_SUPPORTED = 801,
  ERROR_STREAM_CAPTURE_UNSUPPORTED = 900,
  ERROR_STREAM_CAPTURE_INVALIDATED = 901,
  ERROR_STREAM_CAPTURE_MERGE = 902,
  ERROR_STREAM_CAPTURE_UNMATCHED = 903,
  ERROR_STREAM_CAPTURE_UNJOINED = 904,
  ERROR_STREAM_CAPTURE_ISOLATION = 905,
  ERROR_STREAM_CAPTURE_IMPLICIT = 906,
  ERROR_CAPTURED_EVENT = 907,
  ERROR_UNKNOWN = 999,
};

}  // namespace yuzui_sim
