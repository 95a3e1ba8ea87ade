// The driver's calls about memory: allocations, copies, fills.

#include <cstdlib>
#include <cstring>

#include "driver.h"

namespace yuzui_sim {

namespace {

using Address = unsigned long long;

DeviceMemory* owner(uintptr_t address, int* device = nullptr) {
  auto& memories = machine().memory;
  for (size_t i = 0; i < memories.size(); i++) {
    if (!memories[i]->owns(address)) continue;
    if (device) *device = (int)i;
    return memories[i];
  }
  return nullptr;
}

bool on_device(uintptr_t address, size_t bytes) {
  DeviceMemory* memory = owner(address);
  return memory && memory->valid(address, bytes);
}

bool is_pinned(uintptr_t address, size_t bytes) {
  auto after = driver().pinned.upper_bound(address);
  if (after == driver().pinned.begin()) return false;
  auto at = std::prev(after);
  size_t offset = address - at->first;
  return offset < at->second.bytes && bytes <= at->second.bytes - offset;
}

bool is_host(const void* p) { return p != nullptr && owner(reinterpret_cast<uintptr_t>(p)) == nullptr; }

uintptr_t number(const void* p) { return reinterpret_cast<uintptr_t>(p); }

// Memory may have been freed between a graph's capture and its launch.
Command copy_command(uintptr_t to, uintptr_t from, size_t bytes, bool toDevice, bool fromDevice) {
  return {Node::MEMCPY, [=] {
            if (toDevice && !on_device(to, bytes)) return ERROR_ILLEGAL_ADDRESS;
            if (fromDevice && !on_device(from, bytes)) return ERROR_ILLEGAL_ADDRESS;
            std::memmove(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), bytes);
            return SUCCESS;
          }};
}

// A copy that the host waits for: on the legacy stream.
int copy_now(const Call& call, uintptr_t to, uintptr_t from, size_t bytes, bool toDevice, bool fromDevice) {
  if (int refused = refuse_in_capture(call.context)) return refused;
  const auto& legacy = call.context->legacy;
  int error = enqueue(legacy, copy_command(to, from, bytes, toDevice, fromDevice));
  return error ? error : drain(legacy, legacy->enqueued);
}

int to_device(uintptr_t to, const void* from, size_t bytes, const std::shared_ptr<Stream>& stream) {
  if (is_pinned(number(from), bytes)) return enqueue(stream, copy_command(to, number(from), bytes, true, false));
  // Pageable memory is read at once, into a buffer of the driver's.
  if (stream->capture) return ERROR_STREAM_CAPTURE_UNSUPPORTED;
  auto staged = std::make_shared<std::string>(static_cast<const char*>(from), bytes);
  return enqueue(stream, {Node::MEMCPY, [=] {
                            if (!on_device(to, bytes)) return ERROR_ILLEGAL_ADDRESS;
                            std::memcpy(reinterpret_cast<void*>(to), staged->data(), bytes);
                            return SUCCESS;
                          }});
}

int to_host(void* to, uintptr_t from, size_t bytes, const std::shared_ptr<Stream>& stream) {
  bool pinned = is_pinned(number(to), bytes);
  if (!pinned && stream->capture) return ERROR_STREAM_CAPTURE_UNSUPPORTED;
  int error = enqueue(stream, copy_command(number(to), from, bytes, false, true));
  // Pageable memory is written before the call returns.
  return error || pinned ? error : drain(stream, stream->enqueued);
}

template <class T>
int fill(Address to, T value, size_t count, const std::shared_ptr<Stream>& stream) {
  if (!stream) return ERROR_INVALID_HANDLE;
  if (to % sizeof(T) != 0 || !on_device(to, count * sizeof(T))) return ERROR_INVALID_VALUE;
  return enqueue(stream, {Node::MEMSET, [=] {
                            if (!on_device(to, count * sizeof(T))) return ERROR_ILLEGAL_ADDRESS;
                            std::fill_n(reinterpret_cast<T*>(to), count, value);
                            return SUCCESS;
                          }});
}

}  // namespace
}  // namespace yuzui_sim

using namespace yuzui_sim;

API cuMemGetInfo_v2(size_t* available, size_t* total) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  const DeviceMemory& memory = *machine().memory[call.context->device];
  *available = memory.available();
  *total = memory.capacity();
  return SUCCESS;
}

API cuMemAlloc_v2(Address* address, size_t bytes) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  if (bytes == 0 || !address) return ERROR_INVALID_VALUE;
  if (int refused = refuse_in_capture(call.context)) return refused;
  *address = machine().memory[call.context->device]->allocate(bytes, call.context->handle);
  return *address == 0 ? ERROR_OUT_OF_MEMORY : SUCCESS;
}

API cuMemFree_v2(Address address) {
  Call call(Call::RELEASE);
  if (call.error) return call.error;
  if (address == 0) return SUCCESS;
  if (int refused = refuse_in_capture(call.context)) return refused;
  DeviceMemory* memory = owner(address);
  if (!memory || !memory->live().count(address)) return ERROR_INVALID_VALUE;
  // As the real one: it waits for what may still use the memory.
  auto context = driver().find<Context>(reinterpret_cast<void*>(memory->live().at(address).context));
  int error = context ? drain_context(context) : SUCCESS;
  memory->release(address);
  return call.failed ? call.failed : error;
}

API cuMemGetAddressRange_v2(Address* base, size_t* bytes, Address address) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  DeviceMemory* memory = owner(address);
  if (!memory || !memory->valid(address, 1)) return ERROR_INVALID_VALUE;
  auto found = std::prev(memory->live().upper_bound(address));
  if (base) *base = found->first;
  if (bytes) *bytes = found->second.bytes;
  return SUCCESS;
}

API cuPointerGetAttribute(void* value, int attribute, Address address) {
  Call call(Call::INITIALISED);
  if (call.error) return call.error;
  int device = 0;
  DeviceMemory* memory = owner(address, &device);
  bool pinned = !memory && is_pinned(address, 1);
  if (!pinned && (!memory || !memory->valid(address, 1))) return ERROR_INVALID_VALUE;
  switch (attribute) {
    case 2: *static_cast<unsigned*>(value) = pinned ? 1 : 2; return SUCCESS;  // memory type: host, device
    case 3: case 4: *static_cast<Address*>(value) = address; return SUCCESS;
    case 9: *static_cast<int*>(value) = device; return SUCCESS;
    default: return ERROR_INVALID_VALUE;
  }
}

API cuMemHostAlloc(void** p, size_t bytes, unsigned flags) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  if (bytes == 0 || !p || flags > 7) return ERROR_INVALID_VALUE;
  if (int refused = refuse_in_capture(call.context)) return refused;
  if (posix_memalign(p, 4096, bytes) != 0) return ERROR_OUT_OF_MEMORY;
  std::memset(*p, 0xff, bytes);
  driver().pinned[number(*p)] = {bytes, true, (flags & 2) != 0};
  return SUCCESS;
}
API cuMemAllocHost_v2(void** p, size_t bytes) { return cuMemHostAlloc(p, bytes, 0); }

API cuMemFreeHost(void* p) {
  Call call(Call::INITIALISED);
  if (call.error) return call.error;
  auto found = driver().pinned.find(number(p));
  if (found == driver().pinned.end() || !found->second.allocated) return ERROR_INVALID_VALUE;
  if (call.context) drain_context(call.context);
  std::memset(p, 0xff, found->second.bytes);
  std::free(p);
  driver().pinned.erase(found);
  return SUCCESS;
}

API cuMemHostRegister_v2(void* p, size_t bytes, unsigned flags) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  if (bytes == 0 || !is_host(p)) return ERROR_INVALID_VALUE;
  auto after = driver().pinned.upper_bound(number(p) + bytes - 1);
  if (after != driver().pinned.begin() && std::prev(after)->first + std::prev(after)->second.bytes > number(p)) {
    return ERROR_HOST_MEMORY_ALREADY_REGISTERED;
  }
  driver().pinned[number(p)] = {bytes, false, (flags & 2) != 0};
  return SUCCESS;
}
API cuMemHostRegister(void* p, size_t bytes, unsigned flags) { return cuMemHostRegister_v2(p, bytes, flags); }

API cuMemHostUnregister(void* p) {
  Call call(Call::INITIALISED);
  if (call.error) return call.error;
  auto found = driver().pinned.find(number(p));
  if (found == driver().pinned.end() || found->second.allocated) return ERROR_HOST_MEMORY_NOT_REGISTERED;
  if (call.context) drain_context(call.context);
  driver().pinned.erase(found);
  return SUCCESS;
}

API cuMemHostGetDevicePointer_v2(Address* address, void* p, unsigned) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  if (!is_pinned(number(p), 1)) return ERROR_INVALID_VALUE;
  *address = number(p);
  return SUCCESS;
}

API cuMemHostGetFlags(unsigned* flags, void* p) {
  Call call(Call::INITIALISED);
  if (call.error) return call.error;
  auto found = driver().pinned.find(number(p));
  if (found == driver().pinned.end()) return ERROR_INVALID_VALUE;
  *flags = found->second.mapped ? 2 : 0;
  return SUCCESS;
}

API cuMemcpyHtoD_v2(Address to, const void* from, size_t bytes) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  if (bytes == 0) return SUCCESS;
  if (!is_host(from) || !on_device(to, bytes)) return ERROR_INVALID_VALUE;
  return copy_now(call, to, number(from), bytes, true, false);
}

API cuMemcpyDtoH_v2(void* to, Address from, size_t bytes) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  if (bytes == 0) return SUCCESS;
  if (!is_host(to) || !on_device(from, bytes)) return ERROR_INVALID_VALUE;
  return copy_now(call, number(to), from, bytes, false, true);
}

API cuMemcpyHtoDAsync_v2(Address to, const void* from, size_t bytes, void* handle) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  auto stream = find_stream(handle, call.context);
  if (!stream) return ERROR_INVALID_HANDLE;
  if (bytes == 0) return SUCCESS;
  if (!is_host(from) || !on_device(to, bytes)) return ERROR_INVALID_VALUE;
  return to_device(to, from, bytes, stream);
}

API cuMemcpyDtoHAsync_v2(void* to, Address from, size_t bytes, void* handle) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  auto stream = find_stream(handle, call.context);
  if (!stream) return ERROR_INVALID_HANDLE;
  if (bytes == 0) return SUCCESS;
  if (!is_host(to) || !on_device(from, bytes)) return ERROR_INVALID_VALUE;
  return to_host(to, from, bytes, stream);
}

API cuMemcpyDtoDAsync_v2(Address to, Address from, size_t bytes, void* handle) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  auto stream = find_stream(handle, call.context);
  if (!stream) return ERROR_INVALID_HANDLE;
  if (bytes == 0) return SUCCESS;
  if (!on_device(to, bytes) || !on_device(from, bytes)) return ERROR_INVALID_VALUE;
  return enqueue(stream, copy_command(to, from, bytes, true, true));
}
// The host does not wait for a copy within the device.
API cuMemcpyDtoD_v2(Address to, Address from, size_t bytes) { return cuMemcpyDtoDAsync_v2(to, from, bytes, nullptr); }

API cuMemcpyAsync(Address to, Address from, size_t bytes, void* handle) {
  bool toDevice = owner(to) != nullptr, fromDevice = owner(from) != nullptr;
  if (toDevice && fromDevice) return cuMemcpyDtoDAsync_v2(to, from, bytes, handle);
  if (toDevice) return cuMemcpyHtoDAsync_v2(to, reinterpret_cast<const void*>(from), bytes, handle);
  if (fromDevice) return cuMemcpyDtoHAsync_v2(reinterpret_cast<void*>(to), from, bytes, handle);
  return ERROR_INVALID_VALUE;
}

API cuMemcpy(Address to, Address from, size_t bytes) {
  bool toDevice = owner(to) != nullptr, fromDevice = owner(from) != nullptr;
  if (toDevice && fromDevice) return cuMemcpyDtoD_v2(to, from, bytes);
  if (toDevice) return cuMemcpyHtoD_v2(to, reinterpret_cast<const void*>(from), bytes);
  if (fromDevice) return cuMemcpyDtoH_v2(reinterpret_cast<void*>(to), from, bytes);
  return ERROR_INVALID_VALUE;
}

API cuMemcpyPeerAsync(Address to, void* toContext, Address from, void* fromContext, size_t bytes, void* handle) {
  Call call(Call::CONTEXT);
  if (call.error) return call.error;
  auto stream = find_stream(handle, call.context);
  if (!stream) return ERROR_INVALID_HANDLE;
  auto target = driver().find<Context>(toContext), source = driver().find<Context>(fromContext);
  if (!target || !source) return ERROR_INVALID_CONTEXT;
  if (bytes == 0) return SUCCESS;
  if (!machine().memory[target->device]->valid(to, bytes) || !machine().memory[source->device]->valid(from, bytes)) {
    return ERROR_INVALID_VALUE;
  }
  return enqueue(stream, copy_command(to, from, bytes, true, true));
}

// After all work of the three contexts, and before any that follows.
API cuMemcpyPeer(Address to, void* toContext, Address from, void* fromContext, size_t bytes) {
  {
    Call call(Call::CONTEXT);
    if (call.error) return call.error;
    auto target = driver().find<Context>(toContext), source = driver().find<Context>(fromContext);
    if (!target || !source) return ERROR_INVALID_CONTEXT;
    if (int refused = refuse_in_capture(call.context)) return refused;
    for (auto& context : {source, target, call.context}) {
      if (int error = drain_context(context)) return error;
    }
  }
  int error = cuMemcpyPeerAsync(to, toContext, from, fromContext, bytes, nullptr);
  if (error) return error;
  Call call(Call::CONTEXT);
  return call.error ? call.error : drain_stream(call.context->legacy);
}

#define MEMSET(bits, type)                                                                      \
  API cuMemsetD##bits##Async(Address to, type value, size_t count, void* handle) {              \
    Call call(Call::CONTEXT);                                                                   \
    if (call.error) return call.error;                                                          \
    return fill<type>(to, value, count, find_stream(handle, call.context));                     \
  }                                                                                             \
  API cuMemsetD##bits##_v2(Address to, type value, size_t count) {                              \
    return cuMemsetD##bits##Async(to, value, count, nullptr);                                   \
  }
MEMSET(8, unsigned char)
MEMSET(16, unsigned short)
MEMSET(32, unsigned)
