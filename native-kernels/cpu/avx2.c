/* AVX2 with FMA and F16C: Haswell, Zen and later. A vector of 64 bytes is two registers. Included by avx2_vnni.c for processors that
 * also have byte products (VNNI). */
#if defined(__x86_64__)
#ifndef VNNI
#pragma GCC target("avx2,fma,f16c")
#define KERNELS yz_avx2
#define INSTRUCTIONS "avx2"
#endif
#include <immintrin.h>

#include "kernels.h"

#define MOST_TOKENS 4
#define IN_ORDER 1
#define MANY_STRIPS 0
#define MOST_STRIPS 2
#define PANEL_ROWS 4
#define VECTORS 1
#define FEW 0 /* sixteen registers hold too few sums */
#define RUNS 1

typedef struct { __m256i a, b; } Bytes;
typedef struct { __m256i a, b; } Ints;
typedef struct { __m256 a, b; } Floats;
typedef struct { Floats even, odd; } Pairs;

#define FN static inline __attribute__((always_inline))

FN __m256i load(const void* p) { return _mm256_loadu_si256((const __m256i*)p); }
FN Bytes bytes_load(const uint8_t* p) { return (Bytes){load(p), load(p + 32)}; }
FN Bytes bytes_low(Bytes v) {
  const __m256i m = _mm256_set1_epi8(15);
  return (Bytes){_mm256_and_si256(v.a, m), _mm256_and_si256(v.b, m)};
}
FN Bytes bytes_high(Bytes v) { return bytes_low((Bytes){_mm256_srli_epi16(v.a, 4), _mm256_srli_epi16(v.b, 4)}); }
FN Bytes bytes_bit(Bytes v, int from, int to, int mask) {
  const __m256i m = _mm256_set1_epi8((char)mask);
  const Bytes moved = from > to ? (Bytes){_mm256_srli_epi16(v.a, from - to), _mm256_srli_epi16(v.b, from - to)}
                                : (Bytes){_mm256_slli_epi16(v.a, to - from), _mm256_slli_epi16(v.b, to - from)};
  return (Bytes){_mm256_and_si256(moved.a, m), _mm256_and_si256(moved.b, m)};
}
FN Bytes bytes_or(Bytes x, Bytes y) { return (Bytes){_mm256_or_si256(x.a, y.a), _mm256_or_si256(x.b, y.b)}; }
FN Bytes bytes_iq4(Bytes v) {
  const __m256i t = _mm256_broadcastsi128_si256(_mm_setr_epi8(1, 24, 45, 63, 79, 93, 106, 118, (char)129, (char)141, (char)153,
                                                              (char)166, (char)181, (char)197, (char)217, (char)241));
  return (Bytes){_mm256_shuffle_epi8(t, v.a), _mm256_shuffle_epi8(t, v.b)};
}

FN Bytes bytes_add(Bytes x, Bytes y) { return (Bytes){_mm256_add_epi8(x.a, y.a), _mm256_add_epi8(x.b, y.b)}; }
FN Bytes bytes_set(int x) { return (Bytes){_mm256_set1_epi8((char)x), _mm256_set1_epi8((char)x)}; }
FN Bytes bytes_look_up(const uint8_t* table, Bytes codes) {
  const __m256i t = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)table));
  return (Bytes){_mm256_shuffle_epi8(t, codes.a), _mm256_shuffle_epi8(t, codes.b)};
}
/* Entries of two rows, side by side; loads by twos are quicker than the instruction that gathers. */
FN __m128 two_entries(const uint64_t* first, const uint64_t* second) {
  return _mm_loadh_pi(_mm_castsi128_ps(_mm_loadl_epi64((const __m128i*)first)), (const __m64*)second);
}
#define EIGHT_ENTRIES(name, index_type)                                                                                      \
  FN void name##_half(const uint64_t* g, const index_type* i, __m256i* low, __m256i* high) {                                 \
    const __m256 first = _mm256_set_m128(two_entries(g + i[4], g + i[5]), two_entries(g + i[0], g + i[1]));                  \
    const __m256 second = _mm256_set_m128(two_entries(g + i[6], g + i[7]), two_entries(g + i[2], g + i[3]));                 \
    *low = _mm256_castps_si256(_mm256_shuffle_ps(first, second, 0x88));                                                      \
    *high = _mm256_castps_si256(_mm256_shuffle_ps(first, second, 0xdd));                                                     \
  }                                                                                                                          \
  FN void name(const uint64_t* grid, const index_type* index, Bytes* to) {                                                   \
    name##_half(grid, index, &to[0].a, &to[1].a);                                                                            \
    name##_half(grid, index + 8, &to[0].b, &to[1].b);                                                                        \
  }
EIGHT_ENTRIES(bytes_grid8, uint16_t)
EIGHT_ENTRIES(bytes_small8, uint8_t)
FN __m256i eight_fours(const uint32_t* g, const uint8_t* i) {
  return _mm256_set_epi32((int)g[i[7]], (int)g[i[6]], (int)g[i[5]], (int)g[i[4]], (int)g[i[3]], (int)g[i[2]], (int)g[i[1]], (int)g[i[0]]);
}
FN void bytes_iq2_xxs(const uint8_t* index, Bytes* to) {
  bytes_small8(yz_grid_iq2_xxs, index, to);
}
FN void bytes_iq3_xxs(const uint8_t* index, Bytes* to) {
  for (int i = 0; i < 2; i++) {
    to[i] = (Bytes){eight_fours(yz_grid_iq3_xxs, index + 16 * i), eight_fours(yz_grid_iq3_xxs, index + 16 * i + 8)};
  }
}
/* 64 - v = ~(64 + v) + 129 */
FN __m256i turned(__m256i v, __m256i minus) {
  return _mm256_add_epi8(_mm256_xor_si256(v, minus), _mm256_and_si256(minus, _mm256_set1_epi8((char)129)));
}
FN void bytes_sign(const uint8_t* signs, Bytes* w) {
  const __m256i all = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)signs));
  const __m256i rows = _mm256_setr_epi8(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7);
  const __m256i a = _mm256_shuffle_epi8(all, rows);
  const __m256i b = _mm256_shuffle_epi8(all, _mm256_add_epi8(rows, _mm256_set1_epi8(8)));
  const __m256i low = _mm256_set1_epi32(0x08040201), high = _mm256_set1_epi32((int)0x80402010);
  w[0].a = turned(w[0].a, _mm256_cmpeq_epi8(_mm256_and_si256(a, low), low));
  w[0].b = turned(w[0].b, _mm256_cmpeq_epi8(_mm256_and_si256(b, low), low));
  w[1].a = turned(w[1].a, _mm256_cmpeq_epi8(_mm256_and_si256(a, high), high));
  w[1].b = turned(w[1].b, _mm256_cmpeq_epi8(_mm256_and_si256(b, high), high));
}
typedef __m256i Words;
FN Words words_load(const void* p) { return load(p); }
FN Words words_of(const uint8_t* p) { return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i*)p)); }
FN Words words_index(Words low, Words others, int shift, int bits) {
  const __m256i above = _mm256_and_si256(_mm256_srli_epi16(others, shift), _mm256_set1_epi16((short)((1 << bits) - 1)));
  return _mm256_or_si256(low, _mm256_slli_epi16(above, 8));
}
FN Words words_left(Words w, int shift) { return _mm256_slli_epi16(w, shift); }
FN void words_store(uint16_t* p, Words w) { _mm256_storeu_si256((__m256i*)p, w); }
FN Bytes bytes_rows(Words flags) {
  return (Bytes){_mm256_srai_epi32(_mm256_cvtepi16_epi32(_mm256_castsi256_si128(flags)), 31),
                 _mm256_srai_epi32(_mm256_cvtepi16_epi32(_mm256_extracti128_si256(flags, 1)), 31)};
}

FN int32_t word(const void* p) { int32_t w; memcpy(&w, p, 4); return w; }
FN Ints ints_set(int32_t x) { return (Ints){_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
#ifdef VNNI
FN __m256i dot(__m256i sum, __m256i w, __m256i q) {
#ifdef YUZUI_VNNI_OF_AVX512
  /* by AVX-512's form of the instruction, for processors that have that alone: a test's */
  __asm__("vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(w), "xm"(q));
  return sum;
#else
  return _mm256_dpbusd_epi32(sum, w, q);
#endif
}
FN Ints ints_dot(Ints s, Bytes w, const int8_t* q) {
  const __m256i x = _mm256_set1_epi32(word(q));
  return (Ints){dot(s.a, w.a, x), dot(s.b, w.b, x)};
}
#define ints_dot_wide ints_dot
#else
/* Sums of two products of codes up to 63 fit in 16 bits. */
FN __m256i dot(__m256i sum, __m256i w, __m256i q, __m256i by) {
  return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(w, q), by));
}
FN Ints ints_dot(Ints s, Bytes w, const int8_t* q) {
  const __m256i x = _mm256_set1_epi32(word(q)), one = _mm256_set1_epi16(1);
  return (Ints){dot(s.a, w.a, x, one), dot(s.b, w.b, x, one)};
}
/* Codes up to 255: their nibbles apart. */
FN Ints ints_dot_wide(Ints s, Bytes w, const int8_t* q) {
  const __m256i x = _mm256_set1_epi32(word(q)), one = _mm256_set1_epi16(1), sixteen = _mm256_set1_epi16(16);
  const Bytes low = bytes_low(w), high = bytes_high(w);
  return (Ints){dot(dot(s.a, low.a, x, one), high.a, x, sixteen), dot(dot(s.b, low.b, x, one), high.b, x, sixteen)};
}
#endif
#define WIDE_START(sum) (-128 * (sum))

FN Floats floats_zero(void) { return (Floats){_mm256_setzero_ps(), _mm256_setzero_ps()}; }
FN Floats floats_set(float x) { return (Floats){_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
FN Floats floats_of(Ints v) { return (Floats){_mm256_cvtepi32_ps(v.a), _mm256_cvtepi32_ps(v.b)}; }
FN Floats floats_half(const uint8_t* p) {
  return (Floats){_mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)p)), _mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)(p + 16)))};
}
FN Floats floats_u8(const uint8_t* p) {
  return (Floats){_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)p))),
                  _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)(p + 8))))};
}
FN Floats floats_i8(const uint8_t* p) {
  return (Floats){_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)p))),
                  _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)(p + 8))))};
}
FN __m256i eight_bytes(const uint8_t* p) { return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)p)); }
FN __m256i eight_words(const uint8_t* p) { return _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i*)p)); }
FN __m256 odd(__m256i v, int shift, int mask) {
  const __m256i bits = _mm256_and_si256(_mm256_srli_epi32(v, shift), _mm256_set1_epi32(mask));
  return _mm256_cvtepi32_ps(_mm256_or_si256(_mm256_add_epi32(bits, bits), _mm256_set1_epi32(1)));
}
FN __m256 nibble(__m256i v, int shift) {
  return _mm256_cvtepi32_ps(_mm256_and_si256(_mm256_srli_epi32(v, shift), _mm256_set1_epi32(15)));
}
FN Floats floats_nibble(const uint8_t* p, int shift) { return (Floats){nibble(eight_bytes(p), shift), nibble(eight_bytes(p + 8), shift)}; }
FN Floats floats_odd(const uint8_t* p, int shift, int mask) {
  return (Floats){odd(eight_bytes(p), shift, mask), odd(eight_bytes(p + 8), shift, mask)};
}
FN Floats floats_odd16(const uint8_t* p, int shift, int mask) {
  return (Floats){odd(eight_words(p), shift, mask), odd(eight_words(p + 16), shift, mask)};
}
/* Codes 0 and 1 are denormals. */
FN __m256 e8m0_halved(__m256i e) {
  const __m256i least = _mm256_sllv_epi32(_mm256_set1_epi32(0x00200000), e);
  const __m256i others = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23);
  return _mm256_castsi256_ps(_mm256_blendv_epi8(others, least, _mm256_cmpgt_epi32(_mm256_set1_epi32(2), e)));
}
FN Floats floats_e8m0_halved(const uint8_t* p) { return (Floats){e8m0_halved(eight_bytes(p)), e8m0_halved(eight_bytes(p + 8))}; }
/* Under an exponent that is 120 too small, which subnormal codes are right with too. */
FN __m256 ue4m3_halved(__m256i codes) {
  return _mm256_mul_ps(_mm256_castsi256_ps(_mm256_slli_epi32(codes, 20)), _mm256_set1_ps(0x1p119f));
}
FN Floats floats_ue4m3_halved(const uint8_t* p) { return (Floats){ue4m3_halved(eight_bytes(p)), ue4m3_halved(eight_bytes(p + 8))}; }
FN Floats floats_load(const float* p) { return (Floats){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
FN Floats floats_fma(Floats x, Floats y, Floats z) {
  return (Floats){_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}
FN Floats floats_mul(Floats x, Floats y) { return (Floats){_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
FN Floats floats_div(Floats x, Floats y) { return (Floats){_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
FN Floats floats_add(Floats x, Floats y) { return (Floats){_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
FN Floats floats_sub(Floats x, Floats y) { return (Floats){_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
FN Floats floats_positive(Floats x) { /* the second operand is what comes of a NaN */
  return (Floats){_mm256_max_ps(_mm256_setzero_ps(), x.a), _mm256_max_ps(_mm256_setzero_ps(), x.b)};
}
FN Floats floats_max(Floats x, Floats y) { return (Floats){_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
FN __m256 bf16_eight(const uint8_t* p) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i*)p)), 16));
}
FN Floats floats_bf16(const uint8_t* p) { return (Floats){bf16_eight(p), bf16_eight(p + 16)}; }
FN Floats floats_half_one(const uint8_t* p) {
  uint16_t h;
  memcpy(&h, p, 2);
  return floats_set(_cvtsh_ss(h));
}
/* Of the codes in the words' highest bytes, which are no NaN: with their sign, under an exponent that is 120 too small first. */
FN __m256 e4m3_highest(__m256i words) {
  const __m256i bits = _mm256_and_si256(_mm256_srai_epi32(words, 4), _mm256_set1_epi32((int)0x87f00000));
  return _mm256_mul_ps(_mm256_castsi256_ps(bits), _mm256_set1_ps(0x1p120f));
}
FN __m256 e4m3(const uint8_t* p) {
  const __m256i codes = eight_bytes(p), most = _mm256_set1_epi32(127);
  const __m256i none = _mm256_cmpeq_epi32(_mm256_and_si256(codes, most), most);
  return _mm256_or_ps(e4m3_highest(_mm256_slli_epi32(codes, 24)), _mm256_castsi256_ps(none));
}
FN Floats floats_e4m3(const uint8_t* p) { return (Floats){e4m3(p), e4m3(p + 8)}; }
/* 2^x for x <= 0: 2^n times a polynomial in f, |f| <= 1/2, off by 2e-7 at most; 0 for NaN (two infinities apart). */
FN __m256 exp2_eight(__m256 x) {
  const __m256 kept = _mm256_max_ps(x, _mm256_set1_ps(-126)); /* the second of the two where one is NaN */
  const __m256 n = _mm256_round_ps(kept, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m256 f = _mm256_sub_ps(kept, n);
  __m256 p = _mm256_set1_ps(1.5403530393e-4f);
  p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(1.3333558146e-3f));
  p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(9.6181291076e-3f));
  p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(5.5504108665e-2f));
  p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(2.4022650696e-1f));
  p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(6.9314718056e-1f));
  p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(1));
  const __m256i power = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
  return _mm256_and_ps(_mm256_mul_ps(p, _mm256_castsi256_ps(power)), _mm256_cmp_ps(x, _mm256_set1_ps(-126), _CMP_GE_OQ));
}
FN Floats floats_exp2(Floats x) { return (Floats){exp2_eight(x.a), exp2_eight(x.b)}; }
FN void floats_store(float* p, Floats f) {
  _mm256_storeu_ps(p, f.a);
  _mm256_storeu_ps(p + 8, f.b);
}

FN Pairs pairs_load(const uint8_t* p) {
  const __m256i a = load(p), b = load(p + 32), high = _mm256_set1_epi32((int)0xffff0000u);
  return (Pairs){{_mm256_castsi256_ps(_mm256_slli_epi32(a, 16)), _mm256_castsi256_ps(_mm256_slli_epi32(b, 16))},
                 {_mm256_castsi256_ps(_mm256_and_si256(a, high)), _mm256_castsi256_ps(_mm256_and_si256(b, high))}};
}
FN __m256i e4m3_none(__m256i codes) {
  const __m256i most = _mm256_set1_epi8(127);
  return _mm256_cmpeq_epi8(_mm256_and_si256(codes, most), most);
}
FN __m256 e4m3_of(__m256i words, __m256i none, int left) {
  const __m256i last = _mm256_srai_epi32(_mm256_slli_epi32(none, left), 31);
  return _mm256_or_ps(e4m3_highest(_mm256_slli_epi32(words, left)), _mm256_castsi256_ps(last));
}
FN void pairs_fp8(const uint8_t* p, Pairs* x, Pairs* y) {
  const __m256i a = load(p), b = load(p + 32);
  const __m256i na = e4m3_none(a), nb = e4m3_none(b);
  if (_mm256_testz_si256(_mm256_or_si256(na, nb), _mm256_set1_epi8(-1))) { /* as good as always */
    *x = (Pairs){{e4m3_highest(_mm256_slli_epi32(a, 24)), e4m3_highest(_mm256_slli_epi32(b, 24))},
                 {e4m3_highest(_mm256_slli_epi32(a, 16)), e4m3_highest(_mm256_slli_epi32(b, 16))}};
    *y = (Pairs){{e4m3_highest(_mm256_slli_epi32(a, 8)), e4m3_highest(_mm256_slli_epi32(b, 8))},
                 {e4m3_highest(a), e4m3_highest(b)}};
    return;
  }
  *x = (Pairs){{e4m3_of(a, na, 24), e4m3_of(b, nb, 24)}, {e4m3_of(a, na, 16), e4m3_of(b, nb, 16)}};
  *y = (Pairs){{e4m3_of(a, na, 8), e4m3_of(b, nb, 8)}, {e4m3_of(a, na, 0), e4m3_of(b, nb, 0)}};
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
  const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
  __m256 top = _mm256_setzero_ps();
  for (int i = 0; i < count; i += 8) top = _mm256_max_ps(top, _mm256_and_ps(_mm256_loadu_ps(x + i), magnitude));
  float tops[8], most = 0;
  _mm256_storeu_ps(tops, top);
  for (int i = 0; i < 8; i++) most = tops[i] > most ? tops[i] : most;
  const __m256 scale = _mm256_set1_ps(most > 0 ? 127 / most : 0);
  for (int i = 0; i < count; i += 8) {
    const __m256i v = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i), scale));
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    _mm_storel_epi64((__m128i*)(q + i), _mm_packs_epi16(words, words));
  }
  for (int i = 0; i < count; i += 16) {
    const __m128i b = _mm_loadu_si128((const __m128i*)(q + i));
    const __m256i pairs = _mm256_madd_epi16(_mm256_cvtepi8_epi16(b), _mm256_set1_epi16(1));
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
    s = _mm_hadd_epi32(s, s);
    sum16[i / 16] = _mm_cvtsi128_si32(_mm_hadd_epi32(s, s));
  }
  return most / 127;
}
#endif
