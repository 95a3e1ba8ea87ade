// DeepSeek-V3.2's indexer (its report, §2.1): which cache entries a row looks at. Keys are I numbers an entry, found through a page
// table. Rows of a step come in slices, so that their scores have room: a block's row is `first` + its place in the grid.
#include "cache.cuh"
#include "rows.cuh"

namespace yuzui {

// Of index_scores: keys of a block, and heads whose queries are on chip at a time, four for each quarter of the threads.
constexpr int KEYS = 64;
constexpr int HEADS = 16;

// Spreads each head of q: H·x / √I with Sylvester's H; I is a power of two. Grid T·H, block 128 or fewer whole warps, I floats of
// dynamic shared memory.
KERNEL(index_spread, (const float* q, float* out, int I)) {
  begin_kernel();
  DYNAMIC_SHARED(memory);
  float* x = reinterpret_cast<float*>(memory);
  const long long at = (long long)blockIdx.x * I;
  const float by = 1.0f / sqrtf((float)I);
  for (int i = threadIdx.x; i < I; i += blockDim.x) x[i] = q[at + i] * by;
  for (int gap = 1; gap < I; gap *= 2) {
    __syncthreads();
    for (int p = threadIdx.x; p < I / 2; p += blockDim.x) {
      const int i = p / gap * 2 * gap + p % gap;
      const float a = x[i], b = x[i + gap];
      x[i] = a + b;
      x[i + gap] = a - b;
    }
  }
  __syncthreads();
  for (int i = threadIdx.x; i < I; i += blockDim.x) out[at + i] = x[i];
}

// Shared memory: keys [KEYS][I + 1], then the queries of HEADS heads [I][HEADS].
template <class Cache>
__device__ __forceinline__ void scores_of(const float* q, const float* weights, const void* keys, int pageTokens, const int* pages,
                                          int pagesPerSequence, const int* sequence, const int* kvLength, int first, int most, int H,
                                          int I, float scale, float* scores, int capacity, float* tile) {
  __shared__ float sums[3][KEYS];
  const int row = blockIdx.y, t = first + row, s0 = blockIdx.x * KEYS;
  const int s = sequence[t], sees = s < 0 ? 0 : kvLength[t];
  if (sees <= most || s0 >= sees) return;
  const int there = min(KEYS, sees - s0), stride = I + 1;
  float* queries = tile + (KEYS * stride + 3) / 4 * 4;
  const int* table = pages + (long long)s * pagesPerSequence;
  for (int j = threadIdx.x; j < KEYS * I; j += blockDim.x) {
    const int e = j / I, i = j - e * I;
    tile[e * stride + i] = e < there ? Cache::load(keys, (long long)entry_row(table, pageTokens, s0 + e) * I + i) : 0.0f;
  }
  const int e = threadIdx.x % KEYS, share = threadIdx.x / KEYS;
  const float* key = tile + e * stride;
  float sum = 0;
  for (int h0 = 0; h0 < H; h0 += HEADS) {
    __syncthreads();
    for (int j = threadIdx.x; j < HEADS * I; j += blockDim.x) {
      const int h = j / I, i = j - h * I;
      queries[i * HEADS + h] = h0 + h < H ? q[((long long)t * H + h0 + h) * I + i] : 0.0f;
    }
    __syncthreads();
    float4 dot = make_float4(0, 0, 0, 0);
    for (int i = 0; i < I; i++) {
      const float4 a = load4(queries + i * HEADS + 4 * share);
      const float k = key[i];
      dot.x += a.x * k;
      dot.y += a.y * k;
      dot.z += a.z * k;
      dot.w += a.w * k;
    }
    const float dots[4] = {dot.x, dot.y, dot.z, dot.w};
#pragma unroll
    for (int j = 0; j < 4; j++) {
      const int h = h0 + 4 * share + j;
      if (h < H) sum += weights[(long long)t * H + h] * (dots[j] <= 0 ? 0.0f : dots[j]);  // NaN stays
    }
  }
  if (share > 0) sums[share - 1][e] = sum;
  __syncthreads();
  if (share == 0 && e < there) {
    sum += sums[0][e];
    sum += sums[1][e];
    sum += sums[2][e];
    scores[(long long)row * capacity + s0 + e] = sum * scale;
  }
}

// index_scores_<f32|f16|bf16|e4m3>: scores[row, s] = scale · Σh weights[t, h] · relu(q[t, h] · k[s]) of rows that see more than
// `most` entries. q [T, H·I], weights [T, H]. Grid (ceil(capacity / 64), rows), block 256, (64·(I + 1) rounded up to fours +
// 16·I) floats of dynamic shared memory.
#define INDEX_SCORES(type, Cache)                                                                                                \
  KERNEL_BOUNDED(index_scores_##type, 256, 2,                                                                                    \
                 (const float* q, const float* weights, const void* keys, int pageTokens, const int* pages, int pagesPerSequence, \
                  const int* sequence, const int* kvLength, int first, int most, int H, int I, float scale, float* scores,       \
                  int capacity)) {                                                                                               \
    begin_kernel();                                                                                                              \
    DYNAMIC_SHARED(memory);                                                                                                      \
    scores_of<Cache>(q, weights, keys, pageTokens, pages, pagesPerSequence, sequence, kvLength, first, most, H, I, scale,        \
                     scores, capacity, reinterpret_cast<float*>(memory));                                                        \
  }
INDEX_SCORES(f32, F32Cache)
INDEX_SCORES(f16, F16Cache)
INDEX_SCORES(bf16, Bf16Cache)
INDEX_SCORES(e4m3, E4m3Cache)

// Unsigned numbers in the order of floats; NaN is the least, and the zeros are one.
__device__ __forceinline__ unsigned ordered(float v) { return (unsigned)(order_key(v, 0) >> 32); }

// The entries of the `most` largest scores, of equal ones the earlier, in order; all entries of a row that sees no more; −1 behind
// them. The block finds the least score that counts, eight bits at a time, then goes over the scores once more. Grid rows, block
// 1024 or fewer, at least 256; no dynamic shared memory.
KERNEL(index_choose, (const float* scores, int capacity, const int* pages, int pagesPerSequence, int pageTokens, const int* sequence,
                      const int* kvLength, int first, int most, int* rows, int* sequences, int* counts)) {
  begin_kernel();
  __shared__ int counted[256];
  __shared__ int greaterOf[32], equalOf[32];
  __shared__ unsigned least;
  __shared__ int left;
  const int row = blockIdx.x, t = first + row, me = threadIdx.x, all = blockDim.x;
  const int s = sequence[t], sees = s < 0 ? 0 : kvLength[t], chosen = min(sees, most);
  const float* score = scores + (long long)row * capacity;
  const int* table = pages + (long long)max(s, 0) * pagesPerSequence;
  int* to = rows + (long long)t * most;
  for (int i = chosen + me; i < most; i += all) to[i] = -1;
  if (me == 0) {
    sequences[t] = s < 0 ? -1 : t;
    counts[t] = chosen;
    least = 0;
    left = chosen;
  }
  if (sees <= most) {
    for (int i = me; i < sees; i += all) to[i] = entry_row(table, pageTokens, i);
    return;
  }
  for (int shift = 24; shift >= 0; shift -= 8) {
    for (int i = me; i < 256; i += all) counted[i] = 0;
    __syncthreads();
    const unsigned above = least;
    for (int i = me; i < sees; i += all) {
      const unsigned key = ordered(score[i]);
      if (shift == 24 || key >> (shift + 8) == above) atomic_add(&counted[key >> shift & 255], 1);
    }
    __syncthreads();
    if (me == 0) {
      int digit = 255, open = left;
      while (counted[digit] < open) open -= counted[digit--];
      left = open;
      least = above << 8 | digit;
    }
    __syncthreads();
  }
  const unsigned enough = least, below = (1u << lane()) - 1;
  const int warps = all / 32, room = left;
  int greater = 0, equal = 0;  // of the scores before this round's
  for (int from = 0; from < sees; from += all) {
    const int i = from + me;
    const unsigned key = i < sees ? ordered(score[i]) : 0;
    const bool more = i < sees && key > enough, same = i < sees && key == enough;
    const unsigned moreOf = ballot(more), sameOf = ballot(same);
    if (lane() == 0) {
      greaterOf[warp()] = __popc(moreOf);
      equalOf[warp()] = __popc(sameOf);
    }
    __syncthreads();
    int g = greater + __popc(moreOf & below), q = equal + __popc(sameOf & below);
    for (int w = 0; w < warps; w++) {
      if (w < warp()) {
        g += greaterOf[w];
        q += equalOf[w];
      }
      greater += greaterOf[w];
      equal += equalOf[w];
    }
    if (more || (same && q < room)) to[g + min(q, room)] = entry_row(table, pageTokens, i);
    __syncthreads();
  }
}

}  // namespace yuzui
