/* What the bits of the formats mean, number by number and in double precision: ggml's dequantize_row_* and the OCP formats. */
#include "test.h"

#include "../../common/grids.h"

const Format FORMATS[YZ_TYPES] = {
    [YZ_Q4_0] = {"q4_0", 32, 18, 32},        [YZ_Q4_1] = {"q4_1", 32, 20, 32},
    [YZ_Q5_0] = {"q5_0", 32, 22, 32},        [YZ_Q5_1] = {"q5_1", 32, 24, 32},        [YZ_Q8_0] = {"q8_0", 32, 34, 32},
    [YZ_IQ4_NL] = {"iq4_nl", 32, 18, 32},    [YZ_Q4_K] = {"q4_k", 256, 144, 256},     [YZ_Q5_K] = {"q5_k", 256, 176, 256},
    [YZ_Q6_K] = {"q6_k", 256, 210, 256},     [YZ_IQ4_XS] = {"iq4_xs", 256, 136, 256}, [YZ_IQ1_S] = {"iq1_s", 256, 50, 256},
    [YZ_IQ1_M] = {"iq1_m", 256, 56, 256},    [YZ_IQ2_XXS] = {"iq2_xxs", 256, 66, 256}, [YZ_IQ2_XS] = {"iq2_xs", 256, 74, 256},
    [YZ_IQ2_S] = {"iq2_s", 256, 82, 256},    [YZ_IQ3_XXS] = {"iq3_xxs", 256, 98, 256}, [YZ_IQ3_S] = {"iq3_s", 256, 110, 256},
    [YZ_TQ1_0] = {"tq1_0", 256, 54, 256},    [YZ_TQ2_0] = {"tq2_0", 256, 66, 256},    [YZ_Q2_K] = {"q2_k", 256, 84, 256},
    [YZ_Q3_K] = {"q3_k", 256, 110, 256},     [YZ_Q1_0] = {"q1_0", 128, 18, 32},       [YZ_Q2_0] = {"q2_0", 64, 18, 32},
    [YZ_MXFP4] = {"mxfp4", 32, 17, 32},      [YZ_NVFP4] = {"nvfp4", 64, 36, 32},      [YZ_BF16] = {"bf16", 1, 2, 0},
    [YZ_F16] = {"f16", 1, 2, 0},             [YZ_FP8] = {"fp8", 1, 1, 0},
};

static unsigned u16(const uint8_t* p) { return p[0] | (unsigned)p[1] << 8; }
static uint32_t u32(const uint8_t* p) { return u16(p) | (uint32_t)u16(p + 2) << 16; }
static double half_of(unsigned h) {
  const int e = h >> 10 & 31, m = h & 1023;
  const double v = e == 0 ? ldexp(m, -24) : e == 31 ? (m != 0 ? NAN : INFINITY) : ldexp(m + 1024, e - 25);
  return h & 0x8000 ? -v : v;
}
static double half(const uint8_t* p) { return half_of(u16(p)); }
static double bf16(const uint8_t* p) {
  const uint32_t word = (uint32_t)u16(p) << 16;
  float f;
  memcpy(&f, &word, 4);
  return f;
}
static double e4m3(unsigned code) {
  const int e = code >> 3 & 15, m = code & 7;
  const double v = (code & 127) == 127 ? NAN : e == 0 ? ldexp(m, -9) : ldexp(8 + m, e - 10);
  return code & 128 ? -v : v;
}

static const int IQ4[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
static const double E2M1[16] = {0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6};

static int eighth_sign(int seven) {
  int count = 0;
  for (int i = 0; i < 7; i++) count += seven >> i & 1;
  return seven | (count & 1) << 7;
}

/* `run` numbers of a grid's entry, bits each, with signs. */
static void grid(const uint16_t* entries, unsigned entry, int width, int run, const int* numbers, int signs, double scale, double* w) {
  for (int j = 0; j < run; j++) {
    const double v = scale * numbers[entries[entry] >> width * j & ((1 << width) - 1)];
    w[j] = signs >> j & 1 ? -v : v;
  }
}
static const int OF_IQ1[] = {-1, 0, 1}, OF_IQ2[] = {8, 25, 43}, OF_IQ3_XXS[] = {4, 12, 20, 28, 36, 44, 52, 62};
static const int OF_IQ3_S[] = {1, 3, 5, 7, 9, 11, 13, 15};

static void grids(int type, const uint8_t* b, double* w) {
  double d = half(b);
  if (type == YZ_IQ1_M) {
    unsigned h = 0;
    for (int i = 0; i < 4; i++) h |= u16(b + 48 + 2 * i) >> 12 << 4 * i;
    d = half_of(h);
  }
  for (int i = 0; i < 8; i++) {
    for (int l = 0; l < 4; l++) {
      double* to = w + 32 * i + 8 * l;
      switch (type) {
        case YZ_IQ1_S: {
          const unsigned h = u16(b + 34 + 2 * i);
          const double scale = d * (2 * (h >> 12 & 7) + 1);
          grid(yz_iq1, b[2 + 4 * i + l] | (h >> 3 * l & 7) << 8, 2, 8, OF_IQ1, 0, scale, to);
          for (int j = 0; j < 8; j++) to[j] += h & 0x8000 ? -scale / 8 : scale / 8;
          break;
        }
        case YZ_IQ1_M: {
          const double scale = d * (2 * (u16(b + 48 + 2 * (i / 2)) >> (6 * (i & 1) + 3 * (l / 2)) & 7) + 1);
          const unsigned h = (unsigned)b[32 + 2 * i + l / 2] >> 4 * (l & 1);
          grid(yz_iq1, b[4 * i + l] | (h & 7) << 8, 2, 8, OF_IQ1, 0, scale, to);
          for (int j = 0; j < 8; j++) to[j] += h & 8 ? -scale / 8 : scale / 8;
          break;
        }
        case YZ_IQ2_XXS: {
          const uint32_t word = u32(b + 6 + 8 * i);
          grid(yz_iq2_xxs, b[2 + 8 * i + l], 2, 8, OF_IQ2, eighth_sign(word >> 7 * l & 127), d * (0.5 + (word >> 28)) / 4, to);
          break;
        }
        case YZ_IQ2_XS: {
          const unsigned q = u16(b + 2 + 8 * i + 2 * l);
          grid(yz_iq2_xs, q & 511, 2, 8, OF_IQ2, eighth_sign((int)(q >> 9)), d * (0.5 + (b[66 + i] >> 4 * (l / 2) & 15)) / 4, to);
          break;
        }
        case YZ_IQ2_S:
          grid(yz_iq2_s, b[2 + 4 * i + l] | (b[66 + i] >> 2 * l & 3u) << 8, 2, 8, OF_IQ2, b[34 + 4 * i + l],
               d * (0.5 + (b[74 + i] >> 4 * (l / 2) & 15)) / 4, to);
          break;
        case YZ_IQ3_XXS: {
          const uint32_t word = u32(b + 66 + 4 * i);
          const int signs = eighth_sign(word >> 7 * l & 127);
          const double scale = d * (0.5 + (word >> 28)) / 2;
          grid(yz_iq3_xxs, b[2 + 8 * i + 2 * l], 3, 4, OF_IQ3_XXS, signs, scale, to);
          grid(yz_iq3_xxs, b[2 + 8 * i + 2 * l + 1], 3, 4, OF_IQ3_XXS, signs >> 4, scale, to + 4);
          break;
        }
        default: { /* IQ3_S */
          const double scale = d * (1 + 2 * (b[106 + i / 2] >> 4 * (i & 1) & 15));
          for (int k = 2 * l; k < 2 * l + 2; k++) {
            grid(yz_iq3_s, b[2 + 8 * i + k] | (b[66 + i] >> k & 1u) << 8, 3, 4, OF_IQ3_S, b[74 + 4 * i + k / 2] >> 4 * (k & 1), scale,
                 w + 32 * i + 4 * k);
          }
          break;
        }
      }
    }
  }
}

static int k4_scale(const uint8_t* s, int j) { return j < 4 ? s[j] & 63 : (s[j + 4] & 15) | s[j - 4] >> 6 << 4; }
static int k4_minimum(const uint8_t* s, int j) { return j < 4 ? s[j + 4] & 63 : s[j + 4] >> 4 | s[j] >> 6 << 4; }

static void block(int type, const uint8_t* b, double* w, double* size) {
  const double d = half(b);
  switch (type) {
    case YZ_Q4_0:
    case YZ_IQ4_NL:
      for (int i = 0; i < 32; i++) {
        const int q = b[2 + i % 16] >> 4 * (i / 16) & 15;
        w[i] = d * (type == YZ_Q4_0 ? q - 8 : IQ4[q]);
      }
      break;
    case YZ_Q5_0:
      for (int i = 0; i < 32; i++) w[i] = d * ((int)((b[6 + i % 16] >> 4 * (i / 16) & 15) | (u32(b + 2) >> i & 1) << 4) - 16);
      break;
    case YZ_Q4_1:
    case YZ_Q5_1:
      for (int i = 0; i < 32; i++) {
        int q = b[(type == YZ_Q4_1 ? 4 : 8) + i % 16] >> 4 * (i / 16) & 15;
        if (type == YZ_Q5_1) q |= (u32(b + 4) >> i & 1) << 4;
        w[i] = d * q + half(b + 2);
        size[i] = fabs(d * q) + fabs(half(b + 2));
      }
      return;
    case YZ_Q8_0:
      for (int i = 0; i < 32; i++) w[i] = d * (int8_t)b[2 + i];
      break;
    case YZ_Q4_K:
    case YZ_Q5_K:
      for (int i = 0; i < 256; i++) {
        const int j = i / 32;
        int q = b[(type == YZ_Q4_K ? 16 : 48) + 32 * (j / 2) + i % 32] >> 4 * (j & 1) & 15;
        if (type == YZ_Q5_K) q |= (b[16 + i % 32] >> j & 1) << 4;
        const double part = d * k4_scale(b + 4, j) * q, least = half(b + 2) * k4_minimum(b + 4, j);
        w[i] = part - least;
        size[i] = fabs(part) + fabs(least);
      }
      return;
    case YZ_Q6_K:
      for (int i = 0; i < 256; i++) {
        const int n = i / 128, k = i / 32 % 4, l = i % 32;
        const int q = (b[64 * n + 32 * (k & 1) + l] >> 4 * (k >> 1) & 15) | (b[128 + 32 * n + l] >> 2 * k & 3) << 4;
        w[i] = half(b + 208) * (int8_t)b[192 + i / 16] * (q - 32);
      }
      break;
    case YZ_IQ4_XS:
      for (int i = 0; i < 256; i++) {
        const int g = i / 32, s = (b[4 + g / 2] >> 4 * (g & 1) & 15) | (u16(b + 2) >> 2 * g & 3) << 4;
        w[i] = d * (s - 32) * IQ4[b[8 + 16 * g + i % 16] >> 4 * (i / 16 % 2) & 15];
      }
      break;
    case YZ_Q2_K:
      for (int i = 0; i < 256; i++) {
        const int s = b[i / 16], q = b[16 + i / 128 * 32 + i % 32] >> 2 * (i / 32 % 4) & 3;
        const double part = half(b + 80) * (s & 15) * q, least = half(b + 82) * (s >> 4);
        w[i] = part - least;
        size[i] = fabs(part) + fabs(least);
      }
      return;
    case YZ_Q3_K:
      for (int i = 0; i < 256; i++) {
        const int g = i / 16;
        const int s = (b[96 + g % 8] >> 4 * (g / 8) & 15) | (b[104 + g % 4] >> 2 * (g / 4) & 3) << 4;
        const int q = (b[32 + i / 128 * 32 + i % 32] >> 2 * (i / 32 % 4) & 3) | (b[i % 32] >> i / 32 & 1) << 2;
        w[i] = half(b + 108) * (s - 32) * (q - 4);
      }
      break;
    case YZ_TQ1_0: {
      /* a byte is a fraction of five digits to the base of three, rounded up */
      static const int runs[3][3] = {{0, 32, 5}, {32, 16, 5}, {48, 4, 4}};
      int i = 0;
      for (int run = 0; run < 3; run++) {
        for (int n = 0, power = 1; n < runs[run][2]; n++, power *= 3) {
          for (int m = 0; m < runs[run][1]; m++) w[i++] = half(b + 52) * (((b[runs[run][0] + m] * power & 255) * 3 >> 8) - 1);
        }
      }
      break;
    }
    case YZ_TQ2_0:
      for (int i = 0; i < 256; i++) w[i] = half(b + 64) * ((b[i / 128 * 32 + i % 32] >> 2 * (i / 32 % 4) & 3) - 1);
      break;
    case YZ_Q1_0:
      for (int i = 0; i < 128; i++) w[i] = b[2 + i / 8] >> i % 8 & 1 ? d : -d;
      break;
    case YZ_Q2_0:
      for (int i = 0; i < 64; i++) w[i] = d * ((b[2 + i / 4] >> 2 * (i % 4) & 3) - 1);
      break;
    case YZ_MXFP4:
      for (int i = 0; i < 32; i++) w[i] = ldexp(E2M1[b[1 + i % 16] >> 4 * (i / 16) & 15], b[0] - 127);
      break;
    case YZ_NVFP4:
      for (int i = 0; i < 64; i++) {
        const int s = b[i / 16];
        const double scale = s == 0x7f ? 0 : s == 0xff ? 480 : e4m3(s & 0x7f);
        w[i] = scale * E2M1[b[4 + i / 16 * 8 + i % 8] >> 4 * (i / 8 % 2) & 15];
      }
      break;
    default: grids(type, b, w); break;
  }
  for (int i = 0; i < FORMATS[type].columns; i++) size[i] = fabs(w[i]);
}

void decode(int type, const uint8_t* row, const float* scales, int64_t cols, double* w, double* size) {
  const Format* f = &FORMATS[type];
  for (int64_t c = 0; c < cols; c += f->columns, row += f->bytes) {
    if (f->block != 0) {
      block(type, row, w + c, size + c);
    } else {
      w[c] = type == YZ_BF16 ? bf16(row) : type == YZ_F16 ? half(row) : e4m3(*row) * scales[c / 128];
      size[c] = fabs(w[c]);
    }
  }
}

/* Where a block has scales of 16 bits, -1 for none. */
static void scales_at(int type, int at[2]) {
  at[0] = 0;
  at[1] = -1;
  switch (type) {
    case YZ_Q4_1:
    case YZ_Q5_1:
    case YZ_Q4_K:
    case YZ_Q5_K: at[1] = 2; break;
    case YZ_Q6_K: at[0] = 208; break;
    case YZ_Q2_K: at[0] = 80, at[1] = 82; break;
    case YZ_Q3_K: at[0] = 108; break;
    case YZ_TQ1_0: at[0] = 52; break;
    case YZ_TQ2_0: at[0] = 64; break;
    case YZ_IQ1_M:
    case YZ_MXFP4:
    case YZ_NVFP4:
    case YZ_BF16:
    case YZ_F16:
    case YZ_FP8: at[0] = -1; break;
    default: break;
  }
}

void random_rows(Random* r, int type, int kind, int64_t rows, int64_t cols, uint8_t* to) {
  const Format* f = &FORMATS[type];
  const uint8_t alike = (uint8_t)bits(r);
  for (int64_t i = 0; i < rows * (cols / f->columns); i++, to += f->bytes) {
    for (int j = 0; j < f->bytes; j++) to[j] = kind == 3 ? 0 : kind == 2 ? (alike & 1 ? 255 : alike) : (uint8_t)bits(r);
    int at[2];
    scales_at(type, at);
    for (int k = 0; k < 2; k++) {
      if (at[k] < 0 || kind == 3) continue;
      /* halves between 2^-6 and 2^-5; or any that is finite, denormal ones too */
      unsigned h = kind == 1 ? (unsigned)bits(r) & 0xffff : 0x2400 + (unsigned)below(r, 0x400) + (bits(r) & 1 ? 0x8000 : 0);
      if (kind == 1 && (h & 0x7c00) == 0x7c00) h &= 0x83ff;
      to[at[k]] = (uint8_t)h;
      to[at[k] + 1] = (uint8_t)(h >> 8);
    }
    if (type == YZ_IQ1_M && (to[55] & 0x70) == 0x70) to[55] ^= 0x40; /* its highest four bits of scale */
    if (type == YZ_MXFP4 && (kind != 1 || to[0] > 200)) to[0] = (uint8_t)(110 + to[0] % 20);
    if (type == YZ_FP8 && (to[0] & 0x7f) == 0x7f) to[0] ^= 1;
    if ((type == YZ_F16 && (to[1] & 0x7c) == 0x7c) || (type == YZ_BF16 && ((to[1] & 0x7f) > 0x47 || (to[1] & 0x7f) < 0x37))) {
      to[1] = (uint8_t)((to[1] & 0x80) | 0x3b);
    }
  }
}

int64_t cache_bytes(int cache, int64_t count) {
  switch (cache) {
    case YZ_CACHE_F32: return 4 * count;
    case YZ_CACHE_E4M3: return count;
    case YZ_CACHE_Q8_0: return count / 32 * 34;
    default: return 2 * count;
  }
}

/* Rounded towards zero, which is as good as any. */
static unsigned as_half(float x) {
  const double size = fabs((double)x);
  unsigned h = x < 0 ? 0x8000 : 0;
  if (size >= 65504) return h | 0x7bff;
  if (size < 0x1p-14) return h | (unsigned)(size * 0x1p24);
  int e;
  const double m = frexp(size, &e);
  return h | (unsigned)(e + 14) << 10 | ((unsigned)(m * 2048) & 1023);
}
static unsigned as_e4m3(float x) {
  const double size = fabs((double)x);
  unsigned c = x < 0 ? 0x80 : 0;
  if (size >= 448) return c | 0x7e;
  if (size < 0x1p-6) return c | (unsigned)(size * 0x1p9);
  int e;
  const double m = frexp(size, &e);
  return c | (unsigned)(e + 6) << 3 | ((unsigned)(m * 16) & 7);
}

void cache_encode(int cache, const float* x, int64_t count, uint8_t* to) {
  if (cache == YZ_CACHE_F32) memcpy(to, x, (size_t)count * 4);
  for (int64_t i = 0; i < count; i++) {
    uint32_t word;
    memcpy(&word, x + i, 4);
    const unsigned h = cache == YZ_CACHE_F16 ? as_half(x[i]) : word >> 16;
    if (cache == YZ_CACHE_F16 || cache == YZ_CACHE_BF16) to[2 * i] = (uint8_t)h, to[2 * i + 1] = (uint8_t)(h >> 8);
    if (cache == YZ_CACHE_E4M3) to[i] = (uint8_t)as_e4m3(x[i]);
    if (cache == YZ_CACHE_Q8_0) {
      float most = 0;
      for (int64_t j = i / 32 * 32; j < i / 32 * 32 + 32; j++) most = fabsf(x[j]) > most ? fabsf(x[j]) : most;
      const unsigned d = as_half(most / 127 > 60000 ? 60000 : most / 127);
      uint8_t* b = to + i / 32 * 34;
      b[0] = (uint8_t)d, b[1] = (uint8_t)(d >> 8);
      const double q = half_of(d) == 0 ? 0 : rint((double)x[i] / half_of(d));
      b[2 + i % 32] = (uint8_t)(int8_t)(q > 127 ? 127 : q < -127 ? -127 : q);
    }
  }
}

double cache_decode(int cache, const uint8_t* from, int64_t i) {
  switch (cache) {
    case YZ_CACHE_F32: {
      float f;
      memcpy(&f, from + 4 * i, 4);
      return f;
    }
    case YZ_CACHE_F16: return half(from + 2 * i);
    case YZ_CACHE_BF16: return bf16(from + 2 * i);
    case YZ_CACHE_E4M3: return e4m3(from[i]);
    default: return half(from + i / 32 * 34) * (int8_t)from[i / 32 * 34 + 2 + i % 32];
  }
}
