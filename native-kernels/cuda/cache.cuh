// The KV cache as kernels read it: entries [pages · pageTokens, Lkv + R] of one scalar type, found through a page
// table. Also what the attention kernels share: the order of keys within a tile, and waiting for a number of copies
// known at run time.
#pragma once

#include "device.cuh"

namespace yuzui {

constexpr float LOG2E = 1.4426950408889634f;
constexpr float LN2 = 0.6931471805599453f;

// Four e4m3 codes as four halves: a code's bits, moved to where F16 has them, read 2^-8 of its value, subnormals too.
// Exact. The code of NaN reads 480.
__device__ __forceinline__ void e4m3_halves(unsigned codes, unsigned& low, unsigned& high) {
  const unsigned a = byte_perm(codes, 0, 0x1404);  // code << 8 in each half
  const unsigned b = byte_perm(codes, 0, 0x3424);
  const unsigned two_to_8 = 0x5c005c00u;
  low = half2_mul((a & 0x80008000u) | ((a & 0x7f007f00u) >> 1), two_to_8);
  high = half2_mul((b & 0x80008000u) | ((b & 0x7f007f00u) >> 1), two_to_8);
}

struct F32Cache {
  static constexpr int BYTES = 4;
  __device__ static float load(const void* entries, long long i) { return static_cast<const float*>(entries)[i]; }
};
struct F16Cache {
  static constexpr int BYTES = 2;
  __device__ static float load(const void* entries, long long i) {
    return half_float(static_cast<const uint16_t*>(entries)[i]);
  }
};
struct Bf16Cache {
  static constexpr int BYTES = 2;
  __device__ static float load(const void* entries, long long i) {
    return bf16_float(static_cast<const uint16_t*>(entries)[i]);
  }
};
struct E4m3Cache {
  static constexpr int BYTES = 1;
  __device__ static float load(const void* entries, long long i) {
    unsigned low, high;
    e4m3_halves(static_cast<const uint8_t*>(entries)[i], low, high);
    return half_float((uint16_t)(low & 0xffffu));
  }
};

// Row of `entries` that holds entry i of a sequence; pages: the sequence's row of the page table.
__device__ __forceinline__ int entry_row(const int* pages, int pageTokens, int i) {
  return pages[i / pageTokens] * pageTokens + i % pageTokens;
}

// The key, of eight neighbours, that column g of a score tile stands for. Rows of a tile in shared memory are an odd
// number of 16-byte pieces apart; with this order the 8-byte loads of half a warp (four columns, 32 bytes each) fall
// into different banks.
__device__ __forceinline__ int key_of_column(int g) { return 2 * (g & 3) + (g >> 2); }

// copy_wait for a pipeline of `stages` tiles (2 to 5), one group a tile: the oldest group has arrived.
__device__ __forceinline__ void copy_wait_oldest(int stages) {
  switch (stages) {
    case 2: copy_wait<0>(); break;
    case 3: copy_wait<1>(); break;
    case 4: copy_wait<2>(); break;
    default: copy_wait<3>(); break;
  }
}

}  // namespace yuzui
