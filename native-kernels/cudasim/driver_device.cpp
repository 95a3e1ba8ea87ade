// The driver's calls about devices and contexts.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "driver.h"

namespace yuzui_sim {

Driver& driver() {
  static auto* it = new Driver;
  return *it;
}

std::vector<uint64_t>& context_stack() {
  thread_local std::vector<uint64_t> contexts;
  return contexts;
}

Call::Call(Need need) {
  // A host function on a stream must not call the driver; here it would wait for itself.
  if (driver().initialised && is_worker()) {
    error = ERROR_NOT_PERMITTED;
    return;
  }
  held = std::unique_lock<std::mutex>(driver().lock);
  if (!driver().initialised) {
    error = ERROR_NOT_INITIALIZED;
    return;
  }
  auto& stack = context_stack();
  if (!stack.empty()) context = driver().find<Context>(reinterpret_cast<void*>(stack.back()));
  if (need == INITIALISED) return;
  if (!context) {
    error = stack.empty() ? ERROR_INVALID_CONTEXT : ERROR_CONTEXT_IS_DESTROYED;
  } else {
    failed = driver().lost[context->device] ? driver().options.failCode : context->error;
    if (need == CONTEXT) error = failed;
  }
}

namespace {

bool device_exists(int device) { return device >= 0 && device < driver().options.devices; }

std::shared_ptr<Context> make_context(int device, unsigned flags) {
  auto context = driver().add(std::make_shared<Context>());
  context->device = device;
  context->flags = flags;
  context->legacy = std::make_shared<Stream>();
  context->legacy->context = context;
  context->legacy->isLegacy = true;
  return context;
}

std::shared_ptr<Context> context_of(const Object& object) {
  if (auto* s = dynamic_cast<const Stream*>(&object)) return s->context;
  if (auto* e = dynamic_cast<const Event*>(&object)) return e->context;
  if (auto* m = dynamic_cast<const Module*>(&object)) return m->context;
  if (auto* g = dynamic_cast<const GraphExec*>(&object)) return g->context;
  if (auto* f = dynamic_cast<const Function*>(&object)) return f->module->context;
  return nullptr;
}

// Everything that lives in the context goes with it, and is told as leaked.
void destroy_context(const std::shared_ptr<Context>& context) {
  Driver& d = driver();
  drain_context(context);
  DeviceMemory& memory = *machine().memory[context->device];
  std::vector<uintptr_t> left;
  for (auto& [address, allocation] : memory.live()) {
    if (allocation.context != context->handle) continue;
    left.push_back(address);
    d.leaks.push_back(describe_allocation(context->device, address, allocation) + ", freed with its context");
  }
  for (uintptr_t address : left) memory.release(address);
  for (auto it = d.objects.begin(); it != d.objects.end();) {
    if (context_of(*it->second) == context) {
      if (!dynamic_cast<Function*>(it->second.get())) {
        d.leaks.push_back(std::string(it->second->kind()) + " of device " + std::to_string(context->device) +
                          ", destroyed with its context");
      }
      it = d.objects.erase(it);
    } else {
      ++it;
    }
  }
  d.objects.erase(context->handle);
  // Streams and contexts hold each other.
  context->legacy = nullptr;
  context->streams.clear();
}

int find_device_attribute(int attribute) {
  switch (attribute) {
    case 1: return MAX_THREADS;           // threads per block
    case 2: case 3: return 1024;          // block x, y
    case 4: return 64;                    // block z
    case 5: return INT_MAX;               // grid x
    case 6: case 7: return 65535;         // grid y, z
    case 8: return 48 * 1024;             // shared memory per block
    case 9: return 64 * 1024;             // constant memory
    case 10: return 32;                   // warp
    case 11: return INT_MAX;              // pitch
    case 12: case 82: return 65536;       // registers per block, multiprocessor
    case 13: return 1000000;              // clock, kHz
    case 16: return 4;                    // multiprocessors
    case 36: return 1000000;              // memory clock, kHz
    case 37: return 256;                  // bus width
    case 38: return 4 << 20;              // L2
    case 39: return 2048;                 // threads per multiprocessor
    case 40: return 2;                    // copy engines
    case 75: return driver().options.capability / 10;  // compute capability
    case 76: return driver().options.capability % 10;
    // shared memory per multiprocessor; before 8.0 a block may have all of it, from then on 1 KiB is the system's
    case 81: return driver().options.sharedBytes() + (driver().options.capability < 80 ? 0 : 1024);
    case 97: return driver().options.sharedBytes();    // shared memory per block, opt in
    case 106: return 32;                  // blocks per multiprocessor
    case 111: return 1024;                // reserved shared memory per block
    case 19: case 31: case 41: case 78: case 79: case 80: case 90: case 99: return 1;
    default: return 0;
  }
}

}  // namespace
}  // namespace yuzui_sim

using namespace yuzui_sim;

API cuInit(unsigned flags) {
  Driver& d = driver();
  std::unique_lock<std::mutex> held(d.lock);
  if (flags != 0) return ERROR_INVALID_VALUE;
  if (!d.initialised) {
    d.options = read_options();
    machine().countDistinct = !d.options.report.empty();
    for (int i = 0; i < d.options.devices; i++) machine().memory.push_back(new DeviceMemory(d.options.memory));
    d.primary.resize(d.options.devices);
    d.launches.resize(d.options.devices);
    d.lost.resize(d.options.devices);
    d.initialised = true;
    std::atexit(report_at_exit);
  }
  return d.options.devices == 0 ? ERROR_NO_DEVICE : SUCCESS;
}

API cuDriverGetVersion(int* version) {
  if (!version) return ERROR_INVALID_VALUE;
  *version = driver().initialised ? driver().options.driver : read_options().driver;
  return SUCCESS;
}

API cuDeviceGetCount(int* count) {
  Call call(Call::INITIALISED);
  if (call.error) return call.error;
  *count = driver().options.devices;
  return SUCCESS;
}

API cuDeviceGet(int* device, int ordinal) {
  Call call(Call::INITIALISED);
  if (call.error) return call.error;
  if (!device_exists(ordinal)) return ERROR_INVALID_DEVICE;
  *device = ordinal;
  return SUCCESS;
}

API cuDeviceGetName(char* name, int length, int device) {
  Call call(Call::INITIALISED);
  if (call.error) return call.error;
  if (!device_exists(device)) return ERROR_INVALID_DEVICE;
  std::snprintf(name, (size_t)length, "Yuzui CUDA simulator %d", device);
  return SUCCESS;
}

API cuDeviceGetAttribute(int* value, int attribute, int device) {
  Call call(Call::INITIALISED);
  if (call.error) return call.error;
  if (!device_exists(device)) return ERROR_INVALID_DEVICE;
  if (attribute <= 0) return ERROR_INVALID_VALUE;
  *value = attribute == 33 ? device + 1 : find_device_attribute(attribute);  // 33: PCI bus
  return SUCCESS;
}

API cuDeviceTotalMem_v2(size_t* bytes, int device) {
  Call call(Call::INITIALISED);
  if (call.error) return call.error;
  if (!device_exists(device)) return ERROR_INVALID_DEVICE;
  *bytes = driver().options.memory;
  return SUCCESS;
}
API cuDeviceTotalMem(size_t* bytes, int device) { return cuDeviceTotalMem_v2(bytes, device); }

API cuDeviceGetUuid(void* uuid, int device) {
  Call call(Call::INITIALISED);
  if (call.error) return call.error;
  if (!device_exists(device)) return ERROR_INVALID_DEVICE;
  std::memcpy(uuid, "cudasim device", 15);
  static_cast<char*>(uuid)[15] = (char)device;
  return SUCCESS;
}
API cuDeviceGetUuid_v2(void* uuid, int device) { return cuDeviceGetUuid(uuid, device); }

API cuDeviceGetPCIBusId(char* text, int length, int device) {
  Call call(Call::INITIALISED);
  if (call.error) return call.error;
  if (!device_exists(device)) return ERROR_INVALID_DEVICE;
  std::snprintf(text, (size_t)length, "0000:%02x:00.0", device + 1);
  return SUCCESS;
}

API cuDeviceComputeCapability(int* major, int* minor, int device) {
  Call call(Call::INITIALISED);
  if (call.error) return call.error;
  if (!device_exists(device)) return ERROR_INVALID_DEVICE;
  *major = 9;
  *minor = 0;
  return SUCCESS;
}

API cuDeviceCanAccessPeer(int* can, int device, int peer) {
  Call call(Call::INITIALISED);
  if (call.error) return call.error;
  if (!device_exists(device) || !device_exists(peer)) return ERROR_INVALID_DEVICE;
  *can = device != peer;
  return SUCCESS;
}

API cuDeviceGetP2PAttribute(int* value, int attribute, int device, int peer) {
  Call call(Call::INITIALISED);
  if (call.error) return call.error;
  if (!device_exists(device) || !device_exists(peer) || device == peer) return ERROR_INVALID_DEVICE;
  *value = attribute == 2;  // access is supported
  return SUCCESS;
}

API cuDevicePrimaryCtxRetain(void** context, int device) {
  Call call(Call::INITIALISED);
  if (call.error) return call.error;
  if (!device_exists(device)) return ERROR_INVALID_DEVICE;
  if (driver().lost[device]) return ERROR_DEVICE_UNAVAILABLE;
  auto& primary = driver().primary[device];
  if (!primary) {
    primary = make_context(device, 0);
    primary->primary = true;
  }
  primary->references++;
  *context = as_handle<void>(*primary);
  return SUCCESS;
}

API cuDevicePrimaryCtxRelease_v2(int device) {
  Call call(Call::INITIALISED);
  if (call.error) return call.error;
  if (!device_exists(device)) return ERROR_INVALID_DEVICE;
  auto& primary = driver().primary[device];
  if (!primary) return ERROR_INVALID_CONTEXT;
  if (--primary->references == 0) {
    destroy_context(primary);
    primary = nullptr;
  }
  return SUCCESS;
}
API cuDevicePrimaryCtxRelease(int device) { return cuDevicePrimaryCtxRelease_v2(device); }

API cuDevicePrimaryCtxReset_v2(int device) {
  Call call(Call::INITIALISED);
  if (call.error) return call.error;
  if (!device_exists(device)) return ERROR_INVALID_DEVICE;
  auto& primary = driver().primary[device];
  if (primary) destroy_context(primary);
  primary = nullptr;
  return SUCCESS;
}

API cuDevicePrimaryCtxGetState(int device, unsigned* flags, int* active) {
  Call call(Call::INITIALISED);
  if (call.error) return call.error;
  if (!device_exists(device)) return ERROR_INVALID_DEVICE;
  auto& primary = driver().primary[device];
  *flags = primary ? primary->flags : 0;
  *active = primary != nullptr;
  return SUCCESS;
}

API cuDevicePrimaryCtxSetFlags_v2(int device, unsigned flags) {
  Call call(Call::INITIALISED);
  if (call.error) return call.error;
  if (!device_exists(device)) return ERROR_INVALID_DEVICE;
  if (driver().primary[device]) driver().primary[device]->flags = flags;
  return SUCCESS;
}

API cuCtxCreate_v2(void** context, unsigned flags, int device) {
  Call call(Call::INITIALISED);
  if (call.error) return call.error;
  if (!device_exists(device)) return ERROR_INVALID_DEVICE;
  if (driver().lost[device]) return ERROR_DEVICE_UNAVAILABLE;
  auto made = make_context(device, flags);
  context_stack().push_back(made->handle);
  *context = as_handle<void>(*made);
  return SUCCESS;
}
API cuCtxCreate(void** context, unsigned flags, int device) { return cuCtxCreate_v2(context, flags, device); }

API cuCtxDestroy_v2(void* handle) {
  Call call(Call::INITIALISED);
  if (call.error) return call.error;
  auto context = driver().find<Context>(handle);
  if (!context || context->primary) return ERROR_INVALID_CONTEXT;
  destroy_context(context);
  auto& stack = context_stack();
  if (!stack.empty() && stack.back() == context->handle) stack.pop_back();
  return SUCCESS;
}
API cuCtxDestroy(void* handle) { return cuCtxDestroy_v2(handle); }

API cuCtxSetCurrent(void* handle) {
  Call call(Call::INITIALISED);
  if (call.error) return call.error;
  auto& stack = context_stack();
  if (handle != nullptr && !driver().find<Context>(handle)) return ERROR_INVALID_CONTEXT;
  if (!stack.empty()) stack.pop_back();
  if (handle != nullptr) stack.push_back(reinterpret_cast<uint64_t>(handle));
  return SUCCESS;
}

API cuCtxGetCurrent(void** handle) {
  Call call(Call::INITIALISED);
  if (call.error) return call.error;
  *handle = context_stack().empty() ? nullptr : reinterpret_cast<void*>(context_stack().back());
  return SUCCESS;
}

API cuCtxPushCurrent_v2(void* handle) {
  Call call(Call::INITIALISED);
  if (call.error) return call.error;
  if (!driver().find<Context>(handle)) return ERROR_INVALID_CONTEXT;
  context_stack().push_back(reinterpret_cast<uint64_t>(handle));
  return SUCCESS;
}
API cuCtxPushCurrent(void* handle) { return cuCtxPushCurrent_v2(handle); }

API cuCtxPopCurrent_v2(void** handle) {
  Call call(Call::INITIALISED);
  if (call.error) return call.error;
  auto& stack = context_stack();
  if (stack.empty()) return ERROR_INVALID_CONTEXT;
  if (handle) *handle = reinterpret_cast<void*>(stack.back());
  stack.pop_back();
  return SUCCESS;
}
API cuCtxPopCurrent(void** handle) { return cuCtxPopCurrent_v2(handle); }

API cuCtxGetDevice(int* device) {
  Call call(Call::CONTEXT);
  if (!call.context) return call.error;
  *device = call.context->device;
  return SUCCESS;
}

API cuCtxGetFlags(unsigned* flags) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  *flags = call.context->flags;
  return SUCCESS;
}

API cuCtxGetApiVersion(void* handle, unsigned* version) {
  Call call(Call::INITIALISED);
  if (call.error) return call.error;
  if (handle != nullptr && !driver().find<Context>(handle)) return ERROR_INVALID_CONTEXT;
  *version = 3020;
  return SUCCESS;
}

API cuCtxGetStreamPriorityRange(int* least, int* greatest) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  if (least) *least = 0;
  if (greatest) *greatest = -5;
  return SUCCESS;
}

API cuCtxSynchronize() {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  if (int refused = refuse_in_capture(call.context)) return refused;
  return drain_context(call.context);
}

API cuCtxEnablePeerAccess(void* peer, unsigned flags) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  auto other = driver().find<Context>(peer);
  if (!other) return ERROR_INVALID_CONTEXT;
  if (flags != 0) return ERROR_INVALID_VALUE;
  if (other->device == call.context->device) return ERROR_PEER_ACCESS_UNSUPPORTED;
  return call.context->peers.insert(other->handle).second ? SUCCESS : ERROR_PEER_ACCESS_ALREADY_ENABLED;
}

API cuCtxDisablePeerAccess(void* peer) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  auto other = driver().find<Context>(peer);
  if (!other) return ERROR_INVALID_CONTEXT;
  return call.context->peers.erase(other->handle) ? SUCCESS : ERROR_PEER_ACCESS_NOT_ENABLED;
}
