// Grouped-query attention: out[t, n] = softmax(q[t, n]·k[g]ᵀ·scale)·v[g] over the first kvLength[t] entries of row t's
// sequence, g = n / (N / G) (arXiv:2305.13245). q, out [T, N·D]; an entry is [k; v] of each of G heads; pages [S,
// pagesPerSequence]; a row of kvLength 0 or sequence −1 gives zeros.
//
//   attend_decode_<f16|bf16|e4m3>, attend_prompt_<f16|bf16|e4m3>   D % 16 == 0, D <= 128; 128 and 64 compiled for
//                                     themselves
//   attend_combine                    after them when splits > 1
//   attend_plain_<f32|f16|bf16|e4m3>  any shape, F32 arithmetic
//
// A block has `rows` rows and `heads` heads of one head of keys and values: query r·heads + j is head j of row r.
// Neighbouring rows of one sequence, a run, meet each tile of entries together. For decode steps a block has the sixteen
// queries of an mma and its warps share the keys; for prompts each warp has sixteen queries and all keys.
#include "cache.cuh"
#include "parts.cuh"

namespace yuzui {
namespace {

constexpr int TILE = 64;  // entries of a tile
constexpr int WARPS = 4;
constexpr int ROWS = 16 * WARPS;  // rows of a block at most
constexpr int MAX_D = 128;

// `which` for rows alone in their sequence, which leave most warps of a prompt's block idle.
constexpr int ALONE = 1;

__device__ __forceinline__ int warp_greatest(int v) {
  for (int m = 16; m > 0; m >>= 1) v = max(v, shuffle_xor(v, m));
  return v;
}

// What a step's attention reads and writes; names as at the top.
struct Step {
  const float* __restrict__ q;
  const void* __restrict__ entries;
  int pageTokens;
  const int* __restrict__ pages;
  int pagesPerSequence;
  const int* __restrict__ sequence;
  const int* __restrict__ kvLength;
  int T, N, G, D;
  float scale;
  float* __restrict__ out;
};

// How a step is cut into blocks; see the kernels.
struct Cut {
  int rows, heads, which, splits, leastTiles, stages;
};

// A block's static shared memory.
struct Places {
  int sequence[ROWS + 2];  // of its rows and of the row before and behind; −2 where there is none
  int length[ROWS];
  int entry[2][TILE];  // rows of entries, or −1
  float stat[WARPS][16][2];
};

// One entry's [k; v] of a head after another: K and V of a tile. QW warps have queries of their own, KW share the keys.
template <class C, class M, int D_, int QW>
__device__ __forceinline__ void attend(unsigned char* shared, Places& places, const Step& step, const Cut& cut,
                                       float* __restrict__ partial) {
  constexpr bool WIDEN = C::BYTES == 1;
  constexpr int KW = WARPS / QW;
  constexpr int KEYS = KW > 1 ? 2 : 4;  // that a warp takes at once, in eights; more would not fit its registers
  constexpr int STEPS = (D_ > 0 ? D_ : MAX_D) / 16, COLUMNS = (D_ > 0 ? D_ : MAX_D) / 8;
  constexpr int AT_ONCE = KEYS;  // products that take turns, so that no mma waits for the one before it
  const int D = D_ > 0 ? D_ : step.D;
  const int N = step.N, perGroup = N / step.G;
  const int stride = (2 * D + 8) * 2;               // bytes between rows of the tile the products read: odd in 16s
  const int arrivalStride = WIDEN ? 2 * D : stride;  // and of the tile as it arrives
  const int stageBytes = TILE * arrivalStride;
  unsigned char* widened = shared + cut.stages * stageBytes;

  // Neighbours have the heads of one row, and blocks whose rows see most come first, or they would end last.
  const int index = gridDim.x - 1 - blockIdx.x, headBlocks = (perGroup + cut.heads - 1) / cut.heads;
  const int group = index % step.G, first = index / step.G % headBlocks * cut.heads;
  const int row0 = index / step.G / headBlocks * cut.rows, split = blockIdx.y;
  const int rows = min(cut.rows, step.T - row0), heads = min(cut.heads, perGroup - first), count = rows * heads;
  const int w = warp(), qw = w / KW, kw = w % KW, g = lane() >> 2, c = lane() & 3;
  const int tid = threadIdx.x;

  for (int i = tid; i < rows + 2; i += WARPS * 32) {
    const int t = row0 - 1 + i;
    const int s = t < 0 || t >= step.T ? -2 : max(-1, step.sequence[t]);
    places.sequence[i] = s;
    if (i > 0 && i <= rows) places.length[i - 1] = s < 0 ? 0 : max(0, step.kvLength[t]);
  }
  __syncthreads();
  auto taken = [&](int r) {
    const int* s = places.sequence + r;
    return cut.which == 0 || (s[0] != s[1] && s[2] != s[1]) == (cut.which == ALONE);
  };
  auto head_of = [&](int i) { return (long long)(row0 + i / heads) * N + group * perGroup + first + i % heads; };
  if (cut.rows == 1 && !taken(0)) return;

  // Queries in units where e^score is 2^x, as fragments of A. Column 2c of an mma's sixteen inner columns is element 4c
  // of the sixteen here, 2c+8 is 4c+2: the same order for the keys lets a lane load four neighbours at once.
  // Low parts are in shared memory, [QW][D / 16][32 lanes]: registers hold no more.
  unsigned high[STEPS][4];
  uint4* lows = reinterpret_cast<uint4*>(widened + (WIDEN ? TILE * stride : 0)) + qw * (D / 16) * 32 + lane();
  int row[2];
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const int i = 16 * qw + g + 8 * half;
    row[half] = i < count ? i / heads : -1;
    const float* from = step.q + head_of(min(i, count - 1)) * D + 4 * c;
#pragma unroll
    for (int j = 0; j < STEPS; j++) {
      float4 v = make_float4(0, 0, 0, 0);
      if (i < count && 16 * j < D) v = *reinterpret_cast<const float4*>(from + 16 * j);
      const float unit = step.scale * LOG2E;
      unsigned low[2];
      two_parts<M>(v.x * unit, v.y * unit, high[j][half], low[0]);
      two_parts<M>(v.z * unit, v.w * unit, high[j][half + 2], low[1]);
      if (kw == 0 && 16 * j < D) {
        unsigned* to = reinterpret_cast<unsigned*>(lows + j * 32) + half;
        to[0] = low[0];
        to[2] = low[1];
      }
    }
  }

  float o[COLUMNS][4];
#pragma unroll
  for (int j = 0; j < COLUMNS; j++) o[j][0] = o[j][1] = o[j][2] = o[j][3] = 0;
  float m[2] = {-INFINITY, -INFINITY};
  float l[2] = {0, 0};  // of this lane's keys

  for (int begin = 0, past; begin < rows; begin = past) {
    // the run: rows [begin, past) of a sequence, and the most entries that one of them sees
    const int s = places.sequence[begin + 1];
    int longest = 0, more;
    past = begin;
    do {
      const int r = past + lane();
      const bool same = r < rows && places.sequence[r + 1] == s;
      more = 32 - warp_greatest(same ? 0 : 32 - lane());
      longest = max(longest, warp_greatest(lane() < more ? places.length[r] : 0));
      past += more;
    } while (more == 32);
    if (!taken(begin)) continue;

    const int all = (longest + TILE - 1) / TILE, each = max(cut.leastTiles, (all + cut.splits - 1) / cut.splits);
    const int from = split * each * TILE, end = min(longest, from + each * TILE);
    const int tiles = (end - from + TILE - 1) / TILE;
    if (from >= end) continue;
    const int* table = step.pages + (long long)s * step.pagesPerSequence;
    int seen[2];
    for (int half = 0; half < 2; half++) {
      seen[half] = row[half] >= begin && row[half] < past ? places.length[row[half]] : 0;
    }
    const int warpSeen = warp_greatest(max(seen[0], seen[1]));

    // Row of entry `tid` of a tile, looked up one step before its copies begin.
    auto lookup = [&](int tile) {
      const int i = from + tile * TILE + tid;
      return tid < TILE && i < end ? entry_row(table, step.pageTokens, i) : -1;
    };
    const int pieces = 2 * D * C::BYTES / 16;  // of an entry, 16 bytes each
    const int pieceStep = WARPS * 32 % pieces, entryStep = WARPS * 32 / pieces;
    auto copy_tile = [&](int tile) {
      unsigned char* to = shared + tile % cut.stages * stageBytes;
      const int* at = places.entry[tile & 1];
      int entry = tid / pieces, piece = tid % pieces;
      while (entry < TILE) {
        const unsigned char* source = static_cast<const unsigned char*>(step.entries);
        if (at[entry] >= 0) source += (((long long)at[entry] * step.G + group) * pieces + piece) * 16;
        copy_async(to + entry * arrivalStride + piece * 16, source, at[entry] >= 0);
        entry += entryStep;
        piece += pieceStep;
        if (piece >= pieces) {
          piece -= pieces;
          entry++;
        }
      }
    };

    const int ahead = cut.stages - 1;  // tiles under way while one is used
    __syncthreads();                   // no thread needs the run before any more
    for (int tile = 0; tile < ahead; tile++) {
      if (tid < TILE) places.entry[tile & 1][tid] = lookup(tile);
      __syncthreads();
      if (tile < tiles) copy_tile(tile);
      copy_commit();
    }
    if (tid < TILE) places.entry[ahead & 1][tid] = lookup(ahead);

    for (int tile = 0; tile < tiles; tile++) {
      if (ahead == 0) {
        __syncthreads();
        copy_tile(tile);
        copy_commit();
        copy_wait<0>();
      } else {
        copy_wait_oldest(cut.stages);
      }
      __syncthreads();  // this tile is there, and no thread needs the one before it any more
      if (ahead > 0) {
        if (tile + ahead < tiles) copy_tile(tile + ahead);
        copy_commit();
      }
      const int next = lookup(tile + ahead + 1);

      const unsigned char* entry = shared + tile % cut.stages * stageBytes;
      if (WIDEN) {
        for (int i = tid; i < TILE * pieces; i += WARPS * 32) {
          const uint4 codes = *reinterpret_cast<const uint4*>(entry + i * 16);
          uint4 a, b;
          e4m3_halves(codes.x, a.x, a.y);
          e4m3_halves(codes.y, a.z, a.w);
          e4m3_halves(codes.z, b.x, b.y);
          e4m3_halves(codes.w, b.z, b.w);
          unsigned char* to = widened + i / pieces * stride + i % pieces * 32;
          *reinterpret_cast<uint4*>(to) = a;
          *reinterpret_cast<uint4*>(to + 16) = b;
        }
        entry = widened;
        __syncthreads();
      }
      if (tid < TILE) places.entry[(tile + ahead + 1) & 1][tid] = next;
#pragma unroll 1
      for (int inTile = kw * KEYS * 8; inTile < TILE; inTile += KW * KEYS * 8) {
        const int own = from + tile * TILE + inTile;
        if (own >= warpSeen) break;
        const unsigned char* keys = entry + inTile * stride;

        float score[KEYS][4];
#pragma unroll
        for (int i = 0; i < KEYS; i++) score[i][0] = score[i][1] = score[i][2] = score[i][3] = 0;
#pragma unroll
        for (int j = 0; j < STEPS; j++) {
          if (16 * j < D) {
            const uint4 part = lows[j * 32];
            const unsigned low[4] = {part.x, part.y, part.z, part.w};
#pragma unroll
            for (int i = 0; i < KEYS; i += AT_ONCE) {
              uint2 b[AT_ONCE];
#pragma unroll
              for (int k = 0; k < AT_ONCE; k++) {
                const unsigned char* key = keys + ((i + k) * 8 + key_of_column(g)) * stride + j * 32 + c * 8;
                b[k] = *reinterpret_cast<const uint2*>(key);
              }
#pragma unroll
              for (int k = 0; k < AT_ONCE; k++) M::mma(score[i + k], high[j], b[k].x, b[k].y);
#pragma unroll
              for (int k = 0; k < AT_ONCE; k++) M::mma(score[i + k], low, b[k].x, b[k].y);
            }
          }
        }
        if (own + KEYS * 8 > min(seen[0], seen[1])) {
#pragma unroll
          for (int i = 0; i < KEYS; i++) {
#pragma unroll
            for (int e = 0; e < 4; e++) {
              if (own + i * 8 + key_of_column(2 * c + (e & 1)) >= seen[e >> 1]) score[i][e] = -INFINITY;
            }
          }
        }

#pragma unroll
        for (int half = 0; half < 2; half++) {
          float top = m[half];
#pragma unroll
          for (int i = 0; i < KEYS; i++) top = fmaxf(top, fmaxf(score[i][2 * half], score[i][2 * half + 1]));
          top = fmaxf(top, shuffle_xor(top, 1));
          top = fmaxf(top, shuffle_xor(top, 2));
          const float base = top == -INFINITY ? 0 : top;  // a query that has seen nothing yet
          const float less = exp2f(m[half] - base);
          m[half] = top;
          l[half] *= less;
#pragma unroll
          for (int j = 0; j < COLUMNS; j++) {
            o[j][2 * half] *= less;
            o[j][2 * half + 1] *= less;
          }
#pragma unroll
          for (int i = 0; i < KEYS; i++) {
#pragma unroll
            for (int e = 2 * half; e < 2 * half + 2; e++) {
              score[i][e] = exp2f(score[i][e] - base);
              l[half] += score[i][e];
            }
          }
        }

        // Scores as they lie in D are the fragments of A, with the values' rows in the keys' order. A load has sixteen
        // columns of sixteen rows.
        const int valueRow = (lane() & 8) + key_of_column(lane() & 7);
#pragma unroll
        for (int k = 0; k < KEYS / 2; k++) {
          const unsigned char* value = keys + (16 * k + valueRow) * stride + 2 * D + (lane() >> 4) * 16;
          unsigned p[4], pLow[4];
#pragma unroll
          for (int i = 0; i < 2; i++) {
            const float(&of)[4] = score[2 * k + i];
            two_parts<M>(of[0], of[1], p[2 * i], pLow[2 * i]);
            two_parts<M>(of[2], of[3], p[2 * i + 1], pLow[2 * i + 1]);
          }
#pragma unroll
          for (int j = 0; j < COLUMNS; j += 4) {
            unsigned b[2][4];
#pragma unroll
            for (int i = 0; i < 2; i++) {
              if ((j + 2 * i) * 8 < D) load_matrix_transposed(b[i], value + (j + 2 * i) * 16);
            }
#pragma unroll
            for (int i = 0; i < 4; i++) {
              if ((j + i) * 8 < D) M::mma(o[j + i], p, b[i / 2][i % 2 * 2], b[i / 2][i % 2 * 2 + 1]);
            }
#pragma unroll
            for (int i = 0; i < 4; i++) {
              if ((j + i) * 8 < D) M::mma(o[j + i], pLow, b[i / 2][i % 2 * 2], b[i / 2][i % 2 * 2 + 1]);
            }
          }
        }
      }
    }
    copy_wait<0>();
  }

  const long long parts = (long long)step.T * N * cut.splits * D;  // floats of all sums; the stats are behind
  auto put_stat = [&](long long head, float greatest, float sum) {
    float* to = partial + parts + (head * cut.splits + split) * 2;
    to[0] = greatest;
    to[1] = sum;
  };
#pragma unroll
  for (int half = 0; half < 2; half++) {
    l[half] += shuffle_xor(l[half], 1);
    l[half] += shuffle_xor(l[half], 2);
  }
  if (KW == 1) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      if (row[half] < 0 || !taken(row[half])) continue;
      const long long head = head_of(16 * qw + g + 8 * half);
      const float factor = cut.splits > 1 ? 1 : l[half] > 0 ? 1 / l[half] : 0;
      float* to = cut.splits > 1 ? partial + (head * cut.splits + split) * D : step.out + head * D;
#pragma unroll
      for (int j = 0; j < COLUMNS; j++) {
        if (j * 8 < D) {
          const float2 pair = make_float2(o[j][2 * half] * factor, o[j][2 * half + 1] * factor);
          *reinterpret_cast<float2*>(to + j * 8 + 2 * c) = pair;
        }
      }
      if (cut.splits > 1 && c == 0) put_stat(head, m[half], l[half]);
    }
    return;
  }

  // the warps' shares of the keys, joined where the tiles were: [KW][16][D]
  float* sums = reinterpret_cast<float*>(shared);
  __syncthreads();
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const int i = g + 8 * half;
#pragma unroll
    for (int j = 0; j < COLUMNS; j++) {
      if (j * 8 < D) {
        const float2 pair = make_float2(o[j][2 * half], o[j][2 * half + 1]);
        *reinterpret_cast<float2*>(sums + (kw * 16 + i) * D + j * 8 + 2 * c) = pair;
      }
    }
    if (c == 0) {
      places.stat[kw][i][0] = m[half];
      places.stat[kw][i][1] = l[half];
    }
  }
  __syncthreads();
  for (int u = tid; u < count * (D / 2); u += WARPS * 32) {
    const int i = u / (D / 2), column = 2 * (u - i * (D / 2));
    if (!taken(i / heads)) continue;
    float top = -INFINITY, total = 0;
    float2 sum = make_float2(0, 0);
    for (int k = 0; k < KW; k++) top = fmaxf(top, places.stat[k][i][0]);
    const float base = top == -INFINITY ? 0 : top;
    for (int k = 0; k < KW; k++) {
      const float weight = exp2f(places.stat[k][i][0] - base);
      const float2 part = *reinterpret_cast<const float2*>(sums + (k * 16 + i) * D + column);
      total += weight * places.stat[k][i][1];
      sum.x += weight * part.x;
      sum.y += weight * part.y;
    }
    const long long head = head_of(i);
    const float factor = cut.splits > 1 ? 1 : total > 0 ? 1 / total : 0;
    float* to = cut.splits > 1 ? partial + (head * cut.splits + split) * D : step.out + head * D;
    *reinterpret_cast<float2*>(to + column) = make_float2(sum.x * factor, sum.y * factor);
    if (cut.splits > 1 && column == 0) put_stat(head, top, total);
  }
}

template <class C>
__device__ __forceinline__ void plain(unsigned char* shared, const Step& step) {
  constexpr int BATCH = 32;  // entries between two steps of the running softmax
  const int n = blockIdx.x, t = blockIdx.y;
  const int N = step.N, D = step.D;
  float* query = reinterpret_cast<float*>(shared);  // [D]
  float* o = query + D;                             // [D]
  float* score = o + D;                             // [BATCH]
  const int s = step.sequence[t];
  const int length = s < 0 ? 0 : step.kvLength[t];
  const int* table = step.pages + (long long)(s < 0 ? 0 : s) * step.pagesPerSequence;
  const int threads = blockDim.x;
  const int group = n / (N / step.G);
  auto key_at = [&](int i) {
    return ((long long)entry_row(table, step.pageTokens, i) * step.G + group) * 2 * D;
  };
  for (int i = threadIdx.x; i < D; i += threads) query[i] = step.q[((long long)t * N + n) * D + i] * step.scale;
  for (int i = threadIdx.x; i < D; i += threads) o[i] = 0;
  float m = -INFINITY, l = 0;  // the same in all threads
  for (int begin = 0; begin < length; begin += BATCH) {
    const int count = min(BATCH, length - begin);
    __syncthreads();
    for (int i = warp(); i < count; i += threads / 32) {
      const long long key = key_at(begin + i);
      float sum = 0;
      for (int e = lane(); e < D; e += 32) sum += query[e] * C::load(step.entries, key + e);
      sum = warp_sum(sum);
      if (lane() == 0) score[i] = sum;
    }
    __syncthreads();
    float greatest = m;
    for (int i = 0; i < count; i++) greatest = fmaxf(greatest, score[i]);
    const float less = expf(m - greatest);
    m = greatest;
    l *= less;
    __syncthreads();
    if ((int)threadIdx.x < count) score[threadIdx.x] = expf(score[threadIdx.x] - m);
    __syncthreads();
    for (int i = 0; i < count; i++) l += score[i];
    for (int e = threadIdx.x; e < D; e += threads) {
      float sum = o[e] * less;
      for (int i = 0; i < count; i++) sum += score[i] * C::load(step.entries, key_at(begin + i) + D + e);
      o[e] = sum;
    }
  }
  const float factor = l > 0 ? 1 / l : 0;
  for (int e = threadIdx.x; e < D; e += threads) step.out[((long long)t * N + n) * D + e] = o[e] * factor;
}

}  // namespace

// grid (ceil(T/rows)·ceil(N/G/heads)·G, splits), block 128.
// rows, heads: of a block; rows·heads <= 16 (attend_decode) or 64 (attend_prompt).
// which: 0 all rows, 1 those without a neighbour of their sequence, 2 the others; what is not meant stays as it is.
// splits: blocks that a run's entries may be cut between; leastTiles: tiles of 64 that each takes at least. With splits
//   > 1 attend_combine follows; partial: T·N·splits·(D+2) floats, not used if splits == 1.
// stages: 1 to 5 tiles on chip. shared = stages·64·(f16, bf16: 2·(2·D+8); e4m3: 2·D) + (e4m3: 128·(2·D+8)) + 32·D (decode)
//   or 128·D (prompt) bytes. For D 128 and a prompt: f16, bf16 50176 with 1 stage, 83968 with 2; e4m3 66560 with 1, 82944
//   with 2.
#define ATTEND(NAME, CACHE, MATH, QW)                                                                              \
  KERNEL_BOUNDED(NAME, 128, 2,                                                                                     \
                 (const float* q, const void* entries, int pageTokens, const int* pages, int pagesPerSequence,     \
                  const int* sequence, const int* kvLength, int T, int N, int G, int D, float scale, float* out,   \
                  float* partial, int rows, int heads, int which, int splits, int leastTiles, int stages)) {       \
    begin_kernel();                                                                                                \
    DYNAMIC_SHARED(shared);                                                                                        \
    __shared__ Places places;                                                                                      \
    const Step step = {q, entries, pageTokens, pages, pagesPerSequence, sequence, kvLength, T, N, G, D, scale, out}; \
    const Cut cut = {rows, heads, which, splits, leastTiles, stages};                                              \
    if (D == 128) {                                                                                                \
      attend<CACHE, MATH, 128, QW>(shared, places, step, cut, partial);                                            \
    } else if (D == 64) {                                                                                          \
      attend<CACHE, MATH, 64, QW>(shared, places, step, cut, partial);                                             \
    } else {                                                                                                       \
      attend<CACHE, MATH, 0, QW>(shared, places, step, cut, partial);                                              \
    }                                                                                                              \
  }
ATTEND(attend_decode_f16, F16Cache, HalfTile, 1)
ATTEND(attend_decode_bf16, Bf16Cache, Bf16Tile, 1)
ATTEND(attend_decode_e4m3, E4m3Cache, HalfTile, 1)
ATTEND(attend_prompt_f16, F16Cache, HalfTile, WARPS)
ATTEND(attend_prompt_bf16, Bf16Cache, Bf16Tile, WARPS)
ATTEND(attend_prompt_e4m3, E4m3Cache, HalfTile, WARPS)
#undef ATTEND

// The splits' parts, summed in a fixed order; D <= 128. grid (N, T), block 128, shared static.
KERNEL_BOUNDED(attend_combine, 128, 8, (const float* partial, int N, int D, int splits, float* out)) {
  begin_kernel();
  __shared__ __align__(16) float sums[WARPS][MAX_D];
  __shared__ float lengths[WARPS];
  const long long head = (long long)blockIdx.y * N + blockIdx.x;
  const float* part = partial + head * splits * D;
  const float* stat = partial + (long long)gridDim.y * N * splits * D + head * splits * 2;
  float m = -INFINITY;
  for (int i = lane(); i < splits; i += 32) m = fmaxf(m, stat[2 * i]);
  m = warp_max(m);
  const int column = lane() * 4;
  float4 sum = make_float4(0, 0, 0, 0);
  float l = 0;
#pragma unroll 4
  for (int i = warp(); i < splits; i += WARPS) {
    const float length = stat[2 * i + 1];
    if (length == 0) continue;  // a row is cut as the longest of its run
    const float weight = exp2f(stat[2 * i] - m);
    l += weight * length;
    if (column < D) {
      const float4 v = *reinterpret_cast<const float4*>(part + (long long)i * D + column);
      sum.x += weight * v.x;
      sum.y += weight * v.y;
      sum.z += weight * v.z;
      sum.w += weight * v.w;
    }
  }
  *reinterpret_cast<float4*>(&sums[warp()][column]) = sum;
  if (lane() == 0) lengths[warp()] = l;
  __syncthreads();
  float all = 0, v = 0;
  for (int i = 0; i < WARPS; i++) {
    all += lengths[i];
    v += sums[i][threadIdx.x];
  }
  if ((int)threadIdx.x < D) out[head * D + threadIdx.x] = all > 0 ? v / all : 0;
}

// attend_plain: grid (N, T), block 128, shared = (2·D + 32)·4 bytes.
#define PLAIN(NAME, CACHE)                                                                                           \
  KERNEL(NAME, (const float* q, const void* entries, int pageTokens, const int* pages, int pagesPerSequence,         \
                const int* sequence, const int* kvLength, int T, int N, int G, int D, float scale, float* out)) {    \
    begin_kernel();                                                                                                  \
    DYNAMIC_SHARED(shared);                                                                                          \
    plain<CACHE>(shared,                                                                                             \
                 {q, entries, pageTokens, pages, pagesPerSequence, sequence, kvLength, T, N, G, D, scale, out});     \
  }
PLAIN(attend_plain_f32, F32Cache)
PLAIN(attend_plain_f16, F16Cache)
PLAIN(attend_plain_bf16, Bf16Cache)
PLAIN(attend_plain_e4m3, E4m3Cache)
#undef PLAIN

}  // namespace yuzui
