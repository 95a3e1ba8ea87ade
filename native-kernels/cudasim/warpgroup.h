// The simulator's half of ../cuda/warpgroup.cuh. A wgmma is done at once, warp by warp; bulk copies arrive when a thread waits
// for them.
#pragma once

#include "sim.h"

namespace yuzui_sim {

void barrier_init(void* barrier, int arrivals);
void barrier_arrive(void* barrier, int bytes);
void barrier_wait(void* barrier, int parity);
void bulk_copy(void* shared, const void* global, int bytes, void* barrier);
void wgmma(float* d, const unsigned* a, uint64_t b);

}  // namespace yuzui_sim

namespace yuzui {

using Barrier = unsigned long long;

inline unsigned shared_address(const void* shared) { return (unsigned)reinterpret_cast<uintptr_t>(shared); }
inline void barrier_init(Barrier* barrier, int arrivals) { yuzui_sim::barrier_init(barrier, arrivals); }
inline void barriers_made() {}
inline void barrier_arrive(Barrier* barrier, int bytes = 0) { yuzui_sim::barrier_arrive(barrier, bytes); }
inline void barrier_wait(Barrier* barrier, int parity) { yuzui_sim::barrier_wait(barrier, parity); }
inline void bulk_copy(void* shared, const void* global, int bytes, Barrier* barrier) {
  yuzui_sim::bulk_copy(shared, global, bytes, barrier);
}
inline void show_to_wgmma() {}
template <int COUNT>
inline void registers_fewer() {}
template <int COUNT>
inline void registers_more() {}

// An address here, in pieces of 16 bytes.
inline unsigned long long swizzled_rows(const void* at) { return reinterpret_cast<uintptr_t>(at) >> 4; }

template <class T>
inline void keep(const T&) {}
inline void wgmma_fence() {}
inline void wgmma_commit() {}
template <int GROUPS>
inline void wgmma_wait() {}
inline void wgmma_f16(float (&d)[64], const unsigned (&a)[4], unsigned long long b) { yuzui_sim::wgmma(d, a, b); }

}  // namespace yuzui
