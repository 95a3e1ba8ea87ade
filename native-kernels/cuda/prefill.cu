// Expanded latent attention of steps with many rows: keys and values of the step's own tokens are rebuilt per head,
// what the cache held before is attended to in absorbed form, and the two are merged. Correct for any step, as rows
// whose tokens it cannot find among the step's own count as history.
//
// For T rows, N heads and shape (P nope, R rope, V value, Lkv), once the entries have been appended, the host enqueues:
//   1  prefill_rows           → first, own, history (int [T] each), anyHistory (int)
//   2  gather_latent_<cache>  → xh (half [T, ceil32(Lkv)]), xScale (float [T]), keys (half [T, R])
//   3  K = gemm(xh, W_UK as tiles of [N·P, Lkv]) (half [T, N·P]); Vs = gemm(xh, W_UV) (half [T, N·V])
//   4  mla_flash              → out [T, N·V], stat (float [T, N, 2])
//   5  with `unless` = anyHistory: qa [T, N·(Lkv+R)] = q carried into the latent space; mla_decode(qa, kvLength =
//      history, stat = statHistory) → oa [T, N·Lkv]; gemm per head with W_UV → outHistory [T, N·V]; mla_merge
// Scratch bytes: 12·T + 4; 2·T·(ceil32(Lkv) + R) + 4·T; 2·T·N·(P + V); 16·T·N (both stats); and 4·T·N·(2·Lkv + R + V).
#include "activations.cuh"
#include "cache.cuh"

namespace yuzui {
namespace {

constexpr int WARPS = 8;
constexpr int QUERIES = 16 * WARPS;  // rows of a block

__device__ __forceinline__ int warp_greatest(int v) {
  for (int m = 16; m > 0; m >>= 1) v = max(v, shuffle_xor(v, m));
  return v;
}

// A maximum over the rows before and at each thread's last one: the block's inclusive scan. `totals`: 32 ints.
__device__ __forceinline__ int scan_greatest(int v, int* totals) {
  for (int by = 1; by < 32; by *= 2) v = max(v, shuffle_up(v, by));  // the lowest lanes get their own
  __syncthreads();
  if (lane() == 31) totals[warp()] = v;
  __syncthreads();
  for (int i = 0; i < warp(); i++) v = max(v, totals[i]);
  return v;
}

template <class C>
__device__ __forceinline__ void gather(const void* entries, int pageTokens, const int* pages, int pagesPerSequence,
                                       const int* position, const int* sequence, int Lkv, int R, uint16_t* xh,
                                       float* xScale, uint16_t* keys) {
  __shared__ float warpLargest[WARPS];
  const int t = blockIdx.x;
  const int s = sequence[t];
  const int width = (Lkv + 31) / 32 * 32;
  const long long entry =
      s < 0 ? 0 : (long long)entry_row(pages + (long long)s * pagesPerSequence, pageTokens, position[t]) * (Lkv + R);
  auto at = [&](int i) { return s < 0 ? 0.0f : C::load(entries, entry + i); };
  float greatest = 0;
  for (int i = threadIdx.x; i < Lkv; i += WARPS * 32) greatest = fmaxf(greatest, fabsf(at(i)));
  greatest = warp_max(greatest);
  if (lane() == 0) warpLargest[warp()] = greatest;
  __syncthreads();
  for (int i = 0; i < WARPS; i++) greatest = fmaxf(greatest, warpLargest[i]);
  const PowerOfTwo range = f16_range(greatest);
  for (int i = threadIdx.x; i < width; i += WARPS * 32) {
    const int in = i & 31;  // 16j + 4c + k
    const int to = (in >> 2 & 3) * 8 + (in >> 4) * 4 + (in & 3);
    xh[(long long)t * width + (i & ~31) + to] = float_half(i < Lkv ? at(i) * range.scale : 0);
  }
  for (int i = threadIdx.x; i < R; i += WARPS * 32) keys[(long long)t * R + i] = float_half(at(Lkv + i));
  if (threadIdx.x == 0) xScale[t] = range.inverse;
}

// Sixteen query rows a warp; KEYS keys a tile. P, R, V as constants, or 0: then up to MAX_INNER = P + R and MAX_V. No pointer
// is __restrict__: the compiler would read what is const by ld.global.nc, which wants memory that nobody writes while the
// kernel lives, and this kernel begins before those that write K and own have ended.
template <int P_, int R_, int V_, int MAX_INNER, int MAX_V, int KEYS>
__device__ __forceinline__ void flash(unsigned char* shared, const float* q, const uint16_t* K, const uint16_t* keys,
                                      const uint16_t* Vs, const int* first, const int* own, int T, int N, int p, int r, int v,
                                      float scale, float* out, float* stat, int stages) {
  constexpr int STEPS = MAX_INNER / 16;
  constexpr int COLUMNS = MAX_V / 8;
  constexpr int AT_ONCE = 2;  // columns of 8 whose products take turns, so that no mma waits for the one before it
  const int P = P_ > 0 ? P_ : p, R = P_ > 0 ? R_ : r, V = P_ > 0 ? V_ : v;
  const int inner = P + R;
  const int keyStride = (inner + 8) * 2, valueStride = (V + 8) * 2;  // odd counts of 16-byte pieces
  const int stageBytes = KEYS * (keyStride + valueStride);
  // Blocks begin in the order of `block`: those of all heads whose rows see most come first, or they would end last.
  const int block = blockIdx.y * gridDim.x + blockIdx.x;
  const int n = block % N;
  const int row0 = (gridDim.x - 1 - block / N) * QUERIES;
  const int w = warp(), g = lane() >> 2, c = lane() & 3;

  // What each row sees: rows [from, to) of the step.
  __shared__ int least[WARPS], greatest[WARPS];
  int from[2], to[2];
  for (int half = 0; half < 2; half++) {
    const int t = row0 + 16 * w + g + 8 * half;
    const int count = t < T ? own[t] : 0;
    from[half] = count > 0 ? first[t] : T;
    to[half] = count > 0 ? from[half] + count : 0;
  }
  const int warpFrom = -warp_greatest(-min(from[0], from[1])), warpTo = warp_greatest(max(to[0], to[1]));
  const int allFrom = warp_greatest(max(from[0], from[1])), allTo = -warp_greatest(-min(to[0], to[1]));
  if (lane() == 0) {
    least[w] = warpFrom;
    greatest[w] = warpTo;
  }
  __syncthreads();
  int begin = T, end = 0;
  for (int i = 0; i < WARPS; i++) {
    begin = min(begin, least[i]);
    end = max(end, greatest[i]);
  }
  const int tiles = end > begin ? (end - begin + KEYS - 1) / KEYS : 0;

  auto copy_part = [&](unsigned char* part, int stride, const uint16_t* source, long long sourceStride, int width,
                       int row) {
    const int pieces = width / 8;
#pragma unroll 1
    for (int i = threadIdx.x; i < KEYS * pieces; i += WARPS * 32) {
      const int key = i / pieces, piece = i % pieces;
      const bool valid = row + key < end;
      const uint16_t* from = valid ? source + (row + key) * sourceStride + piece * 8 : source;
      copy_async(part + key * stride + piece * 16, from, valid);
    }
  };
  auto copy_tile = [&](int tile) {
    unsigned char* stage = shared + tile % stages * stageBytes;
    const int row = begin + tile * KEYS;
    copy_part(stage, keyStride, K + (long long)n * P, (long long)N * P, P, row);
    copy_part(stage + P * 2, keyStride, keys, R, R, row);
    copy_part(stage + KEYS * keyStride, valueStride, Vs + (long long)n * V, (long long)N * V, V, row);
  };
  const int ahead = stages - 1;
  for (int tile = 0; tile < ahead; tile++) {
    if (tile < tiles) copy_tile(tile);
    copy_commit();
  }

  // Queries in units where e^score is 2^x. Column 2c of a step's sixteen is element 4c, 2c+8 is 4c+2, for keys alike.
  unsigned query[STEPS][4];
#pragma unroll
  for (int j = 0; j < STEPS; j++) {
    const int column = 16 * j + 4 * c;
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int t = row0 + 16 * w + g + 8 * half;
      float4 x = make_float4(0, 0, 0, 0);
      if (t < T && column < inner) x = *reinterpret_cast<const float4*>(q + ((long long)t * N + n) * inner + column);
      const float unit = scale * LOG2E;
      query[j][half] = pack_half2(x.x * unit, x.y * unit);
      query[j][half + 2] = pack_half2(x.z * unit, x.w * unit);
    }
  }

  float o[COLUMNS][4];
#pragma unroll
  for (int j = 0; j < COLUMNS; j++) o[j][0] = o[j][1] = o[j][2] = o[j][3] = 0;
  float m[2] = {-INFINITY, -INFINITY};
  float l[2] = {0, 0};  // of this lane's keys

  for (int tile = 0; tile < tiles; tile++) {
    if (ahead == 0) {
      __syncthreads();
      copy_tile(tile);
      copy_commit();
      copy_wait<0>();
    } else {
      copy_wait_oldest(stages);
    }
    __syncthreads();  // this tile is there, and no thread needs the one before it any more
    if (ahead > 0) {
      if (tile + ahead < tiles) copy_tile(tile + ahead);
      copy_commit();
    }
    const int row = begin + tile * KEYS;
    if (row >= warpTo || row + KEYS <= warpFrom) continue;
    const unsigned char* key = shared + tile % stages * stageBytes;
    const unsigned char* value = key + KEYS * keyStride;

    float score[KEYS / 8][4];
#pragma unroll
    for (int i = 0; i < KEYS / 8; i++) score[i][0] = score[i][1] = score[i][2] = score[i][3] = 0;
#pragma unroll
    for (int j = 0; j < STEPS; j++) {
      if (j * 16 < inner) {
#pragma unroll
        for (int i = 0; i < KEYS / 8; i++) {
          const unsigned char* at = key + (i * 8 + key_of_column(g)) * keyStride + j * 32 + c * 8;
          const uint2 b = *reinterpret_cast<const uint2*>(at);
          mma_f16(score[i], query[j], b.x, b.y);
        }
      }
    }
    if (row < allFrom || row + KEYS > allTo) {
#pragma unroll
      for (int i = 0; i < KEYS / 8; i++) {
#pragma unroll
        for (int e = 0; e < 4; e++) {
          const int s = row + i * 8 + key_of_column(2 * c + (e & 1));
          if (s < from[e >> 1] || s >= to[e >> 1]) score[i][e] = -INFINITY;
        }
      }
    }

#pragma unroll
    for (int half = 0; half < 2; half++) {
      float top = m[half];
#pragma unroll
      for (int i = 0; i < KEYS / 8; i++) top = fmaxf(top, fmaxf(score[i][2 * half], score[i][2 * half + 1]));
      top = fmaxf(top, shuffle_xor(top, 1));
      top = fmaxf(top, shuffle_xor(top, 2));
      const float base = top == -INFINITY ? 0 : top;  // a row that has seen nothing yet
      const float less = exp2f(m[half] - base);
      m[half] = top;
      l[half] *= less;
#pragma unroll
      for (int j = 0; j < COLUMNS; j++) {
        o[j][2 * half] *= less;
        o[j][2 * half + 1] *= less;
      }
#pragma unroll
      for (int i = 0; i < KEYS / 8; i++) {
#pragma unroll
        for (int e = 2 * half; e < 2 * half + 2; e++) {
          score[i][e] = exp2f(score[i][e] - base);
          l[half] += score[i][e];
        }
      }
    }

    // Scores as they lie in D are the fragments of A, with the values' rows in the keys' order.
    const unsigned char* valueRow = value + ((lane() & ~7) + key_of_column(lane() & 7)) * valueStride;
#pragma unroll
    for (int k = 0; k < KEYS / 32; k++) {
      unsigned a[2][4];
#pragma unroll
      for (int i = 0; i < 2; i++) {
        const int s = 4 * k + 2 * i;
        a[i][0] = pack_half2(score[s][0], score[s][1]);
        a[i][1] = pack_half2(score[s][2], score[s][3]);
        a[i][2] = pack_half2(score[s + 1][0], score[s + 1][1]);
        a[i][3] = pack_half2(score[s + 1][2], score[s + 1][3]);
      }
#pragma unroll
      for (int j = 0; j < COLUMNS; j += AT_ONCE) {
        unsigned b[AT_ONCE][4];
#pragma unroll
        for (int i = 0; i < AT_ONCE; i++) {
          if ((j + i) * 8 < V) load_matrix_transposed(b[i], valueRow + k * 32 * valueStride + (j + i) * 16);
        }
#pragma unroll
        for (int i = 0; i < AT_ONCE; i++) {
          if ((j + i) * 8 < V) mma_f16(o[j + i], a[0], b[i][0], b[i][1]);
        }
#pragma unroll
        for (int i = 0; i < AT_ONCE; i++) {
          if ((j + i) * 8 < V) mma_f16(o[j + i], a[1], b[i][2], b[i][3]);
        }
      }
    }
  }
  copy_wait<0>();

#pragma unroll
  for (int half = 0; half < 2; half++) {
    l[half] += shuffle_xor(l[half], 1);
    l[half] += shuffle_xor(l[half], 2);
    const int t = row0 + 16 * w + g + 8 * half;
    if (t >= T) continue;
    const float factor = l[half] > 0 ? 1 / l[half] : 0;
    float* to = out + ((long long)t * N + n) * V;
#pragma unroll
    for (int j = 0; j < COLUMNS; j++) {
      if (j * 8 < V) {
        const float2 pair = make_float2(o[j][2 * half] * factor, o[j][2 * half + 1] * factor);
        *reinterpret_cast<float2*>(to + j * 8 + 2 * c) = pair;
      }
    }
    if (c == 0) {
      stat[((long long)t * N + n) * 2] = m[half] * LN2;
      stat[((long long)t * N + n) * 2 + 1] = l[half];
    }
  }
}

}  // namespace

// What each row sees of the step's own rows and of the cache before them. Rows [first, first + own) of the step hold
// the entries [position[first], position[first] + own) of its sequence, and history = kvLength − own entries come
// before; own is 0 where the rows do not hold the last entries the row may see. anyHistory: 1 if some history is not 0.
// grid 1, block 1024, shared static.
KERNEL_BOUNDED(prefill_rows, 1024, 1,
               (const int* position, const int* sequence, const int* kvLength, int T, int* first, int* own,
                int* history, int* anyHistory)) {
  begin_kernel();
  __shared__ int totals[32];
  const int each = (T + 1023) / 1024;
  const int begin = min(T, (int)threadIdx.x * each), end = min(T, begin + each);

  // Where the neighbours of one sequence begin, and where those of consecutive positions do (kept in `history` for a
  // while).
  auto starts = [&](int t) { return t == 0 || sequence[t] != sequence[t - 1]; };
  auto breaks = [&](int t) { return starts(t) || position[t] != position[t - 1] + 1; };
  int start = 0, run = 0;
  for (int t = begin; t < end; t++) {
    if (starts(t)) start = t;
    if (breaks(t)) run = t;
  }
  const int startScan = scan_greatest(start, totals), runScan = scan_greatest(run, totals);
  int startBefore = shuffle_up(startScan, 1), runBefore = shuffle_up(runScan, 1);
  __shared__ int warpStart[32], warpRun[32];
  if (lane() == 31) {
    warpStart[warp()] = startScan;
    warpRun[warp()] = runScan;
  }
  __syncthreads();
  if (lane() == 0) {
    startBefore = warp() == 0 ? 0 : warpStart[warp() - 1];
    runBefore = warp() == 0 ? 0 : warpRun[warp() - 1];
  }
  start = startBefore;
  run = runBefore;
  for (int t = begin; t < end; t++) {
    if (starts(t)) start = t;
    if (breaks(t)) run = t;
    first[t] = start;
    history[t] = run;
  }
  __syncthreads();

  int earlier = 0;
  for (int t = begin; t < end; t++) {
    const int f = first[t];
    const int count = sequence[t] < 0 ? 0 : kvLength[t] - position[f];
    const int last = f + count - 1;
    own[t] = count > 0 && last < T && history[last] == f ? count : 0;
  }
  __syncthreads();
  for (int t = begin; t < end; t++) {
    const int length = sequence[t] < 0 ? 0 : max(0, kvLength[t]);
    history[t] = length - own[t];
    earlier = max(earlier, history[t]);
  }
  earlier = scan_greatest(earlier, totals);
  if (threadIdx.x == 1023) *anyHistory = earlier > 0;
}

// The cache's entry at position[t] of each row (zeros in padding rows) as gemm wants its tokens: xh [T, ceil32(Lkv)],
// element 16j + 4c + i of 32 at 8c + 4j + i, times xScale[t], a power of two; and the rotated key, keys [T, R]. grid T,
// block 256.
#define GATHER(NAME, CACHE)                                                                                         \
  KERNEL_BOUNDED(NAME, 256, 4,                                                                                      \
                 (const void* entries, int pageTokens, const int* pages, int pagesPerSequence, const int* position, \
                  const int* sequence, int Lkv, int R, unsigned short* xh, float* xScale, unsigned short* keys)) {  \
    begin_kernel();                                                                                                 \
    gather<CACHE>(entries, pageTokens, pages, pagesPerSequence, position, sequence, Lkv, R, xh, xScale, keys);      \
  }
GATHER(gather_latent_f32, F32Cache)
GATHER(gather_latent_f16, F16Cache)
GATHER(gather_latent_bf16, Bf16Cache)
GATHER(gather_latent_e4m3, E4m3Cache)
#undef GATHER

// out[t, n] = softmax(q[t, n]·[K[s, n]; keys[s]]ᵀ·scale)·Vs[s, n] over rows s in [first[t], first[t] + own[t]); zeros
// if own is 0. q [T, N·(P+R)], K [T, N·P], keys [T, R], Vs [T, N·V] (halves), out [T, N·V], stat [T, N, 2]: m and l as
// mla_decode's. P, R, V % 16 == 0. mla_flash: P 128, R 64, V 128. mla_flash_small: P + R <= 192, V <= 128.
// mla_flash_large: P + R <= 256, V <= 256. grid (ceil(T/128), N), block 256, shared = stages·KEYS·2·(P + R + V + 16)
// with KEYS 64 (mla_flash_large: 32). stages: 2 (128/64/128: 86016 bytes; 192/64/256: 67584), on sm_75 1 (43008;
// 33792).
#define FLASH(NAME, P_, R_, V_, MAX_INNER, MAX_V, KEYS)                                                            \
  KERNEL_BOUNDED(NAME, 256, 1,                                                                                     \
                 (const float* q, const unsigned short* K, const unsigned short* keys, const unsigned short* Vs,   \
                  const int* first, const int* own, int T, int N, int P, int R, int V, float scale, float* out,    \
                  float* stat, int stages)) {                                                                      \
    begin_kernel();                                                                                                \
    DYNAMIC_SHARED(shared);                                                                                        \
    flash<P_, R_, V_, MAX_INNER, MAX_V, KEYS>(shared, q, K, keys, Vs, first, own, T, N, P, R, V, scale, out, stat, \
                                              stages);                                                             \
  }
FLASH(mla_flash, 128, 64, 128, 192, 128, 64)
FLASH(mla_flash_small, 0, 0, 0, 192, 128, 64)
FLASH(mla_flash_large, 0, 0, 0, 256, 256, 32)
#undef FLASH

// out = the attention over both parts, from each part's result and stat; out and stat: mla_flash's. grid T, block 256.
KERNEL(mla_merge, (float* out, const float* stat, const float* outHistory, const float* statHistory, int N, int V,
                   int T, const int* unless)) {
  begin_kernel();
  if (unless != nullptr && *unless == 0) return;
  const int t = blockIdx.x;
  for (int i = threadIdx.x; i < N * V; i += blockDim.x) {
    const long long head = ((long long)t * N + i / V) * 2;
    const float l = stat[head + 1], lHistory = statHistory[head + 1];
    if (lHistory == 0) continue;
    const float m = fmaxf(stat[head], statHistory[head]);
    const float a = l * expf(stat[head] - m), b = lHistory * expf(statHistory[head] - m);
    const long long at = (long long)t * N * V + i;
    out[at] = (a * out[at] + b * outHistory[at]) / (a + b);
  }
}

}  // namespace yuzui
