// How weights lie on the device, and how they are decoded.
//
// A matrix [n, k] is cut into strips of 16 rows; a strip is a row of tiles of 16 × TILE_K weights. A tile takes as many
// bytes as the file's 16 rows of it do, in an order in which every lane of a warp loads its share of an mma's A with wide,
// adjacent loads. Rows and columns beyond the matrix are zero.
//
// A tile is made of units of 16 × 32 weights, two steps (j = 0, 1) of the 16×8×16 mma. An mma sums over 16 numbers in any
// order as long as A and B agree; here lane (g = lane / 4, c = lane % 4) takes columns 16j + 4c + i, i = 0 … 3, of rows g and
// g + 8: weight (a, e) of step j, a = 0 … 3, e = 0, 1, is row g + 8·(a & 1), column 16j + 4c + 2·(a >> 1) + e, and register
// a[j][a] of the mma holds e = 0 and 1. Activations are laid out to match (activations.cuh).
#pragma once

#include "../common/blocks.h"
#include "device.cuh"

namespace yuzui {

using u8 = unsigned char;
using u16 = uint16_t;
using u64 = unsigned long long;

constexpr int STRIP = 16;
constexpr int UNIT = 32;

__device__ __forceinline__ int ceil_div(int a, int b) { return (a + b - 1) / b; }
__device__ __forceinline__ unsigned read_u16(const u8* p) { return *reinterpret_cast<const u16*>(p); }

// The scale and the minimum of a group of weights: w = scale·code − minimum.
struct Affine {
  float scale, minimum;
};

// Where weight (row r of the strip, column kk of the unit) lies: the lane that loads it, and its place among that lane's 16.
struct Place {
  int lane, j, a, e;
};
__device__ __forceinline__ Place place_of(int r, int kk) {
  return {(r & 7) * 4 + kk % 16 / 4, kk / 16, (r >> 3) + 2 * (kk % 4 / 2), kk & 1};
}

// ---- codes to F16 pairs ---------------------------------------------------------------------------------------------

constexpr unsigned H1024 = 0x64006400;  // 1024 + q has q in its low bits, up to 1023

// Eight nibbles, those of pair a at bits 4a and 4a + 16, with higher bits ORed in by `more(a)`; less `bias` (as 1024 + b).
template <class More>
__device__ __forceinline__ void nibbles_to_half(unsigned q, unsigned bias, unsigned (&a)[4], More more) {
#pragma unroll
  for (int i = 0; i < 4; i++) {
    a[i] = half2_sub((q >> 4 * i & 0x000f000fu) | more(i) | H1024, bias);
  }
}

// Bytes q + 128 of pairs 2h and 2h + 1.
__device__ __forceinline__ void offset_bytes_to_half(unsigned q, unsigned& first, unsigned& second) {
  first = half2_sub(byte_perm(q, 0x64646464u, 0x4140), 0x64806480u);
  second = half2_sub(byte_perm(q, 0x64646464u, 0x4342), 0x64806480u);
}

// ---- the formats ----------------------------------------------------------------------------------------------------
//
// Each gives: UNITS per tile; BYTES of a tile; GROUPS with a scale of their own per unit (1 or 2); MINIMUM: whether they
// have one; SCALED: false if codes are the weights; CHUNK: units that a warp loads at a time; Raw and load, codes, affine;
// and for single weights and for packing: code, put, header.

struct Q4K {
  static constexpr int TILE_K = 256, UNITS = 8, BYTES = 16 * 144, GROUPS = 1, CHUNK = 8;
  static constexpr bool MINIMUM = true, SCALED = true;
  static constexpr int HEADER = 2048;
  struct Raw {
    uint4 q[4];
  };
  static __device__ __forceinline__ void load(Raw& raw, const u8* tile, int lane, int) {
#pragma unroll
    for (int i = 0; i < 4; i++) raw.q[i] = load_once(reinterpret_cast<const uint4*>(tile) + 32 * i + lane);
  }
  static __device__ __forceinline__ void codes(const Raw& raw, int u, unsigned (&a)[2][4]) {
    const uint4 q = raw.q[u / 2];
    nibbles_to_half(u & 1 ? q.z : q.x, H1024, a[0], [](int) { return 0u; });
    nibbles_to_half(u & 1 ? q.w : q.y, H1024, a[1], [](int) { return 0u; });
  }
  // Six-bit scales and minima: d, dmin and twelve bytes a row.
  static __device__ __forceinline__ Affine affine_of(uint4 h, int j) {
    const int b = 8 * (j & 3);
    const unsigned sc = j < 4 ? h.y >> b & 63 : (h.w >> b & 15) | (h.y >> (b + 6) & 3) << 4;
    const unsigned mn = j < 4 ? h.z >> b & 63 : (h.w >> (b + 4) & 15) | (h.z >> (b + 6) & 3) << 4;
    return {half_float(h.x & 0xffff) * sc, half_float(h.x >> 16) * mn};
  }
  static __device__ __forceinline__ Affine affine(const u8* tile, int r, int group) {
    return affine_of(reinterpret_cast<const uint4*>(tile + HEADER)[r], group);
  }
  static __device__ __forceinline__ float weight(const u8* tile, int r, int kk) {
    const int u = kk / UNIT;
    const Place p = place_of(r, kk % UNIT);
    const unsigned q =
        reinterpret_cast<const unsigned*>(tile)[((u / 2 * 32 + p.lane) * 4) + u % 2 * 2 + p.j] >> (4 * p.a + 16 * p.e) & 15;
    const Affine f = affine(tile, r, u);
    return f.scale * q - f.minimum;
  }
  static __device__ __forceinline__ unsigned code(const u8* block, int kk) {
    const block_q4_k* b = reinterpret_cast<const block_q4_k*>(block);
    return b->qs[32 * (kk / 64) + kk % 32] >> 4 * (kk / 32 & 1) & 15;
  }
  static __device__ __forceinline__ void put(u8* tile, int u, int lane, int j, const unsigned (&q)[8]) {
    unsigned word = 0;
    for (int i = 0; i < 8; i++) word |= q[i] << (4 * (i / 2) + 16 * (i & 1));
    reinterpret_cast<unsigned*>(tile)[(u / 2 * 32 + lane) * 4 + u % 2 * 2 + j] = word;
  }
  static __device__ __forceinline__ void header(u8* tile, int r, const u8* block) {
    for (int i = 0; i < 16; i++) tile[HEADER + 16 * r + i] = block ? block[i] : 0;
  }
};

struct Q5K {
  static constexpr int TILE_K = 256, UNITS = 8, BYTES = 16 * 176, GROUPS = 1, CHUNK = 8;
  static constexpr bool MINIMUM = true, SCALED = true;
  static constexpr int HIGH = 2048, HEADER = 2560;
  struct Raw {
    uint4 q[4];
    uint4 high;
  };
  static __device__ __forceinline__ void load(Raw& raw, const u8* tile, int lane, int) {
#pragma unroll
    for (int i = 0; i < 4; i++) raw.q[i] = load_once(reinterpret_cast<const uint4*>(tile) + 32 * i + lane);
    raw.high = load_once(reinterpret_cast<const uint4*>(tile + HIGH) + lane);
  }
  // The fifth bits of a unit: pair a of step j at bit 4j + a, its second weight eight bits above; spread to 16 bits apart.
  static __device__ __forceinline__ unsigned fifth(unsigned word, int unit, int j, int a) {
    const unsigned h = unit & 1 ? word >> 16 : word;
    const unsigned spread = (h & 0xff) | (h & 0xff00) << 8;
    const int s = 4 * j + a;
    return (s <= 4 ? spread << (4 - s) : spread >> (s - 4)) & 0x00100010u;
  }
  static __device__ __forceinline__ void codes(const Raw& raw, int u, unsigned (&a)[2][4]) {
    const uint4 q = raw.q[u / 2];
    const unsigned h = u / 2 == 0 ? raw.high.x : u / 2 == 1 ? raw.high.y : u / 2 == 2 ? raw.high.z : raw.high.w;
    nibbles_to_half(u & 1 ? q.z : q.x, H1024, a[0], [=](int i) { return fifth(h, u, 0, i); });
    nibbles_to_half(u & 1 ? q.w : q.y, H1024, a[1], [=](int i) { return fifth(h, u, 1, i); });
  }
  static __device__ __forceinline__ Affine affine(const u8* tile, int r, int group) {
    return Q4K::affine_of(reinterpret_cast<const uint4*>(tile + HEADER)[r], group);
  }
  static __device__ __forceinline__ float weight(const u8* tile, int r, int kk) {
    const int u = kk / UNIT;
    const Place p = place_of(r, kk % UNIT);
    const unsigned low =
        reinterpret_cast<const unsigned*>(tile)[((u / 2 * 32 + p.lane) * 4) + u % 2 * 2 + p.j] >> (4 * p.a + 16 * p.e) & 15;
    const unsigned high = read_u16(tile + HIGH + 16 * p.lane + 2 * u) >> (4 * p.j + p.a + 8 * p.e) & 1;
    const Affine f = affine(tile, r, u);
    return f.scale * (low | high << 4) - f.minimum;
  }
  static __device__ __forceinline__ unsigned code(const u8* block, int kk) {
    const block_q5_k* b = reinterpret_cast<const block_q5_k*>(block);
    return (b->qs[32 * (kk / 64) + kk % 32] >> 4 * (kk / 32 & 1) & 15) | (b->qh[kk % 32] >> kk / 32 & 1) << 4;
  }
  static __device__ __forceinline__ void put(u8* tile, int u, int lane, int j, const unsigned (&q)[8]) {
    Q4K::put(tile, u, lane, j, {q[0] & 15, q[1] & 15, q[2] & 15, q[3] & 15, q[4] & 15, q[5] & 15, q[6] & 15, q[7] & 15});
    u16& high = *reinterpret_cast<u16*>(tile + HIGH + 16 * lane + 2 * u);
    unsigned word = j == 0 ? 0 : high;
    for (int i = 0; i < 8; i++) word |= (q[i] >> 4) << (4 * j + i / 2 + 8 * (i & 1));
    high = (u16)word;
  }
  static __device__ __forceinline__ void header(u8* tile, int r, const u8* block) {
    for (int i = 0; i < 16; i++) tile[HEADER + 16 * r + i] = block ? block[i] : 0;
  }
};

struct Q6K {
  static constexpr int TILE_K = 256, UNITS = 8, BYTES = 16 * 210, GROUPS = 2, CHUNK = 8;
  static constexpr bool MINIMUM = false, SCALED = true;
  static constexpr int HIGH = 2048, HEADER = 3072, SCALES = HEADER + 256;
  struct Raw {
    uint4 q[4];
    uint4 high[2];
  };
  static __device__ __forceinline__ void load(Raw& raw, const u8* tile, int lane, int) {
#pragma unroll
    for (int i = 0; i < 4; i++) raw.q[i] = load_once(reinterpret_cast<const uint4*>(tile) + 32 * i + lane);
#pragma unroll
    for (int i = 0; i < 2; i++) raw.high[i] = load_once(reinterpret_cast<const uint4*>(tile + HIGH) + 32 * i + lane);
  }
  // The upper two bits: pair a of step j at bits 2·(4j + a), its second weight 16 above.
  static __device__ __forceinline__ unsigned upper(unsigned h, int j, int a) {
    const int s = 2 * (4 * j + a);
    return (s <= 4 ? h << (4 - s) : h >> (s - 4)) & 0x00300030u;
  }
  static __device__ __forceinline__ void codes(const Raw& raw, int u, unsigned (&a)[2][4]) {
    const uint4 q = raw.q[u / 2];
    const uint4 w = raw.high[u / 4];
    const unsigned h = u % 4 == 0 ? w.x : u % 4 == 1 ? w.y : u % 4 == 2 ? w.z : w.w;
    nibbles_to_half(u & 1 ? q.z : q.x, 0x64206420u, a[0], [=](int i) { return upper(h, 0, i); });
    nibbles_to_half(u & 1 ? q.w : q.y, 0x64206420u, a[1], [=](int i) { return upper(h, 1, i); });
  }
  static __device__ __forceinline__ Affine affine(const u8* tile, int r, int group) {
    const float d = half_float(read_u16(tile + SCALES + 2 * r));
    return {d * reinterpret_cast<const signed char*>(tile + HEADER)[16 * r + group], 0};
  }
  static __device__ __forceinline__ float weight(const u8* tile, int r, int kk) {
    const int u = kk / UNIT;
    const Place p = place_of(r, kk % UNIT);
    const unsigned low =
        reinterpret_cast<const unsigned*>(tile)[((u / 2 * 32 + p.lane) * 4) + u % 2 * 2 + p.j] >> (4 * p.a + 16 * p.e) & 15;
    const unsigned high = reinterpret_cast<const unsigned*>(tile + HIGH)[(u / 4 * 32 + p.lane) * 4 + u % 4] >>
                              (2 * (4 * p.j + p.a) + 16 * p.e) & 3;
    return affine(tile, r, kk / 16).scale * ((int)(low | high << 4) - 32);
  }
  static __device__ __forceinline__ unsigned code(const u8* block, int kk) {
    const block_q6_k* b = reinterpret_cast<const block_q6_k*>(block);
    const int n = kk / 128, q = kk / 32 & 3, l = kk % 32;
    return (b->ql[64 * n + 32 * (q & 1) + l] >> 4 * (q >> 1) & 15) | (b->qh[32 * n + l] >> 2 * q & 3) << 4;
  }
  static __device__ __forceinline__ void put(u8* tile, int u, int lane, int j, const unsigned (&q)[8]) {
    Q4K::put(tile, u, lane, j, {q[0] & 15, q[1] & 15, q[2] & 15, q[3] & 15, q[4] & 15, q[5] & 15, q[6] & 15, q[7] & 15});
    unsigned& high = reinterpret_cast<unsigned*>(tile + HIGH)[(u / 4 * 32 + lane) * 4 + u % 4];
    unsigned word = j == 0 ? 0 : high;
    for (int i = 0; i < 8; i++) word |= (q[i] >> 4) << (2 * (4 * j + i / 2) + 16 * (i & 1));
    high = word;
  }
  static __device__ __forceinline__ void header(u8* tile, int r, const u8* block) {
    for (int i = 0; i < 16; i++) tile[HEADER + 16 * r + i] = block ? block[192 + i] : 0;
    for (int i = 0; i < 2; i++) tile[SCALES + 2 * r + i] = block ? block[208 + i] : 0;
  }
};

struct Iq4Xs {
  static constexpr int TILE_K = 256, UNITS = 8, BYTES = 16 * 136, GROUPS = 1, CHUNK = 8;
  static constexpr bool MINIMUM = false, SCALED = true;
  static constexpr int HEADER = 2048;
  using Raw = Q4K::Raw;
  static __device__ __forceinline__ void load(Raw& raw, const u8* tile, int lane, int valid) {
    Q4K::load(raw, tile, lane, valid);
  }
  // The sixteen values plus 128, as bytes of four words.
  static constexpr unsigned V0 = 0x3f2d1801u, V1 = 0x766a5d4fu, V2 = 0xa6998d81u, V3 = 0xf1d9c5b5u;
  // The values of the low four nibbles.
  static __device__ __forceinline__ unsigned values(unsigned q) {
    const unsigned low = byte_perm(V0, V1, q & 0x7777);
    const unsigned high = byte_perm(V2, V3, q & 0x7777);
    return byte_perm(low, high, 0x3210 | (q & 0x8888) >> 1);
  }
  static __device__ __forceinline__ void step(unsigned q, unsigned (&a)[4]) {
    const unsigned first = values(q), second = values(q >> 16);  // e = 0 and e = 1 of the four pairs
    offset_bytes_to_half(byte_perm(first, second, 0x5140), a[0], a[1]);
    offset_bytes_to_half(byte_perm(first, second, 0x7362), a[2], a[3]);
  }
  static __device__ __forceinline__ void codes(const Raw& raw, int u, unsigned (&a)[2][4]) {
    const uint4 q = raw.q[u / 2];
    step(u & 1 ? q.z : q.x, a[0]);
    step(u & 1 ? q.w : q.y, a[1]);
  }
  static __device__ __forceinline__ Affine affine(const u8* tile, int r, int group) {
    const u8* h = tile + HEADER + 8 * r;
    const int ls = (h[4 + group / 2] >> 4 * (group & 1) & 15) | (read_u16(h + 2) >> 2 * group & 3) << 4;
    return {half_float(read_u16(h)) * (ls - 32), 0};
  }
  static __device__ __forceinline__ float weight(const u8* tile, int r, int kk) {
    const int u = kk / UNIT;
    const Place p = place_of(r, kk % UNIT);
    const unsigned q =
        reinterpret_cast<const unsigned*>(tile)[((u / 2 * 32 + p.lane) * 4) + u % 2 * 2 + p.j] >> (4 * p.a + 16 * p.e) & 15;
    return affine(tile, r, u).scale * ((int)(values(q) & 0xff) - 128);
  }
  static __device__ __forceinline__ unsigned code(const u8* block, int kk) {
    const block_iq4_xs* b = reinterpret_cast<const block_iq4_xs*>(block);
    return b->qs[16 * (kk / 32) + kk % 16] >> 4 * (kk / 16 & 1) & 15;
  }
  static __device__ __forceinline__ void put(u8* tile, int u, int lane, int j, const unsigned (&q)[8]) {
    Q4K::put(tile, u, lane, j, q);
  }
  static __device__ __forceinline__ void header(u8* tile, int r, const u8* block) {
    for (int i = 0; i < 8; i++) tile[HEADER + 8 * r + i] = block ? block[i] : 0;
  }
};

// Blocks of 32: one unit a tile, the scales of the 16 rows after the codes. BIAS is what codes are too large by.
template <int BITS, int BIAS>
struct Block32 {
  static constexpr int BLOCK = 2 + 4 * BITS;
  static constexpr int TILE_K = 32, UNITS = 1, BYTES = 16 * BLOCK, GROUPS = 1, CHUNK = BITS == 8 ? 4 : 8;
  static constexpr bool MINIMUM = false, SCALED = true;
  static constexpr int HIGH = 256, HEADER = 64 * BITS;
  struct Raw {
    uint4 q8[BITS == 8 ? CHUNK : 1];
    uint2 q4[BITS == 8 ? 1 : CHUNK];
    u16 high[BITS == 5 ? CHUNK : 1];
  };
  static __device__ __forceinline__ void load(Raw& raw, const u8* tile, int lane, int valid) {
#pragma unroll
    for (int i = 0; i < CHUNK; i++) {
      const u8* t = tile + (int64_t)i * BYTES;
      if constexpr (BITS == 8) {
        raw.q8[i] = i < valid ? load_once(reinterpret_cast<const uint4*>(t) + lane) : make_uint4(0, 0, 0, 0);
      } else {
        raw.q4[i] = i < valid ? load_once(reinterpret_cast<const uint2*>(t) + lane) : make_uint2(0, 0);
      }
      if constexpr (BITS == 5) {
        raw.high[i] = i < valid ? load_once(reinterpret_cast<const u16*>(t + HIGH) + lane) : (u16)0;
      }
    }
  }
  static __device__ __forceinline__ void codes(const Raw& raw, int u, unsigned (&a)[2][4]) {
    constexpr unsigned bias = H1024 | BIAS | BIAS << 16;
    if constexpr (BITS == 8) {
      offset_bytes_to_half(raw.q8[u].x ^ 0x80808080u, a[0][0], a[0][1]);
      offset_bytes_to_half(raw.q8[u].y ^ 0x80808080u, a[0][2], a[0][3]);
      offset_bytes_to_half(raw.q8[u].z ^ 0x80808080u, a[1][0], a[1][1]);
      offset_bytes_to_half(raw.q8[u].w ^ 0x80808080u, a[1][2], a[1][3]);
    } else if constexpr (BITS == 5) {
      const unsigned h = raw.high[u];
      nibbles_to_half(raw.q4[u].x, bias, a[0], [=](int i) { return Q5K::fifth(h, 0, 0, i); });
      nibbles_to_half(raw.q4[u].y, bias, a[1], [=](int i) { return Q5K::fifth(h, 0, 1, i); });
    } else {
      nibbles_to_half(raw.q4[u].x, bias, a[0], [](int) { return 0u; });
      nibbles_to_half(raw.q4[u].y, bias, a[1], [](int) { return 0u; });
    }
  }
  static __device__ __forceinline__ Affine affine(const u8* tile, int r, int) {
    return {half_float(read_u16(tile + HEADER + 2 * r)), 0};
  }
  static __device__ __forceinline__ float weight(const u8* tile, int r, int kk) {
    const Place p = place_of(r, kk);
    int q;
    if constexpr (BITS == 8) {
      q = reinterpret_cast<const signed char*>(tile)[16 * p.lane + 8 * p.j + 2 * p.a + p.e];
    } else {
      q = reinterpret_cast<const unsigned*>(tile)[2 * p.lane + p.j] >> (4 * p.a + 16 * p.e) & 15;
      if constexpr (BITS == 5) {
        q |= (read_u16(tile + HIGH + 2 * p.lane) >> (4 * p.j + p.a + 8 * p.e) & 1) << 4;
      }
    }
    return affine(tile, r, 0).scale * (q - BIAS);
  }
  static __device__ __forceinline__ unsigned code(const u8* block, int kk) {
    if constexpr (BITS == 8) {
      return block[2 + kk];
    } else {
      const u8* qs = block + BLOCK - 16;
      unsigned q = qs[kk % 16] >> 4 * (kk / 16) & 15;
      if constexpr (BITS == 5) q |= (block[2 + kk / 8] >> kk % 8 & 1u) << 4;
      return q;
    }
  }
  static __device__ __forceinline__ void put(u8* tile, int, int lane, int j, const unsigned (&q)[8]) {
    if constexpr (BITS == 8) {
      for (int i = 0; i < 8; i++) tile[16 * lane + 8 * j + i] = (u8)q[i];
    } else {
      unsigned word = 0;
      for (int i = 0; i < 8; i++) word |= (q[i] & 15) << (4 * (i / 2) + 16 * (i & 1));
      reinterpret_cast<unsigned*>(tile)[2 * lane + j] = word;
      if constexpr (BITS == 5) {
        u16& high = *reinterpret_cast<u16*>(tile + HIGH + 2 * lane);
        unsigned bits = j == 0 ? 0 : high;
        for (int i = 0; i < 8; i++) bits |= (q[i] >> 4) << (4 * j + i / 2 + 8 * (i & 1));
        high = (u16)bits;
      }
    }
  }
  static __device__ __forceinline__ void header(u8* tile, int r, const u8* block) {
    for (int i = 0; i < 2; i++) tile[HEADER + 2 * r + i] = block ? block[i] : 0;
  }
};
using Q40 = Block32<4, 8>;
using Q50 = Block32<5, 16>;
using Q80 = Block32<8, 0>;

// float8_e4m3fn codes. As F16 bits shifted by one, a code is its value / 256, exactly, subnormals too; the codes of NaN come
// out as ±480. The scales, one for 128 × 128 weights, lie behind the tiles of the whole matrix.
struct Fp8 {
  static constexpr int TILE_K = 32, UNITS = 1, BYTES = 512, GROUPS = 1, CHUNK = 4;
  static constexpr bool MINIMUM = false, SCALED = true;
  struct Raw {
    uint4 q[CHUNK];
  };
  static __device__ __forceinline__ void load(Raw& raw, const u8* tile, int lane, int valid) {
#pragma unroll
    for (int i = 0; i < CHUNK; i++) {
      raw.q[i] = i < valid ? load_once(reinterpret_cast<const uint4*>(tile + i * BYTES) + lane) : make_uint4(0, 0, 0, 0);
    }
  }
  static __device__ __forceinline__ unsigned half_pair(unsigned q, unsigned selector) {
    const unsigned h = byte_perm(q, 0, selector);
    return (h & 0x80008000u) | (h >> 1 & 0x3f803f80u);
  }
  static __device__ __forceinline__ void codes(const Raw& raw, int u, unsigned (&a)[2][4]) {
    const unsigned q[4] = {raw.q[u].x, raw.q[u].y, raw.q[u].z, raw.q[u].w};
#pragma unroll
    for (int i = 0; i < 8; i++) a[i / 4][i % 4] = half_pair(q[i / 2], i & 1 ? 0x3424 : 0x1404);
  }
  static __device__ __forceinline__ float value(unsigned code) {
    return half_float((u16)((code & 0x80) << 8 | (code & 0x7f) << 7)) * 256;
  }
  static __device__ __forceinline__ unsigned code(const u8* block, int kk) { return block[kk]; }
  static __device__ __forceinline__ void put(u8* tile, int, int lane, int j, const unsigned (&q)[8]) {
    for (int i = 0; i < 8; i++) tile[16 * lane + 8 * j + i] = (u8)q[i];
  }
};

// Plain numbers of 16 bits.
template <bool BF16>
struct Plain16 {
  static constexpr int TILE_K = 32, UNITS = 1, BYTES = 1024, GROUPS = 1, CHUNK = 4;
  static constexpr bool MINIMUM = false, SCALED = false;
  struct Raw {
    uint4 q[CHUNK][2];
  };
  static __device__ __forceinline__ void load(Raw& raw, const u8* tile, int lane, int valid) {
#pragma unroll
    for (int i = 0; i < CHUNK; i++) {
#pragma unroll
      for (int j = 0; j < 2; j++) {
        raw.q[i][j] = i < valid ? load_once(reinterpret_cast<const uint4*>(tile + i * BYTES) + 32 * j + lane)
                                : make_uint4(0, 0, 0, 0);
      }
    }
  }
  // BF16 becomes F16: the same eight bits of mantissa down to 6e-5, fewer below; larger numbers than 65504 overflow.
  static __device__ __forceinline__ unsigned pair(unsigned q) {
    return BF16 ? pack_half2(bits_float(q << 16), bits_float(q & 0xffff0000u)) : q;
  }
  static __device__ __forceinline__ void codes(const Raw& raw, int u, unsigned (&a)[2][4]) {
#pragma unroll
    for (int j = 0; j < 2; j++) {
      const uint4 q = raw.q[u][j];
      a[j][0] = pair(q.x);
      a[j][1] = pair(q.y);
      a[j][2] = pair(q.z);
      a[j][3] = pair(q.w);
    }
  }
  static __device__ __forceinline__ float weight(const u8* tile, int r, int kk) {
    const Place p = place_of(r, kk);
    const unsigned q = read_u16(tile + 512 * p.j + 16 * p.lane + 4 * p.a + 2 * p.e);
    return BF16 ? bf16_float(q) : half_float(q);
  }
  static __device__ __forceinline__ unsigned code(const u8* block, int kk) { return read_u16(block + 2 * kk); }
  static __device__ __forceinline__ void put(u8* tile, int, int lane, int j, const unsigned (&q)[8]) {
    for (int i = 0; i < 8; i++) *reinterpret_cast<u16*>(tile + 512 * j + 16 * lane + 2 * i) = (u16)q[i];
  }
};
using F16 = Plain16<false>;
using Bf16 = Plain16<true>;

template <class Q>
constexpr bool IS_FP8 = false;
template <>
constexpr bool IS_FP8<Fp8> = true;

// Formats that look runs of weights up in a grid: low_bit.cuh.
template <class Q>
constexpr bool IS_GRID = false;

// TYPES(X): X(name in kernels, format) for each.
#define TYPES(X) \
  X(f16, F16) X(bf16, Bf16) X(fp8, Fp8) X(q4_0, Q40) X(q5_0, Q50) X(q8_0, Q80) X(q4_k, Q4K) X(q5_k, Q5K) X(q6_k, Q6K) X(iq4_xs, Iq4Xs)

// ---- whole matrices -------------------------------------------------------------------------------------------------

template <class Q>
__device__ __forceinline__ int64_t strip_bytes(int k) {
  return (int64_t)ceil_div(k, Q::TILE_K) * Q::BYTES;
}

// FP8: the scales of the matrix whose tiles begin at w.
__device__ __forceinline__ const float* fp8_scales(const u8* w, int n, int k) {
  const int64_t tiles = (int64_t)ceil_div(n, STRIP) * strip_bytes<Fp8>(k);
  return reinterpret_cast<const float*>(w + (tiles + 255) / 256 * 256);
}

// Weight (row, col) of the matrix [n, k].
template <class Q>
__device__ __forceinline__ float weight_at(const u8* w, int n, int k, int row, int col) {
  const u8* tile = w + row / STRIP * strip_bytes<Q>(k) + (int64_t)(col / Q::TILE_K) * Q::BYTES;
  if constexpr (IS_FP8<Q>) {
    const Place p = place_of(row % STRIP, col % UNIT);
    return Fp8::value(tile[16 * p.lane + 8 * p.j + 2 * p.a + p.e]) *
           fp8_scales(w, n, k)[(int64_t)(row / 128) * ceil_div(k, 128) + col / 128];
  } else {
    return Q::weight(tile, row % STRIP, col % Q::TILE_K);
  }
}

// Rows that are their own layout: F32, row-major.
template <>
__device__ __forceinline__ float weight_at<float>(const u8* w, int, int k, int row, int col) {
  return reinterpret_cast<const float*>(w)[(int64_t)row * k + col];
}

}  // namespace yuzui
