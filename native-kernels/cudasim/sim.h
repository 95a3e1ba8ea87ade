// The simulator's half of ../cuda/device.cuh: the same names for g++, so that the kernels run on the CPU unchanged.
// Every thread of a block is a fiber, and blocks run one after another; what takes a whole warp or block is a
// rendezvous of fibers (fibers.cpp). Nothing here is part of the simulated driver.
#pragma once

#include <climits>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

// The architecture that a file is compiled for. `build` compiles what differs before 8.0 once more, as 75, with the namespace
// of the kernels under another name.
#ifndef YUZUI_SIM_SM
#define YUZUI_SIM_SM 80
#endif
#if YUZUI_SIM_SM < 80
#define YUZUI_SYMBOL(name) name##_before_80
#else
#define YUZUI_SYMBOL(name) name
#endif

#define __device__
#define __host__
#define __global__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __constant__ static const
// Blocks run one at a time on one thread, so a block's shared variable is a static one.
#define __shared__ static

struct int2 { int x, y; };
struct int3 { int x, y, z; };
struct uint2 { unsigned x, y; };
struct uint3 { unsigned x, y, z; };
struct alignas(8) float2 { float x, y; };
struct float3 { float x, y, z; };
struct alignas(16) int4 { int x, y, z, w; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(2) uchar2 { unsigned char x, y; };
struct alignas(4) uchar4 { unsigned char x, y, z, w; };
struct alignas(4) char4 { signed char x, y, z, w; };
struct alignas(4) ushort2 { unsigned short x, y; };
struct alignas(8) ushort4 { unsigned short x, y, z, w; };
using dim3 = uint3;

inline int2 make_int2(int x, int y) { return {x, y}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float3 make_float3(float x, float y, float z) { return {x, y, z}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline ushort2 make_ushort2(unsigned short x, unsigned short y) { return {x, y}; }
inline ushort4 make_ushort4(unsigned short x, unsigned short y, unsigned short z, unsigned short w) {
  return {x, y, z, w};
}
inline uchar4 make_uchar4(unsigned char x, unsigned char y, unsigned char z, unsigned char w) { return {x, y, z, w}; }

// Written by the fibers' scheduler before a thread goes on.
inline __attribute__((visibility("hidden"))) uint3 threadIdx, blockIdx, blockDim, gridDim;
constexpr int warpSize = 32;

namespace yuzui_sim {

// An entry point as the driver sees it: parameters are at most 8 bytes each, one in each slot of `values`.
struct Kernel {
  const char* name;
  int capability;  // the lowest that this form is for, 80 for 8.0; below it the lowest form there is
  int maxThreads;
  int parameters;
  const unsigned char* sizes;
  void (*call)(const uint64_t* values);
};
bool add_kernel(const Kernel& kernel);

template <class A>
A parameter(uint64_t slot) {
  static_assert(sizeof(A) <= 8 && (std::is_pointer_v<A> || std::is_arithmetic_v<A>), "a kernel's parameters are flat");
  A value;
  std::memcpy(&value, &slot, sizeof(A));
  return value;
}

template <auto F>
struct Entry;
template <class... A, void (*F)(A...)>
struct Entry<F> {
  static constexpr unsigned char sizes[] = {sizeof(A)..., 0};
  template <size_t... I>
  static void unpack(const uint64_t* values, std::index_sequence<I...>) { F(parameter<A>(values[I])...); }
  static void call(const uint64_t* values) { unpack(values, std::index_sequence_for<A...>()); }
  static Kernel describe(const char* name, int maxThreads) {
    static_assert(sizeof...(A) <= 64);
    return {name, YUZUI_SIM_SM, maxThreads, (int)sizeof...(A), sizes, &call};
  }
};

// fibers.cpp and collectives.cpp.
unsigned char* dynamic_shared();
void previous_done();
void barrier(int line);
void warp_barrier();
unsigned shuffle_word(unsigned value, int from);
unsigned ballot(bool predicate);
float sum(float value);
int sum(int value);
float max(float value);
void mma(float* d, const unsigned* a, unsigned b0, unsigned b1, bool bf16);
void load_matrix_transposed(unsigned* r, const void* shared);
void copy_async(void* shared, const void* global, size_t bytes, bool valid);
void copy_commit();
void copy_wait(int groups);
float half_float(uint16_t h);
uint16_t float_half(float v);
uint16_t float_bf16(float v);
unsigned half2_fma(unsigned a, unsigned b, unsigned c);

inline int lane_index() { return threadIdx.x & 31; }

// A value of 4 or 8 bytes, or smaller, from another lane of the warp.
template <class T>
T shuffled(T v, int from) {
  static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>);
  unsigned words[2] = {0, 0};
  std::memcpy(words, &v, sizeof(T));
  words[0] = shuffle_word(words[0], from);
  if constexpr (sizeof(T) > 4) words[1] = shuffle_word(words[1], from);
  std::memcpy(&v, words, sizeof(T));
  return v;
}

}  // namespace yuzui_sim

#define YUZUI_KERNEL(name, threads, parameters)                                                          \
  extern "C" void YUZUI_SYMBOL(name) parameters;                                                         \
  [[maybe_unused]] static const bool registered_##name =                                                 \
      yuzui_sim::add_kernel(yuzui_sim::Entry<&YUZUI_SYMBOL(name)>::describe(#name, threads));            \
  extern "C" void YUZUI_SYMBOL(name) parameters
#define KERNEL(name, parameters) YUZUI_KERNEL(name, 1024, parameters)
#define KERNEL_BOUNDED(name, threads, blocks, parameters) YUZUI_KERNEL(name, threads, parameters)
#define DYNAMIC_SHARED(name) unsigned char* const name = yuzui_sim::dynamic_shared()

// All threads of the block that still run meet here, at the same line.
inline void __syncthreads(int line = __builtin_LINE()) { yuzui_sim::barrier(line); }
inline void __syncwarp(unsigned = 0xffffffffu) { yuzui_sim::warp_barrier(); }

inline float rsqrtf(float v) { return 1.0f / sqrtf(v); }
inline float __expf(float v) { return expf(v); }
inline float __exp2f(float v) { return exp2f(v); }
inline float __logf(float v) { return logf(v); }
inline float __log2f(float v) { return log2f(v); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __frcp_rn(float v) { return 1.0f / v; }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline float __fmul_rn(float a, float b) { volatile float p = a * b; return p; }
inline float __fadd_rn(float a, float b) { volatile float s = a + b; return s; }
inline float __int2float_rn(int v) { return (float)v; }
inline int __float2int_rn(float v) { return (int)nearbyintf(v); }
inline float __saturatef(float v) { return !(v > 0) ? 0.0f : v < 1 ? v : 1.0f; }
inline int __popc(unsigned v) { return __builtin_popcount(v); }
inline int __popcll(unsigned long long v) { return __builtin_popcountll(v); }
inline int __ffs(int v) { return __builtin_ffs(v); }
inline int __clz(int v) { return v == 0 ? 32 : __builtin_clz((unsigned)v); }
inline int __clzll(long long v) { return v == 0 ? 64 : __builtin_clzll((unsigned long long)v); }
template <class T>
inline T __ldg(const T* p) { return *p; }
inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }
inline unsigned min(unsigned a, unsigned b) { return a < b ? a : b; }
inline unsigned max(unsigned a, unsigned b) { return a > b ? a : b; }
inline long long min(long long a, long long b) { return a < b ? a : b; }
inline long long max(long long a, long long b) { return a > b ? a : b; }
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }

namespace yuzui {

constexpr unsigned FULL_WARP = 0xffffffffu;

inline int lane() { return threadIdx.x & 31; }
inline int warp() { return threadIdx.x >> 5; }

template <class T>
inline T shuffle(T v, int from) { return yuzui_sim::shuffled(v, from & 31); }
template <class T>
inline T shuffle_xor(T v, int mask) { return yuzui_sim::shuffled(v, lane() ^ (mask & 31)); }
// The lowest `by` lanes keep their own.
template <class T>
inline T shuffle_up(T v, int by) { return yuzui_sim::shuffled(v, lane() < by ? lane() : lane() - by); }
inline unsigned ballot(bool p) { return yuzui_sim::ballot(p); }

// In the order of the butterfly that the GPU walks, in one meeting of the lanes.
inline float warp_sum(float v) { return yuzui_sim::sum(v); }
inline float warp_max(float v) { return yuzui_sim::max(v); }
inline int warp_sum(int v) { return yuzui_sim::sum(v); }

inline unsigned float_bits(float v) { unsigned u; std::memcpy(&u, &v, 4); return u; }
inline float bits_float(unsigned u) { float v; std::memcpy(&v, &u, 4); return v; }

inline float half_float(uint16_t h) { return yuzui_sim::half_float(h); }
inline uint16_t float_half(float v) { return yuzui_sim::float_half(v); }
inline float bf16_float(uint16_t b) { return bits_float((unsigned)b << 16); }
inline uint16_t float_bf16(float v) { return yuzui_sim::float_bf16(v); }
inline unsigned pack_half2(float lo, float hi) { return float_half(lo) | (unsigned)float_half(hi) << 16; }
inline unsigned pack_bf162(float lo, float hi) { return float_bf16(lo) | (unsigned)float_bf16(hi) << 16; }
inline unsigned half2_fma(unsigned a, unsigned b, unsigned c) { return yuzui_sim::half2_fma(a, b, c); }
// Differences and products of halves are rounded to float and then to half as if at once: float has 2·11 + 2 bits.
inline unsigned half2_sub(unsigned a, unsigned b) {
  return pack_half2(half_float(a) - half_float(b), half_float(a >> 16) - half_float(b >> 16));
}
inline unsigned half2_mul(unsigned a, unsigned b) {
  return pack_half2(half_float(a) * half_float(b), half_float(a >> 16) * half_float(b >> 16));
}
inline unsigned byte_perm(unsigned a, unsigned b, unsigned selector) {
  uint64_t bytes = (uint64_t)b << 32 | a;
  unsigned out = 0;
  for (int i = 0; i < 4; i++) {
    unsigned nibble = selector >> (4 * i);
    unsigned byte = (unsigned)(bytes >> (8 * (nibble & 7))) & 255;
    if (nibble & 8) byte = byte & 128 ? 255 : 0;  // the sign, repeated
    out |= byte << (8 * i);
  }
  return out;
}

inline void mma_f16(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
  yuzui_sim::mma(d, a, b0, b1, false);
}
inline void mma_bf16(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
  yuzui_sim::mma(d, a, b0, b1, true);
}
inline void load_matrix_transposed(unsigned (&r)[4], const void* shared) {
  yuzui_sim::load_matrix_transposed(r, shared);
}
constexpr bool COPIES_ARE_ASYNC = YUZUI_SIM_SM >= 80;
template <int BYTES = 16>
inline void copy_async(void* shared, const void* global, bool valid) {
  static_assert(BYTES == 16 || BYTES == 8 || BYTES == 4, "what cp.async copies");
  yuzui_sim::copy_async(shared, global, BYTES, valid);
}
inline void prefetch(const void*) {}
inline void copy_commit() { yuzui_sim::copy_commit(); }
template <int GROUPS>
inline void copy_wait() { yuzui_sim::copy_wait(GROUPS); }

template <class T>
inline T load_once(const T* p) { return *p; }
inline void next_may_begin() {}
inline void previous_done() { yuzui_sim::previous_done(); }

inline void fence() { __atomic_signal_fence(__ATOMIC_SEQ_CST); }
inline int atomic_add(int* p, int v) { int before = *p; *p = before + v; return before; }

}  // namespace yuzui
