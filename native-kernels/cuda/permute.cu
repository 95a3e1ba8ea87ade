// The slots of a step sorted by expert.
#include "permute.cuh"

namespace yuzui {

// Sorts the T·K ≤ 4096 slots of ids [T, K], −1 in padding rows, into offset [E + 1], slot and place [T·K]; see
// Dispatch. One block of 256 threads if T·K <= 1024, else of 1024; dynamic shared memory 4·E + 2·E·threads/32, which
// passes 48 KB from 700 experts on with 1024 threads.
KERNEL_BOUNDED(permute, 1024, 1, (const int* ids, int T, int K, int E, int* offset, int* slot, int* place)) {
  begin_kernel();
  DYNAMIC_SHARED(shared);
  place_slots(ids, T * K, E, nullptr, 0, 1, offset, slot, place, shared);
}

// The same for any number of slots, in two launches: blockCounts is scratch, [ceil(T·K / 1024), E] ints. Both with grid
// ceil(T·K / 1024), block 256 and dynamic shared memory 20·E.
KERNEL_BOUNDED(permute_count, 256, 2, (const int* ids, int T, int K, int E, int* blockCounts)) {
  begin_kernel();
  DYNAMIC_SHARED(shared);
  uint16_t* count = reinterpret_cast<uint16_t*>(shared);
  int expert[SLOTS], rank[SLOTS];
  count_slots(ids, Part(T * K, blockIdx.x), E, count, expert, rank);
  for (int e = threadIdx.x; e < E; e += blockDim.x) {
    blockCounts[(long long)blockIdx.x * E + e] = sum_warps(count, E, e);
  }
}
KERNEL_BOUNDED(permute_place, 256, 2, (const int* ids, int T, int K, int E, const int* blockCounts, int* offset,
                                       int* slot, int* place)) {
  begin_kernel();
  DYNAMIC_SHARED(shared);
  place_slots(ids, T * K, E, blockCounts, blockIdx.x, gridDim.x, offset, slot, place, shared);
}

}  // namespace yuzui
