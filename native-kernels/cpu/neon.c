/* Arm's vectors with byte products (FEAT_DotProd): Neoverse N1, Cortex-A76, Apple M1 and later. A vector of 64 bytes is four registers.
 * `build` names the instruction set.
 * Included by neon_i8mm.c for processors that also have products of matrices (FEAT_I8MM) and of BF16 (FEAT_BF16). */
#include "kernels.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#ifndef MATRIX
#define KERNELS yz_neon
#define INSTRUCTIONS "neon-dotprod"
#define MATRIX 0
#endif

#define MOST_TOKENS 4
#define IN_ORDER 1
#define MANY_STRIPS 0
#define MOST_STRIPS 2
#define PANEL_ROWS 4
#define VECTORS 1
#define FEW 0 /* as AVX2: registers hold too few sums */
#define RUNS 1
#define EACH for (int i = 0; i < 4; i++)

typedef struct { uint8x16_t v[4]; } Bytes;
typedef struct { int32x4_t v[4]; } Ints;
typedef struct { float32x4_t v[4]; } Floats;

#define FN static inline __attribute__((always_inline))

FN Bytes bytes_load(const uint8_t* p) { return (Bytes){{vld1q_u8(p), vld1q_u8(p + 16), vld1q_u8(p + 32), vld1q_u8(p + 48)}}; }
FN Bytes bytes_low(Bytes b) { EACH b.v[i] = vandq_u8(b.v[i], vdupq_n_u8(15)); return b; }
FN Bytes bytes_high(Bytes b) { EACH b.v[i] = vshrq_n_u8(b.v[i], 4); return b; }
FN Bytes bytes_bit(Bytes b, int from, int to, int mask) {
  EACH b.v[i] = vandq_u8(vshlq_u8(b.v[i], vdupq_n_s8((int8_t)(to - from))), vdupq_n_u8((uint8_t)mask));
  return b;
}
FN Bytes bytes_or(Bytes a, Bytes b) { EACH a.v[i] = vorrq_u8(a.v[i], b.v[i]); return a; }
FN Bytes bytes_look_up(const uint8_t* table, Bytes codes) {
  const uint8x16_t t = vld1q_u8(table);
  EACH codes.v[i] = vqtbl1q_u8(t, codes.v[i]);
  return codes;
}
FN Bytes bytes_iq4(Bytes b) {
  static const uint8_t values[16] = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};
  return bytes_look_up(values, b);
}
FN Bytes bytes_add(Bytes a, Bytes b) { EACH a.v[i] = vaddq_u8(a.v[i], b.v[i]); return a; }
FN Bytes bytes_set(int x) { Bytes b; EACH b.v[i] = vdupq_n_u8((uint8_t)x); return b; }
FN uint32x4_t two_entries(const uint64_t* first, const uint64_t* second) {
  return vreinterpretq_u32_u64(vcombine_u64(vld1_u64(first), vld1_u64(second)));
}
#define EIGHT_NUMBERS(name, index_type)                                                                   \
  FN void name(const uint64_t* grid, const index_type* index, Bytes* to) {                                \
    EACH {                                                                                                \
      const uint32x4_t a = two_entries(grid + index[4 * i], grid + index[4 * i + 1]);                     \
      const uint32x4_t b = two_entries(grid + index[4 * i + 2], grid + index[4 * i + 3]);                 \
      to[0].v[i] = vreinterpretq_u8_u32(vuzp1q_u32(a, b));                                                \
      to[1].v[i] = vreinterpretq_u8_u32(vuzp2q_u32(a, b));                                                \
    }                                                                                                     \
  }
EIGHT_NUMBERS(bytes_grid8, uint16_t)
EIGHT_NUMBERS(bytes_small8, uint8_t)
FN void bytes_iq2_xxs(const uint8_t* index, Bytes* to) { bytes_small8(yz_grid_iq2_xxs, index, to); }
FN void bytes_iq3_xxs(const uint8_t* index, Bytes* to) {
  for (int l = 0; l < 2; l++, index += 16) {
    EACH {
      const uint32_t four[4] = {yz_grid_iq3_xxs[index[4 * i]], yz_grid_iq3_xxs[index[4 * i + 1]], yz_grid_iq3_xxs[index[4 * i + 2]],
                                yz_grid_iq3_xxs[index[4 * i + 3]]};
      to[l].v[i] = vreinterpretq_u8_u32(vld1q_u32(four));
    }
  }
}
FN void bytes_sign(const uint8_t* signs, Bytes* w) {
  static const uint8_t rows[16] = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3};
  const uint8x16_t all = vld1q_u8(signs), first = vld1q_u8(rows), both = vdupq_n_u8(128); /* 64 - v = 128 - (64 + v) */
  const uint8x16_t low = vreinterpretq_u8_u32(vdupq_n_u32(0x08040201)), high = vreinterpretq_u8_u32(vdupq_n_u32(0x80402010));
  EACH {
    const uint8x16_t each = vqtbl1q_u8(all, vaddq_u8(first, vdupq_n_u8((uint8_t)(4 * i))));
    w[0].v[i] = vbslq_u8(vtstq_u8(each, low), vsubq_u8(both, w[0].v[i]), w[0].v[i]);
    w[1].v[i] = vbslq_u8(vtstq_u8(each, high), vsubq_u8(both, w[1].v[i]), w[1].v[i]);
  }
}
typedef struct { uint16x8_t v[2]; } Words;
FN uint16x8_t eight_words(const void* p) { return vreinterpretq_u16_u8(vld1q_u8(p)); }
FN Words words_load(const void* p) { return (Words){{eight_words(p), eight_words((const uint8_t*)p + 16)}}; }
FN Words words_of(const uint8_t* p) {
  const uint8x16_t b = vld1q_u8(p);
  return (Words){{vmovl_u8(vget_low_u8(b)), vmovl_high_u8(b)}};
}
FN Words words_index(Words low, Words others, int shift, int bits) {
  for (int i = 0; i < 2; i++) {
    const uint16x8_t moved = vshlq_u16(others.v[i], vdupq_n_s16((int16_t)-shift));
    const uint16x8_t above = vandq_u16(moved, vdupq_n_u16((uint16_t)((1 << bits) - 1)));
    low.v[i] = vorrq_u16(low.v[i], vshlq_n_u16(above, 8));
  }
  return low;
}
FN Words words_left(Words w, int shift) {
  for (int i = 0; i < 2; i++) w.v[i] = vshlq_u16(w.v[i], vdupq_n_s16((int16_t)shift));
  return w;
}
FN void words_store(uint16_t* p, Words w) {
  vst1q_u16(p, w.v[0]);
  vst1q_u16(p + 8, w.v[1]);
}
FN Bytes bytes_rows(Words flags) {
  Bytes b;
  for (int i = 0; i < 2; i++) {
    const int16x8_t s = vreinterpretq_s16_u16(flags.v[i]);
    b.v[2 * i] = vreinterpretq_u8_s32(vshrq_n_s32(vmovl_s16(vget_low_s16(s)), 31));
    b.v[2 * i + 1] = vreinterpretq_u8_s32(vshrq_n_s32(vmovl_high_s16(s), 31));
  }
  return b;
}

FN int32_t word(const void* p) { int32_t w; memcpy(&w, p, 4); return w; }
FN Ints ints_set(int32_t x) { Ints a; EACH a.v[i] = vdupq_n_s32(x); return a; }
FN int8x16_t four_times(const int8_t* q) { return vreinterpretq_s8_s32(vdupq_n_s32(word(q))); }
/* Codes up to 127 are signed bytes too. */
FN Ints ints_dot(Ints a, Bytes w, const int8_t* q) {
  const int8x16_t x = four_times(q);
  EACH a.v[i] = vdotq_s32(a.v[i], vreinterpretq_s8_u8(w.v[i]), x);
  return a;
}
/* Codes up to 255, less 128. */
FN Ints ints_dot_wide(Ints a, Bytes w, const int8_t* q) {
  EACH w.v[i] = veorq_u8(w.v[i], vdupq_n_u8(128));
  return ints_dot(a, w, q);
}
#define WIDE_START(sum) (0 * (sum))

FN Floats floats_set(float x) { Floats f; EACH f.v[i] = vdupq_n_f32(x); return f; }
FN Floats floats_zero(void) { return floats_set(0); }
FN Floats floats_of(Ints a) { Floats f; EACH f.v[i] = vcvtq_f32_s32(a.v[i]); return f; }
FN float32x4_t four_halves(const uint8_t* p) { return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p))); }
FN Floats floats_half(const uint8_t* p) { Floats f; EACH f.v[i] = four_halves(p + 8 * i); return f; }
typedef struct { uint32x4_t v[4]; } Codes;
FN Codes codes_of(Words w) {
  return (Codes){{vmovl_u16(vget_low_u16(w.v[0])), vmovl_high_u16(w.v[0]), vmovl_u16(vget_low_u16(w.v[1])), vmovl_high_u16(w.v[1])}};
}
FN Codes sixteen_bytes(const uint8_t* p) { return codes_of(words_of(p)); }
FN Codes codes_right(Codes c, int shift, int mask) {
  EACH c.v[i] = vandq_u32(vshlq_u32(c.v[i], vdupq_n_s32(-shift)), vdupq_n_u32((uint32_t)mask));
  return c;
}
FN Floats floats_codes(Codes c) { Floats f; EACH f.v[i] = vcvtq_f32_u32(c.v[i]); return f; }
FN Floats floats_twice_and_one(Codes c) {
  EACH c.v[i] = vorrq_u32(vaddq_u32(c.v[i], c.v[i]), vdupq_n_u32(1));
  return floats_codes(c);
}
FN Floats floats_u8(const uint8_t* p) { return floats_codes(sixteen_bytes(p)); }
FN Floats floats_i8(const uint8_t* p) {
  const int8x16_t b = vreinterpretq_s8_u8(vld1q_u8(p));
  const int16x8_t low = vmovl_s8(vget_low_s8(b)), high = vmovl_high_s8(b);
  return (Floats){{vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))), vcvtq_f32_s32(vmovl_high_s16(low)),
                   vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))), vcvtq_f32_s32(vmovl_high_s16(high))}};
}
FN Floats floats_nibble(const uint8_t* p, int shift) { return floats_codes(codes_right(sixteen_bytes(p), shift, 15)); }
FN Floats floats_odd(const uint8_t* p, int shift, int mask) { return floats_twice_and_one(codes_right(sixteen_bytes(p), shift, mask)); }
FN Floats floats_odd16(const uint8_t* p, int shift, int mask) {
  return floats_twice_and_one(codes_right(codes_of(words_load(p)), shift, mask));
}
/* Codes 0 and 1 are denormals. */
FN Floats floats_e8m0_halved(const uint8_t* p) {
  const Codes e = sixteen_bytes(p);
  Floats f;
  EACH {
    const uint32x4_t least = vshlq_u32(vdupq_n_u32(0x00200000), vreinterpretq_s32_u32(e.v[i]));
    const uint32x4_t others = vshlq_n_u32(vsubq_u32(e.v[i], vdupq_n_u32(1)), 23);
    f.v[i] = vreinterpretq_f32_u32(vbslq_u32(vcltq_u32(e.v[i], vdupq_n_u32(2)), least, others));
  }
  return f;
}
/* Under an exponent that is 120 too small, which subnormal codes are right with too. */
FN Floats floats_ue4m3_halved(const uint8_t* p) {
  const Codes c = sixteen_bytes(p);
  Floats f;
  EACH f.v[i] = vmulq_n_f32(vreinterpretq_f32_u32(vshlq_n_u32(c.v[i], 20)), 0x1p119f);
  return f;
}
FN float32x4_t e4m3(uint32x4_t codes) {
  const uint32x4_t size = vandq_u32(codes, vdupq_n_u32(127));
  const uint32x4_t value = vreinterpretq_u32_f32(vmulq_n_f32(vreinterpretq_f32_u32(vshlq_n_u32(size, 20)), 0x1p120f));
  const uint32x4_t sign = vshlq_n_u32(vandq_u32(codes, vdupq_n_u32(128)), 24);
  const uint32x4_t none = vandq_u32(vceqq_u32(size, vdupq_n_u32(127)), vdupq_n_u32(0x7fc00000));
  return vreinterpretq_f32_u32(vorrq_u32(vorrq_u32(value, sign), none));
}
FN Floats floats_e4m3(const uint8_t* p) {
  const Codes c = sixteen_bytes(p);
  Floats f;
  EACH f.v[i] = e4m3(c.v[i]);
  return f;
}
FN Floats floats_load(const float* p) { return (Floats){{vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)}}; }
FN Floats floats_fma(Floats a, Floats b, Floats c) { EACH c.v[i] = vfmaq_f32(c.v[i], a.v[i], b.v[i]); return c; }
FN Floats floats_mul(Floats a, Floats b) { EACH a.v[i] = vmulq_f32(a.v[i], b.v[i]); return a; }
FN Floats floats_div(Floats a, Floats b) { EACH a.v[i] = vdivq_f32(a.v[i], b.v[i]); return a; }
FN Floats floats_add(Floats a, Floats b) { EACH a.v[i] = vaddq_f32(a.v[i], b.v[i]); return a; }
FN Floats floats_sub(Floats a, Floats b) { EACH a.v[i] = vsubq_f32(a.v[i], b.v[i]); return a; }
FN Floats floats_positive(Floats a) { EACH a.v[i] = vmaxq_f32(a.v[i], vdupq_n_f32(0)); return a; } /* NaN stays */
FN Floats floats_max(Floats a, Floats b) { EACH a.v[i] = vmaxnmq_f32(a.v[i], b.v[i]); return a; }  /* NaN does not */
FN Floats floats_bf16(const uint8_t* p) {
  Floats f;
  EACH f.v[i] = vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(p + 8 * i)), 16));
  return f;
}
FN Floats floats_half_one(const uint8_t* p) {
  uint16_t h;
  memcpy(&h, p, 2);
  return floats_set(vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(h))), 0));
}
/* 2^x for x <= 0: 2^n times a polynomial in f, |f| <= 1/2, off by 2e-7 at most; 0 for NaN (two infinities apart). */
FN float32x4_t exp2_four(float32x4_t x) {
  const float32x4_t kept = vmaxnmq_f32(x, vdupq_n_f32(-126)), n = vrndnq_f32(kept), f = vsubq_f32(kept, n);
  float32x4_t p = vdupq_n_f32(1.5403530393e-4f);
  p = vfmaq_f32(vdupq_n_f32(1.3333558146e-3f), p, f);
  p = vfmaq_f32(vdupq_n_f32(9.6181291076e-3f), p, f);
  p = vfmaq_f32(vdupq_n_f32(5.5504108665e-2f), p, f);
  p = vfmaq_f32(vdupq_n_f32(2.4022650696e-1f), p, f);
  p = vfmaq_f32(vdupq_n_f32(6.9314718056e-1f), p, f);
  p = vfmaq_f32(vdupq_n_f32(1), p, f);
  const int32x4_t power = vshlq_n_s32(vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127)), 23);
  const uint32x4_t value = vreinterpretq_u32_f32(vmulq_f32(p, vreinterpretq_f32_s32(power)));
  return vreinterpretq_f32_u32(vandq_u32(value, vcgeq_f32(x, vdupq_n_f32(-126))));
}
FN Floats floats_exp2(Floats x) { EACH x.v[i] = exp2_four(x.v[i]); return x; }
FN void floats_store(float* p, Floats f) { EACH vst1q_f32(p + 4 * i, f.v[i]); }

#if MATRIX
/* Products of matrices: two rows of eight columns times two vectors. w: eight quads of 16 rows; their neighbours side by side in z. */
FN void matrices(const Bytes* w, Bytes* z) {
  for (int c = 0; c < 8; c += 2) {
    EACH {
      const uint32x4_t a = vreinterpretq_u32_u8(w[c].v[i]), b = vreinterpretq_u32_u8(w[c + 1].v[i]);
      z[c].v[i] = vreinterpretq_u8_u32(vzip1q_u32(a, b));
      z[c + 1].v[i] = vreinterpretq_u8_u32(vzip2q_u32(a, b));
    }
  }
}
/* a[t] += `quads` quads of z times t's columns, for two t. */
FN void ints_dot_two(Ints* a, const Bytes* z, const int quads, const int8_t* q, const int8_t* r) {
  int32x4_t s[8]; /* two rows, two vectors each */
  EACH {
    s[2 * i] = vzip1q_s32(a[0].v[i], a[1].v[i]);
    s[2 * i + 1] = vzip2q_s32(a[0].v[i], a[1].v[i]);
  }
  for (int c = 0; c < quads; c += 2) {
    const int8x16_t x = vcombine_s8(vld1_s8(q + 4 * c), vld1_s8(r + 4 * c));
    EACH {
      s[2 * i] = vusmmlaq_s32(s[2 * i], z[c].v[i], x);
      s[2 * i + 1] = vusmmlaq_s32(s[2 * i + 1], z[c + 1].v[i], x);
    }
  }
  EACH {
    a[0].v[i] = vuzp1q_s32(s[2 * i], s[2 * i + 1]);
    a[1].v[i] = vuzp2q_s32(s[2 * i], s[2 * i + 1]);
  }
}
#undef WIDE_START
#define WIDE_START(sum) (-128 * (sum))
#define ints_dot_wide ints_dot_unsigned
FN Ints ints_dot_unsigned(Ints a, Bytes w, const int8_t* q) {
  const int8x16_t x = four_times(q);
  EACH a.v[i] = vusdotq_s32(a.v[i], w.v[i], x);
  return a;
}

/* BF16, two columns a word; BFMMLA would take twice as many, but adds up in another order, and a vector's numbers must not depend on
 * whether there is a second. */
typedef Bytes Pairs;
FN Pairs pairs_load(const uint8_t* p) { return bytes_load(p); }
FN uint8x16_t byte_of(const uint8_t* table, uint8x16_t code) {
  const uint8x16x4_t low = vld1q_u8_x4(table), high = vld1q_u8_x4(table + 64);
  return vqtbx4q_u8(vqtbl4q_u8(low, code), high, vsubq_u8(code, vdupq_n_u8(64)));
}
FN void pairs_fp8(const uint8_t* p, Pairs* a, Pairs* b) {
  EACH {
    const uint8x16_t codes = vld1q_u8(p + 16 * i), size = vandq_u8(codes, vdupq_n_u8(127));
    const uint8x16_t low = byte_of(yz_e4m3_low, size);
    const uint8x16_t high = vorrq_u8(byte_of(yz_e4m3_high, size), vandq_u8(codes, vdupq_n_u8(128)));
    const uint32x4_t first = vreinterpretq_u32_u8(vzip1q_u8(low, high)), second = vreinterpretq_u32_u8(vzip2q_u8(low, high));
    a->v[i] = vreinterpretq_u8_u32(vuzp1q_u32(first, second));
    b->v[i] = vreinterpretq_u8_u32(vuzp2q_u32(first, second));
  }
}
FN float32x4_t bf16_dot(float32x4_t sum, uint8x16_t w, const uint8_t* x) {
  return vbfdotq_f32(sum, vreinterpretq_bf16_u8(w), vreinterpretq_bf16_s32(vdupq_n_s32(word(x))));
}
/* x: of each two columns, two high parts, then two low parts. */
FN void pairs_dot(Floats* sum, Pairs w, const uint8_t* x, int64_t col) {
  EACH sum[0].v[i] = bf16_dot(sum[0].v[i], w.v[i], x + 4 * col);
  EACH sum[1].v[i] = bf16_dot(sum[1].v[i], w.v[i], x + 4 * col + 4);
}
#else
typedef struct { Floats even, odd; } Pairs;
FN Pairs pairs_load(const uint8_t* p) {
  Pairs w;
  EACH {
    const uint32x4_t both = vreinterpretq_u32_u8(vld1q_u8(p + 16 * i));
    w.even.v[i] = vreinterpretq_f32_u32(vshlq_n_u32(both, 16));
    w.odd.v[i] = vreinterpretq_f32_u32(vandq_u32(both, vdupq_n_u32(0xffff0000)));
  }
  return w;
}
FN void pairs_fp8(const uint8_t* p, Pairs* a, Pairs* b) {
  EACH {
    const uint32x4_t four = vreinterpretq_u32_u8(vld1q_u8(p + 16 * i));
    a->even.v[i] = e4m3(four);
    a->odd.v[i] = e4m3(vshrq_n_u32(four, 8));
    b->even.v[i] = e4m3(vshrq_n_u32(four, 16));
    b->odd.v[i] = e4m3(vshrq_n_u32(four, 24));
  }
}
FN void pairs_dot(Floats* sum, Pairs w, const uint8_t* x, int64_t col) {
  const float* f = (const float*)x + col;
  sum[0] = floats_fma(w.even, floats_set(f[0]), sum[0]);
  sum[1] = floats_fma(w.odd, floats_set(f[1]), sum[1]);
}
#endif

#include "kernels.inc"

#if MATRIX
/* Rounded to the nearest, in vectors where the compiler sees them. */
FN uint16_t bf16_of(float v) {
  uint32_t u;
  memcpy(&u, &v, 4);
  const uint32_t rounded = (u + 0x7fff + (u >> 16 & 1)) >> 16;
  return (uint16_t)((u & 0x7fffffff) > 0x7f800000 ? u >> 16 | 64 : rounded);
}
#endif

static void pairs(const float* x, int64_t cols, uint8_t* prepared) {
#if MATRIX
  uint16_t* to = (uint16_t*)prepared;
  for (int64_t c = 0; c < cols; c++) {
    const uint16_t high = bf16_of(x[c]);
    const uint32_t u = (uint32_t)high << 16;
    float f;
    memcpy(&f, &u, 4);
    to[c / 2 * 4 + c % 2] = high;
    to[c / 2 * 4 + c % 2 + 2] = bf16_of(x[c] - f);
  }
  if (cols % 2 == 1) to[2 * cols - 1] = to[2 * cols + 1] = 0;
#else
  memcpy(prepared, x, (size_t)cols * 4);
  if (cols % 2 == 1) memset(prepared + cols * 4, 0, 4);
#endif
}

static float quantize(const float* x, int count, int8_t* q, int32_t* sum16) {
  float32x4_t most = vdupq_n_f32(0);
  for (int i = 0; i < count; i += 4) most = vmaxnmq_f32(most, vabsq_f32(vld1q_f32(x + i)));
  const float top = vmaxvq_f32(most), scale = top > 0 ? 127 / top : 0;
  for (int i = 0; i < count; i += 16) {
    int32x4_t v[4];
    for (int j = 0; j < 4; j++) v[j] = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + i + 4 * j), scale));
    const int16x8_t low = vcombine_s16(vqmovn_s32(v[0]), vqmovn_s32(v[1])), high = vcombine_s16(vqmovn_s32(v[2]), vqmovn_s32(v[3]));
    const int8x16_t codes = vcombine_s8(vqmovn_s16(low), vqmovn_s16(high));
    vst1q_s8(q + i, codes);
    sum16[i / 16] = vaddlvq_s8(codes);
  }
  return top / 127;
}
#endif
