// Formats of few bits a weight: runs of weights out of a grid, four-bit floats, two bits, and three. They lie in tiles as the
// others do (weights.cuh) and take as many bytes as in the file.
#pragma once

#include "../common/grids.h"
#include "weights.cuh"

namespace yuzui {

// ---- grids ----------------------------------------------------------------------------------------------------------
//
// A run of eight weights (IQ3: four) is an entry of a grid: places among three numbers (eight), each with a sign (IQ1: none,
// but all of a run are an eighth higher or lower). Of row r and unit u the tile holds
//   index   the low bytes of the runs' entries, in their order: four bytes, or eight
//   bits    a word of signs: weight i = 4o + 2h + e of the run of eight l is bit 16e + 8o + 4h + l, so that the pair of an mma
//           (e = 0, 1) is 16 bits apart; where the last sign of a run is left out as it makes their number even, its place, the
//           top four bits, has what the file has of four bits: the scale, or the entries' ninth bits
//   high    the file's upper bits of the entries, 0 to 2 bytes
// in the order [pair of units][index, bits, high][row][unit]; then the file's scales and d, a row after the other.
//
// A kernel keeps the grid in shared memory, a nibble a place, from which byte_perm takes the numbers.

struct GridWords {
  unsigned index[2], bits, high;
};

// A row's scales of a tile, up to eight bytes; in registers, so that which of them is wanted need not be known to the compiler.
struct GridScales {
  unsigned low, high;
  __device__ __forceinline__ unsigned byte(int i) const { return (i < 4 ? low : high) >> 8 * (i & 3) & 255; }
  __device__ __forceinline__ unsigned half(int i) const { return (i < 2 ? low : high) >> 16 * (i & 1) & 0xffff; }
};

// The sign that is left out of each of four runs, at their tops.
__device__ __forceinline__ unsigned even_signs(unsigned bits) {
  bits &= 0x0fffffffu;
  unsigned odd = bits ^ bits >> 16;
  odd ^= odd >> 8;
  odd ^= odd >> 4;
  return bits | odd << 28;
}

// What the seven formats say of themselves. RUN weights an entry; INDEX, BITS and HIGH bytes of a row of a unit; SCALES bytes
// of a row of a tile; numbers plus 128 of places 0 … 3 and 4 … 7. SEVEN: signs that are left out.
struct Iq2Numbers {
  static constexpr int RUN = 8, INDEX = 4, BITS = 4;
  static constexpr unsigned LOW = 0x00ab9988u, HIGHER = 0;
};
struct Iq1Numbers {  // eighths, an eighth lower and (places 4 … 6) higher
  static constexpr int RUN = 8, INDEX = 4, BITS = 0, HIGH = 2, ENTRIES = 2048;
  static constexpr unsigned LOW = 0x00877f77u, HIGHER = 0x00898179u;
  static constexpr bool SEVEN = false;
  static __device__ __forceinline__ unsigned entry(int i) { return yz_iq1[i]; }
};

__device__ __forceinline__ unsigned word_at(const u8* p) { return read_u16(p) | read_u16(p + 2) << 16; }

// The seven signs of run l, as they follow each other in the file.
__device__ __forceinline__ unsigned seven_signs(unsigned word, int l) { return word >> 7 * l & 127; }

struct Iq2XxsGrid : Iq2Numbers {
  static constexpr int BLOCK = 66, HIGH = 0, SCALES = 0, GROUPS = 1, ENTRIES = 256;
  static constexpr bool SEVEN = true;
  static __device__ __forceinline__ unsigned entry(int i) { return yz_iq2_xxs[i]; }
  static __device__ __forceinline__ unsigned upper(const GridWords&, int) { return 0; }
  static __device__ __forceinline__ GridWords words(const u8* block, int u) {
    const unsigned w = word_at(block + 2 + 8 * u + 4);
    return {{word_at(block + 2 + 8 * u), 0}, w & 0xf0000000u, 0};
  }
  static __device__ __forceinline__ unsigned signs(const u8* block, int u, int l) {
    return seven_signs(word_at(block + 2 + 8 * u + 4), l);
  }
  static __device__ __forceinline__ float scale(float d, const GridScales&, unsigned bits, unsigned, int, int) {
    return d * (0.5f + (bits >> 28)) * 0.25f;
  }
};
struct Iq2XsGrid : Iq2Numbers {
  static constexpr int BLOCK = 74, HIGH = 0, SCALES = 8, SCALES_AT = 66, GROUPS = 2, ENTRIES = 512;
  static constexpr bool SEVEN = true;
  static __device__ __forceinline__ unsigned entry(int i) { return yz_iq2_xs[i]; }
  static __device__ __forceinline__ unsigned upper(const GridWords& w, int l) { return w.bits >> (28 + l) & 1; }
  static __device__ __forceinline__ unsigned run(const u8* block, int u, int l) { return read_u16(block + 2 + 8 * u + 2 * l); }
  static __device__ __forceinline__ GridWords words(const u8* block, int u) {
    GridWords w = {{0, 0}, 0, 0};
    for (int l = 0; l < 4; l++) {
      w.index[0] |= (run(block, u, l) & 255) << 8 * l;
      w.bits |= (run(block, u, l) >> 8 & 1) << (28 + l);
    }
    return w;
  }
  static __device__ __forceinline__ unsigned signs(const u8* block, int u, int l) { return run(block, u, l) >> 9; }
  static __device__ __forceinline__ float scale(float d, const GridScales& scales, unsigned, unsigned, int u, int half) {
    return d * (0.5f + (scales.byte(u) >> 4 * half & 15)) * 0.25f;
  }
};
struct Iq2SGrid : Iq2Numbers {
  static constexpr int BLOCK = 82, HIGH = 1, SCALES = 8, SCALES_AT = 74, GROUPS = 2, ENTRIES = 1024;
  static constexpr bool SEVEN = false;
  static __device__ __forceinline__ unsigned entry(int i) { return yz_iq2_s[i]; }
  static __device__ __forceinline__ unsigned upper(const GridWords& w, int l) { return w.high >> 2 * l & 3; }
  static __device__ __forceinline__ GridWords words(const u8* block, int u) {
    return {{word_at(block + 2 + 4 * u), 0}, 0, block[66 + u]};
  }
  static __device__ __forceinline__ unsigned signs(const u8* block, int u, int l) { return block[34 + 4 * u + l]; }
  static __device__ __forceinline__ float scale(float d, const GridScales& scales, unsigned bits, unsigned high, int u, int half) {
    return Iq2XsGrid::scale(d, scales, bits, high, u, half);
  }
};
struct Iq3XxsGrid {
  static constexpr int RUN = 4, INDEX = 8, BITS = 4;
  static constexpr int BLOCK = 98, HIGH = 0, SCALES = 0, GROUPS = 1, ENTRIES = 256;
  static constexpr unsigned LOW = 0x9c948c84u, HIGHER = 0xbeb4aca4u;
  static constexpr bool SEVEN = true;
  static __device__ __forceinline__ unsigned entry(int i) { return yz_iq3_xxs[i]; }
  static __device__ __forceinline__ unsigned upper(const GridWords&, int) { return 0; }
  static __device__ __forceinline__ GridWords words(const u8* block, int u) {
    return {{word_at(block + 2 + 8 * u), word_at(block + 6 + 8 * u)}, word_at(block + 66 + 4 * u) & 0xf0000000u, 0};
  }
  static __device__ __forceinline__ unsigned signs(const u8* block, int u, int l) {
    return seven_signs(word_at(block + 66 + 4 * u), l);
  }
  static __device__ __forceinline__ float scale(float d, const GridScales&, unsigned bits, unsigned, int, int) {
    return d * (0.5f + (bits >> 28)) * 0.5f;
  }
};
struct Iq3SGrid {
  static constexpr int RUN = 4, INDEX = 8, BITS = 4;
  static constexpr int BLOCK = 110, HIGH = 1, SCALES = 4, SCALES_AT = 106, GROUPS = 1, ENTRIES = 512;
  static constexpr unsigned LOW = 0x87858381u, HIGHER = 0x8f8d8b89u;
  static constexpr bool SEVEN = false;
  static __device__ __forceinline__ unsigned entry(int i) { return yz_iq3_s[i]; }
  static __device__ __forceinline__ unsigned upper(const GridWords& w, int l) { return w.high >> l & 1; }
  static __device__ __forceinline__ GridWords words(const u8* block, int u) {
    return {{word_at(block + 2 + 8 * u), word_at(block + 6 + 8 * u)}, 0, block[66 + u]};
  }
  static __device__ __forceinline__ unsigned signs(const u8* block, int u, int l) { return block[74 + 4 * u + l]; }
  static __device__ __forceinline__ float scale(float d, const GridScales& scales, unsigned, unsigned, int u, int) {
    return d * (1 + 2 * (scales.byte(u / 2) >> 4 * (u & 1) & 15));
  }
};
struct Iq1SGrid : Iq1Numbers {
  static constexpr int BLOCK = 50, SCALES = 0, GROUPS = 1;
  static __device__ __forceinline__ unsigned upper(const GridWords& w, int l) { return w.high >> 3 * l & 7; }
  static __device__ __forceinline__ bool lower(const GridWords& w, int) { return w.high >> 15 & 1; }
  static __device__ __forceinline__ GridWords words(const u8* block, int u) {
    return {{word_at(block + 2 + 4 * u), 0}, 0, read_u16(block + 34 + 2 * u)};
  }
  static __device__ __forceinline__ unsigned signs(const u8*, int, int) { return 0; }
  static __device__ __forceinline__ float scale(float d, const GridScales&, unsigned, unsigned high, int, int) {
    return d * (2 * (high >> 12 & 7) + 1) * 0.125f;
  }
};
struct Iq1MGrid : Iq1Numbers {
  static constexpr int BLOCK = 56, SCALES = 8, SCALES_AT = 48, GROUPS = 2;
  static __device__ __forceinline__ unsigned upper(const GridWords& w, int l) { return w.high >> 4 * l & 7; }
  static __device__ __forceinline__ bool lower(const GridWords& w, int l) { return w.high >> (4 * l + 3) & 1; }
  static __device__ __forceinline__ GridWords words(const u8* block, int u) {
    return {{word_at(block + 4 * u), 0}, 0, read_u16(block + 32 + 2 * u)};
  }
  static __device__ __forceinline__ unsigned signs(const u8*, int, int) { return 0; }
  // d is what the upper four bits of the four words of scales make.
  static __device__ __forceinline__ float scale(float, const GridScales& scales, unsigned, unsigned, int u, int half) {
    const unsigned bits =
        scales.half(0) >> 12 | (scales.half(1) >> 8 & 0xf0) | (scales.half(2) >> 4 & 0xf00) | (scales.half(3) & 0xf000);
    return half_float((u16)bits) * (2 * (scales.half(u / 2) >> (6 * (u & 1) + 3 * half) & 7) + 1) * 0.125f;
  }
};

template <class F>
struct Grid {
  using Numbers = F;
  static constexpr int TILE_K = 256, UNITS = 8, BYTES = 16 * F::BLOCK, GROUPS = F::GROUPS, CHUNK = 8;
  static constexpr bool MINIMUM = false, SCALED = true;
  static constexpr bool HAS_D = F::BLOCK != 8 * (F::INDEX + F::BITS + F::HIGH) + F::SCALES;
  // A pair of units, and where its parts and the tile's lie.
  static constexpr int PAIR = 32 * (F::INDEX + F::BITS + F::HIGH), BITS_AT = 32 * F::INDEX, HIGH_AT = BITS_AT + 32 * F::BITS;
  static constexpr int HEADER = 4 * PAIR, D_AT = HEADER + 16 * F::SCALES;
  static constexpr int PLACES = F::RUN == 8 ? 2 * F::ENTRIES : F::ENTRIES;  // fours of places in shared memory

  // Two units of a row. index[unit][i]
  struct Two {
    unsigned index[2][F::INDEX / 4];
    unsigned bits[F::BITS ? 2 : 1];
    unsigned high;
    template <class Load>
    __device__ __forceinline__ void take(const u8* pair, int r, Load load) {
      const u8* at = pair + 2 * F::INDEX * r;
      if constexpr (F::INDEX == 8) {
        const uint4 v = load(reinterpret_cast<const uint4*>(at));
        index[0][0] = v.x;
        index[0][F::INDEX / 4 - 1] = v.y;
        index[1][0] = v.z;
        index[1][F::INDEX / 4 - 1] = v.w;
      } else {
        const uint2 v = load(reinterpret_cast<const uint2*>(at));
        index[0][0] = v.x;
        index[1][0] = v.y;
      }
      bits[0] = 0;
      if constexpr (F::BITS > 0) {
        const uint2 v = load(reinterpret_cast<const uint2*>(pair + BITS_AT + 8 * r));
        bits[0] = v.x;
        bits[1] = v.y;
      }
      high = 0;
      if constexpr (F::HIGH == 1) high = load(reinterpret_cast<const u16*>(pair + HIGH_AT + 2 * r));
      if constexpr (F::HIGH == 2) high = load(reinterpret_cast<const unsigned*>(pair + HIGH_AT + 4 * r));
    }
    __device__ __forceinline__ GridWords words(int u) const {
      GridWords w;
      w.index[0] = index[u][0];
      w.index[1] = index[u][F::INDEX / 4 - 1];
      w.bits = bits[F::BITS ? u : 0];
      w.high = high >> 8 * F::HIGH * u;
      return w;
    }
  };

  // As a warp loads a tile: lane (g, c) has pair c of rows g and g + 8.
  struct Raw {
    Two row[2];
  };
  static __device__ __forceinline__ void load(Raw& raw, const u8* tile, int lane, int) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      raw.row[half].take(tile + lane % 4 * PAIR, lane / 4 + 8 * half, [](auto p) { return load_once(p); });
    }
  }
  // Unit u from the lane that has it.
  static __device__ __forceinline__ void codes(const Raw& raw, int u, const u16* grid, unsigned (&a)[2][4]) {
    const int owner = (lane() & ~3) | u / 2;
    GridWords w[2];
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const GridWords own = raw.row[half].words(u & 1);
      w[half].index[0] = shuffle(own.index[0], owner);
      w[half].index[1] = F::INDEX == 8 ? shuffle(own.index[1], owner) : 0;
      w[half].bits = F::BITS > 0 ? shuffle(own.bits, owner) : 0;
    }
    if constexpr (F::HIGH > 0) {  // of both rows at once
      const unsigned both = shuffle(byte_perm(raw.row[0].words(u & 1).high, raw.row[1].words(u & 1).high, 0x5410), owner);
      w[0].high = both & 0xffff;
      w[1].high = both >> 16;
    } else {
      w[0].high = w[1].high = 0;
    }
    decode(w, grid, a);
  }
  // The lane's weights of a unit of rows g and g + 8.
  static __device__ __forceinline__ void decode(const GridWords (&w)[2], const u16* grid, unsigned (&a)[2][4]) {
    const int c = lane() % 4, q = c >> 1, o = c & 1;
#pragma unroll
    for (int half = 0; half < 2; half++) {
      unsigned signs = 0;
      if constexpr (F::BITS > 0) signs = (F::SEVEN ? even_signs(w[half].bits) : w[half].bits) >> (q + 8 * o);
#pragma unroll
      for (int j = 0; j < 2; j++) {
        unsigned places;
        if constexpr (F::RUN == 8) {
          const int l = 2 * j + q;
          const unsigned entry = (w[half].index[0] >> 8 * l & 255) | F::upper(w[half], l) << 8;
          places = grid[2 * entry + o];
          if constexpr (F::BITS == 0) places |= F::lower(w[half], l) ? 0u : 0x4444u;
        } else {
          places = grid[(w[half].index[j] >> 8 * c & 255) | F::upper(w[half], 4 * j + c) << 8];
        }
        offset_bytes_to_half(byte_perm(F::LOW, F::HIGHER, places), a[j][half], a[j][half + 2]);
        if constexpr (F::BITS > 0) {
          a[j][half] ^= signs << (15 - 2 * j) & 0x80008000u;
          a[j][half + 2] ^= signs << (11 - 2 * j) & 0x80008000u;
        }
      }
    }
  }
  // By all threads of a block; a barrier must follow.
  static __device__ __forceinline__ void spread(u16* grid) {
    for (int i = threadIdx.x; i < F::ENTRIES; i += blockDim.x) {
      const unsigned e = F::entry(i);
      if constexpr (F::RUN == 8) {
        unsigned x = (e & 0xff) | (e & 0xff00) << 8;
        x = (x | x << 4) & 0x0f0f0f0fu;
        reinterpret_cast<unsigned*>(grid)[i] = (x | x << 2) & 0x33333333u;
      } else {
        grid[i] = (u16)((e & 7) | (e & 0x38) << 1 | (e & 0x1c0) << 2 | (e & 0xe00) << 3);
      }
    }
  }

  static __device__ __forceinline__ GridWords words_of(const u8* tile, int r, int u) {
    const u8* pair = tile + u / 2 * PAIR;
    const int at = 2 * r + (u & 1);
    const unsigned* index = reinterpret_cast<const unsigned*>(pair + F::INDEX * at);
    GridWords w = {{index[0], F::INDEX == 8 ? index[F::INDEX / 4 - 1] : 0}, 0, 0};
    if constexpr (F::BITS > 0) w.bits = reinterpret_cast<const unsigned*>(pair + BITS_AT)[at];
    if constexpr (F::HIGH == 1) w.high = pair[HIGH_AT + at];
    if constexpr (F::HIGH == 2) w.high = read_u16(pair + HIGH_AT + 2 * at);
    return w;
  }
  static __device__ __forceinline__ GridScales scales_of(const u8* tile, int r) {
    GridScales s = {0, 0};
    if constexpr (F::SCALES > 0) {
      const unsigned* words = reinterpret_cast<const unsigned*>(tile + HEADER + F::SCALES * r);
      s.low = words[0];
      if constexpr (F::SCALES > 4) s.high = words[1];
    }
    return s;
  }
  static __device__ __forceinline__ float d_of(const u8* tile, int r) {
    return HAS_D ? half_float((u16)read_u16(tile + D_AT + 2 * r)) : 0;
  }
  static __device__ __forceinline__ Affine affine(const u8* tile, int r, int group) {
    const int u = group / GROUPS;
    const GridWords w = words_of(tile, r, u);
    return {F::scale(d_of(tile, r), scales_of(tile, r), w.bits, w.high, u, group % GROUPS), 0};
  }
  static __device__ __forceinline__ float weight(const u8* tile, int r, int kk) {
    const int u = kk / UNIT, i = kk % 8, l = kk % UNIT / 8;
    const GridWords w = words_of(tile, r, u);
    unsigned place;
    if constexpr (F::RUN == 8) {
      place = F::entry((w.index[0] >> 8 * l & 255) | F::upper(w, l) << 8) >> 2 * i & 3;
      if constexpr (F::BITS == 0) place |= F::lower(w, l) ? 0 : 4;
    } else {
      const int run = kk % UNIT / 4;
      place = F::entry(((run < 4 ? w.index[0] : w.index[1]) >> 8 * (run % 4) & 255) | F::upper(w, run) << 8) >> 3 * (i & 3) & 7;
    }
    int number = (int)(byte_perm(F::LOW, F::HIGHER, place) & 255) - 128;
    if constexpr (F::BITS > 0) {
      const unsigned signs = F::SEVEN ? even_signs(w.bits) : w.bits;
      if (signs >> sign_at(l, i) & 1) number = -number;
    }
    return affine(tile, r, u * GROUPS + (GROUPS == 2 ? l / 2 : 0)).scale * number;
  }
  static __device__ __forceinline__ int sign_at(int l, int i) { return 16 * (i & 1) + 8 * (i >> 2) + 4 * (i >> 1 & 1) + l; }

  // Row r of unit u of a tile from its block of the file.
  static __device__ __forceinline__ void pack(u8* tile, int r, int u, const u8* block) {
    GridWords w = {{0, 0}, 0, 0};
    if (block) {
      w = F::words(block, u);
      for (int l = 0; l < 4; l++) {
        for (int i = 0; i < (F::SEVEN ? 7 : 8); i++) w.bits |= (F::signs(block, u, l) >> i & 1) << sign_at(l, i);
      }
    }
    u8* pair = tile + u / 2 * PAIR;
    for (int i = 0; i < F::INDEX; i++) pair[F::INDEX * (2 * r + (u & 1)) + i] = (u8)(w.index[i / 4] >> 8 * (i % 4));
    for (int i = 0; i < F::BITS; i++) pair[BITS_AT + F::BITS * (2 * r + (u & 1)) + i] = (u8)(w.bits >> 8 * i);
    for (int i = 0; i < F::HIGH; i++) pair[HIGH_AT + F::HIGH * (2 * r + (u & 1)) + i] = (u8)(w.high >> 8 * i);
  }
  static __device__ __forceinline__ void header(u8* tile, int r, const u8* block) {
    if constexpr (F::SCALES > 0) {
      for (int i = 0; i < F::SCALES; i++) tile[HEADER + F::SCALES * r + i] = block ? block[F::SCALES_AT + i] : 0;
    }
    if constexpr (HAS_D) {
      for (int i = 0; i < 2; i++) tile[D_AT + 2 * r + i] = block ? block[i] : 0;
    }
  }
};
using Iq1S = Grid<Iq1SGrid>;
using Iq1M = Grid<Iq1MGrid>;
using Iq2Xxs = Grid<Iq2XxsGrid>;
using Iq2Xs = Grid<Iq2XsGrid>;
using Iq2S = Grid<Iq2SGrid>;
using Iq3Xxs = Grid<Iq3XxsGrid>;
using Iq3S = Grid<Iq3SGrid>;

template <class F>
constexpr bool IS_GRID<Grid<F>> = true;

// ---- four-bit floats ------------------------------------------------------------------------------------------------

// Eight e2m1 of a lane, pair a at bits 4a and 4a + 16, to F16: a code's bits are, as those of F16, its value over 2^14.
__device__ __forceinline__ void e2m1_to_half(unsigned q, unsigned (&a)[4]) {
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const unsigned s = q << (12 - 4 * i);
    const unsigned m = i < 3 ? q << (9 - 4 * i) : q >> 3;
    a[i] = half2_mul((s & 0x80008000u) | (m & 0x0e000e00u), 0x74007400u);
  }
}
__device__ __forceinline__ float e2m1_float(unsigned code) {
  return half_float((u16)((code & 8) << 12 | (code & 7) << 9)) * 16384;
}

// 2^(e − 127)
__device__ __forceinline__ float e8m0_float(unsigned e) { return bits_float(e == 0 ? 0x00400000u : e << 23); }
// float8_e4m3fn without its sign; 0x7f is 0.
__device__ __forceinline__ float ue4m3_float(unsigned code) {
  const unsigned bits = code & 0x7f;
  return code == 0x7f ? 0 : bits_float(bits << 20) * bits_float((127u + 120) << 23);
}

// SIZE weights a block with a scale each GROUP of them, whose bytes come first; nibbles of a half of a group, low ones first.
template <int SIZE>
struct Fp4 {
  static constexpr bool MX = SIZE == 32;
  static constexpr int SCALES = MX ? 1 : 4, BLOCK = SCALES + SIZE / 2;
  static constexpr int TILE_K = SIZE, UNITS = SIZE / 32, BYTES = 16 * BLOCK, GROUPS = MX ? 1 : 2, CHUNK = 8;
  static constexpr bool MINIMUM = false, SCALED = true;
  static constexpr int HEADER = 256 * UNITS;
  struct Raw {
    uint2 q[CHUNK];
  };
  static __device__ __forceinline__ const uint2* unit_at(const u8* tile, int u) {
    return reinterpret_cast<const uint2*>(tile + (int64_t)(u / UNITS) * BYTES + u % UNITS * 256);
  }
  static __device__ __forceinline__ void load(Raw& raw, const u8* tile, int lane, int valid) {
#pragma unroll
    for (int i = 0; i < CHUNK; i++) raw.q[i] = i < valid ? load_once(unit_at(tile, i) + lane) : make_uint2(0, 0);
  }
  static __device__ __forceinline__ void codes(const Raw& raw, int u, unsigned (&a)[2][4]) {
    e2m1_to_half(raw.q[u].x, a[0]);
    e2m1_to_half(raw.q[u].y, a[1]);
  }
  static __device__ __forceinline__ float scale(unsigned code) { return MX ? e8m0_float(code) : ue4m3_float(code); }
  static __device__ __forceinline__ Affine affine(const u8* tile, int r, int group) {
    return {scale(tile[HEADER + SCALES * r + group]), 0};
  }
  static __device__ __forceinline__ float weight(const u8* tile, int r, int kk) {
    const Place p = place_of(r, kk % UNIT);
    const unsigned* words = reinterpret_cast<const unsigned*>(tile + kk / UNIT * 256);
    return affine(tile, r, MX ? 0 : kk / 16).scale * e2m1_float(words[2 * p.lane + p.j] >> (4 * p.a + 16 * p.e) & 15);
  }
  static __device__ __forceinline__ unsigned code(const u8* block, int kk) {
    constexpr int RUN = MX ? 16 : 8;  // bytes of a group
    return block[SCALES + kk / (2 * RUN) * RUN + kk % RUN] >> 4 * (kk / RUN & 1) & 15;
  }
  static __device__ __forceinline__ void put(u8* tile, int u, int lane, int j, const unsigned (&q)[8]) {
    unsigned word = 0;
    for (int i = 0; i < 8; i++) word |= q[i] << (4 * (i / 2) + 16 * (i & 1));
    reinterpret_cast<unsigned*>(tile + 256 * u)[2 * lane + j] = word;
  }
  static __device__ __forceinline__ void header(u8* tile, int r, const u8* block) {
    for (int i = 0; i < SCALES; i++) tile[HEADER + SCALES * r + i] = block ? block[i] : 0;
  }
};
using Mxfp4 = Fp4<32>;
using Nvfp4 = Fp4<64>;

// ---- two bits, and three ---------------------------------------------------------------------------------------------

// A lane's sixteen of a unit, pair i at bits 2i and 2i + 16, with higher bits ORed in by `more(i)`; less `bias` (as 1024 + b).
template <class More>
__device__ __forceinline__ void twos_to_half(unsigned q, unsigned bias, unsigned (&a)[2][4], More more) {
#pragma unroll
  for (int i = 0; i < 8; i++) a[i / 4][i % 4] = half2_sub((q >> 2 * i & 0x00030003u) | more(i) | H1024, bias);
}

// −1, 0, 1, 2. SIZE weights a block, of one scale. A lane's sixteen of a unit are a word: weight (j, a, e) at bit
// 16e + 2·(4j + a); four units (of blocks of 64: two) lie together.
template <int SIZE>
struct TwoBit {
  static constexpr int BLOCK = 2 + SIZE / 4;
  static constexpr int TILE_K = SIZE, UNITS = SIZE / 32, BYTES = 16 * BLOCK, GROUPS = 1, CHUNK = 8;
  static constexpr bool MINIMUM = false, SCALED = true;
  static constexpr int HEADER = 128 * UNITS;
  struct Raw {
    unsigned q[CHUNK];
  };
  static __device__ __forceinline__ int word_of(int u, int lane) {
    return SIZE == 64 ? 2 * lane + u : (u / 4 * 32 + lane) * 4 + u % 4;
  }
  static __device__ __forceinline__ void load(Raw& raw, const u8* tile, int lane, int valid) {
    if constexpr (SIZE == 64) {
#pragma unroll
      for (int i = 0; i < CHUNK; i += 2) {
        const uint2* at = reinterpret_cast<const uint2*>(tile + (int64_t)(i / 2) * BYTES) + lane;
        const uint2 v = i < valid ? load_once(at) : make_uint2(0, 0);
        raw.q[i] = v.x;
        raw.q[i + 1] = v.y;
      }
    } else {
#pragma unroll
      for (int i = 0; i < CHUNK; i += 4) {
        const uint4 v = load_once(reinterpret_cast<const uint4*>(tile) + 8 * i + lane);
        raw.q[i] = v.x;
        raw.q[i + 1] = v.y;
        raw.q[i + 2] = v.z;
        raw.q[i + 3] = v.w;
      }
    }
  }
  static __device__ __forceinline__ void step(unsigned q, unsigned (&a)[2][4]) {
    twos_to_half(q, H1024 | 0x00010001u, a, [](int) { return 0u; });
  }
  static __device__ __forceinline__ void codes(const Raw& raw, int u, unsigned (&a)[2][4]) { step(raw.q[u], a); }
  static __device__ __forceinline__ Affine affine(const u8* tile, int r, int) {
    return {half_float((u16)read_u16(tile + HEADER + 2 * r)), 0};
  }
  // The two bits of a weight.
  static __device__ __forceinline__ unsigned bits_at(const u8* tile, int r, int kk) {
    const Place p = place_of(r, kk % UNIT);
    const unsigned word = reinterpret_cast<const unsigned*>(tile)[word_of(kk / UNIT, p.lane)];
    return word >> (16 * p.e + 2 * (4 * p.j + p.a)) & 3;
  }
  static __device__ __forceinline__ float weight(const u8* tile, int r, int kk) {
    return affine(tile, r, 0).scale * ((int)bits_at(tile, r, kk) - 1);
  }
  static __device__ __forceinline__ unsigned code(const u8* block, int kk) {
    return SIZE == 64 ? block[2 + kk / 4] >> 2 * (kk % 4) & 3 : block[32 * (kk / 128) + kk % 32] >> 2 * (kk / 32 % 4) & 3;
  }
  static __device__ __forceinline__ void put(u8* tile, int u, int lane, int j, const unsigned (&q)[8]) {
    unsigned& word = reinterpret_cast<unsigned*>(tile)[word_of(u, lane)];
    unsigned bits = j == 0 ? 0 : word;
    for (int i = 0; i < 8; i++) bits |= q[i] << (16 * (i & 1) + 2 * (4 * j + i / 2));
    word = bits;
  }
  static __device__ __forceinline__ void header(u8* tile, int r, const u8* block) {
    for (int i = 0; i < 2; i++) tile[HEADER + 2 * r + i] = block ? block[(SIZE == 64 ? 0 : 64) + i] : 0;
  }
};
using Q20 = TwoBit<64>;
using Tq20 = TwoBit<256>;

// Sixteens with a scale and a minimum of four bits each. The codes lie as those of blocks of 256 above; then the rows' bytes of
// scale and minimum; then d and dmin.
struct Q2K {
  using Low = TwoBit<256>;
  static constexpr int BLOCK = 84, UNITS = 8, TILE_K = 256, BYTES = 16 * BLOCK, GROUPS = 2, CHUNK = 8;
  static constexpr bool MINIMUM = true, SCALED = true;
  static constexpr int HEADER = 1024, D_AT = HEADER + 256;
  using Raw = Low::Raw;
  static __device__ __forceinline__ int word_of(int u, int lane) { return Low::word_of(u, lane); }
  static __device__ __forceinline__ void load(Raw& raw, const u8* tile, int lane, int valid) { Low::load(raw, tile, lane, valid); }
  static __device__ __forceinline__ void step(unsigned q, unsigned (&a)[2][4]) {
    twos_to_half(q, H1024, a, [](int) { return 0u; });
  }
  static __device__ __forceinline__ void codes(const Raw& raw, int u, unsigned (&a)[2][4]) { step(raw.q[u], a); }
  static __device__ __forceinline__ Affine affine_of(unsigned d, unsigned own) {
    return {half_float(d & 0xffff) * (own & 15), half_float(d >> 16) * (own >> 4 & 15)};
  }
  static __device__ __forceinline__ Affine affine(const u8* tile, int r, int group) {
    return affine_of(reinterpret_cast<const unsigned*>(tile + D_AT)[r], tile[HEADER + 16 * r + group]);
  }
  static __device__ __forceinline__ float weight(const u8* tile, int r, int kk) {
    const Affine f = affine(tile, r, kk / 16);
    return f.scale * Low::bits_at(tile, r, kk) - f.minimum;
  }
  static __device__ __forceinline__ unsigned code(const u8* block, int kk) { return Low::code(block + 16, kk); }
  static __device__ __forceinline__ void put(u8* tile, int u, int lane, int j, const unsigned (&q)[8]) {
    Low::put(tile, u, lane, j, q);
  }
  static __device__ __forceinline__ void header(u8* tile, int r, const u8* block) {
    for (int i = 0; i < 16; i++) tile[HEADER + 16 * r + i] = block ? block[i] : 0;
    for (int i = 0; i < 4; i++) tile[D_AT + 4 * r + i] = block ? block[80 + i] : 0;
  }
};

// Sixteens with a scale of six bits each. The lower two bits of the codes lie as above; the third of weight (j, a, e) of unit u
// at bit 16·(u % 2) + 8e + 4j + a of word u / 2 of the lane's four; then the rows' twelve bytes of scales; then d.
struct Q3K {
  using Low = TwoBit<256>;
  static constexpr int BLOCK = 110, UNITS = 8, TILE_K = 256, BYTES = 16 * BLOCK, GROUPS = 2, CHUNK = 8;
  static constexpr bool MINIMUM = false, SCALED = true;
  static constexpr int HIGH = 1024, HEADER = 1536, D_AT = HEADER + 192;
  struct Raw {
    Low::Raw low;
    uint4 high;
  };
  static __device__ __forceinline__ int word_of(int u, int lane) { return Low::word_of(u, lane); }
  static __device__ __forceinline__ void load(Raw& raw, const u8* tile, int lane, int valid) {
    Low::load(raw.low, tile, lane, valid);
    raw.high = load_once(reinterpret_cast<const uint4*>(tile + HIGH) + lane);
  }
  static __device__ __forceinline__ void step(unsigned q, unsigned high, int u, unsigned (&a)[2][4]) {
    const unsigned h = u & 1 ? high >> 16 : high;
    const unsigned spread = (h & 0xff) | (h & 0xff00) << 8;
    twos_to_half(q, H1024 | 0x00040004u, a, [=](int i) { return (i <= 2 ? spread << (2 - i) : spread >> (i - 2)) & 0x00040004u; });
  }
  static __device__ __forceinline__ void codes(const Raw& raw, int u, unsigned (&a)[2][4]) {
    step(raw.low.q[u], u / 2 == 0 ? raw.high.x : u / 2 == 1 ? raw.high.y : u / 2 == 2 ? raw.high.z : raw.high.w, u, a);
  }
  // The scales of groups 4c … 4c + 3, a byte each, of which six bits count.
  static __device__ __forceinline__ unsigned scales_of(const unsigned* header, int c) {
    return (header[c & 1] >> 4 * (c >> 1) & 0x0f0f0f0fu) | (header[2] >> 2 * c & 0x03030303u) << 4;
  }
  static __device__ __forceinline__ Affine affine_of(unsigned d, unsigned own) {
    return {half_float((u16)d) * ((int)(own & 63) - 32), 0};
  }
  static __device__ __forceinline__ Affine affine(const u8* tile, int r, int group) {
    const unsigned own = scales_of(reinterpret_cast<const unsigned*>(tile + HEADER + 12 * r), group / 4);
    return affine_of(read_u16(tile + D_AT + 2 * r), own >> 8 * (group % 4));
  }
  static __device__ __forceinline__ float weight(const u8* tile, int r, int kk) {
    const int u = kk / UNIT;
    const Place p = place_of(r, kk % UNIT);
    const unsigned high = read_u16(tile + HIGH + 16 * p.lane + 2 * u) >> (8 * p.e + 4 * p.j + p.a) & 1;
    return affine(tile, r, kk / 16).scale * ((int)(Low::bits_at(tile, r, kk) | high << 2) - 4);
  }
  static __device__ __forceinline__ unsigned code(const u8* block, int kk) {
    return Low::code(block + 32, kk) | (block[kk % 32] >> kk / 32 & 1) << 2;
  }
  static __device__ __forceinline__ void put(u8* tile, int u, int lane, int j, const unsigned (&q)[8]) {
    Low::put(tile, u, lane, j, {q[0] & 3, q[1] & 3, q[2] & 3, q[3] & 3, q[4] & 3, q[5] & 3, q[6] & 3, q[7] & 3});
    u16& high = *reinterpret_cast<u16*>(tile + HIGH + 16 * lane + 2 * u);
    unsigned bits = j == 0 ? 0 : high;
    for (int i = 0; i < 8; i++) bits |= (q[i] >> 2) << (8 * (i & 1) + 4 * j + i / 2);
    high = (u16)bits;
  }
  // Rows and columns beyond the matrix have scales of no weight: d is zero.
  static __device__ __forceinline__ void header(u8* tile, int r, const u8* block) {
    for (int i = 0; i < 12; i++) tile[HEADER + 12 * r + i] = block ? block[96 + i] : 0;
    for (int i = 0; i < 2; i++) tile[D_AT + 2 * r + i] = block ? block[108 + i] : 0;
  }
};

#define LOW_BIT_TYPES(X)                                                                                             \
  X(iq1_s, Iq1S) X(iq1_m, Iq1M) X(iq2_xxs, Iq2Xxs) X(iq2_xs, Iq2Xs) X(iq2_s, Iq2S) X(iq3_xxs, Iq3Xxs) X(iq3_s, Iq3S) \
  X(mxfp4, Mxfp4) X(nvfp4, Nvfp4) X(q2_0, Q20) X(tq2_0, Tq20) X(q2_k, Q2K) X(q3_k, Q3K)

}  // namespace yuzui
