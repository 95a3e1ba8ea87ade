/* Plain C: any processor, and the reference of the tests. */
#include "kernels.h"

#define KERNELS yz_scalar
#define INSTRUCTIONS "scalar"
#define MOST_TOKENS 1
#define IN_ORDER 1
#define MOST_STRIPS 1
#define PANEL_ROWS 1
#define VECTORS 1
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
FN Floats floats_load(const float* p) { Floats f; memcpy(f.v, p, 64); return f; }
FN Floats floats_fma(Floats a, Floats b, Floats c) { EACH c.v[i] += a.v[i] * b.v[i]; return c; }
FN Floats floats_mul(Floats a, Floats b) { EACH a.v[i] *= b.v[i]; return a; }
FN Floats floats_div(Floats a, Floats b) { EACH a.v[i] /= b.v[i]; return a; }
FN Floats floats_add(Floats a, Floats b) { EACH a.v[i] += b.v[i]; return a; }
FN Floats floats_sub(Floats a, Floats b) { EACH a.v[i] -= b.v[i]; return a; }
FN Floats floats_max(Floats a, Floats b) { EACH a.v[i] = fmaxf(a.v[i], b.v[i]); return a; }
/* 2^x for x <= 0; 0 for NaN (two infinities apart). */
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
