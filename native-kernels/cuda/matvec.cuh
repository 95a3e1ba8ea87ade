// Products of up to eight rows, bound by the bytes of the weights: decoding, and experts with few tokens each.
//
// A warp multiplies a strip of 16 rows of w by up to eight rows of x with 16×8×16 mmas: A the codes of the weights, exact in
// F16, B the activations as the sum of two F16 numbers under a power of two of their own per 32, so that a product errs no
// more than in F32. Scales and minima are applied to the sums of a group. Warps of a block share the columns of a strip or
// take strips of their own; blocks may share the columns too (splits), then the last one adds up, in order.
#pragma once

#include "activations.cuh"
#include "groups.cuh"

namespace yuzui {
namespace {

constexpr int WARPS = 8;

// What a warp loads of the scales of a chunk: lane c of a group of four takes a quarter of the chunk's units, of rows g and
// g + 8, and hands them round by shuffles.
template <class Q>
struct Scales {  // blocks of 32
  static constexpr int PER = Q::CHUNK / 4;
  u16 d[2][PER];
  __device__ __forceinline__ void load(const u8* tile, int unit, int units, const float*) {
    const int g = lane() / 4, c = lane() % 4;
#pragma unroll
    for (int i = 0; i < PER; i++) {
      const int u = c * PER + i;
      const u8* t = tile + (int64_t)u * Q::BYTES + Q::HEADER;
      d[0][i] = unit + u < units ? (u16)read_u16(t + 2 * g) : (u16)0;
      d[1][i] = unit + u < units ? (u16)read_u16(t + 2 * g + 16) : (u16)0;
    }
  }
  __device__ __forceinline__ Affine get(const typename Q::Raw&, int half, int i) const { return {half_float(d[half][i]), 0}; }
};
struct ScalesK45 {
  uint4 h[2];
  __device__ __forceinline__ void load_at(const u8* header) {
    h[0] = reinterpret_cast<const uint4*>(header)[lane() / 4];
    h[1] = reinterpret_cast<const uint4*>(header)[lane() / 4 + 8];
  }
  template <class Raw>
  __device__ __forceinline__ Affine get(const Raw&, int half, int i) const {
    return Q4K::affine_of(h[half], lane() % 4 * 2 + i);
  }
};
template <>
struct Scales<Q4K> : ScalesK45 {
  static constexpr int PER = 2;
  __device__ __forceinline__ void load(const u8* tile, int, int, const float*) { load_at(tile + Q4K::HEADER); }
};
template <>
struct Scales<Q5K> : ScalesK45 {
  static constexpr int PER = 2;
  __device__ __forceinline__ void load(const u8* tile, int, int, const float*) { load_at(tile + Q5K::HEADER); }
};
template <>
struct Scales<Q6K> {
  static constexpr int PER = 4;
  unsigned s[2];
  u16 d[2];
  __device__ __forceinline__ void load(const u8* tile, int, int, const float*) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int r = lane() / 4 + 8 * half;
      s[half] = reinterpret_cast<const unsigned*>(tile + Q6K::HEADER)[4 * r + lane() % 4];
      d[half] = (u16)read_u16(tile + Q6K::SCALES + 2 * r);
    }
  }
  __device__ __forceinline__ Affine get(const Q6K::Raw&, int half, int i) const {
    return {half_float(d[half]) * (float)(signed char)(s[half] >> 8 * i), 0};
  }
};
template <>
struct Scales<Iq4Xs> {
  static constexpr int PER = 2;
  uint2 h[2];
  __device__ __forceinline__ void load(const u8* tile, int, int, const float*) {
    h[0] = reinterpret_cast<const uint2*>(tile + Iq4Xs::HEADER)[lane() / 4];
    h[1] = reinterpret_cast<const uint2*>(tile + Iq4Xs::HEADER)[lane() / 4 + 8];
  }
  __device__ __forceinline__ Affine get(const Iq4Xs::Raw&, int half, int i) const {
    const int group = lane() % 4 * 2 + i;
    const int ls = (h[half].y >> 4 * group & 15) | (h[half].x >> (16 + 2 * group) & 3) << 4;
    return {half_float(h[half].x & 0xffff) * (float)(ls - 32), 0};
  }
};
template <>
struct Scales<Fp8> {
  static constexpr int PER = 1;
  float s;
  // `scales`: those of the strip's 128 rows; codes are 1/256 of their values
  __device__ __forceinline__ void load(const u8*, int unit, int units, const float* scales) {
    const int u = unit + lane() % 4;
    s = u < units ? scales[u / 4] * 256 : 0;
  }
  __device__ __forceinline__ Affine get(const Fp8::Raw&, int, int) const { return {s, 0}; }
};
template <bool BF16>
struct Scales<Plain16<BF16>> {
  static constexpr int PER = 1;
  __device__ __forceinline__ void load(const u8*, int, int, const float*) {}
  __device__ __forceinline__ Affine get(const typename Plain16<BF16>::Raw&, int, int) const { return {1, 0}; }
};

// The block's part of x in shared memory: of token t and unit u, 64 bytes of high parts and 64 of low parts; and their scale
// and sum.
struct Staged {
  unsigned char* parts;
  float2* info;  // [unit][8]
  int units;
  __device__ __forceinline__ unsigned char* at(int t, int u) const { return parts + t * (units * 128 + 64) + u * 128; }
};

__device__ __forceinline__ void stage(const Staged& s, const float* x, int64_t xStride, int T, const Group& group,
                                      const int* slot, int used, int gather, int column, int k) {
  const int slots = group.count * s.units * 8;
  for (int from = 0; from < slots; from += WARPS * 32) {  // whole warps, for the shuffles
    const int i = from + threadIdx.x;
    const bool inside = i < slots;
    const int q = i & 7;
    const int u = inside ? (i >> 3) % s.units : 0;
    const int t = inside ? (i >> 3) / s.units : 0;
    const int col = column + UNIT * u + 4 * q;  // q = 4j + c: 16j + 4c
    const int place = group.first + t;
    const int row = slot != nullptr ? gathered_row(slot, used, gather, place) : place;
    const float4 v = read4(x + row * xStride + col, inside ? k - col : 0);
    float magnitude = largest(v);
    float sum = (v.x + v.y) + (v.z + v.w);
#pragma unroll
    for (int m = 1; m < 8; m *= 2) {
      magnitude = fmaxf(magnitude, shuffle_xor(magnitude, m));
      sum += shuffle_xor(sum, m);
    }
    const PowerOfTwo p = f16_range(magnitude);
    const float4 y = make_float4(v.x * p.scale, v.y * p.scale, v.z * p.scale, v.w * p.scale);
    const uint2 high = make_uint2(pack_half2(y.x, y.y), pack_half2(y.z, y.w));
    const uint2 low = make_uint2(pack_half2(y.x - half_float((u16)high.x), y.y - half_float((u16)(high.x >> 16))),
                                 pack_half2(y.z - half_float((u16)high.y), y.w - half_float((u16)(high.y >> 16))));
    if (inside) {
      unsigned char* to = s.at(t, u) + 16 * (q & 3) + 8 * (q >> 2);
      *reinterpret_cast<uint2*>(to) = high;
      *reinterpret_cast<uint2*>(to + 64) = low;
      if (q == 0) s.info[8 * u + t] = make_float2(p.inverse, sum);
    }
  }
}

// acc += the chunk's units times x; `grid` is of formats that have one; `u0` is the chunk's first unit in the staged range, of
// which `valid` are there.
template <class Q>
__device__ __forceinline__ void multiply(const typename Q::Raw& raw, const Scales<Q>& scales, const Staged& s, const u16* grid,
                                         int u0, int valid, int tokens, float (&acc)[4]) {
  const int g = lane() / 4, c = lane() % 4;
  Affine own[2][Scales<Q>::PER];
  if constexpr (Q::SCALED) {
#pragma unroll
    for (int i = 0; i < Scales<Q>::PER; i++) {
      own[0][i] = scales.get(raw, 0, i);
      own[1][i] = scales.get(raw, 1, i);
    }
  }
#pragma unroll
  for (int u = 0; u < Q::CHUNK; u++) {
    if (u >= valid) break;  // the same for the warp
    unsigned a[2][4];
    if constexpr (IS_GRID<Q>) {
      Q::codes(raw, u, grid, a);
    } else {
      Q::codes(raw, u, a);
    }
    uint4 high = make_uint4(0, 0, 0, 0), low = high;
    if (g < tokens) {
      const unsigned char* b = s.at(g, u0 + u) + 16 * c;
      high = *reinterpret_cast<const uint4*>(b);
      low = *reinterpret_cast<const uint4*>(b + 64);
    }
    const float4 info = *reinterpret_cast<const float4*>(s.info + 8 * (u0 + u) + 2 * c);  // scale, sum of tokens 2c, 2c+1
    float d[Q::GROUPS][4] = {};
    mma_f16(d[0], a[0], high.x, high.y);
    mma_f16(d[Q::GROUPS - 1], a[1], high.z, high.w);
    mma_f16(d[0], a[0], low.x, low.y);
    mma_f16(d[Q::GROUPS - 1], a[1], low.z, low.w);
    // what x of tokens 2c and 2c + 1 sums up to in each group: of a half of a unit as products with ones
    float sums[Q::GROUPS][2] = {};
    if constexpr (Q::MINIMUM && Q::GROUPS == 1) {
      sums[0][0] = info.y;
      sums[0][1] = info.w;
    } else if constexpr (Q::MINIMUM) {
      const unsigned ones[4] = {0x3c003c00u, 0x3c003c00u, 0x3c003c00u, 0x3c003c00u};
      float e[2][4] = {};
      mma_f16(e[0], ones, high.x, high.y);
      mma_f16(e[1], ones, high.z, high.w);
      mma_f16(e[0], ones, low.x, low.y);
      mma_f16(e[1], ones, low.z, low.w);
#pragma unroll
      for (int i = 0; i < 2; i++) {
        sums[i][0] = e[i][0] * info.x;
        sums[i][1] = e[i][1] * info.z;
      }
    }
#pragma unroll
    for (int i = 0; i < Q::GROUPS; i++) {
      float s0 = 1, s1 = 1;
      if constexpr (Q::SCALED) {
        constexpr int UNITS_PER = Q::CHUNK / 4;
        const int owner = (lane() & ~3) | u / UNITS_PER;
        const int at = u % UNITS_PER * Q::GROUPS + i;
        s0 = shuffle(own[0][at].scale, owner);
        s1 = shuffle(own[1][at].scale, owner);
        if constexpr (Q::MINIMUM) {
          const float m0 = shuffle(own[0][at].minimum, owner);
          const float m1 = shuffle(own[1][at].minimum, owner);
          acc[0] -= m0 * sums[i][0];
          acc[1] -= m0 * sums[i][1];
          acc[2] -= m1 * sums[i][0];
          acc[3] -= m1 * sums[i][1];
        }
      }
      acc[0] += s0 * (d[i][0] * info.x);
      acc[1] += s0 * (d[i][1] * info.z);
      acc[2] += s1 * (d[i][2] * info.x);
      acc[3] += s1 * (d[i][3] * info.z);
    }
  }
}

__device__ __forceinline__ float silu(float z) { return z / (1 + expf(-z)); }

template <class Q>
__device__ void matvec(const u8* w, const u8* w2, const u64* table, const u64* table2, const float* x, int xStride, int xHeadStride,
                       int xOffset, float* out, int outStride, int outHeadStride, int outOffset, int T, int n, int k, int heads,
                       const int* offset, const int* slot, int used, int gather, int experts, float* partial, int* counters,
                       int splits, int strips) {
  DYNAMIC_SHARED(shared);
  __shared__ int last;
  next_may_begin();
  const bool grouped = offset != nullptr;
  if (grouped) previous_done();
  const Group group = token_tile(blockIdx.z, few_rows(T), T, offset, experts);
  if (group.count <= 0) {
    previous_done();
    return;
  }
  const int passes = w2 != nullptr || table2 != nullptr ? 2 : 1;
  const u8* matrix[2] = {grouped ? reinterpret_cast<const u8*>(table[group.expert]) : w,
                         passes == 1 ? nullptr : grouped ? reinterpret_cast<const u8*>(table2[group.expert]) : w2};

  const int head_strips = ceil_div(n, STRIP);
  const int blocks = ceil_div(head_strips, strips);
  const int head = blockIdx.x / blocks;
  const int sharing = WARPS / strips;  // warps that share a strip
  const int strip = blockIdx.x % blocks * strips + warp() / sharing;
  const int units = ceil_div(k, UNIT);
  const int chunks = ceil_div(units, Q::CHUNK);
  const int each = ceil_div(chunks, splits);
  const int chunk0 = blockIdx.y * each;
  const int chunk1 = chunk0 + each < chunks ? chunk0 + each : chunks;

  Staged s;
  s.units = each * Q::CHUNK;
  s.parts = shared;
  s.info = reinterpret_cast<float2*>(shared + group.count * (s.units * 128 + 64));
  float* sums = reinterpret_cast<float*>(s.info + 8 * s.units);  // [pass][warp][16][8]

  // The warp's chunks of the first matrix, then those of the second; each is loaded while the one before is multiplied.
  const int first = chunk0 + warp() % sharing;
  const int per_pass = strip < head_strips && first < chunk1 ? ceil_div(chunk1 - first, sharing) : 0;
  const int64_t strip_at = (int64_t)(head * head_strips + strip) * strip_bytes<Q>(k);
  typename Q::Raw raw;
  Scales<Q> scales;
  auto load = [&](int item) {
    const int pass = item >= per_pass;
    const int unit = (first + (item - pass * per_pass) * sharing) * Q::CHUNK;
    const u8* tile = (pass ? matrix[1] : matrix[0]) + strip_at + (int64_t)(unit / Q::UNITS) * Q::BYTES;
    Q::load(raw, tile, lane(), units - unit);
    const float* strip_scales = nullptr;
    if constexpr (IS_FP8<Q>) {
      const int row = (head * head_strips + strip) * STRIP;
      strip_scales = fp8_scales(pass ? matrix[1] : matrix[0], heads * n, k) + (int64_t)(row / 128) * ceil_div(k, 128);
    }
    scales.load(tile, unit, units, strip_scales);
  };
  if (per_pass > 0) load(0);
  const u16* grid = nullptr;
  if constexpr (IS_GRID<Q>) {
    __shared__ __align__(4) u16 places[Q::PLACES];
    Q::spread(places);  // the barrier behind stage() is for it too
    grid = places;
  }
  previous_done();  // weights may come before; of every path, so that nothing is stored on one without it

  stage(s, x + head * xHeadStride + xOffset, xStride, T, group, slot, used, gather, chunk0 * Q::CHUNK * UNIT, k);
  __syncthreads();

  for (int pass = 0; pass < passes; pass++) {
    float acc[4] = {};
#pragma unroll 1
    for (int i = 0; i < per_pass; i++) {
      const int unit = (first + i * sharing) * Q::CHUNK;
      const typename Q::Raw now = raw;
      const Scales<Q> now_scales = scales;
      const int next = pass * per_pass + i + 1;
      if (next < passes * per_pass) load(next);
      multiply<Q>(now, now_scales, s, grid, unit - chunk0 * Q::CHUNK, units - unit, group.count, acc);
    }
    float* to = sums + (pass * WARPS + warp()) * 128 + lane() / 4 * 8 + lane() % 4 * 2;
    *reinterpret_cast<float2*>(to) = make_float2(acc[0], acc[1]);
    *reinterpret_cast<float2*>(to + 64) = make_float2(acc[2], acc[3]);
  }
  __syncthreads();

  const int64_t width = (int64_t)heads * n;
  const int rows = grouped ? T * used : T;
  auto each_result = [&](auto use) {
    for (int i = threadIdx.x; i < strips * 128; i += WARPS * 32) {
      const int row = (blockIdx.x % blocks * strips + i / 128) * STRIP + i % 128 / 8;
      if (row < n && i % 8 < group.count) use(i, row, group.first + i % 8);
    }
  };
  auto finish = [&](int row, int t, float y0, float y1) {
    out[(int64_t)t * outStride + head * outHeadStride + outOffset + row] = passes == 2 ? silu(y0) * y1 : y0;
  };
  each_result([&](int i, int row, int t) {
    float y[2] = {0, 0};
#pragma unroll
    for (int pass = 0; pass < 2; pass++) {  // a count known to the compiler keeps y in registers
      if (pass == passes) break;
      for (int v = 0; v < sharing; v++) y[pass] += sums[(pass * WARPS + i / 128 * sharing + v) * 128 + i % 128];
    }
    if (splits == 1) {
      finish(row, t, y[0], y[1]);
    } else {
      float* p = partial + ((blockIdx.y * (int64_t)rows + t) * width + head * n + row) * passes;
#pragma unroll
      for (int pass = 0; pass < 2; pass++) {
        if (pass < passes) p[pass] = y[pass];
      }
    }
  });
  if (splits > 1 && last_block(counters + blockIdx.z * gridDim.x + blockIdx.x, splits, &last)) {
    each_result([&](int, int row, int t) {
      float y[2] = {0, 0};
      for (int split = 0; split < splits; split++) {
        const float* p = partial + ((split * (int64_t)rows + t) * width + head * n + row) * passes;
#pragma unroll
        for (int pass = 0; pass < 2; pass++) {
          if (pass < passes) y[pass] += p[pass];
        }
      }
      finish(row, t, y[0], y[1]);
    });
  }
}

}  // namespace

// out[t, h, outOffset + i] = Σk x[t, h, xOffset + k]·w[h·n + i, k], or with a second matrix (w2, table2) silu(w x)·(w2 x).
// Dense, T rows: table and offset are null; n is a multiple of 16 unless heads is 1. Grouped: w of expert e is table[e], rows
// are sorted places of T tokens, x by gather 0 = BY_TOKEN (row slot[i] / used) or 1 = IN_PLACE. Strides in numbers.
// strips of 16 rows a block: 1, 2, 4 or 8. grid (heads·⌈⌈n/16⌉ / strips⌉, splits, dense ⌈T/8⌉ or grouped as token_tile says
// for min(T, 8)), block 256.
// With CHUNK = 4 for f16, bf16, fp8 and q8_0, else 8, tokens = min(T, 8) and units = CHUNK·⌈⌈⌈k/32⌉ / CHUNK⌉ / splits⌉:
// shared bytes tokens·(128·units + 64) + 64·units + 8192.
// If splits > 1: partial holds splits·rows·heads·n·(1 or 2) numbers, rows = T or T·K; counters gridX·gridZ zeros, again zero
// afterwards.
#define MATVEC(name, Q)                                                                                                       \
  KERNEL_BOUNDED(matvec_##name, 256, 2,                                                                                      \
                 (const u8* w, const u8* w2, const u64* table, const u64* table2, const float* x, int xStride,               \
                  int xHeadStride, int xOffset, float* out, int outStride, int outHeadStride, int outOffset, int T, int n,   \
                  int k, int heads, const int* offset, const int* slot, int used, int gather, int experts, float* partial,   \
                  int* counters, int splits, int strips)) {                                                                  \
    matvec<Q>(w, w2, table, table2, x, xStride, xHeadStride, xOffset, out, outStride, outHeadStride, outOffset, T, n, k,     \
              heads, offset, slot, used, gather, experts, partial, counters, splits, strips);                                \
  }

}  // namespace yuzui
