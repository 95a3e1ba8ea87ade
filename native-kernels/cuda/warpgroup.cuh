// What compute capability 9.0 has and no other, as sm_90a: products of warpgroups of 128 threads whose B lies in shared memory
// (wgmma), barriers in shared memory that count bytes (mbarrier), and copies that they count. As device.cuh, and beside it, for
// both compilers; ../cudasim/warpgroup.h is the simulator's half.
#pragma once

#include "device.cuh"

#ifdef YUZUI_SIM
#include "../cudasim/warpgroup.h"
#else

namespace yuzui {

// An mbarrier, 8 bytes of shared memory: a phase ends when as many threads have arrived as it was made for and the bytes that
// were announced have come, and the next one begins.
using Barrier = unsigned long long;

__device__ __forceinline__ unsigned shared_address(const void* shared) { return (unsigned)__cvta_generic_to_shared(shared); }

__device__ __forceinline__ void barrier_init(Barrier* barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(arrivals) : "memory");
}
// By the thread that made barriers, before __syncthreads.
__device__ __forceinline__ void barriers_made() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }
__device__ __forceinline__ void barrier_arrive(Barrier* barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
}
// Arrives, and announces what bulk_copy will bring.
__device__ __forceinline__ void barrier_arrive(Barrier* barrier, int bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)), "r"(bytes) : "memory");
}
// Until the phase of this parity has ended; the first phase is of parity 0, and the one before it counts as ended.
__device__ __forceinline__ void barrier_wait(Barrier* barrier, int parity) {
  unsigned ended;
  do {
    asm volatile(
        "{\n.reg .pred ended;\nmbarrier.try_wait.parity.shared::cta.b64 ended, [%1], %2;\nselp.u32 %0, 1, 0, ended;\n}"
        : "=r"(ended) : "r"(shared_address(barrier)), "r"(parity) : "memory");
  } while (ended == 0);
}
// Bytes, a multiple of 16 as the addresses are, from global to shared memory; `barrier` counts them.
__device__ __forceinline__ void bulk_copy(void* shared, const void* global, int bytes, Barrier* barrier) {
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(
                   shared_address(shared)), "l"(global), "r"(bytes), "r"(shared_address(barrier))
               : "memory");
}
// What this thread wrote to shared memory, copy_async included once waited for, is there for wgmma, for those who synchronise
// with it afterwards.
__device__ __forceinline__ void show_to_wgmma() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

// The warpgroup has this many registers a thread from here on: fewer, or more of those that others gave away.
template <int COUNT>
__device__ __forceinline__ void registers_fewer() { asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(COUNT)); }
template <int COUNT>
__device__ __forceinline__ void registers_more() { asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(COUNT)); }

// B of products: rows of 64 numbers of F16, 128 bytes, eight rows in 1024 bytes aligned so, of which 16 bytes p of row r lie
// at place p ^ (r & 7). `at` is a row's number 0 or a multiple of 16 of the first row.
__device__ __forceinline__ unsigned long long swizzled_rows(const void* at) {
  return (unsigned long long)(shared_address(at) >> 4 & 0x3fff) | 1ull << 16 | 64ull << 32 | 1ull << 62;
}

// After registers were given values that products use, before those; what makes the values stays before it.
template <int N>
__device__ __forceinline__ void keep(unsigned (&a)[N]) {
#pragma unroll
  for (int i = 0; i < N; i++) asm volatile("" : "+r"(a[i])::"memory");
}
template <int N>
__device__ __forceinline__ void keep(float (&d)[N]) {
#pragma unroll
  for (int i = 0; i < N; i++) asm volatile("" : "+f"(d[i])::"memory");
}
__device__ __forceinline__ void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int GROUPS>
__device__ __forceinline__ void wgmma_wait() { asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(GROUPS) : "memory"); }

#define YUZUI_8(r, i) "+f"(r[i]), "+f"(r[i + 1]), "+f"(r[i + 2]), "+f"(r[i + 3]), "+f"(r[i + 4]), "+f"(r[i + 5]), "+f"(r[i + 6]), "+f"(r[i + 7])

// Begins D [64, 128] += A [64, 16]·B [16, 128] of a warpgroup: warp w has rows 16w … 16w + 15 of A and D, as the lanes of
// mma_f16 have theirs: d[4i + e] is number e of columns 8i … 8i + 7. B's column is a row of swizzled_rows.
__device__ __forceinline__ void wgmma_f16(float (&d)[64], const unsigned (&a)[4], unsigned long long b) {
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
      "{%64, %65, %66, %67}, %68, 1, 1, 1, 0;"
      : YUZUI_8(d, 0), YUZUI_8(d, 8), YUZUI_8(d, 16), YUZUI_8(d, 24), YUZUI_8(d, 32), YUZUI_8(d, 40), YUZUI_8(d, 48),
        YUZUI_8(d, 56)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
}
#undef YUZUI_8

}  // namespace yuzui
#endif
