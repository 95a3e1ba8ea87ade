/* AVX-512 with byte products (VNNI), byte permutations (VBMI) and BF16: Ice Lake, Zen 4 and later. */
#if defined(__x86_64__)
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vbmi,avx512bf16,fma,f16c")
#include <immintrin.h>

#include "kernels.h"

#define KERNELS yz_avx512
#define INSTRUCTIONS "avx512-vnni"
#define MOST_TOKENS 8
#define IN_ORDER 2
#define MANY_STRIPS 4
#define MOST_STRIPS 4
#define PANEL_ROWS 8
#define VECTORS 2
#define RUNS 2
#define FEW 1

typedef __m512i Bytes;
typedef __m512i Ints;
typedef __m512 Floats;
typedef __m512i Pairs;

#define FN static inline __attribute__((always_inline))

FN Bytes bytes_load(const uint8_t* p) { return _mm512_loadu_si512(p); }
FN Bytes bytes_low(Bytes b) { return _mm512_and_si512(b, _mm512_set1_epi8(15)); }
FN Bytes bytes_high(Bytes b) { return _mm512_and_si512(_mm512_srli_epi16(b, 4), _mm512_set1_epi8(15)); }
FN Bytes bytes_bit(Bytes b, int from, int to, int mask) {
  const Bytes moved = from > to ? _mm512_srli_epi16(b, (unsigned)(from - to)) : _mm512_slli_epi16(b, (unsigned)(to - from));
  return _mm512_and_si512(moved, _mm512_set1_epi8((char)mask));
}
FN Bytes bytes_or(Bytes a, Bytes b) { return _mm512_or_si512(a, b); }
FN Bytes bytes_iq4(Bytes b) {
  const __m128i values = _mm_setr_epi8(1, 24, 45, 63, 79, 93, 106, 118, (char)129, (char)141, (char)153, (char)166, (char)181,
                                       (char)197, (char)217, (char)241);
  return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(values), b);
}

FN Bytes bytes_add(Bytes a, Bytes b) { return _mm512_add_epi8(a, b); }
FN Bytes bytes_set(int x) { return _mm512_set1_epi8((char)x); }
FN Bytes bytes_look_up(const uint8_t* table, Bytes codes) {
  return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i*)table)), codes);
}
/* Entries of two rows, side by side. */
FN __m128 two_entries(const uint64_t* grid, const uint16_t* index) {
  return _mm_loadh_pi(_mm_castsi128_ps(_mm_loadl_epi64((const __m128i*)(grid + index[0]))), (const __m64*)(grid + index[1]));
}
FN __m512 every_fourth(const uint64_t* grid, const uint16_t* index) {
  const __m256 low = _mm256_set_m128(two_entries(grid, index + 4), two_entries(grid, index));
  const __m256 high = _mm256_set_m128(two_entries(grid, index + 12), two_entries(grid, index + 8));
  return _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
}
FN void bytes_grid8(const uint64_t* grid, const uint16_t* index, Bytes* to) {
  const __m512 first = every_fourth(grid, index), second = every_fourth(grid, index + 2);
  to[0] = _mm512_castps_si512(_mm512_shuffle_ps(first, second, 0x88));
  to[1] = _mm512_castps_si512(_mm512_shuffle_ps(first, second, 0xdd));
}
/* Of a table of 256 words, by 32 words. */
FN __m512i words_look_up(const uint16_t* table, __m512i index) {
  __m512i quarter[4];
  for (int i = 0; i < 4; i++) {
    quarter[i] = _mm512_permutex2var_epi16(_mm512_loadu_si512(table + 64 * i), index, _mm512_loadu_si512(table + 64 * i + 32));
  }
  const __mmask32 odd = _mm512_test_epi16_mask(index, _mm512_set1_epi16(64));
  const __mmask32 upper = _mm512_test_epi16_mask(index, _mm512_set1_epi16(128));
  return _mm512_mask_blend_epi16(upper, _mm512_mask_blend_epi16(odd, quarter[0], quarter[1]),
                                 _mm512_mask_blend_epi16(odd, quarter[2], quarter[3]));
}
/* Eight numbers of two bits of each of eight rows, as bytes plus 64; what lies above two bits does not matter. */
FN __m512i eight_numbers(__m128i codes) {
  const __m512i each = _mm512_multishift_epi64_epi8(_mm512_set1_epi64(0x0e0c0a0806040200), _mm512_cvtepu16_epi64(codes));
  return _mm512_permutexvar_epi8(each, _mm512_set1_epi32(0x486b5948)); /* 72, 89, 107 */
}
FN void bytes_iq2_xxs(const uint8_t* index, Bytes* to) {
  const __m512i codes = words_look_up(yz_codes_iq2_xxs, _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i*)index)));
  const __m512i first = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
  const __m512i second = _mm512_or_si512(first, _mm512_set1_epi32(1));
  const __m512i a = eight_numbers(_mm512_castsi512_si128(codes)), b = eight_numbers(_mm512_extracti32x4_epi32(codes, 1));
  const __m512i c = eight_numbers(_mm512_extracti32x4_epi32(codes, 2)), d = eight_numbers(_mm512_extracti32x4_epi32(codes, 3));
  to[0] = _mm512_permutex2var_epi32(a, first, b);
  to[1] = _mm512_permutex2var_epi32(a, second, b);
  to[2] = _mm512_permutex2var_epi32(c, first, d);
  to[3] = _mm512_permutex2var_epi32(c, second, d);
}
/* Four numbers of three bits of each of 16 rows, as bytes plus 64. */
FN __m512i four_numbers(__m256i codes) {
  const __m512i each = _mm512_multishift_epi64_epi8(_mm512_set1_epi64(0x2926232009060300), _mm512_cvtepu16_epi32(codes));
  return _mm512_permutexvar_epi8(each, _mm512_set1_epi64(0x7e746c645c544c44)); /* 68, 76, 84, ... 116, 126 */
}
FN void bytes_iq3_xxs(const uint8_t* index, Bytes* to) {
  for (int i = 0; i < 2; i++, index += 32, to += 2) {
    const __m512i codes = words_look_up(yz_codes_iq3_xxs, _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i*)index)));
    to[0] = four_numbers(_mm512_castsi512_si256(codes));
    to[1] = four_numbers(_mm512_extracti64x4_epi64(codes, 1));
  }
}
FN void bytes_sign(const uint8_t* signs, Bytes* w) {
  const __m512i rows = _mm512_set_epi32(0x0f0f0f0f, 0x0e0e0e0e, 0x0d0d0d0d, 0x0c0c0c0c, 0x0b0b0b0b, 0x0a0a0a0a, 0x09090909, 0x08080808,
                                        0x07070707, 0x06060606, 0x05050505, 0x04040404, 0x03030303, 0x02020202, 0x01010101, 0);
  const __m512i each = _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i*)signs)), rows);
  const __m512i both = _mm512_set1_epi8((char)128); /* 64 - v = 128 - (64 + v) */
  w[0] = _mm512_mask_sub_epi8(w[0], _mm512_test_epi8_mask(each, _mm512_set1_epi32(0x08040201)), both, w[0]);
  w[1] = _mm512_mask_sub_epi8(w[1], _mm512_test_epi8_mask(each, _mm512_set1_epi32((int)0x80402010)), both, w[1]);
}
typedef __m256i Words;
FN Words words_load(const void* p) { return _mm256_loadu_si256((const __m256i*)p); }
FN Words words_of(const uint8_t* p) { return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i*)p)); }
FN Words words_index(Words low, Words others, int shift, int bits) {
  const __m256i above = _mm256_and_si256(_mm256_srli_epi16(others, shift), _mm256_set1_epi16((short)((1 << bits) - 1)));
  return _mm256_or_si256(low, _mm256_slli_epi16(above, 8));
}
FN Words words_left(Words w, int shift) { return _mm256_slli_epi16(w, shift); }
FN void words_store(uint16_t* p, Words w) { _mm256_storeu_si256((__m256i*)p, w); }
FN Bytes bytes_rows(Words flags) { return _mm512_srai_epi32(_mm512_cvtepi16_epi32(flags), 31); }

FN int32_t word(const void* p) { int32_t w; memcpy(&w, p, 4); return w; }
FN Ints ints_set(int32_t x) { return _mm512_set1_epi32(x); }
FN Ints ints_dot(Ints a, Bytes w, const int8_t* q) { return _mm512_dpbusd_epi32(a, w, _mm512_set1_epi32(word(q))); }
FN Ints ints_of_pairs(const uint8_t* even, const uint8_t* odd) {
  const __m512i low = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i*)even));
  return _mm512_or_si512(low, _mm512_slli_epi32(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i*)odd)), 16));
}
FN void pairs_of_sums(const int32_t* sum16, int32_t* to) {
  const __m512i v = _mm512_loadu_si512(sum16);
  _mm_storeu_si128((__m128i*)to, _mm512_cvtepi64_epi16(_mm512_add_epi32(v, _mm512_srli_epi64(v, 32))));
}
FN void pairs_of_sums16(const int32_t* sum16, int32_t* to) {
  _mm256_storeu_si256((__m256i*)to, _mm512_cvtepi32_epi16(_mm512_loadu_si512(sum16)));
}
FN Ints ints_upper(Ints pairs) { return _mm512_and_si512(_mm512_srli_epi16(pairs, 4), _mm512_set1_epi16(15)); }
FN Ints ints_dot_pairs(Ints a, Ints m, int32_t pair) { return _mm512_dpwssd_epi32(a, m, _mm512_set1_epi32(pair)); }
#define ints_dot_wide ints_dot
#define WIDE_START(sum) (-128 * (sum))

FN Floats floats_zero(void) { return _mm512_setzero_ps(); }
FN Floats floats_set(float x) { return _mm512_set1_ps(x); }
FN Floats floats_of(Ints a) { return _mm512_cvtepi32_ps(a); }
FN Floats floats_half(const uint8_t* p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)p)); }
FN Floats floats_u8(const uint8_t* p) { return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i*)p))); }
FN Floats floats_i8(const uint8_t* p) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)p))); }
FN __m512 odd(__m512i v, int shift, int mask) {
  const __m512i bits = _mm512_and_si512(_mm512_srli_epi32(v, (unsigned)shift), _mm512_set1_epi32(mask));
  return _mm512_cvtepi32_ps(_mm512_or_si512(_mm512_add_epi32(bits, bits), _mm512_set1_epi32(1)));
}
FN __m512i sixteen_bytes(const uint8_t* p) { return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i*)p)); }
FN Floats floats_nibble(const uint8_t* p, int shift) {
  return _mm512_cvtepi32_ps(_mm512_and_si512(_mm512_srli_epi32(sixteen_bytes(p), (unsigned)shift), _mm512_set1_epi32(15)));
}
FN Floats floats_odd(const uint8_t* p, int shift, int mask) { return odd(sixteen_bytes(p), shift, mask); }
FN Floats floats_odd16(const uint8_t* p, int shift, int mask) {
  return odd(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)p)), shift, mask);
}
/* Codes 0 and 1 are denormals. */
FN Floats floats_e8m0_halved(const uint8_t* p) {
  const __m512i e = sixteen_bytes(p), one = _mm512_set1_epi32(1);
  const __m512i others = _mm512_slli_epi32(_mm512_sub_epi32(e, one), 23);
  const __mmask16 denormal = _mm512_cmple_epi32_mask(e, one);
  return _mm512_castsi512_ps(_mm512_mask_sllv_epi32(others, denormal, _mm512_set1_epi32(0x00200000), e));
}
/* Under an exponent that is 120 too small, which subnormal codes are right with too. */
FN Floats floats_ue4m3_halved(const uint8_t* p) {
  return _mm512_mul_ps(_mm512_castsi512_ps(_mm512_slli_epi32(sixteen_bytes(p), 20)), _mm512_set1_ps(0x1p119f));
}
FN Floats floats_load(const float* p) { return _mm512_loadu_ps(p); }
FN Floats floats_fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
FN Floats floats_mul(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
FN Floats floats_div(Floats a, Floats b) { return _mm512_div_ps(a, b); }
FN Floats floats_add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
FN Floats floats_sub(Floats a, Floats b) { return _mm512_sub_ps(a, b); }
FN Floats floats_positive(Floats a) { return _mm512_max_ps(_mm512_setzero_ps(), a); } /* the second operand, if one is NaN */
FN Floats floats_max(Floats a, Floats b) { return _mm512_max_ps(a, b); }
FN Floats floats_bf16(const uint8_t* p) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)p)), 16));
}
FN Floats floats_half_one(const uint8_t* p) {
  uint16_t h;
  memcpy(&h, p, 2);
  return _mm512_set1_ps(_cvtsh_ss(h));
}
/* With the sign, under an exponent that is 120 too small first. */
FN Floats floats_e4m3(const uint8_t* p) {
  const __m512i codes = _mm512_slli_epi32(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i*)p)), 24);
  const __m512i bits = _mm512_and_si512(_mm512_srai_epi32(codes, 4), _mm512_set1_epi32((int)0x87f00000));
  const __m512i size = _mm512_slli_epi32(codes, 1), none = _mm512_set1_epi32((int)0xfe000000);
  const Floats value = _mm512_mul_ps(_mm512_castsi512_ps(bits), _mm512_set1_ps(0x1p120f));
  return _mm512_mask_mov_ps(value, _mm512_cmpeq_epi32_mask(size, none), _mm512_castsi512_ps(_mm512_set1_epi32(-1)));
}
/* 2^x for x <= 0: 2^n times a polynomial in f, |f| <= 1/2, off by 2e-7 at most; 0 for NaN (two infinities apart). */
/* Lane k is the sum of v[k]'s lanes. */
FN Floats floats_sums(const Floats* v) {
  __m512 r[8], s[4];
  for (int i = 0; i < 8; i++) {
    const __m512 a = v[2 * i], b = v[2 * i + 1];
    r[i] = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
  }
  for (int i = 0; i < 4; i++) {
    const __m512d a = _mm512_castps_pd(r[2 * i]), b = _mm512_castps_pd(r[2 * i + 1]);
    s[i] = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)), _mm512_castpd_ps(_mm512_unpackhi_pd(a, b)));
  }
  const __m512 low = _mm512_add_ps(_mm512_shuffle_f32x4(s[0], s[1], 0x88), _mm512_shuffle_f32x4(s[0], s[1], 0xdd));
  const __m512 high = _mm512_add_ps(_mm512_shuffle_f32x4(s[2], s[3], 0x88), _mm512_shuffle_f32x4(s[2], s[3], 0xdd));
  return _mm512_add_ps(_mm512_shuffle_f32x4(low, high, 0x88), _mm512_shuffle_f32x4(low, high, 0xdd));
}
FN Floats floats_exp2(Floats x) {
  x = _mm512_max_ps(x, _mm512_set1_ps(-150)); /* the second of the two where one is NaN */
  const Floats n = _mm512_roundscale_ps(x, 0);
  const Floats f = _mm512_sub_ps(x, n);
  Floats p = _mm512_set1_ps(1.5403530393e-4f);
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.3333558146e-3f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(9.6181291076e-3f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(5.5504108665e-2f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(2.4022650696e-1f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(6.9314718056e-1f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1));
  return _mm512_scalef_ps(p, n);
}
FN void floats_store(float* p, Floats f) { _mm512_storeu_ps(p, f); }

FN Pairs pairs_load(const uint8_t* p) { return _mm512_loadu_si512(p); }
FN void pairs_fp8(const uint8_t* p, Pairs* a, Pairs* b) {
  const __m512i codes = _mm512_loadu_si512(p);
  const __m512i low = _mm512_permutex2var_epi8(_mm512_loadu_si512(yz_e4m3_low), codes, _mm512_loadu_si512(yz_e4m3_low + 64));
  const __m512i magnitude = _mm512_permutex2var_epi8(_mm512_loadu_si512(yz_e4m3_high), codes, _mm512_loadu_si512(yz_e4m3_high + 64));
  const __m512i high = _mm512_or_si512(magnitude, _mm512_and_si512(codes, _mm512_set1_epi8((char)0x80)));
  const __m512 first = _mm512_castsi512_ps(_mm512_unpacklo_epi8(low, high)); /* two of each four rows, four columns */
  const __m512 second = _mm512_castsi512_ps(_mm512_unpackhi_epi8(low, high));
  *a = _mm512_castps_si512(_mm512_shuffle_ps(first, second, 0x88));
  *b = _mm512_castps_si512(_mm512_shuffle_ps(first, second, 0xdd));
}
/* x: of each two columns, two high parts, then two low parts. */
FN void pairs_dot(Floats* sum, Pairs w, const uint8_t* x, int64_t col) {
  sum[0] = _mm512_dpbf16_ps(sum[0], (__m512bh)w, (__m512bh)_mm512_set1_epi32(word(x + 4 * col)));
  sum[1] = _mm512_dpbf16_ps(sum[1], (__m512bh)w, (__m512bh)_mm512_set1_epi32(word(x + 4 * col + 4)));
}

#include "kernels.inc"

static uint16_t bf16_of(float v) {
  uint32_t u;
  memcpy(&u, &v, 4);
  if ((u & 0x7fffffff) > 0x7f800000) return (uint16_t)(u >> 16 | 64);
  return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

static void pairs(const float* x, int64_t cols, uint8_t* prepared) {
  uint16_t* to = (uint16_t*)prepared;
  int64_t c = 0;
  for (; c + 16 <= cols; c += 16) {
    const __m512 v = _mm512_loadu_ps(x + c);
    const __m512i high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(v));
    const __m512 rest = _mm512_sub_ps(v, _mm512_castsi512_ps(_mm512_slli_epi32(high, 16)));
    const __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(rest));
    /* two columns a quadword: both high parts, then both low parts */
    const __m512i order = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 4, 5, -1, -1, -1, -1, 8, 9, 12, 13, -1, -1, -1, -1));
    const __m512i two = _mm512_or_si512(_mm512_shuffle_epi8(high, order), _mm512_slli_epi64(_mm512_shuffle_epi8(low, order), 32));
    _mm512_storeu_si512(to + 2 * c, two);
  }
  for (; c < cols; c++) {
    const uint16_t high = bf16_of(x[c]);
    const uint32_t u = (uint32_t)high << 16;
    float f;
    memcpy(&f, &u, 4);
    to[c / 2 * 4 + c % 2] = high;
    to[c / 2 * 4 + c % 2 + 2] = bf16_of(x[c] - f);
  }
  if (cols % 2 == 1) to[2 * cols - 1] = to[2 * cols + 1] = 0;
}

static float quantize(const float* x, int count, int8_t* q, int32_t* sum16) {
  __m512 most = _mm512_setzero_ps();
  for (int i = 0; i < count; i += 16) most = _mm512_max_ps(most, _mm512_abs_ps(_mm512_loadu_ps(x + i)));
  const float top = _mm512_reduce_max_ps(most);
  const __m512 scale = _mm512_set1_ps(top > 0 ? 127 / top : 0);
  for (int i = 0; i < count; i += 16) {
    const __m512i v = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + i), scale));
    const __m128i codes = _mm512_cvtsepi32_epi8(v);
    _mm_storeu_si128((__m128i*)(q + i), codes);
    /* of the codes: what is no number is the least of 32 bits in v */
    __m128i sum = _mm_dpbusd_epi32(_mm_setzero_si128(), _mm_set1_epi8(1), codes);
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
    sum16[i / 16] = _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1)));
  }
  return top / 127;
}
#endif
