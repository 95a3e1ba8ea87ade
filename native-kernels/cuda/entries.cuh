// How what fills a cache writes its numbers.
#pragma once

#include "e4m3.cuh"
#include "rows.cuh"

namespace yuzui {

// How a cache keeps its numbers: element i of `entries`, or elements i to i + 3 with i a multiple of 4.
struct CacheF32 {
  static __device__ __forceinline__ void put(void* entries, long long i, float v) {
    static_cast<float*>(entries)[i] = v;
  }
  static __device__ __forceinline__ void put4(void* entries, long long i, float4 v) {
    store4(static_cast<float*>(entries) + i, v);
  }
};
struct CacheF16 {
  static __device__ __forceinline__ void put(void* entries, long long i, float v) {
    static_cast<uint16_t*>(entries)[i] = float_half(v);
  }
  static __device__ __forceinline__ void put4(void* entries, long long i, float4 v) {
    static_cast<uint2*>(entries)[i / 4] = make_uint2(pack_half2(v.x, v.y), pack_half2(v.z, v.w));
  }
};
struct CacheBf16 {
  static __device__ __forceinline__ void put(void* entries, long long i, float v) {
    static_cast<uint16_t*>(entries)[i] = float_bf16(v);
  }
  static __device__ __forceinline__ void put4(void* entries, long long i, float4 v) {
    static_cast<uint2*>(entries)[i / 4] = make_uint2(pack_bf162(v.x, v.y), pack_bf162(v.z, v.w));
  }
};
struct CacheE4m3 {
  static __device__ __forceinline__ void put(void* entries, long long i, float v) {
    static_cast<uint8_t*>(entries)[i] = (uint8_t)e4m3_encode(v);
  }
  static __device__ __forceinline__ void put4(void* entries, long long i, float4 v) {
    static_cast<unsigned*>(entries)[i / 4] =
        e4m3_encode(v.x) | e4m3_encode(v.y) << 8 | e4m3_encode(v.z) << 16 | e4m3_encode(v.w) << 24;
  }
};

}  // namespace yuzui
