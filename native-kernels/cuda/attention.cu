// Absorbed latent attention of decode steps: out[t, n] = softmax(q[t, n]·[c; k]ᵀ·scale)·c over the first kvLength[t]
// entries of row t's sequence (DeepSeek-V2 report §2.1). q[t, n] is the Lkv numbers at q + (t·N + n)·qHead and the R at turned +
// t·turnedRow + n·turnedHead, so that what carried a query into the latent space need not bring its turned part along; out
// [T, N·Lkv], pages [S, pagesPerSequence];
// a row of kvLength 0 or sequence −1 gives zeros. stat, if not null, [T, N, 2]: the greatest scaled score m (natural
// units; −∞ if there is no entry) and l = Σ e^(score − m). sinks, if not null, [N]: a score that stands beside those of each head's
// entries and has no value; what takes the first entries begins with it. Every kernel here does nothing if `unless` is not null and
// *unless is 0. A row's result depends on that row and on how it is cut (splits, leastTiles) alone.
//
//   mla_decode_<f16|bf16|e4m3>   Lkv % 16 == 0, R % 16 == 0, Lkv <= 512, R <= 64, any N; 512/64 compiled for itself
//   mla_combine                  after mla_decode when splits > 1
//   mla_plain_<f32|f16|bf16|e4m3>  any shape, F32 arithmetic
//
// Blocks take 16 heads each: with 16 heads (V2-Lite, or 128 heads over eight devices) an entry is read once in all. 128
// heads on one device are eight blocks side by side in the grid, that meet in L2: 64 heads a block would keep 128
// registers of sums a thread and leave no room for the queries, and 128 heads are bound by arithmetic before memory.
#include "cache.cuh"
#include "parts.cuh"

namespace yuzui {
namespace {

constexpr int TILE = 32;        // entries of a tile
constexpr int HEADS = 16;       // heads of a block: the rows of an mma
constexpr int WARPS = 8;
constexpr int P_STRIDE = 40;    // halves between rows of P, so that fragments load without bank conflicts

// How the first `length` entries are cut: `tiles` tiles, at least leastTiles, for each of `active` splits; the last may
// have fewer.
struct Cut {
  int tiles, active;
};
__device__ __forceinline__ Cut cut(int length, int splits, int leastTiles) {
  const int all = (length + TILE - 1) / TILE;
  const int each = max(leastTiles, (all + splits - 1) / splits);
  return {each, (all + each - 1) / each};
}

// Scores cross the warps through shared memory: [WARPS][HEADS][TILE], columns moved by the row so that stores of
// fragments fall into different banks.
__device__ __forceinline__ int score_at(int row, int column) { return row * TILE + (column ^ ((row & 3) << 3)); }

// What a step's attention reads and writes; names as at the top.
struct Step {
  const float* __restrict__ q;
  int qHead;
  const float* __restrict__ turned;
  int turnedRow, turnedHead;
  const void* __restrict__ entries;
  int pageTokens;
  const int* __restrict__ pages;
  int pagesPerSequence;
  const int* __restrict__ sequence;
  const int* __restrict__ kvLength;
  int N, Lkv, R;
  float scale;
  float* __restrict__ out;
  float* __restrict__ stat;
  const float* __restrict__ sinks;

  // The query of row t and head n from element e on, of which L come first; the others are apart.
  __device__ __forceinline__ const float* query(int t, int n, int e, int L) const {
    return e < L ? q + ((long long)t * N + n) * qHead + e : turned + (long long)t * turnedRow + n * turnedHead + e - L;
  }
};

template <class C, class M, int LKV, int ROPE>
__device__ __forceinline__ void decode(unsigned char* shared, const Step& step, float* __restrict__ partial, int splits,
                                       int leastTiles, int stages) {
  constexpr bool WIDEN = C::BYTES == 1;
  constexpr int STEPS = LKV > 0 ? ((LKV + ROPE) / 16 + WARPS - 1) / WARPS : 5;  // inner steps of 16 a warp may have
  constexpr int COLUMNS = LKV > 0 ? (LKV / 8 + WARPS - 1) / WARPS : 8;          // tiles of 8 columns a warp may have
  const int N = step.N;
  constexpr int AT_ONCE = WIDEN ? 2 : 4;  // columns of 8 whose products take turns, so that no mma waits for the last
  const int L = LKV > 0 ? LKV : step.Lkv;
  const int E = LKV > 0 ? LKV + ROPE : step.Lkv + step.R;
  const int stride = (E + 8) * 2;                       // bytes between rows of the tile the products read
  const int arrivalStride = WIDEN ? E : stride;         // and of the tile as it arrives
  const int stageBytes = TILE * arrivalStride;

  unsigned char* at = shared + (long long)stages * stageBytes;
  unsigned char* widened = at;
  if (WIDEN) at += TILE * stride;
  float* scores = reinterpret_cast<float*>(at);
  // [HEADS][P_STRIDE], then the low parts.
  uint16_t* weights = reinterpret_cast<uint16_t*>(scores + WARPS * HEADS * TILE);
  float* shrink = reinterpret_cast<float*>(weights + 2 * HEADS * P_STRIDE);         // [HEADS]
  float* result = shrink + HEADS;                                                    // [HEADS][2]: m, l
  int* rows = reinterpret_cast<int*>(result + 2 * HEADS);                            // [2][TILE] rows of entries, or −1

  const int t = blockIdx.z;
  const int split = blockIdx.y;
  const int head0 = blockIdx.x * HEADS;
  const int w = warp(), g = lane() >> 2, c = lane() & 3;
  const int tid = threadIdx.x;

  const int s = step.sequence[t];
  const int length = s < 0 ? 0 : step.kvLength[t];
  if (length <= 0) {
    if (split > 0) return;
    for (int i = tid; i < HEADS * L; i += WARPS * 32) {
      const int n = head0 + i / L;
      if (n < N) step.out[((long long)t * N + n) * L + i % L] = 0;
    }
    if (step.stat != nullptr && tid < HEADS && head0 + tid < N) {
      float* st = step.stat + ((long long)t * N + head0 + tid) * 2;
      st[0] = -INFINITY;
      st[1] = 0;
    }
    return;
  }
  const Cut work = cut(length, splits, leastTiles);
  if (split >= work.active) return;
  const int begin = split * work.tiles * TILE;
  const int end = min(length, begin + work.tiles * TILE);
  const int tiles = (end - begin + TILE - 1) / TILE;
  const int* table = step.pages + (long long)s * step.pagesPerSequence;

  // Row of this lane's entry of a tile; warp 0 looks a tile up one step before its copies begin.
  auto lookup = [&](int tile) {
    const int i = begin + tile * TILE + lane();
    return i < end ? entry_row(table, step.pageTokens, i) : -1;
  };
  const int pieces = E * C::BYTES / 16;  // of an entry, 16 bytes each
  const int pieceStep = WARPS * 32 % pieces, entryStep = WARPS * 32 / pieces;
  auto copy_tile = [&](int tile) {
    unsigned char* to = shared + tile % stages * stageBytes;
    const int* from = rows + (tile & 1) * TILE;
    int entry = tid / pieces, piece = tid % pieces;
    while (entry < TILE) {
      const int row = from[entry];
      const unsigned char* source = static_cast<const unsigned char*>(step.entries);
      if (row >= 0) source += ((long long)row * pieces + piece) * 16;
      copy_async(to + entry * arrivalStride + piece * 16, source, row >= 0);
      entry += entryStep;
      piece += pieceStep;
      if (piece >= pieces) {
        piece -= pieces;
        entry++;
      }
    }
  };

  const int ahead = stages - 1;  // tiles under way while one is used
  for (int tile = 0; tile < ahead; tile++) {
    if (w == 0) rows[(tile & 1) * TILE + lane()] = lookup(tile);
    __syncthreads();
    copy_tile(tile);
    copy_commit();
  }
  if (w == 0) rows[(ahead & 1) * TILE + lane()] = lookup(ahead);

  // Queries in units where e^score is 2^x, as fragments of A. Column 2c of an mma's sixteen inner columns is element 4c
  // of the sixteen here, 2c+8 is 4c+2: the same order for the entries lets a lane load four neighbours at once.
  unsigned high[STEPS][4], low[STEPS][4];
#pragma unroll
  for (int j = 0; j < STEPS; j++) {
    const int column = (w + WARPS * j) * 16 + 4 * c;
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int n = head0 + g + 8 * half;
      float4 v = make_float4(0, 0, 0, 0);
      if (n < N && column < E) v = *reinterpret_cast<const float4*>(step.query(t, n, column, L));
      const float unit = step.scale * LOG2E;
      two_parts<M>(v.x * unit, v.y * unit, high[j][half], low[j][half]);
      two_parts<M>(v.z * unit, v.w * unit, high[j][half + 2], low[j][half + 2]);
    }
  }

  float o[COLUMNS][4];
#pragma unroll
  for (int j = 0; j < COLUMNS; j++) o[j][0] = o[j][1] = o[j][2] = o[j][3] = 0;
  float m[2] = {-INFINITY, -INFINITY};  // of heads 2w and 2w+1, the same in all lanes
  float l[2] = {0, 0};                  // of this lane's entries
#pragma unroll
  for (int r = 0; r < 2; r++) {
    const int n = head0 + 2 * w + r;
    if (step.sinks != nullptr && split == 0 && n < N) {
      m[r] = step.sinks[n] * LOG2E;
      l[r] = lane() == 0 ? 1 : 0;
    }
  }

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
    int nextRow = -1;
    if (w == 0) nextRow = lookup(tile + ahead + 1);

    const unsigned char* entry = shared + tile % stages * stageBytes;
    if (WIDEN) {
      const int all = TILE * pieces;
      for (int i = tid; i < all; i += WARPS * 32) {
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

    // Each warp's share of the inner product, for all heads and entries.
    float share[TILE / 8][4];
#pragma unroll
    for (int i = 0; i < TILE / 8; i++) share[i][0] = share[i][1] = share[i][2] = share[i][3] = 0;
#pragma unroll
    for (int j = 0; j < STEPS; j++) {
      const int inner = (w + WARPS * j) * 16;
      if (inner < E) {
        uint2 b[TILE / 8];
#pragma unroll
        for (int i = 0; i < TILE / 8; i++) {
          const unsigned char* key = entry + (i * 8 + key_of_column(g)) * stride + inner * 2 + c * 8;
          b[i] = *reinterpret_cast<const uint2*>(key);
        }
#pragma unroll
        for (int i = 0; i < TILE / 8; i++) M::mma(share[i], high[j], b[i].x, b[i].y);
#pragma unroll
        for (int i = 0; i < TILE / 8; i++) M::mma(share[i], low[j], b[i].x, b[i].y);
      }
    }
#pragma unroll
    for (int i = 0; i < TILE / 8; i++) {
      float* to = scores + w * HEADS * TILE;
      *reinterpret_cast<float2*>(to + score_at(g, i * 8 + 2 * c)) = make_float2(share[i][0], share[i][1]);
      *reinterpret_cast<float2*>(to + score_at(g + 8, i * 8 + 2 * c)) = make_float2(share[i][2], share[i][3]);
    }
    if (w == 0) rows[((tile + ahead + 1) & 1) * TILE + lane()] = nextRow;
    __syncthreads();

    // The running softmax: a warp has two heads, a lane an entry.
    const int inTile = (lane() & ~7) + key_of_column(lane() & 7);
    const bool seen = begin + tile * TILE + inTile < end;
#pragma unroll
    for (int r = 0; r < 2; r++) {
      const int row = 2 * w + r;
      float score = 0;
#pragma unroll
      for (int k = 0; k < WARPS; k++) score += scores[k * HEADS * TILE + score_at(row, lane())];
      if (!seen) score = -INFINITY;
      const float greatest = fmaxf(m[r], warp_max(score));
      const float p = exp2f(score - greatest);
      const float less = exp2f(m[r] - greatest);
      m[r] = greatest;
      const uint16_t ph = M::round(p);
      weights[row * P_STRIDE + inTile] = ph;
      weights[(HEADS + row) * P_STRIDE + inTile] = M::round(p - M::value(ph));
      l[r] = l[r] * less + p;
      if (lane() == 0) shrink[row] = less;
    }
    __syncthreads();

    // o = o·shrink + p·c, each warp its own columns.
    const float less0 = shrink[g], less1 = shrink[g + 8];
    unsigned p[2][4], pLow[2][4];
#pragma unroll
    for (int k = 0; k < 2; k++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const int where = (g + (i & 1) * 8) * P_STRIDE + k * 16 + (i >> 1) * 8 + 2 * c;
        p[k][i] = *reinterpret_cast<const unsigned*>(weights + where);
        pLow[k][i] = *reinterpret_cast<const unsigned*>(weights + HEADS * P_STRIDE + where);
      }
    }
#pragma unroll
    for (int j = 0; j < COLUMNS; j += AT_ONCE) {
      unsigned v[AT_ONCE][4];
#pragma unroll
      for (int i = 0; i < AT_ONCE; i++) {
        const int column = (w + WARPS * (j + i)) * 8;
        if (column < L) load_matrix_transposed(v[i], entry + lane() * stride + column * 2);
        o[j + i][0] *= less0;
        o[j + i][1] *= less0;
        o[j + i][2] *= less1;
        o[j + i][3] *= less1;
      }
#pragma unroll
      for (int part = 0; part < 4; part++) {
#pragma unroll
        for (int i = 0; i < AT_ONCE; i++) {
          const int k = part & 1;
          if ((w + WARPS * (j + i)) * 8 < L) M::mma(o[j + i], part < 2 ? p[k] : pLow[k], v[i][2 * k], v[i][2 * k + 1]);
        }
      }
    }
  }
  copy_wait<0>();

#pragma unroll
  for (int r = 0; r < 2; r++) {
    const float sum = warp_sum(l[r]);
    if (lane() == 0) {
      result[(2 * w + r) * 2] = m[r];
      result[(2 * w + r) * 2 + 1] = sum;
    }
  }
  __syncthreads();
  const bool whole = work.active == 1;
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const int row = g + 8 * half;
    const int n = head0 + row;
    if (n >= N) continue;
    const long long head = (long long)t * N + n;
    const float factor = whole ? 1 / result[row * 2 + 1] : 1;
    float* to = whole ? step.out + head * L : partial + (head * splits + split) * L;
#pragma unroll
    for (int j = 0; j < COLUMNS; j++) {
      const int column = (w + WARPS * j) * 8 + 2 * c;
      if (column < L) {
        *reinterpret_cast<float2*>(to + column) = make_float2(o[j][2 * half] * factor, o[j][2 * half + 1] * factor);
      }
    }
  }
  if (tid < HEADS && head0 + tid < N) {
    const long long head = (long long)t * N + head0 + tid;
    const float greatest = result[tid * 2], sum = result[tid * 2 + 1];
    if (!whole) {
      float* to = partial + (long long)gridDim.z * N * splits * L + (head * splits + split) * 2;
      to[0] = greatest;
      to[1] = sum;
    } else if (step.stat != nullptr) {
      step.stat[head * 2] = greatest * LN2;
      step.stat[head * 2 + 1] = sum;
    }
  }
}

template <class C>
__device__ __forceinline__ void plain(unsigned char* shared, const Step& step) {
  constexpr int BATCH = 32;  // entries between two steps of the running softmax
  const int n = blockIdx.x, t = blockIdx.y;
  const int N = step.N, L = step.Lkv, E = L + step.R;
  float* query = reinterpret_cast<float*>(shared);  // [E]
  float* o = query + E;                             // [L]
  float* score = o + L;                             // [BATCH]
  const int s = step.sequence[t];
  const int length = s < 0 ? 0 : step.kvLength[t];
  const int* table = step.pages + (long long)(s < 0 ? 0 : s) * step.pagesPerSequence;
  const int threads = blockDim.x;
  for (int i = threadIdx.x; i < E; i += threads) query[i] = *step.query(t, n, i, L) * step.scale;
  for (int i = threadIdx.x; i < L; i += threads) o[i] = 0;
  float m = step.sinks != nullptr ? step.sinks[n] : -INFINITY;  // the same in all threads
  float l = step.sinks != nullptr ? 1 : 0;
  for (int begin = 0; begin < length; begin += BATCH) {
    const int count = min(BATCH, length - begin);
    __syncthreads();
    for (int i = warp(); i < count; i += threads / 32) {
      const long long row = (long long)entry_row(table, step.pageTokens, begin + i) * E;
      float sum = 0;
      for (int e = lane(); e < E; e += 32) sum += query[e] * C::load(step.entries, row + e);
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
    for (int e = threadIdx.x; e < L; e += threads) {
      float sum = o[e] * less;
      for (int i = 0; i < count; i++) {
        const long long row = (long long)entry_row(table, step.pageTokens, begin + i) * E;
        sum += score[i] * C::load(step.entries, row + e);
      }
      o[e] = sum;
    }
  }
  const float factor = l > 0 ? 1 / l : 0;
  for (int e = threadIdx.x; e < L; e += threads) step.out[((long long)t * N + n) * L + e] = o[e] * factor;
  if (step.stat != nullptr && threadIdx.x == 0) {
    step.stat[((long long)t * N + n) * 2] = m;
    step.stat[((long long)t * N + n) * 2 + 1] = l;
  }
}

}  // namespace

// mla_decode: grid (ceil(N/16), splits, T), block 256. Both parts of each query lie at multiples of 16 bytes.
// shared = stages·32·(f16, bf16: 2·(Lkv+R+8); e4m3: Lkv+R) + (e4m3: 64·(Lkv+R+8)) + 19392 bytes. For 512/64: f16, bf16
//   56768 with 1 stage, 94144 with 2; e4m3 75200 with 1, 93632 with 2, 112064 with 3.
// stages: 1 to 5 tiles on chip. Take 2 (e4m3 on sm_90: 3): two blocks then share an SM of sm_90, and one computes while
//   the other waits; sm_86 and sm_89 hold one block; sm_75 has room for 1 stage (e4m3 of 512/64: none; use mla_plain).
// splits: blocks that one row's entries may be cut between; leastTiles: tiles of 32 that each takes at least. The cut
//   follows from kvLength here, and blocks without work leave at once. With B = T·ceil(N/16): splits 2·SMs / B, but at
//   least 16 in decode steps of several rows so that one long sequence among short ones finds help; leastTiles 2 for
//   B <= 8, 4 for B <= 32, else 8, so that partial results (as large as 28 entries for 512/64 in F16) stay few beside
//   what is read where there are blocks enough without them. With splits > 1 mla_combine follows.
// partial: T·N·splits·(Lkv+2) floats, not used if splits == 1.
#define DECODE(NAME, CACHE, MATH)                                                                              \
  KERNEL_BOUNDED(NAME, 256, 2,                                                                                 \
                 (const float* q, int qHead, const float* turned, int turnedRow, int turnedHead,               \
                  const void* entries, int pageTokens, const int* pages, int pagesPerSequence,                 \
                  const int* sequence, const int* kvLength, int N, int Lkv, int R, float scale, float* out,    \
                  float* stat, float* partial, int splits, int leastTiles, int stages, const int* unless,      \
                  const float* sinks)) {                                                                       \
    begin_kernel();                                                                                            \
    DYNAMIC_SHARED(shared);                                                                                    \
    if (unless != nullptr && *unless == 0) return;                                                             \
    const Step step = {q,        qHead,    turned, turnedRow, turnedHead, entries, pageTokens, pages,          \
                       pagesPerSequence, sequence, kvLength, N, Lkv, R, scale, out, stat, sinks};              \
    if (Lkv == 512 && R == 64) {                                                                               \
      decode<CACHE, MATH, 512, 64>(shared, step, partial, splits, leastTiles, stages);                         \
    } else {                                                                                                   \
      decode<CACHE, MATH, 0, 0>(shared, step, partial, splits, leastTiles, stages);                            \
    }                                                                                                          \
  }
DECODE(mla_decode_f16, F16Cache, HalfTile)
DECODE(mla_decode_bf16, Bf16Cache, Bf16Tile)
DECODE(mla_decode_e4m3, E4m3Cache, HalfTile)
#undef DECODE

// The rows that mla_decode cut into more than one split, summed in a fixed order; arguments as given there. A kernel of
// its own, as one block a row would take longer to read the parts than all blocks to read the entries.
// grid (N, T, ceil(Lkv/128)), block 256, shared static.
KERNEL_BOUNDED(mla_combine, 256, 2,
               (const float* partial, const int* sequence, const int* kvLength, int N, int Lkv, int splits,
                int leastTiles, float* out, float* stat, const int* unless)) {
  begin_kernel();
  __shared__ __align__(16) float sums[WARPS][128];  // written as float4
  __shared__ float lengths[WARPS];
  if (unless != nullptr && *unless == 0) return;
  const int t = blockIdx.y;
  const int length = sequence[t] < 0 ? 0 : kvLength[t];
  if (length <= 0) return;
  const int active = cut(length, splits, leastTiles).active;
  if (active == 1) return;
  const long long head = (long long)t * N + blockIdx.x;
  const float* part = partial + head * splits * Lkv;
  const float* ml = partial + (long long)gridDim.y * N * splits * Lkv + head * splits * 2;
  float m = -INFINITY;
  for (int i = lane(); i < active; i += 32) m = fmaxf(m, ml[2 * i]);
  m = warp_max(m);
  const int column = blockIdx.z * 128 + lane() * 4;
  float4 sum = make_float4(0, 0, 0, 0);
  float l = 0;
#pragma unroll 4
  for (int i = warp(); i < active; i += WARPS) {
    const float weight = exp2f(ml[2 * i] - m);
    l += weight * ml[2 * i + 1];
    if (column < Lkv) {
      const float4 v = *reinterpret_cast<const float4*>(part + (long long)i * Lkv + column);
      sum.x += weight * v.x;
      sum.y += weight * v.y;
      sum.z += weight * v.z;
      sum.w += weight * v.w;
    }
  }
  *reinterpret_cast<float4*>(&sums[warp()][lane() * 4]) = sum;
  if (lane() == 0) lengths[warp()] = l;
  __syncthreads();
  float all = 0;
  for (int i = 0; i < WARPS; i++) all += lengths[i];
  const int mine = blockIdx.z * 128 + threadIdx.x;
  if (threadIdx.x < 128 && mine < Lkv) {
    float v = 0;
    for (int i = 0; i < WARPS; i++) v += sums[i][threadIdx.x];
    out[head * Lkv + mine] = v / all;
  }
  if (stat != nullptr && blockIdx.z == 0 && threadIdx.x == 0) {
    stat[head * 2] = m * LN2;
    stat[head * 2 + 1] = all;
  }
}

// mla_plain: grid (N, T), block 128, shared = (2·Lkv + R + 32)·4 bytes.
#define PLAIN(NAME, CACHE)                                                                                             \
  KERNEL(NAME, (const float* q, int qHead, const float* turned, int turnedRow, int turnedHead, const void* entries,    \
                int pageTokens, const int* pages, int pagesPerSequence, const int* sequence, const int* kvLength,      \
                int N, int Lkv, int R, float scale, float* out, float* stat, const int* unless, const float* sinks)) { \
    begin_kernel();                                                                                                    \
    DYNAMIC_SHARED(shared);                                                                                            \
    if (unless != nullptr && *unless == 0) return;                                                                     \
    const Step step = {q, qHead, turned, turnedRow, turnedHead, entries, pageTokens, pages, pagesPerSequence, sequence, \
                       kvLength, N, Lkv, R, scale, out, stat, sinks};                                                  \
    plain<CACHE>(shared, step);                                                                                        \
  }
PLAIN(mla_plain_f32, F32Cache)
PLAIN(mla_plain_f16, F16Cache)
PLAIN(mla_plain_bf16, Bf16Cache)
PLAIN(mla_plain_e4m3, E4m3Cache)
#undef PLAIN

}  // namespace yuzui
