// The best of each row of logits.
#include "rows.cuh"

namespace yuzui {

typedef unsigned long long Key;  // order_key: value and index, greater is better; 0 is none

// Keys that a thread of the selection holds.
constexpr int KEYS = 16;
constexpr int MOST_K = 128;

// The k ≤ 128 best of the block's keys, KEYS a thread, best first: put(r, key) for r < k, with key 0 past the last.
// Threads at least k, at most 512.
//
// The k-th best of the threads' best keys is a floor: k threads reach it, so no chosen key lies below it, and only
// those k threads have any above, k·KEYS at most. The few that pass the floor find their rank by counting.
template <class Put>
__device__ __forceinline__ void select(const Key (&keys)[KEYS], int k, Put put) {
  __shared__ __align__(16) Key passed[MOST_K * KEYS];  // first the threads' best
  __shared__ Key floorKey;
  __shared__ int count;
  const int threads = blockDim.x;
  Key best = 0;
#pragma unroll
  for (int i = 0; i < KEYS; i++) best = keys[i] > best ? keys[i] : best;
  passed[threadIdx.x] = best;
  if (threadIdx.x == 0) {
    floorKey = 1;
    count = 0;
  }
  __syncthreads();
  int better = 0;
  for (int i = 0; i < threads; i++) better += passed[i] > best;
  if (better == k - 1 && best > 0) floorKey = best;
  __syncthreads();
  const Key least = floorKey;
#pragma unroll
  for (int i = 0; i < KEYS; i++) {
    if (keys[i] >= least) passed[atomic_add(&count, 1)] = keys[i];  // in any order: ranks depend on the keys alone
  }
  __syncthreads();
  const int n = count;
  for (int j = threadIdx.x; j < n; j += threads) {
    const Key key = passed[j];
    int rank = 0;
    for (int i = 0; i < n; i++) rank += passed[i] > key;
    if (rank < k) put(rank, key);
  }
  for (int r = n + threadIdx.x; r < k; r += threads) put(r, (Key)0);
}

// The thread's keys of numbers from .. from + KEYS·threads − 1 of a row of n.
__device__ __forceinline__ void load_keys(const float* row, int from, int n, Key (&keys)[KEYS]) {
  if (n % 4 == 0 && aligned16(row)) {
    float4 v[KEYS / 4];
#pragma unroll
    for (int j = 0; j < KEYS / 4; j++) {
      const int at = from + 4 * (j * (int)blockDim.x + (int)threadIdx.x);
      v[j] = at < n ? load4(row + at) : make_float4(0, 0, 0, 0);
    }
#pragma unroll
    for (int j = 0; j < KEYS / 4; j++) {
      const int at = from + 4 * (j * (int)blockDim.x + (int)threadIdx.x);
      keys[4 * j] = at < n ? order_key(v[j].x, at) : 0;
      keys[4 * j + 1] = at < n ? order_key(v[j].y, at + 1) : 0;
      keys[4 * j + 2] = at < n ? order_key(v[j].z, at + 2) : 0;
      keys[4 * j + 3] = at < n ? order_key(v[j].w, at + 3) : 0;
    }
    return;
  }
#pragma unroll
  for (int j = 0; j < KEYS; j++) {
    const int at = from + j * (int)blockDim.x + (int)threadIdx.x;
    keys[j] = at < n ? order_key(row[at], at) : 0;
  }
}

// First of two launches: the k best of every 4096 logits of a row. logits [M, V], k <= 128; best is scratch, [M, k, B]
// unsigned long long with B = ceil(V / 4096), and k·B must not pass 8192 (V <= 262144 for any k). Grid (B, M), block
// 256, no dynamic shared memory.
KERNEL_BOUNDED(top_k_part, 256, 2, (const float* logits, int V, int k, unsigned long long* best)) {
  begin_kernel();
  Key keys[KEYS];
  load_keys(logits + (long long)blockIdx.y * V, blockIdx.x * KEYS * blockDim.x, V, keys);
  // Ranks before blocks: the next launch's threads then each see good and bad ones, and its floor is high.
  Key* to = best + (long long)blockIdx.y * k * gridDim.x + blockIdx.x;
  const int blocks = gridDim.x;
  select(keys, k, [=](int r, Key key) { to[(long long)r * blocks] = key; });
}

// The second: ids and values [M, k], best first, ties to the lower id; k <= V. NaN counts, and is given, as −∞. Grid M,
// block the least of 128, 256 and 512 with 16·block >= k·B; no dynamic shared memory.
KERNEL_BOUNDED(top_k_merge, 512, 1, (const unsigned long long* best, int B, int k, int* ids, float* values)) {
  begin_kernel();
  const Key* from = best + (long long)blockIdx.x * k * B;
  Key keys[KEYS];
#pragma unroll
  for (int j = 0; j < KEYS; j++) {
    const int at = j * blockDim.x + threadIdx.x;
    keys[j] = at < k * B ? from[at] : 0;
  }
  int* id = ids + (long long)blockIdx.x * k;
  float* value = values + (long long)blockIdx.x * k;
  select(keys, k, [=](int r, Key key) {
    id[r] = key_index(key);
    value[r] = key_value(key);
  });
}

__device__ __forceinline__ Key block_max_key(Key key, Key* shared) {
  key = warp_max_key(key);
  if (lane() == 0) shared[warp()] = key;
  __syncthreads();
  return warp_max_key(lane() < (int)(blockDim.x >> 5) ? shared[lane()] : 0);
}

// top_k for k = 1 in one launch: ids and values [M]. best is scratch, [M, B] unsigned long long with B = ceil(V /
// 4096); counters M ints, zero between launches. Grid (B, M), block 256, no dynamic shared memory.
KERNEL_BOUNDED(argmax, 256, 2, (const float* logits, int V, int* ids, float* values, unsigned long long* best,
                                int* counters)) {
  begin_kernel();
  __shared__ Key shared[32];
  __shared__ int last;
  const int m = blockIdx.y, blocks = gridDim.x;
  Key keys[KEYS];
  load_keys(logits + (long long)m * V, blockIdx.x * KEYS * blockDim.x, V, keys);
  Key key = 0;
#pragma unroll
  for (int i = 0; i < KEYS; i++) key = keys[i] > key ? keys[i] : key;
  key = block_max_key(key, shared);
  Key* row = best + (long long)m * blocks;
  if (threadIdx.x == 0) row[blockIdx.x] = key;
  if (!last_block(counters + m, blocks, &last)) return;
  key = 0;
  for (int b = threadIdx.x; b < blocks; b += blockDim.x) key = row[b] > key ? row[b] : key;
  key = block_max_key(key, shared);
  if (threadIdx.x == 0) {
    ids[m] = key_index(key);
    values[m] = key_value(key);
  }
}

}  // namespace yuzui
