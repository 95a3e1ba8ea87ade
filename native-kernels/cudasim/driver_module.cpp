// The driver's calls about modules and their functions.

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "driver.h"

using namespace yuzui_sim;

// Any image does: the kernels are the ones compiled into this library.
API cuModuleLoadData(void** handle, const void* image) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  if (int refused = refuse_in_capture(call.context)) return refused;
  if (image == nullptr) return ERROR_INVALID_VALUE;
  if (*static_cast<const char*>(image) == 0) return ERROR_INVALID_IMAGE;
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
  return n == 1 ? cuModuleLoadData(handle, first) : ERROR_INVALID_IMAGE;
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
  const Kernel* kernel = find_kernel(name);
  if (!kernel) return ERROR_NOT_FOUND;
  uint64_t& known = module->functions[name];
  if (known == 0) {
    auto function = driver().add(std::make_shared<Function>());
    function->module = module;
    function->kernel = kernel;
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
    case 4: *value = 32; return SUCCESS;           // registers
    case 5: case 6: *value = 90; return SUCCESS;   // versions of PTX and of the binary
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
  if (attribute != 8 || value < 0 || (size_t)value > MAX_SHARED) return ERROR_INVALID_VALUE;
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
