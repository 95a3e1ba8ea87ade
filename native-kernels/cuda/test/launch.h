// Device memory and launches, for programs that try kernels through the driver's API.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "../../cudasim/test/cu.h"

namespace {

[[noreturn]] void die(const std::string& message) {
  std::printf("FAILED %s\n", message.c_str());
  std::exit(1);
}
void ok(int code, const char* call) {
  if (code != 0) die(std::string(call) + " gave " + std::to_string(code));
}
#define OK(call) ok(call, #call)

int failures = 0;
[[maybe_unused]] void near(double worst, double bound, const std::string& what) {
  if (worst <= bound) return;
  failures++;
  std::printf("FAILED %s: off by %.3g, at most %.3g allowed\n", what.c_str(), worst, bound);
}

// Numbers on the device: `write` before kernels, `read` after. Begins as NaN, or as −1.
template <class T>
struct Device {
  CUdeviceptr at = 0;
  size_t size;
  explicit Device(size_t size) : size(size) {
    OK(cuMemAlloc_v2(&at, size * sizeof(T)));
    OK(cuMemsetD8_v2(at, 0xff, size * sizeof(T)));
  }
  explicit Device(const std::vector<T>& values) : Device(values.size()) {
    OK(cuMemcpyHtoD_v2(at, values.data(), size * sizeof(T)));
  }
  Device(const Device&) = delete;
  ~Device() { OK(cuMemFree_v2(at)); }
  std::vector<T> read() const {
    std::vector<T> values(size);
    OK(cuMemcpyDtoH_v2(values.data(), at, size * sizeof(T)));
    return values;
  }
};

struct Grid {
  unsigned x = 1, y = 1, z = 1;
};

void* module = nullptr;

template <class... A>
void launch(const std::string& kernel, Grid grid, unsigned block, size_t shared, A... arguments) {
  void* function = nullptr;
  ok(cuModuleGetFunction(&function, module, kernel.c_str()), kernel.c_str());
  constexpr int MAX_DYNAMIC_SHARED = 8;
  ok(cuFuncSetAttribute(function, MAX_DYNAMIC_SHARED, (int)shared), kernel.c_str());
  void* values[] = {&arguments...};
  ok(cuLaunchKernel(function, grid.x, grid.y, grid.z, block, 1, 1, (unsigned)shared, nullptr, values, nullptr),
     kernel.c_str());
  ok(cuCtxSynchronize(), kernel.c_str());
}

constexpr CUdeviceptr NONE = 0;

unsigned blocks(int n, int of) { return (unsigned)((n + of - 1) / of); }

// The first device's context and all kernels.
struct Session {
  void* context = nullptr;
  Session() {
    OK(cuInit(0));
    OK(cuDevicePrimaryCtxRetain(&context, 0));
    OK(cuCtxSetCurrent(context));
    OK(cuModuleLoadData(&module, "simulated"));
  }
  ~Session() {
    OK(cuModuleUnload(module));
    OK(cuDevicePrimaryCtxRelease_v2(0));
  }
};

}  // namespace
