/* Plain C: any processor, and the reference of the tests. */
#include "kernels.h"

#define KERNELS yz_scalar
#define INSTRUCTIONS "scalar"
#define MOST_TOKENS 1
#define IN_ORDER 1
#define MANY_STRIPS 0
#define MOST_STRIPS 1
#define PANEL_ROWS 1
#define VECTORS 1
#define RUNS 1
#define FEW 0 /* its vectors are no registers at all */
#define EACH for (int i = 0; i < 16; i++)

typedef struct { uint8_t v[64]; } Bytes;
typedef struct { int32_t v[16]; } Ints;
typedef struct { float v[16]; } Floats;
typedef struct { Floats even, odd; } Pairs;

#define FN static inline __attribute__((always_inline))

FN Bytes bytes_load(const uint8_t* p) { Bytes b; memcpy(b.v, p, 64); return b; }
FN Bytes bytes_low(Bytes b) { for (int i = 0; i < 64; i++) b.v[i] &= 15; return b; }
FN Bytes bytes_high(Bytes b) { for (int i = 0; i < 64; i++) b.v[i] >>= 4; return b; }
FN Bytes bytes_bit(Bytes b, int from, int to, int mask) {
  for (int i = 0; i < 64; i++) b.v[i] = (uint8_t)((b.v[i] >> from << to) & mask);
  return b;
}
FN Bytes bytes_or(Bytes a, Bytes b) { for (int i = 0; i < 64; i++) a.v[i] |= b.v[i]; return a; }
static const uint8_t IQ4[16] = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};
FN Bytes bytes_iq4(Bytes b) { for (int i = 0; i < 64; i++) b.v[i] = IQ4[b.v[i]]; return b; }

FN Bytes bytes_add(Bytes a, Bytes b) { for (int i = 0; i < 64; i++) a.v[i] = (uint8_t)(a.v[i] + b.v[i]); return a; }
FN Bytes bytes_set(int x) { Bytes b; memset(b.v, x, 64); return b; }
FN Bytes bytes_look_up(const uint8_t* table, Bytes b) { for (int i = 0; i < 64; i++) b.v[i] = table[b.v[i]]; return b; }
FN void bytes_grid8(const uint64_t* grid, const uint16_t* index, Bytes* to) {
  for (int i = 0; i < 64; i++) {
    const uint64_t entry = grid[index[i / 4]] >> 8 * (i % 4);
    to[0].v[i] = (uint8_t)entry;
    to[1].v[i] = (uint8_t)(entry >> 32);
  }
}
FN void bytes_iq2_xxs(const uint8_t* index, Bytes* to) {
  uint16_t wide[16];
  EACH wide[i] = index[i];
  bytes_grid8(yz_grid_iq2_xxs, wide, to);
}
FN void bytes_iq3_xxs(const uint8_t* index, Bytes* to) {
  for (int l = 0; l < 2; l++) {
    for (int i = 0; i < 64; i++) to[l].v[i] = (uint8_t)(yz_grid_iq3_xxs[index[16 * l + i / 4]] >> 8 * (i % 4));
  }
}
FN void bytes_sign(const uint8_t* signs, Bytes* w) {
  for (int i = 0; i < 64; i++) {
    if (signs[i / 4] >> i % 4 & 1) w[0].v[i] = (uint8_t)(128 - w[0].v[i]);
    if (signs[i / 4] >> (4 + i % 4) & 1) w[1].v[i] = (uint8_t)(128 - w[1].v[i]);
  }
}
typedef struct { uint16_t v[16]; } Words;
FN Words words_load(const void* p) { Words w; memcpy(w.v, p, 32); return w; }
FN Words words_of(const uint8_t* p) { Words w; EACH w.v[i] = p[i]; return w; }
FN Words words_index(Words low, Words others, int shift, int bits) {
  EACH low.v[i] = (uint16_t)(low.v[i] | (others.v[i] >> shift & ((1 << bits) - 1)) << 8);
  return low;
}
FN Words words_left(Words w, int shift) { EACH w.v[i] = (uint16_t)(w.v[i] << shift); return w; }
FN void words_store(uint16_t* p, Words w) { memcpy(p, w.v, 32); }
FN Bytes bytes_rows(Words flags) {
  Bytes b;
  for (int i = 0; i < 64; i++) b.v[i] = flags.v[i / 4] & 0x8000 ? 255 : 0;
  return b;
}

FN Ints ints_set(int32_t x) { Ints a; EACH a.v[i] = x; return a; }
FN Ints ints_dot(Ints a, Bytes w, const int8_t* q) {
  EACH a.v[i] += w.v[4 * i] * q[0] + w.v[4 * i + 1] * q[1] + w.v[4 * i + 2] * q[2] + w.v[4 * i + 3] * q[3];
  return a;
}
#define ints_dot_wide ints_dot
#define WIDE_START(sum) (-128 * (sum))

FN Floats floats_set(float x) { Floats f; EACH f.v[i] = x; return f; }
FN Floats floats_zero(void) { return floats_set(0); }
FN Floats floats_of(Ints a) { Floats f; EACH f.v[i] = (float)a.v[i]; return f; }
static float half(const uint8_t* p) {
  uint16_t h;
  memcpy(&h, p, 2);
  const int e = h >> 10 & 31, m = h & 1023;
  const float v = e == 0 ? ldexpf((float)m, -24) : e == 31 ? (m ? NAN : INFINITY) : ldexpf((float)(m + 1024), e - 25);
  return h & 0x8000 ? -v : v;
}
FN Floats floats_half(const uint8_t* p) { Floats f; EACH f.v[i] = half(p + 2 * i); return f; }
FN Floats floats_u8(const uint8_t* p) { Floats f; EACH f.v[i] = p[i]; return f; }
FN Floats floats_i8(const uint8_t* p) { Floats f; EACH f.v[i] = (int8_t)p[i]; return f; }
FN Floats floats_nibble(const uint8_t* p, int shift) { Floats f; EACH f.v[i] = p[i] >> shift & 15; return f; }
FN Floats floats_odd(const uint8_t* p, int shift, int mask) { Floats f; EACH f.v[i] = (float)(2 * (p[i] >> shift & mask) + 1); return f; }
FN Floats floats_odd16(const uint8_t* p, int shift, int mask) {
  Floats f;
  EACH f.v[i] = (float)(2 * ((p[2 * i] | p[2 * i + 1] << 8) >> shift & mask) + 1);
  return f;
}
FN Floats floats_e8m0_halved(const uint8_t* p) { Floats f; EACH f.v[i] = ldexpf(1, p[i] - 128); return f; }
FN Floats floats_ue4m3_halved(const uint8_t* p) {
  Floats f;
  EACH f.v[i] = p[i] < 8 ? ldexpf(p[i], -10) : ldexpf((float)(8 + p[i] % 8), p[i] / 8 - 11);
  return f;
}
FN Floats floats_load(const float* p) { Floats f; memcpy(f.v, p, 64); return f; }
FN Floats floats_fma(Floats a, Floats b, Floats c) { EACH c.v[i] += a.v[i] * b.v[i]; return c; }
FN Floats floats_mul(Floats a, Floats b) { EACH a.v[i] *= b.v[i]; return a; }
FN Floats floats_div(Floats a, Floats b) { EACH a.v[i] /= b.v[i]; return a; }
FN Floats floats_add(Floats a, Floats b) { EACH a.v[i] += b.v[i]; return a; }
FN Floats floats_sub(Floats a, Floats b) { EACH a.v[i] -= b.v[i]; return a; }
FN Floats floats_positive(Floats a) { EACH a.v[i] = a.v[i] < 0 ? 0 : a.v[i]; return a; }
FN Floats floats_max(Floats a, Floats b) { EACH a.v[i] = fmaxf(a.v[i], b.v[i]); return a; }
/* 2^x for x <= 0; 0 for NaN (two infinities apart). */
FN Floats floats_sums(const Floats* v) {
  Floats sums;
  for (int k = 0; k < 16; k++) {
    sums.v[k] = 0;
    EACH sums.v[k] += v[k].v[i];
  }
  return sums;
}
FN Floats floats_exp2(Floats a) { EACH a.v[i] = a.v[i] != a.v[i] ? 0 : exp2f(a.v[i]); return a; }
FN Floats floats_half_one(const uint8_t* p) { return floats_set(half(p)); }
FN Floats floats_e4m3(const uint8_t* p) { Floats f; EACH f.v[i] = yz_e4m3[p[i]]; return f; }
FN void floats_store(float* p, Floats f) { memcpy(p, f.v, 64); }

FN float bf16(const uint8_t* p) { uint32_t u = (uint32_t)(p[0] | p[1] << 8) << 16; float f; memcpy(&f, &u, 4); return f; }
FN Floats floats_bf16(const uint8_t* p) { Floats f; EACH f.v[i] = bf16(p + 2 * i); return f; }
FN Pairs pairs_load(const uint8_t* p) {
  Pairs w;
  EACH { w.even.v[i] = bf16(p + 4 * i); w.odd.v[i] = bf16(p + 4 * i + 2); }
  return w;
}
FN void pairs_fp8(const uint8_t* p, Pairs* a, Pairs* b) {
  EACH {
    a->even.v[i] = yz_e4m3[p[4 * i]];
    a->odd.v[i] = yz_e4m3[p[4 * i + 1]];
    b->even.v[i] = yz_e4m3[p[4 * i + 2]];
    b->odd.v[i] = yz_e4m3[p[4 * i + 3]];
  }
}
FN void pairs_dot(Floats* sum, Pairs w, const uint8_t* x, int64_t col) {
  const float* f = (const float*)x + col;
  sum[0] = floats_fma(w.even, floats_set(f[0]), sum[0]);
  sum[1] = floats_fma(w.odd, floats_set(f[1]), sum[1]);
}

#include "kernels.inc"

static void pairs(const float* x, int64_t cols, uint8_t* prepared) {
  memcpy(prepared, x, (size_t)cols * 4);
  if (cols % 2 == 1) memset(prepared + cols * 4, 0, 4);
}

static float quantize(const float* x, int count, int8_t* q, int32_t* sum16) {
  float most = 0;
  for (int i = 0; i < count; i++) most = fmaxf(most, fabsf(x[i]));
  const float scale = most > 0 ? 127 / most : 0;
  for (int i = 0; i < count / 16; i++) sum16[i] = 0;
  for (int i = 0; i < count; i++) {
    q[i] = (int8_t)lrintf(x[i] * scale);
    sum16[i / 16] += q[i];
  }
  return most / 127;
}
