// What kernels over rows of floats share: four floats at a time, sums over a block, numbers in an order without gaps.
#pragma once

#include "device.cuh"

namespace yuzui {

__device__ __forceinline__ bool aligned16(const void* p) { return (reinterpret_cast<uintptr_t>(p) & 15) == 0; }
__device__ __forceinline__ float4 load4(const float* p) { return *reinterpret_cast<const float4*>(p); }
__device__ __forceinline__ void store4(float* p, float4 v) { *reinterpret_cast<float4*>(p) = v; }

__device__ __forceinline__ float4 add4(float4 a, float4 b) {
  return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
}
// v · scale · w
__device__ __forceinline__ float4 scaled4(float4 v, float scale, float4 w) {
  return make_float4(v.x * scale * w.x, v.y * scale * w.y, v.z * scale * w.z, v.w * scale * w.w);
}
__device__ __forceinline__ float dot4(float4 a, float4 b) { return (a.x * b.x + a.y * b.y) + (a.z * b.z + a.w * b.w); }

// Sum over a block of whole warps; every thread gets it. `shared` is 32 floats, free again after the next
// __syncthreads.
__device__ __forceinline__ float block_sum(float v, float* shared) {
  v = warp_sum(v);
  if (lane() == 0) shared[warp()] = v;
  __syncthreads();
  return warp_sum(lane() < (int)(blockDim.x >> 5) ? shared[lane()] : 0.0f);
}

// A number and its place as one key: the greater number has the greater key, of equal numbers the one of the lower
// index. NaN counts as −∞, −0 as 0. No key is 0.
__device__ __forceinline__ unsigned long long order_key(float v, int index) {
  const unsigned bits = v != v ? 0xff800000u : v == 0.0f ? 0u : float_bits(v);
  const unsigned ordered = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
  return (unsigned long long)ordered << 32 | ~(unsigned)index;
}
__device__ __forceinline__ int key_index(unsigned long long key) { return (int)~(unsigned)key; }
__device__ __forceinline__ float key_value(unsigned long long key) {
  const unsigned ordered = (unsigned)(key >> 32);
  return bits_float(ordered & 0x80000000u ? ordered & 0x7fffffffu : ~ordered);
}

// Over the 32 lanes; every lane gets the result.
__device__ __forceinline__ unsigned long long warp_max_key(unsigned long long key) {
  for (int m = 16; m > 0; m >>= 1) {
    const unsigned long long other = shuffle_xor(key, m);
    if (other > key) key = other;
  }
  return key;
}

}  // namespace yuzui
