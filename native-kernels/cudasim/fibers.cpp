// Threads of a block as fibers: a stack each, switched by hand in a few instructions. All of this runs on one thread,
// the simulator's worker, so plain globals do.

#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

#include "machine.h"

#if !defined(__x86_64__)
#include <ucontext.h>
#endif


namespace yuzui_sim {

Local local;

namespace {

#if defined(__x86_64__)
struct Context {
  void* sp = nullptr;
};
// Saves what the calling convention asks a function to keep; kernels change neither mxcsr nor the x87 control word.
extern "C" void yuzui_sim_switch(void** save, void* next) __attribute__((visibility("hidden")));
__asm__(R"(
.text
.hidden yuzui_sim_switch
.globl yuzui_sim_switch
.type yuzui_sim_switch,@function
yuzui_sim_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp,(%rdi)
  movq %rsi,%rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size yuzui_sim_switch,.-yuzui_sim_switch
)");
void switch_context(Context& from, Context& to) { yuzui_sim_switch(&from.sp, to.sp); }
void prepare(Context& context, unsigned char* low, size_t bytes, void (*entry)()) {
  void** top = reinterpret_cast<void**>((reinterpret_cast<uintptr_t>(low) + bytes) & ~uintptr_t(15));
  *--top = nullptr;  // where entry would return to: it never does
  *--top = reinterpret_cast<void*>(entry);
  for (int i = 0; i < 6; i++) *--top = nullptr;
  context.sp = top;
}
#else
struct Context {
  ucontext_t context;
};
void switch_context(Context& from, Context& to) { swapcontext(&from.context, &to.context); }
void prepare(Context& context, unsigned char* low, size_t bytes, void (*entry)()) {
  getcontext(&context.context);
  context.context.uc_stack.ss_sp = low;
  context.context.uc_stack.ss_size = bytes;
  context.context.uc_link = nullptr;
  makecontext(&context.context, entry, 0);
}
#endif

constexpr size_t STACK = 64 * 1024;
constexpr size_t GUARD = 4096;
constexpr size_t STRIDE = STACK + GUARD;

struct Fiber {
  Context context;
  unsigned char* stack;
  uint3 thread;
  AsyncCopies copies;
  bool early;
};

// A lane's bit is set in exactly one of the masks: it can run, has met other lanes and waits for the rest of them,
// waits at __syncthreads, or has ended.
struct Warp {
  uint32_t runnable, met, waiting, ended;
  void* passed[32];
  void (*combine)(void**);
  const char* what;
};

struct Block {
  int threads, warps;
  int live, waiting;
  int line;
  bool descending;
};

Fiber* fibers;
Fiber* self;
int selfIndex;
Warp warps[MAX_THREADS / 32];
Block block;
Context scheduler;
const Launch* current;
// Where kernels may read them.
uint64_t parameters[64];
int error;
// Threads that gave way since one of them went on.
int idle;
unsigned char* sharedBase;

// By name, and by the lowest capability that a form is for.
std::map<std::string, std::map<int, Kernel>>& registry() {
  static auto* kernels = new std::map<std::string, std::map<int, Kernel>>;
  return *kernels;
}

void report(int thread, const std::string& message) {
  char where[200];
  uint3 t = fibers[thread].thread;
  std::snprintf(where, sizeof where, "kernel %s, block (%u,%u,%u) of (%u,%u,%u), thread (%u,%u,%u) of (%u,%u,%u)",
                current->kernel->name, blockIdx.x, blockIdx.y, blockIdx.z, gridDim.x, gridDim.y, gridDim.z,
                t.x, t.y, t.z, blockDim.x, blockDim.y, blockDim.z);
  std::fprintf(stderr, "cudasim: device %d, %s: %s\n", current->device, where, message.c_str());
}

int pick(uint32_t runnable, int after) {
  if (block.descending) {
    uint32_t below = after >= 32 ? runnable : runnable & ((1u << after) - 1);
    return 31 - __builtin_clz(below ? below : runnable);
  }
  uint32_t above = after < 0 ? runnable : runnable & ~((2u << after) - 1);
  return __builtin_ctz(above ? above : runnable);
}

void resume(int index) {
  Fiber* from = self;
  self = &fibers[index];
  selfIndex = index;
  threadIdx = self->thread;
  local.stack = reinterpret_cast<uintptr_t>(self->stack);
  local.early = self->early;
  switch_context(from->context, self->context);
}

// Goes on with another thread: one of this warp if any can run, else one of the next warp that can, else the scheduler.
void resume_another() {
  int warp = selfIndex / 32;
  if (warps[warp].runnable) return resume(warp * 32 + pick(warps[warp].runnable, selfIndex % 32));
  for (int i = 1; i < block.warps; i++) {
    int w = block.descending ? (warp + block.warps - i) % block.warps : (warp + i) % block.warps;
    if (warps[w].runnable) return resume(w * 32 + pick(warps[w].runnable, block.descending ? 32 : -1));
  }
  switch_context(self->context, scheduler);
}

// Takes the thread in progress out of those that can run, into another mask of its warp.
void stop_running(uint32_t Warp::*mask) {
  uint32_t bit = 1u << (selfIndex % 32);
  Warp& warp = warps[selfIndex / 32];
  warp.runnable &= ~bit;
  warp.*mask |= bit;
}

void release_block() {
  idle = 0;
  block.waiting = 0;
  for (int w = 0; w < block.warps; w++) {
    warps[w].runnable |= warps[w].waiting;
    warps[w].waiting = 0;
  }
}

void enter() {
  current->kernel->call(parameters);
  if (local.early) fail(ERROR_LAUNCH_FAILED, "ends without previous_done(), and was launched programmatically");
  stop_running(&Warp::ended);
  block.live--;
  if (block.waiting > 0 && block.waiting == block.live) release_block();
  resume_another();
  std::abort();
}

// All threads that live wait for something that never comes.
void report_deadlock() {
  for (int w = 0; w < block.warps; w++) {
    const Warp& warp = warps[w];
    if (warp.met == 0) continue;
    int lane = __builtin_ctz(~warp.met);
    const char* why = w * 32 + lane >= block.threads ? "does not exist"
                      : warp.ended >> lane & 1       ? "has ended"
                                                     : "waits at __syncthreads";
    std::string message = std::string("waits at ") + warp.what + ", which lane " + std::to_string(lane);
    return report(w * 32 + __builtin_ctz(warp.met), message + " of the warp never reaches (it " + why + ")");
  }
  report(0, "all threads wait");
}

int run_block(const Launch& launch) {
  std::memset(sharedBase, 0xff, launch.shared);
  spoil_shared_variables();
  forget_barriers();
  idle = 0;
  block.live = block.threads;
  block.waiting = 0;
  int index = 0;
  for (unsigned z = 0; z < blockDim.z; z++) {
    for (unsigned y = 0; y < blockDim.y; y++) {
      for (unsigned x = 0; x < blockDim.x; x++, index++) {
        Fiber& f = fibers[index];
        f.thread = {x, y, z};
        f.copies.queue.clear();
        f.copies.group = 0;
        f.early = launch.programmatic;
        // Not all stacks begin at the same line of the caches.
        prepare(f.context, f.stack, STACK - size_t(index * 5 % 64) * 64, enter);
      }
    }
  }
  for (int w = 0; w < block.warps; w++) {
    int lanes = std::min(32, block.threads - w * 32);
    warps[w].runnable = lanes == 32 ? ~0u : (1u << lanes) - 1;
    warps[w].met = warps[w].waiting = warps[w].ended = 0;
  }
  selfIndex = block.descending ? block.threads - 1 : 0;
  self = &fibers[selfIndex];
  threadIdx = self->thread;
  local.stack = reinterpret_cast<uintptr_t>(self->stack);
  local.early = self->early;
  switch_context(scheduler, self->context);
  if (error == 0 && block.live > 0) {
    error = ERROR_LAUNCH_FAILED;
    report_deadlock();
  }
  return error;
}

void make_stacks() {
  fibers = new Fiber[MAX_THREADS];
  size_t bytes = MAX_THREADS * STRIDE + GUARD + MAX_SHARED + 128;
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) {
    std::fprintf(stderr, "cudasim: no memory for the threads' stacks\n");
    std::abort();
  }
  for (int i = 0; i < MAX_THREADS; i++) {
    unsigned char* low = static_cast<unsigned char*>(p) + i * STRIDE;
    mprotect(low, GUARD, PROT_NONE);
    fibers[i].stack = low + GUARD;
  }
  // Aligned to 16 bytes and no more, which is all that DYNAMIC_SHARED promises.
  sharedBase = static_cast<unsigned char*>(p) + MAX_THREADS * STRIDE + GUARD + 16;
}

}  // namespace

Machine& machine() {
  static auto* it = new Machine;
  return *it;
}

bool add_kernel(const Kernel& kernel) {
  if (!registry()[kernel.name].emplace(kernel.capability, kernel).second) {
    std::fprintf(stderr, "cudasim: two kernels are called %s\n", kernel.name);
    std::abort();
  }
  return true;
}

void previous_done() { self->early = local.early = false; }

const Kernel* find_kernel(const char* name, int capability) {
  auto found = registry().find(name);
  if (found == registry().end()) return nullptr;
  auto& forms = found->second;
  auto above = forms.upper_bound(capability);
  return above == forms.begin() ? &above->second : &std::prev(above)->second;
}

int run(const Launch& launch, Counters& counters) {
  if (fibers == nullptr) make_stacks();
  current = &launch;
  std::copy(launch.values.begin(), launch.values.end(), parameters);
  error = 0;
  gridDim = launch.grid;
  blockDim = launch.block;
  block.threads = (int)(launch.block.x * launch.block.y * launch.block.z);
  block.warps = (block.threads + 31) / 32;
  local = {0, STACK, reinterpret_cast<uintptr_t>(sharedBase), launch.shared, false};
  begin_checks(launch.device);
  uint64_t count = (uint64_t)gridDim.x * gridDim.y * gridDim.z;
  // The order of the blocks turns round from launch to launch, that of the threads from block to block, so that neither
  // order hides that something is missing.
  bool backwards = counters.launches & 1;
  for (uint64_t i = 0; i < count && error == 0; i++) {
    uint64_t at = backwards ? count - 1 - i : i;
    blockIdx = {(unsigned)(at % gridDim.x), (unsigned)(at / gridDim.x % gridDim.y),
        (unsigned)(at / gridDim.x / gridDim.y)};
    block.descending = at & 1;
    run_block(launch);
  }
  counters.launches++;
  end_checks(counters);
  current = nullptr;
  return error;
}

void fail(int code, const std::string& message) {
  error = code;
  report(selfIndex, message);
  switch_context(self->context, scheduler);
  std::abort();
}

unsigned char* dynamic_shared() { return sharedBase; }

AsyncCopies& async_copies() { return self->copies; }

void barrier(int line) {
  if (block.waiting > 0 && block.line != line) {
    fail(ERROR_LAUNCH_FAILED, "is at __syncthreads of line " + std::to_string(line) +
                                  " while other threads of its block wait at that of line " + std::to_string(block.line));
  }
  block.line = line;
  if (++block.waiting == block.live) return release_block();
  stop_running(&Warp::waiting);
  resume_another();
}

void went_on() { idle = 0; }

void give_way(const char* message) {
  if (++idle > 4 * block.threads) fail(ERROR_LAUNCH_FAILED, message);
  for (int i = 1; i < block.threads; i++) {
    int next = (selfIndex + (block.descending ? block.threads - i : i)) % block.threads;
    if (warps[next / 32].runnable >> (next % 32) & 1) return resume(next);
  }
}

void meet(void* mine, void (*combine)(void**), const char* what) {
  Warp& warp = warps[selfIndex / 32];
  int lane = selfIndex % 32;
  if (warp.met == 0) {
    warp.combine = combine;
    warp.what = what;
  } else if (warp.combine != combine) {
    fail(ERROR_LAUNCH_FAILED, std::string("is at ") + what + " while other lanes of its warp wait at " + warp.what);
  }
  warp.passed[lane] = mine;
  warp.met |= 1u << lane;
  if (warp.met == ~0u) {
    combine(warp.passed);
    idle = 0;
    warp.met = 0;
    warp.runnable = ~0u;
    return;
  }
  warp.runnable &= ~(1u << lane);
  resume_another();
}

}  // namespace yuzui_sim
