/* From a file's rows to strips: formats of few bits. strips.h says how they lie. */
#include "../common/grids.h"
#include "pack.h"

static void byte_of_each(uint8_t* to, const uint8_t* const* rows, int at) { EACH_ROW to[r] = rows[r][at]; }

static uint32_t word_at(const uint8_t* p) {
  uint32_t w;
  memcpy(&w, p, 4);
  return w;
}

/* Four scales of 28 bits of signs and four of scale, whose half is the unit: 2·s + 1. */
static void packed_signs(uint8_t* scales, uint8_t* signs, const uint8_t* const* rows, int at) {
  EACH_ROW {
    const uint32_t bits = word_at(rows[r] + at);
    scales[r] = (uint8_t)(2 * (bits >> 28) + 1);
    for (int l = 0; l < 4; l++) signs[16 * l + r] = yz_eight_signs(bits >> 7 * l & 127);
  }
}

static void iq1(int type, const uint8_t* const* rows, uint8_t* to) {
  EACH_ROW {
    const uint8_t* b = rows[r];
    if (type == YZ_IQ1_S) {
      memcpy(to + 2 * r, b, 2);
    } else {
      const uint16_t* words = (const uint16_t*)(b + 48);
      const uint16_t d = (uint16_t)(words[0] >> 12 | (words[1] >> 8 & 0xf0) | (words[2] >> 4 & 0xf00) | (words[3] & 0xf000));
      memcpy(to + 2 * r, &d, 2);
    }
  }
  to += 32;
  for (int i = 0; i < 8; i++) {
    if (type == YZ_IQ1_M) {
      EACH_ROW to[r] = (uint8_t)(((const uint16_t*)(rows[r] + 48))[i / 2] >> 6 * (i & 1) & 63);
      to += 16;
    }
    yz_halves(to, rows, (type == YZ_IQ1_S ? 34 : 32) + 2 * i);
    to += 32;
    for (int l = 0; l < 4; l++, to += 16) byte_of_each(to, rows, (type == YZ_IQ1_S ? 2 : 0) + 4 * i + l);
  }
}

static void iq2(int type, const uint8_t* const* rows, uint8_t* to) {
  yz_halves(to, rows, 0);
  to += 32;
  for (int i = 0; i < 8; i++) {
    if (type == YZ_IQ2_XXS) {
      packed_signs(to, to + 80, rows, 6 + 8 * i);
      for (int l = 0; l < 4; l++) byte_of_each(to + 16 + 16 * l, rows, 2 + 8 * i + l);
      to += YZ_IQ2_XXS_GROUP;
      continue;
    }
    byte_of_each(to, rows, (type == YZ_IQ2_XS ? 66 : 74) + i);
    EACH_ROW {
      const uint8_t* b = rows[r];
      uint8_t high = type == YZ_IQ2_XS ? 0 : b[66 + i];
      for (int l = 0; l < 4; l++) {
        if (type == YZ_IQ2_XS) {
          const uint8_t* q = b + 2 + 8 * i + 2 * l;
          high |= (uint8_t)((q[1] & 1) << 2 * l);
          to[32 + 16 * l + r] = q[0];
          to[96 + 16 * l + r] = yz_eight_signs(q[1] >> 1);
        } else {
          to[32 + 16 * l + r] = b[2 + 4 * i + l];
          to[96 + 16 * l + r] = b[34 + 4 * i + l];
        }
      }
      to[16 + r] = high;
    }
    to += YZ_IQ2_S_GROUP;
  }
}

static void iq3_xxs(const uint8_t* const* rows, uint8_t* to) {
  yz_halves(to, rows, 0);
  to += 32;
  for (int i = 0; i < 8; i++, to += YZ_IQ3_XXS_GROUP) {
    packed_signs(to, to + 144, rows, 66 + 4 * i);
    for (int l = 0; l < 8; l++) byte_of_each(to + 16 + 16 * l, rows, 2 + 8 * i + l);
  }
}

/* Not as indices of nine bits: their look-ups take four times as long as codes, which are a quarter more. */
static void iq3_s(const uint8_t* const* rows, uint8_t* to) {
  yz_halves(to, rows, 0);
  to += 32;
  for (int i = 0; i < 8; i++, to += YZ_IQ3_S_GROUP) {
    memset(to + 16, 0, 256);
    EACH_ROW {
      const uint8_t* b = rows[r];
      to[r] = (uint8_t)(2 * (b[106 + i / 2] >> 4 * (i & 1) & 15) + 1);
      for (int l = 0; l < 8; l++) {
        const unsigned entry = yz_iq3_s[b[2 + 8 * i + l] | (b[66 + i] >> l & 1) << 8];
        const unsigned signs = b[74 + 4 * i + l / 2] >> 4 * (l & 1);
        for (int j = 0; j < 4; j++) {
          to[16 + 64 * (l % 4) + 4 * r + j] |= (uint8_t)(((entry >> 3 * j & 7) | (signs >> j & 1) << 3) << 4 * (l / 4));
        }
      }
    }
  }
}

/* Codes of two bits, eight groups: those of four lie in the bits of the same 32 bytes, from `at` on. They go `stride` bytes apart. */
static void groups_of_two_bits(uint8_t* to, int stride, const uint8_t* const* rows, int at) {
  for (int half = 0; half < 2; half++) {
    uint32_t w[8][YZ_ROWS];
    yz_spread((uint8_t*)w, 64, rows, at + 32 * half, 8);
    for (int g = 0; g < 4; g++, to += stride) {
      uint32_t quads[2][YZ_ROWS] = {{0}};
      for (int q = 0; q < 8; q++) EACH_ROW quads[q / 4][r] |= (w[q][r] >> 2 * g & 0x03030303) << 2 * (q % 4);
      memcpy(to, quads, sizeof quads);
    }
  }
}

/* The 16 bytes of each row from `at` on, one behind the other. */
static void scales_of_16(uint8_t to[16][YZ_ROWS], const uint8_t* const* rows, int at) {
  uint32_t w[4][YZ_ROWS];
  yz_spread((uint8_t*)w, 64, rows, at, 4);
  for (int j = 0; j < 4; j++) yz_spread_bytes(to[4 * j], w[j]);
}

/* Codes of two bits, `column` of a row, to quads. */
static void two_bits(uint8_t* to, int r, int column, int code) {
  const int quad = column / 4 % 8;
  to[column / 32 * 128 + quad / 4 * 64 + 4 * r + column % 4] |= (uint8_t)(code << 2 * (quad % 4));
}

static void ternary(int type, const uint8_t* const* rows, uint8_t* to) {
  yz_halves(to, rows, type == YZ_TQ1_0 ? 52 : type == YZ_TQ2_0 ? 64 : 0);
  to += 32;
  if (type == YZ_TQ2_0) {
    groups_of_two_bits(to, YZ_TQ2_0_GROUP, rows, 0);
    return;
  }
  memset(to, 0, type == YZ_Q2_0 ? 2 * YZ_TQ2_0_GROUP : 8 * YZ_TQ2_0_GROUP);
  EACH_ROW {
    const uint8_t* b = rows[r];
    if (type == YZ_Q2_0) {
      for (int i = 0; i < 64; i++) two_bits(to, r, i, b[2 + i / 4] >> 2 * (i % 4) & 3);
    } else {
      /* bytes from `first` on, `count` of them, `digits` in each; their columns go digit by digit */
      static const int runs[3][3] = {{0, 32, 5}, {32, 16, 5}, {48, 4, 4}};
      int column = 0;
      for (int run = 0; run < 3; run++) {
        for (int m = 0; m < runs[run][1]; m++) {
          unsigned rest = b[runs[run][0] + m];
          for (int n = 0; n < runs[run][2]; n++, rest &= 255) {
            rest *= 3;
            two_bits(to, r, column + n * runs[run][1] + m, (int)(rest >> 8));
          }
        }
        column += runs[run][1] * runs[run][2];
      }
    }
  }
}

static void q2_k(const uint8_t* const* rows, uint8_t* to) {
  uint8_t scales[16][YZ_ROWS];
  yz_halves(to, rows, 80);
  yz_halves(to + 32, rows, 82);
  to += 64;
  scales_of_16(scales, rows, 0);
  for (int g = 0; g < 8; g++) memcpy(to + YZ_Q2_K_GROUP * g, scales[2 * g], 32);
  groups_of_two_bits(to + 32, YZ_Q2_K_GROUP, rows, 16);
}

static void q3_k(const uint8_t* const* rows, uint8_t* to) {
  uint32_t w[8][YZ_ROWS], scales[4][YZ_ROWS];
  uint8_t bytes[16][YZ_ROWS];
  yz_halves(to, rows, 108);
  to += 32;
  groups_of_two_bits(to + 32, YZ_Q3_K_GROUP, rows, 32);
  yz_spread((uint8_t*)w, 64, rows, 94, 4); /* two bytes of codes, then four bits of scale 8i + j and two of 4i + j in byte j */
  EACH_ROW {
    const uint32_t first = w[0][r] >> 16 | w[1][r] << 16, second = w[1][r] >> 16 | w[2][r] << 16;
    const uint32_t upper = w[2][r] >> 16 | w[3][r] << 16;
    scales[0][r] = (first & 0x0f0f0f0f) | (upper & 0x03030303) << 4;
    scales[1][r] = (second & 0x0f0f0f0f) | (upper >> 2 & 0x03030303) << 4;
    scales[2][r] = (first >> 4 & 0x0f0f0f0f) | (upper >> 4 & 0x03030303) << 4;
    scales[3][r] = (second >> 4 & 0x0f0f0f0f) | (upper >> 6 & 0x03030303) << 4;
  }
  for (int j = 0; j < 4; j++) yz_spread_bytes(bytes[4 * j], scales[j]);
  yz_spread((uint8_t*)w, 64, rows, 0, 8);
  for (int g = 0; g < 8; g++, to += YZ_Q3_K_GROUP) {
    uint32_t third[YZ_ROWS] = {0};
    for (int i = 0; i < 32; i++) to[i] = (uint8_t)(bytes[2 * g + i / 16][i % 16] - 32);
    for (int q = 0; q < 8; q++) EACH_ROW third[r] |= (w[q][r] >> g & 0x01010101) << q;
    memcpy(to + 160, third, sizeof third);
  }
}

static void signs_alone(const uint8_t* const* rows, uint8_t* to) {
  yz_halves(to, rows, 0);
  to += 32;
  memset(to, 0, 4 * YZ_Q1_0_GROUP);
  EACH_ROW {
    for (int i = 0; i < 128; i++) {
      to[i / 32 * 64 + 4 * r + i % 4] |= (uint8_t)((rows[r][2 + i / 8] >> i % 8 & 1) << i / 4 % 8);
    }
  }
}

static void four_bits(int type, const uint8_t* const* rows, uint8_t* to) {
  if (type == YZ_MXFP4) {
    byte_of_each(to, rows, 0);
    yz_spread(to + 16, 64, rows, 1, 4);
    return;
  }
  for (int half = 0; half < 2; half++, to += YZ_NVFP4_GROUP) {
    EACH_ROW {
      for (int j = 0; j < 2; j++) {
        const uint8_t code = rows[r][2 * half + j];
        /* 0x7f is no number elsewhere and 0 here; the highest bit is none of a sign */
        to[16 * j + r] = code == 0x7f ? 0 : code & 0x7f;
      }
    }
    yz_spread(to + 32, 64, rows, 4 + 16 * half, 4);
  }
}

void yz_pack_few(int type, const uint8_t* const* rows, uint8_t* to) {
  switch (type) {
    case YZ_IQ1_S:
    case YZ_IQ1_M: iq1(type, rows, to); break;
    case YZ_IQ2_XXS:
    case YZ_IQ2_XS:
    case YZ_IQ2_S: iq2(type, rows, to); break;
    case YZ_IQ3_XXS: iq3_xxs(rows, to); break;
    case YZ_IQ3_S: iq3_s(rows, to); break;
    case YZ_TQ1_0:
    case YZ_TQ2_0:
    case YZ_Q2_0: ternary(type, rows, to); break;
    case YZ_Q2_K: q2_k(rows, to); break;
    case YZ_Q3_K: q3_k(rows, to); break;
    case YZ_Q1_0: signs_alone(rows, to); break;
    case YZ_MXFP4:
    case YZ_NVFP4: four_bits(type, rows, to); break;
    default: break;
  }
}
