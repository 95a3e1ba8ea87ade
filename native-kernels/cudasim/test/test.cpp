// The simulator's promises, each shown through the driver's API. Runs all cases, or those named.

#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "cu.h"

namespace {

int failures = 0;
#define CHECK(condition)                                                                         \
  do {                                                                                           \
    if (!(condition) && failures++ < 20) {                                                       \
      std::printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                        \
    }                                                                                            \
  } while (0)
#define IS(code, call)                                                                         \
  do {                                                                                         \
    int got = (call);                                                                          \
    if (got != (code) && failures++ < 20) {                                                    \
      const char* name = "?";                                                                  \
      cuGetErrorName(got, &name);                                                              \
      std::printf("%s:%d: %s gave %d (%s), not %d\n", __FILE__, __LINE__, #call, got, name, code); \
    }                                                                                          \
  } while (0)
#define OK(call) IS(0, call)

constexpr int ILLEGAL_ADDRESS = 700, LAUNCH_FAILED = 719, INVALID_VALUE = 1, INVALID_HANDLE = 400, MISALIGNED = 716;

// A device's context and module, as a test needs them; what it made goes with it.
struct Device {
  void* context = nullptr;
  void* module = nullptr;
  std::map<std::string, void*> functions;
  int ordinal;

  explicit Device(int ordinal = 0) : ordinal(ordinal) {
    OK(cuDevicePrimaryCtxRetain(&context, ordinal));
    OK(cuCtxSetCurrent(context));
    OK(cuModuleLoadData(&module, "image"));
  }
  ~Device() { OK(cuDevicePrimaryCtxReset_v2(ordinal)); }

  // The driver is asked once: while a stream captures it gives no function.
  void* function(const char* name) {
    void*& f = functions[name];
    if (f == nullptr) OK(cuModuleGetFunction(&f, module, name));
    return f;
  }
  CUdeviceptr bytes(size_t n) {
    CUdeviceptr p = 0;
    OK(cuMemAlloc_v2(&p, n));
    return p;
  }
  template <class T>
  CUdeviceptr upload(const std::vector<T>& values) {
    CUdeviceptr p = bytes(values.size() * sizeof(T));
    OK(cuMemcpyHtoD_v2(p, values.data(), values.size() * sizeof(T)));
    return p;
  }
  template <class T>
  std::vector<T> download(CUdeviceptr p, size_t n) {
    std::vector<T> values(n);
    OK(cuMemcpyDtoH_v2(values.data(), p, n * sizeof(T)));
    return values;
  }
  template <class... A>
  int launch(const char* name, unsigned grid, unsigned block, unsigned shared, void* stream, A... arguments) {
    void* parameters[] = {(void*)&arguments..., nullptr};
    return cuLaunchKernel(function(name), grid, 1, 1, block, 1, 1, shared, stream, parameters, nullptr);
  }
};

// What a function writes to stderr.
std::string errors_of(const std::function<void()>& body) {
  std::fflush(stderr);
  FILE* file = std::tmpfile();
  int saved = dup(2);
  dup2(fileno(file), 2);
  body();
  std::fflush(stderr);
  dup2(saved, 2);
  close(saved);
  std::string text((size_t)lseek(fileno(file), 0, SEEK_END), 0);
  lseek(fileno(file), 0, SEEK_SET);
  if (read(fileno(file), text.data(), text.size()) != (ssize_t)text.size()) text = "";
  std::fclose(file);
  return text;
}

bool contains(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return true;
  std::printf("  told: %s\n", text.c_str());
  return false;
}

std::vector<float> iota(size_t n) {
  std::vector<float> v(n);
  for (size_t i = 0; i < n; i++) v[i] = (float)i;
  return v;
}

// --- straight paths

void devices() {
  int count = 0, version = 0, major = 0;
  char name[80];
  OK(cuDeviceGetCount(&count));
  OK(cuDriverGetVersion(&version));
  OK(cuDeviceGetName(name, sizeof name, 1));
  OK(cuDeviceGetAttribute(&major, 75, 0));
  CHECK(count == 2 && version == 13000 && major == 9);
  CHECK(std::string(name) == "Yuzui CUDA simulator 1");
  IS(101, cuDeviceGetName(name, sizeof name, 2));
}

void launches() {
  Device d;
  auto x = d.upload(iota(1000));
  auto out = d.bytes(4000);
  OK(d.launch("scale", 4, 256, 0, nullptr, x, out, 1000LL, 3.0f));
  OK(cuCtxSynchronize());
  auto y = d.download<float>(out, 1000);
  CHECK(y[0] == 0 && y[7] == 21 && y[999] == 2997);
  // The same with the parameters in one buffer.
  struct {
    CUdeviceptr x, out;
    long long n;
    float by;
  } buffer = {x, out, 1000, 5};
  size_t size = 28;
  void* extra[] = {(void*)1, &buffer, (void*)2, &size, nullptr};
  OK(cuLaunchKernel(d.function("scale"), 4, 1, 1, 256, 1, 1, 0, nullptr, nullptr, extra));
  CHECK(d.download<float>(out, 1000)[999] == 4995);
}

void block_sums() {
  Device d;
  auto x = d.upload(iota(512));
  auto out = d.bytes(8);
  OK(d.launch("block_sum", 2, 256, 0, nullptr, x, out));
  auto y = d.download<float>(out, 2);
  CHECK(y[0] == 255 * 128 && y[1] == 767 * 128);
}

void last_blocks() {
  Device d;
  auto partial = d.bytes(4 * 50), out = d.bytes(4), counter = d.upload(std::vector<int>{0});
  for (int i = 0; i < 2; i++) {
    OK(d.launch("last", 50, 64, 0, nullptr, partial, counter, out));
    CHECK(d.download<int>(out, 1)[0] == 50 * 51 / 2);
  }
}

void shuffles() {
  Device d;
  auto out = d.bytes(32 * 8 * 4);
  OK(d.launch("shuffles", 1, 32, 0, nullptr, out));
  auto y = d.download<int>(out, 256);
  unsigned every3 = 0;
  for (int l = 0; l < 32; l += 3) every3 |= 1u << l;
  for (int l = 0; l < 32; l++) {
    const int* row = &y[(size_t)l * 8];
    CHECK(row[0] == 107 && row[1] == 100 + (l ^ 5) && row[2] == 100 + (l < 3 ? l : l - 3));
    CHECK((unsigned)row[3] == every3 && row[4] == 3200 + 496 && row[5] == 131 && row[6] == 109);
    CHECK(row[7] == 0x00771144);
  }
}

#ifdef __aarch64__
using Half = __fp16;
#else
using Half = _Float16;
#endif

uint16_t half(float v) {
  Half h = (Half)v;
  uint16_t bits;
  std::memcpy(&bits, &h, 2);
  return bits;
}

uint16_t bf16(float v) {
  uint32_t u;
  std::memcpy(&u, &v, 4);
  return (uint16_t)(u >> 16);
}

void products() {
  Device d;
  for (int kind = 0; kind < 2; kind++) {
    std::vector<float> a(256), b(128);
    std::vector<uint16_t> ah, bh;
    for (size_t i = 0; i < a.size(); i++) a[i] = (float)((int)(i * 37 % 23) - 11) / 4;
    for (size_t i = 0; i < b.size(); i++) b[i] = (float)((int)(i * 29 % 19) - 9) / 8;
    for (float v : a) ah.push_back(kind ? bf16(v) : half(v));
    for (float v : b) bh.push_back(kind ? bf16(v) : half(v));
    auto out = d.bytes(512);
    OK(d.launch("product", 1, 32, 0, nullptr, d.upload(ah), d.upload(bh), out, kind));
    auto y = d.download<float>(out, 128);
    for (size_t r = 0; r < 16; r++) {
      for (size_t c = 0; c < 8; c++) {
        float sum = (float)(r / 8 * 2 + c % 2 + 1);  // what d began with
        for (size_t k = 0; k < 16; k++) sum += a[r * 16 + k] * b[k * 8 + c];
        CHECK(y[r * 8 + c] == sum);
      }
    }
  }
}

void transposed() {
  Device d;
  std::vector<uint16_t> m(256);
  for (size_t i = 0; i < 256; i++) m[i] = (uint16_t)(i * 7);
  auto out = d.bytes(512);
  OK(d.launch("transposed", 1, 32, 512, nullptr, d.upload(m), out));
  auto y = d.download<uint32_t>(out, 128);
  for (size_t l = 0; l < 32; l++) {
    for (size_t i = 0; i < 4; i++) {
      size_t g = l / 4, c = l % 4;
      CHECK(y[l * 4 + i] == (m[i * 64 + 2 * c * 8 + g] | (uint32_t)m[i * 64 + (2 * c + 1) * 8 + g] << 16));
    }
  }
}

void async_copies_arrive_when_waited_for() {
  Device d;
  auto x = d.upload(iota(128));
  auto out = d.bytes(512);
  OK(d.launch("async", 1, 32, 1024, nullptr, x, out));
  auto y = d.download<float>(out, 128);
  for (size_t t = 0; t < 32; t++) {
    CHECK(std::isnan(y[4 * t]) && y[4 * t + 1] == (float)(4 * t) && std::isnan(y[4 * t + 2]) && y[4 * t + 3] == 0);
  }
}

void half_conversions() {
  Device d;
  // Ties to even, the largest, overflow, subnormals, below half the least, NaN.
  std::vector<float> x = {1.0f + 0x1p-11f, 1.0f + 3 * 0x1p-11f, 65504, 65519.9f, 65520, 0x1p-24f, 0x1p-25f,
      0x1.8p-25f, -0.0f, NAN};
  std::vector<uint16_t> expected = {0x3c00, 0x3c02, 0x7bff, 0x7bff, 0x7c00, 1, 0, 1, 0x8000, 0x7fff};
  std::vector<uint16_t> bfloats = {0x3f80, 0x3f80, 0x4780, 0x4780, 0x4780, 0x3380, 0x3300, 0x3340, 0x8000, 0x7fff};
  auto h = d.bytes(20), b = d.bytes(20);
  OK(d.launch("halves", 1, 32, 0, nullptr, d.upload(x), h, b, (int)x.size()));
  CHECK(d.download<uint16_t>(h, 10) == expected);
  CHECK(d.download<uint16_t>(b, 10) == bfloats);
}

void half_products_round_once() {
  Device d;
  std::vector<uint32_t> a(32), b(32), c(32);
  uint32_t seed = 1;
  auto next = [&] {
    seed = seed * 1664525 + 1013904223;
    uint32_t h = seed >> 16;
    return (h & 0x7c00) > 0x5800 ? h & ~0x4000u : h;  // no infinities
  };
  auto real = [](uint32_t bits) {
    uint16_t h = (uint16_t)bits;
    Half v;
    std::memcpy(&v, &h, 2);
    return (long double)v;
  };
  for (int round = 0; round < 50; round++) {
    for (auto* v : {&a, &b, &c}) {
      for (uint32_t& pair : *v) pair = next() | next() << 16;
    }
    auto out = d.bytes(128);
    OK(d.launch("half_products", 1, 32, 0, nullptr, d.upload(a), d.upload(b), d.upload(c), out));
    auto y = d.download<uint32_t>(out, 32);
    for (size_t i = 0; i < 32; i++) {
      for (int shift = 0; shift <= 16; shift += 16) {
        // Exact in 64 bits unless the two are far apart, where the sum is that of the larger one and a little more.
        long double exact = real(a[i] >> shift) * real(b[i] >> shift) + real(c[i] >> shift);
        long double got = real(y[i] >> shift);
        uint16_t bits = (uint16_t)(y[i] >> shift);
        if (std::isinf((double)got)) continue;
        long double up = real((uint16_t)(bits + 1)), down = real((uint16_t)(bits - 1));
        if ((bits & 0x7fff) == 0 || (bits & 0x7fff) == 0x7bff) continue;
        CHECK(std::fabs(got - exact) <= std::fabs(up - exact) && std::fabs(got - exact) <= std::fabs(down - exact));
      }
    }
    OK(cuMemFree_v2(out));
  }
}

// --- bounds

void fails_with(int error, const std::string& part, const std::function<int(Device&)>& launch) {
  Device d;
  std::string told = errors_of([&] {
    OK(launch(d));
    IS(error, cuCtxSynchronize());
  });
  CHECK(contains(told, part));
  // The context is lost: everything fails with the same.
  size_t a, b;
  IS(error, cuMemGetInfo_v2(&a, &b));
  // Modules and the like are released all the same.
  IS(error, cuModuleUnload(d.module));
}

void reads_outside_are_refused() {
  auto read = [](long long at) {
    return [at](Device& d) { return d.launch("read_at", 1, 32, 0, nullptr, d.bytes(100 * 4), at, d.bytes(4)); };
  };
  {
    Device d;
    OK(d.launch("read_at", 1, 32, 0, nullptr, d.bytes(400), 99LL, d.bytes(4)));
    OK(cuCtxSynchronize());
  }
  fails_with(ILLEGAL_ADDRESS, "kernel read_at, block (0,0,0) of (1,1,1), thread (0,0,0) of (32,1,1): read of 4 bytes",
      read(100));
  fails_with(ILLEGAL_ADDRESS, "0 bytes past the end of an allocation of 400 bytes", read(100));
  fails_with(ILLEGAL_ADDRESS, "4 bytes before an allocation of 400 bytes", read(-1));
  fails_with(ILLEGAL_ADDRESS, "host memory, or no memory", [](Device& d) {
    static float host;
    return d.launch("read_at", 1, 32, 0, nullptr, &host, 0LL, d.bytes(4));
  });
}

void writes_outside_are_refused() {
  fails_with(ILLEGAL_ADDRESS, "thread (5,0,0) of (32,1,1): write of 4 bytes",
             [](Device& d) { return d.launch("write_at", 1, 32, 0, nullptr, d.bytes(4), 1LL); });
}

void freed_memory_is_refused() {
  fails_with(ILLEGAL_ADDRESS, "into 400 bytes at", [](Device& d) {
    CUdeviceptr p = d.bytes(400);
    OK(cuMemFree_v2(p));
    return d.launch("write_at", 1, 32, 0, nullptr, p, 1LL);
  });
}

void misaligned_vectors_are_refused() {
  fails_with(MISALIGNED, "no multiple of 16 at ",
             [](Device& d) { return d.launch("misaligned", 1, 32, 0, nullptr, d.bytes(400), d.bytes(4)); });
}

void shared_memory_is_bounded() {
  Device d;
  OK(d.launch("shared_at", 1, 32, 400, nullptr, d.bytes(4), 99));
  OK(cuCtxSynchronize());
  auto past = [](Device& device) { return device.launch("shared_at", 1, 32, 400, nullptr, device.bytes(4), 100); };
  fails_with(ILLEGAL_ADDRESS, "shared memory: 400 bytes were launched", past);
}

void shared_variables_and_tables_are_bounded() {
  fails_with(ILLEGAL_ADDRESS, "outside a variable of shared memory or a table of constants",
             [](Device& d) { return d.launch("shared_variable_at", 1, 32, 0, nullptr, d.bytes(4), 16, 1); });
  fails_with(ILLEGAL_ADDRESS, "outside a variable of shared memory or a table of constants",
             [](Device& d) { return d.launch("table_at", 1, 32, 0, nullptr, d.bytes(4), 4); });
  // What an earlier block left there is not seen.
  Device d;
  auto out = d.bytes(4);
  OK(d.launch("shared_variable_at", 1, 32, 0, nullptr, out, 3, 1));
  CHECK(d.download<float>(out, 1)[0] == 1);
  OK(d.launch("shared_variable_at", 1, 32, 0, nullptr, out, 3, 0));
  CHECK(std::isnan(d.download<float>(out, 1)[0]));
}

void memory_holds_garbage() {
  Device d;
  auto p = d.bytes(1000);
  CHECK(std::isnan(d.download<float>(p, 1)[0]));
  size_t large = size_t(100) << 20;
  auto big = d.bytes(large);
  CHECK(std::isnan(d.download<float>(big + large - 4, 1)[0]) && std::isnan(d.download<float>(big + large / 2, 1)[0]));
  OK(cuMemsetD8_v2(big, 0, large));
  CHECK(d.download<float>(big + large / 2, 1)[0] == 0);
  size_t before, after, total;
  OK(cuMemGetInfo_v2(&before, &total));
  OK(cuMemFree_v2(big));
  OK(cuMemGetInfo_v2(&after, &total));
  CHECK(after == before + large);
}

void other_devices_need_peer_access() {
  {
    Device other(1);
    auto theirs = other.upload(iota(4));
    fails_with(ILLEGAL_ADDRESS, "to which peer access is not enabled",
               [=](Device& d) { return d.launch("read_at", 1, 32, 0, nullptr, theirs, 2LL, d.bytes(4)); });
  }
  Device other(1);
  auto theirs = other.upload(iota(4));
  Device d(0);
  int can = 0;
  OK(cuDeviceCanAccessPeer(&can, 0, 1));
  CHECK(can == 1);
  OK(cuCtxEnablePeerAccess(other.context, 0));
  IS(704, cuCtxEnablePeerAccess(other.context, 0));
  auto out = d.bytes(4);
  OK(d.launch("read_at", 1, 32, 0, nullptr, theirs, 2LL, out));
  CHECK(d.download<float>(out, 1)[0] == 2);
}

// --- barriers

void missing_barriers_show() {
  Device d;
  auto out = d.bytes(2 * 64 * 4);
  OK(d.launch("no_barrier", 2, 64, 256, nullptr, out));
  auto y = d.download<int>(out, 128);
  // One block runs up and the other down: in each one warp reads what is not written yet.
  CHECK(y[0] == -1 && y[32] == 0 && y[64] == 32 && y[96] == -1);
}

void blocks_have_no_order() {
  Device d;
  std::vector<std::vector<int>> seen;
  for (int i = 0; i < 2; i++) {
    auto out = d.upload(std::vector<int>(4, 0));
    OK(d.launch("block_before", 4, 1, 0, nullptr, out));
    seen.push_back(d.download<int>(out, 4));
  }
  CHECK(seen[0][3] == 4 && seen[1][3] == 1);
}

void divergent_barriers_are_told() {
  fails_with(LAUNCH_FAILED, "is at __syncthreads of line",
             [](Device& d) { return d.launch("half_barrier", 1, 64, 0, nullptr, d.bytes(256)); });
  fails_with(LAUNCH_FAILED, "waits at a shuffle, which lane 16 of the warp never reaches (it has ended)",
             [](Device& d) { return d.launch("half_shuffle", 1, 32, 0, nullptr, d.bytes(256)); });
  fails_with(LAUNCH_FAILED, "(it does not exist)",
             [](Device& d) { return d.launch("shuffles", 1, 20, 0, nullptr, d.bytes(1024)); });
}

// --- streams

void work_waits_for_synchronisation() {
  Device d;
  auto x = d.upload(iota(64)), out = d.bytes(256);
  void *stream, *host;
  OK(cuStreamCreate(&stream, 1));
  OK(cuMemHostAlloc(&host, 256, 0));
  float* y = static_cast<float*>(host);
  OK(d.launch("scale", 1, 64, 0, stream, x, out, 64LL, 2.0f));
  OK(cuMemcpyDtoHAsync_v2(y, out, 256, stream));
  CHECK(std::isnan(y[1]));
  // A copy on the legacy stream does not wait for a stream that does not block.
  CHECK(std::isnan(d.download<float>(out, 1)[0]));
  OK(cuStreamSynchronize(stream));
  CHECK(y[1] == 2 && y[63] == 126);
  IS(0, cuStreamQuery(stream));
  // Pinned memory is read when the copy runs.
  y[0] = 5;
  OK(cuMemcpyHtoDAsync_v2(out, y, 4, stream));
  y[0] = 6;
  IS(600, cuStreamQuery(stream));
  IS(0, cuStreamQuery(stream));
  CHECK(d.download<float>(out, 1)[0] == 6);
  // Pageable memory is read at the call.
  float pageable = 7;
  OK(cuMemcpyHtoDAsync_v2(out, &pageable, 4, stream));
  pageable = 8;
  OK(cuStreamSynchronize(stream));
  CHECK(d.download<float>(out, 1)[0] == 7);
  OK(cuMemFreeHost(host));
}

void the_legacy_stream_waits_for_blocking_ones() {
  Device d;
  auto out = d.bytes(4);
  void* stream;
  OK(cuStreamCreate(&stream, 0));
  OK(cuMemsetD32Async(out, 42, 1, stream));
  CHECK(d.download<int>(out, 1)[0] == 42);
  // And they for it.
  OK(cuMemsetD32Async(out, 1, 1, nullptr));
  OK(cuMemsetD32Async(out, 2, 1, stream));
  OK(cuStreamSynchronize(stream));
  CHECK(d.download<int>(out, 1)[0] == 2);
}

void events_order_streams() {
  Device d;
  void *first, *second, *event, *later;
  OK(cuStreamCreate(&first, 1));
  OK(cuStreamCreate(&second, 1));
  OK(cuEventCreate(&event, 0));
  OK(cuEventCreate(&later, 0));
  auto out = d.bytes(4), copy = d.bytes(4);
  OK(cuMemsetD32Async(out, 1, 1, first));
  OK(cuEventRecord(event, first));
  OK(cuMemsetD32Async(out, 2, 1, first));
  OK(cuStreamWaitEvent(second, event, 0));
  OK(d.launch("scale", 1, 1, 0, second, out, copy, 1LL, 1.0f));
  OK(cuEventRecord(later, second));
  float ms = -1;
  IS(600, cuEventElapsedTime(&ms, event, later));
  OK(cuEventSynchronize(later));
  // Only what came before the event ran.
  CHECK(d.download<int>(copy, 1)[0] == 1 && d.download<int>(out, 1)[0] == 1);
  IS(0, cuEventQuery(event));
  OK(cuEventElapsedTime(&ms, event, later));
  CHECK(ms >= 0);
  OK(cuCtxSynchronize());
  CHECK(d.download<int>(out, 1)[0] == 2);
}

int called = 0;
void host_functions_run_in_order() {
  Device d;
  void* stream;
  OK(cuStreamCreate(&stream, 1));
  called = 0;
  OK(cuLaunchHostFunc(stream, [](void* p) { called = *static_cast<int*>(p) + cuCtxSynchronize(); }, &d.ordinal));
  CHECK(called == 0);
  OK(cuStreamSynchronize(stream));
  CHECK(called == 800);  // it must not call the driver
}

void graphs_replay() {
  Device d;
  void *stream, *graph, *exec;
  OK(cuStreamCreate(&stream, 1));
  auto x = d.upload(iota(8)), out = d.bytes(32);
  d.function("scale");
  OK(cuStreamBeginCapture_v2(stream, 1));
  float by = 3;
  OK(d.launch("scale", 1, 8, 0, stream, x, out, 8LL, by));
  OK(d.launch("scale", 1, 8, 0, stream, out, x, 8LL, 1.0f));
  by = 100;
  OK(cuStreamEndCapture(stream, &graph));
  size_t nodes = 0;
  OK(cuGraphGetNodes(graph, nullptr, &nodes));
  CHECK(nodes == 2);
  OK(cuGraphInstantiateWithFlags(&exec, graph, 0));
  OK(cuGraphDestroy(graph));
  CHECK(d.download<float>(x, 8)[1] == 1);
  OK(cuGraphLaunch(exec, stream));
  OK(cuGraphLaunch(exec, stream));
  CHECK(d.download<float>(x, 8)[1] == 1);
  OK(cuStreamSynchronize(stream));
  CHECK(d.download<float>(x, 8)[1] == 9);
  OK(cuGraphExecDestroy(exec));
  IS(INVALID_VALUE, cuGraphLaunch(exec, stream));
}

void captures_refuse_what_synchronises() {
  Device d;
  void *stream, *other, *event, *graph;
  OK(cuStreamCreate(&stream, 0));
  OK(cuStreamCreate(&other, 1));
  OK(cuEventCreate(&event, 2));
  auto out = d.bytes(4);
  int mode = 1;
  auto captured = [&](int expected, const std::function<int()>& call) {
    OK(cuStreamBeginCapture_v2(stream, mode));
    IS(expected, call());
    IS(901, cuStreamEndCapture(stream, &graph));
  };
  captured(900, [&] { return cuStreamSynchronize(stream); });
  captured(900, [&] { return cuCtxSynchronize(); });
  captured(906, [&] { return cuMemsetD32Async(out, 0, 1, nullptr); });
  void *module, *function;
  OK(cuModuleLoadData(&module, "kernels"));
  OK(cuModuleGetFunction(&function, module, "scale"));
  // The relaxed mode, too: what takes long, or waits for the device, has its place before a capture.
  for (; mode <= 2; mode++) {
    captured(900, [&] { CUdeviceptr p; return cuMemAlloc_v2(&p, 4); });
    captured(900, [&] { void* p; return cuMemHostAlloc(&p, 4, 0); });
    captured(900, [&] { void* m; return cuModuleLoadData(&m, "kernels"); });
    captured(900, [&] { void* f; return cuModuleGetFunction(&f, module, "scale"); });
    captured(900, [&] { int value; return cuFuncGetAttribute(&value, 1, function); });
    captured(900, [&] { return cuFuncSetAttribute(function, 8, 65536); });
  }
  // Work forked to another stream must come back.
  for (int joined = 0; joined < 2; joined++) {
    OK(cuStreamBeginCapture_v2(stream, 1));
    OK(cuEventRecord(event, stream));
    OK(cuStreamWaitEvent(other, event, 0));
    OK(cuMemsetD32Async(out, 3, 1, other));
    if (joined) {
      OK(cuEventRecord(event, other));
      OK(cuStreamWaitEvent(stream, event, 0));
    }
    IS(joined ? 0 : 904, cuStreamEndCapture(stream, &graph));
  }
}

void peer_copies() {
  Device first(0);
  auto from = first.upload(iota(4));
  Device second(1);
  auto to = second.bytes(16);
  CHECK(to - from > 16 || from - to > 16);
  void* stream;
  OK(cuStreamCreate(&stream, 1));
  OK(cuMemcpyPeerAsync(to, second.context, from, first.context, 16, stream));
  CHECK(std::isnan(second.download<float>(to, 4)[3]));
  OK(cuStreamSynchronize(stream));
  CHECK(second.download<float>(to, 4)[3] == 3);
}

// --- wrong calls

void handles_are_checked() {
  Device d;
  void *stream, *f = nullptr;
  OK(cuStreamCreate(&stream, 1));
  OK(cuStreamDestroy_v2(stream));
  IS(INVALID_HANDLE, cuStreamSynchronize(stream));
  IS(INVALID_HANDLE, cuStreamDestroy_v2(stream));
  IS(500, cuModuleGetFunction(&f, d.module, "no_such_kernel"));
  auto p = d.bytes(16);
  OK(cuMemFree_v2(p));
  IS(INVALID_VALUE, cuMemFree_v2(p));
  IS(INVALID_VALUE, cuMemcpyHtoD_v2(p, &d, 16));
  CUdeviceptr huge;
  IS(2, cuMemAlloc_v2(&huge, size_t(1) << 50));
}

void launches_are_checked() {
  Device d;
  auto out = d.bytes(4);
  std::string told = errors_of([&] {
    IS(INVALID_VALUE, d.launch("shared_at", 1, 32, 48 * 1024 + 16, nullptr, out, 0));
    IS(INVALID_VALUE, d.launch("shared_at", 1, 1056, 0, nullptr, out, 0));
    IS(INVALID_VALUE, d.launch("last", 1, 96, 0, nullptr, out, out, out));
    IS(INVALID_VALUE, d.launch("shared_at", 0, 32, 16, nullptr, out, 0));
  });
  CHECK(contains(told, "launch of last: 96 threads a block; expected 1 to 64"));
  void* f = d.function("shared_at");
  IS(INVALID_VALUE, cuFuncSetAttribute(f, 8, 228 * 1024));
  OK(cuFuncSetAttribute(f, 8, 227 * 1024));
  OK(d.launch("shared_at", 1, 32, 227 * 1024, nullptr, out, 227 * 256 - 1));
  OK(cuCtxSynchronize());
  Device other(1);
  errors_of([&] { IS(INVALID_HANDLE, cuLaunchKernel(f, 1, 1, 1, 32, 1, 1, 16, nullptr, nullptr, nullptr)); });
}

// --- cases with an environment of their own, run by name

void leaks() {
  void *context, *stream, *module;
  CUdeviceptr p, q;
  OK(cuDevicePrimaryCtxRetain(&context, 0));
  OK(cuCtxSetCurrent(context));
  OK(cuModuleLoadData(&module, "image"));
  OK(cuMemAlloc_v2(&p, 1234));
  OK(cuMemAlloc_v2(&q, 4096));
  OK(cuStreamCreate(&stream, 1));
  OK(cuMemFree_v2(q));
  OK(cuModuleUnload(module));
}

void no_leaks() {
  launches();
  void* context;
  OK(cuDevicePrimaryCtxRetain(&context, 1));
  OK(cuDevicePrimaryCtxRelease_v2(1));
}

void lost_device() {
  Device d(1);
  auto x = d.upload(iota(8)), out = d.bytes(32);
  for (int i = 1; i < 3; i++) {
    OK(d.launch("scale", 1, 8, 0, nullptr, x, out, 8LL, 1.0f));
    OK(cuCtxSynchronize());
  }
  OK(d.launch("scale", 1, 8, 0, nullptr, x, out, 8LL, 1.0f));
  IS(46, cuCtxSynchronize());
  IS(46, cuCtxSynchronize());
  OK(cuDevicePrimaryCtxReset_v2(1));
  void* context;
  IS(46, cuDevicePrimaryCtxRetain(&context, 1));
}

struct Case {
  const char* name;
  void (*body)();
  bool alone;
};
#define CASE(name) {#name, name, false}
const Case CASES[] = {CASE(devices), CASE(launches), CASE(block_sums), CASE(last_blocks), CASE(shuffles),
    CASE(products),
                      CASE(transposed), CASE(async_copies_arrive_when_waited_for), CASE(half_conversions),
                      CASE(half_products_round_once), CASE(reads_outside_are_refused), CASE(writes_outside_are_refused),
                      CASE(freed_memory_is_refused), CASE(misaligned_vectors_are_refused),
                          CASE(shared_memory_is_bounded),
                      CASE(shared_variables_and_tables_are_bounded), CASE(memory_holds_garbage),
                          CASE(other_devices_need_peer_access), CASE(missing_barriers_show), CASE(blocks_have_no_order),
                      CASE(divergent_barriers_are_told), CASE(work_waits_for_synchronisation),
                      CASE(the_legacy_stream_waits_for_blocking_ones), CASE(events_order_streams),
                      CASE(host_functions_run_in_order), CASE(graphs_replay), CASE(captures_refuse_what_synchronises),
                      CASE(peer_copies), CASE(handles_are_checked), CASE(launches_are_checked),
                      {"leaks", leaks, true}, {"no_leaks", no_leaks, true}, {"lost_device", lost_device, true}};

}  // namespace

int main(int argc, char** argv) {
  OK(cuInit(0));
  int ran = 0;
  for (const Case& c : CASES) {
    bool named = argc == 1 && !c.alone;
    for (int i = 1; i < argc; i++) named |= std::strcmp(argv[i], c.name) == 0;
    if (!named) continue;
    int before = failures;
    c.body();
    ran++;
    std::printf("%s %s\n", failures == before ? "ok" : "FAILED", c.name);
  }
  std::printf("%d cases, %d failures\n", ran, failures);
  return failures == 0 && ran > 0 ? 0 : 1;
}
