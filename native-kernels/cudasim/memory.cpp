#include "memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace yuzui_sim {

namespace {

constexpr size_t ALIGNMENT = 512;
constexpr size_t CHUNK = size_t(16) << 20;

size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

void* reserve(size_t bytes) {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) {
    std::fprintf(stderr, "cudasim: cannot reserve %zu bytes of addresses; lower YUZUI_CUDASIM_MEMORY\n", bytes);
    std::abort();
  }
  return p;
}

// A file of CHUNK bytes 0xff, or -1.
int garbage_file() {
  static const int file = [] {
    int f = memfd_create("cudasim garbage", MFD_CLOEXEC);
    if (f < 0) return -1;
    std::string page(size_t(1) << 20, '\xff');
    for (size_t done = 0; done < CHUNK; done += page.size()) {
      if (write(f, page.data(), page.size()) != (ssize_t)page.size()) {
        close(f);
        return -1;
      }
    }
    return f;
  }();
  return file;
}

// Fills a range with 0xff. Large ranges become private mappings of one file, so that they take memory only once
// written.
void fill_garbage(uintptr_t address, size_t bytes) {
  uintptr_t end = address + bytes;
  if (bytes >= 2 * CHUNK && garbage_file() >= 0) {
    uintptr_t at = round_up(address, 4096);
    std::memset(reinterpret_cast<void*>(address), 0xff, at - address);
    while (end - at >= 4096) {
      size_t n = std::min(CHUNK, (end - at) / 4096 * 4096);
      void* p = mmap(reinterpret_cast<void*>(at), n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE,
                     garbage_file(), 0);
      if (p == MAP_FAILED) break;
      at += n;
    }
    address = at;
  }
  std::memset(reinterpret_cast<void*>(address), 0xff, end - address);
}

}  // namespace

DeviceMemory::DeviceMemory(size_t capacity) : capacity_(capacity) {
  space_ = round_up(4 * capacity, 4096);
  base_ = reinterpret_cast<uintptr_t>(reserve(space_));
  shadow_ = static_cast<uint16_t*>(reserve(round_up(space_ / GRANULE * sizeof(uint16_t), 4096)));
  next_ = base_ + ALIGNMENT;
}

uintptr_t DeviceMemory::find_gap(size_t bytes, uintptr_t from, uintptr_t to) const {
  uintptr_t at = from;
  auto after = live_.lower_bound(from);
  if (after != live_.begin()) {
    auto before = std::prev(after);
    at = std::max(at, before->first + round_up(before->second.bytes, ALIGNMENT) + ALIGNMENT);
  }
  for (; at + bytes + ALIGNMENT <= to; ++after) {
    if (after == live_.end() || at + bytes + ALIGNMENT <= after->first) return at;
    at = after->first + round_up(after->second.bytes, ALIGNMENT) + ALIGNMENT;
  }
  return 0;
}

uintptr_t DeviceMemory::allocate(size_t bytes, uint64_t context) {
  size_t taken = round_up(bytes, ALIGNMENT);
  if (taken > available()) return 0;
  uintptr_t at = find_gap(taken, next_, base_ + space_);
  if (at == 0) at = find_gap(taken, base_ + ALIGNMENT, base_ + space_);
  if (at == 0) return 0;
  next_ = at + taken + ALIGNMENT;
  used_ += taken;
  peak_ = std::max(peak_, used_);
  live_[at] = {bytes, context};
  // What was freed there is forgotten.
  auto old = freed_.lower_bound(at);
  if (old != freed_.begin() && std::prev(old)->first + std::prev(old)->second > at) --old;
  while (old != freed_.end() && old->first < at + taken) old = freed_.erase(old);
  fill_garbage(at, bytes);
  size_t granule = (at - base_) / GRANULE;
  for (size_t left = bytes; left > 0; granule++) {
    size_t n = std::min(left, GRANULE);
    shadow_[granule] = (uint16_t)n;
    left -= n;
  }
  return at;
}

bool DeviceMemory::release(uintptr_t address) {
  auto found = live_.find(address);
  if (found == live_.end()) return false;
  size_t bytes = found->second.bytes;
  used_ -= round_up(bytes, ALIGNMENT);
  size_t granule = (address - base_) / GRANULE;
  std::memset(shadow_ + granule, 0, (bytes + GRANULE - 1) / GRANULE * sizeof(uint16_t));
  fill_garbage(address, bytes);
  freed_[address] = bytes;
  live_.erase(found);
  return true;
}

bool DeviceMemory::valid(uintptr_t address, size_t bytes) const {
  if (bytes == 0) return true;
  if (!owns(address)) return false;
  auto after = live_.upper_bound(address);
  if (after == live_.begin()) return false;
  auto at = std::prev(after);
  return address - at->first <= at->second.bytes && bytes <= at->second.bytes - (address - at->first);
}

std::string DeviceMemory::nearest(uintptr_t address) const {
  char text[160];
  auto freed = freed_.upper_bound(address);
  if (freed != freed_.begin()) {
    auto f = std::prev(freed);
    if (address - f->first < f->second) {
      std::snprintf(text, sizeof text, "%zu bytes into %zu bytes at 0x%zx that were freed", address - f->first,
          f->second,
                    f->first);
      return text;
    }
  }
  if (live_.empty()) return "nothing is allocated";
  auto after = live_.upper_bound(address);
  if (after != live_.begin()) {
    auto at = std::prev(after);
    size_t past = address - at->first;
    if (past < at->second.bytes) {
      std::snprintf(text, sizeof text, "%zu bytes into an allocation of %zu bytes at 0x%zx", past, at->second.bytes,
          at->first);
      return text;
    }
    if (after == live_.end() || past - at->second.bytes < after->first - address) {
      std::snprintf(text, sizeof text, "%zu bytes past the end of an allocation of %zu bytes at 0x%zx",
                    past - at->second.bytes, at->second.bytes, at->first);
      return text;
    }
  }
  std::snprintf(text, sizeof text, "%zu bytes before an allocation of %zu bytes at 0x%zx", after->first - address,
                after->second.bytes, after->first);
  return text;
}

}  // namespace yuzui_sim
