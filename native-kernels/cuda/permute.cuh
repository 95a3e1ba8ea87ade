// The slots of a step sorted by expert: a stable counting sort.
#pragma once

#include "device.cuh"

namespace yuzui {

// Slots of a thread: a block sorts this many times its threads.
constexpr int SLOTS = 4;

// The part of the slots that a block of those which share the work looks after, warp after warp in whole rounds of 32, so that slots ascend with
// (warp, round, lane).
struct Part {
  int from, rounds, slots;

  __device__ __forceinline__ Part(int all, int block) {
    const int most = SLOTS * blockDim.x;
    from = block * most;
    slots = all;
    const int left = all - from < most ? all - from : most;
    rounds = (left + (int)blockDim.x - 1) / (int)blockDim.x;
  }
  __device__ __forceinline__ int slot(int round) const { return from + (warp() * rounds + round) * 32 + lane(); }
};

// Counts the block's slots by warp and expert, count [warps, E], and tells each of a thread's slots its expert and its
// rank among the expert's slots of this warp; expert −1 for none. Ends with the block synchronised.
__device__ __forceinline__ void count_slots(const int* ids, const Part& part, int E, uint16_t* count,
                                            int (&expert)[SLOTS], int (&rank)[SLOTS]) {
#pragma unroll
  for (int r = 0; r < SLOTS; r++) {
    const int s = part.slot(r);
    expert[r] = r < part.rounds && s < part.slots ? ids[s] : -1;
  }
  const int warps = blockDim.x >> 5;
  for (int i = threadIdx.x; i < warps * E; i += blockDim.x) count[i] = 0;
  __syncthreads();
  uint16_t* mine = count + warp() * E;
#pragma unroll
  for (int r = 0; r < SLOTS; r++) {
    rank[r] = 0;
    if (ballot(expert[r] >= 0) == 0) continue;
    int before = 0, all = 0;
    for (int j = 0; j < 32; j++) {
      const bool same = shuffle(expert[r], j) == expert[r];
      all += same;
      before += same && j < lane();
    }
    const bool valid = expert[r] >= 0;
    if (valid) rank[r] = mine[expert[r]] + before;
    __syncwarp();
    if (valid && before == all - 1) mine[expert[r]] += all;
    __syncwarp();
  }
  __syncthreads();
}

// Turns count [warps, E] into the places before each warp's slots of an expert, within the block; returns their number.
__device__ __forceinline__ int sum_warps(uint16_t* count, int E, int e) {
  const int warps = blockDim.x >> 5;
  int sum = 0;
  for (int w = 0; w < warps; w++) {
    const int n = count[w * E + e];
    count[w * E + e] = (uint16_t)sum;
    sum += n;
  }
  return sum;
}

// Sum of the values of the threads before this one.
__device__ __forceinline__ int sum_before(int v, int* shared) {
  int sum = v;
  for (int by = 1; by < 32; by *= 2) {
    const int other = shuffle_up(sum, by);
    if (lane() >= by) sum += other;
  }
  if (lane() == 31) shared[warp()] = sum;
  __syncthreads();
  return warp_sum(lane() < warp() ? shared[lane()] : 0) + sum - v;
}

// Writes offset, slot and place, as block `block` of `blocks`. blockCounts [blocks, E] are the slots of each block by expert, null
// where one block has all.
__device__ __forceinline__ void place_slots(const int* ids, int slots, int E, const int* blockCounts, int block, int blocks,
                                            int* offset, int* slot, int* place, unsigned char* shared) {
  __shared__ int sums[32];
  int* begin = reinterpret_cast<int*>(shared);  // [E], place of the block's first slot of an expert
  uint16_t* count = reinterpret_cast<uint16_t*>(begin + E);
  int expert[SLOTS], rank[SLOTS];
  const Part part(slots, block);
  count_slots(ids, part, E, count, expert, rank);

  const int each = (E + (int)blockDim.x - 1) / (int)blockDim.x;
  const int first = threadIdx.x * each;
  const int end = first + each < E ? first + each : E;
  int mine = 0;  // slots of the experts first … end − 1
  for (int e = first; e < end; e++) {
    int own = sum_warps(count, E, e);
    if (blockCounts) {
      own = 0;
      for (int b = 0; b < blocks; b++) own += blockCounts[(long long)b * E + e];
    }
    begin[e] = own;
    mine += own;
  }
  int next = sum_before(mine, sums);
  for (int e = first; e < end; e++) {
    const int all = begin[e];
    if (block == 0) {
      offset[e] = next;
      if (e == E - 1) offset[E] = next + all;
    }
    begin[e] = next;
    for (int b = 0; b < block; b++) begin[e] += blockCounts[(long long)b * E + e];
    next += all;
  }
  __syncthreads();
#pragma unroll
  for (int r = 0; r < SLOTS; r++) {
    const int s = part.slot(r);
    if (r >= part.rounds || s >= slots) continue;
    const int e = expert[r];
    const int to = e < 0 ? -1 : begin[e] + count[warp() * E + e] + rank[r];
    place[s] = to;
    if (e >= 0) slot[to] = s;
  }
}

}  // namespace yuzui
