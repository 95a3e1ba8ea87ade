// Products of many rows, bound by arithmetic: prompts, and large batches.
//
// D = W·Xᵀ by 16×8×16 mmas in F16 with F32 sums. W is decoded in registers to F16 numbers (scale and minimum included, times
// FACTOR); X was turned into F16 by to_half, under a power of two a row, and passes through shared memory. A product errs by
// about 2^-11 of its terms.
//
// The small form is bound by the bytes of the weights, which must be under way in time: a warp copies what it decodes into
// places of its own in shared memory, two or three stages ahead (sm_80 on), and scales are fetched into L2. The large form,
// and the small one before sm_80, load one stage ahead into registers.
#pragma once

#include "activations.cuh"
#include "groups.cuh"

namespace yuzui {
namespace {

constexpr int THREADS = 128;
constexpr int PAIR = 2;  // units a stage

// What decoded weights are multiplied by, so that small ones stay normal numbers of F16.
template <class Q>
constexpr float FACTOR = IS_FP8<Q> ? 16 : Q::SCALED ? 256 : 1;

// ---- two units of a strip, as a lane loads them ------------------------------------------------------------------------

template <class Q>
struct Pair;

// Each loads its lane's part of two units into registers; or brings it to the warp's stage in shared memory, SLOT bytes a
// lane, and takes it from there.
struct PairK {
  static constexpr int SLOT = 16;
  uint4 q;
  __device__ __forceinline__ static void bring_codes(u8* stage, const u8* tile, int p, bool inside) {
    copy_async(stage + 16 * lane(), tile + 512 * (p % 4) + 16 * lane(), inside);
  }
  __device__ __forceinline__ void take_codes(const u8* stage) { q = reinterpret_cast<const uint4*>(stage)[lane()]; }
  __device__ __forceinline__ void load_codes(const u8* strip, int p) {
    q = reinterpret_cast<const uint4*>(strip)[32 * (p % 4) + lane()];
  }
};
template <>
struct Pair<Q4K> : PairK {
  __device__ __forceinline__ void load(const u8* strip, int p, int) { load_codes(strip + p / 4 * Q4K::BYTES, p); }
  __device__ __forceinline__ static void bring(u8* stage, const u8* strip, int p, int, bool inside) {
    bring_codes(stage, strip + p / 4 * Q4K::BYTES, p, inside);
  }
  __device__ __forceinline__ void take(const u8* stage) { take_codes(stage); }
  __device__ __forceinline__ void codes(int u, unsigned (&a)[2][4]) const {
    nibbles_to_half(u ? q.z : q.x, H1024, a[0], [](int) { return 0u; });
    nibbles_to_half(u ? q.w : q.y, H1024, a[1], [](int) { return 0u; });
  }
};
template <>
struct Pair<Q5K> : PairK {
  unsigned high;
  __device__ __forceinline__ void load(const u8* strip, int p, int) {
    const u8* tile = strip + p / 4 * Q5K::BYTES;
    load_codes(tile, p);
    high = reinterpret_cast<const unsigned*>(tile + Q5K::HIGH)[4 * lane() + p % 4];
  }
  static constexpr int SLOT = 20;
  __device__ __forceinline__ static void bring(u8* stage, const u8* strip, int p, int, bool inside) {
    const u8* tile = strip + p / 4 * Q5K::BYTES;
    bring_codes(stage, tile, p, inside);
    copy_async<4>(stage + 512 + 4 * lane(), tile + Q5K::HIGH + 16 * lane() + 4 * (p % 4), inside);
  }
  __device__ __forceinline__ void take(const u8* stage) {
    take_codes(stage);
    high = reinterpret_cast<const unsigned*>(stage + 512)[lane()];
  }
  __device__ __forceinline__ void codes(int u, unsigned (&a)[2][4]) const {
    const unsigned h = high;
    nibbles_to_half(u ? q.z : q.x, H1024, a[0], [=](int i) { return Q5K::fifth(h, u, 0, i); });
    nibbles_to_half(u ? q.w : q.y, H1024, a[1], [=](int i) { return Q5K::fifth(h, u, 1, i); });
  }
};
template <>
struct Pair<Q6K> : PairK {
  uint2 high;
  __device__ __forceinline__ void load(const u8* strip, int p, int) {
    const u8* tile = strip + p / 4 * Q6K::BYTES;
    load_codes(tile, p);
    high = reinterpret_cast<const uint2*>(tile + Q6K::HIGH)[(p % 4 / 2 * 32 + lane()) * 2 + (p & 1)];
  }
  static constexpr int SLOT = 24;
  __device__ __forceinline__ static void bring(u8* stage, const u8* strip, int p, int, bool inside) {
    const u8* tile = strip + p / 4 * Q6K::BYTES;
    bring_codes(stage, tile, p, inside);
    copy_async<8>(stage + 512 + 8 * lane(), tile + Q6K::HIGH + (p % 4 / 2 * 32 + lane()) * 16 + 8 * (p & 1), inside);
  }
  __device__ __forceinline__ void take(const u8* stage) {
    take_codes(stage);
    high = reinterpret_cast<const uint2*>(stage + 512)[lane()];
  }
  __device__ __forceinline__ void codes(int u, unsigned (&a)[2][4]) const {
    const unsigned h = u ? high.y : high.x;
    nibbles_to_half(u ? q.z : q.x, 0x64206420u, a[0], [=](int i) { return Q6K::upper(h, 0, i); });
    nibbles_to_half(u ? q.w : q.y, 0x64206420u, a[1], [=](int i) { return Q6K::upper(h, 1, i); });
  }
};
template <>
struct Pair<Iq4Xs> : PairK {
  __device__ __forceinline__ void load(const u8* strip, int p, int) { load_codes(strip + p / 4 * Iq4Xs::BYTES, p); }
  __device__ __forceinline__ static void bring(u8* stage, const u8* strip, int p, int, bool inside) {
    bring_codes(stage, strip + p / 4 * Iq4Xs::BYTES, p, inside);
  }
  __device__ __forceinline__ void take(const u8* stage) { take_codes(stage); }
  __device__ __forceinline__ void codes(int u, unsigned (&a)[2][4]) const {
    Iq4Xs::step(u ? q.z : q.x, a[0]);
    Iq4Xs::step(u ? q.w : q.y, a[1]);
  }
};
template <int BITS, int BIAS>
struct Pair<Block32<BITS, BIAS>> {
  using Q = Block32<BITS, BIAS>;
  uint4 q8[BITS == 8 ? PAIR : 1];
  uint2 q4[BITS == 8 ? 1 : PAIR];
  u16 high[BITS == 5 ? PAIR : 1];
  __device__ __forceinline__ void load(const u8* strip, int p, int units) {
#pragma unroll
    for (int u = 0; u < PAIR; u++) {
      const u8* tile = strip + (int64_t)(PAIR * p + u) * Q::BYTES;
      const bool inside = PAIR * p + u < units;
      if constexpr (BITS == 8) {
        q8[u] = inside ? reinterpret_cast<const uint4*>(tile)[lane()] : make_uint4(0, 0, 0, 0);
      } else {
        q4[u] = inside ? reinterpret_cast<const uint2*>(tile)[lane()] : make_uint2(0, 0);
      }
      if constexpr (BITS == 5) high[u] = inside ? reinterpret_cast<const u16*>(tile + Q::HIGH)[lane()] : (u16)0;
    }
  }
  static constexpr int CODES = BITS == 8 ? 16 : 8;  // bytes of a unit
  static constexpr int SLOT = PAIR * (CODES + (BITS == 5 ? 4 : 0));
  __device__ __forceinline__ static void bring(u8* stage, const u8* strip, int p, int units, bool inside) {
#pragma unroll
    for (int u = 0; u < PAIR; u++) {
      const u8* tile = strip + (int64_t)(PAIR * p + u) * Q::BYTES;
      const bool here = inside && PAIR * p + u < units;
      copy_async<CODES>(stage + (32 * u + lane()) * CODES, tile + CODES * lane(), here);
      // two lanes' bits in a copy, for each of them
      if constexpr (BITS == 5) {
        copy_async<4>(stage + PAIR * 32 * CODES + (32 * u + lane()) * 4, tile + Q::HIGH + 4 * (lane() / 2), here);
      }
    }
  }
  __device__ __forceinline__ void take(const u8* stage) {
#pragma unroll
    for (int u = 0; u < PAIR; u++) {
      const u8* codes = stage + (32 * u + lane()) * CODES;
      if constexpr (BITS == 8) {
        q8[u] = *reinterpret_cast<const uint4*>(codes);
      } else {
        q4[u] = *reinterpret_cast<const uint2*>(codes);
      }
      if constexpr (BITS == 5) {
        high[u] = (u16)(reinterpret_cast<const unsigned*>(stage + PAIR * 32 * CODES)[32 * u + lane()] >> 16 * (lane() & 1));
      }
    }
  }
  __device__ __forceinline__ void codes(int u, unsigned (&a)[2][4]) const {
    typename Q::Raw raw;
    if constexpr (BITS == 8) {
      raw.q8[0] = q8[u];
    } else {
      raw.q4[0] = q4[u];
    }
    if constexpr (BITS == 5) raw.high[0] = high[u];
    Q::codes(raw, 0, a);
  }
};
template <>
struct Pair<Fp8> {
  uint4 q[PAIR];
  __device__ __forceinline__ void load(const u8* strip, int p, int units) {
#pragma unroll
    for (int u = 0; u < PAIR; u++) {
      q[u] = PAIR * p + u < units ? reinterpret_cast<const uint4*>(strip + (int64_t)(PAIR * p + u) * Fp8::BYTES)[lane()]
                                  : make_uint4(0, 0, 0, 0);
    }
  }
  static constexpr int SLOT = 16 * PAIR;
  __device__ __forceinline__ static void bring(u8* stage, const u8* strip, int p, int units, bool inside) {
#pragma unroll
    for (int u = 0; u < PAIR; u++) {
      copy_async(stage + (32 * u + lane()) * 16, strip + (int64_t)(PAIR * p + u) * Fp8::BYTES + 16 * lane(),
                 inside && PAIR * p + u < units);
    }
  }
  __device__ __forceinline__ void take(const u8* stage) {
#pragma unroll
    for (int u = 0; u < PAIR; u++) q[u] = reinterpret_cast<const uint4*>(stage)[32 * u + lane()];
  }
  __device__ __forceinline__ void codes(int u, unsigned (&a)[2][4]) const {
    Fp8::Raw raw;
    raw.q[0] = q[u];
    Fp8::codes(raw, 0, a);
  }
};
template <bool BF16>
struct Pair<Plain16<BF16>> {
  using Q = Plain16<BF16>;
  uint4 q[PAIR][2];
  __device__ __forceinline__ void load(const u8* strip, int p, int units) {
#pragma unroll
    for (int u = 0; u < PAIR; u++) {
#pragma unroll
      for (int j = 0; j < 2; j++) {
        q[u][j] = PAIR * p + u < units
                      ? reinterpret_cast<const uint4*>(strip + (int64_t)(PAIR * p + u) * Q::BYTES)[32 * j + lane()]
                      : make_uint4(0, 0, 0, 0);
      }
    }
  }
  static constexpr int SLOT = 32 * PAIR;
  __device__ __forceinline__ static void bring(u8* stage, const u8* strip, int p, int units, bool inside) {
#pragma unroll
    for (int i = 0; i < 2 * PAIR; i++) {
      copy_async(stage + (32 * i + lane()) * 16, strip + (int64_t)(PAIR * p + i / 2) * Q::BYTES + (32 * (i & 1) + lane()) * 16,
                 inside && PAIR * p + i / 2 < units);
    }
  }
  __device__ __forceinline__ void take(const u8* stage) {
#pragma unroll
    for (int u = 0; u < PAIR; u++) {
#pragma unroll
      for (int j = 0; j < 2; j++) q[u][j] = reinterpret_cast<const uint4*>(stage)[32 * (2 * u + j) + lane()];
    }
  }
  __device__ __forceinline__ void codes(int u, unsigned (&a)[2][4]) const {
    typename Q::Raw raw;
    raw.q[0][0] = q[u][0];
    raw.q[0][1] = q[u][1];
    Q::codes(raw, 0, a);
  }
};

// Where the scale of a row lies, to be fetched early: its line in the tile.
template <class Q>
__device__ __forceinline__ const u8* affine_line(const u8* strip, int r, int unit) {
  return strip + (int64_t)(unit / Q::UNITS) * Q::BYTES + Q::HEADER + r * ((Q::BYTES - Q::HEADER) / STRIP);
}

// The scale and minimum of row r of the strip, group `group` of unit `unit` (both of the whole row).
template <class Q>
__device__ __forceinline__ Affine affine_at(const u8* strip, int r, int unit, int group, const float* scales) {
  if constexpr (IS_FP8<Q>) {
    return {scales[unit / 4] * 256, 0};
  } else {
    const u8* tile = strip + (int64_t)(unit / Q::UNITS) * Q::BYTES;
    return Q::affine(tile, r, unit % Q::UNITS * Q::GROUPS + group);
  }
}

// ---- the product --------------------------------------------------------------------------------------------------------

// Stages of x, and of the weights in the small form, in shared memory: all but one are under way at a time. Copies arrive in
// the order in which they were begun, so that weights are as far ahead as x is, and no farther. Products.java counts as this
// does.
constexpr int stages(int slot) { return slot > 0 && slot <= 24 ? 4 : 3; }

// A warp has WM strips and WN octets of tokens; a block WARPS_M × WARPS_N warps.
template <class Q, int WM, int WN, int WARPS_M, int WARPS_N, bool SPLITS>
struct Gemm {
  static constexpr int BM = 16 * WM * WARPS_M, BN = 8 * WN * WARPS_N;
  // Of the stages of weights each has SLOT bytes a lane: 512 bytes of a warp take as long to come as 2048.
  static constexpr int SLOT = !SPLITS || !COPIES_ARE_ASYNC ? 0 : WM * Pair<Q>::SLOT;
  static constexpr int STAGES = stages(SLOT), STAGE = BN * PAIR * 64;
  static constexpr int SCALES = Q::SCALED ? BM * PAIR * Q::GROUPS * 4 : 0;
  static constexpr int OWN = ((int)(SCALES / 4) + THREADS - 1) / THREADS;  // scales that a thread stages

  static __device__ void run(const u8* w, const u64* table, const u16* xh, const float* xScale, int xRows, void* out, int outHalf,
                             int outStride, int outHeadStride, int outOffset, int T, int n, int k, int heads, const int* offset,
                             const int* slot, int used, int gather, int experts, const int* unless, float* partial, int* counters,
                             int splits) {
    if (unless != nullptr && *unless == 0) return;
    DYNAMIC_SHARED(shared);
    const Group group = token_tile(blockIdx.y, BN, T, offset, experts);
    if (group.count <= 0) return;
    unsigned* scales = reinterpret_cast<unsigned*>(shared + STAGES * STAGE);  // [2][unit and group][BM] pairs of F16
    int* rows = reinterpret_cast<int*>(shared + STAGES * STAGE + 2 * SCALES);
    u8* slots = reinterpret_cast<u8*>(rows + BN) + warp() * (STAGES * 32 * SLOT);  // the warp's stages of weights

    const int blocks = ceil_div(n, BM);
    const int head = blockIdx.x / blocks;
    const int row0 = blockIdx.x % blocks * BM;
    const int head_strips = ceil_div(n, STRIP);
    const int units = ceil_div(k, UNIT);
    const int pairs = ceil_div(units, PAIR);
    const int each = ceil_div(pairs, splits);
    const int p0 = blockIdx.z * each;
    const int p1 = p0 + each < pairs ? p0 + each : pairs;
    const u8* matrix = offset != nullptr ? reinterpret_cast<const u8*>(table[group.expert]) : w;
    const int64_t per_strip = strip_bytes<Q>(k);
    const int warp_m = warp() / WARPS_N, warp_n = warp() % WARPS_N;
    const int g = lane() / 4, c = lane() % 4;

    const u16* grid = nullptr;
    if constexpr (IS_GRID<Q>) {
      __shared__ __align__(4) u16 places[Q::PLACES];
      Q::spread(places);
      grid = places;
    }
    for (int i = threadIdx.x; i < BN; i += THREADS) {
      const int place = group.first + (i < group.count ? i : 0);
      rows[i] = offset != nullptr ? gathered_row(slot, used, gather, place) : place;
    }
    __syncthreads();

    // x of pair p into its stage: 64 bytes a token and unit; units of odd tokens change places, so that the banks of two
    // tokens differ
    const u16* xhead = xh + (int64_t)head * xRows * (units * UNIT);
    auto bring = [&](int p) {
      unsigned char* stage = shared + (p - p0) % STAGES * STAGE;
#pragma unroll 2
      for (int i = 0; i < BN * PAIR * 4 / THREADS; i++) {
        const int piece = i * THREADS + threadIdx.x;
        const int t = piece / (PAIR * 4), u = piece / 4 % PAIR, q = piece % 4;
        const bool inside = p < p1 && t < group.count && PAIR * p + u < units;
        const u16* from = xhead + (int64_t)rows[t] * (units * UNIT) + (PAIR * p + u) * UNIT + 8 * q;
        copy_async(stage + t * (PAIR * 64) + (u ^ (t & 1)) * 64 + 16 * q, inside ? from : xh, inside);
      }
    };
    // the thread's share of the scales of pair p
    auto scale = [&](int p, unsigned (&to)[OWN > 0 ? OWN : 1]) {
      if constexpr (Q::SCALED) {
#pragma unroll
        for (int i = 0; i < OWN; i++) {
          const int entry = i * THREADS + threadIdx.x;
          const int row = row0 + entry % BM;
          const int unit = PAIR * p + entry / BM / Q::GROUPS;
          Affine f = {0, 0};
          if (p < p1 && row < head_strips * STRIP && unit < units && entry < (int)(SCALES / 4)) {
            const int whole = head * head_strips * STRIP + row;
            const float* tiled = nullptr;
            if constexpr (IS_FP8<Q>) tiled = fp8_scales(matrix, heads * n, k) + (int64_t)(whole / 128) * ceil_div(k, 128);
            f = affine_at<Q>(matrix + whole / STRIP * per_strip, whole % STRIP, unit, entry / BM % Q::GROUPS, tiled);
          }
          to[i] = pack_half2(f.scale * FACTOR<Q>, -f.minimum * FACTOR<Q>);
        }
      }
    };
    auto put_scales = [&](int p, const unsigned (&from)[OWN > 0 ? OWN : 1]) {
      if constexpr (Q::SCALED) {
#pragma unroll
        for (int i = 0; i < OWN; i++) {
          const int entry = i * THREADS + threadIdx.x;
          if (entry < (int)(SCALES / 4)) scales[(p & 1) * (SCALES / 4) + entry] = from[i];
        }
      }
    };
    Pair<Q> raw[WM];
    const int strip0 = row0 / STRIP + warp_m * WM;
    const u8* strips = matrix + (int64_t)(head * head_strips + strip0) * per_strip;
    auto load = [&](int m, int p) {  // beyond the matrix, the first strip and pair: read, never used
      const bool inside = p < p1 && strip0 + m < head_strips;
      raw[m].load(inside ? strips + m * per_strip : matrix, inside ? p : 0, units);
    };

    // the weights of pair p into their stage, and the line of a scale into L2
    auto bring_weights = [&](int p) {
      if constexpr (SLOT > 0) {
        u8* stage = slots + (p - p0) % STAGES * (32 * SLOT);
#pragma unroll
        for (int m = 0; m < WM; m++) {
          const bool inside = p < p1 && strip0 + m < head_strips;
          Pair<Q>::bring(stage + m * 32 * Pair<Q>::SLOT, inside ? strips + m * per_strip : matrix, inside ? p : 0, units,
                         inside);
          if constexpr (Q::SCALED && !IS_FP8<Q>) {
            if (inside && lane() < PAIR * 2 && PAIR * p + lane() / 2 < units) {
              prefetch(affine_line<Q>(strips + m * per_strip, lane() % 2 * (STRIP - 1), PAIR * p + lane() / 2));
            }
          }
        }
      }
    };

    float acc[WM][WN][4] = {};
    unsigned staged[OWN > 0 ? OWN : 1];
    for (int p = p0; p < p0 + STAGES - 1; p++) {
      bring(p);
      bring_weights(p);
      copy_commit();
    }
    scale(p0, staged);
    put_scales(p0, staged);
    if constexpr (SLOT == 0) {
#pragma unroll
      for (int m = 0; m < WM; m++) load(m, p0);
    }
#pragma unroll 1
    for (int p = p0; p < p1; p++) {
      copy_wait<STAGES - 2>();
      __syncthreads();
      bring(p + STAGES - 1);
      if constexpr (SLOT > 0) {
#pragma unroll
        for (int m = 0; m < WM; m++) raw[m].take(slots + (p - p0) % STAGES * (32 * SLOT) + m * 32 * Pair<Q>::SLOT);
        bring_weights(p + STAGES - 1);
      }
      copy_commit();
      scale(p + 1, staged);
      const unsigned char* stage = shared + (p - p0) % STAGES * STAGE;
      const unsigned* affine = scales + (p & 1) * (SCALES / 4);
#pragma unroll
      for (int u = 0; u < PAIR; u++) {
        unsigned a[WM][2][4];
#pragma unroll
        for (int m = 0; m < WM; m++) {
          if constexpr (IS_GRID<Q>) {
            raw[m].codes(u, grid, a[m]);
          } else {
            raw[m].codes(u, a[m]);
          }
          if constexpr (SLOT == 0) {
            if (u == PAIR - 1) load(m, p + 1);
          }
          if constexpr (Q::SCALED) {
            const int row = 16 * (warp_m * WM + m) + g;
#pragma unroll
            for (int j = 0; j < 2; j++) {
#pragma unroll
              for (int half = 0; half < 2; half++) {
                const unsigned f = affine[(u * Q::GROUPS + (Q::GROUPS == 2 ? j : 0)) * BM + row + 8 * half];
                const unsigned s = byte_perm(f, 0, 0x1010), o = byte_perm(f, 0, 0x3232);
                a[m][j][half] = Q::MINIMUM ? half2_fma(a[m][j][half], s, o) : half2_mul(a[m][j][half], s);
                a[m][j][half + 2] = Q::MINIMUM ? half2_fma(a[m][j][half + 2], s, o) : half2_mul(a[m][j][half + 2], s);
              }
            }
          }
        }
#pragma unroll
        for (int i = 0; i < WN; i++) {
          const int t = 8 * (warp_n * WN + i) + g;
          const uint4 b = *reinterpret_cast<const uint4*>(stage + t * (PAIR * 64) + (u ^ (t & 1)) * 64 + 16 * c);
#pragma unroll
          for (int m = 0; m < WM; m++) {
            mma_f16(acc[m][i], a[m][0], b.x, b.y);
            mma_f16(acc[m][i], a[m][1], b.z, b.w);
          }
        }
      }
      put_scales(p + 1, staged);
    }
    copy_wait<0>();

    auto each_result = [&](auto use) {
#pragma unroll
      for (int m = 0; m < WM; m++) {
#pragma unroll
        for (int i = 0; i < WN; i++) {
#pragma unroll
          for (int e = 0; e < 4; e++) {
            const int row = row0 + 16 * (warp_m * WM + m) + g + 8 * (e >> 1);
            const int t = 8 * (warp_n * WN + i) + 2 * c + (e & 1);
            if (row < n && t < group.count) use(row, t, acc[m][i][e]);
          }
        }
      }
    };
    auto finish = [&](int row, int t, float y) {
      const float v = y * xScale[(int64_t)head * xRows + rows[t]] * (1 / FACTOR<Q>);
      const int64_t at = (int64_t)(group.first + t) * outStride + head * outHeadStride + outOffset + row;
      if (outHalf) {
        static_cast<u16*>(out)[at] = float_half(v);
      } else {
        static_cast<float*>(out)[at] = v;
      }
    };
    if (!SPLITS || splits == 1) {
      each_result(finish);
    } else if constexpr (SPLITS) {
      __shared__ int last;
      const int64_t width = (int64_t)heads * n;
      const int all = offset != nullptr ? T * used : T;
      auto place = [&](int split, int row, int t) {
        return partial + (split * (int64_t)all + group.first + t) * width + head * n + row;
      };
      each_result([&](int row, int t, float y) { *place(blockIdx.z, row, t) = y; });
      if (last_block(counters + blockIdx.y * gridDim.x + blockIdx.x, splits, &last)) {
        each_result([&](int row, int t, float) {
          float y = 0;
          for (int split = 0; split < splits; split++) y += *place(split, row, t);
          finish(row, t, y);
        });
      }
    }
  }
};

// Four strips a warp take all registers there are; formats whose codes take more of them have two.
template <class Q>
constexpr int STRIPS = 2;
template <>
constexpr int STRIPS<Q40> = 4;
template <>
constexpr int STRIPS<Q4K> = 4;
template <class Q>
using Large = Gemm<Q, STRIPS<Q>, 8, 2, 2, false>;
template <class Q>
using Small = Gemm<Q, 1, 8, 4, 1, true>;

}  // namespace

// out[t, h, outOffset + i] = Σk x[t, h, k]·w[h·n + i, k] with x from to_half, xRows rows a head; as F16 if outHalf. Dense: T
// rows, table and offset null; n is a multiple of 16 unless heads is 1. Grouped: T tokens of `used` choices, w of expert e is
// table[e], rows are sorted places, x by gather 0 = BY_TOKEN or 1 = IN_PLACE. Nothing happens if unless is given and *unless
// is 0. Blocks of BM × 128 (large: BM = 128 for q4_0 and q4_k, else 64) or 64 × 64 (small).
// grid (heads·⌈n/BM⌉, dense ⌈T/BN⌉ or grouped as token_tile says for BN, splits), block 128, shared bytes
// stages·128·BN + 4·BN + 16·BM (32·BM where sixteen weights have a scale, none for f16 and bf16) + stages·128·slot, of which
// slot is 0 in the large form and before sm_80, else Pair::SLOT, and stages is what stages(slot) says.
// splits is 1 in the large form. If it is more: partial holds splits·rows·heads·n numbers, rows = T or T·K; counters
// gridX·gridY zeros, again zero afterwards.
#define GEMM_ENTRY(name, Q, form, Form)                                                                                             \
  KERNEL_BOUNDED(gemm_##name##_##form, THREADS, 2,                                                                             \
                 (const u8* w, const u64* table, const u16* xh, const float* xScale, int xRows, void* out, int outHalf,        \
                  int outStride, int outHeadStride, int outOffset, int T, int n, int k, int heads, const int* offset,          \
                  const int* slot, int used, int gather, int experts, const int* unless, float* partial, int* counters,        \
                  int splits)) {                                                                                               \
    begin_kernel();                                                                                                            \
    Form<Q>::run(w, table, xh, xScale, xRows, out, outHalf, outStride, outHeadStride, outOffset, T, n, k, heads, offset, slot, \
                 used, gather, experts, unless, partial, counters, splits);                                                    \
  }
#define GEMM(name, Q) GEMM_ENTRY(name, Q, large, Large) GEMM_ENTRY(name, Q, small, Small)

}  // namespace yuzui
