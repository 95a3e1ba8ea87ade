// Products of a tile of cache entries in shared memory with numbers that are not rounded to its type.
#pragma once

#include "device.cuh"

namespace yuzui {

// Arithmetic of the tile in shared memory. Entries are taken as they are; what meets them, queries and weights p, is
// two parts, high and low, so that the result is as exact as in F32 but for some bits. Memory is what this kernel waits
// for.
struct HalfTile {
  __device__ static unsigned pack(float a, float b) { return pack_half2(a, b); }
  __device__ static uint16_t round(float v) { return float_half(v); }
  __device__ static float value(uint16_t v) { return half_float(v); }
  __device__ static void mma(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) { mma_f16(d, a, b0, b1); }
};
struct Bf16Tile {
  __device__ static unsigned pack(float a, float b) { return pack_bf162(a, b); }
  __device__ static uint16_t round(float v) { return float_bf16(v); }
  __device__ static float value(uint16_t v) { return bf16_float(v); }
  __device__ static void mma(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
    mma_bf16(d, a, b0, b1);
  }
};

// a and b as a high part and what it leaves.
template <class M>
__device__ __forceinline__ void two_parts(float a, float b, unsigned& high, unsigned& low) {
  high = M::pack(a, b);
  low = M::pack(a - M::value((uint16_t)(high & 0xffffu)), b - M::value((uint16_t)(high >> 16)));
}

}  // namespace yuzui
