// The driver's calls about modules and their functions.

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "driver.h"

using namespace yuzui_sim;

namespace {

// The version of PTX that a driver reads, 80 for 8.0.
int ptx_version(int driver) {
  constexpr int VERSIONS[][2] = {{13000, 90}, {12090, 88}, {12080, 87}, {12070, 86}, {12050, 85}, {12040, 84},
                                 {12030, 83}, {12020, 82}, {12010, 81}, {12000, 80}, {11080, 78}, {0, 0}};
  for (auto& [least, version] : VERSIONS) {
    if (driver >= least) return version;
  }
  return 0;
}

uint64_t field(const unsigned char* at, int bytes) {
  uint64_t value = 0;
  std::memcpy(&value, at, (size_t)bytes);
  return value;
}

// As the real one: machine code is for one major version and the minor ones from its own on, and no driver takes what a newer
// toolkit made; PTX is for its architecture and later ones. Anything else is taken as it is.
int refuse_image(const unsigned char* image) {
  const Options& o = driver().options;
  constexpr uint64_t FATBIN = 0xBA55ED50;
  if (field(image, 4) == FATBIN) {
    if (o.driver < 13000) return ERROR_UNSUPPORTED_PTX_VERSION;
    const unsigned char* end = image + field(image + 6, 2) + field(image + 8, 8);
    for (const unsigned char* at = image + field(image + 6, 2); at < end; at += field(at + 4, 4) + field(at + 8, 8)) {
      int capability = (int)field(at + 28, 4);
      bool cubin = field(at, 2) == 2;
      if (cubin && capability / 10 == o.capability / 10 && capability <= o.capability) return SUCCESS;
      if (!cubin && capability <= o.capability) return SUCCESS;
    }
    return ERROR_NO_BINARY_FOR_GPU;
  }
  const char* text = reinterpret_cast<const char*>(image);
  if (std::strncmp(text, "//", 2) != 0) return SUCCESS;
  const char* version = std::strstr(text, "\n.version ");
  const char* target = std::strstr(text, "\n.target sm_");
  int major = 0, minor = 0, capability = 0;
  if (!version || !target || std::sscanf(version, "\n.version %d.%d", &major, &minor) != 2 ||
      std::sscanf(target, "\n.target sm_%d", &capability) != 1) {
    return ERROR_INVALID_PTX;
  }
  if (10 * major + minor > ptx_version(o.driver)) return ERROR_UNSUPPORTED_PTX_VERSION;
  return capability <= o.capability ? SUCCESS : ERROR_NO_BINARY_FOR_GPU;
}

}  // namespace

// The kernels are the ones compiled into this library, whatever the image holds.
API cuModuleLoadData(void** handle, const void* image) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  if (int refused = refuse_in_capture(call.context)) return refused;
  if (image == nullptr) return ERROR_INVALID_VALUE;
  if (*static_cast<const char*>(image) == 0) return ERROR_INVALID_IMAGE;
  if (int refused = refuse_image(static_cast<const unsigned char*>(image))) return refused;
  auto module = driver().add(std::make_shared<Module>());
  module->context = call.context;
  *handle = as_handle<void>(*module);
  return SUCCESS;
}
API cuModuleLoadDataEx(void** handle, const void* image, unsigned, int*, void**) {
  return cuModuleLoadData(handle, image);
}
API cuModuleLoadFatBinary(void** handle, const void* image) { return cuModuleLoadData(handle, image); }

API cuModuleLoad(void** handle, const char* path) {
  FILE* file = path ? std::fopen(path, "rb") : nullptr;
  if (!file) return ERROR_FILE_NOT_FOUND;
  char first[2] = {0, 0};
  size_t n = std::fread(first, 1, 1, file);
  std::fclose(file);
  return n == 1 ? cuModuleLoadData(handle, "a file") : ERROR_INVALID_IMAGE;
}

API cuModuleUnload(void* handle) {
  Call call(Call::RELEASE);
  if (call.error) return call.error;
  auto module = driver().find<Module>(handle);
  if (call.context) {
    if (int refused = refuse_in_capture(call.context)) return refused;
  }
  if (!module) return ERROR_INVALID_HANDLE;
  drain_context(module->context);
  for (auto& [name, function] : module->functions) driver().objects.erase(function);
  driver().objects.erase(module->handle);
  return call.failed;
}

API cuModuleGetFunction(void** handle, void* moduleHandle, const char* name) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  if (int refused = refuse_in_capture(call.context)) return refused;
  auto module = driver().find<Module>(moduleHandle);
  if (!module) return ERROR_INVALID_HANDLE;
  if (!name) return ERROR_INVALID_VALUE;
  const Kernel* kernel = find_kernel(name, driver().options.capability);
  if (!kernel) return ERROR_NOT_FOUND;
  uint64_t& known = module->functions[name];
  if (known == 0) {
    auto function = driver().add(std::make_shared<Function>());
    function->module = module;
    function->kernel = kernel;
    function->staticShared = static_shared(name);
    function->maxDynamicShared -= function->staticShared;
    known = function->handle;
  }
  *handle = reinterpret_cast<void*>(known);
  return SUCCESS;
}

API cuFuncGetModule(void** handle, void* functionHandle) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  auto function = driver().find<Function>(functionHandle);
  if (!function) return ERROR_INVALID_HANDLE;
  *handle = as_handle<void>(*function->module);
  return SUCCESS;
}

API cuFuncGetAttribute(int* value, int attribute, void* handle) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  if (int refused = refuse_in_capture(call.context)) return refused;
  auto function = driver().find<Function>(handle);
  if (!function) return ERROR_INVALID_HANDLE;
  switch (attribute) {
    case 0: *value = function->kernel->maxThreads; return SUCCESS;
    case 1: *value = function->staticShared; return SUCCESS;
    case 4: *value = 32; return SUCCESS;  // registers
    case 5: case 6: *value = driver().options.capability; return SUCCESS;  // versions of PTX and of the binary
    case 8: *value = function->maxDynamicShared; return SUCCESS;
    default: *value = 0; return attribute < 0 || attribute > 15 ? ERROR_INVALID_VALUE : SUCCESS;
  }
}

API cuFuncSetAttribute(void* handle, int attribute, int value) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  if (int refused = refuse_in_capture(call.context)) return refused;
  auto function = driver().find<Function>(handle);
  if (!function) return ERROR_INVALID_HANDLE;
  if (attribute == 9) return SUCCESS;  // the preferred carveout is a hint
  if (attribute != 8 || value < 0 || value > driver().options.sharedBytes() - function->staticShared) return ERROR_INVALID_VALUE;
  function->maxDynamicShared = value;
  return SUCCESS;
}

API cuFuncSetCacheConfig(void* handle, int) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  return driver().find<Function>(handle) ? SUCCESS : ERROR_INVALID_HANDLE;
}

API cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, void* handle, int threads, size_t shared) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  auto function = driver().find<Function>(handle);
  if (!function) return ERROR_INVALID_HANDLE;
  if (threads <= 0) return ERROR_INVALID_VALUE;
  int byThreads = 2048 / std::max(32, (threads + 31) / 32 * 32);
  int byShared = (int)(228 * 1024 / (shared + 1024));
  *blocks = threads > function->kernel->maxThreads ? 0 : std::min(32, std::min(byThreads, byShared));
  return SUCCESS;
}
API cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, void* handle, int threads, size_t shared,
    unsigned) {
  return cuOccupancyMaxActiveBlocksPerMultiprocessor(blocks, handle, threads, shared);
}
