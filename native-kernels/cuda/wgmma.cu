// Products of many rows on compute capability 9.0, whose tensor cores give half of what they can to the mmas of gemm.cuh. The
// kernels are sm_90a's alone; the host takes those of gemm.cuh where there are none.
//
// D = W·Xᵀ by wgmmas of 64×128×16 in F16 with F32 sums. W is A, decoded in registers as in gemm.cuh: what a lane has of a tile
// (weights.cuh) is what a wgmma wants of it, so that weights pass through shared memory as the file has them and never as F16. X
// is B, F16 from rows_to_half, in shared memory.
//
// A block has 256 rows of W and 128 of X. Its first warpgroup brings: strips of W by bulk copies, a strip's piece of the row
// each, which lies in one place; rows of X, which grouped products gather, 16 bytes at a time by copy_async. The other two
// multiply, 128 rows of W each: while the tensor cores do the four steps of 64 columns, their threads decode the next 64.
#include "gemm.cuh"
#include "warpgroup.cuh"

namespace yuzui {
namespace {

constexpr int WG = 128;
constexpr int BLOCK_M = 256, BLOCK_N = 128;
constexpr int CONSUMERS = 2;
constexpr int BLOCK_THREADS = (1 + CONSUMERS) * WG;
constexpr int STEP = PAIR * UNIT;          // columns a step
constexpr int X_STAGE = BLOCK_N * 2 * STEP;
constexpr int BLOCK_STRIPS = BLOCK_M / STRIP;
constexpr int ROOM = 225 << 10;            // of shared memory for stages

template <class Q>
struct Wgmma {
  static constexpr int W_STEPS = Q::UNITS >= PAIR ? Q::UNITS / PAIR : 1;   // of a stage of weights
  static constexpr int W_STRIP = Q::UNITS >= PAIR ? Q::BYTES : PAIR * Q::BYTES;
  static constexpr int W_STAGE = BLOCK_STRIPS * W_STRIP;
  // Stages of weights that come with one of x each, as many as fit; of weights of four steps two.
  static constexpr int FIT = ROOM / (X_STAGE + W_STAGE);
  static constexpr int X_STAGES = W_STEPS > 1 || FIT > 5 ? 5 : FIT;
  static constexpr int W_STAGES = W_STEPS > 1 ? 2 : X_STAGES;
  static_assert(X_STAGES >= 3 && X_STAGES * X_STAGE + W_STAGES * W_STAGE <= ROOM, "no room for stages");
  // Where x of a step has room, the step X_STAGES - 1 before it is decoded (multiply): then the weights that come with x have room
  // too, and need no barriers to be given back.
  static_assert(W_STEPS * W_STAGES >= X_STAGES && W_STEPS * (W_STAGES - 1) >= X_STAGES - 2, "weights may have no room");
  // Stages of x whose copies are under way while the next one's begin. One more is multiplied, and one given back late.
  static constexpr int LAG = X_STAGES - 2;

  struct Rings {
    Barrier x_full[X_STAGES], x_empty[X_STAGES], w_full[W_STAGES];
  };

  static __device__ __forceinline__ void run(const u8* w, const u64* table, const u16* xh, const float* xScale, int xRows, void* out,
                                             int outHalf, int outStride, int outHeadStride, int outOffset, int T, int n, int k,
                                             int heads, const int* offset, const int* slot, int used, int gather, int experts,
                                             const int* unless) {
    if (unless != nullptr && *unless == 0) return;
    DYNAMIC_SHARED(shared);
    __shared__ Rings rings;
    __shared__ int rows[BLOCK_N];
    const Group group = token_tile(blockIdx.y, BLOCK_N, T, offset, experts);
    if (group.count <= 0) return;
    // what is swizzled wants multiples of 1024
    u8* const xs = shared + (-shared_address(shared) & 1023);
    u8* const ws = xs + X_STAGES * X_STAGE;

    const int blocks = ceil_div(n, BLOCK_M);
    const int head = blockIdx.x / blocks;
    const int row0 = blockIdx.x % blocks * BLOCK_M;
    const int head_strips = ceil_div(n, STRIP);
    const int units = ceil_div(k, UNIT);
    const int steps = ceil_div(units, PAIR);
    const u8* matrix = offset != nullptr ? reinterpret_cast<const u8*>(table[group.expert]) : w;

    for (int i = threadIdx.x; i < BLOCK_N; i += BLOCK_THREADS) {
      const int place = group.first + (i < group.count ? i : 0);
      rows[i] = offset != nullptr ? gathered_row(slot, used, gather, place) : place;
    }
    if (threadIdx.x == 0) {
      for (int i = 0; i < X_STAGES; i++) {
        barrier_init(&rings.x_full[i], WG / 32);
        barrier_init(&rings.x_empty[i], CONSUMERS * WG / 32);
      }
      for (int i = 0; i < W_STAGES; i++) barrier_init(&rings.w_full[i], 1);
      barriers_made();
    }
    __syncthreads();

    const int strip0 = row0 / STRIP;
    if (threadIdx.x < WG) {
      registers_fewer<40>();
      const int strips = head_strips - strip0 < BLOCK_STRIPS ? head_strips - strip0 : BLOCK_STRIPS;
      bring(rings, rows, xs, ws, matrix + (head * head_strips + strip0) * strip_bytes<Q>(k), strip_bytes<Q>(k), strips,
            xh + (int64_t)head * xRows * (units * UNIT), group.count, units, steps);
    } else {
      registers_more<232>();
      float d[2][64];
      const float* scales = IS_FP8<Q> ? fp8_scales(matrix, heads * n, k) : nullptr;
      multiply(rings, xs, ws, d, head * head_strips + strip0, head * head_strips + head_strips, scales, k, units, steps);
      const int own = row0 + (threadIdx.x / WG - 1) * (BLOCK_M / CONSUMERS) + threadIdx.x % WG / 32 * STRIP + lane() / 4;
#pragma unroll
      for (int i = 0; i < BLOCK_N / 8; i++) {
#pragma unroll
        for (int e = 0; e < 2; e++) {
          const int t = 8 * i + lane() % 4 * 2 + e;
          if (t >= group.count) continue;
          const float scale = xScale[(int64_t)head * xRows + rows[t]] * (1 / FACTOR<Q>);
          const int64_t at = (int64_t)(group.first + t) * outStride + head * outHeadStride + outOffset;
#pragma unroll
          for (int m = 0; m < 2; m++) {
#pragma unroll
            for (int half = 0; half < 2; half++) {
              const int row = own + 64 * m + 8 * half;
              const float y = d[m][4 * i + 2 * half + e] * scale;
              if (row >= n) continue;
              if (outHalf) {
                static_cast<u16*>(out)[at + row] = float_half(y);
              } else {
                static_cast<float*>(out)[at + row] = y;
              }
            }
          }
        }
      }
    }
  }

  // The first warpgroup: fills stages as the others give them back.
  static __device__ __forceinline__ void bring(Rings& rings, const int* rows, u8* xs, u8* ws, const u8* strip, int64_t per_strip,
                                               int strips, const u16* xh, int count, int units, int steps) {
    constexpr int EACH = BLOCK_N * 8 / WG;     // pieces of 16 bytes of a thread: piece p of rows r, r + 16, …
    const int r = threadIdx.x / 8, p = threadIdx.x % 8;
    const u16* from[EACH];
#pragma unroll
    for (int i = 0; i < EACH; i++) {
      const int row = r + 16 * i;
      from[i] = row < count ? xh + (int64_t)rows[row] * (units * UNIT) + 8 * p : nullptr;
    }
    auto tell = [&](int step) {
      show_to_wgmma();
      __syncwarp();
      if (lane() == 0) barrier_arrive(&rings.x_full[step % X_STAGES]);
    };
    for (int step = 0; step < steps; step++) {
      barrier_wait(&rings.x_empty[step % X_STAGES], step / X_STAGES % 2 ^ 1);
      if (warp() == 0 && step % W_STEPS == 0) {
        const int at = step / W_STEPS;
        const int bytes = W_STEPS > 1 || PAIR * step + 1 < units ? W_STRIP : W_STRIP / PAIR;
        Barrier* full = &rings.w_full[at % W_STAGES];
        if (lane() == 0) barrier_arrive(full, strips * bytes);
        __syncwarp();
        if (lane() < strips) {
          bulk_copy(ws + at % W_STAGES * W_STAGE + lane() * W_STRIP, strip + lane() * per_strip + (int64_t)at * W_STRIP, bytes,
                    full);
        }
      }
      u8* stage = xs + step % X_STAGES * X_STAGE + r * 128 + (p ^ (r & 7)) * 16;
#pragma unroll
      for (int i = 0; i < EACH; i++) {
        const bool inside = from[i] != nullptr && PAIR * step + p / 4 < units;
        copy_async(stage + i * 16 * 128, inside ? from[i] + (int64_t)step * STEP : xh, inside);
      }
      copy_commit();
      if (step >= LAG) {
        copy_wait<LAG>();
        tell(step - LAG);
      }
    }
    copy_wait<0>();
    for (int step = steps > LAG ? steps - LAG : 0; step < steps; step++) tell(step);
  }

  // Another warpgroup: its rows of the product. Warp w has strips w and w + 4 of the warpgroup's eight.
  static __device__ __forceinline__ void multiply(Rings& rings, const u8* xs, const u8* ws, float (&d)[2][64], int strip0, int strips,
                                                  const float* scales, int k, int units, int steps) {
    const int first = (threadIdx.x / WG - 1) * (BLOCK_STRIPS / CONSUMERS) + threadIdx.x % WG / 32;
    unsigned a[2][2][2 * PAIR][4];             // of a step, and of the next: A of two strips
    // Columns of `step`, decoded.
    auto decode = [&](int step, unsigned (&to)[2][2 * PAIR][4]) {
      const int at = step / W_STEPS;
      if (step % W_STEPS == 0) barrier_wait(&rings.w_full[at % W_STAGES], at / W_STAGES % 2);
      const u8* stage = ws + at % W_STAGES * W_STAGE;
#pragma unroll
      for (int m = 0; m < 2; m++) {
        const u8* piece = stage + (first + 4 * m) * W_STRIP;
        const bool inside = strip0 + first + 4 * m < strips;
        decode_strip(piece, step % W_STEPS, inside ? units - PAIR * (step - step % W_STEPS) : 0,
                     IS_FP8<Q> && inside ? scales + (strip0 + first + 4 * m) * STRIP / 128 * ceil_div(k, 128) + step / 2 : nullptr,
                     to[m]);
      }
    };
    auto product = [&](int step, unsigned (&of)[2][2 * PAIR][4]) {
      const int s = step % X_STAGES;
      barrier_wait(&rings.x_full[s], step / X_STAGES % 2);
      const u64 b = swizzled_rows(xs + s * X_STAGE);
#pragma unroll
      for (int m = 0; m < 2; m++) {
#pragma unroll
        for (int i = 0; i < 2 * PAIR; i++) keep(of[m][i]);
      }
      wgmma_fence();
#pragma unroll
      for (int i = 0; i < 2 * PAIR; i++) {     // 32 bytes of a row each
#pragma unroll
        for (int m = 0; m < 2; m++) wgmma_f16(d[m], of[m][i], b + 2 * i);
      }
      wgmma_commit();
    };
    // x of `step`, and with it the weights that were decoded until now.
    auto give_back = [&](int step) {
      __syncwarp();
      if (lane() == 0) barrier_arrive(&rings.x_empty[step % X_STAGES]);
    };
#pragma unroll
    for (int m = 0; m < 2; m++) {
#pragma unroll
      for (int i = 0; i < 64; i++) d[m][i] = 0;
      keep(d[m]);
    }
    decode(0, a[0]);
#pragma unroll 1
    for (int step = 0; step < steps; step += 2) {
#pragma unroll
      for (int i = 0; i < 2; i++) {
        if (step + i < steps) {
          product(step + i, a[i]);
          // those of the step before are done: its x may go, and its A
          wgmma_wait<1>();
          if (step + i > 0) give_back(step + i - 1);
          if (step + i + 1 < steps) decode(step + i + 1, a[1 - i]);
        }
      }
    }
    wgmma_wait<0>();
#pragma unroll
    for (int m = 0; m < 2; m++) keep(d[m]);
  }

  // 64 columns of a strip, of which `units` units exist from the piece's begin on; the others are zero.
  static __device__ __forceinline__ void decode_strip(const u8* piece, int pair, int units, const float* fp8, unsigned (&to)[2 * PAIR][4]) {
    Pair<Q> raw;
    raw.load(piece, pair, units);
    // lane c of four has the scales of row g + 8·(c % 2): of unit c / 2, or of half c / 2 of each unit
    const int g = lane() / 4, c = lane() % 4;
    unsigned mine[Q::GROUPS];
#pragma unroll
    for (int q = 0; q < Q::GROUPS; q++) {
      Affine f = {0, 0};
      if constexpr (IS_FP8<Q>) {
        if (fp8 != nullptr) f.scale = *fp8 * 256;
      } else if constexpr (Q::SCALED) {
        const int unit = PAIR * pair + (Q::GROUPS == 2 ? q : c / 2);
        if (unit < units) f = affine_at<Q>(piece, g + 8 * (c % 2), unit, Q::GROUPS == 2 ? c / 2 : 0, nullptr);
      }
      mine[q] = pack_half2(f.scale * FACTOR<Q>, -f.minimum * FACTOR<Q>);
    }
#pragma unroll
    for (int u = 0; u < PAIR; u++) {
      unsigned codes[2][4];
      raw.codes(u, codes);
#pragma unroll
      for (int j = 0; j < 2; j++) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
          unsigned lo = codes[j][half], hi = codes[j][half + 2];
          if constexpr (Q::SCALED) {
            const unsigned f = IS_FP8<Q> ? mine[0] : shuffle(mine[Q::GROUPS == 2 ? u : 0],
                                                             (lane() & ~3) + 2 * (Q::GROUPS == 2 ? j : u) + half);
            const unsigned s = byte_perm(f, 0, 0x1010), o = byte_perm(f, 0, 0x3232);
            lo = Q::MINIMUM ? half2_fma(lo, s, o) : half2_mul(lo, s);
            hi = Q::MINIMUM ? half2_fma(hi, s, o) : half2_mul(hi, s);
          }
          to[2 * u + j][half] = lo;
          to[2 * u + j][half + 2] = hi;
        }
      }
    }
  }
};

}  // namespace

// xh and xScale as to_half of gemm.cu makes them, in the order of a row in shared memory: of 32 numbers, 16j + 4c + 2h + e lies
// at 16j + 8h + 2c + e, which is where a wgmma looks for what lane c has of W. grid (T, heads), block 256.
KERNEL_BOUNDED(rows_to_half, 256, 4,
               (const float* x, int xStride, int xHeadStride, int xOffset, int k, int heads, int T, u16* xh, float* xScale)) {
  begin_kernel();
  __shared__ float largest_of[8];
  const int t = blockIdx.x, head = blockIdx.y;
  const float* from = x + (int64_t)t * xStride + head * xHeadStride + xOffset;
  const int units = ceil_div(k, UNIT);
  float magnitude = 0;
  for (int i = threadIdx.x; i < units * 8; i += 256) magnitude = fmaxf(magnitude, largest(read4(from + 4 * i, k - 4 * i)));
  magnitude = warp_max(magnitude);
  if (lane() == 0) largest_of[warp()] = magnitude;
  __syncthreads();
  for (int i = 0; i < 8; i++) magnitude = fmaxf(magnitude, largest_of[i]);
  const PowerOfTwo p = f16_range(magnitude);
  u16* to = xh + ((int64_t)head * T + t) * (units * UNIT);
  for (int i = threadIdx.x; i < units * 8; i += 256) {
    const float4 v = read4(from + 4 * i, k - 4 * i);
    u16* four = to + i / 8 * UNIT + 16 * (i % 8 / 4) + 2 * (i % 4);
    *reinterpret_cast<unsigned*>(four) = pack_half2(v.x * p.scale, v.y * p.scale);
    *reinterpret_cast<unsigned*>(four + 8) = pack_half2(v.z * p.scale, v.w * p.scale);
  }
  if (threadIdx.x == 0) xScale[(int64_t)head * T + t] = p.inverse;
}

// As gemm_*_large of gemm.cuh, but x is from rows_to_half, and there are no splits. grid (heads·⌈n/256⌉, as token_tile says for
// 128), block 384, shared bytes 1024 + X_STAGES·X_STAGE + W_STAGES·W_STAGE.
#define WGMMA(name, Q)                                                                                                         \
  KERNEL_BOUNDED(gemm_##name##_wgmma, BLOCK_THREADS, 1,                                                                        \
                 (const u8* w, const u64* table, const u16* xh, const float* xScale, int xRows, void* out, int outHalf,        \
                  int outStride, int outHeadStride, int outOffset, int T, int n, int k, int heads, const int* offset,          \
                  const int* slot, int used, int gather, int experts, const int* unless)) {                                    \
    begin_kernel();                                                                                                            \
    Wgmma<Q>::run(w, table, xh, xScale, xRows, out, outHalf, outStride, outHeadStride, outOffset, T, n, k, heads, offset, slot, \
                  used, gather, experts, unless);                                                                              \
  }
TYPES(WGMMA)

}  // namespace yuzui
