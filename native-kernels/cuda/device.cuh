// What kernels may use of the device, under names that both compilers know: nvcc, and g++ for the simulator
// (../cudasim/sim.h). Kernels include this header alone and use nothing of CUDA beyond it, threadIdx, blockIdx, blockDim,
// gridDim, __syncthreads, __syncwarp, __shared__, __device__, __forceinline__, __restrict__ and the math functions of C.
#pragma once

#ifdef YUZUI_SIM
#include "../cudasim/sim.h"
#else

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cstdint>

// KERNEL(name, (parameters)) { body }: an entry point. Parameters are pointers, int, long long or float, nothing else.
#define KERNEL(name, parameters) extern "C" __global__ void name parameters
// The same for blocks of at most `threads` threads, of which an SM should hold `blocks`.
#define KERNEL_BOUNDED(name, threads, blocks, parameters) \
  extern "C" __global__ void __launch_bounds__(threads, blocks) name parameters
// The block's dynamic shared memory, aligned to 16 bytes.
#define DYNAMIC_SHARED(name) extern __shared__ __align__(16) unsigned char name[]

namespace yuzui {

constexpr unsigned FULL_WARP = 0xffffffffu;

__device__ __forceinline__ int lane() { return threadIdx.x & 31; }
__device__ __forceinline__ int warp() { return threadIdx.x >> 5; }

template <class T>
__device__ __forceinline__ T shuffle(T v, int from) { return __shfl_sync(FULL_WARP, v, from); }
template <class T>
__device__ __forceinline__ T shuffle_xor(T v, int mask) { return __shfl_xor_sync(FULL_WARP, v, mask); }
template <class T>
__device__ __forceinline__ T shuffle_up(T v, int by) { return __shfl_up_sync(FULL_WARP, v, by); }
__device__ __forceinline__ unsigned ballot(bool p) { return __ballot_sync(FULL_WARP, p); }

// Over the 32 lanes; every lane gets the result.
__device__ __forceinline__ float warp_sum(float v) {
  for (int m = 16; m > 0; m >>= 1) v += shuffle_xor(v, m);
  return v;
}
__device__ __forceinline__ float warp_max(float v) {
  for (int m = 16; m > 0; m >>= 1) v = fmaxf(v, shuffle_xor(v, m));
  return v;
}
__device__ __forceinline__ int warp_sum(int v) {
  for (int m = 16; m > 0; m >>= 1) v += shuffle_xor(v, m);
  return v;
}

// Bits of a float and back.
__device__ __forceinline__ unsigned float_bits(float v) { return __float_as_uint(v); }
__device__ __forceinline__ float bits_float(unsigned v) { return __uint_as_float(v); }

// Two halves (or bfloat16s) in a register, the first in the low bits.
__device__ __forceinline__ unsigned half2_bits(__half2 h) { return *reinterpret_cast<unsigned*>(&h); }
__device__ __forceinline__ __half2 bits_half2(unsigned u) { return *reinterpret_cast<__half2*>(&u); }
__device__ __forceinline__ unsigned pack_half2(float lo, float hi) { return half2_bits(__floats2half2_rn(lo, hi)); }
__device__ __forceinline__ unsigned pack_bf162(float lo, float hi) {
  __nv_bfloat162 b = __floats2bfloat162_rn(lo, hi);
  return *reinterpret_cast<unsigned*>(&b);
}
__device__ __forceinline__ float half_float(uint16_t h) { return __half2float(__ushort_as_half(h)); }
__device__ __forceinline__ uint16_t float_half(float v) { return __half_as_ushort(__float2half_rn(v)); }
__device__ __forceinline__ float bf16_float(uint16_t b) { return __uint_as_float((unsigned)b << 16); }
__device__ __forceinline__ uint16_t float_bf16(float v) { return __bfloat16_as_ushort(__float2bfloat16_rn(v)); }
// a·b + c, a − b and a·b on two halves each.
__device__ __forceinline__ unsigned half2_fma(unsigned a, unsigned b, unsigned c) {
  return half2_bits(__hfma2(bits_half2(a), bits_half2(b), bits_half2(c)));
}
__device__ __forceinline__ unsigned half2_sub(unsigned a, unsigned b) {
  return half2_bits(__hsub2(bits_half2(a), bits_half2(b)));
}
__device__ __forceinline__ unsigned half2_mul(unsigned a, unsigned b) {
  return half2_bits(__hmul2(bits_half2(a), bits_half2(b)));
}
// The four bytes of the eight of [b:a] that the four low nibbles of `selector` name.
__device__ __forceinline__ unsigned byte_perm(unsigned a, unsigned b, unsigned selector) {
  return __byte_perm(a, b, selector);
}

// D += A·B, 16×8×16, F16 inputs, F32 sums. Lane l holds, with g = l / 4 and c = l % 4: of A the pairs of columns
// (2c, 2c+1) at a0 = row g, a1 = row g+8, and (2c+8, 2c+9) at a2 = row g, a3 = row g+8; of B the pairs of rows (2c, 2c+1)
// and (2c+8, 2c+9) of column g; of D d0, d1 = row g, columns 2c, 2c+1, and d2, d3 = row g+8.
__device__ __forceinline__ void mma_f16(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
#if __CUDA_ARCH__ >= 800
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#else
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(b0));
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[2]), "r"(a[3]), "r"(b1));
#endif
}
// The same for BF16 inputs; below sm_80 the inputs are turned into F16.
__device__ __forceinline__ void mma_bf16(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
#if __CUDA_ARCH__ >= 800
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#else
  auto f16 = [](unsigned u) { return pack_half2(__uint_as_float(u << 16), __uint_as_float(u & 0xffff0000u)); };
  const unsigned h[4] = {f16(a[0]), f16(a[1]), f16(a[2]), f16(a[3])};
  mma_f16(d, h, f16(b0), f16(b1));
#endif
}

// Four 8×8 matrices of 16-bit numbers from shared memory, transposed: lane l gives the address of row l % 8 of matrix l / 8
// (16 bytes, aligned), and gets in r[i] the rows (2c, 2c+1) of column g of matrix i: B of an mma whose inner dimension is
// the row.
__device__ __forceinline__ void load_matrix_transposed(unsigned (&r)[4], const void* shared) {
  unsigned at = (unsigned)__cvta_generic_to_shared(shared);
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at) : "memory");
}

// Whether copy_async leaves its thread free to go on; if not, it waits for the bytes.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
constexpr bool COPIES_ARE_ASYNC = false;
#else
constexpr bool COPIES_ARE_ASYNC = true;
#endif
// 16, 8 or 4 bytes from global to shared memory, both aligned; zeros if not `valid` (then `global` is not read). They have
// arrived after copy_commit and copy_wait<groups begun since>, for other threads after __syncthreads too.
template <int BYTES = 16>
__device__ __forceinline__ void copy_async(void* shared, const void* global, bool valid) {
  static_assert(BYTES == 16 || BYTES == 8 || BYTES == 4, "what cp.async copies");
#if __CUDA_ARCH__ >= 800
  unsigned at = (unsigned)__cvta_generic_to_shared(shared);
  if constexpr (BYTES == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(at), "l"(global), "r"(valid ? 16 : 0) : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(at), "l"(global), "n"(BYTES), "r"(valid ? BYTES : 0)
                 : "memory");
  }
#else
  if constexpr (BYTES == 16) {
    *static_cast<uint4*>(shared) = valid ? *static_cast<const uint4*>(global) : make_uint4(0, 0, 0, 0);
  } else if constexpr (BYTES == 8) {
    *static_cast<uint2*>(shared) = valid ? *static_cast<const uint2*>(global) : make_uint2(0, 0);
  } else {
    *static_cast<unsigned*>(shared) = valid ? *static_cast<const unsigned*>(global) : 0u;
  }
#endif
}
// Begins to bring the bytes around `global` into the L2 cache.
__device__ __forceinline__ void prefetch(const void* global) { asm volatile("prefetch.global.L2 [%0];" ::"l"(global)); }
__device__ __forceinline__ void copy_commit() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}
template <int GROUPS>
__device__ __forceinline__ void copy_wait() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(GROUPS) : "memory");
#endif
}

// Global memory that is read once: keeps out of the L1 cache.
template <class T>
__device__ __forceinline__ T load_once(const T* p) { return __ldcs(p); }

// On sm_90 and later a kernel may begin while the one before it in the stream still runs, if the host launches it so
// (programmatic dependent launch). Every thread calls next_may_begin() first and previous_done() before it reads what earlier
// kernels of the step wrote, writes anything, or ends: from there on all of that is complete. Weights may be read before.
__device__ __forceinline__ void next_may_begin() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}
__device__ __forceinline__ void previous_done() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// What other blocks wrote before their atomic is seen after ours.
__device__ __forceinline__ void fence() { __threadfence(); }
__device__ __forceinline__ int atomic_add(int* p, int v) { return atomicAdd(p, v); }

}  // namespace yuzui
#endif

namespace yuzui {

// For kernels that read nothing before.
__device__ __forceinline__ void begin_kernel() {
  next_may_begin();
  previous_done();
}

// True, for all threads of the block alike, in the block that comes last of `count`; sets the counter back to 0 for the next
// launch. What the other blocks wrote before is then visible. `shared` is one int of shared memory.
//
// The fences are of the thread that counts, one after the block's barrier and one before the next: a fence is cumulative,
// so what a barrier brought to that thread goes with its atomic, and what its atomic found goes on to the block by the
// barrier. Fences of the other threads order their own accesses alone, and none of those is the atomic.
__device__ __forceinline__ bool last_block(int* counter, int count, int* shared) {
  __syncthreads();
  if (threadIdx.x == 0) {
    fence();
    const int before = atomic_add(counter, 1);
    fence();
    *shared = before == count - 1;
    if (before == count - 1) *counter = 0;
  }
  __syncthreads();
  return *shared != 0;
}

}  // namespace yuzui
