/* From a file's rows to strips. */
#include <string.h>

#include "pack.h"
#include "yuzui_cpu.h"

typedef struct {
  int columns; /* of a tile */
  int tile;    /* bytes */
  int block;   /* bytes of a row's tile in a file */
} Layout;

static const Layout LAYOUTS[YZ_TYPES] = {
    [YZ_Q4_0] = {32, YZ_Q4_0_TILE, sizeof(block_q4_0)},    [YZ_Q4_1] = {32, YZ_Q4_1_TILE, sizeof(block_q4_1)},
    [YZ_Q5_0] = {32, YZ_Q5_0_TILE, sizeof(block_q5_0)},    [YZ_Q5_1] = {32, YZ_Q5_1_TILE, sizeof(block_q5_1)},
    [YZ_Q8_0] = {32, YZ_Q8_0_TILE, sizeof(block_q8_0)},    [YZ_IQ4_NL] = {32, YZ_Q4_0_TILE, sizeof(block_iq4_nl)},
    [YZ_Q4_K] = {256, YZ_Q4_K_TILE, sizeof(block_q4_k)},   [YZ_Q5_K] = {256, YZ_Q5_K_TILE, sizeof(block_q5_k)},
    [YZ_Q6_K] = {256, YZ_Q6_K_TILE, sizeof(block_q6_k)},   [YZ_IQ4_XS] = {256, YZ_IQ4_XS_TILE, sizeof(block_iq4_xs)},
    [YZ_IQ1_S] = {256, 32 + 8 * YZ_IQ1_S_GROUP, sizeof(block_iq1_s)},
    [YZ_IQ1_M] = {256, 32 + 8 * YZ_IQ1_M_GROUP, sizeof(block_iq1_m)},
    [YZ_IQ2_XXS] = {256, 32 + 8 * YZ_IQ2_XXS_GROUP, sizeof(block_iq2_xxs)},
    [YZ_IQ2_XS] = {256, 32 + 8 * YZ_IQ2_S_GROUP, sizeof(block_iq2_xs)},
    [YZ_IQ2_S] = {256, 32 + 8 * YZ_IQ2_S_GROUP, sizeof(block_iq2_s)},
    [YZ_IQ3_XXS] = {256, 32 + 8 * YZ_IQ3_XXS_GROUP, sizeof(block_iq3_xxs)},
    [YZ_IQ3_S] = {256, 32 + 8 * YZ_IQ3_S_GROUP, sizeof(block_iq3_s)},
    [YZ_TQ1_0] = {256, 32 + 8 * YZ_TQ2_0_GROUP, sizeof(block_tq1_0)},
    [YZ_TQ2_0] = {256, 32 + 8 * YZ_TQ2_0_GROUP, sizeof(block_tq2_0)},
    [YZ_Q2_K] = {256, 64 + 8 * YZ_Q2_K_GROUP, sizeof(block_q2_k)},
    [YZ_Q3_K] = {256, 32 + 8 * YZ_Q3_K_GROUP, sizeof(block_q3_k)},
    [YZ_Q1_0] = {128, 32 + 4 * YZ_Q1_0_GROUP, sizeof(block_q1_0)},
    [YZ_Q2_0] = {64, 32 + 2 * YZ_TQ2_0_GROUP, sizeof(block_q2_0)},
    [YZ_MXFP4] = {32, YZ_MXFP4_GROUP, sizeof(block_mxfp4)}, [YZ_NVFP4] = {64, 2 * YZ_NVFP4_GROUP, sizeof(block_nvfp4)},
    [YZ_BF16] = {32, YZ_16_TILE, 64},                      [YZ_F16] = {32, YZ_16_TILE, 64},
    [YZ_FP8] = {32, YZ_FP8_TILE, 32},
};

int64_t yz_packed_bytes(int type, int64_t rows, int64_t cols) {
  const Layout* l = &LAYOUTS[type];
  return (rows + YZ_ROWS - 1) / YZ_ROWS * ((cols + l->columns - 1) / l->columns) * l->tile;
}

/* Six-bit scales and minima of Q4_K and Q5_K, as bytes: four of a row in a word. */
static void six_bit(uint8_t* scales, uint8_t* minima, const uint8_t* const* rows) {
  uint32_t w[4][YZ_ROWS], low[2][YZ_ROWS], high[2][YZ_ROWS];
  yz_spread((uint8_t*)w, 64, rows, 4, 4);
  EACH_ROW {
    low[0][r] = w[0][r] & 0x3f3f3f3f;
    low[1][r] = w[1][r] & 0x3f3f3f3f;
    high[0][r] = (w[2][r] & 0x0f0f0f0f) | (w[0][r] >> 2 & 0x30303030);
    high[1][r] = (w[2][r] >> 4 & 0x0f0f0f0f) | (w[1][r] >> 2 & 0x30303030);
  }
  yz_spread_bytes(scales, low[0]);
  yz_spread_bytes(scales + 64, high[0]);
  yz_spread_bytes(minima, low[1]);
  yz_spread_bytes(minima + 64, high[1]);
}

/* Of fifth bits, at `from` in a row's block, those of columns c, c + 4, … go to byte c: two times even bits to the lower half, odd ones to the upper. */
static void fifth_bits(uint8_t* to, const uint8_t* const* rows, int from) {
  uint32_t bits[YZ_ROWS];
  EACH_ROW memcpy(&bits[r], rows[r] + from, 4);
  EACH_ROW {
    uint32_t x = bits[r], t;
    for (int twice = 0; twice < 2; twice++) {
      t = (x ^ x >> 1) & 0x22222222, x ^= t ^ t << 1;
      t = (x ^ x >> 2) & 0x0c0c0c0c, x ^= t ^ t << 2;
      t = (x ^ x >> 4) & 0x00f000f0, x ^= t ^ t << 4;
      t = (x ^ x >> 8) & 0x0000ff00, x ^= t ^ t << 8;
    }
    bits[r] = x;
  }
  memcpy(to, bits, sizeof bits);
}

static void f16(uint8_t* to, const uint8_t* const* rows) {
  uint32_t w[YZ_GROUP / 2][YZ_ROWS];
  yz_spread((uint8_t*)w, 64, rows, 0, YZ_GROUP / 2);
  for (int c = 0; c < YZ_GROUP / 2; c++, to += 64) {
    uint16_t first[YZ_ROWS], second[YZ_ROWS];
    EACH_ROW {
      first[r] = (uint16_t)w[c][r];
      second[r] = (uint16_t)(w[c][r] >> 16);
    }
    memcpy(to, first, 32);
    memcpy(to + 32, second, 32);
  }
}

static void tile(int type, const uint8_t* const* rows, uint8_t* to) {
  switch (type) {
    case YZ_Q4_0:
    case YZ_IQ4_NL:
      yz_halves(to, rows, 0);
      yz_spread(to + 32, 64, rows, 2, 4);
      break;
    case YZ_Q5_0:
      yz_halves(to, rows, 0);
      yz_spread(to + 32, 64, rows, 6, 4);
      fifth_bits(to + 32 + 256, rows, 2);
      break;
    case YZ_Q4_1:
      yz_halves(to, rows, 0);
      yz_spread(to + 32, 64, rows, 4, 4);
      yz_halves(to + YZ_Q4_1_TILE - 32, rows, 2);
      break;
    case YZ_Q5_1:
      yz_halves(to, rows, 0);
      yz_spread(to + 32, 64, rows, 8, 4);
      fifth_bits(to + 32 + 256, rows, 4);
      yz_halves(to + YZ_Q5_1_TILE - 32, rows, 2);
      break;
    case YZ_Q8_0:
      yz_halves(to, rows, 0);
      yz_spread(to + 32, 64, rows, 2, 8);
      for (int i = 0; i < 512; i++) to[32 + i] ^= 0x80;
      break;
    case YZ_Q4_K:
      yz_halves(to, rows, 0);
      yz_halves(to + 32, rows, 2);
      six_bit(to + 64, to + 192, rows);
      for (int p = 0; p < 4; p++) yz_spread(to + 320 + 64 * p, 256, rows, 16 + 32 * p, 8);
      break;
    case YZ_Q5_K:
      yz_halves(to, rows, 0);
      yz_halves(to + 32, rows, 2);
      six_bit(to + 64, to + 192, rows);
      yz_spread(to + 320, 320, rows, 16, 8);
      for (int p = 0; p < 4; p++) yz_spread(to + 384 + 64 * p, 320, rows, 48 + 32 * p, 8);
      break;
    case YZ_Q6_K:
      yz_halves(to, rows, 208);
      {
        uint32_t scales[4][YZ_ROWS];
        yz_spread((uint8_t*)scales, 64, rows, 192, 4);
        for (int j = 0; j < 4; j++) yz_spread_bytes(to + 32 + 64 * j, scales[j]);
      }
      for (int n = 0; n < 2; n++) {
        yz_spread(to + 320 + 1536 * n, 192, rows, 128 + 32 * n, 8);
        yz_spread(to + 384 + 1536 * n, 192, rows, 64 * n, 8);
        yz_spread(to + 448 + 1536 * n, 192, rows, 64 * n + 32, 8);
      }
      break;
    case YZ_IQ4_XS:
      yz_halves(to, rows, 0);
      for (int r = 0; r < YZ_ROWS; r++) {
        const block_iq4_xs* b = (const block_iq4_xs*)rows[r];
        for (int j = 0; j < 8; j++) {
          int s = (b->scales_l[j / 2] >> 4 * (j & 1) & 15) | (b->scales_h >> 2 * j & 3) << 4;
          to[32 + 16 * j + r] = (uint8_t)(s - 32);
        }
      }
      yz_spread(to + 160, 64, rows, 8, 32);
      break;
    case YZ_BF16:
      yz_spread(to, 64, rows, 0, 16);
      break;
    case YZ_F16:
      f16(to, rows);
      break;
    case YZ_FP8:
      yz_spread(to + 64, 64, rows, 0, 8);
      break;
    default:
      yz_pack_few(type, rows, to);
      break;
  }
}

void yz_pack(int type, const uint8_t* file, const float* scales, int64_t rows, int64_t cols, uint8_t* packed) {
  const Layout* l = &LAYOUTS[type];
  const int64_t tiles = (cols + l->columns - 1) / l->columns;
  const int64_t whole = cols / l->columns;
  const int64_t row_bytes = whole * l->block + cols % l->columns * (l->block / l->columns);
  static const uint8_t zeros[256]; /* a row beyond the last */
  for (int64_t first = 0; first < rows; first += YZ_ROWS) {
    for (int64_t t = 0; t < tiles; t++, packed += l->tile) {
      const uint8_t* from[YZ_ROWS];
      uint8_t part[YZ_ROWS][64]; /* the last columns of a row of numbers, padded */
      for (int r = 0; r < YZ_ROWS; r++) {
        from[r] = first + r < rows ? file + (first + r) * row_bytes + t * l->block : zeros;
        if (t == whole && first + r < rows) {
          int64_t left = row_bytes - t * l->block;
          memset(part[r], 0, sizeof part[r]);
          memcpy(part[r], from[r], (size_t)left);
          from[r] = part[r];
        }
      }
      tile(type, from, packed);
      if (type == YZ_FP8) {
        float s = scales[t / 4];
        for (int r = 0; r < YZ_ROWS; r++) memcpy(packed + 4 * r, &s, 4);
      }
    }
  }
}
