// Device and pinned host memory of the simulator.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace yuzui_sim {

struct Allocation {
  size_t bytes;
  uint64_t context;
};

// A device's memory: a range of addresses of its own. What is not (or no longer) written holds 0xff bytes, NaN as a
// float.
class DeviceMemory {
 public:
  // Every 256 bytes have one entry in the shadow: how many of them, from the first, are allocated.
  static constexpr size_t GRANULE = 256;

  DeviceMemory(size_t capacity);

  uintptr_t base() const { return base_; }
  // Addresses reserved: more than the capacity, so that freed memory is not soon reused.
  size_t space() const { return space_; }
  const uint16_t* shadow() const { return shadow_; }
  size_t capacity() const { return capacity_; }
  size_t available() const { return capacity_ - used_; }
  size_t peak() const { return peak_; }

  // 0 when it does not fit.
  uintptr_t allocate(size_t bytes, uint64_t context);
  // False when nothing that lives begins at the address.
  bool release(uintptr_t address);

  bool owns(uintptr_t address) const { return address - base_ < space_; }
  bool valid(uintptr_t address, size_t bytes) const;
  const std::map<uintptr_t, Allocation>& live() const { return live_; }
  // The allocation that an address lies in or nearest to, in words.
  std::string nearest(uintptr_t address) const;

 private:
  uintptr_t find_gap(size_t bytes, uintptr_t from, uintptr_t to) const;

  uintptr_t base_;
  size_t space_;
  uint16_t* shadow_;
  size_t capacity_;
  size_t used_ = 0;
  size_t peak_ = 0;
  uintptr_t next_;
  std::map<uintptr_t, Allocation> live_;
  std::map<uintptr_t, size_t> freed_;
};

}  // namespace yuzui_sim
