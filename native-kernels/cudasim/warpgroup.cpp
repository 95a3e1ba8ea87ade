// Barriers in shared memory that count arrivals and bytes, the copies that they count, and wgmma.

#include "warpgroup.h"

#include <cstring>
#include <map>
#include <string>

#include "machine.h"

namespace yuzui_sim {

namespace {

struct BulkCopy {
  void* shared;
  std::vector<unsigned char> bytes;
};

struct SharedBarrier {
  int arrivals, pending;
  int64_t bytes;
  int phase;
  std::vector<BulkCopy> copies;
};

// Of the block in progress.
std::map<void*, SharedBarrier>& barriers() {
  static auto* all = new std::map<void*, SharedBarrier>;
  return *all;
}

SharedBarrier& barrier_at(void* at) {
  auto found = barriers().find(at);
  if (found == barriers().end()) fail(ERROR_LAUNCH_FAILED, "uses a barrier of shared memory that was not made");
  return found->second;
}

void settle(SharedBarrier& b) {
  if (b.pending == 0 && b.bytes == 0) {
    b.phase++;
    b.pending = b.arrivals;
  }
}

struct Wgmma {
  float* d;
  const unsigned* a;
  uint64_t b;
};

constexpr int COLUMNS = 128;

using Vector = float __attribute__((vector_size(64)));

// The warp's 16 rows of the product.
void multiply(void** all) {
  uint64_t first = static_cast<Wgmma*>(all[0])->b;
  static float a[16][16];
  static Vector b[16][COLUMNS / 16], d[16][COLUMNS / 16];
  for (int lane = 0; lane < 32; lane++) {
    const Wgmma& m = *static_cast<Wgmma*>(all[lane]);
    if (m.b != first) fail(ERROR_LAUNCH_FAILED, "lanes of a wgmma name different places in shared memory");
    int g = lane / 4, c = lane % 4;
    for (int i = 0; i < 4; i++) {
      for (int e = 0; e < 2; e++) a[g + (i & 1) * 8][2 * c + (i >> 1) * 8 + e] = half_float((uint16_t)(m.a[i] >> 16 * e));
    }
    for (int i = 0; i < 64; i++) {
      int column = i / 4 * 8 + 2 * c + (i & 1);
      d[g + (i >> 1 & 1) * 8][column / 16][column % 16] = m.d[i];
    }
  }
  for (int column = 0; column < COLUMNS; column++) {
    for (int half = 0; half < 2; half++) {
      uintptr_t at = (first << 4) + column * 128 + half * 16;
      at ^= (at >> 7 & 7) << 4;
      const uint16_t* piece = reinterpret_cast<const uint16_t*>(at);
      check_access(piece, 16, false);
      for (int i = 0; i < 8; i++) b[8 * half + i][column / 16][column % 16] = half_float(piece[i]);
    }
  }
  for (int row = 0; row < 16; row++) {
    for (int k = 0; k < 16; k++) {
      for (int i = 0; i < COLUMNS / 16; i++) d[row][i] += a[row][k] * b[k][i];
    }
  }
  for (int lane = 0; lane < 32; lane++) {
    const Wgmma& m = *static_cast<Wgmma*>(all[lane]);
    int g = lane / 4, c = lane % 4;
    for (int i = 0; i < 64; i++) {
      int column = i / 4 * 8 + 2 * c + (i & 1);
      m.d[i] = d[g + (i >> 1 & 1) * 8][column / 16][column % 16];
    }
  }
}

}  // namespace

void forget_barriers() { barriers().clear(); }

void barrier_init(void* barrier, int arrivals) {
  check_access(barrier, 8, true);
  barriers()[barrier] = {arrivals, arrivals, 0, 0, {}};
}

void barrier_arrive(void* barrier, int bytes) {
  SharedBarrier& b = barrier_at(barrier);
  b.bytes += bytes;
  if (--b.pending < 0) fail(ERROR_LAUNCH_FAILED, "arrives at a barrier of shared memory where all have been");
  settle(b);
  went_on();
}

// What is copied comes when a thread must wait for it, and not before.
void barrier_wait(void* barrier, int parity) {
  SharedBarrier& b = barrier_at(barrier);
  while ((b.phase & 1) == parity) {
    if (b.copies.empty()) {
      give_way("waits at a barrier of shared memory for a phase that never ends");
      continue;
    }
    std::vector<BulkCopy> copies;
    copies.swap(b.copies);
    for (const BulkCopy& copy : copies) {
      std::memcpy(copy.shared, copy.bytes.data(), copy.bytes.size());
      b.bytes -= (int64_t)copy.bytes.size();
    }
    settle(b);
    went_on();
  }
}

void bulk_copy(void* shared, const void* global, int bytes, void* barrier) {
  auto wrong = [](const void* p) { return reinterpret_cast<uintptr_t>(p) % 16 != 0; };
  if (bytes <= 0 || bytes % 16 != 0 || wrong(shared) || wrong(global)) {
    fail(ERROR_MISALIGNED_ADDRESS, "bulk_copy of what is no multiple of 16 bytes");
  }
  BulkCopy copy{shared, std::vector<unsigned char>((size_t)bytes)};
  for (int i = 0; i < bytes; i += 16) {
    check_access(static_cast<const char*>(global) + i, 16, false);
    check_access(static_cast<char*>(shared) + i, 16, true);
  }
  std::memcpy(copy.bytes.data(), global, (size_t)bytes);
  std::memset(shared, 0xff, (size_t)bytes);
  barrier_at(barrier).copies.push_back(std::move(copy));
}

void wgmma(float* d, const unsigned* a, uint64_t b) {
  Wgmma mine{d, a, b};
  meet(&mine, multiply, "a wgmma");
}

}  // namespace yuzui_sim
